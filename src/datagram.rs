//! A packet from a client, and the reply to it: what a datagram handler is given.

use std::fmt;
use std::io::{self, Cursor, ErrorKind, Write};
use std::sync::Arc;

use socket2::SockRef;

use crate::address::Address;
use crate::os::{AsFd, BorrowedFd, OwnedFd};
use crate::server_info::ServerInfo;

/// A datagram and the way to answer it: Python's `DatagramRequestHandler` without the class.
///
/// What the handler writes to `wfile` leaves as one datagram when this value is dropped; when
/// nothing was written, nothing leaves, where Python sends an empty datagram to whatever address
/// the packet claims to come from. [`reply`](Self::reply) sends at once.
///
/// # Examples
///
/// ```
/// use std::io::Write;
/// use std::net::UdpSocket;
/// use std::thread;
///
/// use socketserver::{Datagram, ThreadingUdpServer, handler_fn};
///
/// let shout = handler_fn(|mut datagram: Datagram| {
///     let loud = datagram.packet.to_ascii_uppercase();
///     datagram.wfile.write_all(&loud)
/// });
/// let mut server = ThreadingUdpServer::bind("127.0.0.1:0", shout)?;
/// let (address, handle) = (server.server_address(), server.shutdown_handle());
/// let serving = thread::spawn(move || server.serve_forever());
///
/// let client = UdpSocket::bind("127.0.0.1:0")?;
/// client.send_to(b"hello", address)?;
/// let mut reply = [0; 16];
/// let (size, _) = client.recv_from(&mut reply)?;
/// assert_eq!(&reply[..size], b"HELLO");
///
/// handle.shutdown();
/// serving.join().expect("the loop does not panic")?;
/// # std::io::Result::Ok(())
/// ```
#[non_exhaustive]
pub struct Datagram {
    /// What the client sent.
    #[doc(alias = "DatagramRequestHandler.packet")]
    pub packet: Arc<[u8]>,
    /// The packet as a stream, for handlers that read it line by line.
    #[doc(alias = "DatagramRequestHandler.rfile")]
    pub rfile: Cursor<Arc<[u8]>>,
    /// The reply, which leaves as one datagram when it is flushed or dropped.
    #[doc(alias = "DatagramRequestHandler.wfile")]
    pub wfile: Reply,
    /// Where the packet says that it comes from; with UDP a sender can write any address there.
    pub client_address: Address,
    /// The server that received it.
    pub server: ServerInfo,
}

impl Datagram {
    pub(crate) fn new(
        packet: Packet,
        client_address: Address,
        server: ServerInfo,
        errors: Arc<dyn ReplyErrorSink>,
    ) -> Self {
        let Packet { bytes, socket, .. } = packet;
        let to = client_address.clone();
        Self {
            packet: Arc::clone(&bytes),
            rfile: Cursor::new(bytes),
            wfile: Reply { bytes: Vec::new(), to, socket, errors },
            client_address,
            server,
        }
    }

    /// Sends a datagram to the client now: Python's
    /// `self.request[1].sendto(bytes, self.client_address)`. May be called several times.
    ///
    /// # Errors
    ///
    /// As [`send_to`](Self::send_to).
    #[doc(alias = "DatagramRequestHandler.socket")]
    pub fn reply(&self, bytes: &[u8]) -> io::Result<()> {
        self.send_to(bytes, &self.client_address)
    }

    /// Sends a datagram to another address, from the server's own.
    ///
    /// # Errors
    ///
    /// What the kernel reports: too long, no socket bound to the path, no name to answer to.
    /// `TimedOut` when the receiver's queue stays full for the stall limit
    /// ([`Timeouts::stall`](crate::Timeouts::stall)).
    #[doc(alias = "sendto")]
    pub fn send_to(&self, bytes: &[u8], address: &Address) -> io::Result<()> {
        send(&self.wfile.socket, bytes, address)
    }
}

impl fmt::Debug for Datagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Datagram")
            .field("client_address", &self.client_address)
            .field("packet", &self.packet.len())
            .finish_non_exhaustive()
    }
}

/// The reply to a datagram, collected until it is flushed or dropped.
///
/// A reply that cannot be sent when it is dropped is reported to
/// [`Handler::handle_error`](crate::Handler::handle_error); [`flush`](Write::flush) returns the
/// error instead. A panic in the handler discards what was written.
pub struct Reply {
    bytes: Vec<u8>,
    to: Address,
    socket: Arc<PacketSocket>,
    errors: Arc<dyn ReplyErrorSink>,
}

impl Write for Reply {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        let bytes = std::mem::take(&mut self.bytes);
        send(&self.socket, &bytes, &self.to)
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        if let Err(error) = self.flush() {
            let error = io::Error::new(error.kind(), format!("cannot send the reply: {error}"));
            self.errors.reply_failed(&self.to, &error);
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

/// Where replies are reported that could not be sent.
pub(crate) trait ReplyErrorSink: Send + Sync {
    /// Takes the error of a reply that is sent where no caller could be told.
    fn reply_failed(&self, to: &Address, error: &io::Error);
}

/// A datagram as it was received.
#[derive(Debug)]
pub(crate) struct Packet {
    bytes: Arc<[u8]>,
    /// There was more of it than the server takes.
    pub(crate) is_cut: bool,
    socket: Arc<PacketSocket>,
}

impl Packet {
    pub(crate) fn new(bytes: &[u8], is_cut: bool, socket: &Arc<PacketSocket>) -> Self {
        Self { bytes: bytes.into(), is_cut, socket: Arc::clone(socket) }
    }
}

/// A bound socket of datagrams.
#[derive(Debug)]
pub(crate) struct PacketSocket {
    descriptor: OwnedFd,
    is_ipv6: bool,
}

impl PacketSocket {
    pub(crate) fn new(descriptor: OwnedFd) -> io::Result<Self> {
        let is_ipv6 = SockRef::from(&descriptor).local_addr()?.is_ipv6();
        Ok(Self { descriptor, is_ipv6 })
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// Sends a datagram. The socket's own limit bounds the wait for room in a receiver's queue, whose
/// end no poll would tell of.
fn send(socket: &PacketSocket, bytes: &[u8], to: &Address) -> io::Result<()> {
    if to.path().is_some_and(|path| path.as_os_str().is_empty()) {
        let message = "the client has no name to be answered at";
        return Err(io::Error::new(ErrorKind::AddrNotAvailable, message));
    }
    // Linux would take an IPv4 address as it is on a socket for both; other systems do not.
    let to = if socket.is_ipv6 { to.to_ipv6_sockaddr()? } else { to.to_sockaddr()? };
    let socket = SockRef::from(socket);
    loop {
        match socket.send_to(bytes, &to) {
            // A datagram leaves whole or not at all.
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Err(io::Error::new(ErrorKind::TimedOut, "timed out"));
            }
            Err(error) => return Err(error),
        }
    }
}
