//! What a server does with datagrams that were received: each becomes a job.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::Server;
use super::core::Core;
use crate::address::Address;
use crate::concurrency::{Concurrency, Job, Work};
use crate::connection::Connection;
use crate::datagram::{Datagram, Home, Packet};
use crate::handler::Handler;
use crate::parking::Runner;
use crate::shutdown::ShutdownHandle;
use crate::transport::Transport;
use crate::transport::sealed::Accept;

impl<T, C, H> Server<T, C, H>
where
    T: Transport<Request = Datagram> + Accept<Arrival = Packet>,
    C: Concurrency,
    H: Handler<Datagram>,
{
    pub(super) fn for_packets(transport: T, handler: H, strategy: C) -> io::Result<Self> {
        Self::new(transport, handler, strategy, Self::welcome_packet, |_| Arc::new(NoConnections))
    }

    /// Makes a job of a datagram that was just received.
    fn welcome_packet(&mut self, packet: Packet, address: Address, there_is_room: bool) {
        let core = &self.core;
        if packet.is_cut {
            let message = "the datagram is longer than max_packet_size, and was dropped";
            return core.report(&address, &io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let (info, stall) = (core.info.clone(), self.reactor.parking.timeouts.stall);
        let datagram = Datagram::new(packet, address.clone(), info, stall, core.clone());
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
    fn run(&self) {
        self.run_in_child();
    }

    fn run_in_child(&self) -> bool {
        // Counted until the handler has returned.
        self.take().is_some_and(|(datagram, _counted)| self.core.handle(datagram, &self.address))
    }

    fn leave_to_child(&self) {
        self.abandon();
    }

    fn abandon(&self) {
        drop(self.take());
    }
}

impl<H: Handler<Datagram>> Home for Core<H, Datagram> {
    fn reply_failed(&self, to: &Address, error: &io::Error) {
        self.report(to, error);
    }
}

/// Counts a datagram that waits or is handled, which has no slot to be seen in.
struct Counted {
    count: Arc<AtomicUsize>,
    shutdown: ShutdownHandle,
}

impl Counted {
    fn new(count: &Arc<AtomicUsize>, shutdown: ShutdownHandle) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self { count: Arc::clone(count), shutdown }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::SeqCst);
        if self.shutdown.is_shutdown_requested() {
            // The server waits for this one, perhaps.
            self.shutdown.wake();
        }
    }
}

/// Serves the connections of a server that has none.
struct NoConnections;

impl Runner for NoConnections {
    fn handle(&self, connection: Connection) -> bool {
        drop(connection);
        false
    }
}
