//! Sends every client to the same path on another server.
//!
//! Run: `cargo run --example redirect_server -- 8000`, or `.. -- 8000 https://rust-lang.org`
//! Try: `curl -i http://127.0.0.1:8000/a?b=c`

use std::{env, io};

use socketserver::HttpServer;
use socketserver::http::url::urlsplit;
use socketserver::http::{Exchange, HttpRequestHandler};

struct RedirectHandler {
    target: String,
}

impl HttpRequestHandler for RedirectHandler {
    // Every method: 308 keeps it, and the body, where a client may make a GET of 301.
    fn do_method(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let url = urlsplit(&http.path)?;
        // Behind `https://example.org`, `@evil.example` would name another server.
        if !url.path.starts_with('/') {
            return http.send_error(400);
        }
        let mark = if url.query.is_empty() { "" } else { "?" };
        http.send_response(308)?;
        let location = format!("{}{}{mark}{}", self.target, url.path, url.query);
        http.send_header("Location", location)?;
        http.send_header("Content-Length", 0)?;
        http.end_headers()
    }
}

fn main() -> io::Result<()> {
    let port = env::args().nth(1).unwrap_or("8000".into());
    let target = env::args().nth(2).unwrap_or("https://example.org".into());
    let mut server = HttpServer::bind(format!("127.0.0.1:{port}"), RedirectHandler { target })?;
    println!("Serving on http://{}", server.server_address());
    server.serve_forever()
}
