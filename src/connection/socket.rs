//! The socket that a connection's two ends share.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, recv, send, sendmsg};

/// A connected stream socket and the bytes that wait to go out with the next write.
///
/// Nothing here blocks but [`wait`](Self::wait): reads and writes carry `MSG_DONTWAIT`, so that every wait
/// has a limit and a worker can look whether there is anything to read without being caught.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: socket2::Socket,
    /// A response head that leaves with the first bytes of its body, or before a read has to wait.
    unsent: Mutex<Vec<u8>>,
    /// Other processes hold copies, which must not keep the client waiting for the end.
    ends_for_all: AtomicBool,
}

/// What to wait for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Direction {
    Read,
    Write,
}

impl Socket {
    pub(crate) fn new(stream: socket2::Socket) -> Self {
        Self { stream, unsent: Mutex::new(Vec::new()), ends_for_all: AtomicBool::new(false) }
    }

    /// Reads what is there: `Ok(0)` at the end, `WouldBlock` when nothing has arrived.
    pub(crate) fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        retry(|| recv(self.stream.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT))
    }

    /// The bytes held back for the next write.
    pub(crate) fn unsent(&self) -> MutexGuard<'_, Vec<u8>> {
        self.unsent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what is held back.
    pub(crate) fn flush(&self, limit: Option<Duration>) -> io::Result<()> {
        let mut unsent = self.unsent();
        let sent = self.send_all(&unsent, limit);
        unsent.clear();
        sent
    }

    /// Writes all of `bytes`, waiting at most `limit` for the client to take some of them.
    pub(crate) fn send_all(&self, bytes: &[u8], limit: Option<Duration>) -> io::Result<()> {
        self.send_all_with(bytes, MsgFlags::empty(), limit)
    }

    /// Writes all of `bytes`, and says that more is about to follow.
    pub(crate) fn send_all_more(&self, bytes: &[u8], limit: Option<Duration>) -> io::Result<()> {
        self.send_all_with(bytes, more(), limit)
    }

    /// Writes all of several pieces, in as few system calls as the kernel allows.
    pub(crate) fn send_all_vectored(
        &self,
        mut pieces: &mut [IoSlice<'_>],
        limit: Option<Duration>,
    ) -> io::Result<()> {
        // Drops empty pieces at the front.
        IoSlice::advance_slices(&mut pieces, 0);
        while !pieces.is_empty() {
            let sent = self.when_writable(limit, || self.send_vectored(pieces))?;
            IoSlice::advance_slices(&mut pieces, sent);
        }
        Ok(())
    }

    /// Writes some of `bytes`, waiting at most `limit` for the client to take any.
    pub(crate) fn send_some(&self, bytes: &[u8], limit: Option<Duration>) -> io::Result<usize> {
        self.when_writable(limit, || self.send(bytes, MsgFlags::empty()))
    }

    fn send_all_with(
        &self,
        mut bytes: &[u8],
        flags: MsgFlags,
        limit: Option<Duration>,
    ) -> io::Result<()> {
        while !bytes.is_empty() {
            let sent = self.when_writable(limit, || self.send(bytes, flags))?;
            bytes = &bytes[sent..];
        }
        Ok(())
    }

    /// Calls until the kernel takes something, waiting in between.
    fn when_writable(
        &self,
        limit: Option<Duration>,
        call: impl Fn() -> io::Result<usize>,
    ) -> io::Result<usize> {
        loop {
            match call() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(Direction::Write, limit)?;
                }
                result => return result,
            }
        }
    }

    /// Writes as much as fits, `WouldBlock` when nothing does.
    fn send(&self, bytes: &[u8], flags: MsgFlags) -> io::Result<usize> {
        retry(|| send(self.stream.as_raw_fd(), bytes, SEND_FLAGS | flags))
    }

    /// Writes as much as fits of several pieces in one system call.
    fn send_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        retry(|| sendmsg::<()>(self.stream.as_raw_fd(), pieces, &[], SEND_FLAGS, None))
    }

    /// Blocks until the socket is ready.
    ///
    /// # Errors
    ///
    /// `TimedOut` when `limit` passes first.
    pub(crate) fn wait(&self, direction: Direction, limit: Option<Duration>) -> io::Result<()> {
        let interest = match direction {
            Direction::Read => PollFlags::POLLIN,
            Direction::Write => PollFlags::POLLOUT,
        };
        wait_for(&mut [PollFd::new(self.stream.as_fd(), interest)], limit)
    }

    /// Blocks until there is something to read, or until `other` is readable; tells whether there
    /// is something to read.
    ///
    /// # Errors
    ///
    /// `TimedOut` when `limit` passes first.
    pub(crate) fn wait_beside(
        &self,
        other: BorrowedFd<'_>,
        limit: Option<Duration>,
    ) -> io::Result<bool> {
        let mut descriptors = [self.stream.as_fd(), other]
            .map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN));
        wait_for(&mut descriptors, limit)?;
        Ok(descriptors[0].any().unwrap_or(true))
    }

    /// Ends one or both directions for every process that holds this socket.
    pub(crate) fn shutdown(&self, how: Shutdown) {
        // The only errors say that the client was faster.
        let _ = self.stream.shutdown(how);
    }

    /// Has the last owner in this process end the connection for every process that holds it.
    pub(crate) fn end_for_all(&self) {
        self.ends_for_all.store(true, Ordering::Relaxed);
    }

    /// The socket itself, for what has no wrapper here.
    pub(crate) fn stream(&self) -> &socket2::Socket {
        &self.stream
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.ends_for_all.load(Ordering::Relaxed) {
            self.shutdown(Shutdown::Write);
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// The error of a missed deadline, worded as Python's.
pub(crate) fn timed_out() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "timed out")
}

/// Blocks until one of these is ready.
fn wait_for(descriptors: &mut [PollFd<'_>], limit: Option<Duration>) -> io::Result<()> {
    let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
    loop {
        match poll(descriptors, remaining(deadline)) {
            Ok(0) if deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
                return Err(timed_out());
            }
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn remaining(deadline: Option<Instant>) -> PollTimeout {
    let Some(deadline) = deadline else {
        return PollTimeout::NONE;
    };
    // Rounded up, so that the wait does not end just before its deadline.
    let left = deadline.saturating_duration_since(Instant::now()) + Duration::from_micros(999);
    PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
}

fn retry<T>(mut call: impl FnMut() -> nix::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            result => return result.map_err(io::Error::from),
        }
    }
}

/// A vanished client must be an error, not a SIGPIPE.
const SEND_FLAGS: MsgFlags = MsgFlags::MSG_DONTWAIT.union(MsgFlags::MSG_NOSIGNAL);

#[cfg(target_os = "linux")]
fn more() -> MsgFlags {
    MsgFlags::from_bits_retain(nix::libc::MSG_MORE)
}

#[cfg(not(target_os = "linux"))]
fn more() -> MsgFlags {
    MsgFlags::empty()
}
