//! Times that processes tell each other as numbers.

use std::time::{Duration, Instant};

/// Milliseconds since it was made: the same in this process and in those that are forked later.
pub(super) struct Clock {
    began: Instant,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self { began: Instant::now() }
    }

    /// Never 0, which is for what is empty.
    pub(super) fn now(&self) -> u64 {
        milliseconds(self.began.elapsed()) + 1
    }

    /// What it says after that time.
    pub(super) fn after(&self, time: Duration) -> u64 {
        self.now().saturating_add(milliseconds(time))
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX / 2)
}
