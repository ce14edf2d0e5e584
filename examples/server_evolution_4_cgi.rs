//! The same page as a file, and its form answered by a program, in Python: fourth of four.
//!
//! Run: `cargo run --example server_evolution_4_cgi -- 8000`, or `.. -- 8000 DIRECTORY`
//! Try: `curl -d firstname=Ada http://127.0.0.1:8000/cgi-bin/post.py`, or `/form.html` in a browser

use std::{env, io};

use socketserver::HttpServer;
use socketserver::http::CgiHttpRequestHandler;

const HOST: &str = "127.0.0.1";
const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/server_evolution");

fn main() -> io::Result<()> {
    let port = env::args().nth(1).unwrap_or("8000".into());
    let directory = env::args().nth(2).unwrap_or(DIRECTORY.into());
    let handler = CgiHttpRequestHandler::new(directory);
    let mut server = HttpServer::bind(format!("{HOST}:{port}"), handler)?;
    println!("Serving on http://{}", server.server_address());
    server.serve_forever()
}
