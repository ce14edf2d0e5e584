//! Uploaded content in files, under names that are safe.

use std::fs::File;
use std::io::Read;

use super::error::FormError;
use crate::http::exchange::copy_or;
use crate::http::message::text::is_safe_name;

/// Copies, and tells which side failed.
pub(super) fn copy(input: &mut impl Read, output: &File) -> Result<u64, FormError> {
    copy_or(input, output, FormError::from_read, FormError::Store)
}

/// The last component of a client's file name, if it can be a file's name here.
///
/// A directory before it is dropped, whether written with `/` or with `\`, and so is white space
/// around the rest, which a reader of the name would not see. `None` where nothing is left, or the
/// rest begins with a dot, contains a control character, or is longer than 255 bytes, which is more
/// than most file systems take. Python leaves all this to the program.
///
/// ```
/// use socketserver::http::form::safe_filename;
///
/// assert_eq!(safe_filename("C:\\Users\\ada\\notes.txt"), Some("notes.txt"));
/// assert_eq!(safe_filename("../../etc/passwd"), Some("passwd"));
/// assert_eq!(safe_filename(" a b "), Some("a b"));
/// assert_eq!(safe_filename(".."), None);
/// ```
pub fn safe_filename(filename: &str) -> Option<&str> {
    let name = filename.rsplit(['/', '\\']).next()?.trim();
    is_safe_name(name).then_some(name)
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
