//! A client of IPv4 is one, whatever the socket and whoever says so.

use std::io::Write;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use socketserver::{
    Connection, Datagram, ProxyProtocol, Sequential, TcpServer, ThreadPool, ThreadingUdpServer,
    handler_fn,
};

use crate::proxies::{Behind, proxied, who};
use crate::support::{Client, Running, Strategy, ThreadPerConnection};
use crate::web::{Browser, answering};

/// A server for IPv4 and IPv6; none where there is no IPv6.
#[track_caller]
fn on_both<C: Strategy, H: socketserver::Handler>(handler: H) -> Option<Running> {
    match TcpServer::<C, H>::bind("[::]:0", handler) {
        Ok(server) => Some(Running::start(server)),
        Err(error) => {
            println!("skipped: {error}");
            None
        }
    }
}

fn is_told_its_own_address<C: Strategy>() {
    let told = handler_fn(|mut connection: Connection| {
        let client = connection.client_address.clone();
        writeln!(connection.wfile, "{client} {client:?} {}", client.host())
    });
    let Some(server) = on_both::<C, _>(told) else { return };
    let port = server.address.port();
    let mut client = Client::connect((Ipv4Addr::LOCALHOST, port).into());
    let own = client.stream.local_addr().unwrap().port();
    let expected = format!("127.0.0.1:{own} ('127.0.0.1', {own}) 127.0.0.1");
    assert_eq!(client.read_line(), expected);
    let mut client = Client::connect((Ipv6Addr::LOCALHOST, port).into());
    let own = client.stream.local_addr().unwrap().port();
    assert_eq!(client.read_line(), format!("[::1]:{own} ('::1', {own}, 0, 0) ::1"));
}

#[test]
fn a_client_of_ipv4_is_no_other_on_a_socket_for_both() {
    is_told_its_own_address::<Sequential>();
    is_told_its_own_address::<ThreadPool>();
    is_told_its_own_address::<ThreadPerConnection>();
}

#[test]
fn a_datagram_of_ipv4_is_answered_on_a_socket_for_both() {
    let told = handler_fn(|mut datagram: Datagram| {
        let client = datagram.client_address.clone();
        datagram.send_to(b"first", &client)?;
        write!(datagram.wfile, "{client}")
    });
    let server = match ThreadingUdpServer::bind("[::]:0", told) {
        Ok(server) => Running::start(server),
        Err(error) => return println!("skipped: {error}"),
    };
    for host in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
        let client = std::net::UdpSocket::bind(SocketAddr::new(host, 0)).unwrap();
        client.set_read_timeout(Some(crate::support::LIMIT)).unwrap();
        client.send_to(b"x", SocketAddr::new(host, server.address.port())).unwrap();
        let mut buffer = [0; 100];
        for expected in ["first".to_owned(), client.local_addr().unwrap().to_string()] {
            let size = client.recv(&mut buffer).unwrap();
            assert_eq!(String::from_utf8_lossy(&buffer[..size]), expected);
        }
    }
}

#[test]
fn a_client_of_ipv4_is_named_so_by_proxies() {
    let behind =
        || Behind { base: answering(who), trusted: "::ffff:127.0.0.0/104".parse().unwrap() };
    let Some(server) = on_both::<ThreadPool, _>(behind()) else { return };
    let address = (Ipv4Addr::LOCALHOST, server.address.port()).into();
    let mut browser = Browser::over(Client::connect(address));
    for header in [
        "X-Forwarded-For: ::ffff:192.0.2.7",
        "X-Forwarded-For: [::ffff:192.0.2.7]",
        "X-Forwarded-For: 6.6.6.6, ::ffff:c000:0207, ::FFFF:127.0.0.9",
        "Forwarded: for=\"[::ffff:192.0.2.7]\"",
        "Forwarded: for=\"[::ffff:192.0.2.7]\"\r\nX-Forwarded-For: 192.0.2.7",
    ] {
        let reply = browser.ask(format!("GET / HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n"));
        assert_eq!(reply.text(), "192.0.2.7:0 192.0.2.7 true", "{header}");
    }
    let handler: ProxyProtocol<_> = proxied(answering(who), "127.0.0.1");
    let Some(server) = on_both::<ThreadPool, _>(handler) else { return };
    let address: SocketAddr = (Ipv4Addr::LOCALHOST, server.address.port()).into();
    let mapped = Ipv4Addr::new(192, 0, 2, 7).to_ipv6_mapped().octets();
    let local = Ipv6Addr::LOCALHOST.octets();
    let v2 = [b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24", &mapped[..], &local, &[0x12, 0x67, 0, 80]];
    for header in [&b"PROXY TCP6 ::ffff:192.0.2.7 ::1 4711 80\r\n"[..], &v2.concat()] {
        let mut browser = Browser::over(Client::connect(address));
        let reply = browser.send(header).ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(reply.text(), "192.0.2.7:4711 192.0.2.7 false");
    }
}
