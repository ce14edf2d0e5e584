//! A part of a multipart body, as it arrives.

use std::fmt;
use std::io::{self, BufRead, Read, Write};
use std::ops::Deref;
use std::path::Path;

use super::error::FormError;
use super::part_head::PartHead;
use super::part_reader::PartReader;
use crate::http::exchange::atomically;

/// A part of a [`Multipart`](super::Multipart) body: a field or an uploaded file, with its
/// [head](PartHead), as `part.filename`.
///
/// Reading gives its content and ends where the part ends. What is not read is skipped. An error in
/// the form comes as an [`io::Error`] that holds a [`FormError`].
pub struct Part<'a, R> {
    reader: &'a mut PartReader<R>,
    head: PartHead,
}

impl<'a, R: Read> Part<'a, R> {
    pub(super) fn new(reader: &'a mut PartReader<R>, head: PartHead) -> Self {
        Self { reader, head }
    }

    /// The head, for good.
    pub(super) fn into_head(self) -> PartHead {
        self.head
    }

    /// Writes what is left of the content, and returns how many bytes that were.
    ///
    /// Does what [`io::copy`] does, without its small buffer in between.
    ///
    /// # Errors
    ///
    /// [`FormError::Store`] where the output fails; those of the form itself.
    pub fn copy_to(&mut self, output: &mut (impl Write + ?Sized)) -> Result<u64, FormError> {
        let mut copied = 0;
        loop {
            let data = self.reader.data()?;
            let count = data.len();
            if count == 0 {
                return Ok(copied);
            }
            output.write_all(data).map_err(FormError::Store)?;
            self.reader.take(count);
            copied += count as u64;
        }
    }

    /// Writes what is left of the content to a file, and returns how many bytes that were.
    ///
    /// The file appears under its name when it is complete, and takes the place of another one of
    /// that name, whose mode it keeps; a symbolic link is replaced, not followed. If anything goes
    /// wrong before, nothing is left, also where the process is killed: the file has no name until
    /// then. Where the system has no such files (other systems than Linux, some network file
    /// systems), it has one like `.socketserver-upload-0000000000000000` in the same directory,
    /// which no file handler serves or lists; what a killed process leaves there the next upload
    /// into the directory removes. The file is not synchronised with the disk.
    ///
    /// # Errors
    ///
    /// [`FormError::Store`] where the file cannot be written; those of the form itself.
    pub fn save_as(&mut self, path: impl AsRef<Path>) -> Result<u64, FormError> {
        atomically(path.as_ref(), FormError::Store, |file| self.copy_to(file))
    }
}

impl<R> Deref for Part<'_, R> {
    type Target = PartHead;

    fn deref(&self) -> &PartHead {
        &self.head
    }
}

impl<R: Read> Read for Part<'_, R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.data()?.read(target)?;
        self.reader.take(count);
        Ok(count)
    }
}

impl<R: Read> BufRead for Part<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self.reader.data()?)
    }

    fn consume(&mut self, count: usize) {
        self.reader.take(count);
    }
}

impl<R> fmt::Debug for Part<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part").field("head", &self.head).finish_non_exhaustive()
    }
}
