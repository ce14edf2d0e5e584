//! What a handler may know of the server that called it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::address::Address;
use crate::os::host_name;
use crate::shutdown::ShutdownHandle;

/// The server as its handlers see it: Python's `self.server`.
///
/// Cloning is cheap.
#[derive(Clone, Debug)]
pub struct ServerInfo {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    address: Address,
    name: String,
    shutdown: ShutdownHandle,
    gauges: Arc<Gauges>,
}

/// What the server is doing now, counted where it happens.
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    /// Connections of this process.
    pub(crate) open: AtomicUsize,
    /// Connections that children serve, as the strategy has told last.
    pub(crate) detached: AtomicUsize,
    /// Connections claimed for a job that has not begun.
    pub(crate) waiting: AtomicUsize,
    /// Jobs being run.
    pub(crate) running: AtomicUsize,
    /// Threads or processes, as the strategy has told last.
    pub(crate) workers: AtomicUsize,
    /// What there may be of them, and 0 where that has no bound.
    pub(crate) max_workers: AtomicUsize,
}

impl Gauges {
    /// In a new process, which has no connections and no requests.
    pub(crate) fn reset(&self) {
        let gauges = [&self.open, &self.detached, &self.waiting, &self.running, &self.workers];
        for gauge in gauges {
            gauge.store(0, Ordering::Relaxed);
        }
    }
}

/// How many connections a server has, and what they do; see [`ServerInfo::connections`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connections {
    /// All that were accepted and are neither closed nor cut.
    pub open: usize,
    /// Those that wait for their clients, at no thread's cost.
    pub idle: usize,
    /// Those that are being served.
    pub busy: usize,
    /// Those that have something to read and wait for their turn: the queue.
    pub waiting: usize,
}

impl ServerInfo {
    pub(crate) fn new(address: Address, shutdown: ShutdownHandle) -> Self {
        let name = name_of(&address);
        Self { inner: Arc::new(Inner { address, name, shutdown, gauges: Arc::default() }) }
    }

    /// That of a connection without a server, of which this is the address.
    pub(crate) fn of_no_server(address: Address) -> io::Result<Self> {
        Ok(Self::new(address, ShutdownHandle::of_no_loop()?))
    }

    /// The address the server listens on, with the real port where 0 was asked for.
    pub fn server_address(&self) -> &Address {
        &self.inner.address
    }

    /// The name of this host, or the address the server is bound to where that is a single one.
    ///
    /// Python asks the name service for a full name while binding, which can take half a minute;
    /// here nothing is looked up. A server on a Unix socket, which Python's `HTTPServer` cannot
    /// have, is named as this host.
    pub fn server_name(&self) -> &str {
        &self.inner.name
    }

    /// The port the server listens on; 0 for a Unix socket, which has no port.
    pub fn server_port(&self) -> u16 {
        self.inner.address.port().unwrap_or(0)
    }

    /// How many connections there are now.
    ///
    /// Counted while they come and go, so that the numbers need not fit each other to the last
    /// connection. A process counts its own: with [`PreFork`](crate::PreFork) each has others, and
    /// a child of [`Forking`](crate::Forking) sees those of the moment when it was started. One
    /// that a child serves is busy, also while it waits for its next request. Datagrams are not
    /// counted.
    pub fn connections(&self) -> Connections {
        let gauges = self.gauges();
        let read = |gauge: &AtomicUsize| gauge.load(Ordering::Relaxed);
        let detached = read(&gauges.detached);
        let (waiting, busy) = (read(&gauges.waiting), read(&gauges.running) + detached);
        let open = read(&gauges.open) + detached;
        Connections { open, idle: open.saturating_sub(waiting + busy), busy, waiting }
    }

    /// How many threads or processes the strategy runs requests on, as of the loop's last turn; see
    /// [`Concurrency::worker_count`](crate::Concurrency::worker_count).
    pub fn worker_count(&self) -> usize {
        self.gauges().workers.load(Ordering::Relaxed)
    }

    /// How many requests the strategy runs at once, at most, if it has such a bound; see
    /// [`Concurrency::max_workers`](crate::Concurrency::max_workers). With
    /// [`PreFork`](crate::PreFork) these are those of one process, or the number of processes where
    /// each runs one request at a time.
    pub fn max_workers(&self) -> Option<usize> {
        Some(self.gauges().max_workers.load(Ordering::Relaxed)).filter(|&count| count > 0)
    }

    pub(crate) fn gauges(&self) -> &Arc<Gauges> {
        &self.inner.gauges
    }

    /// Asks the server to stop; see [`ShutdownHandle::shutdown`].
    pub fn shutdown(&self) {
        self.inner.shutdown.shutdown();
    }

    /// A handle that stops the server later, or from elsewhere.
    pub fn shutdown_handle(&self) -> ShutdownHandle {
        self.inner.shutdown.clone()
    }
}

fn name_of(address: &Address) -> String {
    match address.ip() {
        Some(ip) if !ip.is_unspecified() => ip.to_string(),
        _ => host_name().unwrap_or_else(|| "localhost".to_owned()),
    }
}
