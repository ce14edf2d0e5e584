//! Which proxies are believed when they say which client they ask for.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use crate::address::Address;

/// The proxies that may tell a server which client they ask for.
///
/// Whatever stands in `Forwarded`, `X-Forwarded-For` or a PROXY header can be written by any
/// client. It is believed from these peers only. The default is no peer.
///
/// As text it is a list of addresses and networks, separated by commas, with `unix:` for every
/// client of a Unix socket: `127.0.0.1,10.0.0.0/8,::1,unix:`. Bits of a network's address beyond
/// its prefix do not matter. Clients of a socket for IPv4 and IPv6 are compared with the networks
/// of their own kind, whatever the socket; `::ffff:10.0.0.0/104` is another spelling of
/// `10.0.0.0/8`, and `::/0` is all of IPv6. Python has nothing alike.
///
/// # Examples
///
/// ```
/// use std::net::SocketAddr;
/// use socketserver::{Address, TrustedProxies};
///
/// let trusted: TrustedProxies = "10.0.0.0/8,unix:".parse()?;
/// assert!(trusted.contains(&Address::from(SocketAddr::from(([10, 1, 2, 3], 4567)))));
/// assert!(trusted.contains(&Address::unix("")));
/// assert!(!trusted.contains(&Address::from(SocketAddr::from(([192, 0, 2, 1], 80)))));
/// # Ok::<(), socketserver::InvalidNetwork>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    unix: bool,
    header: Option<ForwardedHeader>,
}

/// A header in which a proxy names its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForwardedHeader {
    /// `Forwarded: for=192.0.2.1` (RFC 7239).
    Forwarded,
    /// `X-Forwarded-For: 192.0.2.1`.
    XForwardedFor,
}

impl ForwardedHeader {
    /// The header's name: `Forwarded` or `X-Forwarded-For`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forwarded => "Forwarded",
            Self::XForwardedFor => "X-Forwarded-For",
        }
    }
}

impl TrustedProxies {
    /// Trusts no peer.
    pub const fn empty() -> Self {
        Self { networks: Vec::new(), unix: false, header: None }
    }

    /// Reads one header alone, the one that the proxies write, and ignores the other.
    ///
    /// Without this, both are read. A proxy that writes one of them usually forwards the other
    /// unchanged, so that a client can set it. The two then differ, and the client's address
    /// becomes `0.0.0.0`. Name the header where something depends on the address, such as a limit
    /// for each client. This does not affect the header of the PROXY protocol.
    ///
    /// ```
    /// use socketserver::{ForwardedHeader, TrustedProxies};
    ///
    /// let trusted: TrustedProxies = "10.0.0.0/8".parse()?;
    /// let trusted = trusted.reading_only(ForwardedHeader::XForwardedFor);
    /// # let _ = trusted;
    /// # Ok::<(), socketserver::InvalidNetwork>(())
    /// ```
    #[must_use]
    pub const fn reading_only(mut self, header: ForwardedHeader) -> Self {
        self.header = Some(header);
        self
    }

    /// The one header that is read; `None` for both.
    pub const fn header(&self) -> Option<ForwardedHeader> {
        self.header
    }

    /// Tells whether no peer is trusted.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.unix
    }

    /// Tells whether this peer is trusted.
    pub fn contains(&self, peer: &Address) -> bool {
        match peer.ip() {
            Some(ip) => self.contains_ip(ip.to_canonical()),
            None => self.unix,
        }
    }

    fn contains_ip(&self, ip: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&ip))
    }
}

impl FromStr for TrustedProxies {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let mut trusted = Self::empty();
        for word in text.split(',').map(str::trim) {
            if word == "unix:" {
                trusted.unix = true;
            } else {
                trusted.networks.push(network(word)?);
            }
        }
        Ok(trusted)
    }
}

/// The list, and behind it the one header that is read, in parentheses, where there is one:
/// `10.0.0.0/8 (X-Forwarded-For)`. That is no part of the list, and cannot be parsed.
impl fmt::Display for TrustedProxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let networks = self.networks.iter().map(ToString::to_string);
        let words: Vec<String> = networks.chain(self.unix.then(|| "unix:".to_owned())).collect();
        f.write_str(&words.join(","))?;
        self.header.map_or(Ok(()), |header| write!(f, " ({})", header.name()))
    }
}

fn network(word: &str) -> Result<IpNet, InvalidNetwork> {
    let invalid = || InvalidNetwork { word: word.to_owned() };
    let network = match word.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => word.parse().map_err(|_| invalid())?,
    };
    // As clients have them: IPv4 in its own form.
    let address = network.trunc().addr().to_canonical();
    let prefix = match (address, network) {
        (IpAddr::V4(_), IpNet::V6(_)) => network.prefix_len().checked_sub(IPV4_IN_IPV6),
        _ => Some(network.prefix_len()),
    };
    prefix.and_then(|prefix| IpNet::new(address, prefix).ok()).ok_or_else(invalid)
}

/// The bits before an IPv4 address in its form for IPv6.
const IPV4_IN_IPV6: u8 = 96;

/// An entry in a list of proxies that is neither an address nor a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidNetwork {
    word: String,
}

impl fmt::Display for InvalidNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' is no IP address, no network as in 10.0.0.0/8, and not 'unix:'", self.word)
    }
}

impl std::error::Error for InvalidNetwork {}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn inet(text: &str) -> Address {
        SocketAddr::new(text.parse().unwrap(), 1).into()
    }

    #[test]
    fn networks_addresses_and_unix_sockets_are_told_apart() {
        let trusted: TrustedProxies = "127.0.0.1, 10.1.2.3/8,::1,fd00::/8".parse().unwrap();
        for peer in ["127.0.0.1", "10.255.0.1", "::1", "fd12::3", "::ffff:10.0.0.1"] {
            assert!(trusted.contains(&inet(peer)), "{peer}");
        }
        for peer in ["127.0.0.2", "11.0.0.1", "::2", "fe80::1", "::ffff:127.0.0.2"] {
            assert!(!trusted.contains(&inet(peer)), "{peer}");
        }
        assert!(!trusted.contains(&Address::unix("/run/app.sock")));
        assert_eq!(trusted.to_string(), "127.0.0.1/32,10.0.0.0/8,::1/128,fd00::/8");
        let reading = trusted.reading_only(ForwardedHeader::XForwardedFor).to_string();
        assert_eq!(reading, "127.0.0.1/32,10.0.0.0/8,::1/128,fd00::/8 (X-Forwarded-For)");
        let local: TrustedProxies = "unix:".parse().unwrap();
        assert!(local.contains(&Address::unix("")) && !local.contains(&inet("127.0.0.1")));
        let mapped = "::ffff:10.0.0.0/104,::ffff:192.0.2.1,::ffff:0:0/96,::ffff:127.0.0.0/128,::/0";
        let spelled = "10.0.0.0/8,192.0.2.1/32,0.0.0.0/0,127.0.0.0/32,::/0";
        let mapped: TrustedProxies = mapped.parse().unwrap();
        assert_eq!(mapped.to_string(), spelled);
        let mapped: TrustedProxies = "::ffff:10.0.0.0/104,::/0".parse().unwrap();
        for (peer, is_trusted) in
            [("10.1.2.3", true), ("::ffff:10.1.2.3", true), ("11.0.0.1", false), ("fd00::1", true)]
        {
            assert_eq!(mapped.contains(&inet(peer)), is_trusted, "{peer}");
        }
        // Less than all of IPv4 and more than IPv4 is what it says, and no IPv4 client is in it.
        let wide: TrustedProxies = "::ffff:10.0.0.0/95".parse().unwrap();
        assert_eq!(wide.to_string(), "::fffe:0:0/95");
        assert!(!wide.contains(&inet("10.1.2.3")));
        assert!(!local.is_empty() && TrustedProxies::default().is_empty());
    }

    #[test]
    fn words_that_are_no_network_are_named() {
        for (text, word) in
            [("", ""), ("1.2.3.4,", ""), ("10.0.0.0/33", "10.0.0.0/33"), ("::1,all", "all")]
        {
            let error = text.parse::<TrustedProxies>().unwrap_err();
            assert!(error.to_string().starts_with(&format!("'{word}' is no IP address")), "{text}");
        }
    }
}
