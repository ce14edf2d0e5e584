//! How connections end: at once, or when what the client still sends was thrown away.

use std::io;
use std::mem;
use std::net::Shutdown;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use super::parked::HEAD_GRACE;
use super::slot::{Slot, State};
use crate::concurrency::Placement;
use crate::connection::{Connection, Direction, End, Socket};

/// A connection that its handler has let go of, while its client may still be sending.
///
/// Closing a socket with unread input resets it, and a reset may overtake what was written last.
/// So the sending half is closed first, and what still arrives is thrown away, within these bounds.
#[derive(Debug)]
pub(super) struct Closing {
    /// When the sending half was closed.
    pub(super) since: Instant,
    pub(super) deadline: Instant,
    /// Bytes that may still be thrown away.
    bytes_left: usize,
}

impl Closing {
    fn new() -> Self {
        let since = Instant::now();
        Self { since, deadline: since + DRAIN_LIMIT, bytes_left: DRAIN_BYTES }
    }

    /// Shortens the wait, as the server stops.
    pub(super) fn hasten(&mut self, drain_began: Instant) {
        self.deadline = self.deadline.min(self.since.max(drain_began) + HEAD_GRACE);
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Throws away what has arrived; false when it is time to close.
    fn discard(&mut self, socket: &Socket) -> bool {
        let mut buffer = [0; 8 * 1024];
        loop {
            match socket.recv_raw(&mut buffer) {
                Ok(0) => return false,
                Ok(count) if count > self.bytes_left => return false,
                Ok(count) => self.bytes_left -= count,
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
    }
}

impl Slot {
    /// Closes the connection unless it is a job's; tells whether there was one.
    pub(crate) fn close(&self) -> bool {
        let state = self.state();
        if state.claimed {
            return false;
        }
        if state.closing.is_some() {
            self.vacate(state);
            return true;
        }
        close_parked(state)
    }

    /// The connection was dropped or taken apart.
    pub(super) fn let_go(&self, mut state: MutexGuard<'_, State>) {
        let end = mem::take(&mut state.end);
        // In a child nobody but the job can see to the end.
        let in_child = self.parking.in_child.load(Ordering::Relaxed);
        let may_linger = state.claimed || !in_child;
        if !may_linger && let Some(socket) = &state.socket {
            socket.let_loose();
        }
        if !may_linger || !state.must_linger(end) {
            return self.vacate(state);
        }
        if let Some(socket) = &state.socket {
            socket.shutdown(Shutdown::Write);
        }
        state.closing = Some(Closing::new());
        // The job may have other work to do yet, and the serving thread is not waiting for it. A
        // serving thread that runs the job itself sees to the end after it.
        if !in_child && self.parking.placement != Placement::Inline {
            state.claimed = false;
        }
        if !state.claimed {
            self.settle(state);
        }
    }

    /// Sees a closed connection to its end in a job that runs in a child process.
    pub(super) fn finish_closing(&self) {
        let mut state = self.state();
        if !state.claimed {
            return;
        }
        let Some(mut closing) = state.closing.take() else { return };
        if let Some(socket) = state.socket.clone() {
            drop(state);
            while closing.discard(&socket) {
                let waited = match self.parking.drain_began() {
                    None => self.wait_or_drain(&socket, Some(closing.left())).map(drop),
                    Some(began) => {
                        closing.hasten(began);
                        socket.wait(Direction::Read, Some(closing.left()))
                    }
                };
                if waited.is_err() {
                    break;
                }
            }
        }
        self.vacate(self.state());
    }

    /// Gives the place up, and with it the last that the server holds of the connection.
    pub(super) fn vacate(&self, mut state: MutexGuard<'_, State>) {
        self.forget(&mut state);
        state.closing = None;
        // Only once: the key may be another connection's by then.
        let Some(socket) = state.socket.take() else { return };
        state.left_silently = socket.has_left_silently();
        drop(state);
        // The last one, unless the connection was taken apart. What is to be said must be said
        // before the slot is gone, as a process may end then; the client sees the end after it.
        if Arc::strong_count(&socket) == 1 {
            socket.say_goodbye();
        } else {
            socket.let_loose();
        }
        let parking = &self.parking;
        let removed = parking.slots().try_remove(self.key);
        if removed.is_some() {
            parking.gauges.open.fetch_sub(1, Ordering::Relaxed);
        }
        drop((removed, socket));
        if parking.watching_ends.load(Ordering::SeqCst) {
            parking.poller.notify();
        }
    }
}

impl State {
    /// Throws away what has arrived on a closed connection; false when it is time to let go of it.
    pub(super) fn discard(&mut self) -> bool {
        match (&mut self.closing, &self.socket) {
            (Some(closing), Some(socket)) => closing.discard(socket) && !self.ended,
            _ => false,
        }
    }

    /// Tells whether the client has left, and has sent nothing since its handler was called last.
    pub(super) fn has_left_silently(&self) -> bool {
        self.socket.as_ref().map_or(self.left_silently, |socket| socket.has_left_silently())
    }

    /// Tells whether the client of a connection that was dropped may still be sending, or has sent
    /// what was not read. Others may hold ends of it: then the last one of them ends it.
    fn must_linger(&self, end: End) -> bool {
        match (&self.socket, end) {
            (None, _) | (_, End::AtOnce) => false,
            (_, End::Lingering) => true,
            (Some(socket), End::Orderly) => Arc::strong_count(socket) == 1 && socket.has_arrivals(),
        }
    }
}

/// Takes the connection out and lets go of the lock, which the end of a connection needs.
fn take_out(mut state: MutexGuard<'_, State>) -> Option<Connection> {
    state.parked.take().map(|parked| parked.connection)
}

/// Closes a connection that the server gives up; tells whether there was one.
pub(super) fn close_parked(state: MutexGuard<'_, State>) -> bool {
    let connection = take_out(state);
    connection.map(Connection::close).is_some()
}

/// How long a client may go on sending what is not read any more, and how much.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);
const DRAIN_BYTES: usize = 256 * 1024;
