//! Clients beyond the bounds, where children serve connections.

use super::*;

const ASKS: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

/// Reads the answer: how many connections are open and busy.
#[track_caller]
fn counts(client: &mut Client) -> String {
    assert_eq!(client.read_line(), "HTTP/1.1 200 OK\r");
    while client.read_line() != "\r" {}
    client.read_line()
}

/// Asks that on a connection that ends then, and returns the whole answer. Of those that are too
/// many not all have one.
fn ask(server: &ServerProcess) -> String {
    let (mut client, mut answer) = (server.connect(), String::new());
    let sent = client.stream.write_all(b"GET / HTTP/1.0\r\n\r\n");
    let _ = sent.and_then(|()| client.stream.read_to_string(&mut answer));
    answer
}

/// A client that was answered and keeps its connection, and so its child.
#[track_caller]
fn kept(server: &ServerProcess) -> Client {
    let mut client = server.connect();
    client.send(ASKS);
    counts(&mut client);
    client
}

#[test]
fn connections_of_children_count_in_the_maximum() {
    for kind in ["counts, two connections, refuse", "counts, two children, refuse"] {
        let server = start(kind);
        let clients = [kept(&server), kept(&server)];
        let refused = ask(&server);
        assert!(refused.starts_with("HTTP/1.1 503 "), "{kind}: {refused}");
        assert!(refused.contains("\r\nRetry-After: "), "{kind}: {refused}");
        let [first, mut second] = clients;
        drop(first);
        // Its child may need a while to end.
        eventually(|| ask(&server).starts_with("HTTP/1.1 200 "));
        second.send(ASKS);
        counts(&mut second);
    }
}

#[test]
fn a_client_beyond_the_maximum_waits_for_a_child_to_end() {
    for kind in ["counts, two connections, wait", "counts, two connections, shed"] {
        let server = start(kind);
        let [first, _second] = [kept(&server), kept(&server)];
        let mut third = server.connect();
        third.send(ASKS);
        third.hears_nothing_for(MOMENT);
        drop(first);
        assert_eq!(counts(&mut third), "2 2", "{kind}");
    }
}

#[test]
fn a_connection_without_a_child_makes_room_for_another_one() {
    let server = start("counts, two connections, shed");
    let _first = kept(&server);
    let mut silent = server.connect();
    assert!(ask(&server).ends_with("\r\n2 2\n"));
    silent.sees_the_end();
}

#[test]
fn connections_of_children_are_counted() {
    let server = start("counts");
    let [first, mut second] = [kept(&server), kept(&server)];
    let silent = server.connect();
    // The server has seen the silent one.
    eventually(|| ask(&server).ends_with("\r\n4 3\n"));
    drop((first, silent));
    eventually(|| ask(&server).ends_with("\r\n2 2\n"));
    second.send(ASKS);
    assert_eq!(counts(&mut second), "2 2", "as of when its child was started");
}
