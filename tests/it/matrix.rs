//! What every strategy must do, over every transport of streams. The servers are processes of the
//! program in `tests/server/`, as `fork` does not mix with the threads of tests; what their
//! handlers do is in `tests/server/matrix.rs`.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::shared::process::ServerProcess;
use crate::support::{Client, LIMIT, MOMENT};

/// A strategy and a transport, by the names that the program knows.
#[derive(Clone, Copy)]
pub(crate) struct Cell {
    pub(crate) strategy: &'static str,
    pub(crate) transport: &'static str,
}

impl Cell {
    /// Starts a server with the handler of this kind.
    #[track_caller]
    pub(crate) fn serve(self, kind: &str) -> Served {
        let arguments = ["matrix", kind, self.strategy, self.transport];
        Served { process: ServerProcess::start(&arguments), transport: self.transport }
    }
}

/// A server of the matrix, which ends with this value.
pub(crate) struct Served {
    process: ServerProcess,
    transport: &'static str,
}

impl Served {
    #[track_caller]
    pub(crate) fn connect(&self) -> Client {
        match self.transport {
            "unix" => Client::connect_to_path(Path::new(&self.process.place)),
            _ => self.process.connect(),
        }
    }

    /// Sends a line on a connection of its own and returns the reply.
    #[track_caller]
    pub(crate) fn ask(&self, line: &str) -> String {
        self.connect().ask(line)
    }

    /// What the handler tells next.
    #[track_caller]
    pub(crate) fn note(&mut self) -> String {
        self.process.line()
    }

    /// What it has told so far.
    #[track_caller]
    pub(crate) fn notes(&mut self) -> Vec<String> {
        let mut notes = Vec::new();
        while self.process.says_something_within(Duration::ZERO) {
            notes.push(self.note());
        }
        notes
    }

    /// Asks the server to shut down.
    pub(crate) fn terminate(&self) {
        self.process.terminate();
    }

    /// Lets the handler that waits go on.
    pub(crate) fn give_leave(&mut self) {
        self.process.input.write_all(b"\n").unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if self.transport == "unix" {
            let _ = fs::remove_file(&self.process.place);
        }
    }
}

/// Makes a test for each strategy and transport of a function that takes a [`Cell`].
macro_rules! each_cell {
    (under $strategies:tt: $($name:ident,)*) => {$(
        mod $name {
            crate::matrix::each_cell!(@ $name $strategies);
        }
    )*};
    (@ $name:ident [$($strategy:ident),*]) => {$(
        mod $strategy {
            crate::matrix::each_cell!(@ $name $strategy tcp);
            crate::matrix::each_cell!(@ $name $strategy unix);
        }
    )*};
    (@ $name:ident $strategy:ident $transport:ident) => {
        #[test]
        fn $transport() {
            let (strategy, transport) = (stringify!($strategy), stringify!($transport));
            super::super::$name(crate::matrix::Cell { strategy, transport });
        }
    };
}

pub(crate) use each_cell;

each_cell! { under [sequential, thread_pool, thread_per_connection, forking, pre_fork]:
    both_ends_of_a_connection_can_be_used_at_once,
    an_error_costs_its_own_connection,
    a_panic_costs_its_own_connection,
    a_panicking_handle_error_costs_nothing_more,
    a_client_that_resets_costs_its_own_connection,
    the_server_may_speak_first,
    a_connection_closes_when_it_is_dropped,
    silent_clients_hold_up_nobody,
    a_client_that_leaves_without_a_word_is_not_handled,
    a_parked_connection_is_handled_again,
    pipelined_requests_are_all_handled,
    a_half_closed_client_is_answered,
    a_request_may_come_byte_by_byte,
    a_file_is_sent,
    a_file_that_is_shorter_than_said_is_sent_as_it_is,
    a_large_file_is_sent_to_a_slow_client,
    large_requests_are_read_whole,
}

// A child of `Forking` ends with its job, and what it has moved to a thread ends with it.
each_cell! { under [sequential, thread_pool, thread_per_connection, pre_fork]:
    a_connection_may_be_taken_over,
    a_connection_that_was_taken_over_may_be_given_back,
}

fn both_ends_of_a_connection_can_be_used_at_once(cell: Cell) {
    let server = cell.serve("copies");
    let mut client = server.connect();
    client.send("one\n");
    assert_eq!(client.read_line(), "one");
    client.send("two, three");
    client.finish_sending();
    assert_eq!(client.read_to_end(), "two, three");
}

fn an_error_costs_its_own_connection(cell: Cell) {
    let mut server = cell.serve("fails");
    let mut client = server.connect();
    client.send("fail\n");
    assert_eq!(client.read_to_end(), "");
    assert_eq!(server.note(), format!("{}: as you wish", client.address()));
    assert_eq!(server.ask("ping"), "ping");
    assert_eq!(server.notes(), [""; 0]);
}

fn a_panic_costs_its_own_connection(cell: Cell) {
    let mut server = cell.serve("fails");
    let mut client = server.connect();
    client.send("panic\n");
    assert_eq!(client.read_to_end(), "");
    assert_eq!(server.note(), format!("{}: handler panicked: as you wish", client.address()));
    assert_eq!(server.ask("ping"), "ping");
}

fn a_panicking_handle_error_costs_nothing_more(cell: Cell) {
    let server = cell.serve("panics twice");
    for order in ["fail\n", "panic\n"] {
        let mut client = server.connect();
        client.send(order);
        assert_eq!(client.read_to_end(), "");
    }
    assert_eq!(server.ask("ping"), "ping");
}

fn a_client_that_resets_costs_its_own_connection(cell: Cell) {
    let mut server = cell.serve("greets");
    let client = server.connect();
    let address = client.address();
    // What it has not read makes a Unix socket reset.
    assert!(client.hears(LIMIT));
    socket2::SockRef::from(&client.stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    let note = server.note();
    assert!(note.starts_with(&format!("{address}: ")), "{note}");
    assert_eq!(server.connect().read_line(), "hello");
}

fn the_server_may_speak_first(cell: Cell) {
    let server = cell.serve("asks");
    let mut client = server.connect();
    assert_eq!(client.read_exactly(6), b"name? ");
    client.send("you\n");
    assert_eq!(client.read_to_end(), "hello you\n");
}

fn a_connection_closes_when_it_is_dropped(cell: Cell) {
    let mut server = cell.serve("drops");
    let mut client = server.connect();
    // The handler still runs.
    client.sees_the_end();
    // A Unix socket tells at once, TCP with the next exchange.
    let _ = client.stream.write_all(b"anybody there?");
    assert!(client.is_reset_within(LIMIT));
    server.give_leave();
}

fn silent_clients_hold_up_nobody(cell: Cell) {
    let server = cell.serve("echoes");
    // More than a pool has threads, and than `Forking` has children.
    let mut silent: Vec<Client> = (0..100).map(|_| server.connect()).collect();
    assert_eq!(server.ask("ping"), "ping");
    for client in &mut silent {
        assert_eq!(client.ask("ping"), "ping");
        if cell.strategy == "forking" {
            // Who has spoken keeps a child.
            client.finish_sending();
            client.sees_the_end();
        }
    }
}

fn a_client_that_leaves_without_a_word_is_not_handled(cell: Cell) {
    let mut server = cell.serve("echoes and tells");
    let mut client = server.connect();
    client.finish_sending();
    client.sees_the_end();
    let mut other = server.connect();
    assert_eq!(other.ask("ping"), "ping");
    let handled = server.notes();
    // Whether it had left when it was accepted is chance; if not, its end is something to read.
    assert!(handled.len() <= 2);
    assert!(handled.contains(&format!("called {}", other.address())));
}

fn a_parked_connection_is_handled_again(cell: Cell) {
    let mut server = cell.serve("parks");
    let mut client = server.connect();
    for line in ["one", "two", "three", "quit"] {
        assert_eq!(client.ask(line), line);
    }
    client.sees_the_end();
    let called = format!("called {}", client.address());
    assert_eq!(server.notes(), [(); 4].map(|()| called.clone()));
}

fn pipelined_requests_are_all_handled(cell: Cell) {
    let server = cell.serve("echoes");
    let mut client = server.connect();
    // More than a buffer holds has arrived at once: no further byte tells that there is more to do.
    let lines: Vec<String> = (0..5000).map(|number| number.to_string()).collect();
    client.send(lines.join("\n") + "\n");
    for line in lines {
        assert_eq!(client.read_line(), line);
    }
    assert_eq!(client.ask("and then"), "and then");
}

fn a_half_closed_client_is_answered(cell: Cell) {
    let server = cell.serve("echoes");
    let mut client = server.connect();
    client.send("one\ntwo\n");
    client.finish_sending();
    assert_eq!(client.read_to_end(), "one\ntwo\n");
}

fn a_request_may_come_byte_by_byte(cell: Cell) {
    let mut server = cell.serve("tells of pieces");
    let mut client = server.connect();
    for end in 1..=4 {
        client.send([b"slow"[end - 1]]);
        while server.note() != format!("came {}", &"slow"[..end]) {}
    }
    assert_eq!(client.ask("ly"), "slowly");
}

fn a_connection_may_be_taken_over(cell: Cell) {
    let mut server = cell.serve("gives away");
    let mut client = server.connect();
    client.send("take\n");
    assert_eq!(server.note(), "taken");
    // The server hears the client no longer, and goes on with the others.
    client.send("me\n");
    assert_eq!(server.ask("ping"), "ping");
    server.give_leave();
    assert_eq!(client.read_to_end(), "taken: me\n");
}

fn a_connection_that_was_taken_over_may_be_given_back(cell: Cell) {
    let mut server = cell.serve("gives back");
    let mut client = server.connect();
    for _ in 0..3 {
        client.send("take\n");
        assert_eq!(server.note(), "taken");
        // Another client's turn makes sure that the first handler has returned.
        assert_eq!(server.ask("ping"), "ping");
        server.give_leave();
        assert_eq!(server.note(), "given back");
        assert_eq!(client.ask("back"), "back");
        assert_eq!(client.ask("again"), "again");
        // Given back with bytes waiting already.
        client.send("take\n");
        assert_eq!(server.note(), "taken");
        client.send("early\n");
        assert_eq!(server.ask("ping"), "ping");
        server.give_leave();
        assert_eq!(client.read_line(), "early");
        assert_eq!(server.note(), "given back");
    }
}

fn a_file_is_sent(cell: Cell) {
    let server = cell.serve("sends a file");
    assert_eq!(server.connect().read_to_end(), "<0002000300040100>");
}

fn a_file_that_is_shorter_than_said_is_sent_as_it_is(cell: Cell) {
    let server = cell.serve("sends a short file");
    assert_eq!(server.connect().read_to_end(), "00010002 8 0");
}

fn a_large_file_is_sent_to_a_slow_client(cell: Cell) {
    const SIZE: usize = 8 << 20;
    let mut server = cell.serve("sends a large file");
    let mut client = server.connect();
    client.send(format!("{SIZE}\n"));
    assert_eq!(client.read_exactly(8), b"00000001");
    // The buffers on the way are full by then, unless the machine is busy.
    thread::sleep(MOMENT);
    assert_eq!(client.read_to_end().len(), SIZE - 8);
    assert_eq!(server.note(), format!("sent {SIZE}"));
}

fn large_requests_are_read_whole(cell: Cell) {
    const SIZE: usize = 1 << 20;
    let server = cell.serve("reads all");
    let mut client = server.connect();
    client.send("head\n");
    client.send(vec![b'x'; SIZE]);
    client.finish_sending();
    assert_eq!(client.read_to_end(), format!("head\n{SIZE} true"));
}
