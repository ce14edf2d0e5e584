//! How late a client is that has to send or to take something at a least rate.

use std::num::NonZero;
use std::time::Duration;

/// A least rate, and how late a client is that has to keep it.
///
/// Each second for which it is waited for makes it a second later, and what it sends or takes makes
/// it less late by the time that this may take at the least rate. It is never early: what came fast
/// is no credit for a slow rest.
#[derive(Debug)]
pub(super) struct Pace {
    /// Bytes for each second of waiting.
    least: NonZero<u64>,
    late: Duration,
}

impl Pace {
    /// A pace of at least so many bytes a second.
    pub(super) fn of_at_least(least: NonZero<u64>) -> Self {
        Self { least, late: Duration::ZERO }
    }

    /// The bytes for each second of waiting.
    pub(super) fn least(&self) -> u64 {
        self.least.get()
    }

    pub(super) fn note_bytes(&mut self, count: u64) {
        self.late = self.late.saturating_sub(self.worth(count));
    }

    pub(super) fn note_wait(&mut self, time: Duration) {
        self.late = self.late.saturating_add(time);
    }

    /// The client is not late any more.
    pub(super) fn forgive(&mut self) {
        self.late = Duration::ZERO;
    }

    /// How long the client may be waited for still, where it may be late by so much.
    pub(super) fn left(&self, grace: Duration) -> Duration {
        grace.saturating_sub(self.late)
    }

    /// The time that so many bytes may take.
    fn worth(&self, count: u64) -> Duration {
        // The rest of a division is below the divisor, so that this fits.
        let nanos = u128::from(count % self.least) * 1_000_000_000 / u128::from(self.least());
        Duration::from_secs(count / self.least)
            .saturating_add(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(30);

    fn pace(least: u64) -> Pace {
        Pace::of_at_least(NonZero::new(least).expect("a rate"))
    }

    #[test]
    fn bytes_are_worth_time() {
        let mut pace = pace(500);
        assert_eq!(pace.left(GRACE), GRACE);
        pace.note_wait(Duration::from_secs(20));
        assert_eq!(pace.left(GRACE), Duration::from_secs(10));
        pace.note_bytes(1_250);
        assert_eq!(pace.left(GRACE), Duration::from_millis(12_500));
        pace.note_wait(Duration::from_secs(13));
        assert_eq!(pace.left(GRACE), Duration::ZERO);
        pace.note_bytes(500);
        assert_eq!(pace.left(GRACE), Duration::from_millis(500));
    }

    #[test]
    fn many_bytes_at_once_are_no_credit() {
        let mut pace = pace(500);
        pace.note_wait(Duration::from_secs(20));
        pace.note_bytes(1 << 40);
        assert_eq!(pace.left(GRACE), GRACE);
        pace.note_wait(GRACE);
        assert_eq!(pace.left(GRACE), Duration::ZERO);
    }

    /// A window that opens rarely: nothing for long, then much.
    #[test]
    fn bursts_at_the_least_rate_keep_up() {
        let mut pace = pace(500);
        for _ in 0..1_000 {
            pace.note_wait(Duration::from_secs(29));
            assert!(pace.left(GRACE) >= Duration::from_secs(1));
            pace.note_bytes(29 * 500);
        }
    }

    #[test]
    fn a_byte_now_and_then_is_too_little() {
        let (mut pace, mut waited) = (pace(500), Duration::ZERO);
        while pace.left(GRACE) > Duration::ZERO {
            pace.note_wait(Duration::from_secs(1));
            pace.note_bytes(1);
            waited += Duration::from_secs(1);
        }
        assert_eq!(waited, Duration::from_secs(31));
    }

    #[test]
    fn nothing_overflows() {
        let mut slow = pace(1);
        slow.note_bytes(u64::MAX);
        slow.note_wait(Duration::MAX);
        slow.note_wait(Duration::MAX);
        assert_eq!(slow.left(Duration::MAX), Duration::ZERO);
        let mut fast = pace(u64::MAX);
        fast.note_wait(Duration::from_secs(1));
        fast.note_bytes(u64::MAX - 1);
        assert!(fast.left(GRACE) < GRACE);
    }
}
