//! What a supervisor asks of its server: to hear of signals, and to serve in a forked process.

use std::io;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::belongings::Belongings;
use super::clients::ServerKind;
use super::time_left::TimeLeft;
use super::{Server, ShutdownReport};
use crate::concurrency::Concurrency;
use crate::handler::Handler;
use crate::os::{AsFd, BorrowedFd};
use crate::poller::Poller;
use crate::reactor::{LoopSignals, Reactor};
use crate::signal::Signal;
use crate::signals::{self, Listens};
use crate::sys::{self, SharedCounters};

/// In the supervising process: the loop of a server that accepts no clients.
impl<K: ServerKind, C: Concurrency> Server<K, C> {
    /// Takes note of how many processes serve: that many requests run at once where each process
    /// runs one at a time.
    pub(crate) fn note_processes(&self, count: usize) {
        if self.strategy.max_workers() == Some(1) {
            let gauges = self.clients.handler().info.gauges();
            gauges.max_workers.store(count, Ordering::Relaxed);
        }
    }

    /// Begins to hear of signals, of this one too, and of forked processes that ask for a shutdown.
    pub(crate) fn begin_watch(&mut self, also: Option<Signal>) -> io::Result<()> {
        self.refuse_if_ended()?;
        self.reactor.hear_here();
        self.hear_requests()?;
        self.reactor.begin_hearing(Listens::Now);
        let also = signals::heeded(also.as_slice());
        let watched = also.into_iter().try_for_each(|number| self.reactor.watch_signal(number));
        watched.inspect_err(|_| self.reactor.pause_hearing())
    }

    /// Waits for something to happen, at most for `limit`. Tells the handler of all signals, and
    /// returns those that are not for the handler alone.
    pub(crate) fn watch(&mut self, limit: Option<Duration>) -> io::Result<Vec<i32>> {
        let turn = self.wait(limit, false)?;
        self.dispatch_signals(&turn);
        self.heed_requests(&turn);
        Ok(turn.stop_signals)
    }

    /// Lets the handler do what it does now and then.
    pub(crate) fn service_actions(&self) {
        self.clients.handler().handler.service_actions();
    }

    /// Stops for good, as these signals ask.
    pub(crate) fn stop_by(&mut self, signals: &[i32]) {
        self.shutdown_handle().stop_here();
        self.closed_for_good = true;
        self.note_signals(signals, None);
    }

    /// Has new clients refused, if the server stops for good. Those that wait are left to the
    /// forked processes, the last of which takes them in.
    pub(crate) fn stop_listening_for_good(&mut self) {
        if self.closed_for_good {
            self.stop_listening(0);
        }
    }

    /// Ends what [`begin_watch`](Self::begin_watch) has begun.
    pub(crate) fn end_watch(&mut self) {
        self.end_hearing();
        self.stop_signals = 0;
        self.rearm();
    }

    /// Has this descriptor end a wait when it is readable.
    pub(crate) fn watch_also(&self, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        self.reactor.watch_strategy(descriptor)
    }

    /// Ends that, as long as the descriptor is open.
    pub(crate) fn forget(&self, descriptor: BorrowedFd<'_>) {
        self.reactor.forget_strategy(descriptor);
    }
}

/// In a process that was forked of that one.
impl<K: ServerKind, C: Concurrency> Server<K, C> {
    /// Makes the server this process's own: gives it a poller, and signals of its own, in place of
    /// those that a fork leaves both processes with. It stops for good when the leash is readable.
    /// The program prepares it before the strategy begins. How many requests run is counted in
    /// `running`.
    pub(crate) fn move_in(
        &mut self,
        leash: &impl AsFd,
        running: Arc<SharedCounters>,
        prepare: impl FnOnce(&Self) -> io::Result<()>,
    ) -> io::Result<()> {
        let poller = Arc::new(Poller::new()?);
        let shutdown = self.shutdown_handle();
        if let Some(requests) = self.resources.requests.take() {
            shutdown.ask_by(requests);
        }
        let handler = Arc::clone(self.clients.handler());
        handler.info.gauges().reset();
        handler.count_running(running);
        shutdown.adopt(Arc::clone(&poller));
        let heard = Arc::new(LoopSignals::default());
        self.time_left = TimeLeft::new(Arc::clone(&heard), shutdown.clone());
        self.time_left.watch_leash(leash.as_fd().try_clone_to_owned()?);
        let clients = K::new(handler, &poller, self.strategy.placement(), &self.time_left);
        self.belongings = Belongings::new(clients.shared(), shutdown);
        // The old one goes now, and with it the supervisor's signals.
        self.reactor = Reactor::new(poller, &self.resources.transport, heard)?;
        mem::replace(&mut self.clients, clients).shared().leave_to_parent();
        self.reactor.watch_signals(&signals::heeded(&[Signal::TERM]))?;
        self.reactor.watch_urgent(&signals::heeded(&[Signal::QUIT]))?;
        self.reactor.watch_urgent(&[sys::CUT_SIGNAL as i32])?;
        self.reactor.watch_leash(leash.as_fd())?;
        prepare(self)?;
        self.activate()
    }

    /// Serves until this process is asked to stop.
    pub(crate) fn serve_to_the_end(&mut self) -> (io::Result<()>, ShutdownReport) {
        let served = self.serve();
        (served, self.report)
    }
}
