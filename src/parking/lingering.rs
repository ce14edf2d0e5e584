//! A closed connection whose client is still sending.

use std::io;
use std::net::Shutdown;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::parked::HEAD_GRACE;
use crate::connection::ClientSocket;

/// A connection that its handler has let go of, while its client may still be sending.
///
/// Closing a socket with unread input resets it, and a reset may overtake what was written last.
/// So the sending half is closed first, and what still arrives is thrown away, within these bounds.
#[derive(Debug)]
pub(super) struct Lingering {
    pub(super) socket: Arc<ClientSocket>,
    /// When the sending half was closed.
    pub(super) since: Instant,
    pub(super) deadline: Instant,
    /// Bytes that may still be thrown away.
    bytes_left: usize,
}

impl Lingering {
    /// Closes the sending half.
    pub(super) fn new(socket: Arc<ClientSocket>) -> Self {
        socket.shutdown(Shutdown::Write);
        let since = Instant::now();
        let deadline = since + LINGER_LIMIT;
        Self { socket, since, deadline, bytes_left: LINGER_BYTES }
    }

    /// Shortens the wait, as the server stops; returns when it is over.
    pub(super) fn hasten(&mut self, drain_began: Instant) -> Instant {
        self.deadline = self.deadline.min(self.since.max(drain_began) + HEAD_GRACE);
        self.deadline
    }

    pub(super) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Throws away what has arrived; false when it is time to close.
    // Two pages of stack for those alone that linger: see `ClientSocket::discard_some`.
    #[inline(never)]
    pub(super) fn discard(&mut self) -> bool {
        let mut buffer = [0; 8 * 1024];
        loop {
            match self.socket.recv_raw(&mut buffer) {
                Ok(0) => return false,
                Ok(count) if count > self.bytes_left => return false,
                Ok(count) => self.bytes_left -= count,
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
    }
}

/// How long a client may go on sending what is not read any more, and how much.
const LINGER_LIMIT: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 256 * 1024;
