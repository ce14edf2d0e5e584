//! `idle PORT COUNT PATH WAIT HOLD`: opens so many keep-alive connections, sends a request on each,
//! waits up to WAIT seconds for the answers, then holds the connections until standard input ends
//! or HOLD seconds have passed, and prints how many are still open.

use std::io::{ErrorKind, Read, Write, stdin};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::channel;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [port, count, path, wait, hold] = &words[..] else {
        panic!("idle PORT COUNT PATH WAIT HOLD")
    };
    let address = SocketAddr::from(([127, 0, 0, 1], port.parse().expect("a port")));
    let count: usize = count.parse().expect("a number");
    let seconds = |word: &str| Duration::from_secs(word.parse().expect("a number of seconds"));
    let began = Instant::now();
    let deadline = began + seconds(wait) + Duration::from_secs(15);
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let ask = |_| {
        let left = deadline.checked_duration_since(Instant::now())?;
        let limit = left.min(Duration::from_millis(1500)).max(Duration::from_millis(1));
        let mut client = TcpStream::connect_timeout(&address, limit).ok()?;
        client.write_all(request.as_bytes()).ok()?;
        client.set_nonblocking(true).ok()?;
        Some((client, false))
    };
    let mut clients: Vec<_> = (0..count).filter_map(ask).collect();
    let answered = count_answers(&mut clients, Instant::now() + seconds(wait));
    let (open, failed) = (clients.len(), count - clients.len());
    let took = began.elapsed().as_secs_f64();
    println!("open={open} answered={answered} failed={failed} secs={took:.2}");

    let (ended, end) = channel();
    thread::spawn(move || {
        let _ = stdin().read(&mut [0; 16]);
        let _ = ended.send(());
    });
    let _ = end.recv_timeout(seconds(hold));
    let still_open = |(client, _): &mut (TcpStream, bool)| {
        client.read(&mut [0; 16384]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    };
    println!("still={}", clients.iter_mut().map(still_open).filter(|open| *open).count());
}

fn count_answers(clients: &mut [(TcpStream, bool)], deadline: Instant) -> usize {
    let mut answered = 0;
    while answered < clients.len() && Instant::now() < deadline {
        for (client, has_answer) in clients.iter_mut().filter(|(_, has_answer)| !has_answer) {
            if client.read(&mut [0; 16384]).is_ok_and(|count| count > 0) {
                *has_answer = true;
                answered += 1;
            }
        }
        sleep(Duration::from_millis(20));
    }
    answered
}
