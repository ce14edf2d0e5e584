//! Servers of datagrams, over UDP and over Unix sockets.

use std::io::{self, BufRead, Write};
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::os::unix::net;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socketserver::concurrency::Concurrency;
use socketserver::transport::{
    DatagramTransport, Transport, Udp, UdpBind, UnixDatagram, UnixDatagramBind,
};
use socketserver::{
    Address, Datagram, DatagramServer, Handler, Sequential, ShutdownReport, ThreadPool,
    ThreadingUdpServer, ThreadingUnixDatagramServer, Timeouts, UdpServer, UnixDatagramServer,
    handler_fn,
};

use crate::support::{
    Gate, LIMIT, MOMENT, Notes, Running, Strategy, ThreadPerConnection, each_strategy, eventually,
    free_path, in_a_process_of_its_own, open_descriptors,
};

each_strategy! { Udp, UnixDatagram:
    each_datagram_is_answered,
    an_error_costs_its_own_datagram,
    a_panic_costs_its_own_datagram_and_the_reply,
    a_datagram_that_is_not_verified_is_not_handled,
    a_panicking_verify_request_costs_its_own_datagram,
    the_longest_datagram_passes_and_a_longer_one_is_told,
    a_longer_limit_may_be_set,
    an_empty_datagram_is_a_request_and_nothing_written_is_nothing_sent,
    replies_leave_on_flush_on_drop_and_at_once,
    a_datagram_may_go_to_somebody_else,
    a_datagram_may_be_answered_later,
    handle_request_handles_one_datagram,
    handle_request_calls_handle_timeout_when_nothing_comes,
    shutdown_races_with_the_start_of_a_datagram_server,
    a_datagram_server_may_be_closed_before_any_request,
    a_handler_of_datagrams_may_shut_its_server_down,
    a_socket_that_is_bound_already_is_served,
}

/// A transport of datagrams that the matrix can make servers for.
trait Packets: DatagramTransport<Address: Peer> + Sized {
    /// A server on a free port or path.
    fn bind_free<C: Concurrency, H: Handler<Datagram>>(
        max_packet_size: usize,
        handler: H,
        strategy: C,
    ) -> DatagramServer<Self, C, H>;

    /// The same, of a socket that was bound by somebody else.
    fn from_bound<C: Concurrency, H: Handler<Datagram>>(
        handler: H,
        strategy: C,
    ) -> DatagramServer<Self, C, H>;
}

impl Packets for Udp {
    fn bind_free<C: Concurrency, H: Handler<Datagram>>(
        max_packet_size: usize,
        handler: H,
        strategy: C,
    ) -> UdpServer<C, H> {
        let place = UdpBind::new("127.0.0.1:0").max_packet_size(max_packet_size);
        UdpServer::bind_with(place, handler, strategy).unwrap()
    }

    fn from_bound<C: Concurrency, H: Handler<Datagram>>(
        handler: H,
        strategy: C,
    ) -> UdpServer<C, H> {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        // Whoever bound it may have had plans of his own.
        socket.set_nonblocking(true).unwrap();
        UdpServer::bind_with(UdpBind::from_socket(socket), handler, strategy).unwrap()
    }
}

impl Packets for UnixDatagram {
    fn bind_free<C: Concurrency, H: Handler<Datagram>>(
        max_packet_size: usize,
        handler: H,
        strategy: C,
    ) -> UnixDatagramServer<C, H> {
        let place = UnixDatagramBind::new(free_path()).max_packet_size(max_packet_size);
        UnixDatagramServer::bind_with(place, handler, strategy).unwrap()
    }

    fn from_bound<C: Concurrency, H: Handler<Datagram>>(
        handler: H,
        strategy: C,
    ) -> UnixDatagramServer<C, H> {
        let path = free_path();
        let socket = net::UnixDatagram::bind(&path).unwrap();
        let place = UnixDatagramBind::from_socket(socket);
        let server = UnixDatagramServer::bind_with(place, handler, strategy).unwrap();
        assert_eq!(server.server_address(), path);
        server
    }
}

/// The address of a server of datagrams, as a client has it.
trait Peer: Clone + Send + 'static {
    fn client(&self) -> Client;
}

impl Peer for std::net::SocketAddr {
    #[track_caller]
    fn client(&self) -> Client {
        let any = if self.is_ipv6() { "[::1]:0" } else { "127.0.0.1:0" };
        let socket = UdpSocket::bind(any).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        socket.connect(self).unwrap();
        Client::Udp(socket)
    }
}

impl Peer for PathBuf {
    #[track_caller]
    fn client(&self) -> Client {
        let path = free_path();
        let socket = net::UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        socket.connect(self).unwrap();
        Client::Unix(socket, path)
    }
}

/// A client that speaks with one server. Every operation is limited to five seconds.
#[derive(Debug)]
enum Client {
    Udp(UdpSocket),
    Unix(net::UnixDatagram, PathBuf),
}

impl Client {
    #[track_caller]
    fn send(&self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        let sent = match self {
            Self::Udp(socket) => socket.send(bytes),
            Self::Unix(socket, _) => socket.send(bytes),
        };
        assert_eq!(sent.unwrap(), bytes.len());
    }

    #[track_caller]
    fn receive(&self) -> String {
        let mut bytes = vec![0; 70_000];
        let size = loop {
            let received = match self {
                Self::Udp(socket) => socket.recv(&mut bytes),
                Self::Unix(socket, _) => socket.recv(&mut bytes),
            };
            // A signal of another test may end the wait.
            if !received.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::Interrupted) {
                break received.unwrap();
            }
        };
        bytes.truncate(size);
        String::from_utf8(bytes).unwrap()
    }

    #[track_caller]
    fn ask(&self, bytes: impl AsRef<[u8]>) -> String {
        self.send(bytes);
        self.receive()
    }

    #[track_caller]
    fn address(&self) -> Address {
        match self {
            Self::Udp(socket) => socket.local_addr().unwrap().into(),
            Self::Unix(_, path) => Address::unix(path),
        }
    }

    /// Tells whether a datagram comes in time.
    fn hears(&self, limit: Duration) -> bool {
        let descriptor = match self {
            Self::Udp(socket) => socket.as_fd(),
            Self::Unix(socket, _) => socket.as_fd(),
        };
        let mut descriptors = [PollFd::new(descriptor, PollFlags::POLLIN)];
        poll(&mut descriptors, PollTimeout::try_from(limit).unwrap()).unwrap() > 0
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// A handler made of a closure, which takes notes.
struct Noting<F> {
    handle: F,
    verify: fn(&Datagram) -> bool,
    stall: Duration,
    errors: Notes<(Address, String)>,
    timeouts: Notes<()>,
}

fn noting<F>(handle: F) -> Noting<F>
where
    F: Fn(Datagram) -> io::Result<()> + Send + Sync + 'static,
{
    let (errors, timeouts) = (Notes::new(), Notes::new());
    Noting { handle, verify: |_| true, stall: LIMIT, errors, timeouts }
}

impl<F> Handler<Datagram> for Noting<F>
where
    F: Fn(Datagram) -> io::Result<()> + Send + Sync + 'static,
{
    fn handle(&self, datagram: Datagram) -> io::Result<()> {
        (self.handle)(datagram)
    }

    fn verify_request(&self, datagram: &Datagram, client_address: &Address) -> bool {
        assert_eq!(datagram.client_address, *client_address);
        (self.verify)(datagram)
    }

    fn handle_error(&self, client_address: &Address, error: &io::Error) {
        self.errors.add((client_address.clone(), error.to_string()));
    }

    fn handle_timeout(&self) {
        self.timeouts.add(());
    }

    fn timeouts(&self) -> Timeouts {
        Timeouts::default().each_wait(self.stall)
    }
}

fn bind<K: Packets, C: Strategy, H: Handler<Datagram>>(handler: H) -> DatagramServer<K, C, H> {
    K::bind_free(8192, handler, C::default())
}

fn start<K: Packets, C: Strategy>(handler: impl Handler<Datagram>) -> Running<K::Address> {
    Running::start(bind::<K, C, _>(handler))
}

/// Answers with the same in capitals, but fails on what says so.
fn shout(mut datagram: Datagram) -> io::Result<()> {
    let mut line = String::new();
    datagram.rfile.read_line(&mut line)?;
    datagram.wfile.write_all(line.to_uppercase().as_bytes())?;
    match line.as_str() {
        "fail" => Err(io::Error::other("as you wish")),
        "panic" => panic!("as you wish"),
        _ => Ok(()),
    }
}

fn each_datagram_is_answered<K: Packets, C: Strategy>() {
    let running = start::<K, C>(handler_fn(|mut datagram: Datagram| {
        assert_eq!(datagram.server.server_port() == 0, datagram.client_address.inet().is_none());
        datagram.wfile.write_all(&datagram.packet.to_ascii_uppercase())?;
        write!(datagram.wfile, " {:?}", datagram.client_address)
    }));
    let clients = [(); 3].map(|()| running.address.client());
    for round in 0..3 {
        for client in &clients {
            client.send(format!("hello {round}"));
        }
        for client in &clients {
            assert_eq!(client.receive(), format!("HELLO {round} {:?}", client.address()));
        }
    }
}

fn an_error_costs_its_own_datagram<K: Packets, C: Strategy>() {
    let handler = noting(shout);
    let errors = handler.errors.clone();
    let running = start::<K, C>(handler);
    let client = running.address.client();
    // As in Python, what was written before leaves all the same.
    assert_eq!(client.ask("fail"), "FAIL");
    assert_eq!(errors.next(), (client.address(), "as you wish".to_owned()));
    assert_eq!(client.ask("ping"), "PING");
    assert_eq!(errors.so_far(), []);
}

fn a_panic_costs_its_own_datagram_and_the_reply<K: Packets, C: Strategy>() {
    let handler = noting(shout);
    let errors = handler.errors.clone();
    let running = start::<K, C>(handler);
    let client = running.address.client();
    client.send("panic");
    let told = (client.address(), "handler panicked: as you wish".to_owned());
    assert_eq!(errors.next(), told);
    assert_eq!(client.ask("ping"), "PING");
    running.stop().result.unwrap();
    assert!(!client.hears(Duration::ZERO));
}

fn a_datagram_that_is_not_verified_is_not_handled<K: Packets, C: Strategy>() {
    let mut handler = noting(shout);
    handler.verify = |datagram| datagram.packet.starts_with(b"please");
    let errors = handler.errors.clone();
    let running = start::<K, C>(handler);
    let client = running.address.client();
    client.send("now");
    assert_eq!(client.ask("please"), "PLEASE");
    running.stop().result.unwrap();
    assert!(!client.hears(Duration::ZERO));
    assert_eq!(errors.so_far(), []);
}

fn a_panicking_verify_request_costs_its_own_datagram<K: Packets, C: Strategy>() {
    let mut handler = noting(shout);
    handler.verify = |datagram| {
        assert!(datagram.packet.starts_with(b"please"), "who are you");
        true
    };
    let errors = handler.errors.clone();
    let running = start::<K, C>(handler);
    let client = running.address.client();
    client.send("now");
    assert_eq!(errors.next(), (client.address(), "handler panicked: who are you".to_owned()));
    assert_eq!(client.ask("please"), "PLEASE");
}

fn the_longest_datagram_passes_and_a_longer_one_is_told<K: Packets, C: Strategy>() {
    let handled = Notes::new();
    let handler = {
        let handled = handled.clone();
        noting(move |datagram| {
            handled.add(datagram.packet.len());
            shout(datagram)
        })
    };
    let errors = handler.errors.clone();
    let running = start::<K, C>(handler);
    let client = running.address.client();
    assert_eq!(client.ask("x".repeat(8192)), "X".repeat(8192));
    client.send("y".repeat(8193));
    let told = "the datagram is longer than max_packet_size, and was dropped".to_owned();
    assert_eq!(errors.next(), (client.address(), told));
    // One that is shorter leaves nothing of the one before.
    assert_eq!(client.ask("ping"), "PING");
    assert_eq!(handled.so_far(), [8192, 4]);
}

fn a_longer_limit_may_be_set<K: Packets, C: Strategy>() {
    let running = Running::start(K::bind_free(20_000, handler_fn(shout), C::default()));
    assert_eq!(running.address.client().ask("x".repeat(20_000)), "X".repeat(20_000));
}

fn an_empty_datagram_is_a_request_and_nothing_written_is_nothing_sent<K: Packets, C: Strategy>() {
    let handled = Notes::new();
    let handler = {
        let handled = handled.clone();
        noting(move |datagram| {
            handled.add(datagram.packet.to_vec());
            shout(datagram)
        })
    };
    let running = start::<K, C>(handler);
    let client = running.address.client();
    client.send("");
    assert_eq!(handled.next(), b"");
    assert_eq!(client.ask("ping"), "PING");
    running.stop().result.unwrap();
    assert!(!client.hears(Duration::ZERO));
}

fn replies_leave_on_flush_on_drop_and_at_once<K: Packets, C: Strategy>() {
    let running = start::<K, C>(handler_fn(|mut datagram: Datagram| {
        datagram.wfile.write_all(b"two")?;
        datagram.reply(b"one")?;
        datagram.wfile.flush()?;
        datagram.wfile.flush()?;
        datagram.wfile.write_all(b"thr")?;
        datagram.wfile.write_all(b"ee")
    }));
    let client = running.address.client();
    client.send("go");
    assert_eq!([(); 3].map(|()| client.receive()), ["one", "two", "three"]);
    running.stop().result.unwrap();
    assert!(!client.hears(Duration::ZERO));
}

fn a_datagram_may_go_to_somebody_else<K: Packets, C: Strategy>() {
    let first = Mutex::new(None);
    let running = start::<K, C>(handler_fn(move |datagram: Datagram| {
        let mut first = first.lock().unwrap();
        match &*first {
            Some(address) => datagram.send_to(&datagram.packet, address),
            None => {
                *first = Some(datagram.client_address.clone());
                datagram.reply(b"you are it")
            }
        }
    }));
    let clients = [(); 2].map(|()| running.address.client());
    assert_eq!(clients[0].ask("hello"), "you are it");
    clients[1].send("from the other");
    assert_eq!(clients[0].receive(), "from the other");
    running.stop().result.unwrap();
    assert!(!clients[1].hears(Duration::ZERO));
}

fn a_datagram_may_be_answered_later<K: Packets, C: Strategy>() {
    let taken = Notes::new();
    let handler = {
        let taken = taken.clone();
        handler_fn(move |mut datagram: Datagram| {
            datagram.wfile.write_all(b"later")?;
            taken.add(datagram);
            Ok(())
        })
    };
    let running = start::<K, C>(handler);
    let client = running.address.client();
    client.send("now");
    let datagram = taken.next();
    running.stop().result.unwrap();
    assert!(!client.hears(Duration::ZERO));
    // The socket lives as long as there is something to answer.
    drop(datagram);
    assert_eq!(client.receive(), "later");
}

fn handle_request_handles_one_datagram<K: Packets, C: Strategy>() {
    let mut server = bind::<K, C, _>(noting(shout));
    let client = server.server_address().client();
    for word in ["one", "two", "three"] {
        client.send(word);
    }
    for word in ["ONE", "TWO", "THREE"] {
        server.handle_request().unwrap();
        assert_eq!(client.receive(), word);
        assert!(!client.hears(Duration::ZERO));
    }
    assert_eq!(server.handler().timeouts.so_far(), []);
}

fn handle_request_calls_handle_timeout_when_nothing_comes<K: Packets, C: Strategy>() {
    let mut server = bind::<K, C, _>(noting(shout));
    server.timeout = Some(MOMENT);
    let began = Instant::now();
    server.handle_request().unwrap();
    assert!(began.elapsed() >= MOMENT);
    assert_eq!(server.handler().timeouts.so_far(), [()]);
}

fn shutdown_races_with_the_start_of_a_datagram_server<K: Packets, C: Strategy>() {
    for _ in 0..20 {
        start::<K, C>(handler_fn(shout)).stop().result.unwrap();
    }
}

fn a_datagram_server_may_be_closed_before_any_request<K: Packets, C: Strategy>() {
    let server = bind::<K, C, _>(handler_fn(shout));
    let address: Address = server.server_address().into();
    server.server_close();
    match address {
        // Nobody else has it: it can be bound again.
        Address::Inet(address) => drop(UdpSocket::bind(address).unwrap()),
        Address::Unix(path) => assert!(!path.exists()),
    }
}

fn a_handler_of_datagrams_may_shut_its_server_down<K: Packets, C: Strategy>() {
    let running = start::<K, C>(handler_fn(|datagram: Datagram| {
        datagram.server.shutdown();
        datagram.reply(b"goodbye")
    }));
    let client = running.address.client();
    assert_eq!(client.ask("leave"), "goodbye");
    let stopped = running.wait();
    stopped.result.unwrap();
    assert_eq!(stopped.report.cut, 0);
}

fn a_socket_that_is_bound_already_is_served<K: Packets, C: Strategy>() {
    let server = K::from_bound(handler_fn(shout), C::default());
    let address: Address = server.server_address().into();
    let running = Running::start(server);
    assert_eq!(running.address.client().ask("ping"), "PING");
    running.stop().result.unwrap();
    if let Some(path) = address.path() {
        // Left to whoever made it.
        std::fs::remove_file(path).unwrap();
    }
}

// What needs threads.

fn report(finished: usize, cut: usize) -> ShutdownReport {
    ShutdownReport { finished, cut }
}

/// Notes what comes and answers it when the gate is passed.
fn gated(gate: &Gate, begun: &Notes<String>) -> impl Handler<Datagram> + use<> {
    let (gate, begun) = (gate.clone(), begun.clone());
    handler_fn(move |datagram: Datagram| {
        begun.add(String::from_utf8_lossy(&datagram.packet).into_owned());
        gate.pass();
        shout(datagram)
    })
}

fn a_drain_waits_for_a_datagram_with<K: Packets, C: Strategy>() {
    let (gate, begun) = (Gate::new(), Notes::new());
    let running = start::<K, C>(gated(&gate, &begun));
    let client = running.address.client();
    client.send("slow");
    assert_eq!(begun.next(), "slow");
    running.handle.shutdown();
    assert!(!client.hears(MOMENT));
    gate.let_through(1);
    assert_eq!(client.receive(), "SLOW");
    let stopped = running.wait();
    stopped.result.unwrap();
    assert_eq!(stopped.report, report(1, 0));
}

#[test]
fn a_drain_waits_for_a_datagram() {
    a_drain_waits_for_a_datagram_with::<Udp, ThreadPool>();
    a_drain_waits_for_a_datagram_with::<Udp, ThreadPerConnection>();
    a_drain_waits_for_a_datagram_with::<UnixDatagram, ThreadPool>();
    a_drain_waits_for_a_datagram_with::<UnixDatagram, ThreadPerConnection>();
}

#[test]
fn a_drain_waits_for_datagrams_that_wait_for_a_thread() {
    let (gate, begun) = (Gate::new(), Notes::new());
    let server = Udp::bind_free(8192, gated(&gate, &begun), ThreadPool::default().max_threads(1));
    let running = Running::start(server);
    let client = running.address.client();
    for word in ["one", "two", "three"] {
        client.send(word);
    }
    assert_eq!(begun.next(), "one");
    // All have been received when one that was sent later has made the loop turn.
    running.handle.shutdown();
    gate.let_through(3);
    let stopped = running.wait();
    let received = 1 + begun.so_far().len();
    assert_eq!(stopped.report.cut, 0);
    for word in &["ONE", "TWO", "THREE"][..received] {
        assert_eq!(client.receive(), *word);
    }
    assert!(!client.hears(Duration::ZERO));
}

/// The one that runs cannot be stopped; those that wait are not begun.
#[test]
fn the_deadline_cuts_datagrams() {
    let (gate, begun) = (Gate::new(), Notes::new());
    let verified = Arc::new(AtomicUsize::new(0));
    struct Counting<H>(H, Arc<AtomicUsize>);
    impl<H: Handler<Datagram>> Handler<Datagram> for Counting<H> {
        fn handle(&self, datagram: Datagram) -> io::Result<()> {
            self.0.handle(datagram)
        }

        fn verify_request(&self, _: &Datagram, _: &Address) -> bool {
            self.1.fetch_add(1, Ordering::SeqCst);
            true
        }
    }
    let handler = Counting(gated(&gate, &begun), Arc::clone(&verified));
    let mut server = Udp::bind_free(8192, handler, ThreadPool::default().max_threads(1));
    server.shutdown_timeout = MOMENT;
    let handle = server.shutdown_handle();
    let client = server.server_address().client();
    thread::scope(|scope| {
        let serving = scope.spawn(|| server.serve_forever());
        for word in ["one", "two", "three"] {
            client.send(word);
        }
        assert_eq!(begun.next(), "one");
        eventually(|| verified.load(Ordering::SeqCst) == 3);
        handle.shutdown();
        serving.join().unwrap().unwrap();
    });
    assert_eq!(server.shutdown_report(), report(0, 3));
    gate.let_through(3);
    server.server_close();
    assert_eq!(client.receive(), "ONE");
    assert!(!client.hears(Duration::ZERO));
    assert_eq!(begun.so_far(), [""; 0]);
}

/// A strategy that has room for one job, and never again.
#[derive(Debug, Default)]
struct Once {
    jobs: Vec<socketserver::concurrency::Job>,
}

impl Concurrency for Once {
    fn process_request(&mut self, job: socketserver::concurrency::Job) -> io::Result<()> {
        self.jobs.push(job);
        Ok(())
    }

    fn has_room(&self) -> bool {
        self.jobs.is_empty()
    }
}

#[test]
fn datagrams_without_room_are_cut_too() {
    let seen = Notes::new();
    let handler = {
        let seen = seen.clone();
        handler_fn(move |_: Datagram| {
            seen.add(());
            Ok(())
        })
    };
    let mut server = Udp::bind_free(8192, handler, Once::default());
    server.shutdown_timeout = MOMENT;
    let client = server.server_address().client();
    for word in ["one", "two", "three"] {
        client.send(word);
    }
    // Receives all and hands one over.
    server.handle_request().unwrap();
    server.shutdown_handle().shutdown();
    server.serve_forever().unwrap();
    assert_eq!(server.shutdown_report(), report(0, 3));
    drop(server);
    assert_eq!(seen.so_far(), []);
}

#[test]
fn no_more_datagrams_are_taken_than_may_be_open() {
    let (gate, begun) = (Gate::new(), Notes::new());
    let mut server = Udp::bind_free(8192, gated(&gate, &begun), ThreadPool::default());
    assert_eq!(server.max_connections, 1024);
    server.max_connections = 2;
    let running = Running::start(server);
    let client = running.address.client();
    for word in ["one", "two", "three", "four"] {
        client.send(word);
    }
    let mut two = [begun.next(), begun.next()];
    two.sort();
    assert_eq!(two, ["one", "two"]);
    assert!(!client.hears(MOMENT));
    assert_eq!(begun.so_far(), [""; 0]);
    gate.let_through(4);
    let mut replies = [(); 4].map(|()| client.receive());
    replies.sort();
    assert_eq!(replies, ["FOUR", "ONE", "THREE", "TWO"]);
}

fn none_is_answered_twice<K: Packets>() {
    const CLIENTS: usize = 4;
    const EACH: usize = 2_500;
    let count = Arc::new(AtomicUsize::new(0));
    let handler = {
        let count = Arc::clone(&count);
        handler_fn(move |datagram: Datagram| {
            count.fetch_add(1, Ordering::Relaxed);
            datagram.reply(&datagram.packet)
        })
    };
    let running = start::<K, ThreadPool>(handler);
    let clients: Vec<Client> = (0..CLIENTS).map(|_| running.address.client()).collect();
    thread::scope(|scope| {
        for client in &clients {
            scope.spawn(move || {
                // A few at a time, so that no queue of the kernel's overflows.
                for first in (0..EACH).step_by(5) {
                    let mut expected: Vec<String> =
                        (first..first + 5).map(|number| format!("{number:05}")).collect();
                    for number in &expected {
                        client.send(number);
                    }
                    let mut answers = [(); 5].map(|()| client.receive());
                    answers.sort();
                    expected.sort();
                    assert_eq!(answers[..], expected);
                }
            });
        }
    });
    running.stop().result.unwrap();
    assert_eq!(count.load(Ordering::Relaxed), CLIENTS * EACH);
    assert!(clients.iter().all(|client| !client.hears(Duration::ZERO)));
}

#[test]
fn of_ten_thousand_datagrams_none_is_answered_twice() {
    none_is_answered_twice::<Udp>();
    none_is_answered_twice::<UnixDatagram>();
}

// What one of the two does.

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
    in_a_process_of_its_own("datagrams::failed_binds_of_datagram_servers_leak_nothing", || {
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
    });
}
