//! Kinds of sockets that a server listens on: bind and accept, nothing else.

mod tcp;

pub use tcp::{Tcp, TcpBind};

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;

/// A bound and listening socket.
///
/// Sealed: the crate provides the transports.
pub trait Transport: AsFd + Send + sealed::Sealed {
    /// The address that clients connect to.
    fn server_address(&self) -> SocketAddr;

    /// Takes the next client from the kernel's queue, without waiting for one.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when nobody waits, and what the kernel reports.
    #[doc(alias = "get_request")]
    fn accept(&self) -> io::Result<(TcpStream, SocketAddr)>;
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for super::Tcp {}
}
