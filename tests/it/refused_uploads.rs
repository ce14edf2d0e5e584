//! Uploads that are refused as soon as their heads are there, by clients that read nothing before
//! they have sent all of it.

use std::io::{self, Write};
use std::net::Shutdown;
use std::thread;

use socketserver::http::{Exchange, HttpRequestHandler};
use socketserver::transport::{Tcp, Unix};
use socketserver::{Overload, Sequential, ThreadPool};

use crate::support::{MOMENT, Running, Strategy, Streams, ThreadPerConnection, bind, eventually};
#[cfg(feature = "tls")]
use crate::tls::Secure;
use crate::web::{Browser, answer, ask, get, noting};

/// More than sockets hold, and than is thrown away in one look.
const LENGTH: usize = 8 << 20;

/// Often enough that an end by luck shows.
const TIMES: usize = 3;

fn upload() -> Vec<u8> {
    let head = format!("PUT /new HTTP/1.1\r\nHost: x\r\nContent-Length: {LENGTH}\r\n\r\n");
    [head.as_bytes(), &vec![b'x'; LENGTH]].concat()
}

struct OnlyGet;

impl HttpRequestHandler for OnlyGet {
    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        answer(http, "hi")
    }
}

/// The response is whole, and the connection ends after it in good order.
#[track_caller]
fn assert_told(reply: &str) {
    assert!(reply.starts_with("HTTP/1.1 501 Unsupported method ('PUT')\r\n"), "{reply}");
    assert!(reply.trim_end().ends_with("</html>"), "{reply}");
}

#[test]
fn clients_that_send_all_of_it_first_are_told() {
    thread::scope(|scope| {
        scope.spawn(told::<Tcp, Sequential>);
        scope.spawn(told::<Tcp, ThreadPool>);
        scope.spawn(told::<Tcp, ThreadPerConnection>);
        scope.spawn(told::<Unix, Sequential>);
        scope.spawn(told::<Unix, ThreadPool>);
        scope.spawn(told::<Unix, ThreadPerConnection>);
    });
}

fn told<T: Streams, C: Strategy>() {
    let running = Running::start(T::bind_free::<C, _>(noting(OnlyGet).http11()));
    for _ in 0..TIMES {
        let mut client = running.connect();
        client.send(upload());
        assert_told(&client.read_to_end());
    }
}

#[cfg(feature = "tls")]
#[test]
fn clients_that_send_all_of_it_first_are_told_over_tls() {
    thread::scope(|scope| {
        scope.spawn(told_over_tls::<Sequential>);
        scope.spawn(told_over_tls::<ThreadPool>);
        scope.spawn(told_over_tls::<ThreadPerConnection>);
    });
}

#[cfg(feature = "tls")]
fn told_over_tls<C: Strategy>() {
    let server = Secure::start::<C, _>(noting(OnlyGet).http11());
    for _ in 0..TIMES {
        let mut client = server.connect();
        client.send(upload());
        assert_told(&client.read_to_end());
    }
}

/// A client that sends what is not wanted has a turn among others, however fast it is.
#[test]
fn others_are_served_while_they_come() {
    let running = Running::start(bind::<Sequential, _>(noting(OnlyGet).http11()));
    let mut browser = Browser::connect(&running);
    let mut fast = running.connect();
    fast.send(format!("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", 1_u64 << 40));
    let mut stream = fast.stream.try_clone().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            let piece = vec![b'x'; 1 << 20];
            while stream.write_all(&piece).is_ok() {}
        });
        for _ in 0..100 {
            assert_eq!(browser.ask(get("/")).text(), "hi");
        }
        assert!(!fast.is_reset_within(MOMENT), "it is not listened to any more");
        fast.stream.shutdown(Shutdown::Both).unwrap();
    });
}

/// It has its answer, and others have none yet.
#[test]
fn one_that_still_sends_gives_way_to_a_new_client() {
    let mut server = bind::<ThreadPool, _>(noting(OnlyGet).http11());
    (server.max_connections, server.overload) = (2, Overload::Shed);
    let running = Running::start(server);
    // It is idle for longer.
    let mut idle = Browser::connect(&running);
    assert_eq!(idle.ask(get("/")).text(), "hi");
    let mut refused = Browser::connect(&running);
    refused.send("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n");
    assert_eq!(refused.reply().status(), 501);
    refused.client.sees_the_end();
    assert_eq!(ask(&running, get("/")).text(), "hi");
    assert_eq!(idle.ask(get("/")).text(), "hi");
    eventually(|| refused.client.stream.write_all(b"x").is_err());
}
