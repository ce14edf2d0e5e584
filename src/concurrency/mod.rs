//! Where requests run: the strategies, and the trait behind them.
//!
//! | | [`Sequential`] | [`ThreadPool`] | [`Forking`] |
//! |---|---|---|---|
//! | a request runs | on the serving thread | on a pooled thread, started on demand | in a child process, one for each connection |
//! | a slow handler delays | all clients | no client, until every thread is busy | no client, until `max_children` run |
//! | the next client then waits | in the kernel | in the pool's queue | in the kernel |
//! | the handler's state is | shared | shared (`Send + Sync`) | copied; changes are lost with the child |
//! | a panic costs | its connection | its connection | its connection |
//! | a crash (abort) costs | the server | the server | its connection |
//! | an idle connection costs | no thread | no thread | before its first request nothing, after it a process |
//!
//! [`PreFork`](crate::PreFork) is no strategy: it runs several servers, each in a process of its
//! own, with any of these in it. A crash costs its process, which is replaced.
//!
//! Changing the strategy changes one word: the name of the server type, or the value given to
//! [`bind_with`](crate::Server::bind_with).

pub(crate) mod children;
mod fork_refused;
mod forking;
#[cfg(test)]
mod jobs;
mod queue;
mod sequential;
mod thread_pool;

pub use fork_refused::ForkRefused;
#[doc(alias = "ForkingMixIn")]
pub use forking::Forking;
pub use sequential::Sequential;
#[doc(alias = "ThreadingMixIn")]
pub use thread_pool::ThreadPool;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::address::Address;
use crate::os::BorrowedFd;

/// Decides where requests run: Python's `ThreadingMixIn` and `ForkingMixIn`.
///
/// The server calls, always on the thread that serves and in this order:
///
/// 1. [`server_activate`](Self::server_activate), before the first request of a loop;
/// 2. [`process_request`](Self::process_request), for each request, while
///    [`has_room`](Self::has_room);
/// 3. [`service_actions`](Self::service_actions), after each turn of its loop, and when
///    [`wake_up`](Self::wake_up) becomes readable;
/// 4. [`server_close`](Self::server_close), when the loop ends.
///
/// A strategy waits for what it started in its `Drop`: threads are joined, children reaped. It does
/// not wait there for what still ran at the deadline that `server_close` was given: that was cut,
/// and may never end.
///
/// One that hands jobs to [`Forking`] has [`Placement::Detached`], and does that in a method that
/// takes it by `&mut self`, or in its `Drop`: what the server has open is then ready to be closed
/// in the child. Elsewhere `Forking` returns [`ForkRefused::NotDetached`].
///
/// # Panics
///
/// An error of `process_request` costs its request, a panic of any method the server: it ends the
/// serving loop and passes through `serve_forever`. A panic of a handler does not reach a strategy:
/// [`Job::run`] catches it.
///
/// # Strategies around others
///
/// One method is required, so a method that is missing is not noticed: its default answers, which
/// is right for a strategy that has nothing to do there, and wrong for the one within. A
/// [`ThreadPool`] whose `service_actions` is not called calls no thread for some of its jobs, and
/// their clients wait in vain; a [`Forking`] without `service_actions` and `wake_up` leaves its
/// children unreaped. A strategy around another one forwards every method:
///
/// ```
/// use std::io;
/// use std::os::fd::BorrowedFd;
/// use std::time::Duration;
/// use socketserver::concurrency::{Concurrency, Drain, Job, Placement};
///
/// /// Prints who is served.
/// struct Announced<C>(C);
///
/// impl<C: Concurrency> Concurrency for Announced<C> {
///     fn process_request(&mut self, job: Job) -> io::Result<()> {
///         println!("{} is served", job.client_address());
///         self.0.process_request(job)
///     }
///
///     fn server_activate(&mut self) -> io::Result<()> {
///         self.0.server_activate()
///     }
///
///     fn service_actions(&mut self) -> Option<Duration> {
///         self.0.service_actions()
///     }
///
///     fn has_room(&self) -> bool {
///         self.0.has_room()
///     }
///
///     fn wake_up(&self) -> Option<BorrowedFd<'_>> {
///         self.0.wake_up()
///     }
///
///     fn placement(&self) -> Placement {
///         self.0.placement()
///     }
///
///     fn active(&self) -> usize {
///         self.0.active()
///     }
///
///     fn worker_count(&self) -> usize {
///         self.0.worker_count()
///     }
///
///     fn max_workers(&self) -> Option<usize> {
///         self.0.max_workers()
///     }
///
///     fn server_close(&mut self, drain: Drain) -> usize {
///         self.0.server_close(drain)
///     }
/// }
///
/// # use socketserver::{Connection, TcpServer, ThreadPool, handler_fn};
/// # let handler = handler_fn(|connection: Connection| connection.park());
/// let server = TcpServer::bind_with("127.0.0.1:0", handler, Announced(ThreadPool::default()))?;
/// # let _ = server;
/// # io::Result::Ok(())
/// ```
///
/// # Examples
///
/// A thread for each connection, as Python's `ThreadingMixIn` starts them:
///
/// ```
/// use std::{io, thread};
/// use socketserver::concurrency::{Concurrency, Job, Placement};
///
/// struct ThreadPerConnection;
///
/// impl Concurrency for ThreadPerConnection {
///     fn process_request(&mut self, job: Job) -> io::Result<()> {
///         thread::Builder::new().spawn(move || job.run()).map(drop)
///     }
///
///     fn placement(&self) -> Placement {
///         Placement::Detached
///     }
/// }
/// ```
#[doc(alias = "ThreadingMixIn")]
#[doc(alias = "ForkingMixIn")]
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not decide where requests run",
    label = "not a strategy",
    note = "take `Sequential`, `ThreadPool` or `Forking`, or implement `Concurrency`",
    note = "`PreFork` is around a server: `PreFork<ThreadingTcpServer<H>>`"
)]
pub trait Concurrency {
    /// Runs the job now, later or elsewhere.
    ///
    /// A job that is dropped closes its connection.
    ///
    /// # Errors
    ///
    /// Says why the job could not be run; the server reports it to the handler and goes on.
    fn process_request(&mut self, job: Job) -> io::Result<()>;

    /// Prepares to serve. The default does nothing. A strategy around another one forwards this.
    ///
    /// # Errors
    ///
    /// An error keeps the server from serving and is returned to its caller.
    fn server_activate(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Does what has to be done now and then, and says within what time to be called again.
    ///
    /// The default does nothing and need not be called. A strategy around another one forwards
    /// this.
    #[doc(alias = "ForkingMixIn.collect_children")]
    #[doc(alias = "collect_children")]
    fn service_actions(&mut self) -> Option<Duration> {
        None
    }

    /// Tells whether another job can be taken; meanwhile clients wait in the kernel's queue. The
    /// default says yes.
    ///
    /// A strategy that says no lets the server sleep, and has to wake it when that changes: by
    /// [`wake_up`](Self::wake_up), or by the time that
    /// [`service_actions`](Self::service_actions) asks to be called again. A strategy around
    /// another one forwards this.
    fn has_room(&self) -> bool {
        true
    }

    /// A descriptor whose readability calls [`service_actions`](Self::service_actions) at once. The
    /// default has none. A strategy around another one forwards this.
    fn wake_up(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Where this strategy runs jobs. The default is [`Placement::OtherThread`]. A strategy around
    /// another one forwards this.
    fn placement(&self) -> Placement {
        Placement::OtherThread
    }

    /// How much runs where the server cannot see it, as in child processes. The default is
    /// nothing.
    ///
    /// A server that stops waits for it, as it does for the connections that it sees;
    /// [`wake_up`](Self::wake_up) tells it to look again. Where jobs are
    /// [`Detached`](Placement::Detached), it counts in
    /// [`max_connections`](crate::Server::max_connections). A strategy around another one forwards
    /// this.
    fn active(&self) -> usize {
        0
    }

    /// How many threads or processes run requests now, idle ones included: for
    /// [`ServerInfo::worker_count`](crate::ServerInfo::worker_count). The default is what
    /// [`active`](Self::active) counts. A strategy around another one forwards this.
    fn worker_count(&self) -> usize {
        self.active()
    }

    /// How many requests this strategy runs at once, at most, if it has such a bound. The default
    /// says that it has none.
    ///
    /// For [`ServerInfo::max_workers`](crate::ServerInfo::max_workers), by which handlers that take
    /// long leave some of them to others: `BasicAuth` verifies passwords in half of them. A
    /// strategy around another one forwards this.
    fn max_workers(&self) -> Option<usize> {
        None
    }

    /// Ends what [`active`](Self::active) still counts at the deadline. Returns how much that was,
    /// with what was ended otherwise before it had finished, since the drain began. The default has
    /// nothing to end.
    ///
    /// The server calls it when it has waited long enough, or when nothing is left to wait for.
    /// What still runs after the deadline is cut by the server, as far as it has connections, and
    /// is not to be waited for any more. A strategy around another one forwards this.
    fn server_close(&mut self, drain: Drain) -> usize {
        let _ = drain;
        0
    }
}

/// How a loop ends, as [`Concurrency::server_close`] is told.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Drain {
    /// When the loop stopped taking requests.
    pub began: Instant,
    /// When what still runs is to be ended. It may have passed.
    pub deadline: Instant,
}

impl Drain {
    /// One that begins now, and ends what still runs at the deadline.
    pub fn until(deadline: Instant) -> Self {
        Self { began: Instant::now(), deadline }
    }
}

/// Where a strategy runs jobs, and so whether idle connections come back to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Placement {
    /// On the serving thread, before `process_request` returns.
    ServingThread,
    /// In this process, now or later. A connection that becomes idle goes back to the server and
    /// holds nothing while it waits.
    OtherThread,
    /// Where nothing comes back from. The job serves its connection to the end.
    Detached,
}

/// A request with everything needed to run it, or more of one: a connection that waited for its
/// client comes back as a further job, when more of a request has arrived, or when there is room
/// for more of a response ([`Placement::OtherThread`]).
///
/// Dropping a job unrun closes its connection.
pub struct Job {
    // Gone once the job was run.
    work: Option<Arc<dyn Work>>,
    /// What a child process that runs this job lets go of.
    belongings: Option<Arc<dyn Belongings>>,
}

impl Job {
    pub(crate) fn new(work: Arc<dyn Work>) -> Self {
        Self { work: Some(work), belongings: None }
    }

    /// Prepares the job for a strategy that may run it in a child process.
    pub(crate) fn with_belongings(self, belongings: Arc<dyn Belongings>) -> Self {
        let mut job = self;
        job.belongings = Some(belongings);
        job
    }

    /// The address of the client: for a strategy that counts by address, or refuses some.
    ///
    /// That of the connection, as [`Handler::verify_request`](crate::Handler::verify_request) hears
    /// it, whatever a balancer says later of the client behind it. Dropping the job, or an error of
    /// [`process_request`](Concurrency::process_request) after it, refuses the client.
    #[doc(alias = "process_request.client_address")]
    pub fn client_address(&self) -> &Address {
        // Taken by the calls alone that consume the job.
        self.work.as_ref().expect("a job that was not run").client_address()
    }

    /// Runs the request, here and now.
    ///
    /// Does not panic: a panic in the handler is caught and reported.
    #[doc(alias = "process_request_thread")]
    pub fn run(mut self) {
        if let Some(work) = self.work.take() {
            work.run();
        }
    }

    /// Drops this process's copy of a job that a child runs, and leaves the connection open.
    pub(crate) fn leave_to_child(mut self) {
        if let Some(work) = self.work.take() {
            work.leave_to_child();
        }
    }

    /// Fails where a child would keep what the server has open, its listener above all.
    pub(crate) fn refuse_to_fork(&self) -> io::Result<()> {
        match &self.belongings {
            Some(belongings) if !belongings.may_be_left() => Err(ForkRefused::NotDetached.into()),
            _ => Ok(()),
        }
    }

    /// Runs the request in a child process, and tells whether it succeeded.
    pub(crate) fn run_in_child(mut self) -> bool {
        if let Some(belongings) = self.belongings.take() {
            belongings.leave_to_parent();
        }
        self.work.take().is_some_and(|work| work.run_in_child())
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            work.abandon();
        }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").finish_non_exhaustive()
    }
}

/// What the process that serves has to itself: its listener, its poller.
pub(crate) trait Belongings: Send + Sync {
    /// Tells whether a child that is forked now can let go of it.
    fn may_be_left(&self) -> bool;

    /// Lets go of it all, in a child process, before anything else is opened there.
    fn leave_to_parent(&self);
}

/// What a job does, as the server defines it. One of these is called, once.
pub(crate) trait Work: Send + Sync {
    /// The client's address.
    fn client_address(&self) -> &Address;

    /// Serves the request.
    fn run(self: Arc<Self>);

    /// Serves the request in a child process; false when it failed.
    fn run_in_child(self: Arc<Self>) -> bool;

    /// Gives this process's part of it up; a child has the other.
    fn leave_to_child(self: Arc<Self>);

    /// Closes the connection unserved.
    fn abandon(self: Arc<Self>);
}
