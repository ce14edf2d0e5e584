//! What every strategy must do, once for each.
//!
//! `Forking` has its own binary, `tests/forking/`: its servers are processes without threads.

use std::fs::File;
use std::io::{self, Read, Write};
use std::thread;
use std::time::Duration;

use socketserver::{Address, Connection};

use crate::support::{
    Client, Gate, LIMIT, Notes, Running, Strategy, Streams, each_strategy, echo_lines, read_line,
    testing,
};

each_strategy! { Tcp, Unix:
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
    a_connection_may_be_taken_over,
    a_connection_that_was_taken_over_may_be_given_back,
    a_file_is_sent,
    a_file_that_is_shorter_than_said_is_sent_as_it_is,
    a_large_file_is_sent_to_a_slow_client,
    large_requests_are_read_whole,
}

fn both_ends_of_a_connection_can_be_used_at_once<T: Streams, C: Strategy>() {
    let running = Running::start(T::bind_free::<C, _>(testing(|mut connection: Connection| {
        io::copy(&mut connection.rfile, &mut connection.wfile).map(drop)
    })));
    let mut client = running.connect();
    client.send("one\n");
    assert_eq!(client.read_line(), "one");
    client.send("two, three");
    client.finish_sending();
    assert_eq!(client.read_to_end(), "two, three");
}

/// Answers lines, but fails on one that says so.
fn fail_if_told_to(mut connection: Connection) -> io::Result<()> {
    let line = read_line(&mut connection)?;
    match line.trim() {
        "fail" => Err(io::Error::other("as you wish")),
        "panic" => panic!("as you wish"),
        other => connection.wfile.write_all(format!("{other}\n").as_bytes()),
    }
}

fn an_error_costs_its_own_connection<T: Streams, C: Strategy>() {
    let handler = testing(fail_if_told_to);
    let errors = handler.errors.clone();
    let running = Running::start(T::bind_free::<C, _>(handler));
    let mut client = running.connect();
    client.send("fail\n");
    assert_eq!(client.read_to_end(), "");
    assert_eq!(errors.next(), (client.address(), "as you wish".to_owned()));
    assert_eq!(running.ask("ping"), "ping");
    assert_eq!(errors.so_far(), []);
}

fn a_panic_costs_its_own_connection<T: Streams, C: Strategy>() {
    let handler = testing(fail_if_told_to);
    let errors = handler.errors.clone();
    let running = Running::start(T::bind_free::<C, _>(handler));
    let mut client = running.connect();
    client.send("panic\n");
    assert_eq!(client.read_to_end(), "");
    let (address, error) = errors.next();
    assert_eq!(address, client.address());
    assert_eq!(error, "handler panicked: as you wish");
    assert_eq!(running.ask("ping"), "ping");
}

fn a_panicking_handle_error_costs_nothing_more<T: Streams, C: Strategy>() {
    struct Panics;

    impl socketserver::Handler for Panics {
        fn handle(&self, connection: Connection) -> io::Result<()> {
            fail_if_told_to(connection)
        }

        fn handle_error(&self, _: &Address, error: &io::Error) {
            panic!("and now this: {error}");
        }
    }

    let running = Running::start(T::bind_free::<C, _>(Panics));
    for order in ["fail\n", "panic\n"] {
        let mut client = running.connect();
        client.send(order);
        assert_eq!(client.read_to_end(), "");
    }
    assert_eq!(running.ask("ping"), "ping");
}

fn a_client_that_resets_costs_its_own_connection<T: Streams, C: Strategy>() {
    let handler = testing(|mut connection: Connection| {
        connection.wfile.write_all(b"hello\n")?;
        read_line(&mut connection).map(drop)
    });
    let errors = handler.errors.clone();
    let running = Running::start(T::bind_free::<C, _>(handler));
    let client = running.connect();
    let address = client.address();
    // What it has not read makes a Unix socket reset.
    assert!(client.hears(LIMIT));
    socket2::SockRef::from(&client.stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    assert_eq!(errors.next().0, address);
    assert_eq!(running.connect().read_line(), "hello");
}

fn the_server_may_speak_first<T: Streams, C: Strategy>() {
    let running = Running::start(T::bind_free::<C, _>(testing(|mut connection: Connection| {
        connection.wfile.write_all(b"name? ")?;
        let name = read_line(&mut connection)?;
        connection.wfile.write_all(format!("hello {name}").as_bytes())
    })));
    let mut client = running.connect();
    assert_eq!(client.read_exactly(6), b"name? ");
    client.send("you\n");
    assert_eq!(client.read_to_end(), "hello you\n");
}

fn a_connection_closes_when_it_is_dropped<T: Streams, C: Strategy>() {
    let gate = Gate::new();
    let handler = {
        let gate = gate.clone();
        testing(move |connection: Connection| {
            drop(connection);
            gate.pass();
            Ok(())
        })
    };
    let running = Running::start(T::bind_free::<C, _>(handler));
    let mut client = running.connect();
    // The handler still runs.
    client.sees_the_end();
    // A Unix socket tells at once, TCP with the next exchange.
    let _ = client.stream.write_all(b"anybody there?");
    assert!(client.is_reset_within(LIMIT));
    gate.let_through(1);
}

fn silent_clients_hold_up_nobody<T: Streams, C: Strategy>() {
    let handler = testing(echo_lines).client_speaks_first();
    let running = Running::start(T::bind_free::<C, _>(handler));
    // More than a pool has threads.
    let mut silent: Vec<Client> = (0..100).map(|_| running.connect()).collect();
    assert_eq!(running.ask("ping"), "ping");
    for client in &mut silent {
        assert_eq!(client.ask("ping"), "ping");
    }
}

fn a_client_that_leaves_without_a_word_is_not_handled<T: Streams, C: Strategy>() {
    let calls = Notes::new();
    let handler = {
        let calls = calls.clone();
        testing(move |connection: Connection| {
            calls.add(connection.client_address.clone());
            echo_lines(connection)
        })
        .client_speaks_first()
    };
    let running = Running::start(T::bind_free::<C, _>(handler));
    let mut client = running.connect();
    client.finish_sending();
    client.sees_the_end();
    let mut other = running.connect();
    assert_eq!(other.ask("ping"), "ping");
    let handled = calls.so_far();
    // Whether it had left when it was accepted is chance; if not, its end is something to read.
    assert!(handled.len() <= 2);
    assert!(handled.contains(&other.address()));
}

fn a_parked_connection_is_handled_again<T: Streams, C: Strategy>() {
    let calls = Notes::new();
    let handler = {
        let calls = calls.clone();
        testing(move |mut connection: Connection| {
            calls.add(connection.client_address.clone());
            let line = read_line(&mut connection)?;
            connection.wfile.write_all(line.as_bytes())?;
            match line.as_str() {
                "quit\n" => Ok(()),
                _ => connection.park(),
            }
        })
    };
    let running = Running::start(T::bind_free::<C, _>(handler));
    let mut client = running.connect();
    for line in ["one", "two", "three", "quit"] {
        assert_eq!(client.ask(line), line);
    }
    client.sees_the_end();
    assert_eq!(calls.so_far(), [(); 4].map(|()| client.address()));
}

fn pipelined_requests_are_all_handled<T: Streams, C: Strategy>() {
    let running = Running::start(T::bind_free::<C, _>(testing(echo_lines).client_speaks_first()));
    let mut client = running.connect();
    // More than a buffer holds has arrived at once: no further byte tells that there is more to do.
    let lines: Vec<String> = (0..5000).map(|number| number.to_string()).collect();
    client.send(lines.join("\n") + "\n");
    for line in lines {
        assert_eq!(client.read_line(), line);
    }
    assert_eq!(client.ask("and then"), "and then");
}

fn a_half_closed_client_is_answered<T: Streams, C: Strategy>() {
    let running = Running::start(T::bind_free::<C, _>(testing(echo_lines).client_speaks_first()));
    let mut client = running.connect();
    client.send("one\ntwo\n");
    client.finish_sending();
    assert_eq!(client.read_to_end(), "one\ntwo\n");
}

fn a_request_may_come_byte_by_byte<T: Streams, C: Strategy>() {
    let received = Notes::new();
    let handler = {
        let received = received.clone();
        testing(move |mut connection: Connection| {
            // Nothing has arrived that is not in the buffer, where the server has looked already.
            if matches!(connection.rfile.receive(), Ok(0)) && connection.rfile.unread().is_empty() {
                return Ok(());
            }
            if connection.rfile.unread().ends_with(b"\n") {
                return echo_lines(connection);
            }
            received.add(connection.rfile.unread().to_vec());
            connection.park_for_more()
        })
        .client_speaks_first()
    };
    let running = Running::start(T::bind_free::<C, _>(handler));
    let mut client = running.connect();
    for end in 1..=4 {
        client.send([b"slow"[end - 1]]);
        while received.next() != b"slow"[..end] {}
    }
    assert_eq!(client.ask("ly"), "slowly");
}

fn a_connection_may_be_taken_over<T: Streams, C: Strategy>() {
    let taken = Notes::new();
    let handler = {
        let taken = taken.clone();
        testing(move |mut connection: Connection| match read_line(&mut connection)?.as_str() {
            "take\n" => {
                taken.add(connection);
                Ok(())
            }
            line => connection.wfile.write_all(line.as_bytes()),
        })
        .client_speaks_first()
    };
    let running = Running::start(T::bind_free::<C, _>(handler));
    let mut client = running.connect();
    client.send("take\n");
    let mut connection = taken.next();
    // The server hears the client no longer, and goes on with the others.
    client.send("me\n");
    assert_eq!(running.ask("ping"), "ping");
    assert_eq!(read_line(&mut connection).unwrap(), "me\n");
    connection.wfile.write_all(b"taken\n").unwrap();
    assert_eq!(client.read_line(), "taken");
    drop(connection);
    assert_eq!(client.read_to_end(), "");
}

fn a_connection_that_was_taken_over_may_be_given_back<T: Streams, C: Strategy>() {
    let taken = Notes::new();
    let handler = {
        let taken = taken.clone();
        testing(move |mut connection: Connection| {
            let line = read_line(&mut connection)?;
            if line == "take\n" {
                taken.add(connection);
                return Ok(());
            }
            if line.is_empty() {
                return Ok(());
            }
            connection.wfile.write_all(line.as_bytes())?;
            connection.park()
        })
        .client_speaks_first()
    };
    let running = Running::start(T::bind_free::<C, _>(handler));
    let mut client = running.connect();
    for _ in 0..3 {
        client.send("take\n");
        let connection = taken.next();
        // Another client's turn makes sure that the first handler has returned.
        assert_eq!(running.ask("ping"), "ping");
        thread::spawn(|| connection.park()).join().unwrap().unwrap();
        assert_eq!(client.ask("back"), "back");
        assert_eq!(client.ask("again"), "again");
        // Given back with bytes waiting already.
        client.send("take\n");
        let connection = taken.next();
        client.send("early\n");
        assert_eq!(running.ask("ping"), "ping");
        connection.park().unwrap();
        assert_eq!(client.read_line(), "early");
    }
}

/// A file that holds its own offsets, four digits each.
fn numbered_file(count: u32) -> File {
    let mut file = tempfile::tempfile().unwrap();
    let text: String = (0..count).map(|number| format!("{number:04}")).collect();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn a_file_is_sent<T: Streams, C: Strategy>() {
    let running = Running::start(T::bind_free::<C, _>(testing(|mut connection: Connection| {
        let file = numbered_file(1000);
        connection.wfile.write_all(b"<")?;
        assert_eq!(connection.wfile.send_file(&file, 8, 12)?, 12);
        assert_eq!(connection.wfile.send_file(&file, 40, 0)?, 0);
        assert_eq!(connection.wfile.send_file(&file, 400, 4)?, 4);
        connection.wfile.write_all(b">")
    })));
    assert_eq!(running.connect().read_to_end(), "<0002000300040100>");
}

fn a_file_that_is_shorter_than_said_is_sent_as_it_is<T: Streams, C: Strategy>() {
    let running = Running::start(T::bind_free::<C, _>(testing(|mut connection: Connection| {
        let file = numbered_file(3);
        let sent = connection.wfile.send_file(&file, 4, 4000)?;
        let beyond = connection.wfile.send_file(&file, 4000, 1)?;
        connection.wfile.write_all(format!(" {sent} {beyond}").as_bytes())
    })));
    assert_eq!(running.connect().read_to_end(), "00010002 8 0");
}

fn a_large_file_is_sent_to_a_slow_client<T: Streams, C: Strategy>() {
    const SIZE: u32 = 8 << 20;
    let gate = Gate::new();
    let handler = {
        let gate = gate.clone();
        testing(move |mut connection: Connection| {
            let file = numbered_file(SIZE / 4);
            gate.pass();
            let sent = connection.wfile.send_file(&file, 0, SIZE.into())?;
            assert_eq!(sent, u64::from(SIZE));
            Ok(())
        })
    };
    let running = Running::start(T::bind_free::<C, _>(handler));
    let mut client = running.connect();
    gate.let_through(1);
    assert_eq!(client.read_exactly(8), b"00000001");
    assert_eq!(client.read_to_end().len(), SIZE as usize - 8);
}

fn large_requests_are_read_whole<T: Streams, C: Strategy>() {
    const SIZE: usize = 1 << 20;
    let running = Running::start(T::bind_free::<C, _>(testing(|mut connection: Connection| {
        let mut body = Vec::new();
        // A line through the buffer, the rest past it.
        let line = read_line(&mut connection)?;
        connection.rfile.read_to_end(&mut body)?;
        let same = body.iter().all(|&byte| byte == b'x');
        let answer = format!("{}{} {same}", line, body.len());
        connection.wfile.write_all(answer.as_bytes())
    })));
    let mut client = running.connect();
    client.send("head\n");
    client.send(vec![b'x'; SIZE]);
    client.finish_sending();
    assert_eq!(client.read_to_end(), format!("head\n{SIZE} true"));
}
