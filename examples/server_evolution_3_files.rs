//! The same page and picture as files that `SimpleHttpRequestHandler` serves, third of four.
//!
//! Run: `cargo run --example server_evolution_3_files -- 8000`, or `.. -- 8000 DIRECTORY`
//! Try: `curl -i http://127.0.0.1:8000/`, or a browser; the form is answered 501

use std::{env, io};

use socketserver::http::SimpleHttpRequestHandler;
use socketserver::{Sequential, TcpServer};

const HOST: &str = "127.0.0.1";
const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/server_evolution");

fn main() -> io::Result<()> {
    let port = env::args().nth(1).unwrap_or("8000".into());
    let directory = env::args().nth(2).unwrap_or(DIRECTORY.into());
    let handler = SimpleHttpRequestHandler::new(directory);
    let mut server = TcpServer::<Sequential, _>::bind(format!("{HOST}:{port}"), handler)?;
    println!("Serving on http://{}", server.server_address());
    server.serve_forever()
}
