//! Counts its responses and tells Prometheus.
//!
//! Run: `cargo run --example metrics_endpoint -- 8000`
//! Try: `curl http://127.0.0.1:8000/`, then `curl http://127.0.0.1:8000/metrics`

use std::collections::BTreeMap;
use std::env;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use socketserver::ThreadingHttpServer;
use socketserver::http::{BaseHttpRequestHandler, Exchange, HttpRequestHandler, Status};

#[derive(Default)]
struct AppHandler {
    responses: Mutex<BTreeMap<u16, u64>>,
}

impl AppHandler {
    fn responses(&self) -> MutexGuard<'_, BTreeMap<u16, u64>> {
        self.responses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send_text(&self, http: &mut Exchange<'_>, kind: &str, text: &str) -> io::Result<()> {
        http.send_response(200)?;
        http.send_header("Content-Type", kind)?;
        http.end_headers()?;
        http.wfile.write_all(text.as_bytes())
    }

    fn metrics(&self) -> String {
        let mut lines = vec![
            "# HELP http_responses_total Responses sent, by status.".to_owned(),
            "# TYPE http_responses_total counter".to_owned(),
        ];
        for (code, count) in self.responses().iter() {
            lines.push(format!("http_responses_total{{code=\"{code}\"}} {count}"));
        }
        lines.join("\n") + "\n"
    }
}

impl HttpRequestHandler for AppHandler {
    fn log_request(&self, http: &Exchange<'_>, code: Status, size: Option<u64>) {
        *self.responses().entry(code.code()).or_default() += 1;
        BaseHttpRequestHandler.log_request(http, code, size);
    }

    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        match http.path.as_str() {
            "/metrics" => {
                self.send_text(http, "text/plain; version=0.0.4; charset=utf-8", &self.metrics())
            }
            "/" => self.send_text(http, "text/plain", "Hello, world!\n"),
            _ => http.send_error(404),
        }
    }
}

fn main() -> io::Result<()> {
    let address = format!("127.0.0.1:{}", env::args().nth(1).unwrap_or("8000".into()));
    let mut server = ThreadingHttpServer::bind(address, AppHandler::default())?;
    println!("Serving on http://{}", server.server_address());
    server.serve_forever()
}
