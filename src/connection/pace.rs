//! How long a client that sends something slowly may be waited for altogether.

use std::time::Duration;

/// The time that was spent on waiting for a client, and what came of it.
#[derive(Debug)]
pub(super) struct Pace {
    /// Bytes that have to come for each second of waiting.
    least: u64,
    came: u64,
    waited: Duration,
}

impl Pace {
    /// A pace of at least so many bytes a second; 0 counts as 1.
    pub(super) fn of_at_least(least: u64) -> Self {
        Self { least: least.max(1), came: 0, waited: Duration::ZERO }
    }

    pub(super) fn note_bytes(&mut self, count: usize) {
        self.came = self.came.saturating_add(count as u64);
    }

    pub(super) fn note_wait(&mut self, time: Duration) {
        self.waited = self.waited.saturating_add(time);
    }

    /// How long the client may be waited for still, where it may be late by so much.
    pub(super) fn left(&self, grace: Duration) -> Duration {
        grace.saturating_add(self.earned()).saturating_sub(self.waited)
    }

    /// The time that what came was worth.
    fn earned(&self) -> Duration {
        // The rest of a division is below the divisor, so that this fits.
        let nanos = u128::from(self.came % self.least) * 1_000_000_000 / u128::from(self.least);
        Duration::from_secs(self.came / self.least)
            .saturating_add(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_worth_time() {
        let grace = Duration::from_secs(30);
        let mut pace = Pace::of_at_least(500);
        assert_eq!(pace.left(grace), grace);
        pace.note_wait(Duration::from_secs(20));
        assert_eq!(pace.left(grace), Duration::from_secs(10));
        pace.note_bytes(1_250);
        assert_eq!(pace.left(grace), Duration::from_millis(12_500));
        pace.note_wait(Duration::from_secs(13));
        assert_eq!(pace.left(grace), Duration::ZERO);
        pace.note_bytes(500);
        assert_eq!(pace.left(grace), Duration::from_millis(500));
    }

    #[test]
    fn nothing_overflows() {
        let mut pace = Pace::of_at_least(0);
        pace.note_bytes(usize::MAX);
        pace.note_bytes(usize::MAX);
        pace.note_wait(Duration::MAX);
        assert_eq!(pace.left(Duration::MAX), Duration::ZERO);
        let mut pace = Pace::of_at_least(u64::MAX);
        pace.note_bytes(usize::MAX - 1);
        assert!(pace.left(Duration::ZERO) < Duration::from_secs(1));
    }
}
