//! What a handler may know of the server that called it.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::shutdown::ShutdownHandle;

/// The server as its handlers see it: Python's `self.server`.
///
/// Cloning is cheap.
#[derive(Clone, Debug)]
pub struct ServerInfo {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    address: SocketAddr,
    name: String,
    shutdown: ShutdownHandle,
}

impl ServerInfo {
    pub(crate) fn new(address: SocketAddr, shutdown: ShutdownHandle) -> Self {
        Self { inner: Arc::new(Inner { address, name: name_of(address), shutdown }) }
    }

    /// The address the server listens on, with the real port where 0 was asked for.
    pub fn server_address(&self) -> SocketAddr {
        self.inner.address
    }

    /// The name of this host, or the address the server is bound to where that is a single one.
    ///
    /// Python asks the name service for a full name while binding, which can take half a minute;
    /// here nothing is looked up.
    pub fn server_name(&self) -> &str {
        &self.inner.name
    }

    /// The port the server listens on.
    pub fn server_port(&self) -> u16 {
        self.inner.address.port()
    }

    /// Asks the server to stop; see [`ShutdownHandle::shutdown`].
    pub fn shutdown(&self) {
        self.inner.shutdown.shutdown();
    }

    /// A handle that stops the server later, or from elsewhere.
    pub fn shutdown_handle(&self) -> ShutdownHandle {
        self.inner.shutdown.clone()
    }
}

fn name_of(address: SocketAddr) -> String {
    let host = if address.ip().is_unspecified() { nix::unistd::gethostname().ok() } else { None };
    host.and_then(|name| name.into_string().ok()).unwrap_or_else(|| address.ip().to_string())
}
