//! The clients' side.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::process::LIMIT;

pub(crate) const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

/// A request of which all but the body is there, for which its handler waits.
pub(crate) const POST: &str = "POST /waiting HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n";

pub(crate) fn connect(address: SocketAddr) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    Ok(BufReader::new(stream))
}

/// Connects and sends this.
#[track_caller]
pub(crate) fn begin(address: SocketAddr, bytes: impl AsRef<[u8]>) -> BufReader<TcpStream> {
    let mut stream = connect(address).unwrap();
    stream.get_mut().write_all(bytes.as_ref()).unwrap();
    stream
}

/// Asks on a connection of its own.
pub(crate) fn get(address: SocketAddr) -> io::Result<u16> {
    let mut stream = connect(address)?;
    stream.get_mut().write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
    Ok(reply(&mut stream)?.0)
}

/// Reads a reply: its status, and whether the connection goes on.
pub(crate) fn reply(stream: &mut BufReader<TcpStream>) -> io::Result<(u16, bool)> {
    let (mut status, mut length, mut goes_on) = (None, 0, true);
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        if stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let code = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
        status = status.or(code.and_then(|code| code.parse().ok()));
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.trim_end().parse().unwrap();
        }
        goes_on &= line != "Connection: close\r\n";
    }
    stream.read_exact(&mut vec![0; length])?;
    Ok((status.ok_or(io::ErrorKind::InvalidData)?, goes_on))
}

/// Clients that ask as fast as they can, keep their connections, and try nothing twice.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<(usize, usize)>>,
}

pub(crate) struct Counts {
    pub(crate) done: usize,
    /// Sent on a connection that the server had, and not answered.
    pub(crate) lost: usize,
    /// Could not connect.
    pub(crate) refused: usize,
}

impl Load {
    pub(crate) fn start(address: SocketAddr, clients: usize, keeps: bool) -> Self {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let client = |_| {
            let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
            thread::spawn(move || ask_on(address, keeps, &stop, &done))
        };
        Self { threads: (0..clients).map(client).collect(), stop, done }
    }

    #[track_caller]
    pub(crate) fn wait_for_more(&self, count: usize) {
        let wanted = self.done.load(Ordering::Relaxed) + count;
        crate::process::eventually(|| self.done.load(Ordering::Relaxed) >= wanted);
    }

    pub(crate) fn stop(self) -> Counts {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.threads.into_iter().map(|thread| thread.join().unwrap());
        let (lost, refused) = ended.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        Counts { done: self.done.load(Ordering::Relaxed), lost, refused }
    }
}

fn ask_on(
    address: SocketAddr,
    keeps: bool,
    stop: &AtomicBool,
    done: &AtomicUsize,
) -> (usize, usize) {
    let (mut lost, mut refused) = (0, 0);
    let mut kept: Option<BufReader<TcpStream>> = None;
    while !stop.load(Ordering::Relaxed) {
        let Some(mut stream) = kept.take().or_else(|| connect(address).ok()) else {
            refused += 1;
            thread::park_timeout(Duration::from_millis(1));
            continue;
        };
        let option = if keeps { "keep-alive" } else { "close" };
        let request = format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: {option}\r\n\r\n");
        let sent = stream.get_mut().write_all(request.as_bytes());
        match sent.and_then(|()| reply(&mut stream)) {
            Ok((_, goes_on)) => {
                done.fetch_add(1, Ordering::Relaxed);
                kept = (goes_on && keeps).then_some(stream);
            }
            Err(_) => lost += 1,
        }
    }
    (lost, refused)
}
