//! Files behind a name and a password.
//!
//! Run: `cargo run --example basic_auth -- 8000`, or `.. -- 8000 DIRECTORY`
//! Try: `curl -i http://127.0.0.1:8000/`, then `curl -u ada:lovelace ..`

use std::env;
use std::io::{self, Write};

use data_encoding::BASE64;
use socketserver::HttpServer;
use socketserver::http::{Exchange, HttpRequestHandler, SimpleHttpRequestHandler};

struct AuthHandler {
    files: SimpleHttpRequestHandler,
    key: String,
}

impl AuthHandler {
    fn knows(&self, http: &Exchange<'_>) -> bool {
        http.headers.get("Authorization") == Some(&self.key)
    }

    fn do_authhead(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        http.send_response(401)?;
        http.send_header("WWW-Authenticate", "Basic realm=\"Files\"")?;
        http.send_header("Content-Type", "text/plain")?;
        http.end_headers()
    }
}

impl HttpRequestHandler for AuthHandler {
    fn base(&self) -> &dyn HttpRequestHandler {
        &self.files
    }

    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        if self.knows(http) {
            return self.files.do_get(http);
        }
        self.do_authhead(http)?;
        http.wfile.write_all(b"not authenticated\n")
    }

    fn do_head(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        if self.knows(http) { self.files.do_head(http) } else { self.do_authhead(http) }
    }
}

fn main() -> io::Result<()> {
    let port = env::args().nth(1).unwrap_or("8000".into());
    let directory = env::args().nth(2).unwrap_or(".".into());
    let files = SimpleHttpRequestHandler::new(directory);
    let key = format!("Basic {}", BASE64.encode(b"ada:lovelace"));
    let mut server = HttpServer::bind(format!("127.0.0.1:{port}"), AuthHandler { files, key })?;
    println!("Serving on http://{}", server.server_address());
    server.serve_forever()
}
