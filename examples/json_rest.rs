//! Notes to create, read, change and delete, as JSON, shared by all requests.
//!
//! Run: `cargo run --example json_rest -- 8000`
//! Try: `curl -d '{"text": "hi"}' http://127.0.0.1:8000/notes`, then `curl
//! http://127.0.0.1:8000/notes/1`

use std::env;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};
use socketserver::ThreadingHttpServer;
use socketserver::http::{Exchange, HttpError, HttpRequestHandler};

/// Notes that are kept at most.
const MOST_NOTES: usize = 1000;

#[derive(Default)]
struct Notes {
    notes: Map<String, Value>,
    last: usize,
}

impl Notes {
    /// Returns the note's number, or `None` where there is no room.
    fn add(&mut self, note: Value) -> Option<String> {
        if self.notes.len() >= MOST_NOTES {
            return None;
        }
        self.last += 1;
        self.notes.insert(self.last.to_string(), note);
        Some(self.last.to_string())
    }

    fn change(&mut self, number: &str, note: Value) -> bool {
        self.notes.get_mut(number).map(|old| *old = note).is_some()
    }
}

#[derive(Default)]
struct RestHandler {
    state: Mutex<Notes>,
}

impl RestHandler {
    fn state(&self) -> MutexGuard<'_, Notes> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn body(&self, http: &mut Exchange<'_>) -> io::Result<Value> {
        let body = http.rfile.read_all(1 << 16)?;
        Ok(serde_json::from_slice(&body).map_err(|error| HttpError::new(400, error.to_string()))?)
    }

    fn send_json(&self, http: &mut Exchange<'_>, code: u16, value: &Value) -> io::Result<()> {
        http.send_response(code)?;
        http.send_header("Content-Type", "application/json")?;
        http.end_headers()?;
        http.wfile.write_all(value.to_string().as_bytes())
    }
}

/// `1` of `/notes/1`.
fn number(path: &str) -> &str {
    path.strip_prefix("/notes/").unwrap_or(path)
}

impl HttpRequestHandler for RestHandler {
    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let notes = self.state().notes.clone();
        if http.path == "/notes" {
            return self.send_json(http, 200, &notes.into());
        }
        match notes.get(number(&http.path)) {
            Some(note) => self.send_json(http, 200, note),
            None => http.send_error(404),
        }
    }

    fn do_post(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        if http.path != "/notes" {
            return http.send_error(404);
        }
        let note = self.body(http)?;
        let Some(number) = self.state().add(note) else { return http.send_error(507) };
        self.send_json(http, 201, &json!({"number": number}))
    }

    fn do_put(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        if http.headers.contains("Content-Range") {
            return http.send_error_with(400, "A part of a note is not the whole");
        }
        let note = self.body(http)?;
        if !self.state().change(number(&http.path), note.clone()) {
            return http.send_error(404);
        }
        self.send_json(http, 200, &note)
    }

    fn do_delete(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        if self.state().notes.remove(number(&http.path)).is_none() {
            return http.send_error(404);
        }
        http.send_response(204)?;
        http.end_headers()
    }
}

fn main() -> io::Result<()> {
    let address = format!("127.0.0.1:{}", env::args().nth(1).unwrap_or("8000".into()));
    let mut server = ThreadingHttpServer::bind(address, RestHandler::default())?;
    println!("Serving on http://{}", server.server_address());
    server.serve_forever()
}
