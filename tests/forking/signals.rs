//! Signals to all processes, to one child, and those that were ignored when the server was started.

use std::io;
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::killpg;
use nix::unistd::Pid;

use super::*;

#[test]
fn children_ignore_an_interrupt_from_the_terminal() {
    let server = start("plain");
    let mut client = server.connect();
    send_signal(client.begin_slow(), Signal::SIGINT);
    client.hears_nothing_for(MOMENT);
    assert_eq!(client.ask("go"), "done");
}

/// As `pkill` does, a terminal, and systemd unless it is told otherwise.
#[test]
fn a_signal_to_all_processes_lets_them_finish() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGUSR1] {
        let mut group = Group::start();
        let (mut busy, mut kept) = (group.connect(), group.connect());
        busy.begin_slow();
        kept.ask("keep");
        group.signal(signal);
        // The one that is idle goes.
        kept.sees_the_end();
        busy.hears_nothing_for(MOMENT);
        assert_eq!(busy.ask("go"), "done", "{signal}");
        let report = group.line_after("report: ");
        assert!(report.ends_with(" finished, 0 cut"), "{signal}: {report}");
    }
}

/// As `timeout` does, and supervisors that know of groups.
#[test]
fn signals_to_the_server_and_then_to_all_processes_count_once() {
    let [term, interrupt] = [Signal::SIGTERM, Signal::SIGINT];
    for signals in [[term, term], [interrupt, interrupt], [interrupt, term], [term, interrupt]] {
        let mut group = Group::start();
        let mut busy = group.connect();
        busy.begin_slow();
        send_signal(group.pid(), signals[0]);
        // The first one is delivered, or the kernel would make them one.
        thread::sleep(Duration::from_millis(1));
        group.signal(signals[1]);
        busy.hears_nothing_for(PAUSE);
        assert_eq!(busy.ask("go"), "done", "{signals:?}");
        let report = group.line_after("report: ");
        assert!(report.ends_with(" finished, 0 cut"), "{signals:?}: {report}");
    }
}

#[test]
fn a_second_signal_to_all_processes_cuts_at_once() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut group = Group::start();
        let mut busy = group.connect();
        busy.begin_slow();
        group.signal(signal);
        busy.hears_nothing_for(PAUSE);
        group.signal(signal);
        busy.sees_the_end();
        assert_eq!(group.line_after("report: "), "0 finished, 1 cut", "{signal}");
    }
}

/// However its server hears of that: here it does not hear of the signal at all.
#[test]
fn a_child_that_is_ended_in_a_drain_is_cut() {
    let mut group = Group::start();
    // One that was ended before counts for nothing.
    let mut early = group.connect();
    let child = early.begin_slow();
    send_signal(child, Signal::SIGQUIT);
    early.sees_the_end();
    group.line_after(&format!("WARN child {child} was ended by "));
    let (mut one, mut other) = (group.connect(), group.connect());
    let (child, _) = (one.begin_slow(), other.begin_slow());
    send_signal(group.pid(), Signal::SIGUSR1);
    eventually(|| TcpStream::connect(group.address).is_err());
    send_signal(child, Signal::SIGQUIT);
    one.sees_the_end();
    assert_eq!(other.ask("go"), "done");
    assert_eq!(group.line_after("report: "), "1 finished, 1 cut");
}

/// One that the server merely tells its handler of.
#[test]
fn news_to_all_processes_cut_nothing() {
    let mut group = Group::start();
    let (mut busy, mut kept) = (group.connect(), group.connect());
    busy.begin_slow();
    let first = kept.ask("keep");
    group.signal(Signal::SIGHUP);
    assert_eq!(group.line(), "news 1");
    busy.hears_nothing_for(MOMENT);
    assert_eq!(busy.ask("go"), "done");
    assert_eq!(kept.ask("keep"), first);
    // Told once, by the server alone.
    group.signal(Signal::SIGTERM);
    let report = group.line();
    assert!(report.starts_with("turns: "), "{report}");
}

#[test]
fn a_child_that_is_asked_to_end_finishes_what_it_serves() {
    let mut server = start("plain");
    let mut busy = server.connect();
    let child = busy.begin_slow();
    send_signal(child, Signal::SIGTERM);
    busy.hears_nothing_for(MOMENT);
    assert_eq!(busy.ask("go"), "done");
    busy.sees_the_end();
    // One that waits for its next request has nothing to finish.
    let mut idle = server.connect();
    let child = idle.ask("keep").parse().unwrap();
    send_signal(child, Signal::SIGTERM);
    idle.sees_the_end();
    // That was no signal to the server.
    assert_eq!(server.ask("echo ping"), "ping");
    server.terminate();
    let said = server.line();
    assert!(said.starts_with("turns: "), "{said}");
}

#[test]
fn a_child_that_is_asked_twice_ends_at_once() {
    for signals in [&[Signal::SIGTERM, Signal::SIGTERM][..], &[Signal::SIGQUIT]] {
        let mut server = start("plain");
        let mut busy = server.connect();
        let child = busy.begin_slow();
        for signal in signals {
            busy.hears_nothing_for(PAUSE);
            send_signal(child, *signal);
        }
        busy.sees_the_end();
        let line = server.line();
        assert!(line.contains(" was ended by SIG"), "{line}");
        assert_eq!(server.ask("echo ping"), "ping");
    }
}

#[test]
fn a_child_that_is_asked_twice_together_finishes_what_it_serves() {
    let server = start("plain");
    let mut busy = server.connect();
    let child = busy.begin_slow();
    for _ in 0..3 {
        send_signal(child, Signal::SIGTERM);
        // The first one is delivered, or the kernel would make them one.
        thread::sleep(Duration::from_millis(1));
    }
    busy.hears_nothing_for(PAUSE);
    assert_eq!(busy.ask("go"), "done");
    busy.sees_the_end();
}

#[test]
fn a_child_knows_that_its_server_stops() {
    let mut group = Group::start();
    let (mut one, mut two) = (group.connect(), group.connect());
    one.send("draining\n");
    assert_eq!(one.read_line(), "false");
    two.send("draining\n");
    assert_eq!(two.read_line(), "false");
    group.terminate();
    // It has begun to stop.
    eventually(|| TcpStream::connect(group.address).is_err());
    assert_eq!(one.ask("and now"), "true");
    assert_eq!(two.ask("and now"), "true");
    assert_eq!(group.line_after("report: "), "2 finished, 0 cut");
}

/// As `nohup` has it, and a shell for what it starts in the background.
#[test]
fn signals_that_were_ignored_at_the_start_stay_ignored() {
    let ignored = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT];
    let mut group = Group::start_by("trap '' HUP INT QUIT");
    let mut busy = group.connect();
    busy.begin_slow();
    for signal in ignored.into_iter().chain(ignored) {
        group.signal(signal);
        busy.hears_nothing_for(MOMENT);
    }
    assert_eq!(busy.ask("go"), "done");
    assert_eq!(group.ask("echo ping"), "ping");
    // The others are heard, and the deadline ends children without a word that is ignored.
    let mut busy = group.connect();
    busy.begin_slow();
    group.signal(Signal::SIGTERM);
    busy.hears_nothing_for(PAUSE);
    group.signal(Signal::SIGTERM);
    busy.sees_the_end();
    // Children of the requests before may be on their way out, and finish.
    let report = group.line_after("report: ");
    assert!(report.ends_with(" finished, 1 cut"), "{report}");
}

/// A crash is told of where no logger is, and once.
#[test]
fn a_crash_is_written_to_standard_error_without_a_logger() {
    let mut server = {
        let mut command = Command::new(server_program());
        command.stderr(Stdio::piped());
        ServerProcess::start_by(command, &["forking, hearing signals", "no logger"])
    };
    let mut client = server.connect();
    let child = client.begin_slow();
    client.send("abort\n");
    client.sees_the_end();
    assert_eq!(server.ask("echo ping"), "ping");
    server.terminate();
    server.line_after("report: ");
    let said = io::read_to_string(server.process.stderr.take().unwrap()).unwrap();
    assert_eq!(said, format!("socketserver: child {child} was ended by SIGABRT\n"));
}

/// It was made by a process that then forked, as daemons do.
#[test]
#[cfg(any(target_os = "linux", target_os = "freebsd", target_os = "netbsd"))]
fn a_daemon_hears_the_signals_that_its_parent_asked_for() {
    let mut server = ServerProcess::start(&["forking, hearing signals", "daemon"]);
    let daemon = server.line_after("daemon: ").parse().unwrap();
    assert!(server.process.wait().unwrap().success());
    let mut client = server.connect();
    client.begin_slow();
    assert_eq!(client.ask("go"), "done");
    send_signal(daemon, Signal::SIGHUP);
    assert_eq!(server.line_after("news "), "1");
    let mut client = server.connect();
    client.begin_slow();
    send_signal(daemon, Signal::SIGUSR1);
    client.hears_nothing_for(MOMENT);
    assert_eq!(client.ask("go"), "done");
    assert!(server.line_after("report: ").ends_with(" finished, 0 cut"));
}

/// A server and its children, in a process group of their own.
struct Group {
    server: ServerProcess,
}

impl Group {
    fn start() -> Self {
        Self::start_by(":")
    }

    /// After a line of shell.
    fn start_by(line: &str) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{line}; exec \"$@\""), "sh"]).arg(server_program());
        shell.process_group(0);
        Self { server: ServerProcess::start_by(shell, &["forking, hearing signals", "stops"]) }
    }

    fn signal(&self, signal: Signal) {
        killpg(Pid::from_raw(self.pid()), signal).unwrap();
    }
}

impl std::ops::Deref for Group {
    type Target = ServerProcess;

    fn deref(&self) -> &ServerProcess {
        &self.server
    }
}

impl std::ops::DerefMut for Group {
    fn deref_mut(&mut self) -> &mut ServerProcess {
        &mut self.server
    }
}
