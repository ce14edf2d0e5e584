//! The server: accepts connections and hands them to a strategy.

mod core;
mod drain;
mod serving;

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit};

use crate::concurrency::Concurrency;
use crate::handler::Handler;
use crate::parking::Parking;
use crate::poller::Poller;
use crate::reactor::Reactor;
use crate::server_info::ServerInfo;
use crate::shutdown::ShutdownHandle;
use crate::transport::{Tcp, TcpBind, Transport};
use core::Core;

/// A server: a transport that accepts, a strategy that decides where, a handler that answers.
///
/// Usually named by an alias, such as [`ThreadingTcpServer`](crate::ThreadingTcpServer) or
/// [`HttpServer`](crate::HttpServer). The fields are Python's class attributes; set them before
/// serving.
///
/// Dropping the server closes the listening socket and the idle connections, then waits for what
/// the strategy still runs: Python's `server_close`.
#[doc(alias = "BaseServer")]
#[doc(alias = "server_close")]
#[doc(alias = "TCPServer.socket")]
#[doc(alias = "fileno")]
pub struct Server<T: Transport, C: Concurrency, H: Handler> {
    /// How long [`handle_request`](Self::handle_request) waits. Defaults to `None`: for ever.
    #[doc(alias = "BaseServer.timeout")]
    pub timeout: Option<Duration>,
    /// How often [`Handler::service_actions`] is called at least while the server is idle.
    /// Defaults to `None`: only after something happened. Nothing else needs a poll.
    #[doc(alias = "serve_forever.poll_interval")]
    pub poll_interval: Option<Duration>,
    /// Connections that may be open at once. Beyond, the one that is idle longest is closed;
    /// where none is idle, clients wait in the kernel's queue. Defaults to three quarters of the
    /// descriptors that the process may have when the server is made.
    pub max_connections: usize,
    /// How long running requests may take to finish once a shutdown was asked for. Defaults to
    /// 30 seconds.
    pub shutdown_timeout: Duration,
    report: ShutdownReport,
    /// The signal to hurry came together with the one to stop.
    hurries: bool,
    core: Arc<Core<H>>,
    reactor: Reactor,
    // Closed before the strategy waits for its threads or children, as in Python.
    transport: T,
    strategy: C,
}

/// How the last serving loop ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownReport {
    /// Connections, or children, with a request that was finished while the server waited.
    pub finished: usize,
    /// Connections, or children, that were cut off at the deadline.
    pub cut: usize,
}

impl<C: Concurrency, H: Handler> Server<Tcp, C, H> {
    /// Binds an address and prepares to serve it, with the strategy's defaults.
    ///
    /// The strategy must be known, so call it through an alias that names one:
    /// `ThreadingTcpServer::bind(..)`.
    ///
    /// # Errors
    ///
    /// The address cannot be bound; the error names it and nothing stays open.
    #[doc(alias = "server_bind")]
    #[doc(alias = "server_activate")]
    pub fn bind(address: impl ToSocketAddrs, handler: H) -> io::Result<Self>
    where
        C: Default,
    {
        Self::bind_with(address, handler, C::default())
    }

    /// Binds an address and prepares to serve it, with a configured strategy.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    pub fn bind_with(address: impl ToSocketAddrs, handler: H, strategy: C) -> io::Result<Self> {
        Self::from_listener(TcpBind::default().listen(address)?, handler, strategy)
    }

    /// Serves a socket that is bound and listening already: inherited, or made with
    /// [`TcpBind`](crate::transport::TcpBind).
    ///
    /// # Errors
    ///
    /// The socket cannot be watched. It is closed then.
    pub fn from_listener(listener: TcpListener, handler: H, strategy: C) -> io::Result<Self> {
        Self::new(Tcp::new(listener)?, handler, strategy)
    }
}

impl<T: Transport, C: Concurrency, H: Handler> Server<T, C, H> {
    fn new(transport: T, handler: H, strategy: C) -> io::Result<Self> {
        let poller = Arc::new(Poller::new()?);
        let shutdown = ShutdownHandle::new(Arc::clone(&poller));
        let core =
            Arc::new(Core::new(handler, ServerInfo::new(transport.server_address(), shutdown)));
        let timeouts = core.handler.timeouts();
        let listener = transport.as_fd().as_raw_fd();
        let parking = Parking::new(poller, core.clone(), timeouts, strategy.placement(), listener);
        let reactor = Reactor::new(Arc::new(parking), &transport)?;
        Ok(Self {
            timeout: None,
            poll_interval: None,
            max_connections: default_max_connections(),
            shutdown_timeout: Duration::from_secs(30),
            report: ShutdownReport::default(),
            hurries: false,
            core,
            reactor,
            transport,
            strategy,
        })
    }

    /// Serves requests until a shutdown is asked for.
    ///
    /// Connections are accepted here and handed to the strategy, which decides where they run.
    /// Nothing that a client does ends the loop. A handler that fails or panics loses its
    /// connection and is reported to [`Handler::handle_error`]. When the process runs out of
    /// descriptors the oldest idle connection is closed, or the listener rests for a moment and waiting clients stay
    /// in the kernel's queue.
    ///
    /// Ends when [`ShutdownHandle::shutdown`] was called, then or before. Idle connections are closed, running requests are finished
    /// for at most [`shutdown_timeout`](Self::shutdown_timeout), and
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
        let shutdown = self.shutdown_handle();
        self.activate()?;
        let mut served = Ok(0);
        while served.is_ok() && !shutdown.is_shutdown_requested() {
            served = self.turn(self.poll_interval, usize::MAX);
        }
        self.drain();
        self.deactivate();
        shutdown.rearm();
        served.map(drop)
    }

    /// Waits for one request and hands it to the strategy.
    ///
    /// Where none comes within [`timeout`](Self::timeout), calls [`Handler::handle_timeout`] and
    /// returns. Also returns when a shutdown is asked for, which stays asked for.
    ///
    /// # Errors
    ///
    /// As [`serve_forever`](Self::serve_forever).
    pub fn handle_request(&mut self) -> io::Result<()> {
        let shutdown = self.shutdown_handle();
        let deadline = self.timeout.map(|timeout| Instant::now() + timeout);
        self.activate()?;
        let mut served = Ok(0);
        while matches!(served, Ok(0)) && !shutdown.is_shutdown_requested() {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                self.core.handler.handle_timeout();
                break;
            }
            served = self.turn(left, 1);
        }
        self.deactivate();
        served.map(drop)
    }

    /// A handle that stops this server from elsewhere.
    #[doc(alias = "shutdown")]
    pub fn shutdown_handle(&self) -> ShutdownHandle {
        self.core.info.shutdown_handle()
    }

    /// Shuts down when one of these signals comes; the second one cuts running requests off.
    ///
    /// Needs no thread, so it goes with every strategy. Numbers are those of `signal(7)`: 2 for
    /// SIGINT (Ctrl-C), 15 for SIGTERM.
    ///
    /// # Errors
    ///
    /// A number is not a signal, or one that cannot be caught.
    pub fn shutdown_on_signals(&mut self, signals: &[i32]) -> io::Result<()> {
        self.reactor.watch_signals(signals)
    }

    /// The address that clients connect to, with the real port where 0 was asked for.
    pub fn server_address(&self) -> SocketAddr {
        self.transport.server_address()
    }

    /// What became of the requests that ran when the last loop was asked to stop.
    pub fn shutdown_report(&self) -> ShutdownReport {
        self.report
    }

    /// The handler.
    #[doc(alias = "RequestHandlerClass")]
    pub fn handler(&self) -> &H {
        &self.core.handler
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

impl<T: Transport, C: Concurrency, H: Handler> AsFd for Server<T, C, H> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.transport.as_fd()
    }
}

impl<T: Transport, C: Concurrency, H: Handler> Drop for Server<T, C, H> {
    fn drop(&mut self) {
        // A job that is dropped closes its connection.
        while self.reactor.next_job().is_some() {}
        self.reactor.parking.close();
    }
}

impl<T: Transport, C: Concurrency, H: Handler> fmt::Debug for Server<T, C, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("server_address", &self.server_address())
            .field("connections", &self.reactor.parking.open())
            .finish_non_exhaustive()
    }
}

fn default_max_connections() -> usize {
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft);
    usize::try_from(limit / 4 * 3).unwrap_or(usize::MAX).max(1)
}
