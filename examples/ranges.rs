//! A file of which clients ask for parts, as players of videos do (RFC 9110 section 14).
//!
//! Run: `cargo run --example ranges -- 8000`, or `.. -- 8000 FILE`
//! Try: `curl -i -r 0-99 http://127.0.0.1:8000/`

use std::env;
use std::fs::File;
use std::io;
use std::ops::Range;

use socketserver::ThreadingHttpServer;
use socketserver::http::{Exchange, HttpRequestHandler};

struct RangeHandler {
    path: String,
}

impl HttpRequestHandler for RangeHandler {
    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let file = File::open(&self.path)?;
        let size = file.metadata()?.len();
        let asked = http.headers.get("Range").filter(|_| !http.headers.contains("If-Range"));
        let found = asked.and_then(|value| find_range(value, size));
        let Range { start, end } = found.clone().unwrap_or(0..size);
        if found.is_some() && start >= end {
            http.send_response(416)?;
            http.send_header("Content-Range", format_args!("bytes */{size}"))?;
            http.send_header("Content-Length", 0)?;
            return http.end_headers();
        }
        http.send_response(if found.is_some() { 206 } else { 200 })?;
        if found.is_some() {
            http.send_header("Content-Range", format_args!("bytes {start}-{}/{size}", end - 1))?;
        }
        http.send_header("Accept-Ranges", "bytes")?;
        http.send_header("Content-Type", "application/octet-stream")?;
        http.send_header("Content-Length", end - start)?;
        http.end_headers()?;
        http.wfile.send_file(&file, start, end - start)?;
        Ok(())
    }

    fn do_head(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        self.do_get(http) // What is written as the body is dropped.
    }
}

/// The range that is asked for, which may lie beyond the end; `None` where the whole is to be sent.
fn find_range(value: &str, size: u64) -> Option<Range<u64>> {
    let (first, last) = value.strip_prefix("bytes=")?.split_once('-')?;
    let number = |digits: &str| {
        let is_number = digits.len() <= 18 && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse().ok())?
    };
    match (number(first), number(last)) {
        (None, Some(count)) if first.is_empty() => Some(size.saturating_sub(count)..size),
        (Some(first), None) if last.is_empty() => Some(first..size),
        (Some(first), Some(last)) if first <= last => Some(first..size.min(last + 1)),
        _ => None,
    }
}

fn main() -> io::Result<()> {
    let address = format!("127.0.0.1:{}", env::args().nth(1).unwrap_or("8000".into()));
    let path = env::args().nth(2).unwrap_or("Cargo.toml".into());
    let mut server = ThreadingHttpServer::bind(address, RangeHandler { path })?;
    println!("Serving on http://{}, use <Ctrl-C> to stop", server.server_address());
    server.serve_forever()
}
