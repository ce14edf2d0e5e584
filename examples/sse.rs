//! Server-sent events: what one client posts, all that listen hear at once.
//!
//! Run: `cargo run --example sse -- 8000`
//! Try: `curl -N http://127.0.0.1:8000/`, then, elsewhere, `curl -d hello http://127.0.0.1:8000/`

use std::collections::HashMap;
use std::env;
use std::io::{self, Write};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use socketserver::http::{Exchange, HttpRequestHandler};
use socketserver::{Address, TcpServer, ThreadPool};

/// Messages that may wait for a listener that reads slowly.
const WAITING: usize = 100;

#[derive(Default)]
struct EventHandler {
    listeners: Mutex<HashMap<Address, SyncSender<String>>>,
}

impl EventHandler {
    fn listeners(&self) -> MutexGuard<'_, HashMap<Address, SyncSender<String>>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends events until the listener has left or was let go, or the server stops.
    fn send_events(&self, http: &mut Exchange<'_>, events: &Receiver<String>) -> io::Result<()> {
        while !http.server.shutdown_handle().is_shutdown_requested() {
            let Some(event) = next_event(events) else { break };
            http.wfile.write_all(event.as_bytes())?;
        }
        Ok(())
    }
}

impl HttpRequestHandler for EventHandler {
    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let (sender, events) = mpsc::sync_channel(WAITING);
        self.listeners().insert(http.client_address.clone(), sender);
        http.send_response(200)?;
        http.send_header("Content-Type", "text/event-stream")?;
        http.send_header("Cache-Control", "no-cache")?;
        http.end_headers()?;
        http.flush_headers()?; // The first event may be long in coming.
        let sent = self.send_events(http, &events);
        self.listeners().remove(&http.client_address);
        sent
    }

    fn do_post(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let message = http.rfile.read_all(1 << 20)?;
        let message = String::from_utf8_lossy(&message).into_owned();
        // Nothing is written here: a listener that has fallen behind is let go.
        self.listeners().retain(|_, events| events.try_send(message.clone()).is_ok());
        http.send_response(204)?;
        http.end_headers()
    }
}

/// The next event, or a comment that shows whether the listener is still there.
fn next_event(events: &Receiver<String>) -> Option<String> {
    match events.recv_timeout(Duration::from_secs(15)) {
        Ok(message) => {
            let lines = message.lines().flat_map(|line| line.split('\r'));
            Some(lines.map(|line| format!("data: {line}\n")).collect::<String>() + "\n")
        }
        Err(RecvTimeoutError::Timeout) => Some(": still here\n\n".to_owned()),
        Err(RecvTimeoutError::Disconnected) => None,
    }
}

fn main() -> io::Result<()> {
    let address = format!("127.0.0.1:{}", env::args().nth(1).unwrap_or("8000".into()));
    // Whoever listens keeps a thread.
    let threads = ThreadPool::default().max_threads(1000);
    let mut server = TcpServer::bind_with(address, EventHandler::default(), threads)?;
    println!("Serving on http://{}", server.server_address());
    server.serve_forever()
}
