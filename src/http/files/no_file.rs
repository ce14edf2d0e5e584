//! Why a request's target names no file.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use super::conditional;
use super::etag::Validators;
use crate::http::exchange::{Exchange, HttpError};
use crate::http::message::status::Status;
use crate::os::is_exhausted;

/// Why a request's target names no file that may be served: see
/// [`SimpleHttpRequestHandler::open`](super::SimpleHttpRequestHandler::open).
///
/// By `?` in a handler it is answered: as an [`io::Error`] it is an [`HttpError`] 404, or 503 where
/// descriptors or memory are exhausted. To have it answered as Python does, with redirects and
/// listings, hand it to [`send_instead`](super::SimpleHttpRequestHandler::send_instead).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoFile {
    /// There is nothing of that name; or it is hidden, outside a directory that is
    /// [`confined`](super::SimpleHttpRequestHandler::confined), unreadable, or no regular file.
    NotFound,
    /// It is a directory, and the target does not end with a slash.
    NoSlash,
    /// It is a directory without an index page.
    Directory(PathBuf),
    /// This process or the system has run out of what opening a file takes, which says nothing of
    /// the file.
    Exhausted,
}

impl NoFile {
    /// Why a file could not be opened.
    pub(super) fn because(error: &io::Error) -> Self {
        // Says nothing of the file: a cache or a crawler would take 404 for its end.
        if is_exhausted(error) { Self::Exhausted } else { Self::NotFound }
    }

    /// What the request's conditions come to where there is no file: 412 for `If-Match`, whatever
    /// it names. `If-None-Match: *` holds, so that PUT makes a file only where there was none.
    ///
    /// For methods that make a file: as [`FileContent::precondition`](super::FileContent), which
    /// they ask where there is one. A directory is there, and no tag is its own.
    pub fn precondition(&self, http: &Exchange<'_>) -> Option<Status> {
        let is_there = !matches!(self, Self::NotFound);
        let nameless = Validators { etag: None, last_modified: None, changed: i64::MAX };
        let current = is_there.then_some(&nameless);
        conditional::evaluate(&http.command, &http.headers, current).status()
    }
}

impl fmt::Display for NoFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "File not found",
            Self::NoSlash | Self::Directory(_) => "A directory is not a file",
            Self::Exhausted => "The file cannot be opened now",
        })
    }
}

impl Error for NoFile {}

impl From<NoFile> for io::Error {
    fn from(why: NoFile) -> Self {
        match why {
            NoFile::Exhausted => HttpError::new(503, "Service Unavailable").into(),
            _ => HttpError::new(404, "File not found").into(),
        }
    }
}
