//! A file that was found, checked and opened.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::answer::Answer;
use super::conditional::{self, Precondition};
use super::etag::{EntityTag, Validators};
use super::source::Source;
use crate::http::exchange::{Exchange, ResponseBody};
use crate::http::message::accept_encoding::Coding;
use crate::http::message::status::Status;

/// A file that may be served, opened: what [`SimpleHttpRequestHandler::open`] and
/// [`send_head`](super::SimpleHttpRequestHandler::send_head) find.
///
/// It is read from its beginning by [`Read`], or sent as a whole or in part, whatever was read.
///
/// [`SimpleHttpRequestHandler::open`]: super::SimpleHttpRequestHandler::open
#[derive(Debug)]
pub struct FileContent {
    source: Source,
    pub(super) path: PathBuf,
    modified: SystemTime,
    validators: Validators,
    /// How much of the body was read.
    position: u64,
    /// Others may be sent another file than this one, as they accept other codings.
    pub(super) is_negotiated: bool,
    /// The coding of what the path names, if this is a file compressed that stands beside it.
    pub(super) coding: Option<Coding>,
    /// What the response's head has promised.
    pub(super) answer: Answer,
}

impl FileContent {
    pub(super) fn new(
        source: Source,
        path: PathBuf,
        modified: SystemTime,
        validators: Validators,
    ) -> Self {
        Self {
            source,
            path,
            modified,
            validators,
            position: 0,
            is_negotiated: false,
            coding: None,
            answer: Answer::Whole,
        }
    }

    /// The same as the one of several that was chosen for a client: that of the path, or a file
    /// beside it in this coding.
    pub(super) fn chosen(self, coding: Option<Coding>) -> Self {
        Self { is_negotiated: true, coding, ..self }
    }

    /// How many bytes it was when it was looked at: what `Content-Length` says of the whole.
    pub fn size(&self) -> u64 {
        self.source.size()
    }

    /// When it was last changed, as the file system says it.
    pub fn modified(&self) -> SystemTime {
        self.modified
    }

    /// What `Last-Modified` says: [`modified`](Self::modified), where that tells one content from
    /// another one.
    ///
    /// `None` of a time in the future, of one within the last three seconds, as the file may change
    /// again within the same second, and of one before 1990, which programs give to all files alike
    /// (Nix, zip, npm).
    pub fn last_modified(&self) -> Option<SystemTime> {
        let second = u64::try_from(self.validators.last_modified?).ok()?;
        Some(UNIX_EPOCH + Duration::from_secs(second))
    }

    /// What `ETag` says: a strong entity tag, quotes included (RFC 9110 §8.8.3).
    ///
    /// It stands for the file's device, inode and size, and the times of its last change, one of
    /// which only the kernel sets; up to 16 KiB it stands for the content as well. `None` of a file
    /// that was changed within the last three seconds: it could change again without any of these
    /// telling. Where the file system has no time that only the kernel sets, as some in user space
    /// (FUSE), a larger file that is changed and given its old time has its old tag.
    ///
    /// A program that writes to a larger file through a shared mapping (mmap(2)) may change it
    /// without any of these telling, until the kernel has written it back; have it replace the
    /// file.
    pub fn etag(&self) -> Option<&str> {
        self.validators.etag.as_ref().map(EntityTag::as_str)
    }

    /// Where it is: that of the index page where the target names a directory, and that of the
    /// file itself where one that stands [compressed] beside it is sent.
    ///
    /// [compressed]: super::SimpleHttpRequestHandler::precompressed
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Tells whether the client has this content, so that 304 is enough.
    ///
    /// By `If-None-Match`, or else by `If-Modified-Since`; see
    /// [`precondition`](Self::precondition).
    pub fn is_unmodified(&self, http: &Exchange<'_>) -> bool {
        self.evaluate(http) == Precondition::NotModified
    }

    /// Evaluates the request's conditions in the order of RFC 9110 §13.2.2: 304 if the client has
    /// this content, 412 if it means another content, and `None` if the request is to be carried
    /// out.
    ///
    /// For methods that change the file, too: call it before anything is changed. If there is no
    /// file yet, call [`NoFile::precondition`](super::NoFile::precondition).
    pub fn precondition(&self, http: &Exchange<'_>) -> Option<Status> {
        self.evaluate(http).status()
    }

    pub(super) fn evaluate(&self, http: &Exchange<'_>) -> Precondition {
        let headers = &http.headers;
        match conditional::evaluate(&http.command, headers, Some(&self.validators)) {
            // Both files may have the same date (RFC 9110 §13.1.5: a strong validator).
            Precondition::Holds { range: true }
                if self.is_negotiated
                    && headers.get("If-Range").is_some_and(|it| !it.starts_with('"')) =>
            {
                Precondition::Holds { range: false }
            }
            evaluated => evaluated,
        }
    }

    /// Sends the content: Python's `copyfile`. After [`begin_response`](Self::begin_response), what
    /// of it that has announced: all, a part, several parts, or nothing.
    ///
    /// No more than was announced; a file that shrank meanwhile leaves the response short, and
    /// the connection is closed.
    ///
    /// # Errors
    ///
    /// The connection is broken, or the file cannot be read.
    #[doc(alias = "copyfile")]
    pub fn send(&self, wfile: &mut ResponseBody) -> io::Result<()> {
        self.answer.send(&self.source, wfile)
    }

    /// Sends up to `count` bytes of the content from `offset` on, and returns how many there were.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_range(&self, wfile: &mut ResponseBody, offset: u64, count: u64) -> io::Result<u64> {
        self.source.send(wfile, offset, count)
    }
}

/// Goes on reading: the content, up to the size that it had when it was opened, or the part of it
/// that [`begin_response`](FileContent::begin_response) has announced.
impl Read for FileContent {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let count = self.answer.read(&self.source, self.position, target)?;
        self.position += count as u64;
        Ok(count)
    }
}
