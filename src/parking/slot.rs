//! The place of one connection.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::{Parking, lock};
use crate::concurrency::{Placement, Work};
use crate::connection::{Connection, Direction, Home, Socket, Timeouts, Until};
use crate::poller::{HANDED_OVER, Report};
use crate::sys;

/// The place of one connection, from its acceptance to its end.
#[derive(Debug)]
pub(crate) struct Slot {
    parking: Arc<Parking>,
    key: usize,
    client_address: SocketAddr,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Until the connection is gone, so that nobody keeps the socket open longer than its owner.
    socket: Option<Arc<Socket>>,
    parked: Option<Parked>,
    /// A job was made for this slot and has not ended: what is parked is the job's.
    claimed: bool,
    /// A job that serves its connection to the end waits for the next request.
    waits_here: bool,
    /// Known to the poller.
    registered: bool,
    /// The poller will report what arrives.
    armed: bool,
    /// The poller has reported the client's end.
    ended: bool,
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

/// What the look at a slot's deadline found.
pub(super) enum Overdue {
    /// A request had begun and did not come in time; it is claimed.
    Request,
    /// Nobody asked for anything.
    Idle(Connection),
    /// The deadline is still to come.
    At(Instant),
    Never,
}

/// What became of a connection when the server stopped.
pub(crate) enum Farewell {
    /// Closed, or about to be.
    Gone,
    /// Its next request had arrived; a job is to be made for it.
    Claimed,
    /// It is being served.
    Busy,
}

impl Slot {
    pub(super) fn new(
        parking: Arc<Parking>,
        key: usize,
        socket: Arc<Socket>,
        client_address: SocketAddr,
    ) -> Self {
        let state = State { socket: Some(socket), ..State::default() };
        Self { parking, key, client_address, state: Mutex::new(state) }
    }

    /// The client's address.
    pub(crate) fn client_address(&self) -> SocketAddr {
        self.client_address
    }

    /// Puts a new connection here, to wait for its first bytes.
    pub(crate) fn park(&self, connection: Connection) {
        let mut state = self.state();
        state.parked = Some(Parked::new(connection, Until::Readable, &self.parking.timeouts, None));
        self.settle(state);
    }

    /// Puts a new connection here, claimed for a job.
    pub(crate) fn park_claimed(&self, connection: Connection) {
        let mut state = self.state();
        state.parked = Some(Parked::new(connection, Until::Readable, &self.parking.timeouts, None));
        self.claim(&mut state);
    }

    /// Claims the connection because the poller reported it; false where there is nothing to do.
    /// A refused client's bytes are thrown away here.
    pub(crate) fn report(&self, ended: bool) -> bool {
        let mut state = self.state();
        state.ended |= ended;
        if state.claimed {
            self.disarm(&mut state);
            return false;
        }
        match &mut state.parked {
            Some(parked) if parked.until == Until::Drained => {
                if parked.discard() && !state.ended {
                    self.arm(&mut state);
                } else {
                    let over = state.parked.take();
                    // Ending a connection needs the lock.
                    drop(state);
                    drop(over);
                }
                false
            }
            Some(parked) => {
                parked.connection.rfile.note_arrival();
                self.claim(&mut state);
                true
            }
            None => {
                // Inline connections stay registered while they are out. One that was taken over
                // would be reported for ever.
                self.forget(&mut state);
                false
            }
        }
    }

    /// Takes the connection out unless it is a job's, to be closed.
    pub(crate) fn remove(&self) -> Option<Connection> {
        let mut state = self.state();
        if state.claimed { None } else { state.parked.take().map(|parked| parked.connection) }
    }

    /// Before the server stops: closes the connection if it is idle, and claims it if its next
    /// request has arrived.
    pub(crate) fn send_away(&self) -> Farewell {
        let mut state = self.state();
        let claimed = state.claimed;
        match &mut state.parked {
            Some(parked) if !claimed && parked.until == Until::Readable => {
                if matches!(parked.connection.rfile.receive(), Ok(count) if count > 0) {
                    self.claim(&mut state);
                    return Farewell::Claimed;
                }
                let idle = state.parked.take();
                drop(state);
                if let Some(parked) = idle {
                    close(parked.connection);
                }
                Farewell::Gone
            }
            _ => {
                drop(state);
                if self.end_wait_here() { Farewell::Gone } else { Farewell::Busy }
            }
        }
    }

    /// Sends the connection away if a job waits for its next request, and tells whether one does.
    /// What has arrived is served.
    pub(super) fn end_wait_here(&self) -> bool {
        let state = self.state();
        match &state.socket {
            Some(socket) if state.waits_here => {
                socket.shutdown(Shutdown::Read);
                true
            }
            _ => false,
        }
    }

    /// Cuts the connection off under whoever serves it.
    pub(crate) fn cut(&self) {
        if let Some(socket) = &self.state().socket {
            socket.shutdown(Shutdown::Both);
        }
    }

    pub(super) fn overdue(&self, now: Instant) -> Overdue {
        let mut state = self.state();
        if state.claimed {
            return Overdue::Never;
        }
        let Some(parked) = &mut state.parked else { return Overdue::Never };
        match parked.deadline {
            None => Overdue::Never,
            Some(deadline) if deadline > now => Overdue::At(deadline),
            Some(_) if parked.until == Until::More => {
                parked.connection.rfile.expire();
                self.claim(&mut state);
                Overdue::Request
            }
            Some(_) => match state.parked.take() {
                Some(parked) => Overdue::Idle(parked.connection),
                None => Overdue::Never,
            },
        }
    }

    /// Since when the connection has been idle, if it is.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let state = self.state();
        let idle = state.parked.as_ref().filter(|_| !state.claimed);
        idle.map(|parked| parked.since)
    }

    /// Takes a claimed connection out whose job will not run here.
    fn give_up(&self) -> Option<Connection> {
        let mut state = self.state();
        self.parking.waiting.fetch_sub(1, Ordering::Relaxed);
        state.claimed = false;
        state.parked.take().map(|parked| parked.connection)
    }

    fn claim(&self, state: &mut State) {
        state.claimed = true;
        state.armed &= HANDED_OVER != Report::Once || self.parking.placement == Placement::Inline;
        self.parking.waiting.fetch_add(1, Ordering::Relaxed);
        if self.parking.placement == Placement::Away {
            // epoll reports a socket for as long as any process holds it; a child will.
            self.forget(state);
        }
    }

    /// Serves the connection until it ends or goes back to wait; false when a request failed.
    fn serve(&self) -> bool {
        let parking = &self.parking;
        parking.waiting.fetch_sub(1, Ordering::Relaxed);
        parking.running.fetch_add(1, Ordering::Relaxed);
        let mut next = self.state().parked.take().map(|parked| parked.connection);
        let (mut succeeded, mut in_a_row) = (true, 0);
        while let Some(connection) = next {
            succeeded &= parking.runner.handle(connection);
            in_a_row += 1;
            next = self.after(in_a_row);
        }
        parking.running.fetch_sub(1, Ordering::Relaxed);
        succeeded
    }

    /// After the handler has returned: the connection, if it is to be handled again at once.
    fn after(&self, in_a_row: u32) -> Option<Connection> {
        let mut state = self.state();
        if let Some(parked) = &state.parked {
            if self.parking.placement == Placement::Away && !parked.is_late() {
                let parked = state.parked.take();
                drop(state);
                return self.wait_here(parked?);
            }
            if parked.until == Until::Readable && in_a_row < IN_A_ROW && self.may_go_on() {
                if parked.has_bytes() {
                    return state.parked.take().map(|parked| parked.connection);
                }
                if self.parking.running.load(Ordering::Relaxed) == 1 {
                    let socket = Arc::clone(parked.connection.rfile.socket());
                    drop(state);
                    let comes = self.lingers(&socket);
                    state = self.state();
                    if comes {
                        return state.parked.take().map(|parked| parked.connection);
                    }
                }
            }
        }
        state.claimed = false;
        self.settle(state);
        None
    }

    /// Nobody else waits to be served, and nobody asked to stop.
    fn may_go_on(&self) -> bool {
        self.parking.waiting.load(Ordering::Relaxed) == 0 && !self.parking.is_draining()
    }

    /// With one client and nothing else to do, waiting a moment for its next request costs less
    /// than handing it over; as soon as a second one is served or waits, nobody lingers.
    fn lingers(&self, socket: &Socket) -> bool {
        self.parking.placement == Placement::Elsewhere
            && socket.wait(Direction::Read, Some(LINGER)).is_ok()
    }

    /// Waits in a job that must serve its connection to the end.
    fn wait_here(&self, mut parked: Parked) -> Option<Connection> {
        let socket = Arc::clone(parked.connection.rfile.socket());
        if parked.until == Until::Drained {
            socket.shutdown(Shutdown::Write);
            while parked.discard() {
                socket.wait(Direction::Read, parked.left()).ok()?;
            }
            return None;
        }
        if parked.has_bytes() {
            return Some(parked.connection);
        }
        let idles = parked.until == Until::Readable;
        parked.connection.rfile.release();
        let mut state = self.state();
        state.waits_here = idles;
        // Asked with the lock held, so that a drain either is seen here or sees that we wait.
        let goes_away = idles && self.parking.is_draining();
        drop(state);
        let limit = if goes_away { Some(Duration::ZERO) } else { parked.left() };
        let waited = if idles {
            self.wait_for_request(&socket, limit)
        } else {
            socket.wait(Direction::Read, limit)
        };
        self.state().waits_here = false;
        match waited {
            Ok(()) => {}
            Err(_) if idles => return None,
            Err(_) => parked.connection.rfile.expire(),
        }
        if idles && self.parking.is_draining() {
            // Sent away, unless a request was faster.
            match parked.connection.rfile.receive() {
                Ok(count) if count > 0 => {}
                _ => return None,
            }
        }
        Some(parked.connection)
    }

    /// Waits for the next request, or until the server stops.
    fn wait_for_request(&self, socket: &Socket, limit: Option<Duration>) -> io::Result<()> {
        let Some(lifeline) = self.parking.lifeline() else {
            return socket.wait(Direction::Read, limit);
        };
        if !socket.wait_beside(lifeline.as_fd(), limit)? {
            // In a child process nothing else has told of it.
            self.parking.begin_drain();
        }
        Ok(())
    }

    /// Finds the place of a connection that was given back, if one was.
    fn settle(&self, mut state: MutexGuard<'_, State>) {
        let parking = &self.parking;
        let Some(parked) = &mut state.parked else { return };
        let unwanted = parking.is_draining() && parked.until == Until::Readable;
        if unwanted || parked.is_late() || parking.is_closed() {
            let over = state.parked.take();
            // Ending a connection needs the lock.
            drop(state);
            if let Some(parked) = over {
                close(parked.connection);
            }
            return;
        }
        if parked.has_bytes() {
            self.claim(&mut state);
            drop(state);
            let slot = parking.slots().get(self.key).map(Arc::clone);
            lock(&parking.returned).extend(slot);
            parking.poller.notify();
            return;
        }
        if parked.until == Until::Drained {
            parked.connection.rfile.socket().shutdown(Shutdown::Write);
        }
        parked.connection.rfile.release();
        self.arm(&mut state);
        let deadline = state.parked.as_ref().and_then(|parked| parked.deadline);
        drop(state);
        if let Some(deadline) = deadline {
            parking.expect(deadline);
        }
    }

    /// Has the poller report the next bytes.
    fn arm(&self, state: &mut State) {
        let Some(socket) = &state.socket else { return };
        let poller = &self.parking.poller;
        let report = match self.parking.placement {
            // Nothing is reported while the serving thread itself serves.
            Placement::Inline => Report::Always,
            Placement::Elsewhere | Placement::Away => HANDED_OVER,
        };
        // What has arrived already is reported only to who asks anew.
        let parked = state.parked.as_ref();
        let missed = report == Report::Arrivals
            && (state.ended
                || parked.is_some_and(|parked| !parked.connection.rfile.is_exhausted()));
        let armed = if !state.registered {
            poller.watch(&**socket, self.key, report)
        } else if !state.armed || missed {
            poller.change(&**socket, self.key, report)
        } else {
            Ok(())
        };
        (state.registered, state.armed) = (true, true);
        if let Err(error) = armed {
            log::warn!("cannot watch a connection, closing it: {error}");
            socket.shutdown(Shutdown::Both);
            // Found by the next look at the deadlines.
            if let Some(parked) = &mut state.parked {
                (parked.until, parked.deadline) = (Until::Drained, Some(parked.since));
            }
        }
    }

    /// Hears no more of a connection that is being served, as when a body arrives.
    fn disarm(&self, state: &mut State) {
        if let Some(socket) = &state.socket
            && state.registered
            && state.armed
            && self.parking.placement == Placement::Elsewhere
        {
            // Where this fails, it is only heard of more often.
            let _ = self.parking.poller.change(&**socket, self.key, Report::Never);
            state.armed = false;
        }
    }

    fn forget(&self, state: &mut State) {
        if let Some(socket) = &state.socket
            && state.registered
        {
            // The kernel forgot it already where this fails.
            let _ = self.parking.poller.forget(&**socket);
            state.registered = false;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Home for Slot {
    fn take_back(&self, connection: Connection, until: Until) {
        let mut state = self.state();
        let head_since = match until {
            Until::More => Some(*state.head_since.get_or_insert_with(Instant::now)),
            Until::Readable | Until::Drained => None,
        };
        state.head_since = head_since;
        state.parked = Some(Parked::new(connection, until, &self.parking.timeouts, head_since));
        if !state.claimed {
            self.settle(state);
        }
    }

    fn left(&self) {
        let mut state = self.state();
        self.forget(&mut state);
        // The last one, unless the connection was taken apart: this closes.
        state.socket = None;
        drop(state);
        let parking = &self.parking;
        let removed = parking.slots().try_remove(self.key);
        drop(removed);
        if parking.watching_ends.load(Ordering::SeqCst) {
            parking.poller.notify();
        }
    }

    fn is_draining(&self) -> bool {
        self.parking.is_draining()
    }
}

impl Work for Slot {
    fn run(&self) {
        self.serve();
    }

    fn run_in_child(&self) -> bool {
        // Otherwise new clients would connect to a socket that nobody accepts from, for as long as
        // this child outlives its parent.
        self.parking.parents.iter().copied().for_each(sys::close_inherited);
        if let Some(lifeline) = self.parking.lifeline() {
            sys::close_inherited(lifeline.servers_end());
        }
        // Siblings may hold copies of the socket, so that closing it would not end it.
        if let Some(socket) = &self.state().socket {
            socket.end_for_all();
        }
        let succeeded = self.serve();
        // What the handler left with others ends now, with this process.
        if let Some(socket) = &self.state().socket {
            socket.shutdown(Shutdown::Write);
        }
        succeeded
    }

    fn leave_to_child(&self) {
        drop(self.give_up());
    }

    fn abandon(&self) {
        if let Some(a) = self.give_up() {
            close(a);
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

    fn has_bytes(&self) -> bool {
        self.until == Until::Readable && !self.connection.rfile.unread().is_empty()
    }

    /// It has had its last call, which told it that its deadline had passed.
    fn is_late(&self) -> bool {
        self.until != Until::Drained && self.connection.rfile.is_expired()
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

/// Requests that one job serves from a client's buffer before others get a turn.
const IN_A_ROW: u32 = 64;

/// How long a job waits for the next request of the only client.
const LINGER: Duration = Duration::from_millis(1);

/// How long a refused client may go on sending, and how much.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);
const DRAIN_BYTES: usize = 256 * 1024;
