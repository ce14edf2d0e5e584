//! A connection whose handler has left something to be sent: it goes out as the client takes it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Parking;
use super::parked::Phase;
use super::slot::{Overdue, Slot, claim};
use super::state::{Holder, Place, PlaceGuard, State};
use crate::concurrency::Placement;
use crate::connection::{ClientSocket, Connection, Direction, Progress, WaitFor};

impl Slot {
    /// Has the poller tell when there is room for more.
    pub(super) fn begin_sending(self: &Arc<Self>, parking: &Parking, mut place: PlaceGuard<'_>) {
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

    /// The poller tells that there is room for more. Claims the connection when sending is over, or
    /// when a job is to go on with it, and tells so.
    pub(super) fn send_on(&self, parking: &Parking, place: &mut Place) -> bool {
        self.claim_if_due(parking, place, Progress::TurnIsOver)
    }

    /// The look whether the client takes anything.
    pub(super) fn overdue_sending(&self, parking: &Parking, place: &mut Place) -> Overdue {
        let State::Parked(parked) = &place.state else { return Overdue::Never };
        let progress = parked.connection.rfile.socket().look_after_client();
        if self.claim_if_due(parking, place, progress) {
            return Overdue::Request;
        }
        match &place.state {
            State::Parked(parked) => parked.deadline.map_or(Overdue::Never, Overdue::At),
            _ => Overdue::Never,
        }
    }

    /// Where jobs run elsewhere the serving thread sends nothing, as reading a file can take long.
    fn claim_if_due(&self, parking: &Parking, place: &mut Place, progress: Progress) -> bool {
        let Place { state: State::Parked(parked), registration } = place else { return false };
        let socket = parked.connection.rfile.socket();
        let is_due = match progress {
            Progress::Over => true,
            Progress::Full => false,
            Progress::TurnIsOver if parking.placement == Placement::ServingThread => {
                socket.go_on_sending() == Progress::Over
            }
            Progress::TurnIsOver => {
                socket.end_wait_for_room();
                true
            }
        };
        if !is_due {
            parked.deadline = parking.next_look(socket);
            return false;
        }
        registration.disarm(&parking.poller, (socket, self.key));
        claim(parking, place);
        true
    }

    /// In a job: sends what was left of a connection that was given out, while there is room and no
    /// other job waits; returns the connection when that is over. Until then it waits again.
    #[inline]
    pub(super) fn send_left(
        self: &Arc<Self>,
        parking: &Parking,
        connection: Connection,
    ) -> Option<Connection> {
        if connection.wfile.has_left() {
            self.send_in_turns(parking, connection)
        } else {
            Some(connection)
        }
    }

    #[cold]
    fn send_in_turns(
        self: &Arc<Self>,
        parking: &Parking,
        connection: Connection,
    ) -> Option<Connection> {
        let socket = connection.rfile.socket();
        loop {
            match socket.go_on_sending() {
                Progress::Over => return Some(connection),
                Progress::TurnIsOver if parking.grants_another_turn() => {}
                Progress::Full
                    if parking.has_one_job()
                        && parking.grants_another_turn()
                        && socket.wait(Direction::Write, Some(ROOM_WAIT)).is_ok() => {}
                Progress::TurnIsOver | Progress::Full => break,
            }
        }
        self.give_back(parking, connection, WaitFor::Taken);
        None
    }

    /// Cuts a connection that is sending, if it is, and has its handler hear of that here.
    pub(super) fn end_sending(&self, parking: &Parking, mut place: PlaceGuard<'_>) {
        let connection = place.take_out(Phase::Sending, Holder::Other);
        if let Some(connection) = connection {
            place.registration.give_up(&parking.poller, Some(connection.rfile.socket()));
            // The handler and the end of the connection take the lock.
            drop(place);
            self.conclude_cut(parking, connection);
        }
    }

    /// Cuts a connection, and has its handler hear how much was sent. Nothing waits any more, and
    /// no file is read.
    pub(super) fn conclude_cut(&self, parking: &Parking, connection: Connection) {
        connection.rfile.socket().cut();
        connection.rfile.socket().go_on_sending();
        parking.handler.handle(connection, &|| false);
    }
}

impl Parking {
    /// Tells whether a job may go on with its connection where there is more to do for it: no other
    /// one waits to be served, and the server is not asked to stop.
    pub(super) fn grants_another_turn(&self) -> bool {
        self.gauges.waiting.load(Ordering::Relaxed) == 0 && !self.is_draining()
    }

    /// Tells whether no more than one job runs.
    pub(super) fn has_one_job(&self) -> bool {
        self.gauges.running.load(Ordering::Relaxed) == 1
    }

    /// When to look next whether a client takes anything; those of several clients come together.
    fn next_look(&self, socket: &ClientSocket) -> Option<Instant> {
        let (left, look) = socket.until_look()?;
        let now = Instant::now();
        let passed = now.saturating_duration_since(self.epoch).as_nanos() % look.as_nanos().max(1);
        let until = look.saturating_sub(Duration::from_nanos(u64::try_from(passed).unwrap_or(0)));
        now.checked_add(until.min(left))
    }
}

/// How long the only job waits for room in its client's socket, so that a client that takes all at
/// once need not go to the loop and back to a thread each time. 100 MiB to one client: 0.93 of
/// nginx's rate without this, 1.07 with it (`benches/run big`, as in benches/README.md).
const ROOM_WAIT: Duration = Duration::from_millis(1);
