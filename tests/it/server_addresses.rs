//! Where a server listens: ports, addresses, and those that are shared.

use std::io::{self};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use socketserver::transport::{Tcp, TcpBind, Transport};
use socketserver::{Connection, Sequential, TcpServer, ThreadPool, handler_fn};

use crate::server::greet;
use crate::support::{
    Client, MOMENT, Notes, Running, bind, in_a_process_of_its_own, open_descriptors,
};

#[test]
fn port_0_becomes_the_real_port() {
    let server = bind::<Sequential, _>(greet());
    let address = server.server_address();
    assert_ne!(address.port(), 0);
    let seen = Notes::new();
    let handler = {
        let seen = seen.clone();
        handler_fn(move |connection: Connection| {
            let server = &connection.server;
            seen.add((server.server_address().inet().unwrap(), server.server_port()));
            Ok(())
        })
    };
    let running = Running::start(bind::<Sequential, _>(handler));
    running.connect().sees_the_end();
    assert_eq!(seen.next(), (running.address, running.address.port()));
}

#[test]
fn a_bind_error_names_the_address() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = TcpServer::<Sequential, _>::bind(address, greet()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    let message = error.to_string();
    assert!(message.starts_with(&format!("cannot bind {address}: ")), "{message}");
}

#[test]
fn a_bind_error_names_every_address_that_was_tried() {
    let taken = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let addresses = taken.each_ref().map(|one| one.local_addr().unwrap());
    let error = Tcp::bind(&addresses[..]).unwrap_err();
    for address in addresses {
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }
    let nothing: &[SocketAddr] = &[];
    let error = Tcp::bind(nothing).unwrap_err();
    assert_eq!(error.to_string(), "cannot bind []: the list of addresses is empty");
}

#[test]
fn the_first_address_that_can_be_bound_is_served() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let free: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
    let addresses = [taken.local_addr().unwrap(), free];
    let server = TcpServer::<Sequential, _>::bind(&addresses[..], greet()).unwrap();
    let running = Running::start(server);
    assert_ne!(running.address, addresses[0]);
    assert_eq!(running.connect().read_to_end(), "hello\n");
}

#[test]
fn failed_binds_leak_nothing() {
    in_a_process_of_its_own("server_addresses::failed_binds_leak_nothing", || {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let before = open_descriptors();
        for _ in 0..1024 {
            TcpServer::<ThreadPool, _>::bind(address, greet()).unwrap_err();
        }
        assert_eq!(open_descriptors(), before);
    });
}

#[test]
fn an_inherited_listener_is_served() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = Client::connect(listener.local_addr().unwrap());
    let place = TcpBind::from_socket(listener);
    let server = TcpServer::bind_with(place, greet(), Sequential).unwrap();
    let _running = Running::start(server);
    assert_eq!(client.read_to_end(), "hello\n");
}

#[test]
fn two_servers_may_share_a_port_if_both_say_so() {
    let first = Tcp::bind(TcpBind::new("127.0.0.1:0").allow_reuse_port(true)).unwrap();
    let address = first.server_address();
    let second = Tcp::bind(TcpBind::new(address).allow_reuse_port(true)).unwrap();
    let error = Tcp::bind(address).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    // Whoever is left gets all clients.
    drop(first);
    let server = TcpServer::from_transport(second, greet(), Sequential).unwrap();
    let _running = Running::start(server);
    assert_eq!(Client::connect(address).read_to_end(), "hello\n");
}

#[test]
fn a_port_is_not_shared_unasked() {
    let first = Tcp::bind("127.0.0.1:0").unwrap();
    let error = Tcp::bind(first.server_address()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
}

/// The server closes first, so its end of the connection lingers on the port.
#[test]
fn a_port_that_old_connections_linger_on_can_be_bound_again() {
    let mut server = bind::<Sequential, _>(greet());
    let address = server.server_address();
    let mut client = Client::connect(address);
    server.handle_request().unwrap();
    assert_eq!(client.read_to_end(), "hello\n");
    drop((client, server));
    let error = Tcp::bind(TcpBind::new(address).allow_reuse_address(false)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    Tcp::bind(address).unwrap();
}

#[test]
fn an_ipv6_server_on_all_interfaces_takes_ipv4_clients() {
    let Ok(transport) = Tcp::bind("[::]:0") else {
        println!("skipped: no IPv6 here");
        return;
    };
    let server = TcpServer::from_transport(transport, greet(), Sequential).unwrap();
    let running = Running::start(server);
    let port = running.address.port();
    let mut client = Client::connect((Ipv4Addr::LOCALHOST, port).into());
    assert_eq!(client.read_to_end(), "hello\n");
}

#[test]
fn an_ipv6_server_takes_no_ipv4_clients_where_it_is_told_so() {
    let Ok(transport) = Tcp::bind(TcpBind::new("[::]:0").dual_stack(false)) else {
        println!("skipped: no IPv6 here");
        return;
    };
    let port = transport.server_address().port();
    let error = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn the_backlog_is_what_was_asked_for() {
    let transport = Tcp::bind(TcpBind::new("127.0.0.1:0").request_queue_size(0)).unwrap();
    let address = transport.server_address();
    // Linux queues one more than asked for, other systems half as many again.
    let connect = |_| TcpStream::connect_timeout(&address, MOMENT);
    assert!((0..4).map(connect).collect::<Result<Vec<_>, _>>().is_err());
}
