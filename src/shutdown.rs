//! Asking a server to stop, from anywhere.

use std::fmt;
use std::io::{self, ErrorKind, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use socket2::SockRef;

use crate::os::{self, AsFd, BorrowedFd, PairEnd};
use crate::poller::Poller;

/// Stops a server from any thread, from one of its handlers, before it serves, or twice.
///
/// Cloning is cheap; all clones stop the same server. So do those in the child processes of
/// [`Forking`](crate::Forking), and those in the processes of [`PreFork`](crate::PreFork), which
/// all end with their supervisor.
#[derive(Clone)]
pub struct ShutdownHandle {
    stop: Arc<Stop>,
}

struct Stop {
    /// The loop of this process is to end.
    requested: AtomicBool,
    /// This process has asked another one to stop.
    has_asked: AtomicBool,
    /// Of the process that serves, which has its own after a fork.
    poller: Mutex<Arc<Poller>>,
    /// In a forked process: the way to the one whose loop stops the server.
    asks: Mutex<Option<Arc<PairEnd>>>,
}

impl ShutdownHandle {
    pub(crate) fn new(poller: Arc<Poller>) -> Self {
        Self {
            stop: Arc::new(Stop {
                requested: AtomicBool::new(false),
                has_asked: AtomicBool::new(false),
                poller: Mutex::new(poller),
                asks: Mutex::default(),
            }),
        }
    }

    /// One that is asked and stops nothing.
    pub(crate) fn of_no_loop() -> io::Result<Self> {
        Ok(Self::new(Arc::new(Poller::new()?)))
    }

    /// Asks the server to stop and returns at once.
    ///
    /// A waiting server is woken immediately; Python's polls twice a second. The request is
    /// remembered when no loop runs yet: the next [`serve_forever`](crate::Server::serve_forever)
    /// returns after answering nothing. Unlike Python's, this call does not wait for the loop to
    /// end, so a handler may make it; to wait, join the thread that serves. In a forked process it
    /// reaches the process that was asked to serve; in Python's children it waits for ever.
    #[doc(alias = "BaseServer.shutdown")]
    pub fn shutdown(&self) {
        let Some(asks) = lock(&self.stop.asks).clone() else { return self.stop_here() };
        self.stop.has_asked.store(true, Ordering::SeqCst);
        // Not by `write`: a program may have SIGPIPE end it again, which Rust's runtime ignores.
        match SockRef::from(&*asks).send_with_flags(&[0], os::NO_SIGNAL) {
            Ok(_) => {}
            // So many have asked already.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            // The other process is gone, and this one about to follow.
            Err(_) => self.stop_here(),
        }
    }

    /// Has the loop of this process end.
    pub(crate) fn stop_here(&self) {
        self.stop.requested.store(true, Ordering::SeqCst);
        self.wake();
    }

    /// Tells whether the loop of this process is to end.
    pub(crate) fn is_stopping_here(&self) -> bool {
        self.stop.requested.load(Ordering::SeqCst)
    }

    /// Has the serving loop look again whether it may end.
    pub(crate) fn wake(&self) {
        lock(&self.stop.poller).notify();
    }

    /// After a fork: wakes this process's loop from now on, not its parent's.
    pub(crate) fn adopt(&self, poller: Arc<Poller>) {
        *lock(&self.stop.poller) = poller;
    }

    /// After a fork: asks the process at the other end from now on.
    pub(crate) fn ask_by(&self, requests: Requests) {
        *lock(&self.stop.asks) = Some(requests.sender);
    }

    /// Tells whether this process asks another one.
    pub(crate) fn asks_another(&self) -> bool {
        lock(&self.stop.asks).is_some()
    }

    /// Tells whether a stop was requested and no serving loop has ended since.
    ///
    /// A forked process knows of its own requests, and of those that were made before it was
    /// forked.
    pub fn is_shutdown_requested(&self) -> bool {
        self.is_stopping_here() || self.stop.has_asked.load(Ordering::SeqCst)
    }

    /// Forgets the request, so that the server may serve again.
    pub(crate) fn rearm(&self) {
        self.stop.requested.store(false, Ordering::SeqCst);
    }
}

impl fmt::Debug for ShutdownHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShutdownHandle").field("requested", &self.is_shutdown_requested()).finish()
    }
}

/// How forked processes ask the one that they come from to stop the server.
#[derive(Debug)]
pub(crate) struct Requests {
    receiver: PairEnd,
    /// Here only to be inherited.
    sender: Arc<PairEnd>,
}

impl Requests {
    pub(crate) fn new() -> io::Result<Self> {
        let (receiver, sender) = os::pair()?;
        receiver.set_nonblocking(true)?;
        sender.set_nonblocking(true)?;
        Ok(Self { receiver, sender: Arc::new(sender) })
    }

    /// Takes what has come, so that it is told of no more.
    pub(crate) fn take_all(&self) {
        let mut bytes = [0; 64];
        while matches!((&self.receiver).read(&mut bytes), Ok(count) if count == bytes.len()) {}
    }
}

/// Readable when a process has asked.
impl AsFd for Requests {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.receiver.as_fd()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use nix::sys::signal::{SigSet, Signal};

    use super::*;

    /// Whether SIGPIPE waits for this thread.
    fn is_pending() -> bool {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let signals = status.lines().find_map(|line| line.strip_prefix("SigPnd:")).unwrap();
        let signals = u64::from_str_radix(signals.trim(), 16).unwrap();
        signals & (1 << (Signal::SIGPIPE as i32 - 1)) != 0
    }

    #[test]
    fn asking_a_process_that_is_gone_raises_no_signal() {
        // While it is blocked, a signal that is ignored is kept, too.
        let pipe = SigSet::from(Signal::SIGPIPE);
        pipe.thread_block().unwrap();
        let handle = ShutdownHandle::new(Arc::new(Poller::new().unwrap()));
        let Requests { receiver, sender } = Requests::new().unwrap();
        drop(receiver);
        handle.ask_by(Requests { receiver: os::pair().unwrap().0, sender });
        handle.shutdown();
        let is_pending = is_pending();
        pipe.thread_unblock().unwrap();
        assert!(!is_pending);
        assert!(handle.is_stopping_here());
    }
}
