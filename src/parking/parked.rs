//! A connection that waits, and for how long.

use std::time::{Duration, Instant};

use crate::connection::{Connection, Timeouts, WaitFor};

/// What a connection is in its slot for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Waits for its client, at no thread's cost.
    Idle,
    /// What was left to be sent goes out as its client takes it, at no thread's cost.
    Sending,
    /// Has something to read, or room for what is left to be sent, or is late, and a job was made
    /// for it that has not begun.
    Claimed,
    /// Given back by its handler within a job, which serves on or lets go of it.
    Returned,
}

/// A connection in its slot.
#[derive(Debug)]
pub(super) struct Parked {
    pub(super) phase: Phase,
    pub(super) connection: Connection,
    pub(super) waits_for: WaitFor,
    pub(super) since: Instant,
    pub(super) deadline: Option<Instant>,
    /// Since when a body is waited for in this wait.
    body_since: Option<Instant>,
}

impl Parked {
    /// A connection that was just accepted.
    pub(super) fn first(connection: Connection, timeouts: &Timeouts) -> Self {
        Self::new(connection, WaitFor::NextRequest, timeouts, None)
    }

    /// A connection whose phase is settled next.
    #[inline]
    pub(super) fn new(
        connection: Connection,
        waits_for: WaitFor,
        timeouts: &Timeouts,
        head_since: Option<Instant>,
    ) -> Self {
        let body_since = (waits_for == WaitFor::RestOfBody).then(Instant::now);
        let (since, deadline) = times(&connection, waits_for, timeouts, (head_since, body_since));
        Self { phase: Phase::Returned, connection, waits_for, since, deadline, body_since }
    }

    pub(super) fn has_bytes(&self) -> bool {
        match self.waits_for {
            WaitFor::NextRequest => self.connection.rfile.holds_unread(),
            WaitFor::RestOfRequest | WaitFor::RestOfBody => {
                self.connection.rfile.socket().holds_unread()
            }
            WaitFor::Taken => false,
        }
    }

    /// The client has ended, which reading has told: nothing comes that could be waited for.
    pub(super) fn is_at_end(&self) -> bool {
        self.waits_for != WaitFor::Taken
            && self.connection.rfile.socket().has_ended()
            && !self.has_bytes()
    }

    /// It has had its last call, which told it that its deadline had passed.
    pub(super) fn is_late(&self) -> bool {
        self.waits_for != WaitFor::Taken && self.connection.rfile.is_expired()
    }

    /// Shortens the wait, as the server stops; returns when it is over.
    ///
    /// A connection that was answered a moment ago is closed only after another one: its client may
    /// have sent the next request already, and would lose it. One that has begun a request or a
    /// handshake is given a little longer, from the time when the drain began or, if that is later,
    /// from its own first byte.
    pub(super) fn hasten(&mut self, drain_began: Instant) -> Option<Instant> {
        let end = if self.is_idle() {
            self.since.checked_add(IDLE_GRACE)?
        } else {
            self.since.max(drain_began).checked_add(HEAD_GRACE)?
        };
        self.deadline = Some(self.deadline.map_or(end, |deadline| deadline.min(end)));
        self.deadline
    }

    /// Neither a request nor a handshake is known to have begun.
    pub(super) fn is_idle(&self) -> bool {
        self.waits_for == WaitFor::NextRequest
            && self.connection.rfile.socket().busy_since().is_none()
    }

    /// When an incomplete request was first waited for.
    pub(super) fn head_since(&self) -> Option<Instant> {
        matches!(self.waits_for, WaitFor::RestOfRequest | WaitFor::RestOfBody).then_some(self.since)
    }

    /// The client is waited for no more. What a body was waited for makes the client late, and the
    /// time until its next turn does not.
    pub(super) fn end_wait(&mut self) {
        if let Some(since) = self.body_since.take() {
            self.connection.rfile.note_wait(since.elapsed());
        }
    }

    /// The wait is over, and nothing has come. The handler is called as it is: it finds out that
    /// the client was too late, or waits itself for a body that only the server, as it stops, waits
    /// for no longer.
    pub(super) fn end_in_vain(&mut self) {
        let rfile = &mut self.connection.rfile;
        let has_time = self
            .body_since
            .is_some_and(|since| rfile.wait_limit().is_none_or(|limit| since.elapsed() < limit));
        if has_time { rfile.hurry() } else { rfile.expire() }
    }

    pub(super) fn left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }
}

/// Since when a connection waits, and until when.
fn times(
    connection: &Connection,
    waits_for: WaitFor,
    timeouts: &Timeouts,
    (head_since, body_since): (Option<Instant>, Option<Instant>),
) -> (Instant, Option<Instant>) {
    // A handshake or a part of a record is no request yet, and no reason to be patient.
    let busy_since = match waits_for {
        WaitFor::NextRequest => connection.rfile.socket().busy_since(),
        WaitFor::RestOfRequest | WaitFor::RestOfBody | WaitFor::Taken => None,
    };
    let since = head_since.or(busy_since).unwrap_or_else(Instant::now);
    let deadline = match waits_for {
        WaitFor::NextRequest if busy_since.is_some() => after(since, timeouts.head),
        WaitFor::NextRequest => after(since, timeouts.idle),
        WaitFor::RestOfRequest => after(since, timeouts.head),
        WaitFor::RestOfBody => {
            body_since.and_then(|since| after(since, connection.rfile.wait_limit()))
        }
        // The looks whether the client takes enough.
        WaitFor::Taken => None,
    };
    (since, deadline)
}

fn after(since: Instant, limit: Option<Duration>) -> Option<Instant> {
    limit.and_then(|limit| since.checked_add(limit))
}

/// How long a connection stays idle before a server that stops closes it.
const IDLE_GRACE: Duration = Duration::from_millis(500);

/// How long a server that stops waits for the rest of a head or a handshake, and for clients to
/// leave.
pub(super) const HEAD_GRACE: Duration = Duration::from_secs(1);
