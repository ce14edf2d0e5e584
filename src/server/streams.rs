//! What a server does with connections that were accepted: each gets a slot.

use std::io;
use std::sync::Arc;

use super::Server;
use super::guarded_handler::Core;
use crate::address::Address;
use crate::concurrency::Concurrency;
use crate::connection::{Connection, Socket};
use crate::handler::Handler;
use crate::transport::Transport;
use crate::transport::sealed::Accept;

#[expect(private_bounds, reason = "the arrivals of a transport are sealed")]
impl<T, C, H> Server<T, C, H>
where
    T: Transport<Request = Connection> + Accept<Arrival = Socket>,
    C: Concurrency,
    H: Handler,
{
    pub(super) fn for_streams(transport: T, handler: H, strategy: C) -> io::Result<Self> {
        let runner = |core: &Arc<Core<H, Connection>>| Arc::clone(core) as _;
        Self::new(transport, handler, strategy, Self::welcome_client, runner)
    }

    /// Finds a place for a client that was just accepted, or refuses it.
    fn welcome_client(&mut self, socket: Socket, address: Address, there_is_room: bool) {
        if socket.is_secure() && !there_is_room {
            // Nobody can be told why before a handshake, which is more work than a refusal saves.
            return;
        }
        let socket = Arc::new(socket);
        let parking = &self.reactor.parking;
        let slot = parking.admit(&socket, address.clone());
        let info = self.core.info.clone();
        let timeouts = &parking.timeouts;
        let owner = Arc::downgrade(&slot);
        let mut connection = Connection::new(socket, address.clone(), info, timeouts, owner);
        if !there_is_room {
            return self.core.refuse(connection, &address);
        }
        if !self.core.verify(&connection, &address) {
            return connection.close();
        }
        if !self.core.speaks_first {
            slot.park_claimed(parking, connection);
            return self.reactor.push_slot(slot);
        }
        match connection.rfile.look() {
            Ok(0) => {}
            Ok(_) => {
                slot.park_claimed(parking, connection);
                self.reactor.push_slot(slot);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                slot.park(parking, connection);
            }
            Err(error) => log::debug!("{address} went away: {error}"),
        }
    }
}
