//! One request and its response: what Python keeps in `self`, and what a handler does with it.

mod after;
mod awaited_body;
mod base;
mod chosen_handler;
mod chunk_line;
mod chunk_scan;
mod failure;
mod forwarded;
mod handler;
mod http_error;
mod kept;
mod left;
mod notes;
mod receive;
mod received;
mod redirect;
mod request_body;
mod request_head;
mod response;
mod response_body;
mod save;
mod serve;

pub use handler::{BaseHttpRequestHandler, HttpRequestHandler};
pub use http_error::HttpError;
pub(crate) use http_error::{Answer, is_full};
pub use request_body::RequestBody;
pub use request_head::RequestHead;
pub(crate) use response_body::ChooseCoder;
pub use response_body::ResponseBody;
#[cfg(feature = "compression")]
pub(crate) use response_body::{ContentCoder, Out};

pub(crate) use forwarded::client_of;
#[cfg(feature = "auth")]
pub(crate) use notes::Refused;
#[cfg(feature = "compression")]
pub(crate) use notes::Unmodified;
pub(crate) use save::{atomically, copy_or};

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::address::Address;
use crate::connection::{Connection, ConnectionGuard, PeerCredentials, Rfile, Wfile};
use crate::http::message::date;
use crate::http::message::framing::BodyLength;
use crate::http::message::headers::Headers;
use crate::http::message::misuse::{MisuseKind, misuse};
use crate::http::message::parse::{HTTP_0_9, Head, target_in};
use crate::http::message::protocol_version::ProtocolVersion;
use crate::http::message::response_frame::Asked;
use crate::http::message::status::Status;
use crate::http::message::target::Target;
use crate::os::{AsFd, BorrowedFd};
use crate::server_info::ServerInfo;
use notes::Notes;

/// A request and the response to it.
///
/// Python's handlers find all this in `self`. It is fields, so that `rfile` and `wfile` can be
/// borrowed apart: `io::copy(&mut http.rfile, &mut http.wfile)` sends the request's body back.
///
/// A response is [`send_response`](Self::send_response), any number of
/// [`send_header`](Self::send_header), [`end_headers`](Self::end_headers), then the body through
/// `wfile`. Calls out of this order are errors that say so. A handler that returns without
/// `end_headers` has it called; one that returns without any response is answered for with 500.
pub struct Exchange<'h> {
    /// The method: `"GET"`.
    pub command: String,
    /// The request's target as the client wrote it, query included. Several slashes at its start
    /// are one. [`target`](Self::target) takes it apart.
    pub path: String,
    /// The version as the client wrote it: `"HTTP/1.1"`.
    pub request_version: Cow<'static, str>,
    /// The request's header fields. `Host` is the target's host where the target has one
    /// (`GET http://example.org/`), whatever the client wrote beside it (RFC 9112 §3.2.2).
    pub headers: Headers,
    /// The request's body.
    pub rfile: RequestBody,
    /// The response's body.
    pub wfile: ResponseBody,
    /// The client's address: the connection's own, or the one that a proxy asks for
    /// ([`trusted_proxies`](HttpRequestHandler::trusted_proxies)).
    pub client_address: Address,
    /// The server: its name and port, and the way to stop it.
    pub server: ServerInfo,
    /// Closes the connection after this response.
    pub close_connection: bool,
    requestline: String,
    peer_address: Address,
    handler: &'h dyn HttpRequestHandler,
    /// When the request came.
    was_draining: bool,
    since: Instant,
    /// The client has asked whether to send its body (RFC 9110 §10.1.1), and was not answered.
    awaits_leave: bool,
    /// The client keeps a connection only where it is told to.
    is_http10: bool,
    /// The handler has sent `Connection: keep-alive`.
    announces_keep_alive: bool,
    /// The handler has sent `Connection: close`.
    announces_close: bool,
    /// A coding of the response's content, and the `Content-Type` with which it is announced.
    coding: Option<(&'static str, &'static str)>,
    /// The `Content-Type` of a response that has several parts of a content.
    multipart_type: Option<String>,
    /// Decides whether the content is coded, when the head is complete.
    chooser: Option<Arc<dyn ChooseCoder>>,
    /// How often the request was answered as one for another path.
    redirects: u32,
    /// What handlers around others have found out.
    pub(crate) notes: Notes,
    /// Storage for the text of a header's value.
    value: String,
    // Gone once the connection was taken over.
    guard: Option<ConnectionGuard>,
}

impl<'h> Exchange<'h> {
    pub(crate) fn new(
        handler: &'h dyn HttpRequestHandler,
        connection: Connection,
        head: Head,
        body: BodyLength,
    ) -> Self {
        let draining = connection.guard.is_draining();
        let Connection { rfile, wfile, client_address: peer_address, server, guard, .. } =
            connection;
        let client_address = client_of(&peer_address, &head.headers, handler.trusted_proxies());
        let keeps = handler.protocol_version() == ProtocolVersion::Http11;
        let asked = Asked {
            headless: head.version == HTTP_0_9,
            head_only: head.command == "HEAD",
            tunnel: head.command == "CONNECT",
            may_chunk: keeps && head.version >= (1, 1),
        };
        let awaits_leave = asked.may_chunk && head.expects_100();
        let mut request_body = RequestBody::new(rfile, body);
        // With other methods the field has no meaning (RFC 9110 §14.4).
        request_body.is_partial = head.command == "PUT" && head.headers.contains("Content-Range");
        let close_connection = !keeps || !head.keeps_alive() || draining;
        Self {
            command: head.command,
            path: head.path,
            request_version: head.request_version,
            headers: head.headers,
            rfile: request_body,
            wfile: ResponseBody::new(wfile, asked),
            client_address,
            server,
            close_connection,
            requestline: head.requestline,
            peer_address,
            handler,
            was_draining: draining,
            since: Instant::now(),
            awaits_leave,
            is_http10: head.version < (1, 1),
            announces_keep_alive: false,
            announces_close: false,
            coding: None,
            multipart_type: None,
            chooser: None,
            redirects: 0,
            notes: Notes::default(),
            value: String::new(),
            guard: Some(guard),
        }
    }

    /// Logs a response, by the handler's [`log_request`](HttpRequestHandler::log_request).
    pub fn log_request(&self, code: Status, size: Option<u64>) {
        self.handler.log_request(self, code, size);
    }

    /// Logs what went wrong, by the handler's [`log_error`](HttpRequestHandler::log_error).
    pub fn log_error(&self, message: fmt::Arguments<'_>) {
        self.handler.log_error(self, message);
    }

    /// Logs a line, by the handler's [`log_message`](HttpRequestHandler::log_message):
    /// `http.log_message(format_args!("{} is here", name))`.
    pub fn log_message(&self, message: fmt::Arguments<'_>) {
        self.handler.log_message(self, message);
    }

    /// The request's first line, without its end.
    #[doc(alias = "raw_requestline")]
    pub fn requestline(&self) -> &str {
        &self.requestline
    }

    /// What the request's line says of the target, whatever has become of [`path`](Self::path).
    pub(crate) fn requested_target(&self) -> Target<'_> {
        Target::new(target_in(&self.requestline), &self.headers, self.rfile.is_secure())
    }

    /// The client's address as the log has it.
    pub fn address_string(&self) -> String {
        self.handler.address_string(self)
    }

    /// The `Server` header.
    pub fn version_string(&self) -> String {
        self.handler.version_string(self)
    }

    /// First part of the `Server` header: Python's `self.server_version`.
    pub fn server_version(&self) -> &str {
        self.handler.server_version()
    }

    /// Second part of the `Server` header: Python's `self.sys_version`.
    pub fn sys_version(&self) -> &str {
        self.handler.sys_version()
    }

    /// The version of this server's responses.
    pub fn protocol_version(&self) -> ProtocolVersion {
        self.handler.protocol_version()
    }

    /// A time as headers have it, `Sun, 06 Nov 1994 08:49:37 GMT`; the present one for `None`.
    pub fn date_time_string(&self, timestamp: Option<SystemTime>) -> String {
        date::http_date(timestamp.unwrap_or_else(SystemTime::now))
    }

    /// The present local time as the log has it: `06/Nov/1994 08:49:37`.
    pub fn log_date_time_string(&self) -> String {
        date::log_now()
    }

    /// What the request's target says: its path, its query, and the host that the request is for.
    pub fn target(&self) -> Target<'_> {
        Target::new(&self.path, &self.headers, self.rfile.is_secure())
    }

    /// The address that the connection came from, whatever a proxy says of the client.
    pub fn peer_address(&self) -> &Address {
        &self.peer_address
    }

    /// The status of the response, once it was begun. Of an error that took the place of another
    /// response, the error's.
    pub fn status(&self) -> Option<Status> {
        self.wfile.begun_status()
    }

    /// The time since the request's head was complete.
    pub fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }

    /// Tells whether the request came over TLS: whether a cookie may be `Secure`, and what scheme a
    /// URL to this server has.
    ///
    /// Of the client's own connection. What a proxy says of the client's connection to it, in
    /// `Forwarded: proto=` or `X-Forwarded-Proto`, is for the handler to read and to believe.
    #[doc(alias = "HTTPS")]
    pub fn is_secure(&self) -> bool {
        self.rfile.is_secure()
    }

    /// Tells whether the server is shutting down by now.
    ///
    /// A response that goes on as long as its client stays, such as a stream of events, ends when
    /// this is true: the server waits for it, up to
    /// [`Server::shutdown_timeout`](crate::Server::shutdown_timeout). Look before each piece.
    pub fn is_draining(&self) -> bool {
        self.guard.as_ref().map_or(self.was_draining, ConnectionGuard::finds_draining)
    }

    /// Tells whether the server was known to shut down when the request came, or is now.
    fn knows_draining(&self) -> bool {
        self.guard.as_ref().map_or(self.was_draining, ConnectionGuard::is_draining)
    }

    /// The outermost handler, whose overrides count.
    pub fn handler(&self) -> &'h dyn HttpRequestHandler {
        self.handler
    }

    /// The process at the other end, if the server listens on a Unix socket.
    ///
    /// # Errors
    ///
    /// `Unsupported` for every other connection.
    pub fn peer_credentials(&self) -> io::Result<PeerCredentials> {
        self.rfile.peer_credentials()
    }

    /// The certificates that the client has shown over TLS; see
    /// [`Connection::peer_certificates`].
    #[doc(alias = "getpeercert")]
    pub fn peer_certificates(&self) -> Vec<Vec<u8>> {
        self.rfile.peer_certificates()
    }

    /// Takes the connection over, for another protocol or another thread.
    ///
    /// Its `client_address` is the [`peer_address`](Self::peer_address): what a proxy says
    /// of the client holds for one request. What was sent so far is flushed. The server does
    /// nothing more with this exchange; dropping the connection closes it. Under
    /// [`Forking`](crate::Forking) it ends with its child, when the handler has returned.
    ///
    /// # Errors
    ///
    /// It was taken over before, or it is broken; or a response has begun whose content is
    /// compressed, which nothing else can go on with.
    pub fn take_over(&mut self) -> io::Result<Connection> {
        if self.wfile.is_coded() {
            let what = "take_over: of a response that is compressed";
            return Err(misuse(MisuseKind::ResponseBegun, what));
        }
        self.wfile.disown();
        self.was_draining = self.knows_draining();
        self.release()
    }

    /// Takes the connection away from the handler, to end it or to give it back. A response whose
    /// end has not come, and cannot be told but by that of the connection, is cut.
    fn release(&mut self) -> io::Result<Connection> {
        let wfile = self.wfile.take()?;
        let rfile = self.rfile.take();
        self.connection(rfile, wfile)
    }

    /// Takes the connection away for a time, as it is.
    fn lend(&mut self) -> io::Result<Connection> {
        let (rfile, wfile) = (self.rfile.input.detach(), self.wfile.output());
        self.connection(rfile, wfile)
    }

    fn connection(&mut self, rfile: Rfile, wfile: Wfile) -> io::Result<Connection> {
        let taken_over = || misuse(MisuseKind::ResponseEnded, "take_over: taken over before");
        let guard = self.guard.take().ok_or_else(taken_over)?;
        let server = self.server.clone();
        Ok(Connection {
            rfile,
            wfile,
            client_address: self.peer_address.clone(),
            server,
            kept: None,
            guard,
        })
    }

    /// Leaves what completes the response to be sent when the handler has returned, where the
    /// server sees to that.
    fn leave_the_rest(&mut self) {
        if self.guard.as_ref().is_some_and(ConnectionGuard::sends_what_is_left) {
            self.wfile.leave_the_rest();
        }
    }

    /// Tells whether the server has cut the connection, as it ends.
    pub(crate) fn is_cut(&self) -> bool {
        self.guard.as_ref().is_some_and(ConnectionGuard::is_cut)
    }

    /// Cuts the connection if the handler keeps the server's loop and has no time left; returns
    /// when that is to be looked at next. For waits that are not for the client.
    pub(crate) fn cut_if_over(&self) -> Option<Instant> {
        self.guard.as_ref().and_then(ConnectionGuard::cut_if_over)
    }

    /// Tells whether [`take_over`](Self::take_over) was called.
    pub(crate) fn is_taken_over(&self) -> bool {
        self.guard.is_none()
    }
}

/// The client's socket, for options and addresses that have no method here; see [`Connection`].
impl AsFd for Exchange<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.rfile.socket()
    }
}

impl fmt::Debug for Exchange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("requestline", &self.requestline)
            .field("client_address", &self.client_address)
            .finish_non_exhaustive()
    }
}
