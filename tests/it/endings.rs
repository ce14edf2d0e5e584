//! How connections end that a handler drops: in good order, whatever the client has sent.

use std::io::{self, BufRead, Write};
use std::thread;
use std::time::Instant;

use socketserver::http::{Exchange, HttpRequestHandler};
use socketserver::{Connection, Sequential, ThreadPool};

use crate::support::{
    Gate, LIMIT, MOMENT, Notes, Running, Strategy, Streams, ThreadPerConnection, bind, bind_with,
    each_strategy, read_line, testing,
};

each_strategy! { over [tcp: Tcp, unix: Unix]:
    a_client_that_has_sent_too_much_sees_an_end,
    a_client_whose_handler_fails_sees_an_end,
    a_client_whose_handler_panics_sees_an_end,
    a_client_sees_an_end_where_the_reading_end_was_taken_apart,
    a_client_sees_an_end_where_the_last_to_let_go_is_another_thread,
    a_client_whose_connection_was_taken_over_sees_an_end,
    a_client_of_an_http_handler_that_took_over_sees_an_end,
    a_client_that_goes_on_sending_is_not_listened_to_for_ever,
}

/// More than is read at once, and less than a Unix socket holds of it.
const TOO_MUCH: usize = 100 * 1024;

/// Often enough that an end by luck shows.
const TIMES: usize = 10;

/// Each sends much more than is read, and reads the reply and the end.
#[track_caller]
fn clients_see_an_end<A: crate::support::Reach>(running: &Running<A>, reply: &str) {
    for _ in 0..TIMES {
        let mut client = running.connect();
        client.send("DATA\n");
        client.send(vec![b'x'; TOO_MUCH]);
        assert_eq!(client.read_to_end(), reply);
    }
}

/// Answers the first line, when more has come.
fn too_large(connection: &mut Connection) -> io::Result<()> {
    read_line(connection)?;
    connection.rfile.fill_buf()?;
    connection.wfile.write_all(b"552 Too large\n")
}

fn a_client_that_has_sent_too_much_sees_an_end<T: Streams, C: Strategy>() {
    let handler = testing(|mut connection: Connection| too_large(&mut connection));
    let running = Running::start(T::bind_free::<C, _>(handler));
    clients_see_an_end(&running, "552 Too large\n");
}

fn a_client_whose_handler_fails_sees_an_end<T: Streams, C: Strategy>() {
    let handler = testing(|mut connection: Connection| {
        too_large(&mut connection)?;
        Err(io::Error::other("as you wish"))
    });
    let running = Running::start(T::bind_free::<C, _>(handler));
    clients_see_an_end(&running, "552 Too large\n");
}

fn a_client_whose_handler_panics_sees_an_end<T: Streams, C: Strategy>() {
    let handler = testing(|mut connection: Connection| {
        too_large(&mut connection)?;
        panic!("as you wish")
    });
    let running = Running::start(T::bind_free::<C, _>(handler));
    clients_see_an_end(&running, "552 Too large\n");
}

fn a_client_sees_an_end_where_the_reading_end_was_taken_apart<T: Streams, C: Strategy>() {
    let handler = testing(|mut connection: Connection| {
        too_large(&mut connection)?;
        drop(connection.rfile);
        connection.wfile.write_all(b"bye\n")
    });
    let running = Running::start(T::bind_free::<C, _>(handler));
    clients_see_an_end(&running, "552 Too large\nbye\n");
}

fn a_client_sees_an_end_where_the_last_to_let_go_is_another_thread<T: Streams, C: Strategy>() {
    let gate = Gate::new();
    let handler = {
        let gate = gate.clone();
        testing(move |mut connection: Connection| {
            too_large(&mut connection)?;
            let (mut wfile, gate) = (connection.wfile.clone(), gate.clone());
            thread::spawn(move || {
                gate.pass();
                wfile.write_all(b"bye\n")
            });
            Ok(())
        })
    };
    let running = Running::start(T::bind_free::<C, _>(handler));
    for _ in 0..TIMES {
        let mut client = running.connect();
        client.send("DATA\n");
        client.send(vec![b'x'; TOO_MUCH]);
        assert_eq!(client.read_line(), "552 Too large");
        gate.let_through(1);
        assert_eq!(client.read_to_end(), "bye\n");
    }
}

fn a_client_whose_connection_was_taken_over_sees_an_end<T: Streams, C: Strategy>() {
    let handler = testing(move |mut connection: Connection| {
        thread::spawn(move || too_large(&mut connection));
        Ok(())
    });
    let running = Running::start(T::bind_free::<C, _>(handler));
    clients_see_an_end(&running, "552 Too large\n");
}

fn a_client_of_an_http_handler_that_took_over_sees_an_end<T: Streams, C: Strategy>() {
    /// Once all has been sent: it reads as much as has come, and with nothing left that it has not
    /// read the connection ends under a client that is sending still.
    struct Upgrades(Gate);

    impl HttpRequestHandler for Upgrades {
        fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
            let mut connection = http.take_over()?;
            self.0.pass();
            too_large(&mut connection)
        }
    }

    let gate = Gate::new();
    let running = Running::start(T::bind_free::<C, _>(Upgrades(gate.clone())));
    for _ in 0..TIMES {
        let mut client = running.connect();
        client.send("GET / HTTP/1.0\r\n\r\nDATA\n");
        client.send(vec![b'x'; TOO_MUCH]);
        gate.let_through(1);
        assert_eq!(client.read_to_end(), "552 Too large\n");
    }
}

/// A server that stops does not listen on.
fn a_client_that_goes_on_sending_is_not_listened_to_for_ever<T: Streams, C: Strategy>() {
    let handler = testing(|mut connection: Connection| too_large(&mut connection));
    let running = Running::start(T::bind_free::<C, _>(handler));
    let mut client = running.connect();
    client.send("DATA\nmore");
    assert_eq!(client.read_to_end(), "552 Too large\n");
    running.handle.shutdown();
    let begun = Instant::now();
    while client.stream.write_all(b"and more").is_ok() {
        assert!(begun.elapsed() < LIMIT, "the server goes on listening");
        thread::sleep(MOMENT);
    }
}

/// The rest of what a client sends is thrown away while others are served.
fn others_are_served_meanwhile<C: Strategy>(strategy: C) {
    let handler = testing(|mut connection: Connection| too_large(&mut connection));
    let running = Running::start(bind_with(handler, strategy));
    let mut first = running.connect();
    first.send("DATA\nmore");
    assert_eq!(first.read_line(), "552 Too large");
    let begun = Instant::now();
    for _ in 0..TIMES {
        let mut client = running.connect();
        client.send("DATA\nmore");
        assert_eq!(client.read_to_end(), "552 Too large\n");
        client.finish_sending();
    }
    assert!(begun.elapsed() < LIMIT, "each waited for the one before");
    assert_eq!(first.read_to_end(), "");
}

#[test]
fn sequentially_others_are_served_meanwhile() {
    others_are_served_meanwhile(Sequential);
}

#[test]
fn on_one_thread_others_are_served_meanwhile() {
    others_are_served_meanwhile(ThreadPool::default().max_threads(1));
}

/// A handler that has answered and dropped its connection may have other work to do: its client is
/// seen to meanwhile, and holds up nobody.
fn a_handler_may_work_on_after_the_end<C: Strategy>() {
    let (dropped, gate) = (Notes::new(), Gate::new());
    let handler = {
        let (dropped, gate) = (dropped.clone(), gate.clone());
        testing(move |mut connection: Connection| {
            too_large(&mut connection)?;
            connection.lingering_close()?;
            dropped.add(());
            gate.pass();
            Ok(())
        })
    };
    let mut server = bind::<C, _>(handler);
    server.max_connections = 1;
    let running = Running::start(server);
    // Much more than the sockets hold: somebody reads it.
    let mut client = running.connect();
    client.send("DATA\nmore");
    assert_eq!(client.read_to_end(), "552 Too large\n");
    dropped.next();
    client.send(vec![b'x'; 100 * TOO_MUCH]);
    drop(client);
    // Its place is free, and that of a client that goes on can be had.
    let mut second = running.connect();
    second.send("DATA\nmore");
    assert_eq!(second.read_to_end(), "552 Too large\n");
    dropped.next();
    let mut third = running.connect();
    third.send("DATA\nmore");
    assert_eq!(third.read_to_end(), "552 Too large\n");
    gate.let_through(3);
}

#[test]
fn a_handler_on_a_thread_of_a_pool_may_work_on_after_the_end() {
    a_handler_may_work_on_after_the_end::<ThreadPool>();
}

#[test]
fn a_handler_on_a_thread_of_its_own_may_work_on_after_the_end() {
    a_handler_may_work_on_after_the_end::<ThreadPerConnection>();
}

/// Such a connection is none with a request: a shutdown waits for it, and has nothing to finish or
/// cut.
#[test]
fn a_connection_that_is_closing_is_neither_finished_nor_cut() {
    let ended = Notes::new();
    let handler = {
        let ended = ended.clone();
        testing(move |mut connection: Connection| {
            too_large(&mut connection)?;
            connection.lingering_close()?;
            ended.add(());
            Ok(())
        })
    };
    let mut server = bind::<ThreadPool, _>(handler);
    server.shutdown_timeout = MOMENT;
    let running = Running::start(server);
    let mut client = running.connect();
    client.send("DATA\nmore");
    assert_eq!(client.read_to_end(), "552 Too large\n");
    ended.next();
    let report = running.stop().report;
    assert_eq!((report.finished, report.cut), (0, 0));
}
