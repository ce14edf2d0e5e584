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

/// A number, of which 22 bits are kept, and the time until which it counts: in one word, so that
/// processes change both together. The other 42 bits are 139 years in milliseconds.
pub(super) fn word(number: u64, until: u64) -> u64 {
    until << NUMBER_BITS | kept(number)
}

/// What is kept of a number.
pub(super) fn kept(number: u64) -> u64 {
    number & ((1 << NUMBER_BITS) - 1)
}

/// Until when the number in a word counts.
pub(super) fn until(word: u64) -> u64 {
    word >> NUMBER_BITS
}

/// Linux has no larger numbers of processes than that, the other systems none above 99999.
pub(super) const NUMBER_BITS: u32 = 22;

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX / 2)
}
