//! Child processes of our own: counted, heard of when they end, and ended.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid};

use super::fork_refused::ForkRefused;
use crate::signals::WatchedSignal;
use crate::sys;

/// The children that a strategy has started.
#[derive(Debug, Default)]
pub(crate) struct Children {
    alive: Vec<Pid>,
    /// SIGCHLD: a child of this process has ended, though perhaps not one of ours.
    ended: Option<WatchedSignal>,
}

impl Children {
    /// Begins to hear of children that end.
    pub(crate) fn listen(&mut self) -> io::Result<()> {
        match &self.ended {
            Some(ended) => ended.hear_here(),
            None => self.ended = Some(WatchedSignal::new(Signal::SIGCHLD as i32)?),
        }
        self.alive.reserve(MAX_CHILDREN);
        Ok(())
    }

    /// Readable when a child has ended.
    pub(crate) fn wake_up(&self) -> Option<BorrowedFd<'_>> {
        self.ended.as_ref().map(AsFd::as_fd)
    }

    /// Takes note of a child that was started.
    pub(crate) fn add(&mut self, child: Pid) {
        self.alive.push(child);
    }

    /// How many run, as far as is known.
    pub(crate) fn count(&self) -> usize {
        self.alive.len()
    }

    /// Forgets the children that have ended, if one was heard of, and returns them.
    pub(crate) fn collect_heard(&mut self) -> Vec<(Pid, WaitStatus)> {
        // Asked three times for each child.
        if self.ended.as_ref().is_none_or(|ended| !ended.has_come()) {
            return Vec::new();
        }
        self.collect(Some(WaitPidFlag::WNOHANG))
    }

    /// Forgets the children that have ended, and returns them. Only our own are asked for, each by
    /// its number: `waitpid(-1)` would also take those of `std::process::Command`.
    pub(crate) fn collect(&mut self, flags: Option<WaitPidFlag>) -> Vec<(Pid, WaitStatus)> {
        let mut ended = Vec::new();
        self.alive.retain(|&child| match waitpid(child, flags) {
            Ok(WaitStatus::StillAlive) | Err(Errno::EINTR) => true,
            Ok(status) => {
                ended.push((child, status));
                false
            }
            Err(_) => false,
        });
        ended
    }

    /// Waits for all children until the deadline, and returns those that have ended.
    fn wait(&mut self, deadline: Instant) -> Vec<(Pid, WaitStatus)> {
        let mut gone = Vec::new();
        loop {
            gone.append(&mut self.collect(Some(WaitPidFlag::WNOHANG)));
            let now = Instant::now();
            match &mut self.ended {
                Some(ended) if !self.alive.is_empty() && now < deadline => {
                    ended.wait(deadline - now);
                }
                _ => return gone,
            }
        }
    }

    /// Waits for all children until the deadline, then ends those that still run, by `send`.
    /// Returns how many those were, and how each one has ended.
    pub(crate) fn end(
        &mut self,
        deadline: Instant,
        send: fn(Pid, Signal),
    ) -> (usize, Vec<(Pid, WaitStatus)>) {
        let mut gone = self.wait(deadline);
        let overdue = self.count();
        if overdue > 0 {
            for (signal, grace) in ENDING {
                self.alive.iter().for_each(|&child| send(child, signal));
                gone.append(&mut self.wait(Instant::now() + grace));
            }
            gone.append(&mut self.wait_for_ever());
        }
        (overdue, gone)
    }

    /// Waits for all children, however long they run.
    pub(crate) fn wait_for_ever(&mut self) -> Vec<(Pid, WaitStatus)> {
        let mut gone = Vec::new();
        while !self.alive.is_empty() {
            gone.append(&mut self.collect(None));
        }
        gone
    }
}

/// Sends a child a signal.
pub(crate) fn signal(child: Pid, signal: Signal) {
    // Fails only if it has already exited.
    let _ = kill(child, signal);
}

/// Sends this process a signal, as its parent would.
pub(crate) fn signal_self(signal_number: Signal) {
    signal(getpid(), signal_number);
}

/// Refuses to fork in a process that runs other threads, where the system tells.
pub(crate) fn refuse_threads(allow_threads: bool) -> io::Result<()> {
    match sys::running_threads() {
        Some(count) if count > 1 && !allow_threads => {
            let others = usize::try_from(count - 1).unwrap_or(usize::MAX);
            Err(ForkRefused::OtherThreads(others).into())
        }
        _ => Ok(()),
    }
}

/// Finds out what the processor can do, as parsers will ask. Otherwise each child would do it
/// again, and the answer of a hypervisor takes long: under KVM 33 µs, the median of 21 processes
/// that did nothing else than time `is_x86_feature_detected`.
pub(crate) fn know_the_processor() {
    #[cfg(target_arch = "x86_64")]
    let _ = std::arch::is_x86_feature_detected!("avx2");
}

/// As many as there are at most, unless the program says otherwise (CPython's `max_children`).
pub(super) const MAX_CHILDREN: usize = 40;

/// How a child is ended, and how long it has after each signal. One that is stuck in a handler ends
/// what it has started by the second one, and would leave it behind if it were killed.
pub(crate) const ENDING: [(Signal, Duration); 3] = [
    (sys::CUT_SIGNAL, Duration::from_secs(1)),
    (sys::CUT_SIGNAL, Duration::from_millis(300)),
    (Signal::SIGKILL, Duration::ZERO),
];
