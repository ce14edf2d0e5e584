//! A server that serves again after requests of an earlier loop were cut, whose handlers still run.

use std::io::{self, Write};
use std::net::UdpSocket;
use std::time::Instant;

use socketserver::{Connection, Datagram, ThreadPool, ThreadingUdpServer, handler_fn};

use crate::drain::report;
use crate::support::{
    Client, Gate, LIMIT, MOMENT, Notes, Strategy, ThreadPerConnection, bind, read_line, testing,
};

#[test]
fn what_was_cut_is_neither_waited_for_nor_counted_again() {
    serves_again::<ThreadPool>();
    serves_again::<ThreadPerConnection>();
}

fn serves_again<C: Strategy>() {
    let gate = Gate::new();
    let handler = {
        let gate = gate.clone();
        testing(move |mut connection: Connection| {
            let line = read_line(&mut connection)?;
            if line == "stuck\n" {
                connection.wfile.write_all(b"begun\n")?;
                gate.pass();
                // Neither this way to end nor that one disturbs what came after.
                return connection.park();
            }
            connection.wfile.write_all(line.as_bytes())
        })
        .client_speaks_first()
    };
    let mut server = bind::<C, _>(handler);
    server.daemon_threads = false;
    server.max_connections = 2;
    let (handle, info) = (server.shutdown_handle(), server.info());
    let address = server.server_address();
    let mut stuck = Vec::new();
    for round in 0..3 {
        server.shutdown_timeout = MOMENT;
        std::thread::scope(|scope| {
            let serving = scope.spawn(|| server.serve_forever());
            let mut clients = [(); 2].map(|()| Client::connect(address));
            for client in &mut clients {
                assert_eq!(client.ask("stuck"), "begun", "{round}");
            }
            handle.shutdown();
            serving.join().unwrap().unwrap();
            stuck.extend(clients);
        });
        assert_eq!(server.shutdown_report(), report(0, 2), "{round}");
        assert_eq!(info.connections().open, 0, "{round}");
    }
    server.shutdown_timeout = LIMIT * 2;
    let began = Instant::now();
    std::thread::scope(|scope| {
        let serving = scope.spawn(|| server.serve_forever());
        let mut client = Client::connect(address);
        // Those that are cut give their slots up late, and two of them are taken again.
        gate.let_through(6);
        assert_eq!(client.ask("ping"), "ping");
        assert_eq!(Client::connect(address).ask("ping"), "ping");
        handle.shutdown();
        serving.join().unwrap().unwrap();
    });
    assert_eq!(server.shutdown_report().cut, 0);
    assert!(began.elapsed() < LIMIT, "{:?}", began.elapsed());
    for client in &mut stuck {
        client.sees_the_end();
    }
}

#[test]
fn datagrams_that_were_cut_are_neither_waited_for_nor_counted_again() {
    let (gate, notes) = (Gate::new(), Notes::new());
    let handler = {
        let (gate, notes) = (gate.clone(), notes.clone());
        handler_fn(move |_: Datagram| -> io::Result<()> {
            notes.add(());
            gate.pass();
            Ok(())
        })
    };
    let mut server = ThreadingUdpServer::bind("127.0.0.1:0", handler).unwrap();
    server.shutdown_timeout = MOMENT;
    let handle = server.shutdown_handle();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.connect(server.server_address()).unwrap();
    for round in 0..2 {
        std::thread::scope(|scope| {
            let serving = scope.spawn(|| server.serve_forever());
            client.send(b"x").unwrap();
            notes.next();
            handle.shutdown();
            serving.join().unwrap().unwrap();
        });
        assert_eq!(server.shutdown_report(), report(0, 1), "{round}");
    }
    server.shutdown_timeout = LIMIT * 2;
    let began = Instant::now();
    handle.shutdown();
    server.serve_forever().unwrap();
    assert_eq!(server.shutdown_report(), report(0, 0));
    assert!(began.elapsed() < LIMIT, "{:?}", began.elapsed());
    gate.let_through(2);
}
