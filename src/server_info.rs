//! What a handler may know of the server that called it.

use std::sync::Arc;

use crate::address::Address;
use crate::poller::Poller;
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
    address: Address,
    name: String,
    shutdown: ShutdownHandle,
}

impl ServerInfo {
    pub(crate) fn new(address: Address, shutdown: ShutdownHandle) -> Self {
        let name = name_of(&address);
        Self { inner: Arc::new(Inner { address, name, shutdown }) }
    }

    /// The address the server listens on, with the real port where 0 was asked for.
    pub fn server_address(&self) -> &Address {
        &self.inner.address
    }

    /// The name of this host, or the address the server is bound to where that is a single one.
    ///
    /// Python asks the name service for a full name while binding, which can take half a minute;
    /// here nothing is looked up. A server on a Unix socket, which Python's `HTTPServer` cannot
    /// have, is named as this host.
    pub fn server_name(&self) -> &str {
        &self.inner.name
    }

    /// The port the server listens on; 0 for a Unix socket, which has none.
    pub fn server_port(&self) -> u16 {
        self.inner.address.port().unwrap_or(0)
    }

    /// Asks the server to stop; see [`ShutdownHandle::shutdown`].
    pub fn shutdown(&self) {
        self.inner.shutdown.shutdown();
    }

    /// After a fork: stops this process's server from now on.
    pub(crate) fn adopt(&self, poller: Arc<Poller>) {
        self.inner.shutdown.adopt(poller);
    }

    /// A handle that stops the server later, or from elsewhere.
    pub fn shutdown_handle(&self) -> ShutdownHandle {
        self.inner.shutdown.clone()
    }
}

fn name_of(address: &Address) -> String {
    match address.ip() {
        Some(ip) if !ip.is_unspecified() => ip.to_string(),
        _ => nix::unistd::gethostname()
            .ok()
            .and_then(|name| name.into_string().ok())
            .unwrap_or_else(|| "localhost".to_owned()),
    }
}
