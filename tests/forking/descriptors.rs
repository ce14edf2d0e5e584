//! Files that a child opens are the program's alone, and what a child asks the server reaches it.

use std::fs;
use std::io;
use std::net::TcpStream;

use socketserver::transport::{Tcp, Transport};

use super::*;

#[test]
fn children_hold_neither_listener_nor_poller() {
    let server = start("plain");
    let mut client = server.connect();
    let child = client.begin_slow();
    let (Some(parents), Some(childs)) = (descriptors_of(server.pid()), descriptors_of(child))
    else {
        println!("(this system does not show descriptors)");
        return;
    };
    assert_eq!(descriptors::polls(&parents), 1);
    assert_eq!(descriptors::polls(&childs), descriptors::polls_of_a_child());
    let missing = parents.iter().filter(|one| !childs.contains(one));
    let sockets = missing.filter(|one| one.starts_with("socket:")).count();
    assert_eq!(sockets, 4, "the listener, its spare, and the ends that lead to the server");
}

#[test]
fn a_child_that_outlives_its_server_leaves_the_port() {
    let mut server = start("plain");
    let mut client = server.connect();
    client.begin_slow();
    server.process.kill().unwrap();
    server.process.wait().unwrap();
    let error = TcpStream::connect(server.address).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    Tcp::bind(server.address).unwrap();
    assert_eq!(client.ask("go"), "done");
    client.sees_the_end();
}

/// A child that was started while the server stops tells of its connection's end.
#[test]
fn files_of_a_child_that_a_drain_starts_are_its_own() {
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
#[test]
fn files_of_a_child_beside_a_resting_listener_are_its_own() {
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

#[test]
fn files_of_a_child_that_stops_the_server_are_its_own() {
    let files = Files::new();
    let mut server = files.serve("plain");
    assert_eq!(server.ask("shutdown"), "asked true");
    server.line_after("report: ");
    files.hold(&["shutdown"]);
}

/// Python's `shutdown` in a child of `ForkingMixIn` waits for ever.
#[test]
fn a_child_can_stop_the_server() {
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

#[test]
fn a_child_for_a_datagram_can_stop_the_server() {
    for kind in ["udp", "unix datagrams"] {
        let files = Files::new();
        let mut server = files.serve(kind);
        assert_eq!(Datagrams::connect(&server.place).ask("shutdown"), "asked true");
        server.line_after("report: ");
        files.hold(&["shutdown"]);
    }
}

/// One request is served, and the handler asked to stop: the next call returns at once.
#[test]
fn a_child_of_one_request_can_stop_the_server() {
    let files = Files::new();
    let mut server = files.serve("one request");
    assert_eq!(server.ask("shutdown"), "asked true");
    server.line_after("report: ");
}

/// A program may hold jobs back, and start them when the server does something else.
#[test]
fn a_child_that_is_started_later_holds_no_listener() {
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

#[test]
fn children_that_are_started_as_the_server_closes_hold_no_listener() {
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

#[test]
fn a_strategy_that_forks_where_it_may_not_is_told() {
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

#[test]
fn children_of_datagrams_hold_no_poller() {
    let server = start("udp");
    let client = Datagrams::connect(&server.place);
    assert_eq!(client.ask("wait"), "begun");
    let child = children_of(server.pid()).pop_first().unwrap();
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

/// What the descriptors of a process stand for, where the system shows them.
pub(super) fn descriptors_of(pid: i32) -> Option<Vec<String>> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    let targets = entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    Some(targets.map(|path| path.display().to_string()).collect())
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
        ServerProcess::start(&["keeping files", kind, self.directory.path().to_str().unwrap()])
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
