//! A strategy of one's own: a thread for each connection, Python's `ThreadingMixIn` to the letter.
//!
//! Run: `cargo run --example own_strategy -- 8000`
//! Try: `curl http://127.0.0.1:8000/`, several times

use std::io::{self, Write};
use std::thread::{self, JoinHandle};
use std::time::Instant;
use std::{env, mem};

use socketserver::TcpServer;
use socketserver::concurrency::{Concurrency, Drain, Job, Placement};
use socketserver::http::{Exchange, HttpRequestHandler};

#[derive(Default)]
pub(crate) struct ThreadingMixIn {
    started: usize,
    threads: Vec<JoinHandle<()>>,
}

impl Concurrency for ThreadingMixIn {
    fn process_request(&mut self, job: Job) -> io::Result<()> {
        self.started += 1;
        self.threads.retain(|thread| !thread.is_finished());
        let thread = thread::Builder::new().name(format!("Thread-{}", self.started));
        self.threads.push(thread.spawn(move || job.run())?);
        Ok(())
    }

    fn placement(&self) -> Placement {
        Placement::Detached // A thread keeps its connection to the end.
    }

    fn server_close(&mut self, drain: Drain) -> usize {
        if drain.deadline <= Instant::now() {
            self.threads.clear(); // What still runs was cut by the server, and may never end.
        }
        0 // The server has counted those.
    }
}

impl Drop for ThreadingMixIn {
    fn drop(&mut self) {
        for thread in mem::take(&mut self.threads) {
            let _ = thread.join(); // A job does not panic.
        }
    }
}

struct Handler;

impl HttpRequestHandler for Handler {
    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        http.send_response(200)?;
        http.send_header("Content-Type", "text/plain; charset=utf-8")?;
        http.end_headers()?;
        writeln!(http.wfile, "{}", thread::current().name().unwrap_or("unnamed"))
    }
}

fn main() -> io::Result<()> {
    let address = format!("127.0.0.1:{}", env::args().nth(1).unwrap_or("8000".into()));
    let mut server = TcpServer::bind_with(address, Handler, ThreadingMixIn::default())?;
    println!("Serving on http://{}", server.server_address());
    server.serve_forever()
}
