//! What becomes of requests that have begun to arrive when the server is asked to stop: they have a
//! second to be complete.

#[cfg(feature = "cli")]
use std::io::{Read, Write};
#[cfg(feature = "tls")]
use std::sync::Arc;
use std::time::{Duration, Instant};

#[cfg(feature = "tls")]
use socketserver::TlsServer;
use socketserver::{Sequential, ThreadPool};

#[cfg(feature = "tls")]
use crate::certificates::{Authority, TlsClient, client_config, client_session};
use crate::proxies::{V1, proxied};
#[cfg(feature = "cli")]
use crate::support::side_by_side;
use crate::support::{Client, LIMIT, MOMENT, Running, Strategy, ThreadPerConnection, bind};
#[cfg(feature = "cli")]
use crate::web::show;
use crate::web::{Browser, answering, get, send_back};

/// Longer than an idle connection is waited for, and shorter than one that has begun.
const SHORTER: Duration = Duration::from_millis(700);

/// Longer than any of them is waited for, a refusal included, and shorter than a drain.
const ENOUGH: Duration = Duration::from_millis(4_500);

/// Calls a function for all strategies that run in the tests' process, at once.
macro_rules! under_each {
    ($one:ident) => {
        std::thread::scope(|scope| {
            scope.spawn($one::<Sequential>);
            scope.spawn($one::<ThreadPool>);
            scope.spawn($one::<ThreadPerConnection>);
        })
    };
}

fn start<C: Strategy>() -> Running {
    let mut server = bind::<C, _>(answering(send_back));
    server.daemon_threads = false;
    server.shutdown_timeout = LIMIT * 2;
    Running::start(server)
}

/// Something comes, and not before a client has had some time.
#[track_caller]
fn waits(client: &Client, began: Instant) {
    assert!(client.hears(LIMIT), "nothing comes");
    assert!(began.elapsed() > SHORTER, "{:?}", began.elapsed());
}

/// A client that has sent this, which the server has seen.
#[track_caller]
fn begin(server: &Running, bytes: &str) -> Browser {
    let mut browser = Browser::connect(server);
    browser.send(bytes);
    browser.client.hears_nothing_for(MOMENT);
    browser
}

#[test]
fn a_head_that_stalls_is_408_after_a_second() {
    under_each!(stalling_heads);
}

fn stalling_heads<C: Strategy>() {
    let server = start::<C>();
    let mut browser = begin(&server, "GET / HTTP/1.1\r\nHo");
    let began = Instant::now();
    server.handle.shutdown();
    waits(&browser.client, began);
    assert_eq!(browser.reply().status(), 408);
    // One that does not close its end is not waited for much longer.
    server.wait().result.unwrap();
    assert!(began.elapsed() < ENOUGH, "{:?}", began.elapsed());
}

#[test]
fn a_head_that_dribbles_is_408_after_a_second() {
    under_each!(dribbling_heads);
}

fn dribbling_heads<C: Strategy>() {
    let server = start::<C>();
    let mut browser = begin(&server, "GET / HTTP/1.1\r\n");
    let began = Instant::now();
    server.handle.shutdown();
    while !browser.client.hears(MOMENT / 2) {
        assert!(began.elapsed() < LIMIT, "nothing stops this client");
        browser.send("X: y\r\n");
    }
    assert!(began.elapsed() > SHORTER, "{:?}", began.elapsed());
    assert_eq!(browser.reply().status(), 408);
    drop(browser);
    server.wait().result.unwrap();
    assert!(began.elapsed() < ENOUGH, "{:?}", began.elapsed());
}

#[test]
fn a_head_that_is_complete_in_time_is_answered() {
    under_each!(heads_in_time);
}

fn heads_in_time<C: Strategy>() {
    let server = start::<C>();
    let (first, rest) = ("GET / HTTP/1.1\r\nHo", "st: x\r\n\r\n");
    let mut browser = begin(&server, first);
    server.handle.shutdown();
    browser.client.hears_nothing_for(MOMENT);
    let reply = browser.ask(rest);
    assert_eq!((reply.status(), reply.header("Connection")), (200, Some("close")));
    browser.sees_the_end();
    assert_eq!(server.wait().report.cut, 0);
}

#[test]
fn blank_lines_alone_are_closed_after_a_second() {
    under_each!(blank_lines);
}

fn blank_lines<C: Strategy>() {
    let server = start::<C>();
    let mut browser = begin(&server, "");
    assert_eq!(browser.ask(get("/")).status(), 200);
    browser.send("\r\n");
    browser.client.hears_nothing_for(MOMENT);
    let began = Instant::now();
    server.handle.shutdown();
    browser.sees_the_end();
    server.wait().result.unwrap();
    assert!(began.elapsed() < ENOUGH, "{:?}", began.elapsed());
}

#[test]
fn a_proxy_header_that_stalls_is_closed_after_a_second() {
    under_each!(stalling_proxy_headers);
}

fn stalling_proxy_headers<C: Strategy>() {
    let mut server = bind::<C, _>(proxied(answering(send_back), "127.0.0.1"));
    server.daemon_threads = false;
    server.shutdown_timeout = LIMIT * 2;
    let server = Running::start(server);
    let mut browser = begin(&server, &V1[..9]);
    let began = Instant::now();
    server.handle.shutdown();
    waits(&browser.client, began);
    browser.client.sees_the_end();
    server.wait().result.unwrap();
    assert!(began.elapsed() < ENOUGH, "{:?}", began.elapsed());
}

#[cfg(feature = "tls")]
fn start_tls<C: Strategy>(authority: &Authority) -> Running {
    let tls = authority.issue().tls();
    let handler = answering(send_back);
    let mut server = TlsServer::bind_with(tls, handler, C::default()).unwrap();
    server.daemon_threads = false;
    server.shutdown_timeout = LIMIT * 2;
    Running::start(server)
}

#[cfg(feature = "tls")]
#[test]
fn a_handshake_that_stalls_is_ended_after_a_second() {
    under_each!(stalling_handshakes);
}

#[cfg(feature = "tls")]
fn stalling_handshakes<C: Strategy>() {
    let authority = Authority::new();
    let server = start_tls::<C>(&authority);
    let mut session = client_session(&Arc::new(client_config(&authority)));
    let mut hello = Vec::new();
    session.write_tls(&mut hello).unwrap();
    let mut client = server.connect();
    client.send(&hello[..10]);
    // Begun long ago, as idle connections count.
    client.hears_nothing_for(SHORTER);
    let began = Instant::now();
    server.handle.shutdown();
    waits(&client, began);
    client.sees_the_end();
    server.wait().result.unwrap();
    assert!(began.elapsed() < ENOUGH, "{:?}", began.elapsed());
}

#[cfg(feature = "tls")]
#[test]
fn a_handshake_that_is_complete_in_time_is_gone_on_with() {
    under_each!(handshakes_in_time);
}

#[cfg(feature = "tls")]
fn handshakes_in_time<C: Strategy>() {
    let authority = Authority::new();
    let server = start_tls::<C>(&authority);
    let mut session = client_session(&Arc::new(client_config(&authority)));
    let mut hello = Vec::new();
    session.write_tls(&mut hello).unwrap();
    let mut client = server.connect();
    client.send(&hello[..10]);
    client.hears_nothing_for(SHORTER);
    server.handle.shutdown();
    client.hears_nothing_for(MOMENT);
    client.send(&hello[10..]);
    let mut client = TlsClient::shake_hands(session, client.stream).unwrap();
    client.send(get("/"));
    assert_eq!(client.reply().0, "HTTP/1.1 200 OK");
    assert_eq!(server.wait().report.cut, 0);
}

/// Under every strategy of the command, in several processes, too.
#[cfg(feature = "cli")]
#[test]
fn the_command_ends_although_a_head_is_not_complete() {
    use nix::sys::signal::Signal;

    use crate::cli::Serving;

    let strategies = [
        &["--concurrency", "sequential"][..],
        &["--concurrency", "threading"],
        &["--concurrency", "forking"],
        &["--concurrency", "forking", "--processes", "2"],
        &["--concurrency", "threading", "--processes", "2"],
    ];
    let signals = [Signal::SIGTERM, Signal::SIGINT];
    let cases = strategies.iter().flat_map(|strategy| signals.map(|signal| (strategy, signal)));
    side_by_side(cases, |(strategy, signal)| {
        let serving = Serving::start(&[&["-b", "127.0.0.1"], *strategy].concat());
        let mut clients = [(); 3].map(|()| serving.connect());
        for (client, bytes) in clients.iter_mut().zip(["GET / HTTP/1.1\r\nHo", "\r\n", "G"]) {
            client.write_all(bytes.as_bytes()).unwrap();
        }
        // Served after they were seen, at least by one process.
        assert!(serving.get("/").contains(" 200 OK\r\n"));
        let began = Instant::now();
        let ended = serving.stop(signal);
        assert!(began.elapsed() < ENOUGH, "{strategy:?}: {:?}", began.elapsed());
        assert_eq!(ended.status, Some(0), "{strategy:?}: {}", ended.stderr);
        let mut heard = Vec::new();
        clients[0].read_to_end(&mut heard).unwrap();
        assert!(heard.starts_with(b"HTTP/1.0 408 "), "{strategy:?}: {}", show(heard));
    });
}
