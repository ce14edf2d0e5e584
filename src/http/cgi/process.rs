//! A script's process, and everything that it started: watched, killed and reaped.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, getpid};

use crate::sys;

/// A running script. Dropping it before it has ended ends it, with its whole process group, and
/// waits for that, so that no process is left behind and no zombie. What a script has started goes
/// on where the script has ended by itself, as in CPython.
#[derive(Debug)]
pub(super) struct Process {
    /// With its ends of the pipes.
    pub(super) child: Child,
    group: Pid,
    running: Arc<Running>,
    /// Readable once the script has ended; `None` where the system cannot tell.
    exit_notice: Option<OwnedFd>,
    is_reaped: bool,
}

impl Process {
    /// Starts a script in a process group of its own.
    pub(super) fn start(command: &mut Command, running: &Arc<Running>) -> io::Result<Self> {
        command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn()?;
        let group = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
        let exit_notice = sys::exit_notice(group).ok();
        let running = Arc::clone(running);
        let process = Self { child, group, running, exit_notice, is_reaped: false };
        end_with_this_process(Some(group));
        if process.running.state().add(group) {
            Ok(process)
        } else {
            Err(io::Error::other("the server ends"))
        }
    }

    /// What becomes readable when the script ends, until it is reaped.
    pub(super) fn exit_notice(&self) -> Option<BorrowedFd<'_>> {
        self.exit_notice.as_ref().map(AsFd::as_fd)
    }

    /// Reaps a script whose exit notice has come, so that what it has left is not signalled. A
    /// failure to do so is told to [`try_wait`](Self::try_wait) again.
    pub(super) fn note_exit(&mut self) {
        let _ = self.try_wait();
        self.exit_notice = None;
    }

    /// Reaps the script if it has ended.
    pub(super) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.is_reaped {
            // The status is kept, and the number may be that of another script.
            return self.child.try_wait();
        }
        // Once it is reaped, its number may be another's, and must not be signalled then.
        let mut state = self.running.state();
        end_with_this_process(None);
        let status = self.child.try_wait()?;
        if status.is_none() {
            end_with_this_process(Some(self.group));
        } else {
            self.is_reaped = true;
            self.exit_notice = None;
            self.running.forget(&mut state, self.group);
        }
        Ok(status)
    }

    /// Waits until no process holds the script's output, for a while.
    fn wait_for_end_of_output(&self) {
        let (stdout, stderr) = (&self.child.stdout, &self.child.stderr);
        let pipes = stdout.iter().map(AsFd::as_fd).chain(stderr.iter().map(AsFd::as_fd));
        let deadline = Instant::now() + GRACE;
        for pipe in pipes {
            // Without events, an end is all that is told.
            let mut pipe = [PollFd::new(pipe, PollFlags::empty())];
            let left = deadline.saturating_duration_since(Instant::now());
            // Interrupted is waited enough: what follows is certain.
            let _ = poll(&mut pipe, PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.is_reaped {
            return;
        }
        // It fails where all are gone already.
        let _ = killpg(self.group, Signal::SIGTERM);
        drop(self.child.stdin.take());
        self.wait_for_end_of_output();
        let _ = killpg(self.group, Signal::SIGKILL);
        self.running.forget(&mut self.running.state(), self.group);
        end_with_this_process(None);
        let _ = self.child.wait();
    }
}

/// The scripts of a handler that run.
#[derive(Debug, Default)]
pub(super) struct Running {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Their process groups, not yet reaped.
    groups: BTreeSet<Pid>,
    has_ended: bool,
}

impl State {
    /// Adds a group, unless it is too late for that.
    fn add(&mut self, group: Pid) -> bool {
        self.groups.insert(group);
        !self.has_ended
    }

    fn signal(&self, signal: Signal) {
        for &group in &self.groups {
            let _ = killpg(group, signal);
        }
    }
}

impl Running {
    /// No scripts so far.
    pub(super) fn new() -> Arc<Self> {
        let running = Arc::new(Self::default());
        let mut every = EVERY.lock().unwrap_or_else(PoisonError::into_inner);
        every.retain(|other| other.strong_count() > 0);
        every.push(Arc::downgrade(&running));
        sys::call_last(end_every_script);
        sys::call_when_cut(end_present_script);
        running
    }

    /// Ends all scripts, and lets no more start.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.has_ended = true;
        state.signal(Signal::SIGTERM);
        let (state, _) = self
            .changed
            .wait_timeout_while(state, GRACE, |state| !state.groups.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        state.signal(Signal::SIGKILL);
    }

    /// Forgets a group that need not be signalled any more.
    fn forget(&self, state: &mut State, group: Pid) {
        state.groups.remove(&group);
        // Each call costs a system call, and only the end waits.
        if state.has_ended {
            self.changed.notify_all();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Those of every handler, for a process that ends without destructors while threads that were cut
/// off are busy with scripts.
static EVERY: Mutex<Vec<Weak<Running>>> = Mutex::new(Vec::new());

fn end_every_script() {
    let every = EVERY.lock().unwrap_or_else(PoisonError::into_inner);
    every.iter().filter_map(Weak::upgrade).for_each(|running| running.end());
}

/// Names the process group that is to end when this process is ended at once while it serves a
/// connection: a forked child, or one whose loop calls handlers itself.
///
/// Its parent has it end at the deadline, and knows nothing of what it has started. There is one at
/// a time, as such a process serves one connection. Others end theirs elsewhere; this has no effect
/// there before they are ended by a signal of which no loop hears.
fn end_with_this_process(group: Option<Pid>) {
    PRESENT.store(0, Ordering::SeqCst);
    OWNER.store(getpid().as_raw(), Ordering::SeqCst);
    PRESENT.store(group.map_or(0, Pid::as_raw), Ordering::SeqCst);
}

/// Runs in a signal handler: system calls that are safe in one, and atomics.
fn end_present_script() {
    let group = PRESENT.load(Ordering::SeqCst);
    // After a fork it is the parent's.
    if group > 0 && OWNER.load(Ordering::SeqCst) == getpid().as_raw() {
        let group = Pid::from_raw(group);
        let _ = killpg(group, Signal::SIGTERM);
        let _ = poll(&mut [], PollTimeout::from(SHORT_GRACE));
        let _ = killpg(group, Signal::SIGKILL);
    }
}

static PRESENT: AtomicI32 = AtomicI32::new(0);
static OWNER: AtomicI32 = AtomicI32::new(0);

/// Milliseconds between the two where the process itself is ended at once.
const SHORT_GRACE: u8 = 100;

/// Time between asking a script to end and killing it.
const GRACE: Duration = Duration::from_millis(500);
