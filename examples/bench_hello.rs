//! Answers every GET with 13 bytes and writes no log: the server that benchmarks load.
//!
//! Run: `cargo run --release --example bench_hello -- pool 16 8080`; the modes are `seq PORT`,
//! `fork PORT`, `pool THREADS PORT`, `tls THREADS PORT CERTIFICATE`, and `upload FILE PORT`, which
//! writes uploads to that file
//! Try: `curl -i http://127.0.0.1:8080/`

use std::fs::File;
use std::io::{self, Write};
use std::{env, fmt};

use socketserver::TcpServer;
use socketserver::concurrency::{Concurrency, Forking, Sequential, ThreadPool};
use socketserver::http::form::{FormLimits, Multipart};
use socketserver::http::{Exchange, HttpRequestHandler, ProtocolVersion, Status};

#[derive(Default)]
struct Hello {
    /// Where the files of forms go.
    uploads: String,
}

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

    fn do_post(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let limits = FormLimits::default().max_part_bytes(1 << 30).max_bytes(1 << 30);
        let mut form = Multipart::read(http, limits)?;
        while let Some(mut part) = form.next_part()? {
            // In place, as the servers do that it is compared with.
            part.copy_to(&mut File::create(&self.uploads)?)?;
        }
        http.handler().do_get(http)
    }

    fn log_request(&self, _: &Exchange<'_>, _: Status, _: Option<u64>) {}

    fn log_message(&self, _: &Exchange<'_>, _: fmt::Arguments<'_>) {}
}

fn serve(port: &str, strategy: impl Concurrency, handler: Hello) -> io::Result<()> {
    let mut server = TcpServer::bind_with(format!("127.0.0.1:{port}"), handler, strategy)?;
    println!("serving on http://{}", server.server_address());
    server.serve_forever()
}

#[cfg(feature = "tls")]
fn serve_tls(port: &str, certificate: &str, strategy: impl Concurrency) -> io::Result<()> {
    use socketserver::TlsServer;
    use socketserver::transport::TlsBind;

    let place = TlsBind::new(format!("127.0.0.1:{port}"), certificate);
    let mut server = TlsServer::bind_with(place, Hello::default(), strategy)?;
    println!("serving on https://{}", server.server_address());
    server.serve_forever()
}

fn main() -> io::Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["seq", port] => serve(port, Sequential, Hello::default()),
        ["fork", port] => serve(port, Forking::default(), Hello::default()),
        ["pool", threads, port] => {
            let threads = threads.parse().map_err(io::Error::other)?;
            serve(port, ThreadPool::default().max_threads(threads), Hello::default())
        }
        #[cfg(feature = "tls")]
        ["tls", threads, port, certificate] => {
            let threads = threads.parse().map_err(io::Error::other)?;
            serve_tls(port, certificate, ThreadPool::default().max_threads(threads))
        }
        ["upload", file, port] => {
            serve(port, ThreadPool::default(), Hello { uploads: file.to_owned() })
        }
        _ => Err(io::Error::other(
            "usage: bench_hello seq PORT | fork PORT | pool THREADS PORT | \
             tls THREADS PORT CERTIFICATE | upload FILE PORT",
        )),
    }
}
