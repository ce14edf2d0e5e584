//! The chunked coding where a handler writes it by itself, read as its client will read it.

use std::io;

use memchr::memchr;

use super::framing::chunk_size;
use super::misuse::{MisuseKind, misuse};

/// How far a body is that its handler has framed (RFC 9112 §7.1).
#[derive(Debug, Default)]
pub(crate) struct OwnChunks {
    state: State,
    /// A line whose end is to come.
    line: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// The line with a chunk's size comes next.
    #[default]
    Size,
    /// So many bytes of a chunk are to come.
    Data(u64),
    /// The line end behind a chunk comes next.
    DataEnd,
    /// Lines behind the last chunk come next.
    Trailers,
    Ended,
    /// What was written is not in the coding, and not all of it has left.
    Broken,
}

impl OwnChunks {
    /// Tells whether the body is complete.
    pub(crate) fn is_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// Reads on, cut wherever the handler cuts, and hands out what is inside the chunks.
    ///
    /// # Errors
    ///
    /// No client could read on; and what `take` reports. The body does not reach its end then,
    /// unless it had reached it before these bytes.
    pub(crate) fn read(
        &mut self,
        bytes: &[u8],
        take: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.state == State::Ended && !bytes.is_empty() {
            return Err(malformed(bytes));
        }
        self.read_on(bytes, take).inspect_err(|_| self.state = State::Broken)
    }

    fn read_on(
        &mut self,
        mut bytes: &[u8],
        mut take: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        while !bytes.is_empty() {
            if let State::Data(left) = self.state {
                let count = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                let (data, rest) = bytes.split_at(count);
                take(data)?;
                let left = left - count as u64;
                self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
                bytes = rest;
                continue;
            }
            if matches!(self.state, State::Ended | State::Broken) {
                return Err(malformed(bytes));
            }
            let end = memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1);
            let (part, rest) = bytes.split_at(end);
            self.line.extend_from_slice(part);
            if self.line.len() > LONGEST_LINE {
                return Err(malformed(&self.line));
            }
            if self.line.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                self.state = self.after(&line).ok_or_else(|| malformed(&line))?;
            }
            bytes = rest;
        }
        Ok(())
    }

    fn after(&self, line: &[u8]) -> Option<State> {
        let line = line.strip_suffix(b"\r\n")?;
        match self.state {
            State::Size => match chunk_size(line)? {
                0 => Some(State::Trailers),
                size => Some(State::Data(size)),
            },
            State::DataEnd => line.is_empty().then_some(State::Size),
            State::Trailers if line.is_empty() => Some(State::Ended),
            State::Trailers => Some(State::Trailers),
            State::Data(_) | State::Ended | State::Broken => None,
        }
    }
}

fn malformed(line: &[u8]) -> io::Error {
    let shown = line[..line.len().min(40)].escape_ascii();
    let what = "wfile: not in the chunked coding that Transfer-Encoding announces";
    misuse(MisuseKind::InvalidChunk, format!("{what}: {shown}"))
}

/// Bytes of a size with its extensions, or of a trailer.
const LONGEST_LINE: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// What is inside chunks that are written in pieces of this size, and whether they have ended.
    fn read(text: &str, piece: usize) -> io::Result<(String, bool)> {
        let (mut chunks, mut inside) = (OwnChunks::default(), Vec::new());
        for piece in text.as_bytes().chunks(piece) {
            chunks.read(piece, |data| {
                inside.extend_from_slice(data);
                Ok(())
            })?;
        }
        Ok((String::from_utf8_lossy(&inside).into_owned(), chunks.is_ended()))
    }

    #[test]
    fn chunks_are_read_however_they_are_written() {
        for (text, inside, is_ended) in [
            ("", "", false),
            ("0\r\n\r\n", "", true),
            ("5\r\nhello\r\n0\r\n\r\n", "hello", true),
            ("5;a=b\r\nhel\nl\r\n1\r\n!\r\n0\r\nA: b\r\n\r\n", "hel\nl!", true),
            ("a\r\n0123456789\r\n", "0123456789", false),
            ("5\r\nhel", "hel", false),
            ("5\r\nhello\r\n0\r\n", "hello", false),
            ("5\r\nhello\r\n0\r\n\r", "hello", false),
        ] {
            for piece in 1..=text.len().max(1) {
                let read = read(text, piece).expect("chunks");
                assert_eq!(read, (inside.to_owned(), is_ended), "{text:?} by {piece}");
            }
        }
    }

    #[test]
    fn what_no_client_could_read_is_an_error() {
        let long = "1".repeat(9_000);
        for text in [
            "hello\r\n",
            "\r\n",
            "5\nhello\r\n",
            "5\r\nhello!\r\n",
            "5\r\nhello\n0\r\n",
            "-1\r\n",
            "5 \r\nhello\r\n",
            "0\r\n\r\n0\r\n\r\n",
            "0\r\n\r\nx\n",
            &long,
        ] {
            for piece in [1, 3, text.len()] {
                assert!(read(text, piece).is_err(), "{text:?} by {piece}");
            }
        }
    }
}
