//! HTTP on top of the servers: Python's `http.server`.

mod cgi;
#[cfg(test)]
mod costs;
mod exchange;
mod files;
#[doc(alias = "cgi")]
pub mod form;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod message;
mod metrics;
pub mod url;

pub use cgi::CgiHooks;
#[doc(alias = "CGIHTTPRequestHandler")]
pub use cgi::CgiHttpRequestHandler;
#[doc(alias = "cgi_info")]
pub use cgi::CgiInfo;
#[doc(alias = "BaseHTTPRequestHandler")]
pub use exchange::BaseHttpRequestHandler;
#[doc(alias = "parse_request")]
#[doc(alias = "websocket")]
pub use exchange::Exchange;
pub use exchange::HttpError;
#[doc(alias = "BaseHTTPRequestHandler")]
pub use exchange::HttpRequestHandler;
#[doc(alias = "BaseHTTPRequestHandler.rfile")]
pub use exchange::RequestBody;
#[doc(alias = "BaseHTTPRequestHandler.wfile")]
pub use exchange::ResponseBody;
#[doc(alias = "SimpleHTTPRequestHandler")]
pub use files::SimpleHttpRequestHandler;
pub use files::{Defaults, Directory, DirectoryEntry, FileContent, FileHooks, NoFile};
#[doc(alias = "MessageClass")]
#[doc(alias = "HTTPMessage")]
pub use message::headers::Headers;
pub use message::protocol_version::ProtocolVersion;
#[doc(alias = "HTTPStatus")]
#[doc(alias = "responses")]
pub use message::status::Status;
pub use message::target::Target;
pub use metrics::Metrics;

#[doc(no_inline)]
pub use crate::trusted_proxies::TrustedProxies;
