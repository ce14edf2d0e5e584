//! Python's `socketserver` and `http.server` for Rust.

pub mod concurrency;
mod connection;
mod handler;
pub mod http;
mod parking;
mod poller;
mod reactor;
mod server;
mod server_info;
mod shutdown;
mod signals;
#[allow(unsafe_code)]
mod sys;
pub mod transport;

pub use concurrency::{Concurrency, Forking, Sequential, ThreadPool};
pub use connection::{Connection, Rfile, Timeouts, Wfile};
pub use handler::{Handler, HandlerFn, handler_fn};
pub use server::{Server, ShutdownReport};
pub use server_info::ServerInfo;
pub use shutdown::ShutdownHandle;

use transport::Tcp;

/// A TCP server: Python's `TCPServer`.
#[doc(alias = "TCPServer")]
pub type TcpServer<C, H> = Server<Tcp, C, H>;

/// A TCP server whose requests run on threads: Python's `ThreadingTCPServer`.
#[doc(alias = "ThreadingTCPServer")]
pub type ThreadingTcpServer<H> = TcpServer<ThreadPool, H>;

/// A TCP server whose requests run in child processes: Python's `ForkingTCPServer`.
#[doc(alias = "ForkingTCPServer")]
pub type ForkingTcpServer<H> = TcpServer<Forking, H>;

/// A sequential HTTP server: Python's `HTTPServer`.
#[doc(alias = "HTTPServer")]
pub type HttpServer<H> = TcpServer<Sequential, H>;

/// An HTTP server whose requests run on threads: Python's `ThreadingHTTPServer`.
#[doc(alias = "ThreadingHTTPServer")]
pub type ThreadingHttpServer<H> = TcpServer<ThreadPool, H>;

/// An HTTP server whose connections run in child processes: Python's `ForkingMixIn` with
/// `HTTPServer`.
#[doc(alias = "ForkingHTTPServer")]
pub type ForkingHttpServer<H> = TcpServer<Forking, H>;
