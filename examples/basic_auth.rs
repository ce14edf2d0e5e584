//! Files behind a name and a password.
//!
//! Run: `cargo run --example basic_auth -- 8000`, or `.. -- 8000 DIRECTORY`
//! Try: `curl -i http://127.0.0.1:8000/`, then `curl -u ada:lovelace ..`

use std::env;
use std::io::{self, Write};

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use socketserver::HttpServer;
use socketserver::http::{Exchange, HttpRequestHandler, SimpleHttpRequestHandler};

/// The name and the password. They cross the network unprotected, unless it is HTTPS.
const KEY: &[u8] = b"ada:lovelace";

struct AuthHandler {
    files: SimpleHttpRequestHandler,
}

impl AuthHandler {
    fn knows(&self, http: &Exchange<'_>) -> bool {
        let sent = http.headers.get("Authorization").unwrap_or_default();
        let (scheme, sent) = sent.split_once(' ').unwrap_or_default();
        let sent = BASE64.decode(sent.trim_ascii().as_bytes()).unwrap_or_default();
        scheme.eq_ignore_ascii_case("Basic") && compare_digest(&sent, KEY)
    }
}

/// Python's `hmac.compare_digest`: takes the same time wherever the two differ.
fn compare_digest(one: &[u8], other: &[u8]) -> bool {
    let digest = |text| Hmac::<Sha256>::new_from_slice(KEY).map(|mac| mac.chain_update(text));
    let (Ok(one), Ok(other)) = (digest(one), digest(other)) else { return false };
    one.verify_slice(&other.finalize().into_bytes()).is_ok()
}

impl HttpRequestHandler for AuthHandler {
    fn base(&self) -> &dyn HttpRequestHandler {
        &self.files
    }

    // Before any method, whatever the handler below answers.
    fn handle_one_request(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        if self.knows(http) {
            return self.files.handle_one_request(http);
        }
        http.send_response(401)?;
        http.send_header("WWW-Authenticate", "Basic realm=\"Files\"")?;
        http.send_header("Content-Type", "text/plain")?;
        http.end_headers()?;
        http.wfile.write_all(b"not authenticated\n")
    }
}

fn main() -> io::Result<()> {
    let port = env::args().nth(1).unwrap_or("8000".into());
    let directory = env::args().nth(2).unwrap_or(".".into());
    let files = SimpleHttpRequestHandler::new(directory);
    let mut server = HttpServer::bind(format!("127.0.0.1:{port}"), AuthHandler { files })?;
    println!("Serving on http://{}", server.server_address());
    server.serve_forever()
}
