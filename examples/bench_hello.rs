//! Answers every GET with 13 bytes and writes no log: the server that benchmarks load.
//!
//! Run: `cargo run --release --example bench_hello -- pool 16 8080`; the modes are `seq PORT`,
//! `fork PORT` and `pool THREADS PORT`
//! Try: `curl -i http://127.0.0.1:8080/`

use std::io::{self, Write};
use std::{env, fmt};

use socketserver::TcpServer;
use socketserver::concurrency::{Concurrency, Forking, Sequential, ThreadPool};
use socketserver::http::{Exchange, HttpRequestHandler, ProtocolVersion, Status};

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

fn serve(port: &str, strategy: impl Concurrency) -> io::Result<()> {
    let mut server = TcpServer::bind_with(format!("127.0.0.1:{port}"), Hello, strategy)?;
    println!("serving on http://{}", server.server_address());
    server.serve_forever()
}

fn main() -> io::Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["seq", port] => serve(port, Sequential),
        ["fork", port] => serve(port, Forking::default()),
        ["pool", threads, port] => {
            let threads = threads.parse().map_err(io::Error::other)?;
            serve(port, ThreadPool::with_max_threads(threads))
        }
        _ => Err(io::Error::other("usage: bench_hello seq PORT | fork PORT | pool THREADS PORT")),
    }
}
