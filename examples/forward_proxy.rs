//! A proxy that fetches `http://` URLs for its clients, and makes tunnels for `https://`.
//!
//! Run: `cargo run --example forward_proxy -- 8000`
//! Try: `curl -x http://127.0.0.1:8000 https://example.org/`

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::time::Duration;
use std::{env, thread};

use socketserver::http::url::{SplitResult, urlsplit};
use socketserver::http::{Exchange, HttpError, HttpRequestHandler, Status};
use socketserver::{Address, Connection, ThreadingHttpServer};

/// What concerns two neighbours only, with what `Connection` names (RFC 9110 section 7.6.1).
const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// How long either side may be silent.
const IDLE: Option<Duration> = Some(Duration::from_secs(300));

/// The longest head of a response, in bytes.
const HEAD: u64 = 256 * 1024;

struct ProxyHandler;

impl ProxyHandler {
    fn do_connect(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let (host, port) = http.path.rsplit_once(':').unwrap_or((&http.path, ""));
        let port = port.parse().map_err(|_| HttpError::new(400, "CONNECT without a port"))?;
        let upstream = connect(host.trim_matches(['[', ']']), port)?;
        http.send_response_with(200, "Connection established")?;
        http.end_headers()?;
        tunnel(http.take_over()?, &upstream)
    }
}

impl HttpRequestHandler for ProxyHandler {
    // Not open to the world, whatever address it is bound to.
    fn verify_request(&self, _: &Connection, client_address: &Address) -> bool {
        client_address.ip().is_some_and(|ip| ip.is_loopback())
    }

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
        let mut upstream = connect(&host, url.port()?.unwrap_or(80))?;
        upstream.write_all(&latin1(&request_head(http, &url, body.len())))?;
        upstream.write_all(&body)?;
        let mut upstream = BufReader::new(upstream);
        send_head(http, &read_head(&mut upstream)?)?;
        io::copy(&mut upstream, &mut http.wfile).map(drop)
    }
}

/// Tries each address that a name has, as Python's `create_connection` does.
fn connect(host: &str, port: u16) -> Result<TcpStream, HttpError> {
    // A tunnel to port 25 sends mail in this machine's name.
    if port < 1024 && port != 80 && port != 443 {
        return Err(HttpError::new(403, "Not to this port"));
    }
    let unreachable = |error: io::Error| HttpError::new(502, error.to_string());
    let mut failure = io::ErrorKind::NotFound.into();
    for address in (host, port).to_socket_addrs().map_err(unreachable)? {
        match TcpStream::connect_timeout(&address, Duration::from_secs(10)) {
            Ok(upstream) => {
                upstream.set_read_timeout(IDLE).map_err(unreachable)?;
                upstream.set_write_timeout(IDLE).map_err(unreachable)?;
                return Ok(upstream);
            }
            Err(error) => failure = error,
        }
    }
    Err(unreachable(failure))
}

fn request_head(http: &Exchange<'_>, url: &SplitResult, length: usize) -> String {
    let path = match url.path.as_str() {
        // What concerns the whole server (RFC 9112 section 3.2.4).
        "" if http.command == "OPTIONS" && url.query.is_empty() => "*",
        "" => "/",
        path => path,
    };
    // A user and a password before the host are not for Host (RFC 9112 section 3.2).
    let host = url.netloc.rsplit('@').next().unwrap_or_default();
    let mark = if url.query.is_empty() { "" } else { "?" };
    let mut head =
        format!("{} {path}{mark}{} HTTP/1.0\r\nHost: {host}\r\n", http.command, url.query);
    for (name, value) in end_to_end(&http.headers.iter().collect::<Vec<_>>()) {
        if !["host", "content-length"].contains(&name.to_ascii_lowercase().as_str()) {
            head += &format!("{name}: {value}\r\n");
        }
    }
    if length > 0 || http.headers.contains("Content-Length") {
        head += &format!("Content-Length: {length}\r\n");
    }
    let version = http.request_version.trim_start_matches("HTTP/");
    head + &format!("Via: {version} proxy\r\nConnection: close\r\n\r\n")
}

/// Reads the lines of a response's head.
fn read_head(upstream: &mut impl BufRead) -> Result<Vec<String>, HttpError> {
    let bad = |what: &str| HttpError::new(502, format!("The server's head {what}"));
    let mut lines = Vec::new();
    let mut rest = upstream.take(HEAD);
    loop {
        let mut line = Vec::new();
        rest.read_until(b'\n', &mut line).map_err(|error| bad(&error.to_string()))?;
        let Some(line) = line.strip_suffix(b"\n") else {
            return Err(bad("ends early, or is too long"));
        };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.contains(&b'\r') {
            return Err(bad("has a CR without LF"));
        }
        let line: String = line.iter().copied().map(char::from).collect();
        if line.is_empty() {
            return Ok(lines);
        }
        lines.push(line);
    }
}

fn send_head(http: &mut Exchange<'_>, lines: &[String]) -> io::Result<()> {
    let bad = || HttpError::new(502, "The server sent no response of HTTP/1");
    let (line, fields) = lines.split_first().ok_or_else(bad)?;
    let (version, status) = line.split_once(' ').ok_or_else(bad)?;
    let version = version.strip_prefix("HTTP/").ok_or_else(bad)?;
    let code = status.split(' ').next().filter(|code| code.len() == 3).ok_or_else(bad)?;
    let status: u16 = code.parse().map_err(|_| bad())?;
    let status = Status::try_from(status).map_err(|_| bad())?;
    let fields = fields.iter().map(|field| {
        let (name, value) = field.split_once(':')?;
        (!name.contains([' ', '\t'])).then_some((name, value.trim_ascii()))
    });
    let fields: Vec<_> = fields.collect::<Option<_>>().ok_or_else(bad)?;
    // It was asked as HTTP/1.0, which knows no chunks.
    let is_chunked = fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("transfer-encoding"));
    // Nor may a client take the body for longer or shorter than it is.
    let is_length = |name: &str| name.eq_ignore_ascii_case("content-length");
    let lengths: Vec<_> = fields.iter().filter(|(name, _)| is_length(name)).collect();
    let is_plain = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    let is_doubtful = lengths.len() > 1 || lengths.iter().any(|(_, length)| !is_plain(length));
    if is_chunked || is_doubtful || !(200..600).contains(&status.code()) {
        return Err(bad().into());
    }
    http.log_request(status, None);
    http.send_response_only(status)?;
    for (name, value) in end_to_end(&fields) {
        http.send_header(name, value)?;
    }
    http.send_header("Via", format_args!("{version} proxy"))?;
    http.end_headers()
}

/// The fields that are for the other end.
fn end_to_end<'a>(fields: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let connection = fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("connection"));
    let named = connection.flat_map(|(_, value)| value.split(',')).map(str::trim);
    let dropped: Vec<_> = named.chain(HOP_BY_HOP).map(str::to_ascii_lowercase).collect();
    let is_kept = |name: &str| !dropped.contains(&name.to_ascii_lowercase());
    fields.iter().copied().filter(|(name, _)| is_kept(name)).collect()
}

/// Python's `text.encode("latin-1")`: heads are read as ISO 8859-1.
fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|character| u8::try_from(character).unwrap_or(b'?')).collect()
}

/// Carries bytes both ways until both ends have ended.
fn tunnel(connection: Connection, upstream: &TcpStream) -> io::Result<()> {
    let Connection { mut rfile, mut wfile, .. } = connection;
    rfile.set_timeout(IDLE);
    thread::scope(|scope| {
        thread::Builder::new().spawn_scoped(scope, || {
            let _ = pump(upstream, &mut wfile); // The client has left.
            wfile.shutdown()
        })?;
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
