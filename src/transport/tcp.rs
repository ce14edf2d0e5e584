//! TCP over IPv4 and IPv6.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::bind_address::BindAddress;
use super::sealed::Accept;
use super::{BindTo, Place, ToBindAddress, Transport, bind_inet};
use crate::address::Address;
use crate::connection::{self, Connection};
use crate::os::{AsFd, BorrowedFd};
use crate::sys;

/// How to bind a TCP listener: the class attributes of Python's `TCPServer`.
///
/// # Examples
///
/// ```
/// use socketserver::{Sequential, TcpServer, handler_fn};
/// use socketserver::transport::TcpBind;
///
/// let place = TcpBind::new("127.0.0.1:0").request_queue_size(5);
/// let handler = handler_fn(|_| Ok(()));
/// let server = TcpServer::bind_with(place, handler, Sequential)?;
/// # let _ = server;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct TcpBind {
    place: Place<BindAddress, TcpListener>,
    request_queue_size: i32,
    allow_reuse_address: bool,
    allow_reuse_port: bool,
    dual_stack: bool,
}

impl TcpBind {
    /// The first of the address's resolutions that can be bound.
    pub fn new(address: impl ToBindAddress) -> Self {
        Self::at(Place::Address(address.bind_address()))
    }

    /// All interfaces, as `python -m http.server` without `--bind`.
    ///
    /// Whether that is `0.0.0.0` or `[::]` is up to the system's resolver; the latter takes IPv4
    /// clients, too, while [`dual_stack`](Self::dual_stack) is set.
    pub fn everywhere(port: u16) -> Self {
        let mut addresses = sys::passive_addresses(port);
        if addresses.is_empty() {
            addresses.push(SocketAddr::from(([0, 0, 0, 0], port)));
        }
        Self::new(addresses)
    }

    /// A socket that is bound and listening already, as one that was inherited. The options below
    /// are not for it.
    #[doc(alias = "bind_and_activate")]
    pub fn from_socket(listener: TcpListener) -> Self {
        Self::at(Place::Socket(listener))
    }

    fn at(place: Place<BindAddress, TcpListener>) -> Self {
        Self {
            place,
            request_queue_size: 4096,
            allow_reuse_address: true,
            allow_reuse_port: false,
            dual_stack: true,
        }
    }

    /// Clients that may wait in the kernel to be accepted. Defaults to 4,096, which the kernel cuts
    /// to its own limit (`somaxconn`); Python's 5 loses clients that come in a burst for a second.
    #[doc(alias = "TCPServer.request_queue_size")]
    pub fn request_queue_size(mut self, clients: i32) -> Self {
        self.request_queue_size = clients;
        self
    }

    /// Binds a port that old connections still linger on. Defaults to `true`, as Python's
    /// `HTTPServer` and unlike its `TCPServer`.
    #[doc(alias = "TCPServer.allow_reuse_address")]
    pub fn allow_reuse_address(mut self, allowed: bool) -> Self {
        self.allow_reuse_address = allowed;
        self
    }

    /// Lets several sockets share the port. Defaults to `false`.
    #[doc(alias = "TCPServer.allow_reuse_port")]
    pub fn allow_reuse_port(mut self, allowed: bool) -> Self {
        self.allow_reuse_port = allowed;
        self
    }

    /// Takes IPv4 clients on an IPv6 socket bound to all interfaces. Defaults to `true`, as
    /// `python -m http.server` does.
    #[doc(alias = "IPV6_V6ONLY")]
    pub fn dual_stack(mut self, taken: bool) -> Self {
        self.dual_stack = taken;
        self
    }

    fn listen_on(&self, address: SocketAddr) -> io::Result<TcpListener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        let shares = (self.allow_reuse_address, self.allow_reuse_port);
        bind_inet(&socket, address, shares, self.dual_stack)?;
        socket.listen(self.request_queue_size)?;
        Ok(socket.into())
    }
}

/// For a socket that was bound without TLS, and is to have it.
impl BindTo<TcpBind> for Tcp {
    fn options(self) -> TcpBind {
        TcpBind::from_socket(self.listener)
    }
}

impl<A: ToBindAddress> BindTo<TcpBind> for A {
    fn options(self) -> TcpBind {
        TcpBind::new(self)
    }
}

impl BindTo<Self> for TcpBind {
    fn options(self) -> Self {
        self
    }
}

/// A listening TCP socket.
#[derive(Debug)]
pub struct Tcp {
    listener: TcpListener,
    address: SocketAddr,
}

impl Tcp {
    fn new(listener: TcpListener) -> io::Result<Self> {
        let address = listener.local_addr()?;
        // Between "a client waits" and `accept` the client may leave; a blocking accept would then
        // sleep through a shutdown.
        listener.set_nonblocking(true)?;
        // Small responses leave at once. Linux and the BSDs hand the option on to accepted
        // sockets, which saves a call for each of them.
        SockRef::from(&listener).set_tcp_nodelay(true)?;
        Ok(Self { listener, address })
    }

    /// Takes the next client from the kernel's queue.
    pub(super) fn accept_stream(&self) -> io::Result<(TcpStream, Address)> {
        let (stream, address) = self.listener.accept()?;
        // Linux does not hand the listener's non-blocking mode on; the BSDs do. A handler that
        // takes the stream over expects it to block.
        #[cfg(not(target_os = "linux"))]
        stream.set_nonblocking(false)?;
        Ok((stream, address.into()))
    }
}

impl Transport for Tcp {
    type Request = Connection;
    type Address = SocketAddr;
    type Bind = TcpBind;

    fn bind(to: impl BindTo<TcpBind>) -> io::Result<Self> {
        let bind = to.options();
        Self::new(match bind.place {
            Place::Address(ref address) => address.bind_first(|one| bind.listen_on(one))?,
            Place::Socket(listener) => listener,
        })
    }

    fn server_address(&self) -> SocketAddr {
        self.address
    }
}

impl Accept for Tcp {
    type Arrival = connection::ClientSocket;

    fn accept(&mut self) -> io::Result<(connection::ClientSocket, Address)> {
        let (stream, address) = self.accept_stream()?;
        Ok((connection::ClientSocket::plain(stream), address))
    }

    fn close(&mut self, in_its_place: Socket) {
        self.listener = in_its_place.into();
    }
}

impl AsFd for Tcp {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}
