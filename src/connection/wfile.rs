//! The writing end of a connection.

use std::fmt;
use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

use super::client_socket::ClientSocket;
use super::line_out::Sent;
use super::outbox::Loss;
use super::send_file::{copy_file, send_by_kernel};

/// What a client receives.
///
/// Not buffered, as in Python: a write returns when the kernel has taken bytes. A client that takes
/// no byte for the stall limit makes it fail with `TimedOut`, and so does one that is late by that
/// limit against [`Timeouts::response_rate`](crate::Timeouts::response_rate): each second for which
/// a write waits makes it a second later, and each 500 bytes that it takes a second less late, but
/// never early. So a client that takes a byte now and then is given up after little more than the
/// stall limit, and one that keeps the rate gets all of it, however long that is.
///
/// Linux tells what the client has taken: over TCP what it has acknowledged, on a Unix socket the
/// writes of which it has read the last byte, in pieces of up to 36 KiB, of a file 64 KiB. Of
/// writes of different sizes there it tells the storage, so that each counts as the average of
/// those that are unread. Other systems tell when a part of the socket's buffer is free.
///
/// Where a client was given up and nothing is written to it afterwards, closing resets a TCP
/// connection: otherwise the kernel would keep for minutes what the client does not take.
///
/// A clone is another writing end of the same connection, for other threads that write to this
/// client; the client sees the end when all ends are dropped. Each call of `write` stands alone:
/// several threads that write lines take a lock, so that each line is whole, as in Python. In
/// `examples/chat.rs` the lock is that of the list of clients.
#[derive(Clone)]
pub struct Wfile {
    socket: Arc<ClientSocket>,
    stall: Option<Duration>,
    /// Bytes that the kernel has taken, but for those that were held back.
    sent: u64,
}

impl Wfile {
    pub(super) fn new(socket: Arc<ClientSocket>, stall: Option<Duration>) -> Self {
        Self { socket, stall, sent: 0 }
    }

    /// Limits a single wait for the client to take bytes, and how late it may be against
    /// [`Timeouts::response_rate`](crate::Timeouts::response_rate); `None` waits for ever.
    ///
    /// Starts as [`Timeouts::stall`](crate::Timeouts::stall).
    pub fn set_timeout(&mut self, limit: Option<Duration>) {
        self.stall = limit;
    }

    /// Sends `count` bytes of `file` from `offset` on, through the kernel where it can
    /// (`sendfile`), and returns how many were sent.
    ///
    /// Fewer only when the file ends early.
    ///
    /// # Errors
    ///
    /// What reading the file or writing to the client reports; `TimedOut` when the client takes
    /// too little, as for any write.
    pub fn send_file(&mut self, file: &File, offset: u64, count: u64) -> io::Result<u64> {
        let all = (file, offset, count);
        match send_by_kernel(&self.socket, self.stall, all, &mut self.sent)? {
            Sent::All(sent) => Ok(sent),
            Sent::Part(sent) => Ok(sent + copy_file(self, file, offset + sent, count - sent)?),
        }
    }

    /// As [`send_file`](Self::send_file), but does not wait for the client: what it has to make
    /// room for is left, to be sent by the next write, or by who has the connection then. The file
    /// is to stay as it is until that is done.
    pub(crate) fn leave_file(&mut self, file: &File, offset: u64, count: u64) -> io::Result<u64> {
        let all = (file, offset, count);
        match self.socket.send_or_leave_file(all, self.stall, &mut self.sent)? {
            Sent::All(sent) => Ok(sent),
            // Too many files are held already.
            Sent::Part(sent) => Ok(sent + self.send_file(file, offset + sent, count - sent)?),
        }
    }

    /// Tells whether something is left to be sent.
    pub(crate) fn has_left(&self) -> bool {
        self.socket.has_left()
    }

    /// How many bytes are left to be sent, or will not be.
    pub(crate) fn left(&self) -> u64 {
        self.socket.left()
    }

    /// What of the bytes that were left will not be sent, if that is so; told once.
    pub(crate) fn take_loss(&self) -> Option<Loss> {
        self.socket.take_loss()
    }

    /// Says that nothing more will be written, while the client may go on sending: Python's
    /// `self.request.shutdown(socket.SHUT_WR)`.
    ///
    /// The client reads the end of the stream after what was written before. For a tunnel, whose
    /// two directions end on their own.
    ///
    /// # Errors
    ///
    /// What was held back cannot be sent.
    #[doc(alias = "SHUT_WR")]
    pub fn shutdown(&mut self) -> io::Result<()> {
        self.flush()?;
        self.socket.shutdown(Shutdown::Write);
        Ok(())
    }

    /// Storage for a head, to be given back by `hold`.
    pub(crate) fn lend(&self) -> Vec<u8> {
        let mut storage = std::mem::take(&mut *self.socket.unsent());
        storage.reserve(FIRST_CAPACITY);
        storage
    }

    /// Keeps a head back until the next write, or until the connection is read from.
    pub(crate) fn hold(&mut self, head: Vec<u8>) {
        *self.socket.unsent() = head;
    }

    /// Takes back what was held; empty where it has left.
    pub(crate) fn recall(&mut self) -> Vec<u8> {
        self.lend()
    }

    /// Tells whether bytes are held back.
    pub(crate) fn is_holding(&self) -> bool {
        !self.socket.unsent().is_empty()
    }

    /// From now on the end of the connection is the end of what is written, or no longer.
    pub(crate) fn set_open_ended(&self, is_open_ended: bool) {
        self.socket.set_open_ended(is_open_ended);
    }

    /// Bytes that the kernel has taken from this end, also of a write that failed; not those that
    /// were held back.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// Fails where nothing that is written would arrive, as the client has left or the server has
    /// cut the connection: for what works long before it has something to write.
    pub(crate) fn check_client(&self) -> io::Result<()> {
        self.socket.cut_if_over();
        if self.socket.is_gone() { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }

    /// What the client did, of a write that has failed with `TimedOut`.
    pub(crate) fn shortcoming(&self) -> Option<String> {
        Some(self.socket.shortcoming(self.stall?))
    }

    /// Sends what is held back and the pieces, in one system call where the kernel takes all.
    pub(crate) fn write_pieces<const N: usize>(&mut self, pieces: [&[u8]; N]) -> io::Result<()> {
        self.send_pieces(pieces, ClientSocket::send_all_vectored)
    }

    /// As [`write_pieces`](Self::write_pieces), but leaves what the client has to make room for, as
    /// far as it is little.
    pub(crate) fn leave_pieces<const N: usize>(&mut self, pieces: [&[u8]; N]) -> io::Result<()> {
        self.send_pieces(pieces, ClientSocket::send_or_leave)
    }

    fn send_pieces<const N: usize>(
        &mut self,
        pieces: [&[u8]; N],
        send: impl FnOnce(
            &ClientSocket,
            &mut [IoSlice<'_>],
            Option<Duration>,
            &mut u64,
        ) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut unsent = self.socket.unsent();
        let (held, mut sent) = (unsent.len() as u64, 0);
        let written = if pieces.iter().map(|piece| piece.len()).sum::<usize>() <= MAX_JOINED {
            // Copying this little costs less than a vectored call: 3 % fewer instructions for a
            // kept request (callgrind, as in benches/README.md).
            pieces.iter().for_each(|piece| unsent.extend_from_slice(piece));
            send(&self.socket, &mut [IoSlice::new(&unsent)], self.stall, &mut sent)
        } else {
            let mut slices = vec![IoSlice::new(&unsent)];
            slices.extend(pieces.map(IoSlice::new));
            send(&self.socket, &mut slices, self.stall, &mut sent)
        };
        unsent.clear();
        // An idle connection should not hold what one response needed.
        unsent.shrink_to(IDLE_CAPACITY);
        self.sent += sent.saturating_sub(held);
        written
    }
}

impl Write for Wfile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_holding() {
            self.write_pieces([bytes])?;
            return Ok(bytes.len());
        }
        let count = self.socket.send_some(bytes, self.stall)?;
        self.sent += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush(self.stall)
    }
}

impl fmt::Debug for Wfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wfile").field("holding", &self.is_holding()).finish_non_exhaustive()
    }
}

/// Bytes of storage for a head to begin with. Growing from nothing with each line takes 1,000
/// instructions more, 5 % of a connection of one request (callgrind, as in benches/README.md).
const FIRST_CAPACITY: usize = 256;

/// Bytes of storage that a connection keeps for the head of its next response.
const IDLE_CAPACITY: usize = 1024;

/// Bytes up to which pieces are joined in memory before they are sent.
const MAX_JOINED: usize = 16 * 1024;
