//! Lists the fields and the uploaded files of a form: PyMOTW's `PostHandler`.
//!
//! Run: `cargo run --example post_form -- 8080`
//! Try: `curl http://127.0.0.1:8080/ -F name=dhellmann -F foo=bar -F datafile=@Cargo.toml`

use std::env;
use std::io::{self, Write};

use socketserver::HttpServer;
use socketserver::http::form::FieldStorage;
use socketserver::http::{Exchange, HttpRequestHandler};

struct PostHandler;

impl HttpRequestHandler for PostHandler {
    fn do_post(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        // Parse the form data posted
        let form = FieldStorage::read(http)?;

        // Begin the response
        http.send_response(200)?;
        http.send_header("Content-Type", "text/plain; charset=utf-8")?;
        http.end_headers()?;
        writeln!(http.wfile, "Client: {:?}", http.client_address)?;
        writeln!(http.wfile, "Path: {}", http.path)?;
        writeln!(http.wfile, "Form data:")?;

        // Echo back information about what was posted in the form
        for field in form.keys() {
            let field_item = &form[field];
            if field_item.is_file() {
                // The field contains an uploaded file
                let file_len = field_item.file().len();
                writeln!(http.wfile, "\tUploaded {field} ({file_len} bytes)")?;
            } else {
                // Regular form value
                writeln!(http.wfile, "\t{field}={}", field_item.value().unwrap_or_default())?;
            }
        }
        Ok(())
    }
}

fn main() -> io::Result<()> {
    let port = env::args().nth(1).unwrap_or("8080".into());
    let mut server = HttpServer::bind(format!("127.0.0.1:{port}"), PostHandler)?;
    let address = server.server_address();
    println!("Starting server on http://{address}, use <Ctrl-C> to stop");
    server.serve_forever()
}
