//! Waits for the one request with which a browser brings the code of a login, then leaves.
//!
//! Run: `cargo run --example oauth_callback -- 8000`
//! Try: `curl 'http://127.0.0.1:8000/callback?code=abc&state=STATE'`, with the state that it prints

use std::env;
use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::OnceLock;

use socketserver::HttpServer;
use socketserver::http::url::{parse_qs, urlencode, urlsplit};
use socketserver::http::{Exchange, HttpRequestHandler};

struct CallbackHandler {
    state: String,
    code: OnceLock<String>,
}

impl HttpRequestHandler for CallbackHandler {
    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let query = parse_qs(&urlsplit(&http.path)?.query);
        let (state, code) = (query.first("state"), query.first("code"));
        let Some(code) = code.filter(|_| state == Some(&self.state)) else {
            return http.send_error_with(400, "This is not the answer");
        };
        self.code.get_or_init(|| code.to_owned());
        http.send_response(200)?;
        http.send_header("Content-Type", "text/plain")?;
        http.end_headers()?;
        http.wfile.write_all(b"Thank you. You may close this window.\n")
    }
}

/// Python's `secrets.token_hex(16)`.
fn token_hex() -> io::Result<String> {
    let mut token = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut token)?;
    Ok(format!("{:032x}", u128::from_ne_bytes(token)))
}

fn main() -> io::Result<()> {
    let port = env::args().nth(1).unwrap_or("8000".into());
    let state = token_hex()?;
    let handler = CallbackHandler { state: state.clone(), code: OnceLock::new() };
    let mut server = HttpServer::bind(format!("127.0.0.1:{port}"), handler)?;
    let callback = format!("http://{}/callback", server.server_address());
    println!("Waiting at {callback}");
    let query = [("client_id", "example"), ("redirect_uri", &callback), ("state", &state)];
    println!("Open https://login.example/authorize?{}", urlencode(query));
    server.handle_request()?;
    println!("The code is {}", server.handler().code.get().map_or("None", String::as_str));
    Ok(())
}
