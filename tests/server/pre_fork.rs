//! The servers of `tests/pre_fork/`.

use std::io::{self, BufRead, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use socketserver::concurrency::{Concurrency, Job};
use socketserver::http::{
    CgiHttpRequestHandler, Exchange, HttpRequestHandler, ProtocolVersion, Status,
};
use socketserver::{
    Datagram, Forking, Handler, PreFork, Sequential, Signal, TcpServer, ThreadPool, UdpServer,
    handler_fn,
};

use crate::limits::MOMENT;
use crate::{install_logger, say};

/// Runs the server of this name.
pub(crate) fn serve(kind: &str) {
    if kind != "no logger" {
        install_logger();
    }
    match kind {
        "sequential" => serve_in(PreFork::new(3, Sequential)),
        "threads" | "hasty" => serve_in_with(PreFork::new(3, ThreadPool::default()), kind),
        "stuck" => serve_in_with(PreFork::new(3, Sequential), kind),
        "forks" => serve_in(PreFork::new(3, Forking::default())),
        "one" | "no logger" => serve_in(PreFork::new(1, Sequential)),
        "starving" => serve_in_with(PreFork::new(1, Sequential), kind),
        "scripts" => serve_scripts(ThreadPool::default()),
        "scripts one by one" => serve_scripts(Sequential),
        "scripts of children" => serve_scripts(Forking::default()),
        "no processes" => serve_in(ThreadPool::default()),
        "cannot start" => serve_in(PreFork::new(3, Unable::Fails)),
        "crashes at start" => serve_in(PreFork::new(3, Unable::Crashes)),
        "crashes later" => serve_in(PreFork::new(1, Unable::CrashesLater)),
        "with a thread" => {
            thread::spawn(|| io::stdin().lock().read_until(b'\n', &mut Vec::new()));
            serve_in(PreFork::new(1, Sequential));
        }
        "one request" => {
            let strategy = PreFork::new(3, Sequential);
            let handler = Obedient { starves: false };
            let mut server = TcpServer::bind_with("127.0.0.1:0", handler, strategy).unwrap();
            say(&server.server_address().to_string());
            server.handle_request().unwrap();
            say("served");
        }
        "packets" => {
            let who = handler_fn(|mut datagram: Datagram| {
                write!(datagram.wfile, "{}", std::process::id())
            });
            let strategy = PreFork::new(3, Sequential);
            let mut server = UdpServer::bind_with("127.0.0.1:0", who, strategy).unwrap();
            say(&server.server_address().to_string());
            server.serve_forever().unwrap();
        }
        other => panic!("what is {other:?}?"),
    }
}

fn serve_in(strategy: impl Concurrency) {
    serve_in_with(strategy, "");
}

fn serve_in_with(strategy: impl Concurrency, kind: &str) {
    let handler = Obedient { starves: kind == "starving" };
    let mut server = TcpServer::bind_with("127.0.0.1:0", handler, strategy).unwrap();
    server.shutdown_on_signals(&[Signal::INT, Signal::TERM]).unwrap();
    if matches!(kind, "hasty" | "stuck") {
        server.shutdown_timeout = MOMENT;
    }
    say(&server.server_address().to_string());
    report(&mut server);
}

/// Serves a script that waits, as does what it has started. Both have to be killed.
fn serve_scripts(strategy: impl Concurrency) {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("cgi-bin/waits");
    std::fs::create_dir(script.parent().unwrap()).unwrap();
    let waits = "sleep 60 & echo $!; wait; sleep 60";
    let text =
        format!("#!/bin/sh\ntrap '' TERM; echo Content-Type: text/plain; echo; echo $$; {waits}\n");
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    let handler = CgiHttpRequestHandler::new(directory.path()).user(None);
    let strategy = PreFork::new(1, strategy);
    let mut server = TcpServer::bind_with("127.0.0.1:0", handler, strategy).unwrap();
    server.shutdown_on_signals(&[Signal::TERM]).unwrap();
    server.shutdown_timeout = MOMENT;
    say(&server.server_address().to_string());
    report(&mut server);
}

fn report<C: Concurrency, H: Handler>(server: &mut TcpServer<C, H>) {
    match server.serve_forever() {
        Ok(()) => {
            let report = server.shutdown_report();
            say(&format!("report {} {}", report.finished, report.cut));
        }
        Err(error) => say(&format!("failed: {error}")),
    }
}

struct Obedient {
    /// Each signal takes the descriptors that are left away from its process, or gives them back.
    starves: bool,
}

impl HttpRequestHandler for Obedient {
    fn protocol_version(&self) -> ProtocolVersion {
        ProtocolVersion::Http11
    }

    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let pid = std::process::id().to_string();
        match http.path.as_str() {
            "/slow" => {
                http.send_response(200)?;
                http.end_headers()?;
                http.wfile.write_all(format!("{pid}\n").as_bytes())?;
                let mut word = [0; 2];
                http.rfile.read_exact(&mut word)?;
                return http.wfile.write_all(b"done");
            }
            "/abort" => std::process::abort(),
            "/shutdown" => http.server.shutdown(),
            _ => {}
        }
        http.send_response(200)?;
        http.send_header("Content-Length", pid.len())?;
        http.end_headers()?;
        http.wfile.write_all(pid.as_bytes())
    }

    fn log_request(&self, _: &Exchange<'_>, _: Status, _: Option<u64>) {}

    fn handle_signal(&self, signal: Signal) {
        HEARD.fetch_add(1, Ordering::Relaxed);
        if self.starves {
            let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
            // Standard streams alone, and then all again.
            let soft = if soft == 3 { hard } else { 3 };
            setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
        }
        say(&format!("signal {}", signal.number()));
    }
}

/// Signals that the supervisor has heard of.
static HEARD: AtomicUsize = AtomicUsize::new(0);

/// Fails to start in a process that serves, or crashes there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unable {
    Fails,
    Crashes,
    /// Crashes after the first signal and before the second one.
    CrashesLater,
}

impl Concurrency for Unable {
    fn process_request(&mut self, job: Job) -> io::Result<()> {
        job.run();
        Ok(())
    }

    fn server_activate(&mut self) -> io::Result<()> {
        let has_heard = HEARD.load(Ordering::Relaxed);
        match self {
            Self::Fails => Err(io::Error::other("no threads left")),
            Self::CrashesLater if has_heard != 1 => Ok(()),
            Self::Crashes | Self::CrashesLater => std::process::abort(),
        }
    }
}
