//! A directory that is about to be listed.

use std::io;
use std::path::Path;

use super::tree::{DirectoryEntry, Tree};

/// A directory that is to be listed: see [`FileHooks::list_directory`](super::FileHooks).
#[derive(Debug)]
pub struct Directory<'a> {
    tree: &'a Tree,
    path: &'a Path,
}

impl<'a> Directory<'a> {
    pub(super) fn new(tree: &'a Tree, path: &'a Path) -> Self {
        Self { tree, path }
    }

    /// Where it is.
    ///
    /// What a program opens by this path is not checked: neither
    /// [`confined`](super::SimpleHttpRequestHandler::confined) nor
    /// [`hiding_dot_files`](super::SimpleHttpRequestHandler::hiding_dot_files) holds for it.
    pub fn path(&self) -> &'a Path {
        self.path
    }

    /// The names in it that may be served, in the order of their names, upper and lower case alike.
    ///
    /// # Errors
    ///
    /// It cannot be read, or may not be reached.
    pub fn entries(&self) -> io::Result<Vec<DirectoryEntry>> {
        let mut entries = self.tree.read_directory(self.path)?;
        entries.sort_by_cached_key(|entry| entry.name.to_string_lossy().to_lowercase());
        Ok(entries)
    }
}
