//! What programs name at the root of the crate: its types, and servers by Python's names.

mod unix;

#[doc(alias = "client_address")]
pub use crate::address::Address;
pub use crate::concurrency::{Concurrency, Sequential, ThreadPool};
#[doc(alias = "StreamRequestHandler")]
#[doc(alias = "BaseRequestHandler.request")]
#[doc(alias = "StreamRequestHandler.connection")]
#[doc(alias = "shutdown_request")]
#[doc(alias = "close_request")]
#[doc(alias = "self.request")]
#[doc(alias = "setsockopt")]
#[doc(alias = "getsockname")]
#[doc(alias = "SO_KEEPALIVE")]
#[doc(alias = "disable_nagle_algorithm")]
#[doc(alias = "TCP_NODELAY")]
#[doc(alias = "makefile")]
pub use crate::connection::Connection;
pub use crate::connection::NotTls;
#[doc(alias = "SO_PEERCRED")]
pub use crate::connection::PeerCredentials;
#[doc(alias = "StreamRequestHandler.rfile")]
#[doc(alias = "recv")]
#[doc(alias = "readline")]
#[doc(alias = "rbufsize")]
pub use crate::connection::Rfile;
#[doc(alias = "settimeout")]
pub use crate::connection::Timeouts;
#[doc(alias = "StreamRequestHandler.wfile")]
#[doc(alias = "sendall")]
#[doc(alias = "wbufsize")]
pub use crate::connection::Wfile;
#[doc(alias = "DatagramRequestHandler")]
#[doc(alias = "BaseRequestHandler.request")]
#[doc(alias = "UDPServer.shutdown_request")]
#[doc(alias = "UDPServer.close_request")]
pub use crate::datagram::Datagram;
#[doc(alias = "DatagramRequestHandler.finish")]
pub use crate::datagram::Reply;
#[doc(alias = "BaseRequestHandler")]
pub use crate::handler::Handler;
pub use crate::handler::{HandlerFn, handler_fn};
pub use crate::proxy_protocol::ProxyProtocol;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub use crate::proxy_protocol::fuzzing::check as fuzz_proxy_header;
#[doc(alias = "BaseServer")]
#[doc(alias = "server_close")]
#[doc(alias = "TCPServer.socket")]
#[doc(alias = "fileno")]
pub use crate::server::Server;
pub use crate::server::{
    DatagramServer, Datagrams, Overload, ServerKind, ShutdownReport, StreamServer, Streams,
};
pub use crate::server_info::Connections;
#[doc(alias = "self.server")]
pub use crate::server_info::ServerInfo;
pub use crate::shutdown::ShutdownHandle;
#[doc(alias = "signal.Signals")]
pub use crate::signal::{InvalidSignal, Signal};
pub use crate::signals::SIGNAL_WINDOW;
pub use crate::stderr::write_to_stderr;
pub use crate::trusted_proxies::{ForwardedHeader, InvalidNetwork, TrustedProxies};
pub use unix::*;

#[cfg(feature = "tls")]
use crate::transport::Tls;
use crate::transport::{Tcp, Udp};

/// A TCP server: Python's `TCPServer`.
///
/// Name the strategy to bind one: `TcpServer::<Sequential, _>::bind`,
/// or take [`ThreadingTcpServer`]. Without it the compiler reports E0283,
/// as it cannot infer the strategy.
#[doc(alias = "TCPServer")]
pub type TcpServer<C, H> = StreamServer<Tcp, C, H>;

/// A TCP server whose requests run on threads: Python's `ThreadingTCPServer`.
#[doc(alias = "ThreadingTCPServer")]
pub type ThreadingTcpServer<H> = TcpServer<ThreadPool, H>;

/// A UDP server: Python's `UDPServer`.
///
/// Name the strategy to bind one: `UdpServer::<Sequential, _>::bind`,
/// or take [`ThreadingUdpServer`]. Without it the compiler reports E0283,
/// as it cannot infer the strategy.
#[doc(alias = "UDPServer")]
pub type UdpServer<C, H> = DatagramServer<Udp, C, H>;

/// A UDP server whose requests run on threads: Python's `ThreadingUDPServer`.
#[doc(alias = "ThreadingUDPServer")]
pub type ThreadingUdpServer<H> = UdpServer<ThreadPool, H>;

/// A sequential HTTP server: Python's `HTTPServer`.
#[cfg(feature = "http")]
#[doc(alias = "HTTPServer")]
pub type HttpServer<H> = TcpServer<Sequential, H>;

/// An HTTP server whose requests run on threads: Python's `ThreadingHTTPServer`.
#[cfg(feature = "http")]
#[doc(alias = "ThreadingHTTPServer")]
pub type ThreadingHttpServer<H> = TcpServer<ThreadPool, H>;

/// A TCP server whose clients speak TLS.
#[cfg(feature = "tls")]
pub type TlsServer<C, H> = StreamServer<Tls, C, H>;

/// A sequential HTTPS server: Python 3.14's `HTTPSServer`.
///
/// Its handshakes wait for no client, so that a silent one delays no other.
#[cfg(feature = "tls")]
#[doc(alias = "HTTPSServer")]
pub type HttpsServer<H> = TlsServer<Sequential, H>;

/// An HTTPS server whose requests run on threads: Python 3.14's `ThreadingHTTPSServer`.
#[cfg(feature = "tls")]
#[doc(alias = "ThreadingHTTPSServer")]
pub type ThreadingHttpsServer<H> = TlsServer<ThreadPool, H>;
