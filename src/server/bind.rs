//! How servers are made: with an address, options of binding, or a transport.

use std::io;

use super::Server;
use crate::concurrency::Concurrency;
use crate::connection::{Connection, Socket};
use crate::datagram::{Datagram, Packet};
use crate::handler::Handler;
use crate::transport::Transport;
use crate::transport::sealed::Accept;
#[cfg(feature = "tls")]
use crate::transport::{Tls, TlsReload};

#[expect(private_bounds, reason = "what transports accept is sealed")]
impl<T, C, H> Server<T, C, H>
where
    T: Transport<Request: Accepted<T>>,
    C: Concurrency,
    H: Handler<T::Request>,
{
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
    pub fn bind(to: impl Into<T::Bind>, handler: H) -> io::Result<Self>
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
    pub fn bind_with(to: impl Into<T::Bind>, handler: H, strategy: C) -> io::Result<Self> {
        Self::from_transport(T::bind(to)?, handler, strategy)
    }

    /// Serves a transport that is bound already: for a program that needs it before it has the
    /// handler, and binds it by [`Transport::bind`].
    ///
    /// # Errors
    ///
    /// The socket cannot be watched. It is closed then.
    pub fn from_transport(transport: T, handler: H, strategy: C) -> io::Result<Self> {
        T::Request::server(transport, handler, strategy)
    }
}

/// What comes of what a transport accepts, and so how its server is made.
pub(crate) trait Accepted<T: Transport<Request = Self>>: Sized {
    fn server<C, H>(transport: T, handler: H, strategy: C) -> io::Result<Server<T, C, H>>
    where
        C: Concurrency,
        H: Handler<Self>;
}

impl<T: Transport<Request = Self> + Accept<Arrival = Socket>> Accepted<T> for Connection {
    fn server<C, H>(transport: T, handler: H, strategy: C) -> io::Result<Server<T, C, H>>
    where
        C: Concurrency,
        H: Handler,
    {
        Server::for_streams(transport, handler, strategy)
    }
}

impl<T: Transport<Request = Self> + Accept<Arrival = Packet>> Accepted<T> for Datagram {
    fn server<C, H>(transport: T, handler: H, strategy: C) -> io::Result<Server<T, C, H>>
    where
        C: Concurrency,
        H: Handler<Self>,
    {
        Server::for_packets(transport, handler, strategy)
    }
}

#[cfg(feature = "tls")]
impl<C: Concurrency, H: Handler> Server<Tls, C, H> {
    /// A handle that has the certificate files read anew.
    pub fn reload_handle(&self) -> TlsReload {
        self.resources.transport.reload_handle()
    }
}
