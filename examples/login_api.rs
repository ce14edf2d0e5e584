//! A JSON API with a login, on two ports, whose handlers update an object outside of them.
//!
//! Run: `cargo run --example login_api -- 8000`, which serves on 8000 and 8001
//! Try: `curl -d '{"username": "ada", "ip": "10.0.0.1"}' http://127.0.0.1:8000/north/login`

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::{env, thread};

use serde_json::{Map, Value, json};
use socketserver::ThreadingHttpServer;
use socketserver::http::url::urlparse;
use socketserver::http::{Exchange, HttpRequestHandler};

/// Servers that are known at most.
const MOST_SERVERS: usize = 1000;

#[derive(Default)]
struct SubSystem {
    north_server_info: Mutex<HashMap<String, Value>>,
}

impl SubSystem {
    fn update_north_server_info(&self, data: Value) -> io::Result<()> {
        let ip = data["ip"].as_str().unwrap_or("unknown").to_owned();
        let info = self.north_server_info.lock();
        let mut info = info.unwrap_or_else(PoisonError::into_inner);
        if info.len() >= MOST_SERVERS && !info.contains_key(&ip) {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "too many servers"));
        }
        info.insert(ip, data);
        println!("north servers known: {}", info.len());
        Ok(())
    }
}

struct MyHttpRequestHandler {
    subsystem: Arc<SubSystem>,
}

impl MyHttpRequestHandler {
    fn send(&self, http: &mut Exchange<'_>, code: u16, kind: &str, body: &str) -> io::Result<()> {
        http.send_response(code)?;
        http.send_header("Content-Type", format_args!("{kind}; charset=utf-8"))?;
        http.send_header("Cache-Control", "no-store")?;
        http.end_headers()?;
        http.wfile.write_all(body.as_bytes())
    }

    fn handle_home(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        self.send(http, 200, "text/html", "<h1>Home page</h1>\n")
    }

    fn handle_404(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        self.send(http, 404, "text/html", "<h1>404 Not Found</h1>\n")
    }

    fn handle_login(&self, http: &mut Exchange<'_>, login_req_data: &[u8]) -> io::Result<()> {
        let (status, code, token, description) = match self.login(login_req_data) {
            Ok(token) => (200, 0, token, "success".to_owned()),
            Err(error) => {
                let is_full = error.kind() == io::ErrorKind::StorageFull;
                (if is_full { 507 } else { 500 }, 1, String::new(), error.to_string())
            }
        };
        let response = json!({"code": code, "token": token, "description": description});
        self.send(http, status, "application/json", &response.to_string())
    }

    fn login(&self, login_req_data: &[u8]) -> io::Result<String> {
        let data: Map<String, Value> = serde_json::from_slice(login_req_data)?;
        self.subsystem.update_north_server_info(data.into())?;
        let mut token = [0; 16];
        File::open("/dev/urandom")?.read_exact(&mut token)?;
        Ok(format!("{:032x}", u128::from_ne_bytes(token)))
    }
}

impl HttpRequestHandler for MyHttpRequestHandler {
    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        match urlparse(&http.path)?.path.as_str() {
            "/" => self.handle_home(http),
            _ => self.handle_404(http),
        }
    }

    fn do_post(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let post_data = http.rfile.read_all(1 << 16)?;
        match urlparse(&http.path)?.path.as_str() {
            "/" => self.handle_home(http),
            "/north/login" => self.handle_login(http, &post_data),
            _ => self.handle_404(http),
        }
    }
}

fn main() -> io::Result<()> {
    let port = env::args().nth(1).unwrap_or("8000".into());
    let mut port: u16 = port.parse().map_err(io::Error::other)?;
    let mut threads = Vec::new();
    for _ in 0..2 {
        let subsystem = Arc::new(SubSystem::default());
        let handler = MyHttpRequestHandler { subsystem };
        let mut server = ThreadingHttpServer::bind(("127.0.0.1", port), handler)?;
        println!("Serving on http://{}", server.server_address());
        threads.push(thread::spawn(move || server.serve_forever()));
        port = port.saturating_add(port.min(1)); // 0 asks for any free port, twice.
    }
    let mut threads = threads.into_iter();
    threads.try_for_each(|thread| thread.join().expect("the server does not panic"))
}
