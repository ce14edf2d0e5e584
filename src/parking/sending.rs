//! A connection whose handler has left something to be sent: it goes out as the client takes it.

use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use super::Parking;
use super::parked::Phase;
use super::slot::{Overdue, Slot, claim};
use super::state::{Holder, Place, State};
use crate::connection::{ClientSocket, Connection};

impl Slot {
    /// Has the poller tell when there is room for more.
    pub(super) fn begin_sending(
        self: &Arc<Self>,
        parking: &Parking,
        mut place: MutexGuard<'_, Place>,
    ) {
        let Place { state: State::Parked(parked), registration } = &mut *place else { return };
        parked.phase = Phase::Sending;
        if parking.is_closed() || registration.is_given_up() {
            return self.end_sending(parking, place);
        }
        parked.connection.rfile.release();
        let socket = parked.connection.rfile.socket();
        socket.begin_leaving();
        if let Err(error) = registration.arm_for_room(&parking.poller, (socket, self.key)) {
            log::warn!("cannot watch a connection, closing it: {error}");
            return self.end_sending(parking, place);
        }
        parked.deadline = parking.next_look(socket);
        let deadline = parked.deadline;
        drop(place);
        if let Some(deadline) = deadline {
            parking.expect(deadline);
        }
    }

    /// Sends as much as the client takes now, up to a bound. Claims the connection when that is
    /// over, and tells so.
    pub(super) fn send_on(&self, parking: &Parking, place: &mut Place) -> bool {
        self.claim_if_over(parking, place, ClientSocket::go_on_sending)
    }

    /// The look whether the client takes anything.
    pub(super) fn overdue_sending(&self, parking: &Parking, place: &mut Place) -> Overdue {
        if self.claim_if_over(parking, place, ClientSocket::look_after_client) {
            return Overdue::Request;
        }
        match &place.state {
            State::Parked(parked) => parked.deadline.map_or(Overdue::Never, Overdue::At),
            _ => Overdue::Never,
        }
    }

    fn claim_if_over(
        &self,
        parking: &Parking,
        place: &mut Place,
        is_over: fn(&ClientSocket) -> bool,
    ) -> bool {
        let Place { state: State::Parked(parked), registration } = place else { return false };
        let socket = parked.connection.rfile.socket();
        if !is_over(socket) {
            parked.deadline = parking.next_look(socket);
            return false;
        }
        registration.disarm(&parking.poller, (socket, self.key));
        claim(parking, place);
        true
    }

    /// Cuts a connection that is sending, if it is, and has its handler hear of that here.
    pub(super) fn end_sending(&self, parking: &Parking, mut place: MutexGuard<'_, Place>) {
        let connection = place.take_out(Phase::Sending, Holder::Other);
        if let Some(connection) = connection {
            place.registration.give_up(&parking.poller, Some(connection.rfile.socket()));
            // The handler and the end of the connection take the lock.
            drop(place);
            self.conclude_cut(parking, connection);
        }
    }

    /// Cuts a connection, and has its handler hear how much was sent. Nothing waits any more.
    pub(super) fn conclude_cut(&self, parking: &Parking, connection: Connection) {
        connection.rfile.socket().cut();
        connection.rfile.socket().go_on_sending();
        parking.handler.handle(connection, &|| false);
    }
}

impl Parking {
    /// When to look next whether a client takes anything; those of several clients come together.
    fn next_look(&self, socket: &ClientSocket) -> Option<Instant> {
        let (left, look) = socket.until_look()?;
        let now = Instant::now();
        let passed = now.saturating_duration_since(self.epoch).as_nanos() % look.as_nanos().max(1);
        let until = look.saturating_sub(Duration::from_nanos(u64::try_from(passed).unwrap_or(0)));
        now.checked_add(until.min(left))
    }
}
