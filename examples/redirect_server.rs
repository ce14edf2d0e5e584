//! Sends every client to the same path on another server.
//!
//! Run: `cargo run --example redirect_server -- 8000`, or `.. -- 8000 https://rust-lang.org`
//! Try: `curl -i http://127.0.0.1:8000/a?b=c`

use std::{env, io};

use socketserver::HttpServer;
use socketserver::http::{Exchange, HttpRequestHandler};

struct RedirectHandler {
    target: String,
}

impl HttpRequestHandler for RedirectHandler {
    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        http.send_response(301)?;
        let location = self.target.clone() + &http.path;
        http.send_header("Location", location)?;
        http.end_headers()
    }

    fn do_head(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        self.do_get(http)
    }
}

fn main() -> io::Result<()> {
    let port = env::args().nth(1).unwrap_or("8000".into());
    let target = env::args().nth(2).unwrap_or("https://example.org".into());
    let mut server = HttpServer::bind(format!("127.0.0.1:{port}"), RedirectHandler { target })?;
    println!("Serving on http://{}", server.server_address());
    server.serve_forever()
}
