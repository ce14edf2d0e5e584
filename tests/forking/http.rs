//! HTTP and scripts, served by children.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::*;

#[test]
fn http_over_a_unix_socket_is_served_by_children() {
    let mut server = start("http");
    for _ in 0..3 {
        let mut stream = UnixStream::connect(&server.place).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.write_all(b"GET /missing HTTP/1.0\r\n\r\n").unwrap();
        let reply = io::read_to_string(stream).unwrap();
        assert!(reply.starts_with("HTTP/1.0 404 "), "{reply}");
    }
    eventually(|| children_of(server.pid()).is_empty());
    server.terminate();
    assert_eq!(server.line_after("report: "), "0 finished, 0 cut");
    assert!(!Path::new(&server.place).exists());
}

#[test]
fn two_hundred_slow_clients_have_no_child() {
    let mut server = start("http, two children");
    let mut slow: Vec<Client> = (0..200).map(|_| server.connect()).collect();
    let heads = ["GET / HTTP/1.1\r\nHost: x\r\n", "\r\n"];
    let bodies = ["Content-Length: 9\r\n\r\npart", "Transfer-Encoding: chunked\r\n\r\n9\r\npart"];
    for (number, client) in slow.iter_mut().enumerate() {
        match number % 4 {
            half @ 0..2 => client.send(heads[half]),
            other => client.send(format!("POST / HTTP/1.1\r\nHost: x\r\n{}", bodies[other - 2])),
        }
    }
    for _ in 0..4 {
        assert_eq!(server.ask("GET / HTTP/1.0\r\n\r"), "HTTP/1.0 404 Not Found\r");
    }
    eventually(|| children_of(server.pid()).is_empty());
    // When all of it is there, they are served.
    let rest = ["\r\n", "GET / HTTP/1.0\r\n\r\n", " here", " here\r\n0\r\n\r\n"];
    for (number, client) in slow.iter_mut().enumerate() {
        client.send(rest[number % 4]);
        let status = ["404 Not Found", "501 Unsupported method ('POST')"][number % 4 / 2];
        assert_eq!(client.read_line(), format!("HTTP/1.0 {status}\r"));
    }
    drop(slow);
    eventually(|| children_of(server.pid()).is_empty());
    server.terminate();
    assert_eq!(server.line_after("report: "), "0 finished, 0 cut");
}

#[test]
fn a_client_that_leaves_before_a_request_costs_no_child() {
    let mut server = start("http, two children");
    for half in ["", "\r\n"] {
        let mut client = server.connect();
        client.send(half);
        client.finish_sending();
        client.sees_the_end();
    }
    server.terminate();
    assert_eq!(server.line_after("report: "), "0 finished, 0 cut");
}

#[test]
fn what_cannot_be_served_is_answered_by_a_child() {
    let server = start("http, two children");
    let both = "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n";
    for (request, status) in [
        ("GET / HTTP/1.1\r\nHo", "400 Request ended early"),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n", "501 Unsupported"),
        (&format!("POST / HTTP/1.1\r\nHost: x\r\n{both}\r\n"), "400 Both Transfer-Encoding"),
    ] {
        let mut client = server.connect();
        client.send(request);
        client.finish_sending();
        let line = client.read_line();
        assert!(line.starts_with(&format!("HTTP/1.0 {status}")), "{line}");
    }
}

/// A refused upload that comes fast is thrown away whatever its length, and its client is told.
#[test]
fn clients_that_send_all_of_a_refused_upload_first_are_told() {
    const LENGTH: usize = 8 << 20;
    let server = start("http, two children");
    for _ in 0..5 {
        let mut client = server.connect();
        client.send(format!("PUT / HTTP/1.0\r\nContent-Length: {LENGTH}\r\n\r\n"));
        client.send(vec![b'x'; LENGTH]);
        let reply = client.read_to_end();
        assert!(reply.starts_with("HTTP/1.0 501 Unsupported method ('PUT')\r\n"), "{reply}");
        assert!(reply.trim_end().ends_with("</html>"), "{reply}");
    }
}

/// One that dribbles has its child no longer than one that sends nothing.
#[test]
fn refused_uploads_that_dribble_do_not_keep_their_children() {
    let server = start("http, two children");
    let mut refused = [(); 2].map(|()| {
        let mut client = server.connect();
        client.send("PUT / HTTP/1.0\r\nContent-Length: 1000000\r\n\r\n");
        assert!(client.read_to_end().starts_with("HTTP/1.0 501 "));
        client.stream
    });
    let begun = Instant::now();
    thread::scope(|scope| {
        for stream in &mut refused {
            scope.spawn(move || {
                while stream.write_all(b"x").is_ok() && begun.elapsed() < LIMIT * 4 {
                    thread::sleep(MOMENT / 5);
                }
            });
        }
        assert_eq!(server.ask("GET / HTTP/1.0\r\n\r"), "HTTP/1.0 404 Not Found\r");
    });
    assert!(begun.elapsed() < LIMIT * 4, "they are listened to");
}

#[test]
fn blank_lines_have_a_heads_time() {
    let server = start("http, hasty heads");
    let mut clients = [server.connect(), server.connect()];
    let began = Instant::now();
    let mut open = [true; 2];
    while open != [false; 2] {
        assert!(began.elapsed() < LIMIT, "nothing stops these clients");
        thread::sleep(MOMENT / 5);
        for (client, open) in clients.iter_mut().zip(&mut open) {
            *open &= client.is_open() && client.stream.write_all(b"\r\n").is_ok();
        }
    }
    assert!(began.elapsed() >= MOMENT * 3, "{:?}", began.elapsed());
    let mut client = server.connect();
    assert_eq!(client.ask("GET / HTTP/1.0\n"), "HTTP/1.0 404 Not Found\r");
}

#[test]
fn scripts_answer_from_children() {
    let server = start("scripts");
    let mut client = server.connect();
    for _ in 0..2 {
        client.send(
            "POST /cgi-bin/cat HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
             3\r\none\r\n0\r\n\r\n",
        );
        assert_eq!(client.read_line(), "HTTP/1.1 200 Script output follows\r");
        while client.read_line() != "\r" {}
        let answer: Vec<_> = (0..4).map(|_| client.read_line()).collect();
        assert_eq!(answer, ["3\r", "one\r", "0\r", "\r"]);
    }
}

#[test]
fn a_process_that_a_script_leaves_does_not_hold_its_response() {
    let server = start("scripts");
    let mut client = server.connect();
    for _ in 0..2 {
        client.send("GET /cgi-bin/leaves HTTP/1.1\r\nHost: h\r\n\r\n");
        while client.read_line() != "\r" {}
        let answer: Vec<_> = (0..4).map(|_| client.read_line()).collect();
        assert_eq!(answer, ["5\r", "done", "\r", "0\r"]);
        assert_eq!(client.read_line(), "\r");
    }
}

/// What a shell finds ignored it cannot trap.
#[test]
fn scripts_of_children_may_trap_interrupts() {
    let server = start("scripts");
    let mut client = server.connect();
    client.send("GET /cgi-bin/traps HTTP/1.0\r\n\r\n");
    while client.read_line() != "\r" {}
    assert_eq!(client.read_line(), "INT");
    assert_eq!(client.read_line(), "HUP");
}

#[test]
fn the_deadline_ends_the_scripts_of_children() {
    let mut server = start("scripts");
    let mut client = server.connect();
    let script = begin_script(&mut client);
    server.terminate();
    client.sees_a_reset();
    assert_eq!(server.line_after("report: "), "0 finished, 1 cut");
    eventually(|| !is_running(script));
}

/// Whether the child sees to that, or the system when it is no more.
#[test]
fn a_response_that_its_child_does_not_end_is_reset() {
    let server = start("scripts");
    for signal in [Signal::SIGKILL, Signal::SIGABRT, Signal::SIGQUIT] {
        let mut client = server.connect();
        begin_script(&mut client);
        for child in children_of(server.pid()) {
            send_signal(child, signal);
        }
        client.sees_a_reset();
        eventually(|| children_of(server.pid()).is_empty());
    }
}

#[test]
fn a_client_that_leaves_takes_its_script_along() {
    let server = start("scripts");
    let mut client = server.connect();
    let script = begin_script(&mut client);
    // One that only ended its half would wait for the rest.
    socket2::SockRef::from(&client.stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    eventually(|| !is_running(script));
}

/// Starts a script that waits, and returns the process that it waits for.
#[track_caller]
pub(super) fn begin_script(client: &mut Client) -> i32 {
    client.send("GET /cgi-bin/waits HTTP/1.0\r\n\r\n");
    while client.read_line() != "\r" {}
    client.read_line().parse().unwrap()
}
