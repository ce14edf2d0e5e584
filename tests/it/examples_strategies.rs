//! The examples about processes and threads run and do what their headers promise.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use socketserver::{Connection, TcpServer, handler_fn};

use crate::examples::{Example, get};
use crate::support::{LIMIT, MOMENT, eventually};

#[allow(dead_code, reason = "its server is not used")]
#[path = "../../examples/own_strategy.rs"]
mod own_strategy;

#[test]
fn threaded_name_answers_with_a_thread() {
    let example = Example::run("threaded_name", &["0"]);
    for _ in 0..3 {
        let name = example.get("/");
        let number = name.trim_end().strip_prefix("Thread-");
        assert!(number.is_some_and(|number| number.parse::<u32>().is_ok()), "{name:?}");
    }
}

#[test]
fn threaded_name_forking_answers_with_a_process_each() {
    let example = Example::run("threaded_name", &["0", "forking"]);
    let processes: BTreeSet<u32> =
        (0..3).map(|_| example.get("/").trim_end().parse().unwrap()).collect();
    assert_eq!(processes.len(), 3);
    assert!(!processes.contains(&example.child.id()));
}

#[test]
fn shutdown_from_thread_stops_at_enter() {
    let mut example = Example::run("shutdown_from_thread", &["0"]);
    assert_eq!(example.get("/"), "still here\n");
    example.child.stdin.take().unwrap().write_all(b"\n").unwrap();
    assert_eq!(example.line(), "Stopped: 0 finished, 0 cut off");
    assert!(example.wait().success());
    assert!(TcpStream::connect(example.address).is_err());
}

#[test]
fn pre_fork_replaces_a_process_that_was_killed() {
    let mut example = Example::run("pre_fork", &["0", "1"]);
    let ask = || -> io::Result<String> {
        let mut stream = TcpStream::connect(example.address)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
        io::read_to_string(stream)
    };
    let process = |reply: &str| reply.lines().last()?.parse::<i32>().ok();
    let first = process(&ask().unwrap()).unwrap();
    assert_ne!(u32::try_from(first), Ok(example.child.id()));
    kill(Pid::from_raw(first), Signal::SIGKILL).unwrap();
    // The process may take a connection along.
    eventually(|| {
        ask().ok().and_then(|reply| process(&reply)).is_some_and(|process| process != first)
    });
    let supervisor = Pid::from_raw(i32::try_from(example.child.id()).unwrap());
    kill(supervisor, Signal::SIGTERM).unwrap();
    assert!(example.line().starts_with("ShutdownReport "));
    assert!(example.wait().success());
}

#[test]
fn own_strategy_starts_a_thread_for_each_connection() {
    let example = Example::run("own_strategy", &["0"]);
    for number in 1..=3 {
        assert_eq!(example.get("/"), format!("Thread-{number}\n"));
    }
}

/// As the trait asks it: they may never end.
#[test]
fn own_strategy_does_not_wait_for_requests_that_were_cut() {
    let (begins, has_begun) = crossbeam_channel::bounded(1);
    let (releases, is_released) = crossbeam_channel::bounded(0);
    let handler = handler_fn(move |_: Connection| {
        begins.send(()).unwrap();
        let _ = is_released.recv_timeout(LIMIT);
        Ok(())
    });
    let strategy = own_strategy::ThreadingMixIn::default();
    let mut server = TcpServer::bind_with("127.0.0.1:0", handler, strategy).unwrap();
    server.shutdown_timeout = Duration::ZERO;
    let (address, stop) = (server.server_address(), server.shutdown_handle());
    let client = thread::spawn(move || {
        let client = TcpStream::connect(address).unwrap();
        has_begun.recv_timeout(LIMIT).unwrap();
        stop.shutdown();
        client
    });
    server.serve_forever().unwrap();
    drop(server);
    releases.send_timeout((), MOMENT).expect("the request still runs, and was not waited for");
    client.join().unwrap();
}

#[test]
fn shared_state_counts_in_threads_and_loses_count_in_children() {
    let clients = 20;
    for (strategy, counts) in [
        ("sequential", (1..=clients).collect()),
        ("threading", (1..=clients).collect()),
        ("forking", BTreeSet::from([1])),
    ] {
        let example = Example::run("shared_state", &["0", strategy]);
        let address = example.address;
        let visits =
            (0..clients).map(|_| thread::spawn(move || get(address, "/"))).collect::<Vec<_>>();
        let seen: BTreeSet<u32> = visits
            .into_iter()
            .map(|visit| visit.join().unwrap())
            .map(|visit| visit.trim_end().strip_prefix("visit ").unwrap().parse().unwrap())
            .collect();
        assert_eq!(seen, counts, "{strategy}");
    }
}
