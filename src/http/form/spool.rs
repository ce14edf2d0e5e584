//! Where a form's content lies: in memory, or in one temporary file for all of it.

use std::env;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;

use super::error::FormError;

/// Content of a field.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Memory(Vec<u8>),
    /// A range of the form's temporary file.
    Disk {
        file: Arc<File>,
        start: u64,
        length: u64,
    },
}

/// Takes content, within bounds on memory.
///
/// Everything that goes to the disk goes to one file, so that a form costs one descriptor, however
/// many parts it has. The file has no name: it is gone with the form, whatever happens.
#[derive(Debug)]
pub(super) struct Spool {
    file: Option<Arc<File>>,
    length: u64,
    threshold: usize,
    /// Bytes of memory that may still be used.
    memory: usize,
    max_memory: usize,
}

impl Spool {
    pub(super) fn new(threshold: usize, max_memory: usize) -> Self {
        Self { file: None, length: 0, threshold, memory: max_memory, max_memory }
    }

    /// Counts bytes that are kept in memory.
    pub(super) fn charge(&mut self, bytes: usize) -> Result<(), FormError> {
        let left = self.memory.checked_sub(bytes);
        self.memory = left.ok_or(FormError::TooMuchText(self.max_memory))?;
        Ok(())
    }

    /// Takes text, which stays in memory.
    pub(super) fn text(
        &mut self,
        input: &mut impl Read,
        most: usize,
    ) -> Result<Vec<u8>, FormError> {
        let bound = (most.min(self.memory) as u64).saturating_add(1);
        let mut text = Vec::new();
        input.take(bound).read_to_end(&mut text).map_err(FormError::from_read)?;
        if text.len() > most {
            return Err(FormError::FieldTooLong(most));
        }
        self.charge(text.len())?;
        Ok(text)
    }

    /// Takes a file, which stays in memory as long as it is small. `copy` writes what is left of
    /// it.
    pub(super) fn file<I: Read>(
        &mut self,
        input: &mut I,
        copy: impl FnOnce(&mut I, &mut &File) -> Result<u64, FormError>,
    ) -> Result<Content, FormError> {
        let most = self.threshold.min(self.memory);
        let mut begun = Vec::new();
        let bound = (most as u64).saturating_add(1);
        input.by_ref().take(bound).read_to_end(&mut begun).map_err(FormError::from_read)?;
        if begun.len() <= most {
            self.charge(begun.len())?;
            return Ok(Content::Memory(begun));
        }
        let (file, start) = (self.disk()?, self.length);
        let mut output = &*file;
        output.write_all(&begun).map_err(FormError::Store)?;
        let length = begun.len() as u64 + copy(input, &mut output)?;
        self.length += length;
        Ok(Content::Disk { file, start, length })
    }

    /// The temporary file, made when it is first needed.
    fn disk(&mut self) -> Result<Arc<File>, FormError> {
        if let Some(file) = &self.file {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(tempfile::tempfile().map_err(in_its_place).map_err(FormError::Store)?);
        self.file = Some(Arc::clone(&file));
        Ok(file)
    }
}

/// Says which directory is missing or forbidden. Other errors have a meaning of their own.
fn in_its_place(error: io::Error) -> io::Error {
    if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) {
        return error;
    }
    let place = env::temp_dir();
    io::Error::new(error.kind(), format!("{error} in '{}' (TMPDIR)", place.display()))
}
