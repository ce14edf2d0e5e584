//! A WebSocket that says everything back: HTTP shakes hands, then the connection is taken over.
//!
//! Run: `cargo run --example websocket_echo -- 8000`
//! Try: `websocat ws://127.0.0.1:8000/`, or, on the page `http://127.0.0.1:8000/`,
//! `new WebSocket("ws://127.0.0.1:8000/")` in the browser's console

use std::time::Duration;
use std::{env, io, thread};

use data_encoding::BASE64;
use socketserver::http::{Exchange, Headers, HttpRequestHandler, ProtocolVersion};
use socketserver::{Connection, ThreadingHttpServer};
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, Result, WebSocket};

/// The longest message, in bytes.
const MESSAGE: usize = 1 << 20;

/// How long a client may be silent.
const SILENCE: Duration = Duration::from_secs(600);

struct EchoHandler;

impl EchoHandler {
    /// The key of a proper handshake (RFC 6455 section 4.2.1).
    fn key(&self, http: &Exchange<'_>) -> Option<String> {
        let key = only(&http.headers, "Sec-WebSocket-Key")?;
        let is_key = BASE64.decode(key.as_bytes()).is_ok_and(|bytes| bytes.len() == 16);
        let is_asked = http.request_version == "HTTP/1.1"
            && has_token(&http.headers, "Connection", "upgrade")
            && has_token(&http.headers, "Upgrade", "websocket");
        // What follows is frames, and no body.
        let mut lengths = http.headers.get_all("Content-Length");
        let has_body = http.headers.contains("Transfer-Encoding")
            || lengths.any(|length| length.parse() != Ok(0_u64));
        (is_key && is_asked && !has_body).then(|| key.to_owned())
    }

    /// Tells whether the client is no browser, or shows a page of this server (section 10.2):
    /// a page of another one may not speak for its reader.
    fn is_of_this_origin(&self, http: &Exchange<'_>) -> bool {
        if !http.headers.contains("Origin") {
            return true;
        }
        let origin = only(&http.headers, "Origin").and_then(|it| it.strip_prefix("http://"));
        let host = only(&http.headers, "Host").filter(|host| !host.is_empty());
        // This server speaks no TLS. Behind a proxy that does, the scheme is "https".
        origin.zip(host).is_some_and(|(origin, host)| origin.eq_ignore_ascii_case(host))
    }
}

/// A field's value; none where there are several.
fn only<'a>(headers: &'a Headers, name: &'a str) -> Option<&'a str> {
    let mut values = headers.get_all(name);
    values.next().filter(|_| values.next().is_none())
}

fn has_token(headers: &Headers, name: &str, token: &str) -> bool {
    let mut tokens = headers.get_all(name).flat_map(|value| value.split(','));
    tokens.any(|item| item.trim_ascii().eq_ignore_ascii_case(token))
}

impl HttpRequestHandler for EchoHandler {
    fn protocol_version(&self) -> ProtocolVersion {
        ProtocolVersion::Http11
    }

    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let Some(key) = self.key(http) else {
            return http.send_error_with(400, "Not a WebSocket's handshake");
        };
        if only(&http.headers, "Sec-WebSocket-Version") != Some("13") {
            http.send_response(426)?;
            http.send_header("Upgrade", "websocket")?;
            http.send_header("Connection", "Upgrade")?;
            http.send_header("Sec-WebSocket-Version", "13")?;
            http.send_header("Content-Length", 0)?;
            return http.end_headers();
        }
        if !self.is_of_this_origin(http) {
            return http.send_error_with(403, "A page of another server");
        }
        let accept = derive_accept_key(key.as_bytes());
        http.send_response(101)?;
        http.send_header("Upgrade", "websocket")?;
        http.send_header("Connection", "Upgrade")?;
        http.send_header("Sec-WebSocket-Accept", accept)?;
        http.end_headers()?;
        let mut connection = http.take_over()?;
        connection.rfile.set_timeout(Some(SILENCE));
        let config = WebSocketConfig::default();
        let config = config.max_frame_size(Some(MESSAGE)).max_message_size(Some(MESSAGE));
        let thread = thread::Builder::new().spawn(move || {
            let address = connection.client_address.clone();
            let socket = WebSocket::from_raw_socket(connection, Role::Server, Some(config));
            if let Err(error) = echo(socket) {
                eprintln!("{address}: {error}");
            }
        });
        thread.map(drop)
    }
}

fn echo(mut socket: WebSocket<Connection>) -> Result<()> {
    loop {
        match socket.read() {
            Ok(message) if message.is_text() || message.is_binary() => socket.send(message)?,
            Ok(_) => {} // Reading on answers a ping or a close.
            Err(Error::ConnectionClosed) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

fn main() -> io::Result<()> {
    let address = format!("127.0.0.1:{}", env::args().nth(1).unwrap_or("8000".into()));
    let mut server = ThreadingHttpServer::bind(address, EchoHandler)?;
    println!("Serving on http://{}", server.server_address());
    server.serve_forever()
}
