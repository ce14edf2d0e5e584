//! Until when a handler may wait for its client.

use std::fmt;
use std::time::{Duration, Instant};

/// Knows until when a handler may wait for its client, where nothing else can end the request: one
/// that keeps its server's loop, or is in a child process.
pub(crate) trait WaitLimit: Send + Sync + fmt::Debug {
    /// Tells whether the loop is known to be asked to end, if it is the handler that keeps it.
    fn is_asked(&self) -> bool;

    /// Tells whether it is asked to end by now, which may take system calls.
    fn finds_asked(&self) -> bool;

    /// When to ask next, unless something interrupts the waits.
    fn next_look(&self) -> Option<Instant>;

    /// When the waits end, if the loop is asked to end. May be called as often as there is
    /// something to write.
    fn end(&self) -> Option<Instant>;

    /// A connection was cut as that time has passed.
    fn note_cut(&self);
}

/// How long until the next look whether the loop is asked to end.
pub(crate) const NEXT_LOOK: Duration = Duration::from_millis(100);
