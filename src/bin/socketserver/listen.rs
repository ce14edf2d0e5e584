//! The listening socket, or one line that says why there is none and what to do.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs};
use std::path::Path;

use socketserver::Address;
use socketserver::systemd::{self, Socket};
use socketserver::transport::{TcpBind, UnixBind, UnixStream};

use crate::args::Args;

/// A socket to serve on.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixStream),
}

/// Takes the socket that systemd has opened, or binds the path or the address, or all interfaces where
/// there is none.
///
/// # Errors
///
/// Says what to do about it.
pub(crate) fn listen(args: &Args) -> io::Result<Listener> {
    let names_a_place = args.port.is_some() || args.bind.is_some() || args.unix.is_some();
    let mut inherited = systemd::listen_fds()?;
    match (inherited.pop(), inherited.len()) {
        (None, _) => bind(args),
        (Some(only), 0) if !names_a_place => adopt(args, only.socket),
        (Some(_), 0) => Err(io::Error::other(
            "systemd has opened a socket to serve on; give neither a port nor --bind nor --unix",
        )),
        (Some(_), others) => Err(io::Error::other(format!(
            "systemd has opened {} sockets, and one can be served; use a unit for each",
            others + 1
        ))),
    }
}

fn bind(args: &Args) -> io::Result<Listener> {
    if let Some(path) = &args.unix {
        return listen_at(path, args.unix_mode).map(Listener::Unix);
    }
    let (options, port) = (TcpBind::default(), args.port.unwrap_or(DEFAULT_PORT));
    let address = args.bind.as_deref();
    let bound = match address {
        Some(address) => options.listen(&resolve(address, port)?[..]),
        None => options.listen_everywhere(port),
    };
    bound.map(Listener::Tcp).map_err(|error| explain(&error, address, port))
}

fn adopt(args: &Args, socket: Socket) -> io::Result<Listener> {
    match socket {
        Socket::Tcp(listener) => Ok(Listener::Tcp(listener)),
        Socket::UnixStream(_) if args.is_secure() => {
            Err(io::Error::other("systemd has opened a Unix socket, and TLS goes with a port only"))
        }
        Socket::UnixStream(listener) => listener.try_into().map(Listener::Unix),
        Socket::Udp(_) | Socket::UnixDatagram(_) => {
            Err(io::Error::other("systemd has opened a datagram socket; use ListenStream="))
        }
    }
}

/// Binds a path.
///
/// # Errors
///
/// Says what to do about it.
fn listen_at(path: &Path, mode: Option<u32>) -> io::Result<UnixStream> {
    let options = UnixBind { mode, ..UnixBind::default() };
    options.listen(path).map_err(|error| {
        let place = Address::unix(path);
        let reason = match error.kind() {
            ErrorKind::AddrInUse => "it is in use; choose another path",
            ErrorKind::NotFound => "its directory does not exist; choose another path",
            ErrorKind::PermissionDenied => "permission denied; choose another path",
            _ => return error,
        };
        io::Error::other(format!("cannot serve on {place}: {reason}"))
    })
}

/// A line about the server, in Python's words:
/// `Serving HTTP on :: port 8000 (http://[::]:8000/) ...`, or `Serving HTTP on unix:/path ...`.
pub(crate) fn banner(address: &Address, is_secure: bool) -> String {
    match address.inet() {
        Some(address) => internet_banner(address, if is_secure { "https" } else { "http" }),
        None => format!("Serving HTTP on {address} ...\n"),
    }
}

fn internet_banner(address: SocketAddr, scheme: &str) -> String {
    let (host, port) = (address.ip(), address.port());
    let quoted = match host {
        IpAddr::V4(host) => host.to_string(),
        IpAddr::V6(host) => format!("[{host}]"),
    };
    let protocol = scheme.to_uppercase();
    format!("Serving {protocol} on {host} port {port} ({scheme}://{quoted}:{port}/) ...\n")
}

/// Python's.
const DEFAULT_PORT: u16 = 8000;

fn resolve(address: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let found = (address, port).to_socket_addrs();
    let found = found.map(Iterator::collect::<Vec<_>>).unwrap_or_default();
    if found.is_empty() {
        return Err(io::Error::other(format!(
            "cannot find the address '{address}'; bind to an IP address or a name of this machine"
        )));
    }
    Ok(found)
}

fn explain(error: &io::Error, address: Option<&str>, port: u16) -> io::Error {
    let place = match address {
        Some(address) => format!("{address} port {port}"),
        None => format!("port {port}"),
    };
    let reason = match error.kind() {
        ErrorKind::AddrInUse => "it is in use; stop who uses it, or choose another port",
        ErrorKind::AddrNotAvailable => "this machine does not have that address; choose another",
        ErrorKind::PermissionDenied => "permission denied; choose a port from 1024 on",
        _ => return io::Error::other(format!("cannot serve on {place}: {error}")),
    };
    io::Error::other(format!("cannot serve on {place}: {reason}"))
}
