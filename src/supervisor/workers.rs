//! Processes that serve beside each other, as their supervisor keeps them.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::sys::signal::kill;
use nix::sys::socket::{Shutdown, shutdown};
use nix::sys::wait::WaitStatus;
use nix::unistd::Pid;

use super::children::{Children, ENDING, know_the_processor, refuse_threads};
use crate::signal::Signal;
use crate::stderr::report;

/// The processes of a [`PreFork`](super::PreFork) strategy.
///
/// Each is held by a leash, a pair of connected sockets: it is cut to ask the process to stop, ends
/// when the supervisor does, and carries what the process has to tell.
#[derive(Debug)]
#[expect(unnameable_types, reason = "of a method that strategies outside do not have")]
pub struct Workers {
    pub(super) wanted: usize,
    pub(super) replace_on: Option<Signal>,
    pub(super) allow_threads: bool,
    children: Children,
    alive: Vec<Worker>,
    /// Raised when all workers are to be replaced.
    generation: usize,
    restart: Restart,
    /// What the workers that ended had finished and cut.
    totals: (usize, usize),
}

#[derive(Debug)]
struct Worker {
    pid: Pid,
    leash: UnixStream,
    generation: usize,
    /// When it was asked to stop.
    retired: Option<Instant>,
    /// Signals that it was sent as it did not stop in time.
    hurried: usize,
    started: Instant,
}

/// When the next worker may be started.
#[derive(Debug, Default)]
struct Restart {
    pause: Duration,
    at: Option<Instant>,
}

/// The supervisor's end of a leash whose worker is about to be started.
#[derive(Debug)]
pub(crate) struct NewLeash {
    ours: UnixStream,
}

/// A worker's end of its leash; readable when the worker is to stop.
#[derive(Debug)]
pub(crate) struct Leash {
    theirs: UnixStream,
}

impl Workers {
    pub(super) fn new(wanted: usize) -> Self {
        Self {
            wanted: wanted.max(1),
            replace_on: Some(Signal::HUP),
            allow_threads: false,
            children: Children::default(),
            alive: Vec::new(),
            generation: 0,
            restart: Restart::default(),
            totals: (0, 0),
        }
    }

    /// Prepares to supervise.
    pub(crate) fn activate(&mut self) -> io::Result<()> {
        refuse_threads(self.allow_threads)?;
        know_the_processor();
        self.restart = Restart::default();
        self.totals = (0, 0);
        self.children.listen()
    }

    /// The signal that replaces all workers.
    pub(crate) fn replace_on(&self) -> Option<Signal> {
        self.replace_on
    }

    /// Readable when a worker has ended.
    pub(crate) fn wake_up(&self) -> Option<BorrowedFd<'_>> {
        self.children.wake_up()
    }

    /// How many processes there are, those included that were asked to stop.
    pub(crate) fn count(&self) -> usize {
        self.alive.len()
    }

    /// Has all workers replaced by new ones, one after the other.
    pub(crate) fn replace_all(&mut self) {
        self.generation += 1;
    }

    /// How long until a worker is to be started; `None` if there is no need.
    pub(crate) fn until_start(&self) -> Option<Duration> {
        if self.serving() >= self.wanted && self.outdated().is_none() {
            return None;
        }
        let left = |at: Instant| at.saturating_duration_since(Instant::now());
        Some(self.restart.at.map_or(Duration::ZERO, left))
    }

    /// In a new worker: lets go of what belongs to the supervisor. Leashes that stayed open here
    /// would keep its siblings from noticing that the supervisor has ended.
    pub(crate) fn become_worker(&mut self, ours: NewLeash) {
        drop(ours);
        self.alive.clear();
        self.children = Children::default();
    }

    /// Waits until a worker that was started is ready, and asks the one that it replaces to stop.
    ///
    /// # Errors
    ///
    /// What kept the worker from starting.
    pub(crate) fn started(&mut self, pid: Pid, leash: NewLeash) -> io::Result<()> {
        let NewLeash { ours: leash } = leash;
        self.children.add(pid);
        let ready = hear_ready(&leash);
        // Where others serve or have served, it may go well the next time.
        let may_go_well = !self.alive.is_empty() || self.restart.at.is_some();
        let replaced = if self.serving() < self.wanted { None } else { self.outdated() };
        let (generation, started) = (self.generation, Instant::now());
        let retired = ready.is_err().then_some(started);
        self.alive.push(Worker { pid, leash, generation, retired, hurried: 0, started });
        match ready {
            Ok(()) => self.restart.at = None,
            // One that has said why it cannot start would say so again.
            Err(error) if error.kind() == io::ErrorKind::Other || !may_go_well => {
                return Err(error);
            }
            Err(error) => return self.not_started(error),
        }
        if let Some(index) = replaced {
            self.alive[index].retire();
        }
        Ok(())
    }

    /// Plans another attempt to start a worker, where the system had no process or descriptor to
    /// spare, or had the worker end before it was ready.
    ///
    /// # Errors
    ///
    /// This one, where none has served yet.
    pub(crate) fn not_started(&mut self, error: io::Error) -> io::Result<()> {
        if self.alive.is_empty() && self.restart.at.is_none() {
            return Err(error);
        }
        self.restart.after(Duration::ZERO);
        let pause = self.restart.pause;
        report(format_args!("cannot start a process, trying again in {pause:?}: {error}"));
        Ok(())
    }

    /// Takes note of the workers that have ended.
    pub(crate) fn collect(&mut self) {
        for (pid, status) in self.children.collect_heard() {
            let Some(index) = self.alive.iter().position(|worker| worker.pid == pid) else {
                continue;
            };
            let worker = self.alive.swap_remove(index);
            let told = worker.last_words();
            let (finished, cut) = told.unwrap_or((0, usize::from(worker.retired.is_some())));
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
    pub(crate) fn end_overdue(&mut self, limit: Duration) -> Option<Duration> {
        self.alive.iter_mut().filter_map(|worker| worker.end_overdue(limit)).min()
    }

    /// Asks all workers to stop.
    pub(crate) fn retire_all(&mut self) {
        self.alive.iter_mut().for_each(Worker::retire);
    }

    /// Ends what still runs at the deadline, and returns what all workers together had finished
    /// and cut.
    pub(crate) fn end(&mut self, deadline: Instant) -> (usize, usize) {
        let (killed, _) = self.children.end(deadline);
        let told: Vec<_> = self.alive.drain(..).map(|worker| worker.last_words()).collect();
        let silent = told.iter().filter(|told| told.is_none()).count();
        for (finished, cut) in told.into_iter().flatten() {
            self.totals = (self.totals.0 + finished, self.totals.1 + cut);
        }
        (self.totals.0, self.totals.1 + silent.min(killed))
    }

    fn serving(&self) -> usize {
        self.alive.iter().filter(|worker| worker.retired.is_none()).count()
    }

    /// The next worker to be replaced.
    fn outdated(&self) -> Option<usize> {
        let is_outdated =
            |worker: &Worker| worker.retired.is_none() && worker.generation < self.generation;
        self.alive.iter().position(is_outdated)
    }
}

impl Worker {
    fn retire(&mut self) {
        self.retired.get_or_insert_with(Instant::now);
        // Its end becomes readable, whoever holds copies of ours.
        let _ = shutdown(self.leash.as_raw_fd(), Shutdown::Write);
    }

    /// Sends it the next signal that is due where it has not stopped in time, and returns how long
    /// until there is another one.
    fn end_overdue(&mut self, limit: Duration) -> Option<Duration> {
        let overdue = self.retired?.elapsed();
        loop {
            let (signal, _) = ENDING.get(self.hurried)?;
            let graces = ENDING[..self.hurried].iter().map(|(_, grace)| *grace);
            let due = graces.fold(limit, Duration::saturating_add);
            if overdue < due {
                return Some(due - overdue);
            }
            if self.hurried == 0 {
                report(format_args!("process {} has not stopped in time, killing it", self.pid));
            }
            self.hurried += 1;
            // Gone already is as good as ended.
            let _ = kill(self.pid, *signal);
        }
    }

    /// What an ended worker told of its end: how many requests were finished and cut.
    fn last_words(&self) -> Option<(usize, usize)> {
        self.leash.set_nonblocking(true).ok()?;
        let mut words = Vec::new();
        // Ended by the end of the stream or by there being no more.
        let _ = (&self.leash).take(64).read_to_end(&mut words);
        let words = String::from_utf8(words).ok()?;
        let (finished, cut) = words.trim_end().split_once(' ')?;
        Some((finished.parse().ok()?, cut.parse().ok()?))
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

impl Leash {
    /// A leash for a worker that is about to be started.
    pub(crate) fn pair() -> io::Result<(NewLeash, Self)> {
        let (ours, theirs) = UnixStream::pair()?;
        Ok((NewLeash { ours }, Self { theirs }))
    }

    /// Tells the supervisor that this worker serves, or why it cannot.
    pub(crate) fn tell(&self, booted: &io::Result<()>) {
        // A supervisor that is gone needs no news.
        let _ = match booted {
            Ok(()) => (&self.theirs).write_all(READY),
            Err(error) => (&self.theirs).write_all(error.to_string().as_bytes()),
        };
    }

    /// Tells the supervisor how this worker has ended.
    pub(crate) fn tell_end(&self, finished: usize, cut: usize) {
        let _ = (&self.theirs).write_all(format!("{finished} {cut}\n").as_bytes());
    }
}

impl AsFd for Leash {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.theirs.as_fd()
    }
}

/// Waits for a new worker's first word.
fn hear_ready(leash: &UnixStream) -> io::Result<()> {
    leash.set_read_timeout(Some(BOOT_LIMIT))?;
    let mut word = [0; 512];
    let failed =
        |kind, why: &str| io::Error::new(kind, format!("a process could not start: {why}"));
    let heard = loop {
        // No more: one that was asked to end meanwhile has said its last words already.
        match (&*leash).read(&mut word[..READY.len()]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            heard => break heard,
        }
    };
    match heard {
        Ok(0) => Err(failed(io::ErrorKind::UnexpectedEof, "it ended before it was ready")),
        Ok(size) if &word[..size] == READY => Ok(()),
        Ok(size) => {
            let rest = (&*leash).read(&mut word[size..]).unwrap_or(0);
            let why = String::from_utf8_lossy(&word[..size + rest]);
            Err(failed(io::ErrorKind::Other, &why))
        }
        Err(error) => Err(failed(error.kind(), &error.to_string())),
    }
}

fn ending(status: WaitStatus) -> String {
    match status {
        WaitStatus::Exited(_, code) => format!("has exited with status {code}"),
        WaitStatus::Signaled(_, signal, _) => format!("was ended by {signal}"),
        _ => "has ended".to_owned(),
    }
}

/// What a worker says when it serves; no error message begins with it.
const READY: &[u8] = b"\0";

/// How long a worker may take until it serves.
const BOOT_LIMIT: Duration = Duration::from_secs(30);

/// A worker that lived so long is replaced at once.
const STABLE: Duration = Duration::from_secs(5);

/// Pauses before a worker is started again that did not live so long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
