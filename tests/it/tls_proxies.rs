//! TLS behind balancers.

use std::io::Write;
use std::time::Duration;

use socketserver::{ThreadPool, Timeouts};

use crate::certificates::{TlsClient, client_hello, client_session};
use crate::proxies::{Picky, V1, greeting, local, proxied, v2, who};
use crate::support::{LIMIT, MOMENT, Strategy, each_strategy, echo_lines, testing};
use crate::tls::{Secure, one_request_is_handled};
use crate::web::{answering, get};

each_strategy! {
    a_proxy_header_comes_before_the_handshake,
    a_proxy_header_and_a_handshake_may_come_byte_by_byte,
    no_handshake_is_begun_without_a_good_proxy_header,
    a_server_that_speaks_first_does_so_behind_a_proxy_header,
    one_request_is_handled_behind_a_proxy_header,
}

fn one_request_is_handled_behind_a_proxy_header<C: Strategy>() {
    let handler = proxied(testing(echo_lines).client_speaks_first(), "127.0.0.1");
    one_request_is_handled::<C, _>(handler, V1);
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
