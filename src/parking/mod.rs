//! Where connections wait: a slot for each, and one poller for all.
//!
//! ```text
//!  accepted                     it was reported,
//!     │      nothing has come   or its time is over
//!     ├──────────────► Idle ───────────────────────► Claimed ───► Out, in a job
//!     │                 ▲                              ▲ ▲           │
//!     ├─────────────────┼──────────────────────────────┘ │           ├──► Out, elsewhere
//!     │ something has   │ nothing has come               │           │    (taken over)
//!     │ come, or the    │                                │           │
//!     │ handler speaks  └────────── Returned ◄───────────┼─── park ──┤
//!     │ first                         │ │                │           │
//!     │       served on at once ◄─────┘ └────────────────┘           │ dropped
//!     │       (Out)                       something has come,        ▼
//!     └──► Gone ◄─────────────────────── others wait for turns    Lingering
//!            ▲                                                       │
//!            └─────── its client has ended, or its time is over ─────┘
//! ```
//!
//! A slot has one `State`: `Parked`, in one of the phases `Idle`, `Sending`, `Claimed` and
//! `Returned`, or one of the others. A connection stays in its slot until its job begins; what
//! travels to the strategy is only the slot. `Lingering` is for a connection that was dropped while
//! its client was sending: what comes is thrown away by the serving thread, or in a child process
//! by the job.
//!
//! One that waits for a body is `Idle`, with another `WaitFor` than before a head. Where nothing
//! comes back from jobs, the handler receives on the serving thread what has come of a request, and
//! a claimed connection that lacks some of it is parked again before it is a job's.
//!
//! A connection that is parked while its client takes what was left to be sent is `Sending`, beside
//! `Idle`, until all is sent or the client is given up or gone. Then it is `Claimed`; where jobs
//! run on other threads, whenever there is room, and the job sends.
//!
//! The server owns the parking, the parking its slots, a slot the connection while that is here.
//! What points back is weak: a connection to its slot, and the slot to its parking. So a
//! connection that has outlived the server just closes.

mod ending;
mod forked;
mod lifeline;
mod lingering;
mod parked;
mod registration;
mod run;
mod sending;
mod serving;
mod slot;
mod state;

pub(crate) use serving::Serving;
pub(crate) use slot::{DrainOutcome, Slot};

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use slab::Slab;

use crate::address::Address;
use crate::concurrency::Placement;
use crate::connection::{ClientSocket, Connection, Timeouts};
use crate::os::{AsFd, BorrowedFd, PairEnd};
use crate::poller::{AT_ONCE, Poller, Ready};
use crate::server_info::Gauges;
use crate::sys;
use lifeline::Lifeline;
use slot::Overdue;
use state::Idleness;

/// What handles connections: the server's handler, whatever its type.
pub(crate) trait ServeConnection: Send + Sync {
    /// Handles the connection; false when that failed, which has been reported then. Whether the
    /// client has left without a byte may be asked when it has.
    fn handle(&self, connection: Connection, has_left_silently: &dyn Fn() -> bool) -> bool;

    /// Receives what has arrived; returns the connection when it can be handled.
    fn receive(&self, connection: Connection) -> Option<Connection>;

    /// Tells that there is nothing to handle before the client has sent something.
    fn client_speaks_first(&self) -> bool;
}

/// All connections of a server, and what the serving thread must know of them.
pub(crate) struct Parking {
    pub(crate) poller: Arc<Poller>,
    pub(crate) timeouts: Timeouts,
    pub(crate) handler: Arc<dyn ServeConnection>,
    placement: Placement,
    /// For jobs that nothing comes back from, where the system has one to spare.
    lifeline: Mutex<Option<Arc<Lifeline>>>,
    /// This is a forked child, and the server another process.
    in_child: AtomicBool,
    /// There: readable when it is asked to end.
    asked_to_end: OnceLock<PairEnd>,
    slots: Mutex<Slab<Arc<Slot>>>,
    /// Connections given back with something to read, behind all that wait already.
    returned: Mutex<Vec<Arc<Slot>>>,
    gauges: Arc<Gauges>,
    /// When the server began to stop, in milliseconds since `epoch`.
    drain_began: AtomicU64,
    /// The server is gone, and nothing that is given back will be served.
    closed: AtomicBool,
    /// What the serving thread does now: a [`Serving`].
    serving: AtomicU8,
    /// Set while the serving thread wants to hear of each connection that ends.
    watching_ends: AtomicBool,
    /// When the serving thread next looks at deadlines, in milliseconds since `epoch`.
    next_sweep: AtomicU64,
    epoch: Instant,
}

impl Parking {
    pub(crate) fn new(
        poller: Arc<Poller>,
        handler: Arc<dyn ServeConnection>,
        timeouts: Timeouts,
        placement: Placement,
        gauges: Arc<Gauges>,
    ) -> Self {
        Self {
            poller,
            timeouts,
            handler,
            placement,
            lifeline: Mutex::new(lifeline_for(placement)),
            in_child: AtomicBool::new(false),
            asked_to_end: OnceLock::new(),
            slots: Mutex::new(Slab::with_capacity(AT_ONCE)),
            returned: Mutex::default(),
            gauges,
            drain_began: AtomicU64::new(NEVER),
            closed: AtomicBool::new(false),
            serving: AtomicU8::new(Serving::Nothing as u8),
            watching_ends: AtomicBool::new(false),
            next_sweep: AtomicU64::new(NEVER),
            epoch: Instant::now(),
        }
    }

    /// A slot for a connection that was just accepted.
    pub(crate) fn admit(
        self: &Arc<Self>,
        socket: &Arc<ClientSocket>,
        address: Address,
    ) -> Arc<Slot> {
        let mut slots = self.slots();
        let entry = slots.vacant_entry();
        let slot = Arc::new(Slot::new(Arc::downgrade(self), entry.key(), socket, address));
        entry.insert(Arc::clone(&slot));
        self.gauges.open.fetch_add(1, Ordering::Relaxed);
        slot
    }

    /// Takes the slots that the poller reported, and whether their clients have ended.
    pub(crate) fn find(&self, ready: &mut Vec<Ready>, found: &mut Vec<(Arc<Slot>, bool)>) {
        if !ready.is_empty() {
            let slots = self.slots();
            let slot = |one: Ready| slots.get(one.key).map(|slot| (Arc::clone(slot), one.ended));
            found.extend(ready.drain(..).filter_map(slot));
        }
    }

    /// A slot that the poller reported; tells whether its connection is claimed now.
    pub(crate) fn report(&self, slot: &Slot, ended: bool) -> bool {
        slot.report(self, ended)
    }

    /// Has a claimed connection served behind all that wait already.
    fn return_claimed(&self, slot: Arc<Slot>) {
        lock(&self.returned).push(slot);
        self.poller.notify();
    }

    /// A connection is closed, or given up: its place is free. It may have been given up before,
    /// and another one be there.
    fn remove(&self, slot: &Slot) {
        let is_here = |other: &Arc<Slot>| std::ptr::eq(Arc::as_ptr(other), slot);
        let mut slots = self.slots();
        let is_removed = slots.get(slot.key).is_some_and(is_here);
        // Dropped when the lock is let go of.
        let removed = is_removed.then(|| slots.remove(slot.key));
        drop(slots);
        drop(removed);
        if is_removed {
            self.gauges.open.fetch_sub(1, Ordering::Relaxed);
        }
        if self.watching_ends.load(Ordering::SeqCst) {
            self.poller.notify();
        }
    }

    /// Slots whose connections came back with something to read; claimed already.
    pub(crate) fn take_returned(&self, into: &mut impl Extend<Arc<Slot>>) {
        into.extend(lock(&self.returned).drain(..));
    }

    /// Connections that are open, wherever they are; those that were cut are not.
    pub(crate) fn open(&self) -> usize {
        self.slots().len()
    }

    /// Tells whether the server is known to stop, without a system call. A job in a child process
    /// hears of it while it waits for its client.
    pub(crate) fn is_draining(&self) -> bool {
        if self.drain_began.load(Ordering::SeqCst) != NEVER {
            return true;
        }
        let asked = self.in_child.load(Ordering::Relaxed) && sys::is_asked_to_end();
        if asked {
            self.begin_drain();
        }
        asked
    }

    /// Tells whether the server stops by now: in a child process, where nothing tells of that while
    /// a request is served, by a look.
    pub(crate) fn finds_draining(&self) -> bool {
        if self.is_draining() {
            return true;
        }
        let in_child = self.in_child.load(Ordering::Relaxed);
        let is_cut = in_child && self.lifeline().is_some_and(|line| line.is_cut());
        if is_cut {
            self.begin_drain();
        }
        is_cut
    }

    /// When the server began to stop, if it does.
    fn drain_began(&self) -> Option<Instant> {
        match self.drain_began.load(Ordering::SeqCst) {
            NEVER => None,
            millis => Some(self.epoch + Duration::from_millis(millis)),
        }
    }

    pub(crate) fn begin_drain(&self) {
        let now = self.millis(Instant::now());
        // Where it has begun before, that counts.
        let _ = self.drain_began.compare_exchange(NEVER, now, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// The server may serve again, and have children again.
    pub(crate) fn end_drain(&self) {
        self.drain_began.store(NEVER, Ordering::SeqCst);
        *lock(&self.lifeline) = lifeline_for(self.placement);
    }

    /// Has jobs in child processes end when they have no request to serve.
    pub(crate) fn tell_children(&self) {
        if let Some(lifeline) = self.lifeline() {
            lifeline.cut();
        }
    }

    /// In a forked child: what becomes readable when it is asked to end. It may have been already.
    fn asked_to_end(&self) -> Option<BorrowedFd<'_>> {
        if !self.in_child.load(Ordering::Relaxed) {
            return None;
        }
        if self.asked_to_end.get().is_none() {
            let hears = sys::hear_when_asked_to_end().ok()?;
            return Some(self.asked_to_end.get_or_init(|| hears).as_fd());
        }
        self.asked_to_end.get().map(AsFd::as_fd)
    }

    fn lifeline(&self) -> Option<Arc<Lifeline>> {
        lock(&self.lifeline).clone()
    }

    /// Closes what waits, and from now on what is given back: the server is gone.
    pub(crate) fn close(&self) {
        self.begin_drain();
        self.tell_children();
        self.closed.store(true, Ordering::SeqCst);
        for slot in self.all() {
            slot.close_for_good(self);
        }
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Asks to be woken whenever a connection ends, or no longer.
    pub(crate) fn watch_ends(&self, watch: bool) {
        self.watching_ends.store(watch, Ordering::SeqCst);
    }

    /// Looks at all deadlines if it is time to. Slots whose request did not come in time are
    /// claimed and `expired`; connections that were merely idle are closed.
    pub(crate) fn sweep(&self, expired: &mut impl Extend<Arc<Slot>>) {
        // The clock is not looked at while nothing has a deadline.
        let due = self.next_sweep.load(Ordering::SeqCst);
        if due == NEVER {
            return;
        }
        let now = Instant::now();
        if self.millis(now) < due {
            return;
        }
        // Announced first: a connection parked meanwhile with an earlier deadline wakes us.
        self.next_sweep.store(NEVER, Ordering::SeqCst);
        let mut nearest: Option<Instant> = None;
        for slot in self.all() {
            match slot.overdue(self, now) {
                Overdue::Request => expired.extend([slot]),
                Overdue::At(deadline) => {
                    nearest = Some(nearest.map_or(deadline, |other| other.min(deadline)));
                }
                Overdue::Never => {}
            }
        }
        if let Some(deadline) = nearest {
            // Deadlines that lie close together are looked at together.
            let deadline = deadline.max(now + SWEEP_SPACING);
            self.next_sweep.fetch_min(self.millis(deadline), Ordering::SeqCst);
        }
    }

    /// How long until the next look at the deadlines.
    pub(crate) fn until_sweep(&self) -> Option<Duration> {
        match self.next_sweep.load(Ordering::SeqCst) {
            NEVER => None,
            millis => {
                let due = self.epoch + Duration::from_millis(millis);
                Some(due.saturating_duration_since(Instant::now()))
            }
        }
    }

    /// Closes idle connections to make room, the oldest first, but those that were answered for the
    /// last time before them; returns how many.
    pub(crate) fn shed(&self, count: usize) -> usize {
        let idle = self.all().into_iter();
        let mut idle: Vec<((Idleness, Instant), Arc<Slot>)> =
            idle.filter_map(|slot| slot.idle_since().map(|since| (since, slot))).collect();
        if idle.len() > count && count > 0 {
            idle.select_nth_unstable_by_key(count - 1, |(since, _)| *since);
        }
        let oldest = idle.into_iter().take(count);
        oldest.filter(|(_, slot)| slot.close(self)).count()
    }

    /// Every slot.
    pub(crate) fn all(&self) -> Vec<Arc<Slot>> {
        self.slots().iter().map(|(_, slot)| Arc::clone(slot)).collect()
    }

    fn slots(&self) -> MutexGuard<'_, Slab<Arc<Slot>>> {
        lock(&self.slots)
    }

    /// Has the serving thread look at the deadlines in time for this one.
    fn expect(&self, deadline: Instant) {
        let millis = self.millis(deadline);
        if self.next_sweep.load(Ordering::SeqCst) > millis
            && self.next_sweep.fetch_min(millis, Ordering::SeqCst) > millis
        {
            self.poller.notify();
        }
    }

    /// Rounded up, so that a sweep at that time finds the deadline passed.
    fn millis(&self, instant: Instant) -> u64 {
        let since = instant.saturating_duration_since(self.epoch);
        since.as_secs() * 1000 + u64::from(since.subsec_nanos().div_ceil(1_000_000))
    }
}

impl std::fmt::Debug for Parking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parking").field("open", &self.open()).finish_non_exhaustive()
    }
}

fn lifeline_for(placement: Placement) -> Option<Arc<Lifeline>> {
    match placement {
        Placement::Detached => Lifeline::new().ok().map(Arc::new),
        Placement::ServingThread | Placement::OtherThread => None,
    }
}

/// A panic while the lock was held leaves nothing half done that matters; the server goes on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const NEVER: u64 = u64::MAX;

/// Least time between two looks at all deadlines.
const SWEEP_SPACING: Duration = Duration::from_millis(20);
