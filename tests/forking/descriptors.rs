//! Files that a child opens are the program's alone, and what a child asks the server reaches it.

use std::fs::{self, File, OpenOptions};
use std::sync::{Mutex, OnceLock};

use socketserver::{ForkingUnixDatagramServer, Overload, ShutdownHandle};

use super::*;

/// A child that was started while the server stops tells of its connection's end.
pub(super) fn files_of_a_child_that_a_drain_starts_are_its_own() {
    let files = Files::new();
    let mut server = files.serve("one child");
    let mut first = server.connect();
    first.begin_slow();
    let mut second = server.connect();
    second.send("note one\n");
    let mut idle = server.connect();
    server.terminate();
    // The server has begun to stop.
    idle.sees_the_end();
    assert_eq!(first.ask("go"), "done");
    assert_eq!(second.read_line(), "noted");
    second.sees_the_end();
    assert_eq!(server.line_after("report: "), "2 finished, 0 cut");
    files.hold(&["slow", "note one"]);
}

/// So does one that was started while the listener rests.
pub(super) fn files_of_a_child_beside_a_resting_listener_are_its_own() {
    let files = Files::new();
    let mut server = files.serve("four connections");
    let mut clients = [(); 4].map(|()| server.connect());
    server.has_accepted(4);
    let mut waiting = server.connect();
    for client in &mut clients {
        waiting.hears_nothing_for(MOMENT);
        client.send("note one\n");
        assert_eq!(client.read_line(), "noted");
        client.sees_the_end();
    }
    assert_eq!(waiting.ask("note one"), "noted");
    server.terminate();
    server.line_after("report: ");
    files.hold(&["note one"; 5]);
}

pub(super) fn files_of_a_child_that_stops_the_server_are_its_own() {
    let files = Files::new();
    let mut server = files.serve("plain");
    assert_eq!(server.ask("shutdown"), "asked true");
    server.line_after("report: ");
    files.hold(&["shutdown"]);
}

/// Python's `shutdown` in a child of `ForkingMixIn` waits for ever.
pub(super) fn a_child_can_stop_the_server() {
    let files = Files::new();
    let mut server = files.serve("plain");
    let mut slow = server.connect();
    slow.begin_slow();
    let mut idle = server.connect();
    server.has_accepted(2);
    assert_eq!(server.ask("shutdown"), "asked true");
    // As any shutdown: who is idle goes, who is served is finished.
    idle.sees_the_end();
    assert_eq!(slow.ask("go"), "done");
    let report = server.line_after("report: ");
    assert!(report.ends_with(" finished, 0 cut"), "{report}");
    // The process is told in time, before another loop begins; that one serves.
    let mut server = files.serve("twice");
    for _ in 0..2 {
        assert_eq!(server.ask("note one"), "noted");
        assert_eq!(server.ask("shutdown"), "asked true");
        server.line_after("report: ");
    }
}

pub(super) fn a_child_for_a_datagram_can_stop_the_server() {
    for kind in ["udp", "unix datagrams"] {
        let files = Files::new();
        let mut server = files.serve(kind);
        assert_eq!(Datagrams::connect(&server.place).ask("shutdown"), "asked true");
        server.line_after("report: ");
        files.hold(&["shutdown"]);
    }
}

/// One request is served, and the handler asked to stop: the next call returns at once.
pub(super) fn a_child_of_one_request_can_stop_the_server() {
    let files = Files::new();
    let mut server = files.serve("one request");
    assert_eq!(server.ask("shutdown"), "asked true");
    server.line_after("report: ");
}

/// A program may hold jobs back, and start them when the server does something else.
pub(super) fn a_child_that_is_started_later_holds_no_listener() {
    let files = Files::new();
    let mut server = files.serve("later");
    let mut client = server.connect();
    let child = client.begin_slow();
    server.process.kill().unwrap();
    server.process.wait().unwrap();
    assert_eq!(
        TcpStream::connect(server.address).unwrap_err().kind(),
        io::ErrorKind::ConnectionRefused
    );
    assert!(is_running(child));
    assert_eq!(client.ask("go"), "done");
}

pub(super) fn children_that_are_started_as_the_server_closes_hold_no_listener() {
    let files = Files::new();
    let mut server = files.serve("at the end");
    let mut client = server.connect();
    client.send("slow\n");
    server.line_after("report: ");
    let child: i32 = client.read_line().parse().unwrap();
    // The loop has ended without a signal, and left the listener open.
    server.process.kill().unwrap();
    server.process.wait().unwrap();
    assert!(is_running(child));
    assert_eq!(
        TcpStream::connect(server.address).unwrap_err().kind(),
        io::ErrorKind::ConnectionRefused
    );
    assert_eq!(client.ask("go"), "done");
}

pub(super) fn a_strategy_that_forks_where_it_may_not_is_told() {
    let files = Files::new();
    let mut server = files.serve("misplaced");
    for _ in 0..2 {
        let mut client = server.connect();
        client.send("note one\n");
        client.sees_the_end();
        let error = server.line_after("error: ");
        assert!(error.starts_with("refusing to fork: the strategy's placement is not "), "{error}");
    }
}

pub(super) fn children_of_datagrams_hold_no_poller() {
    let server = ServerProcess::start("udp");
    let client = Datagrams::connect(&server.place);
    assert_eq!(client.ask("wait"), "begun");
    let child = children_of(server.pid())[0].parse().unwrap();
    let Some(descriptors) = descriptors_of(child) else { return };
    assert_eq!(polls(&descriptors), polls_of_a_child(), "{descriptors:?}");
}

/// The pollers among these descriptors.
pub(super) fn polls(descriptors: &[String]) -> usize {
    descriptors.iter().filter(|one| one.contains("eventpoll")).count()
}

/// The portable poller cannot be closed without harm to the parent's.
pub(super) fn polls_of_a_child() -> usize {
    usize::from(cfg!(portable_poller))
}

/// Files that children open, on the first request of each.
struct Files {
    directory: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn serve(&self, kind: &str) -> ServerProcess {
        ServerProcess::start(&format!("{PREFIX}{kind}:{}", self.directory.path().display()))
    }

    /// Compares what was written with what is there.
    #[track_caller]
    fn hold(&self, notes: &[&str]) {
        let mut expected: Vec<String> = vec![String::new(); FILES];
        expected[0] = notes.iter().map(|note| format!("{note}\n")).collect();
        let read = |number| fs::read(self.directory.path().join(format!("{number}"))).unwrap();
        let found = (0..FILES).map(read).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }
}

/// So many that they would get the numbers of whatever the child has closed.
const FILES: usize = 24;

/// How the names of these servers begin.
pub(super) const PREFIX: &str = "keeps files, ";

/// Serves by a handler that keeps files open.
pub(super) fn serve(name: &str) {
    let (kind, directory) = name.split_once(':').unwrap();
    let handler = Keeper { directory: directory.into() };
    match kind {
        "one child" => serve_over_tcp(handler, Forking::default().max_children(1), |_| {}),
        "plain" => serve_over_tcp(handler, Forking::default(), |_| {}),
        "misplaced" => serve_over_tcp(handler, Misplaced::default(), |_| {}),
        "at the end" => {
            let mut server =
                TcpServer::bind_with("127.0.0.1:0", handler, AtTheEnd::default()).unwrap();
            server.shutdown_timeout = MOMENT;
            say(&server.server_address().to_string());
            HANDLE.set(server.shutdown_handle()).unwrap();
            server.serve_forever().unwrap();
            say("report: of a loop");
            thread::sleep(LIMIT);
        }
        "later" => serve_over_tcp(handler, Later::default(), |_| {}),
        "four connections" => serve_over_tcp(handler, Forking::default(), |server| {
            server.overload = Overload::Wait;
            server.max_connections = 4;
        }),
        "twice" => {
            let mut server =
                TcpServer::bind_with("127.0.0.1:0", handler, Forking::default()).unwrap();
            say(&server.server_address().to_string());
            for _ in 0..2 {
                server.serve_forever().unwrap();
                say("report: of a loop");
            }
        }
        "one request" => {
            let mut server =
                TcpServer::bind_with("127.0.0.1:0", handler, Forking::default()).unwrap();
            say(&server.server_address().to_string());
            server.handle_request().unwrap();
            server.handle_request().unwrap();
            say("report: two calls");
        }
        "udp" => serve_prepared(
            UdpServer::bind_with("127.0.0.1:0", handler, Forking::default()).unwrap(),
        ),
        "unix datagrams" => {
            serve_prepared(ForkingUnixDatagramServer::bind(free_path(), handler).unwrap());
        }
        other => panic!("what is {other:?}?"),
    }
}

fn serve_over_tcp<C: Concurrency>(
    handler: Keeper,
    strategy: C,
    prepare: impl FnOnce(&mut TcpServer<C, Keeper>),
) {
    let mut server = TcpServer::bind_with("127.0.0.1:0", handler, strategy).unwrap();
    prepare(&mut server);
    serve_prepared(server);
}

/// Opens files in the child, keeps them, and writes into the first one.
struct Keeper {
    directory: PathBuf,
}

impl Keeper {
    fn note(&self, line: &str) {
        static KEPT: OnceLock<Vec<Mutex<File>>> = OnceLock::new();
        let open = |number: usize| {
            let path = self.directory.join(number.to_string());
            Mutex::new(OpenOptions::new().create(true).append(true).open(path).unwrap())
        };
        let kept = KEPT.get_or_init(|| (0..FILES).map(open).collect());
        writeln!(kept[0].lock().unwrap(), "{line}").unwrap();
    }
}

impl Handler for Keeper {
    fn handle(&self, mut connection: Connection) -> io::Result<()> {
        let line = read_line(&mut connection)?;
        if line.is_empty() {
            return Ok(());
        }
        self.note(&line);
        match line.as_str() {
            "slow" => {
                writeln!(connection.wfile, "{}", std::process::id())?;
                read_line(&mut connection)?;
                connection.wfile.write_all(b"done\n")
            }
            "shutdown" => {
                connection.server.shutdown();
                let asked = connection.server.shutdown_handle().is_shutdown_requested();
                writeln!(connection.wfile, "asked {asked}")
            }
            _ => connection.wfile.write_all(b"noted\n"),
        }
    }

    fn verify_request(&self, _: &Connection, client_address: &Address) -> bool {
        say(&format!("accepted {client_address}"));
        true
    }

    fn handle_error(&self, _: &Address, error: &io::Error) {
        say(&format!("error: {error}"));
    }

    fn client_speaks_first(&self) -> bool {
        true
    }
}

impl Handler<Datagram> for Keeper {
    fn handle(&self, datagram: Datagram) -> io::Result<()> {
        self.note(&String::from_utf8_lossy(&datagram.packet));
        datagram.server.shutdown();
        let asked = datagram.server.shutdown_handle().is_shutdown_requested();
        datagram.reply(format!("asked {asked}").as_bytes())
    }
}

/// Forking, but not at once.
#[derive(Default)]
struct Later {
    forking: Forking,
    jobs: Vec<Job>,
}

impl Concurrency for Later {
    fn process_request(&mut self, job: Job) -> io::Result<()> {
        self.jobs.push(job);
        Ok(())
    }

    fn server_activate(&mut self) -> io::Result<()> {
        self.forking.server_activate()
    }

    fn service_actions(&mut self) -> Option<Duration> {
        for job in self.jobs.drain(..) {
            self.forking.process_request(job).unwrap();
        }
        self.forking.service_actions()
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

    fn server_close(&mut self, deadline: Instant) -> usize {
        self.forking.server_close(deadline)
    }
}

/// Forking, when the loop ends, which the first job has it do.
#[derive(Default)]
struct AtTheEnd {
    forking: Forking,
    jobs: Vec<Job>,
}

static HANDLE: OnceLock<ShutdownHandle> = OnceLock::new();

impl Concurrency for AtTheEnd {
    fn process_request(&mut self, job: Job) -> io::Result<()> {
        self.jobs.push(job);
        HANDLE.get().unwrap().shutdown();
        Ok(())
    }

    fn server_activate(&mut self) -> io::Result<()> {
        self.forking.server_activate()
    }

    fn placement(&self) -> Placement {
        self.forking.placement()
    }

    fn server_close(&mut self, _: Instant) -> usize {
        for job in self.jobs.drain(..) {
            self.forking.process_request(job).unwrap();
        }
        0
    }
}

/// Forking, by a strategy that does not say where it runs jobs.
#[derive(Default)]
struct Misplaced(Forking);

impl Concurrency for Misplaced {
    fn process_request(&mut self, job: Job) -> io::Result<()> {
        self.0.process_request(job)
    }
}
