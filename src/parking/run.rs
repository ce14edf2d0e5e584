//! What a job does with its slot's connection: serves it, and decides where it goes then.

use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::parked::Parked;
use super::slot::Slot;
use crate::address::Address;
use crate::concurrency::{Placement, Work};
use crate::connection::{Connection, Direction, End, Home, Socket, Until, is_broken_tls};

impl Work for Slot {
    fn client_address(&self) -> &Address {
        self.client_address()
    }

    fn run(&self) {
        self.serve();
    }

    fn run_in_child(&self) -> bool {
        let succeeded = self.serve();
        // What the handler left with others ends now, with this process.
        if let Some(socket) = &self.state().socket {
            socket.shutdown(Shutdown::Write);
        }
        succeeded
    }

    fn leave_to_child(&self) {
        if let Some(connection) = self.give_up() {
            connection.rfile.socket().leave_to_child();
            self.end_by(End::AtOnce);
        }
    }

    fn abandon(&self) {
        if let Some(connection) = self.give_up() {
            connection.close();
        }
    }
}

impl Slot {
    /// Serves the connection until it ends or goes back to wait; false when a request failed.
    fn serve(&self) -> bool {
        let parking = &self.parking;
        parking.gauges.waiting.fetch_sub(1, Ordering::Relaxed);
        parking.gauges.running.fetch_add(1, Ordering::Relaxed);
        let mut next = self.state().parked.take().map(|parked| parked.connection);
        let (mut succeeded, mut in_a_row) = (true, 0);
        while let Some(connection) = next {
            succeeded &= self.handle(connection);
            in_a_row += 1;
            next = self.after(in_a_row);
        }
        parking.gauges.running.fetch_sub(1, Ordering::Relaxed);
        succeeded
    }

    /// Handles a request, or goes on with the handshake that must be done before the first one.
    /// Until then no handler sees the connection, but for what comes before TLS, and nobody waits
    /// for the client.
    fn handle(&self, mut connection: Connection) -> bool {
        let runner = &self.parking.runner;
        let awaits_bytes =
            connection.client_speaks_first().unwrap_or_else(|| runner.client_speaks_first());
        match connection.rfile.shake_hands(awaits_bytes) {
            Ok(true) => {
                if !connection.rfile.socket().is_session_held_off() {
                    self.parking.note_handled();
                }
                connection.rfile.begin_call();
                return runner.handle(connection, &|| self.state().has_left_silently());
            }
            Ok(false) => self.take_back(connection, Until::Readable),
            Err(error) => {
                let address = &connection.client_address;
                if is_broken_tls(&error) {
                    log::warn!("{address}: TLS failed: {error}");
                } else {
                    log::debug!("{address} went away during the TLS handshake: {error}");
                }
                // The client may read the alert.
                self.end_by(End::Lingering);
            }
        }
        true
    }

    /// After the handler has returned: the connection, if it is to be handled again at once.
    fn after(&self, in_a_row: u32) -> Option<Connection> {
        let next = self.next(in_a_row);
        if next.is_none() && self.parking.placement == Placement::Away {
            self.finish_closing();
        }
        next
    }

    fn next(&self, in_a_row: u32) -> Option<Connection> {
        let mut state = self.state();
        let is_closing = state.closing.is_some();
        if is_closing && (!state.claimed || self.parking.placement == Placement::Away) {
            // Its end is seen to elsewhere already, or in this job yet.
            return None;
        }
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
                if self.parking.gauges.running.load(Ordering::Relaxed) == 1 {
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
        self.parking.gauges.waiting.load(Ordering::Relaxed) == 0 && !self.parking.is_draining()
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
        if parked.has_bytes() {
            return Some(parked.connection);
        }
        let idles = parked.until == Until::Readable;
        parked.connection.rfile.release();
        self.state().waits_here = idles;
        let waited = self.wait_for_more(&socket, &mut parked);
        self.state().waits_here = false;
        match waited {
            Ok(()) => {}
            Err(_) if idles => return None,
            Err(_) => parked.connection.rfile.expire(),
        }
        if idles && self.parking.is_draining() {
            // Sent away, unless a request was faster.
            match parked.connection.rfile.look() {
                Ok(count) if count > 0 => {}
                _ => return None,
            }
        }
        Some(parked.connection)
    }

    /// Waits for the client, and not much longer once the server stops.
    fn wait_for_more(&self, socket: &Socket, parked: &mut Parked) -> io::Result<()> {
        if self.wait_or_drain(socket, parked.left())? {
            return Ok(());
        }
        if let Some(began) = self.parking.drain_began() {
            parked.hasten(began);
        }
        socket.wait(Direction::Read, parked.left())
    }

    /// Waits for the client; false at once when the server stops.
    pub(super) fn wait_or_drain(
        &self,
        socket: &Socket,
        limit: Option<Duration>,
    ) -> io::Result<bool> {
        // Before the look whether that has come already.
        let asked = self.parking.asked_to_end();
        if self.parking.is_draining() {
            return Ok(false);
        }
        let lifeline = self.parking.lifeline();
        let others = [lifeline.as_ref().map(|line| line.as_fd()), asked];
        let (comes, drains) = socket.wait_beside(others, limit)?;
        if drains {
            // In a child process nothing else tells of it.
            self.parking.begin_drain();
        }
        Ok(comes)
    }

    /// Takes a claimed connection out whose job will not run here.
    fn give_up(&self) -> Option<Connection> {
        let mut state = self.state();
        self.parking.gauges.waiting.fetch_sub(1, Ordering::Relaxed);
        state.claimed = false;
        state.parked.take().map(|parked| parked.connection)
    }
}

/// Requests that one job serves from a client's buffer before others get a turn.
const IN_A_ROW: u32 = 64;

/// How long a job waits for the next request of the only client.
const LINGER: Duration = Duration::from_millis(1);
