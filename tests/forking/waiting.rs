//! Clients that the server itself waits for: its children do not hold them.

use super::descriptors::descriptors_of;
use super::http::begin_script;
use super::*;

/// What a child would keep, its client would wait for as long as that lives.
#[test]
fn children_hold_no_connection_but_their_own() {
    let server = start("scripts");
    let mut first = server.connect();
    let script = begin_script(&mut first);
    let alone = sockets_of(children_of(server.pid()).pop_first().unwrap());
    let before = sockets_of(server.pid());
    let waiting = Waiting::connect(&server, 10);
    if alone > 0 {
        eventually(|| sockets_of(server.pid()) == before + 3 * 10);
    }
    let earlier = children_of(server.pid());
    let mut second = server.connect();
    begin_script(&mut second);
    let child = *children_of(server.pid()).difference(&earlier).next().unwrap();
    assert_eq!(sockets_of(child), alone);
    // The server has left both to their children.
    assert_eq!(sockets_of(server.pid()), before + if alone > 0 { 3 * 10 } else { 0 });
    assert!(is_running(script));
    waiting.are_served();
}

#[test]
fn programs_of_children_hold_no_connection() {
    let server = start("scripts");
    let waiting = Waiting::connect(&server, 1);
    let mut client = server.connect();
    client.send("GET /cgi-bin/sockets HTTP/1.0\r\n\r\n");
    while client.read_line() != "\r" {}
    assert_eq!(client.read_line(), "0");
    waiting.are_served();
    // Nor do those that a handler starts without more ado.
    let server = start("plain");
    let _idle = server.connect();
    assert_eq!(server.ask("program"), "0");
}

/// As the system kills what takes too much memory.
#[test]
fn a_killed_child_ends_its_connection_although_others_live() {
    let mut server = start("plain");
    let mut clients: Vec<Client> = (0..4).map(|_| server.connect()).collect();
    let mut last = server.connect();
    // All of them wait in the server when the first child begins.
    server.has_accepted(5);
    let mut children: Vec<i32> = Vec::new();
    for client in &mut clients {
        children.push(client.begin_slow());
    }
    last.begin_slow();
    for (client, child) in clients.iter_mut().zip(children).skip(1) {
        send_signal(child, Signal::SIGKILL);
        client.sees_the_end();
    }
    for client in [&mut clients[0], &mut last] {
        assert_eq!(client.ask("go"), "done");
    }
}

#[test]
fn a_killed_server_ends_what_it_waits_for_although_children_live() {
    let mut server = start("scripts");
    let mut waiting = Waiting::connect(&server, 1);
    let mut client = server.connect();
    let script = begin_script(&mut client);
    server.process.kill().unwrap();
    server.process.wait().unwrap();
    for client in &mut waiting.clients {
        client.sees_the_end();
    }
    assert!(is_running(script) && client.is_open());
}

/// Clients that have sent nothing, a part of a head, and a part of a body.
struct Waiting {
    clients: Vec<Client>,
}

impl Waiting {
    /// So many of each.
    fn connect(server: &ServerProcess, count: usize) -> Self {
        let mut clients: Vec<Client> = (0..3 * count).map(|_| server.connect()).collect();
        for (number, client) in clients.iter_mut().enumerate() {
            client.send(Self::halves(number)[0]);
        }
        Self { clients }
    }

    fn halves(number: usize) -> [&'static str; 2] {
        match number % 3 {
            0 => ["", "POST /cgi-bin/cat HTTP/1.0\r\nContent-Length: 2\r\n\r\nab"],
            1 => ["POST /cgi-bin/cat HTTP/1.0\r\nContent-", "Length: 2\r\n\r\nab"],
            _ => ["POST /cgi-bin/cat HTTP/1.0\r\nContent-Length: 2\r\n\r\na", "b"],
        }
    }

    /// The server goes on with them.
    #[track_caller]
    fn are_served(mut self) {
        for (number, client) in self.clients.iter_mut().enumerate() {
            assert!(client.is_open());
            client.send(Self::halves(number)[1]);
            let reply = client.read_to_end();
            assert!(reply.ends_with("\r\n\r\nab"), "{reply}");
        }
    }
}

/// How many sockets a process has, where the system shows that.
fn sockets_of(pid: i32) -> usize {
    let descriptors = descriptors_of(pid).unwrap_or_default();
    descriptors.iter().filter(|one| one.starts_with("socket:")).count()
}
