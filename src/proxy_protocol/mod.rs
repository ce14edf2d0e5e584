//! The PROXY protocol: a balancer says which client it connects, before that client's first byte.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod header;

use std::io::{self, BufRead};

use crate::address::Address;
use crate::connection::{Connection, Timeouts};
use crate::handler::Handler;
use crate::signal::Signal;
use crate::trusted_proxies::TrustedProxies;
use header::{Parsed, parse};

/// Takes connections from balancers that send a PROXY header (HAProxy's `send-proxy` and
/// `send-proxy-v2`, nginx's `proxy_protocol on`), for any other handler, HTTP ones included.
///
/// A connection from a [trusted](TrustedProxies) peer must begin with a header of version 1 or 2.
/// The handler finds its [`client_address`](Connection::client_address) to be the client's, for as
/// long as the connection lasts, and `verify_request` is asked with that address, where the handler
/// [receives](Handler::receive) or handles. A header that names no client (`LOCAL`, `UNKNOWN`)
/// leaves the peer's address. A connection that begins with anything else, or not within
/// [`Timeouts::head`], is closed, with a line in the log.
///
/// Whether a header comes is settled by the peer's address and never guessed from what arrives, as
/// [the protocol](https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt) demands: otherwise
/// every client could make one up. So all other peers are refused, unless
/// [`serve_others`](Self::serve_others) has them served as they are.
///
/// The header comes in clear text before anything else, so before a TLS handshake, too: with a
/// [`TlsServer`](crate::TlsServer) the client behind a balancer of connections (HAProxy's `mode
/// tcp`, nginx's `stream`) speaks TLS with the server itself. `verify_request` is asked before the
/// handshake then, as everywhere with TLS. Python has nothing alike.
///
/// # Examples
///
/// ```
/// use socketserver::http::SimpleHttpRequestHandler;
/// use socketserver::{ProxyProtocol, ThreadingHttpServer, ThreadingTcpServer};
///
/// let files = SimpleHttpRequestHandler::new("/srv/www");
/// let handler = ProxyProtocol::new(files, "10.0.0.0/8".parse()?);
/// let server = ThreadingTcpServer::bind("127.0.0.1:0", handler)?;
/// # let _ = server;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ProxyProtocol<H> {
    handler: H,
    trusted: TrustedProxies,
    serves_others: bool,
}

impl<H: Handler> ProxyProtocol<H> {
    /// Expects a header from these peers, and refuses all others.
    pub fn new(handler: H, trusted: TrustedProxies) -> Self {
        Self { handler, trusted, serves_others: false }
    }

    /// Serves peers that are not trusted, too, without a header.
    #[must_use]
    pub fn serve_others(mut self) -> Self {
        self.serves_others = true;
        self
    }

    /// The handler within.
    pub fn handler(&self) -> &H {
        &self.handler
    }

    /// Reads as much of the header as has arrived; returns the connection when it is the handler's.
    fn read_header(&self, mut connection: Connection) -> io::Result<Option<Connection>> {
        if connection.has_read_proxy_header() || !self.trusted.contains(&connection.client_address)
        {
            return Ok(Some(connection));
        }
        let received = loop {
            match parse(connection.rfile.unread()) {
                Parsed::Complete(client, length) => {
                    connection.rfile.consume(length);
                    return self.header_read(connection, client);
                }
                Parsed::Bad(why) => return Ok(refuse(&connection, why)),
                Parsed::Incomplete => {}
            }
            match connection.rfile.receive() {
                Ok(0) => break Ok(()),
                Ok(_) => {}
                Err(error) => break Err(error),
            }
        };
        match received {
            // A client that only looks whether the port is open sends nothing.
            Ok(()) if connection.rfile.unread().is_empty() => Ok(None),
            Ok(()) => Ok(refuse(&connection, "it ended within its PROXY header")),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                connection.park_for_more().map(|()| None)
            }
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                Ok(refuse(&connection, "its PROXY header did not come in time"))
            }
            Err(error) => Err(error),
        }
    }

    /// Begins to serve a client that is known now.
    fn header_read(
        &self,
        mut connection: Connection,
        client: Option<Address>,
    ) -> io::Result<Option<Connection>> {
        let client_speaks_first = self.handler.client_speaks_first();
        connection.proxy_header_read(client, client_speaks_first);
        if !self.handler.verify_request(&connection, &connection.client_address) {
            return Ok(None);
        }
        // A handshake comes first; nothing of it is in the buffer.
        if connection.is_secure() || (client_speaks_first && connection.rfile.unread().is_empty()) {
            return connection.park().map(|()| None);
        }
        Ok(Some(connection))
    }
}

/// Closes a connection, and says why.
fn refuse(connection: &Connection, why: &str) -> Option<Connection> {
    log::warn!("refused {}: {why}", connection.client_address);
    None
}

impl<H: Handler> Handler for ProxyProtocol<H> {
    fn handle(&self, connection: Connection) -> io::Result<()> {
        match self.read_header(connection)? {
            Some(connection) => self.handler.handle(connection),
            None => Ok(()),
        }
    }

    fn receive(&self, connection: Connection) -> io::Result<Option<Connection>> {
        match self.read_header(connection)? {
            Some(connection) => self.handler.receive(connection),
            None => Ok(None),
        }
    }

    fn verify_request(&self, connection: &Connection, client_address: &Address) -> bool {
        if self.trusted.contains(client_address) {
            // The client itself is verified when it is known.
            connection.await_proxy_header();
            return true;
        }
        if !self.serves_others {
            log::warn!("refused {client_address}: it is no trusted proxy");
            return false;
        }
        self.handler.verify_request(connection, client_address)
    }

    fn handle_error(&self, client_address: &Address, error: &io::Error) {
        self.handler.handle_error(client_address, error);
    }

    fn handle_overload(&self, connection: Connection) -> io::Result<()> {
        self.handler.handle_overload(connection)
    }

    fn handle_timeout(&self) {
        self.handler.handle_timeout();
    }

    fn service_actions(&self) {
        self.handler.service_actions();
    }

    fn handle_signal(&self, signal: Signal) {
        self.handler.handle_signal(signal);
    }

    fn timeouts(&self) -> Timeouts {
        self.handler.timeouts()
    }

    fn daemon_threads(&self) -> bool {
        self.handler.daemon_threads()
    }

    fn client_speaks_first(&self) -> bool {
        // A client that is served without a header may wait for a greeting.
        !self.serves_others || self.handler.client_speaks_first()
    }
}
