//! What a server can be bound to, as programs write it, and what is said where it cannot.

use std::io::{ErrorKind, Write};
use std::net::{
    IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, TcpListener, UdpSocket,
};

use socketserver::transport::{Tcp, ToBindAddress, Transport, Udp};
use socketserver::{
    Address, Connection, Datagram, ThreadingTcpServer, ThreadingUdpServer, handler_fn,
};

use crate::support::{Client, LIMIT, Running};

/// Binds with each transport, and returns the IP address that the TCP socket has.
#[track_caller]
fn bound(address: impl ToBindAddress + Copy) -> IpAddr {
    let udp = Udp::bind(address).unwrap().server_address().ip();
    let tcp = Tcp::bind(address).unwrap().server_address().ip();
    assert_eq!(tcp, udp);
    tcp
}

#[test]
fn an_empty_host_is_all_interfaces_as_in_python() {
    let all = IpAddr::from(Ipv4Addr::UNSPECIFIED);
    assert_eq!(bound(("", 0)), all);
    assert_eq!(bound(":0"), all);
    assert_eq!(bound(&":0".to_owned()), all);
    assert_eq!(bound(&(String::new(), 0)), all);

    let greeting = handler_fn(|mut connection: Connection| connection.wfile.write_all(b"hello\n"));
    let tcp = Running::start(ThreadingTcpServer::bind(("", 0), greeting).unwrap());
    let mut client = Client::connect((Ipv4Addr::LOCALHOST, tcp.address.port()).into());
    assert_eq!(client.read_to_end(), "hello\n");

    let echo = handler_fn(|datagram: Datagram| datagram.reply(&datagram.packet));
    let udp = Running::start(ThreadingUdpServer::bind(("", 0), echo).unwrap());
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(LIMIT)).unwrap();
    client.send_to(b"ping", (Ipv4Addr::LOCALHOST, udp.address.port())).unwrap();
    assert_eq!(client.recv(&mut [0; 9]).unwrap(), 4);
}

#[test]
fn whatever_the_standard_library_binds_can_be_bound() {
    let (ip, any) = (Ipv4Addr::LOCALHOST, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    assert_eq!(bound("127.0.0.1:0"), ip);
    assert!(bound("localhost:0").is_loopback());
    assert_eq!(bound(&"127.0.0.1:0".to_owned()), ip);
    assert_eq!(bound(("127.0.0.1", 0)), ip);
    assert_eq!(bound(&("127.0.0.1".to_owned(), 0)), ip);
    assert_eq!(bound(any), ip);
    let borrowed = &&any;
    assert_eq!(bound(borrowed), ip);
    assert_eq!(bound(SocketAddrV4::new(ip, 0)), ip);
    assert_eq!(bound((IpAddr::from(ip), 0)), ip);
    assert_eq!(bound((ip, 0)), ip);
    assert_eq!(bound(&[any][..]), ip);
    assert_eq!(bound([any]), ip);
    assert_eq!(bound(&vec![any]), ip);
    assert_eq!(bound(&Address::from(any)), ip);
    if TcpListener::bind("[::1]:0").is_ok() {
        let ip = Ipv6Addr::LOCALHOST;
        assert_eq!(bound("[::1]:0"), ip);
        assert_eq!(bound(("::1", 0)), ip);
        assert_eq!(bound(("[::1]", 0)), ip);
        assert_eq!(bound((ip, 0)), ip);
        assert_eq!(bound(SocketAddrV6::new(ip, 0, 0, 0)), ip);
    } else {
        println!("skipped in part: no IPv6 here");
    }
}

/// What is said of an address that cannot be bound, with each transport.
#[track_caller]
fn fault(address: impl ToBindAddress + Copy) -> (ErrorKind, String) {
    let tcp = Tcp::bind(address).unwrap_err();
    let udp = Udp::bind(address).unwrap_err();
    let silent = handler_fn(|_: Connection| Ok(()));
    let server = ThreadingTcpServer::bind(address, silent).unwrap_err();
    assert_eq!(udp.to_string(), tcp.to_string());
    assert_eq!(server.to_string(), tcp.to_string());
    #[cfg(feature = "tls")]
    {
        use socketserver::transport::{Pem, Tls, TlsBind};
        let pem = crate::certificates::Authority::new().issue().both();
        let tls = Tls::bind(TlsBind::new(address, Pem::Text(pem))).unwrap_err();
        assert_eq!(tls.to_string(), tcp.to_string());
    }
    (tcp.kind(), tcp.to_string())
}

#[test]
fn text_that_is_no_address_is_named_with_what_to_write_instead() {
    for (text, reason) in [
        ("127.0.0.1", "it has no port; write 127.0.0.1:8000, or another one"),
        ("127.0.0.1:", "it has no port; write 127.0.0.1:8000, or another one"),
        ("localhost", "it has no port; write localhost:8000, or another one"),
        ("", "it has no port; write :8000, or another one"),
        ("8000", "it is a port alone; write :8000 for all interfaces, or 127.0.0.1:8000"),
        ("127.0.0.1:99999", "the port 99999 is not in 0..=65535"),
        (":99999", "the port 99999 is not in 0..=65535"),
        ("[::1]:70000", "the port 70000 is not in 0..=65535"),
        ("localhost:http", "the port 'http' is not a number"),
        ("127.0.0.1:80 ", "the port '80 ' is not a number"),
        ("127.0.0.1:-1", "the port '-1' is not a number"),
        ("::1", "an IPv6 address has brackets and then a port; write it as [::1]:8000"),
        ("[::1]", "an IPv6 address has brackets and then a port; write it as [::1]:8000"),
        ("::1:8000", "an IPv6 address has brackets and then a port; write it as [::1]:8000"),
        ("fe80::1%eth0", "an IPv6 address has brackets and then a port; write it as [::1]:8000"),
        ("::1%lo:80", "an IPv6 address has brackets and then a port; write it as [::1]:8000"),
        ("*:8000", "write 0.0.0.0:8000 for all interfaces"),
        ("a:b:8000", "the host has a colon; write host and port apart"),
        ("http://127.0.0.1:0/", "it is a URL; write a host and a port, as 127.0.0.1:8000"),
        ("http://127.0.0.1", "it is a URL; write a host and a port, as 127.0.0.1:8000"),
        ("/run/x.sock", "it is a path, which UnixStreamServer and UnixDatagramServer bind"),
        ("unix:x.sock", "it is a path, which UnixStreamServer and UnixDatagramServer bind"),
    ] {
        let said = format!("cannot bind '{text}': {reason}");
        assert_eq!(fault(text), (ErrorKind::InvalidInput, said));
    }
    for (pair, reason) in [
        (("127.0.0.1:80", 80), "the host has a colon; write host and port apart"),
        (("http://localhost", 80), "the host is a URL; write its name alone"),
        (("*", 80), "write 0.0.0.0:80 for all interfaces"),
    ] {
        let said = format!("cannot bind ('{}', {}): {reason}", pair.0, pair.1);
        assert_eq!(fault(pair), (ErrorKind::InvalidInput, said));
    }
    let path = Address::unix("/run/x.sock");
    let (_, said) = fault(&path);
    assert!(said.starts_with("cannot bind unix:/run/x.sock: it is a path"), "{said}");
}

/// A `?` in `main` prints the error with `{:?}`.
#[test]
fn what_a_main_prints_of_an_error_has_no_escaped_quotes() {
    for said in [
        ThreadingTcpServer::bind("127.0.0.1", handler_fn(|_| Ok(()))).unwrap_err(),
        ThreadingTcpServer::bind("h:http", handler_fn(|_| Ok(()))).unwrap_err(),
        ThreadingTcpServer::bind(("nosuch.invalid", 0), handler_fn(|_| Ok(()))).unwrap_err(),
        ThreadingTcpServer::bind("[fe80::1]:0", handler_fn(|_| Ok(()))).unwrap_err(),
    ] {
        let printed = format!("{said:?}");
        assert!(!printed.contains('\\'), "{printed}");
    }
}

#[test]
fn an_address_of_another_machine_is_told_in_words() {
    let (kind, said) = fault("192.0.2.1:0");
    assert_eq!(kind, ErrorKind::AddrNotAvailable);
    assert_eq!(said, "cannot bind 192.0.2.1:0: this machine does not have that address");
}

#[test]
fn a_name_without_an_address_is_named() {
    for (said, asked) in [
        (fault("nosuch.invalid:0"), "'nosuch.invalid:0'"),
        (fault(("nosuch.invalid", 0)), "('nosuch.invalid', 0)"),
        (fault(("a b", 0)), "('a b', 0)"),
    ] {
        let begins = format!("cannot bind {asked}: the name is not found: ");
        assert!(said.1.starts_with(&begins), "{}", said.1);
    }
}

#[test]
fn an_address_that_a_name_has_led_to_is_named_with_the_name() {
    let (tcp, udp) = loop {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        // One that is free for both, or another try.
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()) {
            break (tcp, udp);
        }
    };
    let port = tcp.local_addr().unwrap().port();
    let (kind, said) = fault((Ipv4Addr::LOCALHOST, port));
    assert_eq!(kind, ErrorKind::AddrInUse);
    assert!(said.starts_with(&format!("cannot bind 127.0.0.1:{port}: ")), "{said}");
    // Of "localhost" there may be one for IPv6 that is free.
    let text = format!("127.1:{port}");
    let (kind, said) = fault(&text);
    assert_eq!(kind, ErrorKind::AddrInUse);
    assert!(said.starts_with(&format!("cannot bind '{text}': 127.0.0.1:{port}: ")), "{said}");
    drop(udp);
}
