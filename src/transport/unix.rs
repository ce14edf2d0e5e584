//! Unix sockets, for streams and for datagrams.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{self, UnixListener};
use std::path::{Path, PathBuf};

use socket2::{Domain, Socket, Type};

use super::inbox::{Inbox, MAX_PACKET_SIZE};
use super::sealed::Accept;
use super::socket_file::SocketFile;
use super::{BindTo, Place, Transport, cannot_bind};
use crate::address::Address;
use crate::connection::{self, Connection};
use crate::datagram::{Datagram, Packet};

/// How to bind a Unix socket.
///
/// A socket file that is left over from a server that is gone is replaced; one that a process
/// listens on is not. To find out, a connection to it is made and closed at once. The file is
/// removed when the server is closed. Python's servers do neither, so that the second start fails.
///
/// While the file is examined the directory is locked (`flock`), so that of two servers that start
/// at once only one gets the path. Another program's lock is waited for up to a second. On Linux a
/// path that begins with NUL is a name in no file system.
///
/// # Errors
///
/// Binding fails where another server listens on the path, where the file there is not a socket,
/// where its directory is missing or forbidden, and where it is too long (more than 107 bytes on
/// Linux). The error names the path.
///
/// # Examples
///
/// ```
/// use socketserver::transport::UnixBind;
/// use socketserver::{Sequential, UnixStreamServer, handler_fn};
///
/// let directory = tempfile::tempdir()?;
/// let place = UnixBind::new(directory.path().join("app.sock")).mode(0o660);
/// let server = UnixStreamServer::bind_with(place, handler_fn(|_| Ok(())), Sequential)?;
/// # let _ = server;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct UnixBind {
    place: Place<PathBuf, UnixListener>,
    request_queue_size: i32,
    mode: Option<u32>,
}

impl UnixBind {
    /// A path.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self::at(Place::Address(path.as_ref().to_owned()))
    }

    /// A socket that is bound and listening already, as one that was inherited. Its file stays when
    /// the server is closed. The options below are not for it.
    pub fn from_socket(listener: UnixListener) -> Self {
        Self::at(Place::Socket(listener))
    }

    fn at(place: Place<PathBuf, UnixListener>) -> Self {
        Self { place, request_queue_size: 4096, mode: None }
    }

    /// Clients that may wait in the kernel to be accepted; see
    /// [`TcpBind::request_queue_size`](super::TcpBind::request_queue_size). Defaults to 4,096.
    pub fn request_queue_size(mut self, clients: i32) -> Self {
        self.request_queue_size = clients;
        self
    }

    /// The users that may connect: the permissions of the socket file, as `chmod` takes them. No
    /// client can connect before they are set. Defaults to `None`: what the process's umask leaves.
    pub fn mode(mut self, mode: impl Into<Option<u32>>) -> Self {
        self.mode = mode.into();
        self
    }
}

impl<P: AsRef<Path>> BindTo<UnixBind> for P {
    fn options(self) -> UnixBind {
        UnixBind::new(self)
    }
}

impl BindTo<Self> for UnixBind {
    fn options(self) -> Self {
        self
    }
}

/// How to bind a Unix socket for datagrams. What is said of files at [`UnixBind`] holds here, too.
///
/// # Examples
///
/// ```
/// use socketserver::transport::UnixDatagramBind;
/// use socketserver::{Datagram, Sequential, UnixDatagramServer, handler_fn};
///
/// let directory = tempfile::tempdir()?;
/// let place = UnixDatagramBind::new(directory.path().join("log")).max_packet_size(65_536);
/// let handler = handler_fn(|_: Datagram| Ok(()));
/// let server = UnixDatagramServer::bind_with(place, handler, Sequential)?;
/// # let _ = server;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct UnixDatagramBind {
    place: Place<PathBuf, net::UnixDatagram>,
    max_packet_size: usize,
    mode: Option<u32>,
}

/// More than the buffer of any sender: the server reserves this much.
const LONGEST: usize = 16 << 20;

impl UnixDatagramBind {
    /// A path.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self::at(Place::Address(path.as_ref().to_owned()))
    }

    /// A socket that is bound already, as one that was inherited. Its file stays when the server is
    /// closed. Of the options below [`max_packet_size`](Self::max_packet_size) alone is for it.
    pub fn from_socket(socket: net::UnixDatagram) -> Self {
        Self::at(Place::Socket(socket))
    }

    fn at(place: Place<PathBuf, net::UnixDatagram>) -> Self {
        Self { place, max_packet_size: MAX_PACKET_SIZE, mode: None }
    }

    /// Bytes of the longest datagram that is taken; see
    /// [`UdpBind::max_packet_size`](super::UdpBind::max_packet_size). Defaults to 8,192. Their
    /// length is bounded by the sender's buffer; a number beyond 16 MiB counts as that.
    pub fn max_packet_size(mut self, bytes: usize) -> Self {
        self.max_packet_size = bytes.min(LONGEST);
        self
    }

    /// The users that may send; see [`UnixBind::mode`]. Defaults to `None`: what the process's
    /// umask leaves.
    pub fn mode(mut self, mode: impl Into<Option<u32>>) -> Self {
        self.mode = mode.into();
        self
    }
}

impl<P: AsRef<Path>> BindTo<UnixDatagramBind> for P {
    fn options(self) -> UnixDatagramBind {
        UnixDatagramBind::new(self)
    }
}

impl BindTo<Self> for UnixDatagramBind {
    fn options(self) -> Self {
        self
    }
}

/// Binds a path, and listens if a queue is given.
fn bind_path(
    path: &Path,
    kind: Type,
    mode: Option<u32>,
    queue: Option<i32>,
) -> io::Result<(Socket, Option<SocketFile>)> {
    let bound = || {
        let socket = Socket::new(Domain::UNIX, kind, None)?;
        let file = SocketFile::bind(&socket, path, mode, queue)?;
        Ok((socket, file))
    };
    bound().map_err(|error: io::Error| cannot_bind(&Address::unix(path), &error))
}

/// A listening Unix socket: what a [`UnixStreamServer`](crate::UnixStreamServer) serves.
#[derive(Debug)]
pub struct Unix {
    file: Option<SocketFile>,
    listener: UnixListener,
    path: PathBuf,
}

/// The name goes before the socket, so that no client connects that is not accepted.
impl Drop for Unix {
    fn drop(&mut self) {
        self.remove_name();
    }
}

impl Transport for Unix {
    type Request = Connection;
    type Address = PathBuf;
    type Bind = UnixBind;

    fn bind(to: impl BindTo<UnixBind>) -> io::Result<Self> {
        let bind = to.options();
        let (listener, file) = match bind.place {
            Place::Address(path) => {
                let queue = Some(bind.request_queue_size);
                let (socket, file) = bind_path(&path, Type::STREAM, bind.mode, queue)?;
                (socket.into(), file)
            }
            Place::Socket(listener) => (listener, None),
        };
        // Between "a client waits" and `accept` the client may leave.
        listener.set_nonblocking(true)?;
        let path = path_of(listener.local_addr()?);
        Ok(Self { file, listener, path })
    }

    fn server_address(&self) -> PathBuf {
        self.path.clone()
    }
}

impl Accept for Unix {
    type Arrival = connection::ClientSocket;

    fn accept(&mut self) -> io::Result<(connection::ClientSocket, Address)> {
        let (stream, address) = self.listener.accept()?;
        // As for TCP: the BSDs hand the listener's mode on.
        #[cfg(not(target_os = "linux"))]
        stream.set_nonblocking(false)?;
        Ok((connection::ClientSocket::plain(stream), address.into()))
    }

    fn close(&mut self, in_its_place: Socket) {
        self.listener = in_its_place.into();
    }

    fn remove_name(&mut self) {
        self.file = None;
    }
}

impl AsFd for Unix {
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

impl Transport for UnixDatagram {
    type Request = Datagram;
    type Address = PathBuf;
    type Bind = UnixDatagramBind;

    fn bind(to: impl BindTo<UnixDatagramBind>) -> io::Result<Self> {
        let bind = to.options();
        let (socket, file) = match bind.place {
            Place::Address(path) => {
                let (socket, file) = bind_path(&path, Type::DGRAM, bind.mode, None)?;
                (socket.into(), file)
            }
            Place::Socket(socket) => (socket, None),
        };
        let path = path_of(socket.local_addr()?);
        Ok(Self { path, file, inbox: Inbox::new(socket.into(), bind.max_packet_size)? })
    }

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
