//! Answers each line with the same line in upper case: a `StreamRequestHandler`.
//!
//! Run: `cargo run --example echo_tcp -- 8080 threading`; also `sequential` and `forking`
//! Try: `printf 'hello\nworld\n' | nc -N 127.0.0.1 8080`

use std::env;
use std::io::{self, BufRead, Write};

use socketserver::{Concurrency, Connection, Handler, TcpServer};
use socketserver::{Forking, Sequential, ThreadPool};

struct EchoHandler;

impl Handler for EchoHandler {
    fn handle(&self, mut connection: Connection) -> io::Result<()> {
        for line in connection.rfile.split(b'\n') {
            let mut line = line?;
            line.make_ascii_uppercase();
            line.push(b'\n');
            connection.wfile.write_all(&line)?;
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
