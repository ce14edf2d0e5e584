//! HTTP on top of the servers: Python's `http.server`.

mod base;
mod cgi;
mod chosen_handler;
mod chunk_line;
#[cfg(test)]
mod costs;
mod date;
mod exchange;
mod failure;
mod files;
#[doc(alias = "cgi")]
pub mod form;
mod forwarded;
mod framing;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod handler;
mod headers;
mod host;
mod http_error;
mod metrics;
mod own_chunks;
mod parse;
mod protocol_version;
mod request_body;
mod response_body;
mod response_frame;
mod response_head;
mod serve;
mod status;
mod target;
mod text;
mod time_zone;
pub mod url;

#[doc(alias = "BaseHTTPRequestHandler")]
pub use base::BaseHttpRequestHandler;
#[doc(alias = "CGIHTTPRequestHandler")]
pub use cgi::CgiHttpRequestHandler;
#[doc(alias = "cgi_info")]
pub use cgi::CgiInfo;
#[doc(alias = "parse_request")]
#[doc(alias = "websocket")]
pub use exchange::Exchange;
pub use files::FileContent;
#[doc(alias = "SimpleHTTPRequestHandler")]
pub use files::SimpleHttpRequestHandler;
#[doc(alias = "BaseHTTPRequestHandler")]
pub use handler::HttpRequestHandler;
#[doc(alias = "MessageClass")]
#[doc(alias = "HTTPMessage")]
pub use headers::Headers;
pub use http_error::HttpError;
pub use metrics::Metrics;
pub use protocol_version::ProtocolVersion;
#[doc(alias = "BaseHTTPRequestHandler.rfile")]
pub use request_body::RequestBody;
#[doc(alias = "BaseHTTPRequestHandler.wfile")]
pub use response_body::ResponseBody;
#[doc(alias = "HTTPStatus")]
#[doc(alias = "responses")]
pub use status::Status;
pub use target::Target;

#[doc(no_inline)]
pub use crate::trusted_proxies::TrustedProxies;
