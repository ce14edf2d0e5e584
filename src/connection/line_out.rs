//! A socket's way out, in clear text or through its session, without any waiting.

use std::fs::File;
use std::io::{self, IoSlice};

use socket2::SockRef;

use super::stream_socket::StreamSocket;
use super::tls::Session;
use crate::os::{self, read_at};

/// Where bytes go out.
#[derive(Clone, Copy)]
pub(super) struct LineOut<'a> {
    pub(super) stream: &'a StreamSocket,
    pub(super) session: Option<&'a Session>,
}

/// What the kernel has sent of a file.
pub(super) enum Sent {
    /// All, or as much as the file has.
    All(u64),
    /// So much; it cannot send the rest, which has to be copied.
    Part(u64),
}

/// A piece of a file that is to be sent.
#[derive(Debug)]
pub(super) struct Span {
    offset: u64,
    pub(super) left: u64,
    /// The kernel cannot send it by itself.
    #[cfg(target_os = "linux")]
    is_copied: bool,
}

impl Span {
    pub(super) fn new(offset: u64, left: u64) -> Self {
        Self {
            offset,
            left,
            #[cfg(target_os = "linux")]
            is_copied: false,
        }
    }

    fn advance(&mut self, count: usize) -> usize {
        self.offset += count as u64;
        self.left -= count as u64;
        count
    }
}

/// Each fails with `WouldBlock` where the client has to take something first.
impl LineOut<'_> {
    /// Tells whether what is sent is only encrypted, until [`flush`](Self::flush) succeeds.
    pub(super) fn encrypts(self) -> bool {
        self.session.is_some()
    }

    /// Has the kernel take all that was encrypted.
    pub(super) fn flush(self) -> io::Result<()> {
        self.session.map_or(Ok(()), |session| session.push(self.stream))
    }

    /// Sends some of the bytes, after which `more` follow; returns how many.
    pub(super) fn send(self, bytes: &[u8], more: bool) -> io::Result<usize> {
        match self.session {
            Some(session) => session.encrypt(&[IoSlice::new(bytes)]),
            None if more => self.stream.send_more(bytes),
            None => self.stream.send(bytes),
        }
    }

    /// Sends some of several pieces.
    pub(super) fn send_vectored(self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.session {
            Some(session) => session.encrypt(pieces),
            None => self.stream.send_vectored(pieces),
        }
    }

    /// Sends some of a piece of a file, at most so much; 0 where the file has ended.
    pub(super) fn send_file(self, file: &File, span: &mut Span, most: u64) -> io::Result<usize> {
        let most = usize::try_from(span.left.min(most)).unwrap_or(usize::MAX);
        #[cfg(target_os = "linux")]
        if self.session.is_none() && !span.is_copied {
            let Ok(mut position) = i64::try_from(span.offset) else {
                return Err(io::ErrorKind::InvalidInput.into());
            };
            self.stream.never_block()?;
            let sent = self.stream.send_file(file, &mut position, most.min(MAX_SENDFILE));
            match sent {
                Err(error) if os::cannot_send_file(&error) => span.is_copied = true,
                sent => return sent.map(|count| span.advance(count)),
            }
        }
        let mut buffer = vec![0; most.min(sure_room(self.stream)?)];
        let read = read_at(file, &mut buffer, span.offset)?;
        if read == 0 {
            return Ok(0);
        }
        let sent = self.send(&buffer[..read], false)?;
        Ok(span.advance(sent))
    }
}

/// Bytes that the kernel takes at once: a connection holds nothing that is encrypted and not sent
/// while its client takes nothing of a file.
///
/// # Errors
///
/// `WouldBlock` where the client has to take something first.
fn sure_room(stream: &StreamSocket) -> io::Result<usize> {
    if !os::is_writable(stream) {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    if cfg!(not(target_os = "linux")) {
        return Ok(LEAST_COPIED);
    }
    // Linux calls a socket writable when a third of its buffer is free (`sk_stream_is_writeable`),
    // of which some goes into the storage of packets.
    let room = SockRef::from(stream).send_buffer_size().unwrap_or(0) / 4;
    Ok((room - room % LEAST_COPIED).clamp(LEAST_COPIED, MOST_COPIED))
}

/// Bytes of a file that are copied at once, where the kernel cannot send it: those of one to four
/// records of TLS. Four take 0.8 of the processor time of one (100 MiB to one client and to four).
const LEAST_COPIED: usize = 16 * 1024;
const MOST_COPIED: usize = 64 * 1024;

/// Bytes that one sendfile call is asked for; the kernel's own limit is just under 2 GiB.
#[cfg(target_os = "linux")]
const MAX_SENDFILE: usize = 1 << 30;
