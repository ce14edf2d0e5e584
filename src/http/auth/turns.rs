//! How many passwords are verified at the same time, over all processes of a server.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::sys::{SharedCounters, pause};

/// Places for those that verify, and for those that wait for that.
///
/// A place holds the time until which it is taken: a process that was killed gives none back.
pub(super) struct Turns {
    cells: SharedCounters,
    at_once: usize,
    began: Instant,
}

/// A place, until it is dropped.
pub(super) struct Turn<'a> {
    cell: &'a AtomicU64,
    until: u64,
}

impl Turns {
    pub(super) fn new(at_once: usize, waiting: usize) -> Self {
        let at_once = at_once.max(1);
        let cells = SharedCounters::new(at_once + waiting);
        Self { cells, at_once, began: Instant::now() }
    }

    /// Waits for a place, and returns `None` where this one gets no place. Ends early with
    /// `None` where `is_known` says that it need not be verified any more.
    pub(super) fn wait(&self, is_known: impl Fn() -> bool) -> Option<Turn<'_>> {
        let (verifying, waiting) = self.cells.cells().split_at(self.at_once);
        if let Some(turn) = self.take(verifying, LONGEST_VERIFICATION) {
            return Some(turn);
        }
        let _waiting = self.take(waiting, LONGEST_WAIT + PAUSE)?;
        let end = Instant::now() + LONGEST_WAIT;
        while Instant::now() < end && !is_known() {
            pause(PAUSE);
            if let Some(turn) = self.take(verifying, LONGEST_VERIFICATION) {
                return Some(turn);
            }
        }
        None
    }

    fn take<'a>(&self, cells: &'a [AtomicU64], time: Duration) -> Option<Turn<'a>> {
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX / 2);
        let now = milliseconds(self.began.elapsed()) + 1;
        let until = now + milliseconds(time);
        cells.iter().find_map(|cell| {
            let taken = cell.load(Ordering::Acquire);
            let is_free = taken < now
                && cell.compare_exchange(taken, until, Ordering::AcqRel, Ordering::Relaxed).is_ok();
            // Not made where it is not taken: dropping it gives the place back.
            is_free.then(|| Turn { cell, until })
        })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // Unless it was taken for lost meanwhile.
        let _ = self.cell.compare_exchange(self.until, 0, Ordering::AcqRel, Ordering::Relaxed);
    }
}

/// More than a verification takes.
const LONGEST_VERIFICATION: Duration = Duration::from_secs(60);

/// After that a client is told to come again.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

const PAUSE: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn so_many_verify_and_so_many_wait() {
        let turns = Turns::new(2, 1);
        let first = Cell::new(turns.wait(|| false));
        let second = turns.wait(|| false);
        assert!(second.is_some());
        let third = turns.wait(|| {
            // There is one place to wait in; who comes while it is taken is refused at once.
            assert!(turns.wait(|| false).is_none());
            assert!(first.take().is_some());
            false
        });
        assert!(third.is_some());
        // Known by now: no turn is needed.
        assert!(turns.wait(|| true).is_none());
    }

    #[test]
    fn a_place_whose_owner_was_killed_is_free_after_a_time() {
        let turns = Turns::new(1, 0);
        std::mem::forget(turns.wait(|| false));
        assert!(turns.wait(|| false).is_none());
        turns.cells.cells()[0].store(1, Ordering::Release);
        pause(PAUSE);
        assert!(turns.wait(|| false).is_some());
    }
}
