//! A handler below a path, behind proxies that pass paths on as they are.

use std::io;

use crate::http::exchange::{Exchange, HttpRequestHandler, RequestHead};
use crate::http::message::status::Status;
use crate::http::message::target::{Parts, below, climbs, without_dots};
use crate::http::url::quote_with;

/// Puts another handler below a path, as `/docs`.
///
/// The handler within sees what follows the prefix: for `GET /docs/a?b` its
/// [`Exchange::path`] is `/a?b`, and [`Exchange::url_prefix`] is `/docs`. `/docs` itself leads to
/// `/docs/`, and everything that is not below it is 404. Relative links work as they are; links
/// that begin with a slash need the prefix. Programs have it in `SCRIPT_NAME` and `REQUEST_URI`.
///
/// It is for proxies that do not take the prefix away. Behind a proxy that does, a handler of files
/// works without it. Python has nothing alike.
///
/// ```
/// use socketserver::ThreadingHttpServer;
/// use socketserver::http::{SimpleHttpRequestHandler, UrlPrefix};
///
/// let handler = UrlPrefix::new(SimpleHttpRequestHandler::new("/srv/docs"), "/docs")?;
/// let server = ThreadingHttpServer::bind("127.0.0.1:0", handler)?;
/// # let _ = server;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct UrlPrefix<H> {
    handler: H,
    /// Begins with a slash, and does not end with one.
    prefix: String,
}

impl<H: HttpRequestHandler> UrlPrefix<H> {
    /// Puts this handler below this path. A slash at its end is ignored.
    ///
    /// # Errors
    ///
    /// It is no path of letters, digits and `-._~!$&'()+,;=:@`, or is just a slash.
    pub fn new(handler: H, prefix: &str) -> io::Result<Self> {
        match check(prefix) {
            Ok(prefix) => Ok(Self { handler, prefix: prefix.to_owned() }),
            Err(what) => Err(io::Error::new(io::ErrorKind::InvalidInput, what)),
        }
    }

    /// The handler within.
    pub fn handler(&self) -> &H {
        &self.handler
    }

    /// What of a target lies below the prefix.
    fn within(&self, target: &str) -> Option<Within> {
        let parts = Parts::of(target);
        let resolved;
        let rest = match below(parts.path, &self.prefix) {
            // What does not leave the prefix stays as it is spelled.
            Some(rest) if !climbs(rest) => Some(rest),
            _ => {
                resolved = without_dots(parts.path);
                below(&resolved, &self.prefix)
            }
        };
        rest.map(|rest| match rest {
            "" => Within::Prefix,
            rest => Within::Path(parts.with_path(rest)),
        })
    }
}

/// A target that belongs to the prefix.
enum Within {
    /// The prefix itself, without a slash.
    Prefix,
    /// The target as the handler within sees it.
    Path(String),
}

/// The prefix without its last slash.
fn check(prefix: &str) -> Result<&str, &'static str> {
    let path = prefix.strip_suffix('/').unwrap_or(prefix);
    let Some(names) = path.strip_prefix('/') else {
        return Err("a prefix is a path that begins with a slash, such as /docs");
    };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()+,;=:@".contains(&byte);
    match names
        .split('/')
        .all(|name| !matches!(name, "" | "." | "..") && name.bytes().all(is_plain))
    {
        true => Ok(path),
        false => Err("a prefix is a plain path, such as /docs"),
    }
}

impl<H: HttpRequestHandler> HttpRequestHandler for UrlPrefix<H> {
    fn base(&self) -> &dyn HttpRequestHandler {
        &self.handler
    }

    fn handle_one_request(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        // `*` is the server as a whole.
        if http.path == "*" && http.command == "OPTIONS" {
            return self.handler.handle_one_request(http);
        }
        match self.within(&http.path) {
            Some(Within::Prefix) => redirect(http, &self.prefix),
            Some(Within::Path(path)) => {
                http.path = path;
                http.add_url_prefix(&self.prefix);
                self.handler.handle_one_request(http)
            }
            None => http.send_error(Status::NOT_FOUND),
        }
    }

    /// What is answered here has no use for a body.
    fn body_buffer_size(&self, head: &RequestHead<'_>) -> usize {
        match self.within(head.path) {
            Some(Within::Path(path)) => self.handler.body_buffer_size(&head.with_path(&path)),
            Some(Within::Prefix) | None => 0,
        }
    }
}

/// Sends the client to the same place with a slash at its end, which its relative links need.
///
/// By a relative reference, which is right whether a proxy has changed the path or not.
fn redirect(http: &mut Exchange<'_>, prefix: &str) -> io::Result<()> {
    let name = prefix.rsplit('/').next().unwrap_or_default();
    // What stands before a colon would be a scheme (RFC 3986 §4.2).
    let mut location = format!("./{name}/");
    if let Some(query) = http.target().query().filter(|query| !query.is_empty()) {
        let bytes: Vec<u8> = query.chars().filter_map(|it| u8::try_from(it).ok()).collect();
        location.push('?');
        location.push_str(&quote_with(bytes, "%!$&'()*+,;=:@/?[]"));
    }
    let is_read = matches!(http.command.as_str(), "GET" | "HEAD");
    // With others than these, the method has to stay.
    http.send_response(if is_read { 301 } else { 308 })?;
    http.send_header("Location", location)?;
    http.send_header("Content-Length", 0)?;
    http.end_headers()
}
