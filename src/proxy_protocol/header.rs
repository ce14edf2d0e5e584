//! The header of the PROXY protocol, versions 1 and 2: bytes in, an address out.
//!
//! Section numbers are those of HAProxy's `proxy-protocol.txt`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::address::Address;
use crate::os::name_of;
use crate::work;

/// What the beginning of a connection is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// A header of so many bytes, and the client if it names one.
    Complete(Option<Address>, usize),
    /// The beginning of a header.
    Incomplete,
    /// No header, and why.
    Bad(&'static str),
}

/// Reads the header that a connection begins with.
pub(super) fn parse(bytes: &[u8]) -> Parsed {
    work::note(bytes.len().min(FIXED));
    if begins_with(bytes, SIGNATURE) {
        if bytes.len() < FIXED { Parsed::Incomplete } else { binary(bytes) }
    } else if begins_with(bytes, b"PROXY ") {
        text(bytes)
    } else {
        Parsed::Bad("it began without a PROXY header")
    }
}

/// Tells whether `bytes` are the beginning of `prefix` or begin with it.
fn begins_with(bytes: &[u8], prefix: &[u8]) -> bool {
    let known = bytes.len().min(prefix.len());
    bytes[..known] == prefix[..known]
}

/// Version 1 (§2.1): a line of at most 107 bytes, whose only LF is its last.
fn text(bytes: &[u8]) -> Parsed {
    let start = &bytes[..bytes.len().min(LONGEST_LINE)];
    work::note(start.len());
    let length = start.iter().position(|&byte| byte == b'\n').map(|end| end + 1);
    if length.is_none() && bytes.len() < LONGEST_LINE {
        return Parsed::Incomplete;
    }
    let Some(line) = start[..length.unwrap_or(0)].strip_suffix(b"\r\n") else {
        return Parsed::Bad("its PROXY line has no end");
    };
    match str::from_utf8(line).ok().and_then(named_in_line) {
        Some(client) => Parsed::Complete(client, line.len() + 2),
        None => Parsed::Bad("its PROXY line cannot be read"),
    }
}

/// The client of `PROXY TCP4 192.0.2.1 192.0.2.2 56324 443`, or `None` for `PROXY UNKNOWN ...`.
fn named_in_line(line: &str) -> Option<Option<Address>> {
    let mut words = line.split(' ').skip(1);
    let family = words.next()?;
    if family == "UNKNOWN" {
        return Some(None);
    }
    let source = ip(family, words.next()?)?;
    ip(family, words.next()?)?;
    let port = port(words.next()?)?;
    self::port(words.next()?)?;
    words.next().is_none().then(|| Some(SocketAddr::new(source, port).into()))
}

fn ip(family: &str, text: &str) -> Option<IpAddr> {
    match family {
        "TCP4" => text.parse().map(IpAddr::V4).ok(),
        "TCP6" => text.parse().map(IpAddr::V6).ok(),
        _ => None,
    }
}

/// Digits without leading zeros.
fn port(text: &str) -> Option<u16> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    (is_plain && (text == "0" || !text.starts_with('0'))).then(|| text.parse().ok())?
}

/// Version 2 (§2.2): a fixed part, addresses, and fields that are skipped.
fn binary(bytes: &[u8]) -> Parsed {
    let (command, family) = (bytes[12], bytes[13]);
    let length = usize::from(u16::from_be_bytes([bytes[14], bytes[15]]));
    if FIXED + length > LONGEST_HEADER {
        return Parsed::Bad("its PROXY header is too long");
    }
    let Some(payload) = bytes.get(FIXED..FIXED + length) else { return Parsed::Incomplete };
    let client = match command {
        // The balancer speaks for itself, as when it looks whether the server is well.
        0x20 => Some(None),
        0x21 => named_in(family, payload),
        _ => None,
    };
    match client {
        Some(client) => Parsed::Complete(client, FIXED + length),
        None => Parsed::Bad("its PROXY header cannot be read"),
    }
}

/// The client in a block of addresses, which is to be ignored where the family or the transport is
/// unspecified. Streams and datagrams have the same.
fn named_in(family: u8, payload: &[u8]) -> Option<Option<Address>> {
    let (family, transport) = (family >> 4, family & 0x0f);
    if transport > 2 {
        return None;
    }
    match family {
        0 => Some(None),
        1..=3 if transport == 0 => Some(None),
        1 => {
            let source: [u8; 4] = *payload.first_chunk()?;
            Some(Some(inet(Ipv4Addr::from(source).into(), payload.get(8..12)?)))
        }
        2 => {
            let source: [u8; 16] = *payload.first_chunk()?;
            Some(Some(inet(Ipv6Addr::from(source).into(), payload.get(32..36)?)))
        }
        3 => Some(Some(unix(payload.get(..216)?))),
        _ => None,
    }
}

fn inet(ip: IpAddr, ports: &[u8]) -> Address {
    SocketAddr::new(ip, u16::from_be_bytes([ports[0], ports[1]])).into()
}

/// A path that ends with the first NUL, or a name behind a NUL that is in no file system.
fn unix(addresses: &[u8]) -> Address {
    let source = &addresses[..108];
    let from = usize::from(source[0] == 0);
    let end = source[from..].iter().position(|&byte| byte == 0).map_or(108, |end| from + end);
    let name = if end == from { &[][..] } else { &source[..end] };
    Address::unix(name_of(name))
}

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Bytes of version 2 before the addresses.
const FIXED: usize = 16;

/// §2.1: the longest line of version 1 with its end.
const LONGEST_LINE: usize = 107;

/// As much as HAProxy itself takes by default. Only the fields after the addresses can grow, a
/// client's certificate for instance.
const LONGEST_HEADER: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn v2(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(payload.len()).unwrap_or(u16::MAX).to_be_bytes();
        [SIGNATURE, &[command, family], &length, payload].concat()
    }

    fn of_unix(name: &[u8]) -> Vec<u8> {
        let mut payload = vec![0; 216];
        payload[..name.len()].copy_from_slice(name);
        v2(0x21, 0x31, &payload)
    }

    /// Headers that are right, and the client that they name.
    fn good() -> Vec<(Vec<u8>, &'static str)> {
        let inet = [&[192, 0, 2, 1, 10, 0, 0, 1, 0xdc, 0x04, 0x01, 0xbb][..], b"\x04\0\x01x"];
        let mut inet6 = [0; 36];
        inet6[..2].copy_from_slice(&[0x20, 0x01]);
        inet6[33] = 80;
        vec![
            (b"PROXY TCP4 192.0.2.1 10.0.0.1 56324 443\r\n".to_vec(), "192.0.2.1:56324"),
            (b"PROXY TCP6 2001:db8::1 ::1 65535 0\r\n".to_vec(), "[2001:db8::1]:65535"),
            (b"PROXY UNKNOWN\r\n".to_vec(), "-"),
            (b"PROXY UNKNOWN ffff::1 whatever 1 2\r\n".to_vec(), "-"),
            (v2(0x21, 0x11, &inet.concat()), "192.0.2.1:56324"),
            (v2(0x21, 0x12, inet[0]), "192.0.2.1:56324"),
            (v2(0x21, 0x21, &inet6), "[2001::]:80"),
            (v2(0x20, 0x11, inet[0]), "-"),
            (v2(0x20, 0, &[]), "-"),
            (v2(0x21, 0, &[1, 2, 3]), "-"),
            (v2(0x21, 0x10, inet[0]), "-"),
            (of_unix(b"/run/client\0garbage"), "unix:/run/client"),
            (of_unix(b"\0hidden\0"), "unix:@hidden"),
            (of_unix(b""), "unix:"),
            (of_unix(&[b'a'; 216]), "unix:aaa"),
        ]
    }

    #[test]
    fn headers_name_their_client() {
        for (bytes, expected) in good() {
            let Parsed::Complete(client, length) = parse(&bytes) else {
                panic!("{expected}: {:?}", parse(&bytes));
            };
            assert_eq!(length, bytes.len(), "{expected}");
            let client = client.map_or("-".to_owned(), |client| client.to_string());
            assert!(client.starts_with(expected), "{client}, not {expected}");
        }
    }

    #[test]
    fn other_bytes_are_refused() {
        let too_long = [SIGNATURE, &[0x21, 0x11, 0xff, 0xff]].concat();
        let endless = [&b"PROXY UNKNOWN "[..], &[b'x'; 100]].concat();
        for bytes in [
            b"GET / HTTP/1.1\r\n".to_vec(),
            b"PROXY  TCP4 192.0.2.1 10.0.0.1 1 2\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 10.0.0.1 1 2\n".to_vec(),
            b"PROXY UNKNOWN \n\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 10.0.0.1 1 2 3\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 10.0.0.1 1\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.01 10.0.0.1 1 2\r\n".to_vec(),
            b"PROXY TCP4 ::1 ::1 1 2\r\n".to_vec(),
            b"PROXY TCP6 192.0.2.1 10.0.0.1 1 2\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 10.0.0.1 65536 2\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 10.0.0.1 01 2\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 10.0.0.1 +1 2\r\n".to_vec(),
            b"PROXY \xff\r\n".to_vec(),
            v2(0x11, 0x11, &[0; 12]),
            v2(0x22, 0x11, &[0; 12]),
            v2(0x21, 0x11, &[0; 11]),
            v2(0x21, 0x21, &[0; 35]),
            v2(0x21, 0x31, &[0; 215]),
            v2(0x21, 0x41, &[0; 12]),
            v2(0x21, 0x13, &[0; 12]),
            too_long,
            endless,
        ] {
            assert!(matches!(parse(&bytes), Parsed::Bad(_)), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_header_is_known_by_its_last_byte_wherever_it_is_split() {
        for (bytes, expected) in good() {
            for length in 0..bytes.len() {
                assert_eq!(parse(&bytes[..length]), Parsed::Incomplete, "{expected} at {length}");
            }
            let more = [&bytes[..], b"GET / HTTP/1.1\r\n\r\n"].concat();
            assert_eq!(parse(&more), parse(&bytes));
        }
    }

    #[test]
    fn headers_have_a_longest_length() {
        let line = |length: usize| format!("PROXY UNKNOWN {}\r\n", "x".repeat(length - 16));
        let longest = line(LONGEST_LINE);
        assert_eq!(parse(longest.as_bytes()), Parsed::Complete(None, 107));
        let longer = line(LONGEST_LINE + 1);
        assert!(matches!(parse(longer.as_bytes()), Parsed::Bad(_)));
        // There is no line end, nor room for one.
        assert!(matches!(parse(&longer.as_bytes()[..107]), Parsed::Bad(_)));
        assert_eq!(parse(&longer.as_bytes()[..106]), Parsed::Incomplete);
        let binary = |length: usize| v2(0x20, 0, &vec![0; length - FIXED]);
        assert_eq!(parse(&binary(LONGEST_HEADER)), Parsed::Complete(None, 16_384));
        assert!(matches!(parse(&binary(LONGEST_HEADER + 1)), Parsed::Bad(_)));
    }

    #[test]
    fn a_header_costs_what_it_is_long() {
        // A line has at most 107 bytes and is read again with each piece of it; the rest of a
        // binary header is not looked at before it is complete.
        for unit in ["x", " ", "TCP4 ", "1"] {
            assert!(work::assert_linear(unit, 100, |length| {
                let line = unit.chars().cycle().take(length).collect::<String>();
                drop(parse(format!("PROXY {line}\r\n").as_bytes()));
            }));
        }
        assert!(work::assert_linear("binary, byte by byte", 16_000, |length| {
            let bytes = v2(0x21, 0x11, &vec![0; length]);
            for end in 1..=bytes.len() {
                work::note(1);
                drop(parse(&bytes[..end]));
            }
        }));
    }

    proptest! {
        #[test]
        fn nothing_that_is_sent_is_read_beyond_its_end(
            start in 0usize..4, tail in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let starts = [&b""[..], b"PROXY ", b"PROXY TCP4 ", SIGNATURE];
            let bytes = [starts[start], &tail].concat();
            match parse(&bytes) {
                Parsed::Complete(_, length) => prop_assert!(length <= bytes.len()),
                Parsed::Incomplete => prop_assert!(bytes.len() < LONGEST_HEADER),
                Parsed::Bad(_) => {
                    // What is wrong stays wrong.
                    let more = [&bytes[..], b"\r\n"].concat();
                    prop_assert!(matches!(parse(&more), Parsed::Bad(_)));
                }
            }
        }
    }
}
