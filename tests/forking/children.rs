//! How many children there are, who reaps them, and where none may be made.

use super::*;

#[test]
fn children_of_others_are_not_reaped() {
    let mut server = start("with another child");
    for _ in 0..3 {
        assert_eq!(server.ask("echo ping"), "ping");
    }
    // It has ended, and waits to be asked for by whoever started it.
    eventually(|| children_of(server.pid()).len() == 1);
    server.terminate();
    assert_eq!(server.line(), "other: exit status: 7");
}

/// Nothing happens on the server after the last request: only a signal can tell it.
#[test]
fn ended_children_are_reaped_at_once() {
    let server = start("plain");
    for _ in 0..50 {
        assert_eq!(server.ask("echo ping"), "ping");
    }
    eventually(|| children_of(server.pid()).is_empty());
}

#[test]
fn clients_beyond_the_maximum_wait() {
    let server = start("one child");
    let mut first = server.connect();
    first.begin_slow();
    let mut second = server.connect();
    second.send("echo ping\n");
    second.hears_nothing_for(MOMENT);
    assert_eq!(children_of(server.pid()).len(), 1);
    assert_eq!(first.ask("go"), "done");
    assert_eq!(second.read_line(), "ping");
}

#[test]
fn a_server_without_room_sleeps() {
    let mut server = start("one child");
    let mut first = server.connect();
    first.begin_slow();
    let mut second = server.connect();
    second.send("echo ping\n");
    second.hears_nothing_for(MOMENT * 4);
    assert_eq!(first.ask("go"), "done");
    assert_eq!(second.read_line(), "ping");
    server.terminate();
    let turns: usize = server.line_after("turns: ").parse().unwrap();
    assert!(turns < 50, "it spins: {turns}");
}

#[test]
fn forty_children_run_at_once() {
    let server = start("plain");
    let mut clients: Vec<Client> = (0..40).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.begin_slow();
    }
    let mut one_more = server.connect();
    one_more.send("echo ping\n");
    one_more.hears_nothing_for(MOMENT);
    assert_eq!(clients[17].ask("go"), "done");
    assert_eq!(one_more.read_line(), "ping");
    for client in clients.iter_mut().filter(|one| one.is_open()) {
        assert_eq!(client.ask("go"), "done");
    }
}

#[test]
fn a_process_with_threads_is_refused() {
    let mut server = start("with a thread");
    let refusal = "refusing to fork: 1 other threads run in this process, and a lock held by one \
                   would stay locked in the child; start none before, or set \
                   the strategy's allow_threads";
    assert_eq!(server.line(), format!("serve_forever: {refusal}"));
    assert_eq!(server.line(), format!("handle_request: {refusal}"));
}

#[test]
fn a_process_with_threads_may_insist() {
    let server = start("with a thread, insisting");
    assert_eq!(server.ask("echo ping"), "ping");
}
