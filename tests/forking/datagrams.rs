//! A child for each datagram, over UDP and over Unix sockets.

use std::os::fd::AsFd;
use std::path::Path;

use super::*;

#[test]
fn each_datagram_has_a_process() {
    for server in ["udp", "unix datagrams"] {
        let mut server = start(server);
        let clients = [(); 3].map(|()| Datagrams::connect(&server.place));
        let mut pids = clients.each_ref().map(|client| client.ask("who"));
        pids.sort();
        assert!(pids[0] != pids[1] && pids[1] != pids[2], "{pids:?}");
        assert!(!pids.contains(&server.pid().to_string()));
        // What a handler changes is lost.
        assert_eq!(clients[0].ask("count"), "1");
        assert_eq!(clients[0].ask("count"), "1");
        eventually(|| children_of(server.pid()).is_empty());
        server.terminate();
        assert_eq!(server.line_after("report: "), "0 finished, 0 cut");
        // Children do not take the file with them.
        assert!(!Path::new(&server.place).exists());
    }
}

#[test]
fn datagrams_beyond_the_maximum_wait() {
    let mut server = start("udp, one child");
    let client = Datagrams::connect(&server.place);
    client.send("wait");
    assert_eq!(client.receive(), "begun");
    client.send("who");
    assert!(!is_readable_within(client.socket.as_fd(), MOMENT));
    assert_eq!(children_of(server.pid()).len(), 1);
    server.input.write_all(b"\n").unwrap();
    assert_eq!(client.receive(), "done");
    client.receive().parse::<i32>().unwrap();
}

#[test]
fn a_crash_costs_its_own_datagram() {
    let mut server = start("udp");
    let client = Datagrams::connect(&server.place);
    client.send("panic");
    assert_eq!(server.line(), "error: handler panicked: as you wish");
    client.send("abort");
    assert!(server.line().ends_with(" was ended by SIGABRT"));
    // Neither was answered.
    client.ask("who").parse::<i32>().unwrap();
}

#[test]
fn a_drain_waits_for_the_children_of_datagrams() {
    for (name, report) in [("udp", "1 finished, 0 cut"), ("udp, hasty", "0 finished, 1 cut")] {
        let mut server = start(name);
        let client = Datagrams::connect(&server.place);
        assert_eq!(client.ask("wait"), "begun");
        server.terminate();
        if name == "udp" {
            assert!(!is_readable_within(client.socket.as_fd(), MOMENT));
            server.input.write_all(b"\n").unwrap();
            assert_eq!(client.receive(), "done");
        }
        assert_eq!(server.line_after("report: "), report);
    }
}
