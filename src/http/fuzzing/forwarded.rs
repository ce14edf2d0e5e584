//! The client that a proxy asks for: not one behind a proxy that is not trusted, and the one that a
//! second reading finds.

use std::net::{IpAddr, SocketAddr};

use super::text;
use crate::address::Address;
use crate::http::exchange::client_of;
use crate::http::message::headers::Headers;

#[path = "../../../tests/fuzz/addresses.rs"]
mod addresses;

use addresses::{ipv4, ipv6};

/// Looks for the client of a request. The first byte chooses the peer; each line is a field, of
/// `Forwarded` if it begins with `F`, of `X-Forwarded-For` if with anything else.
pub fn check(data: &[u8]) {
    let [peer, lines @ ..] = data else { return };
    let peer = &peer_number(*peer);
    let lines = lines.split(|&byte| byte == b'\n').filter_map(|line| line.split_first());
    let fields: Vec<Field> =
        lines.map(|(&kind, value)| Field::new(kind == b'F', &text(value))).collect();
    let client = found(peer, &fields);
    assert_eq!(client, client_in(peer, &fields), "{fields:?}");
    if is_same_host(&client, peer) {
        // Where a header names no client, the other one has to name the peer.
        return;
    }
    assert!(is_trusted(peer));
    if is_same_host(&client, &unknown()) {
        return;
    }
    stands_somewhere(&client, &fields);
    for hops in chains(&fields) {
        // All that spoke after it are trusted.
        let same = |hop: &Hop| hop.address().is_some_and(|hop| is_same_host(hop, &client));
        let place = hops.iter().rposition(same).expect("every header that came names the client");
        let later = &hops[place + 1..];
        assert!(later.iter().all(|hop| hop.address().is_some_and(is_trusted)), "{later:?}");
    }
    if !is_trusted(&client) {
        is_not_moved_by_what_comes_first(peer, &fields, &client);
    }
}

/// A field of a request.
#[derive(Clone, Debug)]
struct Field {
    is_forwarded: bool,
    value: String,
}

impl Field {
    fn new(is_forwarded: bool, value: &str) -> Self {
        Self { is_forwarded, value: value.trim_matches(BLANKS).to_owned() }
    }
}

fn found(peer: &Address, fields: &[Field]) -> Address {
    let mut headers = Headers::default();
    for Field { is_forwarded, value } in fields {
        headers.push_text(if *is_forwarded { "Forwarded" } else { "X-Forwarded-For" }, value);
    }
    client_of(peer, &headers, &"10.0.0.0/8,fd00::/8,unix:".parse().expect("a list of networks"))
}

/// The address is in the text: IPv4 has one spelling, in which quotes may stand, unless it is in
/// the form of IPv6.
fn stands_somewhere(client: &Address, fields: &[Field]) {
    let is_mapped = |field: &Field| field.value.replace('\\', "").to_lowercase().contains(":ffff:");
    if fields.iter().any(is_mapped) {
        return;
    }
    if let Some(IpAddr::V4(ip)) = client.ip() {
        let mut values = fields.iter().map(|field| field.value.replace('\\', ""));
        assert!(values.any(|value| value.contains(&ip.to_string())), "{client}");
    }
}

/// What clients have written before the proxy was called is of no consequence.
fn is_not_moved_by_what_comes_first(peer: &Address, fields: &[Field], client: &Address) {
    let first = fields.first().expect("a client that was named");
    for (is_forwarded, lie) in [(true, "for=10.0.0.3"), (false, "10.0.0.3"), (false, "")] {
        if fields.iter().any(|field| field.is_forwarded != is_forwarded) {
            // With the other header it would be a contradiction.
            continue;
        }
        let before = [&[Field::new(is_forwarded, lie)], fields].concat();
        assert_eq!(found(peer, &before), *client, "{before:?}");
        let mut joined = fields.to_vec();
        joined[0].value = format!("{lie} , {}", first.value);
        assert_eq!(found(peer, &joined), *client, "{joined:?}");
    }
}

/// The connected peer.
fn peer_number(number: u8) -> Address {
    match number % 4 {
        0 => SocketAddr::from(([10, 0, 0, 1], 1)).into(),
        1 => SocketAddr::from(([192, 0, 2, 1], 2)).into(),
        2 => Address::unix(""),
        _ => SocketAddr::from(([0, 0, 0, 0, 0, 0xffff, 0x0a00, 0x0002], 3)).into(),
    }
}

/// A proxy that has passed the request on.
#[derive(Clone, Debug)]
enum Hop {
    Known(Address),
    /// Or not to be read.
    Hidden,
    /// What stands there is not an element, so that the next one's beginning is not known.
    Broken,
}

impl Hop {
    fn address(&self) -> Option<&Address> {
        match self {
            Self::Known(address) => Some(address),
            Self::Hidden | Self::Broken => None,
        }
    }
}

/// A client that is not known.
fn unknown() -> Address {
    SocketAddr::from(([0, 0, 0, 0], 0)).into()
}

/// The client, in a second, plain reading.
fn client_in(peer: &Address, fields: &[Field]) -> Address {
    let clients: Vec<Address> = chains(fields).iter().map(|hops| last_known(peer, hops)).collect();
    match &clients[..] {
        [client] if is_trusted(peer) => client.clone(),
        [client, other] if is_trusted(peer) && is_same_host(client, other) => client.clone(),
        [_, _] if is_trusted(peer) => unknown(),
        _ => peer.clone(),
    }
}

/// The hops of `Forwarded` and of `X-Forwarded-For`, those of them that came.
fn chains(fields: &[Field]) -> Vec<Vec<Hop>> {
    let of = |is_forwarded, read: fn(&str) -> Vec<Hop>| {
        let fields = fields.iter().filter(move |field| field.is_forwarded == is_forwarded);
        fields.map(|field| read(&field.value)).reduce(|all, more| [all, more].concat())
    };
    [of(true, forwarded), of(false, list)].into_iter().flatten().collect()
}

/// The furthest client that a trusted proxy has named.
fn last_known(peer: &Address, hops: &[Hop]) -> Address {
    match hops {
        [earlier @ .., Hop::Known(hop)] if is_trusted(peer) => last_known(hop, earlier),
        [.., Hop::Broken] if is_trusted(peer) => unknown(),
        _ => peer.clone(),
    }
}

fn list(value: &str) -> Vec<Hop> {
    let words = value.split(',').map(|word| word.trim_matches(BLANKS));
    words.filter(|word| !word.is_empty()).map(node).collect()
}

/// Elements up to the first that is not one; behind that no beginning is known.
fn forwarded(value: &str) -> Vec<Hop> {
    let mut hops = Vec::new();
    for element in outside_quotes(value, ',') {
        if element.trim_matches(BLANKS).is_empty() {
            continue;
        }
        let Some(hop) = element_for(element) else {
            hops.push(Hop::Broken);
            break;
        };
        hops.push(hop.map_or(Hop::Hidden, |text| node(&text)));
    }
    hops
}

/// What `for` says, if it is there; `None` for what is not an element.
fn element_for(element: &str) -> Option<Option<String>> {
    let mut found = None;
    for pair in outside_quotes(element, ';') {
        let pair = pair.trim_matches(BLANKS);
        if pair.is_empty() {
            continue;
        }
        let (name, value) = pair.split_once('=').filter(|(name, _)| is_token(name))?;
        let value = match value.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => Some(value).filter(|value| is_token(value))?.to_owned(),
        };
        if name.eq_ignore_ascii_case("for") && found.replace(value).is_some() {
            return None;
        }
    }
    Some(found)
}

/// What stands between separators that are in no quotes.
fn outside_quotes(text: &str, separator: char) -> Vec<&str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let is_separator = |character| {
        let is_text = std::mem::take(&mut is_escaped);
        match character {
            '"' if !is_text => is_quoted = !is_quoted,
            '\\' if is_quoted && !is_text => is_escaped = true,
            _ => return character == separator && !is_quoted,
        }
        false
    };
    text.split(is_separator).collect()
}

/// The content of a quoted string, of which this is all but the first quote.
fn unquoted(text: &str) -> Option<String> {
    let (mut content, mut characters) = (String::new(), text.chars());
    loop {
        match characters.next()? {
            '"' => return characters.as_str().is_empty().then_some(content),
            '\\' => content.push(characters.next()?),
            other => content.push(other),
        }
    }
}

fn is_token(text: &str) -> bool {
    let is_other = |character| "!#$%&'*+-.^_`|~".contains(character);
    !text.is_empty() && text.chars().all(|one| one.is_ascii_alphanumeric() || is_other(one))
}

/// RFC 7239 §6, with what else is seen in `X-Forwarded-For`.
fn node(text: &str) -> Hop {
    address(text).map_or(Hop::Hidden, Hop::Known)
}

fn address(text: &str) -> Option<Address> {
    if text == "unix:" {
        return Some(Address::unix(""));
    }
    let (host, port) = match text.rsplit_once(':') {
        // A colon of the address.
        _ if text.ends_with(']') || ipv6(text).is_some() => (text, "0"),
        Some((host, port)) if ipv6(host).is_none() => (host, port),
        Some(_) => return None,
        None => (text, "0"),
    };
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let ip = bracketed.map_or_else(|| ipv4(host).or_else(|| ipv6(host)), ipv6)?;
    Some(SocketAddr::new(ip, port_number(port)?).into())
}

/// One to five digits, or a name that hides which.
fn port_number(port: &str) -> Option<u16> {
    let is_part = |one: char| one.is_ascii_alphanumeric() || "._-".contains(one);
    if let Some(name) = port.strip_prefix('_') {
        return (!name.is_empty() && name.chars().all(is_part)).then_some(0);
    }
    let is_plain = (1..=5).contains(&port.len()) && port.chars().all(|one| one.is_ascii_digit());
    is_plain.then(|| port.parse().ok())?
}

fn is_trusted(peer: &Address) -> bool {
    match peer.ip().map(|ip| ip.to_canonical()) {
        Some(IpAddr::V4(ip)) => ip.octets()[0] == 10,
        Some(IpAddr::V6(ip)) => ip.octets()[0] == 0xfd,
        None => true,
    }
}

fn is_same_host(one: &Address, other: &Address) -> bool {
    one.ip().map(|ip| ip.to_canonical()) == other.ip().map(|ip| ip.to_canonical())
}

const BLANKS: [char; 2] = [' ', '\t'];
