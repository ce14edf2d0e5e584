//! A directory that is about to be listed.

use std::io;
use std::path::Path;
use std::sync::OnceLock;

use super::new_file::Place;
use super::tree::{DirectoryEntry, OpenDirectory, Tree};

/// A directory that is to be listed: see [`FileHooks::list_directory`](super::FileHooks).
#[derive(Debug)]
pub struct Directory<'a> {
    tree: &'a Tree,
    path: &'a Path,
    listing: Listing,
    may_take_files: OnceLock<bool>,
}

/// How a directory without an index page is answered: see
/// [`SimpleHttpRequestHandler::listing`](super::SimpleHttpRequestHandler::listing).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Listing {
    /// CPython's page: the names, in their order.
    #[default]
    Plain,
    /// A table of the names with their sizes and times (in UTC), below a link to the directory
    /// above; for clients that ask for it, JSON.
    ///
    /// Directories come first. The query orders what follows, by Apache's words: `?C=N` by name,
    /// `?C=S` by size, `?C=M` by the time of the last change, `;O=A` ascending, `;O=D` descending.
    /// What is no such word is ignored. The page has links for that, and needs no script.
    ///
    /// A client whose `Accept` prefers `application/json` to `text/html` gets an array with an
    /// object for each name, in the same order, each on a line:
    ///
    /// ```json
    /// [
    /// {"name":"a","kind":"directory","size":null,"mtime":"2026-11-27T07:15:00Z","href":"./a/"},
    /// {"name":"b c","kind":"file","size":12,"mtime":"2026-11-27T07:15:00Z","href":"./b%20c"}
    /// ]
    /// ```
    ///
    /// `kind` is of what a link leads to: `file`, `directory`, `other` (a pipe, a socket, a device,
    /// which are not served), or `link` where it leads to nothing that may be reached. `size` is in
    /// bytes, of files alone. `mtime` is as in RFC 3339, in whole seconds of UTC; null where it
    /// cannot be known. In a `name`, U+FFFD stands for bytes that are not UTF-8; `href` leads to
    /// the file whatever its name is.
    ///
    /// The response is sent while it is made, without `Content-Length` and validators. In memory
    /// are the names with 32 bytes for each, and room to grow. `Vary: Accept` is sent, and with the
    /// page a `Content-Security-Policy` by which nothing in it is executed.
    ///
    /// Where [files are taken](super::SimpleHttpRequestHandler::uploads), the page of a directory
    /// in which they may be made has a form for them, and a script that shows how far they are,
    /// which the policy names. The form works without it.
    Table,
    /// 403, as nginx and Apache answer without their modules for listings. It tells no more of a
    /// directory than the redirect to it does.
    Off,
}

impl<'a> Directory<'a> {
    pub(super) fn new(tree: &'a Tree, path: &'a Path, listing: Listing) -> Self {
        Self { tree, path, listing, may_take_files: OnceLock::new() }
    }

    /// How its handler lists directories. The default hook obeys it.
    pub fn listing(&self) -> Listing {
        self.listing
    }

    /// Tells whether its handler takes files ([`uploads`]): by PUT, and with the feature `forms` by
    /// a form that is sent to this directory, `multipart/form-data`.
    ///
    /// [`uploads`]: super::SimpleHttpRequestHandler::uploads
    pub fn takes_uploads(&self) -> bool {
        self.tree.takes_uploads
    }

    /// Tells whether files may be made in this directory: its handler takes them, no name or link
    /// in its path is in the way, and the process may write there. It is found out once, so that
    /// all of a response says the same.
    pub(super) fn may_take_files(&self) -> bool {
        let finds_out = || {
            let opened = self.tree.open_for_uploads(self.path).ok().flatten();
            let may = |directory| Place::new(directory, "".as_ref()).check_rights(None).is_ok();
            opened.is_some_and(may)
        };
        self.takes_uploads() && *self.may_take_files.get_or_init(finds_out)
    }

    /// Tells whether it is the handler's own directory, which has none above it.
    pub(super) fn is_root(&self) -> bool {
        self.path == self.tree.directory
    }

    pub(super) fn open(&self) -> io::Result<OpenDirectory<'a>> {
        self.tree.open_directory(self.path)
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
