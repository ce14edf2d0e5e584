//! Whom a PROXY header names, written down a second time: as sections 2.1 and 2.2 of HAProxy's
//! `proxy-protocol.txt` have it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

#[allow(clippy::duplicate_mod, reason = "each check can be a program of its own")]
#[path = "addresses.rs"]
mod addresses;

use addresses::{ipv4, ipv6, is_number};

/// What a connection begins with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Header {
    /// So many bytes, and whom they name.
    Whole(usize, Client),
    /// The rest has not come.
    Cut,
    /// Nothing that anybody would send.
    Bad,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// The connection is the balancer's own, or from somewhere that has no such address.
    Nobody,
    Inet(SocketAddr),
    /// A name, which may begin with NUL; empty where there is none.
    Unix(Vec<u8>),
}

pub(crate) fn header(bytes: &[u8]) -> Header {
    for (start, read) in [(V1, version_1 as fn(&[u8]) -> Header), (V2, version_2)] {
        if bytes.starts_with(start) {
            return read(bytes);
        }
        if start.starts_with(bytes) {
            return Header::Cut;
        }
    }
    Header::Bad
}

/// One line, of which CR LF is the end and the only LF.
fn version_1(bytes: &[u8]) -> Header {
    let line = bytes.split_inclusive(|&byte| byte == b'\n').next().unwrap_or_default();
    if !line.ends_with(b"\n") {
        return if line.len() < 107 { Header::Cut } else { Header::Bad };
    }
    let text = line.strip_suffix(b"\r\n").and_then(|text| str::from_utf8(text).ok());
    let Some(text) = text.filter(|_| line.len() <= 107) else { return Header::Bad };
    let words: Vec<&str> = text.split(' ').collect();
    let client = match words[..] {
        ["PROXY", "UNKNOWN", ..] => Some(Client::Nobody),
        ["PROXY", "TCP4", from, to, from_port, to_port] => {
            between(ipv4(from), ipv4(to), from_port, to_port)
        }
        ["PROXY", "TCP6", from, to, from_port, to_port] => {
            between(ipv6(from), ipv6(to), from_port, to_port)
        }
        _ => None,
    };
    client.map_or(Header::Bad, |client| Header::Whole(line.len(), client))
}

fn between(from: Option<IpAddr>, to: Option<IpAddr>, one: &str, other: &str) -> Option<Client> {
    let port = |word: &str| is_number(word).then(|| word.parse().ok())?;
    let (port, _): (u16, u16) = (port(one)?, port(other)?);
    to.and(from).map(|from| inet(from, port))
}

/// Sixteen bytes that tell how many follow.
fn version_2(bytes: &[u8]) -> Header {
    let &[.., version_and_command, family_and_transport, high, low] =
        bytes.get(..16).unwrap_or(&[])
    else {
        return Header::Cut;
    };
    let length = 16 + usize::from(high) * 256 + usize::from(low);
    if length > 16 * 1024 {
        return Header::Bad;
    }
    let Some(block) = bytes.get(16..length) else { return Header::Cut };
    let port =
        |index: usize| Some(u16::from_be_bytes([*block.get(index)?, *block.get(index + 1)?]));
    let client = match (version_and_command, family_and_transport) {
        // The family of what is local is ignored.
        (0x20, _) => Some(Client::Nobody),
        // An unspecified family or transport has no address that anybody should look at.
        (0x21, 0x00..=0x02 | 0x10 | 0x20 | 0x30) => Some(Client::Nobody),
        (0x21, 0x11 | 0x12) => block.first_chunk::<12>().and_then(|_| {
            let ip = Ipv4Addr::from(*block.first_chunk()?);
            Some(inet(ip.into(), port(8)?))
        }),
        (0x21, 0x21 | 0x22) => block.first_chunk::<36>().and_then(|_| {
            let ip = Ipv6Addr::from(*block.first_chunk::<16>()?);
            Some(inet(ip.into(), port(32)?))
        }),
        (0x21, 0x31 | 0x32) => block.first_chunk::<216>().map(|paths| unix(&paths[..108])),
        _ => None,
    };
    client.map_or(Header::Bad, |client| Header::Whole(length, client))
}

/// IPv4 in the form of IPv6 is IPv4: ten bytes of zeros, two of ones, and the address.
fn inet(ip: IpAddr, port: u16) -> Client {
    let ip = match ip {
        IpAddr::V6(six) => match six.octets() {
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, four @ ..] => Ipv4Addr::from(four).into(),
            _ => ip,
        },
        IpAddr::V4(_) => ip,
    };
    Client::Inet(SocketAddr::new(ip, port))
}

/// A path, or behind a NUL a name that is in no file system, padded with NUL.
fn unix(padded: &[u8]) -> Client {
    let mut words = padded.split(|&byte| byte == 0);
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    Client::Unix(match (first, second) {
        (b"", b"") => Vec::new(),
        (b"", name) => [b"\0", name].concat(),
        (path, _) => path.to_vec(),
    })
}

const V1: &[u8] = b"PROXY ";

const V2: &[u8] = &[0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];
