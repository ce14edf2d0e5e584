//! Where connections wait that nobody serves: a slot for each, and one poller for all.
//!
//! ```text
//!                 take (the poller reported it, or its deadline passed)
//!      parked ───────────────────────────────────────────────► out, with a job
//!         ▲                                                        │
//!         └──────── settle ◄── returned (park, within the job) ◄───┘
//!                      └─► served on at once, or behind those that wait
//! ```

use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use polling::{Event, PollMode, Poller};
use slab::Slab;

use crate::concurrency::Placement;
use crate::connection::{Connection, Direction, Home, Socket, Timeouts, Until};
use crate::sys;

/// All connections of a server, and what the serving thread must know of them.
#[derive(Debug)]
pub(crate) struct Parking {
    pub(crate) poller: Arc<Poller>,
    pub(crate) timeouts: Timeouts,
    placement: Placement,
    slots: Mutex<Slab<Arc<Slot>>>,
    /// Connections given back with something to read, behind all that already wait.
    returned: Mutex<Vec<usize>>,
    /// Jobs made and not started.
    waiting: AtomicUsize,
    /// Jobs being run.
    running: AtomicUsize,
    draining: AtomicBool,
    /// The server is gone, and nothing that is given back will be served.
    closed: AtomicBool,
    /// Set while the serving thread wants to hear of each connection that ends.
    watching_ends: AtomicBool,
    /// When the serving thread next looks at deadlines, in milliseconds since `epoch`.
    next_sweep: AtomicU64,
    epoch: Instant,
}

/// The place of one connection.
#[derive(Debug)]
pub(crate) struct Slot {
    parking: Arc<Parking>,
    key: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Until the connection is gone, so that nobody keeps the socket open longer than its owner.
    socket: Option<Arc<Socket>>,
    parked: Option<Parked>,
    /// Given back within its job, which decides what becomes of it.
    returned: Option<(Connection, Until)>,
    /// A job that serves its connection to the end waits for the next request.
    waits_here: bool,
    /// A job runs and will look at `returned`.
    in_job: bool,
    /// Known to the poller.
    registered: bool,
    /// When an incomplete request was first waited for.
    head_since: Option<Instant>,
}

#[derive(Debug)]
struct Parked {
    connection: Connection,
    until: Until,
    since: Instant,
    deadline: Option<Instant>,
    /// Bytes that may still be thrown away before a refused client is cut off.
    patience: usize,
}

impl Parking {
    pub(crate) fn new(poller: Arc<Poller>, timeouts: Timeouts, placement: Placement) -> Self {
        Self {
            poller,
            timeouts,
            placement,
            slots: Mutex::default(),
            returned: Mutex::default(),
            waiting: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            watching_ends: AtomicBool::new(false),
            next_sweep: AtomicU64::new(NEVER),
            epoch: Instant::now(),
        }
    }

    /// A slot for a connection that was just accepted.
    pub(crate) fn admit(self: &Arc<Self>, socket: Arc<Socket>) -> Arc<Slot> {
        let mut slots = self.slots();
        let entry = slots.vacant_entry();
        let (parking, key) = (Arc::clone(self), entry.key());
        let slot = Arc::new(Slot {
            parking,
            key,
            state: Mutex::new(State { socket: Some(socket), ..State::default() }),
        });
        entry.insert(Arc::clone(&slot));
        slot
    }

    /// The slots that the poller reported.
    pub(crate) fn find(&self, keys: &mut Vec<usize>, found: &mut Vec<Arc<Slot>>) {
        let slots = self.slots();
        found.extend(keys.drain(..).filter_map(|key| slots.get(key).map(Arc::clone)));
    }

    /// The keys of slots whose connections came back with something to read.
    pub(crate) fn take_returned(&self, keys: &mut Vec<usize>) {
        keys.append(&mut lock(&self.returned));
    }

    /// Connections that are open, wherever they are.
    pub(crate) fn open(&self) -> usize {
        self.slots().len()
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    pub(crate) fn set_draining(&self, draining: bool) {
        self.draining.store(draining, Ordering::SeqCst);
    }

    /// Closes what waits, and from now on what is given back.
    pub(crate) fn close(&self) {
        self.set_draining(true);
        self.closed.store(true, Ordering::SeqCst);
        for slot in self.all() {
            match slot.take() {
                Some(connection) => close(connection),
                None => {
                    slot.end_wait_here();
                }
            }
        }
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Asks to be woken whenever a connection ends, or no longer.
    pub(crate) fn watch_ends(&self, watch: bool) {
        self.watching_ends.store(watch, Ordering::SeqCst);
    }

    /// Counts a job that waits to be started.
    pub(crate) fn job_waits(&self) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
    }

    /// A waiting job was started or given up.
    pub(crate) fn job_left_queue(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn job_runs(&self) {
        self.running.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn job_ended(&self) {
        self.running.fetch_sub(1, Ordering::Relaxed);
    }

    /// Looks at all deadlines if it is time to. Slots whose request did not come in time are
    /// `expired`, connections that were merely idle are closed.
    pub(crate) fn sweep(&self, expired: &mut Vec<(Arc<Slot>, Connection)>) {
        let now = Instant::now();
        if self.millis(now) < self.next_sweep.load(Ordering::SeqCst) {
            return;
        }
        // Announced first: a connection parked meanwhile with an earlier deadline wakes us.
        self.next_sweep.store(NEVER, Ordering::SeqCst);
        let mut nearest: Option<Instant> = None;
        for slot in self.all() {
            match slot.overdue(now) {
                Overdue::Request(connection) => expired.push((slot, connection)),
                Overdue::Idle(connection) => close(connection),
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

    /// Closes idle connections to make room, the oldest first; returns how many.
    pub(crate) fn shed(&self, count: usize) -> usize {
        let mut idle: Vec<(Instant, Arc<Slot>)> = self
            .all()
            .into_iter()
            .filter_map(|slot| slot.idle_since().map(|since| (since, slot)))
            .collect();
        if idle.len() > count && count > 0 {
            idle.select_nth_unstable_by_key(count - 1, |(since, _)| *since);
        }
        let oldest = idle.into_iter().take(count);
        let closed = oldest.filter_map(|(_, slot)| slot.take()).map(close);
        closed.count()
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
        if self.next_sweep.fetch_min(millis, Ordering::SeqCst) > millis {
            self.wake();
        }
    }

    fn wake(&self) {
        // Fails only when the poller is gone, and with it anybody to wake.
        let _ = self.poller.notify();
    }

    /// Rounded up, so that a sweep at that time finds the deadline passed.
    fn millis(&self, instant: Instant) -> u64 {
        let since = instant.saturating_duration_since(self.epoch);
        since.as_secs() * 1000 + u64::from(since.subsec_nanos().div_ceil(1_000_000))
    }
}

/// What the look at a slot's deadline found.
enum Overdue {
    /// A request had begun and did not come in time.
    Request(Connection),
    /// Nobody asked for anything.
    Idle(Connection),
    /// The deadline is still to come.
    At(Instant),
    Never,
}

impl Slot {
    /// Takes the connection out, to be served or closed.
    pub(crate) fn take(&self) -> Option<Connection> {
        self.take_parked().map(|parked| parked.connection)
    }

    /// Takes the connection out because the poller reported it. A refused client's bytes are
    /// thrown away here.
    pub(crate) fn take_ready(&self) -> Option<Connection> {
        let mut state = self.state();
        match &mut state.parked {
            Some(parked) if parked.until == Until::Drained => {
                if parked.discard() {
                    self.arm(&mut state);
                } else {
                    let over = state.parked.take();
                    // Ending a connection needs the lock.
                    drop(state);
                    drop(over);
                }
                None
            }
            Some(_) => self.take_locked(&mut state).map(|parked| parked.connection),
            None => {
                // Inline connections stay registered while they are out. One that was taken over
                // would be reported for ever.
                self.forget(&mut state);
                None
            }
        }
    }

    /// Takes the connection out if it waits for a request and for nothing else.
    pub(crate) fn take_idle(&self) -> Option<Connection> {
        let state = self.state();
        let idle = state.parked.as_ref().is_some_and(|parked| parked.until == Until::Readable);
        drop(state);
        if idle { self.take() } else { None }
    }

    /// Sends the connection away if a job waits for its next request, and tells whether one does.
    /// What has arrived is served.
    pub(crate) fn end_wait_here(&self) -> bool {
        let state = self.state();
        match &state.socket {
            Some(socket) if state.waits_here => {
                socket.shutdown(Shutdown::Read);
                true
            }
            _ => false,
        }
    }

    /// Prepares for a job with the connection.
    pub(crate) fn enter_job(&self) {
        self.state().in_job = true;
    }

    /// After the handler has returned: the connection, if it is to be handled again at once.
    ///
    /// `in_a_row` counts the requests that this job has served.
    pub(crate) fn leave_job(&self, in_a_row: u32) -> Option<Connection> {
        let mut state = self.state();
        let (connection, until) = match state.returned.take() {
            Some(returned) => returned,
            None => {
                state.in_job = false;
                return None;
            }
        };
        if connection.rfile.is_expired() && until != Until::Drained {
            // It has had its last call.
            state.in_job = false;
            drop(state);
            return None;
        }
        if until == Until::Readable {
            // The next request's clock starts anew, also where it is handled without a wait.
            state.head_since = None;
        }
        if self.parking.placement == Placement::Away {
            drop(state);
            return self.wait_here(connection, until);
        }
        if until == Until::Readable && !self.parking.is_draining() {
            let nobody_waits = self.parking.waiting.load(Ordering::Relaxed) == 0;
            if nobody_waits && in_a_row < IN_A_ROW {
                if !connection.rfile.unread().is_empty() {
                    return Some(connection);
                }
                drop(state);
                if self.lingers(connection.rfile.socket()) {
                    return Some(connection);
                }
                state = self.state();
            }
        }
        state.in_job = false;
        self.settle(state, connection, until);
        None
    }

    /// Has the connection end for all processes that hold its socket when this one is done with it.
    pub(crate) fn end_for_all(&self) {
        if let Some(socket) = &self.state().socket {
            socket.end_for_all();
        }
    }

    /// Ends the connection for all processes that hold its socket.
    pub(crate) fn end(&self) {
        if let Some(socket) = &self.state().socket {
            socket.shutdown(Shutdown::Write);
        }
    }

    /// Cuts the connection off under whoever serves it.
    pub(crate) fn cut(&self) {
        if let Some(socket) = &self.state().socket {
            socket.shutdown(Shutdown::Both);
        }
    }

    /// Parks a connection that was just accepted.
    pub(crate) fn park(&self, connection: Connection) {
        let state = self.state();
        self.settle(state, connection, Until::Readable);
    }

    /// With one client and nothing else to do, waiting a moment for its next request costs less
    /// than handing it over; as soon as a second one is served or waits, nobody lingers.
    fn lingers(&self, socket: &Socket) -> bool {
        let parking = &self.parking;
        parking.placement == Placement::Elsewhere
            && parking.running.load(Ordering::Relaxed) == 1
            && socket.wait(Direction::Read, Some(LINGER)).is_ok()
    }

    /// Waits in a job that must serve its connection to the end.
    fn wait_here(&self, mut connection: Connection, until: Until) -> Option<Connection> {
        let socket = Arc::clone(connection.rfile.socket());
        if until == Until::Drained {
            socket.shutdown(Shutdown::Write);
            let mut parked = Parked::new(connection, until, &self.parking.timeouts, None);
            while parked.discard() {
                let left = parked.left().unwrap_or(DRAIN_LIMIT);
                socket.wait(Direction::Read, Some(left)).ok()?;
            }
            return None;
        }
        if until == Until::Readable && !connection.rfile.unread().is_empty() {
            return Some(connection);
        }
        connection.rfile.release();
        let mut state = self.state();
        let head_since = state.head_since(until);
        state.waits_here = until == Until::Readable;
        // Asked with the lock held, so that a drain either is seen here or sees that we wait.
        let goes_away = state.waits_here && self.parking.is_draining();
        drop(state);
        let mut parked = Parked::new(connection, until, &self.parking.timeouts, head_since);
        let limit = if goes_away { Some(Duration::ZERO) } else { parked.left() };
        let waited = socket.wait(Direction::Read, limit);
        self.state().waits_here = false;
        match waited {
            Ok(()) => {}
            Err(_) if until == Until::Readable => return None,
            Err(_) => parked.connection.rfile.expire(),
        }
        if until == Until::Readable && self.parking.is_draining() {
            // Sent away, unless a request was faster.
            match parked.connection.rfile.receive() {
                Ok(count) if count > 0 => {}
                _ => return None,
            }
        }
        Some(parked.connection)
    }

    /// Finds the place of a connection that was given back.
    fn settle(&self, mut state: MutexGuard<'_, State>, mut connection: Connection, until: Until) {
        let goes_away = match until {
            Until::Readable => self.parking.is_draining() || connection.rfile.is_expired(),
            Until::More => connection.rfile.is_expired(),
            Until::Drained => false,
        };
        if goes_away || self.parking.is_closed() {
            drop(state);
            return close(connection);
        }
        let head_since = state.head_since(until);
        let has_bytes = until == Until::Readable && !connection.rfile.unread().is_empty();
        if until == Until::Drained {
            connection.rfile.socket().shutdown(Shutdown::Write);
        }
        connection.rfile.release();
        let parked = Parked::new(connection, until, &self.parking.timeouts, head_since);
        let deadline = parked.deadline;
        state.parked = Some(parked);
        if has_bytes {
            drop(state);
            lock(&self.parking.returned).push(self.key);
            self.parking.wake();
            return;
        }
        self.arm(&mut state);
        drop(state);
        if let Some(deadline) = deadline {
            self.parking.expect(deadline);
        }
    }

    /// Has the poller report the next bytes.
    fn arm(&self, state: &mut State) {
        let Some(socket) = &state.socket else {
            return;
        };
        let poller = &self.parking.poller;
        let interest = Event::readable(self.key);
        let mode = match self.parking.placement {
            // Stays armed while the connection is served, which saves a call for each request.
            Placement::Inline => PollMode::Level,
            Placement::Elsewhere | Placement::Away => PollMode::Oneshot,
        };
        let armed = if !state.registered {
            sys::watch(poller, socket.as_fd(), interest, mode)
        } else if mode == PollMode::Oneshot {
            poller.modify(&**socket, interest)
        } else {
            Ok(())
        };
        match armed {
            Ok(()) => state.registered = true,
            Err(error) => {
                log::warn!("cannot watch a connection, closing it: {error}");
                socket.shutdown(Shutdown::Both);
            }
        }
    }

    fn forget(&self, state: &mut State) {
        if let Some(socket) = &state.socket
            && state.registered
        {
            // The kernel forgot it already where this fails.
            let _ = self.parking.poller.delete(&**socket);
            state.registered = false;
        }
    }

    fn take_parked(&self) -> Option<Parked> {
        self.take_locked(&mut self.state())
    }

    fn take_locked(&self, state: &mut State) -> Option<Parked> {
        let parked = state.parked.take()?;
        if self.parking.placement == Placement::Away {
            // epoll reports a socket for as long as any process holds it; a child will.
            self.forget(state);
        }
        Some(parked)
    }

    fn overdue(&self, now: Instant) -> Overdue {
        let state = self.state();
        let Some(parked) = &state.parked else {
            return Overdue::Never;
        };
        match parked.deadline {
            None => return Overdue::Never,
            Some(deadline) if deadline > now => return Overdue::At(deadline),
            Some(_) => {}
        }
        drop(state);
        match self.take_parked() {
            Some(mut parked) if parked.until == Until::More => {
                parked.connection.rfile.expire();
                Overdue::Request(parked.connection)
            }
            Some(parked) => Overdue::Idle(parked.connection),
            None => Overdue::Never,
        }
    }

    /// Since when the connection has been idle, if it is.
    fn idle_since(&self) -> Option<Instant> {
        let state = self.state();
        state.parked.as_ref().map(|parked| parked.since)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Home for Slot {
    fn take_back(&self, connection: Connection, until: Until) {
        let mut state = self.state();
        if state.in_job {
            state.returned = Some((connection, until));
        } else {
            self.settle(state, connection, until);
        }
    }

    fn left(&self) {
        let mut state = self.state();
        self.forget(&mut state);
        // The last one, unless the connection was taken apart: this closes.
        state.socket = None;
        drop(state);
        let parking = &self.parking;
        parking.slots().try_remove(self.key);
        if parking.watching_ends.load(Ordering::SeqCst) {
            parking.wake();
        }
    }

    fn is_draining(&self) -> bool {
        self.parking.is_draining()
    }
}

impl State {
    /// Since when the request that is waited for has been coming in.
    fn head_since(&mut self, until: Until) -> Option<Instant> {
        match until {
            Until::More => Some(*self.head_since.get_or_insert_with(Instant::now)),
            Until::Readable | Until::Drained => {
                self.head_since = None;
                None
            }
        }
    }
}

impl Parked {
    fn new(
        connection: Connection,
        until: Until,
        timeouts: &Timeouts,
        head_since: Option<Instant>,
    ) -> Self {
        let since = Instant::now();
        let limit = match until {
            Until::Readable => timeouts.idle,
            Until::More => timeouts.head,
            Until::Drained => Some(DRAIN_LIMIT),
        };
        let deadline = limit.and_then(|limit| head_since.unwrap_or(since).checked_add(limit));
        Self { connection, until, since, deadline, patience: DRAIN_BYTES }
    }

    fn left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Throws away what a refused client still sends; false when it is time to close.
    fn discard(&mut self) -> bool {
        loop {
            match self.connection.rfile.discard() {
                Ok(0) => return false,
                Ok(count) if count > self.patience => return false,
                Ok(count) => self.patience -= count,
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
    }
}

/// Closes a connection that the server gives up, for every process that may hold it.
pub(crate) fn close(connection: Connection) {
    connection.rfile.socket().shutdown(Shutdown::Write);
}

/// A panic while the lock was held leaves nothing half done that matters; the server goes on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const NEVER: u64 = u64::MAX;

/// Least time between two looks at all deadlines.
const SWEEP_SPACING: Duration = Duration::from_millis(20);

/// Requests that one job serves from a client's buffer before others get a turn.
const IN_A_ROW: u32 = 64;

/// How long a job waits for the next request of the only client.
const LINGER: Duration = Duration::from_millis(1);

/// How long a refused client may go on sending, and how much.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);
const DRAIN_BYTES: usize = 256 * 1024;
