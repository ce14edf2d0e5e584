//! The body of a request, as the handler reads it.

use std::io::{self, BufRead, Read};
use std::time::{Duration, Instant};

use super::chunk_line::{CHUNK_LINE_BYTES, check_trailer, checked_line, malformed, truncated};
use super::http_error::HttpError;
use crate::connection::{PeerCredentials, Rfile, readline, timed_out};
use crate::http::message::framing::{BodyLength, chunk_size};
use crate::os::{AsFd, BorrowedFd};

/// What the client sent after its request's head: `http.rfile`.
///
/// Ends where the body ends: a handler that reads to the end does not take the next request for
/// a part of this one, and does not wait for what will never come. A chunked body is decoded;
/// its trailers are read and dropped. One that is malformed (`InvalidData`) or ends early
/// (`UnexpectedEof`) is an [`HttpError`] 400.
#[derive(Debug)]
pub struct RequestBody {
    pub(super) input: Rfile,
    state: State,
    /// A wait for the client has exceeded its limit.
    is_late: bool,
    /// The client says that this is a part of what it wants to replace: a PUT with `Content-Range`.
    pub(super) is_partial: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// So many bytes are to come.
    Length(u64),
    /// The line with a chunk's size comes next.
    ChunkSize,
    /// So many bytes of a chunk are to come.
    Chunk(u64),
    /// The line end behind a chunk comes next.
    ChunkEnd,
    /// Lines behind the last chunk come next; so many bytes of them did.
    Trailers(usize),
    /// Whatever comes belongs to the handler.
    Unbounded,
    Ended,
    /// The client's framing cannot be followed any further.
    Broken,
}

impl RequestBody {
    pub(crate) fn new(mut input: Rfile, length: BodyLength) -> Self {
        let state = match length {
            BodyLength::Known(0) => State::Ended,
            BodyLength::Known(length) => State::Length(length),
            BodyLength::Chunked => State::ChunkSize,
        };
        if state != State::Ended {
            input.expect_rate();
        }
        Self { input, state, is_late: false, is_partial: false }
    }

    /// Limits a single wait for the client, and how late it may be with the whole body
    /// ([`Timeouts::body_rate`](crate::Timeouts::body_rate)); with `None` it is waited for as long
    /// as it takes. A body that was waited for before the handler was called
    /// ([`body_buffer_size`](crate::http::HttpRequestHandler::body_buffer_size)) had the server's
    /// limits.
    pub fn set_timeout(&mut self, limit: Option<Duration>) {
        self.input.set_timeout(limit);
    }

    /// Reads the rest of the body, up to `limit` bytes: Python's
    /// `self.rfile.read(int(self.headers["Content-Length"]))`, which has no limit but the client's.
    ///
    /// # Errors
    ///
    /// An [`HttpError`] 413 when the body is longer, as soon as its length or a chunk's size says
    /// so; what the connection reports otherwise.
    #[doc(alias = "rfile.read")]
    pub fn read_all(&mut self, limit: usize) -> io::Result<Vec<u8>> {
        let most = limit as u64;
        self.check_length(most)?;
        let mut body = Vec::new();
        self.within(most, 0).read_to_end(&mut body)?;
        Ok(body)
    }

    /// Reads a line of the body, its end (`\n`) included, or `limit` bytes of it: Python's
    /// `self.rfile.readline(limit)`. See [`Rfile::readline`](crate::Rfile::readline).
    ///
    /// # Errors
    ///
    /// As reading does.
    pub fn readline(&mut self, limit: usize) -> io::Result<Vec<u8>> {
        readline(self, limit)
    }

    /// Refuses a body that is known to be longer.
    pub(crate) fn check_length(&self, limit: u64) -> io::Result<()> {
        match self.length() {
            Some(length) if length > limit => Err(Self::too_long(limit)),
            _ => Ok(()),
        }
    }

    /// Reads the body where it has no more than `limit` bytes, of which so many were read.
    pub(crate) fn within(&mut self, limit: u64, read: u64) -> Within<'_> {
        Within { body: self, limit, read }
    }

    fn too_long(limit: u64) -> io::Error {
        HttpError::new(413, format!("The body is longer than {limit} bytes")).into()
    }

    /// Tells whether the whole body has been read.
    pub fn is_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// How many bytes are left, where the client has told.
    pub(crate) fn length(&self) -> Option<u64> {
        match self.state {
            State::Length(left) => Some(left),
            State::Ended => Some(0),
            _ => None,
        }
    }

    /// Tells whether the client sent what is no body.
    pub(crate) fn is_broken(&self) -> bool {
        self.state == State::Broken
    }

    /// Tells whether the client let a read wait for too long.
    pub(crate) fn is_late(&self) -> bool {
        self.is_late
    }

    /// Drops what the handler left, within this time and other bounds; false when some is left.
    pub(crate) fn drain(&mut self, time: Duration) -> bool {
        if self.is_ended() {
            return true;
        }
        self.input.set_deadline(Instant::now().checked_add(time));
        let ended = self.drop_rest();
        self.input.set_deadline(None);
        ended
    }

    fn drop_rest(&mut self) -> bool {
        let mut dropped = 0;
        while dropped < DRAIN_BYTES {
            match self.fill_buf().map(<[u8]>::len) {
                Ok(0) => return self.is_ended(),
                Ok(count) => {
                    self.consume(count);
                    dropped += count;
                }
                Err(_) => return false,
            }
        }
        self.is_ended()
    }

    pub(crate) fn peer_credentials(&self) -> io::Result<PeerCredentials> {
        self.input.peer_credentials()
    }

    pub(crate) fn peer_certificates(&self) -> Vec<Vec<u8>> {
        self.input.socket().peer_certificates()
    }

    /// Tells whether the client speaks TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.input.socket().is_secure()
    }

    /// The connection's reading end, for good.
    pub(crate) fn take(&mut self) -> Rfile {
        self.state = State::Ended;
        self.input.expect_no_rate();
        self.input.detach()
    }

    /// Hands everything that comes to the handler, as after a switch of protocols.
    pub(crate) fn unbind(&mut self) {
        self.state = State::Unbounded;
        self.input.expect_no_rate();
    }

    /// Reads what has arrived, without waiting: `Ok(0)` at the end of the body.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when nothing has arrived; otherwise as reading does.
    pub(crate) fn read_arrived(&mut self, target: &mut [u8]) -> io::Result<usize> {
        while self.is_between_chunks() {
            let line = self.arrived_line()?;
            self.take_line(line)?;
        }
        let wanted = self.left()?.min(target.len());
        if wanted == 0 {
            return Ok(0);
        }
        let read = self.input.read_arrived(&mut target[..wanted]);
        let read = read.inspect_err(|error| self.is_late |= is_time_out(error))?;
        self.count(read)
    }

    /// The longest that the client may be waited for now.
    pub(crate) fn wait_limit(&self) -> Option<Duration> {
        self.input.wait_limit()
    }

    /// The client was waited for.
    pub(crate) fn note_wait(&mut self, time: Duration) {
        self.input.note_wait(time);
    }

    /// Notes that the client has exceeded that limit.
    pub(crate) fn note_stall(&mut self) -> io::Error {
        self.is_late = true;
        timed_out()
    }

    /// The client's socket, to wait for.
    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        self.input.socket().as_fd()
    }

    /// Tells whether no answer can arrive any more, as the client has reset the connection.
    pub(crate) fn is_client_gone(&self) -> bool {
        self.input.socket().is_gone()
    }

    fn is_between_chunks(&self) -> bool {
        matches!(self.state, State::ChunkSize | State::ChunkEnd | State::Trailers(_))
    }

    /// Moves on by a line between chunks, and is broken where the line does not belong there.
    fn take_line(&mut self, line: io::Result<Vec<u8>>) -> io::Result<()> {
        let state = std::mem::replace(&mut self.state, State::Broken);
        let line = line.inspect_err(|error| self.is_late |= is_time_out(error))?;
        self.state = match state {
            State::ChunkEnd if line.is_empty() => State::ChunkSize,
            State::ChunkEnd => return Err(malformed("a chunk is longer than its size")),
            State::Trailers(_) if line.is_empty() => State::Ended,
            State::Trailers(bytes) if bytes + line.len() > TRAILER_BYTES => {
                return Err(malformed("the trailers are too long"));
            }
            State::Trailers(bytes) => {
                check_trailer(&line)?;
                State::Trailers(bytes + line.len())
            }
            _ => match chunk_size(&line) {
                Some(0) => State::Trailers(0),
                Some(size) => State::Chunk(size),
                None => return Err(malformed("a chunk has no proper size")),
            },
        };
        Ok(())
    }

    /// A line that has arrived as a whole, or what is wrong with it; `WouldBlock` while it has not.
    fn arrived_line(&mut self) -> io::Result<io::Result<Vec<u8>>> {
        loop {
            if let Some(line) = self.input.unread_line(CHUNK_LINE_BYTES as usize) {
                let line = line.to_vec();
                self.input.consume(line.len());
                return Ok(checked_line(line));
            }
            match self.input.receive() {
                Ok(0) => return Ok(Err(truncated())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    /// Reads up to CR LF, which alone ends a line here.
    fn read_line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        Read::take(&mut self.input, CHUNK_LINE_BYTES).read_until(b'\n', &mut line)?;
        checked_line(line)
    }

    /// Moves on to where bytes of the body are, or to its end.
    fn advance(&mut self) -> io::Result<()> {
        while self.is_between_chunks() {
            let line = self.read_line();
            self.take_line(line)?;
        }
        Ok(())
    }

    /// Bytes that may be read in one go.
    fn left(&self) -> io::Result<usize> {
        match self.state {
            State::Length(left) | State::Chunk(left) => {
                Ok(usize::try_from(left).unwrap_or(usize::MAX))
            }
            State::Unbounded => Ok(usize::MAX),
            State::Ended => Ok(0),
            _ => Err(malformed("the body is malformed")),
        }
    }

    /// Counts bytes that came; no bytes are too few, unless the handler is to see the end itself.
    fn count(&mut self, count: usize) -> io::Result<usize> {
        if count == 0 && self.state != State::Unbounded {
            self.state = State::Broken;
            return Err(truncated());
        }
        self.took(count);
        Ok(count)
    }

    fn took(&mut self, count: usize) {
        let count = count as u64;
        self.state = match self.state {
            State::Length(left) if left <= count => State::Ended,
            State::Length(left) => State::Length(left - count),
            State::Chunk(left) if left <= count => State::ChunkEnd,
            State::Chunk(left) => State::Chunk(left - count),
            other => other,
        };
    }
}

/// A body that is an [`HttpError`] 413 as soon as it is known to have more than `limit` bytes:
/// before the bytes of a chunk have come, as its size says how many will.
pub(crate) struct Within<'a> {
    body: &'a mut RequestBody,
    limit: u64,
    read: u64,
}

impl Read for Within<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        self.body.advance()?;
        let announced = match self.body.state {
            State::Length(left) | State::Chunk(left) => left,
            _ => 0,
        };
        if self.read.saturating_add(announced) > self.limit {
            return Err(RequestBody::too_long(self.limit));
        }
        let count = self.body.read(target)?;
        self.read += count as u64;
        if self.read > self.limit { Err(RequestBody::too_long(self.limit)) } else { Ok(count) }
    }
}

impl Read for RequestBody {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        self.advance()?;
        let wanted = self.left()?.min(target.len());
        if wanted == 0 {
            return Ok(0);
        }
        let read = self.input.read(&mut target[..wanted]);
        let count = read.inspect_err(|error| self.is_late |= is_time_out(error))?;
        self.count(count)
    }
}

impl BufRead for RequestBody {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.advance()?;
        let left = self.left()?;
        if left == 0 {
            return Ok(&[]);
        }
        let unbounded = self.state == State::Unbounded;
        let filled = self.input.fill_buf();
        let available = filled.inspect_err(|error| self.is_late |= is_time_out(error))?;
        if available.is_empty() && !unbounded {
            self.state = State::Broken;
            return Err(truncated());
        }
        Ok(&available[..available.len().min(left)])
    }

    fn consume(&mut self, count: usize) {
        self.input.consume(count);
        self.took(count);
    }
}

fn is_time_out(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::TimedOut
}

/// Bytes of all trailers.
const TRAILER_BYTES: usize = 64 * 1024;

/// What a handler may leave unread without costing the connection.
const DRAIN_BYTES: usize = 256 * 1024;

#[cfg(test)]
mod tests;
