//! The orderly end: running requests finish, the rest is cut.

use std::thread;
use std::time::{Duration, Instant};

use super::Server;
use super::clients::ServerKind;
use crate::concurrency::{Concurrency, Drain, Placement};
use crate::handler::Handler;
use crate::transport::sealed::Accept;

impl<K: ServerKind, C: Concurrency> Server<K, C> {
    /// Lets running requests finish until the deadline, and cuts the rest.
    pub(super) fn drain(&mut self) {
        let mut deadline = self.deadline(self.time_to_finish());
        if self.strategy.placement() == Placement::ServingThread {
            // The last handler may have kept the loop since it was asked to end.
            deadline =
                self.time_left.ask(self.time_to_finish()).map_or(deadline, |end| deadline.min(end));
        }
        // What has begun this has asked once. The leash does not count: a signal to the supervisor
        // may be sent to this process as well, as `pkill` does.
        self.stop_signals = self.stop_signals.max(usize::from(!self.reactor.is_leashed()));
        self.time_left.note_signals(self.stop_signals, None);
        self.clients.begin_drain();
        if self.closed_for_good {
            self.stop_listening(MAX_LAST_CLIENTS);
        }
        // Its end would end the watch as well.
        self.reactor.end_rest(&self.clients);
        self.clients.watch_ends(true);
        // It takes note of what has ended before.
        self.strategy_actions();
        let began = Instant::now();
        let left = self.clients.close_idle(&mut self.reactor.jobs);
        let unfinished = left + self.strategy.active() + self.time_left.cut();
        self.clients.tell_children();
        self.dispatch_before(deadline);
        loop {
            // Before the look whether anything runs: this may take note of the last child's end, of
            // which nothing tells a second time.
            let wanted = self.strategy_actions().into_iter().chain(self.poll_interval);
            let wanted = wanted.chain([DRAIN_TURN]);
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || !self.is_busy() {
                break;
            }
            let wanted = wanted.fold(left, Duration::min);
            match self.wait(Some(wanted), false) {
                Ok(turn) => {
                    self.dispatch_signals(&turn);
                    self.heed_requests(&turn);
                    self.note_signals(&turn.stop_signals, turn.first_stop);
                    if self.must_cut_now() {
                        deadline = Instant::now();
                    }
                }
                Err(_) => break,
            }
            self.strategy_actions();
            self.dispatch_before(deadline);
            self.note_workers();
            self.clients.handler().handler.service_actions();
        }
        let ended = self.call_strategy(|strategy| strategy.server_close(Drain { began, deadline }));
        let cut = self.cut_clients() + ended + self.time_left.cut();
        self.report.finished = unfinished.saturating_sub(cut);
        self.report.cut = cut;
        self.end_hearing();
        if cut > 0 {
            self.wait_shortly();
        }
        self.stop_signals = 0;
        self.clients.watch_ends(false);
        self.clients.end_drain();
    }

    /// How long running requests may take to finish.
    pub(crate) fn time_to_finish(&self) -> Duration {
        if self.leaves_requests() { self.time_if_program_stops() } else { self.shutdown_timeout }
    }

    /// Tells whether running requests are not waited for, as it is the program that stops the
    /// server, this one or that of its supervisor.
    pub(crate) fn leaves_requests(&self) -> bool {
        self.daemon_threads && (!self.closed_for_good || self.time_left.is_hurried())
    }

    /// How long they may take where the program stops the server.
    pub(super) fn time_if_program_stops(&self) -> Duration {
        let quick = if self.daemon_threads { DAEMON_GRACE } else { Duration::MAX };
        self.shutdown_timeout.min(quick)
    }

    /// Leaves what still runs behind, as the server is dropped; soon, if it was not cut before.
    pub(super) fn leave_daemons(&mut self) {
        if self.report.cut == 0 {
            self.wait_shortly();
        }
        self.call_strategy(|strategy| strategy.server_close(Drain::until(Instant::now())));
    }

    /// Lets handlers return that are about to. One that was cut has an error to see to: it may have
    /// begun a file that must not stay, and the end of the program would be quicker.
    fn wait_shortly(&self) {
        let deadline = Instant::now() + DAEMON_GRACE;
        while self.runs_something() && Instant::now() < deadline {
            // Nothing tells of a handler that returns, and this wait is short.
            thread::sleep(LOOK_AGAIN);
        }
    }

    fn runs_something(&self) -> bool {
        self.clients.in_jobs() + self.strategy.active() > 0
    }

    /// After the loop nothing hears of the next signal: a program that does other things then ends
    /// by the first one, as if it had no server.
    pub(super) fn end_hearing(&mut self) {
        if !self.reactor.is_leashed() {
            self.reactor.end_hearing();
        }
    }

    /// When what runs is cut: after the limit, or at once where a second signal came with the
    /// first.
    pub(crate) fn deadline(&self, limit: Duration) -> Instant {
        let limit = if self.must_cut_now() { Duration::ZERO } else { limit };
        let now = Instant::now();
        now.checked_add(limit).unwrap_or(now + FOR_EVER)
    }

    /// Takes up to `most` of the waiting clients in, and has the kernel refuse all others, so that
    /// they go elsewhere at once.
    pub(super) fn stop_listening(&mut self, most: usize) {
        // Done already where there is no listener.
        let Some(in_its_place) = self.resources.spare.take() else { return };
        self.reactor.forget_listener(&self.resources.transport);
        for (arrival, address) in self.resources.transport.accept_last(most, in_its_place) {
            self.clients.admit(arrival, address, true, &mut self.reactor.jobs);
        }
    }

    /// Hands over what is ready. A strategy that runs jobs at once may need all the time for one of
    /// them; what has not begun at the deadline is cut.
    fn dispatch_before(&mut self, deadline: Instant) {
        while Instant::now() < deadline && self.dispatch(1) > 0 {}
    }

    fn is_busy(&self) -> bool {
        self.clients.open() > 0 || !self.reactor.jobs.is_empty() || self.strategy.active() > 0
    }

    /// Ends what is left, and returns how many had a request.
    fn cut_clients(&mut self) -> usize {
        // A job that is dropped closes its connection.
        let dropped = self.reactor.jobs.drain(..).count();
        dropped + self.clients.cut()
    }
}

/// How long requests may still take that are not waited for, and handlers of those that were cut:
/// what is quick is finished.
const DAEMON_GRACE: Duration = Duration::from_millis(500);

/// How long the handler waits at most for [`Handler::service_actions`] during a drain: it may want
/// to say that the drain goes on.
pub(crate) const DRAIN_TURN: Duration = Duration::from_secs(1);

/// How long until the next look whether they are.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// For programs that want nothing cut; clocks end soon after.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// As long as the kernel's queue may be.
const MAX_LAST_CLIENTS: usize = 4096;
