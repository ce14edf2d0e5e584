//! Several processes behind one port, each with a pool of threads; replaced one by one on SIGHUP.
//!
//! Run: `cargo run --example pre_fork -- 8080 4`, for four processes
//! Try: `curl http://127.0.0.1:8080/`, then `kill -9` the process that it names, or `kill -HUP` the
//! first one, and try again

use std::io::{self, Write};
use std::{env, process};

use socketserver::http::{Exchange, HttpRequestHandler, ProtocolVersion};
use socketserver::{PreForkHttpServer, Signal};

struct WhoServes;

impl HttpRequestHandler for WhoServes {
    fn protocol_version(&self) -> ProtocolVersion {
        ProtocolVersion::Http11
    }

    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let message = format!("{}\n", process::id());
        http.send_response(200)?;
        http.send_header("Content-Type", "text/plain")?;
        http.send_header("Content-Length", message.len())?;
        http.end_headers()?;
        http.wfile.write_all(message.as_bytes())
    }
}

fn main() -> io::Result<()> {
    let port = env::args().nth(1).unwrap_or("8080".into());
    let processes = env::args().nth(2).unwrap_or("4".into());
    let processes = processes.parse().map_err(io::Error::other)?;
    let server = PreForkHttpServer::bind(format!("127.0.0.1:{port}"), WhoServes)?;
    let mut server = server.processes(processes);
    server.shutdown_on_signals(&[Signal::INT, Signal::TERM])?;
    println!("Process {} supervises http://{}", process::id(), server.server_address());
    server.serve_forever()?;
    println!("{:?}", server.shutdown_report());
    Ok(())
}
