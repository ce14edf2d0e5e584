//! The serving loop: accept, welcome, hand over.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::clients::ServerKind;
use super::{Overload, Server};
use crate::concurrency::{Concurrency, Placement};
use crate::handler::Handler;
use crate::os::AsFd;
use crate::reactor::Turn;
use crate::shutdown::Requests;
use crate::signals::Listens;
use crate::transport::AcceptError;
use crate::transport::sealed::Accept;

impl<K: ServerKind, C: Concurrency> Server<K, C> {
    /// Begins a loop; where that fails, nothing has begun.
    pub(super) fn activate(&mut self) -> io::Result<()> {
        self.refuse_if_ended()?;
        self.reactor.hear_here();
        self.time_left.begin(self.shutdown_timeout, self.time_if_program_stops());
        let calls_handlers = self.strategy.placement() == Placement::ServingThread;
        let listens = if calls_handlers { Listens::BetweenHandlers } else { Listens::Now };
        self.reactor.begin_hearing(listens);
        self.begin_loop().inspect_err(|_| self.reactor.pause_hearing())
    }

    fn begin_loop(&mut self) -> io::Result<()> {
        self.call_strategy(C::server_activate)?;
        if self.strategy.placement() == Placement::Detached {
            self.hear_requests()?;
        }
        self.strategy.wake_up().map_or(Ok(()), |wake_up| self.reactor.watch_strategy(wake_up))
    }

    /// Begins to hear of forked processes that ask for a shutdown, unless this is one itself: then
    /// those that it forks ask the same process as it does.
    pub(super) fn hear_requests(&mut self) -> io::Result<()> {
        if self.resources.requests.is_none() && !self.shutdown_handle().asks_another() {
            let requests = Requests::new()?;
            self.reactor.watch_requests(requests.as_fd())?;
            self.resources.requests = Some(requests);
        }
        Ok(())
    }

    /// Has the loop end if a forked process has asked for that.
    pub(super) fn heed_requests(&self, turn: &Turn) {
        if turn.child_asks {
            self.forget_requests();
            self.shutdown_handle().stop_here();
        }
    }

    fn forget_requests(&self) {
        if let Some(requests) = &self.resources.requests {
            requests.take_all();
        }
    }

    /// Forgets what has asked for the loop to end that has ended.
    pub(super) fn rearm(&self) {
        self.forget_requests();
        self.shutdown_handle().rearm();
    }

    /// Has the strategy do what has to be done now and then.
    pub(super) fn strategy_actions(&mut self) -> Option<Duration> {
        let before = self.detached();
        let wanted = self.call_strategy(C::service_actions);
        if self.detached() < before {
            self.reactor.made_room(&self.clients);
        }
        wanted
    }

    /// There is no listening socket any more once a signal has come.
    pub(super) fn refuse_if_ended(&self) -> io::Result<()> {
        if !self.closed_for_good {
            return Ok(());
        }
        let message = "the server was closed by a signal";
        Err(io::Error::new(io::ErrorKind::NotConnected, message))
    }

    /// Ends a loop.
    pub(super) fn deactivate(&mut self) {
        self.reactor.pause_hearing();
        if let Some(wake_up) = self.strategy.wake_up() {
            self.reactor.forget_strategy(wake_up);
        }
    }

    /// Waits once, and hands up to `most` requests over; returns how many.
    pub(super) fn turn(&mut self, limit: Option<Duration>, most: usize) -> io::Result<usize> {
        if self.resources.spare.is_none() {
            // The supervisor is gone, and with it the listener, which cannot be waited for.
            self.reactor.forget_listener(&self.resources.transport);
            self.shutdown_handle().stop_here();
            self.closed_for_good = true;
            return Ok(0);
        }
        let wanted = self.strategy_actions();
        let has_room = self.strategy.has_room();
        let limit = if !self.reactor.jobs.is_empty() && has_room {
            Some(Duration::ZERO)
        } else {
            limit.into_iter().chain(wanted).min()
        };
        let turn = self.wait(limit, self.may_accept())?;
        // A child that ended makes room.
        self.strategy_actions();
        if self.dispatch_signals(&turn) || turn.leash_cut {
            self.shutdown_handle().stop_here();
            self.closed_for_good = true;
            self.note_signals(&turn.stop_signals, turn.first_stop);
        }
        self.heed_requests(&turn);
        // No client is accepted after a shutdown was asked for.
        if self.shutdown_handle().is_stopping_here() {
            return Ok(0);
        }
        if turn.clients_wait && self.may_accept() {
            self.accept_clients()?;
        }
        let handed_over = self.dispatch(most);
        self.strategy_actions();
        self.note_workers();
        self.clients.handler().handler.service_actions();
        Ok(handed_over)
    }

    /// Handlers may ask how many there are.
    pub(super) fn note_workers(&self) {
        let workers = self.strategy.worker_count();
        self.clients.handler().info.gauges().workers.store(workers, Ordering::Relaxed);
        self.note_detached();
    }

    /// And how many connections children serve: a child sees what its parent knew.
    fn note_detached(&self) {
        if K::ARE_CONNECTIONS {
            let detached = &self.clients.handler().info.gauges().detached;
            detached.store(self.detached(), Ordering::Relaxed);
        }
    }

    /// Tells the handler of the signals that came, unless the supervisor does that; returns whether
    /// one of them ends the server.
    pub(super) fn dispatch_signals(&self, turn: &Turn) -> bool {
        if !self.reactor.is_leashed() {
            self.clients.handler().hear_signals(&turn.signals);
        }
        !turn.stop_signals.is_empty()
    }

    /// Takes note of signals that ask this server to stop.
    pub(super) fn note_signals(&mut self, signals: &[i32], first: Option<u64>) {
        self.stop_signals += self.reactor.weigh(signals);
        self.time_left.note_signals(self.stop_signals, first);
    }

    /// Tells whether what runs is to be cut, of which all signals but the first one ask.
    pub(super) fn must_cut_now(&self) -> bool {
        self.stop_signals > 1
    }

    /// Waits until there is something to do, at most for `limit`.
    pub(super) fn wait(&mut self, limit: Option<Duration>, has_room: bool) -> io::Result<Turn> {
        self.reactor.wait(&self.resources.transport, limit, has_room, &mut self.clients)
    }

    fn accept_clients(&mut self) -> io::Result<()> {
        for attempt in 0..ACCEPTS_IN_A_TURN {
            // The poller told of one client. Whether there are more shows when they are accepted,
            // and no connection should be closed for a client that is not there.
            let somebody_waits = attempt == 0;
            let there_is_room = self.has_room_for_one_more();
            if !there_is_room && self.overload != Overload::Refuse {
                if !somebody_waits {
                    break;
                }
                if self.overload == Overload::Wait || self.shed_idle() == 0 {
                    self.reactor.begin_rest(&self.clients);
                    break;
                }
            }
            match self.resources.transport.accept() {
                Ok((arrival, address)) => {
                    self.reactor.accepted();
                    let admitted = there_is_room || self.overload != Overload::Refuse;
                    if admitted || self.may_refuse() {
                        self.clients.admit(arrival, address, admitted, &mut self.reactor.jobs);
                    }
                    // A child has to let go of all clients that wait here for theirs.
                    if !self.reactor.jobs.is_empty()
                        && self.strategy.placement() == Placement::Detached
                    {
                        break;
                    }
                }
                Err(error) => match AcceptError::of(&error) {
                    AcceptError::Nobody => break,
                    AcceptError::Client => {
                        log::debug!("a client left before it was accepted: {error}");
                    }
                    // Linux says so before it looks whether there is a client.
                    AcceptError::Exhausted if !somebody_waits => break,
                    AcceptError::Exhausted if self.clients.shed(1) > 0 => {}
                    AcceptError::Exhausted | AcceptError::Unknown => {
                        log::warn!("cannot accept, resting: {error}");
                        self.reactor.begin_rest(&self.clients);
                        break;
                    }
                    AcceptError::Listener => return Err(error),
                },
            }
        }
        Ok(())
    }

    /// How many clients children serve: those that no job comes back from.
    fn detached(&self) -> usize {
        if self.is_detached() { self.strategy.active() } else { 0 }
    }

    /// How many clients there are, in children as well.
    fn open(&self) -> usize {
        self.clients.open() + self.detached()
    }

    fn has_room_for_one_more(&self) -> bool {
        let has_worker = self.strategy.has_room() || !self.refuses_without_room();
        has_worker && self.open() < self.max_connections.max(1)
    }

    /// Tells whether clients are accepted now: to be served, or refused.
    fn may_accept(&self) -> bool {
        self.strategy.has_room() || self.refuses_without_room()
    }

    /// Tells whether clients are refused, and do not wait, while no further child may run.
    fn refuses_without_room(&self) -> bool {
        K::ARE_CONNECTIONS && self.overload == Overload::Refuse && self.is_detached()
    }

    fn is_detached(&self) -> bool {
        self.strategy.placement() == Placement::Detached
    }

    /// Those that are told why they are refused stay open until they have read it.
    fn may_refuse(&self) -> bool {
        let most = self.max_connections.max(1);
        self.open() < most.saturating_add(most / 4 + 1)
    }

    /// Closes idle connections; a few more than needed, as finding the oldest means looking at all.
    fn shed_idle(&self) -> usize {
        self.clients.shed(1 + self.clients.open() / 64)
    }

    /// Tells whether the loop is asked to end, as the last handler has heard and the loop has not.
    /// A drain serves what is left.
    fn is_to_hear(&self) -> bool {
        !self.shutdown_handle().is_stopping_here() && self.time_left.is_asked()
    }

    /// Hands what is ready to the strategy, as long as it has room.
    pub(super) fn dispatch(&mut self, most: usize) -> usize {
        let mut count = 0;
        while count < most && self.strategy.has_room() && !self.is_to_hear() {
            let Some((job, address)) = self.reactor.jobs.pop_front() else { break };
            self.note_detached();
            let belongings = Arc::clone(&self.belongings);
            let job = job.with_belongings(belongings);
            if let Err(error) = self.hand_over(job) {
                self.clients.handler().report(&address, &error);
            }
            count += 1;
        }
        count
    }
}

/// Clients accepted before others get a turn.
const ACCEPTS_IN_A_TURN: usize = 64;
