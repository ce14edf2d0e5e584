//! What a handler does when it overrides nothing.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};

use super::Exchange;
use super::handler::{BaseHttpRequestHandler, HttpRequestHandler};
use super::request_head::RequestHead;
use crate::address::Address;
use crate::connection::{Connection, Timeouts};
use crate::handler::print_error;
use crate::http::message::date;
use crate::http::message::protocol_version::ProtocolVersion;
use crate::http::message::status::Status;
use crate::http::message::text::{escape_html, escape_log};
use crate::printable::repr;
use crate::printable::shown;
use crate::signal::Signal;
use crate::stderr::write_to_stderr;
use crate::trusted_proxies::TrustedProxies;

// Whatever calls another method here does so through `http.handler()`, the outermost handler, as
// Python's calls go through `self`. Every method of the trait is overridden here: its default
// would end up here again.
impl HttpRequestHandler for BaseHttpRequestHandler {
    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        http.handler().do_method(http)
    }

    fn do_head(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        http.handler().do_method(http)
    }

    fn do_post(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        http.handler().do_method(http)
    }

    fn do_put(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        http.handler().do_method(http)
    }

    fn do_patch(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        http.handler().do_method(http)
    }

    fn do_delete(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        http.handler().do_method(http)
    }

    fn do_options(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        http.handler().do_method(http)
    }

    fn do_method(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let message = format!("Unsupported method ({})", repr(&http.command));
        http.send_error_with(501, &message)
    }

    fn handle_one_request(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        dispatch(http)
    }

    fn protocol_version(&self) -> ProtocolVersion {
        ProtocolVersion::Http10
    }

    fn server_version(&self) -> &str {
        "BaseHTTP/0.6"
    }

    fn sys_version(&self) -> &str {
        concat!("socketserver/", env!("CARGO_PKG_VERSION"))
    }

    fn version_string(&self, http: &Exchange<'_>) -> String {
        let handler = http.handler();
        [handler.server_version(), " ", handler.sys_version()].concat()
    }

    fn error_message_format(&self) -> Cow<'_, str> {
        Cow::Borrowed(ERROR_PAGE)
    }

    fn error_content_type(&self) -> &str {
        "text/html;charset=utf-8"
    }

    fn send_error(
        &self,
        http: &mut Exchange<'_>,
        code: Status,
        message: Option<&str>,
        explain: Option<&str>,
    ) -> io::Result<()> {
        let handler = http.handler();
        let message = http.announce_error(code, message)?;
        let explain = explain.or(code.description()).unwrap_or("???");
        if code.is_bodiless() {
            return http.end_headers();
        }
        let page = handler
            .error_message_format()
            .replace("%(code)d", &code.to_string())
            .replace("%(code)s", &code.to_string())
            .replace("%(message)s", &escape_html(message))
            .replace("%(explain)s", &escape_html(explain));
        http.send_header("Content-Type", handler.error_content_type())?;
        http.send_header("Content-Length", page.len())?;
        http.end_headers()?;
        http.wfile.write_all(page.as_bytes())
    }

    fn end_headers(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        http.complete_head()
    }

    fn handle_overload(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        http.begin_error(Status::SERVICE_UNAVAILABLE, "Service Unavailable")?;
        http.send_header("Retry-After", RETRY_AFTER)?;
        http.send_header("Content-Length", 0)?;
        http.end_headers()
    }

    fn handle_clear_text(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        http.send_error_with(400, CLEAR_TEXT)
    }

    fn handle_expect_100(&self, http: &mut Exchange<'_>) -> io::Result<bool> {
        http.send_response_only(100)?;
        http.end_headers()?;
        Ok(true)
    }

    fn finish(&self, _: &Exchange<'_>) {}

    fn log_request(&self, http: &Exchange<'_>, code: Status, size: Option<u64>) {
        // As URLs have it: a quote would end the line for programs that parse the log.
        let line = http.requestline().replace('"', "%22");
        match size {
            Some(size) => http.log_message(format_args!("\"{line}\" {code} {size}")),
            None => http.log_message(format_args!("\"{line}\" {code} -")),
        }
    }

    fn log_error(&self, http: &Exchange<'_>, message: fmt::Arguments<'_>) {
        http.log_message(message);
    }

    fn log_message(&self, http: &Exchange<'_>, message: fmt::Arguments<'_>) {
        let message = escape_log(&message.to_string());
        // Of an override, it may be what a client sent.
        let (address, date) = (shown(&http.address_string()), date::log_now());
        let line = format!("{address} - - [{date}] {message}\n");
        write_to_stderr(&line);
    }

    fn address_string(&self, http: &Exchange<'_>) -> String {
        http.client_address.host()
    }

    fn timeouts(&self) -> Timeouts {
        Timeouts::default()
    }

    fn body_buffer_size(&self, head: &RequestHead<'_>) -> usize {
        head.buffer_size(u64::MAX)
    }

    fn trusted_proxies(&self) -> &TrustedProxies {
        &NO_PROXIES
    }

    fn verify_request(&self, _: &Connection, _: &Address) -> bool {
        true
    }

    fn handle_error(&self, client_address: &Address, error: &io::Error) {
        print_error(client_address, error);
    }

    fn handle_timeout(&self) {}

    fn service_actions(&self) {}

    fn handle_signal(&self, _: Signal) {}
}

/// Calls the method of the outermost handler that the request's is for.
fn dispatch(http: &mut Exchange<'_>) -> io::Result<()> {
    let handler = http.handler();
    if http.awaits_leave {
        if !handler.handle_expect_100(http)? {
            // The body was declined, and may come all the same.
            http.close_connection = true;
            return Ok(());
        }
        http.awaits_leave = false;
    }
    match http.command.as_str() {
        "GET" => handler.do_get(http),
        "HEAD" => handler.do_head(http),
        "POST" => handler.do_post(http),
        "PUT" => handler.do_put(http),
        "PATCH" => handler.do_patch(http),
        "DELETE" => handler.do_delete(http),
        "OPTIONS" => handler.do_options(http),
        _ => handler.do_method(http),
    }
}

/// What a client is told that speaks HTTP without TLS where that is expected.
pub(crate) const CLEAR_TEXT: &str = "Plain HTTP was sent to an HTTPS port";

/// Seconds after which a client that was turned away may come again.
const RETRY_AFTER: u32 = 1;

static NO_PROXIES: TrustedProxies = TrustedProxies::empty();

/// The error page of CPython 3.14, byte for byte.
const ERROR_PAGE: &str = r#"<!DOCTYPE HTML>
<html lang="en">
    <head>
        <meta charset="utf-8">
        <style type="text/css">
            :root {
                color-scheme: light dark;
            }
        </style>
        <title>Error response</title>
    </head>
    <body>
        <h1>Error response</h1>
        <p>Error code: %(code)d</p>
        <p>Message: %(message)s.</p>
        <p>Error code explanation: %(code)s - %(explain)s.</p>
    </body>
</html>
"#;
