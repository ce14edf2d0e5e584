//! The socket that a connection's two ends share.

mod ending;
mod leaving;

use std::io::{self, IoSlice};
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::outbox::Outbox;
use super::stream_socket::{Direction, StreamSocket};
use super::tls::Session;

use crate::os::{AsFd, BorrowedFd};

/// A connected stream socket, the session that may lie over it, and the bytes that wait to go out
/// with the next write.
///
/// Nothing here blocks but [`wait`](Self::wait), and the calls that have a limit.
#[derive(Debug)]
pub(crate) struct ClientSocket {
    stream: StreamSocket,
    /// Encrypts and decrypts; `None` on a connection in clear text.
    session: Option<Box<Session>>,
    /// Bytes that leave with the next ones, or before a read has to wait.
    unsent: Mutex<Vec<u8>>,
    /// What its handler has left to be sent.
    outbox: Mutex<Outbox>,
    /// Something is in there.
    uses_outbox: AtomicBool,
    /// The handler that is called was sent something.
    received: AtomicBool,
    /// The client's end was received.
    ended: AtomicBool,
    /// Another process goes on with this connection, and ends it.
    is_anothers: AtomicBool,
    /// Ends of it are held where no server sees to its end.
    is_loose: AtomicBool,
    /// The server has cut the connection.
    is_cut: AtomicBool,
    /// What is written has no end but that of the connection, and is not at its end.
    is_open_ended: AtomicBool,
}

/// How far what was left has been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// All was sent, or no more of it can be.
    Over,
    /// The client has to take something first.
    Full,
    /// There may be room for more.
    TurnIsOver,
}

impl ClientSocket {
    fn new(stream: socket2::Socket, session: Option<Box<Session>>) -> Self {
        Self {
            stream: StreamSocket::new(stream),
            session,
            unsent: Mutex::new(Vec::new()),
            outbox: Mutex::default(),
            uses_outbox: AtomicBool::new(false),
            received: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            is_anothers: AtomicBool::new(false),
            is_loose: AtomicBool::new(false),
            is_cut: AtomicBool::new(false),
            is_open_ended: AtomicBool::new(false),
        }
    }

    /// A socket in clear text.
    pub(crate) fn plain(stream: impl Into<socket2::Socket>) -> Self {
        Self::new(stream.into(), None)
    }

    /// A socket whose client has to begin with a handshake.
    #[cfg(feature = "tls")]
    pub(crate) fn secure(stream: impl Into<socket2::Socket>, session: Session) -> Self {
        Self::new(stream.into(), Some(Box::new(session)))
    }

    /// The session, unless the connection is in clear text.
    pub(super) fn session(&self) -> Option<&Session> {
        self.started_session().filter(|session| !session.is_clear())
    }

    /// The session, unless its handshake is delayed, or it takes no part.
    fn started_session(&self) -> Option<&Session> {
        let session = self.session.as_deref();
        session.filter(|session| !session.is_delayed() && !session.is_clear_text_admitted())
    }

    /// Has the rest of what comes read in clear text, where the client has begun so.
    pub(crate) fn admit_clear_text(&self) {
        if let Some(session) = &self.session {
            session.admit_clear_text();
        }
    }

    /// Tells whether the client speaks in clear text where TLS is expected, and is listened to.
    pub(crate) fn is_clear_text_admitted(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.is_clear_text_admitted())
    }

    /// Has what comes first read and written in clear text, where a session lies over the socket.
    pub(crate) fn delay_handshake(&self) {
        if let Some(session) = &self.session {
            session.delay_handshake();
        }
    }

    pub(crate) fn is_handshake_delayed(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.is_delayed())
    }

    /// Lets a delayed handshake start, with the bytes of it that were read meanwhile.
    pub(crate) fn start_handshake(&self, early: &[u8]) {
        if let Some(session) = &self.session {
            session.start_handshake(early);
        }
    }

    /// Reads what is there: `Ok(0)` at the end, `WouldBlock` when nothing has arrived.
    pub(crate) fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let received = match self.started_session() {
            Some(session) => session.recv(&self.stream, buffer),
            None => self.stream.recv(buffer),
        };
        match received {
            Ok(0) if !buffer.is_empty() => self.ended.store(true, Ordering::Relaxed),
            Ok(count) if count > 0 => self.received.store(true, Ordering::Relaxed),
            _ => {}
        }
        received
    }

    /// A handler is about to be called, which has `received` something already.
    pub(crate) fn begin_call(&self, received: bool) {
        self.received.store(received, Ordering::Relaxed);
    }

    /// Tells whether the client's end was received.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Tells whether the client's end was received, and nothing before it since the handler was
    /// called.
    pub(crate) fn has_left_silently(&self) -> bool {
        self.ended.load(Ordering::Relaxed) && !self.received.load(Ordering::Relaxed)
    }

    /// Reads what is there without understanding it, to throw it away.
    pub(crate) fn recv_raw(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.recv(buffer)
    }

    /// Looks whether something has arrived, as [`recv`](Self::recv), and leaves it there.
    pub(crate) fn peek(&self) -> io::Result<usize> {
        self.stream.peek()
    }

    /// Tells whether a read took all that had arrived.
    pub(crate) fn took_all(&self, received: &io::Result<usize>, room: usize) -> bool {
        match self.started_session() {
            Some(session) => session.took_all(),
            None => StreamSocket::took_all(received, room),
        }
    }

    /// Goes on with the handshake, where there is one, as far as that needs no waiting; tells
    /// whether it is done, and the client has sent something after it if `awaits_bytes`. One that
    /// is delayed is not waited for.
    pub(crate) fn shake_hands(&self, awaits_bytes: bool) -> io::Result<bool> {
        match self.started_session() {
            Some(session) => session.shake_hands(&self.stream, awaits_bytes),
            None => Ok(true),
        }
    }

    /// Tells whether a handshake has begun and is not done.
    pub(crate) fn is_shaking_hands(&self) -> bool {
        self.session().is_some_and(Session::is_shaking_hands)
    }

    /// Since when the client has been sending what nothing to read has come of: a handshake, or a
    /// record.
    pub(crate) fn busy_since(&self) -> Option<Instant> {
        self.session().and_then(Session::busy_since)
    }

    /// Tells whether bytes were received and decrypted and not read: no poller tells of them.
    pub(crate) fn holds_unread(&self) -> bool {
        self.session().is_some_and(Session::holds_unread)
    }

    /// Tells whether what is written here is encrypted.
    pub(crate) fn is_secure(&self) -> bool {
        self.session().is_some()
    }

    /// The client's certificates, its own first; empty where it has shown no certificate.
    pub(crate) fn peer_certificates(&self) -> Vec<Vec<u8>> {
        self.session().map(Session::peer_certificates).unwrap_or_default()
    }

    /// The bytes held back for the next write.
    pub(crate) fn unsent(&self) -> MutexGuard<'_, Vec<u8>> {
        self.unsent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what is held back.
    pub(crate) fn flush(&self, limit: Option<Duration>) -> io::Result<()> {
        self.send_left()?;
        let mut unsent = self.unsent();
        let sent = self.send_all(&unsent, limit, &mut 0);
        unsent.clear();
        sent
    }

    /// Writes all of `bytes`, waiting at most `limit` for the client to take some of them. Adds to
    /// `sent` how many were written, whatever becomes of the rest.
    pub(crate) fn send_all(
        &self,
        mut bytes: &[u8],
        limit: Option<Duration>,
        sent: &mut u64,
    ) -> io::Result<()> {
        while !bytes.is_empty() {
            let count = self.send_some(bytes, limit)?;
            bytes = &bytes[count..];
            *sent += count as u64;
        }
        Ok(())
    }

    /// Writes all of `bytes`, and says that more is about to follow.
    #[cfg(target_os = "linux")]
    pub(crate) fn send_all_more(
        &self,
        mut bytes: &[u8],
        limit: Option<Duration>,
    ) -> io::Result<()> {
        self.send_left()?;
        while !bytes.is_empty() {
            let sent = self.when_writable(limit, || self.stream.send_more(bytes))?;
            bytes = &bytes[sent..];
        }
        Ok(())
    }

    /// Sends up to `count` bytes of a file from `position` on, and moves that, waiting at most
    /// `limit` for the client to take any. Only in clear text.
    #[cfg(target_os = "linux")]
    pub(crate) fn send_some_of_file(
        &self,
        file: &std::fs::File,
        position: &mut i64,
        count: usize,
        limit: Option<Duration>,
    ) -> io::Result<usize> {
        self.stream.never_block()?;
        self.when_writable(limit, || self.stream.send_file(file, position, count))
    }

    /// Writes all of several pieces, in as few system calls as the kernel allows. Counts in `sent`
    /// as [`send_all`](Self::send_all).
    pub(crate) fn send_all_vectored(
        &self,
        mut pieces: &mut [IoSlice<'_>],
        limit: Option<Duration>,
        sent: &mut u64,
    ) -> io::Result<()> {
        self.send_left()?;
        // Drops empty pieces at the front.
        IoSlice::advance_slices(&mut pieces, 0);
        while !pieces.is_empty() {
            let count = match self.session() {
                Some(session) => self.send_secure(session, pieces, limit)?,
                None => self.when_writable(limit, || self.stream.send_vectored(pieces))?,
            };
            IoSlice::advance_slices(&mut pieces, count);
            *sent += count as u64;
        }
        Ok(())
    }

    /// Writes some of `bytes`, waiting at most `limit` for the client to take any.
    pub(crate) fn send_some(&self, bytes: &[u8], limit: Option<Duration>) -> io::Result<usize> {
        self.send_left()?;
        match self.session() {
            Some(session) => self.send_secure(session, &[IoSlice::new(bytes)], limit),
            None => self.when_writable(limit, || self.stream.send(bytes)),
        }
    }

    /// Encrypts some of `pieces` and writes all that came of it. The session is not locked while
    /// the client is waited for.
    fn send_secure(
        &self,
        session: &Session,
        pieces: &[IoSlice<'_>],
        limit: Option<Duration>,
    ) -> io::Result<usize> {
        let is_nothing = pieces.iter().all(|piece| piece.is_empty());
        loop {
            let taken = session.encrypt(pieces)?;
            self.when_writable(limit, || session.push(&self.stream))?;
            // Nothing was taken where another thread has filled the session's buffer, which is
            // empty now.
            if taken > 0 || is_nothing {
                return Ok(taken);
            }
        }
    }

    /// Calls until the kernel takes something, waiting in between.
    fn when_writable<T>(
        &self,
        limit: Option<Duration>,
        mut call: impl FnMut() -> io::Result<T>,
    ) -> io::Result<T> {
        // A handler that never waits, as its client takes all at once, is to end as well.
        self.cut_if_over();
        loop {
            match call() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.unless_over(self.stream.wait_writable(limit))?;
                }
                result => return result.inspect(|_| self.stream.note_written()),
            }
        }
    }

    /// Has the client take so many bytes for each second for which writes wait for it.
    pub(crate) fn expect_rate(&self, least: Option<NonZero<u64>>) {
        self.stream.uptake().expect(least);
    }

    /// What the client did that was waited for until `limit` was over.
    pub(super) fn shortcoming(&self, limit: Duration) -> String {
        self.stream.uptake().shortcoming(limit)
    }

    /// Blocks until the socket is ready.
    ///
    /// # Errors
    ///
    /// `TimedOut` when `limit` passes first.
    pub(crate) fn wait(&self, direction: Direction, limit: Option<Duration>) -> io::Result<()> {
        self.unless_over(self.stream.wait(direction, limit))
    }

    /// Blocks until there is something to read, or until one of the `others` is readable; tells
    /// whether there is something to read, and whether one of the others is.
    ///
    /// # Errors
    ///
    /// `TimedOut` when `limit` passes first.
    pub(crate) fn wait_beside(
        &self,
        others: [Option<BorrowedFd<'_>>; 2],
        limit: Option<Duration>,
    ) -> io::Result<(bool, bool)> {
        self.stream.wait_beside(others, limit)
    }

    /// Tells whether the connection has ended both ways, as after a reset.
    pub(crate) fn is_gone(&self) -> bool {
        self.stream.is_gone()
    }
}

impl AsFd for ClientSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
