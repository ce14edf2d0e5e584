//! HTTP on top of the servers: Python's `http.server`.

mod base;
mod cgi;
mod date;
mod exchange;
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
mod http_error;
mod metrics;
mod parse;
mod request_body;
mod response_body;
mod response_head;
mod serve;
mod status;
mod text;
mod time_zone;
pub mod url;

pub use base::BaseHttpRequestHandler;
pub use cgi::{CgiHttpRequestHandler, CgiInfo};
pub use exchange::Exchange;
pub use files::{FileContent, SimpleHttpRequestHandler};
pub use handler::{HttpRequestHandler, ProtocolVersion};
pub use headers::Headers;
pub use http_error::HttpError;
pub use metrics::Metrics;
pub use request_body::RequestBody;
pub use response_body::ResponseBody;
pub use status::Status;

#[doc(no_inline)]
pub use crate::trusted_proxies::TrustedProxies;
