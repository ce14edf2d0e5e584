//! Bytes in, a request's head or a refusal out. Knows no socket.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter, memrchr};

use super::head_end::head_end;
use super::headers::Headers;
use super::host::HostPort;
use super::status::Status;
use super::target::Parts;
use super::text::{Latin1, latin1};
use crate::connection::Searched;
use crate::printable::repr;
use crate::work;

/// What the bytes received so far amount to.
#[derive(Debug)]
pub(crate) enum Parsed {
    /// The beginning of a head.
    Incomplete,
    /// A whole head, and how many bytes it took.
    Complete(Head, usize),
    /// No request that may be served, and what is known of it.
    Refused(Refusal, Box<Head>),
}

/// A request's head.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) requestline: String,
    pub(crate) command: String,
    pub(crate) path: String,
    /// As the client wrote it.
    pub(crate) request_version: Cow<'static, str>,
    pub(crate) version: (u64, u64),
    pub(crate) headers: Headers,
}

impl Head {
    /// The head of a request of which nothing is known.
    pub(crate) fn unread() -> Self {
        Self::of_method(String::new(), String::new())
    }

    /// The head of a request of which no more than its first line is known, and its method, if
    /// that.
    fn of_method(requestline: String, command: String) -> Self {
        Self {
            requestline,
            command,
            path: String::new(),
            request_version: "HTTP/1.0".into(),
            version: (1, 0),
            headers: Headers::default(),
        }
    }
}

/// Why a request is not served.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: Status,
    pub(crate) message: String,
    /// Where the status itself does not explain enough.
    pub(crate) explain: Option<&'static str>,
}

impl Refusal {
    pub(crate) fn new(status: Status, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), explain: None }
    }

    fn explained(status: Status, message: &str, explain: &'static str) -> Self {
        Self { status, message: message.into(), explain: Some(explain) }
    }
}

/// Looks for a request's head at the start of `bytes`, and notes in `searched` how far it has
/// looked, for the next call with more of them.
///
/// Limits are CPython's: lines of 65,536 bytes, fewer than 100 header fields; and a total.
pub(crate) fn parse(bytes: &[u8], searched: &mut Searched) -> Parsed {
    let before = std::mem::replace(&mut searched.bytes, bytes.len());
    if searched.first_line_end.is_none() {
        let end = memchr(b'\n', &bytes[before..]);
        work::note(end.unwrap_or(bytes.len() - before));
        searched.first_line_end = end.map(|end| before + end);
    }
    let Some(line_end) = searched.first_line_end else {
        return if bytes.len() > LINE_LIMIT { too_long(bytes) } else { Parsed::Incomplete };
    };
    if line_end + 1 > LINE_LIMIT {
        return too_long(&bytes[..=line_end]);
    }
    let head_end = head_end(bytes, line_end + 1, before).map(|(_, behind)| behind);
    if head_end.is_none()
        && let Some(end) = memrchr(b'\n', &bytes[before..])
    {
        searched.last_line_end = before + end;
    }
    // The request line is judged as soon as it is there, so that what is no HTTP at all need
    // not be waited for, and then again with the headers.
    if head_end.is_none() && before > line_end {
        return unfinished(bytes, searched);
    }
    let decoder = Latin1::new(&bytes[..head_end.unwrap_or(line_end + 1)]);
    let requestline = trim_line_end(&bytes[..line_end]);
    let mut head = match request_line(requestline, decoder) {
        Ok(head) => head,
        Err(refusal) => {
            return Parsed::Refused(refusal, Box::new(begun(&bytes[..=line_end])));
        }
    };
    if head.version == HTTP_0_9 {
        // No headers follow; 3.14 answers at once, too.
        return Parsed::Complete(head, line_end + 1);
    }
    let Some(head_end) = head_end else {
        return unfinished(bytes, searched);
    };
    if let Some(refusal) = total_refused(head_end) {
        return Parsed::Refused(refusal, Box::new(head));
    }
    match header_fields(&bytes[line_end + 1..head_end], decoder, &head) {
        Ok(headers) => {
            head.headers = headers;
            Parsed::Complete(head, head_end)
        }
        Err(refusal) => Parsed::Refused(refusal, Box::new(head)),
    }
}

/// How many bytes at the start are empty lines, which a server skips before a request
/// (RFC 9112 §2.2).
pub(crate) fn leading_blank(bytes: &[u8]) -> usize {
    let mut count = 0;
    loop {
        match &bytes[count..] {
            [b'\r', b'\n', ..] => count += 2,
            [b'\n', ..] => count += 1,
            _ => return count,
        }
    }
}

/// Refuses a head of this many bytes, the empty lines before it included, if that is too large.
pub(crate) fn total_refused(length: usize) -> Option<Refusal> {
    let explain = "got more than 262144 bytes when reading headers";
    (length > HEAD_LIMIT).then(|| {
        Refusal::explained(Status::REQUEST_HEADER_FIELDS_TOO_LARGE, "Headers too large", explain)
    })
}

/// A head of which more must come, unless it is too large already.
fn unfinished(bytes: &[u8], searched: &Searched) -> Parsed {
    let refusal = if bytes.len() - searched.last_line_end > LINE_LIMIT {
        line_too_long()
    } else if let Some(refusal) = total_refused(bytes.len()) {
        refusal
    } else {
        return Parsed::Incomplete;
    };
    Parsed::Refused(refusal, Box::new(begun(bytes)))
}

/// What is known of a request of which no more is read: its request line, where that has come whole
/// and is one; its method otherwise, where that has come whole. An answer to HEAD must have no
/// content whatever the reason for it is (RFC 9110 §9.3.2).
pub(crate) fn begun(bytes: &[u8]) -> Head {
    let end = memchr(b'\n', bytes);
    let line = trim_line_end(&bytes[..end.unwrap_or(bytes.len())]);
    let head = end.and_then(|_| request_line(line, Latin1::new(line)).ok());
    head.unwrap_or_else(|| Head::of_method(latin1(line), method(line, end.is_some())))
}

/// The first word of a request line. More of it may have to come where nothing follows it.
fn method(line: &[u8], is_whole: bool) -> String {
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
    b" \t\x0b\x0c".contains(byte)
}

/// Reads a request line by CPython's rules, in their order.
fn request_line(line: &[u8], decoder: Latin1<'_>) -> Result<Head, Refusal> {
    if line.iter().any(|&byte| byte == b'\r' || byte == 0) {
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
        head.version = http_version(word).ok_or_else(|| {
            Refusal::new(
                Status::BAD_REQUEST,
                format!("Bad request version ({})", repr(&latin1(word))),
            )
        })?;
        head.request_version = match word {
            b"HTTP/1.1" => Cow::Borrowed("HTTP/1.1"),
            b"HTTP/1.0" => Cow::Borrowed("HTTP/1.0"),
            other => Cow::Owned(latin1(other)),
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

/// The host in a request's target, if it has one, and its port (RFC 9112 §3.2.2 and §3.2.3).
///
/// User information before the host is ignored. RFC 9110 §4.2.4 recommends to treat it as an error,
/// but Python's clients send it to their proxies.
fn named_host(head: &Head) -> Option<&str> {
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

/// Reads header fields up to and with the empty line.
fn header_fields(bytes: &[u8], decoder: Latin1<'_>, head: &Head) -> Result<Headers, Refusal> {
    work::note(bytes.len());
    let mut start = 0;
    let mut lines = 0;
    for end in memchr_iter(b'\n', bytes) {
        if end + 1 - start > LINE_LIMIT {
            return Err(line_too_long());
        }
        (start, lines) = (end + 1, lines + 1);
    }
    if lines > MAX_LINES {
        return Err(Refusal::explained(
            Status::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "Too many headers",
            "got more than 100 headers",
        ));
    }
    // Clearing room for as many as are allowed takes 240 instructions more, 1 % (callgrind).
    let (mut few, mut many);
    let room: &mut [httparse::Header<'_>] = if lines <= FEW_LINES {
        few = [httparse::EMPTY_HEADER; FEW_LINES];
        &mut few
    } else {
        many = [httparse::EMPTY_HEADER; MAX_LINES];
        &mut many
    };
    let fields = field_lines(bytes, room)
        .map_err(|why| Refusal::new(Status::BAD_REQUEST, format!("Bad header syntax{why}")))?;
    let mut headers = Headers::with_capacity(fields.len(), bytes.len());
    for field in fields {
        headers.push(field.name, field.value, decoder);
    }
    check_host(&headers, head.version)?;
    if let Some(host) = named_host(head) {
        headers.set("Host", host);
    }
    Ok(headers)
}

/// Takes field lines apart, up to and with the empty line behind them, or says in brackets what is
/// wrong with them.
///
/// Those of a head and those behind the last chunk of a body (RFC 9112 §5 and §7.1.2).
pub(crate) fn field_lines<'h, 'b>(
    bytes: &'b [u8],
    room: &'h mut [httparse::Header<'b>],
) -> Result<&'h [httparse::Header<'b>], String> {
    match httparse::parse_headers(bytes, room) {
        Ok(httparse::Status::Complete((_, fields))) => Ok(fields),
        Ok(httparse::Status::Partial) => Err(String::new()),
        Err(error) => Err(format!(" ({error})")),
    }
}

/// A request of HTTP/1.1 names its host, once (RFC 9112 §3.2).
fn check_host(headers: &Headers, version: (u64, u64)) -> Result<(), Refusal> {
    let mut hosts = headers.get_all("Host");
    let (first, second) = (hosts.next(), hosts.next());
    match first {
        None if version >= (1, 1) => Err(Refusal::new(Status::BAD_REQUEST, "Missing Host header")),
        Some(_) if second.is_some() => {
            Err(Refusal::new(Status::BAD_REQUEST, "Several Host headers"))
        }
        // It is empty where the target has no host (RFC 9110 §7.2).
        Some(host) if !host.is_empty() && HostPort::parse(host).is_none() => {
            Err(Refusal::new(Status::BAD_REQUEST, format!("Bad Host header ({})", repr(host))))
        }
        _ => Ok(()),
    }
}

fn trim_line_end(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Refuses a request line, and says nothing of it in the log, as CPython.
fn too_long(line: &[u8]) -> Parsed {
    let status = Status::URI_TOO_LONG;
    let message = status.phrase().unwrap_or_default();
    let head = Head::of_method(String::new(), method(line, false));
    Parsed::Refused(Refusal::new(status, message), Box::new(head))
}

fn line_too_long() -> Refusal {
    let explain = "got more than 65536 bytes when reading header line";
    Refusal::explained(Status::REQUEST_HEADER_FIELDS_TOO_LARGE, "Line too long", explain)
}

/// The version of a request without one.
pub(crate) const HTTP_0_9: (u64, u64) = (0, 9);

/// Bytes of a line, its end included. CPython's limit.
const LINE_LIMIT: usize = 65_536;

/// Lines of header fields and the empty one. CPython's limit.
const MAX_LINES: usize = 100;

const FEW_LINES: usize = 16;

/// Bytes of a whole head and of the empty lines before it; CPython's other limits alone allow
/// 6.5 MB.
const HEAD_LIMIT: usize = 262_144;

#[cfg(test)]
mod tests;
