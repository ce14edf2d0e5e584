//! What becomes of a connection after a request.

use std::io;
use std::time::Duration;

use super::Exchange;
use crate::connection::Connection;

/// What becomes of a connection after a request.
pub(super) enum Next {
    Request,
    End,
    /// Its client is sending still, so that it would lose what of the response is on its way.
    LateEnd,
}

impl Next {
    pub(super) fn follow(self, connection: Connection) -> io::Result<()> {
        match self {
            Self::Request => connection.park(),
            Self::End => Ok(()),
            Self::LateEnd => connection.lingering_close(),
        }
    }
}

/// Takes the connection back from an exchange, to close it or to give it back for another request.
pub(super) fn go_on(http: &mut Exchange<'_>) -> io::Result<(Connection, Next)> {
    let closes = http.close_connection;
    // What has come of a body that was not read is no reason to linger.
    let drained = http.rfile.drain(if closes { Duration::ZERO } else { DRAIN_TIME });
    let body_ended = http.rfile.is_ended();
    let connection = http.release()?;
    let next = if !closes && drained {
        Next::Request
    } else if body_ended && connection.rfile.unread().is_empty() {
        Next::End
    } else {
        Next::LateEnd
    };
    Ok((connection, next))
}

/// How long to wait for all of a body that a handler has left unread.
const DRAIN_TIME: Duration = Duration::from_millis(50);
