//! A server to talk to, and a client that says all it has to say, however it is answered.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use socketserver::{Handler, ThreadingUnixStreamServer};

/// Starts a server that is there as long as the process, and returns where it is.
pub(crate) fn serve(name: &str, handler: impl Handler) -> PathBuf {
    let name = format!("socketserver-fuzz-{name}-{}.sock", std::process::id());
    let path = std::env::temp_dir().join(name);
    let mut server = ThreadingUnixStreamServer::bind(&path, handler).expect("a socket is bound");
    thread::spawn(move || server.serve_forever());
    path
}

/// Sends all in pieces, then the end, and reads up to the end.
pub(crate) fn talk(mut stream: UnixStream, sent: &[u8], size: usize) -> Vec<u8> {
    stream.set_read_timeout(Some(LIMIT)).expect("a limit can be set");
    stream.set_write_timeout(Some(LIMIT)).expect("a limit can be set");
    let size = if size == 0 { sent.len() } else { size.max(sent.len() / 32) };
    for piece in sent.chunks(size.max(1)) {
        // Whoever is refused early need not take it all.
        if stream.write_all(piece).is_err() {
            break;
        }
        thread::yield_now();
    }
    let _ = stream.shutdown(Shutdown::Write);
    let mut heard = Vec::new();
    match stream.read_to_end(&mut heard) {
        Err(error) if error.kind() != io::ErrorKind::ConnectionReset => {
            panic!("the connection is not closed: {error}")
        }
        _ => heard,
    }
}

const LIMIT: Duration = Duration::from_secs(5);
