//! What an HTTP program overrides.

use std::borrow::Cow;
use std::fmt;
use std::io;

use super::Exchange;
use super::request_head::RequestHead;
use crate::address::Address;
use crate::connection::{Connection, Timeouts};
use crate::http::message::protocol_version::ProtocolVersion;
use crate::http::message::status::Status;
use crate::signal::Signal;
use crate::trusted_proxies::TrustedProxies;

/// Answers HTTP requests: everything that a subclass of Python's `BaseHTTPRequestHandler`
/// overrides.
///
/// How files are found and named, and which of them are programs, is up to the
/// `FileHooks` and `CgiHooks` of the handlers that serve them.
///
/// No method is required; without any, each request is answered 501. Methods receive the
/// [`Exchange`], which holds what Python keeps in `self`: `self.send_response(200)` becomes
/// `http.send_response(200)?`, `self.path` becomes `http.path`.
///
/// # Inheriting
///
/// What a method does when it is not overridden is up to [`base`](Self::base), Python's
/// `class Handler(Base)`. It defaults to [`BaseHttpRequestHandler`]; a program that extends
/// another handler names it there, inherits everything from it and calls it where Python says
/// `super()`. Whichever method the inner handler calls in turn, the outermost override is found:
///
/// ```
/// use std::io;
/// use socketserver::http::{Exchange, HttpRequestHandler, SimpleHttpRequestHandler};
///
/// struct Cors {
///     files: SimpleHttpRequestHandler,
/// }
///
/// impl HttpRequestHandler for Cors {
///     fn base(&self) -> &dyn HttpRequestHandler {
///         &self.files
///     }
///
///     fn end_headers(&self, http: &mut Exchange<'_>) -> io::Result<()> {
///         http.send_header("Access-Control-Allow-Origin", "*")?;
///         self.files.end_headers(http)
///     }
/// }
/// ```
///
/// # Results
///
/// A handler returns an error where the connection is broken, as `?` does on a write that fails.
/// To answer with a status, call [`send_error`](Exchange::send_error), or return an
/// [`HttpError`](crate::http::HttpError), by `?` as well. Any other error, and a panic, is answered
/// 500 if no response has begun, and is reported to [`handle_error`](Self::handle_error).
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not handle requests",
    note = "implement `http::HttpRequestHandler`, or for another protocol `Handler`",
    note = "a closure of a `Connection` or a `Datagram` is a `Handler` by `handler_fn`; of an \
            `Exchange` no closure is: implement `do_get` of a type",
    note = "a handler behind a pointer has the type `Box<dyn HttpRequestHandler>` or \
            `Arc<dyn HttpRequestHandler>`"
)]
pub trait HttpRequestHandler: Send + Sync + 'static {
    /// The handler that this one extends. Defaults to [`BaseHttpRequestHandler`].
    #[doc(alias = "super")]
    #[doc(alias = "subclass")]
    fn base(&self) -> &dyn HttpRequestHandler {
        &BaseHttpRequestHandler
    }

    /// Answers GET. Falls back to [`do_method`](Self::do_method), as each of these does.
    ///
    /// # Errors
    ///
    /// The connection is broken, or an [`HttpError`](crate::http::HttpError) says how to answer.
    /// This holds for all `do_` methods.
    #[doc(alias = "do_GET")]
    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        self.base().do_get(http)
    }

    /// Answers HEAD. A body that is written is dropped, so this may be `self.do_get(http)`.
    #[doc(alias = "do_HEAD")]
    fn do_head(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        self.base().do_head(http)
    }

    /// Answers POST.
    #[doc(alias = "do_POST")]
    fn do_post(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        self.base().do_post(http)
    }

    /// Answers PUT.
    #[doc(alias = "do_PUT")]
    fn do_put(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        self.base().do_put(http)
    }

    /// Answers PATCH.
    #[doc(alias = "do_PATCH")]
    fn do_patch(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        self.base().do_patch(http)
    }

    /// Answers DELETE.
    #[doc(alias = "do_DELETE")]
    fn do_delete(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        self.base().do_delete(http)
    }

    /// Answers OPTIONS.
    #[doc(alias = "do_OPTIONS")]
    fn do_options(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        self.base().do_options(http)
    }

    /// Answers every other method, and those above that are not overridden, with 501.
    ///
    /// For Python's `do_SPAM`, look at `http.command`, which is `"SPAM"`.
    #[doc(alias = "do_SPAM")]
    #[doc(alias = "do_CONNECT")]
    fn do_method(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        self.base().do_method(http)
    }

    /// Answers one request, whatever its method: [`handle_expect_100`](Self::handle_expect_100)
    /// where the client waits for leave to send its body, then the `do_` method of the outermost
    /// handler.
    ///
    /// Override it for what has to hold for every method, such as a check of a password, and call
    /// the base's where that passes. It runs before any `do_` method, so also before the pages of a
    /// [`Metrics`](crate::http::Metrics) around this handler. It is not called for requests that
    /// are refused because they are malformed, nor for those of
    /// [`handle_clear_text`](Self::handle_clear_text). Python's method of this name also reads the
    /// request.
    fn handle_one_request(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        self.base().handle_one_request(http)
    }

    /// The version in status lines, and the switch for connections that are kept.
    ///
    /// Defaults to HTTP/1.0, as in CPython: each connection serves one request. With
    /// [`ProtocolVersion::Http11`] it is kept for more.
    #[doc(alias = "keepalive")]
    fn protocol_version(&self) -> ProtocolVersion {
        self.base().protocol_version()
    }

    /// The server's name and version, first part of the `Server` header. Defaults to
    /// `BaseHTTP/0.6`, as in CPython.
    fn server_version(&self) -> &str {
        self.base().server_version()
    }

    /// Second part of the `Server` header. Defaults to this crate's name and version.
    fn sys_version(&self) -> &str {
        self.base().sys_version()
    }

    /// The `Server` header: both versions with a blank between them.
    fn version_string(&self, http: &Exchange<'_>) -> String {
        self.base().version_string(http)
    }

    /// The page of [`send_error`](Exchange::send_error), with Python's placeholders `%(code)d`,
    /// `%(message)s` and `%(explain)s`.
    #[doc(alias = "DEFAULT_ERROR_MESSAGE")]
    fn error_message_format(&self) -> Cow<'_, str> {
        self.base().error_message_format()
    }

    /// The content type of that page. Defaults to `text/html;charset=utf-8`.
    #[doc(alias = "DEFAULT_ERROR_CONTENT_TYPE")]
    fn error_content_type(&self) -> &str {
        self.base().error_content_type()
    }

    /// Answers with an error; see [`Exchange::send_error`]. Override it for pages of your own.
    fn send_error(
        &self,
        http: &mut Exchange<'_>,
        code: Status,
        message: Option<&str>,
        explain: Option<&str>,
    ) -> io::Result<()> {
        self.base().send_error(http, code, message, explain)
    }

    /// Ends a response's head. Override it to add a header to every response, errors included;
    /// then call the base's.
    fn end_headers(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        self.base().end_headers(http)
    }

    /// Answers a client beyond [`Server::max_connections`](crate::Server::max_connections), where
    /// the server is to refuse those ([`Overload::Refuse`](crate::Overload::Refuse)).
    ///
    /// Nothing of a request has been read: the exchange has an address, and no path and no header.
    /// Runs on the serving thread and must not wait for the client, so that a short answer is best.
    /// The connection is closed after it; one that is [taken over](Exchange::take_over) and dropped
    /// gets no answer. The default sends 503 with `Retry-After` and no body. Python has no such
    /// place; its programs override `process_request`.
    fn handle_overload(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        self.base().handle_overload(http)
    }

    /// Answers a request that came in clear text to a server that speaks TLS, whatever its method.
    /// [`handle_one_request`](Self::handle_one_request) is not called for it.
    ///
    /// The exchange has the request's head, and [`Exchange::is_secure`] is `false`. The default
    /// answers 400. An override may send the client to HTTPS, or serve it as any other, so that one
    /// port speaks both; what was not encrypted may have been changed on its way. A request that is
    /// malformed is answered 400 without a call. Python ends such a connection without an answer.
    ///
    /// ```
    /// use std::io;
    /// use socketserver::http::{Exchange, HttpRequestHandler};
    ///
    /// struct Secure;
    ///
    /// impl HttpRequestHandler for Secure {
    ///     fn handle_clear_text(&self, http: &mut Exchange<'_>) -> io::Result<()> {
    ///         let target = http.target();
    ///         if target.path().starts_with("/public/") {
    ///             return http.handler().handle_one_request(http);
    ///         }
    ///         let (Some(host), Some(port)) = (target.host(), target.port()) else {
    ///             return http.send_error(400); // The client is as old as HTTP/1.0.
    ///         };
    ///         let query = target.query().map(|query| format!("?{query}")).unwrap_or_default();
    ///         let location = format!("https://{host}:{port}{}{query}", target.path());
    ///         http.send_response(308)?;
    ///         http.send_header("Location", location)?;
    ///         http.send_header("Content-Length", 0)
    ///     }
    /// }
    /// ```
    fn handle_clear_text(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        self.base().handle_clear_text(http)
    }

    /// Answers a client that waits for leave to send its body, and tells whether to go on.
    ///
    /// Sends `100 Continue`. An override may answer with an error and return `false`.
    fn handle_expect_100(&self, http: &mut Exchange<'_>) -> io::Result<bool> {
        self.base().handle_expect_100(http)
    }

    /// Called after each request, when its response has gone out or failed; also for requests that
    /// are refused before any other method sees them. The default does nothing.
    ///
    /// Where the client has not taken all when the handler returns, as it may be with
    /// [`send_file`](crate::http::ResponseBody::send_file), this comes later, perhaps on another
    /// thread: when the rest has gone out, or cannot.
    ///
    /// Look at [`Exchange::status`] and [`Exchange::elapsed`] here. Python calls its `finish` when
    /// a connection ends, which under HTTP/1.0 is the same.
    fn finish(&self, http: &Exchange<'_>) {
        self.base().finish(http);
    }

    /// Logs a response that is about to be sent; `size` is `None`, as in CPython, unless an
    /// override knows better. A `"` in the request's line is written as `%22`.
    fn log_request(&self, http: &Exchange<'_>, code: Status, size: Option<u64>) {
        self.base().log_request(http, code, size);
    }

    /// Logs what went wrong. Passes it on to [`log_message`](Self::log_message).
    fn log_error(&self, http: &Exchange<'_>, message: fmt::Arguments<'_>) {
        self.base().log_error(http, message);
    }

    /// Writes a line to the log, which is standard error. Override it with nothing to be quiet.
    fn log_message(&self, http: &Exchange<'_>, message: fmt::Arguments<'_>) {
        self.base().log_message(http, message);
    }

    /// The client's address as the log has it. Never looked up.
    fn address_string(&self, http: &Exchange<'_>) -> String {
        self.base().address_string(http)
    }

    /// How long a client may keep the server waiting.
    #[doc(alias = "BaseHTTPRequestHandler.timeout")]
    fn timeouts(&self) -> Timeouts {
        self.base().timeouts()
    }

    /// Up to how many bytes of a request's body are waited for before the handler is called.
    /// Defaults to 65,536, and to 0 for GET and HEAD, whose bodies mean nothing (RFC 9110 §9.3.1).
    ///
    /// Such a body costs no thread while it comes, and under [`Forking`](crate::Forking) no
    /// process: its connection waits as an idle one does, and the handler is called when all of it
    /// is there, as is a longer one when the handler reads it. If the client leaves before, or is
    /// too slow ([`Timeouts::stall`], [`Timeouts::body_rate`]), the handler is called as well, and
    /// reading fails after what has come; an error that the handler returns is answered 400 or 408
    /// then.
    ///
    /// A body that is known to be longer is not waited for, and a chunked one until more than this
    /// has come, its framing included. Nor is that of a client that waits for
    /// [leave](Self::handle_expect_100) to send it.
    ///
    /// With 0 the handler is called as soon as the head is complete. That is for requests that are
    /// refused whatever their body is, so that their clients hear of it at once, for handlers that
    /// answer while the body still comes, as to a client that goes on when it has read what it was
    /// answered so far, and for those that change the limits of the wait
    /// ([`RequestBody::set_timeout`](crate::http::RequestBody::set_timeout)). Python's handlers are
    /// always called then, and hold their thread.
    ///
    /// The handlers of this crate wait for no body that they do not want: files want those of
    /// [uploads](crate::http::SimpleHttpRequestHandler::uploads), up to their limit, CGI those of
    /// programs, but as it arrives where that was asked for
    /// ([`chunked_body_limit`](crate::http::CgiHttpRequestHandler::chunked_body_limit)), and
    /// `BasicAuth` those of clients whose password was verified before. A server that stops waits
    /// for the rest of a body for a second, and then calls the handler.
    ///
    /// Asked of the outermost handler, where not all of a body has come with the head. Under
    /// [`Forking`](crate::Forking) it is called in the server's process, where it must not block.
    ///
    /// nginx has this as `client_body_buffer_size` and `proxy_request_buffering`.
    #[doc(alias = "client_body_buffer_size")]
    fn body_buffer_size(&self, head: &RequestHead<'_>) -> usize {
        self.base().body_buffer_size(head)
    }

    /// The proxies that are believed when they name the client that they ask for. Defaults to no
    /// proxy.
    ///
    /// In a request from one of them, [`Exchange::client_address`] is the last address in
    /// `Forwarded` (RFC 7239) or `X-Forwarded-For` that is not a trusted proxy's itself, with port
    /// 0 where no port is told, and the log has it, too. From other peers both headers are ignored.
    /// A proxy that sends neither must not be named here, as it may hand on those that a client has
    /// made up. Where both came and do not name the same client, neither is believed, and the
    /// client's address is `0.0.0.0`: a client that made one of them up must not be taken for the
    /// proxy. Name the header that the proxy writes ([`TrustedProxies::reading_only`]), and the
    /// other is ignored. Empty elements of the lists count for nothing (RFC 9110 §5.6.1).
    ///
    /// [`verify_request`](Self::verify_request) and [`handle_error`](Self::handle_error) get the
    /// connection's own address all the same: they know no request.
    fn trusted_proxies(&self) -> &TrustedProxies {
        self.base().trusted_proxies()
    }

    /// Decides whether a connection is served; see
    /// [`Handler::verify_request`](crate::Handler::verify_request).
    fn verify_request(&self, connection: &Connection, client_address: &Address) -> bool {
        self.base().verify_request(connection, client_address)
    }

    /// Hears of a request that failed; see [`Handler::handle_error`](crate::Handler::handle_error).
    ///
    /// The error says which request it was, `while answering "GET / HTTP/1.1": ...`; its kind is
    /// that of the error that the handler returned, which is its `source`.
    fn handle_error(&self, client_address: &Address, error: &io::Error) {
        self.base().handle_error(client_address, error);
    }

    /// See [`Handler::handle_timeout`](crate::Handler::handle_timeout).
    fn handle_timeout(&self) {
        self.base().handle_timeout();
    }

    /// See [`Handler::service_actions`](crate::Handler::service_actions).
    fn service_actions(&self) {
        self.base().service_actions();
    }

    /// See [`Handler::handle_signal`](crate::Handler::handle_signal).
    fn handle_signal(&self, signal: Signal) {
        self.base().handle_signal(signal);
    }
}

/// The behaviour that all HTTP handlers extend: Python's `BaseHTTPRequestHandler`.
///
/// Answers every request 501. Call its methods where Python calls `super()`:
/// `BaseHttpRequestHandler.end_headers(http)`.
#[derive(Clone, Copy, Debug, Default)]
pub struct BaseHttpRequestHandler;
