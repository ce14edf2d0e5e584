//! Kinds of sockets that a server listens on: bind and accept, nothing else.
//!
//! | | what a handler receives | clients are at |
//! |---|---|---|
//! | [`Tcp`] | a [`Connection`](crate::Connection) | an IP address and a port |
//! | `Tls` (feature `tls`) | a [`Connection`](crate::Connection) | an IP address and a port; they may show certificates |
//! | [`Udp`] | a [`Datagram`](crate::Datagram) | an IP address and a port |
//! | [`Unix`] | a [`Connection`](crate::Connection) | this host, known to the kernel |
//! | [`UnixDatagram`] | a [`Datagram`](crate::Datagram) | this host |

mod accept_error;
mod bind_address;
mod inbox;
mod socket_file;
mod tcp;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "tls")]
mod tls_config;
mod udp;
mod unix;

pub(crate) use accept_error::AcceptError;

pub use bind_address::{BindTo, ToBindAddress};
pub use tcp::{Tcp, TcpBind};
#[cfg(feature = "tls")]
#[doc(alias = "load_cert_chain")]
#[doc(alias = "SSLContext")]
pub use tls::TlsBind;
#[cfg(feature = "tls")]
pub use tls::{Tls, TlsReloadHandle};
#[cfg(feature = "tls")]
pub use tls_config::Pem;
pub use udp::{Udp, UdpBind};
pub use unix::{Unix, UnixBind, UnixDatagram, UnixDatagramBind};

use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;

use socket2::Socket;

use crate::address::Address;
use crate::connection;
use crate::datagram;
use crate::os::AsFd;

/// A bound socket: Python's `socket_type` and `address_family`.
///
/// Sealed: the crate provides the transports.
#[doc(alias = "socket_type")]
#[doc(alias = "address_family")]
#[doc(alias = "get_request")]
#[expect(private_bounds, reason = "sealed")]
pub trait Transport: AsFd + Send + Sized + sealed::Accept + 'static {
    /// What a handler receives for each request: a [`Connection`](crate::Connection) or a
    /// [`Datagram`](crate::Datagram).
    type Request: Send + 'static;

    /// The address that a server is bound to: a `SocketAddr`, or a path.
    type Address: Clone + Debug + Into<Address>;

    /// Where to serve, and with which options: what [`Server::bind`](crate::Server::bind) takes.
    type Bind;

    /// Binds a socket, as [`Server::bind`](crate::Server::bind) does.
    ///
    /// # Errors
    ///
    /// Names what was asked for, each address that was tried, and what was wrong with it. Nothing
    /// stays open.
    #[doc(alias = "server_bind")]
    #[doc(alias = "server_activate")]
    fn bind(to: impl BindTo<Self::Bind>) -> io::Result<Self>;

    /// The address that clients connect to.
    fn server_address(&self) -> Self::Address;
}

/// A transport whose handlers receive connections.
#[expect(private_bounds, reason = "what a transport hands out is sealed")]
pub trait StreamTransport:
    Transport<Request = connection::Connection> + sealed::Accept<Arrival = connection::ClientSocket>
{
}

impl<T> StreamTransport for T where
    T: Transport<Request = connection::Connection>
        + sealed::Accept<Arrival = connection::ClientSocket>
{
}

/// A transport whose handlers receive datagrams.
#[expect(private_bounds, reason = "what a transport hands out is sealed")]
pub trait DatagramTransport:
    Transport<Request = datagram::Datagram> + sealed::Accept<Arrival = datagram::Packet>
{
}

impl<T> DatagramTransport for T where
    T: Transport<Request = datagram::Datagram> + sealed::Accept<Arrival = datagram::Packet>
{
}

pub(crate) mod sealed {
    use std::io;

    use socket2::Socket;

    use super::AcceptError;
    use super::bind_address::BindAddress;
    use crate::address::Address;

    /// What an address to bind can be written as.
    pub(crate) trait Bindable {
        /// What was written.
        fn bind_address(&self) -> BindAddress;
    }

    /// The half of a transport that only the server calls.
    pub(crate) trait Accept {
        /// What the kernel hands out: a connected socket, or a packet.
        type Arrival;

        /// Takes the next client from the kernel's queue, without waiting for one.
        ///
        /// # Errors
        ///
        /// `WouldBlock` when no client waits, and what the kernel reports.
        fn accept(&mut self) -> io::Result<(Self::Arrival, Address)>;

        /// Removes the file that clients find this socket by, if there is one and this process made
        /// it. Once the listener is closed another server may have that file.
        fn remove_name(&mut self) {}

        /// Closes the listening socket. What is given takes its place, so that there still is a
        /// descriptor to be asked for, on which every call fails. Packets cannot be refused, and
        /// their sockets stay.
        fn close(&mut self, in_its_place: Socket) {
            drop(in_its_place);
        }

        /// Takes up to `most` of the clients that wait already, and has the kernel refuse all
        /// others. What is given takes the listening socket's place, as for [`close`](Self::close).
        ///
        /// Nothing else is done between the last look and the closing, as a client that came in
        /// between would be lost.
        fn accept_last(
            &mut self,
            most: usize,
            in_its_place: Socket,
        ) -> Vec<(Self::Arrival, Address)> {
            self.remove_name();
            let mut last = Vec::new();
            for _ in 0..most {
                match self.accept() {
                    Ok(arrival) => last.push(arrival),
                    Err(error) if AcceptError::of(&error) == AcceptError::Client => {}
                    Err(_) => break,
                }
            }
            self.close(in_its_place);
            last
        }
    }
}

/// Where to serve.
#[derive(Debug)]
enum Place<A, S> {
    /// Here a socket is bound.
    Address(A),
    /// This one is bound already.
    Socket(S),
}

/// Binds a socket, which may share its address or its port with others.
fn bind_inet(
    socket: &Socket,
    address: SocketAddr,
    (shares_address, shares_port): (bool, bool),
    dual_stack: bool,
) -> io::Result<()> {
    socket.set_reuse_address(shares_address)?;
    if shares_port {
        socket.set_reuse_port(true)?;
    }
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(!dual_stack)?;
    }
    socket.bind(&address.into()).map_err(|error| {
        if lacks_zone(address) {
            io::Error::new(io::ErrorKind::InvalidInput, NO_ZONE)
        } else if error.kind() == io::ErrorKind::AddrNotAvailable {
            io::Error::new(error.kind(), "this machine does not have that address")
        } else {
            error
        }
    })
}

/// Tells whether an address is one of a link, and does not say of which (RFC 4007 §6). Linux calls
/// that an invalid argument.
fn lacks_zone(address: SocketAddr) -> bool {
    let SocketAddr::V6(address) = address else { return false };
    // Interface-local and link-local multicast: `ff01::/16` and `ff02::/16`, whatever their flags.
    let is_local_group = matches!(address.ip().segments()[0] & 0xff0f, 0xff01 | 0xff02);
    address.scope_id() == 0 && (address.ip().is_unicast_link_local() || is_local_group)
}

const NO_ZONE: &str = "a link-local address needs its interface, as in [fe80::1%eth0]:8000";

fn cannot_bind(address: &Address, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot bind {address}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_a_link_need_its_name() {
        for (address, lacks) in [
            ("[fe80::1]:80", true),
            ("[febf::1]:80", true),
            ("[fe80::1%2]:80", false),
            ("[ff02::fb]:80", true),
            ("[ff12::fb]:80", true),
            ("[ff02::fb%2]:80", false),
            ("[ff05::2]:80", false),
            ("[::1]:80", false),
            ("[fd00::1]:80", false),
            ("169.254.1.1:80", false),
        ] {
            assert_eq!(lacks_zone(address.parse().expect("an address")), lacks, "{address}");
        }
    }
}
