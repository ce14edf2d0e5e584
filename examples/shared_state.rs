//! Counts visits in the handler: threads share the count, a forked child loses its own.
//!
//! Run: `cargo run --example shared_state -- 8000 threading`; also `sequential` and `forking`
//! Try: `curl http://127.0.0.1:8000/`, several times

use std::env;
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

use socketserver::http::{Exchange, HttpRequestHandler};
use socketserver::{Concurrency, Forking, Sequential, TcpServer, ThreadPool};

#[derive(Default)]
struct Counter {
    visits: AtomicUsize,
}

impl HttpRequestHandler for Counter {
    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let visits = self.visits.fetch_add(1, Ordering::Relaxed) + 1;
        http.send_response(200)?;
        http.send_header("Content-Type", "text/plain; charset=utf-8")?;
        http.end_headers()?;
        writeln!(http.wfile, "visit {visits}")
    }
}

fn serve(strategy: impl Concurrency) -> io::Result<()> {
    let address = format!("127.0.0.1:{}", env::args().nth(1).unwrap_or("8000".into()));
    let mut server = TcpServer::bind_with(address, Counter::default(), strategy)?;
    println!("Serving on http://{}", server.server_address());
    server.serve_forever()
}

fn main() -> io::Result<()> {
    match env::args().nth(2).as_deref() {
        None | Some("threading") => serve(ThreadPool::default()),
        Some("sequential") => serve(Sequential),
        Some("forking") => serve(Forking::default()),
        Some(other) => Err(io::Error::other(format!("no strategy {other:?}"))),
    }
}
