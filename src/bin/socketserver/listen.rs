//! The listening socket, or an error of one line: what failed, why, and what to do.

use std::io::{self, ErrorKind};
use std::net::{Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use nix::net::if_::if_indextoname;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use socketserver::Address;
use socketserver::systemd::{self, Socket};
use socketserver::transport::{Tcp, TcpBind, Transport, Unix, UnixBind};

use crate::args::Args;

/// A socket to serve on.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(Tcp),
    /// One that systemd has opened.
    Inherited(Tcp),
    Unix(Unix),
}

/// How this machine alone is served on a port.
pub(crate) const NEAR: &str = "-b 127.0.0.1";

/// The same where systemd opens the socket, in its unit.
pub(crate) const NEAR_BY_UNIT: &str = "ListenStream=127.0.0.1:PORT in the socket's unit";

/// Takes the socket that systemd has opened, or binds the path or the address; all interfaces if
/// neither is given.
///
/// # Errors
///
/// The text says what to do.
pub(crate) fn listen(args: &Args) -> io::Result<Listener> {
    let is_place_given = args.port.is_some() || args.bind.is_some() || args.unix.is_some();
    let mut inherited = systemd::listen_fds()?;
    match (inherited.pop(), inherited.len()) {
        (None, _) => bind(args),
        (Some(only), 0) if !is_place_given => adopt(args, only.socket),
        (Some(_), 0) => Err(io::Error::other(
            "systemd has opened a socket to serve on; leave out the port, --bind and --unix",
        )),
        (Some(_), others) => Err(io::Error::other(format!(
            "systemd has opened {} sockets, and only one can be served; write a unit for each",
            others + 1
        ))),
    }
}

fn bind(args: &Args) -> io::Result<Listener> {
    if let Some(path) = &args.unix {
        return listen_at(path, args.unix_mode).map(Listener::Unix);
    }
    let (address, port) = (args.bind.as_deref(), args.port.unwrap_or(DEFAULT_PORT));
    let place = match address {
        Some(address) => TcpBind::new(resolve(address, port)?),
        None => TcpBind::everywhere(port),
    };
    Tcp::bind(place).map(Listener::Tcp).map_err(|error| explain(&error, address, port))
}

fn adopt(args: &Args, socket: Socket) -> io::Result<Listener> {
    match socket {
        Socket::Tcp(listener) => Tcp::bind(TcpBind::from_socket(listener)).map(Listener::Inherited),
        Socket::Unix(_) if args.is_secure() => Err(io::Error::other(
            "systemd has opened a Unix socket, and HTTPS needs a port; use ListenStream=PORT",
        )),
        Socket::Unix(listener) => Unix::bind(UnixBind::from_socket(listener)).map(Listener::Unix),
        _ => Err(io::Error::other("systemd has opened a datagram socket; use ListenStream=")),
    }
}

/// Binds a path.
///
/// # Errors
///
/// The text says what to do.
fn listen_at(path: &Path, mode: Option<u32>) -> io::Result<Unix> {
    Unix::bind(UnixBind::new(path).mode(mode)).map_err(|error| {
        let place = Address::unix(path);
        let reason = match error.kind() {
            ErrorKind::AddrInUse if is_no_socket(path) => {
                "a file that is not a socket is there; choose another path"
            }
            ErrorKind::AddrInUse => "it is in use; choose another path",
            ErrorKind::NotFound => "its directory does not exist; choose another path",
            ErrorKind::PermissionDenied => "permission denied; choose another path",
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                "there is no room for its file on the disk; choose another path"
            }
            _ => return error,
        };
        io::Error::other(format!("cannot serve on {place}: {reason}"))
    })
}

fn is_no_socket(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|file| !file.file_type().is_socket())
}

/// The line that Python prints about a server:
/// `Serving HTTP on :: port 8000 (http://[::]:8000/) ...`, or `Serving HTTP on unix:/path ...`. The
/// URL's path is `/`, or below a prefix `/docs/`.
pub(crate) fn banner(address: &Address, is_secure: bool, path: &str) -> String {
    match address.inet() {
        Some(address) => internet_banner(address, if is_secure { "https" } else { "http" }, path),
        None => format!("Serving HTTP on {address} ...\n"),
    }
}

fn internet_banner(address: SocketAddr, scheme: &str, path: &str) -> String {
    let (host, port) = (address.ip(), address.port());
    let (zone, quoted) = match address {
        SocketAddr::V4(_) => (String::new(), host.to_string()),
        SocketAddr::V6(address) => {
            let zone = zone(address.scope_id());
            (zone.clone(), format!("[{host}{}]", utf8_percent_encode(&zone, NOT_IN_ZONE)))
        }
    };
    let protocol = scheme.to_uppercase();
    let url = format!("{scheme}://{quoted}:{port}{path}");
    format!("Serving {protocol} on {host}{zone} port {port} ({url}) ...\n")
}

/// `%eth0` for a link-local address, which is useless without it; empty for other addresses.
fn zone(scope_id: u32) -> String {
    match (scope_id, if_indextoname(scope_id)) {
        (0, _) => String::new(),
        // `nix` returns an empty name for an interface that does not exist.
        (_, Ok(name)) if !name.is_empty() => format!("%{}", name.to_string_lossy()),
        // The interface may have been removed; its number is valid, too.
        (number, _) => format!("%{number}"),
    }
}

/// The characters that a URL escapes in the name of an interface and the `%` before it
/// (RFC 6874 §2).
const NOT_IN_ZONE: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Python's default.
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
    let link_local = address.filter(|address| {
        address.parse().is_ok_and(|address: Ipv6Addr| address.is_unicast_link_local())
    });
    if let Some(address) = link_local {
        return io::Error::other(format!(
            "cannot serve on {place}: a link-local address needs its interface, \
             as in {address}%eth0"
        ));
    }
    let reason = match error.kind() {
        ErrorKind::AddrInUse => {
            "it is in use; stop the program that uses it, or choose another port"
        }
        ErrorKind::AddrNotAvailable => {
            "this machine does not have that address; choose another address"
        }
        ErrorKind::PermissionDenied => "permission denied; choose a port from 1024 on",
        _ => return io::Error::other(format!("cannot serve on {place}: {error}")),
    };
    io::Error::other(format!("cannot serve on {place}: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zone_is_in_the_banner_and_escaped_in_its_url() {
        // An interface that is not there has its number.
        let address: SocketAddr = "[fe80::1%4000000000]:80".parse().expect("an address");
        assert_eq!(
            banner(&address.into(), true, "/"),
            "Serving HTTPS on fe80::1%4000000000 port 80 (https://[fe80::1%254000000000]:80/) ...\n"
        );
        let address: SocketAddr = "[::1]:80".parse().expect("an address");
        assert!(banner(&address.into(), false, "/").ends_with("(http://[::1]:80/) ...\n"));
        let zone = utf8_percent_encode("%veth-1.2@if~_3", NOT_IN_ZONE).to_string();
        assert_eq!(zone, "%25veth-1.2%40if~_3");
    }
}
