//! A field's content as a file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::error::FormError;
use super::save;
use super::spool::Content;
use crate::http::exchange::atomically;
use crate::os::read_at;

/// The content of a field, readable from its beginning, wherever it lies: Python's `field.file`.
///
/// Each has a position of its own, so that several may read the same field.
#[derive(Clone, Debug)]
pub struct FormFile<'a> {
    place: Place<'a>,
    position: u64,
}

#[derive(Clone, Copy, Debug)]
enum Place<'a> {
    Memory(&'a [u8]),
    Disk { file: &'a File, start: u64, length: u64 },
}

impl<'a> FormFile<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { place: Place::Memory(bytes), position: 0 }
    }

    pub(super) fn of(content: &'a Content) -> Self {
        let place = match content {
            Content::Memory(bytes) => Place::Memory(bytes),
            &Content::Disk { ref file, start, length } => Place::Disk { file, start, length },
        };
        Self { place, position: 0 }
    }

    /// Bytes of the whole content.
    pub fn len(&self) -> u64 {
        match self.place {
            Place::Memory(bytes) => bytes.len() as u64,
            Place::Disk { length, .. } => length,
        }
    }

    /// Tells whether there is no content.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes what has not been read to a file, as [`Part::save_as`](super::Part::save_as) does,
    /// and returns how many bytes that were.
    ///
    /// # Errors
    ///
    /// [`FormError::Store`].
    pub fn save_as(&mut self, path: impl AsRef<Path>) -> Result<u64, FormError> {
        atomically(path.as_ref(), FormError::Store, |file| save::copy(self, file))
    }
}

impl Read for FormFile<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let left = self.len().saturating_sub(self.position);
        let wanted = target.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let target = &mut target[..wanted];
        let count = match self.place {
            _ if wanted == 0 => 0,
            Place::Memory(bytes) => (&bytes[self.position as usize..]).read(target)?,
            Place::Disk { file, start, .. } => read_at(file, target, start + self.position)?,
        };
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for FormFile<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.len().checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        let before = || io::Error::new(io::ErrorKind::InvalidInput, "a seek before the beginning");
        self.position = position.ok_or_else(before)?;
        Ok(self.position)
    }
}
