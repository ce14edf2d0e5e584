//! How long a handler has that keeps its server's loop, once the server is asked to end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::concurrency::Placement;
use crate::connection::{NEXT_LOOK, WaitLimit};
use crate::os::{OwnedFd, holds_bytes, is_readable};
use crate::reactor::LoopSignals;
use crate::shutdown::ShutdownHandle;
use crate::sys;

/// When the loop is to be over, as far as is known. A handler that keeps it hears of that as it
/// waits for its client or writes: the loop hears of nothing then, and cuts nothing.
#[derive(Debug)]
pub(crate) struct TimeLeft {
    signals: Arc<LoopSignals>,
    shutdown: ShutdownHandle,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// A supervisor's end of this is cut to ask for an end.
    leash: Option<OwnedFd>,
    /// When the loop began.
    began: Instant,
    /// How long running requests may take once an end was asked for.
    limit: Duration,
    /// The same, where the program asks.
    limit_of_program: Duration,
    /// When it was asked for, and how long they may take then.
    asked: Option<(Instant, Duration)>,
    /// The end was to come at once.
    at_once: Option<Instant>,
    /// How often signals have asked that the loop has heard of.
    heard: usize,
    looked: Option<Instant>,
    /// Connections that were cut since the loop began.
    cut: usize,
}

impl TimeLeft {
    pub(super) fn new(signals: Arc<LoopSignals>, shutdown: ShutdownHandle) -> Arc<Self> {
        let state = Mutex::new(State::new(None, Duration::ZERO, Duration::ZERO));
        Arc::new(Self { signals, shutdown, state })
    }

    /// The supervisor asks by this.
    pub(super) fn watch_leash(&self, leash: OwnedFd) {
        self.state().leash = Some(leash);
    }

    /// A loop begins, whose requests have so long once an end was asked for: in general, and where
    /// the program asks.
    pub(super) fn begin(&self, limit: Duration, limit_of_program: Duration) {
        let mut state = self.state();
        *state = State::new(state.leash.take(), limit, limit_of_program);
    }

    /// Tells whether it is its program for which a supervisor asks.
    pub(super) fn is_hurried(&self) -> bool {
        self.state().is_hurried()
    }

    /// The loop has heard of signals that ask for an end: so many, the first of them then.
    pub(super) fn note_signals(&self, count: usize, first: Option<u64>) {
        let mut state = self.state();
        state.heard = count;
        if let Some(first) = first {
            state.note(first);
        }
    }

    /// An end was asked for, now, so that requests have so long, or before; returns when those that
    /// run are cut.
    pub(super) fn ask(&self, limit: Duration) -> Option<Instant> {
        let mut state = self.state();
        state.ask(Instant::now(), limit);
        state.end()
    }

    /// Tells whether an end is known to have been asked for, without a look.
    pub(super) fn is_asked(&self) -> bool {
        self.state().asked.is_some()
    }

    /// How many connections had no time left.
    pub(super) fn cut(&self) -> usize {
        self.state().cut
    }

    fn look(&self, state: &mut State) {
        let unheard = self.signals.unheard();
        if let Some(first) = unheard.first {
            state.note(first);
        }
        let limit = if self.shutdown.is_stopping_here() || state.is_hurried() {
            Some(state.limit_of_program)
        } else {
            state.leash.as_ref().is_some_and(is_readable).then_some(state.limit)
        };
        if let Some(limit) = limit {
            state.ask(Instant::now(), limit);
        }
        if state.heard + unheard.count > 1 {
            state.at_once.get_or_insert_with(Instant::now);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// That of a loop that begins now.
    fn new(leash: Option<OwnedFd>, limit: Duration, limit_of_program: Duration) -> Self {
        Self {
            leash,
            began: Instant::now(),
            limit,
            limit_of_program,
            asked: None,
            at_once: None,
            heard: 0,
            looked: None,
            cut: 0,
        }
    }

    /// A signal has asked for an end, at the time of its stamp.
    fn note(&mut self, stamp: u64) {
        let came = Instant::now().checked_sub(sys::age(stamp)).unwrap_or(self.began);
        self.ask(came.max(self.began), self.limit);
    }

    /// The first one counts.
    fn ask(&mut self, when: Instant, limit: Duration) {
        self.asked.get_or_insert((when, limit));
    }

    fn is_hurried(&self) -> bool {
        self.leash.as_ref().is_some_and(holds_bytes)
    }

    fn end(&self) -> Option<Instant> {
        let end = self.asked.and_then(|(asked, limit)| asked.checked_add(limit));
        self.at_once.into_iter().chain(end).min()
    }
}

impl WaitLimit for TimeLeft {
    fn is_asked(&self) -> bool {
        self.is_asked()
    }

    fn finds_asked(&self) -> bool {
        let mut state = self.state();
        if state.asked.is_none() {
            self.look(&mut state);
        }
        state.asked.is_some()
    }

    fn next_look(&self) -> Option<Instant> {
        Some(Instant::now() + NEXT_LOOK)
    }

    fn end(&self) -> Option<Instant> {
        let (mut state, now) = (self.state(), Instant::now());
        if state.looked.is_none_or(|looked| now.saturating_duration_since(looked) >= NEXT_LOOK) {
            // The first look is not the first thing that a loop does.
            if state.looked.replace(now).is_some() {
                self.look(&mut state);
            }
        }
        state.end()
    }

    fn note_cut(&self) {
        self.state().cut += 1;
    }
}

/// In a forked child: its client is waited for until the child is cut. A signal does that, which
/// interrupts the waits.
#[derive(Debug)]
struct UntilCut;

impl WaitLimit for UntilCut {
    fn is_asked(&self) -> bool {
        false
    }

    fn finds_asked(&self) -> bool {
        false
    }

    fn next_look(&self) -> Option<Instant> {
        None
    }

    #[inline]
    fn end(&self) -> Option<Instant> {
        sys::is_cut().then(Instant::now)
    }

    fn note_cut(&self) {}
}

/// What limits the waits of handlers that run there, where the loop cannot cut them.
pub(super) fn wait_limit(
    placement: Placement,
    time_left: &Arc<TimeLeft>,
) -> Option<Arc<dyn WaitLimit>> {
    match placement {
        Placement::ServingThread => Some(Arc::clone(time_left) as _),
        Placement::Detached => Some(Arc::new(UntilCut)),
        Placement::OtherThread => None,
    }
}
