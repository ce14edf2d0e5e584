//! Shows what a handler knows of a request and of its server: PyMOTW's `GetHandler`.
//!
//! Run: `cargo run --example hello -- 8080`
//! Try: `curl -i 'http://127.0.0.1:8080/?foo=bar'`

use std::env;
use std::io::{self, Write};

use socketserver::HttpServer;
use socketserver::http::url::urlparse;
use socketserver::http::{Exchange, HttpRequestHandler};

struct GetHandler;

impl HttpRequestHandler for GetHandler {
    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let parsed_path = urlparse(&http.path)?;
        let address = http.address_string();
        let message = [
            "CLIENT VALUES:".to_owned(),
            format!("client_address={:?} ({address})", http.client_address),
            format!("command={}", http.command),
            format!("path={}", http.path),
            format!("real path={}", parsed_path.path),
            format!("query={}", parsed_path.query),
            format!("request_version={}", http.request_version),
            String::new(),
            "SERVER VALUES:".to_owned(),
            format!("server_version={}", self.server_version()),
            format!("sys_version={}", self.sys_version()),
            format!("protocol_version={}", self.protocol_version()),
            String::new(),
        ];
        http.send_response(200)?;
        http.send_header("Content-Type", "text/plain; charset=utf-8")?;
        http.end_headers()?;
        http.wfile.write_all(message.join("\n").as_bytes())
    }
}

fn main() -> io::Result<()> {
    let port = env::args().nth(1).unwrap_or("8080".into());
    let mut server = HttpServer::bind(format!("127.0.0.1:{port}"), GetHandler)?;
    let address = server.server_address();
    println!("Starting server on http://{address}, use <Ctrl-C> to stop");
    server.serve_forever()
}
