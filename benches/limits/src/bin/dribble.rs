//! `dribble PORT COUNT SECONDS`: so many clients that send a byte of a head each half second and
//! never end it. A connection that the server closes is counted and opened again.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

fn main() {
    let words: Vec<u64> =
        std::env::args().skip(1).map(|word| word.parse().expect("a number")).collect();
    let &[port, count, seconds] = &words[..] else { panic!("dribble PORT COUNT SECONDS") };
    let address = SocketAddr::from(([127, 0, 0, 1], port as u16));
    let mut clients: Vec<_> = (0..count).map(|_| begin(address)).collect();
    println!("open={}", clients.iter().flatten().count());
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut cut = 0;
    while Instant::now() < end {
        for client in &mut clients {
            if !client.as_mut().is_some_and(is_open) {
                cut += 1;
                *client = begin(address);
            }
        }
        sleep(Duration::from_millis(500));
    }
    println!("cut={cut} open={}", clients.iter().flatten().count());
}

fn begin(address: SocketAddr) -> Option<TcpStream> {
    let mut client = TcpStream::connect_timeout(&address, Duration::from_millis(500)).ok()?;
    client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ").ok()?;
    client.set_nonblocking(true).ok()?;
    Some(client)
}

fn is_open(client: &mut TcpStream) -> bool {
    client.write(b"a").is_ok() && client.read(&mut [0; 512]).is_err()
}
