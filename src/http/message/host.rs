//! A host and a port, as `Host` and a target have them.

use std::net::Ipv6Addr;

use crate::work;

/// `uri-host [":" port]` (RFC 9110 §7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HostPort<'a> {
    /// With the brackets of an IPv6 address. Not empty.
    pub(crate) host: &'a str,
    /// Absent where there is no colon, and where nothing stands behind it.
    pub(crate) port: Option<u16>,
}

impl<'a> HostPort<'a> {
    /// Reads a host and perhaps a port by their grammar (RFC 3986 §3.2.2 and §3.2.3), but for two
    /// things: a comma is no part of a name, as it would be that of two fields made one, and an
    /// address in brackets may have a zone.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let end = rest.find(']')?;
                if !is_bracketed(&rest[..end]) {
                    return None;
                }
                text.split_at(end + 2)
            }
            None => {
                let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
                if !is_name(host) {
                    return None;
                }
                (host, port)
            }
        };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => None,
            None => return None,
            Some("") => None,
            Some(digits) => Some(port_number(digits)?),
        };
        Some(Self { host, port })
    }
}

/// Reads digits, of which any number may be leading zeros.
fn port_number(digits: &str) -> Option<u16> {
    work::note(digits.len());
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() { Some(0) } else { significant.parse().ok() }
}

/// A registered name or an IPv4 address, which looks like one.
fn is_name(text: &str) -> bool {
    !text.is_empty() && consists_of(text, |byte| b"!$&'()*+;=".contains(&byte))
}

/// What may stand in brackets.
fn is_bracketed(text: &str) -> bool {
    if let Some(future) = text.strip_prefix(['v', 'V']) {
        return future.split_once('.').is_some_and(|(version, address)| {
            !version.is_empty()
                && version.bytes().all(|byte| byte.is_ascii_hexdigit())
                && !address.is_empty()
                && address.bytes().all(|byte| is_unreserved(byte) || b"!$&'()*+;=:".contains(&byte))
        });
    }
    match text.split_once('%') {
        // RFC 6874 writes `%25`, and clients that do not know it a bare `%`.
        Some((address, zone)) => {
            let is_zone = !zone.is_empty() && consists_of(zone, |_| false);
            is_zone && address.parse::<Ipv6Addr>().is_ok()
        }
        None => text.parse::<Ipv6Addr>().is_ok(),
    }
}

/// Tells whether a text is made of unreserved characters, whole escapes, and some more.
fn consists_of(text: &str, may_be: impl Fn(u8) -> bool) -> bool {
    work::note(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let is_right = match byte {
            b'%' => [bytes.next(), bytes.next()]
                .iter()
                .all(|digit| digit.is_some_and(|digit| digit.is_ascii_hexdigit())),
            _ => is_unreserved(byte) || may_be(byte),
        };
        if !is_right {
            return false;
        }
    }
    true
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_follow_the_grammar() {
        for (text, host, port) in [
            ("h", "h", None),
            ("h:", "h", None),
            ("h:80", "h", Some(80)),
            ("h:0", "h", Some(0)),
            ("h:0000000080", "h", Some(80)),
            ("h:65535", "h", Some(65_535)),
            ("1.2.3.4:80", "1.2.3.4", Some(80)),
            ("[::1]", "[::1]", None),
            ("[::1]:", "[::1]", None),
            ("[::1]:80", "[::1]", Some(80)),
            ("[::ffff:1.2.3.4]:80", "[::ffff:1.2.3.4]", Some(80)),
            ("[fe80::1%25eth0]:80", "[fe80::1%25eth0]", Some(80)),
            ("[v1.a:b]", "[v1.a:b]", None),
            ("xn--p1ai.example", "xn--p1ai.example", None),
            ("a_b.example.", "a_b.example.", None),
            ("%C3%A9.example", "%C3%A9.example", None),
            ("a!$&'()*+;=~-b", "a!$&'()*+;=~-b", None),
        ] {
            assert_eq!(HostPort::parse(text), Some(HostPort { host, port }), "{text:?}");
        }
    }

    #[test]
    fn what_the_grammar_has_not_is_no_host() {
        for text in [
            "",
            ":",
            ":80",
            "a:b",
            "a:80:80",
            "a:99999",
            "a:65536",
            "a:-1",
            "a:+1",
            "a: 80",
            "a:8 0",
            "a:８0",
            "a b",
            " a",
            "a ",
            "a/b",
            "a?b",
            "a#b",
            "a@b",
            "a\\b",
            "a,b",
            "\"a\"",
            "<a>",
            "a|b",
            "a^b",
            "a`b",
            "a{b}",
            "%",
            "%1",
            "%zz",
            "é",
            "[::1",
            "::1",
            "[]",
            "[]:80",
            "[::1]80",
            "[::1]a",
            "[::1]:b",
            "x[::1]",
            "[[::1]]",
            "[1.2.3.4]",
            "[h]",
            "[v.a]",
            "[v1.]",
            "[vg.a]",
            "[v1.a/b]",
            "[fe80::1%]",
            "[fe80::1%25a/b]",
            "[::1%25a]b]",
            "a]",
            "http://a",
        ] {
            assert_eq!(HostPort::parse(text), None, "{text:?}");
        }
    }
}
