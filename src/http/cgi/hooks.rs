//! What a program may change of which programs answer.

use std::fmt;
use std::path::Path;

use nix::unistd::{AccessFlags, access};

use super::cgi_info::{self, CgiInfo};
use crate::http::exchange::Exchange;
use crate::http::files::{Defaults, FileHooks};

/// What [`CgiHttpRequestHandler`](super::CgiHttpRequestHandler) calls to find its programs, beside
/// the [`FileHooks`] that find files: the methods of Python's `CGIHTTPRequestHandler` that its
/// heirs override.
///
/// ```
/// use socketserver::http::{CgiHooks, CgiHttpRequestHandler, FileHooks};
///
/// struct Beside;
///
/// impl FileHooks for Beside {}
///
/// impl CgiHooks for Beside {
///     fn cgi_directories(&self) -> &[&str] {
///         &["/programs"]
///     }
/// }
///
/// let programs = CgiHttpRequestHandler::new("/srv/www").with_hooks(Beside);
/// # let _ = programs;
/// ```
///
/// # Hooks around other hooks
///
/// No method is required, so a method that is missing is not noticed: it answers as [`Defaults`]
/// does, not as the hooks within. Without `cgi_directories` the sources of programs in other
/// directories would be shown. Hooks that wrap others forward every method of both traits:
///
/// ```
/// use std::path::{Path, PathBuf};
/// use std::{fmt, io};
/// use socketserver::http::{CgiHooks, CgiInfo, Directory, Exchange, FileHooks};
///
/// /// Notes which file each request leads to.
/// struct Traced<K>(K);
///
/// impl<K: FileHooks> FileHooks for Traced<K> {
///     fn translate_path(&self, http: &Exchange<'_>, directory: &Path, path: &str) -> PathBuf {
///         let file = self.0.translate_path(http, directory, path);
///         eprintln!("{path} is {}", file.display());
///         file
///     }
///
///     fn guess_type(&self, http: &Exchange<'_>, path: &Path) -> String {
///         self.0.guess_type(http, path)
///     }
///
///     fn list_directory(&self, http: &mut Exchange<'_>, it: &Directory<'_>) -> io::Result<()> {
///         self.0.list_directory(http, it)
///     }
///
///     fn index_pages(&self) -> &[&str] {
///         self.0.index_pages()
///     }
///
///     fn default_content_type(&self) -> &str {
///         self.0.default_content_type()
///     }
///
///     fn extensions_map(&self) -> &[(&str, &str)] {
///         self.0.extensions_map()
///     }
/// }
///
/// impl<K: CgiHooks> CgiHooks for Traced<K> {
///     fn is_cgi(&self, http: &Exchange<'_>, directories: &[&str]) -> Option<CgiInfo> {
///         self.0.is_cgi(http, directories)
///     }
///
///     fn cgi_directories(&self) -> &[&str] {
///         self.0.cgi_directories()
///     }
///
///     fn is_executable(&self, http: &Exchange<'_>, path: &Path) -> bool {
///         self.0.is_executable(http, path)
///     }
///
///     fn log_failure(&self, http: &Exchange<'_>, message: fmt::Arguments<'_>) {
///         self.0.log_failure(http, message);
///     }
/// }
/// ```
pub trait CgiHooks: FileHooks {
    /// Tells whether a program answers the request, and where its path begins.
    ///
    /// `directories` are the [`cgi_directories`](Self::cgi_directories) of these hooks. The default
    /// looks for one of them; what is to be asked where Python calls `super()` is
    /// `Defaults.is_cgi(http, directories)`.
    ///
    /// Where an override says `None`, the file is served like any other, also below one of the
    /// directories.
    fn is_cgi(&self, http: &Exchange<'_>, directories: &[&str]) -> Option<CgiInfo> {
        cgi_info::is_cgi(http.target().path(), directories)
    }

    /// Directories of programs. Defaults to `/cgi-bin` and `/htbin`, as in CPython.
    ///
    /// Paths as in a URL, decoded, each with a slash at its start and not at its end; `/` means the
    /// programs beside the files.
    fn cgi_directories(&self) -> &[&str] {
        &["/cgi-bin", "/htbin"]
    }

    /// Tells whether a program may be run. Defaults to what the file's mode says of this process.
    #[doc(alias = "executable")]
    fn is_executable(&self, http: &Exchange<'_>, path: &Path) -> bool {
        let _ = http;
        access(path, AccessFlags::X_OK).is_ok()
    }

    /// Logs that a program has failed: it did not start, gave no response, ran out of time, or
    /// ended with another status than 0. Defaults to [`Exchange::log_error`], as in CPython.
    ///
    /// For programs that log their own failures, but no requests.
    fn log_failure(&self, http: &Exchange<'_>, message: fmt::Arguments<'_>) {
        http.log_error(message);
    }
}

impl CgiHooks for Defaults {}
