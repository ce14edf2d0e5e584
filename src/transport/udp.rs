//! UDP over IPv4 and IPv6.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

use super::bind_address::BindAddress;
use super::inbox::{Inbox, MAX_PACKET_SIZE};
use super::sealed::Accept;
use super::{BindTo, Place, ToBindAddress, Transport, bind_inet};
use crate::address::Address;
use crate::datagram::{Datagram, Packet};
use crate::os::{AsFd, BorrowedFd};

/// How to bind a UDP socket: the class attributes of Python's `UDPServer`.
///
/// # Examples
///
/// ```
/// use socketserver::transport::UdpBind;
/// use socketserver::{Datagram, Sequential, UdpServer, handler_fn};
///
/// let place = UdpBind::new("127.0.0.1:0").max_packet_size(65_507);
/// let handler = handler_fn(|datagram: Datagram| datagram.reply(&datagram.packet));
/// let server = UdpServer::bind_with(place, handler, Sequential)?;
/// # let _ = server;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct UdpBind {
    place: Place<BindAddress, UdpSocket>,
    max_packet_size: usize,
    allow_reuse_address: bool,
    allow_reuse_port: bool,
    dual_stack: bool,
}

impl UdpBind {
    /// The first of the address's resolutions that can be bound.
    pub fn new(address: impl ToBindAddress) -> Self {
        Self::at(Place::Address(address.bind_address()))
    }

    /// A socket that is bound already, as one that was inherited. Of the options below
    /// [`max_packet_size`](Self::max_packet_size) alone is for it.
    pub fn from_socket(socket: UdpSocket) -> Self {
        Self::at(Place::Socket(socket))
    }

    fn at(place: Place<BindAddress, UdpSocket>) -> Self {
        Self {
            place,
            max_packet_size: MAX_PACKET_SIZE,
            allow_reuse_address: false,
            allow_reuse_port: false,
            dual_stack: true,
        }
    }

    /// Bytes of the longest datagram that is taken. A longer one is not handled but reported to
    /// [`Handler::handle_error`](crate::Handler::handle_error). Defaults to 8,192 as in Python,
    /// which cuts it silently. No datagram is longer than 65,535 bytes, and a larger number counts
    /// as that.
    #[doc(alias = "UDPServer.max_packet_size")]
    pub fn max_packet_size(mut self, bytes: usize) -> Self {
        self.max_packet_size = bytes.min(LONGEST);
        self
    }

    /// Lets several sockets be bound to the address; on Linux one of them then takes the other's
    /// packets. Defaults to `false`.
    #[doc(alias = "UDPServer.allow_reuse_address")]
    pub fn allow_reuse_address(mut self, allowed: bool) -> Self {
        self.allow_reuse_address = allowed;
        self
    }

    /// Lets several sockets share the port. Defaults to `false`.
    #[doc(alias = "UDPServer.allow_reuse_port")]
    pub fn allow_reuse_port(mut self, allowed: bool) -> Self {
        self.allow_reuse_port = allowed;
        self
    }

    /// Takes IPv4 packets on an IPv6 socket bound to all interfaces. Defaults to `true`.
    pub fn dual_stack(mut self, taken: bool) -> Self {
        self.dual_stack = taken;
        self
    }

    fn bind_to(&self, address: SocketAddr) -> io::Result<UdpSocket> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        let shares = (self.allow_reuse_address, self.allow_reuse_port);
        bind_inet(&socket, address, shares, self.dual_stack)?;
        Ok(socket.into())
    }
}

impl<A: ToBindAddress> BindTo<UdpBind> for A {
    fn options(self) -> UdpBind {
        UdpBind::new(self)
    }
}

impl BindTo<Self> for UdpBind {
    fn options(self) -> Self {
        self
    }
}

/// The longest datagram that IP has a length for.
const LONGEST: usize = 65_535;

/// A bound UDP socket.
#[derive(Debug)]
pub struct Udp {
    inbox: Inbox,
    address: SocketAddr,
}

impl Transport for Udp {
    type Request = Datagram;
    type Address = SocketAddr;
    type Bind = UdpBind;

    fn bind(to: impl BindTo<UdpBind>) -> io::Result<Self> {
        let bind = to.options();
        let max_packet_size = bind.max_packet_size;
        let socket = match bind.place {
            Place::Address(ref address) => address.bind_first(|one| bind.bind_to(one))?,
            Place::Socket(socket) => socket,
        };
        let address = socket.local_addr()?;
        Ok(Self { inbox: Inbox::new(socket.into(), max_packet_size)?, address })
    }

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
