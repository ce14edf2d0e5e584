//! Values of options as text. What is said of a wrong one names the way out.

use std::net::IpAddr;
use std::num::NonZero;
use std::path::Path;
use std::thread::available_parallelism;

use crate::host_text::{bare, is_ipv6, is_number};

/// A port; 0 is one that is free.
pub(crate) fn port(text: &str) -> Result<u16, String> {
    if let Ok(port) = text.parse() {
        return Ok(port);
    }
    if is_number(text.strip_prefix('-').unwrap_or(text)) {
        return Err(format!("{text} is not in 0..=65535"));
    }
    Err(misplaced(text)
        .unwrap_or_else(|| "a port is a number; -d names a directory, -b an address".to_owned()))
}

/// What was meant by a word that is not the port, where that can be known.
pub(crate) fn misplaced(text: &str) -> Option<String> {
    if Path::new(text).is_dir() {
        return Some(format!("to serve this directory, say -d {text}"));
    }
    let place = without_scheme(text);
    match host_and_port(place) {
        Some(("", port)) => Some(format!("give the port alone: socketserver {port}")),
        Some((host, port)) => {
            Some(format!("give address and port apart: socketserver {port} -b {host}"))
        }
        None if bare(place).parse::<IpAddr>().is_ok() => {
            Some(format!("to bind to this address, say -b {}", bare(place)))
        }
        None => None,
    }
}

/// An address to bind to, or a name.
pub(crate) fn address(text: &str) -> Result<String, String> {
    let place = without_scheme(text);
    match host_and_port(place) {
        Some(("", port)) => {
            return Err(format!("give the port alone: socketserver {port}"));
        }
        Some((host, port)) => {
            return Err(format!("give address and port apart: socketserver {port} -b {host}"));
        }
        None => {}
    }
    if matches!(text, "" | "*") {
        return Err("to bind to all interfaces, leave --bind out".to_owned());
    }
    if place.len() < text.len() {
        return Err(format!("it is a URL; say -b {place}"));
    }
    if text.starts_with(['/', '.']) || text.starts_with("unix:") {
        return Err("a Unix socket is given with --unix PATH".to_owned());
    }
    Ok(bare(text).to_owned())
}

/// How many processes are to serve.
pub(crate) fn processes(text: &str) -> Result<u32, String> {
    if text == "auto" {
        let count = available_parallelism().map_or(1, NonZero::get);
        return Ok(u32::try_from(count).unwrap_or(1));
    }
    let reason = "a count from 1 on, or auto for one on each processor";
    count(text).map_err(|_| reason.to_owned())
}

/// How many of something there may be.
pub(crate) fn count(text: &str) -> Result<u32, String> {
    let count = text.parse().ok().filter(|&count| count > 0);
    count.ok_or_else(|| format!("a count is a number from 1 to {}", u32::MAX))
}

/// How long something may take.
pub(crate) fn seconds(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "a number of whole seconds; 0 is for ever".to_owned())
}

/// Permissions as `chmod` takes them in digits.
pub(crate) fn mode(digits: &str) -> Result<u32, String> {
    match u32::from_str_radix(digits, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err("a mode is three octal digits, such as 660".to_owned()),
    }
}

pub(crate) fn absolute_path(text: &str) -> Result<String, &'static str> {
    if text.starts_with('/') { Ok(text.to_owned()) } else { Err("a path begins with a slash") }
}

/// Takes an address with a port apart.
fn host_and_port(text: &str) -> Option<(&str, &str)> {
    let (host, port) = text.rsplit_once(':')?;
    let is_host = !bare(host).contains(':') || is_ipv6(bare(host));
    // The last group of an IPv6 address looks like a port.
    (is_number(port) && is_host && !is_ipv6(text)).then_some((bare(host), port))
}

/// What stands between a URL's slashes.
fn without_scheme(text: &str) -> &str {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    rest.map_or(text, |rest| rest.split('/').next().unwrap_or(rest))
}
