//! HTTP on top of the servers: Python's `http.server`.
//!
//! A program implements [`HttpRequestHandler`], and its methods receive an [`Exchange`]: one
//! request and the response to it.
//!
//! ```text
//!  bytes of a head ──► refused? ──yes──► send_error ───────────────────────────┐
//!                          │ no                                                │
//!                          ▼                                                   │
//!               handle_one_request(http)          a password is checked here   │
//!                          │                                                   │
//!            "Expect: 100-continue"? ──► handle_expect_100                     │
//!                          │                                                   │
//!                          ▼                                                   │
//!      do_get, do_post, ..., do_method(http)                                   │
//!        reads   http.command, path, target(), headers, rfile                  │
//!        writes  send_response(200) ──► log_request                            │
//!                send_header(name, value), any number of times                 │
//!                end_headers()      ──► end_headers of the outermost handler   │
//!                http.wfile                                                    │
//!                          │                                                   │
//!        Ok ───────────────┤  Err or panic, nothing sent ──► send_error(500),  │
//!                          │  or as an HttpError says                          │
//!                          ▼                                                   │
//!               the response is completed ◄────────────────────────────────────┘
//!                          │
//!                          ▼
//!                    finish(http) ──► closed, or kept for the next request
//! ```
//!
//! Each call goes to the outermost handler first, and from there by [`base`] to the one that it
//! extends, as Python's calls go through `self`.
//!
//! | to | use |
//! |---|---|
//! | answer requests by a program's own code | [`HttpRequestHandler`] |
//! | serve the files of a directory, and change how | `SimpleHttpRequestHandler`, `FileHooks` |
//! | take files from clients | `SimpleHttpRequestHandler::uploads`, `Uploads` |
//! | run programs | `CgiHttpRequestHandler`, `CgiHooks` |
//! | read forms and uploads | the module `form`, [`RequestBody::read_all`], [`RequestBody::save_as`] |
//! | take URLs and queries apart | [`Exchange::target`], [`url`] |
//! | end a request by `?` | [`HttpError`] |
//! | ask for a user and a password | `BasicAuth`, `Users` |
//! | let pages of other origins read responses | [`Cors`] |
//! | send responses compressed | `Compression`, `SimpleHttpRequestHandler::precompressed` |
//! | have a log in another format | [`AccessLog`] |
//! | have pages of its own for errors | `ErrorPages` |
//! | serve below a path | [`UrlPrefix`] |
//! | count requests, answer a balancer | [`Metrics`] |
//! | test a handler | [`testing`] |
//!
//! [`base`]: HttpRequestHandler::base

mod access_log;
mod arriving;
#[cfg(feature = "auth")]
mod auth;
#[cfg(feature = "cgi")]
mod cgi;
#[cfg(feature = "compression")]
mod compression;
mod cors;
#[cfg(test)]
mod costs;
#[cfg(feature = "files")]
mod error_pages;
mod exchange;
#[cfg(feature = "files")]
mod files;
#[doc(alias = "cgi")]
#[cfg(feature = "forms")]
pub mod form;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod message;
mod metrics;
pub mod testing;
pub mod url;
mod url_prefix;

#[doc(alias = "access.log")]
pub use access_log::{AccessLog, LogFormat};
#[doc(alias = "htpasswd")]
#[cfg(feature = "auth")]
pub use auth::{BasicAuth, Users};
#[cfg(feature = "cgi")]
pub use cgi::CgiHooks;
#[doc(alias = "CGIHTTPRequestHandler")]
#[cfg(feature = "cgi")]
pub use cgi::CgiHttpRequestHandler;
#[doc(alias = "cgi_info")]
#[cfg(feature = "cgi")]
pub use cgi::CgiInfo;
#[doc(alias = "gzip")]
#[cfg(feature = "compression")]
pub use compression::Compression;
#[doc(alias = "Access-Control-Allow-Origin")]
pub use cors::Cors;
#[cfg(feature = "files")]
pub use error_pages::{ErrorPages, StatusPages};
#[doc(alias = "BaseHTTPRequestHandler")]
pub use exchange::BaseHttpRequestHandler;
pub use exchange::HttpError;
#[doc(alias = "BaseHTTPRequestHandler")]
pub use exchange::HttpRequestHandler;
#[doc(alias = "BaseHTTPRequestHandler.rfile")]
pub use exchange::RequestBody;
#[doc(alias = "BaseHTTPRequestHandler.wfile")]
pub use exchange::ResponseBody;
#[doc(alias = "parse_request")]
#[doc(alias = "websocket")]
pub use exchange::{Exchange, RequestHead};
#[doc(alias = "SimpleHTTPRequestHandler")]
#[cfg(feature = "files")]
pub use files::SimpleHttpRequestHandler;
#[cfg(feature = "files")]
pub use files::{
    Defaults, Directory, DirectoryEntry, FileContent, FileHooks, Listing, NoFile, Uploads,
};
#[doc(alias = "MessageClass")]
#[doc(alias = "HTTPMessage")]
pub use message::headers::Headers;
pub use message::misuse::{Misuse, MisuseKind};
pub use message::protocol_version::ProtocolVersion;
pub use message::status::InvalidStatus;
#[doc(alias = "HTTPStatus")]
#[doc(alias = "responses")]
pub use message::status::Status;
pub use message::target::Target;
pub use metrics::Metrics;
pub use url_prefix::UrlPrefix;

#[doc(no_inline)]
pub use crate::trusted_proxies::TrustedProxies;
