//! The supervisor's loop, and the life of the processes that it starts.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use super::PreFork;
use super::leash::{Collar, Leash};
use crate::concurrency::Concurrency;
use crate::server::{DRAIN_TURN, Server, ServerKind, ShutdownReport};
use crate::signal::Signal;
use crate::signals::{self, Blocked};
use crate::sys::{self, SharedCounters};

impl<K: ServerKind, C: Concurrency> PreFork<Server<K, C>> {
    /// Keeps the processes running until a shutdown is asked for.
    pub(super) fn supervise(&mut self) -> io::Result<()> {
        self.server.begin_watch(self.workers.replace_on)?;
        let supervised = self.supervise_until_asked();
        self.end_workers();
        if let Some(wake_up) = self.workers.wake_up() {
            self.server.forget(wake_up);
        }
        self.server.end_watch();
        supervised
    }

    fn supervise_until_asked(&mut self) -> io::Result<()> {
        self.workers.activate()?;
        if let Some(wake_up) = self.workers.wake_up() {
            self.server.watch_also(wake_up)?;
        }
        let shutdown = self.server.shutdown_handle();
        while !shutdown.is_stopping_here() {
            self.supervise_once()?;
        }
        Ok(())
    }

    /// Starts a worker if one is missing or outdated, and waits for something to happen.
    fn supervise_once(&mut self) -> io::Result<()> {
        let ended = self.workers.collect();
        // What has ended has said whether it could start.
        let started = match self.hear_first_word() {
            Some(word) => self.workers.started(word),
            None => Ok(()),
        };
        self.workers.bury(ended);
        started?;
        if self.workers.until_start() == Some(Duration::ZERO) {
            self.start_worker()?;
        }
        if self.workers.have_served() {
            // Before the wait, as the program may tell others there that clients are served.
            self.server.service_actions();
        }
        let limits = [
            self.workers.until_start(),
            self.workers.until_late(),
            self.workers.end_overdue(self.time_to_end()),
            self.server.poll_interval,
        ];
        let signals = self.server.watch(limits.into_iter().flatten().min())?;
        let (replacing, ending): (Vec<i32>, Vec<i32>) =
            signals.iter().partition(|&&signal| self.replaces(signal));
        if !replacing.is_empty() {
            self.workers.replace_all();
        }
        if !ending.is_empty() {
            self.server.stop_by(&ending);
        }
        Ok(())
    }

    fn replaces(&self, signal: i32) -> bool {
        self.workers.replace_on.map(Signal::number) == Some(signal)
    }

    /// What the worker that starts has said, if one does and has.
    fn hear_first_word(&self) -> Option<io::Result<()>> {
        let word = self.workers.first_word()?;
        if let Some(leash) = self.workers.starting_leash() {
            self.server.forget(leash);
        }
        Some(word)
    }

    fn start_worker(&mut self) -> io::Result<()> {
        match self.fork_worker() {
            Ok((pid, leash, running)) => self.workers.forked(pid, leash, running),
            Err(error) => return self.workers.not_started(error),
        }
        match self.workers.starting_leash() {
            Some(leash) => self.server.watch_also(leash),
            None => Ok(()),
        }
    }

    fn fork_worker(&mut self) -> io::Result<(Pid, Leash, Arc<SharedCounters>)> {
        let running = Arc::new(SharedCounters::new(1));
        let (ours, theirs) = Leash::pair()?;
        // A signal to the child waits until that has pipes of its own.
        let blocked = signals::block()?;
        let mut ours = Some(ours);
        let pid = sys::fork_worker(|| {
            ours.take().is_some_and(|ours| self.work(ours, &theirs, &running, &blocked))
        })?;
        let ours = ours.expect("the child alone takes it, and does not return from the fork");
        Ok((pid, ours, running))
    }

    /// A worker's whole life.
    fn work(
        &mut self,
        ours: Leash,
        collar: &Collar,
        running: &Arc<SharedCounters>,
        blocked: &Blocked,
    ) -> bool {
        self.workers.leave_to_supervisor(ours);
        self.server.note_processes(self.workers.wanted);
        let post_fork = self.post_fork.as_deref();
        let started = self.server.move_in(collar, Arc::clone(running), |server| match post_fork {
            Some(prepare) => prepare(server),
            None => Ok(()),
        });
        let limit = self.time_to_end();
        let started = started.and_then(|()| self.server.watch_for_hangup(collar, limit));
        // Heard by this process alone from now on.
        blocked.unblock();
        collar.tell(&started);
        if started.is_err() {
            return false;
        }
        let (served, report) = self.server.serve_to_the_end();
        collar.tell_end(report.finished, report.cut);
        served.is_ok()
    }

    /// Lets all workers finish until the deadline, and ends the rest.
    fn end_workers(&mut self) {
        let time_to_end = self.server.time_to_finish().saturating_add(SLACK);
        let mut deadline = self.server.deadline(time_to_end);
        // Before the workers: the last to close the listener is one that accepts the clients that
        // wait.
        self.server.stop_listening_for_good();
        self.workers.retire_all(self.server.leaves_requests());
        while self.remaining_workers() > 0 && Instant::now() < deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            let overdue = self.workers.end_overdue(self.time_to_end());
            let limits = [Some(left), self.server.poll_interval, overdue, Some(DRAIN_TURN)];
            match self.server.watch(limits.into_iter().flatten().min()) {
                // One that asks for new ones comes too late.
                Ok(signals) if signals.iter().all(|&signal| self.replaces(signal)) => {}
                Ok(_) => deadline = Instant::now(),
                Err(_) => break,
            }
            self.server.service_actions();
        }
        let (finished, cut) = self.workers.end(deadline);
        self.report = ShutdownReport { finished, cut };
    }

    /// How long a worker may take to end: each keeps to the limit of requests, and then needs a
    /// moment to say so.
    fn time_to_end(&self) -> Duration {
        self.server.shutdown_timeout.saturating_add(SLACK)
    }

    fn remaining_workers(&mut self) -> usize {
        let ended = self.workers.collect();
        if let Some(word) = self.hear_first_word() {
            self.workers.settle(&word);
        }
        self.workers.bury(ended);
        self.workers.count()
    }
}

/// Time for workers to end by themselves at their own deadline.
const SLACK: Duration = Duration::from_secs(1);
