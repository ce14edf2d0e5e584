//! Supervised processes that share the listening socket.

use std::fmt;
use std::io;
use std::num::NonZero;
use std::os::fd::BorrowedFd;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use super::workers::Workers;
use super::{Concurrency, Job, Placement};
use crate::signal::Signal;

/// Serves in several processes, each with a loop of its own and another strategy in it, on one
/// listening socket. A process that crashes is replaced.
///
/// [`Server::serve_forever`](crate::Server::serve_forever) starts the processes and then only
/// supervises them. A handler's state is copied when they start, and what one of them changes in
/// memory the others do not see. Python has no such class; its users put `gunicorn` in front.
///
/// - A process that ends unasked is replaced: at once if it had run for five seconds, otherwise
///   after a pause that doubles from 100 ms to 10 s. It takes its own connections with it, no
///   others.
/// - A process that cannot start ends `serve_forever` with its error. Where others serve or have
///   served, and the system has no process to spare or the new one ends without a word, as by a
///   crash, it is tried again after the same pauses.
/// - [`replace_on`](Self::replace_on), by default SIGHUP, replaces them one by one, each after its
///   successor is ready, so that no client is refused.
///   [`Handler::handle_signal`](crate::Handler::handle_signal) is called in the supervising process
///   before, to load again what the new ones shall have.
/// - One that is asked to end and does not, as its handler never returns or it was stopped by
///   SIGSTOP, is killed 2.3 seconds after
///   [`Server::shutdown_timeout`](crate::Server::shutdown_timeout). Before that it is asked to end
///   its CGI script, with all that the script has started.
/// - They end with the supervising process, even if that is killed: each finishes its requests for
///   at most [`Server::shutdown_timeout`](crate::Server::shutdown_timeout). SIGTERM asks one of
///   them to do so, and SIGQUIT to end at once; it is replaced then.
/// - A signal that is sent to the supervising process and to all others, as `pkill` does, counts
///   once.
/// - A process that ends unasked or cannot start is reported by `log`, or on standard error where
///   no logger is installed.
///
/// [`ShutdownHandle::shutdown`](crate::ShutdownHandle::shutdown) in a handler stops the server,
/// with all its processes, as it does under every other strategy.
/// [`Server::max_connections`](crate::Server::max_connections) and the limits of the inner strategy
/// hold for each process.
///
/// # Examples
///
/// ```no_run
/// use socketserver::http::SimpleHttpRequestHandler;
/// use socketserver::{PreFork, Signal, TcpServer, ThreadPool};
///
/// let files = SimpleHttpRequestHandler::new("/srv/www");
/// let strategy = PreFork::new(4, ThreadPool::default());
/// let mut server = TcpServer::bind_with("0.0.0.0:8000", files, strategy)?;
/// server.shutdown_on_signals(&[Signal::INT, Signal::TERM])?;
/// server.serve_forever()?;
/// # std::io::Result::Ok(())
/// ```
///
/// With other values:
///
/// ```
/// use socketserver::{PreFork, ThreadPool};
///
/// let strategy = PreFork::<ThreadPool>::default().replace_on(None);
/// # let _ = strategy;
/// ```
pub struct PreFork<C> {
    strategy: C,
    workers: Workers,
}

impl<C> PreFork<C> {
    /// Serves in so many processes, in each with this strategy.
    pub fn new(processes: usize, strategy: C) -> Self {
        Self { strategy, workers: Workers::new(processes) }
    }

    /// How many processes serve, at least one. Defaults to the number of processors.
    #[must_use]
    pub fn processes(mut self, count: usize) -> Self {
        self.workers.wanted = count.max(1);
        self
    }

    /// The signal that replaces the processes one by one. Defaults to SIGHUP; with `None` there is
    /// none.
    #[must_use]
    pub fn replace_on(mut self, signal: impl Into<Option<Signal>>) -> Self {
        self.workers.replace_on = signal.into();
        self
    }

    /// Forks although other threads run; see [`Forking`](super::Forking). Defaults to `false`.
    #[must_use]
    pub fn allow_threads(mut self, allowed: bool) -> Self {
        self.workers.allow_threads = allowed;
        self
    }

    /// The strategy within each process.
    pub fn strategy(&self) -> &C {
        &self.strategy
    }
}

impl<C: Default> Default for PreFork<C> {
    fn default() -> Self {
        Self::new(available_parallelism().map_or(1, NonZero::get), C::default())
    }
}

// In a process that serves, all calls are the inner strategy's; the supervisor makes none of them.
impl<C: Concurrency> Concurrency for PreFork<C> {
    fn process_request(&mut self, job: Job) -> io::Result<()> {
        self.strategy.process_request(job)
    }

    fn server_activate(&mut self) -> io::Result<()> {
        self.strategy.server_activate()
    }

    fn service_actions(&mut self) -> Option<Duration> {
        self.strategy.service_actions()
    }

    fn has_room(&self) -> bool {
        self.strategy.has_room()
    }

    fn wake_up(&self) -> Option<BorrowedFd<'_>> {
        self.strategy.wake_up()
    }

    fn placement(&self) -> Placement {
        self.strategy.placement()
    }

    fn active(&self) -> usize {
        self.strategy.active()
    }

    fn worker_count(&self) -> usize {
        self.strategy.worker_count()
    }

    fn server_close(&mut self, deadline: Instant) -> usize {
        self.strategy.server_close(deadline)
    }

    fn begin_drain(&mut self) {
        self.strategy.begin_drain();
    }

    fn workers(&mut self) -> Option<&mut Workers> {
        Some(&mut self.workers)
    }
}

impl<C: fmt::Debug> fmt::Debug for PreFork<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreFork")
            .field("processes", &self.workers.wanted)
            .field("strategy", &self.strategy)
            .finish_non_exhaustive()
    }
}
