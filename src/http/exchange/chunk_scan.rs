//! Where a chunked body ends, as its bytes arrive.

use memchr::memchr;

use super::chunk_line::{CHUNK_LINE_BYTES, check_trailer};
use crate::http::message::framing::chunk_size;
use crate::work;

/// How far the bytes of a chunked body were looked at. No byte is looked at twice.
#[derive(Debug, Default)]
pub(super) struct ChunkScan {
    /// Where the line or the chunk begins that comes next.
    at: usize,
    /// How many bytes were searched for the end of a line.
    searched: usize,
    next: Next,
}

#[derive(Clone, Copy, Debug, Default)]
enum Next {
    /// The line with a chunk's size.
    #[default]
    Size,
    /// The line end behind a chunk.
    ChunkEnd,
    /// A line behind the last chunk.
    Trailer,
}

impl ChunkScan {
    /// Goes on where it was; tells whether nothing more has to come for it to be known how the body
    /// ends: it does, or it is malformed, or it is longer than `limit`.
    ///
    /// `arrived` is all of the body that there is.
    pub(super) fn is_settled(&mut self, arrived: &[u8], limit: usize) -> bool {
        while let Some(rest) = arrived.get(self.at..) {
            let searched = self.searched.max(self.at) - self.at;
            let line_end = memchr(b'\n', rest.get(searched..).unwrap_or_default());
            work::note(line_end.unwrap_or(rest.len().saturating_sub(searched)));
            let Some(line_end) = line_end.map(|end| searched + end) else {
                self.searched = arrived.len();
                return rest.len() as u64 >= CHUNK_LINE_BYTES;
            };
            let Some(line) = rest[..line_end].strip_suffix(b"\r") else { return true };
            if line.contains(&b'\r') || line_end as u64 >= CHUNK_LINE_BYTES {
                return true;
            }
            self.at += line_end + 1;
            self.next = match self.next {
                Next::ChunkEnd if line.is_empty() => Next::Size,
                Next::Trailer if !line.is_empty() && check_trailer(line).is_ok() => Next::Trailer,
                // The end, or what is malformed.
                Next::ChunkEnd | Next::Trailer => return true,
                Next::Size => match chunk_size(line) {
                    Some(0) => Next::Trailer,
                    Some(size) => {
                        let end = usize::try_from(size).ok().and_then(|it| self.at.checked_add(it));
                        let Some(end) = end.filter(|end| *end <= limit) else { return true };
                        self.at = end;
                        Next::ChunkEnd
                    }
                    None => return true,
                },
            };
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read, Write};
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;

    use super::*;
    use crate::connection::{ClientSocket, Rfile};
    use crate::http::exchange::request_body::RequestBody;
    use crate::http::message::framing::BodyLength;

    /// A chunked body whose client sends this, and then ends.
    fn sent(bytes: &str) -> RequestBody {
        let (mut client, server) = UnixStream::pair().expect("a pair of sockets");
        client.write_all(bytes.as_bytes()).expect("there is room");
        let socket = Arc::new(ClientSocket::plain(OwnedFd::from(server)));
        RequestBody::new(Rfile::new(socket, None, None), BodyLength::Chunked)
    }

    /// Reading comes to an end, or finds what is wrong.
    fn is_readable(bytes: &str) -> bool {
        let read = sent(bytes).read_to_end(&mut Vec::new());
        !read.is_err_and(|error| error.kind() == io::ErrorKind::UnexpectedEof)
    }

    fn is_settled(bytes: &str, limit: usize) -> bool {
        ChunkScan::default().is_settled(bytes.as_bytes(), limit)
    }

    /// What is waited for ends where reading does, or finds what is wrong.
    #[test]
    fn a_chunked_body_is_awaited_until_it_can_be_read_to_its_end() {
        const PIECES: [&str; 9] =
            ["0\r\n", "1\r\n", "2;a\r\n", "x", "\r\n", "a: b\r\n", "\r", "\n", "z\r\n"];
        let mut settled = 0;
        for number in 0..9_usize.pow(4) {
            let pieces = (0..4).map(|place| PIECES[number / 9_usize.pow(place) % 9]);
            let bytes: String = pieces.collect();
            let mut scan = ChunkScan::default();
            let has_settled =
                (1..=bytes.len()).any(|end| scan.is_settled(&bytes.as_bytes()[..end], 100));
            assert_eq!(has_settled, is_readable(&bytes), "{bytes:?}");
            settled += usize::from(has_settled);
            // However it arrives.
            assert_eq!(is_settled(&bytes, 100), has_settled);
        }
        assert!((1_000..6_500).contains(&settled), "{settled} of them");
        assert!(!is_settled("60\r\n", 100) && is_settled("61\r\n", 100));
        assert!(is_settled("ffffffffffffffff\r\n", usize::MAX));
        assert!(!is_settled(&"x".repeat(8_191), 100) && is_settled(&"x".repeat(8_192), 100));
    }

    #[test]
    fn a_line_that_is_too_long_or_has_a_cr_within_is_not_waited_behind() {
        for (before, filling) in [("", "1;"), ("0\r\n", "a:"), ("1\r\nx", "")] {
            for length in [8_190, 8_191] {
                let line = format!("{before}{filling:a<length$}\r\n");
                // Behind the chunk nothing but the line end may stand.
                let is_wrong = length > 8_190 || filling.is_empty();
                assert_eq!((is_settled(&line, 10_000), is_readable(&line)), (is_wrong, is_wrong));
            }
            for cr in ["\r\r\n", "\rb\r\n"] {
                let line = [before, filling, "a", cr].concat();
                assert!(is_settled(&line, 10_000) && is_readable(&line), "{line:?}");
            }
        }
    }
}
