//! A WebSocket that says everything back: HTTP shakes hands, then the connection is taken over.
//!
//! Run: `cargo run --example websocket_echo -- 8000`
//! Try: `new WebSocket("ws://127.0.0.1:8000/")` in a browser's console, or `websocat ws://127.0.0.1:8000/`

use std::{env, io, thread};

use socketserver::http::{Exchange, HttpRequestHandler, ProtocolVersion};
use socketserver::{Connection, ThreadingHttpServer};
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::Role;
use tungstenite::{Error, Result, WebSocket};

struct EchoHandler;

impl HttpRequestHandler for EchoHandler {
    fn protocol_version(&self) -> ProtocolVersion {
        ProtocolVersion::Http11
    }

    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let Some(key) = http.headers.get("Sec-WebSocket-Key") else {
            return http.send_error(400);
        };
        let accept = derive_accept_key(key.as_bytes());
        http.send_response(101)?;
        http.send_header("Upgrade", "websocket")?;
        http.send_header("Connection", "Upgrade")?;
        http.send_header("Sec-WebSocket-Accept", accept)?;
        http.end_headers()?;
        let mut connection = http.take_over()?;
        connection.rfile.set_timeout(None); // A client may be silent for long.
        thread::spawn(move || {
            let address = connection.client_address.clone();
            if let Err(error) = echo(WebSocket::from_raw_socket(connection, Role::Server, None)) {
                eprintln!("{address}: {error}");
            }
        });
        Ok(())
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
