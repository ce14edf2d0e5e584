//! An exchange whose handler has returned before the client has taken all of the response.

use std::io;

use super::Exchange;
use super::handler::HttpRequestHandler;
use crate::connection::Connection;

/// What is kept of an exchange until the rest of its response is sent, or will not be.
pub(super) struct Left {
    http: Exchange<'static>,
    end: LeftEnd,
}

/// What follows when the rest of a response is sent, or will not be.
pub(super) enum LeftEnd {
    /// Whatever the exchange says.
    Open,
    /// The connection ends.
    Last,
    /// The same, as the handler has failed, which is reported then.
    Failed(io::Error),
}

impl Left {
    /// Takes the exchange and its connection apart, until the client has taken what was left.
    pub(super) fn new(mut http: Exchange<'_>, end: LeftEnd) -> io::Result<(Self, Connection)> {
        let connection = http.lend()?;
        Ok((Self { http: http.of(&AWAY), end }, connection))
    }

    /// The exchange again, with its connection and its handler, and what follows.
    pub(super) fn resume(
        self,
        handler: &dyn HttpRequestHandler,
        connection: Connection,
    ) -> (Exchange<'_>, LeftEnd) {
        let mut http = self.http.of(handler);
        http.rfile.input = connection.rfile;
        http.guard = Some(connection.guard);
        (http, self.end)
    }
}

impl Exchange<'_> {
    /// The exchange of this handler.
    fn of(self, handler: &dyn HttpRequestHandler) -> Exchange<'_> {
        let Self {
            command,
            path,
            request_version,
            headers,
            rfile,
            wfile,
            client_address,
            server,
            close_connection,
            requestline,
            peer_address,
            handler: _,
            was_draining,
            since,
            awaits_leave,
            is_http10,
            announces_keep_alive,
            announces_close,
            coding,
            multipart_type,
            chooser,
            redirects,
            notes,
            value,
            guard,
        } = self;
        Exchange {
            command,
            path,
            request_version,
            headers,
            rfile,
            wfile,
            client_address,
            server,
            close_connection,
            requestline,
            peer_address,
            handler,
            was_draining,
            since,
            awaits_leave,
            is_http10,
            announces_keep_alive,
            announces_close,
            coding,
            multipart_type,
            chooser,
            redirects,
            notes,
            value,
            guard,
        }
    }
}

/// Stands in for the handler while nothing is handled.
struct Away;

impl HttpRequestHandler for Away {}

static AWAY: Away = Away;
