//! The part of a URL that names a user, a host and a port.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::value_error::ValueError;

/// `user:password@host:port`, or a part of that.
#[derive(Clone, Copy)]
pub(super) struct Netloc<'a>(pub(super) &'a str);

impl<'a> Netloc<'a> {
    /// Refuses what readers of URLs have been deceived with.
    pub(super) fn check(self) -> Result<(), ValueError> {
        match (self.0.contains('['), self.0.contains(']')) {
            (true, true) => self.check_brackets()?,
            (false, false) => {}
            _ => return Err(ValueError::InvalidIpv6Url),
        }
        // Names are compared under NFKC, which makes these characters delimiters (CVE-2019-9636).
        if self.0.contains(STANDS_FOR_DELIMITERS) {
            return Err(ValueError::InvalidNetloc(self.0.to_owned()));
        }
        Ok(())
    }

    /// Brackets hold the host and nothing else (CVE-2025-0938).
    fn check_brackets(self) -> Result<(), ValueError> {
        let host_and_port = self.host_and_port();
        let Some((before, bracketed)) = host_and_port.split_once('[') else {
            return check_address(partition(host_and_port, ':').0);
        };
        let (host, after) = partition(bracketed, ']');
        if !before.is_empty() || !(after.is_empty() || after.starts_with(':')) {
            return Err(ValueError::InvalidIpv6Url);
        }
        check_address(host)
    }

    pub(super) fn username(self) -> Option<&'a str> {
        let (user, _) = self.0.rsplit_once('@')?;
        Some(partition(user, ':').0)
    }

    pub(super) fn password(self) -> Option<&'a str> {
        let (user, _) = self.0.rsplit_once('@')?;
        Some(user.split_once(':')?.1)
    }

    pub(super) fn hostname(self) -> Option<String> {
        let (host, _) = self.host_info();
        if host.is_empty() {
            return None;
        }
        // The zone of an address keeps its case.
        let zone = host.find('%').unwrap_or(host.len());
        Some(host[..zone].to_lowercase() + &host[zone..])
    }

    pub(super) fn port(self) -> Result<Option<u16>, ValueError> {
        let (_, port) = self.host_info();
        if port.is_empty() {
            return Ok(None);
        }
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ValueError::InvalidPort(port.to_owned()));
        }
        port.parse().map(Some).map_err(|_| ValueError::PortOutOfRange)
    }

    fn host_and_port(self) -> &'a str {
        self.0.rsplit_once('@').map_or(self.0, |(_, host_and_port)| host_and_port)
    }

    fn host_info(self) -> (&'a str, &'a str) {
        let host_and_port = self.host_and_port();
        match host_and_port.split_once('[') {
            Some((_, bracketed)) => {
                let (host, port) = partition(bracketed, ']');
                (host, partition(port, ':').1)
            }
            None => partition(host_and_port, ':'),
        }
    }
}

/// Python's `text.partition(separator)` without the separator.
fn partition(text: &str, separator: char) -> (&str, &str) {
    text.split_once(separator).unwrap_or((text, ""))
}

/// Accepts what may stand in brackets (RFC 3986 section 3.2.2), and a zone.
fn check_address(text: &str) -> Result<(), ValueError> {
    if text.starts_with(['v', 'V']) {
        return if is_future(text) { Ok(()) } else { Err(ValueError::InvalidIpvFuture) };
    }
    if text.parse::<Ipv4Addr>().is_ok() {
        return Err(ValueError::BracketedIpv4);
    }
    let (address, zone) = text.split_once('%').map_or((text, None), |(a, zone)| (a, Some(zone)));
    let is_zone = zone.is_none_or(|zone| !zone.is_empty() && !zone.contains('%'));
    if is_zone && address.parse::<Ipv6Addr>().is_ok() {
        return Ok(());
    }
    Err(ValueError::InvalidAddress(text.to_owned()))
}

/// `v`, the version in hexadecimal digits, a dot, and something.
fn is_future(text: &str) -> bool {
    let (version, rest) = partition(&text[1..], '.');
    !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_hexdigit()) && !rest.is_empty()
}

/// The characters that become or contain one of `/?#@:` under NFKC. These five do not combine with
/// what follows, so that a look at single characters is enough.
const STANDS_FOR_DELIMITERS: [char; 19] = [
    '\u{2047}', '\u{2048}', '\u{2049}', '\u{2100}', '\u{2101}', '\u{2105}', '\u{2106}', '\u{2A74}',
    '\u{FE13}', '\u{FE16}', '\u{FE55}', '\u{FE56}', '\u{FE5F}', '\u{FE6B}', '\u{FF03}', '\u{FF0F}',
    '\u{FF1A}', '\u{FF1F}', '\u{FF20}',
];
