//! A request's body in a file: written whole or not at all.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::path::Path;

use super::http_error::HttpError;
use super::request_body::RequestBody;

use crate::http::arriving::{Arriving, keep_permissions};
use crate::os::{new_permissions, plain_permissions};

impl RequestBody {
    /// Writes the rest of the body to a file, up to `limit` bytes, and returns how many that were.
    ///
    /// The file appears under its name when it is complete, and takes the place of another one of
    /// that name: what PUT asks for. See `Part::save_as` in `http::form`.
    ///
    /// # Errors
    ///
    /// An [`HttpError`] 413 when the body is longer, and 400 for a PUT with
    /// `Content-Range`, whose body is a part of the file (RFC 9110 §14.5); nothing is written then.
    /// An `HttpError` 507 when the disk is full. What the system reports when the file cannot be
    /// written for another reason, and what the connection reports otherwise.
    pub fn save_as(&mut self, path: impl AsRef<Path>, limit: u64) -> io::Result<u64> {
        if self.is_partial {
            return Err(HttpError::new(400, "A part of a file is not the whole").into());
        }
        self.check_length(limit)?;
        atomically(path.as_ref(), not_stored, |file| self.copy_to(file, limit))
    }

    /// Writes the rest of the body to an open file, up to `limit` bytes.
    pub(crate) fn copy_to(&mut self, file: &File, limit: u64) -> io::Result<u64> {
        copy_or(&mut self.within(limit, 0), file, |error| error, not_stored)
    }
}

fn not_stored(error: io::Error) -> io::Error {
    HttpError::no_room("body", &error).map_or(error, io::Error::from)
}

/// Makes a file that appears under its name when `write` has succeeded; `failed` wraps what goes
/// wrong with the file.
pub(crate) fn atomically<T, E>(
    path: &Path,
    failed: impl Fn(io::Error) -> E,
    write: impl FnOnce(&mut File) -> Result<T, E>,
) -> Result<T, E> {
    let replaced = fs::symlink_metadata(path).ok().filter(Metadata::is_file);
    let kept = replaced.map(|file| plain_permissions(&file));
    // What any new file has; the process's mask applies.
    let permissions = kept.clone().unwrap_or_else(new_permissions);
    let mut arriving = Arriving::begin(path, &permissions).map_err(&failed)?;
    let written = write(arriving.file())?;
    if let Some(kept) = kept {
        // The mask may have taken something from it.
        keep_permissions(arriving.file(), &kept).map_err(&failed)?;
    }
    arriving.publish().map_err(failed)?;
    Ok(written)
}

/// Copies; `not_read` and `not_stored` wrap what goes wrong with either side.
pub(crate) fn copy_or<E>(
    input: &mut impl Read,
    mut output: &File,
    not_read: impl Fn(io::Error) -> E,
    not_stored: impl Fn(io::Error) -> E,
) -> Result<u64, E> {
    let mut buffer = vec![0; COPY_SIZE];
    let mut copied = 0;
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(copied),
            Ok(count) => {
                output.write_all(&buffer[..count]).map_err(&not_stored)?;
                copied += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(not_read(error)),
        }
    }
}

/// Bytes that are copied in one go.
const COPY_SIZE: usize = 128 * 1024;
