//! Bodies that come slowly: they are waited for where they cost no thread, and the handler is
//! called when they are there.

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use socketserver::http::{Exchange, HttpRequestHandler};
use socketserver::{Overload, Sequential, StreamServer, ThreadPool, Timeouts};
#[cfg(feature = "tls")]
use socketserver::{TlsServer, transport};

#[cfg(feature = "tls")]
use crate::certificates::{Authority, TlsClient, client_config};
use crate::support::{
    Client, LIMIT, MOMENT, Notes, Running, Strategy, Streams, ThreadPerConnection, bind, bind_with,
    each_strategy,
};
use crate::web::{Browser, Noting, answer, answering, ask, get, send_back, serve};

each_strategy! { over [tcp: Tcp, unix: Unix]: half_sent, dribbled, }

each_strategy! { late, cut_short, single, }

/// Half of a request, and the rest of it, by which all of it is `hello world`.
const HALVES: [(&str, &str); 4] = [
    ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n", "hello world"),
    ("POST / HTTP/1.0\r\nContent-Length: 11\r\n\r\nhello", " world"),
    (
        "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        "lo\r\n6;a=b\r\n world\r\n0\r\n\r\n",
    ),
    (
        "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\na: b\r",
        "\n\r\n",
    ),
];

/// Answers with the body.
fn bodies() -> Noting<impl HttpRequestHandler> {
    answering(send_back)
}

/// Clients of which each thread could have one get no thread, and are served in the end.
fn half_sent<T: Streams, C: Strategy>() {
    let server: StreamServer<T, C, _> = T::bind_free(bodies());
    let server = Running::start(server);
    let mut crowd: Vec<(Browser, &str)> = Vec::new();
    for (half, rest) in HALVES.into_iter().cycle().take(40) {
        let mut browser = Browser { client: server.connect(), received: Vec::new() };
        browser.send(half);
        crowd.push((browser, rest));
    }
    let mut good = Browser { client: server.connect(), received: Vec::new() };
    for _ in 0..3 {
        assert_eq!(good.ask(get("/")).status(), 200);
    }
    for (browser, rest) in &mut crowd {
        assert_eq!(browser.ask(rest).text(), "hello world");
    }
    drop((crowd, good));
    assert_eq!(server.stop().report.cut, 0);
}

/// However they arrive, and with another request behind them.
fn dribbled<T: Streams, C: Strategy>() {
    let server: StreamServer<T, C, _> = T::bind_free(bodies());
    let server = Running::start(server);
    for (half, rest) in HALVES {
        let mut browser = Browser { client: server.connect(), received: Vec::new() };
        browser.send(half);
        for byte in rest.bytes() {
            browser.client.hears_nothing_for(Duration::from_millis(1));
            browser.send([byte]);
        }
        assert_eq!(browser.reply().text(), "hello world");
        if half.contains("HTTP/1.1") {
            browser.send(half);
            browser.client.hears_nothing_for(Duration::from_millis(1));
            browser.send(format!("{rest}{half}"));
            assert_eq!(browser.reply().text(), "hello world");
            browser.client.hears_nothing_for(Duration::from_millis(1));
            browser.send(format!("{rest}{}", get("/")));
            assert_eq!(browser.reply().text(), "hello world");
            assert_eq!(browser.reply().text(), "");
        }
    }
}

/// Two threads, and a handler that holds neither of them before the body is there.
#[test]
fn two_hundred_half_sent_bodies_hold_up_nobody_in_a_pool_of_two() {
    let called = Notes::new();
    let noted = called.clone();
    let handler = answering(move |http| {
        noted.add(http.command.clone());
        send_back(http)
    });
    let server = Running::start(bind_with(handler, ThreadPool::default().max_threads(2)));
    let mut crowd: Vec<Browser> = (0..200).map(|_| Browser::connect(&server)).collect();
    let body = "x".repeat(1_024);
    for browser in &mut crowd {
        browser.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1024\r\n\r\n");
        browser.send(&body[..512]);
    }
    for _ in 0..3 {
        assert_eq!(ask(&server, get("/")).status(), 200);
    }
    assert_eq!(called.so_far(), ["GET"; 3]);
    for browser in &mut crowd {
        assert_eq!(browser.ask(&body[512..]).text(), body);
    }
}

#[cfg(feature = "tls")]
#[test]
fn half_sent_bodies_hold_up_nobody_over_tls() {
    let authority = Authority::new();
    let tls = authority.issue().tls();
    let strategy = ThreadPool::default().max_threads(2);
    let server: StreamServer<transport::Tls, _, _> =
        TlsServer::bind_with(tls, bodies(), strategy).unwrap();
    let server = Running::start(server);
    let config = std::sync::Arc::new(client_config(&authority));
    let mut crowd = Vec::new();
    for (half, rest) in HALVES.into_iter().cycle().take(12) {
        let mut client = TlsClient::connect(server.address, &config);
        client.send(half);
        crowd.push((client, rest));
    }
    for _ in 0..3 {
        let mut good = TlsClient::connect(server.address, &config);
        good.send(get("/"));
        assert_eq!(good.reply().0, "HTTP/1.1 200 OK");
    }
    for (client, rest) in &mut crowd {
        client.send(rest);
        assert_eq!(client.reply().1, b"hello world");
    }
    // One that ends within its body is told so.
    let mut client = TlsClient::connect(server.address, &config);
    client.send(HALVES[0].0);
    client.finish_sending_without_a_word();
    assert_eq!(client.reply().0, "HTTP/1.1 400 The request ended before its body did");
}

fn limits() -> Timeouts {
    Timeouts::default().stall(MOMENT * 2).body_rate(1_000_000)
}

/// Silent or too slow: 408, with a line for the log.
fn late<C: Strategy>() {
    let handler = bodies().timeouts(limits());
    let log = handler.log.clone();
    let server = Running::start(bind::<C, _>(handler));
    for (half, _) in HALVES {
        for dribbles in [false, true] {
            let mut browser = Browser::connect(&server);
            browser.send(
                half.replace("11\r\n", "1100\r\n")
                    .replace("\r\n5\r\n", "\r\n500\r\n")
                    .replace("a: b\r", "a: b"),
            );
            while dribbles && !browser.client.hears(Duration::from_millis(1)) {
                browser.send("x");
            }
            let reply = browser.reply();
            assert_eq!((reply.status(), reply.header("Connection")), (408, Some("close")));
            while !log.next().ends_with("\" 408 -") {}
            browser.client.sees_the_end();
        }
    }
}

fn cut_short<C: Strategy>() {
    let handler = bodies();
    let log = handler.log.clone();
    let server = Running::start(bind::<C, _>(handler));
    for (half, _) in HALVES {
        let mut browser = Browser::connect(&server);
        browser.send(half);
        browser.client.finish_sending();
        assert_eq!(browser.reply().status(), 400);
        assert!(log.next().contains("400"));
    }
    // What is malformed is not waited for.
    for chunks in ["x\r\n", "3\r\nabcd\r\n", "0\r\nGET / HTTP/1.1\r\n", "3\n"] {
        let mut browser = Browser::connect(&server);
        let head = "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(browser.ask(format!("{head}{chunks}")).status(), 400, "{chunks:?}");
    }
}

/// As for a request that runs.
#[test]
fn a_server_that_stops_waits_for_a_body() {
    thread::scope(|scope| {
        scope.spawn(drained::<Sequential>);
        scope.spawn(drained::<ThreadPool>);
        scope.spawn(drained::<ThreadPerConnection>);
    });
}

fn drained<C: Strategy>() {
    let mut server = bind::<C, _>(bodies());
    server.daemon_threads = false;
    let server = Running::start(server);
    let mut crowd = HALVES.map(|(half, rest)| {
        let mut browser = Browser::connect(&server);
        browser.send(half);
        browser.client.hears_nothing_for(MOMENT / 4);
        (browser, rest)
    });
    server.handle.shutdown();
    // Longer than a head would be waited for.
    crowd[0].0.client.hears_nothing_for(Duration::from_millis(1_200));
    for (browser, rest) in &mut crowd {
        let reply = browser.ask(rest);
        assert_eq!((reply.text(), reply.header("Connection")), ("hello world", Some("close")));
    }
    drop(crowd);
    let report = server.wait().report;
    assert_eq!((report.finished, report.cut), (4, 0));
}

#[test]
fn a_body_that_does_not_come_before_the_deadline_is_cut_and_counted() {
    thread::scope(|scope| {
        scope.spawn(cut::<Sequential>);
        scope.spawn(cut::<ThreadPool>);
        scope.spawn(cut::<ThreadPerConnection>);
    });
}

fn cut<C: Strategy>() {
    let mut server = bind::<C, _>(bodies());
    server.daemon_threads = false;
    server.shutdown_timeout = MOMENT;
    let server = Running::start(server);
    let mut crowd = HALVES.map(|(half, _)| {
        let mut browser = Browser::connect(&server);
        browser.send(half);
        browser.client.hears_nothing_for(MOMENT / 4);
        browser
    });
    let report = server.stop().report;
    assert_eq!((report.finished, report.cut), (0, 4));
    for browser in &mut crowd {
        assert!(browser.client.hears(LIMIT), "it is not closed");
    }
}

/// A single request is served, however it arrives.
fn single<C: Strategy>() {
    for (half, rest) in [HALVES[0], HALVES[3], ("GE", "T / HTTP/1.1\r\nHost: x\r\n\r\n")] {
        let mut server = bind::<C, _>(bodies());
        let mut client = Client::connect(server.server_address());
        client.send(half);
        thread::scope(|scope| {
            scope.spawn(|| {
                client.hears_nothing_for(MOMENT);
                client.send(rest);
            });
            server.handle_request().unwrap();
        });
        let mut browser = Browser { client, received: Vec::new() };
        assert_eq!(browser.reply().status(), 200);
    }
}

/// What is longer than the limit, what has to be asked for, and what is not to be waited for.
#[test]
fn other_bodies_are_read_by_the_handler() {
    let begins = |http: &mut Exchange<'_>| {
        http.send_response(200)?;
        http.send_header("Content-Length", 2)?;
        http.end_headers()?;
        http.wfile.write_all(b"go")?;
        io::copy(&mut http.rfile, &mut io::sink()).map(drop)
    };
    let (eager, patient) = (answering(begins).body_buffer_size(0), answering(begins));
    let [eager, patient] = [serve(eager), serve(patient)];
    let post = |fields: &str| format!("POST / HTTP/1.1\r\nHost: x\r\n{fields}");
    for (server, request) in [
        (&eager, post("Content-Length: 5\r\n\r\n")),
        (&eager, post("Transfer-Encoding: chunked\r\n\r\n")),
        (&patient, post("Content-Length: 65537\r\n\r\n")),
        (&patient, post("Transfer-Encoding: chunked\r\n\r\n10000\r\n")),
        (&patient, post("Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")),
    ] {
        let mut browser = Browser::connect(server);
        browser.send(&request);
        if request.contains("Expect") {
            assert_eq!(browser.reply().status(), 100);
        }
        assert_eq!(browser.reply().text(), "go", "{request}");
    }
    for request in
        [post("Content-Length: 65536\r\n\r\n"), post("Transfer-Encoding: chunked\r\n\r\nff00\r\n")]
    {
        let mut browser = Browser::connect(&patient);
        browser.send(&request);
        browser.client.hears_nothing_for(MOMENT);
    }
}

/// Of many small chunks no more than the limit is waited for, what is between them included.
#[test]
fn a_body_of_many_chunks_is_waited_for_up_to_the_limit() {
    let called = Notes::new();
    let noted = called.clone();
    let handler = answering(move |http| {
        noted.add(());
        let count = io::copy(&mut http.rfile, &mut io::sink())?;
        answer(http, count.to_string())
    });
    let server = serve(handler.body_buffer_size(1_000));
    let mut browser = Browser::connect(&server);
    browser.send("PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..166 {
        browser.send("1\r\nx\r\n");
    }
    browser.client.hears_nothing_for(MOMENT);
    assert_eq!(called.so_far(), []);
    browser.send("1\r\nx\r\n");
    called.next();
    assert_eq!(browser.send("0\r\n\r\n").reply().text(), "167");
}

/// The handler reads a body that was waited for without a wait, and learns how long it took.
#[test]
fn the_time_of_a_request_begins_with_its_head() {
    let handler = answering(|http| {
        let elapsed = http.elapsed();
        send_back(http)?;
        assert!(elapsed >= MOMENT, "{elapsed:?}");
        Ok(())
    });
    let errors = handler.errors.clone();
    let server = serve(handler);
    let mut browser = Browser::connect(&server);
    browser.send(HALVES[0].0);
    browser.client.hears_nothing_for(MOMENT * 6);
    assert_eq!(browser.ask(HALVES[0].1).text(), "hello world");
    drop(server);
    assert_eq!(errors.so_far(), [""; 0]);
}

/// As an idle connection, the oldest first.
#[test]
fn half_a_body_gives_way_to_a_new_client() {
    let mut server = bind::<Sequential, _>(bodies());
    server.max_connections = 2;
    server.overload = Overload::Shed;
    let server = Running::start(server);
    let mut halves = [(); 2].map(|()| {
        let mut browser = Browser::connect(&server);
        browser.send(HALVES[0].0);
        browser.client.hears_nothing_for(MOMENT);
        browser
    });
    // What it sends makes it no younger.
    halves[0].send("hello");
    halves[0].client.hears_nothing_for(MOMENT);
    assert_eq!(ask(&server, get("/")).status(), 200);
    halves[0].client.sees_the_end();
}
