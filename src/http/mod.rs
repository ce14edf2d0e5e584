//! HTTP on top of the servers: Python's `http.server`.

#[cfg(feature = "cgi")]
mod cgi;
#[cfg(test)]
mod costs;
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

#[cfg(feature = "cgi")]
pub use cgi::CgiHooks;
#[doc(alias = "CGIHTTPRequestHandler")]
#[cfg(feature = "cgi")]
pub use cgi::CgiHttpRequestHandler;
#[doc(alias = "cgi_info")]
#[cfg(feature = "cgi")]
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
#[cfg(feature = "files")]
pub use files::SimpleHttpRequestHandler;
#[cfg(feature = "files")]
pub use files::{Defaults, Directory, DirectoryEntry, FileContent, FileHooks, NoFile};
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

#[doc(no_inline)]
pub use crate::trusted_proxies::TrustedProxies;
