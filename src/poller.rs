//! Which descriptors are ready: epoll on Linux, the `polling` crate elsewhere.
//!
//! `polling` does the same everywhere and spends five system calls on each wait on Linux (it arms
//! a timer, re-arms its wake-up and clears it every time), which came to one more call for each
//! request of a busy thread pool. With `--cfg portable_poller` it is used on Linux, too.

#[cfg(all(target_os = "linux", not(portable_poller)))]
#[path = "poller/epoll.rs"]
mod system;
#[cfg(not(all(target_os = "linux", not(portable_poller))))]
#[path = "poller/portable.rs"]
mod system;

pub(crate) use system::HANDED_OVER;

use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, PoisonError, RwLock, TryLockError};
use std::time::Duration;

/// Room for as many clients as are often there at once. Storage of the loop that is made with the
/// server lies together, on pages that are copied with each fork; what grows later does not.
pub(crate) const AT_ONCE: usize = 16;

/// Waits for descriptors that are readable, or have room to write.
///
/// A forked child has a copy, which it empties with [`leave_to_parent`](Self::leave_to_parent): its
/// descriptors are closed by their owners then, and a later call finds nothing to reach.
#[derive(Debug)]
pub(crate) struct Poller {
    /// Shared with the present wait, so that nothing has to wait for that.
    system: RwLock<Option<Arc<system::Poller>>>,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { system: RwLock::new(Some(Arc::new(system::Poller::new()?))) })
    }

    /// Begins to watch a descriptor; the key is what it is reported as.
    pub(crate) fn watch(&self, source: impl AsFd, key: usize, report: Report) -> io::Result<()> {
        self.call(|system| system.watch(source, key, report))
    }

    /// Changes how a watched descriptor is reported.
    pub(crate) fn change(&self, source: impl AsFd, key: usize, report: Report) -> io::Result<()> {
        self.call(|system| system.change(source, key, report))
    }

    /// Ends watching a descriptor, which must still be open.
    pub(crate) fn forget(&self, source: impl AsFd) -> io::Result<()> {
        self.call(|system| system.forget(source))
    }

    /// Appends descriptors that are ready, waiting for one or for `notify`, at most `limit`.
    pub(crate) fn wait(&self, ready: &mut Vec<Ready>, limit: Option<Duration>) -> io::Result<()> {
        let mut present = None;
        self.call(|system| {
            present = Some(Arc::clone(system));
            Ok(())
        })?;
        present.map_or(Ok(()), |system| system.wait(ready, limit))
    }

    /// Ends the present wait, or the next one.
    pub(crate) fn notify(&self) {
        let _ = self.call(|system| {
            system.notify();
            Ok(())
        });
    }

    /// In a forked child: lets go of the parent's poller, and closes it here.
    ///
    /// Does nothing where a thread of the parent held the lock at the fork. Then the descriptors
    /// stay open, as those of their owner.
    pub(crate) fn leave_to_parent(&self) {
        let system = match self.system.try_write() {
            Ok(mut system) => system.take(),
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().take(),
            Err(TryLockError::WouldBlock) => None,
        };
        if let Some(system) = system {
            system::leave_to_parent(system);
        }
    }

    fn call<T>(&self, call: impl FnOnce(&Arc<system::Poller>) -> io::Result<T>) -> io::Result<T> {
        match &*self.system.read().unwrap_or_else(PoisonError::into_inner) {
            Some(system) => call(system),
            None => Err(io::Error::new(io::ErrorKind::NotConnected, "the poller is the parent's")),
        }
    }
}

/// A descriptor that was reported.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    pub(crate) key: usize,
    /// The other side has ended, and nothing more will arrive.
    pub(crate) ended: bool,
}

/// When a descriptor is reported, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// As long as it is readable.
    Always,
    /// Whenever more arrives.
    #[cfg_attr(any(not(target_os = "linux"), portable_poller), allow(dead_code))]
    Arrivals,
    /// Once, until asked for again.
    Once,
    /// As long as there is room to write.
    Room,
    /// Not at all, for now.
    Never,
}
