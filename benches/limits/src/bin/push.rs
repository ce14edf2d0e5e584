//! `push PORT PATH KIND FIELD MIB`: uploads so many mebibytes of pseudo-random bytes and prints
//! megabytes (10^6) a second. KIND is `multipart` (POST, a form with one file called FIELD), `put`
//! or `post`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::exit;
use std::time::{Duration, Instant};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [port, path, kind, field, mib] = &words[..] else {
        panic!("push PORT PATH KIND FIELD MIB")
    };
    let port: u16 = port.parse().expect("a port");
    let mib: usize = mib.parse().expect("a number");
    let block = pseudo_random(1 << 20);
    let boundary = "----socketserverbench7d8f0a1b2c3d";
    let (method, content_type, before, after) = match kind.as_str() {
        "multipart" => (
            "POST",
            format!("multipart/form-data; boundary={boundary}"),
            format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{field}\"; \
                 filename=\"up.bin\"\r\nContent-Type: application/octet-stream\r\n\r\n"
            ),
            format!("\r\n--{boundary}--\r\n"),
        ),
        other => {
            let method = if other == "put" { "PUT" } else { "POST" };
            (method, "application/octet-stream".to_owned(), String::new(), String::new())
        }
    };
    let length = before.len() + mib * block.len() + after.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\
         Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{before}"
    );
    let began = Instant::now();
    let mut client = TcpStream::connect(("127.0.0.1", port)).expect("a server");
    let limit = Some(Duration::from_secs(60));
    client.set_read_timeout(limit).expect("a limit");
    client.set_write_timeout(limit).expect("a limit");
    client.write_all(head.as_bytes()).expect("a server that reads");
    for sent in 0..mib {
        if let Err(error) = client.write_all(&block) {
            println!("sent {sent} of {mib} MiB: {error}");
            exit(1);
        }
    }
    let _ = client.write_all(after.as_bytes());
    let mut reply = [0; 4096];
    let count = client.read(&mut reply).unwrap_or(0);
    let rate = length as f64 / 1e6 / began.elapsed().as_secs_f64();
    let reply = String::from_utf8_lossy(&reply[..count]);
    println!("MBps={rate:.1} status={}", reply.lines().next().unwrap_or_default());
}

fn pseudo_random(count: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..count).map(next).collect()
}
