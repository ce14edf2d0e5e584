//! Receives webhooks as GitHub sends them, and believes those whose signature is right.
//!
//! Run: `cargo run --example webhook_receiver -- 8000`
//! Try: `curl -i -d 'Hello, World!' -H 'X-Hub-Signature-256:
//! sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17' http://127.0.0.1:8000/`

use std::{env, io};

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use socketserver::HttpServer;
use socketserver::http::{Exchange, HttpRequestHandler};

const SECRET: &[u8] = b"It's a Secret to Everybody";

struct WebhookHandler;

impl HttpRequestHandler for WebhookHandler {
    fn do_post(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let body = http.rfile.read_all(25 << 20)?; // GitHub sends no more.
        let mut signature = Hmac::<Sha256>::new_from_slice(SECRET).map_err(io::Error::other)?;
        signature.update(&body);
        let claimed = http.headers.get("X-Hub-Signature-256").unwrap_or("");
        let claimed = claimed.strip_prefix("sha256=").unwrap_or("").as_bytes();
        let claimed = HEXLOWER.decode(claimed).unwrap_or_default();
        // Takes the same time wherever they differ.
        if signature.verify_slice(&claimed).is_err() {
            return http.send_error_with(403, "Wrong signature");
        }
        let event = http.headers.get("X-GitHub-Event").unwrap_or("None");
        println!("{event} {}", String::from_utf8_lossy(&body));
        http.send_response(204)?;
        http.end_headers()
    }
}

fn main() -> io::Result<()> {
    let port = env::args().nth(1).unwrap_or("8000".into());
    let mut server = HttpServer::bind(format!("127.0.0.1:{port}"), WebhookHandler)?;
    println!("Serving on http://{}", server.server_address());
    server.serve_forever()
}
