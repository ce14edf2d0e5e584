//! The server: accepts connections and hands them to a strategy.

use std::any::Any;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit};
use polling::Poller;

use crate::concurrency::{Concurrency, Job, Work};
use crate::connection::{Connection, Socket};
use crate::handler::Handler;
use crate::parking::{self, Parking, Slot};
use crate::reactor::{AcceptError, Reactor};
use crate::server_info::ServerInfo;
use crate::shutdown::ShutdownHandle;
use crate::sys;
use crate::transport::{Tcp, TcpBind, Transport};

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

/// What a job needs of its server.
#[derive(Debug)]
struct Core<H> {
    handler: H,
    info: ServerInfo,
    parking: Arc<Parking>,
    speaks_first: bool,
    /// Descriptors that a child closes first: the listener's and the poller's.
    parents: [RawFd; 2],
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
        let parents = [transport.as_fd().as_raw_fd(), poller.as_raw_fd()];
        let parking = Parking::new(poller, handler.timeouts(), strategy.placement());
        let reactor = Reactor::new(Arc::new(parking), &transport)?;
        let core = Core {
            speaks_first: handler.client_speaks_first(),
            info: ServerInfo::new(transport.server_address(), shutdown),
            parking: Arc::clone(&reactor.parking),
            handler,
            parents,
        };
        Ok(Self {
            timeout: None,
            poll_interval: None,
            max_connections: default_max_connections(),
            shutdown_timeout: Duration::from_secs(30),
            report: ShutdownReport::default(),
            hurries: false,
            core: Arc::new(core),
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

    fn activate(&mut self) -> io::Result<()> {
        self.strategy.server_activate()?;
        self.strategy.wake_up().map_or(Ok(()), |wake_up| self.reactor.watch_strategy(wake_up))
    }

    fn deactivate(&self) {
        if let Some(wake_up) = self.strategy.wake_up() {
            self.reactor.forget_strategy(wake_up);
        }
    }

    /// Waits once, and hands up to `most` requests over; returns how many.
    fn turn(&mut self, limit: Option<Duration>, most: usize) -> io::Result<usize> {
        let wanted = self.strategy.service_actions();
        let has_room = self.strategy.has_room();
        let limit = if self.reactor.has_ready() && has_room {
            Some(Duration::ZERO)
        } else {
            limit.into_iter().chain(wanted).min()
        };
        let turn = self.reactor.wait(&self.transport, limit, has_room)?;
        // A child that ended makes room.
        self.strategy.service_actions();
        if turn.signals > 0 {
            self.core.info.shutdown();
            self.hurries = turn.signals > 1;
        }
        // Nobody is accepted after a shutdown was asked for.
        if self.shutdown_handle().is_shutdown_requested() {
            return Ok(0);
        }
        if turn.clients_wait && self.strategy.has_room() {
            self.accept_clients()?;
        }
        let handed_over = self.dispatch(most);
        self.core.handler.service_actions();
        Ok(handed_over)
    }

    fn accept_clients(&mut self) -> io::Result<()> {
        for attempt in 0..ACCEPTS_IN_A_TURN {
            // The poller told of one client. Whether there are more shows when they are accepted,
            // and no connection should be closed for a client that is not there.
            let somebody_waits = attempt == 0;
            let open = self.reactor.parking.open();
            if open >= self.max_connections.max(1) {
                if !somebody_waits {
                    break;
                }
                if self.shed(open) == 0 {
                    self.reactor.begin_rest();
                    break;
                }
            }
            match self.transport.accept() {
                Ok((stream, address)) => {
                    self.reactor.accepted();
                    self.welcome(Arc::new(Socket::new(stream)), address);
                }
                Err(error) => match AcceptError::of(&error) {
                    AcceptError::Nobody => break,
                    AcceptError::Client => {
                        log::debug!("a client left before it was accepted: {error}");
                    }
                    // Linux says so before it looks whether there is a client.
                    AcceptError::Exhausted if !somebody_waits => break,
                    AcceptError::Exhausted if self.shed(1) > 0 => {}
                    AcceptError::Exhausted => {
                        log::warn!("cannot accept, resting: {error}");
                        self.reactor.begin_rest();
                        break;
                    }
                    AcceptError::Listener => return Err(error),
                },
            }
        }
        Ok(())
    }

    /// Closes idle connections; a few more than needed, as finding the oldest means looking at all.
    fn shed(&self, open: usize) -> usize {
        self.reactor.parking.shed(1 + open / 64)
    }

    /// Finds a place for a client that was just accepted.
    fn welcome(&mut self, socket: Arc<Socket>, address: SocketAddr) {
        let parking = &self.reactor.parking;
        let slot = parking.admit(Arc::clone(&socket));
        let info = self.core.info.clone();
        let stall = parking.timeouts.stall;
        let mut connection = Connection::new(socket, address, info, stall, slot.clone());
        if !self.core.verify(&connection) {
            return parking::close(connection);
        }
        if !self.core.speaks_first {
            return self.reactor.push_ready(slot, connection);
        }
        match connection.rfile.receive() {
            Ok(0) => {}
            Ok(_) => self.reactor.push_ready(slot, connection),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => slot.park(connection),
            Err(error) => log::debug!("{address} went away: {error}"),
        }
    }

    /// Hands connections that are ready to the strategy, as long as it has room.
    fn dispatch(&mut self, most: usize) -> usize {
        let mut count = 0;
        while count < most && self.strategy.has_room() {
            let Some((slot, connection)) = self.reactor.next_ready() else {
                break;
            };
            let address = connection.client_address;
            let core = Arc::clone(&self.core);
            let visit = Visit { core, slot, connection: Some(connection) };
            if let Err(error) = self.strategy.process_request(Job::new(Box::new(visit))) {
                self.core.report(address, &error);
            }
            count += 1;
        }
        count
    }

    /// Lets running requests finish until the deadline, and cuts the rest.
    fn drain(&mut self) {
        let parking = Arc::clone(&self.reactor.parking);
        let mut deadline = Instant::now() + self.shutdown_timeout;
        if std::mem::take(&mut self.hurries) {
            deadline = Instant::now();
        }
        parking.set_draining(true);
        // Its end would end the watch as well.
        self.reactor.end_rest();
        parking.watch_ends(true);
        let unfinished = self.send_idle_away() + self.strategy.active();
        self.dispatch(usize::MAX);
        while self.is_busy() && Instant::now() < deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            let wanted = self.strategy.service_actions().map_or(left, |wanted| wanted.min(left));
            match self.reactor.wait(&self.transport, Some(wanted), false) {
                Ok(turn) if turn.signals > 0 => deadline = Instant::now(),
                Ok(_) => {}
                Err(_) => break,
            }
            self.strategy.service_actions();
            self.dispatch(usize::MAX);
        }
        let cut = self.cut_connections() + self.strategy.server_close(deadline);
        self.report.finished = unfinished.saturating_sub(cut);
        self.report.cut = cut;
        parking.watch_ends(false);
        parking.set_draining(false);
    }

    fn is_busy(&self) -> bool {
        self.core.parking.open() > 0 || self.reactor.has_ready() || self.strategy.active() > 0
    }

    /// Closes idle connections, but serves those whose next request has arrived already. Returns how
    /// many are left.
    fn send_idle_away(&mut self) -> usize {
        let mut left = 0;
        for slot in self.reactor.parking.all() {
            let Some(mut connection) = slot.take_idle() else {
                left += usize::from(!slot.end_wait_here());
                continue;
            };
            match connection.rfile.receive() {
                Ok(count) if count > 0 => {
                    self.reactor.push_ready(slot, connection);
                    left += 1;
                }
                _ => parking::close(connection),
            }
        }
        left
    }

    fn cut_connections(&mut self) -> usize {
        while let Some((_, connection)) = self.reactor.next_ready() {
            self.reactor.parking.job_left_queue();
            parking::close(connection);
        }
        let slots = self.reactor.parking.all();
        for slot in &slots {
            match slot.take() {
                Some(connection) => parking::close(connection),
                None => slot.cut(),
            }
        }
        slots.len()
    }
}

impl<T: Transport, C: Concurrency, H: Handler> AsFd for Server<T, C, H> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.transport.as_fd()
    }
}

impl<T: Transport, C: Concurrency, H: Handler> Drop for Server<T, C, H> {
    fn drop(&mut self) {
        while let Some((_, connection)) = self.reactor.next_ready() {
            self.reactor.parking.job_left_queue();
            parking::close(connection);
        }
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

impl<H: Handler> Core<H> {
    fn verify(&self, connection: &Connection) -> bool {
        let address = connection.client_address;
        let verified =
            catch_unwind(AssertUnwindSafe(|| self.handler.verify_request(connection, address)));
        verified.unwrap_or_else(|panic| {
            self.report(address, &panicked(&*panic));
            false
        })
    }

    /// Calls the handler; false when that failed, which has been reported then.
    fn handle(&self, connection: Connection) -> bool {
        let address = connection.client_address;
        let handled = catch_unwind(AssertUnwindSafe(|| self.handler.handle(connection)));
        match handled.unwrap_or_else(|panic| Err(panicked(&*panic))) {
            Ok(()) => true,
            Err(error) => {
                self.report(address, &error);
                false
            }
        }
    }

    fn report(&self, address: SocketAddr, error: &io::Error) {
        // A panic here is printed by the panic hook; there is nobody else to tell.
        let _ = catch_unwind(AssertUnwindSafe(|| self.handler.handle_error(address, error)));
    }
}

/// A connection's turn to be handled.
struct Visit<H: Handler> {
    core: Arc<Core<H>>,
    slot: Arc<Slot>,
    /// Gone once the visit has begun.
    connection: Option<Connection>,
}

impl<H: Handler> Visit<H> {
    fn serve(&mut self) -> bool {
        let mut next = self.connection.take();
        let parking = &self.core.parking;
        parking.job_left_queue();
        parking.job_runs();
        self.slot.enter_job();
        let (mut succeeded, mut in_a_row) = (true, 0);
        while let Some(connection) = next {
            succeeded &= self.core.handle(connection);
            in_a_row += 1;
            next = self.slot.leave_job(in_a_row);
        }
        parking.job_ended();
        succeeded
    }
}

impl<H: Handler> Work for Visit<H> {
    fn run(mut self: Box<Self>) {
        self.serve();
    }

    fn leave_to_child(mut self: Box<Self>) {
        if let Some(connection) = self.connection.take() {
            self.core.parking.job_left_queue();
            drop(connection);
        }
    }

    fn run_in_child(mut self: Box<Self>) -> bool {
        // Otherwise new clients would connect to a socket that nobody accepts from, for as long as
        // this child outlives its parent.
        self.core.parents.into_iter().for_each(sys::close_inherited);
        self.slot.end_for_all();
        let succeeded = self.serve();
        // What the handler left with others ends now, with this process.
        self.slot.end();
        succeeded
    }
}

impl<H: Handler> Drop for Visit<H> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.core.parking.job_left_queue();
            parking::close(connection);
        }
    }
}

/// A panic as the error that handlers hear of.
fn panicked(panic: &(dyn Any + Send)) -> io::Error {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no message)");
    io::Error::other(format!("handler panicked: {message}"))
}

fn default_max_connections() -> usize {
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft);
    usize::try_from(limit / 4 * 3).unwrap_or(usize::MAX).max(1)
}

/// Clients accepted before others get a turn.
const ACCEPTS_IN_A_TURN: usize = 64;
