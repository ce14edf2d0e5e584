//! Servers of datagrams, over UDP and over Unix sockets.

use std::io::{self, BufRead, Write};
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::os::unix::net;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socketserver::concurrency::Concurrency;
use socketserver::transport::{DatagramTransport, Udp, UdpBind, UnixDatagram, UnixDatagramBind};
use socketserver::{
    Address, Datagram, DatagramServer, Handler, ShutdownReport, Timeouts, UdpServer,
    UnixDatagramServer, handler_fn,
};

use crate::support::{LIMIT, MOMENT, Notes, Running, Strategy, each_strategy, free_path};

each_strategy! { over [udp: Udp, unix: UnixDatagram]:
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

/// A transport of datagrams that tests can make servers for.
pub(crate) trait Packets: DatagramTransport<Address: Peer> + Sized {
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
pub(crate) trait Peer: Clone + Send + 'static {
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
pub(crate) enum Client {
    Udp(UdpSocket),
    Unix(net::UnixDatagram, PathBuf),
}

impl Client {
    #[track_caller]
    pub(crate) fn send(&self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        let sent = match self {
            Self::Udp(socket) => socket.send(bytes),
            Self::Unix(socket, _) => socket.send(bytes),
        };
        assert_eq!(sent.unwrap(), bytes.len());
    }

    #[track_caller]
    pub(crate) fn receive(&self) -> String {
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
    pub(crate) fn ask(&self, bytes: impl AsRef<[u8]>) -> String {
        self.send(bytes);
        self.receive()
    }

    #[track_caller]
    pub(crate) fn address(&self) -> Address {
        match self {
            Self::Udp(socket) => socket.local_addr().unwrap().into(),
            Self::Unix(_, path) => Address::unix(path),
        }
    }

    /// Tells whether a datagram comes in time.
    pub(crate) fn hears(&self, limit: Duration) -> bool {
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
pub(crate) struct Noting<F> {
    pub(crate) handle: F,
    pub(crate) verify: fn(&Datagram) -> bool,
    pub(crate) stall: Duration,
    pub(crate) errors: Notes<(Address, String)>,
    pub(crate) timeouts: Notes<()>,
}

pub(crate) fn noting<F>(handle: F) -> Noting<F>
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

pub(crate) fn bind<K: Packets, C: Strategy, H: Handler<Datagram>>(
    handler: H,
) -> DatagramServer<K, C, H> {
    K::bind_free(8192, handler, C::default())
}

pub(crate) fn start<K: Packets, C: Strategy>(
    handler: impl Handler<Datagram>,
) -> Running<K::Address> {
    Running::start(bind::<K, C, _>(handler))
}

/// Answers with the same in capitals, but fails on what says so.
pub(crate) fn shout(mut datagram: Datagram) -> io::Result<()> {
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
    // No datagram is as long as the last two.
    for limit in [20_000, 1 << 40, usize::MAX] {
        let running = Running::start(K::bind_free(limit, handler_fn(shout), C::default()));
        assert_eq!(running.address.client().ask("x".repeat(20_000)), "X".repeat(20_000));
    }
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
        other => assert!(!other.path().unwrap().exists()),
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

pub(crate) fn report(finished: usize, cut: usize) -> ShutdownReport {
    let mut report = ShutdownReport::default();
    (report.finished, report.cut) = (finished, cut);
    report
}
