//! The reading end of a connection.

use std::fmt;
use std::io::{self, BufRead, Read};
use std::num::NonZero;
use std::sync::Arc;
use std::time::{Duration, Instant};

use memchr::memchr;

use super::client_socket::ClientSocket;
use super::credentials::PeerCredentials;
use super::pace::Pace;
use super::spare::{BUFFER_SIZE, give_spare, take_spare};
use super::stream_socket::{Direction, timed_out};
use crate::work;

/// What a client sends, buffered.
///
/// Reading blocks until the client sends, ends or stalls. Before it waits, it sends what
/// the writing end still holds back, so that no client is waited for that is itself waiting.
pub struct Rfile {
    socket: Arc<ClientSocket>,
    stall: Option<Duration>,
    /// Bytes that have to come a second where its reader asks for that.
    least_rate: Option<NonZero<u64>>,
    /// How the client keeps up with that, while it has to.
    pace: Option<Pace>,
    /// When all waiting ends, however often something comes in between.
    deadline: Option<Instant>,
    /// Set when the server's deadline for this connection passed.
    expired: bool,
    /// Set when the server does not wait any more for the rest of a request: a read waits then.
    hurried: bool,
    /// The last read took all that had arrived.
    exhausted: bool,
    /// Storage, all of it initialised; empty while there is nothing to keep.
    buffer: Box<[u8]>,
    /// `buffer[start..end]` has been received and not consumed.
    start: usize,
    end: usize,
    /// What a parser knows of the unread bytes.
    searched: Searched,
    /// How many bytes of the message that is being read were dropped.
    skipped: usize,
}

/// What a parser that needs more remembers of the unread bytes, so that a slow client's request is
/// not searched from its beginning with each byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Searched {
    /// How many of them it has searched.
    pub(crate) bytes: usize,
    /// How long the first line among those is with its end, if it has one.
    pub(crate) first_line: Option<NonZero<usize>>,
    /// Where the last one ends.
    pub(crate) last_line_end: usize,
}

impl Rfile {
    pub(crate) fn new(
        socket: Arc<ClientSocket>,
        stall: Option<Duration>,
        least_rate: Option<NonZero<u64>>,
    ) -> Self {
        Self {
            socket,
            stall,
            least_rate,
            pace: None,
            deadline: None,
            expired: false,
            hurried: false,
            exhausted: true,
            buffer: Box::default(),
            start: 0,
            end: 0,
            searched: Searched::default(),
            skipped: 0,
        }
    }

    /// Limits a single wait for the client; `None` waits for ever.
    ///
    /// Starts as [`Timeouts::stall`](crate::Timeouts::stall).
    pub fn set_timeout(&mut self, limit: Option<Duration>) {
        self.stall = limit;
    }

    /// Limits all waits from now on together.
    pub(crate) fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
    }

    /// The bytes received and not yet consumed, without asking the client for more.
    pub fn unread(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Receives what has arrived, without waiting, and appends it to the unread bytes.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when nothing has arrived, `TimedOut` when the server's deadline passed,
    /// and what the socket reports.
    pub fn receive(&mut self) -> io::Result<usize> {
        if self.expired {
            return Err(timed_out());
        }
        self.make_room();
        let received = self.socket.recv(&mut self.buffer[self.end..]);
        let room = self.buffer.len() - self.end;
        self.note(&received, room);
        let received = received?;
        self.end += received;
        Ok(received)
    }

    /// Reads what has arrived, without waiting; `Ok(0)` at the end of the stream.
    ///
    /// Bytes beyond the buffered ones go straight into `target`, so that the buffer does not grow.
    pub(crate) fn read_arrived(&mut self, target: &mut [u8]) -> io::Result<usize> {
        if self.start < self.end {
            let count = self.unread().read(target)?;
            self.consume(count);
            return Ok(count);
        }
        if self.expired {
            return Err(timed_out());
        }
        let received = self.socket.recv(target);
        self.note(&received, target.len());
        received
    }

    /// From here on the client has to keep up, unless it has to already.
    pub(crate) fn expect_rate(&mut self) {
        self.pace = self.pace.take().or_else(|| self.least_rate.map(Pace::of_at_least));
    }

    /// What comes is waited for as long as its reader likes.
    pub(crate) fn expect_no_rate(&mut self) {
        self.pace = None;
    }

    /// The longest that the client may be waited for now.
    pub(crate) fn wait_limit(&self) -> Option<Duration> {
        let stall = self.stall?;
        let left = self.pace.as_ref().map_or(stall, |pace| pace.left(stall));
        Some(left.min(stall))
    }

    /// The client was waited for.
    pub(crate) fn note_wait(&mut self, time: Duration) {
        if let Some(pace) = &mut self.pace {
            pace.note_wait(time);
        }
    }

    /// Tells whether the last read took all that had arrived.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.exhausted
    }

    /// More has arrived, as the server was told.
    pub(crate) fn note_arrival(&mut self) {
        self.exhausted = false;
    }

    fn note(&mut self, received: &io::Result<usize>, room: usize) {
        self.exhausted = self.socket.took_all(received, room);
        if let (Some(pace), Ok(count)) = (&mut self.pace, received) {
            pace.note_bytes(*count as u64);
        }
    }

    /// Receives what has arrived, as [`receive`](Self::receive), but does not begin to decrypt: for
    /// callers that have no time for that. Then the count only tells whether something is there.
    pub(crate) fn look(&mut self) -> io::Result<usize> {
        if !self.socket.is_secure() {
            return self.receive();
        }
        let arrived = self.socket.peek();
        self.exhausted = arrived.is_err();
        arrived
    }

    /// Goes on with a handshake; see [`ClientSocket::shake_hands`].
    pub(crate) fn shake_hands(&mut self, awaits_bytes: bool) -> io::Result<bool> {
        let done = self.socket.shake_hands(awaits_bytes)?;
        if !done {
            self.exhausted = self.socket.took_all(&Ok(0), 0);
        }
        Ok(done)
    }

    /// Tells whether there is something to read that no poller will tell of.
    pub(crate) fn holds_unread(&self) -> bool {
        !self.unread().is_empty() || self.socket.holds_unread()
    }

    /// The first line of the [`unread`](Self::unread) bytes with its LF, or as many bytes as it may
    /// have where it is longer. What was searched for its end is not searched again.
    pub(crate) fn unread_line(&mut self, limit: usize) -> Option<&[u8]> {
        let begun = self.end - self.start;
        let begun = &self.buffer[self.start..self.start + begun.min(limit)];
        let from = self.searched.bytes.min(begun.len());
        let end = memchr(b'\n', &begun[from..]).map(|end| from + end + 1);
        work::note(end.unwrap_or(begun.len()) - from);
        self.searched.bytes = begun.len();
        end.or((begun.len() == limit).then_some(limit)).map(|end| &begun[..end])
    }

    /// What was remembered of the [`unread`](Self::unread) bytes.
    pub(crate) fn searched(&self) -> Searched {
        self.searched
    }

    /// Remembers what was found in the unread bytes, until some are consumed.
    pub(crate) fn mark_searched(&mut self, searched: Searched) {
        self.searched = searched;
    }

    /// Consumes bytes that belong to a message and need not be kept until it is complete.
    pub(crate) fn skip(&mut self, count: usize) {
        self.consume(count);
        self.skipped += count;
    }

    /// How many bytes were skipped since [`end_skip`](Self::end_skip).
    pub(crate) fn skipped(&self) -> usize {
        self.skipped
    }

    /// The message that they belong to is complete.
    pub(crate) fn end_skip(&mut self) {
        self.skipped = 0;
    }

    /// Goes on in clear text, where TLS is expected and the client has begun with these bytes
    /// ([`NotTls`](super::NotTls)).
    pub(crate) fn admit_clear_text(&mut self, received: &[u8]) {
        self.socket.admit_clear_text();
        let mut unread = self.unread().to_vec();
        unread.extend_from_slice(received);
        let room = unread.len().next_power_of_two().max(BUFFER_SIZE);
        (self.start, self.end) = (0, unread.len());
        unread.resize(room, 0);
        self.buffer = unread.into();
        self.searched = Searched::default();
        // There may be more.
        self.exhausted = false;
    }

    /// Lets every further read fail with `TimedOut`.
    pub(crate) fn expire(&mut self) {
        self.expired = true;
    }

    /// The server, which is to stop, waits no longer for the rest of a request.
    pub(crate) fn hurry(&mut self) {
        self.hurried = true;
    }

    /// Tells whether the server waits no longer for the rest of a request; told once.
    pub(crate) fn take_hurry(&mut self) -> bool {
        std::mem::take(&mut self.hurried)
    }

    pub(crate) fn is_expired(&self) -> bool {
        self.expired
    }

    /// Gives up storage that holds nothing, as the connection is about to wait.
    pub(crate) fn release(&mut self) {
        if self.start == self.end {
            give_spare(std::mem::take(&mut self.buffer));
            (self.start, self.end) = (0, 0);
        }
    }

    /// Moves everything out and leaves an empty end of the same connection.
    pub(crate) fn detach(&mut self) -> Self {
        let empty = Self::new(Arc::clone(&self.socket), self.stall, self.least_rate);
        std::mem::replace(self, empty)
    }

    pub(crate) fn peer_credentials(&self) -> io::Result<PeerCredentials> {
        PeerCredentials::of(&*self.socket)
    }

    pub(crate) fn socket(&self) -> &Arc<ClientSocket> {
        &self.socket
    }

    fn make_room(&mut self) {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        if self.end < self.buffer.len() {
            return;
        }
        if self.buffer.is_empty() {
            self.buffer = take_spare();
        } else if self.start > 0 {
            work::note(self.end - self.start);
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        } else {
            work::note(self.buffer.len());
            let mut buffer = std::mem::take(&mut self.buffer).into_vec();
            buffer.resize(self.end * 2, 0);
            self.buffer = buffer.into();
        }
    }

    /// Waits for bytes in the buffer; returns no bytes at the end of the stream.
    fn fill(&mut self) -> io::Result<()> {
        while self.start == self.end {
            match self.receive() {
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait()?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn wait(&mut self) -> io::Result<()> {
        self.socket.flush(self.stall)?;
        let began = Instant::now();
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(began));
        let limit = left.into_iter().chain(self.wait_limit()).min();
        let waited = self.socket.wait(Direction::Read, limit);
        self.note_wait(began.elapsed());
        waited
    }
}

impl Read for Rfile {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        if self.start == self.end && target.len() >= BUFFER_SIZE && !self.expired {
            // Large reads need no copy through the buffer.
            loop {
                let received = self.socket.recv(target);
                self.note(&received, target.len());
                match received {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait()?,
                    result => return result,
                }
            }
        }
        let count = self.fill_buf()?.read(target)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Rfile {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.fill()?;
        Ok(&self.buffer[self.start..self.end])
    }

    fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
        if count > 0 {
            self.searched = Searched::default();
        }
    }
}

impl Drop for Rfile {
    fn drop(&mut self) {
        give_spare(std::mem::take(&mut self.buffer));
    }
}

impl fmt::Debug for Rfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rfile").field("unread", &self.unread().len()).finish_non_exhaustive()
    }
}
