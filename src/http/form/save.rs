//! Uploaded content in files: written whole or not at all, under names that are safe.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::error::FormError;

/// Makes a file that appears under its name when `write` has succeeded.
pub(super) fn atomically<T>(
    path: &Path,
    write: impl FnOnce(&mut File) -> Result<T, FormError>,
) -> Result<T, FormError> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    // What any new file has; the process's mask applies.
    builder.prefix(".upload-").permissions(Permissions::from_mode(0o666));
    let mut file = builder.tempfile_in(directory).map_err(FormError::Store)?;
    let written = write(file.as_file_mut())?;
    file.persist(path).map_err(|error| FormError::Store(error.error))?;
    Ok(written)
}

/// The last component of a client's file name, if it can be a file's name here.
///
/// A directory before it is dropped, whether written with `/` or with `\`. None where nothing is
/// left, or the rest begins with a dot, contains a control character, or is longer than 255 bytes,
/// which is more than most file systems take. Python leaves all this to the program.
///
/// ```
/// use socketserver::http::form::safe_filename;
///
/// assert_eq!(safe_filename("C:\\Users\\ada\\notes.txt"), Some("notes.txt"));
/// assert_eq!(safe_filename("../../etc/passwd"), Some("passwd"));
/// assert_eq!(safe_filename(".."), None);
/// ```
pub fn safe_filename(filename: &str) -> Option<&str> {
    let name = filename.rsplit(['/', '\\']).next()?.trim();
    let is_safe = !name.is_empty()
        && !name.starts_with('.')
        && !name.contains(char::is_control)
        && name.len() <= 255;
    is_safe.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_do_harm_are_none() {
        for bad in ["", ".", "..", "a/", "a\\", "/", ".bashrc", "a\0b", "a\nb", "x/ ..", " "] {
            assert_eq!(safe_filename(bad), None, "{bad:?}");
        }
        assert_eq!(safe_filename(&"x".repeat(256)), None);
        assert_eq!(safe_filename("/a/b\\naïve €.txt"), Some("naïve €.txt"));
    }
}
