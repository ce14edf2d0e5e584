//! UDP over IPv4 and IPv6.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use socket2::{Domain, Protocol, Socket, Type};

use super::inbox::{Inbox, MAX_PACKET_SIZE};
use super::sealed::Accept;
use super::{ToBindAddress, Transport, bind_inet};
use crate::address::Address;
use crate::datagram::{Datagram, Packet};

/// How to bind a UDP socket: the class attributes of Python's `UDPServer`.
///
/// # Examples
///
/// ```
/// use socketserver::transport::UdpBind;
/// use socketserver::{Datagram, Sequential, UdpServer, handler_fn};
///
/// let options = UdpBind { max_packet_size: 65_507, ..UdpBind::default() };
/// let handler = handler_fn(|datagram: Datagram| datagram.reply(&datagram.packet));
/// let server = UdpServer::from_transport(options.bind("127.0.0.1:0")?, handler, Sequential)?;
/// # let _ = server;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpBind {
    /// Bytes of the longest datagram that is taken. A longer one is not handled but reported to
    /// [`Handler::handle_error`](crate::Handler::handle_error). Defaults to 8,192 as in Python,
    /// which cuts it silently.
    #[doc(alias = "UDPServer.max_packet_size")]
    pub max_packet_size: usize,
    /// Lets several sockets be bound to the address; on Linux one of them then takes the other's
    /// packets. Defaults to `false`.
    #[doc(alias = "UDPServer.allow_reuse_address")]
    pub allow_reuse_address: bool,
    /// Lets several sockets share the port. Defaults to `false`.
    #[doc(alias = "UDPServer.allow_reuse_port")]
    pub allow_reuse_port: bool,
    /// Takes IPv4 packets on an IPv6 socket bound to all interfaces. Defaults to `true`.
    pub dual_stack: bool,
}

impl Default for UdpBind {
    fn default() -> Self {
        Self {
            max_packet_size: MAX_PACKET_SIZE,
            allow_reuse_address: false,
            allow_reuse_port: false,
            dual_stack: true,
        }
    }
}

impl UdpBind {
    /// Binds the first of the address's resolutions that can be bound.
    ///
    /// # Errors
    ///
    /// Names what was asked for, each address that was tried, and what was wrong with it. Nothing
    /// stays open.
    pub fn bind(&self, address: impl ToBindAddress) -> io::Result<Udp> {
        let socket = address.bind_address().bind_first(|address| self.bind_to(address))?;
        Udp::new(socket.into(), self.max_packet_size)
    }

    fn bind_to(&self, address: SocketAddr) -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        let shares = (self.allow_reuse_address, self.allow_reuse_port);
        bind_inet(&socket, address, shares, self.dual_stack)?;
        Ok(socket)
    }
}

/// A bound UDP socket.
#[derive(Debug)]
pub struct Udp {
    inbox: Inbox,
    address: SocketAddr,
}

impl Udp {
    pub(crate) fn new(socket: UdpSocket, max_packet_size: usize) -> io::Result<Self> {
        let address = socket.local_addr()?;
        Ok(Self { inbox: Inbox::new(socket.into(), max_packet_size)?, address })
    }
}

/// Takes packets up to Python's 8,192 bytes.
impl TryFrom<UdpSocket> for Udp {
    type Error = io::Error;

    fn try_from(socket: UdpSocket) -> io::Result<Self> {
        Self::new(socket, MAX_PACKET_SIZE)
    }
}

impl Transport for Udp {
    type Request = Datagram;
    type Address = SocketAddr;

    fn server_address(&self) -> SocketAddr {
        self.address
    }
}

impl Accept for Udp {
    type Arrival = Packet;

    fn accept(&mut self) -> io::Result<(Packet, Address)> {
        self.inbox.receive()
    }
}

impl AsFd for Udp {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inbox.as_fd()
    }
}
