//! Until when a handler may wait for its client.

use std::fmt;
use std::time::{Duration, Instant};

/// Knows until when a handler may wait for its client that keeps its server's loop: nothing else
/// can end the request then.
pub(crate) trait WaitLimit: Send + Sync + fmt::Debug {
    /// When the waits end, if the loop is asked to end. May be called as often as there is
    /// something to write.
    fn end(&self) -> Option<Instant>;

    /// A connection was cut as that time has passed.
    fn note_cut(&self);
}

/// How long until the next look whether the loop is asked to end.
pub(crate) const NEXT_LOOK: Duration = Duration::from_millis(100);
