//! Answers each line with the same line in upper case: a `StreamRequestHandler`.
//!
//! Run: `cargo run --example echo_tcp -- 8080 threading`; also `sequential` and `forking`
//! Try: `printf 'hello\nworld\n' | nc -N 127.0.0.1 8080` (OpenBSD's nc)

use std::env;
use std::io::{self, BufRead, Read, Write};

use socketserver::{Concurrency, Connection, Handler, TcpServer};
use socketserver::{Forking, Sequential, ThreadPool};

/// Bytes that are read at once: a longer line comes in pieces, and not all of it into memory.
const LINE: u64 = 64 * 1024;

struct EchoHandler;

impl Handler for EchoHandler {
    fn handle(&self, mut connection: Connection) -> io::Result<()> {
        let mut line = Vec::new();
        while (&mut connection.rfile).take(LINE).read_until(b'\n', &mut line)? > 0 {
            line.make_ascii_uppercase();
            connection.wfile.write_all(&line)?;
            line.clear();
        }
        Ok(())
    }
}

fn serve(strategy: impl Concurrency) -> io::Result<()> {
    let port = env::args().nth(1).unwrap_or("8080".into());
    let mut server = TcpServer::bind_with(format!("127.0.0.1:{port}"), EchoHandler, strategy)?;
    println!("Echoing on {}, use <Ctrl-C> to stop", server.server_address());
    server.serve_forever()
}

fn main() -> io::Result<()> {
    match env::args().nth(2).as_deref() {
        None | Some("sequential") => serve(Sequential),
        Some("threading") => serve(ThreadPool::default()),
        Some("forking") => serve(Forking::default()),
        Some(other) => Err(io::Error::other(format!("no strategy {other:?}"))),
    }
}
