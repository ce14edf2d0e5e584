//! Supervised processes that share the listening socket.

mod leash;
mod supervise;
mod workers;

use std::fmt;
use std::io;
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsFd, BorrowedFd};

use crate::concurrency::Concurrency;
use crate::server::{Server, ServerKind, ShutdownReport};
use crate::signal::Signal;
use crate::transport::{BindTo, Transport};
use workers::Workers;

/// Serves in several processes, each with a server of its own, on one listening socket. A process
/// that crashes is replaced.
///
/// It is around a server of any type, and has its fields and methods: set time limits, bounds and
/// [signals](Server::shutdown_on_signals) as there. A function that takes `&mut Server` gets the
/// server inside, which knows of no processes: give it to this first.
///
/// [`serve_forever`](Self::serve_forever) starts the processes and then only supervises them. Each
/// has a copy of the server, with the handler as it was then, and makes itself a loop and a
/// strategy's threads or children. What one of them changes in memory the others do not see. Python
/// has no such class; its users put `gunicorn` in front.
///
/// - A process that ends unasked is replaced: at once if it had run for five seconds, otherwise
///   after a pause that doubles from 100 ms to 10 s. It takes its own connections with it, no
///   others.
/// - A process has 30 seconds to start. If the first ones cannot start, `serve_forever` returns the
///   error. Where others serve or have served, one that crashes at its start, or for which the
///   system has no process to spare, is tried again after the same pauses.
/// - [`replace_on`](Self::replace_on), by default SIGHUP, replaces them one by one, each after its
///   successor is ready, so that no client is refused.
///   [`Handler::handle_signal`](crate::Handler::handle_signal) is called in the supervising process
///   before, to load again what the new ones shall have. The supervisor hears all signals that the
///   program [watches](Server::watch_signals), and its processes do not.
/// - One that is asked to end and does not, as its handler never returns or it was stopped by
///   SIGSTOP, is killed 2.3 seconds after [`shutdown_timeout`](Server::shutdown_timeout). Before
///   that it is asked to end its CGI script, with all that the script has started.
/// - They end with the supervising process, even if that is killed: each closes the listener, and
///   finishes its requests for at most [`shutdown_timeout`](Server::shutdown_timeout). One whose
///   loop calls handlers itself, as that of [`Sequential`](crate::Sequential), and is stuck in one
///   then, is ended as above, by a thread of its own.
/// - SIGTERM asks a process to finish its requests for as long, and SIGQUIT to end at once; it is
///   replaced then.
/// - A signal that is sent to the supervising process and to all others, as `pkill` does, counts
///   once.
/// - A process that ends unasked or cannot start is reported by `log`, or on standard error where
///   no logger is installed.
///
/// [`ShutdownHandle::shutdown`](crate::ShutdownHandle::shutdown) in a handler stops the supervisor,
/// with all its processes. [`max_connections`](Server::max_connections) and the limits of the
/// strategy hold for each process. [`handle_request`](Server::handle_request) serves one request
/// here, without any process.
///
/// # Examples
///
/// ```no_run
/// use socketserver::http::SimpleHttpRequestHandler;
/// use socketserver::{PreForkHttpServer, Signal};
///
/// let files = SimpleHttpRequestHandler::new("/srv/www");
/// let mut server = PreForkHttpServer::bind("0.0.0.0:8000", files)?.processes(4);
/// server.shutdown_on_signals(&[Signal::INT, Signal::TERM])?;
/// server.serve_forever()?;
/// # std::io::Result::Ok(())
/// ```
///
/// Around a server that is there already, of any type:
///
/// ```
/// use socketserver::{ForkingTcpServer, PreFork, handler_fn};
///
/// let server = ForkingTcpServer::bind("127.0.0.1:0", handler_fn(|_| Ok(())))?;
/// let server = PreFork::new(server).replace_on(None);
/// assert_ne!(server.server_address().port(), 0);
/// # std::io::Result::Ok(())
/// ```
pub struct PreFork<S> {
    server: S,
    workers: Workers,
    report: ShutdownReport,
    post_fork: Option<Box<PostFork<S>>>,
}

/// Prepares the server of a process.
type PostFork<S> = dyn Fn(&S) -> io::Result<()> + Send + Sync;

impl<S> PreFork<S> {
    /// Serves in as many processes as there are processors, in each as this server would.
    pub fn new(server: S) -> Self {
        Self { server, workers: Workers::new(), report: ShutdownReport::default(), post_fork: None }
    }

    /// How many processes serve, at least one. Defaults to the number of processors.
    #[must_use]
    pub fn processes(mut self, count: usize) -> Self {
        self.workers.wanted = count.max(1);
        self
    }

    /// The signal that replaces the processes one by one. Defaults to SIGHUP; with `None` no signal
    /// does.
    #[must_use]
    pub fn replace_on(mut self, signal: impl Into<Option<Signal>>) -> Self {
        self.workers.replace_on = signal.into();
        self
    }

    /// Forks although other threads run; see [`Forking`](crate::Forking). Defaults to `false`.
    #[must_use]
    pub fn allow_threads(mut self, allowed: bool) -> Self {
        self.workers.allow_threads = allowed;
        self
    }

    /// What became of the requests of all processes, when the last loop was asked to stop.
    pub fn shutdown_report(&self) -> ShutdownReport {
        self.report
    }

    /// Closes the listening socket.
    ///
    /// The same as dropping this value.
    pub fn server_close(self) {}
}

impl<K: ServerKind, C: Concurrency> PreFork<Server<K, C>> {
    /// Binds an address and prepares to serve it, with the strategy's defaults.
    ///
    /// # Errors
    ///
    /// As [`Server::bind`].
    pub fn bind(
        to: impl BindTo<<K::Transport as Transport>::Bind>,
        handler: K::Handler,
    ) -> io::Result<Self>
    where
        C: Default,
    {
        Server::bind(to, handler).map(Self::new)
    }

    /// Binds an address and prepares to serve it, with a configured strategy in each process.
    ///
    /// # Errors
    ///
    /// As [`Server::bind`].
    pub fn bind_with(
        to: impl BindTo<<K::Transport as Transport>::Bind>,
        handler: K::Handler,
        strategy: C,
    ) -> io::Result<Self> {
        Server::bind_with(to, handler, strategy).map(Self::new)
    }

    /// Serves a transport that is bound already.
    ///
    /// # Errors
    ///
    /// As [`Server::from_transport`].
    pub fn from_transport(
        transport: K::Transport,
        handler: K::Handler,
        strategy: C,
    ) -> io::Result<Self> {
        Server::from_transport(transport, handler, strategy).map(Self::new)
    }

    /// Completes the handler in each process, before that serves: for what processes must not
    /// share, such as a connection to a database, and for threads, which a fork does not copy.
    ///
    /// The supervising process does not call it. An error is one of the start of the process; see
    /// above. Signals are held back meanwhile.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{self, Write};
    /// use std::net::TcpStream;
    /// use std::sync::{Mutex, OnceLock};
    ///
    /// use socketserver::{Connection, Handler, PreFork, ThreadingTcpServer};
    ///
    /// #[derive(Default)]
    /// struct Store {
    ///     database: OnceLock<Mutex<TcpStream>>,
    /// }
    ///
    /// impl Store {
    ///     fn connect(&self) -> io::Result<()> {
    ///         let connection = TcpStream::connect("127.0.0.1:6379")?;
    ///         self.database.get_or_init(|| Mutex::new(connection));
    ///         Ok(())
    ///     }
    /// }
    ///
    /// impl Handler for Store {
    ///     fn handle(&self, connection: Connection) -> io::Result<()> {
    ///         let database = self.database.get().expect("connected when the process started");
    ///         // ..
    /// #       let _ = (connection, database.lock().map(|mut to| to.flush()));
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let server = ThreadingTcpServer::bind("127.0.0.1:0", Store::default())?;
    /// let server = PreFork::new(server).post_fork(Store::connect);
    /// # let _ = server;
    /// # io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn post_fork(
        mut self,
        complete: impl Fn(&K::Handler) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.post_fork = Some(Box::new(move |server: &Server<K, C>| complete(server.handler())));
        self
    }

    /// Starts the processes, and supervises them until a shutdown is asked for.
    ///
    /// Ends as [`Server::serve_forever`] does. The processes finish their requests for at most
    /// [`shutdown_timeout`](Server::shutdown_timeout).
    /// [`Handler::service_actions`](crate::Handler::service_actions) is called here once the first
    /// process serves, and in each process.
    ///
    /// # Errors
    ///
    /// A process cannot start, or other threads run in this one.
    pub fn serve_forever(&mut self) -> io::Result<()> {
        self.supervise()
    }
}

impl<S> Deref for PreFork<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.server
    }
}

impl<S> DerefMut for PreFork<S> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.server
    }
}

impl<S: AsFd> AsFd for PreFork<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.server.as_fd()
    }
}

impl<S: fmt::Debug> fmt::Debug for PreFork<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreFork")
            .field("processes", &self.workers.wanted)
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}
