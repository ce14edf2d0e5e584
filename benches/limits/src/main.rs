//! Servers in the shape of ours that parse nothing and answer a constant: the limits that the
//! runner compares with.
//!
//! ```text
//! limits MODE PORT [ARGUMENT]
//!
//! thread         a thread a connection, blocking, keep-alive
//! epoll          one event loop, keep-alive
//! parkdisp N     one thread waits, N workers fed by a queue, keep-alive
//! lead N         up to N threads; the one that waits takes a job and runs it itself
//! closepool N    N threads that accept, answer and close
//! forkclose      a fork a request
//! cgispawn FILE  a thread a connection, which runs the program
//! sink [FILE]    reads a body, drops it or writes it to the file
//! ```
//!
//! `SLOW_EVERY=K SLOW_US=T` has each K-th request of `parkdisp` and `lead` sleep T microseconds.

mod lead;
mod socket;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::RawFd;
use std::process::{Command, Stdio, exit};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use socket::{Events, accept, listen, on_each_connection, watch, watch_accepted, watch_again};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (Some(mode), Some(Ok(port))) = (words.first(), words.get(1).map(|word| word.parse()))
    else {
        eprintln!("usage: limits MODE PORT [ARGUMENT]");
        exit(2);
    };
    let argument = words.get(2).cloned();
    let count = || argument.as_ref().and_then(|word| word.parse().ok()).unwrap_or(8);
    // SAFETY: ignoring a signal runs no code.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    match mode.as_str() {
        "thread" => on_each_connection(port, keep),
        "epoll" => epoll(port),
        "parkdisp" => dispatch(port, count()),
        "lead" => lead::lead(port, count()),
        "closepool" => close_pool(port, count()),
        "forkclose" => fork_and_close(port),
        "cgispawn" => {
            let program = argument.expect("a program");
            on_each_connection(port, move |client| spawn_program(client, &program));
        }
        "sink" => on_each_connection(port, move |client| {
            drop(swallow(client, argument.as_deref()));
        }),
        _ => {
            eprintln!("there is no mode {mode}");
            exit(2);
        }
    }
}

const KEEP: &[u8] = b"HTTP/1.1 200 OK\r\nServer: limits\r\n\
    Date: Thu, 20 Nov 2025 16:00:00 GMT\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\n\
    Hello, World!";
const CLOSE: &[u8] = b"HTTP/1.1 200 OK\r\nServer: limits\r\n\
    Date: Thu, 20 Nov 2025 16:00:00 GMT\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\
    Connection: close\r\n\r\nHello, World!";
const CGI_HEAD: &[u8] = b"HTTP/1.0 200 OK\r\nConnection: close\r\n";

/// How many requests end in these bytes, and where the last one does.
fn requests(bytes: &[u8]) -> (usize, usize) {
    let (mut count, mut end, mut at) = (0, 0, 0);
    while at + 4 <= bytes.len() {
        if &bytes[at..at + 4] == b"\r\n\r\n" {
            (count, at, end) = (count + 1, at + 4, at + 4);
        } else {
            at += 1;
        }
    }
    (count, end)
}

fn keep(mut client: TcpStream) {
    let _ = client.set_nodelay(true);
    let mut buffer = [0; 8192];
    let mut held = 0;
    while held < buffer.len() {
        match client.read(&mut buffer[held..]) {
            Ok(0) | Err(_) => return,
            Ok(count) => held += count,
        }
        let (count, end) = requests(&buffer[..held]);
        buffer.copy_within(end..held, 0);
        held -= end;
        for _ in 0..count {
            if client.write_all(KEEP).is_err() {
                return;
            }
        }
    }
}

fn answer_and_close(mut client: TcpStream) {
    let mut buffer = [0; 8192];
    let mut held = 0;
    while held < buffer.len() {
        match client.read(&mut buffer[held..]) {
            Ok(0) | Err(_) => return,
            Ok(count) => held += count,
        }
        if requests(&buffer[..held]).0 > 0 {
            let _ = client.write_all(CLOSE);
            return;
        }
    }
}

fn epoll(port: u16) {
    let listener = listen(port);
    listener.set_nonblocking(true).expect("a listener that does not block");
    let events = Events::new();
    watch(&events, &listener);
    loop {
        for descriptor in events.wait() {
            if descriptor == socket::number(&listener) {
                while let Some(client) = accept(&listener) {
                    watch(&events, &client);
                    std::mem::forget(client);
                }
            } else if !serve_ready(descriptor) {
                socket::close(descriptor);
            }
        }
    }
}

/// Answers what has arrived on a connection; false where it is gone.
fn serve_ready(descriptor: RawFd) -> bool {
    let mut buffer = [0; 8192];
    match socket::receive(descriptor, &mut buffer) {
        Ok(0) => false,
        Ok(count) => (0..requests(&buffer[..count]).0).all(|_| socket::send(descriptor, KEEP)),
        Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
    }
}

fn dispatch(port: u16, workers: usize) {
    let events = Arc::new(Events::new());
    let queue: Arc<(Mutex<VecDeque<RawFd>>, Condvar)> = Arc::default();
    for _ in 0..workers {
        let (events, queue) = (Arc::clone(&events), Arc::clone(&queue));
        thread::spawn(move || {
            loop {
                let waiting = queue.0.lock().expect("no panic");
                let mut waiting =
                    queue.1.wait_while(waiting, |waiting| waiting.is_empty()).expect("no panic");
                let descriptor = waiting.pop_front().expect("a job");
                drop(waiting);
                lead::sleep_now_and_then();
                if serve_ready(descriptor) {
                    watch_again(&events, descriptor);
                } else {
                    socket::close(descriptor);
                }
            }
        });
    }
    let accepting = Arc::clone(&events);
    thread::spawn(move || watch_accepted(&listen(port), &accepting));
    loop {
        let ready = events.wait();
        let one = ready.len() == 1;
        queue.0.lock().expect("no panic").extend(ready);
        if one { queue.1.notify_one() } else { queue.1.notify_all() }
    }
}

fn close_pool(port: u16, workers: usize) {
    let listener = Arc::new(listen(port));
    let threads = (0..workers).map(|_| {
        let listener = Arc::clone(&listener);
        thread::spawn(move || listener.incoming().flatten().for_each(answer_and_close))
    });
    for thread in threads.collect::<Vec<_>>() {
        let _ = thread.join();
    }
}

fn fork_and_close(port: u16) {
    for client in listen(port).incoming().flatten() {
        // SAFETY: there is one thread, and the child ends by `_exit`.
        if unsafe { libc::fork() } == 0 {
            answer_and_close(client);
            // SAFETY: nothing of this process is needed any more.
            unsafe { libc::_exit(0) };
        }
        drop(client);
        // SAFETY: asks for ended children only.
        while unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) } > 0 {}
    }
}

fn spawn_program(mut client: TcpStream, program: &str) {
    let mut buffer = [0; 8192];
    if client.read(&mut buffer).unwrap_or(0) == 0 {
        return;
    }
    let output = Command::new(program)
        .env_clear()
        .env("REQUEST_METHOD", "GET")
        .env("GATEWAY_INTERFACE", "CGI/1.1")
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null())
        .output();
    if let Ok(output) = output {
        let _ = client.write_all(CGI_HEAD).and_then(|()| client.write_all(&output.stdout));
    }
}

/// Reads a request with a body of `Content-Length` bytes, and answers when it has come.
fn swallow(mut client: TcpStream, path: Option<&str>) -> std::io::Result<()> {
    let mut buffer = vec![0; 65536];
    let mut held = 0;
    let end = loop {
        held += match client.read(&mut buffer[held..])? {
            0 => return Ok(()),
            count => count,
        };
        if let Some(at) = buffer[..held].windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
    let length = head.split_once("content-length:").map_or("0", |(_, rest)| rest);
    let mut left: usize = length.lines().next().unwrap_or_default().trim().parse().unwrap_or(0);
    if head.contains("100-continue") {
        client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let mut file = path.map(File::create).transpose()?;
    let mut part = end..held;
    loop {
        if let Some(file) = &mut file {
            file.write_all(&buffer[part.clone()])?;
        }
        left = left.saturating_sub(part.len());
        if left == 0 {
            return client.write_all(CLOSE);
        }
        part = 0..client.read(&mut buffer)?;
        if part.is_empty() {
            return Ok(());
        }
    }
}
