//! What a job does with its slot's connection: serves it, and decides where it goes then.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Parking;
use super::parked::{Parked, Phase};
use super::slot::{Slot, drop_parked};
use super::state::{Holder, PlaceGuard, State};
use crate::address::Address;
use crate::concurrency::{Placement, Work};
use crate::connection::{
    ClientSocket, Connection, ConnectionOwner, Direction, End, WaitFor, is_broken_tls,
};
use crate::os::AsFd;

impl Work for Slot {
    fn client_address(&self) -> &Address {
        self.client_address()
    }

    fn run(self: Arc<Self>) {
        self.serve();
    }

    fn run_in_child(self: Arc<Self>) -> bool {
        if let Some(parking) = self.parking.upgrade() {
            parking.leave_others_to_parent(&self);
        }
        let succeeded = self.serve();
        // What the handler left with others ends now, with this process.
        self.end_output();
        succeeded
    }

    fn leave_to_child(self: Arc<Self>) {
        if let Some(mut connection) = self.give_up() {
            connection.rfile.socket().leave_to_other_process();
            connection.end_by(End::AtOnce);
        }
    }

    fn abandon(self: Arc<Self>) {
        let was_sending = self.place().is_claimed_for(WaitFor::Taken);
        let Some(connection) = self.give_up() else { return };
        match self.parking.upgrade().filter(|_| was_sending) {
            Some(parking) => self.conclude_cut(&parking, connection),
            None => connection.close(),
        }
    }
}

impl Slot {
    /// Serves the connection until it ends or goes back to wait; false when a request failed.
    fn serve(self: &Arc<Self>) -> bool {
        let Some(parking) = self.parking.upgrade() else { return false };
        let gauges = &parking.gauges;
        gauges.waiting.fetch_sub(1, Ordering::Relaxed);
        gauges.running.fetch_add(1, Ordering::Relaxed);
        let mut next = self.take_claimed(&parking, Holder::Job);
        let (mut succeeded, mut in_a_row) = (true, 0);
        while let Some(connection) = next {
            succeeded &= self.handle(&parking, connection);
            in_a_row += 1;
            next = self.after(&parking, in_a_row);
        }
        gauges.running.fetch_sub(1, Ordering::Relaxed);
        succeeded
    }

    /// Takes a claimed connection out whose turn has come.
    fn take_claimed(&self, parking: &Parking, holder: Holder) -> Option<Connection> {
        let mut place = self.place();
        let parked = place.take_parked(Phase::Claimed, holder)?;
        if parking.drain_began().is_some()
            && let Some(out) = place.out()
        {
            // What has begun to come has waited with it. Otherwise those that get their turn late,
            // as no child was free, would each hold the end up by a time of its own.
            out.head_since = out.head_since.or(Some(parked.since));
        }
        Some(parked.connection)
    }

    /// Takes a claimed connection out whose job will not run here.
    fn give_up(&self) -> Option<Connection> {
        if let Some(parking) = self.parking.upgrade() {
            parking.gauges.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        self.place().take_out(Phase::Claimed, Holder::Other)
    }

    /// On the serving thread: has the handler receive what has come; tells whether it is a request
    /// that can be handled. Otherwise the connection waits again, or has ended.
    pub(super) fn receive(self: &Arc<Self>, parking: &Parking) -> bool {
        if self.place().is_claimed_for(WaitFor::Taken) {
            return true;
        }
        parking.gauges.waiting.fetch_sub(1, Ordering::Relaxed);
        let Some(connection) = self.take_claimed(parking, Holder::Other) else { return false };
        let Some(connection) = self.shake_hands(parking, connection) else { return false };
        let Some(mut connection) = parking.handler.receive(connection) else { return false };
        // The next one needs a buffer. Where each that waits for its turn keeps its own, what the
        // server writes to for each client lies between them, on twice as many pages: with 16
        // clients the server took 17 page faults for each fork, and takes 14, of 2.6 µs each.
        connection.rfile.release();
        self.park_claimed(parking, connection);
        true
    }

    /// Handles a request, or goes on with the handshake that must be done before the first one, or
    /// with what was left of a response before its handler hears of that.
    fn handle(self: &Arc<Self>, parking: &Parking, connection: Connection) -> bool {
        let Some(connection) = self.send_left(parking, connection) else { return true };
        let Some(connection) = self.shake_hands(parking, connection) else { return true };
        parking.handler.handle(connection, &|| self.has_left_silently())
    }

    /// Goes on with the handshake; returns the connection when that is done. Until then no handler
    /// sees the connection, but for what comes before TLS, and nothing here waits for the client.
    #[inline]
    fn shake_hands(
        self: &Arc<Self>,
        parking: &Parking,
        mut connection: Connection,
    ) -> Option<Connection> {
        let handler = &parking.handler;
        let awaits_bytes =
            connection.client_speaks_first().unwrap_or_else(|| handler.client_speaks_first());
        match connection.rfile.shake_hands(awaits_bytes) {
            Ok(true) => {
                connection.begin_call();
                return Some(connection);
            }
            Ok(false) => self.give_back(parking, connection, WaitFor::NextRequest),
            Err(error) => {
                let address = &connection.client_address;
                if is_broken_tls(&error) {
                    log::warn!("{address}: TLS failed: {error}");
                } else {
                    log::debug!("{address} went away during the TLS handshake: {error}");
                }
                // The client may read the alert.
                connection.end_by(End::Lingering);
            }
        }
        None
    }

    /// Takes a connection back: for the job, if there is one.
    #[inline]
    pub(super) fn give_back(
        self: &Arc<Self>,
        parking: &Parking,
        connection: Connection,
        wait_for: WaitFor,
    ) {
        let mut place = self.place();
        let (holder, since) = match &place.state {
            State::Out(out) => (out.holder, out.head_since),
            _ => (Holder::Other, None),
        };
        let head_since = match wait_for {
            WaitFor::NextRequest => since.filter(|_| connection.rfile.socket().is_shaking_hands()),
            WaitFor::RestOfRequest | WaitFor::RestOfBody => {
                Some(since.unwrap_or_else(Instant::now))
            }
            WaitFor::Taken => None,
        };
        place.state =
            State::Parked(Parked::new(connection, wait_for, &parking.timeouts, head_since));
        if holder == Holder::Other {
            self.settle(parking, place);
        }
    }

    /// After the handler has returned: the connection, if it is to be handled again at once.
    fn after(self: &Arc<Self>, parking: &Parking, in_a_row: u32) -> Option<Connection> {
        let mut place = self.place();
        let parked = match &mut place.state {
            State::Parked(parked) => parked,
            State::Out(out) => {
                // It was taken over.
                out.holder = Holder::Other;
                return None;
            }
            State::Lingering(_) | State::LingeringInJob(_) | State::Gone(_) => {
                drop(place);
                self.linger_in_job(parking);
                return None;
            }
        };
        if parking.placement == Placement::Detached && !parked.is_late() {
            let next = self.wait_in_job(parking, place);
            if next.is_none() {
                self.linger_in_job(parking);
            }
            return next;
        }
        if parked.waits_for == WaitFor::Taken {
            let goes_on = parking.placement == Placement::OtherThread
                && parked.connection.rfile.socket().may_have_room()
                && parking.grants_another_turn();
            if goes_on {
                return place.take_out(Phase::Returned, Holder::Job);
            }
            self.settle(parking, place);
            return None;
        }
        if parked.waits_for != WaitFor::RestOfRequest
            && in_a_row < MAX_IN_A_ROW
            && parking.grants_another_turn()
        {
            if parked.has_bytes() {
                return place.take_out(Phase::Returned, Holder::Job);
            }
            if !parked.is_at_end()
                && parking.has_one_job()
                && parking.placement == Placement::OtherThread
            {
                return self.linger_for_next(parking, place);
            }
        }
        self.settle(parking, place);
        None
    }

    /// With one client and nothing else to do, waiting a moment for its next request, or for a body
    /// that it sends by itself, costs less than handing it over; as soon as a second one is served
    /// or waits, no job does.
    fn linger_for_next(
        self: &Arc<Self>,
        parking: &Parking,
        place: PlaceGuard<'_>,
    ) -> Option<Connection> {
        let socket = self.socket(&place);
        drop(place);
        let comes = socket
            .is_some_and(|socket| socket.wait(Direction::Read, Some(NEXT_REQUEST_WAIT)).is_ok());
        let mut place = self.place();
        if comes {
            let mut parked = place.take_parked(Phase::Returned, Holder::Job)?;
            parked.end_wait();
            return Some(parked.connection);
        }
        self.settle(parking, place);
        None
    }

    /// Waits in a job that must serve its connection to the end.
    fn wait_in_job(&self, parking: &Parking, mut place: PlaceGuard<'_>) -> Option<Connection> {
        let State::Parked(parked) = &mut place.state else { return None };
        if parked.has_bytes() {
            return place.take_out(Phase::Returned, Holder::Job);
        }
        if parked.is_at_end() {
            drop_parked(place, Phase::Returned, Holder::Job);
            return None;
        }
        let idles = parked.waits_for == WaitFor::NextRequest;
        parked.connection.rfile.release();
        let holder = if idles { Holder::WaitingJob } else { Holder::Job };
        let mut parked = place.take_parked(Phase::Returned, holder)?;
        drop(place);
        let waited = self.wait_for_more(parking, &mut parked);
        if let Some(out) = self.place().out() {
            out.holder = Holder::Job;
            out.is_late = waited.is_err();
        }
        if waited.is_err() && !idles {
            parked.end_in_vain();
        }
        parked.end_wait();
        let mut connection = parked.connection;
        match waited {
            Ok(()) => {}
            Err(_) if idles => return None,
            Err(_) => {}
        }
        if idles && parking.is_draining() {
            // Closed, unless a request was faster.
            match connection.rfile.look() {
                Ok(count) if count > 0 => {}
                _ => return None,
            }
        }
        Some(connection)
    }

    /// Waits for the client, and not much longer once the server stops.
    fn wait_for_more(&self, parking: &Parking, parked: &mut Parked) -> io::Result<()> {
        let socket = Arc::clone(parked.connection.rfile.socket());
        if self.wait_or_drain(parking, &socket, parked.left())? {
            return Ok(());
        }
        if let Some(began) = parking.drain_began() {
            parked.hasten(began);
        }
        socket.wait(Direction::Read, parked.left())
    }

    /// Waits for the client; false at once when the server stops.
    pub(super) fn wait_or_drain(
        &self,
        parking: &Parking,
        socket: &ClientSocket,
        limit: Option<Duration>,
    ) -> io::Result<bool> {
        // Before the look whether that has come already.
        let asked = parking.asked_to_end();
        if parking.is_draining() {
            return Ok(false);
        }
        let lifeline = parking.lifeline();
        let others = [lifeline.as_ref().map(|line| line.as_fd()), asked];
        let (comes, drains) = socket.wait_beside(others, limit)?;
        if drains {
            // In a child process nothing else tells of it.
            parking.begin_drain();
        }
        Ok(comes)
    }
}

/// What a connection asks of its slot, from wherever it is.
impl ConnectionOwner for Slot {
    fn take_back(self: Arc<Self>, connection: Connection, wait_for: WaitFor) {
        match self.parking.upgrade() {
            Some(parking) => self.give_back(&parking, connection, wait_for),
            None => connection.close(),
        }
    }

    fn connection_dropped(self: Arc<Self>, socket: Arc<ClientSocket>, end: End) {
        if let Some(parking) = self.parking.upgrade() {
            Self::connection_dropped(&self, &parking, socket, end);
        }
    }

    fn sends_what_is_left(&self) -> bool {
        self.parking.upgrade().is_some_and(|parking| parking.sends_what_is_left())
    }

    fn is_draining(&self) -> bool {
        self.parking.upgrade().is_none_or(|parking| parking.is_draining())
    }

    fn finds_draining(&self) -> bool {
        self.parking.upgrade().is_none_or(|parking| parking.finds_draining())
    }
}

/// Requests that one job serves from a client's buffer before others get a turn.
const MAX_IN_A_ROW: u32 = 64;

/// How long a job waits for the next request of the only client, so that the connection need not go
/// to the loop and back to a thread. 15 pairs of 1 s of `bench_hello pool 8` with this and without,
/// with `wrk -c 1` on two cores that others used, too: 1.8 times the requests (1.2 to 2.4), for 0.4
/// of the processor time each (13.9 µs and 31.3 µs). On one core there is no difference.
const NEXT_REQUEST_WAIT: Duration = Duration::from_millis(1);
