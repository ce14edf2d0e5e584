//! A connection that waits, and for how long.

use std::time::{Duration, Instant};

use crate::connection::{Connection, Timeouts, Until};

/// A connection in its slot.
#[derive(Debug)]
pub(super) struct Parked {
    pub(super) connection: Connection,
    pub(super) until: Until,
    pub(super) since: Instant,
    pub(super) deadline: Option<Instant>,
}

impl Parked {
    pub(super) fn new(
        connection: Connection,
        until: Until,
        timeouts: &Timeouts,
        head_since: Option<Instant>,
    ) -> Self {
        // A handshake or a part of a record is no request yet, and no reason to be patient.
        let busy_since = match until {
            Until::Readable => connection.rfile.socket().busy_since(),
            Until::More => None,
        };
        let since = head_since.or(busy_since).unwrap_or_else(Instant::now);
        let limit = match until {
            Until::Readable if busy_since.is_some() => timeouts.head,
            Until::Readable => timeouts.idle,
            Until::More => timeouts.head,
        };
        let deadline = limit.and_then(|limit| since.checked_add(limit));
        Self { connection, until, since, deadline }
    }

    pub(super) fn has_bytes(&self) -> bool {
        match self.until {
            Until::Readable => self.connection.rfile.holds_unread(),
            Until::More => self.connection.rfile.socket().holds_unread(),
        }
    }

    /// It has had its last call, which told it that its deadline had passed.
    pub(super) fn is_late(&self) -> bool {
        self.connection.rfile.is_expired()
    }

    /// Shortens the wait, as the server stops; returns when it is over.
    ///
    /// A connection that was answered a moment ago is closed only after another one: its client may
    /// have sent the next request already, and would lose it. One that has begun a request or a
    /// handshake is given a little longer, from the time when the drain began or, if that is later,
    /// from its own first byte.
    pub(super) fn hasten(&mut self, drain_began: Instant) -> Option<Instant> {
        let is_idle =
            self.until == Until::Readable && self.connection.rfile.socket().busy_since().is_none();
        let end = if is_idle {
            self.since.checked_add(IDLE_GRACE)?
        } else {
            self.since.max(drain_began).checked_add(HEAD_GRACE)?
        };
        self.deadline = Some(self.deadline.map_or(end, |deadline| deadline.min(end)));
        self.deadline
    }

    pub(super) fn left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }
}

/// How long a connection stays idle before a server that stops closes it.
const IDLE_GRACE: Duration = Duration::from_millis(500);

/// How long a server that stops waits for the rest of a head or a handshake, and for clients to
/// leave.
pub(super) const HEAD_GRACE: Duration = Duration::from_secs(1);
