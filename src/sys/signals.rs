//! What runs in a signal handler of a process that serves.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::getpid;
use signal_hook_registry::SigId;

/// The process that hears of a signal. Its forked copies have the same handlers and descriptors,
/// also those that are about to execute another program, and are not heard.
#[derive(Clone, Debug)]
pub(crate) struct Listener(Arc<Heard>);

#[derive(Debug)]
struct Heard {
    process: AtomicI32,
    /// The signal has come since that was asked last.
    has_come: AtomicBool,
}

impl Listener {
    /// This process.
    pub(crate) fn new() -> Self {
        let process = AtomicI32::new(getpid().as_raw());
        Self(Arc::new(Heard { process, has_come: AtomicBool::new(false) }))
    }

    /// Tells whether the signal has come since the last call, without a system call. What it has
    /// written can be read then.
    pub(crate) fn has_heard(&self) -> bool {
        self.0.has_come.swap(false, Ordering::SeqCst)
    }

    /// Has this process hear of the signal, and in it and its copies no other: for a program that
    /// forks to become a daemon, and serves in its child.
    pub(crate) fn become_this_process(&self) {
        self.0.process.store(getpid().as_raw(), Ordering::SeqCst);
    }

    fn is_this_process(&self) -> bool {
        self.0.process.load(Ordering::SeqCst) == getpid().as_raw()
    }
}

/// Signals that ask for an end count as one if they come within this time of the first of them:
/// 100 ms.
///
/// A program may send one twice, as `timeout` does to its process and then to the process's group.
/// For programs that count signals by themselves; a [`Server`](crate::Server::shutdown_on_signals)
/// does so without being told.
pub const SIGNAL_WINDOW: Duration = Duration::from_millis(100);

/// The time, in nanoseconds of a clock that is never set. May be called in a signal handler.
pub(crate) fn monotonic_time() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from);
    now.map_or(0, |now| u64::try_from(now.as_nanos()).unwrap_or(u64::MAX))
}

/// How long ago this [time](monotonic_time) was.
pub(crate) fn age(time: u64) -> Duration {
    Duration::from_nanos(monotonic_time().saturating_sub(time))
}

/// When a signal last counted.
#[derive(Debug)]
pub(crate) struct LastCounted(AtomicU64);

impl Clone for LastCounted {
    fn clone(&self) -> Self {
        Self(AtomicU64::new(self.0.load(Ordering::SeqCst)))
    }
}

impl LastCounted {
    pub(crate) const fn never() -> Self {
        Self(AtomicU64::new(NEVER))
    }

    /// Tells whether a signal that came at this [time](monotonic_time) counts, and takes note of
    /// it if it does. Those that do not count prolong nothing, so that one comes through where they
    /// are sent all the time. May be called in a signal handler.
    pub(crate) fn counts(&self, time: u64) -> bool {
        let last = self.0.load(Ordering::SeqCst);
        let passed = Duration::from_nanos(time.saturating_sub(last));
        let is_due = last == NEVER || passed >= SIGNAL_WINDOW;
        // Of two that come to two threads at the same moment one counts.
        is_due && self.0.compare_exchange(last, time, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// Tells whether one has counted.
    pub(crate) fn has_counted(&self) -> bool {
        self.0.load(Ordering::SeqCst) != NEVER
    }

    /// In a new process, to which no signal has come.
    pub(crate) fn reset(&self) {
        self.0.store(NEVER, Ordering::SeqCst);
    }
}

const NEVER: u64 = u64::MAX;

/// The size of what a signal writes.
pub(crate) const STAMP: usize = size_of::<u64>();

/// Has each signal of this number write its [time](monotonic_time), if this process is the one that
/// hears of it.
pub(crate) fn write_on_signal(
    number: i32,
    writer: UnixStream,
    listener: Listener,
) -> io::Result<SigId> {
    writer.set_nonblocking(true)?;
    let act = move || {
        if listener.is_this_process() {
            let errno = Errno::last_raw();
            let stamp = monotonic_time().to_ne_bytes();
            // SAFETY: writing is async-signal-safe, and the descriptor is open as long as `writer`
            // is. So few bytes are written together. A pipe that is full has said enough.
            unsafe { libc::write(writer.as_raw_fd(), stamp.as_ptr().cast(), STAMP) };
            listener.0.has_come.store(true, Ordering::SeqCst);
            // What was interrupted may be about to look at its own.
            Errno::set_raw(errno);
        }
    };
    // SAFETY: the action makes system calls that are safe in a signal handler, and uses an atomic.
    unsafe { signal_hook_registry::register(number, act) }
}
