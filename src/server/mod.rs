//! The server: accepts connections and hands them to a strategy.

mod belongings;
mod bind;
mod clients;
mod datagrams;
mod drain;
mod guarded_handler;
mod hangup_watch;
mod leave_to_parent;
mod serving;
mod streams;
mod supervised;
mod time_left;
mod watch_signals;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::concurrency::{Concurrency, Placement};
use crate::handler::Handler;
use crate::os::{AsFd, BorrowedFd, descriptor_limit};
use crate::parking::Serving;
use crate::poller::Poller;
use crate::reactor::{LoopSignals, Reactor};
use crate::server_info::ServerInfo;
use crate::shutdown::ShutdownHandle;
use crate::signal::Signal;
use crate::signals;
use crate::sys;
use crate::transport::Transport;
use belongings::{Belongings, Lendable};
pub(crate) use drain::DRAIN_TURN;
use guarded_handler::GuardedHandler;
use time_left::TimeLeft;

pub use clients::ServerKind;
pub use datagrams::Datagrams;
pub use streams::Streams;

/// A server: a transport that accepts, a strategy that decides where, a handler that answers.
///
/// Usually named by an alias, such as [`ThreadingTcpServer`](crate::ThreadingTcpServer) or
/// [`HttpServer`](crate::HttpServer). The fields are Python's class attributes; set them before
/// serving.
///
/// Dropping the server closes the listening socket and the idle connections, then waits for what
/// the strategy still runs: Python's `server_close`. What was cut before is not waited for, and
/// nothing for long where [`daemon_threads`](Self::daemon_threads) is set.
pub struct Server<K: ServerKind, C: Concurrency> {
    /// How long [`handle_request`](Self::handle_request) waits. Defaults to `None`: for ever.
    #[doc(alias = "BaseServer.timeout")]
    pub timeout: Option<Duration>,
    /// How often [`Handler::service_actions`] is called at least while the server is idle.
    /// Defaults to `None`: only after something happened. Nothing else needs a poll. With zero the
    /// loop does not sleep, and keeps a processor busy.
    #[doc(alias = "serve_forever.poll_interval")]
    pub poll_interval: Option<Duration>,
    /// Connections that may be open at once, those that children serve included; what happens
    /// beyond is up to [`overload`](Self::overload). Defaults to three quarters of the descriptors
    /// that the process may have when the server is made. 0 counts as 1.
    ///
    /// For a server of datagrams: those that wait or are handled, 1,024 by default. Further ones
    /// wait in the kernel's buffer, which drops what it cannot hold.
    pub max_connections: usize,
    /// What becomes of clients beyond [`max_connections`](Self::max_connections). Defaults to
    /// [`Overload::Shed`].
    pub overload: Overload,
    /// How long running requests may take to finish once a shutdown was asked for. Defaults to
    /// 30 seconds. Where the program asks, [`daemon_threads`](Self::daemon_threads) shortens it.
    ///
    /// Then their connections are cut. A [`Sequential`](crate::Sequential) server, whose loop waits
    /// for its handler, cuts one when the handler next waits for the client or writes to it; what a
    /// handler does otherwise, and that of a datagram, is waited for.
    pub shutdown_timeout: Duration,
    /// Does not wait for what still runs when the program stops the server or drops it: Python's
    /// `daemon_threads`. Defaults to `true` for HTTP on threads, as in Python's
    /// `ThreadingHTTPServer` ([`Handler::daemon_threads`]), and to `false` otherwise, as in its
    /// `ThreadingMixIn`.
    ///
    /// So a program ends although a client still receives a stream that has no end, or a handler
    /// waits for something that will not come. Requests that are quick are finished: after
    /// [`ShutdownHandle::shutdown`], and when the server is dropped, they have half a second, or
    /// [`shutdown_timeout`](Self::shutdown_timeout) if that is shorter. Then their connections are
    /// cut, and counted in the [`shutdown_report`](Self::shutdown_report). Python's have no time at
    /// all, and go on until the process ends.
    ///
    /// In a [`PreFork`](crate::PreFork) that holds for the requests of all its processes. A
    /// [`Sequential`](crate::Sequential) server, if this is set, cuts its handler as it does after
    /// `shutdown_timeout`, with the same limits to that.
    ///
    /// A signal ([`shutdown_on_signals`](Self::shutdown_on_signals)) is how a supervisor
    /// stops a service, and lets requests finish for `shutdown_timeout` in any case.
    #[doc(alias = "ThreadingMixIn.daemon_threads")]
    pub daemon_threads: bool,
    report: ShutdownReport,
    /// How often signals have asked this server to stop.
    stop_signals: usize,
    /// This server was asked to stop for good, by a signal or by its supervisor.
    closed_for_good: bool,
    /// Connections or datagrams, and the handler.
    clients: K,
    reactor: Reactor,
    /// For handlers that keep the loop.
    time_left: Arc<TimeLeft>,
    // Closed before the strategy waits for its threads or children, as in Python.
    resources: Lendable<K::Transport>,
    /// Where that is while the strategy is called.
    belongings: Arc<Belongings<K::Transport>>,
    /// A thread closes the listener while a handler keeps the loop from that.
    is_watched: bool,
    strategy: C,
}

/// A server whose handlers receive a [`Connection`](crate::Connection) for each client.
pub type StreamServer<T, C, H> = Server<Streams<T, H>, C>;

/// A server whose handlers receive a [`Datagram`](crate::Datagram) for each packet.
pub type DatagramServer<T, C, H> = Server<Datagrams<T, H>, C>;

/// What a server does about clients beyond its [`max_connections`](Server::max_connections).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overload {
    /// Closes the connection that is idle longest, or before it one that was answered for the last
    /// time and whose client still sends; where all are busy, as [`Wait`](Self::Wait).
    #[default]
    Shed,
    /// Lets them wait in the kernel's queue.
    Wait,
    /// Accepts them, and clients beyond `Forking::max_children`, and tells the handler
    /// ([`Handler::handle_overload`](crate::Handler::handle_overload)), which for HTTP answers 503
    /// with `Retry-After`. Up to a quarter of the bound is told so at a time; clients beyond that,
    /// and all TLS clients, are closed without an answer.
    Refuse,
}

/// How the last serving loop ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Connections, datagrams or children with a request that was finished while the server waited.
    pub finished: usize,
    /// Connections, datagrams or children that were cut off at the deadline. A datagram's handler
    /// cannot be stopped on a thread; it is counted and left to itself.
    pub cut: usize,
}

impl<K: ServerKind, C: Concurrency> Server<K, C> {
    fn new(transport: K::Transport, handler: K::Handler, strategy: C) -> io::Result<Self> {
        sys::survive_file_size_limit();
        let poller = Arc::new(Poller::new()?);
        let shutdown = ShutdownHandle::new(Arc::clone(&poller));
        let info = ServerInfo::new(transport.server_address().into(), shutdown.clone());
        let most = strategy.max_workers().unwrap_or(0);
        info.gauges().max_workers.store(most, Relaxed);
        let placement = strategy.placement();
        // Those of others do not hold the process up.
        let daemon_threads = handler.daemon_threads() && placement == Placement::OtherThread;
        let handler = Arc::new(GuardedHandler::new(handler, info));
        let signals = Arc::new(LoopSignals::default());
        let time_left = TimeLeft::new(Arc::clone(&signals), shutdown.clone());
        let clients = K::new(handler, &poller, placement, &time_left);
        clients.prepare(&transport)?;
        let belongings = Belongings::new(clients.shared(), shutdown);
        let reactor = Reactor::new(poller, &transport, signals)?;
        Ok(Self {
            timeout: None,
            poll_interval: None,
            max_connections: K::default_most(),
            overload: Overload::default(),
            shutdown_timeout: Duration::from_secs(30),
            daemon_threads,
            report: ShutdownReport::default(),
            stop_signals: 0,
            closed_for_good: false,
            clients,
            reactor,
            time_left,
            is_watched: false,
            resources: Lendable::new(transport)?,
            belongings,
            strategy,
        })
    }

    /// Serves requests until a shutdown is asked for.
    ///
    /// Connections are accepted here and handed to the strategy, which decides where they run.
    /// Nothing that a client does ends the loop. A handler that fails or panics loses its
    /// connection and is reported to [`Handler::handle_error`]. When the process runs out of
    /// descriptors the oldest idle connection is closed, or the listener rests for a moment and
    /// waiting clients stay in the kernel's queue.
    ///
    /// Ends when [`ShutdownHandle::shutdown`] was called, then or before. Idle connections are
    /// closed. The heads of requests, handshakes, and bodies that the server waits for have a
    /// second to be complete; the handler of such a body is called then, with what has come of it.
    /// Running requests are finished for at most [`shutdown_timeout`](Self::shutdown_timeout), and
    /// [`shutdown_report`](Self::shutdown_report) tells what was cut. The server may serve again.
    ///
    /// # Errors
    ///
    /// The strategy refuses to start, or the listening socket can no longer be used.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{self, Read, Write};
    /// use std::net::TcpStream;
    /// use std::thread;
    ///
    /// use socketserver::{Connection, ThreadingTcpServer, handler_fn};
    ///
    /// let hello = handler_fn(|mut connection: Connection| connection.wfile.write_all(b"hello\n"));
    /// let mut server = ThreadingTcpServer::bind("127.0.0.1:0", hello)?;
    /// let address = server.server_address();
    /// let handle = server.shutdown_handle();
    /// let serving = thread::spawn(move || server.serve_forever());
    ///
    /// let mut reply = String::new();
    /// TcpStream::connect(address)?.read_to_string(&mut reply)?;
    /// assert_eq!(reply, "hello\n");
    ///
    /// handle.shutdown();
    /// serving.join().expect("the loop does not panic")?;
    /// # io::Result::Ok(())
    /// ```
    pub fn serve_forever(&mut self) -> io::Result<()> {
        self.activate()?;
        self.serve()
    }

    /// The loop, once it is [activated](Self::activate).
    fn serve(&mut self) -> io::Result<()> {
        let shutdown = self.shutdown_handle();
        let mut served = Ok(0);
        self.clients.serve(Serving::On);
        while served.is_ok() && !shutdown.is_stopping_here() {
            served = self.turn(self.poll_interval, usize::MAX);
        }
        self.drain();
        self.clients.serve(Serving::Nothing);
        self.deactivate();
        self.rearm();
        served.map(drop)
    }

    /// Waits for one request and hands it to the strategy.
    ///
    /// Where no request comes within [`timeout`](Self::timeout), calls [`Handler::handle_timeout`]
    /// and returns. Also returns when a shutdown is asked for, which stays asked for.
    ///
    /// # Errors
    ///
    /// As [`serve_forever`](Self::serve_forever).
    pub fn handle_request(&mut self) -> io::Result<()> {
        let shutdown = self.shutdown_handle();
        let deadline = self.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        self.activate()?;
        // So that each job is a request, and not a part of one.
        self.clients.serve(Serving::OneRequest);
        let mut served = Ok(0);
        while matches!(served, Ok(0)) && !shutdown.is_stopping_here() {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                self.clients.handler().handler.handle_timeout();
                break;
            }
            served = self.turn(left, 1);
        }
        self.clients.serve(Serving::Nothing);
        self.deactivate();
        served.map(drop)
    }

    /// What handlers know of this server, for other parts of the program: how many connections it
    /// has, for instance.
    pub fn info(&self) -> ServerInfo {
        self.clients.handler().info.clone()
    }

    /// A handle that stops this server from elsewhere.
    #[doc(alias = "shutdown")]
    pub fn shutdown_handle(&self) -> ShutdownHandle {
        self.clients.handler().info.shutdown_handle()
    }

    /// Shuts down when one of these signals comes; the second one cuts running requests off.
    ///
    /// Those that come together, within [`SIGNAL_WINDOW`](crate::SIGNAL_WINDOW) (100 ms) of the
    /// first, are one: `timeout` and some supervisors signal a process and then its group. So are
    /// those of different kinds: a script that passes Ctrl-C on as SIGTERM does not ask twice.
    /// [`Handler::handle_signal`] hears of each kind.
    ///
    /// The next one has the action that it had before, by default to end the process: when
    /// [`serve_forever`](Self::serve_forever) has returned or has cut requests, and when the server
    /// is gone. So has the third one of which no loop hears, as a handler of a
    /// [`Sequential`](crate::Sequential) server does not return.
    ///
    /// One that comes before the first loop, or between two calls of
    /// [`handle_request`](Self::handle_request), is kept for the next one, which ends at once, so
    /// that a program that is about to serve ends in good order. The second one ends the process.
    /// As those that come together are one, `timeout` alone does not end a program that was made to
    /// hear of signals and never serves; `timeout -k 10` does.
    ///
    /// Clients that wait to be accepted are served, and then the listening socket is closed: new
    /// ones are refused at once, while running requests are still waited for, and a balancer sends
    /// them elsewhere. A server that was stopped by a signal cannot serve again.
    ///
    /// Needs no thread, so it goes with every strategy. [`Signal::INT`] is Ctrl-C, and
    /// [`Signal::TERM`] what systemd, containers and `kill` send.
    ///
    /// Other signals keep the action that they have, by default to end the process at once: SIGHUP,
    /// which comes when a terminal is closed, does so unless it is named here or in
    /// [`watch_signals`](Self::watch_signals).
    ///
    /// A signal that this process ignores stays ignored: `nohup` has SIGHUP ignored, and a shell
    /// SIGINT and SIGQUIT for what a script starts in the background. Python does so for SIGINT.
    ///
    /// # Errors
    ///
    /// One of them cannot be caught, such as SIGKILL: an error of the kind `InvalidInput`.
    #[doc(alias = "SIGTERM")]
    pub fn shutdown_on_signals(&mut self, signals: &[Signal]) -> io::Result<()> {
        self.reactor.watch_signals(&signals::heeded(signals))
    }

    /// The address that clients connect to, with the real port where 0 was asked for.
    pub fn server_address(&self) -> <K::Transport as Transport>::Address {
        self.resources.transport.server_address()
    }

    /// What became of the requests that ran when the last loop was asked to stop.
    pub fn shutdown_report(&self) -> ShutdownReport {
        self.report
    }

    /// The handler.
    #[doc(alias = "RequestHandlerClass")]
    pub fn handler(&self) -> &K::Handler {
        &self.clients.handler().handler
    }

    /// The strategy.
    pub fn strategy(&self) -> &C {
        &self.strategy
    }

    /// Closes the listening socket, then waits for what the strategy still runs.
    ///
    /// The same as dropping the server.
    pub fn server_close(self) {}
}

impl<K: ServerKind, C: Concurrency> AsFd for Server<K, C> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.resources.transport.as_fd()
    }
}

impl<K: ServerKind, C: Concurrency> Drop for Server<K, C> {
    fn drop(&mut self) {
        // What the strategy waits for may never end.
        self.reactor.end_hearing();
        // A job that is dropped closes its connection.
        self.reactor.jobs.clear();
        self.clients.close();
        if self.daemon_threads {
            self.leave_daemons();
        }
        self.belongings.end();
    }
}

impl<K: ServerKind, C: Concurrency> fmt::Debug for Server<K, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("server_address", &self.server_address())
            .field("connections", &self.clients.open())
            .finish_non_exhaustive()
    }
}

fn default_max_connections() -> usize {
    let limit = descriptor_limit().unwrap_or(1024);
    usize::try_from(limit / 4 * 3).unwrap_or(usize::MAX).max(1)
}
