//! Responses that are compressed as they are made.

mod choice;
mod encoders;
mod gzip;
mod tags;
mod types;

use std::io;
use std::sync::Arc;

use crate::http::exchange::{ChooseCoder, ContentCoder, Exchange, HttpRequestHandler};
use crate::http::message::accept_encoding::{AcceptEncoding, Coding};
use crate::os::processors;
use choice::{Content, Gain, content_of};
use encoders::Encoders;
use gzip::Gzip;

/// Compresses the responses of another handler, with gzip, for the clients that accept it.
///
/// As the content is written, without a buffer for the whole. What is compressed:
///
/// | | |
/// |---|---|
/// | content types | text, and others that gain: JSON, XML, JavaScript, SVG, WebAssembly, fonts that are not compressed themselves; see [`content_type`](Self::content_type). Streams of events (`text/event-stream`) are not: each would hold an encoder for hours |
/// | sizes | from 1 KiB on ([`min_size`](Self::min_size)); content of no known length always |
/// | clients | those of HTTP/1.1 that [accept] gzip, unless they give the content as it is (`identity`) a higher weight |
/// | responses | all, errors and HEAD included, but for parts (206) and those that have a `Content-Encoding`, a `Transfer-Encoding`, a digest, or `Cache-Control: no-transform` |
///
/// A response to a request with a cookie or a password that has neither `ETag` nor `Last-Modified`
/// was made for one user; it is not compressed unless [that is asked for](Self::with_credentials),
/// as its length may tell of a secret in it what an attacker guesses (BREACH).
///
/// The head says `Content-Encoding: gzip`, and `Vary: Accept-Encoding` wherever another client
/// would get another response. There is no `Content-Length`: the body is chunked, or ended by
/// closing where the server speaks HTTP/1.0; a short one that is written at once has its own
/// length. There is no `Accept-Ranges`. `ETag: "x"` becomes `W/"x-gzip"`, and is `"x"` for the
/// handler when it comes back in `If-None-Match` or `If-Match`; `If-Range` with it is answered by
/// the whole, as no two encoders make the same bytes. A date in `If-Range` counts for nothing,
/// whatever the client accepts: both forms of a content have the same, so that it is a weak
/// validator (RFC 9110 §13.1.5).
///
/// A handler that has said a `Content-Length` is held to it: content that is shorter is cut, and
/// does not end like a whole one. What is written without a length leaves at once, as it does
/// without compression, so that a stream does not stall; many small writes compress better in a
/// [`BufWriter`](std::io::BufWriter). What has a length leaves when there is enough of it, or when
/// it is [flushed](crate::http::ResponseBody).
///
/// A process compresses 32 responses for each processor at once ([`max_encoders`]), with about 380
/// KiB each; what is beyond is sent as it is. A forked child compresses its own response alone, so
/// that under [`Forking`](crate::Forking) the bound is that of children. Python has nothing alike.
///
/// [accept]: https://www.rfc-editor.org/rfc/rfc9110.html#section-12.5.3
/// [`max_encoders`]: Self::max_encoders
///
/// ```
/// use socketserver::ThreadingHttpServer;
/// use socketserver::http::{Compression, SimpleHttpRequestHandler};
///
/// let files = SimpleHttpRequestHandler::new("/srv/www").precompressed();
/// let server = ThreadingHttpServer::bind("127.0.0.1:0", Compression::new(files))?;
/// # let _ = server;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Compression<H> {
    handler: H,
    settings: Arc<Settings>,
}

/// What is compressed, and how.
#[derive(Clone, Debug)]
struct Settings {
    min_size: u64,
    /// Content types beside those that gain anyway.
    types: Vec<String>,
    has_credentials: bool,
    encoders: Arc<Encoders>,
}

impl<H: HttpRequestHandler> Compression<H> {
    /// Compresses this handler's responses.
    pub fn new(handler: H) -> Self {
        let settings = Settings {
            min_size: MIN_SIZE,
            types: Vec::new(),
            has_credentials: false,
            encoders: Arc::new(Encoders::new(LEVEL, processors() * ENCODERS_PER_PROCESSOR)),
        };
        Self { handler, settings: Arc::new(settings) }
    }

    /// How hard it tries: from 1, fast, to 9, small. Defaults to 5.
    #[must_use]
    pub fn level(self, level: u32) -> Self {
        self.with(|settings| {
            let most = settings.encoders.most();
            settings.encoders = Arc::new(Encoders::new(level.clamp(1, 9), most));
        })
    }

    /// Bytes below which content is sent as it is: it gains little, and a packet holds it. Defaults
    /// to 1024.
    #[must_use]
    pub fn min_size(self, bytes: u64) -> Self {
        self.with(|settings| settings.min_size = bytes)
    }

    /// Compresses content of this type, too, as `application/x-mine`.
    #[must_use]
    pub fn content_type(self, content_type: &str) -> Self {
        self.with(|settings| settings.types.push(content_type.to_owned()))
    }

    /// Responses that a process compresses at once. Defaults to 32 for each processor.
    #[must_use]
    pub fn max_encoders(self, count: usize) -> Self {
        self.with(|settings| {
            let level = settings.encoders.level();
            settings.encoders = Arc::new(Encoders::new(level, count));
        })
    }

    /// Compresses what is made for one user, too: responses without `ETag` and `Last-Modified` to
    /// requests that have `Cookie` or `Authorization`.
    ///
    /// # Security
    ///
    /// Where such a page has a secret and, beside it, text of the request, someone who can have the
    /// user's browser send requests, and sees how long the responses are, finds the secret letter
    /// by letter, also behind TLS (BREACH). Ask for it where no page is like that.
    #[must_use]
    pub fn with_credentials(self) -> Self {
        self.with(|settings| settings.has_credentials = true)
    }

    /// The handler within.
    pub fn handler(&self) -> &H {
        &self.handler
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }
}

impl<H: HttpRequestHandler> HttpRequestHandler for Compression<H> {
    fn base(&self) -> &dyn HttpRequestHandler {
        &self.handler
    }

    fn handle_one_request(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        tags::drop_dates(http);
        http.notes.asks_what_is_unmodified = true;
        if accepts_gzip(http) {
            tags::translate(http);
        }
        self.handler.handle_one_request(http)
    }

    fn end_headers(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let chooser: Arc<Settings> = Arc::clone(&self.settings);
        http.offer_coder(chooser);
        self.handler.end_headers(http)
    }
}

impl ChooseCoder for Settings {
    fn choose(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let is_for_one = || {
            let says = |name| http.headers.contains(name);
            !self.has_credentials && (says("Cookie") || says("Authorization"))
        };
        match content_of(&http.wfile, self.min_size, &self.types) {
            Content::AsItIs => return Ok(()),
            Content::NotModified => {
                let gain = choice::gain_of_unmodified(http, self.min_size, &self.types);
                if gain != Gain::None {
                    add_vary(http)?;
                }
                let is_compressed = gain == Gain::Some && accepts_gzip(http);
                return tags::answer_not_modified(http, is_compressed);
            }
            Content::Part => return add_vary(http),
            Content::Whole { has_validator } => {
                let is_compressed = accepts_gzip(http) && (has_validator || !is_for_one());
                add_vary(http)?;
                if !is_compressed {
                    return Ok(());
                }
            }
        }
        let coder: Option<Box<dyn ContentCoder>> = if http.command == "HEAD" {
            None
        } else {
            let Some(encoder) = self.encoders.take() else { return Ok(()) };
            Some(Box::new(Gzip::new(encoder)))
        };
        http.send_header("Content-Encoding", Coding::Gzip.name())?;
        tags::mark(http)?;
        http.wfile.remove_header("Accept-Ranges");
        http.wfile.code(coder);
        Ok(())
    }
}

/// Tells whether a client can be sent gzip. Programs of HTTP/1.0 may accept it, but cannot be told
/// where a body ends that has no length, as with nginx's `gzip_http_version`.
fn accepts_gzip(http: &Exchange<'_>) -> bool {
    !http.is_http10() && AcceptEncoding::of(&http.headers).order().any(|it| it == Coding::Gzip)
}

/// Says that other clients get another response, unless that is said.
fn add_vary(http: &mut Exchange<'_>) -> io::Result<()> {
    if choice::varies(&http.wfile) { Ok(()) } else { http.send_header("Vary", "Accept-Encoding") }
}

/// As small as the highest within 1 %, and a third faster.
const LEVEL: u32 = 5;

const MIN_SIZE: u64 = 1024;

const ENCODERS_PER_PROCESSOR: usize = 32;
