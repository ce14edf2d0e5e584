//! Server-sent events: what one client posts, all that listen hear at once.
//!
//! Run: `cargo run --example sse -- 8000`
//! Try: `curl -N http://127.0.0.1:8000/`, then, elsewhere, `curl -d hello http://127.0.0.1:8000/`

use std::env;
use std::io::{self, Write};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use socketserver::http::{Exchange, HttpRequestHandler};
use socketserver::{TcpServer, ThreadPool};

#[derive(Default)]
struct EventHandler {
    listeners: Mutex<Vec<Sender<String>>>,
}

impl EventHandler {
    fn listeners(&self) -> MutexGuard<'_, Vec<Sender<String>>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpRequestHandler for EventHandler {
    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let (sender, events) = mpsc::channel();
        self.listeners().push(sender);
        http.send_response(200)?;
        http.send_header("Content-Type", "text/event-stream")?;
        http.send_header("Cache-Control", "no-cache")?;
        http.end_headers()?;
        http.flush_headers()?; // The first event may be long in coming.
        loop {
            http.wfile.write_all(next_event(&events).as_bytes())?;
        }
    }

    fn do_post(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let message = http.rfile.read_all(1 << 20)?;
        let message = String::from_utf8_lossy(&message).into_owned();
        // Whoever has left does not listen any more.
        self.listeners().retain(|events| events.send(message.clone()).is_ok());
        http.send_response(204)?;
        http.end_headers()
    }
}

fn next_event(events: &Receiver<String>) -> String {
    let Ok(message) = events.recv_timeout(Duration::from_secs(15)) else {
        return ": still here\n\n".to_owned();
    };
    let lines = message.lines().flat_map(|line| line.split('\r'));
    lines.map(|line| format!("data: {line}\n")).collect::<String>() + "\n"
}

fn main() -> io::Result<()> {
    let address = format!("127.0.0.1:{}", env::args().nth(1).unwrap_or("8000".into()));
    // Whoever listens keeps a thread.
    let threads = ThreadPool::with_max_threads(1000);
    let mut server = TcpServer::bind_with(address, EventHandler::default(), threads)?;
    println!("Serving on http://{}", server.server_address());
    server.serve_forever()
}
