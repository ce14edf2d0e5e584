//! Python's `socketserver` and `http.server` for Rust: pick a handler, pick a concurrency
//! strategy, serve.
//!
//! ```
//! use std::io::{self, Write};
//! use socketserver::ThreadingHttpServer;
//! use socketserver::http::{Exchange, HttpRequestHandler};
//!
//! struct Hello;
//!
//! impl HttpRequestHandler for Hello {
//!     fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
//!         http.send_response(200)?;
//!         http.send_header("Content-Type", "text/plain")?;
//!         http.end_headers()?;
//!         http.wfile.write_all(b"Hello, world!\n")
//!     }
//! }
//!
//! let mut server = ThreadingHttpServer::bind("127.0.0.1:0", Hello)?;
//! # server.shutdown_handle().shutdown();
//! server.serve_forever()?;
//! # io::Result::Ok(())
//! ```
//!
//! # What to read first
//!
//! - For an HTTP program: [`HttpRequestHandler`](http::HttpRequestHandler), what you override, and
//!   [`Exchange`](http::Exchange), what you call. To serve files:
//!   [`SimpleHttpRequestHandler`](http::SimpleHttpRequestHandler).
//! - For forms and uploads: [`http::form`]. For URLs and queries: [`http::url`].
//! - For programs that answer (CGI): [`CgiHttpRequestHandler`](http::CgiHttpRequestHandler).
//! - For a protocol of your own: [`Handler`], and [`Connection`] or [`Datagram`].
//! - For how many requests run at once, and where: the table in [`concurrency`].
//! - For starting and stopping: [`Server::serve_forever`] and [`ShutdownHandle`].
//!
//! Python's names are here, in Rust's casing: search this documentation for `do_GET` or
//! `ThreadingMixIn`.
//!
//! # How a request is served
//!
//! A server does four things, and each is one module's business:
//!
//! 1. **wait**: the serving thread waits for the listening socket, for connections that are idle,
//!    and for their time limits, all at once. No thread waits for a client.
//! 2. **accept**: a [`transport`] hands out the next client.
//! 3. **choose where**: a [`Concurrency`] strategy decides where the request runs: here
//!    ([`Sequential`]), on a thread ([`ThreadPool`]) or in a child process ([`Forking`]). With
//!    [`PreFork`] there are several such servers, in a process each.
//! 4. **handle**: a [`Handler`] answers, and the connection is closed, or given back to wait for
//!    the next request ([`Connection::park`]).
//!
//! ```text
//!                 ┌───────────── Server ─────────────┐
//!   clients ────► │ wait ──► accept ──► choose where │ ────► Handler ◄── HTTP programs
//!                 │  ▲      transport    Concurrency │          │
//!                 └──┼───────────────────────────────┘          │
//!                    └────────────── Connection::park ──────────┘
//! ```
//!
//! # Warnings
//!
//! What a server has to tell beside its handlers' log goes to the crate [`log`]: install a logger
//! of your choice to see it. A crash of a forked process is written to standard error where no
//! logger is installed.
//!
//! # Features
//!
//! | feature | what it brings | stands on |
//! |---|---|---|
//! | `http` | [`http`]: requests and responses, [`http::url`], [`http::Metrics`] | |
//! | `files` | [`SimpleHttpRequestHandler`](http::SimpleHttpRequestHandler) | `http` |
//! | `cgi` | [`CgiHttpRequestHandler`](http::CgiHttpRequestHandler) | `files` |
//! | `forms` | [`http::form`] | `http` |
//! | `tls` | HTTPS, and TLS below any other handler: [`ThreadingHttpsServer`] and its siblings, on rustls with ring | |
//! | `systemd` | [`systemd`]: the sockets that it passes, and what it is told | |
//! | `cli` | the `socketserver` command | `cgi`, `systemd`, `tls` |
//!
//! `cli` and `forms` are on by default, and so is all. A library names what it uses:
//!
//! ```toml
//! socketserver = { version = "0.1", default-features = false, features = ["files", "tls"] }
//! ```
//!
//! Without any, servers, strategies and handlers over TCP, UDP and Unix sockets are left, with
//! fifteen crates or less in `cargo tree`.

// What one feature uses alone is dead without it; builds with all features find what nothing uses.
#![cfg_attr(
    not(all(feature = "cli", feature = "forms")),
    allow(dead_code, unused_imports, reason = "some of it is there for a feature")
)]

#[cfg(not(unix))]
compile_error!("socketserver runs on Unix systems only, such as Linux, macOS and the BSDs");

#[cfg(unix)]
mod address;
#[cfg(unix)]
pub mod concurrency;
#[cfg(unix)]
mod connection;
#[cfg(unix)]
mod datagram;
#[cfg(unix)]
mod handler;
#[cfg(unix)]
mod host_text;
#[cfg(all(unix, feature = "http"))]
pub mod http;
#[cfg(unix)]
mod parking;
#[cfg(unix)]
mod poller;
#[cfg(unix)]
mod printable;
#[cfg(unix)]
mod proxy_protocol;
#[cfg(unix)]
mod reactor;
#[cfg(unix)]
mod server;
#[cfg(unix)]
mod server_info;
#[cfg(unix)]
mod shutdown;
#[cfg(unix)]
mod signal;
#[cfg(unix)]
mod signals;
#[cfg(unix)]
mod stderr;
#[cfg(unix)]
#[allow(unsafe_code)]
mod sys;
#[cfg(all(unix, feature = "systemd"))]
pub mod systemd;
#[cfg(unix)]
pub mod transport;
#[cfg(unix)]
mod trusted_proxies;

#[cfg(unix)]
mod work;

#[cfg(unix)]
#[doc(alias = "client_address")]
pub use address::Address;
#[cfg(unix)]
pub use concurrency::{Concurrency, Forking, PreFork, Sequential, ThreadPool};
#[cfg(unix)]
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
pub use connection::Connection;
#[cfg(unix)]
pub use connection::NotTls;
#[cfg(unix)]
#[doc(alias = "SO_PEERCRED")]
pub use connection::PeerCredentials;
#[cfg(unix)]
#[doc(alias = "StreamRequestHandler.rfile")]
#[doc(alias = "recv")]
#[doc(alias = "readline")]
#[doc(alias = "rbufsize")]
pub use connection::Rfile;
#[cfg(unix)]
#[doc(alias = "settimeout")]
pub use connection::Timeouts;
#[cfg(unix)]
#[doc(alias = "StreamRequestHandler.wfile")]
#[doc(alias = "sendall")]
#[doc(alias = "wbufsize")]
pub use connection::Wfile;
#[cfg(unix)]
#[doc(alias = "DatagramRequestHandler")]
#[doc(alias = "BaseRequestHandler.request")]
#[doc(alias = "UDPServer.shutdown_request")]
#[doc(alias = "UDPServer.close_request")]
pub use datagram::Datagram;
#[cfg(unix)]
#[doc(alias = "DatagramRequestHandler.finish")]
pub use datagram::Reply;
#[cfg(unix)]
#[doc(alias = "BaseRequestHandler")]
pub use handler::Handler;
#[cfg(unix)]
pub use handler::{HandlerFn, handler_fn};
#[cfg(unix)]
pub use proxy_protocol::ProxyProtocol;
#[cfg(all(unix, any(test, fuzzing)))]
#[doc(hidden)]
pub use proxy_protocol::fuzzing::check as fuzz_proxy_header;
#[cfg(unix)]
#[doc(alias = "BaseServer")]
#[doc(alias = "server_close")]
#[doc(alias = "TCPServer.socket")]
#[doc(alias = "fileno")]
pub use server::Server;
#[cfg(unix)]
pub use server::{
    DatagramServer, Datagrams, Overload, ServerKind, ShutdownReport, StreamServer, Streams,
};
#[cfg(unix)]
pub use server_info::Connections;
#[cfg(unix)]
#[doc(alias = "self.server")]
pub use server_info::ServerInfo;
#[cfg(unix)]
pub use shutdown::ShutdownHandle;
#[cfg(unix)]
#[doc(alias = "signal.Signals")]
pub use signal::{InvalidSignal, Signal};
#[cfg(unix)]
pub use signals::SIGNAL_WINDOW;
#[cfg(unix)]
pub use stderr::write_to_stderr;
#[cfg(unix)]
pub use trusted_proxies::{ForwardedHeader, InvalidNetwork, TrustedProxies};

#[cfg(all(unix, feature = "tls"))]
use transport::Tls;
#[cfg(unix)]
use transport::{Tcp, Udp, Unix, UnixDatagram};

/// A TCP server: Python's `TCPServer`.
///
/// Name the strategy to bind one: `TcpServer::<Sequential, _>::bind`,
/// or take [`ThreadingTcpServer`]. Without it the compiler reports E0283,
/// as it cannot infer the strategy.
#[cfg(unix)]
#[doc(alias = "TCPServer")]
pub type TcpServer<C, H> = StreamServer<Tcp, C, H>;

/// A TCP server whose requests run on threads: Python's `ThreadingTCPServer`.
#[cfg(unix)]
#[doc(alias = "ThreadingTCPServer")]
pub type ThreadingTcpServer<H> = TcpServer<ThreadPool, H>;

/// A TCP server whose requests run in child processes: Python's `ForkingTCPServer`.
#[cfg(unix)]
#[doc(alias = "ForkingTCPServer")]
pub type ForkingTcpServer<H> = TcpServer<Forking, H>;

/// A UDP server: Python's `UDPServer`.
///
/// Name the strategy to bind one: `UdpServer::<Sequential, _>::bind`,
/// or take [`ThreadingUdpServer`]. Without it the compiler reports E0283,
/// as it cannot infer the strategy.
#[cfg(unix)]
#[doc(alias = "UDPServer")]
pub type UdpServer<C, H> = DatagramServer<Udp, C, H>;

/// A UDP server whose requests run on threads: Python's `ThreadingUDPServer`.
#[cfg(unix)]
#[doc(alias = "ThreadingUDPServer")]
pub type ThreadingUdpServer<H> = UdpServer<ThreadPool, H>;

/// A UDP server whose requests run in child processes: Python's `ForkingUDPServer`.
#[cfg(unix)]
#[doc(alias = "ForkingUDPServer")]
pub type ForkingUdpServer<H> = UdpServer<Forking, H>;

/// A server on a Unix socket: Python's `UnixStreamServer`.
///
/// Name the strategy to bind one: `UnixStreamServer::<Sequential, _>::bind`,
/// or take [`ThreadingUnixStreamServer`]. Without it the compiler reports E0283,
/// as it cannot infer the strategy.
#[cfg(unix)]
pub type UnixStreamServer<C, H> = StreamServer<Unix, C, H>;

/// A server on a Unix socket whose requests run on threads: Python's `ThreadingUnixStreamServer`.
#[cfg(unix)]
pub type ThreadingUnixStreamServer<H> = UnixStreamServer<ThreadPool, H>;

/// A server on a Unix socket whose requests run in child processes: Python's
/// `ForkingUnixStreamServer`.
#[cfg(unix)]
pub type ForkingUnixStreamServer<H> = UnixStreamServer<Forking, H>;

/// A server on a Unix socket for datagrams: Python's `UnixDatagramServer`.
///
/// Name the strategy to bind one: `UnixDatagramServer::<Sequential, _>::bind`,
/// or take [`ThreadingUnixDatagramServer`]. Without it the compiler reports E0283,
/// as it cannot infer the strategy.
#[cfg(unix)]
pub type UnixDatagramServer<C, H> = DatagramServer<UnixDatagram, C, H>;

/// A server on a Unix socket for datagrams whose requests run on threads: Python's
/// `ThreadingUnixDatagramServer`.
#[cfg(unix)]
pub type ThreadingUnixDatagramServer<H> = UnixDatagramServer<ThreadPool, H>;

/// A server on a Unix socket for datagrams whose requests run in child processes: Python's
/// `ForkingUnixDatagramServer`.
#[cfg(unix)]
pub type ForkingUnixDatagramServer<H> = UnixDatagramServer<Forking, H>;

/// A sequential HTTP server: Python's `HTTPServer`.
#[cfg(all(unix, feature = "http"))]
#[doc(alias = "HTTPServer")]
pub type HttpServer<H> = TcpServer<Sequential, H>;

/// An HTTP server whose requests run on threads: Python's `ThreadingHTTPServer`.
#[cfg(all(unix, feature = "http"))]
#[doc(alias = "ThreadingHTTPServer")]
pub type ThreadingHttpServer<H> = TcpServer<ThreadPool, H>;

/// An HTTP server whose connections run in child processes: Python's `ForkingMixIn` with
/// `HTTPServer`.
#[cfg(all(unix, feature = "http"))]
#[doc(alias = "ForkingHTTPServer")]
pub type ForkingHttpServer<H> = TcpServer<Forking, H>;

/// An HTTP server of several processes, each with a thread pool. Python has none.
#[cfg(all(unix, feature = "http"))]
pub type PreForkHttpServer<H> = TcpServer<PreFork<ThreadPool>, H>;

/// A TCP server whose clients speak TLS.
#[cfg(all(unix, feature = "tls"))]
pub type TlsServer<C, H> = StreamServer<Tls, C, H>;

/// A sequential HTTPS server: Python 3.14's `HTTPSServer`.
///
/// Its handshakes wait for no client, so that one that is silent holds nobody up.
#[cfg(all(unix, feature = "tls"))]
#[doc(alias = "HTTPSServer")]
pub type HttpsServer<H> = TlsServer<Sequential, H>;

/// An HTTPS server whose requests run on threads: Python 3.14's `ThreadingHTTPSServer`.
#[cfg(all(unix, feature = "tls"))]
#[doc(alias = "ThreadingHTTPSServer")]
pub type ThreadingHttpsServer<H> = TlsServer<ThreadPool, H>;

/// An HTTPS server whose connections run in child processes, handshakes included: Python's
/// `ForkingMixIn` with `HTTPSServer`.
#[cfg(all(unix, feature = "tls"))]
#[doc(alias = "ForkingHTTPSServer")]
pub type ForkingHttpsServer<H> = TlsServer<Forking, H>;

/// An HTTPS server of several processes, each with a thread pool.
#[cfg(all(unix, feature = "tls"))]
pub type PreForkHttpsServer<H> = TlsServer<PreFork<ThreadPool>, H>;

// The README's programs compile.
#[cfg(all(unix, feature = "forms", doctest))]
#[doc = include_str!("../README.md")]
struct Readme;
