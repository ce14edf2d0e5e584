//! epoll(7).

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::{Ready, Report};
use crate::os::rounded_up;

/// Waits for descriptors that are ready.
#[derive(Debug)]
pub(super) struct Poller {
    epoll: Epoll,
    wake_up: EventFd,
}

impl Poller {
    pub(super) fn new() -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let wake_up = EventFd::from_value_and_flags(0, flags)?;
        epoll.add(&wake_up, event(WAKE_UP, Report::Always))?;
        Ok(Self { epoll, wake_up })
    }

    /// Begins to watch a descriptor; the key is what it is reported as.
    pub(super) fn watch(&self, source: impl AsFd, key: usize, report: Report) -> io::Result<()> {
        Ok(self.epoll.add(source, event(key as u64, report))?)
    }

    /// Changes how a watched descriptor is reported.
    pub(super) fn change(&self, source: impl AsFd, key: usize, report: Report) -> io::Result<()> {
        Ok(self.epoll.modify(source, &mut event(key as u64, report))?)
    }

    /// Ends watching a descriptor, which must still be open.
    pub(super) fn forget(&self, source: impl AsFd) -> io::Result<()> {
        Ok(self.epoll.delete(source)?)
    }

    /// Appends descriptors that are ready, waiting for one or for `notify`, at most `limit`.
    pub(super) fn wait(&self, ready: &mut Vec<Ready>, limit: Option<Duration>) -> io::Result<()> {
        let mut events = [EpollEvent::empty(); EVENTS];
        let count = match self.epoll.wait(&mut events, timeout(limit)) {
            Ok(count) => count,
            // A signal: what watches it has a descriptor for that.
            Err(Errno::EINTR) => 0,
            Err(errno) => return Err(errno.into()),
        };
        for event in &events[..count] {
            match event.data() {
                // Read, so that it is not reported for ever. Empty when another wait was faster.
                WAKE_UP => drop(self.wake_up.read()),
                key => {
                    ready
                        .push(Ready { key: key as usize, ended: event.events().intersects(ENDED) });
                }
            }
        }
        Ok(())
    }

    /// Ends the present wait, or the next one.
    pub(super) fn notify(&self) {
        // Fails only when it is readable already.
        let _ = self.wake_up.write(1);
    }
}

/// Closes the parent's poller in a forked child, which holds copies of its descriptors only.
pub(super) fn leave_to_parent(poller: Arc<Poller>) {
    drop(poller);
}

fn event(key: u64, report: Report) -> EpollEvent {
    let flags = match report {
        Report::Always => EpollFlags::EPOLLIN,
        Report::Arrivals => EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLET,
        Report::Once => EpollFlags::EPOLLIN | EpollFlags::EPOLLONESHOT,
        Report::Room => EpollFlags::EPOLLOUT,
        // Hang-ups are reported whatever is asked for, except in this state.
        Report::Never => EpollFlags::EPOLLONESHOT,
    };
    EpollEvent::new(flags, key)
}

fn timeout(limit: Option<Duration>) -> EpollTimeout {
    limit.map_or(EpollTimeout::NONE, |limit| {
        EpollTimeout::try_from(rounded_up(limit)).unwrap_or(EpollTimeout::MAX)
    })
}

/// How connections are reported that are served elsewhere: a connection that stays armed
/// saves a system call for each request.
pub(crate) const HANDED_OVER: Report = Report::Arrivals;

const ENDED: EpollFlags =
    EpollFlags::EPOLLRDHUP.union(EpollFlags::EPOLLHUP).union(EpollFlags::EPOLLERR);

const WAKE_UP: u64 = u64::MAX;

/// Descriptors reported by one wait.
const EVENTS: usize = 128;
