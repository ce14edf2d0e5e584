//! Processes that serve beside each other, as their supervisor keeps them.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal as SystemSignal;
use nix::sys::wait::WaitStatus;
use nix::unistd::Pid;

use super::leash::Leash;
use crate::concurrency::children::{self, Children, ENDING, know_the_processor, refuse_threads};
use crate::os::processors;
use crate::signal::Signal;
use crate::stderr::{report, share};
use crate::sys::{self, SharedCounters};

/// The processes of a [`PreFork`](super::PreFork), each held by a leash.
#[derive(Debug)]
pub(super) struct Workers {
    pub(super) wanted: usize,
    pub(super) replace_on: Option<Signal>,
    pub(super) allow_threads: bool,
    children: Children,
    /// One of them starts at a time.
    alive: Vec<Worker>,
    /// Raised when all workers are to be replaced.
    generation: usize,
    restart: Restart,
    /// One has served since the loop began.
    have_served: bool,
    /// What the workers that ended had finished and cut.
    totals: (usize, usize),
}

#[derive(Debug)]
struct Worker {
    pid: Pid,
    leash: Leash,
    /// How many requests run in it.
    running: Arc<SharedCounters>,
    generation: usize,
    phase: Phase,
    /// When it was asked to stop.
    retired: Option<Instant>,
    /// Signals that it was sent as it did not stop in time.
    signalled: usize,
    started: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It has not said yet that it serves.
    Starts,
    Serves,
    /// It could not start.
    Failed,
}

/// When the next worker may be started.
#[derive(Debug, Default)]
struct Restart {
    pause: Duration,
    at: Option<Instant>,
}

/// How workers have ended.
pub(super) type Ended = Vec<(Pid, WaitStatus)>;

impl Workers {
    pub(super) fn new() -> Self {
        Self {
            wanted: processors(),
            replace_on: Some(Signal::HUP),
            allow_threads: false,
            children: Children::default(),
            alive: Vec::new(),
            generation: 0,
            restart: Restart::default(),
            have_served: false,
            totals: (0, 0),
        }
    }

    /// Prepares to supervise.
    pub(super) fn activate(&mut self) -> io::Result<()> {
        refuse_threads(self.allow_threads)?;
        know_the_processor();
        share();
        self.restart = Restart::default();
        self.have_served = false;
        self.totals = (0, 0);
        self.children.listen()
    }

    /// Readable when a worker has ended.
    pub(super) fn wake_up(&self) -> Option<BorrowedFd<'_>> {
        self.children.wake_up()
    }

    /// Tells whether one has served since the loop began.
    pub(super) fn have_served(&self) -> bool {
        self.have_served
    }

    /// How many processes there are, those included that were asked to stop.
    pub(super) fn count(&self) -> usize {
        self.alive.len()
    }

    /// Has all workers replaced by new ones, one after the other.
    pub(super) fn replace_all(&mut self) {
        self.generation += 1;
    }

    /// How long until a worker is to be started; `None` if there is no need, or if one starts.
    pub(super) fn until_start(&self) -> Option<Duration> {
        if self.starting().is_some() || (self.serving() >= self.wanted && self.outdated().is_none())
        {
            return None;
        }
        let left = |at: Instant| at.saturating_duration_since(Instant::now());
        Some(self.restart.at.map_or(Duration::ZERO, left))
    }

    /// In a new worker: lets go of what belongs to the supervisor. Leashes that stayed open here
    /// would keep its siblings from noticing that the supervisor has ended.
    pub(super) fn leave_to_supervisor(&mut self, ours: Leash) {
        drop(ours);
        self.alive.clear();
        self.children = Children::default();
    }

    /// Takes note of a worker that was forked, and starts.
    pub(super) fn forked(&mut self, pid: Pid, leash: Leash, running: Arc<SharedCounters>) {
        self.children.add(pid);
        self.alive.push(Worker {
            pid,
            leash,
            running,
            generation: self.generation,
            phase: Phase::Starts,
            retired: None,
            signalled: 0,
            started: Instant::now(),
        });
    }

    /// The leash of the worker that starts, if one does: readable when it has said its first word.
    pub(super) fn starting_leash(&self) -> Option<BorrowedFd<'_>> {
        self.starting().map(|index| self.alive[index].leash.as_fd())
    }

    /// How long the worker that starts may still take.
    pub(super) fn until_late(&self) -> Option<Duration> {
        self.starting().map(|index| START_LIMIT.saturating_sub(self.alive[index].started.elapsed()))
    }

    /// What has become of the worker that starts; `None` if none does, or if it needs more time.
    pub(super) fn first_word(&self) -> Option<io::Result<()>> {
        let worker = &self.alive[self.starting()?];
        let late = || worker.started.elapsed() >= START_LIMIT;
        worker.leash.first_word().or_else(|| {
            let text = format!("a process could not start within {START_LIMIT:?}");
            late().then(|| Err(io::Error::new(io::ErrorKind::TimedOut, text)))
        })
    }

    /// Takes note that the worker that started serves, and asks the one that it replaces to stop;
    /// or that it could not start.
    ///
    /// # Errors
    ///
    /// What kept it from that, where another one would fare the same.
    pub(super) fn started(&mut self, word: io::Result<()>) -> io::Result<()> {
        let replaced = if self.serving() < self.wanted { None } else { self.outdated() };
        self.settle(&word);
        match word {
            Ok(()) => {
                self.have_served = true;
                self.restart.at = None;
                if let Some(replaced) = replaced {
                    self.alive[replaced].retire(false);
                }
                Ok(())
            }
            // One that has said why it cannot start would say so again.
            Err(error) if error.kind() == io::ErrorKind::Other => Err(error),
            Err(error) => self.not_started(error),
        }
    }

    /// Takes note of what has become of the worker that started.
    pub(super) fn settle(&mut self, word: &io::Result<()>) {
        let Some(index) = self.starting() else { return };
        let worker = &mut self.alive[index];
        if word.is_ok() {
            worker.phase = Phase::Serves;
        } else {
            worker.phase = Phase::Failed;
            worker.retire(false);
        }
    }

    /// Plans another attempt to start a worker, where the system had no process or descriptor to
    /// spare, or had the worker end before it was ready. Where others serve or have served, it may
    /// go well the next time.
    ///
    /// # Errors
    ///
    /// This one, where no worker has served yet.
    pub(super) fn not_started(&mut self, error: io::Error) -> io::Result<()> {
        if !self.have_served {
            return Err(error);
        }
        self.restart.after(Duration::ZERO);
        let pause = self.restart.pause;
        report(format_args!("cannot start a process, trying again in {pause:?}: {error}"));
        Ok(())
    }

    /// The workers that have ended, if any was heard of. What each one has said can be heard still.
    pub(super) fn collect(&mut self) -> Ended {
        self.children.collect_heard()
    }

    /// Takes note of workers that have ended, none of which [starts](Self::first_word) any more.
    pub(super) fn bury(&mut self, ended: Ended) {
        for (pid, status) in ended {
            let Some(index) = self.alive.iter().position(|worker| worker.pid == pid) else {
                continue;
            };
            let worker = self.alive.swap_remove(index);
            let told = worker.leash.last_words();
            let (finished, cut) = told.unwrap_or((0, worker.cut()));
            self.totals = (self.totals.0 + finished, self.totals.1 + cut);
            if worker.retired.is_some() {
                continue;
            }
            self.restart.after(worker.started.elapsed());
            if told.is_some() && matches!(status, WaitStatus::Exited(_, 0)) {
                // It was asked to end, as by a signal that the supervisor may be about to hear of.
                log::debug!("process {pid} has ended, as it was asked to");
                self.restart.not_before(FIRST_PAUSE);
            } else {
                let pause = self.restart.pause;
                report(format_args!("process {pid} {}, replacing it in {pause:?}", ending(status)));
            }
        }
    }

    /// Ends the workers that were asked to stop so long ago and have not; returns how long until
    /// that is to be done again.
    pub(super) fn end_overdue(&mut self, limit: Duration) -> Option<Duration> {
        // One that does not serve yet has nothing to finish.
        let limit = |worker: &Worker| {
            if worker.phase == Phase::Serves { limit } else { limit.min(TIME_TO_LEAVE) }
        };
        self.alive.iter_mut().filter_map(|worker| worker.end_overdue(limit(worker))).min()
    }

    /// Asks all workers to stop, and to hurry where the program does not wait for them.
    pub(super) fn retire_all(&mut self, hurry: bool) {
        self.alive.iter_mut().for_each(|worker| worker.retire(hurry));
    }

    /// Ends what still runs at the deadline, and returns what all workers together had finished
    /// and cut.
    pub(super) fn end(&mut self, deadline: Instant) -> (usize, usize) {
        let (killed, _) = self.children.end(deadline, signal_worker);
        let mut silent = 0;
        for worker in self.alive.drain(..) {
            match worker.leash.last_words() {
                Some((finished, cut)) => {
                    self.totals = (self.totals.0 + finished, self.totals.1 + cut);
                }
                None => silent += worker.cut(),
            }
        }
        // Where all have ended by themselves, those have crashed.
        (self.totals.0, self.totals.1 + if killed > 0 { silent } else { 0 })
    }

    fn starting(&self) -> Option<usize> {
        self.alive.iter().position(|worker| worker.phase == Phase::Starts)
    }

    fn serving(&self) -> usize {
        self.alive.iter().filter(|worker| worker.serves()).count()
    }

    /// The next worker to be replaced.
    fn outdated(&self) -> Option<usize> {
        let generation = self.generation;
        self.alive.iter().position(|worker| worker.serves() && worker.generation < generation)
    }
}

impl Worker {
    fn retire(&mut self, hurries: bool) {
        self.retired.get_or_insert_with(Instant::now);
        self.leash.cut(hurries);
    }

    /// Tells whether it serves, and was not asked to stop.
    fn serves(&self) -> bool {
        self.phase == Phase::Serves && self.retired.is_none()
    }

    /// How many requests were cut, where it has ended without a word. One that was not asked to
    /// stop has crashed, and is reported by itself.
    fn cut(&self) -> usize {
        let running = self.running.cells()[0].load(Ordering::Relaxed);
        if self.retired.is_some() { usize::try_from(running).unwrap_or(usize::MAX) } else { 0 }
    }

    /// Sends it the next signal that is due where it has not stopped in time, and returns how long
    /// until there is another one.
    fn end_overdue(&mut self, limit: Duration) -> Option<Duration> {
        let overdue = self.retired?.elapsed();
        loop {
            let (signal, _) = ENDING.get(self.signalled)?;
            let graces = ENDING[..self.signalled].iter().map(|(_, grace)| *grace);
            let due = graces.fold(limit, Duration::saturating_add);
            if overdue < due {
                return Some(due - overdue);
            }
            // One that does not serve yet has not been asked in vain: it could not hear.
            if self.signalled == 0 && self.phase == Phase::Serves {
                report(format_args!("process {} has not stopped in time, killing it", self.pid));
            }
            self.signalled += 1;
            signal_worker(self.pid, *signal);
        }
    }
}

impl Restart {
    /// Plans the restart of a worker that has lived for so long.
    fn after(&mut self, lived: Duration) {
        self.pause = if lived >= STABLE {
            Duration::ZERO
        } else {
            (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE)
        };
        self.at = Some(Instant::now() + self.pause);
    }

    /// Puts the planned restart off where it would come earlier.
    fn not_before(&mut self, pause: Duration) {
        let at = Instant::now() + pause;
        self.at = self.at.map(|planned| planned.max(at));
    }
}

/// Sends a worker a signal. Before it is killed, so are its children that are copies of it, those
/// of `Forking`: they would outlive it if they were stopped as it is, by a SIGSTOP to all.
fn signal_worker(worker: Pid, signal: SystemSignal) {
    if signal == SystemSignal::SIGKILL {
        sys::copies_of(worker).into_iter().for_each(|child| children::signal(child, signal));
    }
    children::signal(worker, signal);
}

fn ending(status: WaitStatus) -> String {
    match status {
        WaitStatus::Exited(_, code) => format!("has exited with status {code}"),
        WaitStatus::Signaled(_, signal, _) => format!("was ended by {signal}"),
        _ => "has ended".to_owned(),
    }
}

/// How long a worker that is asked to stop before it serves may take for that.
const TIME_TO_LEAVE: Duration = Duration::from_secs(1);

/// How long a worker may take until it serves.
const START_LIMIT: Duration = Duration::from_secs(30);

/// A worker that lived so long is replaced at once.
const STABLE: Duration = Duration::from_secs(5);

/// Pauses before a worker is started again that did not live so long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
