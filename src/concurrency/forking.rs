//! A child process for each connection.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::{Concurrency, Job, Placement};
use crate::signals::WatchedSignal;
use crate::sys;

/// Runs each connection in a child process of its own: Python's `ForkingMixIn`.
///
/// What a handler changes in memory is lost with its child, and a crash costs one connection. The
/// child closes the listening socket, serves its connection to the end, and exits.
///
/// # Forking and threads
///
/// A fork copies the calling thread only. A lock that another thread held at that moment stays
/// locked in the child for ever, the allocator's included. So the server refuses to serve, with
/// an error that says so, while other threads run in this process (seen on Linux; other systems do not
/// tell). Start no threads before, or set [`allow_threads`](Self::allow_threads) and keep handlers to what such a child may
/// do. CPython warns since 3.12.
#[derive(Debug)]
#[doc(alias = "ForkingMixIn")]
pub struct Forking {
    /// Children that may run at once; further clients wait in the kernel's queue. Defaults to
    /// 40, as in CPython.
    #[doc(alias = "ForkingMixIn.max_children")]
    pub max_children: usize,
    /// Serves although other threads run. Defaults to `false`.
    pub allow_threads: bool,
    /// Waits for the children when the strategy is dropped. Defaults to `true`, as in CPython.
    #[doc(alias = "ForkingMixIn.block_on_close")]
    pub block_on_close: bool,
    children: Vec<Pid>,
    /// SIGCHLD: a child of this process has ended, though perhaps not one of ours.
    ended: Option<WatchedSignal>,
}

impl Default for Forking {
    fn default() -> Self {
        Self {
            max_children: 40,
            allow_threads: false,
            block_on_close: true,
            children: Vec::new(),
            ended: None,
        }
    }
}

impl Forking {
    /// Forking with at most `max_children` children at once.
    pub fn with_max_children(max_children: usize) -> Self {
        let mut forking = Self::default();
        forking.max_children = max_children;
        forking
    }

    /// How many children run, as far as is known.
    #[doc(alias = "ForkingMixIn.active_children")]
    pub fn active_children(&self) -> usize {
        self.children.len()
    }

    /// Forgets the children that have ended. Only our own are asked for, each by its number:
    /// `waitpid(-1)` would also take those of `std::process::Command`.
    fn collect_children(&mut self, flags: Option<WaitPidFlag>) {
        self.children.retain(|&child| match waitpid(child, flags) {
            Ok(WaitStatus::StillAlive) | Err(Errno::EINTR) => true,
            Ok(WaitStatus::Signaled(_, signal, _)) => {
                log::warn!("child {child} was ended by {signal}");
                false
            }
            Ok(_) | Err(_) => false,
        });
    }

    fn refuse_threads(&self) -> io::Result<()> {
        match running_threads() {
            Some(count) if count > 1 && !self.allow_threads => Err(io::Error::other(format!(
                "refusing to fork: {} other threads run in this process, and a lock held by one \
                 would stay locked in the child; start none before, or set \
                 Forking::allow_threads",
                count - 1
            ))),
            _ => Ok(()),
        }
    }

    /// Waits for all children until the deadline; false when some still run.
    fn wait_for_children(&mut self, deadline: Instant) -> bool {
        loop {
            self.collect_children(Some(WaitPidFlag::WNOHANG));
            let now = Instant::now();
            if self.children.is_empty() || now >= deadline {
                return self.children.is_empty();
            }
            match &mut self.ended {
                Some(ended) => ended.wait(deadline - now),
                None => return false,
            }
        }
    }

    fn signal_children(&self, signal: Signal) {
        for &child in &self.children {
            // Gone already is as good as signalled.
            let _ = kill(child, signal);
        }
    }
}

impl Concurrency for Forking {
    fn process_request(&mut self, job: Job) -> io::Result<()> {
        self.refuse_threads()?;
        // What is buffered now would otherwise be printed twice.
        let _ = io::stdout().flush();
        let mut job = Some(job);
        let child = sys::fork_child(|| {
            let succeeded = job.take().is_some_and(Job::run_in_child);
            let flushed = io::stdout().flush().is_ok();
            succeeded && flushed
        })
        .map_err(|error| io::Error::new(error.kind(), format!("cannot fork: {error}")))?;
        if let Some(job) = job {
            job.leave_to_child();
        }
        self.children.push(child);
        Ok(())
    }

    fn server_activate(&mut self) -> io::Result<()> {
        self.refuse_threads()?;
        know_the_processor();
        if self.ended.is_none() {
            self.ended = Some(WatchedSignal::new(Signal::SIGCHLD as i32)?);
        }
        Ok(())
    }

    fn service_actions(&mut self) -> Option<Duration> {
        if self.ended.as_mut().is_some_and(|ended| ended.count() > 0) {
            self.collect_children(Some(WaitPidFlag::WNOHANG));
        }
        None
    }

    fn has_room(&self) -> bool {
        self.children.len() < self.max_children.max(1)
    }

    fn wake_up(&self) -> Option<BorrowedFd<'_>> {
        self.ended.as_ref().map(AsFd::as_fd)
    }

    fn placement(&self) -> Placement {
        Placement::Away
    }

    fn active(&self) -> usize {
        self.active_children()
    }

    fn server_close(&mut self, deadline: Instant) -> usize {
        if self.wait_for_children(deadline) {
            return 0;
        }
        let cut = self.children.len();
        self.signal_children(Signal::SIGTERM);
        if !self.wait_for_children(Instant::now() + TERMINATION_GRACE) {
            self.signal_children(Signal::SIGKILL);
            self.collect_children(None);
        }
        cut
    }
}

impl Drop for Forking {
    fn drop(&mut self) {
        let flags = if self.block_on_close { None } else { Some(WaitPidFlag::WNOHANG) };
        while !self.children.is_empty() {
            self.collect_children(flags);
            if flags.is_some() {
                break;
            }
        }
    }
}

/// Finds out what the processor can do, as parsers will ask. Each child would do it again, and where
/// a hypervisor answers that takes longer than the request.
fn know_the_processor() {
    #[cfg(target_arch = "x86_64")]
    let _ = std::arch::is_x86_feature_detected!("avx2");
}

/// Threads of this process, where the system tells: the directory has one entry, and so one
/// link, for each.
#[cfg(target_os = "linux")]
fn running_threads() -> Option<u64> {
    use std::os::unix::fs::MetadataExt;

    std::fs::metadata("/proc/self/task").ok().map(|task| task.nlink().saturating_sub(2))
}

#[cfg(not(target_os = "linux"))]
fn running_threads() -> Option<u64> {
    None
}

/// Time between asking a child to end and killing it.
const TERMINATION_GRACE: Duration = Duration::from_secs(1);
