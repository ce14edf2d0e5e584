//! A test's double: a server that answers as it is told and remembers what it was asked.
//!
//! Run: `cargo run --example mock_server -- 0`; it asks, asserts and ends
//! Try: `cargo run --example mock_server -- 0 && echo passed`

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use socketserver::http::{Exchange, HttpError, HttpRequestHandler};
use socketserver::{HttpServer, ShutdownHandle};

type Request = (String, String, Vec<u8>);

struct MockHandler {
    answers: Mutex<VecDeque<(u16, &'static str)>>,
    requests: Mutex<Vec<Request>>,
}

impl HttpRequestHandler for MockHandler {
    // Every method: none is overridden.
    fn do_method(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let body = http.rfile.read_all(1 << 20)?;
        lock(&self.requests).push((http.command.clone(), http.path.clone(), body));
        let answer = lock(&self.answers).pop_front();
        let (code, answer) = answer.ok_or(HttpError::new(500, "No answer is left"))?;
        http.send_response(code)?;
        http.send_header("Content-Type", "text/plain")?;
        http.send_header("Content-Length", answer.len())?;
        http.end_headers()?;
        http.wfile.write_all(answer.as_bytes())
    }
}

struct MockServer {
    address: SocketAddr,
    shutdown: ShutdownHandle,
    thread: JoinHandle<io::Result<Vec<Request>>>,
}

impl MockServer {
    fn start(answers: impl Into<VecDeque<(u16, &'static str)>>) -> io::Result<Self> {
        let (answers, requests) = (Mutex::new(answers.into()), Mutex::default());
        let mut server = HttpServer::bind("127.0.0.1:0", MockHandler { answers, requests })?;
        let address = server.server_address();
        let shutdown = server.shutdown_handle();
        let thread = thread::spawn(move || {
            server.serve_forever()?;
            Ok(lock(&server.handler().requests).clone())
        });
        Ok(Self { address, shutdown, thread })
    }

    /// Stops serving and tells what was asked.
    fn stop(self) -> io::Result<Vec<Request>> {
        self.shutdown.shutdown();
        self.thread.join().expect("the server does not panic")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is tested: asks for the state, then sends an order.
fn order(address: SocketAddr, what: &str) -> io::Result<[String; 2]> {
    let length = what.len();
    Ok([
        ask(address, "GET /state HTTP/1.0\r\n\r\n")?,
        ask(address, &format!("POST /orders HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{what}"))?,
    ])
}

fn ask(address: SocketAddr, request: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(request.as_bytes())?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    Ok(reply)
}

fn main() -> io::Result<()> {
    let mock = MockServer::start([(200, "ready"), (201, "made")])?;
    println!("Mocking on http://{}", mock.address);
    let [state, made] = order(mock.address, "tea")?;
    assert!(state.ends_with("\r\n\r\nready"));
    assert!(made.starts_with("HTTP/1.0 201 "));
    let request =
        |command: &str, path: &str, body: &[u8]| (command.into(), path.into(), body.into());
    let expected = [request("GET", "/state", b""), request("POST", "/orders", b"tea")];
    assert_eq!(mock.stop()?, expected);
    println!("2 requests, as expected");
    Ok(())
}
