//! What the HTTP tests share: a site of files, a client that reads replies, handlers that take
//! notes.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use socketserver::http::{
    Exchange, HttpRequestHandler, ProtocolVersion, RequestHead, SimpleHttpRequestHandler,
};
use socketserver::{Address, ThreadPool, Timeouts};
use tempfile::TempDir;

use crate::support::{Client, LIMIT, Notes, Running, bind};

/// When `a.txt` was last changed: 2020-01-02 03:04:05.678Z.
pub(crate) const MODIFIED: Duration = Duration::from_millis(1_577_934_245_678);

/// The same as a header has it.
pub(crate) const LAST_MODIFIED: &str = "Thu, 02 Jan 2020 03:04:05 GMT";

/// A directory with files, gone when dropped.
#[derive(Debug)]
pub(crate) struct Site {
    directory: TempDir,
}

impl Site {
    /// One without files.
    #[track_caller]
    pub(crate) fn empty() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { directory }
    }

    /// The files that the reference's cases speak of.
    #[track_caller]
    pub(crate) fn new() -> Self {
        let site = Self::empty();
        for directory in ["sub/C", "idx", "spam/index.html", "empty"] {
            fs::create_dir_all(site.path(directory)).unwrap();
        }
        for (name, content) in [
            ("a.txt", "hello world\n"),
            ("empty0", ""),
            ("t.tar.gz", "x"),
            ("q?b#.txt", "x"),
            ("idx/index.html", "<p>i</p>"),
            ("sub/B", "B"),
            ("sub/a", "a"),
            ("sub/é&<.txt", "x"),
        ] {
            site.write(name, content);
        }
        for (name, target) in [("l", "a"), ("d", "C"), ("z", "missing")] {
            symlink(target, site.path("sub").join(name)).unwrap();
        }
        site
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Makes a file, last changed at [`MODIFIED`].
    #[track_caller]
    pub(crate) fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        set_modified(&path, UNIX_EPOCH + MODIFIED);
        path
    }

    pub(crate) fn handler(&self) -> SimpleHttpRequestHandler {
        SimpleHttpRequestHandler::new(self.directory.path())
    }

    /// Serves the files and keeps connections.
    #[track_caller]
    pub(crate) fn serve(&self) -> Running {
        serve(noting(self.handler()).http11())
    }
}

#[track_caller]
pub(crate) fn set_modified(path: &Path, time: SystemTime) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_modified(time).unwrap();
}

/// Serves on threads.
#[track_caller]
pub(crate) fn serve(handler: impl HttpRequestHandler) -> Running {
    Running::start(bind::<ThreadPool, _>(handler))
}

/// A handler that extends another one, says nothing and remembers what it would have said.
#[derive(Debug)]
pub(crate) struct Noting<H> {
    base: H,
    version: ProtocolVersion,
    timeouts: Timeouts,
    body_buffer_size: Option<usize>,
    pub(crate) log: Notes<String>,
    pub(crate) errors: Notes<String>,
}

pub(crate) fn noting<H: HttpRequestHandler>(base: H) -> Noting<H> {
    Noting {
        base,
        version: ProtocolVersion::Http10,
        timeouts: Timeouts::default(),
        body_buffer_size: None,
        log: Notes::new(),
        errors: Notes::new(),
    }
}

impl<H> Noting<H> {
    pub(crate) fn http11(mut self) -> Self {
        self.version = ProtocolVersion::Http11;
        self
    }

    pub(crate) fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Up to how many bytes of a body are waited for before this is called.
    pub(crate) fn body_buffer_size(mut self, bytes: usize) -> Self {
        self.body_buffer_size = Some(bytes);
        self
    }
}

impl<H: HttpRequestHandler> HttpRequestHandler for Noting<H> {
    fn base(&self) -> &dyn HttpRequestHandler {
        &self.base
    }

    fn protocol_version(&self) -> ProtocolVersion {
        self.version
    }

    fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    fn body_buffer_size(&self, head: &RequestHead<'_>) -> usize {
        self.body_buffer_size.unwrap_or_else(|| self.base.body_buffer_size(head))
    }

    fn log_message(&self, _: &Exchange<'_>, message: fmt::Arguments<'_>) {
        self.log.add(message.to_string());
    }

    fn handle_error(&self, _: &Address, error: &io::Error) {
        self.errors.add(error.to_string());
    }
}

/// A handler that answers every method with the same closure.
pub(crate) struct Answering<F>(F);

pub(crate) fn answering<F>(answer: F) -> Noting<Answering<F>>
where
    F: Fn(&mut Exchange<'_>) -> io::Result<()> + Send + Sync + 'static,
{
    noting(Answering(answer)).http11()
}

impl<F> HttpRequestHandler for Answering<F>
where
    F: Fn(&mut Exchange<'_>) -> io::Result<()> + Send + Sync + 'static,
{
    fn do_method(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        (self.0)(http)
    }
}

/// Answers 200 with this body and its length.
pub(crate) fn answer(http: &mut Exchange<'_>, body: impl AsRef<[u8]>) -> io::Result<()> {
    let body = body.as_ref();
    http.send_response(200)?;
    http.send_header("Content-Length", body.len())?;
    http.end_headers()?;
    http.wfile.write_all(body)
}

/// Answers with the request's body.
pub(crate) fn send_back(http: &mut Exchange<'_>) -> io::Result<()> {
    let mut body = Vec::new();
    http.rfile.read_to_end(&mut body)?;
    answer(http, body)
}

/// A client that reads replies one by one.
#[derive(Debug)]
pub(crate) struct Browser {
    pub(crate) client: Client,
    pub(crate) received: Vec<u8>,
}

impl Browser {
    #[track_caller]
    pub(crate) fn connect(server: &Running) -> Self {
        Self::over(server.connect())
    }

    /// One that has its connection already.
    pub(crate) fn over(client: Client) -> Self {
        Self { client, received: Vec::new() }
    }

    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.client.send(bytes);
        self
    }

    /// Reads a reply to anything but HEAD.
    #[track_caller]
    pub(crate) fn reply(&mut self) -> Reply {
        self.read_reply(false)
    }

    /// Reads a reply to HEAD.
    #[track_caller]
    pub(crate) fn reply_to_head(&mut self) -> Reply {
        self.read_reply(true)
    }

    /// Reads all replies, to anything but HEAD, up to the end.
    #[track_caller]
    pub(crate) fn replies(&mut self) -> Vec<Reply> {
        let mut replies = Vec::new();
        while !self.received.is_empty() || self.receive().is_some() {
            replies.push(self.reply());
        }
        replies
    }

    /// Sends a request and reads its reply.
    #[track_caller]
    pub(crate) fn ask(&mut self, request: impl AsRef<[u8]>) -> Reply {
        let request = request.as_ref();
        self.send(request);
        self.read_reply(request.starts_with(b"HEAD "))
    }

    /// Reads until the server closes in good order.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.received);
        self.client.stream.read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// The server has closed in good order, and said no more.
    #[track_caller]
    pub(crate) fn sees_the_end(&mut self) {
        assert_eq!(show(self.rest()), "");
    }

    /// Reads so many bytes.
    #[track_caller]
    pub(crate) fn read(&mut self, count: usize) -> Vec<u8> {
        while self.received.len() < count {
            self.receive().expect("the server goes on");
        }
        self.received.drain(..count).collect()
    }

    #[track_caller]
    fn read_reply(&mut self, head_only: bool) -> Reply {
        let end = loop {
            if let Some(end) = find(&self.received, b"\r\n\r\n") {
                break end + 4;
            }
            self.receive().unwrap_or_else(|| {
                panic!("no reply, but {:?}", show(&self.received));
            });
        };
        let head = self.read(end);
        let mut reply = Reply {
            body: Vec::new(),
            raw: head.clone(),
            head: String::from_utf8_lossy(&head).into_owned(),
        };
        let code = reply.status();
        if head_only || code < 200 || code == 204 || code == 304 {
            return reply;
        }
        if reply.header("Transfer-Encoding") == Some("chunked") {
            self.read_chunks(&mut reply);
            return reply;
        }
        let body = match reply.header("Content-Length") {
            Some(length) => self.read(length.parse().unwrap()),
            None => self.rest(),
        };
        reply.raw.extend_from_slice(&body);
        reply.body = body;
        reply
    }

    #[track_caller]
    fn read_chunks(&mut self, reply: &mut Reply) {
        loop {
            let line = loop {
                match find(&self.received, b"\r\n") {
                    Some(end) => break self.read(end + 2),
                    None => self.receive().expect("another chunk"),
                }
            };
            let size = str::from_utf8(&line).unwrap().trim_end();
            let size = usize::from_str_radix(size, 16).unwrap();
            let chunk = self.read(size + 2);
            reply.raw.extend_from_slice(&line);
            reply.raw.extend_from_slice(&chunk);
            assert!(chunk.ends_with(b"\r\n"), "{:?}", show(&chunk));
            if size == 0 {
                return;
            }
            reply.body.extend_from_slice(&chunk[..size]);
        }
    }

    /// Receives more; none at the end.
    #[track_caller]
    fn receive(&mut self) -> Option<()> {
        let mut buffer = [0; 16 * 1024];
        // A read with a time limit is not begun anew after a signal, even one that is ignored.
        let count = loop {
            match self.client.stream.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read.unwrap(),
            }
        };
        self.received.extend_from_slice(&buffer[..count]);
        (count > 0).then_some(())
    }
}

/// What came for one request.
#[derive(Debug)]
pub(crate) struct Reply {
    /// Every byte of it.
    pub(crate) raw: Vec<u8>,
    /// Status line and headers, with their ends.
    pub(crate) head: String,
    /// Without chunks.
    pub(crate) body: Vec<u8>,
}

impl Reply {
    #[track_caller]
    pub(crate) fn status(&self) -> u16 {
        let code = self.head.split(' ').nth(1).and_then(|code| code.parse().ok());
        code.unwrap_or_else(|| panic!("no status line: {:?}", self.head))
    }

    /// The text behind the status.
    #[track_caller]
    pub(crate) fn reason(&self) -> &str {
        let line = self.head.lines().next().unwrap();
        line.splitn(3, ' ').nth(2).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).first().copied()
    }

    pub(crate) fn headers(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().skip(1);
        let fields = lines.filter_map(|line| line.split_once(": "));
        let named = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value).collect()
    }

    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }
}

/// A GET request for a kept connection.
pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
}

/// Sends a request on a connection of its own and reads the reply.
#[track_caller]
pub(crate) fn ask(server: &Running, request: impl AsRef<[u8]>) -> Reply {
    Browser::connect(server).ask(request)
}

/// Sends bytes on a connection of its own and reads until the server closes.
#[track_caller]
pub(crate) fn talk(server: &Running, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut browser = Browser::connect(server);
    browser.send(bytes).rest()
}

/// Sends bytes and the end, then reads what comes; a reset is an end, too.
pub(crate) fn hear_out(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut client = Client::connect(address);
    // Whoever is refused early need not take it all.
    let _ = client.stream.write_all(bytes);
    let _ = client.stream.shutdown(std::net::Shutdown::Write);
    let mut heard = Vec::new();
    if let Err(error) = client.stream.read_to_end(&mut heard) {
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}");
    }
    heard
}

/// Bytes as text that shows each of them.
pub(crate) fn show(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().escape_ascii().to_string()
}

pub(crate) fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// Replaces what differs from run to run and from version to version: `Date` headers by `{D}`, this
/// crate's `Server` headers by `{S}` and `{B}`; drops entity tags, which a file has once it is a
/// few seconds old. Dates must be of now.
#[track_caller]
pub(crate) fn masked(reply: impl AsRef<[u8]>) -> Vec<u8> {
    let mut bytes = reply.as_ref().to_vec();
    while let Some(start) = find(&bytes, b"\r\nETag: \"") {
        let length = bytes[start + 2..].iter().position(|&byte| byte == b'\n').unwrap();
        assert_eq!(length, "ETag: \"0123456789abcdef\"\r".len());
        bytes.drain(start + 2..start + 2 + length + 1);
    }
    while let Some(start) = find(&bytes, b"\r\nDate: ") {
        let (start, end) = (start + 2, start + 2 + "Date: ".len() + 29);
        let date = str::from_utf8(&bytes[start + 6..end]).unwrap();
        let date = httpdate::parse_http_date(date).unwrap();
        let distance = date.elapsed().unwrap_or_else(|error| error.duration());
        assert!(distance <= LIMIT, "{date:?}");
        bytes.splice(start..end + 2, *b"{D}");
    }
    let version = env!("CARGO_PKG_VERSION");
    for (server, mark) in [("SimpleHTTP", b"{S}"), ("BaseHTTP", b"{B}")] {
        let line = format!("Server: {server}/0.6 socketserver/{version}\r\n");
        while let Some(start) = find(&bytes, line.as_bytes()) {
            bytes.splice(start..start + line.len(), *mark);
        }
    }
    bytes
}

/// The page of CPython 3.14 for an error.
pub(crate) fn error_page(code: u16, message: &str, explain: &str) -> String {
    let escape = |text: &str| {
        let text = text.replace('&', "&amp;");
        text.replace('<', "&lt;").replace('>', "&gt;")
    };
    let (message, explain) = (escape(message), escape(explain));
    format!(
        "<!DOCTYPE HTML>\n<html lang=\"en\">\n    <head>\n        <meta charset=\"utf-8\">\n        \
         <style type=\"text/css\">\n            :root {{\n                color-scheme: light dark;\n            \
         }}\n        </style>\n        <title>Error response</title>\n    </head>\n    <body>\n        \
         <h1>Error response</h1>\n        <p>Error code: {code}</p>\n        <p>Message: {message}.</p>\n        \
         <p>Error code explanation: {code} - {explain}.</p>\n    </body>\n</html>\n"
    )
}

/// The line that a listing has beside those of CPython's.
pub(crate) const VIEWPORT: &str =
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";

/// The page of CPython 3.14 for a directory, given the items of its list, with [`VIEWPORT`].
pub(crate) fn listing_page(title: &str, items: &str) -> String {
    format!(
        "<!DOCTYPE HTML>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n{VIEWPORT}<style type=\"text/css\">\n:root \
         {{\ncolor-scheme: light dark;\n}}\n</style>\n<title>Directory listing for {title}</title>\n</head>\n<body>\n\
         <h1>Directory listing for {title}</h1>\n<hr>\n<ul>\n{items}</ul>\n<hr>\n</body>\n</html>\n"
    )
}
