//! TLS: handshakes that hold nobody up, records and requests, certificates, ends.

use std::io::{self, BufRead, Read, Write};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::{ClientConfig, HandshakeKind};
use socketserver::http::Exchange;
use socketserver::transport::{Pem, Tls, TlsBind, Transport};
use socketserver::{
    Connection, Handler, NotTls, Overload, Sequential, ThreadPool, ThreadingHttpsServer, Timeouts,
    TlsServer, handler_fn,
};

use crate::certificates::{
    Authority, CERTIFICATE_OF_ENCRYPTED_KEY, ENCRYPTED_KEY, KEYS_ENCRYPTED_OTHERWISE, PemFiles,
    TlsClient, client_config, client_config_with, client_hello, client_session,
};
use crate::cgi_site::CgiSite;
use crate::proxies::{Picky, V1, greeting, local, proxied, v2, who};
use crate::support::{
    Client, Gate, LIMIT, MOMENT, Notes, Running, Strategy, ThreadPerConnection, echo_lines,
    read_line, testing,
};
use crate::web::{Site, answer, answering, get, send_back};

/// A server and what its clients need.
struct Secure {
    running: Running,
    config: Arc<ClientConfig>,
}

impl Secure {
    fn start<C: Strategy, H: Handler>(handler: H) -> Self {
        Self::start_with(handler, C::default())
    }

    fn start_with<C: Strategy, H: Handler>(handler: H, strategy: C) -> Self {
        let authority = Authority::new();
        let server = bind(authority.issue().tls(), handler, strategy);
        Self { running: Running::start(server), config: Arc::new(client_config(&authority)) }
    }

    fn connect(&self) -> TlsClient {
        TlsClient::connect(self.running.address, &self.config)
    }

    /// Connects without a handshake.
    fn connect_plainly(&self) -> Client {
        self.running.connect()
    }

    fn address(&self) -> SocketAddr {
        self.running.address
    }
}

fn bind<C: Strategy, H: Handler>(tls: TlsBind, handler: H, strategy: C) -> TlsServer<C, H> {
    let mut server = TlsServer::bind_with(tls, handler, strategy).unwrap();
    server.shutdown_timeout = LIMIT;
    server
}

/// Makes a test for each strategy of a function that takes the strategy as its type.
macro_rules! each_strategy {
    ($($name:ident,)*) => {$(
        mod $name {
            #[test]
            fn sequential() {
                super::$name::<super::Sequential>();
            }

            #[test]
            fn thread_pool() {
                super::$name::<super::ThreadPool>();
            }

            #[test]
            fn thread_per_connection() {
                super::$name::<super::ThreadPerConnection>();
            }
        }
    )*};
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
    a_proxy_header_comes_before_the_handshake,
    a_proxy_header_and_a_handshake_may_come_byte_by_byte,
    no_handshake_is_begun_without_a_good_proxy_header,
    a_server_that_speaks_first_does_so_behind_a_proxy_header,
    one_request_is_handled_behind_a_proxy_header,
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

fn one_request_is_handled_behind_a_proxy_header<C: Strategy>() {
    let handler = proxied(testing(echo_lines).client_speaks_first(), "127.0.0.1");
    one_request_is_handled::<C, _>(handler, V1);
}

/// Waits for one request, of a client that sends this before its handshake.
fn one_request_is_handled<C: Strategy, H: Handler>(handler: H, preface: &'static str) {
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
    fn connect_behind(&self, preface: &[u8]) -> TlsClient {
        TlsClient::try_connect_behind(preface, self.address(), &self.config).unwrap()
    }
}

fn a_proxy_header_comes_before_the_handshake<C: Strategy>() {
    let server = Secure::start::<C, _>(proxied(answering(who), "127.0.0.1"));
    // More than the reader's buffer holds, with what HAProxy knows of the client.
    let mut long = v2();
    long[14..16].copy_from_slice(&12_000_u16.to_be_bytes());
    long.resize(16 + 12_000, b'x');
    for header in [V1.as_bytes(), &v2(), &long] {
        let mut client = server.connect_behind(header);
        for _ in 0..2 {
            client.send(get("/"));
            assert_eq!(client.reply().1, b"192.0.2.7:4711 192.0.2.7 false");
        }
        // Alone, so that the handshake finds nothing that was read before it.
        let mut plain = server.connect_plainly();
        plain.send(header);
        plain.hears_nothing_for(Duration::from_millis(1));
        let mut client =
            TlsClient::shake_hands(client_session(&server.config), plain.stream).unwrap();
        client.send(get("/"));
        assert_eq!(client.reply().1, b"192.0.2.7:4711 192.0.2.7 false");
    }
    for header in [local(), b"PROXY UNKNOWN\r\n"] {
        let mut client = server.connect_behind(header);
        let expected = format!("{} 127.0.0.1 true", client.socket().local_addr().unwrap());
        client.send(get("/"));
        assert_eq!(client.reply().1, expected.as_bytes());
    }
}

fn a_proxy_header_and_a_handshake_may_come_byte_by_byte<C: Strategy>() {
    let server = Secure::start::<C, _>(proxied(answering(who), "127.0.0.1"));
    for header in [V1.as_bytes(), &v2()] {
        let (mut session, mut first) = (client_session(&server.config), header.to_vec());
        session.write_tls(&mut first).unwrap();
        let mut slow = server.connect_plainly();
        for (index, byte) in first.iter().enumerate() {
            slow.send([*byte]);
            if index <= header.len() {
                // Where there is one thread only, it is free in between.
                let mut other = server.connect_behind(local());
                other.send(get("/"));
                other.reply();
            }
        }
        let mut slow = TlsClient::shake_hands(session, slow.stream).unwrap();
        slow.send(get("/"));
        assert_eq!(slow.reply().1, b"192.0.2.7:4711 192.0.2.7 false");
    }
}

fn no_handshake_is_begun_without_a_good_proxy_header<C: Strategy>() {
    let timeouts = Timeouts::default().each_wait(LIMIT * 2).head(MOMENT);
    let handler = || answering(who).timeouts(timeouts);
    let server = Secure::start::<C, _>(proxied(handler(), "127.0.0.1"));
    let hello = client_hello(&server.config);
    let (long, cut) = (v2(), &V1.as_bytes()[..20]);
    for bytes in [&hello[..], b"GET / HTTP/1.1\r\n\r\n", cut, &long[..14], &long[..20], b"\r"] {
        let mut client = server.connect_plainly();
        client.send(bytes);
        client.sees_the_end();
    }
    let mut ending = server.connect_plainly();
    ending.send(cut);
    ending.finish_sending();
    ending.sees_the_end();
    // A handshake has its own time, behind the header.
    let mut client = server.connect_plainly();
    client.send([V1.as_bytes(), &hello[..10]].concat());
    client.sees_the_end();
    // Who forgets TLS hears of it as without a balancer.
    let mut client = server.connect_plainly();
    client.send(format!("{V1}{}", get("/")));
    assert!(client.read_to_end().starts_with("HTTP/1.1 400 Plain HTTP was sent "));

    // Nobody else is believed, nor served unless that is wished.
    let server = Secure::start::<C, _>(proxied(handler(), "10.0.0.0/8"));
    let mut client = server.connect_plainly();
    let _ = client.stream.write_all(V1.as_bytes());
    client.sees_the_end();
    let server = Secure::start::<C, _>(proxied(handler(), "10.0.0.0/8").serve_others());
    let mut client = server.connect();
    client.send(get("/"));
    assert!(client.reply().1.ends_with(b" 127.0.0.1 true"));
    let mut client = server.connect_plainly();
    client.send(V1);
    assert!(client.read_to_end().starts_with("HTTP/1.1 400 Plain HTTP was sent "));
}

fn a_server_that_speaks_first_does_so_behind_a_proxy_header<C: Strategy>() {
    for handler in [greeting("127.0.0.1"), greeting("127.0.0.1").serve_others()] {
        let server = Secure::start::<C, _>(handler);
        let mut client = server.connect_behind(&v2());
        assert_eq!(client.read_line(), "hello 192.0.2.7:4711");
    }
}

#[test]
fn verify_request_hears_of_the_client_behind_a_balancer_before_the_handshake() {
    let server = Secure::start::<ThreadPool, _>(proxied(Picky, "127.0.0.1"));
    assert_eq!(server.connect_behind(V1.as_bytes()).read_line(), "welcome");
    let other = b"PROXY TCP4 192.0.2.8 127.0.0.1 4711 80\r\n";
    assert!(TlsClient::try_connect_behind(other, server.address(), &server.config).is_err());
}

#[test]
fn a_balancer_of_balancers_is_believed_once() {
    // The inner one trusts the client that the outer one names, and its session has begun.
    let handler = proxied(proxied(answering(who), "192.0.2.7"), "127.0.0.1");
    let server = Secure::start::<ThreadPool, _>(handler);
    let mut client = server.connect_behind(V1.as_bytes());
    client.send(get("/"));
    assert_eq!(client.reply().1, b"192.0.2.7:4711 192.0.2.7 false");
}

#[test]
fn a_protocol_other_than_http_may_tell_clear_text_apart() {
    let told = Notes::new();
    let notes = told.clone();
    let handler = testing(move |mut connection: Connection| {
        let error = read_line(&mut connection).unwrap_err();
        let not_tls: &NotTls = error.get_ref().unwrap().downcast_ref().unwrap();
        notes.add(not_tls.received().to_vec());
        connection.wfile.write_all(b"speak TLS\n")
    });
    let server = Secure::start::<ThreadPool, _>(handler);
    assert_eq!(server.connect_plainly().ask("hello"), "speak TLS");
    assert_eq!(told.next(), b"hello\n");
}

#[test]
fn a_protocol_is_agreed_on_or_the_client_is_refused() {
    let server = Secure::start::<ThreadPool, _>(answering(|http| answer(http, "hello")));
    for (offered, agreed) in [
        (&[][..], Some(None)),
        (&["http/1.1"][..], Some(Some("http/1.1"))),
        (&["h2", "http/1.1"][..], Some(Some("http/1.1"))),
        (&["h2"][..], None),
    ] {
        let mut config = ClientConfig::clone(&server.config);
        config.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
        match (TlsClient::try_connect(server.address(), &Arc::new(config)), agreed) {
            (Ok(mut client), Some(agreed)) => {
                assert_eq!(client.session().alpn_protocol(), agreed.map(str::as_bytes));
            }
            (Err(error), None) => {
                assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
            }
            (Ok(_), None) => panic!("{offered:?} was accepted"),
            (Err(error), _) => panic!("{offered:?}: {error}"),
        }
    }
}

#[test]
fn a_client_that_comes_back_resumes_its_session() {
    let server = Secure::start::<ThreadPool, _>(answering(|http| answer(http, "hello")));
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let mut client = server.connect();
        client.send(get("/"));
        client.reply();
        assert_eq!(client.session().handshake_kind(), Some(kind));
    }
}

#[test]
fn clients_show_certificates_where_they_must() {
    let (servers, clients, strangers) = (Authority::new(), Authority::new(), Authority::new());
    let shows = || {
        answering(|http| {
            let shown = http.peer_certificates();
            answer(http, shown.first().map_or(&b"nobody"[..], |certificate| certificate))
        })
    };
    let (known, unknown) = (clients.issue(), strangers.issue());
    for is_optional in [false, true] {
        let tls = servers
            .issue()
            .tls()
            .client_ca(Pem::Text(clients.pem.clone()))
            .client_certificate_is_optional(is_optional);
        let running = Running::start(bind(tls, shows(), ThreadPool::default()));
        let ask = |own| {
            let config = Arc::new(client_config_with(&servers, own));
            let mut client = TlsClient::try_connect(running.address, &config).ok()?;
            // With TLS 1.3 a client hears of a refusal after its handshake only.
            client.reader.get_mut().write_all(get("/").as_bytes()).ok()?;
            client.reader.fill_buf().ok()?;
            Some(client.reply().1)
        };
        assert_eq!(ask(Some(&known)).unwrap(), known.der().as_ref());
        assert_eq!(ask(Some(&unknown)), None);
        assert_eq!(ask(None), is_optional.then(|| b"nobody".to_vec()));
    }
}

#[test]
fn certificates_are_read_anew_and_connections_go_on() {
    let files = PemFiles::new();
    let (before, after) = (Authority::new(), Authority::new());
    let cert = files.write("cert.pem", &before.issue().both());
    let handler = answering(|http| answer(http, "hello"));
    let server = ThreadingHttpsServer::bind(TlsBind::new("127.0.0.1:0", cert), handler).unwrap();
    let reload = server.reload_handle();
    let running = Running::start(server);
    let trusts = |authority| Arc::new(client_config(authority));
    let mut old = TlsClient::connect(running.address, &trusts(&before));

    files.write("cert.pem", "nothing of use");
    let error = reload.reload().unwrap_err();
    assert!(error.to_string().starts_with("there is no "), "{error}");
    drop(TlsClient::connect(running.address, &trusts(&before)));

    files.write("cert.pem", &after.issue().both());
    reload.reload().unwrap();
    drop(TlsClient::connect(running.address, &trusts(&after)));
    assert!(TlsClient::try_connect(running.address, &trusts(&before)).is_err());
    old.send(get("/"));
    assert_eq!(old.reply().1, b"hello");
}

#[test]
fn a_file_that_is_wrong_is_named_in_one_line() {
    let files = PemFiles::new();
    let (authority, text) = (Authority::new(), |text: &str| Pem::Text(text.to_owned()));
    let (one, other) = (authority.issue(), authority.issue());
    let cert = Pem::File(files.write("cert.pem", &one.certificate));
    let key = |name: &str, text: &str| Pem::File(files.write(name, text));
    let with = |certfile: Pem| TlsBind::new("127.0.0.1:0", certfile);
    let plain = || with(cert.clone());
    let locked =
        || with(text(CERTIFICATE_OF_ENCRYPTED_KEY)).keyfile(key("encrypted.pem", ENCRYPTED_KEY));
    let legacy = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n\
                  AAAA\n-----END RSA PRIVATE KEY-----\n";
    for (tls, message) in [
        (
            with(files.path("none.pem").into()),
            "cannot read the certificate 'DIR/none.pem': No such file or directory (os error 2)",
        ),
        (
            plain().keyfile(files.path("none.pem")),
            "cannot read the private key 'DIR/none.pem': No such file or directory (os error 2)",
        ),
        (plain(), "there is no private key in 'DIR/cert.pem'"),
        (
            with(text("")).keyfile(key("key.pem", &one.key)),
            "there is no certificate in the text given",
        ),
        (
            plain().keyfile(key("other.pem", &other.key)),
            "the private key in 'DIR/other.pem' does not belong to the certificate in 'DIR/cert.pem'",
        ),
        (
            plain().keyfile(key("legacy.pem", legacy)),
            "the private key in 'DIR/legacy.pem' is encrypted in a way that is no longer safe; convert it: openssl pkcs8 -topk8 -in KEY -out NEW",
        ),
        (locked(), "the private key in 'DIR/encrypted.pem' is encrypted, and there is no password"),
        (
            locked().password("wrong"),
            "the password for the private key in 'DIR/encrypted.pem' is wrong",
        ),
    ] {
        let error = Tls::bind(tls).unwrap_err().to_string();
        let directory = files.path("").display().to_string();
        assert_eq!(error.replace(directory.trim_end_matches('/'), "DIR"), message);
    }
    // What openssl reads and we do not: ways to encrypt of old, and lines of another length.
    let rewrapped = ENCRYPTED_KEY.replace("MIHs", "MIHs\n");
    for text in KEYS_ENCRYPTED_OTHERWISE.into_iter().chain([&*rewrapped]) {
        let tls = locked().password("secret").keyfile(key("key.pem", text));
        let error = Tls::bind(tls).unwrap_err().to_string();
        let path = files.path("key.pem");
        let begin = format!("the private key in '{}' cannot be decrypted: ", path.display());
        let end =
            "; if openssl can, have it write the key anew: openssl pkcs8 -topk8 -in KEY -out NEW";
        assert!(error.starts_with(&begin) && error.ends_with(end), "{error}");
    }
    let debugged = format!("{:?}", locked().password("hush"));
    assert!(!debugged.contains("hush") && !debugged.contains("BEGIN"), "{debugged}");
    Tls::bind(locked().password("secret")).unwrap();
    Tls::bind(plain().password("not needed").keyfile(key("key.pem", &one.key))).unwrap();
}

#[test]
fn a_client_too_many_is_closed_without_a_handshake() {
    let authority = Authority::new();
    let handler = answering(|http| answer(http, "hello"));
    let mut server = bind(authority.issue().tls(), handler, ThreadPool::default());
    (server.max_connections, server.overload) = (1, Overload::Refuse);
    let running = Running::start(server);
    let config = Arc::new(client_config(&authority));
    let mut first = TlsClient::connect(running.address, &config);
    running.connect().sees_the_end();
    first.send(get("/"));
    assert_eq!(first.reply().1, b"hello");
}

#[test]
fn a_request_that_came_before_the_end_is_served() {
    let gate = Gate::new();
    let enter = gate.clone();
    let server = Secure::start::<Sequential, _>(answering(move |http| {
        if http.path == "/wait" {
            enter.pass();
        }
        answer(http, "hello")
    }));
    let (mut idle, mut busy) = (server.connect(), server.connect());
    for client in [&mut idle, &mut busy] {
        client.send(get("/"));
        client.reply();
    }
    busy.send(get("/wait"));
    idle.send(get("/"));
    server.running.handle.shutdown();
    gate.let_through(1);
    assert_eq!(busy.reply().1, b"hello");
    assert_eq!(idle.reply().1, b"hello");
    assert_eq!(server.running.wait().report.cut, 0);
}

#[test]
fn the_programs_that_people_have_are_served() {
    let (authority, files) = (Authority::new(), PemFiles::new());
    let trusted = files.write("ca.pem", &authority.pem).display().to_string();
    let handler = answering(|http| answer(http, "hello"));
    let running = Running::start(bind(authority.issue().tls(), handler, ThreadPool::default()));
    let port = running.address.port();
    let python = format!(
        "import ssl, socket\n\
         context = ssl.create_default_context(cafile={trusted:?})\n\
         for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:\n    \
             context.minimum_version = context.maximum_version = version\n    \
             raw = socket.create_connection(('127.0.0.1', {port}), 5)\n    \
             s = context.wrap_socket(raw, server_hostname='localhost', suppress_ragged_eofs=False)\n    \
             s.sendall(b'GET / HTTP/1.1\\r\\nHost: h\\r\\nConnection: close\\r\\n\\r\\n')\n    \
             got = b''.join(iter(lambda: s.recv(9999), b''))\n    \
             assert got.endswith(b'hello'), got\n\
         print('hello')"
    );
    let to = format!("localhost:{port}:127.0.0.1");
    let url = format!("https://localhost:{port}/");
    let place = running.address.to_string();
    for (program, arguments, input) in [
        ("curl", vec!["-sS", "-m", "5", "--cacert", &trusted, "--resolve", &to, &url], ""),
        (
            "curl",
            vec![
                "-sS",
                "-m",
                "5",
                "--tls-max",
                "1.2",
                "--cacert",
                &trusted,
                "--resolve",
                &to,
                &url,
            ],
            "",
        ),
        (
            "openssl",
            vec![
                "s_client",
                "-quiet",
                "-verify_return_error",
                "-CAfile",
                &trusted,
                "-connect",
                &place,
            ],
            "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        ),
        ("python3", vec!["-c", &python], ""),
    ] {
        let child = Command::new(program)
            .args(&arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut child) = child else {
            println!("skipped: there is no {program}");
            continue;
        };
        // It stays open, or s_client would leave at once.
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(said.trim_end().ends_with("hello"), "{program}: {said}\n{errors}");
        drop(stdin);
    }
}

#[test]
fn a_script_is_told_that_its_client_speaks_tls() {
    let site = CgiSite::new(&[("https", "echo Content-Type: text/plain; echo; echo \"[$HTTPS]\"")]);
    let server = Secure::start::<ThreadPool, _>(site.handler());
    let mut client = server.connect();
    client.send("GET /cgi-bin/https HTTP/1.0\r\n\r\n");
    let reply = client.read_to_end();
    assert!(reply.ends_with("\r\n\r\n[on]\n"), "{reply}");
    let server = Running::start(crate::support::bind::<ThreadPool, _>(site.handler()));
    let mut client = server.connect();
    client.send("GET /cgi-bin/https HTTP/1.0\r\n\r\n");
    assert!(client.read_to_end().ends_with("\r\n\r\n[]\n"));
}
