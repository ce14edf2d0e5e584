//! Handlers called without a server, for tests of programs.
//!
//! ```
//! use std::io::{self, Write};
//! use socketserver::http::{Exchange, HttpRequestHandler, Status, testing};
//!
//! struct Hello;
//!
//! impl HttpRequestHandler for Hello {
//!     fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
//!         http.send_response(200)?;
//!         http.send_header("Content-Type", "text/plain")?;
//!         http.end_headers()?;
//!         http.wfile.write_all(b"Hello, World!\n")
//!     }
//!     # fn log_message(&self, _: &Exchange<'_>, _: std::fmt::Arguments<'_>) {}
//! }
//!
//! let response = testing::respond(&Hello, "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n")?;
//! assert_eq!(response.status, Status::OK);
//! assert_eq!(response.headers.get("Content-Type"), Some("text/plain"));
//! assert_eq!(response.text(), "Hello, World!\n");
//! # io::Result::Ok(())
//! ```
//!
//! A request takes the way that it takes in a server, from the first byte of its head to the last
//! one of its response: what a server would refuse is refused. There is no server, no port and no
//! strategy; the handler runs on the thread that calls. Its client has the address `127.0.0.1`,
//! port 0, and ends its half of the connection behind the request. Python's handlers are tested by
//! a subclass that replaces `setup`.

mod place;
mod response;

pub use response::Response;

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown};
use std::sync::Arc;
use std::thread;

use crate::http::exchange::HttpRequestHandler;
use crate::os;
use place::Place;

/// Has a handler answer a request, and takes its response apart.
///
/// Responses that announce another one, such as 100, are skipped. Where several requests are sent,
/// the response is the first one's; [`talk`] has them all. As with `talk`, a response has to end by
/// itself.
///
/// # Errors
///
/// There is no whole response of HTTP/1, as where the handler has taken the connection over and
/// says nothing, its body is shorter than its `Content-Length`, or the handler fails in the middle
/// of it.
pub fn respond(
    handler: &impl HttpRequestHandler,
    request: impl AsRef<[u8]>,
) -> io::Result<Response> {
    let request = request.as_ref();
    let (sent, is_whole) = serve(handler, request)?;
    let is_head = request.trim_ascii_start().starts_with(b"HEAD ");
    Response::parse(&sent, is_head, is_whole)
}

/// Has a handler answer requests that come one after the other, and returns every byte that it
/// sends, also those of a response that it breaks off.
///
/// Returns when the handler has answered and is done with the connection. No server is being
/// stopped, so [`Exchange::is_draining`](crate::http::Exchange::is_draining) is always `false`: a
/// stream that goes on until then has no end here, and this call does not return.
///
/// # Errors
///
/// The system has no sockets or threads left.
pub fn talk(handler: &impl HttpRequestHandler, requests: impl AsRef<[u8]>) -> io::Result<Vec<u8>> {
    serve(handler, requests.as_ref()).map(|(sent, _)| sent)
}

/// Returns what a handler sends, and whether the end of its connection is that of a response.
fn serve(handler: &impl HttpRequestHandler, requests: &[u8]) -> io::Result<(Vec<u8>, bool)> {
    let (client, server) = os::pair()?;
    // Sent and received at the same time, as neither need fit into what the kernel holds.
    thread::scope(|scope| {
        let (writer, reader) = (&client, &client);
        let sending = thread::Builder::new().spawn_scoped(scope, move || {
            // The handler need not read it all.
            let _ = { writer }.write_all(requests);
            let _ = writer.shutdown(Shutdown::Write);
        });
        let receiving = thread::Builder::new().spawn_scoped(scope, move || {
            let mut received = Vec::new();
            { reader }.read_to_end(&mut received).map(|_| received)
        });
        match (sending, receiving) {
            (Ok(_), Ok(receiving)) => {
                let place = Arc::new(Place::default());
                let is_whole = place.serve(handler, server, (Ipv4Addr::LOCALHOST, 0))?;
                let sent = receiving.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))?;
                Ok((sent, is_whole))
            }
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    })
}
