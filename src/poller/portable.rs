//! kqueue(2) and whatever else `polling` knows.

use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use polling::{Event, Events, PollMode};

use super::{Ready, Report};
use crate::sys;

/// Waits for descriptors that are ready.
#[derive(Debug)]
pub(super) struct Poller {
    poller: polling::Poller,
    /// Storage of the present wait; one thread waits at a time.
    events: Mutex<Events>,
}

impl Poller {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { poller: polling::Poller::new()?, events: Mutex::new(Events::new()) })
    }

    /// Begins to watch a descriptor; the key is what it is reported as.
    pub(super) fn watch(&self, source: impl AsFd, key: usize, report: Report) -> io::Result<()> {
        let (event, mode) = interest(key, report);
        sys::watch(&self.poller, source.as_fd(), event, mode)
    }

    /// Changes how a watched descriptor is reported.
    pub(super) fn change(&self, source: impl AsFd, key: usize, report: Report) -> io::Result<()> {
        let (event, mode) = interest(key, report);
        self.poller.modify_with_mode(source.as_fd(), event, mode)
    }

    /// Ends watching a descriptor, which must still be open.
    pub(super) fn forget(&self, source: impl AsFd) -> io::Result<()> {
        self.poller.delete(source.as_fd())
    }

    /// Appends descriptors that are ready, waiting for one or for `notify`, at most `limit`.
    pub(super) fn wait(&self, ready: &mut Vec<Ready>, limit: Option<Duration>) -> io::Result<()> {
        let mut events = self.events.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        events.clear();
        self.poller.wait(&mut events, limit)?;
        ready.extend(events.iter().map(|event| Ready { key: event.key, ended: false }));
        Ok(())
    }

    /// Ends the present wait, or the next one.
    pub(super) fn notify(&self) {
        // Fails only when the poller is gone, and with it what could be woken.
        let _ = self.poller.notify();
    }
}

/// Lets go of the parent's poller in a forked child, and leaves its descriptors open. `polling`
/// closes them with its own `Drop` alone, which on Linux ends the wake-up in the epoll that both
/// processes share. With kqueue there is nothing to close: a child inherits no such descriptor, and
/// the number may be another's by now.
pub(super) fn leave_to_parent(poller: Arc<Poller>) {
    std::mem::forget(poller);
}

/// How connections are reported that are served elsewhere. Not by arrivals: `polling` does not tell
/// whether the client's end has arrived with its last bytes, and nothing arrives after it.
pub(crate) const HANDED_OVER: Report = Report::Once;

fn interest(key: usize, report: Report) -> (Event, PollMode) {
    match report {
        Report::Always => (Event::readable(key), PollMode::Level),
        Report::Arrivals => (Event::readable(key), PollMode::Edge),
        Report::Once => (Event::readable(key), PollMode::Oneshot),
        Report::Room => (Event::writable(key), PollMode::Level),
        Report::Never => (Event::none(key), PollMode::Oneshot),
    }
}
