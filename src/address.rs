//! Where a client or a server is: an Internet address or a path.

#[cfg(target_os = "linux")]
use std::ffi::OsStr;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt;
use std::os::unix;
#[cfg(target_os = "linux")]
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use socket2::SockAddr;

use crate::printable::{repr_quote, write_quoted, write_shown};

/// The address of a client or a server: Python's `client_address`.
///
/// `{}` writes `127.0.0.1:8000`, `[::1]:8000` or `unix:/run/app.sock`; [`repr`](Self::repr) is what
/// Python shows.
#[derive(Clone)]
#[non_exhaustive]
pub enum Address {
    /// An Internet address and a port. IPv4 where that is what the peer speaks, on a socket for
    /// both, too; one that is made in the form of IPv6 is equal to it.
    Inet(SocketAddr),
    /// The path that a Unix socket is bound to; empty for one without a name, as most clients'
    /// are. On Linux a leading NUL means a name that is in no file system, as in Python.
    Unix(Arc<Path>),
}

impl Address {
    /// The address of a Unix socket that is bound to this path.
    pub fn unix(path: impl AsRef<Path>) -> Self {
        Self::Unix(path.as_ref().into())
    }

    /// What Python's `repr` of it is: `('127.0.0.1', 8000)`, `('::1', 8000, 0, 0)`,
    /// `'/run/app.sock'`.
    pub fn repr(&self) -> impl fmt::Display {
        Repr(self)
    }

    /// The IP address, if it is an Internet address.
    pub fn ip(&self) -> Option<IpAddr> {
        self.inet().map(|address| address.ip())
    }

    /// The port, if it is an Internet address.
    pub fn port(&self) -> Option<u16> {
        self.inet().map(|address| address.port())
    }

    /// The address as the standard library has it, if it is an Internet address.
    pub fn inet(&self) -> Option<SocketAddr> {
        match self {
            Self::Inet(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// The path, if it is a Unix socket's; empty where that has no name.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Inet(_) => None,
            Self::Unix(path) => Some(path),
        }
    }

    /// The first half, as logs have it: Python's `client_address[0]`. The IP address without the
    /// port, or `unix:` and the path.
    pub fn host(&self) -> String {
        match self {
            Self::Inet(address) => address.ip().to_string(),
            Self::Unix(_) => self.to_string(),
        }
    }

    /// The address as the kernel wrote it.
    pub(crate) fn received(address: &SockAddr) -> Self {
        if let Some(inet) = address.as_socket() {
            return inet.into();
        }
        #[cfg(target_os = "linux")]
        if let Some(name) = address.as_abstract_namespace() {
            return Self::unix(OsStr::from_bytes(&[b"\0", name].concat()));
        }
        Self::unix(address.as_pathname().unwrap_or_else(|| Path::new("")))
    }

    /// The address as the kernel reads it; a path may be too long for that.
    pub(crate) fn to_sockaddr(&self) -> io::Result<SockAddr> {
        match self {
            Self::Inet(address) => Ok((*address).into()),
            Self::Unix(path) => SockAddr::unix(path),
        }
    }

    /// The same for a socket of IPv6, where IPv4 has a form of its own.
    pub(crate) fn to_ipv6_sockaddr(&self) -> io::Result<SockAddr> {
        match self {
            Self::Inet(SocketAddr::V4(address)) => {
                let mapped = address.ip().to_ipv6_mapped();
                Ok(SocketAddr::new(mapped.into(), address.port()).into())
            }
            _ => self.to_sockaddr(),
        }
    }
}

/// An IPv4 address in the form of IPv6, `::ffff:192.0.2.1`, becomes `192.0.2.1` (RFC 4038 §4.2). A
/// socket for both has its IPv4 clients so, and some proxies write it; the client is the same.
impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Inet(canonical(address))
    }
}

impl From<PathBuf> for Address {
    fn from(path: PathBuf) -> Self {
        Self::Unix(path.into())
    }
}

impl From<unix::net::SocketAddr> for Address {
    fn from(address: unix::net::SocketAddr) -> Self {
        #[cfg(target_os = "linux")]
        if let Some(name) = address.as_abstract_name() {
            return Self::unix(OsStr::from_bytes(&[b"\0", name].concat()));
        }
        Self::unix(address.as_pathname().unwrap_or_else(|| Path::new("")))
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Inet(one), Self::Inet(other)) => canonical(*one) == canonical(*other),
            (Self::Unix(one), Self::Unix(other)) => one == other,
            _ => false,
        }
    }
}

impl Eq for Address {}

impl Hash for Address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Inet(address) => canonical(*address).hash(state),
            Self::Unix(path) => path.hash(state),
        }
    }
}

impl PartialEq<SocketAddr> for Address {
    fn eq(&self, other: &SocketAddr) -> bool {
        self.inet().map(canonical) == Some(canonical(*other))
    }
}

/// Fails for the address of a Unix socket.
impl ToSocketAddrs for Address {
    type Iter = std::option::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        match self.inet() {
            Some(address) => address.to_socket_addrs(),
            None => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{self} is no Internet address"),
            )),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => address.fmt(f),
            Self::Unix(path) => {
                f.write_str("unix:")?;
                // NUL is for the kernel; the tools that list such sockets write `@`. A client
                // chooses its name, and logs have lines.
                write_shown(f, &path.to_string_lossy().replace('\0', "@"))
            }
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.repr(), f)
    }
}

/// An address as Python shows it.
struct Repr<'a>(&'a Address);

impl fmt::Display for Repr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Address::Inet(SocketAddr::V4(address)) => {
                write!(f, "('{}', {})", address.ip(), address.port())
            }
            Address::Inet(SocketAddr::V6(address)) => {
                let (flowinfo, scope) = (address.flowinfo(), address.scope_id());
                write!(f, "('{}', {}, {flowinfo}, {scope})", address.ip(), address.port())
            }
            Address::Unix(path) => {
                let text = path.to_string_lossy();
                // A name that begins with NUL is of type `bytes` there.
                f.write_str(if text.starts_with('\0') { "b" } else { "" })?;
                write_quoted(f, &text, repr_quote(&text), usize::MAX)
            }
        }
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, address.port()),
        IpAddr::V6(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::net::Ipv6Addr;

    use super::*;

    #[test]
    fn an_ipv4_address_in_the_form_of_ipv6_is_one_of_ipv4() {
        let inet = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let mapped = inet("[::ffff:192.0.2.1]:80");
        for address in [Address::from(mapped), Address::received(&mapped.into())] {
            assert_eq!(format!("{address} {address:?}"), "192.0.2.1:80 ('192.0.2.1', 80)");
            assert_eq!(address.host(), "192.0.2.1");
            assert!(address == inet("192.0.2.1:80") && address == mapped);
            // And is sent to in the form that the socket has.
            assert_eq!(address.to_ipv6_sockaddr().ok(), Some(mapped.into()));
            assert_eq!(address.to_sockaddr().ok(), Some(inet("192.0.2.1:80").into()));
        }
        for text in ["[::1]:80", "[::192.0.2.1]:80", "[64:ff9b::192.0.2.1]:80", "[fe80::1%2]:80"] {
            let address = Address::from(inet(text));
            assert_eq!(address.inet(), Some(inet(text)));
            assert_eq!(address.to_ipv6_sockaddr().ok(), Some(inet(text).into()));
        }
    }

    /// A program may make one in either form, to compare a client's with it or to count by it.
    #[test]
    fn an_address_is_equal_to_itself_in_the_form_of_ipv6() {
        let mapped: SocketAddr = "[::ffff:192.0.2.1]:80".parse().expect("an address");
        let (made, received) = (Address::Inet(mapped), Address::from(mapped));
        assert!(made == mapped && made == canonical(mapped) && made == received);
        assert_eq!(HashSet::from([made.clone(), received]).len(), 1);
        let other: SocketAddr = "192.0.2.1:81".parse().expect("an address");
        let (port, path) = (Address::from(other), Address::unix(""));
        assert!(made != other && made != port && made != path);
    }

    #[test]
    fn addresses_are_written_as_python_writes_them() {
        let inet = Address::from(SocketAddr::from(([127, 0, 0, 1], 8000)));
        assert_eq!(
            format!("{inet} {inet:?} {}", inet.host()),
            "127.0.0.1:8000 ('127.0.0.1', 8000) 127.0.0.1"
        );
        let inet6 = Address::from(SocketAddr::from((Ipv6Addr::LOCALHOST, 80)));
        assert_eq!(format!("{inet6} {inet6:?} {}", inet6.host()), "[::1]:80 ('::1', 80, 0, 0) ::1");
        let hidden = Address::unix("\0name");
        assert_eq!(format!("{hidden} {hidden:?}"), r"unix:@name b'\x00name'");
        for (path, written) in [
            ("/run/a'b", r#""/run/a'b""#),
            ("a\"b", r#"'a"b'"#),
            ("a'\"b", r#"'a\'"b'"#),
            ("a\\b\n\u{1}\u{e9}", "'a\\\\b\\n\\x01\u{e9}'"),
        ] {
            assert_eq!(format!("{:?}", Address::unix(path)), written);
        }
        assert_eq!(format!("{:?} {}", Address::unix(""), Address::unix("")), "'' unix:");
        assert_eq!(Address::unix("a\nb").to_string(), r"unix:a\nb");
        let steering = Address::unix("\u{9b}31m\u{85}\x1b\u{202e}");
        let written = r"unix:\x9b31m\x85\x1b\u202e '\x9b31m\x85\x1b\u202e'";
        assert_eq!(format!("{steering} {steering:?}"), written);
        assert_eq!(steering.host(), r"unix:\x9b31m\x85\x1b\u202e");
    }
}
