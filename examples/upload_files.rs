//! Takes files into a directory, by PUT and by forms, and serves them.
//!
//! Run: `cargo run --example upload_files -- 8000 /tmp`
//! Try: `curl -F file=@Cargo.toml http://127.0.0.1:8000/` and
//! `curl -T Cargo.toml http://127.0.0.1:8000/`

use std::env;
use std::io;
use std::path::Path;

use socketserver::ThreadingHttpServer;
use socketserver::http::form::{Limits, Multipart, safe_filename};
use socketserver::http::{Exchange, HttpRequestHandler, SimpleHttpRequestHandler};

/// The largest file that is taken.
const LIMIT: u64 = 1 << 30;

struct UploadHandler {
    files: SimpleHttpRequestHandler,
}

impl HttpRequestHandler for UploadHandler {
    fn base(&self) -> &dyn HttpRequestHandler {
        &self.files
    }

    fn do_put(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let path = self.translate_path(http, &http.path);
        let name = path.to_str().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
        if safe_filename(name) != Some(name) || path.is_dir() {
            return http.send_error_with(403, "Not a name for a file");
        }
        if !path.parent().is_some_and(Path::is_dir) {
            return http.send_error_with(409, "No such directory");
        }
        let existed = path.exists();
        http.rfile.save_as(&path, LIMIT)?;
        http.send_response(if existed { 204 } else { 201 })?;
        http.end_headers()
    }

    fn do_post(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let limits = Limits { max_part_bytes: LIMIT, max_bytes: 2 * LIMIT, ..Limits::default() };
        let mut form = Multipart::read(http, limits)?;
        while let Some(mut part) = form.next_part()? {
            let name = part.filename.as_deref().and_then(safe_filename);
            if let Some(path) = name.map(|name| self.files.directory().join(name)) {
                part.save_as(path)?;
            }
        }
        http.send_response(303)?;
        http.send_header("Location", "/")?;
        http.send_header("Content-Length", 0)?;
        http.end_headers()
    }
}

fn main() -> io::Result<()> {
    let port = env::args().nth(1).unwrap_or("8000".into());
    let directory = env::args().nth(2).unwrap_or(".".into());
    let handler = UploadHandler { files: SimpleHttpRequestHandler::new(directory) };
    let mut server = ThreadingHttpServer::bind(format!("127.0.0.1:{port}"), handler)?;
    println!("Taking files on http://{}", server.server_address());
    server.serve_forever()
}
