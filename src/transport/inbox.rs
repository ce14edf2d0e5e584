//! Where a socket of datagrams receives them.

use std::io;
use std::sync::Arc;

use crate::address::Address;
use crate::datagram::{Packet, PacketSocket};
use crate::os::{AsFd, BorrowedFd, OwnedFd};
use crate::sys;

/// A socket of datagrams, and room for the longest that is taken.
#[derive(Debug)]
pub(super) struct Inbox {
    socket: Arc<PacketSocket>,
    /// A byte more than that: where it is used, there was more.
    buffer: Vec<u8>,
}

impl Inbox {
    pub(super) fn new(socket: OwnedFd, max_packet_size: usize) -> io::Result<Self> {
        let socket = Arc::new(PacketSocket::new(socket)?);
        Ok(Self { socket, buffer: vec![0; max_packet_size.saturating_add(1)] })
    }

    /// Receives the next datagram, without waiting for one.
    pub(super) fn receive(&mut self) -> io::Result<(Packet, Address)> {
        let (size, sender) = sys::receive_from(&*self.socket, &mut self.buffer)?;
        let packet = Packet::new(&self.buffer[..size], size == self.buffer.len(), &self.socket);
        Ok((packet, Address::received(&sender)))
    }
}

impl AsFd for Inbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Python's `UDPServer.max_packet_size`.
pub(super) const MAX_PACKET_SIZE: usize = 8192;
