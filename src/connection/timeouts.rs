//! How long clients are waited for.

use std::time::Duration;

/// How long a connection may keep the server waiting; with `None` it waits for ever.
///
/// Python's `StreamRequestHandler.timeout` is `None` by default and limits single reads and
/// writes only, so that one byte a minute keeps a thread for days. All limits here are finite
/// unless a handler says otherwise.
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
    pub(crate) body_rate: Option<u64>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Some(Duration::from_secs(30)),
            idle: Some(Duration::from_secs(60)),
            stall: Some(Duration::from_secs(30)),
            body_rate: Some(500),
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
    /// waited for, on average; a client may be late by [`stall`](Self::stall) in all. Defaults to
    /// 500.
    ///
    /// Time that the handler needs for itself does not count. `None` lets a body take as long
    /// as each single wait stays below `stall`.
    pub fn body_rate(mut self, bytes_per_second: impl Into<Option<u64>>) -> Self {
        self.body_rate = bytes_per_second.into();
        self
    }
}
