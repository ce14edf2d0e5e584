//! The first line of a request.

use std::borrow::Cow;

use memchr::memchr2;

use super::{Head, Refusal};
use crate::http::message::headers::Headers;
use crate::http::message::host::HostPort;
use crate::http::message::status::Status;
use crate::http::message::target::Parts;
use crate::http::message::text::{Latin1, latin1};
use crate::printable::repr;

/// Reads a request line by CPython's rules, in their order.
pub(super) fn request_line(line: &[u8], decoder: Latin1<'_>) -> Result<Head, Refusal> {
    if memchr2(b'\r', 0, line).is_some() {
        return Err(Refusal::new(
            Status::BAD_REQUEST,
            format!("Bad request syntax ({})", repr(&latin1(line))),
        ));
    }
    let mut words = line.split(is_blank).filter(|word| !word.is_empty());
    let (command, path) = (words.next(), words.next());
    let (third, last) = (words.next(), words.next_back());
    let mut head = Head {
        requestline: decoder.text(line),
        command: command.map_or_else(String::new, |word| decoder.text(word)),
        path: path.map_or_else(String::new, |word| decoder.text(word)),
        request_version: Cow::Borrowed("HTTP/0.9"),
        version: HTTP_0_9,
        headers: Headers::default(),
    };
    if let Some(word) = last.or(third) {
        (head.request_version, head.version) = match word {
            b"HTTP/1.1" => (Cow::Borrowed("HTTP/1.1"), (1, 1)),
            b"HTTP/1.0" => (Cow::Borrowed("HTTP/1.0"), (1, 0)),
            other => (Cow::Owned(latin1(other)), other_version(other)?),
        };
        // HTTP/0.9 has no version in its requests. Where it is named, what is in front of this
        // server has taken the request for one with a head, and takes the file for an answer with
        // one.
        if head.version >= (2, 0) || head.version < (1, 0) {
            let number = head.request_version.trim_start_matches("HTTP/");
            return Err(Refusal::new(
                Status::HTTP_VERSION_NOT_SUPPORTED,
                format!("Invalid HTTP version ({number})"),
            ));
        }
    }
    if path.is_none() || last.is_some() {
        return Err(Refusal::new(
            Status::BAD_REQUEST,
            format!("Bad request syntax ({})", repr(&head.requestline)),
        ));
    }
    if third.is_none() && head.command != "GET" {
        return Err(Refusal::new(
            Status::BAD_REQUEST,
            format!("Bad HTTP/0.9 request type ({})", repr(&head.command)),
        ));
    }
    if named_host(&head).is_some_and(|host| !is_host(host, &head.command)) {
        let message = format!("Bad request target ({})", repr(&head.path));
        return Err(Refusal::new(Status::BAD_REQUEST, message));
    }
    // `*` is a whole target (RFC 9112 §3.2.4). A balancer sees no path in `*/../a`, so that its
    // rules for paths would not hold for the `/a` that it leads to. A tunnel's host may begin with
    // it.
    if head.path.len() > 1 && head.path.starts_with('*') && head.command != "CONNECT" {
        let message = format!("Bad request target ({})", repr(&head.path));
        return Err(Refusal::new(Status::BAD_REQUEST, message));
    }
    if head.path.starts_with("//") {
        // A browser would take what follows for a host (CVE-2021-28861).
        head.path = format!("/{}", head.path.trim_start_matches('/'));
    }
    Ok(head)
}

/// The first word of a request line. More of it may have to come where nothing follows it.
pub(super) fn method(line: &[u8], is_whole: bool) -> String {
    let mut words = line.split(is_blank).skip_while(|word| word.is_empty());
    let word = words.next().unwrap_or_default();
    if is_whole || words.next().is_some() { latin1(word) } else { String::new() }
}

/// The target in the text of a request line.
pub(crate) fn target_in(line: &str) -> &str {
    let is_blank = |character| u8::try_from(character).is_ok_and(|byte| is_blank(&byte));
    line.split(is_blank).filter(|word| !word.is_empty()).nth(1).unwrap_or_default()
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\x0b' | b'\x0c')
}

/// The host in a request's target, if it has one, and its port (RFC 9112 §3.2.2 and §3.2.3).
///
/// User information before the host is ignored. RFC 9110 §4.2.4 recommends to treat it as an error,
/// but Python's clients send it to their proxies.
pub(super) fn named_host(head: &Head) -> Option<&str> {
    if head.command == "CONNECT" {
        return Some(&head.path);
    }
    if head.path.starts_with('/') {
        // As almost all do, and need not be taken apart.
        return None;
    }
    let authority = Parts::of(&head.path).authority?;
    Some(authority.rsplit_once('@').map_or(authority, |(_, host)| host))
}

/// Tells whether a target may name this host. A tunnel needs a port, too (RFC 9110 §9.3.6).
fn is_host(text: &str, command: &str) -> bool {
    HostPort::parse(text).is_some_and(|it| command != "CONNECT" || it.port.is_some())
}

fn other_version(word: &[u8]) -> Result<(u64, u64), Refusal> {
    http_version(word).ok_or_else(|| {
        let message = format!("Bad request version ({})", repr(&latin1(word)));
        Refusal::new(Status::BAD_REQUEST, message)
    })
}

/// Reads `HTTP/x.y`: digits only, at most ten on each side.
fn http_version(word: &[u8]) -> Option<(u64, u64)> {
    let (major, minor) = str::from_utf8(word).ok()?.strip_prefix("HTTP/")?.split_once('.')?;
    let number = |digits: &str| {
        let plain =
            (1..=10).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        if plain { digits.parse().ok() } else { None }
    };
    Some((number(major)?, number(minor)?))
}

/// The version of a request without one.
pub(crate) const HTTP_0_9: (u64, u64) = (0, 9);
