//! Takes files into a directory, by PUT and by forms, and serves them: what
//! `SimpleHttpRequestHandler::uploads` does, by hand.
//!
//! Run: `cargo run --example upload_files -- 8000 /tmp`
//! Try: `curl -F file=@Cargo.toml http://127.0.0.1:8000/` and
//! `curl -T Cargo.toml http://127.0.0.1:8000/`

use std::env;
use std::io;
use std::path::Path;

use socketserver::http::form::{FormLimits, Multipart, safe_filename};
use socketserver::http::{Exchange, HttpRequestHandler, SimpleHttpRequestHandler};
use socketserver::{Signal, ThreadingHttpServer};

/// The largest file that is taken.
const LIMIT: u64 = 1 << 30;

struct UploadHandler {
    files: SimpleHttpRequestHandler,
}

impl UploadHandler {
    /// Tells whether every name below the directory is one for a file; none begins with a dot.
    fn has_safe_names(&self, path: &Path) -> bool {
        let below = path.strip_prefix(self.files.directory()).ok().and_then(Path::to_str);
        below.is_some_and(|below| below.split('/').all(|name| safe_filename(name) == Some(name)))
    }

    /// Tells whether a directory is there and not outside, wherever links lead.
    fn contains(&self, directory: &Path) -> bool {
        let root = self.files.directory().canonicalize();
        let found = directory.canonicalize();
        found.is_ok_and(|found| found.is_dir() && root.is_ok_and(|root| found.starts_with(root)))
    }
}

impl HttpRequestHandler for UploadHandler {
    fn base(&self) -> &dyn HttpRequestHandler {
        &self.files
    }

    fn do_put(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        // The target of OPTIONS for the server as a whole, and no path (RFC 9112 section 3.2.4).
        if http.path == "*" {
            return http.send_error(400);
        }
        let path = self.files.translate_path(http, &http.path);
        if !self.has_safe_names(&path) || names_a_directory(&path) {
            return http.send_error_with(403, "Not a name for a file");
        }
        if !path.parent().is_some_and(|parent| self.contains(parent)) {
            return http.send_error_with(409, "No such directory");
        }
        // No body at all is not an empty one: it would replace the file by nothing.
        if !["Content-Length", "Transfer-Encoding"].iter().any(|it| http.headers.contains(it)) {
            return http.send_error(411);
        }
        let existed = path.symlink_metadata().is_ok();
        // Refuses what is only a part of a file: a PUT with Content-Range.
        http.rfile.save_as(&path, LIMIT)?;
        http.send_response(if existed { 204 } else { 201 })?;
        http.end_headers()
    }

    fn do_post(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let limits = FormLimits::default().max_part_bytes(LIMIT).max_bytes(2 * LIMIT);
        let mut form = Multipart::read(http, limits)?;
        while let Some(mut part) = form.next_part()? {
            let name = part.filename.as_deref().and_then(safe_filename);
            let Some(name) = name else { continue };
            let path = self.files.directory().join(name);
            if names_a_directory(&path) {
                return http.send_error_with(403, "Not a name for a file");
            }
            part.save_as(path)?;
        }
        http.send_response(303)?;
        http.send_header("Location", "/")?;
        http.send_header("Content-Length", 0)?;
        http.end_headers()
    }
}

fn names_a_directory(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b"/") || path.is_dir()
}

fn main() -> io::Result<()> {
    let port = env::args().nth(1).unwrap_or("8000".into());
    let directory = env::args().nth(2).unwrap_or(".".into());
    // Files that are still arriving have hidden names.
    let files = SimpleHttpRequestHandler::new(directory).confined().hiding_dot_files();
    let handler = UploadHandler { files };
    let mut server = ThreadingHttpServer::bind(format!("127.0.0.1:{port}"), handler)?;
    // Files that are arriving are waited for, or removed.
    server.shutdown_on_signals(&[Signal::INT, Signal::TERM])?;
    println!("Taking files on http://{}", server.server_address());
    server.serve_forever()
}
