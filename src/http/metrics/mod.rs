//! Numbers for Prometheus and an answer for balancers, around any other handler.

mod counters;
mod page;

use std::fmt;
use std::io::{self, Write};

use crate::address::Address;
use crate::http::exchange::Exchange;
use crate::http::exchange::HttpRequestHandler;
use crate::http::message::target::{canonical, canonical_page};
use counters::Counters;

/// Counts the requests of another handler, and has two pages of its own: the numbers, and whether
/// all is well.
///
/// Answers nothing of its own until it is told under which paths: [`metrics`](Self::metrics) and
/// [`healthz`](Self::healthz). Everything else, and every override, is the other handler's. Python
/// has nothing alike.
///
/// | metric | what it is |
/// |---|---|
/// | `socketserver_http_requests_total{method,code}` | requests that are answered; `code` is `none` where no response was begun. Methods beyond those with a `do_` of their own are `other` |
/// | `socketserver_http_request_duration_seconds` | a histogram of the time from the end of a request's head to the end of its response, with bounds from 0.5 ms to 10 s |
/// | `socketserver_http_response_body_bytes_total` | bytes of bodies that handlers wrote, without framing |
/// | `socketserver_open_connections` | connections that are open, in children as well |
/// | `socketserver_connections{state}` | of these, `busy` ones, which a handler serves, and `idle` ones: those that wait for a request, send one slowly, or take a response slowly |
/// | `socketserver_queue_length` | of these, those that wait for a worker |
/// | `socketserver_workers` | threads or processes that run requests |
/// | `socketserver_draining` | 1 while the server is being stopped |
///
/// Refused requests (400, 408, 503 and so on) count like others, with the method `other` where it
/// could not be read; so do the requests for these numbers. One that was taken over counts when its
/// handler returns.
///
/// The first three are counted in memory that children share, so that they are right with every
/// strategy. The others are those of the process that answers
/// ([`ServerInfo::connections`](crate::ServerInfo::connections)): with [`PreFork`](crate::PreFork)
/// one of several.
///
/// # Examples
///
/// ```
/// use socketserver::ThreadingHttpServer;
/// use socketserver::http::{Metrics, SimpleHttpRequestHandler};
///
/// let files = SimpleHttpRequestHandler::new("/srv/www");
/// let handler = Metrics::new(files)
///     .metrics("/metrics")
///     .healthz("/healthz")
///     .only_for(|client| client.ip().is_none_or(|ip| ip.is_loopback()));
/// let server = ThreadingHttpServer::bind("127.0.0.1:0", handler)?;
/// # let _ = server;
/// # std::io::Result::Ok(())
/// ```
pub struct Metrics<H> {
    handler: H,
    /// The paths of the pages, in their canonical spelling.
    metrics: Option<Vec<u8>>,
    healthz: Option<Vec<u8>>,
    admits: Box<dyn Fn(&Address) -> bool + Send + Sync>,
    counters: Counters,
}

impl<H: HttpRequestHandler> Metrics<H> {
    /// Counts the requests of this handler.
    pub fn new(handler: H) -> Self {
        let (metrics, healthz) = (None, None);
        Self { handler, metrics, healthz, admits: Box::new(|_| true), counters: Counters::new() }
    }

    /// Answers GET of this path with the numbers, in Prometheus' text format 0.0.4.
    ///
    /// However it is spelled, as a file's path may be: with a query, a host, escapes, dots and more
    /// slashes than it needs. Whatever in front of this server is to keep others from it must know
    /// them as well, or [`only_for`](Self::only_for) does. A path that does not begin with a slash,
    /// as `""`, is that of no request: there is no such page then, and a warning in the log.
    #[must_use]
    pub fn metrics(mut self, path: impl Into<String>) -> Self {
        self.metrics = canonical_page(&path.into());
        self
    }

    /// Answers GET of this path, however it is spelled, with 200 and `ok`, or with 503 and
    /// `draining` once the server was asked to stop. The path begins with a slash, as for
    /// [`metrics`](Self::metrics).
    ///
    /// A server that is stopped by a signal accepts no connection then, so that most balancers
    /// find out by that. If [`metrics`](Self::metrics) has the same path, there are no numbers, as
    /// this page is often open to all (`BasicAuth::open_to_all`).
    #[must_use]
    pub fn healthz(mut self, path: impl Into<String>) -> Self {
        self.healthz = canonical_page(&path.into());
        self
    }

    /// Answers these clients only, by [`Exchange::client_address`]. For all others the paths are
    /// what the other handler makes of them. Defaults to all clients.
    #[must_use]
    pub fn only_for(mut self, admits: impl Fn(&Address) -> bool + Send + Sync + 'static) -> Self {
        self.admits = Box::new(admits);
        self
    }

    /// The handler within.
    pub fn handler(&self) -> &H {
        &self.handler
    }

    /// Tells whether it answers a request with a page of its own.
    pub fn answers(&self, http: &Exchange<'_>) -> bool {
        self.page(http).is_some()
    }

    fn page(&self, http: &Exchange<'_>) -> Option<Page> {
        let is_read = matches!(http.command.as_str(), "GET" | "HEAD");
        if !is_read || (self.metrics.is_none() && self.healthz.is_none()) {
            return None;
        }
        let path = canonical(http.target().path());
        let is_for = |wanted: &Option<Vec<u8>>| wanted.as_ref() == Some(&path);
        let page = match () {
            () if is_for(&self.healthz) => Page::Health,
            () if is_for(&self.metrics) => Page::Numbers,
            () => return None,
        };
        (self.admits)(&http.client_address).then_some(page)
    }

    /// Answers a request that is for us; false where it is the other handler's.
    fn answer(&self, http: &mut Exchange<'_>) -> io::Result<bool> {
        let Some(page) = self.page(http) else { return Ok(false) };
        let (code, kind, text) = match (page, http.is_draining()) {
            (Page::Numbers, draining) => {
                (200, page::TYPE, page::of(&self.counters, &http.server, draining))
            }
            (Page::Health, false) => (200, PLAIN, "ok\n".to_owned()),
            (Page::Health, true) => (503, PLAIN, "draining\n".to_owned()),
        };
        http.send_response(code)?;
        http.send_header("Content-Type", kind)?;
        http.send_header("Content-Length", text.len())?;
        http.send_header("Cache-Control", "no-store")?;
        http.end_headers()?;
        http.wfile.write_all(text.as_bytes())?;
        Ok(true)
    }
}

impl<H: HttpRequestHandler> HttpRequestHandler for Metrics<H> {
    fn base(&self) -> &dyn HttpRequestHandler {
        &self.handler
    }

    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        if self.answer(http)? { Ok(()) } else { self.handler.do_get(http) }
    }

    fn do_head(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        if self.answer(http)? { Ok(()) } else { self.handler.do_head(http) }
    }

    fn finish(&self, http: &Exchange<'_>) {
        self.counters.count(&http.command, http.status(), http.wfile.sent(), http.elapsed());
        self.handler.finish(http);
    }
}

impl<H: fmt::Debug> fmt::Debug for Metrics<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics")
            .field("handler", &self.handler)
            .field("metrics", &self.metrics.as_deref().map(String::from_utf8_lossy))
            .field("healthz", &self.healthz.as_deref().map(String::from_utf8_lossy))
            .finish_non_exhaustive()
    }
}

/// The pages of its own.
#[derive(Clone, Copy)]
enum Page {
    Numbers,
    Health,
}

const PLAIN: &str = "text/plain; charset=utf-8";
