//! Pages of other origins that may read responses: CORS, as the Fetch standard has it.

use std::io;

use crate::http::exchange::{Exchange, HttpRequestHandler};
use crate::http::message::response_head::find_header;
use crate::http::message::status::Status;
use crate::http::message::text::trim_blanks;
use crate::http::message::token::is_token;

/// Lets the scripts of other origins' pages read the responses of another handler.
///
/// By default the pages of all origins may, and browsers send neither cookies nor passwords with
/// such requests. With [`only_for`](Self::only_for) only the pages of some origins may, and their
/// requests can come [with credentials](Self::with_credentials).
///
/// Every response has the fields, errors included, unless the handler has sent
/// `Access-Control-Allow-Origin` itself. A preflight (`OPTIONS` with `Origin` and
/// `Access-Control-Request-Method`) is answered 204 here, and reaches no handler within: it carries
/// no password. What the request itself may do is still up to the handler, and so is every other
/// `OPTIONS`: it asks what a resource allows (RFC 9110 §9.3.7), which this handler does not know.
/// Where the handler has no `do_options`, as that of files, it is 501, as in Python.
///
/// It protects nothing by itself: programs that are no browsers read every response. Python has
/// nothing alike; its programs override `end_headers` and `do_OPTIONS`.
///
/// ```
/// use socketserver::ThreadingHttpServer;
/// use socketserver::http::{Cors, SimpleHttpRequestHandler};
///
/// let files = SimpleHttpRequestHandler::new("/srv/www");
/// let handler = Cors::new(files).only_for("https://app.example.org")?.with_credentials();
/// let server = ThreadingHttpServer::bind("127.0.0.1:0", handler)?;
/// # let _ = server;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Cors<H> {
    handler: H,
    /// The origins that may; when it is empty, all may.
    origins: Vec<String>,
    has_credentials: bool,
}

impl<H: HttpRequestHandler> Cors<H> {
    /// Lets the pages of every origin read this handler's responses.
    pub fn new(handler: H) -> Self {
        Self { handler, origins: Vec::new(), has_credentials: false }
    }

    /// Only the pages of this origin, `https://example.org` or `http://localhost:8000`, and of
    /// those named before.
    ///
    /// `null` is the origin of pages that are files, and of frames without one, which any page can
    /// make. So such a page may read, but it never has credentials, nor may it
    /// [upload](crate::http::SimpleHttpRequestHandler::uploads).
    ///
    /// # Errors
    ///
    /// It is no origin.
    pub fn only_for(mut self, origin: &str) -> io::Result<Self> {
        let origin = parse_origin(origin)
            .map_err(|what| io::Error::new(io::ErrorKind::InvalidInput, what))?;
        self.origins.push(origin);
        Ok(self)
    }

    /// Lets browsers send cookies and passwords with the requests of pages whose origins are named,
    /// `null` excepted.
    #[must_use]
    pub fn with_credentials(mut self) -> Self {
        self.has_credentials = true;
        self
    }

    /// The handler within.
    pub fn handler(&self) -> &H {
        &self.handler
    }

    /// The origin of the page that asks, if it may read the response.
    fn admitted<'a>(&self, http: &'a Exchange<'_>) -> Option<&'a str> {
        let mut origins = http.headers.get_all("Origin");
        let (Some(origin), None) = (origins.next(), origins.next()) else { return None };
        let is_named = self.origins.is_empty() || self.origins.iter().any(|it| it == origin);
        is_named.then_some(origin)
    }

    fn send_fields(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        if find_header(http.wfile.head(), "Access-Control-Allow-Origin").is_some() {
            return Ok(());
        }
        if self.origins.is_empty() {
            http.send_header("Access-Control-Allow-Origin", "*")?;
            return http.send_header("Access-Control-Expose-Headers", EXPOSED);
        }
        // A cache must not give the response for one origin to another one.
        http.send_header("Vary", "Origin")?;
        let Some(origin) = self.admitted(http).map(str::to_owned) else { return Ok(()) };
        http.send_header("Access-Control-Allow-Origin", &origin)?;
        http.send_header("Access-Control-Expose-Headers", EXPOSED)?;
        if self.has_credentials && origin != NO_ORIGIN {
            http.send_header("Access-Control-Allow-Credentials", "true")?;
        }
        Ok(())
    }

    fn answer_preflight(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let is_admitted = self.admitted(http).is_some();
        let asked = http.headers.get_all("Access-Control-Request-Headers");
        let names: Vec<&str> = asked.flat_map(|list| list.split(',').map(trim_blanks)).collect();
        let names = names.into_iter().filter(|name| is_token(name)).collect::<Vec<_>>().join(", ");
        http.send_response(Status::NO_CONTENT)?;
        http.send_header("Vary", "Access-Control-Request-Headers")?;
        if is_admitted {
            http.send_header("Access-Control-Allow-Methods", METHODS)?;
            if !names.is_empty() {
                http.send_header("Access-Control-Allow-Headers", names)?;
            }
            http.send_header("Access-Control-Max-Age", MAX_AGE)?;
        }
        http.end_headers()
    }
}

impl<H: HttpRequestHandler> HttpRequestHandler for Cors<H> {
    fn base(&self) -> &dyn HttpRequestHandler {
        &self.handler
    }

    fn handle_one_request(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let is_preflight = http.command == "OPTIONS"
            && http.headers.contains("Origin")
            && http.headers.contains("Access-Control-Request-Method");
        if is_preflight {
            self.answer_preflight(http)
        } else {
            let origin = self.admitted(http).filter(|_| !self.origins.is_empty());
            http.notes.is_origin_named = origin.is_some_and(|origin| origin != NO_ORIGIN);
            self.handler.handle_one_request(http)
        }
    }

    fn end_headers(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        if http.status().is_some_and(|status| status.code() >= 200) {
            self.send_fields(http)?;
        }
        self.handler.end_headers(http)
    }
}

/// An origin as browsers send it: a scheme, a host and a port that is not the scheme's own.
fn parse_origin(text: &str) -> Result<String, String> {
    let expected = |what: &str| {
        format!("{what}; an origin is such as https://example.org or http://localhost:8000")
    };
    if text == NO_ORIGIN {
        return Ok(text.to_owned());
    }
    let lower = text.to_ascii_lowercase();
    let (scheme, place) = lower.split_once("://").ok_or_else(|| expected("it has no scheme"))?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if !is_scheme {
        return Err(expected("it has no valid scheme"));
    }
    if place.contains(['/', '?', '#', '@']) {
        return Err(expected("it has more than a scheme, a host and a port"));
    }
    if !place.is_ascii() {
        return Err(expected("its host is to be written in ASCII (xn--...)"));
    }
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (place, None),
    };
    let is_in_brackets = host.starts_with('[') && host.ends_with(']');
    let is_host = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || b"-._".contains(&byte)
            || (is_in_brackets && b":[]".contains(&byte))
    };
    if host.is_empty() || !host.bytes().all(is_host) {
        return Err(expected("it has no valid host"));
    }
    match port.map(|port| (port, port.parse::<u16>())) {
        None => Ok(format!("{scheme}://{host}")),
        Some((_, Ok(80))) if scheme == "http" => Ok(format!("{scheme}://{host}")),
        Some((_, Ok(443))) if scheme == "https" => Ok(format!("{scheme}://{host}")),
        Some((text, Ok(port))) if text == port.to_string() => {
            Ok(format!("{scheme}://{host}:{port}"))
        }
        Some(_) => Err(expected("its port is no valid one")),
    }
}

/// What browsers send for a page that has no origin.
const NO_ORIGIN: &str = "null";

/// What scripts may read beside the few fields that they always may.
const EXPOSED: &str = "Accept-Ranges, Content-Disposition, Content-Encoding, Content-Location, \
                       Content-Range, Date, ETag, Link, Location, Retry-After";

/// Whether one of them is answered is up to the handler.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// Seconds for which a browser need not ask again.
const MAX_AGE: u32 = 3600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_written_as_browsers_send_them() {
        for (text, origin) in [
            ("https://example.org", "https://example.org"),
            ("HTTPS://Example.ORG:443", "https://example.org"),
            ("http://localhost:8000", "http://localhost:8000"),
            ("http://h:80", "http://h"),
            ("http://h:443", "http://h:443"),
            ("http://[::1]:8000", "http://[::1]:8000"),
            ("https://[::1]", "https://[::1]"),
            ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
            ("chrome-extension://abc", "chrome-extension://abc"),
            ("null", "null"),
        ] {
            assert_eq!(parse_origin(text).as_deref(), Ok(origin), "{text}");
        }
        for text in [
            "",
            "*",
            "8000",
            "example.org",
            "https://",
            "https://h/",
            "https://h/a",
            "https://h:",
            "https://h:0x1",
            "https://h:99999",
            "https://u@h",
            "https://b\u{fc}cher.example",
            "https://a,https://b",
            "https://a b",
            "https://a\r\n",
            "://h",
            "1://h",
            "h:80",
            "https://h:080",
            "https://[::1",
            "Null",
        ] {
            assert!(parse_origin(text).is_err(), "{text}");
        }
    }
}
