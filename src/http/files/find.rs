//! The file that a request's target names.

use std::fs::Metadata;
use std::path::{Path, PathBuf};

use super::SimpleHttpRequestHandler;
use super::hooks::FileHooks;
use super::no_file::NoFile;
use super::path;
use crate::http::exchange::Exchange;
use crate::os::name_bytes;

impl<K: FileHooks> SimpleHttpRequestHandler<K> {
    /// The regular file that the request's target names.
    pub(super) fn find(&self, http: &Exchange<'_>) -> Result<(PathBuf, Metadata), NoFile> {
        let path = self.translate_path(http, &http.path);
        if !self.is_spa {
            return self.find_named(http, path);
        }
        self.find_named(http, path.clone()).or_else(|why| {
            let why = match why {
                // A slash at the end of its name would lead to no page.
                NoFile::NoSlash if self.index_page(&path).is_none() => {
                    NoFile::Directory(path.clone())
                }
                why => why,
            };
            self.app_page(http, &path, &why).ok_or(why)
        })
    }

    fn find_named(
        &self,
        http: &Exchange<'_>,
        mut path: PathBuf,
    ) -> Result<(PathBuf, Metadata), NoFile> {
        if let Some(file) = self.sole_at(&path) {
            path = file;
        }
        let mut found = self.tree.metadata(&path);
        if found.as_ref().is_ok_and(Metadata::is_dir) {
            if !path::ends_with_slash(http.target().path()) {
                return Err(NoFile::NoSlash);
            }
            match self.index_page(&path) {
                Some((page, metadata)) => (path, found) = (page, Ok(metadata)),
                None => return Err(NoFile::Directory(path)),
            }
        }
        // Looked at before it is opened: opening a pipe waits for its writer, and opening a
        // device may do anything.
        let is_named_as_file = !name_bytes(&path).ends_with(b"/");
        match found {
            Ok(found) if found.is_file() && is_named_as_file => Ok((path, found)),
            Ok(_) => Err(NoFile::NotFound),
            Err(error) => Err(NoFile::because(&error)),
        }
    }

    /// The page that stands for a directory.
    pub(super) fn index_page(&self, directory: &Path) -> Option<(PathBuf, Metadata)> {
        self.hooks.index_pages().iter().find_map(|name| {
            let page = directory.join(name);
            let metadata = self.tree.metadata(&page).ok().filter(Metadata::is_file)?;
            Some((page, metadata))
        })
    }
}
