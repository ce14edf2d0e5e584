//! TLS: handshakes that hold nobody up, records and requests, certificates, ends.

use std::io::{self, BufRead, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use rustls::ClientConfig;
use socketserver::http::Exchange;
use socketserver::transport::TlsBind;
use socketserver::{Connection, Handler, Timeouts, TlsServer, handler_fn};

use crate::certificates::{Authority, TlsClient, client_config, client_hello, client_session};
use crate::support::{
    Client, LIMIT, MOMENT, Running, Strategy, each_strategy, echo_lines, read_line, testing,
};
use crate::web::{Site, answer, answering, get, send_back};

/// A server and what its clients need.
pub(crate) struct Secure {
    pub(crate) running: Running,
    pub(crate) config: Arc<ClientConfig>,
}

impl Secure {
    pub(crate) fn start<C: Strategy, H: Handler>(handler: H) -> Self {
        Self::start_with(handler, C::default())
    }

    pub(crate) fn start_with<C: Strategy, H: Handler>(handler: H, strategy: C) -> Self {
        let authority = Authority::new();
        let server = bind(authority.issue().tls(), handler, strategy);
        Self { running: Running::start(server), config: Arc::new(client_config(&authority)) }
    }

    pub(crate) fn connect(&self) -> TlsClient {
        TlsClient::connect(self.running.address, &self.config)
    }

    /// Connects without a handshake.
    pub(crate) fn connect_plainly(&self) -> Client {
        self.running.connect()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.running.address
    }
}

pub(crate) fn bind<C: Strategy, H: Handler>(
    tls: TlsBind,
    handler: H,
    strategy: C,
) -> TlsServer<C, H> {
    let mut server = TlsServer::bind_with(tls, handler, strategy).unwrap();
    server.shutdown_timeout = LIMIT;
    server
}

each_strategy! {
    any_handler_is_served,
    the_server_may_speak_first,
    silent_dribbling_and_stalling_clients_hold_up_nobody,
    a_handshake_may_come_byte_by_byte,
    a_handshake_that_stalls_is_ended,
    a_record_that_stalls_is_ended,
    several_threads_write_to_a_slow_client,
    requests_in_one_record_are_all_answered,
    a_request_may_come_in_many_records,
    a_body_is_larger_than_records_and_buffers,
    a_slow_client_receives_a_large_file,
    an_end_is_announced,
    an_end_is_announced_to_a_client_that_has_sent_too_much,
    an_end_without_a_word_is_an_end,
    clear_text_is_answered_in_clear_text,
    what_is_no_tls_at_all_gets_an_alert,
    an_idle_client_is_told_of_the_end,
    a_connection_may_be_taken_over,
    one_request_is_handled_whatever_comes_before_it,
}

fn any_handler_is_served<C: Strategy>() {
    let server = Secure::start::<C, _>(testing(echo_lines).client_speaks_first());
    // They stay, and take no thread while they are silent.
    let _silent: Vec<_> = (0..3).map(|_| server.connect()).collect();
    let mut client = server.connect();
    assert_eq!(client.ask("hello"), "hello");
    assert_eq!(client.ask("again"), "again");
}

fn the_server_may_speak_first<C: Strategy>() {
    let server = Secure::start::<C, _>(handler_fn(|mut connection: Connection| {
        assert!(connection.is_secure());
        connection.wfile.write_all(b"welcome\n")
    }));
    assert_eq!(server.connect().read_to_end(), "welcome\n");
}

fn silent_dribbling_and_stalling_clients_hold_up_nobody<C: Strategy>() {
    let server = Secure::start::<C, _>(answering(|http| answer(http, "hello")));
    let hello = client_hello(&server.config);
    let mut others = Vec::new();
    for number in 0..200 {
        let mut other = server.connect_plainly();
        match number % 3 {
            0 => {}
            1 => other.send(&hello[..1 + number % (hello.len() - 1)]),
            // It never answers the server's part.
            _ => other.send(&hello),
        }
        others.push(other);
    }
    for number in (1..200).step_by(3) {
        let sent = 1 + number % (hello.len() - 1);
        others[number].send(&hello[sent..=sent]);
        if number % 30 == 1 {
            let mut client = server.connect();
            client.send(get("/"));
            assert_eq!(client.reply().1, b"hello");
        }
    }
}

fn a_handshake_may_come_byte_by_byte<C: Strategy>() {
    let server = Secure::start::<C, _>(testing(echo_lines).client_speaks_first());
    let mut session = client_session(&server.config);
    let mut client = server.connect_plainly();
    while session.is_handshaking() || session.wants_write() {
        let mut bytes = Vec::new();
        while session.wants_write() {
            session.write_tls(&mut bytes).unwrap();
        }
        for byte in bytes {
            client.send([byte]);
        }
        if session.is_handshaking() {
            session.read_tls(&mut client.stream).unwrap();
            session.process_new_packets().unwrap();
        }
    }
    let mut stream = rustls::StreamOwned::new(session, client.stream.try_clone().unwrap());
    stream.write_all(b"hello\n").unwrap();
    let mut reply = [0; 6];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"hello\n");
}

fn a_handshake_that_stalls_is_ended<C: Strategy>() {
    let timeouts = Timeouts::default().each_wait(LIMIT * 2).head(MOMENT);
    let handler = answering(|http| answer(http, "hello")).timeouts(timeouts);
    let server = Secure::start::<C, _>(handler);
    let silent = server.connect_plainly();
    for length in [1, 10, 1000] {
        let mut client = server.connect_plainly();
        let hello = client_hello(&server.config);
        client.send(&hello[..length.min(hello.len())]);
        let mut answered = Vec::new();
        client.stream.read_to_end(&mut answered).unwrap();
        assert!(answered.is_empty() || hello.len() <= length, "{answered:?}");
    }
    silent.hears_nothing_for(MOMENT);
}

fn a_record_that_stalls_is_ended<C: Strategy>() {
    let timeouts = Timeouts::default().each_wait(LIMIT * 2).head(MOMENT);
    let server = Secure::start::<C, _>(answering(|http| answer(http, "hello")).timeouts(timeouts));
    for asks_first in [false, true] {
        let mut client = server.connect();
        if asks_first {
            client.send(get("/"));
            client.reply();
        } else {
            // A ticket comes when the handshake is done there, too.
            client.socket().peek(&mut [0]).unwrap();
        }
        // The beginning of one, as much as a plain client's first byte.
        client.socket().write_all(b"\x17\x03\x03\x40").unwrap();
        assert_eq!(client.read_to_end(), "");
    }
}

fn several_threads_write_to_a_slow_client<C: Strategy>() {
    const EACH: usize = 8_000_000;
    let server = Secure::start::<C, _>(testing(|connection: Connection| {
        let writers = [(); 3].map(|()| {
            let mut wfile = connection.wfile.clone();
            thread::spawn(move || wfile.write_all(&vec![b'x'; EACH]))
        });
        writers.into_iter().try_for_each(|writer| writer.join().unwrap())
    }));
    assert_eq!(server.connect().read_to_end().len(), EACH * 3);
}

fn requests_in_one_record_are_all_answered<C: Strategy>() {
    let server = Secure::start::<C, _>(answering(|http| {
        let path = http.path.clone();
        answer(http, path)
    }));
    let mut client = server.connect();
    let paths: Vec<String> = (0..100).map(|number| format!("/{number}")).collect();
    // More than the reader's buffer holds, in one record.
    let padding = format!("X-Padding: {}\r\n", "p".repeat(100));
    let request = |path: &String| format!("GET {path} HTTP/1.1\r\nHost: h\r\n{padding}\r\n");
    client.send(paths.iter().map(request).collect::<String>());
    for path in &paths {
        assert_eq!(client.reply().1, path.as_bytes());
    }
    client.send(get("/last"));
    assert_eq!(client.reply().1, b"/last");
}

fn a_request_may_come_in_many_records<C: Strategy>() {
    let server = Secure::start::<C, _>(answering(send_back));
    let mut client = server.connect();
    for _ in 0..2 {
        for byte in b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nyes" {
            client.send([*byte]);
        }
        assert_eq!(client.reply().1, b"yes");
    }
}

fn a_body_is_larger_than_records_and_buffers<C: Strategy>() {
    let server = Secure::start::<C, _>(answering(send_back));
    let mut client = server.connect();
    for size in [16_384, 16_385, 300_000] {
        let body: Vec<u8> = (0..size).map(|number: u32| (number % 251) as u8).collect();
        let head = format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {size}\r\n\r\n");
        client.send([head.as_bytes(), &body].concat());
        assert!(client.reply().1 == body, "{size}");
    }
}

fn a_slow_client_receives_a_large_file<C: Strategy>() {
    let site = Site::empty();
    let content: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 253) as u8).collect();
    site.write("large.bin", &content);
    let server = Secure::start::<C, _>(site.handler());
    let mut client = server.connect();
    client.send("GET /large.bin HTTP/1.0\r\n\r\n");
    let mut received = vec![0; 100];
    client.reader.read_exact(&mut received).unwrap();
    client.reader.read_to_end(&mut received).unwrap();
    assert!(received.ends_with(&content));
}

fn an_end_is_announced<C: Strategy>() {
    let server = Secure::start::<C, _>(answering(|http| answer(http, "hello")));
    for request in ["GET / HTTP/1.0\r\n\r\n", "GET / HTTP/3.0\r\n\r\nmore that nobody reads"] {
        let mut client = server.connect();
        client.send(request);
        // Without the announcement this fails.
        assert!(client.read_to_end().starts_with("HTTP/1.1 "));
    }
}

fn an_end_is_announced_to_a_client_that_has_sent_too_much<C: Strategy>() {
    let server = Secure::start::<C, _>(testing(|mut connection: Connection| {
        read_line(&mut connection)?;
        connection.rfile.fill_buf()?;
        connection.wfile.write_all(b"552 Too large\n")
    }));
    for _ in 0..10 {
        let mut client = server.connect();
        client.send("DATA\n");
        client.send(vec![b'x'; 100 * 1024]);
        let mut reply = String::new();
        client.reader.read_to_string(&mut reply).unwrap();
        assert_eq!(reply, "552 Too large\n");
    }
}

fn an_end_without_a_word_is_an_end<C: Strategy>() {
    let handler = Arc::new(answering(send_back));
    let errors = handler.errors.clone();
    let server = Secure::start::<C, _>(handler);
    let mut client = server.connect();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nyes");
    client.finish_sending_without_a_word();
    assert_eq!(client.reply().1, b"yes");
    assert_eq!(client.read_to_end(), "");
    assert!(errors.so_far().is_empty(), "{:?}", errors.so_far());

    // A body that is cut is an error, however it was cut.
    let mut client = server.connect();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nye");
    client.finish_sending_without_a_word();
    assert!(client.read_to_end().starts_with("HTTP/1.1 400 "));
}

fn clear_text_is_answered_in_clear_text<C: Strategy>() {
    let handler = answering(|_| panic!("a request in clear text is not served"));
    let (log, errors) = (handler.log.clone(), handler.errors.clone());
    let server = Secure::start::<C, _>(handler);
    let mut client = server.connect_plainly();
    client.send("GET /secret HTTP/1.1\r\nHost: h\r\n\r\n");
    let reply = client.read_to_end();
    let line = "HTTP/1.1 400 Plain HTTP was sent to an HTTPS port\r\n";
    assert!(reply.starts_with(line), "{reply}");
    assert_eq!(log.next(), "code 400, message Plain HTTP was sent to an HTTPS port");
    assert_eq!(log.next(), "\"GET /secret HTTP/1.1\" 400 -");
    assert!(errors.so_far().is_empty());
}

fn what_is_no_tls_at_all_gets_an_alert<C: Strategy>() {
    let server = Secure::start::<C, _>(answering(|http| answer(http, "hello")));
    for bytes in [
        &b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"[..],
        b"\x00\x00\x00\x00\x00\x00",
        b"\xff\xff\xff\xff\xff\xff",
    ] {
        let mut client = server.connect_plainly();
        client.send(bytes);
        client.finish_sending();
        let mut answered = Vec::new();
        client.stream.read_to_end(&mut answered).unwrap();
        assert_eq!(answered.first(), Some(&0x15), "{bytes:?}: {answered:?}");
    }
}

fn an_idle_client_is_told_of_the_end<C: Strategy>() {
    let server = Secure::start::<C, _>(answering(|http| answer(http, "hello")));
    let mut client = server.connect();
    client.send(get("/"));
    client.reply();
    server.running.stop();
    assert_eq!(client.read_to_end(), "");
}

fn a_connection_may_be_taken_over<C: Strategy>() {
    let server = Secure::start::<C, _>(answering(|http: &mut Exchange<'_>| {
        let mut connection = http.take_over()?;
        connection.wfile.write_all(b"go on\n")?;
        io::copy(&mut connection.rfile, &mut connection.wfile).map(drop)
    }));
    let mut client = server.connect();
    client.send(get("/"));
    assert_eq!(client.read_line(), "go on");
    assert_eq!(client.ask("anything"), "anything");
}

fn one_request_is_handled_whatever_comes_before_it<C: Strategy>() {
    one_request_is_handled::<C, _>(testing(echo_lines).client_speaks_first(), "");
}

/// Waits for one request, of a client that sends this before its handshake.
pub(crate) fn one_request_is_handled<C: Strategy, H: Handler>(handler: H, preface: &'static str) {
    let authority = Authority::new();
    let mut server = bind(authority.issue().tls(), handler, C::default());
    server.timeout = Some(LIMIT * 2);
    let (address, config) = (server.server_address(), Arc::new(client_config(&authority)));
    let asking = thread::spawn(move || {
        let preface = preface.as_bytes();
        let mut client = TlsClient::try_connect_behind(preface, address, &config).unwrap();
        let reply = client.ask("hello");
        (client, reply)
    });
    server.handle_request().unwrap();
    let (client, reply) = asking.join().unwrap();
    assert_eq!(reply, "hello");
    drop((server, client));
}

impl Secure {
    /// Connects as a balancer does for a client.
    #[track_caller]
    pub(crate) fn connect_behind(&self, preface: &[u8]) -> TlsClient {
        TlsClient::try_connect_behind(preface, self.address(), &self.config).unwrap()
    }
}
