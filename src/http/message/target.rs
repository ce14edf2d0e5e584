//! A request's target, taken apart (RFC 9112 §3.2).

use std::fmt;

use super::headers::Headers;
use super::host::HostPort;
use crate::http::url::unquote_to_bytes;
use crate::work;

/// What a request's target says: [`Exchange::target`](crate::http::Exchange::target).
///
/// | target | path | query |
/// |---|---|---|
/// | `/a%20b?c=d#e` | `/a%20b` | `c=d` |
/// | `/a?` | `/a` | the empty one |
/// | `http://example.org` | `/` | |
/// | `http://example.org:8000//a?b` | `/a` | `b` |
/// | `*` | `*` | |
///
/// `*` is for `OPTIONS` of the server as a whole (RFC 9112 §3.2.4). Other methods get it all the
/// same, as from Python, whose file handler has it name the file `*`: a handler that writes where
/// the target says refuses it.
///
/// Escapes are as in the target; [`url::unquote`](crate::http::url::unquote) decodes them. Python's
/// handlers cut `self.path` themselves.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    parts: Parts<'a>,
    headers: &'a Headers,
    is_secure: bool,
}

impl<'a> Target<'a> {
    pub(crate) fn new(path: &'a str, headers: &'a Headers, is_secure: bool) -> Self {
        Self { parts: Parts::of(path), headers, is_secure }
    }

    /// The path: without scheme and host, query and fragment.
    pub fn path(&self) -> &'a str {
        self.parts.path
    }

    /// What stands between the question mark and the fragment, if there is a question mark.
    #[doc(alias = "QUERY_STRING")]
    pub fn query(&self) -> Option<&'a str> {
        self.parts.query
    }

    /// The host that the request is for, without its port: the target's where the target has one,
    /// otherwise that of `Host` (RFC 9112 §3.2.2). An IPv6 address is in brackets.
    ///
    /// It is what the client says. Absent in HTTP/0.9 and, where the client names no host, in
    /// HTTP/1.0; absent where `Host` is empty.
    #[doc(alias = "SERVER_NAME")]
    pub fn host(&self) -> Option<&'a str> {
        self.host_port().map(|it| it.host)
    }

    /// The port that belongs to the host: the one that the client names, otherwise 443 over TLS and
    /// for a target of `https`, and 80.
    #[doc(alias = "SERVER_PORT")]
    pub fn port(&self) -> Option<u16> {
        let host = self.host_port()?;
        let is_https = match self.parts.scheme {
            Some(scheme) => scheme.eq_ignore_ascii_case("https"),
            None => self.is_secure,
        };
        Some(host.port.unwrap_or(if is_https { 443 } else { 80 }))
    }

    /// Of `Host`, which has the target's where the target names one.
    fn host_port(&self) -> Option<HostPort<'a>> {
        self.headers.get("Host").and_then(HostPort::parse)
    }

    /// The target without scheme and host.
    pub(crate) fn origin_form(&self) -> String {
        let mut form = self.parts.path.to_owned();
        self.parts.push_end(&mut form);
        form
    }
}

impl fmt::Debug for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("path", &self.path())
            .field("query", &self.query())
            .field("host", &self.host())
            .field("port", &self.port())
            .finish_non_exhaustive()
    }
}

/// The parts of a target, whatever its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parts<'a> {
    /// `http` or `https`, in the client's spelling.
    pub(crate) scheme: Option<&'a str>,
    /// What stands between `//` and the path.
    pub(crate) authority: Option<&'a str>,
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) fragment: Option<&'a str>,
}

impl<'a> Parts<'a> {
    pub(crate) fn of(target: &'a str) -> Self {
        work::note(target.len());
        let (scheme, authority, local) = match target.split_once("://") {
            Some((scheme, rest)) if is_http(scheme) => {
                let (authority, local) =
                    rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
                (Some(scheme), Some(authority), local)
            }
            _ => (None, None, target),
        };
        let (local, fragment) = match local.split_once('#') {
            Some((local, fragment)) => (local, Some(fragment)),
            None => (local, None),
        };
        let (path, query) = match local.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (local, None),
        };
        let path = match authority {
            Some(_) if path.is_empty() => "/",
            // Several slashes are one, as in a target that begins with them.
            Some(_) => &path[path.len() - path.trim_start_matches('/').len() - 1..],
            None => path,
        };
        Self { scheme, authority, path, query, fragment }
    }
}

impl Parts<'_> {
    /// The target with another path.
    pub(crate) fn with_path(&self, path: &str) -> String {
        let mut target = match (self.scheme, self.authority) {
            (Some(scheme), Some(authority)) => [scheme, "://", authority, path].concat(),
            _ => path.to_owned(),
        };
        self.push_end(&mut target);
        target
    }

    /// Adds what stands behind the path.
    fn push_end(&self, target: &mut String) {
        for (mark, part) in [('?', self.query), ('#', self.fragment)] {
            if let Some(part) = part {
                target.push(mark);
                target.push_str(part);
            }
        }
    }
}

fn is_http(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
}

/// What of a path is below a prefix, from its slash on; empty for the prefix itself.
///
/// The prefix is a plain path without a slash at its end. The path may spell it with escapes and
/// more slashes, but not with dots.
pub(crate) fn below<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    let mut rest = path;
    for name in prefix.split('/').skip(1) {
        let names = rest.strip_prefix('/')?.trim_start_matches('/');
        let (first, others) = names.split_at(names.find('/').unwrap_or(names.len()));
        if unquote_to_bytes(first) != name.as_bytes() {
            return None;
        }
        rest = others;
    }
    // Several slashes at the start would name a host.
    let slashes = rest.len() - rest.trim_start_matches('/').len();
    Some(&rest[slashes.saturating_sub(1)..])
}

/// Tells whether the dots of a path lead above where it begins, if only for a while.
pub(crate) fn climbs(path: &str) -> bool {
    let decoded = unquote_to_bytes(path);
    let mut depth = 0_usize;
    for name in decoded.split(|&byte| byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." if depth == 0 => return true,
            b".." => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}

/// A path with its dots resolved, as [`names`] resolves them, and otherwise as it is spelled: with
/// its escapes, slashes among them.
pub(crate) fn without_dots(path: &str) -> String {
    // Each name with the slash before it.
    let mut kept: Vec<(&str, &str)> = Vec::new();
    let (mut slash, mut rest) = ("", path);
    loop {
        let (end, length) = first_slash(rest).unwrap_or((rest.len(), 0));
        let (name, behind) = rest.split_at(end);
        match &unquote_to_bytes(name)[..] {
            b"." => {}
            b".." => {
                while kept.pop_if(|(_, name)| name.is_empty()).is_some() {}
                kept.pop();
            }
            _ => kept.push((slash, name)),
        }
        if length == 0 {
            if matches!(&unquote_to_bytes(name)[..], b"." | b"..") {
                kept.push(("/", ""));
            }
            break;
        }
        (slash, rest) = behind.split_at(length);
    }
    let mut resolved = String::with_capacity(path.len());
    for (slash, name) in kept {
        resolved.push_str(if resolved.is_empty() && !slash.is_empty() { "/" } else { slash });
        resolved.push_str(name);
    }
    resolved
}

/// Where the first slash of a path is, and how many bytes spell it.
fn first_slash(path: &str) -> Option<(usize, usize)> {
    let bytes = path.as_bytes();
    let found = (0..bytes.len()).find_map(|position| match &bytes[position..] {
        [b'/', ..] => Some((position, 1)),
        [b'%', b'2', b'f' | b'F', ..] => Some((position, 3)),
        _ => None,
    });
    work::note(found.map_or(bytes.len(), |(position, length)| position + length));
    found
}

/// The names in a decoded path: dots are resolved, and do not lead above the root.
pub(crate) fn names(decoded: &[u8]) -> Vec<&[u8]> {
    work::note(decoded.len());
    let mut names = Vec::new();
    for name in decoded.split(|&byte| byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    names
}

/// The one spelling of a path that has several: decoded once, with dots resolved.
pub(crate) fn canonical(path: &str) -> Vec<u8> {
    let decoded = unquote_to_bytes(path);
    let mut canonical = Vec::with_capacity(decoded.len() + 1);
    for name in names(&decoded) {
        canonical.push(b'/');
        canonical.extend_from_slice(name);
    }
    if decoded.ends_with(b"/") || canonical.is_empty() {
        canonical.push(b'/');
    }
    canonical
}

/// That of a path that requests are to be compared with. None is that of a request which does not
/// begin with a slash: `""` must not stand for `/`.
pub(crate) fn canonical_page(path: &str) -> Option<Vec<u8>> {
    if !path.starts_with('/') {
        log::warn!("{path:?} is the path of no request: it does not begin with a slash");
        return None;
    }
    Some(canonical(path))
}

#[cfg(test)]
mod tests;
