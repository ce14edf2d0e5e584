//! A client's connection: what a stream handler is given.
//!
//! ```text
//!        accepted ──► handle(connection) ──► dropped: closed in good order
//!                          ▲    │
//! bytes arrived, or        │    ├──► connection.park()            waits for the next request
//! the deadline passed ─────┴────┤
//!                               ├──► connection.park_for_more()   waits for the rest of this one
//!                               ├──► connection.lingering_close() refused: let the client read why
//!                               └──► moved elsewhere              taken over
//! ```

mod client_socket;
mod credentials;
mod guard;
mod held_file;
mod line;
mod line_out;
mod not_tls;
mod outbox;
mod pace;
mod rfile;
mod send_file;
mod spare;
mod stream_socket;
mod timeouts;
#[cfg_attr(not(feature = "tls"), path = "no_tls.rs")]
mod tls;
mod uptake;
mod wait_limit;
mod wfile;

pub use credentials::PeerCredentials;
pub(crate) use guard::{ConnectionGuard, ConnectionOwner, End, WaitFor};
pub(crate) use line::readline;
pub use not_tls::NotTls;
pub use rfile::Rfile;
pub(crate) use rfile::Searched;
pub use timeouts::Timeouts;
pub(crate) use wait_limit::{NEXT_LOOK, WaitLimit};
pub use wfile::Wfile;

pub(crate) use send_file::copy_file;

pub(crate) use client_socket::{ClientSocket, Progress};
pub(crate) use stream_socket::{Direction, remaining, timed_out};
#[cfg(feature = "tls")]
pub(crate) use tls::Session;
pub(crate) use tls::is_broken_tls;

use std::any::Any;
use std::fmt;
use std::io::{self, BufRead, Read, Write};
use std::net::Shutdown;
use std::sync::{Arc, Weak};

use crate::address::Address;
use crate::os::{AsFd, BorrowedFd};
use crate::server_info::ServerInfo;

/// A connected client: Python's `StreamRequestHandler` without the class.
///
/// A handler owns the connection. Dropping it ends it; moving it to another thread or into a
/// collection takes it over (but under [`Forking`](crate::Forking) it ends with its child, when the
/// handler has returned); [`park`](Self::park) gives it back to the server until there is
/// something to read. `rfile` and `wfile` are fields so that they can be borrowed apart:
/// `io::copy(&mut connection.rfile, &mut connection.wfile)` echoes.
///
/// # Porting a `StreamRequestHandler`
///
/// | Python | here |
/// |---|---|
/// | `self.rfile.readline(limit)` | [`connection.rfile.readline(limit)?`](Rfile::readline) |
/// | `self.rfile.readline()`, `for line in self.rfile` | `rfile.read_until(b'\n', &mut line)?`, `rfile.split(b'\n')`: without a limit |
/// | `self.rfile.read(n)` | `rfile.read_exact(&mut buffer)?`: an error where the client ends early; `(&mut rfile).take(n).read_to_end(&mut bytes)?`: fewer bytes then |
/// | `self.request.recv(n)` | `rfile.read(&mut buffer)?`: what has arrived, at least a byte; 0 at the end |
/// | `self.wfile.write(data)`, `self.request.sendall(data)` | `wfile.write_all(data)?` |
/// | `self.request.settimeout(seconds)` | [`rfile.set_timeout`](Rfile::set_timeout), [`wfile.set_timeout`](Wfile::set_timeout); for all connections [`Handler::timeouts`](crate::Handler::timeouts) |
/// | `self.request.shutdown(socket.SHUT_WR)` | [`wfile.shutdown()?`](Wfile::shutdown) |
/// | `self.request.setsockopt(..)`, `getsockname()` | `socket2::SockRef::from(&connection)`, by its `AsFd` |
/// | `self.client_address`, `self.server` | fields of the same names |
///
/// # How it ends
///
/// As in Python (`shutdown(SHUT_WR)`, then `close`), for every process that holds the socket: the
/// client reads what was written, and then the end. Where it has sent what was not read, closing
/// would reset the connection, on a Unix socket for certain; so what has arrived and what still
/// comes is thrown away first, however much: until the client ends, sends nothing for five seconds,
/// or has gone on for thirty. The server does that, and no thread waits for it, but for a child of
/// [`Forking`](crate::Forking), which goes on only while at least 64 KiB come in two seconds. Where
/// an end of the connection outlives it, such as a clone of `wfile`, what has arrived when the last
/// one is dropped is thrown away, up to 256 KiB.
///
/// A client that was given up for what it does not take ([`Wfile`]) is reset over TCP, with what is
/// on the way to it.
///
/// So is one with a response of HTTP that is not whole, where nothing else would tell
/// (`http::ResponseBody`).
///
/// [`lingering_close`](Self::lingering_close) also waits where nothing has arrived yet.
pub struct Connection {
    /// What the client sends, buffered.
    pub rfile: Rfile,
    /// What the client receives, not buffered, as in Python: each write goes out at once.
    pub wfile: Wfile,
    /// The client's address.
    #[doc(alias = "getpeername")]
    pub client_address: Address,
    /// The server that accepted this connection.
    pub server: ServerInfo,
    /// What a handler has left here with the connection that it gave back, for its next call.
    // Before the guard, as it may hold ends of the connection, too. In a box more, so that it takes
    // no more room than a pointer.
    pub(crate) kept: Option<Box<Box<dyn Any + Send>>>,
    // Behind both ends: one that is held after this counts as held by others, and what the client
    // still sends is thrown away when that is dropped.
    pub(crate) guard: ConnectionGuard,
}

// It is moved a dozen times for a request, and each move of more than 256 bytes takes twice the
// instructions, 3 % of a kept request together (callgrind, as in benches/README.md).
const _: () = assert!(size_of::<Connection>() <= 256);

impl Connection {
    /// How many of its parts hold the socket: both ends, and what tells the server of its own.
    pub(crate) const ENDS: usize = 3;

    pub(crate) fn new(
        socket: Arc<ClientSocket>,
        client_address: Address,
        server: ServerInfo,
        timeouts: &Timeouts,
        owner: Weak<dyn ConnectionOwner>,
    ) -> Self {
        socket.expect_rate(timeouts.response_rate);
        Self {
            rfile: Rfile::new(Arc::clone(&socket), timeouts.stall, timeouts.body_rate),
            wfile: Wfile::new(Arc::clone(&socket), timeouts.stall),
            client_address,
            server,
            kept: None,
            guard: ConnectionGuard::new(owner, socket),
        }
    }

    /// Gives the connection back until there is something to read, then the handler is called
    /// with it again.
    ///
    /// Bytes that were read but not consumed count: with some in the buffer the handler is called
    /// at once, or after the clients that already wait. Where nothing comes within the idle
    /// limit ([`Timeouts::idle`]) the connection is closed without a call.
    ///
    /// The client's end is something to read: the handler is called, and reads 0 bytes. Where
    /// nothing is left in the buffer then, giving the connection back is the same as dropping it,
    /// since nothing more can come; other holders of its [`wfile`](Self::wfile) may go on writing.
    ///
    /// # Errors
    ///
    /// Does not fail today; the result makes `return connection.park()` the last line of a handler.
    pub fn park(self) -> io::Result<()> {
        self.give_back(WaitFor::NextRequest)
    }

    /// Gives the connection back until bytes arrive beyond those in the buffer.
    ///
    /// For a handler that has looked at the buffer ([`Rfile::unread`]) and needs the rest of a
    /// request. Where that does not come within [`Timeouts::head`] of the first such call, the
    /// handler is called once more, and reading fails with `TimedOut` after the bytes that did
    /// arrive. Parking it again closes it, and so does parking it after its client's end was read.
    ///
    /// # Errors
    ///
    /// Does not fail today; see [`park`](Self::park).
    pub fn park_for_more(self) -> io::Result<()> {
        self.give_back(WaitFor::RestOfRequest)
    }

    /// Gives the connection back until the client has taken what was left to be sent, or will not
    /// take it; then the handler is called, which has to ask which it was.
    pub(crate) fn park_until_taken(self) -> io::Result<()> {
        self.give_back(WaitFor::Taken)
    }

    /// Closes the connection so that the client can read what was written last, even when it is
    /// about to send more.
    ///
    /// Dropping a connection takes care of what has arrived by then. For a refusal in the middle of
    /// a request that is not enough: the reset for what comes later may overtake the response. So
    /// here what arrives is thrown away until the client ends, [within limits](Self#how-it-ends) of
    /// time. The server does that; no worker waits for it, but for a child of
    /// [`Forking`](crate::Forking).
    ///
    /// # Errors
    ///
    /// Fails when what was held back for the client cannot be sent.
    pub fn lingering_close(mut self) -> io::Result<()> {
        self.wfile.flush()?;
        self.end_by(End::Lingering);
        Ok(())
    }

    /// Closes the connection at once, for every holder and whatever has arrived: the server gives
    /// it up.
    pub(crate) fn close(mut self) {
        self.end_by(End::AtOnce);
        self.rfile.socket().shutdown(Shutdown::Write);
    }

    /// Settles how the connection ends when it is dropped.
    pub(crate) fn end_by(&mut self, end: End) {
        self.guard.end = end;
    }

    /// Tells whether the server is shutting down, so that no further request should be expected.
    pub fn is_draining(&self) -> bool {
        self.guard.finds_draining()
    }

    /// The process at the other end, if this is a Unix socket.
    ///
    /// # Errors
    ///
    /// `Unsupported` for every other connection.
    pub fn peer_credentials(&self) -> io::Result<PeerCredentials> {
        self.rfile.peer_credentials()
    }

    /// The certificates that the client has shown over TLS, each in DER, its own first.
    ///
    /// Empty where it has shown no certificate, which the server may insist on
    /// (`TlsBind::client_ca`), and on a connection without
    /// TLS, and in [`Handler::verify_request`](crate::Handler::verify_request), which runs before
    /// the handshake. What is here was verified. Python's `SSLSocket.getpeercert(True)` has the
    /// first one only.
    #[doc(alias = "getpeercert")]
    pub fn peer_certificates(&self) -> Vec<Vec<u8>> {
        self.rfile.socket().peer_certificates()
    }

    /// Tells whether the connection is encrypted.
    pub fn is_secure(&self) -> bool {
        self.rfile.socket().is_secure()
    }

    /// Has what comes before [`proxy_header_read`](Self::proxy_header_read) read in clear text,
    /// also where TLS follows. To be called before anything is read.
    pub(crate) fn await_proxy_header(&self) {
        if !self.has_read_proxy_header() {
            self.rfile.socket().delay_handshake();
        }
    }

    /// Notes that a proxy header was read, the client that it names, and whether the client speaks
    /// first from here on. A TLS handshake starts with what is unread.
    pub(crate) fn proxy_header_read(&mut self, client: Option<Address>, client_speaks_first: bool) {
        self.guard.after_proxy_header = Some(client_speaks_first);
        if let Some(client) = client {
            self.client_address = client;
        }
        if self.rfile.socket().is_handshake_delayed() {
            self.rfile.socket().start_handshake(self.rfile.unread());
            self.rfile.consume(self.rfile.unread().len());
        }
    }

    /// Tells whether [`proxy_header_read`](Self::proxy_header_read) was called.
    pub(crate) fn has_read_proxy_header(&self) -> bool {
        self.guard.after_proxy_header.is_some()
    }

    /// A handler is about to be called.
    pub(crate) fn begin_call(&self) {
        let has_begun = self.kept.is_some() || !self.rfile.unread().is_empty();
        self.rfile.socket().begin_call(has_begun);
    }

    /// Tells that there is nothing to handle before the client has sent something, where that was
    /// said of this connection and not of all.
    pub(crate) fn client_speaks_first(&self) -> Option<bool> {
        self.guard.after_proxy_header
    }

    /// Gives the connection back until this has come.
    pub(crate) fn give_back(self, wait_for: WaitFor) -> io::Result<()> {
        match self.guard.owner() {
            Some(owner) => owner.take_back(self, wait_for),
            // The server is gone.
            None => self.close(),
        }
        Ok(())
    }
}

/// The socket itself, for options and addresses that have no method here.
///
/// Reading from it and writing to it goes around the buffer and around TLS. A duplicate of it does
/// not keep the connection open: dropping the connection ends it for every holder of the socket. It
/// blocks, as in Python, until [`Wfile::send_file`] has been called on Linux.
///
/// ```
/// use std::io;
/// use std::os::fd::AsFd;
/// use socket2::SockRef;
/// use socketserver::{Connection, handler_fn};
///
/// let handler = handler_fn(|connection: Connection| {
///     let socket = SockRef::from(&connection);
///     socket.set_keepalive(true)?; // setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1)
///     let own_address = socket.local_addr()?; // getsockname()
///     println!("{own_address:?}");
///     Ok(())
/// });
/// # let _ = handler;
/// ```
impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.rfile.socket().as_fd()
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.rfile.read(buffer)
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.wfile.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.wfile.flush()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("client_address", &self.client_address)
            .field("unread", &self.rfile.unread().len())
            .finish_non_exhaustive()
    }
}
