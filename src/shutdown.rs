//! Asking a server to stop, from anywhere.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::poller::Poller;

/// Stops a server from any thread, from one of its handlers, before it serves, or twice.
///
/// Cloning is cheap; all clones stop the same server.
#[derive(Clone)]
pub struct ShutdownHandle {
    stop: Arc<Stop>,
}

struct Stop {
    requested: AtomicBool,
    /// Of the process that serves, which has its own after a fork.
    poller: Mutex<Arc<Poller>>,
}

impl ShutdownHandle {
    pub(crate) fn new(poller: Arc<Poller>) -> Self {
        Self {
            stop: Arc::new(Stop { requested: AtomicBool::new(false), poller: Mutex::new(poller) }),
        }
    }

    /// Asks the server to stop and returns at once.
    ///
    /// A waiting server is woken immediately; Python's polls twice a second. The request is
    /// remembered when nobody serves yet: the next
    /// [`serve_forever`](crate::Server::serve_forever) returns after answering nothing. Unlike
    /// Python's, this call does not wait for the loop to end, so a handler may make it; to wait,
    /// join the thread that serves.
    #[doc(alias = "BaseServer.shutdown")]
    pub fn shutdown(&self) {
        self.stop.requested.store(true, Ordering::SeqCst);
        self.wake();
    }

    /// Has the serving loop look again whether it may end.
    pub(crate) fn wake(&self) {
        self.poller().notify();
    }

    /// After a fork: wakes this process's loop from now on, not its parent's.
    pub(crate) fn adopt(&self, poller: Arc<Poller>) {
        *self.poller() = poller;
    }

    fn poller(&self) -> MutexGuard<'_, Arc<Poller>> {
        self.stop.poller.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whether a stop was requested and no serving loop has ended since.
    pub fn is_shutdown_requested(&self) -> bool {
        self.stop.requested.load(Ordering::SeqCst)
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
