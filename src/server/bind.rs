//! How servers are made: an address, a listening socket, or a transport with options of its own.

use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net;
use std::path::Path;

use super::Server;
use crate::concurrency::Concurrency;
use crate::connection::Connection;
use crate::datagram::Datagram;
use crate::handler::Handler;
use crate::transport::{
    Tcp, TcpBind, ToBindAddress, Udp, UdpBind, UnixBind, UnixDatagram, UnixStream,
};
#[cfg(feature = "tls")]
use crate::transport::{Tls, TlsBind, TlsReload};

impl<C: Concurrency, H: Handler> Server<Tcp, C, H> {
    /// Binds an address and prepares to serve it, with the strategy's defaults.
    ///
    /// The strategy must be known, so call it through an alias that names one:
    /// `ThreadingTcpServer::bind(..)`.
    ///
    /// # Errors
    ///
    /// The address cannot be bound; the error names it and nothing stays open.
    #[doc(alias = "server_bind")]
    #[doc(alias = "server_activate")]
    pub fn bind(address: impl ToBindAddress, handler: H) -> io::Result<Self>
    where
        C: Default,
    {
        Self::bind_with(address, handler, C::default())
    }

    /// Binds an address and prepares to serve it, with a configured strategy.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    pub fn bind_with(address: impl ToBindAddress, handler: H, strategy: C) -> io::Result<Self> {
        Self::from_listener(TcpBind::default().listen(address)?, handler, strategy)
    }

    /// Serves a socket that is bound and listening already: inherited, or made with
    /// [`TcpBind`](crate::transport::TcpBind).
    ///
    /// # Errors
    ///
    /// The socket cannot be watched. It is closed then.
    #[doc(alias = "bind_and_activate")]
    pub fn from_listener(listener: TcpListener, handler: H, strategy: C) -> io::Result<Self> {
        Self::for_streams(Tcp::new(listener)?, handler, strategy)
    }
}

#[cfg(feature = "tls")]
impl<C: Concurrency, H: Handler> Server<Tls, C, H> {
    /// Binds an address and prepares to serve TLS on it, with the strategy's defaults.
    ///
    /// The strategy must be known, so call it through an alias that names one:
    /// `ThreadingHttpsServer::bind(..)`. What is given beside the address is Python's `certfile`,
    /// `keyfile`, `password` and `alpn_protocols`; `"cert.pem"` alone will do where the key is in
    /// the same file.
    ///
    /// # Errors
    ///
    /// As [`TlsBind::listen`](crate::transport::TlsBind::listen).
    pub fn bind(
        address: impl ToBindAddress,
        tls: impl Into<TlsBind>,
        handler: H,
    ) -> io::Result<Self>
    where
        C: Default,
    {
        Self::bind_with(address, tls, handler, C::default())
    }

    /// Binds an address and prepares to serve TLS on it, with a configured strategy.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    pub fn bind_with(
        address: impl ToBindAddress,
        tls: impl Into<TlsBind>,
        handler: H,
        strategy: C,
    ) -> io::Result<Self> {
        Self::from_transport(tls.into().listen(address)?, handler, strategy)
    }

    /// Serves TLS on a socket that is bound and listening already.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind), and where the socket cannot be watched. It is closed then.
    pub fn from_listener(
        listener: TcpListener,
        tls: impl Into<TlsBind>,
        handler: H,
        strategy: C,
    ) -> io::Result<Self> {
        Self::from_transport(tls.into().wrap(listener)?, handler, strategy)
    }

    /// Serves a socket made with [`TlsBind`](crate::transport::TlsBind).
    ///
    /// # Errors
    ///
    /// As [`from_listener`](Self::from_listener).
    pub fn from_transport(transport: Tls, handler: H, strategy: C) -> io::Result<Self> {
        Self::for_streams(transport, handler, strategy)
    }

    /// A handle that has the certificate files read anew.
    pub fn reload_handle(&self) -> TlsReload {
        self.resources.transport.reload_handle()
    }
}

impl<C: Concurrency, H: Handler<Datagram>> Server<Udp, C, H> {
    /// Binds an address and prepares to serve it, with the strategy's defaults.
    ///
    /// # Errors
    ///
    /// The address cannot be bound; the error names it and nothing stays open.
    pub fn bind(address: impl ToBindAddress, handler: H) -> io::Result<Self>
    where
        C: Default,
    {
        Self::bind_with(address, handler, C::default())
    }

    /// Binds an address and prepares to serve it, with a configured strategy.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    pub fn bind_with(address: impl ToBindAddress, handler: H, strategy: C) -> io::Result<Self> {
        Self::from_transport(UdpBind::default().bind(address)?, handler, strategy)
    }

    /// Serves a socket that is bound already, as one that was inherited.
    ///
    /// # Errors
    ///
    /// The socket cannot be watched. It is closed then.
    pub fn from_socket(socket: UdpSocket, handler: H, strategy: C) -> io::Result<Self> {
        Self::from_transport(socket.try_into()?, handler, strategy)
    }

    /// Serves a socket made with [`UdpBind`](crate::transport::UdpBind).
    ///
    /// # Errors
    ///
    /// As [`from_socket`](Self::from_socket).
    pub fn from_transport(transport: Udp, handler: H, strategy: C) -> io::Result<Self> {
        Self::for_packets(transport, handler, strategy)
    }
}

impl<C: Concurrency, H: Handler<Connection>> Server<UnixStream, C, H> {
    /// Binds a path and prepares to serve it, with the strategy's defaults.
    ///
    /// A file that a server which is gone has left there is replaced; see
    /// [`UnixBind`](crate::transport::UnixBind). The file is removed when this server is closed.
    ///
    /// # Errors
    ///
    /// The path cannot be bound; the error names it and nothing stays open.
    pub fn bind(path: impl AsRef<Path>, handler: H) -> io::Result<Self>
    where
        C: Default,
    {
        Self::bind_with(path, handler, C::default())
    }

    /// Binds a path and prepares to serve it, with a configured strategy.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    pub fn bind_with(path: impl AsRef<Path>, handler: H, strategy: C) -> io::Result<Self> {
        Self::from_transport(UnixBind::default().listen(path)?, handler, strategy)
    }

    /// Serves a socket that is bound and listening already, as one that was inherited. Its file
    /// stays when the server is closed.
    ///
    /// # Errors
    ///
    /// The socket cannot be watched. It is closed then.
    pub fn from_listener(listener: net::UnixListener, handler: H, strategy: C) -> io::Result<Self> {
        Self::from_transport(listener.try_into()?, handler, strategy)
    }

    /// Serves a socket made with [`UnixBind`](crate::transport::UnixBind).
    ///
    /// # Errors
    ///
    /// As [`from_listener`](Self::from_listener).
    pub fn from_transport(transport: UnixStream, handler: H, strategy: C) -> io::Result<Self> {
        Self::for_streams(transport, handler, strategy)
    }
}

impl<C: Concurrency, H: Handler<Datagram>> Server<UnixDatagram, C, H> {
    /// Binds a path and prepares to serve it, with the strategy's defaults.
    ///
    /// A file that a server which is gone has left there is replaced; see
    /// [`UnixBind`](crate::transport::UnixBind). The file is removed when this server is closed.
    ///
    /// # Errors
    ///
    /// The path cannot be bound; the error names it and nothing stays open.
    pub fn bind(path: impl AsRef<Path>, handler: H) -> io::Result<Self>
    where
        C: Default,
    {
        Self::bind_with(path, handler, C::default())
    }

    /// Binds a path and prepares to serve it, with a configured strategy.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    pub fn bind_with(path: impl AsRef<Path>, handler: H, strategy: C) -> io::Result<Self> {
        Self::from_transport(UnixBind::default().bind_datagram(path)?, handler, strategy)
    }

    /// Serves a socket that is bound already, as one that was inherited. Its file stays when the
    /// server is closed.
    ///
    /// # Errors
    ///
    /// The socket cannot be watched. It is closed then.
    pub fn from_socket(socket: net::UnixDatagram, handler: H, strategy: C) -> io::Result<Self> {
        Self::from_transport(socket.try_into()?, handler, strategy)
    }

    /// Serves a socket made with [`UnixBind`](crate::transport::UnixBind).
    ///
    /// # Errors
    ///
    /// As [`from_socket`](Self::from_socket).
    pub fn from_transport(transport: UnixDatagram, handler: H, strategy: C) -> io::Result<Self> {
        Self::for_packets(transport, handler, strategy)
    }
}
