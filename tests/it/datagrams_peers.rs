//! Who sends datagrams, and where they can be answered.

use std::io::{self, Write};
use std::net::UdpSocket;
use std::os::unix::net;
use std::time::{Duration, Instant};

use socketserver::transport::{Transport, Udp, UdpBind, UnixDatagram};
use socketserver::{
    Address, Datagram, Sequential, ThreadingUdpServer, ThreadingUnixDatagramServer, handler_fn,
};

use crate::datagrams::{Packets, Peer, noting, shout, start};
use crate::support::{
    Gate, MOMENT, Notes, Running, free_path, in_a_process_of_its_own, open_descriptors,
};

#[test]
fn a_client_without_a_name_cannot_be_answered_and_is_told_of() {
    let replied = Notes::new();
    let handler = {
        let replied = replied.clone();
        noting(move |mut datagram: Datagram| {
            replied.add(datagram.reply(b"hello").map_err(|error| error.kind()));
            datagram.wfile.write_all(b"hello")
        })
    };
    let errors = handler.errors.clone();
    let running = Running::start(UnixDatagram::bind_free(8192, handler, Sequential));
    let client = net::UnixDatagram::unbound().unwrap();
    client.send_to(b"who am I", &running.address).unwrap();
    assert_eq!(replied.next(), Err(io::ErrorKind::AddrNotAvailable));
    let told = "cannot send the reply: the client has no name to be answered at".to_owned();
    assert_eq!(errors.next(), (Address::unix(""), told));
    // The server goes on.
    let client = running.address.client();
    assert_eq!(client.ask("hello"), "hello");
}

#[test]
fn a_client_that_has_left_cannot_be_answered_and_is_told_of() {
    let gate = Gate::new();
    let handler = {
        let gate = gate.clone();
        noting(move |datagram| {
            gate.pass();
            shout(datagram)
        })
    };
    let errors = handler.errors.clone();
    let running = Running::start(UnixDatagram::bind_free(8192, handler, Sequential));
    let client = running.address.client();
    let address = client.address();
    client.send("ping");
    drop(client);
    gate.let_through(1);
    let (who, error) = errors.next();
    assert_eq!(who, address);
    assert!(error.starts_with("cannot send the reply: "), "{error}");
}

/// The wait sleeps: a poll calls a socket without a peer writable all the time.
#[test]
fn a_receiver_that_takes_nothing_costs_the_stall_limit() {
    let mut handler = noting(|datagram: Datagram| {
        let began = Instant::now();
        let error = loop {
            if let Err(error) = datagram.reply(b"take this") {
                break error;
            }
        };
        assert!(began.elapsed() >= MOMENT);
        Err(error)
    });
    handler.stall = MOMENT;
    let errors = handler.errors.clone();
    let running = Running::start(UnixDatagram::bind_free(8192, handler, Sequential));
    let client = running.address.client();
    client.send("go");
    assert_eq!(errors.next(), (client.address(), "timed out".to_owned()));
    assert!(client.hears(Duration::ZERO));
}

/// A reply that waits goes out as soon as there is room.
#[test]
fn a_receiver_that_is_slow_gets_all() {
    const COUNT: usize = 2_000;
    let running = start::<UnixDatagram, Sequential>(handler_fn(|datagram: Datagram| {
        (0..COUNT).try_for_each(|number| datagram.reply(number.to_string().as_bytes()))
    }));
    let client = running.address.client();
    client.send("go");
    for number in 0..COUNT {
        assert_eq!(client.receive(), number.to_string());
    }
}

fn has_ipv6() -> bool {
    UdpSocket::bind("[::1]:0").is_ok()
}

#[test]
fn udp_is_served_over_ipv6() {
    if !has_ipv6() {
        println!("skipped: this machine has no IPv6");
        return;
    }
    let server = ThreadingUdpServer::bind("[::1]:0", handler_fn(shout)).unwrap();
    let running = Running::start(server);
    assert_eq!(running.address.client().ask("ping"), "PING");
}

#[test]
fn an_ipv6_socket_on_all_interfaces_takes_ipv4_packets() {
    if !has_ipv6() {
        println!("skipped: this machine has no IPv6");
        return;
    }
    let running = Running::start(ThreadingUdpServer::bind("[::]:0", handler_fn(shout)).unwrap());
    for host in ["127.0.0.1", "::1"] {
        let address = std::net::SocketAddr::new(host.parse().unwrap(), running.address.port());
        assert_eq!(address.client().ask("ping"), "PING", "{host}");
    }
    let server = Udp::bind(UdpBind::new("[::]:0").dual_stack(false)).unwrap();
    // The port is free for IPv4.
    UdpSocket::bind(("127.0.0.1", server.server_address().port())).unwrap();
}

#[test]
fn a_udp_port_in_use_is_refused_unless_shared() {
    let first = Udp::bind(UdpBind::new("127.0.0.1:0").allow_reuse_port(true)).unwrap();
    let address = first.server_address();
    Udp::bind(UdpBind::new(address).allow_reuse_port(true)).unwrap();
    let error = Udp::bind(address).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert!(error.to_string().starts_with(&format!("cannot bind {address}: ")), "{error}");
}

#[test]
fn failed_binds_of_datagram_servers_leak_nothing() {
    in_a_process_of_its_own(
        "datagrams_peers::failed_binds_of_datagram_servers_leak_nothing",
        || {
            let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
            let address = taken.local_addr().unwrap();
            let path = free_path();
            let _taken = net::UnixDatagram::bind(&path).unwrap();
            let before = open_descriptors();
            for _ in 0..1024 {
                ThreadingUdpServer::bind(address, handler_fn(shout)).unwrap_err();
                ThreadingUnixDatagramServer::bind(&path, handler_fn(shout)).unwrap_err();
            }
            assert_eq!(open_descriptors(), before);
            std::fs::remove_file(path).unwrap();
        },
    );
}
