//! The servers of `tests/forking/`.

use std::io::{self, BufRead, Read, Write};
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::SigSet;
use nix::unistd::{Uid, setuid};
use socketserver::concurrency::{Concurrency, Drain, Job, Placement};
use socketserver::http::{CgiHttpRequestHandler, Exchange, HttpRequestHandler, ProtocolVersion};
use socketserver::transport::StreamTransport;
use socketserver::{
    Address, Connection, Datagram, Forking, ForkingHttpServer, ForkingTcpServer, Handler, Overload,
    Signal, StreamServer, TcpServer, Timeouts, UdpServer, UnixDatagramServer, UnixStreamServer,
};
#[cfg(feature = "tls")]
use socketserver::{TlsServer, transport::TlsBind};

use crate::limits::{LIMIT, MOMENT, free_path};
use crate::{install_logger, read_line, say, serve_prepared};

/// Runs the server of this name.
pub(crate) fn serve(name: &str) {
    install_logger();
    let mut handler = Obedient::default();
    let mut strategy = Forking::default();
    match name {
        "udp" | "udp, one child" | "udp, hasty" | "unix datagrams" => {
            return serve_datagrams(name, handler, strategy);
        }
        "http" => {
            let handler = Http::default();
            return serve_prepared(
                UnixStreamServer::bind_with(free_path(), handler, strategy).unwrap(),
            );
        }
        "http, hasty heads" => {
            let timeouts = Timeouts::default().head(MOMENT * 4);
            let strategy = Forking::default().max_children(2);
            let handler = Http { timeouts };
            return serve_prepared(TcpServer::bind_with("127.0.0.1:0", handler, strategy).unwrap());
        }
        "http, two children" => {
            let strategy = Forking::default().max_children(2);
            let handler = Http::default();
            return serve_prepared(TcpServer::bind_with("127.0.0.1:0", handler, strategy).unwrap());
        }
        "counts" | "counts, two children, refuse" => return serve_counts(name),
        name if name.starts_with("counts, two connections") => return serve_counts(name),
        "plain" | "talkative" | "with another child" | "with a thread" => {}
        "one child" => strategy = Forking::default().max_children(1),
        "impatient" => handler.timeouts = handler.timeouts.idle(MOMENT),
        "short stalls" => handler.timeouts = handler.timeouts.stall(MOMENT),
        "hasty" => {
            let mut server = bind(handler, strategy);
            server.shutdown_timeout = MOMENT;
            return serve_and_report(server);
        }
        "scripts" => return serve_scripts(),
        "with a thread, insisting" => strategy = strategy.allow_threads(true),
        "forks once" => {
            handler.speaks_at_once = true;
            return serve_and_report(wait_for_a_word(bind(handler, ForksOnce::new())));
        }
        "closing" => return serve_one_and_close(bind(handler, strategy)),
        "one by one" => return serve_one_by_one(bind(handler, strategy)),
        "closing at once" => {
            strategy = Forking::default().block_on_close(false);
            return serve_one_and_close(bind(handler, strategy));
        }
        other => panic!("no server is named {other:?}"),
    }
    let server = bind(handler, strategy);
    match name {
        "talkative" => {
            print!("parent;");
            serve_and_report(server);
        }
        "with another child" => serve_with_another_child(server),
        "with a thread" => refuse_with_a_thread(server),
        "with a thread, insisting" => {
            thread::spawn(thread::park);
            serve_and_report(server);
        }
        _ => serve_and_report(server),
    }
}

/// Binds a free port and tells which.
fn bind<C: Concurrency>(handler: Obedient, strategy: C) -> TcpServer<C, Obedient> {
    announced(TcpServer::bind_with("127.0.0.1:0", handler, strategy).unwrap())
}

fn announced<T, C>(mut server: StreamServer<T, C, Obedient>) -> StreamServer<T, C, Obedient>
where
    T: StreamTransport<Address = SocketAddr>,
    C: Concurrency,
{
    server.shutdown_timeout = LIMIT * 2;
    server.shutdown_on_signals(&[Signal::TERM]).unwrap();
    say(&server.server_address().to_string());
    server
}

fn serve_and_report<T, C>(mut server: StreamServer<T, C, Obedient>)
where
    T: StreamTransport,
    C: Concurrency,
{
    server.serve_forever().unwrap();
    let report = server.shutdown_report();
    let turns = server.handler().turns.load(Ordering::SeqCst);
    say(&format!("turns: {turns}"));
    say(&format!("report: {} finished, {} cut", report.finished, report.cut));
}

fn serve_datagrams(name: &str, handler: Obedient, mut strategy: Forking) {
    if name == "udp, one child" {
        strategy = strategy.max_children(1);
    }
    if name == "unix datagrams" {
        let server = UnixDatagramServer::bind_with(free_path(), handler, strategy);
        return serve_prepared(server.unwrap());
    }
    let mut server = UdpServer::bind_with("127.0.0.1:0", handler, strategy).unwrap();
    if name == "udp, hasty" {
        server.shutdown_timeout = MOMENT;
    }
    serve_prepared(server);
}

/// Serves some scripts, in a directory of its own.
fn serve_scripts() {
    let directory = tempfile::tempdir().unwrap();
    let scripts = directory.path().join("cgi-bin");
    std::fs::create_dir(&scripts).unwrap();
    let traps = "trap 'echo INT' INT; kill -INT $$; trap 'echo HUP' HUP; kill -HUP $$";
    let waits = "sleep 60 & echo $!; wait";
    let leaves = "echo done; sleep 20 &";
    let sockets = "ls -l /proc/$$/fd | grep -c socket:";
    let bodies = [("cat", "cat"), ("traps", traps), ("waits", waits), ("leaves", leaves)];
    for (name, body) in bodies.into_iter().chain([("sockets", sockets)]) {
        let text = format!("#!/bin/sh\necho Content-Type: text/plain; echo; {body}\n");
        std::fs::write(scripts.join(name), text).unwrap();
        std::fs::set_permissions(scripts.join(name), PermissionsExt::from_mode(0o755)).unwrap();
    }
    let handler = CgiHttpRequestHandler::new(directory.path()).user(None);
    let handler = Kept(handler);
    let mut server = ForkingHttpServer::bind("127.0.0.1:0", handler).unwrap();
    server.shutdown_timeout = MOMENT;
    serve_prepared(server);
}

fn serve_one_and_close(mut server: ForkingTcpServer<Obedient>) {
    server.handle_request().unwrap();
    assert_eq!(server.strategy().active_children(), 1);
    server.server_close();
    say("closed");
}

/// Each request in a loop of its own, so that its child ends in one of the next.
fn serve_one_by_one(mut server: ForkingTcpServer<Obedient>) {
    for _ in 0..4 {
        server.handle_request().unwrap();
    }
    server.serve_forever().unwrap();
}

fn serve_with_another_child(mut server: ForkingTcpServer<Obedient>) {
    let mut other =
        Command::new(std::env::current_exe().unwrap()).arg("exit with 7").spawn().unwrap();
    server.serve_forever().unwrap();
    say(&format!("other: {}", other.wait().unwrap()));
}

fn refuse_with_a_thread(mut server: ForkingTcpServer<Obedient>) {
    thread::spawn(thread::park);
    say(&format!("serve_forever: {}", server.serve_forever().unwrap_err()));
    say(&format!("handle_request: {}", server.handle_request().unwrap_err()));
}

/// Waits for the client's side to be ready.
fn wait_for_a_word<S>(server: S) -> S {
    io::stdin().lock().read_until(b'\n', &mut Vec::new()).unwrap();
    server
}

/// As the last one; a hangup is told of, and SIGUSR1 shuts down as well.
pub(crate) fn serve_and_hear(kind: &str) {
    if kind != "no logger" {
        install_logger();
    }
    let handler = Obedient::default();
    let mut server = bind(handler, Forking::default());
    server.shutdown_on_signals(&[Signal::INT, Signal::USR1]).unwrap();
    server.watch_signals(&[Signal::HUP]).unwrap();
    if kind == "daemon" {
        become_daemon();
    }
    serve_and_report(server);
}

/// Goes on in a child that leads a session of its own, and ends with the test at the latest.
#[cfg(any(target_os = "linux", target_os = "freebsd", target_os = "netbsd"))]
fn become_daemon() {
    nix::unistd::daemon(true, true).unwrap();
    nix::unistd::alarm::set(4 * LIMIT.as_secs() as u32);
    say(&format!("daemon: {}", std::process::id()));
}

#[cfg(not(any(target_os = "linux", target_os = "freebsd", target_os = "netbsd")))]
fn become_daemon() {}

#[cfg(feature = "tls")]
pub(crate) fn serve_over_tls(certificate: &str) {
    install_logger();
    let (handler, strategy) = (Obedient::default(), Forking::default());
    serve_and_report(announced::<socketserver::transport::Tls, _>(
        TlsServer::bind_with(TlsBind::new("127.0.0.1:0", certificate), handler, strategy).unwrap(),
    ));
}

/// Says so when it is dropped.
struct Telling(&'static str);

impl Drop for Telling {
    fn drop(&mut self) {
        say(self.0);
    }
}

/// Does what the client says.
#[derive(Default)]
struct Obedient {
    timeouts: Timeouts,
    speaks_at_once: bool,
    count: AtomicUsize,
    turns: AtomicUsize,
}

impl Handler for Obedient {
    fn handle(&self, mut connection: Connection) -> io::Result<()> {
        let line = read_line(&mut connection)?;
        let (order, text) = line.split_once(' ').unwrap_or((&line, ""));
        let reply = match order {
            "echo" => text.to_owned(),
            "count" => (self.count.fetch_add(1, Ordering::SeqCst) + 1).to_string(),
            "keep" => {
                writeln!(connection.wfile, "{}", std::process::id())?;
                return connection.park();
            }
            "slow" => {
                writeln!(connection.wfile, "{}", std::process::id())?;
                match read_line(&mut connection)?.as_str() {
                    "go" => "done".to_owned(),
                    "abort" => std::process::abort(),
                    "exit" => std::process::exit(1),
                    "exit well" => std::process::exit(0),
                    // The test is over.
                    _ => return Ok(()),
                }
            }
            "draining" => {
                writeln!(connection.wfile, "{}", connection.is_draining())?;
                read_line(&mut connection)?;
                connection.is_draining().to_string()
            }
            "begin" => {
                let _end = Telling("removed");
                connection.wfile.write_all(b"begun\n")?;
                // The test's client sends nothing, and leaves by its own end alone.
                let count = connection.rfile.read(&mut [0])?;
                return Err(io::Error::other(format!("read {count}")));
            }
            "stuck" => {
                let _end = Telling("removed");
                connection.wfile.write_all(b"begun\n")?;
                loop {
                    thread::sleep(LIMIT);
                }
            }
            "stubborn" => {
                SigSet::all().thread_block()?;
                connection.wfile.write_all(b"begun\n")?;
                read_line(&mut connection)?
            }
            "drop" => {
                drop(connection);
                return io::stdin().lock().read_until(b'\n', &mut Vec::new()).map(drop);
            }
            "flood" => loop {
                connection.wfile.write_all(&[b'x'; 64 * 1024])?;
            },
            "program" => {
                let sockets = "ls -l /proc/$$/fd | grep -c socket:";
                let output = Command::new("sh").args(["-c", sockets]).output()?;
                String::from_utf8_lossy(&output.stdout).trim().to_owned()
            }
            "print" => {
                print!("{text}");
                "printed".to_owned()
            }
            "panic" => {
                // What it says is expected, and would only confuse whoever reads the output.
                std::panic::set_hook(Box::new(|_| {}));
                panic!("as you wish");
            }
            "abort" => std::process::abort(),
            // The client has left.
            "" => return Ok(()),
            other => panic!("what is {other:?}?"),
        };
        writeln!(connection.wfile, "{reply}")
    }

    fn verify_request(&self, _: &Connection, client_address: &Address) -> bool {
        say(&format!("accepted {client_address}"));
        true
    }

    fn handle_error(&self, _: &Address, error: &io::Error) {
        say(&format!("error: {error}"));
    }

    fn handle_signal(&self, signal: Signal) {
        if signal == Signal::HUP {
            say(&format!("news {}", signal.number()));
        }
    }

    fn service_actions(&self) {
        self.turns.fetch_add(1, Ordering::SeqCst);
    }

    fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    fn client_speaks_first(&self) -> bool {
        !self.speaks_at_once
    }
}

impl Handler<Datagram> for Obedient {
    fn handle(&self, datagram: Datagram) -> io::Result<()> {
        let reply = match &*datagram.packet {
            b"who" => std::process::id().to_string(),
            b"count" => (self.count.fetch_add(1, Ordering::SeqCst) + 1).to_string(),
            b"wait" => {
                datagram.reply(b"begun")?;
                io::stdin().lock().read_until(b'\n', &mut Vec::new())?;
                "done".to_owned()
            }
            b"panic" => {
                std::panic::set_hook(Box::new(|_| {}));
                panic!("as you wish");
            }
            b"abort" => std::process::abort(),
            other => panic!("what is {other:?}?"),
        };
        datagram.reply(reply.as_bytes())
    }

    fn handle_error(&self, _: &Address, error: &io::Error) {
        say(&format!("error: {error}"));
    }
}

/// Finds nothing.
#[derive(Default)]
struct Http {
    timeouts: Timeouts,
}

impl HttpRequestHandler for Http {
    fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        http.send_error(404)
    }

    fn log_message(&self, _: &Exchange<'_>, _: std::fmt::Arguments<'_>) {}
}

/// Serves how many connections there are.
fn serve_counts(name: &str) {
    let mut strategy = Forking::default();
    if name.contains("two children") {
        strategy = strategy.max_children(2);
    }
    let mut server = TcpServer::bind_with("127.0.0.1:0", Counts, strategy).unwrap();
    if name.contains("two connections") {
        server.max_connections = 2;
    }
    server.overload = match name.rsplit(", ").next() {
        Some("refuse") => Overload::Refuse,
        Some("wait") => Overload::Wait,
        _ => Overload::Shed,
    };
    serve_prepared(server);
}

/// Answers with the numbers of open and of busy connections, and keeps them.
struct Counts;

impl HttpRequestHandler for Counts {
    fn protocol_version(&self) -> ProtocolVersion {
        ProtocolVersion::Http11
    }

    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let now = http.server.connections();
        let text = format!("{} {}\n", now.open, now.busy);
        http.send_response(200)?;
        http.send_header("Content-Length", text.len())?;
        http.end_headers()?;
        http.wfile.write_all(text.as_bytes())
    }

    fn log_message(&self, _: &Exchange<'_>, _: std::fmt::Arguments<'_>) {}
}

/// Scripts over connections that are kept, without a log.
struct Kept(CgiHttpRequestHandler);

impl HttpRequestHandler for Kept {
    fn base(&self) -> &dyn HttpRequestHandler {
        &self.0
    }

    fn protocol_version(&self) -> ProtocolVersion {
        ProtocolVersion::Http11
    }

    fn log_message(&self, _: &Exchange<'_>, _: std::fmt::Arguments<'_>) {}
}

/// Forking, with a limit of processes that the second child exceeds.
struct ForksOnce {
    forking: Forking,
    calls: usize,
}

impl ForksOnce {
    fn new() -> Self {
        // The limit does not bind the superuser.
        if Uid::effective().is_root() {
            setuid(Uid::from_raw(65_534)).unwrap();
        }
        Self { forking: Forking::default(), calls: 0 }
    }
}

impl Concurrency for ForksOnce {
    fn process_request(&mut self, job: Job) -> io::Result<()> {
        self.calls += 1;
        if self.calls != 2 {
            return self.forking.process_request(job);
        }
        let (soft, hard) = nix::sys::resource::getrlimit(Resource::RLIMIT_NPROC)?;
        setrlimit(Resource::RLIMIT_NPROC, 0, hard)?;
        let result = self.forking.process_request(job);
        setrlimit(Resource::RLIMIT_NPROC, soft, hard)?;
        result
    }

    fn server_activate(&mut self) -> io::Result<()> {
        self.forking.server_activate()
    }

    fn service_actions(&mut self) -> Option<Duration> {
        self.forking.service_actions()
    }

    fn has_room(&self) -> bool {
        self.forking.has_room()
    }

    fn wake_up(&self) -> Option<BorrowedFd<'_>> {
        self.forking.wake_up()
    }

    fn placement(&self) -> Placement {
        self.forking.placement()
    }

    fn active(&self) -> usize {
        self.forking.active()
    }

    fn server_close(&mut self, drain: Drain) -> usize {
        self.forking.server_close(drain)
    }
}
