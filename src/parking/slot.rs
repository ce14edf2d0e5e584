//! The place of one connection, as the serving thread sees it.

use std::net::Shutdown;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, Weak};
use std::time::Instant;

use super::parked::{Parked, Phase};
use super::registration::Registration;
use super::state::{Ends, Holder, Idleness, Out, Place, PlaceGuard, State};
use super::{Parking, lock};
use crate::address::Address;
use crate::concurrency::Placement;
use crate::connection::{ClientSocket, Connection, WaitFor};

/// The place of one connection, from its acceptance to its end.
#[derive(Debug)]
pub(crate) struct Slot {
    /// Gone with the server.
    pub(super) parking: Weak<Parking>,
    pub(super) key: usize,
    client_address: Address,
    /// For as long as an end of the connection is held.
    pub(super) socket: Weak<ClientSocket>,
    place: Mutex<Place>,
    /// What a forked child has to know, and has no lock for.
    pub(super) ends: Ends,
}

/// What the look at a slot's deadline found.
pub(super) enum Overdue {
    /// A request had begun and did not come in time; it is claimed.
    Request,
    /// The deadline is still to come.
    At(Instant),
    /// There is no deadline, or no connection any more.
    Never,
}

/// What became of a connection when the server stopped.
pub(crate) enum DrainOutcome {
    /// Closed, or about to be.
    Closed,
    /// Its next request had arrived; a job is to be made for it.
    Claimed,
    /// It is being served.
    Busy,
}

impl Slot {
    pub(super) fn new(
        parking: Weak<Parking>,
        key: usize,
        socket: &Arc<ClientSocket>,
        client_address: Address,
    ) -> Self {
        let state = State::Out(Out { holder: Holder::Other, head_since: None, is_late: false });
        let place = Mutex::new(Place { state, registration: Registration::default() });
        let ends = Ends::of(socket);
        let socket = Arc::downgrade(socket);
        Self { parking, key, client_address, socket, place, ends }
    }

    /// The client's address.
    pub(crate) fn client_address(&self) -> &Address {
        &self.client_address
    }

    /// Puts a new connection here, to wait for its first bytes.
    pub(crate) fn park(self: &Arc<Self>, parking: &Parking, connection: Connection) {
        let mut place = self.place();
        place.state = State::Parked(Parked::first(connection, &parking.timeouts));
        self.settle(parking, place);
    }

    /// Puts a new connection here, claimed for a job.
    pub(crate) fn park_claimed(&self, parking: &Parking, connection: Connection) {
        let mut place = self.place();
        place.state = State::Parked(Parked::first(connection, &parking.timeouts));
        claim(parking, &mut place);
    }

    /// Claims the connection because the poller reported it; false where there is nothing to do.
    /// What comes on a closed connection is thrown away here.
    pub(super) fn report(&self, parking: &Parking, ended: bool) -> bool {
        let mut place = self.place();
        if ended {
            place.registration.note_end();
        }
        match &mut place.state {
            State::Parked(parked) if parked.phase == Phase::Sending => {
                return self.send_on(parking, &mut place);
            }
            State::Parked(parked) if parked.phase == Phase::Idle => {
                parked.connection.rfile.note_arrival();
                parked.end_wait();
                claim(parking, &mut place);
                return true;
            }
            State::Lingering(_) => {
                place.registration.note_report(parking.placement);
                self.linger(parking, place);
            }
            State::Out(out) if out.holder == Holder::Other => {
                // It was taken over, and would be reported for ever where the poller reports what
                // is there, and not what arrives.
                if let Some(socket) = self.socket.upgrade() {
                    place.registration.forget(&parking.poller, &socket);
                }
            }
            _ => {
                if parking.placement == Placement::OtherThread
                    && let Some(socket) = self.socket(&place)
                {
                    place.registration.disarm(&parking.poller, (&socket, self.key));
                }
            }
        }
        false
    }

    /// Before the server stops: closes the connection if it is idle, claims it if its next request
    /// has arrived, and gives one that has begun little time to arrive.
    pub(crate) fn close_if_idle(&self, parking: &Parking) -> DrainOutcome {
        let mut place = self.place();
        let began = parking.drain_began();
        if self.end_wait_in_job(parking, &place) {
            return DrainOutcome::Closed;
        }
        let parked = match (&mut place.state, began) {
            (State::Parked(parked), _) if parked.phase == Phase::Idle => parked,
            (State::Lingering(lingering) | State::LingeringInJob(lingering), Some(began)) => {
                let deadline = lingering.hasten(began);
                drop(place);
                parking.expect(deadline);
                // It was answered.
                return DrainOutcome::Closed;
            }
            (State::Gone(_), _) => return DrainOutcome::Closed,
            _ => return DrainOutcome::Busy,
        };
        let is_idle = parked.waits_for == WaitFor::NextRequest;
        if is_idle && matches!(parked.connection.rfile.look(), Ok(count) if count > 0) {
            claim(parking, &mut place);
            return DrainOutcome::Claimed;
        }
        match began.and_then(|began| parked.hasten(began)) {
            Some(deadline) if !is_idle || deadline > Instant::now() => {
                drop(place);
                parking.expect(deadline);
            }
            _ => close_parked(place, Phase::Idle),
        }
        if is_idle { DrainOutcome::Closed } else { DrainOutcome::Busy }
    }

    /// Ends the wait of a job for the connection's next request, if there is one. It hears by the
    /// lifeline that the server stops, or in another way where there is no lifeline.
    fn end_wait_in_job(&self, parking: &Parking, place: &Place) -> bool {
        let waits = matches!(&place.state, State::Out(out) if out.holder == Holder::WaitingJob);
        if waits
            && parking.lifeline().is_none()
            && let Some(socket) = self.socket.upgrade()
        {
            socket.shutdown(Shutdown::Read);
        }
        waits
    }

    /// Closes the connection unless it is a job's; tells whether there was one.
    pub(super) fn close(&self, parking: &Parking) -> bool {
        let place = self.place();
        match &place.state {
            State::Parked(parked) if parked.phase == Phase::Idle => {
                self.end_idle(parking, place);
                true
            }
            State::Lingering(_) => {
                self.vacate(parking, place);
                true
            }
            _ => false,
        }
    }

    /// The server is gone: closes the connection, or has the job end that waits for its client.
    pub(super) fn close_for_good(&self, parking: &Parking) {
        if !self.close(parking) && !self.end_wait_in_job(parking, &self.place()) {
            self.end_sending(parking, self.place());
        }
    }

    /// Closes the connection, under whatever serves it if need be; tells whether it had a request.
    /// What serves it may take its time, and is seen here no more.
    pub(crate) fn cut(&self, parking: &Parking) -> bool {
        let mut place = self.place();
        match &place.state {
            State::Parked(parked) if parked.phase == Phase::Sending => {
                self.end_sending(parking, place);
                true
            }
            State::Parked(parked) if parked.phase == Phase::Idle => {
                let had_request = parked.waits_for != WaitFor::NextRequest;
                self.end_idle(parking, place);
                had_request
            }
            State::Lingering(_) => {
                // It was answered.
                self.vacate(parking, place);
                false
            }
            State::Gone(_) => false,
            State::Parked(_) | State::Out(_) | State::LingeringInJob(_) => {
                let socket = self.socket(&place);
                // Where its handler had no time left, that counts already.
                let is_cut = socket.as_ref().is_some_and(|socket| socket.is_cut());
                if let Some(socket) = &socket {
                    socket.cut();
                }
                place.registration.give_up(&parking.poller, socket.as_deref());
                drop(place);
                parking.remove(self);
                !is_cut
            }
        }
    }

    /// Claims the connection if a request had begun and did not come in time, and closes it if
    /// nothing was asked for.
    pub(super) fn overdue(&self, parking: &Parking, now: Instant) -> Overdue {
        let mut place = self.place();
        let deadline = match &place.state {
            State::Parked(Parked { phase: Phase::Idle | Phase::Sending, deadline, .. }) => {
                *deadline
            }
            State::Lingering(lingering) => Some(lingering.deadline),
            _ => None,
        };
        match deadline {
            None => return Overdue::Never,
            Some(deadline) if deadline > now => return Overdue::At(deadline),
            Some(_) => {}
        }
        let State::Parked(parked) = &mut place.state else {
            // What has come may not have been seen yet, as the serving thread was busy.
            return self.look_after(parking, place, now).map_or(Overdue::Never, Overdue::At);
        };
        if parked.phase == Phase::Sending {
            return self.overdue_sending(parking, &mut place);
        }
        if parked.waits_for != WaitFor::NextRequest {
            parked.end_in_vain();
            claim(parking, &mut place);
            return Overdue::Request;
        }
        let connection = &parked.connection;
        // A connection that is closed because the server stops is not late.
        if connection.rfile.socket().is_shaking_hands() && !parking.is_draining() {
            log::warn!("{}: the TLS handshake took too long", connection.client_address);
        }
        close_parked(place, Phase::Idle);
        Overdue::Never
    }

    /// Since when the connection has been idle, or closed but for its client's end, if it is; the
    /// latter comes first, as it was answered.
    pub(super) fn idle_since(&self) -> Option<(Idleness, Instant)> {
        match &self.place().state {
            State::Parked(parked) if parked.phase == Phase::Idle => {
                Some((Idleness::Waits, parked.since))
            }
            State::Lingering(lingering) => Some((Idleness::Answered, lingering.since)),
            _ => None,
        }
    }

    /// Settles the phase of a connection that a handler or the serving thread is done with.
    pub(super) fn settle(self: &Arc<Self>, parking: &Parking, mut place: PlaceGuard<'_>) {
        let Place { state: State::Parked(parked), registration } = &mut *place else { return };
        if parked.waits_for == WaitFor::Taken {
            return self.begin_sending(parking, place);
        }
        if parked.is_late() || parking.is_closed() || registration.is_given_up() {
            let phase = parked.phase;
            return close_parked(place, phase);
        }
        if parked.is_at_end() {
            let phase = parked.phase;
            return drop_parked(place, phase, Holder::Other);
        }
        if let Some(began) = parking.drain_began() {
            parked.hasten(began);
        }
        if parked.has_bytes() {
            claim(parking, &mut place);
            drop(place);
            return parking.return_claimed(Arc::clone(self));
        }
        parked.phase = Phase::Idle;
        parked.connection.rfile.release();
        // The end alone may have been reported while the connection was served.
        let taken_all = parked.connection.rfile.is_exhausted() && !registration.has_ended();
        if !self.arm(parking, registration, parked.connection.rfile.socket(), taken_all) {
            // Found by the next look at the deadlines.
            (parked.waits_for, parked.deadline) = (WaitFor::NextRequest, Some(parked.since));
        }
        let deadline = parked.deadline;
        drop(place);
        if let Some(deadline) = deadline {
            parking.expect(deadline);
        }
    }

    /// Has the poller report the next bytes; where it cannot, the socket is ended, and a deadline
    /// has to have that found.
    pub(super) fn arm(
        &self,
        parking: &Parking,
        registration: &mut Registration,
        socket: &ClientSocket,
        taken_all: bool,
    ) -> bool {
        let (poller, placement) = (&parking.poller, parking.placement);
        let armed = registration.arm(poller, placement, (socket, self.key), taken_all);
        if let Err(error) = &armed {
            log::warn!("cannot watch a connection, closing it: {error}");
            socket.shutdown(Shutdown::Both);
        }
        armed.is_ok()
    }

    /// The connection's socket, as long as it is open for the server.
    pub(super) fn socket(&self, place: &Place) -> Option<Arc<ClientSocket>> {
        match &place.state {
            State::Lingering(lingering) | State::LingeringInJob(lingering) => {
                Some(Arc::clone(&lingering.socket))
            }
            State::Gone(_) => None,
            State::Parked(_) | State::Out(_) => self.socket.upgrade(),
        }
    }

    /// Tells whether the client has left, and has sent nothing since its handler was called last.
    pub(super) fn has_left_silently(&self) -> bool {
        let place = self.place();
        match &place.state {
            State::Gone(gone) => gone.left_silently,
            _ => self.socket(&place).is_some_and(|socket| socket.has_left_silently()),
        }
    }

    /// Ends the sending half of a connection that others may hold.
    pub(super) fn end_output(&self) {
        if let Some(socket) = self.socket.upgrade() {
            socket.shutdown(Shutdown::Write);
        }
    }

    pub(super) fn place(&self) -> PlaceGuard<'_> {
        PlaceGuard::new(lock(&self.place), &self.ends)
    }
}

/// Claims the connection that is in its slot for a job.
pub(super) fn claim(parking: &Parking, place: &mut Place) {
    let Place { state: State::Parked(parked), registration } = place else { return };
    parked.phase = Phase::Claimed;
    if parked.is_idle() && parking.drain_began().is_some() {
        // Its time runs from here, although its turn may come late.
        parked.since = Instant::now();
    }
    registration.note_report(parking.placement);
    parking.gauges.waiting.fetch_add(1, Ordering::Relaxed);
    if parking.placement == Placement::Detached {
        // epoll reports a socket for as long as any process holds it; a child will.
        registration.forget(&parking.poller, parked.connection.rfile.socket());
    }
}

/// Closes a connection that the server gives up.
pub(super) fn close_parked(mut place: PlaceGuard<'_>, phase: Phase) {
    let connection = place.take_out(phase, Holder::Other);
    // Its end takes the lock.
    drop(place);
    if let Some(connection) = connection {
        connection.close();
    }
}

/// Drops a connection that was given back although nothing more comes: it ends in good order, or
/// when what others hold of it is dropped.
pub(super) fn drop_parked(mut place: PlaceGuard<'_>, phase: Phase, holder: Holder) {
    let connection = place.take_out(phase, holder);
    // Its end takes the lock.
    drop(place);
    drop(connection);
}

#[cfg(test)]
mod tests;
