//! The error of a client that speaks in clear text where TLS is spoken.

use std::error::Error;
use std::fmt;

/// A client spoke in clear text to a server that expects TLS.
///
/// Reading from its connection fails with this inside an `io::Error` of the kind `InvalidData`;
/// what is written goes out in clear text, so that a handler can say what is wrong. HTTP handlers
/// get the request in
/// [`handle_clear_text`](crate::http::HttpRequestHandler::handle_clear_text), which answers 400
/// unless it is overridden. A TLS record never begins with a letter, and requests of text protocols
/// do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotTls {
    pub(super) received: Vec<u8>,
}

impl NotTls {
    /// What the client sent first, perhaps not all of it.
    pub fn received(&self) -> &[u8] {
        &self.received
    }
}

impl fmt::Display for NotTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("clear text was sent where TLS is expected")
    }
}

impl Error for NotTls {}
