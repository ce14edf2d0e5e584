//! One request and its response: what Python keeps in `self`.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::io;
use std::net::SocketAddr;
use std::time::SystemTime;

use super::date;
use super::framing::BodyLength;
use super::handler::{HttpRequestHandler, ProtocolVersion};
use super::headers::Headers;
use super::parse::{HTTP_0_9, Head};
use super::request_body::RequestBody;
use super::response_body::{ResponseBody, Stage, misuse};
use super::response_head::{is_header_name, push_header, push_status_line};
use super::status::Status;
use crate::connection::{Berth, Connection};
use crate::server_info::ServerInfo;

/// A request and the response to it.
///
/// Python's handlers find all this in `self`. It is fields, so that `rfile` and `wfile` can be borrowed apart:
/// `io::copy(&mut http.rfile, &mut http.wfile)` sends the request's body back.
///
/// A response is [`send_response`](Self::send_response), any number of
/// [`send_header`](Self::send_header), [`end_headers`](Self::end_headers), then the body through
/// `wfile`. Calls out of this order are errors that say so. A handler that returns without
/// `end_headers` has it called; one that returns without any response is answered for with 500.
pub struct Exchange<'h> {
    /// The method: `"GET"`.
    pub command: String,
    /// The request's target as the client wrote it, query included. Several slashes at its start
    /// are one.
    pub path: String,
    /// The version as the client wrote it: `"HTTP/1.1"`.
    pub request_version: Cow<'static, str>,
    /// The request's header fields.
    pub headers: Headers,
    /// The request's body.
    pub rfile: RequestBody,
    /// The response's body.
    pub wfile: ResponseBody,
    /// The client's address.
    pub client_address: SocketAddr,
    /// The server: its name and port, and the way to stop it.
    pub server: ServerInfo,
    /// Closes the connection after this response.
    pub close_connection: bool,
    requestline: String,
    handler: &'h dyn HttpRequestHandler,
    draining: bool,
    /// The response's head says that the connection will be closed.
    announces_close: bool,
    /// Storage for the text of a header's value.
    value: String,
    // Gone once the connection was taken over.
    berth: Option<Berth>,
}

impl<'h> Exchange<'h> {
    pub(crate) fn new(
        handler: &'h dyn HttpRequestHandler,
        connection: Connection,
        head: Head,
        body: BodyLength,
    ) -> Self {
        let draining = connection.is_draining();
        let Connection { rfile, wfile, client_address, server, berth } = connection;
        let keeps = handler.protocol_version() == ProtocolVersion::Http11;
        let headless = head.version == HTTP_0_9;
        let head_only = head.command == "HEAD";
        let may_chunk = keeps && head.version >= (1, 1);
        let close_connection = !keeps || !keeps_alive(&head) || draining;
        Self {
            command: head.command,
            path: head.path,
            request_version: head.request_version,
            headers: head.headers,
            rfile: RequestBody::new(rfile, body),
            wfile: ResponseBody::new(wfile, headless, head_only, may_chunk),
            client_address,
            server,
            close_connection,
            requestline: head.requestline,
            handler,
            draining,
            announces_close: false,
            value: String::new(),
            berth: Some(berth),
        }
    }

    /// Begins a response with a status, its phrase, and the `Server` and `Date` headers, and logs it.
    ///
    /// # Errors
    ///
    /// A response was begun before.
    pub fn send_response(&mut self, code: impl Into<Status>) -> io::Result<()> {
        let code = code.into();
        self.respond(code, code.phrase().unwrap_or_default())
    }

    /// Begins a response with a reason of your own: Python's `send_response(code, message)`.
    ///
    /// # Errors
    ///
    /// A response was begun before, or the message contains a line end.
    pub fn send_response_with(&mut self, code: impl Into<Status>, message: &str) -> io::Result<()> {
        self.respond(code.into(), message)
    }

    /// Begins a response with the status line only, unlogged. A code below 200 is sent by
    /// `end_headers`, and another response may follow.
    ///
    /// # Errors
    ///
    /// A response was begun before.
    pub fn send_response_only(&mut self, code: impl Into<Status>) -> io::Result<()> {
        let code = code.into();
        self.status_line(code, code.phrase().unwrap_or_default())
    }

    /// Adds a header to the response.
    ///
    /// `Connection: close` and `Connection: keep-alive` also set
    /// [`close_connection`](Self::close_connection).
    ///
    /// # Errors
    ///
    /// Called before `send_response` or after `end_headers`; the name is not a token; the value contains
    /// a line end, NUL, or a character beyond ISO 8859-1 (CPython writes the first two out, which
    /// lets a client split the response); a length contradicts another one or a transfer coding.
    pub fn send_header(&mut self, keyword: &str, value: impl fmt::Display) -> io::Result<()> {
        if self.wfile.stage() != Stage::Head {
            return Err(misuse(format!(
                "send_header({keyword:?}) outside send_response and end_headers"
            )));
        }
        if !is_header_name(keyword) {
            return Err(misuse(format!("send_header: {keyword:?} is no header name")));
        }
        let mut text = std::mem::take(&mut self.value);
        text.clear();
        // Writing to a string fails only where the value itself refuses.
        let written = write!(text, "{value}").map_err(|_| misuse("send_header: unwritable value"));
        let added = written.and_then(|()| self.add_header(keyword, &text));
        self.value = text;
        added
    }

    /// Ends the response's head, by the handler's
    /// [`end_headers`](HttpRequestHandler::end_headers).
    ///
    /// The head leaves with the first bytes of the body, with [`flush_headers`](Self::flush_headers), or
    /// when the handler returns or waits for the client.
    ///
    /// # Errors
    ///
    /// No response was begun, or its head has ended.
    pub fn end_headers(&mut self) -> io::Result<()> {
        self.handler.end_headers(self)
    }

    /// Sends the response's head now.
    ///
    /// # Errors
    ///
    /// The connection is broken.
    pub fn flush_headers(&mut self) -> io::Result<()> {
        io::Write::flush(&mut self.wfile)
    }

    /// Answers with an error and a page that explains it, logs it, and closes the connection.
    ///
    /// A response that was begun and has not left is replaced.
    ///
    /// # Errors
    ///
    /// A response has left already, in part at least.
    pub fn send_error(&mut self, code: impl Into<Status>) -> io::Result<()> {
        self.handler.send_error(self, code.into(), None, None)
    }

    /// Answers with an error and a message of your own: Python's `send_error(code, message)`.
    ///
    /// # Errors
    ///
    /// As [`send_error`](Self::send_error).
    pub fn send_error_with(&mut self, code: impl Into<Status>, message: &str) -> io::Result<()> {
        self.handler.send_error(self, code.into(), Some(message), None)
    }

    /// Answers with an error, a message and an explanation of your own: Python's
    /// `send_error(code, message, explain)`.
    ///
    /// # Errors
    ///
    /// As [`send_error`](Self::send_error).
    pub fn send_error_explained(
        &mut self,
        code: impl Into<Status>,
        message: &str,
        explain: &str,
    ) -> io::Result<()> {
        self.handler.send_error(self, code.into(), Some(message), Some(explain))
    }

    /// Logs a response, by the handler's [`log_request`](HttpRequestHandler::log_request).
    pub fn log_request(&self, code: impl Into<Status>, size: Option<u64>) {
        self.handler.log_request(self, code.into(), size);
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
    pub fn requestline(&self) -> &str {
        &self.requestline
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

    /// The outermost handler, whose overrides count.
    pub fn handler(&self) -> &'h dyn HttpRequestHandler {
        self.handler
    }

    /// Takes the connection over, for another protocol or another thread.
    ///
    /// What was sent so far is flushed. The server does nothing more with this exchange; dropping
    /// the connection closes it.
    ///
    /// # Errors
    ///
    /// It was taken over before, or it is broken.
    pub fn take_over(&mut self) -> io::Result<Connection> {
        let wfile = self.wfile.take()?;
        let berth = self.berth.take().ok_or_else(|| misuse("take_over: taken over before"))?;
        let server = self.server.clone();
        Ok(Connection {
            rfile: self.rfile.take(),
            wfile,
            client_address: self.client_address,
            server,
            berth,
        })
    }

    /// Tells whether [`take_over`](Self::take_over) was called.
    pub(crate) fn is_taken_over(&self) -> bool {
        self.berth.is_none()
    }

    /// Does what the base's `end_headers` does.
    pub(crate) fn complete_head(&mut self) -> io::Result<()> {
        if self.wfile.stage() != Stage::Head {
            return Err(misuse("end_headers without send_response"));
        }
        if self.draining
            && !self.announces_close
            && !self.wfile.status().is_interim()
            && self.protocol_version() == ProtocolVersion::Http11
        {
            self.close_connection = true;
            self.wfile.head().extend_from_slice(b"Connection: close\r\n");
        }
        self.wfile.end_head()?;
        if self.wfile.status().code() == 101 {
            self.rfile.unbind();
            self.close_connection = true;
        }
        Ok(())
    }

    /// Begins an error response in the place of whatever was begun.
    pub(crate) fn begin_error(&mut self, code: Status, message: &str) -> io::Result<()> {
        if !self.wfile.is_recallable() {
            self.close_connection = true;
            return Err(misuse(format!("send_error({code}) after the response has begun")));
        }
        self.wfile.recall();
        self.announces_close = false;
        // What the page may say in full, a status line must not.
        let reason: String = message
            .chars()
            .map(|character| match character {
                '\r' | '\n' | '\0' => ' ',
                '\u{100}'.. => '?',
                other => other,
            })
            .collect();
        self.respond(code, &reason)?;
        self.send_header("Connection", "close")
    }

    fn respond(&mut self, code: Status, message: &str) -> io::Result<()> {
        self.status_line(code, message)?;
        self.handler.log_request(self, code, None);
        let server = self.version_string();
        self.add_header("Server", &server)?;
        let head = self.wfile.head();
        head.extend_from_slice(b"Date: ");
        date::push_now(head);
        head.extend_from_slice(b"\r\n");
        Ok(())
    }

    fn status_line(&mut self, code: Status, message: &str) -> io::Result<()> {
        if self.wfile.stage() != Stage::Start {
            return Err(misuse(format!("send_response({code}) after a response was begun")));
        }
        let protocol = self.protocol_version();
        push_status_line(self.wfile.head(), protocol, code, message)?;
        self.wfile.begin(code);
        Ok(())
    }

    fn add_header(&mut self, keyword: &str, value: &str) -> io::Result<()> {
        self.wfile.declare(keyword, value)?;
        push_header(self.wfile.head(), keyword, value)?;
        if keyword.eq_ignore_ascii_case("Connection") {
            self.note_connection(value);
        }
        Ok(())
    }

    fn note_connection(&mut self, value: &str) {
        if value.eq_ignore_ascii_case("close") {
            self.announces_close = true;
            self.close_connection = true;
        } else if value.eq_ignore_ascii_case("keep-alive") {
            self.close_connection = false;
        }
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

/// Tells whether the client expects the connection to stay open (RFC 9112 §9.3).
fn keeps_alive(head: &Head) -> bool {
    let mut keeps = head.version >= (1, 1);
    for value in head.headers.get_all("Connection") {
        for option in value.split(',').map(str::trim) {
            if option.eq_ignore_ascii_case("close") {
                return false;
            }
            keeps |= option.eq_ignore_ascii_case("keep-alive") && head.version >= (1, 0);
        }
    }
    keeps
}
