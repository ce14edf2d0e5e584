//! How a connection and its place in the server know each other.

use std::sync::{Arc, Weak};
use std::time::Instant;

use super::{ClientSocket, Connection};

/// What a connection that was given back waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitFor {
    /// Anything to read, in the buffer or from the client.
    NextRequest,
    /// Bytes from the client; those in the buffer are the beginning of something.
    RestOfRequest,
    /// The same, where the request has its head, and its client has to keep up with the least rate
    /// of a body.
    RestOfBody,
    /// The client takes what was left to be sent; nothing is read meanwhile.
    Taken,
}

/// How a connection ends that is dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum End {
    /// In good order: where something has arrived that was not read, as
    /// [`Lingering`](Self::Lingering).
    #[default]
    Orderly,
    /// What still comes is thrown away first, until the client ends.
    Lingering,
    /// Whatever has arrived.
    AtOnce,
}

/// The place in the server that a connection belongs to.
pub(crate) trait ConnectionOwner: Send + Sync {
    /// Takes a connection back.
    fn take_back(self: Arc<Self>, connection: Connection, wait_for: WaitFor);

    /// Hears that the connection was dropped or taken apart, and how it is to end. Others may still
    /// hold ends of it, and the socket with those.
    fn connection_dropped(self: Arc<Self>, socket: Arc<ClientSocket>, end: End);

    /// Tells whether something may be left to be sent when the connection is given back.
    fn sends_what_is_left(&self) -> bool;

    /// Tells whether the server is known to shut down.
    fn is_draining(&self) -> bool;

    /// Tells whether the server is shutting down by now, which may take a system call.
    fn finds_draining(&self) -> bool;
}

/// Tells the server when its connection is no more.
pub(crate) struct ConnectionGuard {
    /// Gone with the server.
    owner: Weak<dyn ConnectionOwner>,
    /// Gone once the owner has it.
    socket: Option<Arc<ClientSocket>>,
    /// How the connection ends when it is dropped.
    pub(super) end: End,
    /// Set when a proxy's header was read: whether the client speaks first from then on.
    pub(super) after_proxy_header: Option<bool>,
}

impl ConnectionGuard {
    pub(super) fn new(owner: Weak<dyn ConnectionOwner>, socket: Arc<ClientSocket>) -> Self {
        Self { owner, socket: Some(socket), end: End::default(), after_proxy_header: None }
    }

    /// The connection's place, unless the server is gone.
    pub(super) fn owner(&self) -> Option<Arc<dyn ConnectionOwner>> {
        self.owner.upgrade()
    }

    /// Tells whether the server has cut the connection.
    pub(crate) fn is_cut(&self) -> bool {
        self.socket.as_ref().is_some_and(|socket| socket.is_cut())
    }

    /// Cuts the connection if its handler keeps the server's loop and has no time left; returns
    /// when to look next.
    pub(crate) fn cut_if_over(&self) -> Option<Instant> {
        let socket = self.socket.as_ref()?;
        socket.cut_if_over();
        socket.next_look()
    }

    /// Tells whether something may be left to be sent when the connection is given back.
    pub(crate) fn sends_what_is_left(&self) -> bool {
        self.owner.upgrade().is_some_and(|owner| owner.sends_what_is_left())
    }

    /// Tells whether the server is known to shut down.
    pub(crate) fn is_draining(&self) -> bool {
        self.owner.upgrade().is_none_or(|owner| owner.is_draining()) || self.is_to_end(false)
    }

    /// Tells whether the server is shutting down by now, which may take a system call.
    pub(crate) fn finds_draining(&self) -> bool {
        self.owner.upgrade().is_none_or(|owner| owner.finds_draining()) || self.is_to_end(true)
    }

    /// The server's loop cannot hear of that while this connection's handler keeps it.
    fn is_to_end(&self, looks: bool) -> bool {
        self.socket.as_ref().is_some_and(|socket| socket.is_to_end(looks))
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        let Some(socket) = self.socket.take() else { return };
        match self.owner.upgrade() {
            Some(owner) => owner.connection_dropped(socket, self.end),
            None => socket.let_loose(),
        }
    }
}
