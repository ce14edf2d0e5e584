//! Where a connection is between its requests, as there is no server.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::address::Address;
use crate::connection::{ClientSocket, Connection, ConnectionOwner, Direction, End, WaitFor};
use crate::handler::Handler;
use crate::os::{OwnedFd, PairEnd};
use crate::server_info::ServerInfo;

/// The place of a connection.
#[derive(Default)]
pub(super) struct Place {
    state: Mutex<State>,
}

#[derive(Default)]
enum State {
    /// With the handler, or with what the handler has given it to.
    #[default]
    Out,
    GivenBack(Box<Connection>),
    Dropped {
        /// In the middle of a response that ends with the connection: a server resets it then.
        is_broken_off: bool,
    },
}

impl Place {
    /// Does what a server does with a connection, until that ends or is taken over; false where a
    /// response was broken off of which nothing but the connection's end tells the end.
    pub(super) fn serve(
        self: Arc<Self>,
        handler: &impl Handler,
        server: PairEnd,
        client: impl Into<SocketAddr>,
    ) -> io::Result<bool> {
        let rest = server.try_clone()?;
        let address = Address::from(client.into());
        let info = ServerInfo::of_no_server(address.clone())?;
        let socket = Arc::new(ClientSocket::plain(OwnedFd::from(server)));
        let itself: Arc<dyn ConnectionOwner> = Arc::clone(&self) as _;
        let owner: Weak<dyn ConnectionOwner> = Arc::downgrade(&itself);
        let timeouts = handler.timeouts();
        let connection = Connection::new(socket, address.clone(), info, &timeouts, owner);
        if !handler.verify_request(&connection, &address) {
            connection.close();
            return Ok(true);
        }
        let mut next = Some(connection);
        while let Some(connection) = next {
            wait_for_client(&connection)?;
            if let Err(error) = handler.handle(connection) {
                handler.handle_error(&address, &error);
            }
            next = self.given_back();
        }
        let State::Dropped { is_broken_off } = *self.state() else { return Ok(true) };
        // What the client still sends would be lost to a reset, and with it the response.
        rest.set_nonblocking(false)?;
        io::copy(&mut &rest, &mut io::sink())?;
        Ok(!is_broken_off)
    }

    fn given_back(&self) -> Option<Connection> {
        let mut state = self.state();
        match std::mem::take(&mut *state) {
            State::GivenBack(connection) => Some(*connection),
            other => {
                *state = other;
                None
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for bytes or for the end, one of which comes for certain.
fn wait_for_client(connection: &Connection) -> io::Result<()> {
    connection.rfile.socket().wait(Direction::Read, None)
}

impl ConnectionOwner for Place {
    fn take_back(self: Arc<Self>, connection: Connection, _: WaitFor) {
        *self.state() = State::GivenBack(Box::new(connection));
    }

    fn connection_dropped(self: Arc<Self>, socket: Arc<ClientSocket>, _: End) {
        *self.state() = State::Dropped { is_broken_off: socket.is_open_ended() };
        socket.let_loose();
    }

    fn sends_what_is_left(&self) -> bool {
        false
    }

    fn is_draining(&self) -> bool {
        false
    }

    fn finds_draining(&self) -> bool {
        false
    }
}
