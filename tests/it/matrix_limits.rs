//! What every strategy must do about time and size, over every transport of streams.

use std::io::Write;
use std::thread;
use std::time::Instant;

use crate::matrix::{Cell, each_cell};
use crate::support::{Client, LIMIT, MOMENT};

each_cell! { under [sequential, thread_pool, thread_per_connection, forking, pre_fork]:
    a_request_that_does_not_come_in_time_is_handled_once_more,
    a_request_that_is_late_is_not_waited_for_again,
    the_head_limit_is_counted_for_each_request,
    an_idle_connection_is_closed,
    a_client_that_never_speaks_is_closed,
    a_read_that_stalls_fails,
    a_write_that_stalls_fails,
    a_file_that_nobody_takes_stalls,
    a_handler_may_set_its_own_limits,
    a_refused_client_can_read_why,
    a_late_client_can_read_why,
    a_refused_client_may_send_on_but_not_for_ever,
}

// Under `Forking` each of them has a child, up to the most that there may be.
each_cell! { under [sequential, thread_pool, thread_per_connection, pre_fork]:
    a_dribbling_client_holds_up_nobody,
}

fn a_dribbling_client_holds_up_nobody(cell: Cell) {
    let server = cell.serve("echoes");
    let mut dribbling: Vec<Client> = (0..100).map(|_| server.connect()).collect();
    for byte in b"abc" {
        for client in &mut dribbling {
            client.send([*byte]);
        }
        assert_eq!(server.ask("ping"), "ping");
    }
    for client in &mut dribbling {
        assert_eq!(client.ask("d"), "abcd");
    }
}

fn a_request_that_does_not_come_in_time_is_handled_once_more(cell: Cell) {
    let mut server = cell.serve("says if late");
    let mut client = server.connect();
    let began = Instant::now();
    client.send("some");
    assert_eq!(client.read_line(), "late after some");
    assert!(began.elapsed() >= MOMENT);
    assert_eq!(server.notes(), ["late"]);
}

fn a_request_that_is_late_is_not_waited_for_again(cell: Cell) {
    let mut server = cell.serve("waits although late");
    let mut client = server.connect();
    client.send("some");
    client.sees_the_end();
    assert_eq!(server.notes(), ["late"]);
}

/// Each request begins before the one ahead of it is handled, and none takes long by itself.
fn the_head_limit_is_counted_for_each_request(cell: Cell) {
    let server = cell.serve("says if late, patient");
    let mut client = server.connect();
    let began = Instant::now();
    client.send("x");
    while began.elapsed() < MOMENT * 10 {
        client.send("\nx");
        assert_eq!(client.read_line(), "x");
    }
}

fn an_idle_connection_is_closed(cell: Cell) {
    let mut server = cell.serve("echoes, hasty");
    let mut client = server.connect();
    assert_eq!(client.ask("ping"), "ping");
    let began = Instant::now();
    assert_eq!(client.read_to_end(), "");
    assert!(began.elapsed() < LIMIT);
    assert_eq!(server.notes().len(), 1);
}

fn a_client_that_never_speaks_is_closed(cell: Cell) {
    let mut server = cell.serve("is not called");
    let began = Instant::now();
    let mut client = server.connect();
    assert_eq!(client.read_to_end(), "");
    assert!(began.elapsed() >= MOMENT);
    assert_eq!(server.notes(), [""; 0]);
}

fn a_read_that_stalls_fails(cell: Cell) {
    let mut server = cell.serve("reads until it stalls");
    let mut client = server.connect();
    client.send("no end of line");
    client.sees_the_end();
    assert_eq!(server.note(), format!("{}: timed out", client.address()));
}

fn a_write_that_stalls_fails(cell: Cell) {
    let mut server = cell.serve("writes until it stalls");
    let client = server.connect();
    assert_eq!(server.note(), format!("{}: timed out", client.address()));
}

fn a_file_that_nobody_takes_stalls(cell: Cell) {
    let mut server = cell.serve("sends until it stalls");
    let client = server.connect();
    assert_eq!(server.note(), format!("{}: timed out", client.address()));
}

fn a_handler_may_set_its_own_limits(cell: Cell) {
    let mut server = cell.serve("sets its own limits");
    let client = server.connect();
    assert_eq!(server.note(), format!("{}: timed out", client.address()));
}

fn a_refused_client_can_read_why(cell: Cell) {
    let server = cell.serve("refuses");
    let mut client = server.connect();
    client.send([b'x'; 100_000]);
    // The reply and a clean end, neither a reset nor an error.
    assert_eq!(client.read_to_end(), "go away\n");
    client.send([b'x'; 100_000]);
    assert!(!client.is_reset_within(MOMENT));
    client.finish_sending();
}

fn a_late_client_can_read_why(cell: Cell) {
    let server = cell.serve("says if late");
    let mut client = server.connect();
    client.send("some");
    assert_eq!(client.read_to_end(), "late after some\n");
    client.send("more");
    assert!(!client.is_reset_within(MOMENT));
}

/// However much it sends; the end of the server ends that, too.
fn a_refused_client_may_send_on_but_not_for_ever(cell: Cell) {
    let server = cell.serve("refuses");
    let mut client = server.connect();
    client.send("x");
    assert_eq!(client.read_to_end(), "go away\n");
    client.send(vec![b'x'; 4 << 20]);
    server.terminate();
    let begun = Instant::now();
    while client.stream.write_all(b"x").is_ok() {
        assert!(begun.elapsed() < LIMIT, "it is listened to");
        thread::sleep(MOMENT);
    }
}
