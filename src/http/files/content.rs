//! A file that was found, checked and opened.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::conditional;
use crate::http::exchange::{Exchange, ResponseBody};

/// A file that may be served, opened: what [`SimpleHttpRequestHandler::open`] and
/// [`send_head`](super::SimpleHttpRequestHandler::send_head) find.
///
/// It is read from its beginning by [`Read`], or sent as a whole or in part, whatever was read.
///
/// [`SimpleHttpRequestHandler::open`]: super::SimpleHttpRequestHandler::open
#[derive(Debug)]
pub struct FileContent {
    pub(super) source: Source,
    pub(super) path: PathBuf,
    pub(super) modified: SystemTime,
    pub(super) position: u64,
}

#[derive(Debug)]
pub(super) enum Source {
    Memory(Arc<[u8]>),
    File(File, u64),
}

impl FileContent {
    /// How many bytes it was when it was looked at: what `Content-Length` says.
    pub fn size(&self) -> u64 {
        match &self.source {
            Source::Memory(content) => content.len() as u64,
            Source::File(_, length) => *length,
        }
    }

    /// When it was last changed: what `Last-Modified` says.
    pub fn modified(&self) -> SystemTime {
        self.modified
    }

    /// Where it is: that of the index page where the target names a directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Tells whether the client has it as it is, by `If-Modified-Since`: whether 304 will do.
    pub fn is_unmodified(&self, http: &Exchange<'_>) -> bool {
        conditional::is_unmodified(&http.headers, self.modified)
    }

    /// Sends the content: Python's `copyfile`.
    ///
    /// No more than was announced; a file that shrank meanwhile leaves the response short, and
    /// the connection is closed.
    ///
    /// # Errors
    ///
    /// The connection is broken, or the file cannot be read.
    #[doc(alias = "copyfile")]
    pub fn send(&self, wfile: &mut ResponseBody) -> io::Result<()> {
        self.send_range(wfile, 0, self.size()).map(drop)
    }

    /// Sends up to `count` bytes of the content from `offset` on, and returns how many there were.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_range(&self, wfile: &mut ResponseBody, offset: u64, count: u64) -> io::Result<u64> {
        match &self.source {
            Source::Memory(content) => {
                let size = content.len() as u64;
                let start = offset.min(size);
                let end = start.saturating_add(count).min(size);
                wfile.write_all(&content[start as usize..end as usize])?;
                Ok(end - start)
            }
            Source::File(file, _) => wfile.send_file(file, offset, count),
        }
    }
}

/// Reads on, up to the size that it had when it was looked at.
impl Read for FileContent {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.size() - self.position).unwrap_or(usize::MAX);
        let wanted = left.min(target.len());
        let target = &mut target[..wanted];
        let count = match &self.source {
            Source::Memory(content) => (&content[self.position as usize..]).read(target)?,
            Source::File(file, _) => file.read_at(target, self.position)?,
        };
        self.position += count as u64;
        Ok(count)
    }
}
