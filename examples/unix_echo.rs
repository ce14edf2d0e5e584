//! Answers each line on a Unix socket with the same line, and who sent it.
//!
//! Run: `cargo run --example unix_echo -- /tmp/echo.sock`
//! Try: `printf 'hello\nworld\n' | nc -N -U /tmp/echo.sock` (OpenBSD's nc)

use std::env;
use std::io::{self, BufRead, Read, Write};

use socketserver::{Connection, Handler, ThreadingUnixStreamServer};

/// Bytes that are read at once: a longer line comes in pieces, and not all of it into memory.
const LINE: u64 = 64 * 1024;

struct EchoHandler;

impl Handler for EchoHandler {
    fn handle(&self, mut connection: Connection) -> io::Result<()> {
        let uid = connection.peer_credentials()?.uid;
        let mut line = Vec::new();
        while (&mut connection.rfile).take(LINE).read_until(b'\n', &mut line)? > 0 {
            connection.wfile.write_all(&[format!("{uid}: ").as_bytes(), &line].concat())?;
            line.clear();
        }
        Ok(())
    }
}

fn main() -> io::Result<()> {
    let path = env::args().nth(1).unwrap_or("/tmp/echo.sock".into());
    let mut server = ThreadingUnixStreamServer::bind(path, EchoHandler)?;
    println!("Echoing on {}, use <Ctrl-C> to stop", server.server_address().display());
    server.serve_forever()
}
