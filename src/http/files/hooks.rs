//! What a program may change of how files are served.

use std::io;
use std::path::{Path, PathBuf};

use super::directory::Directory;
use super::listing;
use super::mime;
use super::path;
use crate::http::exchange::Exchange;

/// What [`SimpleHttpRequestHandler`](super::SimpleHttpRequestHandler) calls while it serves a file:
/// the methods of Python's `SimpleHTTPRequestHandler` that its heirs override.
///
/// They belong to one file handler ([`with_hooks`](super::SimpleHttpRequestHandler::with_hooks)),
/// so that two in one program may differ. No method is required. Where Python says `super()`, call
/// [`Defaults`]:
///
/// ```
/// use std::path::Path;
/// use socketserver::http::{Defaults, Exchange, FileHooks, SimpleHttpRequestHandler};
///
/// struct Utf8;
///
/// impl FileHooks for Utf8 {
///     fn guess_type(&self, http: &Exchange<'_>, path: &Path) -> String {
///         match Defaults.guess_type(http, path) {
///             kind if kind == "text/html" => "text/html; charset=utf-8".to_owned(),
///             kind => kind,
///         }
///     }
/// }
///
/// let files = SimpleHttpRequestHandler::new("/srv/www").with_hooks(Utf8);
/// # let _ = files;
/// ```
///
/// What concerns every response, such as a header or an error page, is a method of
/// [`HttpRequestHandler`](crate::http::HttpRequestHandler), in a handler that names the files as
/// its [`base`](crate::http::HttpRequestHandler::base).
///
/// Hooks around other hooks forward every method: one that is missing answers as `Defaults` does,
/// not as the hooks within. The page of `CgiHooks` has an example.
pub trait FileHooks: Send + Sync + 'static {
    /// The file that a request's target names, below `directory` unless an override says otherwise.
    ///
    /// `path` is usually [`Exchange::path`]. Only its text matters here. Whether the file may be
    /// served is decided later: whether it is [`confined`], hidden, a regular file.
    ///
    /// [`confined`]: super::SimpleHttpRequestHandler::confined
    fn translate_path(&self, http: &Exchange<'_>, directory: &Path, path: &str) -> PathBuf {
        let _ = http;
        path::translate_path(directory, path)
    }

    /// The content type of a file.
    ///
    /// A compressed file has the type of its compression, such as `application/gzip`. Formats that
    /// have a name for their compressed form, such as `.svgz`, and files of brotli, such as
    /// `a.js.br`, have the type of what is inside. `Content-Encoding` is sent with that type,
    /// unless a handler sends the field itself or sends another type.
    ///
    /// The default looks into [`extensions_map`](Self::extensions_map) first, and answers
    /// [`default_content_type`](Self::default_content_type) where it finds nothing. An override of
    /// `guess_type` takes the place of all three: [`Defaults`], which it may ask, has a map and a
    /// default type of its own. Override either `guess_type` or the other two.
    fn guess_type(&self, http: &Exchange<'_>, path: &Path) -> String {
        let _ = http;
        mime::guess_type(path, self.extensions_map(), self.default_content_type())
    }

    /// Answers for a directory without an index page. The default does it as
    /// [`listing`](super::SimpleHttpRequestHandler::listing) says.
    ///
    /// # Errors
    ///
    /// The connection is broken.
    fn list_directory(&self, http: &mut Exchange<'_>, directory: &Directory<'_>) -> io::Result<()> {
        listing::list_directory(http, directory)
    }

    /// Names of pages that stand for their directory. Defaults to `index.html` and `index.htm`.
    fn index_pages(&self) -> &[&str] {
        &["index.html", "index.htm"]
    }

    /// The content type of a file of which nothing is known. Only the default
    /// [`guess_type`](Self::guess_type) reads it. Defaults to `application/octet-stream`; new in
    /// Python 3.15.
    fn default_content_type(&self) -> &str {
        "application/octet-stream"
    }

    /// Content types by suffix, which count before all others. Only the default
    /// [`guess_type`](Self::guess_type) reads them. Defaults to Python's four for compressed files;
    /// an override replaces them, and has to list them again to keep them.
    fn extensions_map(&self) -> &[(&str, &str)] {
        &[
            (".gz", "application/gzip"),
            (".Z", "application/octet-stream"),
            (".bz2", "application/x-bzip2"),
            (".xz", "application/x-xz"),
        ]
    }
}

/// Hooks that change nothing: what CPython does.
///
/// Its methods are what an override calls where Python calls `super()`. They know nothing of the
/// hooks that call them, beside what they are given: `Defaults.guess_type` reads the
/// `extensions_map` and the `default_content_type` of `Defaults`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Defaults;

impl FileHooks for Defaults {}
