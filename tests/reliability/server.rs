//! The server's side.

use std::io::{self, Read, Write};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Uid, setuid};
use socketserver::concurrency::Concurrency;
use socketserver::http::{Exchange, HttpRequestHandler, ProtocolVersion, RequestHead, Status};
use socketserver::{Forking, Overload, PreFork, Signal, TcpServer, ThreadPool};

struct Plain {
    logs: bool,
}

impl HttpRequestHandler for Plain {
    fn protocol_version(&self) -> ProtocolVersion {
        ProtocolVersion::Http11
    }

    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        match http.path.as_str() {
            "/big" => answer(http, &[b'x'; BIG]),
            // What no process with a limit has. The allocation is looked at, so that it is made.
            "/hog" => answer(http, &vec![1; 1 << 30][..1]),
            _ => answer(http, b"ok"),
        }
    }

    fn body_buffer_size(&self, head: &RequestHead<'_>) -> usize {
        if head.path == "/waiting" { 0 } else { self.base().body_buffer_size(head) }
    }

    fn do_post(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let mut body = Vec::new();
        http.rfile.read_to_end(&mut body)?;
        answer(http, b"ok")
    }

    fn log_request(&self, http: &Exchange<'_>, code: Status, size: Option<u64>) {
        if self.logs {
            self.base().log_request(http, code, size);
        }
    }
}

fn answer(http: &mut Exchange<'_>, body: &[u8]) -> io::Result<()> {
    http.send_response(200)?;
    http.send_header("Content-Length", body.len())?;
    http.end_headers()?;
    http.wfile.write_all(body)
}

/// Serves until it is told to stop, says its address first and at the end what became of the rest.
pub(crate) fn serve(kind: &str) {
    // A crash that is asked for need not leave its memory behind.
    setrlimit(Resource::RLIMIT_CORE, 0, 0).unwrap();
    let pool = ThreadPool::default;
    match kind {
        "descriptors" => {
            lower(Resource::RLIMIT_NOFILE, 64);
            run(pool(), kind);
        }
        "few threads" | "no threads" | "few forks" => {
            // The limit does not bind the superuser.
            setuid(Uid::from_raw(100_000 + std::process::id())).unwrap();
            lower(Resource::RLIMIT_NPROC, if kind == "no threads" { 1 } else { 4 });
            if kind == "few forks" { run(Forking::default(), kind) } else { run(pool(), kind) }
        }
        "memory" => {
            lower(Resource::RLIMIT_AS, 512 << 20);
            run_in(2, ThreadPool::default().max_threads(4), kind);
        }
        "forks" => run(Forking::default(), kind),
        "64 threads" => run(ThreadPool::default().max_threads(64), kind),
        "preforked" => run_in(3, pool(), kind),
        _ => run(pool(), kind),
    }
}

fn lower(resource: Resource, limit: u64) {
    let (_, hard) = getrlimit(resource).unwrap();
    setrlimit(resource, limit, hard).unwrap();
}

fn run(strategy: impl Concurrency, kind: &str) {
    run_in(0, strategy, kind);
}

/// Serves in so many processes, or without any.
fn run_in(processes: usize, strategy: impl Concurrency, kind: &str) {
    let handler = Plain { logs: kind == "logs" };
    let mut server = TcpServer::bind_with("127.0.0.1:0", handler, strategy).unwrap();
    server.shutdown_on_signals(&[Signal::INT, Signal::TERM]).unwrap();
    let overload = match kind {
        "wait" => Some(Overload::Wait),
        "refuse" => Some(Overload::Refuse),
        "shed" => Some(Overload::Shed),
        _ => None,
    };
    if let Some(overload) = overload {
        (server.max_connections, server.overload) = (50, overload);
    }
    if kind == "descriptors" {
        // Otherwise the bound on connections keeps descriptors free, and they never run out.
        server.max_connections = usize::MAX;
    }
    println!("{}", server.server_address());
    let report = if processes > 0 {
        let mut server = PreFork::new(server).processes(processes);
        server.serve_forever().unwrap();
        server.shutdown_report()
    } else {
        server.serve_forever().unwrap();
        server.shutdown_report()
    };
    println!("finished {} cut {}", report.finished, report.cut);
}

/// More than the kernel takes off a handler's hands.
const BIG: usize = 16 << 20;
