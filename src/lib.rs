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
//! - For an HTTP program: [`HttpRequestHandler`], what you override, and
//!   [`Exchange`], what you call. To serve files:
//!   [`SimpleHttpRequestHandler`].
//! - For forms and uploads: [`http::form`]. For URLs and queries: [`http::url`].
//! - For programs that answer (CGI): [`CgiHttpRequestHandler`].
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
//!    ([`Sequential`]), on a thread ([`ThreadPool`]) or in a child process ([`Forking`]).
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
//! Above it, [`PreFork`] runs several such servers, in a process each, and replaces those that
//! crash.
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
//! | `auth` | users and passwords: [`http::BasicAuth`] | `http` |
//! | `files` | [`SimpleHttpRequestHandler`] | `http` |
//! | `cgi` | [`CgiHttpRequestHandler`] | `files` |
//! | `compression` | gzip around any handler: [`http::Compression`] | `http` |
//! | `forms` | [`http::form`] | `http` |
//! | `tls` | HTTPS, and TLS below any other handler: [`ThreadingHttpsServer`] and its siblings, on rustls with ring | |
//! | `systemd` | [`systemd`]: the sockets that it passes, and what it is told | |
//! | `cli` | the `socketserver` command | `auth`, `cgi`, `compression`, `systemd`, `tls` |
//!
//! `cli` and `forms` are on by default, and so is all. A library names what it uses:
//!
//! ```toml
//! socketserver = { version = "0.1", default-features = false, features = ["files", "tls"] }
//! ```
//!
//! Without any, servers, strategies and handlers over TCP, UDP and Unix sockets are left, with
//! fifteen crates or less in `cargo tree`.
//!
// What a feature leaves out is no link but to the table of features.
#![cfg_attr(
    feature = "http",
    doc = "[`http`]: http\n[`http::url`]: http::url\n[`http::Metrics`]: http::Metrics\n\
           [`HttpRequestHandler`]: http::HttpRequestHandler\n[`Exchange`]: http::Exchange"
)]
#![cfg_attr(
    not(feature = "http"),
    doc = "[`http`]: #features\n[`http::url`]: #features\n[`http::Metrics`]: #features\n\
           [`HttpRequestHandler`]: #features\n[`Exchange`]: #features"
)]
#![cfg_attr(feature = "auth", doc = "[`http::BasicAuth`]: http::BasicAuth")]
#![cfg_attr(not(feature = "auth"), doc = "[`http::BasicAuth`]: #features")]
#![cfg_attr(
    feature = "files",
    doc = "[`SimpleHttpRequestHandler`]: http::SimpleHttpRequestHandler"
)]
#![cfg_attr(not(feature = "files"), doc = "[`SimpleHttpRequestHandler`]: #features")]
#![cfg_attr(feature = "cgi", doc = "[`CgiHttpRequestHandler`]: http::CgiHttpRequestHandler")]
#![cfg_attr(not(feature = "cgi"), doc = "[`CgiHttpRequestHandler`]: #features")]
#![cfg_attr(feature = "compression", doc = "[`http::Compression`]: http::Compression")]
#![cfg_attr(not(feature = "compression"), doc = "[`http::Compression`]: #features")]
#![cfg_attr(feature = "forms", doc = "[`http::form`]: http::form")]
#![cfg_attr(not(feature = "forms"), doc = "[`http::form`]: #features")]
#![cfg_attr(not(feature = "tls"), doc = "[`ThreadingHttpsServer`]: #features")]
#![cfg_attr(not(feature = "systemd"), doc = "[`systemd`]: #features")]
// What one feature uses alone is dead without it; builds with all features find what nothing uses.
#![cfg_attr(
    not(all(feature = "cli", feature = "forms")),
    allow(dead_code, unused_imports, reason = "some of it is there for a feature")
)]

/// As the crate of that name; rustfmt follows modules into a macro that is called so.
macro_rules! cfg_if {
    (if #[cfg($on:meta)] { $($here:item)* } else { $($elsewhere:item)* }) => {
        $(#[cfg($on)] $here)*
        $(#[cfg(not($on))] $elsewhere)*
    };
}

// Here cargo-mutants finds the rooms that it is used for; it does not look into macros.
#[cfg(mutants)]
mod concurrency;
#[cfg(mutants)]
mod connection;
#[cfg(mutants)]
mod http;
#[cfg(mutants)]
mod parking;
#[cfg(mutants)]
mod proxy_protocol;

// Elsewhere the build ends with one line, not with an error for each import.
cfg_if! {
    if #[cfg(unix)] {
        mod address;
        pub mod concurrency;
        mod connection;
        mod datagram;
        mod handler;
        mod host_text;
        #[cfg(feature = "http")]
        pub mod http;
        mod names;
        mod os;
        mod parking;
        mod poller;
        mod printable;
        mod proxy_protocol;
        mod reactor;
        mod server;
        mod server_info;
        mod shutdown;
        mod signal;
        mod signals;
        mod stderr;
        mod supervisor;
        #[allow(unsafe_code)]
        mod sys;
        #[cfg(feature = "systemd")]
        pub mod systemd;
        pub mod transport;
        mod trusted_proxies;
        mod work;

        pub use names::*;
        // rustdoc drops the aliases of types behind a glob.
        #[doc(alias = "TCPServer")]
        pub use names::TcpServer;
        #[doc(alias = "ThreadingTCPServer")]
        pub use names::ThreadingTcpServer;
        #[doc(alias = "ForkingTCPServer")]
        pub use names::ForkingTcpServer;
        #[doc(alias = "UDPServer")]
        pub use names::UdpServer;
        #[doc(alias = "ThreadingUDPServer")]
        pub use names::ThreadingUdpServer;
        #[doc(alias = "ForkingUDPServer")]
        pub use names::ForkingUdpServer;
        #[cfg(feature = "http")]
        #[doc(alias = "HTTPServer")]
        pub use names::HttpServer;
        #[cfg(feature = "http")]
        #[doc(alias = "ThreadingHTTPServer")]
        pub use names::ThreadingHttpServer;
        #[cfg(feature = "http")]
        #[doc(alias = "ForkingHTTPServer")]
        pub use names::ForkingHttpServer;
        #[cfg(feature = "tls")]
        #[doc(alias = "HTTPSServer")]
        pub use names::HttpsServer;
        #[cfg(feature = "tls")]
        #[doc(alias = "ThreadingHTTPSServer")]
        pub use names::ThreadingHttpsServer;
        #[cfg(feature = "tls")]
        #[doc(alias = "ForkingHTTPSServer")]
        pub use names::ForkingHttpsServer;

        // The README's programs compile.
        #[cfg(all(feature = "forms", doctest))]
        #[doc = include_str!("../README.md")]
        struct Readme;
    } else {
        compile_error!("socketserver runs on Unix systems only, such as Linux, macOS and the BSDs");
    }
}
