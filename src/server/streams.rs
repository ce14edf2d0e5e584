//! A server's connections: each has a slot in the parking.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::clients::{Clients, Guarded, ServerKind};
use super::default_max_connections;
use super::guarded_handler::GuardedHandler;
use super::leave_to_parent::LeaveToParent;
use super::time_left::{TimeLeft, wait_limit};
use crate::address::Address;
use crate::concurrency::{Job, Placement};
use crate::connection::{ClientSocket, Connection, WaitLimit};
use crate::handler::Handler;
use crate::parking::{DrainOutcome, Parking, Serving, Slot};
use crate::poller::{AT_ONCE, Poller, Ready};
use crate::reactor::{Jobs, Waiting};
use crate::transport::StreamTransport;

/// The kind of [`StreamServer`](super::StreamServer): handlers of type `H` receive a
/// [`Connection`] that the transport `T` has accepted.
pub struct Streams<T, H> {
    parking: Arc<Parking>,
    handler: Arc<GuardedHandler<H, Connection>>,
    /// Where the loop cannot cut what handlers wait for.
    wait_limit: Option<Arc<dyn WaitLimit>>,
    // Storage of one turn, kept for the next.
    found: Vec<(Arc<Slot>, bool)>,
    claimed: Vec<Arc<Slot>>,
    transport: PhantomData<fn(T)>,
}

impl<T: StreamTransport, H: Handler> ServerKind for Streams<T, H> {
    type Transport = T;
    type Handler = H;
}

impl<T, H> Waiting for Streams<T, H> {
    fn open(&self) -> usize {
        self.parking.open()
    }

    fn watch_ends(&self, watch: bool) {
        self.parking.watch_ends(watch);
    }

    fn until_due(&self) -> Option<Duration> {
        self.parking.until_sweep()
    }

    fn collect(&mut self, reported: &mut Vec<Ready>, jobs: &mut Jobs) {
        self.parking.take_returned(&mut self.claimed);
        self.parking.find(reported, &mut self.found);
        let (parking, found) = (&self.parking, self.found.drain(..));
        let claimed =
            |(slot, ended): (Arc<Slot>, bool)| parking.report(&slot, ended).then_some(slot);
        self.claimed.extend(found.filter_map(claimed));
        self.parking.sweep(&mut self.claimed);
        let (parking, claimed) = (&self.parking, self.claimed.drain(..));
        jobs.extend(claimed.filter(|slot| parking.receive(slot)).map(job));
    }
}

impl<T: StreamTransport, H: Handler> Clients<T, H> for Streams<T, H> {
    const ARE_CONNECTIONS: bool = true;

    fn new(
        handler: Arc<Guarded<T, H>>,
        poller: &Arc<Poller>,
        placement: Placement,
        time_left: &Arc<TimeLeft>,
    ) -> Self {
        let timeouts = handler.handler.timeouts();
        let gauges = Arc::clone(handler.info.gauges());
        let serve = Arc::clone(&handler) as _;
        let parking = Parking::new(Arc::clone(poller), serve, timeouts, placement, gauges);
        Self {
            parking: Arc::new(parking),
            handler,
            wait_limit: wait_limit(placement, time_left),
            found: Vec::with_capacity(AT_ONCE),
            claimed: Vec::with_capacity(AT_ONCE),
            transport: PhantomData,
        }
    }

    fn prepare(&self, _: &T) -> io::Result<()> {
        Ok(())
    }

    fn default_most() -> usize {
        default_max_connections()
    }

    fn handler(&self) -> &Arc<Guarded<T, H>> {
        &self.handler
    }

    fn admit(
        &self,
        mut socket: ClientSocket,
        address: Address,
        there_is_room: bool,
        jobs: &mut Jobs,
    ) {
        if socket.is_secure() && !there_is_room {
            // Nothing can be said before a handshake, which is more work than a refusal saves.
            return;
        }
        if let Some(limit) = &self.wait_limit {
            socket.limit_waits(Arc::downgrade(limit));
        }
        let socket = Arc::new(socket);
        let parking = &self.parking;
        let slot = parking.admit(&socket, address.clone());
        let info = self.handler.info.clone();
        let owner = Arc::downgrade(&slot);
        let mut connection =
            Connection::new(socket, address.clone(), info, &parking.timeouts, owner);
        if !there_is_room {
            return self.handler.refuse(connection, &address);
        }
        if !self.handler.verify(&connection, &address) {
            return connection.close();
        }
        let is_ready = if self.handler.speaks_first { connection.rfile.look() } else { Ok(1) };
        match is_ready {
            Ok(0) => {}
            Ok(_) => {
                slot.park_claimed(parking, connection);
                jobs.extend(parking.receive(&slot).then(|| job(slot)));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                slot.park(parking, connection);
            }
            Err(error) => log::debug!("{address} went away: {error}"),
        }
    }

    fn shed(&self, count: usize) -> usize {
        self.parking.shed(count)
    }

    fn in_jobs(&self) -> usize {
        let gauges = self.handler.info.gauges();
        gauges.running.load(Ordering::Relaxed) + gauges.waiting.load(Ordering::Relaxed)
    }

    fn begin_drain(&self) {
        self.parking.begin_drain();
    }

    fn close_idle(&self, jobs: &mut Jobs) -> usize {
        let mut left = 0;
        for slot in self.parking.all() {
            match slot.close_if_idle(&self.parking) {
                DrainOutcome::Closed => continue,
                DrainOutcome::Claimed => {
                    jobs.extend(self.parking.receive(&slot).then(|| job(slot)));
                }
                DrainOutcome::Busy => {}
            }
            left += 1;
        }
        left
    }

    fn tell_children(&self) {
        self.parking.tell_children();
    }

    fn cut(&self) -> usize {
        self.parking.all().iter().filter(|slot| slot.cut(&self.parking)).count()
    }

    fn serve(&self, serving: Serving) {
        self.parking.serve(serving);
    }

    fn end_drain(&self) {
        self.parking.end_drain();
    }

    fn close(&self) {
        self.parking.close();
    }

    fn shared(&self) -> Arc<dyn LeaveToParent> {
        Arc::clone(&self.parking) as _
    }
}

impl<T, H> fmt::Debug for Streams<T, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams").field("open", &self.open()).finish_non_exhaustive()
    }
}

/// A claimed connection as a job, and whose it is.
fn job(slot: Arc<Slot>) -> (Job, Address) {
    let address = slot.client_address().clone();
    (Job::new(slot), address)
}
