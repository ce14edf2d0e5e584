//! What stands between the chunks of a body: lines, and what is wrong with them.

use std::io;

use super::http_error::HttpError;
use crate::http::message::parse::field_lines;
use crate::work;

/// A line without its CR LF, or what is wrong with it.
pub(crate) fn checked_line(mut line: Vec<u8>) -> io::Result<Vec<u8>> {
    work::note(line.len());
    if !line.ends_with(b"\n") {
        return Err(if line.len() as u64 == CHUNK_LINE_BYTES {
            malformed("a line between chunks is too long")
        } else {
            truncated()
        });
    }
    line.pop();
    if line.pop() != Some(b'\r') || line.contains(&b'\r') {
        return Err(malformed("a line between chunks does not end with CR LF"));
    }
    Ok(line)
}

/// Refuses a line that is no field, which may be the next request of a client that forgot the empty
/// line before it.
pub(crate) fn check_trailer(line: &[u8]) -> io::Result<()> {
    let bytes = [line, b"\r\n\r\n"].concat();
    match field_lines(&bytes, &mut [httparse::EMPTY_HEADER]) {
        Ok(_) => Ok(()),
        Err(why) => Err(malformed(&format!("a trailer is not a field{why}"))),
    }
}

pub(crate) fn malformed(what: &str) -> io::Error {
    let answer = HttpError::new(400, format!("Malformed request body: {what}"));
    io::Error::new(io::ErrorKind::InvalidData, answer)
}

pub(crate) fn truncated() -> io::Error {
    let answer = HttpError::new(400, "The request ended before its body did");
    io::Error::new(io::ErrorKind::UnexpectedEof, answer)
}

/// A chunk's size with its extensions, or a trailer.
pub(crate) const CHUNK_LINE_BYTES: u64 = 8 * 1024;
