//! What a server can be bound to, as programs write it.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, ToSocketAddrs};

use super::sealed::Bindable;
use crate::address::Address;
use crate::host_text::{bare, is_ipv6, is_number};

/// An Internet address to bind: what [`Server::bind`](crate::Server::bind) takes.
///
/// | | |
/// |---|---|
/// | `"127.0.0.1:8000"`, `"[::1]:8000"`, `"localhost:8000"` | a host and a port, `&str` or `String` |
/// | `("127.0.0.1", 8000)`, `(Ipv4Addr::LOCALHOST, 8000)` | Python's pair of both |
/// | `("", 8000)`, `":8000"` | all interfaces with IPv4, as in Python: `0.0.0.0:8000` |
/// | `"[::]:8000"` | all interfaces with IPv6, and IPv4 unless `dual_stack` is off |
/// | [`SocketAddr`], `&[SocketAddr]` | the first of them that can be bound |
///
/// Port 0 is one that is free. What the standard library's [`ToSocketAddrs`] is implemented for can
/// be bound, too, but for types of your own: collect their addresses, and give the slice.
///
/// Sealed, so that an error can name what was asked for, and say what to write instead.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an address to bind",
    label = "not an address",
    note = "write \"127.0.0.1:8000\", (\"127.0.0.1\", 8000), (\"\", 8000), or a `SocketAddr`"
)]
#[expect(private_bounds, reason = "sealed")]
pub trait ToBindAddress: Bindable {}

/// Where a server is to serve: an address, or options of binding, such as
/// [`TcpBind`](super::TcpBind), which have one.
///
/// See [`Server::bind`](crate::Server::bind) for what is given where.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not where a server can be bound",
    note = "for TCP and UDP write \"127.0.0.1:8000\", (\"127.0.0.1\", 8000) or (\"\", 8000); for a \
            Unix socket a path; for TLS `TlsBind::new(address, \"cert.pem\")`"
)]
pub trait BindTo<B> {
    /// The address with its options, or with the defaults where no options are given.
    fn options(self) -> B;
}

/// What a program asked for.
#[derive(Debug)]
pub(crate) enum BindAddress {
    Text(String),
    Pair(String, u16),
    Addresses(Vec<SocketAddr>),
    /// Of a Unix socket.
    Path(Address),
}

impl BindAddress {
    /// Binds the first of its addresses that can be bound.
    ///
    /// # Errors
    ///
    /// Names what was asked for, each address that was tried, and what was wrong with it.
    pub(super) fn bind_first<S>(
        &self,
        bind: impl Fn(SocketAddr) -> io::Result<S>,
    ) -> io::Result<S> {
        let addresses = self.resolve().map_err(|fault| {
            io::Error::new(fault.kind, format!("cannot bind {self}: {}", fault.reason))
        })?;
        let mut failures = Vec::new();
        let mut kind = ErrorKind::InvalidInput;
        for address in addresses {
            match bind(address) {
                Ok(bound) => return Ok(bound),
                Err(error) => {
                    kind = error.kind();
                    failures.push(format!("{address}: {error}"));
                }
            }
        }
        let failures = failures.join("; ");
        let message = if self.is_name() {
            format!("cannot bind {self}: {failures}")
        } else {
            format!("cannot bind {failures}")
        };
        Err(io::Error::new(kind, message))
    }

    fn resolve(&self) -> Result<Vec<SocketAddr>, Fault> {
        match self {
            Self::Text(text) => from_text(text),
            Self::Pair(host, port) => from_pair(host, *port),
            Self::Addresses(addresses) if addresses.is_empty() => {
                Err(Fault::new("the list of addresses is empty"))
            }
            Self::Addresses(addresses) => Ok(addresses.clone()),
            Self::Path(_) => Err(Fault::new(IS_PATH)),
        }
    }

    /// Tells whether its addresses do not show what was asked for.
    fn is_name(&self) -> bool {
        match self {
            Self::Text(text) => text.parse::<SocketAddr>().is_err(),
            Self::Pair(host, _) => host.parse::<IpAddr>().is_err(),
            Self::Addresses(_) | Self::Path(_) => false,
        }
    }
}

impl fmt::Display for BindAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(&quoted(text)),
            Self::Pair(host, port) => write!(f, "({}, {port})", quoted(host)),
            Self::Addresses(addresses) => write!(f, "{addresses:?}"),
            Self::Path(path) => path.fmt(f),
        }
    }
}

/// Why there is no address.
#[derive(Debug)]
struct Fault {
    kind: ErrorKind,
    reason: String,
}

impl Fault {
    fn new(reason: impl Into<String>) -> Self {
        Self { kind: ErrorKind::InvalidInput, reason: reason.into() }
    }
}

fn from_text(text: &str) -> Result<Vec<SocketAddr>, Fault> {
    if let Ok(address) = text.parse() {
        return Ok(vec![address]);
    }
    if text.contains("://") {
        return Err(Fault::new("it is a URL; write a host and a port, as 127.0.0.1:8000"));
    }
    if text.starts_with(['/', '.']) || text.starts_with("unix:") {
        return Err(Fault::new(IS_PATH));
    }
    if is_ipv6(text) || (text.starts_with('[') && text.ends_with(']')) {
        let reason = "an IPv6 address has brackets and then a port; write it as [::1]:8000";
        return Err(Fault::new(reason));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() => (host, port),
        _ if is_number(text) => {
            let reason = format!(
                "it is a port alone; write :{text} for all interfaces, or 127.0.0.1:{text}"
            );
            return Err(Fault::new(reason));
        }
        _ => {
            let host = text.trim_end_matches(':');
            return Err(Fault::new(format!("it has no port; write {host}:8000, or another one")));
        }
    };
    match port.parse() {
        Ok(port) => from_pair(host, port),
        Err(_) if is_number(port) => {
            Err(Fault::new(format!("the port {port} is not in 0..=65535")))
        }
        Err(_) => Err(Fault::new(format!("the port {} is not a number", quoted(port)))),
    }
}

fn from_pair(host: &str, port: u16) -> Result<Vec<SocketAddr>, Fault> {
    let bare = bare(host);
    match bare {
        // INADDR_ANY, as Python has it.
        "" => return Ok(vec![(Ipv4Addr::UNSPECIFIED, port).into()]),
        "*" => {
            return Err(Fault::new(format!("write 0.0.0.0:{port} for all interfaces")));
        }
        _ if bare.contains("://") => {
            return Err(Fault::new("the host is a URL; write its name alone"));
        }
        _ if bare.contains(':') && !is_ipv6(bare) => {
            return Err(Fault::new("the host has a colon; write host and port apart"));
        }
        _ => {}
    }
    match (bare, port).to_socket_addrs().map(Iterator::collect::<Vec<_>>) {
        Ok(addresses) if !addresses.is_empty() => Ok(addresses),
        Ok(_) => Err(Fault::new("the name has no address")),
        Err(error) => {
            Err(Fault { kind: error.kind(), reason: format!("the name is not found: {error}") })
        }
    }
}

/// Text in quotes, so that a blank or a line end shows. They are single ones, as `{:?}` of an
/// error, which is what a `?` in `main` prints, escapes double ones.
fn quoted(text: &str) -> String {
    format!("'{}'", text.escape_debug())
}

const IS_PATH: &str = "it is a path, which UnixStreamServer and UnixDatagramServer bind";

// Each type has its own `impl`. With one generic `impl` the compiler would report an unmet bound of
// that one, not the message above.
impl ToBindAddress for str {}
impl ToBindAddress for String {}
impl ToBindAddress for (&str, u16) {}
impl ToBindAddress for (String, u16) {}
impl ToBindAddress for [SocketAddr] {}
impl<const N: usize> ToBindAddress for [SocketAddr; N] {}
impl ToBindAddress for Vec<SocketAddr> {}
impl ToBindAddress for Address {}
impl<T: ToBindAddress + ?Sized> ToBindAddress for &T {}

impl Bindable for str {
    fn bind_address(&self) -> BindAddress {
        BindAddress::Text(self.to_owned())
    }
}

impl Bindable for String {
    fn bind_address(&self) -> BindAddress {
        BindAddress::Text(self.clone())
    }
}

impl Bindable for (&str, u16) {
    fn bind_address(&self) -> BindAddress {
        BindAddress::Pair(self.0.to_owned(), self.1)
    }
}

impl Bindable for (String, u16) {
    fn bind_address(&self) -> BindAddress {
        BindAddress::Pair(self.0.clone(), self.1)
    }
}

impl Bindable for [SocketAddr] {
    fn bind_address(&self) -> BindAddress {
        BindAddress::Addresses(self.to_vec())
    }
}

impl<const N: usize> Bindable for [SocketAddr; N] {
    fn bind_address(&self) -> BindAddress {
        self[..].bind_address()
    }
}

impl Bindable for Vec<SocketAddr> {
    fn bind_address(&self) -> BindAddress {
        self[..].bind_address()
    }
}

impl Bindable for Address {
    fn bind_address(&self) -> BindAddress {
        match self.inet() {
            Some(address) => address.bind_address(),
            None => BindAddress::Path(self.clone()),
        }
    }
}

impl<T: Bindable + ?Sized> Bindable for &T {
    fn bind_address(&self) -> BindAddress {
        (**self).bind_address()
    }
}

macro_rules! one_address {
    ($($type:ty),*) => {$(
        impl ToBindAddress for $type {}

        impl Bindable for $type {
            fn bind_address(&self) -> BindAddress {
                BindAddress::Addresses(vec![SocketAddr::from(*self)])
            }
        }
    )*};
}

one_address! {
    SocketAddr, SocketAddrV4, SocketAddrV6, (IpAddr, u16), (Ipv4Addr, u16), (Ipv6Addr, u16)
}
