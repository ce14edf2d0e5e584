//! A child process for each connection.

use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus};

use super::children::{Children, know_the_processor, refuse_threads};
use super::{Concurrency, Job, Placement};
use crate::signals;
use crate::stderr::report;
use crate::sys;

/// Runs each connection in a child process of its own: Python's `ForkingMixIn`.
///
/// What a handler changes in memory is lost with its child, and a crash costs one connection. The
/// child closes the listening socket, serves its connection to the end, and exits. Nothing comes
/// back from it: from its first byte on a connection has a child, also while it waits for the next
/// one. [`ShutdownHandle::shutdown`](crate::ShutdownHandle::shutdown) in a child stops the server.
///
/// # Signals
///
/// A signal that stops the server may be sent to it alone or to all its processes, as `pkill`, a
/// terminal and systemd do: running requests are finished, up to
/// [`Server::shutdown_timeout`](crate::Server::shutdown_timeout), and a second one cuts them.
/// SIGTERM to one child has it finish its request and end; a second one, or SIGQUIT, ends it at
/// once. A child that crashes is reported by `log`, or on standard error where no logger is
/// installed.
///
/// # Forking and threads
///
/// A fork copies the calling thread only. A lock that another thread held at that moment stays
/// locked in the child for ever, the allocator's included. So the server refuses to serve, with
/// an error that says so, while other threads run in this process (seen on Linux; other systems do
/// not tell). Start no threads before, or set [`allow_threads`](Self::allow_threads) and keep
/// handlers to what such a child may do. CPython warns since 3.12.
///
/// # Examples
///
/// ```
/// use socketserver::Forking;
///
/// let forking = Forking { max_children: 8, ..Forking::default() };
/// # let _ = forking;
/// ```
#[derive(Debug)]
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
    /// What runs. Public for `..Forking::default()` alone, which needs all fields to be.
    #[doc(hidden)]
    pub family: Family,
}

/// The children of a [`Forking`] strategy. It has the `Drop`, and not the strategy, so that one
/// can be written as a struct update.
#[doc(hidden)]
#[derive(Debug)]
pub struct Family {
    children: Children,
    /// Children that were ended while they served, since the drain began.
    cut: usize,
    /// The strategy's `block_on_close`, as it last was.
    block_on_close: bool,
}

impl Default for Forking {
    fn default() -> Self {
        Self {
            max_children: 40,
            allow_threads: false,
            block_on_close: true,
            family: Family { children: Children::default(), cut: 0, block_on_close: true },
        }
    }
}

impl Forking {
    /// Forking with at most `max_children` children at once.
    pub fn with_max_children(max_children: usize) -> Self {
        Self { max_children, ..Self::default() }
    }

    /// How many children run, as far as is known.
    #[doc(alias = "ForkingMixIn.active_children")]
    pub fn active_children(&self) -> usize {
        self.family.children.count()
    }
}

impl Concurrency for Forking {
    fn process_request(&mut self, job: Job) -> io::Result<()> {
        refuse_threads(self.allow_threads)?;
        job.refuse_to_fork()?;
        // What is buffered now would otherwise be printed twice.
        let _ = io::stdout().flush();
        let mut job = Some(job);
        // A signal to the child waits until that has handlers of its own.
        let blocked = signals::block()?;
        let child = sys::fork_child(|| {
            blocked.unblock();
            let succeeded = job.take().is_some_and(Job::run_in_child);
            let flushed = io::stdout().flush().is_ok();
            succeeded && flushed
        })
        .map_err(|error| io::Error::new(error.kind(), format!("cannot fork: {error}")))?;
        drop(blocked);
        if let Some(job) = job {
            job.leave_to_child();
        }
        self.family.block_on_close = self.block_on_close;
        self.family.children.add(child);
        Ok(())
    }

    fn server_activate(&mut self) -> io::Result<()> {
        refuse_threads(self.allow_threads)?;
        know_the_processor();
        self.family.children.listen()
    }

    fn service_actions(&mut self) -> Option<Duration> {
        for (child, status) in self.family.children.collect_heard() {
            match status {
                // It was told to, twice.
                WaitStatus::Signaled(_, Signal::SIGTERM, _) => {
                    self.family.cut += 1;
                    log::warn!("child {child} was ended by SIGTERM");
                }
                WaitStatus::Signaled(_, signal, _) => {
                    report(format_args!("child {child} was ended by {signal}"));
                }
                _ => {}
            }
        }
        None
    }

    fn has_room(&self) -> bool {
        self.family.children.count() < self.max_children.max(1)
    }

    fn wake_up(&self) -> Option<BorrowedFd<'_>> {
        self.family.children.wake_up()
    }

    fn placement(&self) -> Placement {
        Placement::Away
    }

    fn active(&self) -> usize {
        self.active_children()
    }

    fn server_close(&mut self, deadline: Instant) -> usize {
        let (_, gone) = self.family.children.end(deadline);
        // By how they ended: a signal to all processes ends children before their parent does.
        let was_cut = |status: &WaitStatus| {
            matches!(status, WaitStatus::Signaled(_, Signal::SIGTERM | Signal::SIGKILL, _))
        };
        let cut = gone.iter().filter(|(_, status)| was_cut(status)).count();
        cut + std::mem::take(&mut self.family.cut)
    }

    fn begin_drain(&mut self) {
        // Those before were ended one by one.
        self.service_actions();
        self.family.cut = 0;
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        if self.block_on_close {
            self.children.wait_for_ever();
        } else {
            self.children.collect(Some(WaitPidFlag::WNOHANG));
        }
    }
}
