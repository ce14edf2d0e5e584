//! Answers every GET with "404 Not Found" and the page that explains it.
//!
//! Run: `cargo run --example error_404 -- 8080`
//! Try: `curl -i http://127.0.0.1:8080/`

use std::{env, io};

use socketserver::HttpServer;
use socketserver::http::{Exchange, HttpRequestHandler};

struct ErrorHandler;

impl HttpRequestHandler for ErrorHandler {
    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        http.send_error(404)
    }
}

fn main() -> io::Result<()> {
    let port = env::args().nth(1).unwrap_or("8080".into());
    let mut server = HttpServer::bind(format!("127.0.0.1:{port}"), ErrorHandler)?;
    let address = server.server_address();
    println!("Starting server on http://{address}, use <Ctrl-C> to stop");
    server.serve_forever()
}
