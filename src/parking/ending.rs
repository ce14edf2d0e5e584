//! How a slot's connection ends: at once, or when what the client still sends was thrown away.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::Parking;
use super::lingering::{Discarded, Lingering};
use super::parked::{HEAD_GRACE, Phase};
use super::slot::{Slot, close_parked};
use super::state::{Gone, Holder, Place, PlaceGuard, State};
use crate::connection::{ClientSocket, Direction, End, WaitFor};

impl Slot {
    /// Closes a connection that waits. A request whose body is waited for ends here, of which its
    /// handler hears.
    pub(super) fn end_idle(&self, parking: &Parking, mut place: PlaceGuard<'_>) {
        let waits_for = match &place.state {
            State::Parked(parked) => parked.waits_for,
            _ => return,
        };
        if waits_for != WaitFor::RestOfBody {
            return close_parked(place, Phase::Idle);
        }
        let connection = place.take_out(Phase::Idle, Holder::Other);
        // The handler and the end of the connection take the lock.
        drop(place);
        if let Some(connection) = connection {
            self.conclude_cut(parking, connection);
        }
    }

    /// The connection was dropped or taken apart, and this is the server's hold of its socket.
    pub(super) fn connection_dropped(
        &self,
        parking: &Parking,
        socket: Arc<ClientSocket>,
        end: End,
    ) {
        let mut place = self.place();
        let in_job = place.out().is_some_and(|out| out.holder != Holder::Other);
        let is_late = place.out().is_some_and(|out| out.is_late);
        let in_child = parking.in_child.load(Ordering::Relaxed);
        // Nothing in a child but the job can see to the end.
        let may_linger = in_job || !in_child;
        // A reset is told at once, and a client that takes nothing reads no last words.
        let is_reset = socket.is_open_ended() || socket.is_given_up();
        let end = if is_reset { End::AtOnce } else { end };
        let mut lingering = match (end, Arc::try_unwrap(socket)) {
            (End::Lingering, Ok(socket)) if may_linger => Lingering::new(Arc::new(socket)),
            (End::Lingering, Err(socket)) if may_linger => Lingering::new(socket),
            (End::Orderly, Ok(socket)) if may_linger && socket.has_arrivals() => {
                Lingering::new(Arc::new(socket))
            }
            (_, Ok(socket)) => {
                if !may_linger {
                    socket.let_loose();
                }
                return self.leave(parking, place, &socket, true);
            }
            // The last one of those that hold an end of it ends it.
            (_, Err(socket)) => {
                socket.let_loose();
                return self.leave(parking, place, &socket, false);
            }
        };
        if let Some(began) = parking.drain_began().filter(|_| is_late) {
            // With others that are late, and no longer than they.
            lingering.end_by(began + 2 * HEAD_GRACE);
        }
        if in_job && in_child {
            place.state = State::LingeringInJob(lingering.in_job());
        } else {
            // A job may have other work to do yet, and the serving thread does not wait for it.
            place.state = State::Lingering(lingering);
            self.linger(parking, place);
        }
    }

    /// Has the serving thread see to the end of a closed connection.
    pub(super) fn linger(&self, parking: &Parking, place: PlaceGuard<'_>) {
        if let Some(deadline) = self.look_after(parking, place, Instant::now()) {
            parking.expect(deadline);
        }
    }

    /// On the serving thread: throws away what has come on a closed connection; returns when to
    /// look at the latest whether more has, unless this was its end.
    pub(super) fn look_after(
        &self,
        parking: &Parking,
        mut place: PlaceGuard<'_>,
        now: Instant,
    ) -> Option<Instant> {
        let Place { state: State::Lingering(lingering), registration } = &mut *place else {
            return None;
        };
        if let Some(began) = parking.drain_began() {
            lingering.hasten(began);
        }
        let is_over = parking.is_closed() || registration.is_given_up();
        let discarded = if is_over { Discarded::Last } else { lingering.discard(now) };
        let taken_all = discarded == Discarded::All;
        if discarded == Discarded::Last || (taken_all && registration.has_ended()) {
            self.vacate(parking, place);
            return None;
        }
        if !self.arm(parking, registration, &lingering.socket, taken_all) {
            // Found by the next look at the deadlines.
            lingering.end_by(lingering.since);
        }
        Some(lingering.deadline)
    }

    /// Sees a closed connection to its end in the job of a child process.
    pub(super) fn linger_in_job(&self, parking: &Parking) {
        loop {
            let mut place = self.place();
            let State::LingeringInJob(lingering) = &mut place.state else { return };
            let drain_began = parking.drain_began();
            if let Some(began) = drain_began {
                lingering.hasten(began);
            }
            if lingering.discard(Instant::now()) == Discarded::Last {
                return self.vacate(parking, place);
            }
            let (socket, left) = (Arc::clone(&lingering.socket), lingering.left());
            drop(place);
            let waited = match drain_began {
                None => self.wait_or_drain(parking, &socket, Some(left)).map(drop),
                Some(_) => socket.wait(Direction::Read, Some(left)),
            };
            if waited.is_err() {
                return self.vacate(parking, self.place());
            }
        }
    }

    /// Closes a connection that lingers, and gives its place up.
    pub(super) fn vacate(&self, parking: &Parking, place: PlaceGuard<'_>) {
        if let State::Lingering(lingering) | State::LingeringInJob(lingering) = &place.state {
            let socket = Arc::clone(&lingering.socket);
            self.leave(parking, place, &socket, true);
        }
    }

    /// Gives the place up. The client sees the end when the socket is let go of, after this.
    fn leave(
        &self,
        parking: &Parking,
        mut place: PlaceGuard<'_>,
        socket: &ClientSocket,
        is_last: bool,
    ) {
        place.registration.forget(&parking.poller, socket);
        let gone = State::Gone(Gone { left_silently: socket.has_left_silently() });
        let before = std::mem::replace(&mut place.state, gone);
        drop(place);
        if is_last {
            // Before the slot is gone, as a process may end then.
            socket.say_goodbye();
        }
        parking.remove(self);
        drop(before);
    }
}
