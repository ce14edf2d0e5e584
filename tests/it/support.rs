//! What the tests share: a running server, a client with time limits, gates instead of sleeps.

use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;
use std::panic;
use std::path::PathBuf;
use std::process::Command;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use socketserver::concurrency::{Concurrency, Job, Placement};
use socketserver::transport::{self, StreamTransport, Tcp, Transport};
use socketserver::{
    Address, Connection, Handler, Server, ServerKind, ShutdownHandle, ShutdownReport, StreamServer,
    TcpServer, Timeouts, UnixStreamServer,
};

pub(crate) use crate::shared::client::{Client, eventually};
pub(crate) use crate::shared::limits::{LIMIT, MOMENT, PAUSE, free_path};
pub(crate) use crate::shared::lines::{echo_lines, read_line};

/// A strategy that tests can make.
pub(crate) trait Strategy: Concurrency + Default + Debug + Send + 'static {}

impl<C: Concurrency + Default + Debug + Send + 'static> Strategy for C {}

/// A user's own strategy: a thread for each connection, as Python's `ThreadingMixIn` has it.
#[derive(Debug, Default)]
pub(crate) struct ThreadPerConnection;

impl Concurrency for ThreadPerConnection {
    fn process_request(&mut self, job: Job) -> io::Result<()> {
        thread::Builder::new().spawn(move || job.run()).map(drop)
    }

    fn placement(&self) -> Placement {
        Placement::Detached
    }
}

/// Makes a test for each strategy of a function that takes it as its type; or for each strategy and
/// transport, of one that takes the transport, too.
macro_rules! each_strategy {
    (over $transports:tt: $($name:ident,)*) => {$(
        mod $name {
            crate::support::each_strategy!(
                @ sequential, socketserver::Sequential, $transports, $name
            );
            crate::support::each_strategy!(
                @ thread_pool, socketserver::ThreadPool, $transports, $name
            );
            crate::support::each_strategy!(
                @ thread_per_connection, crate::support::ThreadPerConnection, $transports, $name
            );
        }
    )*};
    (@ $strategy:ident, $type:ty, [$($test:ident: $transport:ident),*], $name:ident) => {
        mod $strategy {
            $(
                #[test]
                fn $test() {
                    super::super::$name::<socketserver::transport::$transport, $type>();
                }
            )*
        }
    };
    ($($name:ident,)*) => {$(
        mod $name {
            #[test]
            fn sequential() {
                super::$name::<socketserver::Sequential>();
            }

            #[test]
            fn thread_pool() {
                super::$name::<socketserver::ThreadPool>();
            }

            #[test]
            fn thread_per_connection() {
                super::$name::<crate::support::ThreadPerConnection>();
            }
        }
    )*};
}

pub(crate) use each_strategy;

/// A server on a free port, with the strategy's defaults.
#[track_caller]
pub(crate) fn bind<C: Strategy, H: Handler>(handler: H) -> TcpServer<C, H> {
    bind_with(handler, C::default())
}

/// A server on a free port.
#[track_caller]
pub(crate) fn bind_with<C: Concurrency, H: Handler>(handler: H, strategy: C) -> TcpServer<C, H> {
    let mut server = TcpServer::bind_with("127.0.0.1:0", handler, strategy).unwrap();
    // A test that goes wrong should say so before anybody loses patience.
    server.shutdown_timeout = LIMIT;
    server
}

/// A transport of streams that tests can make servers for.
pub(crate) trait Streams: StreamTransport<Address: Reach> {
    /// A server on a free port or path, with the strategy's defaults.
    fn bind_free<C: Strategy, H: Handler>(handler: H) -> StreamServer<Self, C, H>
    where
        Self: Sized;
}

impl Streams for Tcp {
    #[track_caller]
    fn bind_free<C: Strategy, H: Handler>(handler: H) -> StreamServer<Self, C, H> {
        bind(handler)
    }
}

impl Streams for transport::Unix {
    #[track_caller]
    fn bind_free<C: Strategy, H: Handler>(handler: H) -> StreamServer<Self, C, H> {
        let mut server = UnixStreamServer::bind(free_path(), handler).unwrap();
        server.shutdown_timeout = LIMIT;
        server
    }
}

/// The address of a server, as a client has it.
pub(crate) trait Reach: Clone + Debug + Send + 'static {
    fn connect(&self) -> Client;
}

impl Reach for SocketAddr {
    #[track_caller]
    fn connect(&self) -> Client {
        Client::connect(*self)
    }
}

impl Reach for PathBuf {
    #[track_caller]
    fn connect(&self) -> Client {
        Client::connect_to_path(self)
    }
}

/// A server that serves on a thread of its own until it is stopped or dropped.
#[derive(Debug)]
pub(crate) struct Running<A = SocketAddr> {
    pub(crate) address: A,
    pub(crate) handle: ShutdownHandle,
    ended: Receiver<Stopped>,
    thread: Option<JoinHandle<()>>,
}

/// How a serving loop ended.
#[derive(Debug)]
pub(crate) struct Stopped {
    pub(crate) result: io::Result<()>,
    pub(crate) report: ShutdownReport,
}

impl<A: Clone + Send + 'static> Running<A> {
    pub(crate) fn start<K, C>(mut server: Server<K, C>) -> Self
    where
        K: ServerKind<Transport: Transport<Address = A>>,
        C: Concurrency + Send + 'static,
    {
        let (ends, ended) = bounded(1);
        let (address, handle) = (server.server_address(), server.shutdown_handle());
        let thread = thread::spawn(move || {
            let result = server.serve_forever();
            let report = server.shutdown_report();
            // Nobody listens when the test has failed already.
            let _ = ends.send(Stopped { result, report });
        });
        Self { address, handle, ended, thread: Some(thread) }
    }

    /// Waits for the loop to end by itself, and for the server to be closed.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Stopped {
        let stopped = self.ended.recv_timeout(LIMIT);
        let stopped = stopped.expect("the loop ends in time");
        self.thread.take().unwrap().join().unwrap();
        stopped
    }

    /// Shuts the server down.
    #[track_caller]
    pub(crate) fn stop(self) -> Stopped {
        self.handle.shutdown();
        self.wait()
    }
}

impl<A: Reach> Running<A> {
    #[track_caller]
    pub(crate) fn connect(&self) -> Client {
        self.address.connect()
    }

    /// Sends a line on a connection of its own and returns the reply.
    #[track_caller]
    pub(crate) fn ask(&self, line: &str) -> String {
        self.connect().ask(line)
    }
}

impl<A> Drop for Running<A> {
    fn drop(&mut self) {
        self.handle.shutdown();
        if let Some(thread) = self.thread.take()
            && !thread::panicking()
        {
            thread.join().unwrap();
        }
    }
}

/// Lets handlers wait until the test says so.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    opens: Sender<()>,
    opened: Receiver<()>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        let (opens, opened) = unbounded();
        Self { opens, opened }
    }

    /// Waits to be let through, for longer than any test waits for what should happen meanwhile.
    #[track_caller]
    pub(crate) fn pass(&self) {
        self.opened.recv_timeout(LIMIT * 3).expect("the gate opens");
    }

    /// Lets this many through.
    pub(crate) fn let_through(&self, count: usize) {
        for _ in 0..count {
            self.opens.send(()).unwrap();
        }
    }
}

/// What handlers tell the test, in the order in which they did.
#[derive(Debug)]
pub(crate) struct Notes<T> {
    sender: Sender<T>,
    receiver: Receiver<T>,
}

// A derive would ask for notes that can be cloned.
impl<T> Clone for Notes<T> {
    fn clone(&self) -> Self {
        let (sender, receiver) = (self.sender.clone(), self.receiver.clone());
        Self { sender, receiver }
    }
}

impl<T> Notes<T> {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = unbounded();
        Self { sender, receiver }
    }

    pub(crate) fn add(&self, note: T) {
        // The test's own clone keeps the receiving end.
        let _ = self.sender.send(note);
    }

    /// Waits for the next one.
    #[track_caller]
    pub(crate) fn next(&self) -> T {
        self.receiver.recv_timeout(LIMIT).expect("a note comes")
    }

    /// All that have come so far.
    pub(crate) fn so_far(&self) -> Vec<T> {
        self.receiver.try_iter().collect()
    }
}

/// A handler made of a closure, with answers to the questions that servers ask handlers.
pub(crate) struct Testing<F> {
    handle: F,
    verify: Box<dyn Fn(&Connection) -> bool + Send + Sync>,
    speaks_first: bool,
    timeouts: Timeouts,
    pub(crate) accepted: Notes<Address>,
    pub(crate) errors: Notes<(Address, String)>,
    pub(crate) turns: Notes<()>,
    pub(crate) handle_timeouts: Notes<()>,
}

/// A handler that is called when its client is connected.
pub(crate) fn testing<F>(handle: F) -> Testing<F>
where
    F: Fn(Connection) -> io::Result<()> + Send + Sync + 'static,
{
    Testing {
        handle,
        verify: Box::new(|_| true),
        speaks_first: false,
        timeouts: Timeouts::default(),
        accepted: Notes::new(),
        errors: Notes::new(),
        turns: Notes::new(),
        handle_timeouts: Notes::new(),
    }
}

impl<F> Testing<F> {
    /// Has the handler called only when its client has sent something.
    pub(crate) fn client_speaks_first(mut self) -> Self {
        self.speaks_first = true;
        self
    }

    pub(crate) fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    pub(crate) fn verify(
        mut self,
        verify: impl Fn(&Connection) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.verify = Box::new(verify);
        self
    }
}

impl<F> Handler for Testing<F>
where
    F: Fn(Connection) -> io::Result<()> + Send + Sync + 'static,
{
    fn handle(&self, connection: Connection) -> io::Result<()> {
        (self.handle)(connection)
    }

    fn verify_request(&self, connection: &Connection, client_address: &Address) -> bool {
        self.accepted.add(client_address.clone());
        (self.verify)(connection)
    }

    fn handle_error(&self, client_address: &Address, error: &io::Error) {
        self.errors.add((client_address.clone(), error.to_string()));
    }

    fn handle_timeout(&self) {
        self.handle_timeouts.add(());
    }

    fn service_actions(&self) {
        self.turns.add(());
    }

    fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    fn client_speaks_first(&self) -> bool {
        self.speaks_first
    }
}

/// Runs the calling test in a process where no other test runs: this binary, started once more.
///
/// For what belongs to a process: its limits, its signals, its descriptors. Returns what that
/// process wrote to standard error, and nothing in the process itself.
#[track_caller]
pub(crate) fn in_a_process_of_its_own(test: &str, body: impl FnOnce()) -> String {
    const MARK: &str = "SOCKETSERVER_TEST_ALONE";
    if std::env::var_os(MARK).is_some() {
        body();
        return String::new();
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(MARK, "yes")
        .output()
        .unwrap();
    let (text, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{text}{errors}", output.status);
    assert!(text.contains("1 passed"), "no test is named {test}");
    errors.into_owned()
}

/// Runs a test for each case, all at the same time: most of it is waiting.
pub(crate) fn side_by_side<T: Send>(cases: impl IntoIterator<Item = T>, test: impl Fn(T) + Sync) {
    let test = &test;
    thread::scope(|scope| {
        let running = cases.into_iter().map(|case| scope.spawn(move || test(case)));
        for case in running.collect::<Vec<_>>() {
            if let Err(panic) = case.join() {
                panic::resume_unwind(panic);
            }
        }
    });
}

/// How many descriptors this process has open.
pub(crate) fn open_descriptors() -> usize {
    std::fs::read_dir("/dev/fd").unwrap().count()
}
