//! The signals that a loop hears of, and what they ask of it.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{SIGNALS, Turn};
use crate::poller::{Poller, Report};
use crate::signals::{LastCounted, WatchedSignal, are_readable, note_heard};

/// The signals that a loop hears of. A handler that keeps the loop may look at them, too.
#[derive(Debug)]
pub(crate) struct LoopSignals(Mutex<Signals>);

#[derive(Debug)]
struct Signals {
    watched: Vec<WatchedSignal>,
    meaning: Meaning,
}

/// What the loop makes of signals.
#[derive(Clone, Debug)]
struct Meaning {
    /// Numbers of those that ask for an end, and that this loop hears of them.
    endings: Vec<i32>,
    /// Those of them that count although another one came just before.
    urgent: Vec<i32>,
    /// Numbers of those that end nothing.
    notify_only: Vec<i32>,
    /// When one of the others last counted, and which one that was.
    counted: LastCounted,
    counted_number: i32,
}

/// What signals that the loop has not heard of yet ask of it.
#[derive(Debug, Default)]
pub(crate) struct Unheard {
    /// [When](crate::sys::monotonic_time) the first one came that asks for an end.
    pub(crate) first: Option<u64>,
    /// How often they ask for it: the second time asks for a cut.
    pub(crate) count: usize,
}

impl Default for LoopSignals {
    fn default() -> Self {
        let meaning = Meaning {
            endings: Vec::new(),
            urgent: Vec::new(),
            notify_only: Vec::new(),
            counted: LastCounted::never(),
            counted_number: 0,
        };
        Self(Mutex::new(Signals { watched: Vec::new(), meaning }))
    }
}

impl LoopSignals {
    /// Watches a signal that is told of with those that end the server.
    pub(super) fn watch(&self, number: i32, poller: &Poller) -> io::Result<()> {
        let mut signals = self.lock();
        signals.meaning.notify_only.retain(|other| *other != number);
        if !signals.watches(number) {
            let signal = WatchedSignal::new(number)?;
            poller.watch(&signal, SIGNALS, Report::Always)?;
            signals.watched.push(signal);
        }
        Ok(())
    }

    /// Watches a signal that is told of and ends nothing, unless it is watched already.
    pub(super) fn watch_notify_only(&self, number: i32, poller: &Poller) -> io::Result<()> {
        if !self.lock().watches(number) {
            self.watch(number, poller)?;
            self.lock().meaning.notify_only.push(number);
        }
        Ok(())
    }

    /// Watches a signal as [`watch_notify_only`](Self::watch_notify_only) does, in this process
    /// alone.
    pub(super) fn watch_here(&self, number: i32, poller: &Poller) -> io::Result<()> {
        self.watch_notify_only(number, poller)?;
        let signals = self.lock();
        let watched = signals.watched.iter().filter(|signal| signal.number() == number);
        watched.for_each(WatchedSignal::keep_from_copies);
        Ok(())
    }

    /// Has a signal that is watched ask for an end; tells whether it did not.
    pub(super) fn add_ending(&self, number: i32) -> bool {
        let endings = &mut self.lock().meaning.endings;
        let is_new = !endings.contains(&number);
        if is_new {
            endings.push(number);
        }
        is_new
    }

    /// Has those that end the loop count even just after another one.
    pub(super) fn add_urgent(&self, numbers: &[i32]) {
        self.lock().meaning.urgent.extend(numbers);
    }

    /// Numbers of those that ask for an end.
    pub(super) fn endings(&self) -> Vec<i32> {
        self.lock().meaning.endings.clone()
    }

    pub(super) fn hear_here(&self) {
        self.lock().watched.iter().for_each(WatchedSignal::hear_here);
    }

    /// Takes note of the signals that came, in their order.
    pub(super) fn hear(&self, turn: &mut Turn) {
        let Signals { watched, meaning } = &mut *self.lock();
        let came = in_order(watched, WatchedSignal::arrivals);
        note_heard();
        meaning.apply(came, turn);
    }

    /// Looks at those that came, and leaves them to the loop.
    pub(crate) fn unheard(&self) -> Unheard {
        let signals = self.lock();
        let Signals { watched, meaning } = &*signals;
        if !are_readable(watched) {
            return Unheard::default();
        }
        let mut turn = Turn::default();
        meaning.clone().apply(in_order(watched, WatchedSignal::waiting), &mut turn);
        Unheard { first: turn.first_stop, count: meaning.weigh(&turn.stop_signals) }
    }

    /// How often these signals ask for an end.
    pub(super) fn weigh(&self, stop_signals: &[i32]) -> usize {
        self.lock().meaning.weigh(stop_signals)
    }

    fn lock(&self) -> MutexGuard<'_, Signals> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Signals {
    fn watches(&self, number: i32) -> bool {
        self.watched.iter().any(|signal| signal.number() == number)
    }
}

impl Meaning {
    fn apply(&mut self, came: Vec<(u64, i32)>, turn: &mut Turn) {
        for (time, number) in came {
            let is_request = self.endings.contains(&number) && !self.urgent.contains(&number);
            let counts = !is_request || self.counted.counts(time);
            // One of the same kind was told of just now.
            if !counts && number == self.counted_number {
                continue;
            }
            if is_request && counts {
                self.counted_number = number;
            }
            turn.signals.push(number);
            if counts && !self.notify_only.contains(&number) {
                turn.first_stop = turn.first_stop.or(Some(time));
                turn.stop_signals.push(number);
            }
        }
    }

    /// An urgent one, as the supervisor's, counts as two, and so does one that ends other programs
    /// at once.
    fn weigh(&self, stop_signals: &[i32]) -> usize {
        let cuts = stop_signals.iter().any(|signal| self.urgent.contains(signal));
        stop_signals.len() + usize::from(cuts)
    }
}

/// The times and numbers of signals that came.
fn in_order(
    watched: &[WatchedSignal],
    arrivals: impl Fn(&WatchedSignal) -> Vec<u64>,
) -> Vec<(u64, i32)> {
    let came = |signal: &WatchedSignal| {
        let number = signal.number();
        arrivals(signal).into_iter().map(move |time| (time, number))
    };
    let mut came: Vec<(u64, i32)> = watched.iter().flat_map(came).collect();
    came.sort_unstable();
    came
}
