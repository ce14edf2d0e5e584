//! Answers with the name of the thread that serves, or with the number of the forked process.
//!
//! Run: `cargo run --example threaded_name -- 8080`, or `.. -- 8080 forking`
//! Try: `curl http://127.0.0.1:8080/`, several times

use std::io::{self, Write};
use std::{env, process, thread};

use socketserver::http::{Exchange, HttpRequestHandler};
use socketserver::{Concurrency, Forking, TcpServer, ThreadPool};

struct Handler {
    current_name: fn() -> String,
}

impl HttpRequestHandler for Handler {
    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        http.send_response(200)?;
        http.send_header("Content-Type", "text/plain; charset=utf-8")?;
        http.end_headers()?;
        let message = (self.current_name)();
        http.wfile.write_all(message.as_bytes())?;
        http.wfile.write_all(b"\n")
    }
}

/// Handles requests on separate threads.
type ThreadedHttpServer = TcpServer<ThreadPool, Handler>;

/// Handles requests in separate processes.
type ForkedHttpServer = TcpServer<Forking, Handler>;

fn main() -> io::Result<()> {
    let address = format!("127.0.0.1:{}", env::args().nth(1).unwrap_or("8080".into()));
    if env::args().nth(2).as_deref() == Some("forking") {
        let current_name = || process::id().to_string();
        serve(ForkedHttpServer::bind(address, Handler { current_name })?)
    } else {
        let current_name = || thread::current().name().unwrap_or("unnamed").to_owned();
        serve(ThreadedHttpServer::bind(address, Handler { current_name })?)
    }
}

fn serve(mut server: TcpServer<impl Concurrency, Handler>) -> io::Result<()> {
    let address = server.server_address();
    println!("Starting server on http://{address}, use <Ctrl-C> to stop");
    server.serve_forever()
}
