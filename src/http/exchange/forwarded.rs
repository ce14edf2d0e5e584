//! The client that a proxy asks for: `Forwarded` (RFC 7239) and `X-Forwarded-For`.

use std::net::{IpAddr, SocketAddr};

use crate::address::Address;
use crate::http::message::headers::Headers;
use crate::http::message::token::is_token;
use crate::trusted_proxies::{ForwardedHeader, TrustedProxies};
use crate::work;

/// The client that a trusted peer asks for; the peer where it does not say.
///
/// Each proxy adds the address that it was called from at the end. So the list is read from there,
/// for as long as the addresses are those of trusted proxies; what comes before the first other one
/// was not written by a trusted proxy. An address that is hidden (`unknown`, `_gazonk`) ends the
/// search: the last one known is the proxy that hides it.
///
/// A proxy that writes one of the two headers may hand on the other as a client made it up. Where
/// both came, they must name the same client, or neither is believed. The client is [`unknown`]
/// then, and where its own bytes have spoiled what a proxy wrote behind them. It must not be the
/// proxy, as every client would then be allowed what the proxy is. Where the one header is known
/// that counts ([`TrustedProxies::reading_only`]), the other is not looked at.
pub(crate) fn client_of(peer: &Address, headers: &Headers, trusted: &TrustedProxies) -> Address {
    if trusted.is_empty() || !trusted.contains(peer) {
        return peer.clone();
    }
    let found = |hops: Vec<Hop>| walk(peer, hops, trusted);
    let is_read = |header: ForwardedHeader| {
        trusted.header().is_none_or(|only| only == header) && headers.contains(header.name())
    };
    let forwarded = is_read(ForwardedHeader::Forwarded).then(|| found(forwarded(headers)));
    let for_list = is_read(ForwardedHeader::XForwardedFor).then(|| found(x_forwarded_for(headers)));
    match (forwarded, for_list) {
        (None, None) => peer.clone(),
        (Some(client), None) | (None, Some(client)) => client,
        (Some(client), Some(other)) if is_same_host(&client, &other) => client,
        (Some(client), Some(other)) => {
            log::debug!("{peer} names both {client} and {other}; neither is believed");
            unknown()
        }
    }
}

/// The address of a client that cannot be known: `0.0.0.0`.
fn unknown() -> Address {
    SocketAddr::from(([0; 4], 0)).into()
}

/// Where a proxy was called from.
enum Hop {
    Known(Address),
    /// The proxy does not say, or in a way that we do not read.
    Hidden,
    /// What follows is not a list.
    Broken,
}

impl From<Option<Address>> for Hop {
    fn from(address: Option<Address>) -> Self {
        address.map_or(Self::Hidden, Self::Known)
    }
}

/// Goes back from the peer as long as the addresses are trusted.
fn walk(peer: &Address, hops: Vec<Hop>, trusted: &TrustedProxies) -> Address {
    let mut client = peer.clone();
    for hop in hops.into_iter().rev() {
        match hop {
            Hop::Known(address) => client = address,
            Hop::Hidden => break,
            Hop::Broken => return unknown(),
        }
        if !trusted.contains(&client) {
            break;
        }
    }
    client
}

/// The addresses of `X-Forwarded-For`, in order.
fn x_forwarded_for(headers: &Headers) -> Vec<Hop> {
    let values = headers.get_all("X-Forwarded-For");
    let words = values.flat_map(|value| value.split(',')).map(|word| word.trim_matches(BLANKS));
    words.filter(|word| !word.is_empty()).map(|word| node(word).into()).collect()
}

/// The addresses of `Forwarded`, in order.
fn forwarded(headers: &Headers) -> Vec<Hop> {
    let mut hops = Vec::new();
    for value in headers.get_all("Forwarded") {
        let mut rest = without_empty_elements(value);
        while !rest.is_empty() {
            let Some((hop, after)) = element(rest) else {
                // Where it would have gone on is not known.
                hops.push(Hop::Broken);
                break;
            };
            hops.push(hop.and_then(|text| node(&text)).into());
            rest = without_empty_elements(after.unwrap_or_default());
        }
    }
    hops
}

/// The elements of a list from the first that says something (RFC 9110 §5.6.1.2): a proxy that
/// appends to an empty value writes a comma first.
fn without_empty_elements(list: &str) -> &str {
    list.trim_start_matches([' ', '\t', ','])
}

/// Reads `for=192.0.2.43;proto=http` up to the next comma; returns the value of `for`, and what
/// follows the comma if there is one. `None` for what is no such list.
fn element(text: &str) -> Option<(Option<String>, Option<&str>)> {
    let (mut hop, mut rest) = (None, text.trim_start_matches(BLANKS));
    loop {
        if !rest.is_empty() && !rest.starts_with([',', ';']) {
            let (name, after) = rest.split_once('=')?;
            let (value, after) = token_or_quoted(after)?;
            if !is_token(name) || (name.eq_ignore_ascii_case("for") && hop.is_some()) {
                return None;
            }
            if name.eq_ignore_ascii_case("for") {
                hop = Some(value);
            }
            rest = after.trim_start_matches(BLANKS);
        }
        match rest.chars().next() {
            None => return Some((hop, None)),
            Some(',') => return Some((hop, Some(&rest[1..]))),
            Some(';') => rest = rest[1..].trim_start_matches(BLANKS),
            Some(_) => return None,
        }
    }
}

/// Takes a token or a quoted string (RFC 9110 §5.6.4) from the front; returns what it says and the
/// rest.
fn token_or_quoted(text: &str) -> Option<(String, &str)> {
    let taken = take_token_or_quoted(text);
    work::note(taken.as_ref().map_or(text.len(), |(_, rest)| text.len() - rest.len()));
    taken
}

fn take_token_or_quoted(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ';', ' ', '\t']).unwrap_or(text.len());
        let (token, rest) = text.split_at(end);
        return is_token(token).then(|| (token.to_owned(), rest));
    };
    let (mut value, mut characters) = (String::new(), quoted.char_indices());
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return Some((value, &quoted[index + 1..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

/// An address as proxies write it: `192.0.2.43`, `192.0.2.43:4711`, `2001:db8::17`,
/// `[2001:db8::17]:4711`, and nginx's `unix:`. The port is 0 where there is no port, or a hidden
/// one.
fn node(text: &str) -> Option<Address> {
    work::note(text.len());
    if text == "unix:" {
        return Some(Address::unix(""));
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(SocketAddr::new(ip, 0).into());
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (host, after) = bracketed.split_once(']')?;
            let port = if after.is_empty() { None } else { Some(after.strip_prefix(':')?) };
            (IpAddr::V6(host.parse().ok()?), port)
        }
        None => {
            let (host, port) = text.split_once(':')?;
            (IpAddr::V4(host.parse().ok()?), Some(port))
        }
    };
    Some(SocketAddr::new(host, port.map_or(Some(0), port_number)?).into())
}

/// One to five digits, or a name that hides which (RFC 7239 §6).
fn port_number(text: &str) -> Option<u16> {
    if let Some(name) = text.strip_prefix('_') {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        return (!name.is_empty() && name.bytes().all(is_part)).then_some(0);
    }
    let is_plain = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok()).flatten()
}

fn is_same_host(one: &Address, other: &Address) -> bool {
    match (one.ip(), other.ip()) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

/// What may stand around words (RFC 9110 §5.6.3). U+00A0 and U+0085 of ISO 8859-1 may not.
const BLANKS: [char; 2] = [' ', '\t'];

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::http::message::text::Latin1;

    const FORWARDED: &str = "Forwarded";
    const LIST: &str = "X-Forwarded-For";

    /// The client of a request from 10.0.0.1, where 10.0.0.0/8 and Unix sockets are trusted.
    fn client(fields: &[(&str, &str)]) -> String {
        client_for(fields, &"10.0.0.0/8,fd00::/8,unix:".parse().unwrap())
    }

    fn client_for(fields: &[(&str, &str)], trusted: &TrustedProxies) -> String {
        let mut headers = Headers::default();
        for (name, value) in fields {
            headers.push(name, value.as_bytes(), Latin1::new(value.as_bytes()));
        }
        let peer = SocketAddr::from(([10, 0, 0, 1], 1)).into();
        client_of(&peer, &headers, trusted).to_string()
    }

    const PEER: &str = "10.0.0.1:1";
    const UNKNOWN: &str = "0.0.0.0:0";

    #[test]
    fn the_last_address_that_is_no_proxy_is_the_clients() {
        for (list, expected) in [
            ("192.0.2.1", "192.0.2.1:0"),
            ("192.0.2.1:99", "192.0.2.1:99"),
            ("6.6.6.6, 192.0.2.1", "192.0.2.1:0"),
            ("6.6.6.6, 192.0.2.1, 10.0.0.2", "192.0.2.1:0"),
            ("garbage, 192.0.2.1,10.0.0.3 ,  10.0.0.2", "192.0.2.1:0"),
            ("2001:db8::1", "[2001:db8::1]:0"),
            ("[2001:db8::1]:99,unix:", "[2001:db8::1]:99"),
            ("10.0.0.3, 10.0.0.2", "10.0.0.3:0"),
            ("192.0.2.1, unknown, 10.0.0.2", "10.0.0.2:0"),
            ("unknown", PEER),
            ("192.0.2.1,", "192.0.2.1:0"),
            (", 192.0.2.1 , ,, ", "192.0.2.1:0"),
            ("6.6.6.6,,192.0.2.1,\t,10.0.0.2", "192.0.2.1:0"),
            (", ,", PEER),
            ("", PEER),
        ] {
            assert_eq!(client(&[(LIST, list)]), expected, "{list:?}");
        }
        let lines = [(LIST, "6.6.6.6"), (LIST, "192.0.2.1"), (LIST, "10.0.0.2")];
        assert_eq!(client(&lines), "192.0.2.1:0");
    }

    #[test]
    fn forwarded_is_read_as_its_grammar_has_it() {
        for (value, expected) in [
            ("for=192.0.2.43", "192.0.2.43:0"),
            ("For=\"192.0.2.43:4711\"", "192.0.2.43:4711"),
            ("proto=http;by=203.0.113.43; FOR=192.0.2.43", "192.0.2.43:0"),
            ("for=\"[2001:db8:cafe::17]:4711\"", "[2001:db8:cafe::17]:4711"),
            ("for=\"[2001:db8::17]\"", "[2001:db8::17]:0"),
            ("for=\"192.0.2.43:_port\"", "192.0.2.43:0"),
            (
                "for=6.6.6.6, for=192.0.2.43;by=_x, for=10.0.0.2;secret=\"a, b;c\\\"\"",
                "192.0.2.43:0",
            ),
            ("for=_hidden, for=10.0.0.2", "10.0.0.2:0"),
            ("for=unknown", PEER),
            ("for=_gazonk", PEER),
            ("proto=http", PEER),
            ("for=192.0.2.43,", "192.0.2.43:0"),
            (" ,, for=192.0.2.43 , \t,", "192.0.2.43:0"),
            ("for=6.6.6.6,,for=192.0.2.43;,,for=10.0.0.2,", "192.0.2.43:0"),
            (",", PEER),
            // An element without the client that it is for.
            ("for=192.0.2.43, ;", PEER),
            ("for=192.0.2.43;for=192.0.2.44", UNKNOWN),
            ("for=\"192.0.2.43", UNKNOWN),
            ("for=\"6.6.6.6, for=192.0.2.43", UNKNOWN),
            ("for=[2001:db8::17]", UNKNOWN),
            ("for=\"192.0.2.43:+80\"", PEER),
            ("for=\"192.0.2.43:000080\"", PEER),
            ("for=\"192.0.2.43:_\"", PEER),
            ("for = 192.0.2.43", UNKNOWN),
            ("=", UNKNOWN),
        ] {
            assert_eq!(client(&[(FORWARDED, value)]), expected, "{value:?}");
        }
    }

    #[test]
    fn both_headers_are_believed_only_where_they_agree() {
        let agree = [(LIST, "192.0.2.1"), (FORWARDED, "for=\"192.0.2.1:99\"")];
        assert_eq!(client(&agree), "192.0.2.1:99");
        let nginx = (LIST, "unix:");
        assert_eq!(client(&[nginx, (FORWARDED, "for=\"unix:\"")]), "unix:");
        assert_eq!(client(&[nginx, (FORWARDED, "for=192.0.2.1")]), UNKNOWN);
        // Whichever of them the proxy wrote, the client wrote the other.
        assert_eq!(client(&[(LIST, "192.0.2.1"), (FORWARDED, "for=6.6.6.6")]), UNKNOWN);
        assert_eq!(client(&[(LIST, "6.6.6.6"), (FORWARDED, "for=192.0.2.1")]), UNKNOWN);
        // The proxy does not become the client, whatever a client makes up.
        for forged in ["for=_x", "for=10.0.0.1", "proto=http", "for=\"", ""] {
            let made_up = client(&[(FORWARDED, forged), (LIST, "192.0.2.1")]);
            assert_eq!(made_up, UNKNOWN, "{forged}");
        }
        // An empty line names no client; that it came at all counts.
        for name in [FORWARDED, LIST] {
            let value = if name == LIST { "192.0.2.1" } else { "for=192.0.2.1" };
            for lines in [[(name, value), (name, "")], [(name, " ,"), (name, value)]] {
                assert_eq!(client(&lines), "192.0.2.1:0", "{lines:?}");
            }
        }
        // A line of its own is read on its own.
        let lines = [(FORWARDED, "for=\"6.6.6.6"), (FORWARDED, "for=192.0.2.1")];
        assert_eq!(client(&lines), "192.0.2.1:0");
    }

    #[test]
    fn what_a_stranger_says_of_others_is_not_read() {
        for trusted in [TrustedProxies::default(), "172.16.0.0/12".parse().unwrap()] {
            for field in [(LIST, "192.0.2.1"), (FORWARDED, "for=192.0.2.1"), (FORWARDED, "\"")] {
                assert_eq!(client_for(&[field], &trusted), PEER, "{field:?}");
            }
        }
    }

    #[test]
    fn one_header_alone_is_read_where_it_is_named() {
        let trusted: TrustedProxies = "10.0.0.0/8".parse().unwrap();
        for (only, name, value, other, forged) in [
            (ForwardedHeader::XForwardedFor, LIST, "192.0.2.1", FORWARDED, "for=6.6.6.6"),
            (ForwardedHeader::Forwarded, FORWARDED, "for=192.0.2.1", LIST, "6.6.6.6"),
        ] {
            let trusted = trusted.clone().reading_only(only);
            for forged in [forged, "", "\"", "unknown"] {
                let lines = [(other, forged), (name, value)];
                assert_eq!(client_for(&lines, &trusted), "192.0.2.1:0", "{lines:?}");
                assert_eq!(client_for(&lines[..1], &trusted), PEER);
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_is_sent_is_an_address_or_nothing(
            list in "[0-9a-f.:,\\[\\] \"_=;\\\\]{0,40}|.{0,40}",
            value in "(for=)?[0-9a-f.:,\\[\\] \"_=;\\\\]{0,40}|.{0,40}",
        ) {
            client(&[(LIST, &list)]);
            client(&[(FORWARDED, &value)]);
            // What stands before the last entry and is not trusted changes nothing.
            let ending = format!("{list},192.0.2.9");
            prop_assert_eq!(client(&[(LIST, &ending)]), "192.0.2.9:0");
        }
    }
}
