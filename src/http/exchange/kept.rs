//! What is left with a connection that is given back, for the next call of its handler.

use super::left::Left;
use crate::connection::Connection;

/// What [`serve`](super::serve) finds again with a connection that it has given back.
pub(super) enum Kept {
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
