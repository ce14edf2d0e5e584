//! A closed connection whose client is still sending.

use std::io;
use std::net::Shutdown;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::parked::HEAD_GRACE;
use crate::connection::ClientSocket;

/// A connection that its handler has let go of, while its client may still be sending.
///
/// Closing a socket with unread input resets it, and a reset may overtake what was written last. A
/// client that sends all of its request before it reads the response would not get that, and a
/// balancer would take the server for broken. So the sending half is closed first, and what still
/// arrives is thrown away: however much, within limits of time.
#[derive(Debug)]
pub(super) struct Lingering {
    pub(super) socket: Arc<ClientSocket>,
    /// When the sending half was closed.
    pub(super) since: Instant,
    /// When it is closed, unless enough comes before.
    pub(super) deadline: Instant,
    /// When it is closed whatever comes.
    end: Instant,
    patience: Patience,
    /// Bytes that have come since the deadline was put off.
    came: usize,
}

/// How much has to come in what time for the client to be listened to for as long again.
#[derive(Clone, Copy, Debug)]
struct Patience {
    bytes: usize,
    within: Duration,
}

/// What a look at a closed connection has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Discarded {
    /// All that has arrived was thrown away.
    All,
    /// There may be more, and others have their turn first.
    Some,
    /// It is time to close: the client has ended, or its time is over.
    Last,
}

impl Lingering {
    /// Closes the sending half.
    pub(super) fn new(socket: Arc<ClientSocket>) -> Self {
        socket.shutdown(Shutdown::Write);
        let since = Instant::now();
        let (deadline, end) = (since + IN_SERVER.within, since + LINGER_LIMIT);
        Self { socket, since, deadline, end, patience: IN_SERVER, came: 0 }
    }

    /// Keeps a child process, of which there are few.
    pub(super) fn in_job(mut self) -> Self {
        self.patience = IN_JOB;
        self.deadline = self.deadline.min(self.since + IN_JOB.within);
        self
    }

    /// Shortens the wait, as the server stops; returns when it is over.
    pub(super) fn hasten(&mut self, drain_began: Instant) -> Instant {
        self.end_by(self.since.max(drain_began) + HEAD_GRACE)
    }

    /// Shortens the wait, whatever comes; returns when it is over.
    pub(super) fn end_by(&mut self, end: Instant) -> Instant {
        self.end = self.end.min(end);
        self.deadline = self.deadline.min(self.end);
        self.deadline
    }

    pub(super) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Throws away what has arrived, and no more than others can wait for.
    // Its buffer is on the stack of those alone that linger: see `ClientSocket::discard_some`.
    #[inline(never)]
    pub(super) fn discard(&mut self, now: Instant) -> Discarded {
        let mut buffer = [0; 16 * 1024];
        let mut found = Discarded::Some;
        for _ in 0..READS_IN_A_LOOK {
            match self.socket.recv_raw(&mut buffer) {
                Ok(0) => return Discarded::Last,
                Ok(count) => self.came += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    found = Discarded::All;
                    break;
                }
                Err(_) => return Discarded::Last,
            }
        }
        if self.came >= self.patience.bytes {
            self.deadline = self.end.min(now + self.patience.within);
            self.came = 0;
        }
        if self.deadline > now { found } else { Discarded::Last }
    }
}

/// How long a client may go on sending what is not read any more: long enough to send what is
/// refused, as a body of some megabytes, over most lines (nginx's `lingering_time`).
const LINGER_LIMIT: Duration = Duration::from_secs(30);

/// A client that sends nothing for so long does not send any more, or is gone (nginx's
/// `lingering_timeout`).
const IN_SERVER: Patience = Patience { bytes: 1, within: Duration::from_secs(5) };

/// One that holds a child has to make haste, or a few bytes would keep others waiting.
const IN_JOB: Patience = Patience { bytes: 64 * 1024, within: Duration::from_secs(2) };

/// Of 16 KiB each: less than a socket holds, so that a fast client does not keep the thread.
const READS_IN_A_LOOK: usize = 8;

#[cfg(test)]
mod tests;
