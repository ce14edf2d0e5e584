//! Supervising processes that serve, and serving as one of them.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use super::Server;
use super::belongings::Belongings;
use super::clients::ServerKind;
use crate::concurrency::Concurrency;
use crate::concurrency::workers::{Leash, NewLeash};
use crate::handler::Handler;
use crate::poller::Poller;
use crate::reactor::Reactor;
use crate::signal::Signal;
use crate::signals::{self, Listens};
use crate::sys;

impl<K: ServerKind, C: Concurrency> Server<K, C> {
    /// Keeps the strategy's processes running until a shutdown is asked for.
    pub(super) fn supervise(&mut self) -> io::Result<()> {
        let shutdown = self.shutdown_handle();
        self.begin_to_supervise().inspect_err(|_| self.reactor.pause_hearing())?;
        let mut supervised = Ok(());
        while supervised.is_ok() && !shutdown.is_stopping_here() {
            supervised = self.supervise_once();
        }
        self.end_workers();
        if let Some(wake_up) = self.strategy.workers().and_then(|workers| workers.wake_up()) {
            self.reactor.forget_strategy(wake_up);
        }
        self.reactor.pause_hearing();
        self.rearm();
        supervised
    }

    fn begin_to_supervise(&mut self) -> io::Result<()> {
        self.refuse_if_ended()?;
        self.reactor.hear_here();
        self.hear_requests()?;
        let Some(workers) = self.strategy.workers() else { return Ok(()) };
        workers.activate()?;
        if let Some(wake_up) = workers.wake_up() {
            self.reactor.watch_strategy(wake_up)?;
        }
        let replace_on = signals::heeded(workers.replace_on().as_slice());
        self.reactor.begin_hearing(Listens::Now);
        replace_on.into_iter().try_for_each(|number| self.reactor.watch_signal(number))
    }

    /// Starts a worker if one is missing or outdated, and waits for something to happen if not.
    fn supervise_once(&mut self) -> io::Result<()> {
        let Some(workers) = self.strategy.workers() else { return Ok(()) };
        workers.collect();
        let until_start = workers.until_start();
        if until_start == Some(Duration::ZERO) {
            self.start_worker()?;
        }
        let time_to_end = self.time_to_end();
        let Some(workers) = self.strategy.workers() else { return Ok(()) };
        let replace_on = workers.replace_on().map(Signal::number);
        let until_kill = workers.end_overdue(time_to_end);
        let limit = match until_start {
            Some(Duration::ZERO) => Some(Duration::ZERO),
            other => other.into_iter().chain(until_kill).chain(self.poll_interval).min(),
        };
        let turn = self.wait(limit, false)?;
        self.hears(&turn);
        self.heed_requests(&turn);
        let (replacing, ending): (Vec<i32>, Vec<i32>) =
            turn.signals.iter().partition(|&&signal| Some(signal) == replace_on);
        if let Some(workers) = self.strategy.workers().filter(|_| !replacing.is_empty()) {
            workers.replace_all();
        }
        if !ending.is_empty() {
            self.shutdown_handle().stop_here();
            self.ends = true;
            self.note_signals(&ending);
        }
        self.clients.handler().handler.service_actions();
        Ok(())
    }

    fn start_worker(&mut self) -> io::Result<()> {
        let forked = self.fork_worker();
        let Some(workers) = self.strategy.workers() else { return Ok(()) };
        match forked {
            Ok((pid, leash)) => workers.started(pid, leash),
            Err(error) => workers.not_started(error),
        }
    }

    fn fork_worker(&mut self) -> io::Result<(Pid, NewLeash)> {
        let (ours, theirs) = Leash::pair()?;
        // A signal to the child waits until that has pipes of its own.
        let blocked = signals::block()?;
        let mut ours = Some(ours);
        let pid = sys::fork_worker(|| {
            ours.take().is_some_and(|ours| self.work(ours, &theirs, &blocked))
        })?;
        Ok((pid, ours.expect("the child alone takes it, and does not return from the fork")))
    }

    /// A worker's whole life.
    fn work(&mut self, ours: NewLeash, leash: &Leash, blocked: &signals::Blocked) -> bool {
        let booted = self.become_worker(ours, leash);
        // Heard by this process alone from now on.
        blocked.unblock();
        leash.tell(&booted);
        if booted.is_err() {
            return false;
        }
        let served = self.serve();
        leash.tell_end(self.report.finished, self.report.cut);
        served.is_ok()
    }

    /// Replaces what a fork leaves both processes with: the poller, and the pipes of signals.
    fn become_worker(&mut self, ours: NewLeash, leash: &Leash) -> io::Result<()> {
        if let Some(workers) = self.strategy.workers() {
            workers.become_worker(ours);
        }
        let poller = Arc::new(Poller::new()?);
        let shutdown = self.shutdown_handle();
        if let Some(requests) = self.resources.requests.take() {
            shutdown.ask_by(requests);
        }
        let handler = Arc::clone(self.clients.handler());
        handler.info.gauges().reset();
        shutdown.adopt(Arc::clone(&poller));
        let clients = K::new(handler, &poller, self.strategy.placement());
        self.belongings = Belongings::new(clients.shared(), shutdown);
        // The old one goes now, and with it the supervisor's signals.
        self.reactor = Reactor::new(poller, &self.resources.transport)?;
        std::mem::replace(&mut self.clients, clients).shared().leave_to_parent();
        self.reactor.watch_signals(&signals::heeded(&[Signal::TERM]))?;
        self.reactor.watch_urgent(&signals::heeded(&[Signal::QUIT]))?;
        self.reactor.watch_urgent(&[sys::HURRY_SIGNAL as i32])?;
        self.reactor.watch_leash(leash.as_fd())?;
        self.is_worker = true;
        self.activate()
    }

    /// Lets all workers finish until the deadline, and ends the rest.
    fn end_workers(&mut self) {
        let mut deadline = self.deadline(self.time_to_end());
        if self.ends {
            // Before the workers: the last to close the listener is one that accepts who waits.
            self.stop_listening(0);
        }
        let mut replace_on = None;
        if let Some(workers) = self.strategy.workers() {
            workers.retire_all();
            replace_on = workers.replace_on().map(Signal::number);
        }
        while self.remaining_workers() > 0 && Instant::now() < deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            let wanted = self.poll_interval.map_or(left, |interval| interval.min(left));
            match self.wait(Some(wanted), false) {
                Ok(turn) => {
                    self.hears(&turn);
                    self.heed_requests(&turn);
                    let asks_for_new_ones = |signal: &i32| Some(*signal) == replace_on;
                    if !turn.signals.iter().all(asks_for_new_ones) {
                        deadline = Instant::now();
                    }
                }
                Err(_) => break,
            }
            self.clients.handler().handler.service_actions();
        }
        let ended = self.strategy.workers().map(|workers| workers.end(deadline));
        (self.report.finished, self.report.cut) = ended.unwrap_or_default();
        self.end_hearing();
        self.heard = 0;
    }

    /// How long a worker may take to end: each keeps to the limit of requests, and then needs a
    /// moment to say so.
    fn time_to_end(&self) -> Duration {
        self.shutdown_timeout.saturating_add(SLACK)
    }

    fn remaining_workers(&mut self) -> usize {
        self.strategy.workers().map_or(0, |workers| {
            workers.collect();
            workers.count()
        })
    }
}

/// Time for workers to end by themselves at their own deadline.
const SLACK: Duration = Duration::from_secs(1);
