//! What a server does with datagrams that were received: each becomes a job.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use socket2::SockRef;

use super::Server;
use super::guarded_handler::Core;
use crate::address::Address;
use crate::concurrency::{Concurrency, Job, Work};
use crate::connection::Connection;
use crate::datagram::{Datagram, Home, Packet};
use crate::handler::Handler;
use crate::parking::ServeConnection;
use crate::shutdown::ShutdownHandle;
use crate::transport::Transport;
use crate::transport::sealed::Accept;

#[expect(private_bounds, reason = "the arrivals of a transport are sealed")]
impl<T, C, H> Server<T, C, H>
where
    T: Transport<Request = Datagram> + Accept<Arrival = Packet>,
    C: Concurrency,
    H: Handler<Datagram>,
{
    pub(super) fn for_packets(transport: T, handler: H, strategy: C) -> io::Result<Self> {
        let no_connections = |_: &_| Arc::new(NoConnections) as _;
        let mut server =
            Self::new(transport, handler, strategy, Self::welcome_packet, no_connections)?;
        server.max_connections = MOST_AT_ONCE;
        let socket = SockRef::from(&server.resources.transport);
        // Replies wait, as a poll does not tell when the receiver's queue has room again.
        socket.set_nonblocking(false)?;
        let stall = server.reactor.parking.timeouts.stall;
        socket.set_write_timeout(stall.filter(|limit| !limit.is_zero()))?;
        Ok(server)
    }

    /// Makes a job of a datagram that was just received.
    fn welcome_packet(&mut self, packet: Packet, address: Address, there_is_room: bool) {
        let core = &self.core;
        if packet.is_cut {
            let message = "the datagram is longer than max_packet_size, and was dropped";
            return core.report(&address, &io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let info = core.info.clone();
        let datagram = Datagram::new(packet, address.clone(), info, core.clone());
        if !there_is_room {
            return core.refuse(datagram, &address);
        }
        if !core.verify(&datagram, &address) {
            return;
        }
        let counted = Counted::new(&self.unseen, core.info.shutdown_handle());
        let request = Mutex::new(Some((datagram, counted)));
        let work = PacketWork { core: Arc::clone(core), request, address: address.clone() };
        self.reactor.push_job(Job::new(Arc::new(work)), address);
    }
}

/// A datagram that waits to be handled.
struct PacketWork<H> {
    core: Arc<Core<H, Datagram>>,
    request: Mutex<Option<(Datagram, Counted)>>,
    address: Address,
}

impl<H> PacketWork<H> {
    fn take(&self) -> Option<(Datagram, Counted)> {
        self.request.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<H: Handler<Datagram>> Work for PacketWork<H> {
    fn client_address(&self) -> &Address {
        &self.address
    }

    fn run(self: Arc<Self>) {
        self.run_in_child();
    }

    fn run_in_child(self: Arc<Self>) -> bool {
        // Counted until the handler has returned.
        let Some((datagram, counted)) = self.take() else { return false };
        !counted.was_cut() && self.core.handle(datagram, &self.address)
    }

    fn leave_to_child(self: Arc<Self>) {
        self.abandon();
    }

    fn abandon(self: Arc<Self>) {
        drop(self.take());
    }
}

impl<H: Handler<Datagram>> Home for Core<H, Datagram> {
    fn reply_failed(&self, to: &Address, error: &io::Error) {
        self.report(to, error);
    }
}

/// Datagrams that wait or are handled, which have no slots to be seen in.
#[derive(Debug, Default)]
pub(super) struct Unseen {
    count: AtomicUsize,
    cuts: AtomicUsize,
}

impl Unseen {
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// Has those that still wait dropped unhandled; returns how many wait or are handled.
    pub(super) fn cut(&self) -> usize {
        self.cuts.fetch_add(1, Ordering::SeqCst);
        self.count()
    }
}

/// Counts a datagram until it is handled or dropped.
struct Counted {
    unseen: Arc<Unseen>,
    /// How often those that waited were dropped before this one came.
    cuts: usize,
    shutdown: ShutdownHandle,
}

impl Counted {
    fn new(unseen: &Arc<Unseen>, shutdown: ShutdownHandle) -> Self {
        unseen.count.fetch_add(1, Ordering::SeqCst);
        let cuts = unseen.cuts.load(Ordering::SeqCst);
        Self { unseen: Arc::clone(unseen), cuts, shutdown }
    }

    fn was_cut(&self) -> bool {
        self.unseen.cuts.load(Ordering::SeqCst) != self.cuts
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.unseen.count.fetch_sub(1, Ordering::SeqCst);
        if self.shutdown.is_shutdown_requested() {
            // The server waits for this one, perhaps.
            self.shutdown.wake();
        }
    }
}

/// Serves the connections of a server that has none.
struct NoConnections;

impl ServeConnection for NoConnections {
    fn handle(&self, connection: Connection, _: &dyn Fn() -> bool) -> bool {
        drop(connection);
        false
    }

    fn client_speaks_first(&self) -> bool {
        true
    }
}

/// Datagrams that are in memory at once unless the program says otherwise: 8 MiB of Python's
/// longest.
const MOST_AT_ONCE: usize = 1024;
