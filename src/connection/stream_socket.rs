//! A connected stream socket: bytes as they travel.

use std::array;
#[cfg(target_os = "linux")]
use std::fs::File;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use nix::errno::Errno;
#[cfg(target_os = "linux")]
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
#[cfg(target_os = "linux")]
use nix::sys::sendfile::sendfile64;
use nix::sys::socket::{MsgFlags, recv, send, sendmsg};

use super::uptake::Uptake;
use super::wait_limit::WaitLimit;
use crate::os;
use crate::sys;

/// A stream socket whose every wait has a limit.
///
/// Nothing here blocks but [`wait`](Self::wait): reads and writes carry `MSG_DONTWAIT`, so that a
/// worker can look whether there is anything to read without being caught.
#[derive(Debug)]
pub(super) struct StreamSocket {
    socket: socket2::Socket,
    #[cfg(target_os = "linux")]
    never_blocks: AtomicBool,
    /// Bytes that the kernel has taken.
    sent: AtomicU64,
    uptake: Mutex<Uptake>,
    /// The client was given up, and has been written nothing since.
    is_given_up: AtomicBool,
    /// Where a handler keeps the server's loop, or is in a child process; gone with the server.
    wait_limit: Option<Weak<dyn WaitLimit>>,
}

/// What to wait for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Direction {
    Read,
    Write,
}

impl StreamSocket {
    pub(super) fn new(socket: socket2::Socket) -> Self {
        Self {
            socket,
            #[cfg(target_os = "linux")]
            never_blocks: AtomicBool::new(false),
            sent: AtomicU64::new(0),
            uptake: Mutex::default(),
            is_given_up: AtomicBool::new(false),
            wait_limit: None,
        }
    }

    /// Reads what is there: `Ok(0)` at the end, `WouldBlock` when nothing has arrived.
    pub(super) fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        retry(|| recv(self.socket.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT))
    }

    /// Tells whether a read took all that had arrived: a stream that gave less than there was room
    /// for has no more (epoll(7)).
    pub(super) fn took_all(received: &io::Result<usize>, room: usize) -> bool {
        match received {
            Ok(count) => *count < room,
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        }
    }

    /// Looks whether something is there, as [`recv`](Self::recv), and leaves it there.
    pub(super) fn peek(&self) -> io::Result<usize> {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_PEEK;
        retry(|| recv(self.socket.as_raw_fd(), &mut [0], flags))
    }

    /// Tells whether something has arrived, as [`peek`](Self::peek).
    pub(super) fn holds_bytes(&self) -> bool {
        sys::holds_bytes(self.as_fd())
    }

    /// Writes as much as fits, `WouldBlock` when nothing does.
    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.send_with(bytes, MsgFlags::empty())
    }

    /// Writes as much as fits, and says that more is about to follow.
    #[cfg(target_os = "linux")]
    pub(super) fn send_more(&self, bytes: &[u8]) -> io::Result<usize> {
        self.send_with(bytes, MsgFlags::from_bits_retain(nix::libc::MSG_MORE))
    }

    /// As [`send`](Self::send): only Linux can be told that more is about to follow.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn send_more(&self, bytes: &[u8]) -> io::Result<usize> {
        self.send(bytes)
    }

    fn send_with(&self, bytes: &[u8], flags: MsgFlags) -> io::Result<usize> {
        self.count(retry(|| send(self.socket.as_raw_fd(), bytes, SEND_FLAGS | flags)))
    }

    /// Writes as much as fits of several pieces in one system call.
    pub(super) fn send_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        if let [piece] = pieces {
            return self.send(piece);
        }
        let socket = self.socket.as_raw_fd();
        self.count(retry(|| sendmsg::<()>(socket, pieces, &[], SEND_FLAGS, None)))
    }

    /// Sends what fits of up to `count` bytes of a file from `position` on, and moves that;
    /// `WouldBlock` when nothing does, once the socket [never blocks](Self::never_block).
    #[cfg(target_os = "linux")]
    pub(super) fn send_file(
        &self,
        file: &File,
        position: &mut i64,
        count: usize,
    ) -> io::Result<usize> {
        self.count(retry(|| sendfile64(&self.socket, file, Some(position), count)))
    }

    fn count(&self, sent: io::Result<usize>) -> io::Result<usize> {
        sent.inspect(|count| {
            self.sent.fetch_add(*count as u64, Ordering::Relaxed);
        })
    }

    /// Blocks until the socket is ready.
    ///
    /// # Errors
    ///
    /// `TimedOut` when `limit` passes first, `ConnectionAborted` when [all is over](Self::is_over).
    pub(super) fn wait(&self, direction: Direction, limit: Option<Duration>) -> io::Result<()> {
        let interest = match direction {
            Direction::Read => PollFlags::POLLIN,
            Direction::Write => PollFlags::POLLOUT,
        };
        self.wait_for(&mut [PollFd::new(self.socket.as_fd(), interest)], limit)
    }

    /// Has all waits end when this says so.
    pub(super) fn limit_waits(&mut self, limit: Weak<dyn WaitLimit>) {
        self.wait_limit = Some(limit);
    }

    /// Has the loop counted what was cut.
    pub(super) fn note_cut(&self) {
        if let Some(limit) = self.wait_limit() {
            limit.note_cut();
        }
    }

    /// When to ask next whether all is over, if nothing interrupts a wait for that.
    pub(super) fn next_look(&self) -> Option<Instant> {
        self.wait_limit()?.next_look()
    }

    /// Where handlers keep the loop: tells whether that is asked to end, as is known, or by a look.
    pub(super) fn is_to_end(&self, looks: bool) -> bool {
        let asked = |it: Arc<dyn WaitLimit>| if looks { it.finds_asked() } else { it.is_asked() };
        self.wait_limit().is_some_and(asked)
    }

    #[inline]
    fn wait_limit(&self) -> Option<Arc<dyn WaitLimit>> {
        self.wait_limit.as_ref()?.upgrade()
    }

    /// Tells whether nothing is to be waited for any more.
    pub(super) fn is_over(&self) -> bool {
        self.end_of_waits().is_some_and(|end| end <= Instant::now())
    }

    #[inline]
    fn end_of_waits(&self) -> Option<Instant> {
        self.wait_limit()?.end()
    }

    /// Blocks until one of these is ready.
    ///
    /// # Errors
    ///
    /// `TimedOut` when `limit` passes first, `ConnectionAborted` when [all is over](Self::is_over).
    fn wait_for(&self, descriptors: &mut [PollFd<'_>], limit: Option<Duration>) -> io::Result<()> {
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        loop {
            let end = self.end_of_waits();
            if end.is_some_and(|end| end <= Instant::now()) {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            let nearest = [deadline, end, self.next_look()].into_iter().flatten().min();
            match poll(descriptors, remaining(nearest)) {
                Ok(0) if deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
                    return Err(timed_out());
                }
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return Ok(()),
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Blocks until something can be written, for as long as the client takes enough.
    ///
    /// A poll alone calls a socket writable when a third of its buffer is free, which a client that
    /// reads slowly may need more than the limit for.
    ///
    /// # Errors
    ///
    /// `TimedOut` when the client has taken nothing for `limit`, or is late by that.
    pub(super) fn wait_writable(&self, limit: Option<Duration>) -> io::Result<()> {
        let Some(limit) = limit else { return self.wait(Direction::Write, None) };
        self.uptake().begin_wait();
        let look = look(limit);
        loop {
            let left = {
                let mut uptake = self.uptake();
                self.look(&mut uptake);
                uptake.left(limit)
            };
            let began = Instant::now();
            let waited = self.wait(Direction::Write, Some(left.min(look)));
            let mut uptake = self.uptake();
            uptake.note_wait(began, Instant::now());
            match waited {
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    if left.is_zero() {
                        self.give_up(&mut uptake, limit);
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
                Ok(()) => {
                    // Before what is written next hides what the client took.
                    self.look(&mut uptake);
                    uptake.note_room();
                    return Ok(());
                }
            }
        }
    }

    /// The client was waited for in this time, by no thread. To be called before more is written.
    pub(super) fn note_waited(&self, began: Instant, ended: Instant) {
        let mut uptake = self.uptake();
        uptake.note_wait(began, ended);
        self.look(&mut uptake);
    }

    /// Gives a client up that was waited for until this limit was over.
    pub(super) fn give_up(&self, uptake: &mut Uptake, limit: Duration) {
        uptake.give_up(limit, look(limit));
        self.is_given_up.store(true, Ordering::Relaxed);
    }

    /// Looks what the client has taken. Where the kernel does not tell, that is all it was given.
    fn look(&self, uptake: &mut Uptake) {
        let sent = self.sent.load(Ordering::Relaxed);
        let held = sys::bytes_not_taken(self.as_fd()).unwrap_or(0);
        uptake.note_held(sent, held as u64);
    }

    /// What is known of how the client takes what is written.
    pub(super) fn uptake(&self) -> MutexGuard<'_, Uptake> {
        self.uptake.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A handler's write went out, also to a client that was given up before.
    pub(super) fn note_written(&self) {
        self.is_given_up.store(false, Ordering::Relaxed);
    }

    /// Tells whether the client was given up, for taking nothing or too little.
    pub(super) fn is_given_up(&self) -> bool {
        self.is_given_up.load(Ordering::Relaxed)
    }

    /// Has closing reset the connection, or no longer; also where the process ends. Without meaning
    /// on a Unix socket.
    pub(super) fn reset_on_close(&self, resets: bool) {
        // Fails where the client has left by itself.
        let _ = self.socket.set_linger(resets.then_some(Duration::ZERO));
    }

    /// Resets the connection for every process that holds it, and throws away what its client has
    /// not taken. Where that cannot be, it ends one or both directions.
    ///
    /// On other systems than Linux closing resets it, where no other process holds it.
    pub(super) fn reset(&self, how: Shutdown) {
        self.reset_on_close(true);
        let is_reset = sys::disconnect(self.as_fd()).is_ok();
        if !is_reset && (cfg!(target_os = "linux") || how != Shutdown::Write) {
            self.shutdown(how);
        }
    }

    /// Has calls return that have no flag to say so, such as `sendfile`, instead of waiting.
    #[cfg(target_os = "linux")]
    pub(super) fn never_block(&self) -> io::Result<()> {
        if !self.never_blocks.load(Ordering::Relaxed) {
            // The other flags that can be set do not go with sockets.
            fcntl(self.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
            self.never_blocks.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Blocks until there is something to read, or until one of the `others` is readable; tells
    /// whether there is something to read, and whether one of the others is.
    ///
    /// # Errors
    ///
    /// `TimedOut` when `limit` passes first.
    pub(super) fn wait_beside(
        &self,
        others: [Option<BorrowedFd<'_>>; 2],
        limit: Option<Duration>,
    ) -> io::Result<(bool, bool)> {
        let count = 1 + others.iter().flatten().count();
        let own = self.socket.as_fd();
        let mut all = std::iter::once(own).chain(others.into_iter().flatten());
        // Those beyond the count are not waited for.
        let mut descriptors: [PollFd<'_>; 3] =
            array::from_fn(|_| PollFd::new(all.next().unwrap_or(own), PollFlags::POLLIN));
        self.wait_for(&mut descriptors[..count], limit)?;
        let is_ready = |descriptor: &PollFd<'_>| descriptor.any().unwrap_or(true);
        Ok((is_ready(&descriptors[0]), descriptors[1..count].iter().any(is_ready)))
    }

    /// Ends one or both directions for every process that holds this socket.
    pub(super) fn shutdown(&self, how: Shutdown) {
        // The only errors say that the client was faster.
        let _ = self.socket.shutdown(how);
    }

    /// Tells whether the connection has ended both ways, as after a reset: nothing that is written
    /// arrives. A peer that has only ended its half still reads.
    pub(super) fn is_gone(&self) -> bool {
        let mut socket = [PollFd::new(self.socket.as_fd(), PollFlags::empty())];
        let ended = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
        poll(&mut socket, PollTimeout::ZERO).is_ok_and(|count| count > 0)
            && socket[0].revents().is_none_or(|found| found.intersects(ended))
    }
}

impl AsFd for StreamSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// How long until the next look whether a client takes anything that keeps a writer waiting.
pub(super) fn look(limit: Duration) -> Duration {
    LONGEST_LOOK.min(limit / LEAST_LOOKS).max(SHORTEST_LOOK)
}

/// Bounds of that, and how often is looked within the limit.
const LONGEST_LOOK: Duration = Duration::from_millis(500);
const SHORTEST_LOOK: Duration = Duration::from_millis(1);
const LEAST_LOOKS: u32 = 8;

/// The error of a missed deadline, worded as Python's.
pub(crate) fn timed_out() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "timed out")
}

/// How long a poll may take that ends at the deadline.
pub(crate) fn remaining(deadline: Option<Instant>) -> PollTimeout {
    let Some(deadline) = deadline else {
        return PollTimeout::NONE;
    };
    let left = os::rounded_up(deadline.saturating_duration_since(Instant::now()));
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
const SEND_FLAGS: MsgFlags =
    MsgFlags::MSG_DONTWAIT.union(MsgFlags::from_bits_retain(os::NO_SIGNAL));
