//! One run: the clients of a script against one server, and what was seen of them.

use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::Failure;
use crate::clients::{Began, News, OURS, Outcome, visit};
use crate::clock;
use crate::observed::Observed;
use crate::sample::Sample;
use crate::script::{At, Script, Step, UNFINISHED, What};
use crate::strategy::Strategy;

/// A server with its clients, from the start to the last of them.
pub(crate) struct Run {
    pub(crate) strategy: Strategy,
    state: Mutex<State>,
    changed: Condvar,
}

/// What is known so far. Times are in microseconds after the start.
#[derive(Clone, Default)]
pub(crate) struct State {
    pub(crate) seen: Vec<Seen>,
    /// The clock at the start, and at the end.
    pub(crate) start: Option<u64>,
    pub(crate) end: Option<u64>,
    pub(crate) now: Option<Sample>,
    pub(crate) most: Option<Sample>,
    /// Why there is no server.
    pub(crate) failure: Option<String>,
    cancelled: bool,
}

/// What was seen of one client.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) step: Step,
    /// When the client came, or should have come.
    pub(crate) sent: Option<u64>,
    /// When its request was complete.
    pub(crate) asked: Option<u64>,
    /// When its handler began.
    pub(crate) began: Option<u64>,
    /// When its handler ended.
    pub(crate) ended: Option<u64>,
    /// When the client had its response, or no hope of one.
    pub(crate) done: Option<u64>,
    pub(crate) worker: Option<(u32, String)>,
    pub(crate) note: String,
    pub(crate) outcome: Option<Outcome>,
}

/// How often the server is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Why there is no answer where the page was closed, or another run begun.
const ENDED: &str = "ended with the run";

/// A client needs no more.
const STACK: usize = 256 << 10;

impl Run {
    pub(crate) fn new(strategy: Strategy, script: &Script) -> Self {
        let seen = script.steps.iter().cloned().map(Seen::new).collect();
        let state = Mutex::new(State { seen, ..State::default() });
        Self { strategy, state, changed: Condvar::new() }
    }

    /// What is known now.
    pub(crate) fn state(&self) -> State {
        self.lock().clone()
    }

    /// Ends the run as soon as may be.
    pub(crate) fn cancel(&self) {
        self.lock().cancelled = true;
        self.changed.notify_all();
    }

    /// Starts the server, lets the clients come, and waits for the last of them.
    ///
    /// A client waits for `limit` at most.
    pub(crate) fn play(self: &Arc<Self>, limit: Duration) {
        match Observed::start(&self.strategy) {
            Ok(mut server) => self.observe(&mut server, limit),
            Err(failure) => self.fail(failure),
        }
        self.change(|state| {
            let passed = state.start.map_or(0, |start| clock::now().saturating_sub(start));
            state.end = Some(passed);
            for lane in 0..state.seen.len() {
                if state.seen[lane].outcome == Some(Outcome::Left) {
                    state.seen[lane].ended = state.served_until(&state.seen[lane]);
                }
            }
        });
    }

    /// Ends a run that has never begun.
    pub(crate) fn fail(&self, failure: Failure) {
        self.change(|state| (state.failure, state.end) = (Some(failure.0), Some(0)));
    }

    fn observe(self: &Arc<Self>, server: &mut Observed, limit: Duration) {
        let sample = Sample::of(server.pid);
        let start = clock::now() + 20_000; // The first clients shall not be late.
        self.change(|state| {
            (state.start, state.now, state.most) = (Some(start), sample, sample);
        });
        let mut late = Vec::new();
        let mut timed: Vec<(u64, usize)> = Vec::new();
        for (lane, seen) in self.lock().seen.iter().enumerate() {
            match seen.step.at {
                At::Time(at) => timed.push((at * 1000, lane)),
                at => late.push((at, lane)),
            }
        }
        timed.sort_unstable();
        for (at, lane) in late {
            self.send_when(at, lane, server.address, start, limit);
        }
        let mut timed = timed.into_iter().peekable();
        let mut look = Instant::now();
        loop {
            let now = clock::now();
            while let Some((at, lane)) = timed.next_if(|(at, _)| start + at <= now) {
                self.send(at, lane, server.address, start, limit);
            }
            if look.elapsed() >= LOOK {
                look = Instant::now();
                let sample = Sample::of(server.pid);
                self.change(|state| {
                    state.now = sample;
                    state.most = match (state.most, sample) {
                        (Some(most), Some(sample)) => Some(most.most(sample)),
                        (most, sample) => most.or(sample),
                    };
                });
            }
            let next = timed.peek().map_or(LOOK, |(at, _)| {
                Duration::from_micros((start + at).saturating_sub(clock::now())).min(LOOK)
            });
            let state = self.lock();
            if state.cancelled || state.seen.iter().all(|seen| seen.done.is_some()) {
                break;
            }
            drop(self.changed.wait_timeout(state, next).unwrap_or_else(PoisonError::into_inner));
        }
        server.end();
    }

    /// Lets a client come now, though it was to come at `at`.
    fn send(
        self: &Arc<Self>,
        at: u64,
        lane: usize,
        address: SocketAddr,
        start: u64,
        limit: Duration,
    ) {
        let run = Arc::clone(self);
        self.change(|state| state.seen[lane].sent = Some(at));
        let client = thread::Builder::new().stack_size(STACK).spawn(move || {
            run.visit(lane, address, start, limit);
        });
        if client.is_err() {
            self.change(|state| state.seen[lane].end(at, Outcome::NoAnswer("no thread")));
        }
    }

    /// Lets a client come after others.
    fn send_when(
        self: &Arc<Self>,
        at: At,
        lane: usize,
        address: SocketAddr,
        start: u64,
        limit: Duration,
    ) {
        let run = Arc::clone(self);
        let client = thread::Builder::new().stack_size(STACK).spawn(move || {
            let mut state = run.lock();
            let end = Instant::now() + limit;
            while !state.has_come(at) {
                let left = end.saturating_duration_since(Instant::now());
                if state.cancelled || left.is_zero() {
                    state.seen[lane].end(0, Outcome::NoAnswer("never came"));
                    run.changed.notify_all();
                    return;
                }
                let waited = run.changed.wait_timeout(state, left);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            state.seen[lane].sent = Some(clock::now().saturating_sub(start));
            drop(state);
            run.visit(lane, address, start, limit);
        });
        if client.is_err() {
            self.change(|state| state.seen[lane].end(0, Outcome::NoAnswer("no thread")));
        }
    }

    fn visit(&self, lane: usize, address: SocketAddr, start: u64, limit: Duration) {
        let what = self.lock().seen[lane].step.what.clone();
        let since = |time: u64| time.saturating_sub(start);
        let mut asks_late = matches!(what, What::Dribble(_));
        if !asks_late {
            self.change(|state| state.seen[lane].asked = state.seen[lane].sent);
        }
        let name = if matches!(self.strategy, Strategy::Run(_)) { "" } else { OURS };
        let outcome = visit(address, (&what, name), limit, &mut |news| match news {
            News::Asked if asks_late => {
                asks_late = false;
                self.change(|state| state.seen[lane].asked = Some(since(clock::now())));
            }
            News::Asked => {}
            News::Began(Began { at, worker, note }) => self.change(|state| {
                let seen = &mut state.seen[lane];
                let earliest = seen.asked.or(seen.sent).unwrap_or(0);
                seen.began = Some(since(at).max(earliest));
                (seen.worker, seen.note) = (worker, note);
            }),
        });
        let now = since(clock::now());
        self.change(|state| {
            let seen = &mut state.seen[lane];
            let outcome = match outcome {
                Outcome::NoAnswer(_) if state.cancelled => Outcome::NoAnswer(ENDED),
                outcome => outcome,
            };
            if let Outcome::Answered(ended) = outcome {
                seen.ended = Some(since(ended).max(seen.began.unwrap_or(0)));
            }
            seen.end(now, outcome);
        });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long clients of a script wait at most: longer than any of them has to.
pub(crate) fn patience(script: &Script) -> Duration {
    // Other programs may want the processors, too.
    let spare = if script.computes() { 30_000 } else { 5_000 };
    Duration::from_millis(spare + 2 * script.longest())
}

impl State {
    fn has_come(&self, at: At) -> bool {
        match at {
            At::Time(_) => true,
            At::Begun(count) => {
                self.seen.iter().filter(|seen| seen.began.is_some()).count() >= count
            }
            At::Ended(count) => {
                self.seen.iter().filter(|seen| seen.done.is_some()).count() >= count
            }
        }
    }

    /// Until when a client's handler runs, once it has begun.
    pub(crate) fn served_until(&self, seen: &Seen) -> Option<u64> {
        let began = seen.began?;
        let end = match (&seen.outcome, &seen.step.what) {
            (Some(Outcome::Left), What::Leave(time)) => {
                // The handler does not hear of it, and sleeps on.
                let now = self.start.map_or(0, |start| clock::now().saturating_sub(start));
                (began + 1000 * (time + UNFINISHED)).min(self.end.unwrap_or(now))
            }
            _ => seen.ended.or(seen.done).unwrap_or_else(|| self.last()),
        };
        // What the client sees of a handler that has failed can be late.
        let next = self.seen.iter().filter(|other| other.worker == seen.worker);
        let next = next.filter_map(|other| other.began).filter(|next| *next > began).min();
        Some(next.filter(|_| seen.worker.is_some()).map_or(end, |next| end.min(next)))
    }

    /// The last moment that is worth drawing.
    pub(crate) fn last(&self) -> u64 {
        let ends = self.seen.iter().filter_map(|seen| seen.done.max(seen.ended));
        let passed = self.start.map_or(0, |start| clock::now().saturating_sub(start));
        let last = ends.max().unwrap_or(0);
        if self.end.is_some() { last } else { last.max(passed) }
    }

    /// Clients that wanted an answer, and those that got one.
    pub(crate) fn answered(&self) -> (usize, usize) {
        let wanted = self.seen.iter().filter(|seen| {
            !matches!(seen.outcome, Some(Outcome::SaidNothing | Outcome::Left))
                && !matches!(seen.step.what, What::Silent(_))
        });
        let answered = |seen: &&Seen| matches!(seen.outcome, Some(Outcome::Answered(_)));
        (wanted.clone().filter(answered).count(), wanted.count())
    }

    /// How long clients have waited for their handlers, in order.
    pub(crate) fn waits(&self) -> Vec<u64> {
        let mut waits: Vec<_> = self.seen.iter().filter_map(Seen::waited).collect();
        waits.sort_unstable();
        waits
    }
}

impl Seen {
    fn new(step: Step) -> Self {
        Self {
            step,
            sent: None,
            asked: None,
            began: None,
            ended: None,
            done: None,
            worker: None,
            note: String::new(),
            outcome: None,
        }
    }

    fn end(&mut self, at: u64, outcome: Outcome) {
        self.done = Some(at);
        self.outcome = Some(outcome);
    }

    /// From the request to the handler.
    pub(crate) fn waited(&self) -> Option<u64> {
        Some(self.began?.saturating_sub(self.asked?))
    }
}

/// The value below which this part of sorted values lies: the median for 0.5.
pub(crate) fn quantile(sorted: &[u64], part: f64) -> Option<u64> {
    let rank = (part * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank.min(sorted.len()).checked_sub(1)?).copied()
}
