//! Names of what Unix alone has: processes that are forked, and sockets with a path.

pub use crate::concurrency::Forking;
#[doc(alias = "gunicorn")]
pub use crate::supervisor::PreFork;

#[cfg(feature = "http")]
use super::ThreadingHttpServer;
use super::{DatagramServer, StreamServer, TcpServer, ThreadPool, UdpServer};
#[cfg(feature = "tls")]
use super::{ThreadingHttpsServer, TlsServer};
use crate::transport::{Unix, UnixDatagram};

/// A TCP server whose requests run in child processes: Python's `ForkingTCPServer`.
#[doc(alias = "ForkingTCPServer")]
pub type ForkingTcpServer<H> = TcpServer<Forking, H>;

/// A UDP server whose requests run in child processes: Python's `ForkingUDPServer`.
#[doc(alias = "ForkingUDPServer")]
pub type ForkingUdpServer<H> = UdpServer<Forking, H>;

/// A server on a Unix socket: Python's `UnixStreamServer`.
///
/// Name the strategy to bind one: `UnixStreamServer::<Sequential, _>::bind`,
/// or take [`ThreadingUnixStreamServer`]. Without it the compiler reports E0283,
/// as it cannot infer the strategy.
pub type UnixStreamServer<C, H> = StreamServer<Unix, C, H>;

/// A server on a Unix socket whose requests run on threads: Python's `ThreadingUnixStreamServer`.
pub type ThreadingUnixStreamServer<H> = UnixStreamServer<ThreadPool, H>;

/// A server on a Unix socket whose requests run in child processes: Python's
/// `ForkingUnixStreamServer`.
pub type ForkingUnixStreamServer<H> = UnixStreamServer<Forking, H>;

/// A server on a Unix socket for datagrams: Python's `UnixDatagramServer`.
///
/// Name the strategy to bind one: `UnixDatagramServer::<Sequential, _>::bind`,
/// or take [`ThreadingUnixDatagramServer`]. Without it the compiler reports E0283,
/// as it cannot infer the strategy.
pub type UnixDatagramServer<C, H> = DatagramServer<UnixDatagram, C, H>;

/// A server on a Unix socket for datagrams whose requests run on threads: Python's
/// `ThreadingUnixDatagramServer`.
pub type ThreadingUnixDatagramServer<H> = UnixDatagramServer<ThreadPool, H>;

/// A server on a Unix socket for datagrams whose requests run in child processes: Python's
/// `ForkingUnixDatagramServer`.
pub type ForkingUnixDatagramServer<H> = UnixDatagramServer<Forking, H>;

/// An HTTP server whose connections run in child processes: Python's `ForkingMixIn` with
/// `HTTPServer`.
#[cfg(feature = "http")]
#[doc(alias = "ForkingHTTPServer")]
pub type ForkingHttpServer<H> = TcpServer<Forking, H>;

/// An HTTP server of several processes, each with a thread pool. Python has no such server.
#[cfg(feature = "http")]
pub type PreForkHttpServer<H> = PreFork<ThreadingHttpServer<H>>;

/// An HTTPS server whose connections run in child processes, forked when their handshake is done
/// and a request has come: Python's `ForkingMixIn` with `HTTPSServer`.
#[cfg(feature = "tls")]
#[doc(alias = "ForkingHTTPSServer")]
pub type ForkingHttpsServer<H> = TlsServer<Forking, H>;

/// An HTTPS server of several processes, each with a thread pool.
#[cfg(feature = "tls")]
pub type PreForkHttpsServer<H> = PreFork<ThreadingHttpsServer<H>>;
