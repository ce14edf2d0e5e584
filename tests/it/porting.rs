//! What Python's handlers do with their socket, their request and their server, and ours.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use socket2::SockRef;
use socketserver::concurrency::{Concurrency, Job, Placement};
use socketserver::http::{Exchange, HttpRequestHandler};
use socketserver::{
    Address, Connection, Datagram, Handler, Sequential, ThreadPool, UdpServer, handler_fn,
};

use crate::support::{
    LIMIT, MOMENT, Notes, Reach, Running, Strategy, Streams, bind, bind_with, each_strategy,
    testing,
};
use crate::web::{Browser, answer, answering, ask, get, serve};

/// `setsockopt` and `getsockname`, of the connection and of an exchange.
#[test]
fn the_socket_has_options_and_addresses() {
    #[track_caller]
    fn look_at(socket: impl AsFd) -> io::Result<String> {
        let socket = SockRef::from(&socket);
        assert!(!socket.keepalive()?);
        socket.set_keepalive(true)?;
        assert!(socket.keepalive()?);
        Ok(format!("{:?}", socket.local_addr()?.as_socket()))
    }

    let running = Running::start(bind::<ThreadPool, _>(testing(|mut connection: Connection| {
        let address = look_at(&connection)?;
        writeln!(connection.wfile, "{address}")
    })));
    assert_eq!(running.connect().read_line(), format!("{:?}", Some(running.address)));

    let server = serve(answering(|http| {
        let address = look_at(&*http)?;
        answer(http, address)
    }));
    assert_eq!(ask(&server, get("/")).text(), format!("{:?}", Some(server.address)));
}

each_strategy! { over [tcp: Tcp, unix: Unix]:
    lines_are_read_up_to_a_limit,
    a_client_that_leaves_without_a_byte_has_gone_away,
    an_end_elsewhere_is_not_the_clients,
}

fn lines_are_read_up_to_a_limit<T: Streams, C: Strategy>() {
    let running = Running::start(T::bind_free::<C, _>(testing(|mut connection: Connection| {
        loop {
            let line = connection.rfile.readline(5)?;
            writeln!(connection.wfile, "{:?}", String::from_utf8_lossy(&line))?;
            if line.is_empty() {
                return Ok(());
            }
        }
    })));
    let mut client = running.connect();
    client.send("one\nfour\nthirteen\n\nend");
    client.finish_sending();
    let expected = ["one\\n", "four\\n", "thirt", "een\\n", "\\n", "end", ""];
    let expected: String = expected.iter().map(|line| format!("\"{line}\"\n")).collect();
    assert_eq!(client.read_to_end(), expected);
}

/// It stays with the limit, whatever has arrived, and within the body.
#[test]
fn lines_of_a_body_end_with_it() {
    let server = serve(answering(|http| {
        let mut lines = Vec::new();
        loop {
            let line = http.rfile.readline(4)?;
            if line.is_empty() {
                return answer(http, lines.join("|"));
            }
            lines.push(String::from_utf8_lossy(&line).into_owned());
        }
    }));
    let mut browser = Browser::connect(&server);
    let request = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\n\r\nabcdef\nx";
    browser.send([request, request].concat());
    assert_eq!((browser.reply().text(), browser.reply().text()), ("abcd|ef\n|x", "abcd|ef\n|x"));
    let chunked = "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\nd\ne\r\n0\r\n\r\n";
    let reply = browser.ask(format!("POST / HTTP/1.1\r\nHost: h\r\n{chunked}"));
    assert_eq!(reply.text(), "abcd|\n|e");
}

/// Hands over what a handler's errors are.
struct Reports<H>(Notes<(Address, io::Error)>, H);

impl<H: Handler> Handler for Reports<H> {
    fn handle(&self, connection: Connection) -> io::Result<()> {
        self.1.handle(connection)
    }

    fn handle_error(&self, client_address: &Address, error: &io::Error) {
        self.0.add((client_address.clone(), io::Error::new(error.kind(), error.to_string())));
    }
}

/// A port scan, a health check: nothing to report, though the handler had hoped for more.
fn a_client_that_leaves_without_a_byte_has_gone_away<T: Streams, C: Strategy>() {
    let errors = Notes::new();
    let running = Running::start(T::bind_free::<C, _>(Reports(
        errors.clone(),
        handler_fn(|mut connection: Connection| {
            let mut head = [0; 4];
            connection.rfile.read_exact(&mut head)?;
            connection.wfile.write_all(&head)?;
            connection.park()
        }),
    )));
    drop(running.connect());
    let (_, error) = errors.next();
    // One of the kinds that the default reports in one line of the debug log.
    assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted, "{error}");
    let mut client = running.connect();
    client.finish_sending();
    assert_eq!(errors.next().1.kind(), io::ErrorKind::ConnectionAborted);
    assert_eq!(client.read_to_end(), "");

    // One that has said something is reported as before.
    let mut client = running.connect();
    client.send("ab");
    client.finish_sending();
    assert_eq!(errors.next().1.kind(), io::ErrorKind::UnexpectedEof);
    // Also in its second request; what was read in the first does not count.
    let mut client = running.connect();
    client.send("ping");
    assert_eq!(client.read_exactly(4), b"ping");
    client.send("ab");
    client.finish_sending();
    assert_eq!(errors.next().1.kind(), io::ErrorKind::UnexpectedEof);
    let mut client = running.connect();
    client.send("ping");
    assert_eq!(client.read_exactly(4), b"ping");
    client.finish_sending();
    assert_eq!(errors.next().1.kind(), io::ErrorKind::ConnectionAborted);
}

/// What a handler misses elsewhere is no client's doing, though the client is silent.
fn an_end_elsewhere_is_not_the_clients<T: Streams, C: Strategy>() {
    let kinds = Notes::new();
    let running = Running::start(T::bind_free::<C, _>(Reports(
        kinds.clone(),
        handler_fn(|mut connection: Connection| {
            connection.wfile.write_all(b"welcome\n")?;
            io::empty().read_exact(&mut [0; 4])
        }),
    )));
    let mut client = running.connect();
    assert_eq!(client.read_to_end(), "welcome\n");
    let error = kinds.next().1;
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{error}");
}

/// What the handler's own error was can still be found out.
#[test]
fn the_error_of_a_client_that_has_gone_away_has_its_source() {
    struct Sources(Notes<Option<String>>);

    impl Handler for Sources {
        fn handle(&self, mut connection: Connection) -> io::Result<()> {
            let read = connection.rfile.read_exact(&mut [0]);
            read.map_err(|error| io::Error::new(error.kind(), "no greeting"))
        }

        fn handle_error(&self, _: &Address, error: &io::Error) {
            let source = std::error::Error::source(error);
            self.0.add(source.map(ToString::to_string));
        }
    }

    let sources = Notes::new();
    let running = Running::start(bind::<ThreadPool, _>(Sources(sources.clone())));
    drop(running.connect());
    assert_eq!(sources.next().as_deref(), Some("no greeting"));
}

/// A stream hears that it should end.
#[test]
fn an_exchange_knows_at_any_time_whether_the_server_stops() {
    let server = serve(answering(|http| {
        http.send_response(200)?;
        http.end_headers()?;
        assert!(!http.is_draining());
        let begun = Instant::now();
        while !http.is_draining() {
            http.wfile.write_all(b"tick\n")?;
            assert!(begun.elapsed() < LIMIT, "it never hears of it");
            std::thread::sleep(MOMENT / 10);
        }
        http.wfile.write_all(b"bye\n")?;
        let connection = http.take_over()?;
        assert!(http.is_draining() && connection.is_draining());
        Ok(())
    }));
    let mut client = server.connect();
    client.send("GET / HTTP/1.0\r\n\r\n");
    while client.read_line() != "tick" {}
    assert_eq!(server.stop().report.cut, 0);
    assert!(client.read_to_end().ends_with("bye\n"));
}

/// A response that begins after that says that the connection ends, though its request came before.
#[test]
fn a_response_says_that_the_server_stops_by_now() {
    let server = serve(answering(|http| {
        http.server.shutdown();
        let begun = Instant::now();
        while !http.is_draining() {
            assert!(begun.elapsed() < LIMIT, "it never hears of it");
            std::thread::sleep(MOMENT / 10);
        }
        answer(http, "bye")
    }));
    let reply = Browser::connect(&server).ask(get("/"));
    assert_eq!((reply.header("Connection"), reply.text()), (Some("close"), "bye"));
}

#[test]
fn an_exchange_knows_whether_it_is_encrypted() {
    let server = serve(answering(|http| answer(http, http.is_secure().to_string())));
    assert_eq!(ask(&server, get("/")).text(), "false");
}

#[cfg(feature = "tls")]
#[test]
fn an_exchange_over_tls_knows_that_it_is_encrypted() {
    use std::sync::Arc;

    use crate::certificates::{Authority, TlsClient, client_config};

    let authority = Authority::new();
    let handler = answering(|http| answer(http, http.is_secure().to_string()));
    let tls = authority.issue().tls();
    let server = socketserver::HttpsServer::bind(tls, handler).unwrap();
    let server = Running::start(server);
    let mut client = TlsClient::connect(server.address, &Arc::new(client_config(&authority)));
    client.send(get("/"));
    assert_eq!(client.reply().1, b"true");
}

/// Its size, as a log of one line for each request has it.
#[test]
fn a_body_is_counted_as_it_is_sent() {
    struct Counts(Notes<u64>);

    impl HttpRequestHandler for Counts {
        fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
            self.0.add(http.wfile.sent());
            http.send_response(200)?;
            http.end_headers()?;
            for _ in 0..2 {
                http.wfile.write_all(b"four")?;
                self.0.add(http.wfile.sent());
            }
            Ok(())
        }

        fn do_head(&self, http: &mut Exchange<'_>) -> io::Result<()> {
            self.do_get(http)
        }

        fn finish(&self, http: &Exchange<'_>) {
            self.0.add(http.wfile.sent());
        }

        fn protocol_version(&self) -> socketserver::http::ProtocolVersion {
            socketserver::http::ProtocolVersion::Http11
        }
    }

    let counts = Notes::new();
    let server = serve(Counts(counts.clone()));
    for (request, expected) in [
        ("GET / HTTP/1.0\r\n\r\n", [0, 4, 8, 8]),
        ("GET / HTTP/1.1\r\nHost: h\r\n\r\n", [0, 4, 8, 8]),
        ("HEAD / HTTP/1.0\r\n\r\n", [0; 4]),
    ] {
        let mut client = server.connect();
        client.send(request);
        client.read_line();
        assert_eq!([(); 4].map(|()| counts.next()), expected, "{request}");
    }
}

/// A strategy refuses clients by their address, as programs do that override `process_request`.
#[test]
fn a_strategy_knows_whose_job_it_has() {
    #[derive(Debug)]
    struct Picky(Notes<Address>);

    impl Concurrency for Picky {
        fn process_request(&mut self, job: Job) -> io::Result<()> {
            self.0.add(job.client_address().clone());
            job.run();
            Ok(())
        }

        fn placement(&self) -> Placement {
            Placement::ServingThread
        }
    }

    let seen = Notes::new();
    let echo = testing(|mut connection: Connection| connection.wfile.write_all(b"served\n"));
    let running = Running::start(bind_with(echo, Picky(seen.clone())));
    let mut client = running.address.connect();
    assert_eq!(client.read_to_end(), "served\n");
    assert_eq!(seen.next(), client.address());

    let echo = handler_fn(|datagram: Datagram| datagram.reply(b"served"));
    let mut server = UdpServer::bind_with("127.0.0.1:0", echo, Picky(seen.clone())).unwrap();
    let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    client.send_to(b"ping", server.server_address()).unwrap();
    server.handle_request().unwrap();
    assert_eq!(seen.next(), Address::from(client.local_addr().unwrap()));
}

/// Reading with a limit of time goes on where it was cut.
#[test]
fn a_line_that_does_not_come_in_time_is_an_error() {
    let handler = testing(|mut connection: Connection| {
        connection.rfile.set_timeout(Some(Duration::from_millis(20)));
        let late = connection.rfile.readline(80).unwrap_err();
        writeln!(connection.wfile, "{:?}", late.kind())
    });
    let running = Running::start(bind_with(handler, Sequential));
    let mut client = running.connect();
    client.send("no end");
    assert_eq!(client.read_to_end(), "TimedOut\n");
}
