//! The numbers as Prometheus reads them: its text format, version 0.0.4.

use std::fmt::{Display, Write};

use super::counters::Counters;
use crate::server_info::ServerInfo;

/// The page's content type.
pub(super) const TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All numbers of now.
pub(super) fn of(counters: &Counters, server: &ServerInfo, draining: bool) -> String {
    let mut page = Page { text: String::with_capacity(4096) };
    page.requests(counters);
    page.durations(counters);
    let name = "socketserver_http_response_body_bytes_total";
    page.family(name, "counter", "Bytes of response bodies, without framing.");
    page.sample(name, "", counters.bytes());
    page.server(server, draining);
    page.text
}

struct Page {
    text: String,
}

impl Page {
    fn requests(&mut self, counters: &Counters) {
        let name = "socketserver_http_requests_total";
        self.family(name, "counter", "Requests by method and status code.");
        for (method, code, count) in counters.requests() {
            self.sample(name, &format!("{{method=\"{method}\",code=\"{code}\"}}"), count);
        }
    }

    fn durations(&mut self, counters: &Counters) {
        let name = "socketserver_http_request_duration_seconds";
        let what = "Time from the end of a request's head to the end of its response.";
        self.family(name, "histogram", what);
        let mut all = 0;
        for (bound, count) in counters.durations() {
            let bound = bound.map_or("+Inf".to_owned(), |micros| seconds(micros).to_string());
            self.sample(name, &format!("_bucket{{le=\"{bound}\"}}"), count);
            all = count;
        }
        self.sample(name, "_sum", counters.duration().as_secs_f64());
        self.sample(name, "_count", all);
    }

    fn server(&mut self, server: &ServerInfo, draining: bool) {
        let connections = server.connections();
        self.gauge("socketserver_open_connections", "Open connections.", connections.open);
        let name = "socketserver_connections";
        self.family(name, "gauge", "Open connections that wait for their client or are served.");
        self.sample(name, "{state=\"idle\"}", connections.idle);
        self.sample(name, "{state=\"busy\"}", connections.busy);
        let queue = "Connections that wait for a worker.";
        self.gauge("socketserver_queue_length", queue, connections.waiting);
        let workers = "Threads or processes that run requests.";
        self.gauge("socketserver_workers", workers, server.worker_count());
        let what = "1 while the server is being stopped.";
        self.gauge("socketserver_draining", what, u8::from(draining));
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, "", value);
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"));
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        self.line(format_args!("{name}{labels} {value}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "{line}");
    }
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}
