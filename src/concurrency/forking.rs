//! A child process for each connection.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus};
use nix::unistd::{Pid, getpid};

use super::children::{self, Children, MAX_CHILDREN, know_the_processor, refuse_threads};
use super::{Concurrency, Drain, Job, Placement};
use crate::signals;
use crate::stderr::{report, share};
use crate::sys::{self, SharedCounters};

/// Runs each connection in a child process of its own: Python's `ForkingMixIn`.
///
/// What a handler changes in memory is lost with its child, and a crash costs one connection. The
/// child closes the listening socket and the connections of all other clients, serves its own to
/// the end, and exits. Nothing comes back from it: from its first request on a connection has a
/// child, also while it waits for the next one. A connection that the handler keeps, in another
/// thread or a collection, ends with the child, which does not wait for threads. Before that, the
/// server itself waits for a TLS
/// handshake, and for what makes a request ([`Handler::receive`](crate::Handler::receive)): of HTTP
/// the head and a small body.
/// [`ShutdownHandle::shutdown`](crate::ShutdownHandle::shutdown) in a child stops the server.
///
/// # Signals
///
/// A signal that stops the server may be sent to it alone or to all its processes, as `pkill`, a
/// terminal and systemd do: running requests are finished, up to
/// [`Server::shutdown_timeout`](crate::Server::shutdown_timeout), and a second one cuts them.
/// SIGTERM to one child has it finish its request and end; a second one, or SIGQUIT, cuts its
/// connection. A handler that is cut has half a second to return, and the child ends then, too. Two
/// SIGTERM within [`SIGNAL_WINDOW`](crate::SIGNAL_WINDOW) are one. A child that crashes, or that a
/// handler ends by `exit`, is reported by `log`, or on standard error where no logger is installed.
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
/// let forking = Forking::default().max_children(8);
/// # let _ = forking;
/// ```
#[derive(Debug)]
pub struct Forking {
    max_children: usize,
    allow_threads: bool,
    block_on_close: bool,
    children: Children,
    /// When children were ended while they served, of those of late.
    cut: VecDeque<Instant>,
    /// Children that have served to their end, as each of them counts itself before it exits, and
    /// the process that they are children of.
    finished: Option<(SharedCounters, Pid)>,
    /// Those of them that are known to have exited.
    buried: u64,
}

impl Default for Forking {
    fn default() -> Self {
        Self {
            max_children: MAX_CHILDREN,
            allow_threads: false,
            block_on_close: true,
            children: Children::default(),
            cut: VecDeque::new(),
            finished: None,
            buried: 0,
        }
    }
}

impl Forking {
    /// Children that may run at once, at least one; further clients wait in the kernel's queue, or
    /// are refused with [`Overload::Refuse`](crate::Overload::Refuse). Defaults to 40, as in
    /// CPython.
    #[doc(alias = "ForkingMixIn.max_children")]
    #[must_use]
    pub fn max_children(mut self, count: usize) -> Self {
        self.max_children = count.max(1);
        self
    }

    /// Serves although other threads run. Defaults to `false`.
    #[must_use]
    pub fn allow_threads(mut self, allowed: bool) -> Self {
        self.allow_threads = allowed;
        self
    }

    /// Whether the strategy waits for its children when it is dropped. Defaults to `true`, as in
    /// CPython.
    #[doc(alias = "ForkingMixIn.block_on_close")]
    #[must_use]
    pub fn block_on_close(mut self, waits: bool) -> Self {
        self.block_on_close = waits;
        self
    }

    /// How many children run, as far as is known.
    #[doc(alias = "ForkingMixIn.active_children")]
    pub fn active_children(&self) -> usize {
        self.children.count()
    }
}

impl Forking {
    /// Reports those of the children that have exited with status 0 which a handler has ended so:
    /// the others have counted themselves.
    fn report_exits(&mut self, children: &[Pid]) {
        self.buried += children.len() as u64;
        let Some(finished) = &self.finished else { return };
        let finished = finished.0.cells()[0].load(Ordering::SeqCst);
        let unfinished = self.buried.saturating_sub(finished);
        if unfinished == children.len() as u64 {
            for child in children {
                report(format_args!("child {child} has exited with status 0"));
            }
        } else if unfinished > 0 {
            // Which ones is not known.
            report(format_args!("{unfinished} of {children:?} have exited with status 0"));
        }
        self.buried -= unfinished;
    }
}

impl Concurrency for Forking {
    fn process_request(&mut self, job: Job) -> io::Result<()> {
        refuse_threads(self.allow_threads)?;
        job.refuse_to_fork()?;
        // What is buffered now would otherwise be printed twice.
        let _ = io::stdout().flush();
        let (mut job, finished) = (Some(job), &self.finished);
        // A signal to the child waits until that has handlers of its own.
        let blocked = signals::block()?;
        let child = sys::fork_child(|| {
            blocked.unblock();
            // Its failure is reported there. Another status than 0, or none that is counted, tells
            // of a child that a handler ends by itself.
            job.take().map(Job::run_in_child);
            let _ = io::stdout().flush();
            if let Some((finished, _)) = finished.as_ref().filter(|_| !sys::is_cut()) {
                finished.cells()[0].fetch_add(1, Ordering::SeqCst);
            }
            true
        })
        .map_err(|error| io::Error::new(error.kind(), format!("cannot fork: {error}")))?;
        drop(blocked);
        if let Some(job) = job {
            job.leave_to_child();
        }
        self.children.add(child);
        Ok(())
    }

    fn server_activate(&mut self) -> io::Result<()> {
        refuse_threads(self.allow_threads)?;
        know_the_processor();
        share();
        let here = getpid();
        // Children of the loop before may still run, and those of another process are not ours.
        if self.finished.as_ref().is_none_or(|(_, process)| *process != here) {
            (self.finished, self.buried) = (Some((SharedCounters::new(1), here)), 0);
        }
        self.children.listen()
    }

    fn service_actions(&mut self) -> Option<Duration> {
        let mut silent = Vec::new();
        for (child, status) in self.children.collect_heard() {
            match status {
                // It was told to, twice.
                WaitStatus::Signaled(_, Signal::SIGTERM, _) => {
                    self.cut.truncate(MOST_REMEMBERED - 1);
                    self.cut.push_front(Instant::now());
                    log::warn!("child {child} was ended by SIGTERM");
                }
                WaitStatus::Signaled(_, signal, _) => {
                    report(format_args!("child {child} was ended by {signal}"));
                }
                WaitStatus::Exited(_, 0) => silent.push(child),
                WaitStatus::Exited(_, status) => {
                    report(format_args!("child {child} has exited with status {status}"));
                }
                _ => {}
            }
        }
        self.report_exits(&silent);
        None
    }

    fn has_room(&self) -> bool {
        self.children.count() < self.max_children
    }

    fn wake_up(&self) -> Option<BorrowedFd<'_>> {
        self.children.wake_up()
    }

    fn placement(&self) -> Placement {
        Placement::Detached
    }

    fn active(&self) -> usize {
        self.active_children()
    }

    fn max_workers(&self) -> Option<usize> {
        Some(self.max_children)
    }

    fn server_close(&mut self, drain: Drain) -> usize {
        let (_, gone) = self.children.end(drain.deadline, children::signal);
        // By how they ended: a signal to all processes ends children before their parent does.
        let was_cut = |status: &WaitStatus| {
            matches!(status, WaitStatus::Signaled(_, Signal::SIGTERM | Signal::SIGKILL, _))
        };
        let silent = gone.iter().filter(|(_, status)| matches!(status, WaitStatus::Exited(_, 0)));
        self.report_exits(&silent.map(|(child, _)| *child).collect::<Vec<_>>());
        let cut: Vec<_> = gone.iter().filter(|(_, status)| was_cut(status)).collect();
        for (child, _) in &cut {
            // It could not write the line of its request any more.
            log::warn!("child {child} was cut off");
        }
        // Those before were ended one by one.
        cut.len() + self.cut.drain(..).filter(|time| *time >= drain.began).count()
    }
}

impl Drop for Forking {
    fn drop(&mut self) {
        if self.block_on_close {
            self.children.wait_for_ever();
        } else {
            self.children.collect(Some(WaitPidFlag::WNOHANG));
        }
    }
}

/// More than end in one drain.
const MOST_REMEMBERED: usize = 1 << 16;
