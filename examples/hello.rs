//! Temporary.
use socketserver::http::{Exchange, HttpRequestHandler, ProtocolVersion, Status};
use std::fmt;
use std::io::{self, Write};
struct Hello;
impl HttpRequestHandler for Hello {
    fn protocol_version(&self) -> ProtocolVersion {
        ProtocolVersion::Http11
    }
    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        http.send_response(200)?;
        http.send_header("Content-Type", "text/plain")?;
        http.send_header("Content-Length", 13)?;
        http.end_headers()?;
        http.wfile.write_all(b"Hello, World!")
    }
    fn log_request(&self, _: &Exchange<'_>, _: Status, _: Option<u64>) {}
    fn log_message(&self, _: &Exchange<'_>, _: fmt::Arguments<'_>) {}
}
fn main() -> io::Result<()> {
    let a: Vec<String> = std::env::args().collect();
    let addr = format!("127.0.0.1:{}", a[2]);
    match a[1].as_str() {
        "seq" => socketserver::HttpServer::bind(addr, Hello)?.serve_forever(),
        "fork" => socketserver::ForkingHttpServer::bind(addr, Hello)?.serve_forever(),
        "files" => socketserver::ThreadingHttpServer::bind(
            addr,
            socketserver::http::SimpleHttpRequestHandler::new(&a[3]),
        )?
        .serve_forever(),
        n => socketserver::ThreadingHttpServer::bind_with(
            addr,
            Hello,
            socketserver::ThreadPool::with_max_threads(n.parse().unwrap()),
        )?
        .serve_forever(),
    }
}
