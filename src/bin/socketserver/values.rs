//! Reads values of options. An error says what to write instead.

use std::borrow::Cow;
use std::net::IpAddr;
use std::num::NonZero;
use std::path::Path;
use std::str::FromStr;
use std::thread::available_parallelism;

use crate::header::Header;
use crate::host_text::{bare, is_ipv6, is_number};
use crate::token::is_token;

/// The number that digits stand for, and nothing else: Rust would take a sign, too.
pub(crate) fn number<T: FromStr>(text: &str) -> Option<T> {
    if is_number(text) { text.parse().ok() } else { None }
}

/// A port; 0 stands for a free one.
pub(crate) fn port(text: &str) -> Result<u16, String> {
    if let Some(port) = number(text) {
        return Ok(port);
    }
    if let Some(digits) = text.strip_prefix('+').filter(|digits| is_number(digits)) {
        return Err(format!("a port is written in digits alone: {digits}"));
    }
    if is_number(text.strip_prefix('-').unwrap_or(text)) {
        return Err(format!("{text} is not in 0..=65535"));
    }
    Err(misplaced(text)
        .unwrap_or_else(|| "a port is a number; -d names a directory, -b an address".to_owned()))
}

/// A content type: a type and a subtype, and perhaps parameters (RFC 9110 §8.3.1).
pub(crate) fn content_type(text: &str) -> Result<String, String> {
    if !is_content_type(text) {
        return Err("a content type is written as text/plain or 'text/plain; charset=utf-8'".into());
    }
    Header::new("Content-Type", text).map(|header| header.value)
}

fn is_content_type(text: &str) -> bool {
    let (essence, mut parameters) = text.split_at(text.find(';').unwrap_or(text.len()));
    let is_type = essence
        .trim_end_matches(BLANK)
        .split_once('/')
        .is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype));
    while let Some(parameter) = parameters.strip_prefix(';') {
        let Some((name, value)) = parameter.trim_start_matches(BLANK).split_once('=') else {
            return false;
        };
        let Some(rest) = after_value(value).filter(|_| is_token(name)) else { return false };
        parameters = rest.trim_start_matches(BLANK);
    }
    is_type && parameters.is_empty()
}

/// What follows the word or the text in quotes that a parameter begins with.
fn after_value(text: &str) -> Option<&str> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ' ', '\t']).unwrap_or(text.len());
        return is_token(&text[..end]).then_some(&text[end..]);
    };
    let mut is_escaped = false;
    let end = quoted.find(|character| {
        let is_end = character == '"' && !is_escaped;
        is_escaped = character == '\\' && !is_escaped;
        is_end
    });
    end.map(|end| &quoted[end + 1..])
}

const BLANK: [char; 2] = [' ', '\t'];

/// What to write instead of an argument that is not a port, if its meaning is clear.
pub(crate) fn misplaced(text: &str) -> Option<String> {
    if Path::new(text).is_dir() {
        return Some(format!("to serve this directory, use -d {text}"));
    }
    if text == "replace" {
        return Some("it is one word with its option, --upload=replace".to_owned());
    }
    let place = &*without_scheme(text);
    match host_and_port(place) {
        Some(("", port)) => Some(format!("give the port alone: socketserver {port}")),
        Some((host, port)) => {
            Some(format!("give the address and the port separately: socketserver {port} -b {host}"))
        }
        None if bare(place).parse::<IpAddr>().is_ok() || is_ipv6(bare(place)) => {
            Some(format!("to bind to this address, use -b {}", bare(place)))
        }
        None => None,
    }
}

/// An address or a name to bind to.
pub(crate) fn address(text: &str) -> Result<String, String> {
    let place = &*without_scheme(text);
    match host_and_port(place) {
        Some(("", port)) => {
            return Err(format!("give the port alone: socketserver {port}"));
        }
        Some((host, port)) => {
            return Err(format!(
                "give the address and the port separately: socketserver {port} -b {host}"
            ));
        }
        None => {}
    }
    if matches!(text, "" | "*") {
        return Err("to bind to all interfaces, leave --bind out".to_owned());
    }
    if place.len() < text.len() {
        return Err(format!("it is a URL; use -b {}", bare(place)));
    }
    if text.starts_with(['/', '.']) || text.starts_with("unix:") {
        return Err("a Unix socket is given with --unix PATH".to_owned());
    }
    Ok(bare(text).to_owned())
}

/// The number of processes that serve.
pub(crate) fn processes(text: &str) -> Result<u32, String> {
    if text == "auto" {
        let count = available_parallelism().map_or(1, NonZero::get);
        return Ok(u32::try_from(count).unwrap_or(1));
    }
    let reason = "a number from 1 up is expected, or auto for one process for each processor";
    match number(text) {
        Some(count) if count > 0 => Ok(count),
        None if is_number(text) => Err(format!("it is too large; {reason}")),
        _ => Err(reason.to_owned()),
    }
}

/// An upper limit.
pub(crate) fn count(text: &str) -> Result<u32, String> {
    let count = number(text).filter(|&count| count > 0);
    count.ok_or_else(|| format!("a number from 1 to {} is expected", u32::MAX))
}

/// A number of bytes, perhaps of a power of 1024.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|character: char| character.is_ascii_alphabetic());
    let unit = text[digits.len()..].to_ascii_uppercase();
    let letter = unit.strip_suffix("IB").or_else(|| unit.strip_suffix('B')).unwrap_or(&unit);
    let shift = match letter {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => 64,
    };
    if shift == 64 || !is_number(digits) {
        return Err("a number of bytes is expected, perhaps with K, M, G or T".to_owned());
    }
    if letter != unit {
        return Err(format!("write {digits}{letter}; K, M, G and T are powers of 1024"));
    }
    let bytes = number(digits).and_then(|number: u64| number.checked_mul(1 << shift));
    bytes.ok_or_else(|| format!("it is too large; the most is {} bytes", u64::MAX))
}

/// A time limit.
pub(crate) fn seconds(text: &str) -> Result<u32, String> {
    whole_seconds(text).map_err(|reason| format!("{reason}; 0 is no limit"))
}

/// A time that may be none.
pub(crate) fn whole_seconds(text: &str) -> Result<u32, String> {
    number(text).ok_or_else(|| match is_number(text) {
        true => format!("it is too large; the most is {} seconds", u32::MAX),
        false => "a number of whole seconds is expected".to_owned(),
    })
}

/// Permissions in octal digits, as for `chmod`.
pub(crate) fn mode(digits: &str) -> Result<u32, String> {
    match u32::from_str_radix(digits, 8) {
        Ok(mode) if is_number(digits) && mode <= 0o777 => Ok(mode),
        _ => Err("three octal digits are expected, such as 660".to_owned()),
    }
}

/// A path of one of the server's own pages.
///
/// In one spelling alone, so that equal ones are equal texts. Requests may spell it otherwise.
pub(crate) fn plain_path(text: &str) -> Result<String, &'static str> {
    let Some(names) = text.strip_prefix('/') else {
        return Err("a path must begin with a slash");
    };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()+,;=:@".contains(&byte);
    let mut inner = names.strip_suffix('/').unwrap_or(names).split('/');
    let is_name = |name: &str| !matches!(name, "" | "." | "..") && name.bytes().all(is_plain);
    if names.is_empty() || inner.all(is_name) {
        return Ok(text.to_owned());
    }
    Err("a plain path is expected, such as /healthz, without a query, escapes or dots")
}

/// Splits an address from its port.
fn host_and_port(text: &str) -> Option<(&str, &str)> {
    let (host, port) = text.rsplit_once(':')?;
    let is_host = !bare(host).contains(':') || is_ipv6(bare(host));
    // The last group of an IPv6 address looks like a port.
    (is_number(port) && is_host && !is_ipv6(text)).then_some((bare(host), port))
}

/// The host and port of a URL; other text as it is. A URL has `%25` before the zone of an address
/// (RFC 6874 §2).
fn without_scheme(text: &str) -> Cow<'_, str> {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    match rest.map(|rest| rest.split('/').next().unwrap_or(rest)) {
        Some(place) if place.starts_with('[') => place.replacen("%25", "%", 1).into(),
        Some(place) => place.into(),
        None => text.into(),
    }
}
