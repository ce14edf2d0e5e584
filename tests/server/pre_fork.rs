//! The servers of `tests/pre_fork/`.

use std::io::{self, BufRead, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use socketserver::concurrency::{Concurrency, Job};
use socketserver::http::{
    CgiHttpRequestHandler, Exchange, HttpRequestHandler, ProtocolVersion, RequestHead, Status,
};
use socketserver::{
    Address, Datagram, Forking, Handler, HttpServer, PreFork, PreForkHttpServer, Sequential,
    ShutdownReport, Signal, TcpServer, ThreadPool, UdpServer, handler_fn,
};

use crate::limits::{LIMIT, MOMENT};
use crate::{install_logger, say};

/// Runs the server of this name.
pub(crate) fn serve(kind: &str) {
    if kind != "no logger" {
        install_logger();
    }
    match kind {
        "sequential" => serve_in(3, Sequential),
        "threads" | "hasty" => serve_in_with(3, ThreadPool::default(), kind),
        "stuck" => serve_in_with(3, Sequential, kind),
        "forks" | "hasty forks" => serve_in_with(3, Forking::default(), kind),
        "one" | "no logger" => serve_in(1, Sequential),
        "starving" => serve_in_with(1, Sequential, kind),
        "scripts" => serve_scripts(ThreadPool::default()),
        "scripts one by one" => serve_scripts(Sequential),
        "scripts of children" => serve_scripts(Forking::default()),
        "no processes" => serve_in(0, ThreadPool::default()),
        "streams on threads" => serve_streams(ThreadPool::default()),
        "streams of children" => serve_streams(Forking::default()),
        "streams one by one" => serve_streams(Sequential),
        "cannot start" => serve_in(3, Unable::Fails),
        "crashes at start" => serve_in(3, Unable::Crashes),
        "crashes later" => serve_in(1, Unable::CrashesLater),
        "hangs at start" => serve_in_with(1, Unable::Hangs, kind),
        "hangs later" => serve_in_with(1, Unable::HangsLater, kind),
        "completed" => report(completed(|handler| {
            handler.pid.get_or_init(std::process::id);
            Ok(())
        })),
        "not completed" => report(completed(|_| Err(io::Error::other("no database")))),
        "with a thread" => {
            thread::spawn(|| io::stdin().lock().read_until(b'\n', &mut Vec::new()));
            serve_in(1, Sequential);
        }
        "one request" => {
            let handler = Obedient { starves: false, is_stuck: false };
            let server = HttpServer::bind("127.0.0.1:0", handler).unwrap();
            let mut server = PreFork::new(server);
            say(&server.server_address().to_string());
            server.handle_request().unwrap();
            say("served");
        }
        "packets" => {
            let who = handler_fn(|mut datagram: Datagram| {
                write!(datagram.wfile, "{}", std::process::id())
            });
            let server = UdpServer::bind_with("127.0.0.1:0", who, Sequential).unwrap();
            say(&server.server_address().to_string());
            PreFork::new(server).processes(3).serve_forever().unwrap();
        }
        other => panic!("what is {other:?}?"),
    }
}

fn serve_in(processes: usize, strategy: impl Concurrency) {
    serve_in_with(processes, strategy, "");
}

fn serve_in_with(processes: usize, strategy: impl Concurrency, kind: &str) {
    let handler = Obedient { starves: kind == "starving", is_stuck: kind == "stuck" };
    let mut server = TcpServer::bind_with("127.0.0.1:0", handler, strategy).unwrap();
    server.shutdown_on_signals(&[Signal::INT, Signal::TERM]).unwrap();
    if matches!(kind, "hasty" | "stuck" | "hasty forks" | "hangs later") {
        server.shutdown_timeout = MOMENT;
    }
    say(&server.server_address().to_string());
    if processes > 0 {
        return report(PreFork::new(server).processes(processes));
    }
    let ended = server.serve_forever();
    say_end(ended, server.shutdown_report());
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
    let server = TcpServer::bind_with("127.0.0.1:0", handler, strategy).unwrap();
    let mut server = PreFork::new(server).processes(1);
    server.shutdown_on_signals(&[Signal::TERM]).unwrap();
    server.shutdown_timeout = MOMENT;
    say(&server.server_address().to_string());
    report(server);
}

/// Serves streams that have no end by themselves, and does not wait for them.
fn serve_streams(strategy: impl Concurrency) {
    let server = TcpServer::bind_with("127.0.0.1:0", Streams, strategy).unwrap();
    let mut server = PreFork::new(server).processes(2);
    server.shutdown_on_signals(&[Signal::TERM]).unwrap();
    server.shutdown_timeout = LIMIT * 2;
    server.daemon_threads = true;
    say(&server.server_address().to_string());
    report(server);
}

struct Streams;

impl HttpRequestHandler for Streams {
    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        if http.path == "/stop" {
            http.server.shutdown();
        }
        http.send_response(200)?;
        http.end_headers()?;
        while http.path == "/stream" || http.path == "/polite" && !http.is_draining() {
            http.wfile.write_all(b"picture\n")?;
            thread::sleep(MOMENT / 10);
        }
        Ok(())
    }

    fn log_request(&self, _: &Exchange<'_>, _: Status, _: Option<u64>) {}

    fn handle_error(&self, _: &Address, _: &io::Error) {}
}

fn report<C: Concurrency, H: Handler>(mut server: PreFork<TcpServer<C, H>>) {
    let ended = server.serve_forever();
    say_end(ended, server.shutdown_report());
}

fn say_end(ended: io::Result<()>, report: ShutdownReport) {
    match ended {
        Ok(()) => say(&format!("report {} {}", report.finished, report.cut)),
        Err(error) => say(&format!("failed: {error}")),
    }
}

/// Around a handler that is complete in the processes alone.
fn completed(
    complete: fn(&Completed) -> io::Result<()>,
) -> PreFork<TcpServer<ThreadPool, Completed>> {
    let server = PreForkHttpServer::bind("127.0.0.1:0", Completed::default()).unwrap();
    let mut server = server.processes(3).post_fork(complete);
    server.shutdown_on_signals(&[Signal::TERM]).unwrap();
    say(&server.server_address().to_string());
    server
}

#[derive(Default)]
struct Completed {
    pid: OnceLock<u32>,
}

impl HttpRequestHandler for Completed {
    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        http.send_response(200)?;
        http.end_headers()?;
        write!(http.wfile, "{:?}", self.pid.get())
    }

    fn log_request(&self, _: &Exchange<'_>, _: Status, _: Option<u64>) {}
}

struct Obedient {
    /// Each signal takes the descriptors that are left away from its process, or gives them back.
    starves: bool,
    /// It neither waits for its client nor writes.
    is_stuck: bool,
}

impl HttpRequestHandler for Obedient {
    fn protocol_version(&self) -> ProtocolVersion {
        ProtocolVersion::Http11
    }

    /// A client says by a body when a slow request is to end.
    fn body_buffer_size(&self, _: &RequestHead<'_>) -> usize {
        0
    }

    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let mut said = std::process::id().to_string();
        match http.path.as_str() {
            "/most" => said = format!("{:?}", http.server.max_workers()),
            "/slow" => {
                http.send_response(200)?;
                http.end_headers()?;
                http.wfile.write_all(format!("{said}\n").as_bytes())?;
                if self.is_stuck {
                    thread::sleep(LIMIT * 10);
                }
                let mut word = [0; 2];
                http.rfile.read_exact(&mut word)?;
                return http.wfile.write_all(b"done");
            }
            "/abort" => std::process::abort(),
            "/shutdown" => http.server.shutdown(),
            _ => {}
        }
        http.send_response(200)?;
        http.send_header("Content-Length", said.len())?;
        http.end_headers()?;
        http.wfile.write_all(said.as_bytes())
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
    Hangs,
    /// Hangs after the first signal.
    HangsLater,
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
            Self::HangsLater if has_heard == 0 => Ok(()),
            Self::Crashes | Self::CrashesLater => std::process::abort(),
            Self::Hangs | Self::HangsLater => loop {
                thread::park();
            },
        }
    }
}
