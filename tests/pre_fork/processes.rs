//! How many processes serve, and what becomes of those that end or cannot start.

use std::io;
use std::net::UdpSocket;
use std::process::Stdio;

use super::*;

#[test]
fn several_processes_serve() {
    let server = Supervisor::start("sequential");
    // A sequential process serves one at a time: three at once are in three processes.
    let mut slow = [(); 3].map(|()| server.begin_slow());
    let pids: BTreeSet<i32> = slow.iter().map(|one| one.pid).collect();
    assert_eq!(pids, server.processes());
    assert!(!pids.contains(&server.pid()));
    for one in &mut slow {
        one.finish();
    }
    let ended = server.stop(Signal::SIGTERM);
    assert_eq!(ended, "report 0 0\n");
}

#[test]
fn any_strategy_serves_in_them() {
    for strategy in ["sequential", "threads", "forks"] {
        let server = Supervisor::start(strategy);
        for _ in 0..10 {
            let pid = server.ask_pid();
            let is_worker = server.processes().contains(&pid);
            assert_eq!(is_worker, strategy != "forks", "{strategy}");
        }
        let said = server.stop(Signal::SIGINT);
        // The last child may still be on its way out, which counts as finished.
        assert!(said.starts_with("signal 2\nreport ") && said.ends_with(" 0\n"), "{said}");
    }
}

#[test]
fn processes_with_one_request_each_run_as_many_as_they_are() {
    for (strategy, most) in
        [("sequential", "Some(3)"), ("threads", "Some(1024)"), ("forks", "Some(40)")]
    {
        let server = Supervisor::start(strategy);
        let mut client = server.connect();
        client.send("GET /most HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(client.reply(), most, "{strategy}");
    }
}

#[test]
fn packets_are_shared_out() {
    let server = Supervisor::start("packets");
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(LIMIT)).unwrap();
    client.connect(server.address).unwrap();
    for _ in 0..20 {
        client.send(b"who?").unwrap();
        let mut pid = [0; 16];
        let size = client.recv(&mut pid).unwrap();
        let pid = std::str::from_utf8(&pid[..size]).unwrap().parse().unwrap();
        assert!(server.processes().contains(&pid));
    }
}

#[test]
fn a_killed_process_costs_its_own_connections_and_is_replaced() {
    let mut server = Supervisor::start("sequential");
    let mut slow = [(); 3].map(|()| server.begin_slow());
    send_signal(slow[1].pid, Signal::SIGKILL);
    assert_eq!(slow[1].client.rest(), "");
    let log = server.line();
    let expected = format!("ERROR process {} was ended by SIGKILL, replacing it in ", slow[1].pid);
    assert!(log.starts_with(&expected), "{log}");
    slow[0].finish();
    slow[2].finish();
    eventually(|| server.processes().len() == 3);
    assert!(!server.processes().contains(&slow[1].pid));
    server.ask_pid();
}

#[test]
fn crashes_in_a_row_are_followed_by_longer_pauses() {
    let mut server = Supervisor::start("one");
    for pause in ["100ms", "200ms", "400ms"] {
        let mut client = server.connect();
        client.send("GET /abort HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(client.rest(), "");
        let log = server.line();
        assert!(log.ends_with(&format!(" was ended by SIGABRT, replacing it in {pause}")), "{log}");
    }
    server.ask_pid();
}

#[test]
fn a_process_that_cannot_start_ends_the_loop() {
    let mut server = Supervisor::start("cannot start");
    assert_eq!(server.line(), "failed: a process could not start: no threads left");
    assert_eq!(server.wait(), "");
}

#[test]
fn a_process_that_crashes_while_it_starts_ends_the_loop() {
    let mut server = Supervisor::start("crashes at start");
    assert_eq!(server.line(), "failed: a process could not start: it ended before it was ready");
    assert_eq!(server.wait(), "");
}

#[test]
fn a_process_that_the_system_has_no_room_for_is_tried_again() {
    let mut server = Supervisor::start("starving");
    let before = server.ask_pid();
    send_signal(server.pid(), Signal::SIGHUP);
    assert_eq!(server.line(), "signal 1");
    for pause in ["100ms", "200ms"] {
        let log = server.line();
        let expected = format!("ERROR cannot start a process, trying again in {pause}: ");
        assert!(log.starts_with(&expected), "{log}");
    }
    assert_eq!(server.ask_pid(), before);
    // The second one ends the want.
    send_signal(server.pid(), Signal::SIGHUP);
    eventually(|| server.processes().iter().all(|&pid| pid != before));
    assert_ne!(server.ask_pid(), before);
}

#[test]
fn a_replacement_that_crashes_while_it_starts_is_tried_again() {
    let mut server = Supervisor::start("crashes later");
    let before = server.ask_pid();
    send_signal(server.pid(), Signal::SIGHUP);
    assert_eq!(server.line(), "signal 1");
    for pause in ["100ms", "200ms"] {
        let reason = "a process could not start: it ended before it was ready";
        let expected = format!("ERROR cannot start a process, trying again in {pause}: {reason}");
        assert_eq!(server.line(), expected);
        assert_eq!(server.ask_pid(), before);
    }
    // Now they are well again.
    send_signal(server.pid(), Signal::SIGHUP);
    eventually(|| server.ask_pid() != before);
}

#[test]
fn a_crash_is_written_to_standard_error_without_a_logger() {
    let mut command = Command::new(server_program());
    command.stderr(Stdio::piped());
    let mut server = Supervisor::start_by(command, "no logger");
    let pid = server.ask_pid();
    send_signal(pid, Signal::SIGKILL);
    eventually(|| server.processes().len() == 1 && !server.processes().contains(&pid));
    let errors = server.process.process.stderr.take().unwrap();
    server.stop(Signal::SIGTERM);
    let said = io::read_to_string(errors).unwrap();
    let expected = format!("socketserver: process {pid} was ended by SIGKILL, replacing it in ");
    assert!(said.starts_with(&expected) && said.lines().count() == 1, "{said}");
}

#[test]
fn processes_end_with_their_supervisor() {
    let server = Supervisor::start("threads");
    let mut slow = server.begin_slow();
    let processes = server.processes();
    send_signal(server.pid(), Signal::SIGKILL);
    eventually(|| processes.iter().filter(|pid| **pid != slow.pid).all(|pid| is_gone(*pid)));
    // What runs is finished before.
    slow.finish();
    eventually(|| is_gone(slow.pid));
}

#[test]
fn processes_hold_nothing_of_each_other() {
    let server = Supervisor::start("threads");
    let counts = |server: &Supervisor| -> BTreeSet<usize> {
        let descriptors = |pid| std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
        server.processes().into_iter().map(descriptors).collect()
    };
    // The last one could hold the leashes of the first. One that starts holds everything still.
    eventually(|| counts(&server).len() == 1);
    let before = counts(&server);
    for _ in 0..3 {
        let old = server.processes();
        send_signal(server.pid(), Signal::SIGHUP);
        eventually(|| server.processes().is_disjoint(&old) && server.processes().len() == 3);
    }
    eventually(|| counts(&server) == before);
}

#[test]
fn a_process_with_threads_is_refused() {
    let mut server = Supervisor::start("with a thread");
    let line = server.line();
    assert!(line.starts_with("failed: refusing to fork: 1 other threads run"), "{line}");
}

#[test]
fn one_request_is_served_without_processes() {
    let server = Supervisor::start("one request");
    assert_eq!(server.ask_pid(), server.pid());
    assert_eq!(server.wait(), "served\n");
}

#[test]
fn a_handler_is_completed_in_each_process() {
    let server = Supervisor::start("completed");
    let mut seen = BTreeSet::new();
    eventually(|| {
        let mut client = server.connect();
        client.send("GET / HTTP/1.0\r\n\r\n");
        let reply = client.rest();
        let pid = reply.rsplit_once("\r\n\r\nSome(").unwrap().1.strip_suffix(')').unwrap();
        seen.insert(pid.parse().unwrap());
        seen == server.processes()
    });
}

#[test]
fn a_handler_that_cannot_be_completed_ends_the_loop() {
    let mut server = Supervisor::start("not completed");
    assert_eq!(server.line(), "failed: a process could not start: no database");
    assert_eq!(server.wait(), "");
}

/// The supervisor does not wait for it.
#[test]
fn signals_are_heard_while_a_process_starts() {
    let mut server = Supervisor::start("hangs later");
    let before = server.ask_pid();
    for _ in 0..2 {
        send_signal(server.pid(), Signal::SIGHUP);
        assert_eq!(server.line(), "signal 1");
        assert_eq!(server.ask_pid(), before);
    }
    send_signal(server.pid(), Signal::SIGTERM);
    assert_eq!(server.wait(), "signal 15\nreport 0 0\n");

    // It has no request to finish, for which there is more time.
    let server = Supervisor::start("hangs at start");
    send_signal(server.pid(), Signal::SIGTERM);
    assert_eq!(server.wait(), "signal 15\nreport 0 0\n");
}
