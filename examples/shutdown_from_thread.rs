//! Serves on a thread of its own until Enter is pressed, then stops without losing a request.
//!
//! Run: `cargo run --example shutdown_from_thread -- 8000`
//! Try: `curl http://127.0.0.1:8000/`, then press Enter

use std::io::{self, Write};
use std::{env, thread};

use socketserver::ThreadingHttpServer;
use socketserver::http::{Exchange, HttpRequestHandler};

struct Handler;

impl HttpRequestHandler for Handler {
    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        http.send_response(200)?;
        http.send_header("Content-Type", "text/plain; charset=utf-8")?;
        http.end_headers()?;
        http.wfile.write_all(b"still here\n")
    }
}

fn main() -> io::Result<()> {
    let port = env::args().nth(1).unwrap_or("8000".into());
    let mut server = ThreadingHttpServer::bind(format!("127.0.0.1:{port}"), Handler)?;
    let address = server.server_address();
    println!("Serving on http://{address}, press Enter to stop");
    let shutdown = server.shutdown_handle();
    let thread = thread::spawn(move || server.serve_forever().map(|()| server.shutdown_report()));
    io::stdin().read_line(&mut String::new())?;
    shutdown.shutdown();
    let report = thread.join().expect("the server does not panic")?;
    println!("Stopped: {} finished, {} cut off", report.finished, report.cut);
    Ok(())
}
