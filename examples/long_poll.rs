//! Long polling: a request for news is answered when there are some, or after 20 seconds.
//!
//! Run: `cargo run --example long_poll -- 8000`
//! Try: `curl http://127.0.0.1:8000/?since=0`, then, elsewhere, `curl -d hello
//! http://127.0.0.1:8000/`

use std::collections::VecDeque;
use std::env;
use std::io::{self, Write};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use socketserver::http::url::{parse_qs, urlsplit};
use socketserver::http::{Exchange, HttpError, HttpRequestHandler};
use socketserver::{TcpServer, ThreadPool};

/// Messages that are kept, the last ones.
const MOST_MESSAGES: usize = 1000;

#[derive(Default)]
struct Messages {
    kept: VecDeque<Vec<u8>>,
    count: usize,
}

#[derive(Default)]
struct PollHandler {
    messages: Mutex<Messages>,
    arrived: Condvar,
}

impl PollHandler {
    /// Waits for messages beyond the first so many, none when none came in time; and says how many
    /// have come so far.
    fn news(&self, since: usize) -> (Vec<Vec<u8>>, usize) {
        let messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        let limit = Duration::from_secs(20);
        let waited = self.arrived.wait_timeout_while(messages, limit, |all| all.count <= since);
        let (messages, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let gone = messages.count - messages.kept.len();
        let news = messages.kept.iter().skip(since.saturating_sub(gone)).cloned();
        (news.collect(), messages.count)
    }
}

impl HttpRequestHandler for PollHandler {
    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let query = parse_qs(&urlsplit(&http.path)?.query);
        let since = query.first("since").unwrap_or("0").parse();
        let since = since.map_err(|_| HttpError::new(400, "since is no number"))?;
        let (news, count) = self.news(since);
        http.send_response(if news.is_empty() { 204 } else { 200 })?;
        http.send_header("X-Next-Since", count)?;
        http.send_header("Content-Type", "text/plain; charset=utf-8")?;
        http.end_headers()?;
        for message in news {
            http.wfile.write_all(&message)?;
            http.wfile.write_all(b"\n")?;
        }
        Ok(())
    }

    fn do_post(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let message = http.rfile.read_all(1 << 16)?;
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        messages.count += 1;
        messages.kept.push_back(message);
        if messages.kept.len() > MOST_MESSAGES {
            messages.kept.pop_front();
        }
        drop(messages);
        self.arrived.notify_all();
        http.send_response(204)?;
        http.end_headers()
    }
}

fn main() -> io::Result<()> {
    let address = format!("127.0.0.1:{}", env::args().nth(1).unwrap_or("8000".into()));
    // Whoever waits keeps a thread.
    let threads = ThreadPool::default().max_threads(1000);
    let mut server = TcpServer::bind_with(address, PollHandler::default(), threads)?;
    println!("Serving on http://{}", server.server_address());
    server.serve_forever()
}
