//! Records that the kernel has not taken.

use std::io;
use std::ops::Range;

use rustls::server::ServerConnectionData;
use rustls::unbuffered::{EncodeError, EncodeTlsData};

use super::super::stream_socket::StreamSocket;
use super::storage;

/// Encrypted bytes on their way into the kernel.
#[derive(Default)]
pub(super) struct Outgoing {
    storage: Vec<u8>,
    /// Where in it they are.
    left: Range<usize>,
}

impl Outgoing {
    pub(super) fn len(&self) -> usize {
        self.left.len()
    }

    /// Bytes of memory that this takes.
    #[cfg(all(test, feature = "http"))]
    pub(super) fn held(&self) -> usize {
        self.storage.capacity()
    }

    /// Storage for so many bytes more, of which [`note`](Self::note) is told how many there are.
    pub(super) fn room(&mut self, count: usize) -> &mut [u8] {
        let end = self.left.end + count;
        if self.storage.is_empty() {
            self.storage = storage::take(end);
        } else if self.storage.len() < end {
            self.storage.resize(end, 0);
        }
        &mut self.storage[self.left.end..end]
    }

    pub(super) fn note(&mut self, count: usize) {
        self.left.end += count;
    }

    /// Adds a message of the handshake, or about the connection.
    pub(super) fn add_message(&mut self, mut message: EncodeTlsData<'_, ServerConnectionData>) {
        if let Err(EncodeError::InsufficientSize(needed)) = message.encode(&mut [])
            && let Ok(count) = message.encode(self.room(needed.required_size))
        {
            self.note(count);
        }
    }

    /// Has the kernel take all.
    ///
    /// # Errors
    ///
    /// `WouldBlock` as long as something is left, which is all that is kept then.
    pub(super) fn push(&mut self, stream: &StreamSocket) -> io::Result<()> {
        let mut pushed = Ok(());
        while !self.left.is_empty() && pushed.is_ok() {
            pushed = stream.send(&self.storage[self.left.clone()]).map(|count| {
                self.left.start += count;
            });
        }
        if self.left.len() < self.storage.len() {
            let rest = self.storage[self.left.clone()].to_vec();
            self.left = 0..rest.len();
            storage::give(std::mem::replace(&mut self.storage, rest));
        }
        pushed
    }
}
