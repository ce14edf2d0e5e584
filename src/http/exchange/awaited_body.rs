//! A request whose body is waited for before its handler is called.

use std::io;

use super::chunk_scan::ChunkScan;
use super::received::Request;
use crate::connection::Rfile;
use crate::http::message::framing::BodyLength;

/// A request, and what of its body has to arrive before its handler is called. What has arrived is
/// in the connection's buffer, which so holds no more than the limit.
pub(super) struct AwaitedBody {
    pub(super) request: Request,
    pub(super) awaits: Awaits,
    /// The most that is waited for.
    pub(super) limit: usize,
}

/// What of a body has to arrive.
pub(super) enum Awaits {
    /// So many bytes.
    Bytes(usize),
    /// The last chunk.
    Chunks(ChunkScan),
}

impl Awaits {
    /// What has to be waited for of a body of up to `limit` bytes. Others are read by the handler,
    /// and so are those that the client sends when it is told to.
    pub(super) fn of(request: &Request, limit: usize) -> Option<Self> {
        match request.body {
            _ if limit == 0 || request.head.expects_100() => None,
            BodyLength::Known(length) => {
                let length = usize::try_from(length).ok().filter(|length| *length <= limit);
                length.map(Self::Bytes)
            }
            BodyLength::Chunked => Some(Self::Chunks(ChunkScan::default())),
        }
    }
}

impl AwaitedBody {
    /// Receives what has arrived; tells whether the handler is to be called: the body is there, or
    /// more of it than is waited for, or the handler will find out as it reads why nothing more
    /// comes, as the client has ended or was late; or the server stops, and waits no longer.
    pub(super) fn receive(&mut self, rfile: &mut Rfile) -> io::Result<bool> {
        if rfile.socket().is_cut() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        rfile.expect_rate();
        while !self.is_there(rfile.unread()) {
            match rfile.receive() {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return Ok(rfile.take_hurry()),
                    io::ErrorKind::TimedOut => break,
                    _ => return Err(error),
                },
            }
        }
        Ok(true)
    }

    fn is_there(&mut self, arrived: &[u8]) -> bool {
        match &mut self.awaits {
            Awaits::Bytes(length) => arrived.len() >= *length,
            Awaits::Chunks(scan) => {
                arrived.len() >= self.limit || scan.is_settled(arrived, self.limit)
            }
        }
    }
}
