//! A TLS session below a connection's two ends.

mod outgoing;
mod records;
mod storage;

use std::fmt;
use std::io::{self, IoSlice, Read};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rustls::ServerConfig;

use self::records::Records;
use super::not_tls::NotTls;
use super::stream_socket::StreamSocket;

/// What encrypts and decrypts.
///
/// Nothing here waits: each call goes as far as the bytes do that have arrived, and the lock is
/// never held while a client is waited for.
#[derive(Debug)]
pub(crate) struct Session {
    phase: AtomicU8,
    state: Mutex<State>,
}

struct State {
    records: Records,
    /// When the first byte came.
    begun: Option<Instant>,
    /// When the first byte came since there was something to read.
    record_begun: Option<Instant>,
    /// The first bytes, where they were read before the session began.
    early: Vec<u8>,
    /// The client has ended, and that was not read.
    ended: bool,
    /// The last read took all that had arrived.
    took_all: bool,
    /// What came first, where that was no TLS.
    clear_text: Vec<u8>,
}

/// How far a session has come. The numbers only grow, except that a delayed session starts at
/// [`HANDSHAKE`].
const DELAYED: u8 = 0;
const HANDSHAKE: u8 = 1;
/// The handshake is done, and the handler has not been called.
const ESTABLISHED: u8 = 2;
const OPEN: u8 = 3;
/// The client does not speak TLS.
const CLEAR: u8 = 4;
const FAILED: u8 = 5;
/// The client does not speak TLS, and what it says is read all the same.
const ADMITTED_IN_CLEAR: u8 = 6;

impl Session {
    /// A session that waits for its client's first words.
    ///
    /// # Errors
    ///
    /// The configuration contradicts itself.
    pub(crate) fn new(config: Arc<ServerConfig>) -> io::Result<Self> {
        let state = State {
            records: Records::new(config).map_err(io::Error::other)?,
            begun: None,
            record_begun: None,
            early: Vec::new(),
            ended: false,
            took_all: true,
            clear_text: Vec::new(),
        };
        Ok(Self { phase: AtomicU8::new(HANDSHAKE), state: Mutex::new(state) })
    }

    /// Has what comes first left to others; to be called before the session has read anything.
    pub(super) fn delay_handshake(&self) {
        self.phase.store(DELAYED, Ordering::Relaxed);
    }

    pub(super) fn is_delayed(&self) -> bool {
        self.phase() == DELAYED
    }

    /// Starts a delayed handshake, with the bytes of it that were read meanwhile.
    pub(super) fn start_handshake(&self, early: &[u8]) {
        self.state().early.extend_from_slice(early);
        self.enter(HANDSHAKE);
    }

    pub(super) fn recv(&self, stream: &StreamSocket, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.state();
        self.refuse_if_broken(&state)?;
        loop {
            match state.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
            let Pulled { filled, may_come } = self.pull(&mut state, stream, buffer)?;
            if filled > 0 {
                return Ok(filled);
            }
            if !may_come && !state.ended {
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
    }

    /// Tells whether the last read took all that had arrived.
    pub(super) fn took_all(&self) -> bool {
        self.state().took_all
    }

    /// Goes on with the handshake as far as that needs no waiting; see `ClientSocket::shake_hands`.
    pub(super) fn shake_hands(
        &self,
        stream: &StreamSocket,
        awaits_bytes: bool,
    ) -> io::Result<bool> {
        if matches!(self.phase(), OPEN | CLEAR) {
            return Ok(true);
        }
        let mut state = self.state();
        self.refuse_if_broken(&state)?;
        loop {
            let may_come = match self.pull(&mut state, stream, &mut []) {
                Ok(pulled) => pulled.may_come,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
                Err(_) if self.phase() == CLEAR => return Ok(true),
                Err(error) => return Err(error),
            };
            if state.ended && self.phase() == HANDSHAKE {
                self.enter(FAILED);
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            let has_news = state.has_news();
            if self.phase() == ESTABLISHED && (has_news || !awaits_bytes) {
                self.enter(OPEN);
                return Ok(true);
            }
            if !may_come {
                return Ok(false);
            }
        }
    }

    /// Tells whether the client does not speak TLS, and is told so in clear text.
    pub(super) fn is_clear(&self) -> bool {
        matches!(self.phase(), CLEAR | ADMITTED_IN_CLEAR)
    }

    /// Takes no further part: the client is listened to in clear text.
    pub(super) fn admit_clear_text(&self) {
        self.phase.store(ADMITTED_IN_CLEAR, Ordering::Relaxed);
    }

    pub(super) fn is_clear_text_admitted(&self) -> bool {
        self.phase() == ADMITTED_IN_CLEAR
    }

    /// Tells whether the handshake has begun and is not done.
    pub(super) fn is_shaking_hands(&self) -> bool {
        self.phase() == HANDSHAKE && self.state().begun.is_some()
    }

    /// Since when the client has been busy with its handshake, or with records that nothing to read
    /// has come of; `None` in between.
    pub(super) fn busy_since(&self) -> Option<Instant> {
        let state = self.state();
        match self.phase() {
            HANDSHAKE => state.begun,
            ESTABLISHED | OPEN => state.record_begun,
            _ => None,
        }
    }

    /// Tells whether there is something to read that is no longer in the socket.
    pub(super) fn holds_unread(&self) -> bool {
        let state = self.state();
        !state.early.is_empty() || (self.phase() == OPEN && state.has_news())
    }

    pub(super) fn peer_certificates(&self) -> Vec<Vec<u8>> {
        self.state().records.peer_certificates()
    }

    /// Takes some of the pieces, to be sent by [`push`](Self::push); returns how many bytes.
    pub(super) fn encrypt(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        if !self.is_established() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        self.state().records.encrypt(pieces)
    }

    /// Sends what was encrypted.
    ///
    /// # Errors
    ///
    /// `WouldBlock` as long as something is left.
    pub(super) fn push(&self, stream: &StreamSocket) -> io::Result<()> {
        self.state().records.push(stream)
    }

    /// Tells the client that nothing more comes, if it can be told at once.
    ///
    /// In a process that had no part in the handshake this does nothing: the process that had one
    /// speaks.
    pub(super) fn say_goodbye(&self, stream: &StreamSocket) {
        if self.is_established() {
            let mut state = self.state();
            // The client may be gone, or its buffers full: the end of the connection tells it, too.
            let _ = state.records.encrypt_goodbye();
            let _ = state.records.push(stream);
        }
    }

    /// Reads once, and does what the bytes ask for.
    fn pull(
        &self,
        state: &mut State,
        stream: &StreamSocket,
        target: &mut [u8],
    ) -> io::Result<Pulled> {
        let pulled = state.pull(stream, target);
        if !state.clear_text.is_empty() {
            self.enter(CLEAR);
        } else if self.phase() == HANDSHAKE && !state.records.is_handshaking() {
            state.record_begun = None;
            self.enter(ESTABLISHED);
        }
        if let Err(error) = &pulled
            && error.kind() != io::ErrorKind::WouldBlock
        {
            self.enter(FAILED);
        }
        pulled
    }

    /// Bytes of memory in which something is on its way.
    #[cfg(all(test, feature = "http"))]
    fn held(&self) -> usize {
        self.state().records.held()
    }

    fn refuse_if_broken(&self, state: &State) -> io::Result<()> {
        match self.phase() {
            CLEAR => Err(not_tls(&state.clear_text)),
            FAILED => Err(io::ErrorKind::ConnectionAborted.into()),
            _ => Ok(()),
        }
    }

    fn is_established(&self) -> bool {
        matches!(self.phase(), ESTABLISHED | OPEN)
    }

    fn phase(&self) -> u8 {
        self.phase.load(Ordering::Relaxed)
    }

    /// A later phase; an earlier one changes nothing.
    fn enter(&self, phase: u8) {
        if self.phase() < CLEAR {
            self.phase.store(phase, Ordering::Relaxed);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What came of reading once.
struct Pulled {
    /// Decrypted bytes that were read.
    filled: usize,
    /// More may have arrived.
    may_come: bool,
}

impl State {
    /// Tells whether decrypted bytes, or the client's end, were not read.
    fn has_news(&self) -> bool {
        self.ended || self.records.has_unread()
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.records.read(buffer);
        if matches!(read, Ok(0)) {
            self.ended = false;
        }
        read
    }

    fn pull(&mut self, stream: &StreamSocket, target: &mut [u8]) -> io::Result<Pulled> {
        let is_first = self.begun.is_none();
        let early = std::mem::take(&mut self.early);
        let mut incoming =
            Incoming { stream, early, is_first, took_all: false, clear_text: Vec::new() };
        let received = self.records.receive(&mut incoming, target);
        (self.took_all, self.clear_text) = (incoming.took_all, incoming.clear_text);
        self.early = incoming.early;
        let filled = match received {
            Err(error) if is_broken_tls(&error) => {
                // The alert. A client that broke the rules is not waited for.
                let _ = self.records.push(stream);
                return Err(error);
            }
            received => received?,
        };
        self.begun.get_or_insert_with(Instant::now);
        self.ended = self.records.has_ended();
        if filled > 0 || self.has_news() {
            self.record_begun = None;
        } else {
            self.record_begun.get_or_insert_with(Instant::now);
        }
        match self.records.push(stream) {
            // Handshakes fit into a socket's buffer; what is left goes with the next write.
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(Pulled { filled, may_come: !self.took_all && !self.ended }),
        }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("ended", &self.ended).finish_non_exhaustive()
    }
}

/// What records are read from.
struct Incoming<'a> {
    stream: &'a StreamSocket,
    /// What comes before all that is in the socket.
    early: Vec<u8>,
    is_first: bool,
    took_all: bool,
    clear_text: Vec<u8>,
}

impl Read for Incoming<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = if self.early.is_empty() {
            let received = self.stream.recv(buffer);
            self.took_all = StreamSocket::took_all(&received, buffer.len());
            received?
        } else {
            let count = self.early.as_slice().read(buffer)?;
            self.early.drain(..count);
            count
        };
        if self.is_first && buffer[..count].first().is_some_and(u8::is_ascii_alphabetic) {
            self.clear_text = buffer[..count].to_vec();
            // What was read before the session began is longer than what rustls reads at once.
            self.clear_text.append(&mut self.early);
            return Err(not_tls(&self.clear_text));
        }
        Ok(count)
    }
}

/// Tells whether reading failed because the client broke the rules of TLS.
pub(crate) fn is_broken_tls(error: &io::Error) -> bool {
    let Some(inner) = error.get_ref() else { return false };
    // It may say, around this, which request it is about.
    inner.is::<rustls::Error>()
        || inner.source().and_then(|source| source.downcast_ref()).is_some_and(is_broken_tls)
}

fn not_tls(received: &[u8]) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, NotTls { received: received.to_vec() })
}

#[cfg(all(test, feature = "http"))]
mod tests;
