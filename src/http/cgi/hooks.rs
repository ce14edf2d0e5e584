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
pub trait CgiHooks: FileHooks {
    /// Tells whether a program answers the request, and where its path begins.
    ///
    /// Defaults to a look for one of the [`cgi_directories`](Self::cgi_directories).
    fn is_cgi(&self, http: &Exchange<'_>) -> Option<CgiInfo> {
        cgi_info::is_cgi(http.target().path(), self.cgi_directories())
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
