//! How long clients are waited for.

use std::num::NonZero;
use std::time::Duration;

/// How long a connection may keep the server waiting; with `None` it waits for ever.
///
/// Python's `StreamRequestHandler.timeout` is `None` by default and limits single reads and
/// writes only, so that one byte a minute keeps a thread for days. All limits here are finite
/// unless a handler says otherwise.
///
/// A limit of zero is over at once: [`idle`](Self::idle) of zero closes connections before their
/// first byte, [`head`](Self::head) of zero refuses a head that does not come in one piece. For no
/// limit say `None`.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use socketserver::Timeouts;
///
/// let patient = Timeouts::default().idle(Duration::from_secs(600)).body_rate(None);
/// # let _ = patient;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Timeouts {
    pub(crate) head: Option<Duration>,
    pub(crate) idle: Option<Duration>,
    pub(crate) stall: Option<Duration>,
    pub(crate) body_rate: Option<NonZero<u64>>,
    pub(crate) response_rate: Option<NonZero<u64>>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Some(Duration::from_secs(30)),
            idle: Some(Duration::from_secs(60)),
            stall: Some(Duration::from_secs(30)),
            body_rate: NonZero::new(500),
            response_rate: NonZero::new(500),
        }
    }
}

impl Timeouts {
    /// From the first byte of a request's head to its last. Defaults to 30 seconds.
    ///
    /// Of an HTTP request the empty lines count that may come before it (RFC 9112 §2.2). Where
    /// nothing else has come when the time is over, the connection is closed without an answer.
    pub fn head(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.head = limit.into();
        self
    }

    /// Between requests, and before the first one. Defaults to 60 seconds.
    pub fn idle(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.idle = limit.into();
        self
    }

    /// A single wait inside a request, for the client to send or take a byte. Defaults to
    /// 30 seconds.
    #[doc(alias = "StreamRequestHandler.timeout")]
    pub fn stall(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.stall = limit.into();
        self
    }

    /// The same limit for each wait: [`head`](Self::head), [`idle`](Self::idle) and
    /// [`stall`](Self::stall).
    pub fn each_wait(self, limit: impl Into<Option<Duration>>) -> Self {
        let limit = limit.into();
        self.head(limit).idle(limit).stall(limit)
    }

    /// Bytes of the body of an HTTP request that have to come for each second for which they are
    /// waited for; a client may be late by [`stall`](Self::stall). Defaults to 500.
    ///
    /// Each second of waiting makes a client a second later, and each 500 bytes make it a second
    /// less late. It is never early, so that what came fast gives no time for a slow rest. Time
    /// that the handler needs for itself does not count. With `None` or 0 each single wait has to
    /// be shorter than `stall`, and all of them together have no limit.
    pub fn body_rate(mut self, bytes_per_second: impl Into<Option<u64>>) -> Self {
        self.body_rate = bytes_per_second.into().and_then(NonZero::new);
        self
    }

    /// Bytes that a client has to take for each second for which a write waits for it, of a
    /// response and of whatever else is written to a connection; a client may be late by
    /// [`stall`](Self::stall), as for [`body_rate`](Self::body_rate). Defaults to 500.
    ///
    /// So the waits for a client add up to `stall` at most, and one second more for each 500 bytes
    /// that it takes. It has taken what its system has acknowledged, or what it has read of a Unix
    /// socket; on other systems than Linux, what there is room for again in the socket's buffer. A
    /// system acknowledges nothing while its receive buffer is full: a client that reads much at
    /// once and then pauses for longer than `stall` is given up, at any rate. With `None` or 0 a
    /// client has to take something within each `stall`, and all waits together have no limit.
    pub fn response_rate(mut self, bytes_per_second: impl Into<Option<u64>>) -> Self {
        self.response_rate = bytes_per_second.into().and_then(NonZero::new);
        self
    }
}
