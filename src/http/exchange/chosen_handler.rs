//! Handlers that are chosen when the program runs.

use std::sync::Arc;

use super::handler::HttpRequestHandler;

/// So that a handler can be chosen when the program runs. Every method is that of the handler
/// within.
///
/// ```
/// use socketserver::HttpServer;
/// use socketserver::http::{BaseHttpRequestHandler, HttpRequestHandler, SimpleHttpRequestHandler};
///
/// let serves_files = std::env::args().len() < 2;
/// let handler: Box<dyn HttpRequestHandler> = match serves_files {
///     true => Box::new(SimpleHttpRequestHandler::new(".")),
///     false => Box::new(BaseHttpRequestHandler),
/// };
/// let server = HttpServer::bind("127.0.0.1:0", handler)?;
/// # let _ = server;
/// # std::io::Result::Ok(())
/// ```
impl HttpRequestHandler for Box<dyn HttpRequestHandler> {
    fn base(&self) -> &dyn HttpRequestHandler {
        &**self
    }
}

/// So that a handler can be shared as well.
impl HttpRequestHandler for Arc<dyn HttpRequestHandler> {
    fn base(&self) -> &dyn HttpRequestHandler {
        &**self
    }
}
