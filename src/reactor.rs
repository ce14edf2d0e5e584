//! What the serving thread waits for: the listener, parked connections, deadlines, signals and
//! the wake-up.

mod loop_signals;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::address::Address;
use crate::concurrency::Job;
use crate::os::{AsFd, BorrowedFd};
use crate::poller::{AT_ONCE, Poller, Ready, Report};
use crate::signals::{Hearing, Listens};

pub(crate) use loop_signals::LoopSignals;

/// What is to be served, in the order in which it gets its turn, and for which client.
pub(crate) type Jobs = VecDeque<(Job, Address)>;

/// What was accepted and has not ended, as far as the loop has to know of it.
pub(crate) trait Waiting {
    /// How many there are, wherever they are.
    fn open(&self) -> usize;

    /// Asks for the loop to be woken whenever one ends, or no longer.
    fn watch_ends(&self, watch: bool);

    /// How long until the time of one of them may be over.
    fn until_due(&self) -> Option<Duration>;

    /// Makes jobs for those that have something to read, of which the poller has `reported` some,
    /// and for those whose time is over.
    fn collect(&mut self, reported: &mut Vec<Ready>, jobs: &mut Jobs);
}

/// Waits, and holds what is ready to be served.
#[derive(Debug)]
pub(crate) struct Reactor {
    poller: Arc<Poller>,
    pub(crate) jobs: Jobs,
    /// The poller reports clients that wait to be accepted.
    listening: bool,
    rest: Option<Rest>,
    backoff: Duration,
    signals: Arc<LoopSignals>,
    hearings: Vec<Hearing>,
    /// A supervisor stops this process, and hears of signals in its place.
    is_leashed: bool,
    // Storage of one turn, kept for the next.
    reported: Vec<Ready>,
}

/// A pause of the listener.
#[derive(Debug)]
struct Rest {
    until: Instant,
    /// Open connections when it began; with fewer it ends early.
    open: usize,
}

/// What a turn found.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    /// Clients wait to be accepted.
    pub(crate) clients_wait: bool,
    /// The supervisor asks this process to stop.
    pub(crate) leash_cut: bool,
    /// A forked process asks for a shutdown.
    pub(crate) child_asks: bool,
    /// Numbers of the signals that came and end the server, each as often as it counts.
    pub(crate) stop_signals: Vec<i32>,
    /// Numbers of all that a handler is told of, in the order in which they came.
    pub(crate) signals: Vec<i32>,
    /// [When](crate::sys::monotonic_time) the first of those came that end the server.
    pub(crate) first_stop: Option<u64>,
}

impl Reactor {
    /// A reactor for this listener, which hears of these signals.
    pub(crate) fn new(
        poller: Arc<Poller>,
        listener: &impl AsFd,
        signals: Arc<LoopSignals>,
    ) -> io::Result<Self> {
        poller.watch(listener, LISTENER, Report::Always)?;
        Ok(Self {
            poller,
            jobs: Jobs::with_capacity(AT_ONCE),
            listening: true,
            rest: None,
            backoff: FIRST_REST,
            signals,
            hearings: Vec::new(),
            is_leashed: false,
            reported: Vec::with_capacity(AT_ONCE),
        })
    }

    /// What this waits by.
    pub(crate) fn poller(&self) -> Arc<Poller> {
        Arc::clone(&self.poller)
    }

    /// Watches a strategy's or a supervisor's descriptor, which ends a wait.
    pub(crate) fn watch_strategy(&self, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        self.poller.watch(descriptor, STRATEGY, Report::Always)
    }

    /// Stops watching such a descriptor.
    pub(crate) fn forget_strategy(&self, descriptor: BorrowedFd<'_>) {
        // Nothing to forget where watching failed.
        let _ = self.poller.forget(descriptor);
    }

    /// Watches what a supervisor stops this process by; told of once.
    pub(crate) fn watch_leash(&mut self, leash: BorrowedFd<'_>) -> io::Result<()> {
        self.is_leashed = true;
        self.poller.watch(leash, LEASH, Report::Once)
    }

    /// Tells whether a supervisor stops this process.
    pub(crate) fn is_leashed(&self) -> bool {
        self.is_leashed
    }

    /// Watches what forked processes ask by.
    pub(crate) fn watch_requests(&self, requests: BorrowedFd<'_>) -> io::Result<()> {
        self.poller.watch(requests, REQUESTS, Report::Always)
    }

    /// Watches signals that are told of and end nothing, in addition to those watched already.
    pub(crate) fn watch_notify_only(&self, numbers: &[i32]) -> io::Result<()> {
        let mut numbers = numbers.iter();
        numbers.try_for_each(|&number| self.signals.watch_notify_only(number, &self.poller))
    }

    /// Does so in this process alone: those forked of it have the signals' default action.
    pub(crate) fn watch_here(&self, numbers: &[i32]) -> io::Result<()> {
        numbers.iter().try_for_each(|&number| self.signals.watch_here(number, &self.poller))
    }

    /// Watches termination signals, in addition to those watched already.
    pub(crate) fn watch_signals(&mut self, numbers: &[i32]) -> io::Result<()> {
        for &number in numbers {
            self.watch_signal(number)?;
            if self.signals.add_ending(number) {
                self.hearings.push(Hearing::new(number, Listens::Later));
            }
        }
        Ok(())
    }

    /// Watches termination signals that ask for more than others do, and count even just after
    /// another one.
    pub(crate) fn watch_urgent(&mut self, numbers: &[i32]) -> io::Result<()> {
        self.signals.add_urgent(numbers);
        self.watch_signals(numbers)
    }

    /// How often these signals ask for an end.
    pub(crate) fn weigh(&self, stop_signals: &[i32]) -> usize {
        self.signals.weigh(stop_signals)
    }

    /// Has this process hear of the signals: it serves, and may have been forked after they were
    /// watched.
    pub(crate) fn hear_here(&self) {
        self.signals.hear_here();
    }

    /// Watches a signal that is told of with those that end the server.
    pub(crate) fn watch_signal(&self, number: i32) -> io::Result<()> {
        self.signals.watch(number, &self.poller)
    }

    /// Lets termination signals have their default action from now on.
    pub(crate) fn end_hearing(&mut self) {
        self.hearings.clear();
    }

    /// Hears of termination signals, also after an [end](Self::end_hearing).
    pub(crate) fn begin_hearing(&mut self, listens: Listens) {
        // The old ones go when the new ones are there, so that there is no moment without.
        let endings = self.signals.endings().into_iter();
        self.hearings = endings.map(|number| Hearing::new(number, listens)).collect();
    }

    /// Hears of termination signals when the loop runs again, unless that has [ended](
    /// Self::end_hearing).
    pub(crate) fn pause_hearing(&mut self) {
        if !self.hearings.is_empty() {
            self.begin_hearing(Listens::Later);
        }
    }

    /// Waits until there is something to do, at most for `limit`. Hears of waiting clients only if
    /// there is use for them: those that are not accepted would end each wait at once.
    pub(crate) fn wait(
        &mut self,
        listener: &impl AsFd,
        limit: Option<Duration>,
        wants_clients: bool,
        waiting: &mut impl Waiting,
    ) -> io::Result<Turn> {
        self.listen(listener, wants_clients && self.rest.is_none())?;
        let limits = [limit, waiting.until_due(), self.rest_left()];
        let limit = limits.into_iter().flatten().min();
        self.poller.wait(&mut self.reported, limit)?;
        let mut turn = Turn::default();
        let mut signalled = false;
        self.reported.retain(|ready| match ready.key {
            LISTENER => {
                turn.clients_wait = true;
                false
            }
            SIGNALS => {
                // Each kind that came is reported by itself, and all are read together.
                signalled = true;
                false
            }
            LEASH => {
                turn.leash_cut = true;
                false
            }
            REQUESTS => {
                turn.child_asks = true;
                false
            }
            STRATEGY => false,
            _ => true,
        });
        if signalled {
            self.signals.hear(&mut turn);
        }
        waiting.collect(&mut self.reported, &mut self.jobs);
        if self.rest.is_some() && self.rest_is_over(waiting) {
            // The next wait tells whether a client still waits.
            self.end_rest(waiting);
        }
        Ok(turn)
    }

    /// Stops listening until a connection ends or a pause has passed, which doubles each time
    /// from 5 ms to 1 s.
    pub(crate) fn begin_rest(&mut self, waiting: &impl Waiting) {
        waiting.watch_ends(true);
        // Counted after the watch began, so that no end goes unnoticed in between.
        self.rest = Some(Rest { until: Instant::now() + self.backoff, open: waiting.open() });
        self.backoff = (self.backoff * 2).min(LONGEST_REST);
    }

    /// Ends the listener's pause, if there is one.
    pub(crate) fn end_rest(&mut self, waiting: &impl Waiting) {
        self.rest = None;
        waiting.watch_ends(false);
    }

    /// Something ended that is not among those who wait here: ends the listener's pause.
    pub(crate) fn made_room(&mut self, waiting: &impl Waiting) {
        if self.rest.is_some() {
            self.end_rest(waiting);
        }
    }

    /// A client was accepted: whatever the trouble was, it is over.
    pub(crate) fn accepted(&mut self) {
        self.backoff = FIRST_REST;
    }

    /// Hears no more of clients, for good.
    pub(crate) fn forget_listener(&mut self, listener: &impl AsFd) {
        // Forgotten already at worst.
        let _ = self.poller.forget(listener);
        self.listening = false;
    }

    /// Starts or stops hearing of clients that wait to be accepted.
    fn listen(&mut self, listener: &impl AsFd, listen: bool) -> io::Result<()> {
        if listen == self.listening {
            return Ok(());
        }
        let report = if listen { Report::Always } else { Report::Never };
        self.poller.change(listener, LISTENER, report)?;
        self.listening = listen;
        Ok(())
    }

    fn rest_left(&self) -> Option<Duration> {
        self.rest.as_ref().map(|rest| rest.until.saturating_duration_since(Instant::now()))
    }

    fn rest_is_over(&self, waiting: &impl Waiting) -> bool {
        let is_over = |rest: &Rest| rest.until <= Instant::now() || waiting.open() < rest.open;
        self.rest.as_ref().is_none_or(is_over)
    }
}

const LISTENER: usize = usize::MAX - 1;
const SIGNALS: usize = usize::MAX - 2;
const STRATEGY: usize = usize::MAX - 3;
const LEASH: usize = usize::MAX - 4;
const REQUESTS: usize = usize::MAX - 5;

/// The listener's first and longest pause when nothing can be accepted.
const FIRST_REST: Duration = Duration::from_millis(5);
const LONGEST_REST: Duration = Duration::from_secs(1);
