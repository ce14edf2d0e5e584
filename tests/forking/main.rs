//! The `Forking` strategy. `fork` does not mix with the threads of tests: the servers are processes
//! of their own, of the program in `tests/server/`.

#![allow(
    clippy::unwrap_used,
    reason = "a test that finds something else than it expects should panic, and say where"
)]

#[cfg(feature = "tls")]
#[path = "../it/certificates.rs"]
#[allow(dead_code, reason = "the other tests need more of it")]
mod certificates;
mod children;
mod connections;
mod datagrams;
mod descriptors;
mod drain;
mod ends;
mod http;
mod overload;
#[path = "../shared/mod.rs"]
#[allow(dead_code, reason = "the other tests need more of it")]
mod shared;
mod signals;
#[cfg(feature = "tls")]
mod tls;
mod waiting;

use std::io::{Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::net::UnixDatagram;

use nix::sys::signal::Signal;
use socket2::Socket;

use shared::client::{Client, eventually, is_readable_within};
use shared::limits::{FILES, LIMIT, MOMENT, PAUSE, free_path};
use shared::process::{ServerProcess, children_of, is_running, send_signal, server_program};

/// Starts the server of this kind in `tests/server/forking.rs`.
#[track_caller]
fn start(kind: &str) -> ServerProcess {
    ServerProcess::start(&["forking", kind])
}

trait Slow {
    /// Begins a request that ends when `go` is said, and returns who serves it.
    fn begin_slow(&mut self) -> i32;
}

impl Slow for Client {
    #[track_caller]
    fn begin_slow(&mut self) -> i32 {
        self.ask("slow").parse().unwrap()
    }
}

/// A client that sends datagrams, and has a name to be answered at. Every wait is limited.
struct Datagrams {
    socket: Socket,
}

impl Datagrams {
    #[track_caller]
    fn connect(place: &str) -> Self {
        let socket = match place.parse::<SocketAddr>() {
            Ok(address) => {
                let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                socket.connect(address).unwrap();
                Socket::from(socket)
            }
            Err(_) => {
                let own = free_path();
                let socket = UnixDatagram::bind(&own).unwrap();
                socket.connect(place).unwrap();
                Socket::from(socket)
            }
        };
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        Self { socket }
    }

    #[track_caller]
    fn send(&self, order: &str) {
        self.socket.send(order.as_bytes()).unwrap();
    }

    #[track_caller]
    fn receive(&self) -> String {
        let mut bytes = [0; 64];
        let size = (&self.socket).read(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..size]).into_owned()
    }

    #[track_caller]
    fn ask(&self, order: &str) -> String {
        self.send(order);
        self.receive()
    }
}

impl Drop for Datagrams {
    fn drop(&mut self) {
        let address = self.socket.local_addr().unwrap();
        if let Some(path) = address.as_pathname() {
            let _ = std::fs::remove_file(path);
        }
    }
}
