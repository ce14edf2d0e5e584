//! At most four requests at once; further clients are answered 503.
//!
//! Run: `cargo run --example bounded_pool -- 8000`
//! Try: `nc 127.0.0.1 8000`, in four terminals, then `curl -d hello http://127.0.0.1:8000/`

use std::env;
use std::io::{self, Write};

use socketserver::http::{Exchange, HttpRequestHandler};
use socketserver::{Overload, ThreadingHttpServer};

struct Handler;

impl HttpRequestHandler for Handler {
    fn do_post(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let body = http.rfile.read_all(1 << 20)?;
        http.send_response(200)?;
        http.send_header("Content-Type", "text/plain")?;
        http.end_headers()?;
        writeln!(http.wfile, "{} bytes", body.len())
    }
}

fn main() -> io::Result<()> {
    let address = format!("127.0.0.1:{}", env::args().nth(1).unwrap_or("8000".into()));
    let mut server = ThreadingHttpServer::bind(address, Handler)?;
    // Each connection needs a thread at most, so this bounds both.
    server.max_connections = 4;
    server.overload = Overload::Refuse; // 503 with `Retry-After`, unless `handle_overload` is written.
    println!("Serving on http://{}, use <Ctrl-C> to stop", server.server_address());
    server.serve_forever()
}
