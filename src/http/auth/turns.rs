//! How many passwords are verified at the same time, over all processes of a server.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::clock::{Clock, kept, until, word};
use crate::os::{has_ended, pause, process_number};
use crate::sys::SharedCounters;

/// Places for requests that verify, for those that wait for that, and for those that wait for what
/// another one with the same credentials is told.
///
/// A place holds the number of the process that has taken it, and the time until which it is taken.
/// A process that is killed gives no place back: its places are free as it has ended. The time is
/// for a process that is stopped, and for a number that another process has by then.
pub(super) struct Turns {
    /// The places of those that verify and of those that wait, the credentials of both, the tickets
    /// of these that wait, the last ticket, and the places of those that follow another one.
    cells: SharedCounters,
    at_once: usize,
    waiting: usize,
    clock: Clock,
}

/// A place, until it is dropped.
pub(super) struct Turn<'a> {
    cell: &'a AtomicU64,
    taken: u64,
}

/// How many of each kind of places may be taken.
#[derive(Clone, Copy)]
struct Bounds {
    verifying: usize,
    waiting: usize,
    following: usize,
}

impl Turns {
    pub(super) fn new(at_once: usize, waiting: usize) -> Self {
        let at_once = at_once.max(1);
        let cells = SharedCounters::new(2 * at_once + 3 * waiting + 1 + FOLLOWING);
        Self { cells, at_once, waiting, clock: Clock::new() }
    }

    /// Waits for a place, and returns `None` where this one gets no place. Ends early with `None`
    /// where `is_over` says that it need not wait any more. Those that wait are first, in the order
    /// of their coming.
    ///
    /// One whose credentials, of this number, another one verifies or is about to waits until that
    /// has ended, and not for a turn of its own.
    ///
    /// Where no more than `workers` requests run at once, half of the workers are left to others,
    /// but for one that verifies, and one that waits where a third worker is left.
    pub(super) fn wait(
        &self,
        number: u64,
        workers: Option<usize>,
        is_over: impl Fn() -> bool,
    ) -> Option<Turn<'_>> {
        let bounds = self.bounds(workers);
        let end = Instant::now() + LONGEST_WAIT;
        let must_end = || Instant::now() >= end || is_over();
        let mut has_looked_again = false;
        loop {
            if self.is_tried(number)
                && let Some(_following) = self.take(self.following(bounds), WAITING_PLACE)
            {
                while self.is_tried(number) {
                    if must_end() {
                        return None;
                    }
                    pause(PAUSE);
                }
                if must_end() {
                    return None;
                }
                // It was refused, or its process has ended.
                continue;
            }
            match self.wait_for_own(number, bounds, &must_end) {
                Ok(turn) => return turn,
                // It has begun at the same moment.
                Err(NoPlace) if !has_looked_again && self.is_tried(number) => {
                    has_looked_again = true;
                }
                Err(NoPlace) => return None,
            }
        }
    }

    /// Waits until this one can verify.
    fn wait_for_own(
        &self,
        number: u64,
        bounds: Bounds,
        must_end: &impl Fn() -> bool,
    ) -> Result<Option<Turn<'_>>, NoPlace> {
        let verifying = &self.places()[..bounds.verifying];
        let waiting = &self.waiting()[..bounds.waiting];
        let (tickets, last) = self.tickets();
        let ticket = last.fetch_add(1, Ordering::AcqRel) + 1;
        let take = || {
            let is_first = !self.is_another_before(ticket);
            let (place, turn) = is_first.then(|| self.take(verifying, LONGEST_VERIFICATION))??;
            self.numbers()[place].store(number, Ordering::Release);
            Some(turn)
        };
        if let Some(turn) = take() {
            return Ok(Some(turn));
        }
        // Until its ticket is there, the older one of another only has the others look again.
        let (place, _waiting) = self.take(waiting, WAITING_PLACE).ok_or(NoPlace)?;
        tickets[place].store(ticket, Ordering::Release);
        self.numbers()[self.at_once + place].store(number, Ordering::Release);
        while !must_end() {
            pause(PAUSE);
            if let Some(turn) = take() {
                return Ok(Some(turn));
            }
        }
        Ok(None)
    }

    fn bounds(&self, workers: Option<usize>) -> Bounds {
        let most = workers.map_or(usize::MAX, |count| (count / 2).max(count.min(3) - 1).max(1));
        let at_once = if self.waiting == 0 { most } else { (most - 1).max(1) }.min(self.at_once);
        let waiting = (most - at_once).min(self.waiting);
        let following = (most - at_once - waiting).min(FOLLOWING);
        Bounds { verifying: at_once, waiting, following }
    }

    /// Of those that verify, then of those that wait.
    fn places(&self) -> &[AtomicU64] {
        &self.cells.cells()[..self.at_once + self.waiting]
    }

    fn waiting(&self) -> &[AtomicU64] {
        &self.places()[self.at_once..]
    }

    /// What is verified or waits in each of these places.
    fn numbers(&self) -> &[AtomicU64] {
        let places = self.at_once + self.waiting;
        &self.cells.cells()[places..][..places]
    }

    /// One for each place to wait in, and the number of the last one.
    fn tickets(&self) -> (&[AtomicU64], &AtomicU64) {
        let (tickets, last) =
            self.cells.cells()[2 * (self.at_once + self.waiting)..].split_at(self.waiting);
        (tickets, &last[0])
    }

    fn following(&self, bounds: Bounds) -> &[AtomicU64] {
        &self.cells.cells()[2 * self.at_once + 3 * self.waiting + 1..][..bounds.following]
    }

    /// Tells whether credentials of this number are verified or wait for that.
    fn is_tried(&self, number: u64) -> bool {
        let now = self.clock.now();
        self.places().iter().zip(self.numbers()).any(|(place, other)| {
            other.load(Ordering::Acquire) == number && !is_free(place.load(Ordering::Acquire), now)
        })
    }

    /// Tells whether one waits that came before this one.
    fn is_another_before(&self, ticket: u64) -> bool {
        let now = self.clock.now();
        self.waiting().iter().zip(self.tickets().0).any(|(place, other)| {
            other.load(Ordering::Acquire) < ticket && !is_free(place.load(Ordering::Acquire), now)
        })
    }

    /// Takes one of these places, and returns which.
    fn take<'a>(&self, cells: &'a [AtomicU64], time: Duration) -> Option<(usize, Turn<'a>)> {
        let now = self.clock.now();
        let mine = word(process_number().into(), self.clock.after(time));
        cells.iter().enumerate().find_map(|(index, cell)| {
            let taken = cell.load(Ordering::Acquire);
            let is_free = is_free(taken, now)
                && cell.compare_exchange(taken, mine, Ordering::AcqRel, Ordering::Relaxed).is_ok();
            // Not made where it is not taken: dropping it gives the place back.
            is_free.then(|| (index, Turn { cell, taken: mine }))
        })
    }
}

/// Tells whether a place that holds this may be taken.
fn is_free(taken: u64, now: u64) -> bool {
    let owner = u32::try_from(kept(taken)).unwrap_or(0);
    until(taken) < now || owner != process_number() && has_ended(owner)
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // Unless its time was over, and another request has taken it.
        let _ = self.cell.compare_exchange(self.taken, 0, Ordering::AcqRel, Ordering::Relaxed);
    }
}

/// More than a verification takes.
const LONGEST_VERIFICATION: Duration = Duration::from_secs(60);

/// After it a client is told to come again.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

const PAUSE: Duration = Duration::from_millis(5);

/// How long one that waits may keep its place.
const WAITING_PLACE: Duration = LONGEST_WAIT.saturating_add(PAUSE);

/// The most that wait for what others with their credentials are told: half of the threads that a
/// pool has by default.
const FOLLOWING: usize = 512;

/// All places to wait in are taken.
struct NoPlace;

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use nix::sys::wait::waitpid;

    use super::*;
    use crate::sys::fork_child;

    #[test]
    fn so_many_verify_and_so_many_wait() {
        let turns = Turns::new(2, 1);
        let first = Cell::new(wait_alone(&turns, None, || false));
        let second = wait_alone(&turns, None, || false);
        assert!(second.is_some());
        let third = wait_alone(&turns, None, || {
            // There is one place to wait in; further requests are refused at once.
            assert!(wait_alone(&turns, None, || false).is_none());
            assert!(first.take().is_some());
            false
        });
        assert!(third.is_some());
        // Known by now: no turn is needed.
        assert!(wait_alone(&turns, None, || true).is_none());
    }

    #[test]
    fn a_place_whose_owner_has_ended_is_free() {
        let turns = Turns::new(1, 0);
        let cell = &turns.cells.cells()[0];
        let far = 3_600_000;
        let other = fork_child(|| true).expect("a child");
        let number = other.as_raw().unsigned_abs();
        cell.store(word(number.into(), far), Ordering::Release);
        // It is there until it is reaped.
        assert!(wait_alone(&turns, None, || false).is_none());
        waitpid(other, None).expect("its end");
        let turn =
            wait_alone(&turns, None, || false).expect("the place of a process that has ended");
        assert_eq!(kept(cell.load(Ordering::Acquire)), u64::from(process_number()));
        drop(turn);
        assert_eq!(cell.load(Ordering::Acquire), 0);
    }

    #[test]
    fn a_place_is_free_after_a_time_whatever_its_owner_does() {
        let turns = Turns::new(1, 0);
        std::mem::forget(wait_alone(&turns, None, || false));
        assert!(wait_alone(&turns, None, || false).is_none());
        turns.cells.cells()[0].store(word(process_number().into(), 1), Ordering::Release);
        pause(PAUSE);
        assert!(wait_alone(&turns, None, || false).is_some());
    }

    #[test]
    fn half_of_the_workers_are_left_to_others() {
        // Workers, and how many of them verify and wait where 2 and 3 may.
        for (workers, verify, wait) in [
            (Some(1), 1, 0),
            (Some(2), 1, 0),
            (Some(3), 1, 1),
            (Some(4), 1, 1),
            (Some(7), 2, 1),
            (Some(100), 2, 3),
            (None, 2, 3),
        ] {
            let turns = Turns::new(2, 3);
            let held: Vec<Turn<'_>> =
                (0..5).map_while(|_| wait_alone(&turns, workers, || true)).collect();
            assert_eq!(held.len(), verify, "{workers:?}");
            let waiting = Cell::new(0);
            wait_within(&turns, workers, &waiting);
            assert_eq!(waiting.get(), wait, "{workers:?}");
        }
    }

    /// Waits with credentials that no other one has.
    fn wait_alone(
        turns: &Turns,
        workers: Option<usize>,
        is_over: impl Fn() -> bool,
    ) -> Option<Turn<'_>> {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        turns.wait(NUMBER.fetch_add(1, Ordering::Relaxed), workers, is_over)
    }

    /// Counts those that wait, each while the one before it does.
    fn wait_within(turns: &Turns, workers: Option<usize>, count: &Cell<usize>) {
        let _ = wait_alone(turns, workers, || {
            count.set(count.get() + 1);
            wait_within(turns, workers, count);
            true
        });
    }

    #[test]
    fn those_that_wait_are_not_overtaken() {
        let turns = Turns::new(1, 2);
        let first = Cell::new(wait_alone(&turns, None, || false));
        let second = wait_alone(&turns, None, || {
            drop(first.take());
            // It is free, and a newcomer waits behind the one that waits.
            assert!(wait_alone(&turns, None, || true).is_none());
            false
        });
        assert!(second.is_some());
        drop(second);
        assert!(wait_alone(&turns, None, || true).is_some());
    }

    #[test]
    fn what_is_over_waits_no_longer() {
        let turns = Turns::new(1, 1);
        let _first = wait_alone(&turns, None, || false);
        let began = Instant::now();
        assert!(wait_alone(&turns, None, || true).is_none());
        assert!(began.elapsed() < LONGEST_WAIT);
    }

    #[test]
    fn those_with_the_same_credentials_wait_for_one() {
        let turns = Turns::new(1, 1);
        let first = Cell::new(turns.wait(7, None, || false));
        let count = Cell::new(0);
        follow_within(&turns, None, &count, &|| drop(first.take()));
        assert_eq!(count.get(), 20);
        // Its place to wait in is left to others.
        let _first = turns.wait(7, None, || false);
        let has_waited = Cell::new(false);
        let _ = turns.wait(7, None, || {
            let _ = wait_alone(&turns, None, || !has_waited.replace(true));
            true
        });
        assert!(has_waited.get());
    }

    #[test]
    fn those_that_follow_leave_half_of_the_workers_to_others() {
        for (workers, most) in [(Some(3), 1), (Some(10), 4), (Some(1), 0)] {
            let turns = Turns::new(1, 2);
            let _first = turns.wait(7, workers, || false);
            let count = Cell::new(0);
            follow_within(&turns, workers, &count, &|| ());
            assert_eq!(count.get(), most, "{workers:?}");
        }
    }

    /// Counts those that wait, up to 20, each while the one before it does.
    fn follow_within(turns: &Turns, workers: Option<usize>, count: &Cell<usize>, last: &dyn Fn()) {
        let is_begun = Cell::new(false);
        let _ = turns.wait(7, workers, || {
            if !is_begun.replace(true) {
                count.set(count.get() + 1);
                match count.get() {
                    20 => last(),
                    _ => follow_within(turns, workers, count, last),
                }
            }
            true
        });
    }
}
