//! Signals as readable descriptors.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow};
use nix::sys::socket::{MsgFlags, recv};
use nix::unistd::getpid;
use signal_hook_registry::{FORBIDDEN, SigId};

use crate::os::rounded_up;
use crate::signal::Signal;
pub(crate) use crate::sys::LastCounted;
pub use crate::sys::SIGNAL_WINDOW;
use crate::sys::{self, Listener};

/// A signal that is counted instead of ending the process.
#[derive(Debug)]
pub(crate) struct WatchedSignal {
    number: i32,
    reader: UnixStream,
    listener: Listener,
    registration: SigId,
}

impl WatchedSignal {
    pub(crate) fn new(number: i32) -> io::Result<Self> {
        if FORBIDDEN.contains(&number) {
            let text = format!("{} cannot be caught", Signal::try_from(number)?);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        arrange_default_action(number)?;
        // What it was given for is another server's.
        if let Some(ending) = ending(number) {
            ending.owner.store(NO_OWNER, Ordering::SeqCst);
        }
        let listener = Listener::new();
        let registration = sys::write_on_signal(number, writer, listener.clone())?;
        Ok(Self { number, reader, listener, registration })
    }

    pub(crate) fn number(&self) -> i32 {
        self.number
    }

    /// Has this process hear of the signal, after a fork perhaps.
    pub(crate) fn hear_here(&self) {
        self.listener.become_this_process();
        if let Some(ending) = ending(self.number)
            && ending.owner.load(Ordering::SeqCst) != NO_OWNER
        {
            self.keep_from_copies();
        }
    }

    /// Gives it the action that it had before in processes that are forked of this one, if that was
    /// the default.
    pub(crate) fn keep_from_copies(&self) {
        if let Some(ending) = ending(self.number) {
            ending.owner.store(getpid().as_raw(), Ordering::SeqCst);
        }
    }

    /// [When](sys::monotonic_time) the signal came since the last call, for the first few times.
    pub(crate) fn arrivals(&self) -> Vec<u64> {
        stamps(|bytes| (&self.reader).read(bytes).unwrap_or(0))
    }

    /// The same, without taking note of it.
    pub(crate) fn waiting(&self) -> Vec<u64> {
        let (reader, flags) = (self.reader.as_raw_fd(), MsgFlags::MSG_PEEK);
        stamps(|bytes| recv(reader, bytes, flags).unwrap_or(0))
    }

    /// Tells whether the signal has come since the last call, and takes note of it. Unlike
    /// [`count`](Self::count), this takes no system call where it has not.
    pub(crate) fn has_come(&self) -> bool {
        let has_come = self.listener.has_heard();
        if has_come {
            self.count();
        }
        has_come
    }

    /// How often the signal came since the last call.
    pub(crate) fn count(&self) -> usize {
        self.arrivals().len()
    }

    /// Waits for the signal, at most for `limit`; perhaps not so long.
    pub(crate) fn wait(&self, limit: Duration) {
        let mut descriptors = [PollFd::new(self.reader.as_fd(), PollFlags::POLLIN)];
        let limit = rounded_up(limit);
        // The caller looks at what it waits for, also after a wait that was interrupted.
        let _ = poll(&mut descriptors, PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX));
        self.count();
    }
}

/// What `read` finds.
fn stamps(read: impl FnOnce(&mut [u8]) -> usize) -> Vec<u64> {
    let mut bytes = [0; 64 * sys::STAMP];
    let count = read(&mut bytes);
    let (stamps, _) = bytes[..count].as_chunks();
    stamps.iter().map(|stamp| u64::from_ne_bytes(*stamp)).collect()
}

/// Tells whether one of these has come that was not taken note of.
pub(crate) fn are_readable(signals: &[WatchedSignal]) -> bool {
    let readers = signals.iter().map(|signal| signal.reader.as_fd());
    let mut readers: Vec<PollFd<'_>> =
        readers.map(|reader| PollFd::new(reader, PollFlags::POLLIN)).collect();
    // Where it cannot be told, they are looked at.
    poll(&mut readers, PollTimeout::ZERO).unwrap_or(1) > 0
}

impl AsFd for WatchedSignal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

impl Drop for WatchedSignal {
    fn drop(&mut self) {
        signal_hook_registry::unregister(self.registration);
    }
}

/// Gives a signal its default action where no loop hears of it, if it has that now.
///
/// To be called before its pipe is there: what reads the pipe may end the loop in the next moment,
/// and this signal was still for the loop.
fn arrange_default_action(number: i32) -> io::Result<()> {
    let mut arranged = ARRANGED.lock().unwrap_or_else(PoisonError::into_inner);
    if !arranged.contains(&number) && sys::has_default_action(number) {
        sys::default_action_when(number, has_default_action)?;
    }
    arranged.insert(number);
    Ok(())
}

/// The signals that were watched before.
static ARRANGED: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// A server that a signal ends, for as long as it hears of that signal.
///
/// Without a server that hears of it the signal has its default action: it ends the process, as if
/// it had not been watched. It also does so
///
/// - where no loop runs and one signal is kept for the next loop already, which may never come;
/// - where a loop calls handlers itself and has not heard of two, one to stop and one to cut: it is
///   stuck in a handler. A supervisor's [`CUT_SIGNAL`](sys::CUT_SIGNAL) counts as two.
///
/// Signals that had another action before they were first watched keep that one, and those that
/// come [together](SIGNAL_WINDOW) are one.
#[derive(Debug)]
pub(crate) struct Hearing {
    number: i32,
    listens: Listens,
}

/// When a server hears of signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listens {
    /// When its loop runs next.
    Later,
    /// Soon.
    Now,
    /// When the handler returns that its loop calls.
    BetweenHandlers,
}

impl Hearing {
    /// A server for a signal that is watched.
    pub(crate) fn new(number: i32, listens: Listens) -> Self {
        if let Some(ending) = ending(number) {
            ending.servers(listens).fetch_add(1, Ordering::SeqCst);
            ending.is_one.store(true, Ordering::SeqCst);
        }
        Self { number, listens }
    }
}

impl Drop for Hearing {
    fn drop(&mut self) {
        if let Some(ending) = ending(self.number) {
            ending.servers(self.listens).fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// Notes that a loop has heard of all signals that came.
pub(crate) fn note_heard() {
    UNHEARD.store(0, Ordering::SeqCst);
}

/// Runs in a signal handler, for each signal that is watched and had its default action before.
fn has_default_action(number: i32) -> bool {
    let Some(ending) = ending(number) else { return false };
    let owner = ending.owner.load(Ordering::SeqCst);
    if owner != NO_OWNER && owner != getpid().as_raw() {
        return true;
    }
    if !ending.is_one.load(Ordering::SeqCst) {
        return false;
    }
    let is_cut = number == sys::CUT_SIGNAL as i32;
    if !is_cut && !COUNTED.counts(sys::monotonic_time()) {
        return false;
    }
    let worth = if is_cut { MAX_UNHEARD } else { 1 };
    let was_unheard = UNHEARD.fetch_add(worth, Ordering::SeqCst);
    let has = |listens: Listens| ending.servers(listens).load(Ordering::SeqCst) > 0;
    if has(Listens::BetweenHandlers) {
        was_unheard >= MAX_UNHEARD
    } else if has(Listens::Now) {
        false
    } else {
        was_unheard > 0 || !has(Listens::Later)
    }
}

/// What a signal that may end loops has to do with their servers.
#[derive(Debug)]
struct Ending {
    /// It ends some, or did.
    is_one: AtomicBool,
    /// How many hear of it, by when they do.
    servers: [AtomicUsize; 3],
    /// The process that it is watched in, if those forked of that one have nothing to do with it.
    owner: AtomicI32,
}

const NO_OWNER: i32 = 0;

impl Ending {
    const fn new() -> Self {
        Self {
            is_one: AtomicBool::new(false),
            servers: [const { AtomicUsize::new(0) }; 3],
            owner: AtomicI32::new(NO_OWNER),
        }
    }

    fn servers(&self, listens: Listens) -> &AtomicUsize {
        &self.servers[listens as usize]
    }
}

fn ending(number: i32) -> Option<&'static Ending> {
    ENDINGS.get(usize::try_from(number).ok()?)
}

/// By number; there are fewer everywhere.
static ENDINGS: [Ending; 128] = [const { Ending::new() }; 128];

/// Signals that have come since a loop last heard of one.
static UNHEARD: AtomicUsize = AtomicUsize::new(0);

/// The last signal that was for loops, whether or not one was there.
static COUNTED: LastCounted = LastCounted::never();

/// One to stop, and one to cut.
const MAX_UNHEARD: usize = 2;

/// The numbers of those signals that may be handled: what is [ignored](Signal::is_ignored) stays
/// so.
pub(crate) fn heeded(signals: &[Signal]) -> Vec<i32> {
    // Rust's runtime ignores SIGPIPE, whatever the program was started with.
    let is_heeded = |signal: &&Signal| **signal == Signal::PIPE || !signal.is_ignored();
    signals.iter().filter(is_heeded).map(|signal| signal.number()).collect()
}

/// Holds signals back while a new process has no handlers of its own.
#[derive(Debug)]
pub(crate) struct Blocked {
    before: SigSet,
}

/// Holds all signals back from this thread until what is returned is dropped.
pub(crate) fn block() -> io::Result<Blocked> {
    Ok(Blocked { before: SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK)? })
}

impl Blocked {
    /// Lets signals through, in this process.
    pub(crate) fn unblock(&self) {
        // Fails for wrong arguments only.
        let _ = self.before.thread_set_mask();
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        self.unblock();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use nix::sys::signal::{Signal, raise};
    use nix::sys::wait::{WaitStatus, waitpid};

    use super::*;

    /// As those that are about to execute another program, which keep all handlers until then.
    #[test]
    fn what_comes_to_a_forked_copy_is_not_heard() {
        let signal = WatchedSignal::new(Signal::SIGUSR2 as i32).unwrap();
        let copy = sys::fork_worker(|| raise(Signal::SIGUSR2).is_ok()).unwrap();
        assert_eq!(waitpid(copy, None), Ok(WaitStatus::Exited(copy, 0)));
        assert_eq!(signal.count(), 0);
        raise(Signal::SIGUSR2).unwrap();
        assert_eq!(signal.count(), 1);
    }
}
