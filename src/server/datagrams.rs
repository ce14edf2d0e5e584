//! A server's datagrams: each becomes a job at once, and is counted until that has ended.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use socket2::SockRef;

use super::clients::{Clients, Guarded, ServerKind};
use super::guarded_handler::GuardedHandler;
use super::leave_to_parent::LeaveToParent;
use super::time_left::TimeLeft;
use crate::address::Address;
use crate::concurrency::{Job, Placement, Work};
use crate::datagram::{Datagram, Packet, ReplyErrorSink};
use crate::handler::Handler;
use crate::parking::Serving;
use crate::poller::{Poller, Ready};
use crate::reactor::{Jobs, Waiting};
use crate::transport::DatagramTransport;

/// The kind of [`DatagramServer`](super::DatagramServer): handlers of type `H` receive a
/// [`Datagram`] that came to the socket of the transport `T`.
pub struct Datagrams<T, H> {
    in_flight: Arc<InFlight>,
    handler: Arc<GuardedHandler<H, Datagram>>,
    transport: PhantomData<fn(T)>,
}

impl<T: DatagramTransport, H: Handler<Datagram>> ServerKind for Datagrams<T, H> {
    type Transport = T;
    type Handler = H;
}

impl<T, H> Waiting for Datagrams<T, H> {
    fn open(&self) -> usize {
        lock(&lock(&self.in_flight.current).state).count
    }

    fn watch_ends(&self, watch: bool) {
        self.in_flight.watching_ends.store(watch, Ordering::SeqCst);
    }

    /// Nothing is waited for.
    fn until_due(&self) -> Option<Duration> {
        None
    }

    fn collect(&mut self, reported: &mut Vec<Ready>, _: &mut Jobs) {
        reported.clear();
    }
}

impl<T: DatagramTransport, H: Handler<Datagram>> Clients<T, H> for Datagrams<T, H> {
    const ARE_CONNECTIONS: bool = false;

    fn new(
        handler: Arc<Guarded<T, H>>,
        poller: &Arc<Poller>,
        _: Placement,
        _: &Arc<TimeLeft>,
    ) -> Self {
        let in_flight = Arc::new(InFlight {
            current: Mutex::default(),
            left: AtomicUsize::new(0),
            watching_ends: AtomicBool::new(false),
            poller: Arc::clone(poller),
        });
        Self { in_flight, handler, transport: PhantomData }
    }

    fn prepare(&self, transport: &T) -> io::Result<()> {
        let socket = SockRef::from(transport);
        // Replies wait, as a poll does not tell when the receiver's queue has room again.
        socket.set_nonblocking(false)?;
        let stall = self.handler.handler.timeouts().stall;
        socket.set_write_timeout(stall.filter(|limit| !limit.is_zero()))
    }

    fn default_most() -> usize {
        MAX_IN_FLIGHT
    }

    fn handler(&self) -> &Arc<Guarded<T, H>> {
        &self.handler
    }

    fn admit(&self, packet: Packet, address: Address, there_is_room: bool, jobs: &mut Jobs) {
        let handler = &self.handler;
        if packet.is_cut {
            let message = "the datagram is longer than max_packet_size, and was dropped";
            return handler.report(&address, &io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let info = handler.info.clone();
        let errors = Arc::clone(handler) as _;
        let datagram = Datagram::new(packet, address.clone(), info, errors);
        if !there_is_room {
            return handler.refuse(datagram, &address);
        }
        if !handler.verify(&datagram, &address) {
            return;
        }
        let request = Mutex::new(Some((datagram, InFlightGuard::new(&self.in_flight))));
        let handler = Arc::clone(handler);
        let work = DatagramWork { handler, request, address: address.clone() };
        jobs.push_back((Job::new(Arc::new(work)), address));
    }

    fn shed(&self, _: usize) -> usize {
        0
    }

    fn in_jobs(&self) -> usize {
        self.open() + self.in_flight.left.load(Ordering::SeqCst)
    }

    fn begin_drain(&self) {}

    fn close_idle(&self, _: &mut Jobs) -> usize {
        self.open()
    }

    fn tell_children(&self) {}

    /// Those that still wait are dropped unhandled; those that are handled cannot be ended. They
    /// count no more.
    fn cut(&self) -> usize {
        let batch = std::mem::take(&mut *lock(&self.in_flight.current));
        let mut state = lock(&batch.state);
        state.is_cut = true;
        self.in_flight.left.fetch_add(state.count, Ordering::SeqCst);
        state.count
    }

    fn serve(&self, _: Serving) {}

    fn end_drain(&self) {}

    fn close(&self) {}

    fn shared(&self) -> Arc<dyn LeaveToParent> {
        Arc::clone(&self.in_flight) as _
    }
}

impl<T, H> fmt::Debug for Datagrams<T, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Datagrams").field("open", &self.open()).finish_non_exhaustive()
    }
}

/// A datagram that waits to be handled.
struct DatagramWork<H> {
    handler: Arc<GuardedHandler<H, Datagram>>,
    request: Mutex<Option<(Datagram, InFlightGuard)>>,
    address: Address,
}

impl<H> DatagramWork<H> {
    fn take(&self) -> Option<(Datagram, InFlightGuard)> {
        lock(&self.request).take()
    }
}

impl<H: Handler<Datagram>> Work for DatagramWork<H> {
    fn client_address(&self) -> &Address {
        &self.address
    }

    fn run(self: Arc<Self>) {
        self.run_in_child();
    }

    fn run_in_child(self: Arc<Self>) -> bool {
        // InFlightGuard until the handler has returned.
        let Some((datagram, guard)) = self.take() else { return false };
        !guard.was_cut() && self.handler.handle(datagram, &self.address)
    }

    fn leave_to_child(self: Arc<Self>) {
        self.abandon();
    }

    fn abandon(self: Arc<Self>) {
        drop(self.take());
    }
}

impl<H: Handler<Datagram>> ReplyErrorSink for GuardedHandler<H, Datagram> {
    fn reply_failed(&self, to: &Address, error: &io::Error) {
        self.report(to, error);
    }
}

/// Datagrams that wait or are handled.
#[derive(Debug)]
pub(super) struct InFlight {
    /// Those that came since the last cut.
    current: Mutex<Arc<Batch>>,
    /// How many were cut whose handlers have not returned.
    left: AtomicUsize,
    /// Set while the serving thread wants to hear of each that ends.
    watching_ends: AtomicBool,
    poller: Arc<Poller>,
}

/// Datagrams that are cut together.
#[derive(Debug, Default)]
struct Batch {
    state: Mutex<BatchState>,
}

#[derive(Debug, Default)]
struct BatchState {
    /// How many wait or are handled.
    count: usize,
    is_cut: bool,
}

impl LeaveToParent for InFlight {
    fn leave_to_parent(&self) {
        self.poller.leave_to_parent();
    }
}

/// Counts a datagram until it is handled or dropped.
struct InFlightGuard {
    in_flight: Arc<InFlight>,
    batch: Arc<Batch>,
}

impl InFlightGuard {
    fn new(in_flight: &Arc<InFlight>) -> Self {
        let batch = Arc::clone(&lock(&in_flight.current));
        lock(&batch.state).count += 1;
        Self { in_flight: Arc::clone(in_flight), batch }
    }

    fn was_cut(&self) -> bool {
        lock(&self.batch.state).is_cut
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        let mut state = lock(&self.batch.state);
        state.count -= 1;
        if state.is_cut {
            self.in_flight.left.fetch_sub(1, Ordering::SeqCst);
        }
        drop(state);
        if self.in_flight.watching_ends.load(Ordering::SeqCst) {
            self.in_flight.poller.notify();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Datagrams that are in memory at once unless the program says otherwise: 8 MiB of Python's
/// longest.
const MAX_IN_FLIGHT: usize = 1024;
