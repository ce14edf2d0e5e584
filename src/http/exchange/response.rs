//! The response: the calls that make its head, in their order.

use std::fmt::{self, Write as _};
use std::io;
use std::sync::Arc;

use super::Exchange;
use super::response_body::{ChooseCoder, Stage};
use crate::http::message::date;
use crate::http::message::misuse::{MisuseKind, misuse};
use crate::http::message::protocol_version::ProtocolVersion;
use crate::http::message::response_head::{
    find_header, has_content_type, push_header, push_status_line, remove_headers,
};
use crate::http::message::status::Status;
use crate::http::message::text::list_has;
use crate::http::message::token::is_token;
use crate::printable::repr;

impl Exchange<'_> {
    /// Begins a response with a status, which is a [`Status`] or a `u16`, its phrase, and the
    /// `Server` and `Date` headers, and logs it.
    ///
    /// # Errors
    ///
    /// A response was begun before, or the number is not a status.
    pub fn send_response(&mut self, code: impl TryInto<Status>) -> io::Result<()> {
        let code = status(code)?;
        self.respond(code, code.phrase().unwrap_or_default())
    }

    /// Begins a response with a reason of your own: Python's `send_response(code, message)`.
    ///
    /// # Errors
    ///
    /// A response was begun before, or the message contains a line end.
    pub fn send_response_with(
        &mut self,
        code: impl TryInto<Status>,
        message: &str,
    ) -> io::Result<()> {
        self.respond(status(code)?, message)
    }

    /// Begins a response with the status line only, unlogged. A code below 200 is sent by
    /// `end_headers`, and another response may follow.
    ///
    /// # Errors
    ///
    /// A response was begun before, or the number is not a status.
    pub fn send_response_only(&mut self, code: impl TryInto<Status>) -> io::Result<()> {
        let code = status(code)?;
        self.status_line(code, code.phrase().unwrap_or_default())
    }

    /// Adds a header to the response.
    ///
    /// `Connection: close` and `Connection: keep-alive` also set
    /// [`close_connection`](Self::close_connection). `Server` and `Date` take the place of those
    /// that [`send_response`](Self::send_response) has sent, as a response has one of each (RFC
    /// 9110 §5.3); in CPython there are two then.
    ///
    /// `Connection: close` is added to the last response of a connection where the handler has not
    /// sent it, and `Connection: keep-alive` to a response for a client of HTTP/1.0 that is kept;
    /// other options that a handler sends are left beside it.
    ///
    /// A `Content-Length` that was sent before does not leave again, nor does one with a status
    /// below 200, 204, or a 2xx that opens a tunnel; neither does a `Transfer-Encoding` there (RFC
    /// 9110 §8.6). Where the client, or this server, speaks nothing above HTTP/1.0,
    /// `Transfer-Encoding: chunked` does not leave, and the chunks that the handler writes leave
    /// without their sizes.
    ///
    /// # Errors
    ///
    /// Called before `send_response` or after `end_headers`; the name is not a token; the value
    /// contains a line end, NUL, or a character beyond ISO 8859-1 (CPython writes the first two
    /// out, which lets a client split the response); a length contradicts another one or a transfer
    /// coding; a transfer coding follows the chunked one, or is another than that before HTTP/1.1.
    pub fn send_header(&mut self, keyword: &str, value: impl fmt::Display) -> io::Result<()> {
        let is_automatic = ["Server", "Date"].iter().any(|own| keyword.eq_ignore_ascii_case(own));
        let write = if is_automatic { Self::replace_header } else { Self::add_header };
        self.write_header(keyword, &value, write)
    }

    /// Sets a header of the response: sends it in the place of all of that name so far.
    ///
    /// In an override of [`end_headers`](crate::http::HttpRequestHandler::end_headers) this changes
    /// what any handler sends, where `send_header` would send it twice. CPython has no such method.
    ///
    /// ```
    /// # use std::io;
    /// # use socketserver::http::{Exchange, HttpRequestHandler, SimpleHttpRequestHandler};
    /// # struct Download { files: SimpleHttpRequestHandler }
    /// # impl HttpRequestHandler for Download {
    /// # fn base(&self) -> &dyn HttpRequestHandler { &self.files }
    /// fn end_headers(&self, http: &mut Exchange<'_>) -> io::Result<()> {
    ///     http.set_header("Content-Type", "application/octet-stream")?;
    ///     self.files.end_headers(http)
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`send_header`](Self::send_header); a length may be another one than before.
    pub fn set_header(&mut self, keyword: &str, value: impl fmt::Display) -> io::Result<()> {
        self.write_header(keyword, &value, Self::replace_header)
    }

    /// Ends the response's head, by the handler's
    /// [`end_headers`](crate::http::HttpRequestHandler::end_headers).
    ///
    /// The head leaves with the first bytes of the body, with
    /// [`flush_headers`](Self::flush_headers), or when the handler returns or waits for the client.
    ///
    /// # Errors
    ///
    /// No response was begun, or its head has ended.
    pub fn end_headers(&mut self) -> io::Result<()> {
        self.handler.end_headers(self)
    }

    /// Sends the head that [`end_headers`](Self::end_headers) has ended now, and does not wait for
    /// the body.
    ///
    /// Before `send_response` there is nothing to be sent, and nothing is, as in CPython.
    ///
    /// # Errors
    ///
    /// Called between `send_response` and `end_headers`, where CPython sends the lines so far: a
    /// head leaves as a whole here. The connection is broken.
    pub fn flush_headers(&mut self) -> io::Result<()> {
        if self.wfile.stage() == Stage::Head {
            return Err(misuse(MisuseKind::HeadNotEnded, "flush_headers before end_headers"));
        }
        io::Write::flush(&mut self.wfile)
    }

    /// Answers with an error and a page that explains it, logs it, and closes the connection.
    ///
    /// A response that was begun and has not left is replaced.
    ///
    /// # Errors
    ///
    /// A response has left already, in part at least.
    pub fn send_error(&mut self, code: impl TryInto<Status>) -> io::Result<()> {
        self.handler.send_error(self, status(code)?, None, None)
    }

    /// Answers with an error and a message of your own: Python's `send_error(code, message)`.
    ///
    /// # Errors
    ///
    /// As [`send_error`](Self::send_error).
    pub fn send_error_with(&mut self, code: impl TryInto<Status>, message: &str) -> io::Result<()> {
        self.handler.send_error(self, status(code)?, Some(message), None)
    }

    /// Answers with an error, a message and an explanation of your own: Python's
    /// `send_error(code, message, explain)`.
    ///
    /// # Errors
    ///
    /// As [`send_error`](Self::send_error).
    pub fn send_error_explained(
        &mut self,
        code: impl TryInto<Status>,
        message: &str,
        explain: &str,
    ) -> io::Result<()> {
        self.handler.send_error(self, status(code)?, Some(message), Some(explain))
    }

    /// Adds a header of a response that was begun: one that says nothing of the body or of the
    /// connection, of a value without control characters, all of ASCII. Nothing is checked.
    pub(crate) fn add_plain_header(&mut self, keyword: &str, value: &str) {
        let head = self.wfile.head();
        for piece in [keyword, ": ", value, "\r\n"] {
            head.extend_from_slice(piece.as_bytes());
        }
    }

    /// Says of the content that it has this coding, as long as the head gives it this type and says
    /// nothing of a coding by itself.
    pub(crate) fn announce_coding(&mut self, coding: &'static str, content_type: &'static str) {
        self.coding = Some((coding, content_type));
    }

    /// Says of the response that it has several parts of a content, whatever type the content has:
    /// this is its `Content-Type`.
    pub(crate) fn announce_multipart(&mut self, content_type: String) {
        self.multipart_type = Some(content_type);
    }

    /// Has the content coded, if this one finds that it is to be when the head is complete.
    #[cfg_attr(not(feature = "compression"), expect(dead_code, reason = "nothing else codes"))]
    pub(crate) fn offer_coder(&mut self, chooser: Arc<dyn ChooseCoder>) {
        self.chooser = Some(chooser);
    }

    /// Does what the base's `end_headers` does.
    pub(crate) fn complete_head(&mut self) -> io::Result<()> {
        match self.wfile.stage() {
            Stage::Head => {}
            stage => return Err(misuse(outside_head(stage), "end_headers without send_response")),
        }
        // Whatever type the handler has given the content since: each part says it.
        if let Some(multipart) = self.multipart_type.take() {
            self.replace_header("Content-Type", &multipart)?;
        }
        // The handler may have given the content another type since, or a coding.
        if let Some((coding, content_type)) = self.coding.take()
            && has_content_type(self.wfile.head(), content_type)
            && find_header(self.wfile.head(), "Content-Encoding").is_none()
        {
            self.add_header("Content-Encoding", coding)?;
        }
        if let Some(chooser) = self.chooser.take() {
            chooser.choose(self)?;
        }
        self.wfile.frame();
        if let Some(line) = self.connection_line() {
            self.wfile.head().extend_from_slice(line);
        }
        self.wfile.end_head()?;
        if self.wfile.status().code() == 101 {
            self.rfile.unbind();
            self.close_connection = true;
        }
        Ok(())
    }

    /// What the head has to say of the connection (RFC 9112 §9.3 and §9.6), unless the handler has
    /// said it. Other options, such as `upgrade`, say nothing of that, and `close` outweighs
    /// `keep-alive`.
    ///
    /// A response of HTTP/1.1 is not the last one unless it says so, and a client of HTTP/1.0 waits
    /// for the end unless it is told that the connection stays open.
    fn connection_line(&mut self) -> Option<&'static [u8]> {
        let status = self.wfile.status();
        let is_last_head = !status.is_interim() && status.code() != 101 && !self.wfile.is_tunnel();
        if !is_last_head || self.protocol_version() != ProtocolVersion::Http11 {
            return None;
        }
        // A client that is answered before it was given leave may send its body all the same, or
        // not.
        let is_body_in_doubt = self.awaits_leave && !self.rfile.is_ended();
        self.close_connection |=
            self.knows_draining() || self.wfile.must_close() || is_body_in_doubt;
        match self.close_connection {
            true => (!self.announces_close).then_some(b"Connection: close\r\n"),
            false => (self.is_http10 && !self.announces_keep_alive)
                .then_some(b"Connection: keep-alive\r\n"),
        }
    }

    /// Logs an error and begins its response. Returns the error's message: this one, or the phrase
    /// of its status.
    pub(crate) fn announce_error<'m>(
        &mut self,
        code: Status,
        message: Option<&'m str>,
    ) -> io::Result<&'m str> {
        let message = code.message(message);
        self.notes.is_error_logged = true;
        self.log_error(format_args!("code {code}, message {message}"));
        self.notes.is_error_logged = false;
        self.begin_error(code, message)?;
        Ok(message)
    }

    /// Begins an error response in the place of whatever was begun.
    pub(crate) fn begin_error(&mut self, code: Status, message: &str) -> io::Result<()> {
        if !self.wfile.is_recallable() {
            self.close_connection = true;
            let what = format!("send_error({code}) after the response has begun");
            return Err(misuse(MisuseKind::ResponseBegun, what));
        }
        self.wfile.recall();
        (self.coding, self.multipart_type) = (None, None);
        // What the page may say in full, a status line must not.
        let reason: String = message
            .chars()
            .map(|character| match character {
                '\t' => '\t',
                other if other.is_ascii_control() => ' ',
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
            let what = format!("send_response({code}) after a response was begun");
            return Err(misuse(MisuseKind::ResponseBegun, what));
        }
        let protocol = self.protocol_version();
        push_status_line(self.wfile.head(), protocol, code, message)?;
        self.wfile.begin(code);
        (self.announces_keep_alive, self.announces_close) = (false, false);
        Ok(())
    }

    fn add_header(&mut self, keyword: &str, value: &str) -> io::Result<()> {
        if !self.wfile.declare(keyword, value)? {
            return Ok(());
        }
        push_header(self.wfile.head(), keyword, value)?;
        if keyword.eq_ignore_ascii_case("Connection") {
            self.note_connection(value);
        }
        Ok(())
    }

    fn write_header(
        &mut self,
        keyword: &str,
        value: &dyn fmt::Display,
        write: fn(&mut Self, &str, &str) -> io::Result<()>,
    ) -> io::Result<()> {
        match self.wfile.stage() {
            Stage::Head => {}
            stage => {
                let name = repr(keyword);
                let what = format!("send_header({name}) outside send_response and end_headers");
                return Err(misuse(outside_head(stage), what));
            }
        }
        if !is_token(keyword) {
            let what = format!("send_header: {} is no header name", repr(keyword));
            return Err(misuse(MisuseKind::InvalidHeader, what));
        }
        let mut text = std::mem::take(&mut self.value);
        text.clear();
        // Writing to a string fails only where the value itself refuses.
        let unwritable = |_| misuse(MisuseKind::InvalidHeader, "send_header: unwritable value");
        let written = write!(text, "{value}").map_err(unwritable);
        let sent = written.and_then(|()| write(self, keyword, &text));
        self.value = text;
        sent
    }

    fn replace_header(&mut self, keyword: &str, value: &str) -> io::Result<()> {
        // What cannot be sent leaves what there is as it was.
        let mut line = Vec::new();
        push_header(&mut line, keyword, value)?;
        let leaves = self.wfile.redeclare(keyword, value)?;
        let head = self.wfile.head();
        remove_headers(head, keyword);
        if leaves {
            head.extend_from_slice(&line);
        }
        if keyword.eq_ignore_ascii_case("Connection") {
            (self.announces_keep_alive, self.announces_close) = (false, false);
            self.note_connection(value);
        }
        Ok(())
    }

    fn note_connection(&mut self, value: &str) {
        let says = |option| list_has(value.as_bytes(), option);
        if says("close") {
            self.announces_close = true;
            self.close_connection = true;
        } else if says("keep-alive") {
            self.announces_keep_alive = true;
            self.close_connection = false;
        }
    }
}

/// What is wrong with a call that belongs between `send_response` and `end_headers`.
fn outside_head(stage: Stage) -> MisuseKind {
    match stage {
        Stage::Start | Stage::Head => MisuseKind::NoResponse,
        Stage::Body => MisuseKind::HeadEnded,
        Stage::Done => MisuseKind::ResponseEnded,
    }
}

fn status(code: impl TryInto<Status>) -> io::Result<Status> {
    let what = "a status is a number from 100 to 999";
    code.try_into().map_err(|_| misuse(MisuseKind::InvalidStatus, what))
}
