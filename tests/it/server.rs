//! Bind, `handle_request`, shutdown, the hooks and the options.

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use socket2::SockRef;
use socketserver::transport::TcpBind;
use socketserver::{
    Connection, Handler, HandlerFn, Sequential, ShutdownHandle, TcpServer, ThreadPool, handler_fn,
};

use crate::support::{
    Client, LIMIT, MOMENT, Notes, Running, bind, bind_with, echo_lines, in_a_process_of_its_own,
    open_descriptors, testing,
};

type Greet = HandlerFn<fn(Connection) -> io::Result<()>>;

pub(crate) fn greet() -> Greet {
    handler_fn(|mut connection: Connection| connection.wfile.write_all(b"hello\n"))
}

#[test]
fn a_handler_may_end_its_side_and_go_on_reading() {
    let heard = Notes::new();
    let handler = {
        let heard = heard.clone();
        handler_fn(move |mut connection: Connection| {
            connection.wfile.write_all(b"go on\n")?;
            connection.wfile.shutdown()?;
            heard.add(io::read_to_string(&mut connection.rfile)?);
            Ok(())
        })
    };
    let running = Running::start(bind::<ThreadPool, _>(handler));
    let mut client = running.connect();
    assert_eq!(client.read_to_end(), "go on\n");
    client.send("I do");
    client.finish_sending();
    assert_eq!(heard.next(), "I do");
}

#[test]
fn servers_and_connections_leak_nothing() {
    in_a_process_of_its_own("server::servers_and_connections_leak_nothing", || {
        let before = open_descriptors();
        for _ in 0..3 {
            let running = Running::start(bind::<ThreadPool, _>(testing(echo_lines)));
            let mut clients: Vec<Client> = (0..10).map(|_| running.connect()).collect();
            for client in &mut clients {
                assert_eq!(client.ask("ping"), "ping");
            }
            // Half of them leave first, the other half is sent away.
            clients.truncate(5);
            running.stop().result.unwrap();
        }
        assert_eq!(open_descriptors(), before);
    });
}

#[test]
fn handle_request_serves_one_request() {
    let calls = Notes::new();
    let handler = {
        let calls = calls.clone();
        testing(move |mut connection| {
            calls.add(connection.client_address.clone());
            connection.wfile.write_all(b"hello\n")
        })
    };
    let mut server = bind::<Sequential, _>(handler);
    let mut clients = [(); 2].map(|()| Client::connect(server.server_address()));
    for client in &mut clients {
        server.handle_request().unwrap();
        assert_eq!(calls.so_far(), [client.address()]);
        assert_eq!(client.read_to_end(), "hello\n");
    }
    assert_eq!(server.handler().handle_timeouts.so_far(), []);
}

#[test]
fn handle_request_calls_handle_timeout_when_nobody_comes() {
    let mut server = bind::<Sequential, _>(testing(echo_lines));
    server.timeout = Some(MOMENT);
    let began = Instant::now();
    server.handle_request().unwrap();
    assert!(began.elapsed() >= MOMENT);
    assert_eq!(server.handler().handle_timeouts.so_far(), [()]);
}

#[test]
fn a_silent_client_is_no_request_to_handle_request() {
    let mut server = bind::<Sequential, _>(testing(echo_lines).client_speaks_first());
    server.timeout = Some(MOMENT);
    let mut client = Client::connect(server.server_address());
    server.handle_request().unwrap();
    assert_eq!(server.handler().handle_timeouts.so_far(), [()]);
    client.send("now\n");
    server.handle_request().unwrap();
    assert_eq!(client.read_line(), "now");
    assert_eq!(server.handler().handle_timeouts.so_far(), []);
}

#[test]
fn a_shutdown_ends_handle_request_and_stays_asked_for() {
    let mut server = bind::<Sequential, _>(testing(echo_lines));
    let handle = server.shutdown_handle();
    handle.shutdown();
    let client = Client::connect(server.server_address());
    server.handle_request().unwrap();
    client.hears_nothing_for(MOMENT);
    assert!(handle.is_shutdown_requested());
    assert_eq!(server.handler().handle_timeouts.so_far(), []);
    server.serve_forever().unwrap();
    assert!(!handle.is_shutdown_requested());
}

/// No poll, and nobody connects: only the wake-up can end these loops.
#[test]
fn shutdown_wakes_a_waiting_server() {
    for _ in 0..20 {
        let server = bind::<Sequential, _>(greet());
        assert_eq!(server.poll_interval, None);
        let running = Running::start(server);
        assert_eq!(running.connect().read_to_end(), "hello\n");
        running.stop().result.unwrap();
    }
}

#[test]
fn shutdown_wakes_a_waiting_handle_request() {
    let mut server = bind::<Sequential, _>(greet());
    let handle = server.shutdown_handle();
    let (ends, ended) = crossbeam_channel::bounded(1);
    let waiting = std::thread::spawn(move || ends.send(server.handle_request()));
    handle.shutdown();
    ended.recv_timeout(LIMIT).unwrap().unwrap();
    waiting.join().unwrap().unwrap();
}

#[test]
fn shutdown_races_with_the_start() {
    for _ in 0..200 {
        Running::start(bind::<Sequential, _>(greet())).stop().result.unwrap();
    }
}

#[test]
fn a_handler_may_shut_its_server_down() {
    let handler = handler_fn(|mut connection: Connection| {
        connection.server.shutdown();
        connection.wfile.write_all(b"goodbye\n")
    });
    let running = Running::start(bind::<Sequential, _>(handler));
    assert_eq!(running.connect().read_to_end(), "goodbye\n");
    running.wait().result.unwrap();
}

#[test]
fn shutdown_before_serving_returns_at_once_and_answers_nobody() {
    let mut server = bind::<Sequential, _>(greet());
    let handle = server.shutdown_handle();
    handle.shutdown();
    let mut client = Client::connect(server.server_address());
    server.serve_forever().unwrap();
    client.hears_nothing_for(MOMENT);
    // The request is spent: the second loop serves.
    let running = Running::start(server);
    assert_eq!(client.read_to_end(), "hello\n");
    running.stop().result.unwrap();
}

#[test]
fn shutdown_twice_is_shutdown_once() {
    let mut server = bind::<Sequential, _>(greet());
    let handle = server.shutdown_handle();
    handle.shutdown();
    handle.clone().shutdown();
    assert!(handle.is_shutdown_requested());
    server.serve_forever().unwrap();
    assert!(!handle.is_shutdown_requested());
    let running = Running::start(server);
    assert_eq!(running.connect().read_to_end(), "hello\n");
}

#[test]
fn a_server_may_serve_again() {
    let mut server = bind::<ThreadPool, _>(testing(echo_lines));
    let handle = server.shutdown_handle();
    let address = server.server_address();
    for _ in 0..3 {
        std::thread::scope(|scope| {
            let serving = scope.spawn(|| server.serve_forever());
            let mut client = Client::connect(address);
            assert_eq!(client.ask("ping"), "ping");
            handle.shutdown();
            serving.join().unwrap().unwrap();
            client.sees_the_end();
        });
    }
}

#[test]
fn a_loop_that_was_stopped_leaves_new_clients_to_the_next() {
    let mut server = bind::<Sequential, _>(greet());
    let handle = server.shutdown_handle();
    std::thread::scope(|scope| {
        let serving = scope.spawn(|| server.serve_forever());
        handle.shutdown();
        serving.join().unwrap().unwrap();
    });
    let mut client = Client::connect(server.server_address());
    client.hears_nothing_for(MOMENT);
    server.handle_request().unwrap();
    assert_eq!(client.read_to_end(), "hello\n");
}

#[test]
fn a_shutdown_handle_outlives_its_server() {
    let handle = bind::<Sequential, _>(greet()).shutdown_handle();
    handle.shutdown();
    assert!(handle.is_shutdown_requested());
}

#[test]
fn a_client_that_is_not_verified_is_closed_and_not_handled() {
    let calls = Notes::new();
    let handler = {
        let calls = calls.clone();
        testing(move |mut connection: Connection| {
            calls.add(connection.client_address.clone());
            connection.wfile.write_all(b"hello\n")
        })
        .verify({
            let seen = AtomicUsize::new(0);
            move |_| seen.fetch_add(1, Ordering::SeqCst) > 0
        })
    };
    let errors = handler.errors.clone();
    let running = Running::start(bind::<Sequential, _>(handler));
    assert_eq!(running.connect().read_to_end(), "");
    let mut second = running.connect();
    assert_eq!(second.read_to_end(), "hello\n");
    assert_eq!(calls.so_far(), [second.address()]);
    assert_eq!(errors.so_far(), []);
}

#[test]
fn a_panicking_verify_request_costs_its_own_connection() {
    let handler = testing(|mut connection: Connection| connection.wfile.write_all(b"hello\n"))
        .verify({
            let seen = AtomicUsize::new(0);
            move |_| {
                assert!(seen.fetch_add(1, Ordering::SeqCst) > 0, "who are you");
                true
            }
        });
    let errors = handler.errors.clone();
    let running = Running::start(bind::<Sequential, _>(handler));
    let mut first = running.connect();
    assert_eq!(first.read_to_end(), "");
    let (address, error) = errors.next();
    assert_eq!(address, first.address());
    assert_eq!(error, "handler panicked: who are you");
    assert_eq!(running.connect().read_to_end(), "hello\n");
}

#[test]
fn service_actions_is_called_after_each_turn() {
    let handler = testing(|mut connection: Connection| connection.wfile.write_all(b"hello\n"));
    let turns = handler.turns.clone();
    let running = Running::start(bind::<Sequential, _>(handler));
    for _ in 0..3 {
        assert_eq!(running.connect().read_to_end(), "hello\n");
        turns.next();
    }
}

#[test]
fn an_idle_server_without_a_poll_interval_takes_no_turns() {
    let handler = testing(echo_lines).client_speaks_first();
    let turns = handler.turns.clone();
    let running = Running::start(bind::<Sequential, _>(handler));
    let mut client = running.connect();
    assert_eq!(client.ask("ping"), "ping");
    // Until the turn that answered has ended.
    client.hears_nothing_for(MOMENT);
    turns.so_far();
    client.hears_nothing_for(MOMENT);
    assert_eq!(turns.so_far(), []);
}

#[test]
fn the_poll_interval_bounds_the_time_between_turns() {
    let handler = testing(echo_lines);
    let turns = handler.turns.clone();
    let mut server = bind::<Sequential, _>(handler);
    server.poll_interval = Some(Duration::from_millis(10));
    let began = Instant::now();
    let _running = Running::start(server);
    for _ in 0..5 {
        turns.next();
    }
    assert!(began.elapsed() >= Duration::from_millis(50));
}

#[test]
fn a_panic_in_service_actions_ends_the_loop() {
    struct Panics;

    impl Handler for Panics {
        fn handle(&self, _: Connection) -> io::Result<()> {
            Ok(())
        }

        fn service_actions(&self) {
            panic!("enough");
        }
    }

    let mut server = bind::<Sequential, _>(Panics);
    server.poll_interval = Some(Duration::ZERO);
    let ended = catch_unwind(AssertUnwindSafe(|| server.serve_forever()));
    assert_eq!(ended.unwrap_err().downcast_ref(), Some(&"enough"));
}

#[test]
fn a_closed_server_refuses_connections() {
    for close in [TcpServer::server_close, drop::<TcpServer<Sequential, Greet>>] {
        let server = bind::<Sequential, _>(greet());
        let address = server.server_address();
        close(server);
        let error = TcpStream::connect(address).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}

#[test]
fn a_closed_server_closes_its_idle_connections() {
    let mut server = bind::<ThreadPool, _>(testing(echo_lines));
    let mut client = Client::connect(server.server_address());
    client.send("ping\n");
    server.handle_request().unwrap();
    assert_eq!(client.read_line(), "ping");
    server.server_close();
    client.sees_the_end();
}

#[test]
fn a_closed_server_closes_clients_that_were_accepted_and_not_served() {
    let mut server = bind::<Sequential, _>(greet());
    let mut clients = [(); 3].map(|()| Client::connect(server.server_address()));
    server.handle_request().unwrap();
    assert_eq!(clients[0].read_to_end(), "hello\n");
    drop(server);
    clients[1].sees_the_end();
    clients[2].sees_the_end();
}

/// What a handler gives back after the server was dropped has nowhere to go.
#[test]
fn a_closed_server_closes_what_its_handlers_give_back() {
    type GiveBack = fn(Connection) -> io::Result<()>;
    let ways: [GiveBack; 3] =
        [Connection::park, Connection::park_for_more, Connection::lingering_close];
    for give_back in ways {
        let taken = Notes::new();
        let handler = {
            let taken = taken.clone();
            handler_fn(move |connection: Connection| {
                taken.add(connection);
                Ok(())
            })
        };
        let mut server = bind::<ThreadPool, _>(handler);
        let mut client = Client::connect(server.server_address());
        server.handle_request().unwrap();
        let connection = taken.next();
        drop(server);
        give_back(connection).unwrap();
        client.sees_the_end();
        // Closed and not merely half closed: what is sent now is refused.
        client.send("anybody there?");
        assert!(client.is_reset_within(LIMIT));
    }
}

#[test]
fn the_server_is_a_descriptor() {
    let mut server = bind::<Sequential, _>(greet());
    let socket = SockRef::from(&server).local_addr().unwrap();
    assert_eq!(socket.as_socket(), Some(server.server_address()));
    // Readable when a client waits, so that it may be watched together with other things.
    let mut client = Client::connect(server.server_address());
    let mut descriptors = [nix::poll::PollFd::new(server.as_fd(), nix::poll::PollFlags::POLLIN)];
    let limit = nix::poll::PollTimeout::try_from(LIMIT).unwrap();
    assert_eq!(nix::poll::poll(&mut descriptors, limit), Ok(1));
    server.handle_request().unwrap();
    assert_eq!(client.read_to_end(), "hello\n");
}

#[test]
fn a_listener_that_is_of_no_more_use_ends_the_loop_with_its_error() {
    let server = bind::<Sequential, _>(greet());
    SockRef::from(&server).shutdown(Shutdown::Both).unwrap();
    let error = Running::start(server).wait().result.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn small_writes_leave_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let seen = Notes::new();
    let handler = {
        let seen = seen.clone();
        handler_fn(move |connection: Connection| {
            seen.add(nodelay_of(connection.client_address.inet().unwrap()));
            Ok(())
        })
    };
    let place = TcpBind::from_socket(listener);
    let server = TcpServer::bind_with(place, handler, Sequential).unwrap();
    let running = Running::start(server);
    running.connect().sees_the_end();
    assert_eq!(seen.next(), Some(true));
}

/// Whether the socket of this process that is connected to `peer` sends without delay.
///
/// Connections do not show their socket, so it is looked for among the open descriptors.
fn nodelay_of(peer: SocketAddr) -> Option<bool> {
    let numbers = std::fs::read_dir("/dev/fd").unwrap();
    numbers
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|number| borrow(number).try_clone_to_owned().ok())
        .find_map(|descriptor| {
            let socket = SockRef::from(&descriptor);
            let found = socket.peer_addr().ok()?.as_socket()? == peer;
            found.then(|| socket.tcp_nodelay().ok())?
        })
}

#[allow(unsafe_code, reason = "only asks the kernel about a number that it has just listed")]
fn borrow<'a>(number: i32) -> std::os::fd::BorrowedFd<'a> {
    // SAFETY: the descriptor is only duplicated; where it was closed meanwhile, that fails.
    unsafe { std::os::fd::BorrowedFd::borrow_raw(number) }
}

#[test]
fn many_handlers_share_one_value() {
    let handler = Arc::new(testing(echo_lines).client_speaks_first());
    let servers = [(); 2].map(|()| bind_with(Arc::clone(&handler), ThreadPool::default()));
    for running in servers.map(Running::start) {
        assert_eq!(running.ask("ping"), "ping");
    }
    assert!(handler.turns.so_far().len() >= 2);
}

#[test]
fn a_shutdown_handle_goes_to_any_thread() {
    fn send_sync<T: Send + Sync + Clone>() {}
    fn send<T: Send>() {}
    send_sync::<ShutdownHandle>();
    send::<TcpServer<ThreadPool, Greet>>();
    send::<Connection>();
}
