//! The place of one connection.

use std::net::Shutdown;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use super::lingering::{Closing, close_parked};
use super::parked::Parked;
use super::{Parking, lock};
use crate::address::Address;
use crate::concurrency::Placement;
use crate::connection::{Connection, End, Home, Socket, Until};
use crate::poller::{HANDED_OVER, Report};

/// The place of one connection, from its acceptance to its end.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(super) parking: Arc<Parking>,
    pub(super) key: usize,
    client_address: Address,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// Until the connection is gone, so that nobody keeps the socket open longer than its owner.
    pub(super) socket: Option<Arc<Socket>>,
    pub(super) parked: Option<Parked>,
    /// The connection was dropped, and what its client still sends is thrown away.
    pub(super) closing: Option<Closing>,
    /// How it ends when it is dropped.
    pub(super) end: End,
    /// Once it has: the client had left before, without a byte.
    pub(super) left_silently: bool,
    /// A job was made for this slot and has not ended: what is parked is the job's.
    pub(super) claimed: bool,
    /// A job that serves its connection to the end waits for the next request.
    pub(super) waits_here: bool,
    /// Known to the poller.
    registered: bool,
    /// The poller will report what arrives.
    armed: bool,
    /// The poller has reported the client's end.
    pub(super) ended: bool,
    /// When an incomplete request was first waited for.
    head_since: Option<Instant>,
}

/// What the look at a slot's deadline found.
pub(super) enum Overdue {
    /// A request had begun and did not come in time; it is claimed.
    Request,
    /// The deadline is still to come.
    At(Instant),
    /// There is none, or none any more.
    Never,
}

/// What became of a connection when the server stopped.
pub(crate) enum Farewell {
    /// Closed, or about to be.
    Gone,
    /// Its next request had arrived; a job is to be made for it.
    Claimed,
    /// It is being served.
    Busy,
}

impl Slot {
    pub(super) fn new(
        parking: Arc<Parking>,
        key: usize,
        socket: Arc<Socket>,
        client_address: Address,
    ) -> Self {
        let state = State { socket: Some(socket), ..State::default() };
        Self { parking, key, client_address, state: Mutex::new(state) }
    }

    /// The client's address.
    pub(crate) fn client_address(&self) -> &Address {
        &self.client_address
    }

    /// Puts a new connection here, to wait for its first bytes.
    pub(crate) fn park(&self, connection: Connection) {
        let mut state = self.state();
        state.parked = Some(Parked::new(connection, Until::Readable, &self.parking.timeouts, None));
        self.settle(state);
    }

    /// Puts a new connection here, claimed for a job.
    pub(crate) fn park_claimed(&self, connection: Connection) {
        let mut state = self.state();
        state.parked = Some(Parked::new(connection, Until::Readable, &self.parking.timeouts, None));
        self.claim(&mut state);
    }

    /// Claims the connection because the poller reported it; false where there is nothing to do.
    /// What comes on a closed connection is thrown away here.
    pub(crate) fn report(&self, ended: bool) -> bool {
        let mut state = self.state();
        state.ended |= ended;
        if state.claimed {
            self.disarm(&mut state);
            return false;
        }
        if state.closing.is_some() {
            self.note_report(&mut state);
            if state.discard() {
                self.arm(&mut state);
            } else {
                self.vacate(state);
            }
            return false;
        }
        match &mut state.parked {
            Some(parked) => {
                parked.connection.rfile.note_arrival();
                self.claim(&mut state);
                true
            }
            None => {
                // Inline connections stay registered while they are out. One that was taken over
                // would be reported for ever.
                self.forget(&mut state);
                false
            }
        }
    }

    /// Before the server stops: closes the connection if it is idle, claims it if its next request
    /// has arrived, and gives one that has begun little time to arrive.
    pub(crate) fn send_away(&self) -> Farewell {
        let mut state = self.state();
        let claimed = state.claimed;
        let began = self.parking.drain_began();
        if let (Some(closing), Some(began)) = (&mut state.closing, began) {
            closing.hasten(began);
            let deadline = closing.deadline;
            drop(state);
            self.parking.expect(deadline);
            // It was answered.
            return Farewell::Gone;
        }
        match &mut state.parked {
            Some(parked) if !claimed => {
                let is_idle = parked.until == Until::Readable;
                if is_idle && matches!(parked.connection.rfile.look(), Ok(count) if count > 0) {
                    self.claim(&mut state);
                    return Farewell::Claimed;
                }
                match began.and_then(|began| parked.hasten(began)) {
                    Some(deadline) if !is_idle || deadline > Instant::now() => {
                        drop(state);
                        self.parking.expect(deadline);
                    }
                    _ => drop(close_parked(state)),
                }
                if is_idle { Farewell::Gone } else { Farewell::Busy }
            }
            _ => {
                drop(state);
                if self.end_wait_here() { Farewell::Gone } else { Farewell::Busy }
            }
        }
    }

    /// Tells whether a job waits for the connection's next request. It hears by the lifeline that
    /// the server stops, or in another way where there is none.
    pub(super) fn end_wait_here(&self) -> bool {
        let state = self.state();
        match &state.socket {
            Some(socket) if state.waits_here => {
                if self.parking.lifeline().is_none() {
                    socket.shutdown(Shutdown::Read);
                }
                true
            }
            _ => false,
        }
    }

    /// Closes the connection, under whoever serves it if need be; tells whether it had a request.
    pub(crate) fn cut(&self) -> bool {
        let state = self.state();
        if state.closing.is_some() && !state.claimed {
            // It was answered.
            self.vacate(state);
            return false;
        }
        match &state.parked {
            Some(parked) if !state.claimed => {
                let had_request = parked.until != Until::Readable;
                close_parked(state);
                had_request
            }
            _ => {
                if let Some(socket) = &state.socket {
                    socket.shutdown(Shutdown::Both);
                }
                true
            }
        }
    }

    /// Claims the connection if a request had begun and did not come in time, and closes it if
    /// nobody asked for anything.
    pub(super) fn overdue(&self, now: Instant) -> Overdue {
        let mut state = self.state();
        if state.claimed {
            return Overdue::Never;
        }
        if let Some(deadline) = state.closing.as_ref().map(|closing| closing.deadline) {
            if deadline > now {
                return Overdue::At(deadline);
            }
            self.vacate(state);
            return Overdue::Never;
        }
        let Some(parked) = &mut state.parked else { return Overdue::Never };
        match parked.deadline {
            None => Overdue::Never,
            Some(deadline) if deadline > now => Overdue::At(deadline),
            Some(_) if parked.until == Until::More => {
                parked.connection.rfile.expire();
                self.claim(&mut state);
                Overdue::Request
            }
            Some(_) => {
                let connection = &parked.connection;
                // Whoever is sent away is not late.
                if connection.rfile.socket().is_shaking_hands() && !self.parking.is_draining() {
                    log::warn!("{}: the TLS handshake took too long", connection.client_address);
                }
                close_parked(state);
                Overdue::Never
            }
        }
    }

    /// Since when the connection has been idle, or closed but for its client's end, if it is.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let state = self.state();
        if state.claimed {
            return None;
        }
        let parked = state.parked.as_ref().map(|parked| parked.since);
        parked.or(state.closing.as_ref().map(|closing| closing.since))
    }

    fn claim(&self, state: &mut State) {
        state.claimed = true;
        self.note_report(state);
        self.parking.gauges.waiting.fetch_add(1, Ordering::Relaxed);
        if self.parking.placement == Placement::Away {
            // epoll reports a socket for as long as any process holds it; a child will.
            self.forget(state);
        }
    }

    /// The poller has reported something, or is not asked any more.
    fn note_report(&self, state: &mut State) {
        state.armed &= HANDED_OVER != Report::Once || self.parking.placement == Placement::Inline;
    }

    /// Finds the place of a connection that was given back, if one was.
    pub(super) fn settle(&self, mut state: MutexGuard<'_, State>) {
        let parking = &self.parking;
        if let Some(closing) = &mut state.closing {
            if let Some(began) = parking.drain_began() {
                closing.hasten(began);
            }
            let deadline = closing.deadline;
            if parking.is_closed() || !state.discard() {
                return self.vacate(state);
            }
            self.arm(&mut state);
            drop(state);
            return parking.expect(deadline);
        }
        let Some(parked) = &mut state.parked else { return };
        if parked.is_late() || parking.is_closed() {
            close_parked(state);
            return;
        }
        if let Some(began) = parking.drain_began() {
            parked.hasten(began);
        }
        if parked.has_bytes() {
            self.claim(&mut state);
            drop(state);
            let slot = parking.slots().get(self.key).map(Arc::clone);
            lock(&parking.returned).extend(slot);
            parking.poller.notify();
            return;
        }
        parked.connection.rfile.release();
        self.arm(&mut state);
        let deadline = state.parked.as_ref().and_then(|parked| parked.deadline);
        drop(state);
        if let Some(deadline) = deadline {
            parking.expect(deadline);
        }
    }

    /// Has the poller report the next bytes.
    fn arm(&self, state: &mut State) {
        let Some(socket) = &state.socket else { return };
        let poller = &self.parking.poller;
        let report = match self.parking.placement {
            // Nothing is reported while the serving thread itself serves.
            Placement::Inline => Report::Always,
            Placement::Elsewhere | Placement::Away => HANDED_OVER,
        };
        // What has arrived already is reported only to who asks anew. Of a closed connection all
        // that had arrived was thrown away.
        let parked = state.parked.as_ref();
        let missed = report == Report::Arrivals
            && parked.is_some_and(|parked| state.ended || !parked.connection.rfile.is_exhausted());
        let armed = if !state.registered {
            poller.watch(&**socket, self.key, report)
        } else if !state.armed || missed {
            poller.change(&**socket, self.key, report)
        } else {
            Ok(())
        };
        (state.registered, state.armed) = (true, true);
        if let Err(error) = armed {
            log::warn!("cannot watch a connection, closing it: {error}");
            socket.shutdown(Shutdown::Both);
            // Found by the next look at the deadlines.
            if let Some(parked) = &mut state.parked {
                (parked.until, parked.deadline) = (Until::Readable, Some(parked.since));
            } else if let Some(closing) = &mut state.closing {
                closing.deadline = closing.since;
            }
        }
    }

    /// Hears no more of a connection that is being served, as when a body arrives.
    fn disarm(&self, state: &mut State) {
        if let Some(socket) = &state.socket
            && state.registered
            && state.armed
            && self.parking.placement == Placement::Elsewhere
        {
            // Where this fails, it is only heard of more often.
            let _ = self.parking.poller.change(&**socket, self.key, Report::Never);
            state.armed = false;
        }
    }

    pub(super) fn forget(&self, state: &mut State) {
        if let Some(socket) = &state.socket
            && state.registered
        {
            // The kernel forgot it already where this fails.
            let _ = self.parking.poller.forget(&**socket);
            state.registered = false;
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Home for Slot {
    fn take_back(&self, connection: Connection, until: Until) {
        let mut state = self.state();
        let head_since = match until {
            Until::More => Some(*state.head_since.get_or_insert_with(Instant::now)),
            Until::Readable => None,
        };
        state.head_since = head_since;
        state.parked = Some(Parked::new(connection, until, &self.parking.timeouts, head_since));
        if !state.claimed {
            self.settle(state);
        }
    }

    fn end_by(&self, end: End) {
        self.state().end = end;
    }

    fn left(&self) {
        self.let_go(self.state());
    }

    fn is_draining(&self) -> bool {
        self.parking.is_draining()
    }

    fn finds_draining(&self) -> bool {
        self.parking.finds_draining()
    }
}
