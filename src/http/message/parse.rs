//! Bytes in, a request's head or a refusal out. Knows no socket.

mod request_line;

use std::borrow::Cow;
use std::num::NonZero;

use memchr::{memchr, memchr_iter, memrchr};

use super::head_end::head_end;
use super::headers::Headers;
use super::host::HostPort;
use super::status::Status;
use super::text::{Latin1, latin1, trim_blanks};
use crate::connection::Searched;
use crate::printable::repr;
use crate::work;
use request_line::{method, named_host, request_line};

pub(crate) use request_line::{HTTP_0_9, target_in};

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
    /// Tells whether the client expects the connection to stay open (RFC 9112 §9.3).
    pub(crate) fn keeps_alive(&self) -> bool {
        let mut keeps = self.version >= (1, 1);
        for value in self.headers.get_all("Connection") {
            for option in value.split(',').map(trim_blanks) {
                if option.eq_ignore_ascii_case("close") {
                    return false;
                }
                keeps |= option.eq_ignore_ascii_case("keep-alive") && self.version >= (1, 0);
            }
        }
        keeps
    }

    /// Tells whether the client may wait to be told to send the body (RFC 9110 §10.1.1).
    pub(crate) fn expects_100(&self) -> bool {
        let expects = self.headers.get("Expect");
        expects.is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
    }

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
    if searched.first_line.is_none() {
        let end = memchr(b'\n', &bytes[before..]);
        work::note(end.unwrap_or(bytes.len() - before));
        searched.first_line = end.and_then(|end| NonZero::new(before + end + 1));
    }
    let Some(line_end) = searched.first_line.map(|line| line.get() - 1) else {
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

/// Reads header fields up to and with the empty line.
fn header_fields(bytes: &[u8], decoder: Latin1<'_>, head: &Head) -> Result<Headers, Refusal> {
    work::note(bytes.len());
    // Clearing room for as many as are allowed and counting the lines first takes 400 instructions
    // more, 3 % (callgrind).
    let mut few = [httparse::EMPTY_HEADER; FEW_LINES];
    let mut headers = match field_lines(bytes, &mut few) {
        Ok(fields) if bytes.len() <= LINE_LIMIT => collected(fields, bytes.len(), decoder),
        _ => many_fields(bytes, decoder)?,
    };
    check_host(&headers, head.version)?;
    if let Some(host) = named_host(head) {
        headers.set("Host", host);
    }
    Ok(headers)
}

/// Reads as many header fields as are allowed, or refuses them.
// The room for them is not to be on the stack of each request, as most have few: in a process that
// forks for each, 1.4 µs for a page that is reached there (benches/README.md).
#[cold]
#[inline(never)]
fn many_fields(bytes: &[u8], decoder: Latin1<'_>) -> Result<Headers, Refusal> {
    check_lines(bytes)?;
    let mut many = [httparse::EMPTY_HEADER; MAX_LINES];
    let fields = field_lines(bytes, &mut many)
        .map_err(|why| Refusal::new(Status::BAD_REQUEST, format!("Bad header syntax{why}")))?;
    Ok(collected(fields, bytes.len(), decoder))
}

/// The header fields, which take so many bytes.
fn collected(fields: &[httparse::Header<'_>], length: usize, decoder: Latin1<'_>) -> Headers {
    let mut headers = Headers::with_capacity(fields.len(), length);
    for field in fields {
        headers.push(field.name, field.value, decoder);
    }
    headers
}

/// Refuses fields that have too many lines, or one that is too long, whatever else they are.
fn check_lines(bytes: &[u8]) -> Result<(), Refusal> {
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
    Ok(())
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

/// Bytes of a line, its end included. CPython's limit.
const LINE_LIMIT: usize = 65_536;

/// Lines of header fields and the empty one. CPython's limit.
const MAX_LINES: usize = 100;

/// As many as almost all requests have, those of browsers included.
const FEW_LINES: usize = 24;

/// Bytes of a whole head and of the empty lines before it; CPython's other limits alone allow
/// 6.5 MB.
const HEAD_LIMIT: usize = 262_144;

#[cfg(test)]
mod tests;
