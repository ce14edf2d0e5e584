//! TLS records as they come and go.
//!
//! rustls is used without buffers of its own. Those here have storage only while something is in
//! them, so that a client that is waited for costs 3.4 KiB of keys and state. With rustls's buffers
//! it was 7.5, and 24 where a record was left to be sent (a counting allocator, TLS 1.3).

use std::io::{self, IoSlice, Read};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncryptError, UnbufferedStatus, WriteTraffic};

use super::super::stream_socket::StreamSocket;
use super::outgoing::Outgoing;
use super::storage;

/// What encrypts and decrypts, and the bytes that are on their way through it.
pub(super) struct Records {
    tls: UnbufferedServerConnection,
    /// Received, and not all of a record, or of a message of several.
    incoming: Vec<u8>,
    /// Decrypted, and not read.
    unread: io::Cursor<Vec<u8>>,
    outgoing: Outgoing,
    /// The client has ended what it sends.
    has_ended: bool,
}

impl Records {
    pub(super) fn new(config: Arc<ServerConfig>) -> Result<Self, rustls::Error> {
        Ok(Self {
            tls: UnbufferedServerConnection::new(config)?,
            incoming: Vec::new(),
            unread: io::Cursor::default(),
            outgoing: Outgoing::default(),
            has_ended: false,
        })
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.tls.is_handshaking()
    }

    pub(super) fn peer_certificates(&self) -> Vec<Vec<u8>> {
        let certificates = self.tls.peer_certificates().unwrap_or_default();
        certificates.iter().map(|certificate| certificate.to_vec()).collect()
    }

    /// Tells whether decrypted bytes were not read.
    pub(super) fn has_unread(&self) -> bool {
        !self.unread.get_ref().is_empty()
    }

    /// Tells whether nothing comes after what is unread.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Decrypted bytes; `Ok(0)` at the end. A client that ends without saying so has ended all the
    /// same: HTTP tells by itself where a body is cut.
    ///
    /// # Errors
    ///
    /// `WouldBlock` where more has to be [received](Self::receive) first.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.unread.read(buffer)?;
        if self.unread.position() == self.unread.get_ref().len() as u64 {
            self.unread = io::Cursor::default();
        }
        if count == 0 && !buffer.is_empty() && !self.has_ended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(count)
    }

    /// Reads once, and does what the bytes ask for. Decrypted bytes go into `target` as far as they
    /// fit; returns how many. What the client is to be told has to be [pushed](Self::push), also
    /// after an error.
    ///
    /// # Errors
    ///
    /// Those of the source, and [`rustls::Error`] as `InvalidData`.
    pub(super) fn receive(
        &mut self,
        source: &mut impl Read,
        target: &mut [u8],
    ) -> io::Result<usize> {
        let kept = self.incoming.len();
        let mut buffer = storage::take(kept + READ_SIZE);
        buffer[..kept].copy_from_slice(&self.incoming);
        let received = source.read(&mut buffer[kept..]).and_then(|count| {
            self.has_ended |= count == 0;
            let all = &mut buffer[..kept + count];
            let mut filled = 0;
            let processed = self.process(all, (target, &mut filled));
            let done =
                processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            self.incoming = all[done..].to_vec();
            Ok(filled)
        });
        storage::give(buffer);
        received
    }

    /// Does what the bytes ask for; returns how many are done with.
    fn process(
        &mut self,
        bytes: &mut [u8],
        (target, filled): (&mut [u8], &mut usize),
    ) -> Result<usize, rustls::Error> {
        let mut done = 0;
        loop {
            let bytes = &mut bytes[done..];
            let UnbufferedStatus { discard, state, .. } = self.tls.process_tls_records(bytes);
            done += discard;
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        done += record.discard;
                        let room = &mut target[*filled..];
                        let (fits, rest) =
                            record.payload.split_at(record.payload.len().min(room.len()));
                        room[..fits.len()].copy_from_slice(fits);
                        *filled += fits.len();
                        self.unread.get_mut().extend_from_slice(rest);
                    }
                }
                Ok(ConnectionState::EncodeTlsData(message)) => self.outgoing.add_message(message),
                Ok(ConnectionState::TransmitTlsData(message)) => message.done(),
                Ok(ConnectionState::PeerClosed) => {
                    self.has_ended = true;
                    // Nothing that may come behind it is looked at.
                    return Ok(done + bytes.len() - discard);
                }
                Ok(_) => return Ok(done),
                Err(error) => {
                    let bytes = &mut bytes[discard..];
                    while self.tls.wants_write()
                        && let Ok(ConnectionState::EncodeTlsData(alert)) =
                            self.tls.process_tls_records(bytes).state
                    {
                        self.outgoing.add_message(alert);
                    }
                    return Err(error);
                }
            }
        }
    }

    /// Encrypts some of the pieces, to be sent by [`push`](Self::push); returns how many bytes.
    pub(super) fn encrypt(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut room = MOST_ENCRYPTED.saturating_sub(self.outgoing.len());
        let (mut joined, mut taken) = (Vec::new(), 0);
        for (number, piece) in pieces.iter().enumerate() {
            let mut piece = &piece[..piece.len().min(room)];
            room -= piece.len();
            taken += piece.len();
            if number + 1 == pieces.len() && joined.is_empty() {
                self.encrypt_piece(piece)?;
                break;
            }
            // Records are full, as far as there is something to fill them with.
            if !joined.is_empty() {
                let first;
                (first, piece) = piece.split_at(piece.len().min(RECORD_SIZE - joined.len()));
                joined.extend_from_slice(first);
            }
            if joined.len() == RECORD_SIZE {
                self.encrypt_piece(&joined)?;
                joined.clear();
            }
            let (full, rest) = piece.split_at(piece.len() - piece.len() % RECORD_SIZE);
            self.encrypt_piece(full)?;
            joined.extend_from_slice(rest);
        }
        self.encrypt_piece(&joined)?;
        Ok(taken)
    }

    fn encrypt_piece(&mut self, piece: &[u8]) -> io::Result<()> {
        if piece.is_empty() {
            return Ok(());
        }
        let size = piece.len() + (piece.len() / RECORD_SIZE + 2) * MOST_OVERHEAD;
        self.write(size, |traffic, room| traffic.encrypt(piece, room))
    }

    /// Encrypts that nothing more comes.
    pub(super) fn encrypt_goodbye(&mut self) -> io::Result<()> {
        self.write(MOST_OVERHEAD, |traffic, room| traffic.queue_close_notify(room))
    }

    /// Encrypts what probably takes no more than so many bytes.
    fn write(
        &mut self,
        mut size: usize,
        mut write: impl FnMut(&mut Traffic<'_>, &mut [u8]) -> Result<usize, EncryptError>,
    ) -> io::Result<()> {
        loop {
            // rustls has to see each time what it has seen of a message.
            match self.tls.process_tls_records(&mut self.incoming).state {
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    match write(&mut traffic, self.outgoing.room(size)) {
                        Ok(count) => {
                            self.outgoing.note(count);
                            return Ok(());
                        }
                        Err(EncryptError::InsufficientSize(needed)) => size = needed.required_size,
                        Err(error) => return Err(io::Error::other(error)),
                    }
                }
                Ok(ConnectionState::EncodeTlsData(message)) => self.outgoing.add_message(message),
                Ok(ConnectionState::TransmitTlsData(message)) => message.done(),
                Ok(ConnectionState::PeerClosed) => {}
                _ => return Err(io::ErrorKind::BrokenPipe.into()),
            }
        }
    }

    /// Bytes that are encrypted and not sent.
    #[cfg(all(test, feature = "http"))]
    pub(super) fn left(&self) -> usize {
        self.outgoing.len()
    }

    /// Bytes of memory in which something is on its way.
    #[cfg(all(test, feature = "http"))]
    pub(super) fn held(&self) -> usize {
        self.incoming.capacity() + self.unread.get_ref().capacity() + self.outgoing.held()
    }

    /// Sends what was encrypted.
    ///
    /// # Errors
    ///
    /// `WouldBlock` as long as something is left.
    pub(super) fn push(&mut self, stream: &StreamSocket) -> io::Result<()> {
        self.outgoing.push(stream)
    }
}

type Traffic<'a> = WriteTraffic<'a, ServerConnectionData>;

/// Bytes that are received at once: those of the largest record.
const READ_SIZE: usize = 16 * 1024 + 2048 + 5;

/// Bytes that are encrypted and not sent, but for the last record's overhead.
const MOST_ENCRYPTED: usize = 64 * 1024;

/// Bytes that one record holds.
const RECORD_SIZE: usize = 16 * 1024;

/// More than what is around the content of a record that is sent, and than a whole alert.
const MOST_OVERHEAD: usize = 64;
