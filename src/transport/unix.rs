//! Unix sockets, for streams and for datagrams.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{self, UnixListener};
use std::path::{Path, PathBuf};

use socket2::{Domain, Socket, Type};

use super::inbox::{Inbox, MAX_PACKET_SIZE};
use super::sealed::Accept;
use super::socket_file::SocketFile;
use super::{Transport, cannot_bind};
use crate::address::Address;
use crate::connection::{self, Connection};
use crate::datagram::{Datagram, Packet};

/// How to bind a Unix socket.
///
/// A socket file that is left over from a server that is gone is replaced; one that somebody
/// listens on is not. To find out, a connection to it is made and closed at once. The file is
/// removed when the server is closed. Python's servers do neither, so that the second start fails.
///
/// While the file is examined the directory is locked (`flock`), so that of two servers that start
/// at once only one gets the path. Another program's lock is waited for up to a second. On Linux a
/// path that begins with NUL is a name in no file system.
///
/// # Examples
///
/// ```
/// use socketserver::transport::UnixBind;
/// use socketserver::{Sequential, UnixStreamServer, handler_fn};
///
/// let directory = tempfile::tempdir()?;
/// let options = UnixBind { mode: Some(0o660), ..UnixBind::default() };
/// let transport = options.listen(directory.path().join("app.sock"))?;
/// let server = UnixStreamServer::from_transport(transport, handler_fn(|_| Ok(())), Sequential)?;
/// # let _ = server;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnixBind {
    /// Clients that may wait in the kernel to be accepted; see
    /// [`TcpBind::request_queue_size`](super::TcpBind::request_queue_size). Defaults to 4,096.
    pub request_queue_size: i32,
    /// Bytes of the longest datagram that is taken; see
    /// [`UdpBind::max_packet_size`](super::UdpBind::max_packet_size). Defaults to 8,192.
    pub max_packet_size: usize,
    /// Who may connect: the permissions of the socket file, as `chmod` takes them. Nobody can
    /// connect before they are set. Defaults to `None`: what the process's umask leaves.
    pub mode: Option<u32>,
}

impl Default for UnixBind {
    fn default() -> Self {
        Self { request_queue_size: 4096, max_packet_size: MAX_PACKET_SIZE, mode: None }
    }
}

impl UnixBind {
    /// Binds a path and listens for connections.
    ///
    /// # Errors
    ///
    /// Names the path: somebody listens there, it is no socket, its directory is missing or
    /// forbidden, or it is too long (108 bytes on Linux). Nothing stays open.
    pub fn listen(&self, path: impl AsRef<Path>) -> io::Result<UnixStream> {
        let (socket, file) =
            self.bind(path.as_ref(), Type::STREAM, Some(self.request_queue_size))?;
        UnixStream::new(socket.into(), file)
    }

    /// Binds a path for datagrams.
    ///
    /// # Errors
    ///
    /// As [`listen`](Self::listen).
    pub fn bind_datagram(&self, path: impl AsRef<Path>) -> io::Result<UnixDatagram> {
        let (socket, file) = self.bind(path.as_ref(), Type::DGRAM, None)?;
        UnixDatagram::new(socket.into(), file, self.max_packet_size)
    }

    fn bind(
        &self,
        path: &Path,
        kind: Type,
        queue: Option<i32>,
    ) -> io::Result<(Socket, Option<SocketFile>)> {
        let bound = || {
            let socket = Socket::new(Domain::UNIX, kind, None)?;
            let file = SocketFile::bind(&socket, path, self.mode, queue)?;
            Ok((socket, file))
        };
        bound().map_err(|error: io::Error| cannot_bind(&Address::unix(path), &error))
    }
}

/// A listening Unix socket.
#[derive(Debug)]
pub struct UnixStream {
    // Gone before the socket, so that nobody connects where nobody accepts.
    file: Option<SocketFile>,
    listener: UnixListener,
    path: PathBuf,
}

impl UnixStream {
    fn new(listener: UnixListener, file: Option<SocketFile>) -> io::Result<Self> {
        // Between "somebody waits" and `accept` the client may leave.
        listener.set_nonblocking(true)?;
        let path = path_of(listener.local_addr()?);
        Ok(Self { file, listener, path })
    }
}

/// The socket's file is left to whoever made it.
impl TryFrom<UnixListener> for UnixStream {
    type Error = io::Error;

    fn try_from(listener: UnixListener) -> io::Result<Self> {
        Self::new(listener, None)
    }
}

impl Transport for UnixStream {
    type Request = Connection;
    type Address = PathBuf;

    fn server_address(&self) -> PathBuf {
        self.path.clone()
    }
}

impl Accept for UnixStream {
    type Arrival = connection::Socket;

    fn accept(&mut self) -> io::Result<(connection::Socket, Address)> {
        let (stream, address) = self.listener.accept()?;
        // As for TCP: the BSDs hand the listener's mode on.
        #[cfg(not(target_os = "linux"))]
        stream.set_nonblocking(false)?;
        Ok((connection::Socket::plain(stream), address.into()))
    }

    fn close(&mut self, in_its_place: Socket) {
        self.listener = in_its_place.into();
    }

    fn remove_name(&mut self) {
        self.file = None;
    }
}

impl AsFd for UnixStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

/// A bound Unix socket for datagrams.
#[derive(Debug)]
pub struct UnixDatagram {
    file: Option<SocketFile>,
    inbox: Inbox,
    path: PathBuf,
}

impl UnixDatagram {
    fn new(
        socket: net::UnixDatagram,
        file: Option<SocketFile>,
        max_packet_size: usize,
    ) -> io::Result<Self> {
        let path = path_of(socket.local_addr()?);
        Ok(Self { file, inbox: Inbox::new(socket.into(), max_packet_size)?, path })
    }
}

/// Takes packets up to Python's 8,192 bytes. The socket's file is left to whoever made it.
impl TryFrom<net::UnixDatagram> for UnixDatagram {
    type Error = io::Error;

    fn try_from(socket: net::UnixDatagram) -> io::Result<Self> {
        Self::new(socket, None, MAX_PACKET_SIZE)
    }
}

impl Transport for UnixDatagram {
    type Request = Datagram;
    type Address = PathBuf;

    fn server_address(&self) -> PathBuf {
        self.path.clone()
    }
}

impl Accept for UnixDatagram {
    type Arrival = Packet;

    fn accept(&mut self) -> io::Result<(Packet, Address)> {
        self.inbox.receive()
    }

    fn remove_name(&mut self) {
        self.file = None;
    }
}

impl AsFd for UnixDatagram {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inbox.as_fd()
    }
}

fn path_of(address: net::SocketAddr) -> PathBuf {
    Address::from(address).path().unwrap_or_else(|| Path::new("")).to_owned()
}
