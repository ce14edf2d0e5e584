//! Clients see the end of their connection, whatever children hold copies of it.

use super::*;

/// The sibling's child was made when the client was connected already, and holds its socket.
#[test]
fn a_client_sees_the_end_although_a_sibling_runs() {
    let mut server = start("plain");
    let mut client = server.connect();
    server.has_accepted(1);
    let mut sibling = server.connect();
    sibling.begin_slow();
    assert_eq!(client.ask("echo all of it"), "all of it");
    client.sees_the_end();
    // Also when the child did not live to end it in good order.
    let mut client = server.connect();
    server.has_accepted(3);
    let mut other = server.connect();
    other.begin_slow();
    client.send("panic\n");
    client.sees_the_end();
    assert_eq!(sibling.ask("go"), "done");
    assert_eq!(other.ask("go"), "done");
}

#[test]
fn a_client_sees_the_end_when_its_handler_drops_it() {
    let mut server = start("plain");
    let mut client = server.connect();
    server.has_accepted(1);
    let mut sibling = server.connect();
    sibling.begin_slow();
    client.send("drop\n");
    client.sees_the_end();
    // That handler still runs: it reads what the server is sent by whoever started it.
    assert_eq!(children_of(server.pid()).len(), 2);
    server.input.write_all(b"\n").unwrap();
    eventually(|| children_of(server.pid()).len() == 1);
    assert_eq!(sibling.ask("go"), "done");
}

/// In good order: it has sent what nobody read, and is told so before that resets the connection.
#[test]
fn a_client_that_has_sent_too_much_sees_the_end() {
    let server = start("plain");
    for _ in 0..10 {
        let mut client = server.connect();
        client.send("echo 552 Too large\n");
        client.send("x".repeat(100 * 1024));
        let mut reply = String::new();
        client.stream.read_to_string(&mut reply).unwrap();
        assert_eq!(reply, "552 Too large\n");
    }
}

#[test]
fn an_idle_client_sees_the_end_although_a_child_runs() {
    let mut server = start("impatient");
    let mut idle = server.connect();
    server.has_accepted(1);
    let mut busy = server.connect();
    busy.begin_slow();
    idle.sees_the_end();
    assert_eq!(busy.ask("go"), "done");
}

/// Both are accepted before the first one's child is made. The second one's cannot be.
#[test]
fn a_client_that_no_child_can_be_made_for_sees_the_end() {
    let mut server = start("forks once");
    let mut first = server.connect();
    let mut second = server.connect();
    server.input.write_all(b"\n").unwrap();
    first.begin_slow();
    second.sees_the_end();
    let error = server.line_after("error: ");
    assert!(error.starts_with("cannot fork: "), "{error}");
    // The loop lives.
    assert_eq!(server.ask("echo ping"), "ping");
    assert_eq!(first.ask("go"), "done");
}
