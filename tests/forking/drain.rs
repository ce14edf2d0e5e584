//! What becomes of children when their server is asked to stop, or closed.

use std::thread;
use std::time::Instant;

use super::*;

#[test]
fn a_drain_waits_for_children() {
    let mut server = start("plain");
    let mut busy = [(); 2].map(|()| server.connect());
    for client in &mut busy {
        client.begin_slow();
    }
    let mut idle = server.connect();
    server.has_accepted(3);
    server.terminate();
    idle.sees_the_end();
    busy[0].hears_nothing_for(MOMENT);
    for client in &mut busy {
        assert_eq!(client.ask("go"), "done");
    }
    assert_eq!(server.line_after("report: "), "2 finished, 0 cut");
}

#[test]
fn the_deadline_ends_children() {
    let mut server = start("hasty");
    let mut clients = [(); 2].map(|()| server.connect());
    for client in &mut clients {
        client.begin_slow();
    }
    server.terminate();
    for client in &mut clients {
        client.sees_the_end();
    }
    assert_eq!(server.line_after("report: "), "0 finished, 2 cut");
}

/// It may have begun a file that must not stay.
#[test]
fn the_handler_of_a_child_that_is_cut_returns() {
    let ways: [fn(&ServerProcess, i32); 4] = [
        |server, _| server.terminate(),
        |_, child| send_signal(child, Signal::SIGQUIT),
        |_, child| {
            send_signal(child, Signal::SIGTERM);
            thread::sleep(PAUSE);
            send_signal(child, Signal::SIGTERM);
        },
        // The child and its server, as where all processes are signalled twice.
        |server, child| {
            for again in [false, true] {
                if again {
                    thread::sleep(PAUSE);
                }
                send_signal(child, Signal::SIGTERM);
                server.terminate();
            }
        },
    ];
    for (number, cut) in ways.iter().enumerate() {
        let mut server = start(if number == 0 { "hasty" } else { "plain" });
        let mut client = server.connect();
        assert_eq!(client.ask("begin"), "begun");
        let child = *children_of(server.pid()).first().unwrap();
        cut(&server, child);
        client.sees_the_end();
        server.line_after("removed");
        assert_eq!(server.line_after("error: "), "read 0", "way {number}");
        if number == 1 || number == 2 {
            // Nothing has asked the server itself.
            server.terminate();
        }
        assert!(server.line_after("report: ").starts_with("0 finished"), "way {number}");
    }
}

#[test]
fn the_handler_of_a_child_that_is_cut_is_waited_for_briefly() {
    let mut server = start("hasty");
    let mut client = server.connect();
    assert_eq!(client.ask("stuck"), "begun");
    let child = *children_of(server.pid()).first().unwrap();
    send_signal(child, Signal::SIGQUIT);
    let line = server.line_after("WARN ");
    assert_eq!(line, format!("child {child} was ended by SIGTERM"));
    client.sees_the_end();
}

#[test]
fn children_that_will_not_end_are_killed() {
    let mut server = start("hasty");
    let mut client = server.connect();
    assert_eq!(client.ask("stubborn"), "begun");
    server.terminate();
    client.sees_the_end();
    assert_eq!(server.line_after("report: "), "0 finished, 1 cut");
}

#[test]
fn a_second_signal_ends_the_wait_for_children() {
    let mut server = start("plain");
    let mut busy = server.connect();
    busy.begin_slow();
    let mut idle = server.connect();
    server.has_accepted(2);
    server.terminate();
    idle.sees_the_end();
    busy.hears_nothing_for(PAUSE);
    server.terminate();
    busy.sees_the_end();
    assert_eq!(server.line_after("report: "), "0 finished, 1 cut");
}

#[test]
fn closing_waits_for_children() {
    let mut server = start("closing");
    let mut client = server.connect();
    client.begin_slow();
    server.has_accepted(1);
    assert!(!server.says_something_within(MOMENT));
    assert_eq!(client.ask("go"), "done");
    assert_eq!(server.line(), "closed");
}

#[test]
fn closing_without_blocking_leaves_children_running() {
    let mut server = start("closing at once");
    let mut client = server.connect();
    client.begin_slow();
    assert_eq!(server.line(), "closed");
    assert_eq!(client.ask("go"), "done");
}

/// More of them than children, two at a time.
#[test]
fn heads_that_are_late_have_one_second_together() {
    let mut server = start("http, two children");
    let mut halves: Vec<Client> = (0..12).map(|_| server.connect()).collect();
    halves.iter_mut().for_each(|half| half.send("GET / HTTP/1.1\r\nHo"));
    // They have no child while they wait.
    assert_eq!(server.ask("GET / HTTP/1.0\r\n\r"), "HTTP/1.0 404 Not Found\r");
    let began = Instant::now();
    server.terminate();
    for half in &mut halves {
        assert_eq!(half.read_line(), "HTTP/1.0 408 Request Timeout\r");
    }
    server.line_after("report: ");
    assert!(began.elapsed() < LIMIT, "{:?}", began.elapsed());
}
