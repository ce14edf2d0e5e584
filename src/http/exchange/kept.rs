//! What is left with a connection that is given back, for the next call of its handler.

use super::awaited_body::AwaitedBody;
use super::left::Left;
use super::received::Received;
use crate::connection::Connection;

/// What is found again with a connection that was given back.
pub(super) enum Kept {
    /// A request whose body is waited for.
    Body(AwaitedBody),
    /// What was received for the handler, which is called next, elsewhere.
    Received(Received),
    /// A response that is on its way.
    Response(Box<Left>),
}

impl Kept {
    /// Takes what was left with the connection.
    pub(super) fn take(connection: &mut Connection) -> Option<Self> {
        // Nothing else leaves anything.
        let kept = connection.kept.take()?.downcast().ok()?;
        Some(*kept)
    }

    /// Leaves this with the connection, which is given back next.
    pub(super) fn leave(self, connection: &mut Connection) {
        connection.kept = Some(Box::new(Box::new(self)));
    }
}
