//! `peer-tiny-http PORT [WORKERS]`: tiny_http, with so many threads that receive (2).

use std::sync::Arc;
use std::thread;

use tiny_http::{Header, Response, Server};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let workers: usize = words.get(1).map_or(2, |word| word.parse().expect("a number"));
    let server = Arc::new(Server::http(format!("127.0.0.1:{}", words[0])).expect("a free port"));
    let threads = (0..workers).map(|_| {
        let server = Arc::clone(&server);
        thread::spawn(move || {
            for request in server.incoming_requests() {
                let text = Header::from_bytes("Content-Type", "text/plain").expect("a header");
                let _ = request.respond(Response::from_string("Hello, World!").with_header(text));
            }
        })
    });
    for thread in threads.collect::<Vec<_>>() {
        let _ = thread.join();
    }
}
