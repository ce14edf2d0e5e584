//! Files that a page of any other site may fetch: a header on every response, errors included.
//!
//! Run: `cargo run --example cors_files -- 8000`, or `.. -- 8000 DIRECTORY`
//! Try: `curl -i http://127.0.0.1:8000/Cargo.toml`, or `curl -i -X OPTIONS ..`

use std::{env, io};

use socketserver::HttpServer;
use socketserver::http::{Exchange, HttpRequestHandler, SimpleHttpRequestHandler};

struct CorsRequestHandler {
    files: SimpleHttpRequestHandler,
}

impl HttpRequestHandler for CorsRequestHandler {
    fn base(&self) -> &dyn HttpRequestHandler {
        &self.files
    }

    fn end_headers(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        http.send_header("Access-Control-Allow-Origin", "*")?;
        self.files.end_headers(http)
    }

    fn do_options(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        http.send_response(204)?;
        http.send_header("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")?;
        http.end_headers()
    }
}

fn main() -> io::Result<()> {
    let port = env::args().nth(1).unwrap_or("8000".into());
    let directory = env::args().nth(2).unwrap_or(".".into());
    let files = SimpleHttpRequestHandler::new(directory);
    let mut server = HttpServer::bind(format!("127.0.0.1:{port}"), CorsRequestHandler { files })?;
    println!("Serving on http://{}", server.server_address());
    server.serve_forever()
}
