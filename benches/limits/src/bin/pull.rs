//! `pull PORT PATH PARALLEL SECONDS [FIRST-LAST]`: so many threads download the path, or these
//! bytes of it, again and again, a connection for each. The kernel drops the bytes (`MSG_TRUNC`),
//! so that the sender is measured. Prints megabytes (10^6) a second and how many downloads were
//! complete.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

static BYTES: AtomicU64 = AtomicU64::new(0);
static DONE: AtomicU64 = AtomicU64::new(0);

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (port, path, parallel, seconds, range) = match &words[..] {
        [port, path, parallel, seconds] => (port, path, parallel, seconds, None),
        [port, path, parallel, seconds, range] => (port, path, parallel, seconds, Some(range)),
        _ => panic!("pull PORT PATH PARALLEL SECONDS [FIRST-LAST]"),
    };
    let (field, status) = match range {
        Some(range) => (format!("Range: bytes={range}\r\n"), "206"),
        None => (String::new(), "200"),
    };
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{field}Connection: close\r\n\r\n");
    let port: u16 = port.parse().expect("a port");
    let parallel: usize = parallel.parse().expect("a number");
    let seconds: f64 = seconds.parse().expect("a number of seconds");
    let began = Instant::now();
    let end = began + Duration::from_secs_f64(seconds);
    thread::scope(|scope| {
        for _ in 0..parallel {
            scope.spawn(|| {
                while Instant::now() < end {
                    download(port, &request, status, end);
                }
            });
        }
    });
    let took = began.elapsed().as_secs_f64();
    let rate = BYTES.load(Relaxed) as f64 / 1e6 / took;
    println!("MBps={rate:.1} done={} secs={took:.2}", DONE.load(Relaxed));
}

fn download(port: u16, request: &str, status: &str, end: Instant) {
    let Ok(mut client) = TcpStream::connect(("127.0.0.1", port)) else {
        return sleep(Duration::from_millis(5));
    };
    let _ = client.set_read_timeout(Some(Duration::from_secs(2)));
    let _ = client.write_all(request.as_bytes());
    let mut first = [0; 16384];
    let held = client.read(&mut first).unwrap_or(0);
    let first = &first[..held];
    if !first.starts_with(b"HTTP/1.") || first.get(9..12) != Some(status.as_bytes()) {
        eprintln!("not answered {status}");
        return sleep(Duration::from_millis(50));
    }
    BYTES.fetch_add(held as u64, Relaxed);
    let head = first.windows(4).position(|bytes| bytes == b"\r\n\r\n").map_or(held, |at| at + 4);
    // A server that keeps the connection would not end it.
    let text = String::from_utf8_lossy(&first[..head]).to_ascii_lowercase();
    let length = text.split_once("content-length:").and_then(|(_, rest)| rest.lines().next());
    let length: u64 = length.and_then(|word| word.trim().parse().ok()).unwrap_or(u64::MAX);
    let mut got = (held - head) as u64;
    let mut unused = vec![0_u8; 1 << 20];
    while got < length {
        let (data, size) = (unused.as_mut_ptr().cast(), unused.len());
        // SAFETY: with this flag the kernel writes nothing, and no more than the size otherwise.
        let count = unsafe { libc::recv(client.as_raw_fd(), data, size, libc::MSG_TRUNC) };
        if count <= 0 {
            break;
        }
        got += count as u64;
        BYTES.fetch_add(count as u64, Relaxed);
        if Instant::now() >= end {
            return;
        }
    }
    DONE.fetch_add(1, Relaxed);
}
