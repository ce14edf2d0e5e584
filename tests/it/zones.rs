//! Addresses of IPv6 that are those of a link, and need its name.

use std::io::{Read, Write};
use std::net::{SocketAddrV6, TcpStream};

use nix::ifaddrs::getifaddrs;
use nix::sys::signal::Signal;
use socketserver::{ThreadingTcpServer, ThreadingUdpServer, handler_fn};

use crate::cli::{Serving, fails};
use crate::support::LIMIT;

/// An address of a link of this machine, and the link's name.
fn link_local() -> Option<(SocketAddrV6, String)> {
    let found = getifaddrs().unwrap().find_map(|interface| {
        let address = SocketAddrV6::from(*interface.address?.as_sockaddr_in6()?);
        let is_local = address.ip().is_unicast_link_local() && address.scope_id() != 0;
        is_local.then_some((address, interface.interface_name))
    });
    if found.is_none() {
        println!("skipped: no interface has a link-local address");
    }
    found
}

#[test]
fn the_banner_and_its_url_keep_the_zone() {
    let Some((address, name)) = link_local() else { return };
    let host = address.ip();
    for zone in [name.clone(), address.scope_id().to_string()] {
        let serving = Serving::start(&["-b", &format!("{host}%{zone}")]);
        let url = format!("http://[{host}%25{name}]:PORT/");
        let expected = format!("Serving HTTP on {host}%{name} port PORT ({url}) ...\n");
        assert_eq!(serving.masked_banner(), expected);
        let place = SocketAddrV6::new(*host, serving.port, 0, address.scope_id());
        let mut client = TcpStream::connect(place).unwrap();
        client.set_read_timeout(Some(LIMIT)).unwrap();
        client.write_all(b"GET /a.txt HTTP/1.0\r\n\r\n").unwrap();
        let mut reply = String::new();
        client.read_to_string(&mut reply).unwrap();
        assert!(reply.ends_with("\r\n\r\nhello\n"), "{reply}");
        // The log has the client's address as Python's has it.
        let said = serving.stop(Signal::SIGINT).stderr;
        assert!(said.starts_with(&format!("{host} - - [")), "{said}");
    }
}

#[test]
fn a_link_local_address_without_a_zone_is_told_in_one_line() {
    let said = fails(&["0", "-b", "fe80::1"], 1);
    let expected = "socketserver: cannot serve on fe80::1 port 0: a link-local address needs its \
                    interface, as in fe80::1%eth0\n";
    assert_eq!(said, expected);
    let tcp = ThreadingTcpServer::bind("[fe80::1]:0", handler_fn(|_| Ok(()))).unwrap_err();
    let udp = ThreadingUdpServer::bind("[ff02::fb]:0", handler_fn(|_| Ok(()))).unwrap_err();
    for error in [tcp, udp] {
        assert!(error.to_string().contains("needs its interface"), "{error}");
    }
}
