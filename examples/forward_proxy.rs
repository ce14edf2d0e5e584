//! A proxy that fetches `http://` URLs for its clients, and makes tunnels for `https://`.
//!
//! Run: `cargo run --example forward_proxy -- 8000`
//! Try: `curl -x http://127.0.0.1:8000 https://example.org/`

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::time::Duration;
use std::{env, thread};

use socketserver::http::url::{SplitResult, urlsplit};
use socketserver::http::{Exchange, HttpError, HttpRequestHandler};
use socketserver::{Connection, ThreadingHttpServer};

const NOT_FORWARDED: [&str; 10] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// How long either side may be silent.
const IDLE: Option<Duration> = Some(Duration::from_secs(300));

struct ProxyHandler;

impl ProxyHandler {
    fn do_connect(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let upstream = connect(&http.path)?;
        http.send_response_with(200, "Connection established")?;
        http.end_headers()?;
        tunnel(http.take_over()?, &upstream)
    }
}

impl HttpRequestHandler for ProxyHandler {
    // Every method but CONNECT is forwarded.
    fn do_method(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        if http.command == "CONNECT" {
            return self.do_connect(http);
        }
        let url = urlsplit(&http.path)?;
        let (Some(host), "http") = (url.hostname(), url.scheme.as_str()) else {
            return http.send_error_with(400, "Not a proxy's request");
        };
        let body = http.rfile.read_all(16 << 20)?;
        let mut upstream = connect((host.as_str(), url.port()?.unwrap_or(80)))?;
        upstream.set_read_timeout(IDLE)?;
        upstream.write_all(&latin1(&head(http, &url, body.len())))?;
        upstream.write_all(&body)?;
        io::copy(&mut upstream, &mut http.take_over()?.wfile).map(drop)
    }
}

/// Tries each address that a name has, as Python's `create_connection` does.
fn connect(address: impl ToSocketAddrs) -> Result<TcpStream, HttpError> {
    let unreachable = |error: io::Error| HttpError::new(502, error.to_string());
    let mut failure = io::ErrorKind::NotFound.into();
    for address in address.to_socket_addrs().map_err(unreachable)? {
        match TcpStream::connect_timeout(&address, Duration::from_secs(10)) {
            Ok(upstream) => return Ok(upstream),
            Err(error) => failure = error,
        }
    }
    Err(unreachable(failure))
}

fn head(http: &Exchange<'_>, url: &SplitResult, length: usize) -> String {
    let path = if url.path.is_empty() { "/" } else { &url.path };
    let mark = if url.query.is_empty() { "" } else { "?" };
    let host = url.netloc.rsplit('@').next().unwrap_or_default();
    let mut head =
        format!("{} {path}{mark}{} HTTP/1.0\r\nHost: {host}\r\n", http.command, url.query);
    for (name, value) in http.headers.iter() {
        if !NOT_FORWARDED.contains(&name.to_ascii_lowercase().as_str()) {
            head += &format!("{name}: {value}\r\n");
        }
    }
    if length > 0 {
        head += &format!("Content-Length: {length}\r\n");
    }
    head + "Connection: close\r\n\r\n"
}

/// Python's `text.encode("latin-1")`: heads are read as ISO 8859-1.
fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|character| u8::try_from(character).unwrap_or(b'?')).collect()
}

/// Carries bytes both ways until both ends have ended.
fn tunnel(connection: Connection, upstream: &TcpStream) -> io::Result<()> {
    let Connection { mut rfile, mut wfile, .. } = connection;
    rfile.set_timeout(IDLE);
    upstream.set_read_timeout(IDLE)?;
    thread::scope(|scope| {
        scope.spawn(|| {
            let _ = pump(upstream, &mut wfile); // The client has left.
            wfile.shutdown()
        });
        let heard_out = pump(&mut rfile, upstream);
        // A client that is gone wants nothing more of what is still to come.
        upstream.shutdown(if heard_out.is_ok() { Shutdown::Write } else { Shutdown::Both })?;
        heard_out.map(drop)
    })
}

fn pump(mut source: impl Read, mut target: impl Write) -> io::Result<u64> {
    io::copy(&mut source, &mut target)
}

fn main() -> io::Result<()> {
    let address = format!("127.0.0.1:{}", env::args().nth(1).unwrap_or("8000".into()));
    let mut server = ThreadingHttpServer::bind(address, ProxyHandler)?;
    println!("Serving on http://{}", server.server_address());
    server.serve_forever()
}
