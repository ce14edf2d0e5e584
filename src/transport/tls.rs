//! TLS over TCP.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::ServerConfig;

use super::sealed::Accept;
use super::tls_config::{Pem, TlsOptions, server_config};
use super::{BindTo, Tcp, TcpBind, Transport};
use crate::address::Address;
use crate::connection::{ClientSocket, Connection, Session};
use crate::os::{AsFd, BorrowedFd, read_small_file, read_small_input};

/// How to serve TLS: an address, with the options of Python 3.14's `HTTPSServer` and those of its
/// context that servers need most.
///
/// TLS 1.2 and 1.3 are spoken, with session tickets. Clients that come back resume their session
/// without a second signature.
///
/// # Errors
///
/// The files are read before the address is bound. Binding fails where one cannot be read, is
/// neither a regular one nor a pipe, is longer than 1 MiB or holds something else, where the
/// password is wrong, and where the key is not the certificate's; the error says which in one line.
/// And it fails as for [`TcpBind`].
///
/// # Examples
///
/// ```no_run
/// use socketserver::ThreadingHttpsServer;
/// use socketserver::http::SimpleHttpRequestHandler;
/// use socketserver::transport::TlsBind;
///
/// let place = TlsBind::new("127.0.0.1:4443", "cert.pem").keyfile("key.pem");
/// let mut server = ThreadingHttpsServer::bind(place, SimpleHttpRequestHandler::default())?;
/// server.serve_forever()?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct TlsBind {
    tcp: TcpBind,
    options: TlsOptions,
}

impl TlsBind {
    /// An address, or a [`TcpBind`] with options of its own, and the server's certificate, followed
    /// by those that lead to its issuer. The file may hold the key, too.
    #[doc(alias = "HTTPSServer.certfile")]
    pub fn new(address: impl BindTo<TcpBind>, certfile: impl Into<Pem>) -> Self {
        let options = TlsOptions {
            certfile: certfile.into(),
            keyfile: None,
            password: None,
            alpn_protocols: vec!["http/1.1".to_owned(), "http/1.0".to_owned()],
            client_ca: None,
            client_certificate_is_optional: false,
            read: read_small_input,
        };
        Self { tcp: address.options(), options }
    }

    /// The certificate's private key. Defaults to what is in the file of the certificate.
    pub fn keyfile(mut self, keyfile: impl Into<Pem>) -> Self {
        self.options.keyfile = Some(keyfile.into());
        self
    }

    /// What the key is encrypted with. Defaults to nothing. Ignored where the key is not encrypted,
    /// as in Python.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.options.password = Some(password.into());
        self
    }

    /// The protocols to agree on, the preferred one first. Defaults to `http/1.1` and `http/1.0`,
    /// which alone some clients offer (`curl --http1.0`); in Python to `http/1.1`. A client that
    /// offers others only is refused with the alert that is made for it (RFC 7301 §3.2), where
    /// Python goes on without an agreement; without protocols here no client is refused.
    pub fn alpn_protocols(mut self, names: impl IntoIterator<Item: Into<String>>) -> Self {
        self.options.alpn_protocols = names.into_iter().map(Into::into).collect();
        self
    }

    /// The authorities of clients: a client must show a certificate that one of these issued.
    /// Without them, the default, no client is asked.
    #[doc(alias = "load_verify_locations")]
    pub fn client_ca(mut self, authorities: impl Into<Pem>) -> Self {
        self.options.client_ca = Some(authorities.into());
        self
    }

    /// Serves clients without a certificate as well: Python's `CERT_OPTIONAL`. Defaults to
    /// `false`. Has no meaning without [`client_ca`](Self::client_ca).
    #[doc(alias = "CERT_OPTIONAL")]
    pub fn client_certificate_is_optional(mut self, optional: bool) -> Self {
        self.options.client_certificate_is_optional = optional;
        self
    }
}

impl BindTo<Self> for TlsBind {
    fn options(self) -> Self {
        self
    }
}

/// A listening TCP socket whose clients speak TLS.
///
/// Accepting one is no more work than without TLS: the handshake runs where requests run, or on the
/// serving thread where no connection comes back from there, as under
/// [`Forking`](crate::Forking). It runs as far as the client's bytes have arrived, and in between
/// the connection is parked. It must be done within
/// [`Timeouts::head`](crate::Timeouts::head) of its first byte. In Python 3.14 it runs inside
/// `accept`, and one silent client stops all others.
#[derive(Debug)]
pub struct Tls {
    tcp: Tcp,
    reload: TlsReloadHandle,
}

impl Tls {
    /// A handle that has the files read anew.
    pub fn reload_handle(&self) -> TlsReloadHandle {
        self.reload.clone()
    }
}

/// Has a server read its certificate files anew, from anywhere; all clones serve the same server.
#[derive(Clone)]
pub struct TlsReloadHandle {
    options: Arc<TlsOptions>,
    config: Arc<Mutex<Arc<ServerConfig>>>,
}

impl TlsReloadHandle {
    /// Reads certificate, key and client authorities anew.
    ///
    /// New connections use them; those that are open go on undisturbed, and sessions from before
    /// are not resumed. Processes that were forked before keep what they had.
    ///
    /// # Errors
    ///
    /// As for [`TlsBind`], where a file is wrong; a pipe is wrong here, as it would be waited for.
    /// What was read before stays in use then.
    pub fn reload(&self) -> io::Result<()> {
        let config = server_config(&self.options)?;
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for TlsReloadHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsReloadHandle").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Transport for Tls {
    type Request = Connection;
    type Address = SocketAddr;
    type Bind = TlsBind;

    fn bind(to: impl BindTo<TlsBind>) -> io::Result<Self> {
        let TlsBind { tcp, options } = to.options();
        // No client should connect to a server that cannot serve.
        let config = Arc::new(Mutex::new(server_config(&options)?));
        // A pipe may be given when the server is made, and would hold it up later.
        let options = Arc::new(TlsOptions { read: read_small_file, ..options });
        let reload = TlsReloadHandle { options, config };
        Ok(Self { tcp: Tcp::bind(tcp)?, reload })
    }

    fn server_address(&self) -> SocketAddr {
        self.tcp.server_address()
    }
}

impl Accept for Tls {
    type Arrival = ClientSocket;

    fn accept(&mut self) -> io::Result<(ClientSocket, Address)> {
        let (stream, address) = self.tcp.accept_stream()?;
        Ok((ClientSocket::secure(stream, Session::new(self.reload.config())?), address))
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
