//! The error of a call that the protocol does not allow.

use std::io;

/// A call that the protocol does not allow, by a handler.
pub(crate) fn misuse(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what.into())
}
