//! TLS over TCP.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::ServerConfig;

use super::sealed::Accept;
use super::tls_config::server_config;
use super::{Tcp, TcpBind, ToBindAddress, Transport};
use crate::address::Address;
use crate::connection::{Connection, Session, Socket};

/// How to serve TLS: the options of Python 3.14's `HTTPSServer`, and those of its context that
/// servers need most.
///
/// TLS 1.2 and 1.3 are spoken, with session tickets. Clients that come back resume their session
/// without a second signature.
///
/// # Examples
///
/// ```no_run
/// use socketserver::ThreadingHttpsServer;
/// use socketserver::http::SimpleHttpRequestHandler;
/// use socketserver::transport::TlsBind;
///
/// let tls = TlsBind { keyfile: Some("key.pem".into()), ..TlsBind::new("cert.pem") };
/// let handler = SimpleHttpRequestHandler::default();
/// let mut server = ThreadingHttpsServer::bind("127.0.0.1:4443", tls, handler)?;
/// server.serve_forever()?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct TlsBind {
    /// The server's certificate, followed by those that lead to its issuer. May hold the key, too.
    pub certfile: Pem,
    /// The certificate's private key. Defaults to `None`: it is in [`certfile`](Self::certfile).
    pub keyfile: Option<Pem>,
    /// What the key is encrypted with. Defaults to `None`. Ignored where the key is not encrypted,
    /// as in Python.
    pub password: Option<String>,
    /// The protocols to agree on, the preferred one first. Defaults to `http/1.1`, as in Python. A
    /// client that offers others only is refused with the alert that is made for it (RFC 7301
    /// §3.2), where Python goes on without an agreement; with none here nobody is refused.
    pub alpn_protocols: Vec<String>,
    /// Those whose word on clients counts: clients must show a certificate that one of these
    /// issued. Defaults to `None`: no client is asked.
    #[doc(alias = "load_verify_locations")]
    pub client_ca: Option<Pem>,
    /// Serves clients without a certificate as well: Python's `CERT_OPTIONAL`. Defaults to
    /// `false`. Has no meaning without [`client_ca`](Self::client_ca).
    #[doc(alias = "CERT_OPTIONAL")]
    pub client_certificate_is_optional: bool,
    /// How to bind the port.
    pub tcp: TcpBind,
}

/// Where certificates or a key are; in the PEM format, between `-----BEGIN` and `-----END` lines.
#[derive(Clone)]
pub enum Pem {
    /// In this file, which [`TlsReload::reload`] reads anew.
    File(PathBuf),
    /// In this text.
    Text(String),
}

impl<P: Into<PathBuf>> From<P> for Pem {
    fn from(path: P) -> Self {
        Self::File(path.into())
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            // It may hold a key.
            Self::Text(_) => f.debug_tuple("Text").finish_non_exhaustive(),
        }
    }
}

impl TlsBind {
    /// A server with this certificate, and defaults for the rest.
    pub fn new(certfile: impl Into<Pem>) -> Self {
        Self {
            certfile: certfile.into(),
            keyfile: None,
            password: None,
            alpn_protocols: vec!["http/1.1".to_owned()],
            client_ca: None,
            client_certificate_is_optional: false,
            tcp: TcpBind::default(),
        }
    }

    /// Reads the files, then binds and listens as [`TcpBind::listen`].
    ///
    /// # Errors
    ///
    /// A file cannot be read or holds something else, the password is wrong, or the key is not the
    /// certificate's; the error says which in one line. And those of [`TcpBind::listen`].
    #[doc(alias = "HTTPSServer.server_activate")]
    pub fn listen(&self, address: impl ToBindAddress) -> io::Result<Tls> {
        // Nobody should connect to a server that cannot serve.
        let config = server_config(self)?;
        Tls::new(self, self.tcp.listen(address)?, config)
    }

    /// Reads the files, and speaks TLS on a socket that listens already.
    ///
    /// # Errors
    ///
    /// As [`listen`](Self::listen).
    #[doc(alias = "wrap_socket")]
    pub fn wrap(&self, listener: TcpListener) -> io::Result<Tls> {
        Tls::new(self, listener, server_config(self)?)
    }
}

impl<P: Into<Pem>> From<P> for TlsBind {
    fn from(certfile: P) -> Self {
        Self::new(certfile)
    }
}

impl fmt::Debug for TlsBind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // All but the password.
        f.debug_struct("TlsBind")
            .field("certfile", &self.certfile)
            .field("keyfile", &self.keyfile)
            .field("alpn_protocols", &self.alpn_protocols)
            .field("client_ca", &self.client_ca)
            .field("client_certificate_is_optional", &self.client_certificate_is_optional)
            .field("tcp", &self.tcp)
            .finish_non_exhaustive()
    }
}

/// A listening TCP socket whose clients speak TLS.
///
/// Accepting one is no more work than without TLS: the handshake runs where requests run, as far as
/// the client's bytes have arrived, and in between the connection is parked. It must be done within
/// [`Timeouts::head`](crate::Timeouts::head) of its first byte. In Python 3.14 it runs inside
/// `accept`, and one silent client stops all others.
#[derive(Debug)]
pub struct Tls {
    tcp: Tcp,
    reload: TlsReload,
}

impl Tls {
    fn new(bind: &TlsBind, listener: TcpListener, config: Arc<ServerConfig>) -> io::Result<Self> {
        let reload =
            TlsReload { bind: Arc::new(bind.clone()), config: Arc::new(Mutex::new(config)) };
        Ok(Self { tcp: Tcp::new(listener)?, reload })
    }

    /// A handle that has the files read anew.
    pub fn reload_handle(&self) -> TlsReload {
        self.reload.clone()
    }
}

/// Has a server read its certificate files anew, from anywhere; all clones serve the same server.
#[derive(Clone)]
pub struct TlsReload {
    bind: Arc<TlsBind>,
    config: Arc<Mutex<Arc<ServerConfig>>>,
}

impl TlsReload {
    /// Reads certificate, key and client authorities anew.
    ///
    /// New connections use them; those that are open go on undisturbed, and sessions from before
    /// are not resumed. Processes that were forked before keep what they had.
    ///
    /// # Errors
    ///
    /// As [`TlsBind::listen`] for the files. What was read before stays in use then.
    pub fn reload(&self) -> io::Result<()> {
        let config = server_config(&self.bind)?;
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for TlsReload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsReload").field("bind", &self.bind).finish_non_exhaustive()
    }
}

impl Transport for Tls {
    type Request = Connection;
    type Address = SocketAddr;

    fn server_address(&self) -> SocketAddr {
        self.tcp.server_address()
    }
}

impl Accept for Tls {
    type Arrival = Socket;

    fn accept(&mut self) -> io::Result<(Socket, Address)> {
        let (stream, address) = self.tcp.accept_stream()?;
        Ok((Socket::secure(stream, Session::new(self.reload.config())?), address))
    }

    fn shakes_hands(&self) -> bool {
        true
    }

    fn close(&mut self, in_its_place: socket2::Socket) {
        self.tcp.close(in_its_place);
    }
}

impl AsFd for Tls {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tcp.as_fd()
    }
}
