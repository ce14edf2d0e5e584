//! A child for each connection: what it serves, what it costs, and where its output goes.

use super::*;

#[test]
fn each_connection_has_a_process() {
    let server = start("plain");
    let (mut one, mut two) = (server.connect(), server.connect());
    // Both run at the same time, so that no number can be used twice.
    let pids = [one.begin_slow(), two.begin_slow(), server.pid()];
    assert!(pids[0] != pids[1] && pids[0] != pids[2] && pids[1] != pids[2]);
    assert_eq!(one.ask("go"), "done");
    assert_eq!(two.ask("go"), "done");
}

#[test]
fn what_a_handler_changes_is_lost() {
    let server = start("plain");
    assert_eq!(server.ask("count"), "1");
    assert_eq!(server.ask("count"), "1");
}

#[test]
fn a_child_serves_its_connection_to_the_end() {
    let server = start("plain");
    let mut client = server.connect();
    let first = client.ask("keep");
    assert_ne!(first, server.pid().to_string());
    assert_eq!(client.ask("keep"), first);
    client.send("keep\nkeep\n");
    assert_eq!([client.read_line(), client.read_line()], [first.clone(), first]);
    assert_eq!(client.ask("echo bye"), "bye");
    client.sees_the_end();
}

#[test]
fn an_idle_child_ends() {
    let server = start("impatient");
    let mut client = server.connect();
    client.ask("keep");
    client.sees_the_end();
    eventually(|| children_of(server.pid()).is_empty());
}

#[test]
fn a_crash_costs_its_own_connection_and_is_logged() {
    let mut server = start("plain");
    let mut client = server.connect();
    client.send("abort\n");
    client.sees_the_end();
    let line = server.line();
    assert!(line.starts_with("ERROR child "), "{line}");
    assert!(line.ends_with(" was ended by SIGABRT"), "{line}");
    assert_eq!(server.ask("echo ping"), "ping");
}

/// A failure that the handler was told of is not told of again, though its child ends by it.
#[test]
fn a_child_that_exits_by_itself_is_logged() {
    let mut server = start("plain");
    let mut failing = server.connect();
    failing.send("panic\n");
    failing.sees_the_end();
    assert_eq!(server.line(), "error: handler panicked: as you wish");
    eventually(|| children_of(server.pid()).is_empty());
    for (how, status) in [("exit", 1), ("exit well", 0), ("exit well", 0)] {
        let mut client = server.connect();
        let child = client.begin_slow();
        client.send(format!("{how}\n"));
        client.sees_the_end();
        assert_eq!(server.line(), format!("ERROR child {child} has exited with status {status}"));
        assert_eq!(server.ask("echo ping"), "ping");
    }
    server.terminate();
    assert!(!server.rest().contains("has exited"), "of those that were served to their end");
}

#[test]
fn children_that_end_in_another_loop_are_reported_alike() {
    let mut server = start("one by one");
    for _ in 0..3 {
        assert_eq!(server.ask("echo ping"), "ping");
        eventually(|| children_of(server.pid()).is_empty());
    }
    let mut client = server.connect();
    let child = client.begin_slow();
    client.send("exit well\n");
    client.sees_the_end();
    // The others have served to their end.
    assert_eq!(server.line(), format!("ERROR child {child} has exited with status 0"));
    let mut client = server.connect();
    let child = client.begin_slow();
    server.terminate();
    client.send("exit well\n");
    client.sees_the_end();
    assert_eq!(server.line(), format!("ERROR child {child} has exited with status 0"));
    assert_eq!(server.rest(), "");
}

#[test]
fn buffered_output_is_printed_once() {
    let mut server = start("talkative");
    assert_eq!(server.ask("print child;"), "printed");
    server.terminate();
    let printed = server.rest();
    assert_eq!(printed.matches("parent;").count(), 1, "{printed}");
    assert_eq!(printed.matches("child;").count(), 1, "{printed}");
}

/// What it has not taken would stay in the kernel after the child.
#[test]
fn a_client_that_takes_nothing_is_reset_by_its_child() {
    let mut server = start("short stalls");
    let mut client = server.connect();
    client.send("flood\n");
    assert_eq!(server.line_after("error: "), "timed out");
    eventually(|| children_of(server.pid()).is_empty());
    let mut heard = Vec::new();
    let end = client.stream.read_to_end(&mut heard).unwrap_err();
    assert_eq!(end.kind(), std::io::ErrorKind::ConnectionReset);
    assert!(!heard.is_empty());
}
