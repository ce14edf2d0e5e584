//! How servers are made: with an address, options of binding, or a transport.

use std::io;

use super::Server;
#[cfg(feature = "tls")]
use super::StreamServer;
use super::clients::ServerKind;
use crate::concurrency::Concurrency;
#[cfg(feature = "tls")]
use crate::handler::Handler;
use crate::transport::{BindTo, Transport};
#[cfg(feature = "tls")]
use crate::transport::{Tls, TlsReloadHandle};

impl<K: ServerKind, C: Concurrency> Server<K, C> {
    /// Binds an address and prepares to serve it, with the strategy's defaults.
    ///
    /// The strategy must be known, so call it through an alias that names one:
    /// `ThreadingTcpServer::bind(..)`. Where to serve is:
    ///
    /// | for | what is given |
    /// |---|---|
    /// | TCP and UDP | an [address](crate::transport::ToBindAddress), such as `"127.0.0.1:8000"`; [`TcpBind`](crate::transport::TcpBind) or [`UdpBind`](crate::transport::UdpBind) |
    /// | Unix sockets | a path; [`UnixBind`](crate::transport::UnixBind) or [`UnixDatagramBind`](crate::transport::UnixDatagramBind) |
    /// | TLS | `TlsBind`, which has the address and the certificate |
    ///
    /// A socket that is bound already, as one that was inherited, is given by the `from_socket` of
    /// those types: `TcpBind::from_socket(listener)`.
    ///
    /// # Errors
    ///
    /// The address cannot be bound, or a file of TLS is wrong; the error names it and nothing stays
    /// open.
    #[doc(alias = "server_bind")]
    #[doc(alias = "server_activate")]
    pub fn bind(
        to: impl BindTo<<K::Transport as Transport>::Bind>,
        handler: K::Handler,
    ) -> io::Result<Self>
    where
        C: Default,
    {
        Self::bind_with(to, handler, C::default())
    }

    /// Binds an address and prepares to serve it, with a configured strategy.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    pub fn bind_with(
        to: impl BindTo<<K::Transport as Transport>::Bind>,
        handler: K::Handler,
        strategy: C,
    ) -> io::Result<Self> {
        Self::from_transport(K::Transport::bind(to)?, handler, strategy)
    }

    /// Serves a transport that is bound already: for a program that needs it before it has the
    /// handler, and binds it by [`Transport::bind`].
    ///
    /// # Errors
    ///
    /// The socket cannot be watched. It is closed then.
    pub fn from_transport(
        transport: K::Transport,
        handler: K::Handler,
        strategy: C,
    ) -> io::Result<Self> {
        Self::new(transport, handler, strategy)
    }
}

#[cfg(feature = "tls")]
impl<C: Concurrency, H: Handler> StreamServer<Tls, C, H> {
    /// A handle that has the certificate files read anew.
    pub fn reload_handle(&self) -> TlsReloadHandle {
        self.resources.transport.reload_handle()
    }
}
