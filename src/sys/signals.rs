//! What runs in a signal handler of a process that serves.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::errno::Errno;
use nix::libc;
use nix::unistd::getpid;
use signal_hook::SigId;

/// The process that hears of a signal. Its forked copies have the same handlers and descriptors,
/// also those that are about to execute another program, and are not heard.
#[derive(Clone, Debug)]
pub(crate) struct Listener(Arc<AtomicI32>);

impl Listener {
    /// This process.
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicI32::new(getpid().as_raw())))
    }

    /// Has this process hear of the signal, and in it and its copies no other: for a program that
    /// forks to become a daemon, and serves in its child.
    pub(crate) fn become_this_process(&self) {
        self.0.store(getpid().as_raw(), Ordering::SeqCst);
    }

    fn is_this_process(&self) -> bool {
        self.0.load(Ordering::SeqCst) == getpid().as_raw()
    }
}

/// Has each signal of this number write a byte, if this process is the one that hears of it.
pub(crate) fn write_on_signal(
    number: i32,
    writer: UnixStream,
    listener: Listener,
) -> io::Result<SigId> {
    writer.set_nonblocking(true)?;
    let act = move || {
        if listener.is_this_process() {
            let errno = Errno::last_raw();
            // SAFETY: writing is async-signal-safe, and the descriptor is open as long as `writer`
            // is. A pipe that is full has said enough.
            unsafe { libc::write(writer.as_raw_fd(), [0_u8].as_ptr().cast(), 1) };
            // What was interrupted may be about to look at its own.
            Errno::set_raw(errno);
        }
    };
    // SAFETY: the action makes system calls that are safe in a signal handler, and uses an atomic.
    unsafe { signal_hook::low_level::register(number, act) }
}
