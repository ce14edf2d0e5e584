//! A page over HTTPS; the certificate files are read anew on SIGHUP.
//!
//! Run: `cargo run --example https -- 8443 cert.pem key.pem`
//! Try: `curl --cacert cert.pem https://localhost:8443/`, with the files of
//! `openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -addext
//! subjectAltName=DNS:localhost -out cert.pem -keyout key.pem`

use std::env;
use std::io::{self, Write};

use socketserver::http::{Exchange, HttpRequestHandler};
use socketserver::transport::{Tls, TlsBind, TlsReloadHandle, Transport};
use socketserver::{Signal, ThreadingHttpsServer};

struct Handler {
    certificate: TlsReloadHandle,
}

impl HttpRequestHandler for Handler {
    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        http.send_response(200)?;
        http.send_header("Content-Type", "text/plain")?;
        http.end_headers()?;
        http.wfile.write_all(b"Nobody else can read this.\n")
    }

    fn handle_signal(&self, _: Signal) {
        match self.certificate.reload() {
            Ok(()) => println!("The certificate was read anew"),
            Err(error) => println!("The certificate stays as it was: {error}"),
        }
    }
}

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let mut argument = |default: &str| arguments.next().unwrap_or(default.into());
    let address = format!("localhost:{}", argument("8443"));
    let certfile = argument("cert.pem");
    let keyfile = argument("key.pem");

    let transport = Tls::bind(TlsBind::new(address, certfile).keyfile(keyfile))?;
    let handler = Handler { certificate: transport.reload_handle() };
    let mut server = ThreadingHttpsServer::from_transport(transport, handler, Default::default())?;
    server.watch_signals(&[Signal::HUP])?;
    println!("Serving https://{}", server.server_address());
    server.serve_forever()
}
