//! The same bytes to CPython and to us: the same replies and log lines, but for what is listed
//! here.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, Command, Stdio};
use std::sync::OnceLock;

use socketserver::{Connection, TcpServer, ThreadPool};

use crate::cgi_site::CgiSite;
use crate::http_wire::methods;
use crate::support::{Notes, Running, bind, testing};
use crate::web::{Site, error_page, find, hear_out, listing_page, noting, serve, show};

/// Where we answer otherwise, by intent: the case, the reason, and how our reply begins once it is
/// masked.
const INTENDED: &[(&str, &str, &str)] = &[
    (
        "directory without slash",
        "right below a proxy's prefix",
        "HTTP/1.0 301 Moved Permanently\r\n{S}{D}Location: sub/\r\n",
    ),
    (
        "redirect with query and fragment",
        "right below a proxy's prefix",
        "HTTP/1.0 301 Moved Permanently\r\n{S}{D}Location: sub/?x=1&y=%20#f\r\n",
    ),
    (
        "redirect with empty query",
        "right below a proxy's prefix",
        "HTTP/1.0 301 Moved Permanently\r\n{S}{D}Location: sub/\r\n",
    ),
    (
        "redirect with empty fragment",
        "right below a proxy's prefix",
        "HTTP/1.0 301 Moved Permanently\r\n{S}{D}Location: sub/\r\n",
    ),
    (
        "redirect with fragment",
        "right below a proxy's prefix",
        "HTTP/1.0 301 Moved Permanently\r\n{S}{D}Location: sub/#f?g\r\n",
    ),
    (
        "redirect with slashes in query",
        "right below a proxy's prefix",
        "HTTP/1.0 301 Moved Permanently\r\n{S}{D}Location: sub/?a//b/\r\n",
    ),
    (
        "redirect with dots",
        "right below a proxy's prefix",
        "HTTP/1.0 301 Moved Permanently\r\n{S}{D}Location: C/\r\n",
    ),
    (
        "redirect with inner slashes",
        "right below a proxy's prefix",
        "HTTP/1.0 301 Moved Permanently\r\n{S}{D}Location: C/\r\n",
    ),
    (
        "redirect of slashes",
        "right below a proxy's prefix",
        "HTTP/1.0 301 Moved Permanently\r\n{S}{D}Location: sub/\r\n",
    ),
    (
        "redirect of many slashes",
        "right below a proxy's prefix",
        "HTTP/1.0 301 Moved Permanently\r\n{S}{D}Location: sub/\r\n",
    ),
    (
        "redirect to another host",
        "right below a proxy's prefix",
        "HTTP/1.0 301 Moved Permanently\r\n{S}{D}Location: ..%2fsub/\r\n",
    ),
    (
        "redirect of an escape",
        "right below a proxy's prefix",
        "HTTP/1.0 301 Moved Permanently\r\n{S}{D}Location: %73ub/\r\n",
    ),
    (
        "/\\ in a redirect",
        "right below a proxy's prefix",
        "HTTP/1.0 301 Moved Permanently\r\n{S}{D}Location: %2e%2e%2fsub/\r\n",
    ),
    (
        "%5C in a redirect",
        "right below a proxy's prefix",
        "HTTP/1.0 301 Moved Permanently\r\n{S}{D}Location: back%5Cslash/\r\n",
    ),
    (
        "escaped backslash",
        "right below a proxy's prefix",
        "HTTP/1.0 301 Moved Permanently\r\n{S}{D}Location: back%5cslash/\r\n",
    ),
    (
        "link to directory",
        "right below a proxy's prefix",
        "HTTP/1.0 301 Moved Permanently\r\n{S}{D}Location: d/\r\n",
    ),
    (
        "redirect",
        "right below a proxy's prefix",
        "HTTP/1.1 301 Moved Permanently\r\n{S}{D}Location: sub/\r\n",
    ),
    (
        "CGI directories without slash",
        "right below a proxy's prefix",
        "HTTP/1.0 301 Moved Permanently\r\n{S}{D}Location: cgi-bin/\r\n",
    ),
    (
        "HTTP/0.9 by name",
        "a proxy takes the file for a response with a head",
        "HTTP/1.0 505 Invalid HTTP version (0.9)\r\n",
    ),
    ("absolute target", "RFC 9112 3.2.2", "HTTP/1.0 200 OK\r\n"),
    ("NUL in a path", "no traceback", "HTTP/1.0 404 File not found\r\n"),
    ("leading blank line", "RFC 9112 2.2", "HTTP/1.0 200 OK\r\n"),
    ("NBSP between words", "it is part of the target", "HTTP/1.0 404 File not found\r\n"),
    (
        "end inside a head",
        "a truncated request is not executed",
        "HTTP/1.0 400 Request ended early\r\n",
    ),
    (
        "end inside a request line",
        "a truncated request is not executed",
        "HTTP/1.0 400 Request ended early\r\n",
    ),
    ("no host", "RFC 9112 3.2", "HTTP/1.0 400 Missing Host header\r\n"),
    (
        "undecodable name in a listing",
        "the link names the bytes of the name",
        "HTTP/1.0 200 OK\r\n",
    ),
    ("undecodable name", "escapes name any byte", "HTTP/1.0 200 OK\r\n"),
    ("colonless header", "RFC 9112 5", "HTTP/1.0 400 Bad header syntax"),
    ("folded header", "RFC 9112 5.2", "HTTP/1.0 400 Bad header syntax"),
    ("first header folded", "RFC 9112 2.2", "HTTP/1.0 400 Bad header syntax"),
    ("nameless header", "RFC 9112 5", "HTTP/1.0 400 Bad header syntax"),
    ("NUL in a header", "RFC 9110 5.5", "HTTP/1.0 400 Bad header syntax"),
    ("NUL in a request line", "a line of text holds none", "HTTP/1.0 400 Bad request syntax"),
    ("CR in a request line", "RFC 9112 2.2", "HTTP/1.0 400 Bad request syntax"),
    ("long method", "a page does not quote it all", "HTTP/1.0 501 Unsupported method ('MMM"),
    (
        "close",
        "RFC 9112 9.6",
        "HTTP/1.1 200 OK\r\n{S}{D}Content-type: text/plain\r\nContent-Length: 12\r\n\
         Last-Modified: Thu, 02 Jan 2020 03:04:05 GMT\r\nConnection: close\r\n\r\nhello world\n",
    ),
    (
        "HTTP/1.0 closed",
        "a client that reads HTTP/1.1 expects more",
        "HTTP/1.1 200 OK\r\n{S}{D}Content-type: text/plain\r\nContent-Length: 12\r\n\
         Last-Modified: Thu, 02 Jan 2020 03:04:05 GMT\r\nConnection: close\r\n\r\nhello world\n",
    ),
    (
        "expectation of HTTP/1.0",
        "a client that reads HTTP/1.1 expects more",
        "HTTP/1.1 200 OK\r\n{S}{D}Content-type: text/plain\r\nContent-Length: 12\r\n\
         Last-Modified: Thu, 02 Jan 2020 03:04:05 GMT\r\nConnection: close\r\n\r\nhello world\n",
    ),
    (
        "HTTP/1.0 kept",
        "a client of HTTP/1.0 waits for the end",
        "HTTP/1.1 200 OK\r\n{S}{D}Content-type: text/plain\r\nContent-Length: 12\r\n\
         Last-Modified: Thu, 02 Jan 2020 03:04:05 GMT\r\nConnection: keep-alive\r\n\r\nhello world\n",
    ),
    (
        "HTTP/1.0 kept in any case",
        "a client of HTTP/1.0 waits for the end",
        "HTTP/1.1 200 OK\r\n{S}{D}Content-type: text/plain\r\nContent-Length: 12\r\n\
         Last-Modified: Thu, 02 Jan 2020 03:04:05 GMT\r\nConnection: keep-alive\r\n\r\nhello world\n",
    ),
    (
        "NOCL of HTTP/1.0",
        "a client that reads HTTP/1.1 expects more",
        "HTTP/1.1 200 OK\r\n{S}{D}Connection: close\r\n\r\nhi",
    ),
    ("close in a list", "RFC 9110 7.6.1", "HTTP/1.1 200 OK\r\n"),
    ("close and a blank", "RFC 9110 5.5", "HTTP/1.1 200 OK\r\n"),
    ("unread body", "it is not the next request", "HTTP/1.1 200 OK\r\n"),
    ("unread chunked body", "it is not the next request", "HTTP/1.1 200 OK\r\n"),
    ("two hosts", "RFC 9112 3.2", "HTTP/1.1 400 Several Host headers\r\n"),
    ("blank before a colon", "RFC 9112 5.1", "HTTP/1.1 400 Bad header syntax"),
    ("CR in a header", "RFC 9112 2.2", "HTTP/1.1 400 Bad header syntax"),
    ("signed length", "RFC 9112 6.3", "HTTP/1.1 400 Bad Content-Length ('+5')\r\n"),
    ("two lengths", "RFC 9112 6.3", "HTTP/1.1 400 Several Content-Lengths that differ\r\n"),
    (
        "length and coding",
        "RFC 9112 6.1",
        "HTTP/1.1 400 Both Transfer-Encoding and Content-Length\r\n",
    ),
    ("unknown coding", "RFC 9112 6.1", "HTTP/1.1 501 Unsupported transfer coding ('identity')\r\n"),
    ("ERR 100", "another response follows an interim one", "HTTP/1.1 100 Continue\r\n"),
    ("ERR 102", "another response follows an interim one", "HTTP/1.1 102 Processing\r\n"),
    ("ERR 103", "another response follows an interim one", "HTTP/1.1 103 Early Hints\r\n"),
    (
        "CUST",
        "a client must know where a response ends",
        "HTTP/1.1 299 \r\n{S}{D}Content-Length: 0\r\n\r\n",
    ),
    ("INJ", "no response splitting", "HTTP/1.1 500 Internal Server Error\r\n"),
    ("INJH", "no response splitting", "HTTP/1.1 500 Internal Server Error\r\n"),
    (
        "NOCL",
        "a client must know where a response ends",
        "HTTP/1.1 200 OK\r\n{S}{D}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    ),
    ("DBL", "one response to a request", "HTTP/1.1 500 Internal Server Error\r\n"),
    ("NOEND", "one response to a request", "HTTP/1.1 200 OK\r\n{S}{D}Content-Length: 0\r\n\r\n"),
    ("RAISE", "one response to a request", "HTTP/1.1 500 Internal Server Error\r\n"),
    ("EXIT", "one response to a request", "HTTP/1.1 500 Internal Server Error\r\n"),
    ("UNI", "one response to a request", "HTTP/1.1 200 snow ?\r\n"),
    ("UNIR", "one response to a request", "HTTP/1.1 500 Internal Server Error\r\n"),
    ("CGI status", "RFC 3875 6.3.3", "HTTP/1.0 404 Nope\r\n{S}{D}Location: /x\r\n\r\nbody\n"),
    ("CGI status to HEAD", "RFC 3875 4.3.2", "HTTP/1.0 404 Nope\r\n{S}{D}Location: /x\r\n"),
    (
        "CGI line ends",
        "RFC 9112 2.2",
        "HTTP/1.0 200 Script output follows\r\n{S}{D}Content-Type: text/plain\r\n\r\nCL=5 CT=text/x\nHELLO",
    ),
    ("CGI local redirect", "RFC 3875 6.2.2", "HTTP/1.0 200 OK\r\n"),
    (
        "CGI client redirect",
        "RFC 3875 6.2.3",
        "HTTP/1.0 302 Found\r\n{S}{D}Location: http://x/\r\n",
    ),
    ("CGI failure", "RFC 3875 6.1", "HTTP/1.0 502 Bad Gateway\r\n"),
    ("CGI crash", "RFC 3875 6.1", "HTTP/1.0 502 Bad Gateway\r\n"),
    ("CGI escaped", "RFC 3875 6.3.3", "HTTP/1.0 404 Nope\r\n"),
    ("CGI above the root", "no traceback", "HTTP/1.0 404 File not found\r\n"),
    ("CGI without parsed headers", "RFC 3875 5", "HTTP/1.0 201 Created\r\n\r\nhi"),
    (
        "CGI option as query",
        "CVE-2012-1823",
        "HTTP/1.0 200 Script output follows\r\n{S}{D}Content-Type: a\r\n\r\n",
    ),
    (
        "CGI header names",
        "RFC 3875 4.1.18",
        "HTTP/1.0 200 Script output follows\r\n{S}{D}Content-Type: a\r\n\r\nb\n",
    ),
];

/// A version of Python.
pub(crate) type Version = (u8, u8, u8);

/// Where older versions answer otherwise: the case, the last version that surely does, the first
/// that does no more (fixes come to several branches), and what changed.
const CHANGED: [(&str, Version, Version, &str); 10] = [
    ("%2f behind a directory", (3, 13, 0), (3, 14, 0), "gh-134098: it is a slash"),
    ("%2F behind a directory", (3, 13, 0), (3, 14, 0), "gh-134098: it is a slash"),
    ("%2f behind a file", (3, 13, 0), (3, 14, 0), "gh-134098: it is a slash"),
    ("title with query", (3, 13, 0), (3, 14, 0), "gh-133889: the title is the path"),
    ("title with fragment", (3, 13, 0), (3, 14, 0), "gh-133889: the title is the path"),
    ("ERR 413", (3, 12, 99), (3, 13, 0), "the phrases of RFC 9110"),
    ("long request line", (3, 12, 99), (3, 13, 0), "the phrases of RFC 9110"),
    ("ERR 414", (3, 12, 99), (3, 13, 0), "the phrases of RFC 9110"),
    ("ERR 416", (3, 12, 99), (3, 13, 0), "the phrases of RFC 9110"),
    ("ERR 422", (3, 12, 99), (3, 13, 0), "the phrases of RFC 9110"),
];

/// Makes a reply of an older version what it is in later ones.
struct Update {
    what: &'static str,
    /// The last version that surely needs it, and the first that does not.
    versions: (Version, Version),
    apply: fn(&str, &[u8]) -> Vec<u8>,
}

const UPDATES: [Update; 3] = [
    Update {
        what: "gh-54930: a request line that is none is answered with a status line",
        versions: ((3, 13, 0), (3, 15, 0)),
        apply: add_status_line,
    },
    Update {
        what: "gh-123430: error pages follow the color scheme",
        versions: ((3, 13, 99), (3, 14, 0)),
        apply: |_, reply| {
            let (before, after) = styled(&error_page(404, "m", "e"), "<title>");
            let reply =
                replaced(reply, "Content-Type: text/html;charset=utf-8\r\n", &before, &after);
            replaced_text(&reply, &before, &after)
        },
    },
    Update {
        what: "gh-123430: listings follow the color scheme",
        versions: ((3, 13, 99), (3, 14, 0)),
        apply: |_, reply| {
            let (before, after) = styled(&listing_page("t", ""), "<title>");
            let reply =
                replaced(reply, "Content-type: text/html; charset=utf-8\r\n", &before, &after);
            replaced_text(&reply, &before, &after)
        },
    },
];

/// Beginnings of a page, without a style and with one.
fn styled(page: &str, behind: &str) -> (String, String) {
    let (head, _) = page.split_once(behind).unwrap();
    let start = head.find("<style").unwrap();
    let start = head[..start].rfind('\n').unwrap() + 1;
    let end = start + head[start..].find("</style>\n").unwrap() + "</style>\n".len();
    let title_indent = &head[end..];
    let before = format!("{}{title_indent}{behind}", &head[..start]);
    (before, format!("{head}{behind}"))
}

/// Adds what a page grows by to the lengths behind this header.
fn replaced(reply: &[u8], header: &str, before: &str, after: &str) -> Vec<u8> {
    let grows = after.len() - before.len();
    let header = [header, "Content-Length: "].concat();
    let mut rest = reply;
    let mut changed = Vec::new();
    while let Some(start) = find(rest, header.as_bytes()) {
        let (head, tail) = rest.split_at(start + header.len());
        let digits = tail.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let length: usize = str::from_utf8(&tail[..digits]).unwrap().parse().unwrap();
        changed.extend_from_slice(head);
        changed.extend_from_slice((length + grows).to_string().as_bytes());
        rest = &tail[digits..];
    }
    changed.extend_from_slice(rest);
    changed
}

fn replaced_text(reply: &[u8], before: &str, after: &str) -> Vec<u8> {
    let mut rest = reply;
    let mut changed = Vec::new();
    while let Some(start) = find(rest, before.as_bytes()) {
        changed.extend_from_slice(&rest[..start]);
        changed.extend_from_slice(after.as_bytes());
        rest = &rest[start + before.len()..];
    }
    changed.extend_from_slice(rest);
    changed
}

/// Puts the head of an error in front of a page that stands alone.
fn add_status_line(protocol: &str, reply: &[u8]) -> Vec<u8> {
    // Other errors are without a head only where the client asked for that, by HTTP/0.9.
    let is_bare = reply.starts_with(b"<!DOCTYPE HTML>");
    if !is_bare
        || ![&b"code: 400<"[..], b"code: 505<"].iter().any(|code| find(reply, code).is_some())
    {
        return reply.to_vec();
    }
    let page = str::from_utf8(reply).unwrap();
    let part = |mark: &str, end: &str| {
        let start = page.find(mark).unwrap() + mark.len();
        page[start..start + page[start..].find(end).unwrap()].to_owned()
    };
    let (code, message) = (part("Error code: ", "</p>"), part("Message: ", ".</p>"));
    let message = message.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    let length = page.len();
    let head = format!(
        "{protocol} {code} {message}\r\n{{S}}{{D}}Connection: close\r\n\
         Content-Type: text/html;charset=utf-8\r\nContent-Length: {length}\r\n\r\n"
    );
    // Reasons are ISO 8859-1.
    let head = head.chars().map(|character| u8::try_from(character).unwrap());
    head.chain(reply.iter().copied()).collect()
}

/// A running CPython.
struct Python {
    version: Version,
    child: Child,
    input: ChildStdin,
    errors: RefCell<Lines<BufReader<ChildStderr>>>,
    addresses: Vec<SocketAddr>,
}

impl Python {
    /// Starts the newest one there is, or that of the variable `PYTHON`. None where there is none,
    /// which must not happen in CI.
    fn start(directory: &Path) -> Option<Self> {
        let Some((version, program)) = newest_python() else {
            println!("no Python of 3.11 or later was found: nothing is compared");
            assert!(std::env::var_os("CI").is_none(), "CI needs a Python to compare with");
            return None;
        };
        println!("comparing with {} {version:?}", program.display());
        let mut child = Command::new(program)
            .arg("-c")
            .arg(include_str!("differential.py"))
            .arg(directory)
            // The listing's names, and no deprecations.
            .env("PYTHONUTF8", "1")
            .env("PYTHONWARNINGS", "ignore")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ports = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ports).unwrap();
        let ports = ports.split_whitespace().map(|port| port.parse::<u16>().unwrap());
        let addresses: Vec<_> =
            ports.map(|port| SocketAddr::from(([127, 0, 0, 1], port))).collect();
        assert!(addresses.len() >= 5, "Python did not start");
        let input = child.stdin.take().unwrap();
        let errors = RefCell::new(BufReader::new(child.stderr.take().unwrap()).lines());
        Some(Self { version, child, input, errors, addresses })
    }

    /// What it has logged since the last call.
    fn log(&self) -> Vec<String> {
        (&self.input).write_all(b"\n").unwrap();
        let mut errors = self.errors.borrow_mut();
        let lines = errors.by_ref().map(Result::unwrap);
        lines.take_while(|line| line != "mark").collect()
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The newest Python there is, or that of the variable `PYTHON`; found once.
pub(crate) fn newest_python() -> Option<(Version, PathBuf)> {
    static NEWEST: OnceLock<Option<(Version, PathBuf)>> = OnceLock::new();
    NEWEST.get_or_init(find_python).clone()
}

fn find_python() -> Option<(Version, PathBuf)> {
    if let Some(chosen) = std::env::var_os("PYTHON") {
        let chosen = PathBuf::from(chosen);
        return version_of(&chosen).map(|version| (version, chosen));
    }
    let mut programs: Vec<PathBuf> = vec!["python3".into()];
    programs.extend((11..30).map(|minor| format!("python3.{minor}").into()));
    let versions = std::env::home_dir().map(|home| home.join(".pyenv/versions"));
    for entry in versions.and_then(|path| fs::read_dir(path).ok()).into_iter().flatten().flatten() {
        programs.push(entry.path().join("bin/python3"));
    }
    let found = programs.into_iter().filter_map(|program| Some((version_of(&program)?, program)));
    found.filter(|(version, _)| *version >= (3, 11, 0)).max()
}

fn version_of(program: &Path) -> Option<Version> {
    let print = "import sys; print(*sys.version_info[:3])";
    let output = Command::new(program).args(["-c", print]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut numbers = text.split_whitespace().map_while(|word| word.parse().ok());
    Some((numbers.next()?, numbers.next()?, numbers.next()?))
}

/// A reply of this version of Python as later ones send it, and without what differs by intent.
pub(crate) fn comparable(version: Version, reply: &[u8]) -> Vec<u8> {
    let updates = UPDATES.iter().filter(|update| version < update.versions.1);
    updates.fold(mask(reply), |reply, update| (update.apply)("HTTP/1.0", &reply))
}

/// Replaces dates and server versions, of which only the form is compared.
pub(crate) fn mask(reply: &[u8]) -> Vec<u8> {
    let mut masked = Vec::new();
    let mut rest = reply;
    while let Some(end) = find(rest, b"\r\n") {
        let (line, tail) = rest.split_at(end + 2);
        match line {
            [b'D', b'a', b't', b'e', b':', ..] if line.len() == "Date: ".len() + 29 + 2 => {
                masked.extend_from_slice(b"{D}");
            }
            [b'S', b'e', b'r', b'v', b'e', b'r', b':', ..] => masked.extend_from_slice(b"{S}"),
            _ => masked.extend_from_slice(line),
        }
        rest = tail;
    }
    masked.extend_from_slice(rest);
    masked
}

/// A log message as Python writes it out.
fn written_out(message: &str) -> String {
    let escape = |character: char| match character {
        '\\' => "\\\\".to_owned(),
        '\0'..='\x1f' | '\x7f'..='\u{9f}' => format!("\\x{:02x}", u32::from(character)),
        other => other.to_string(),
    };
    message.chars().map(escape).collect()
}

/// Sends each request to both and compares what comes of it.
fn compare(
    python: &Python,
    theirs: SocketAddr,
    ours: &Running,
    log: &Notes<String>,
    (protocol, updates): (&str, &[Update]),
    cases: &[(String, Vec<u8>)],
) {
    let mut problems = Vec::new();
    let mut unused: BTreeSet<_> = updates
        .iter()
        .filter(|update| python.version <= update.versions.0)
        .map(|update| update.what)
        .collect();
    log.so_far();
    python.log();
    for (name, request) in cases {
        let our_reply = mask(&hear_out(ours.address, request));
        let our_log: Vec<_> = log.so_far().iter().map(|line| written_out(line)).collect();
        let mut their_reply = mask(&hear_out(theirs, request));
        let their_log: Vec<_> =
            python.log().iter().map(|line| with_escaped_quotes(&without_prefix(line))).collect();
        for update in updates.iter().filter(|update| python.version < update.versions.1) {
            let updated = (update.apply)(protocol, &their_reply);
            if updated != their_reply {
                unused.remove(update.what);
            }
            their_reply = updated;
        }
        let same = our_reply == their_reply && our_log == their_log;
        let differences = format!(
            "  request {:?}\n  ours   {:?}\n  theirs {:?}\n  our log   {our_log:?}\n  their log {their_log:?}",
            show(&request[..request.len().min(300)]),
            show(&our_reply),
            show(&their_reply),
        );
        let intended = INTENDED.iter().find(|(case, ..)| case == name);
        let changed = CHANGED.iter().find(|(case, ..)| case == name);
        match (intended, changed) {
            (Some((_, reason, begins)), _) => {
                if same {
                    problems.push(format!("{name} is listed as different ({reason}) and is not"));
                } else if !our_reply.starts_with(begins.as_bytes()) {
                    problems.push(format!("{name} is not answered with {begins:?}\n{differences}"));
                }
            }
            (None, Some((_, last, first, reason))) => {
                if same && python.version <= *last {
                    problems
                        .push(format!("{name} is listed as changed since ({reason}) and is not"));
                } else if !same && python.version >= *first {
                    problems
                        .push(format!("{name} has changed ({reason}) and differs\n{differences}"));
                }
            }
            (None, None) if !same => problems.push(format!("{name} differs\n{differences}")),
            (None, None) => {}
        }
    }
    problems.extend(unused.iter().map(|what| format!("no reply needed the update {what}")));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// An entry of a request as we write it: its own quotes are `%22`.
fn with_escaped_quotes(message: &str) -> String {
    let parts = message.strip_prefix('"').and_then(|rest| rest.rsplit_once('"'));
    parts.map_or(message.to_owned(), |(line, rest)| {
        format!("\"{}\"{rest}", line.replace('"', "%22"))
    })
}

/// A log line without address and time.
fn without_prefix(line: &str) -> String {
    let message = line.strip_prefix("127.0.0.1 - - [").and_then(|rest| rest.split_once("] "));
    message.map_or(line, |(_, message)| message).to_owned()
}

fn site() -> Site {
    let site = Site::new();
    for directory in ["back\\slash", "é", "raw"] {
        fs::create_dir(site.path(directory)).unwrap();
    }
    for name in ["<b>&\"'", "100%", "a:b", "tab\t", "snow☃", ".hidden", "~tilde-_.", "Zed", "zed2"]
    {
        site.write(format!("é/{name}"), name);
    }
    site.write(Path::new("raw").join(OsStr::from_bytes(b"\xff")), "raw");
    site
}

fn case(name: &str, request: impl AsRef<[u8]>) -> (String, Vec<u8>) {
    (name.to_owned(), request.as_ref().to_vec())
}

/// The programs that the reference's cases speak of, and some more.
fn cgi_site() -> CgiSite {
    let plain = "printf 'Content-Type: a\\r\\n\\r\\n';";
    let site = CgiSite::new(&[
        ("status.sh", "printf 'Status: 404 Nope\\nLocation: /x\\n\\nbody\\n'"),
        (
            "post.sh",
            "printf 'Content-Type: text/plain\\n\\nCL=%s CT=%s\\n' $CONTENT_LENGTH $CONTENT_TYPE; \
             head -c $CONTENT_LENGTH",
        ),
        ("local.sh", "printf 'Location: /nocgi.txt\\n\\n'"),
        ("away.sh", "printf 'Location: http://x/\\n\\n'"),
        ("err.sh", "echo oops >&2; exit 7"),
        ("sig.sh", "kill -9 $$"),
        ("nph-x.sh", "printf 'HTTP/1.0 201 Created\\r\\n\\r\\nhi'"),
        (
            "plain.sh",
            &format!("{plain} echo $PATH_INFO $SCRIPT_NAME $QUERY_STRING $REQUEST_METHOD"),
        ),
        ("args.sh", &format!("{plain} echo $# \"$1\"")),
        ("header.sh", &format!("{plain} echo $HTTP_X_A")),
    ]);
    fs::create_dir(site.site.path("cgi-bin/dir")).unwrap();
    site.site.write("cgi-bin/plain.txt", "x");
    site.site.write("nocgi.txt", "x");
    site.script("cgi-bin/dir/deep.sh", &format!("#!/bin/sh\n{plain} echo $SCRIPT_NAME\n"));
    site
}

fn cgi_cases() -> Vec<(String, Vec<u8>)> {
    let mut cases = Vec::new();
    for (name, target) in [
        ("CGI status", "/cgi-bin/status.sh"),
        ("CGI escaped", "/cgi%2dbin%2fstatus.sh"),
        ("CGI local redirect", "/cgi-bin/local.sh"),
        ("CGI client redirect", "/cgi-bin/away.sh"),
        ("CGI failure", "/cgi-bin/err.sh"),
        ("CGI crash", "/cgi-bin/sig.sh"),
        ("CGI above the root", "/../../x"),
        ("CGI without parsed headers", "/cgi-bin/nph-x.sh"),
        ("CGI option as query", "/cgi-bin/args.sh?-s"),
        ("no CGI script", "/cgi-bin/none"),
        ("no CGI script, with more", "/cgi-bin/none/more?query"),
        ("CGI directory", "/cgi-bin/dir"),
        ("CGI directories", "/cgi-bin/"),
        ("CGI directories without slash", "/cgi-bin"),
        ("no CGI program", "/cgi-bin/plain.txt"),
        ("CGI", "/cgi-bin/plain.sh"),
        ("CGI with everything", "/cgi-bin/plain.sh/a/b%20c?d=e&f"),
        ("CGI with question marks", "/cgi-bin/plain.sh?a=b?c"),
        ("CGI with slashes in its query", "/cgi-bin/plain.sh?a=b//c//"),
        ("CGI collapsed", "///cgi-bin/./dir/../plain.sh"),
        ("CGI in the depth", "/cgi-bin/dir/deep.sh"),
        ("CGI with an argument", "/cgi-bin/args.sh?one"),
        ("CGI with no argument", "/cgi-bin/args.sh?a=b"),
        ("no CGI", "/nocgi.txt"),
    ] {
        cases.push(case(name, format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")));
    }
    let post = "Content-Length: 5\r\nContent-Type: text/x\r\n\r\nHELLOextra";
    for (name, request) in [
        ("CGI status to HEAD", "HEAD /cgi-bin/status.sh HTTP/1.1\r\nHost: x\r\n\r\n".to_owned()),
        ("CGI line ends", format!("POST /cgi-bin/post.sh HTTP/1.1\r\nHost: x\r\n{post}")),
        ("CGI header names", "GET /cgi-bin/header.sh HTTP/1.0\r\nX-A: b\r\n\r\n".to_owned()),
        ("POST without CGI", "POST /nocgi.txt HTTP/1.0\r\n\r\n".to_owned()),
        ("PUT to CGI", "PUT /cgi-bin/plain.sh HTTP/1.0\r\n\r\n".to_owned()),
        ("CGI over HTTP/1.0", "GET /cgi-bin/plain.sh HTTP/1.0\r\n\r\n".to_owned()),
    ] {
        cases.push(case(name, request));
    }
    cases
}

/// Targets that are asked for with GET and with HEAD.
const TARGETS: [(&str, &str); 56] = [
    ("file", "/a.txt"),
    ("missing file", "/nope"),
    ("root", "/"),
    ("directory", "/sub/"),
    ("directory with odd names", "/%C3%A9/"),
    ("empty directory", "/empty/"),
    ("directory without slash", "/sub"),
    ("redirect with query and fragment", "/sub?x=1&y=%20#f"),
    ("redirect with empty query", "/sub?"),
    ("redirect with empty fragment", "/sub#"),
    ("redirect with fragment", "/sub#f?g"),
    ("redirect with slashes in query", "/sub?a//b/"),
    ("redirect with dots", "/sub/../sub/./C"),
    ("redirect with inner slashes", "/sub//C"),
    ("redirect of slashes", "//sub"),
    ("redirect of many slashes", "////sub"),
    ("redirect to another host", "//evil.com/..%2fsub"),
    ("redirect of an escape", "/%73ub"),
    ("/\\ in a redirect", "/\\evil.com/%2e%2e%2fsub"),
    ("%5C in a redirect", "/back\\slash"),
    ("escaped backslash", "/back%5cslash"),
    ("%2f behind a directory", "/sub%2f"),
    ("%2F behind a directory", "/sub%2F"),
    ("%2f behind a file", "/a.txt%2f"),
    ("slash behind a file", "/a.txt/"),
    ("index", "/idx/"),
    ("index with query", "/idx/?q"),
    ("directory as index", "/spam/"),
    ("title with query", "/empty/?x=%bb&<b>"),
    ("title with fragment", "/empty/#f"),
    ("title with dots", "/sub/../empty/"),
    ("title with escapes", "/%65mpty/"),
    ("target without slash", "a.txt"),
    ("absolute target", "http://h/a.txt"),
    ("other scheme", "ftp://h/a.txt"),
    ("asterisk", "*"),
    ("dots above the root", "/../../etc/passwd"),
    ("escaped dots above the root", "/%2e%2e/%2e%2e/a.txt"),
    ("dots", "/./sub/../a.txt"),
    ("query", "/a.txt?q/r"),
    ("fragment", "/a.txt#f/g"),
    ("fragment before query", "/a.txt#f?q"),
    ("escaped marks", "/q%3fb%23.txt?z"),
    ("UTF-8 as it is", "/sub/\u{c3}\u{a9}&<.txt"),
    ("escaped UTF-8", "/sub/%C3%A9&%3c.txt"),
    ("NUL in a path", "/a%00.txt"),
    ("NUL in a directory", "/sub%00/"),
    ("empty file", "/empty0"),
    ("compressed file", "/t.tar.gz"),
    ("bad escape", "/%zz%4"),
    ("link", "/sub/l"),
    ("link to directory", "/sub/d"),
    ("broken link", "/sub/z"),
    ("long name", LONG),
    ("file below a file", "/a.txt/b"),
    ("semicolon", "/a.txt;x=y"),
];

/// Longer than any file system takes.
const LONG: &str = match str::from_utf8(&[b'x'; 300]) {
    Ok(text) => text,
    Err(_) => "",
};

/// Characters as bytes.
fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|character| u8::try_from(character).unwrap()).collect()
}

fn file_cases() -> Vec<(String, Vec<u8>)> {
    let mut cases = Vec::new();
    for (name, target) in TARGETS {
        for method in ["GET", "HEAD"] {
            cases.push(case(
                name,
                latin1(&format!("{method} {target} HTTP/1.1\r\nHost: x\r\n\r\n")),
            ));
        }
    }
    let dates = [
        "Thu, 02 Jan 2020 03:04:05 GMT",
        "Thu, 02 Jan 2020 03:04:04 GMT",
        "Thu, 02 Jan 2020 03:04:06 GMT",
        "Thu, 02 Jan 2099 03:04:05 GMT",
        "Sun, 02 Jan 2020 03:04:05 GMT",
        "Thu Jan  2 03:04:05 2020",
        "Thursday, 02-Jan-20 03:04:05 GMT",
        "Thu, 02 Jan 2020 03:04:05 UTC",
        "Thu, 02 Jan 2020 03:04:05 +0000",
        "Thu, 02 Jan 2020 03:04:05 -0000",
        "Thu, 02 Jan 2020 03:04:05 +0100",
        "Thu, 02 Jan 2020 03:04:05 EST",
        "Thu, 02 Jan 2020 25:04:05 GMT",
        "Thu, 02 Jan 10000 03:04:05 GMT",
        "junk",
        "",
    ];
    for date in dates {
        let request = |more: &str| {
            format!("GET /a.txt HTTP/1.1\r\nHost: x\r\nIf-Modified-Since: {date}\r\n{more}\r\n")
        };
        cases.push(case(&format!("since {date}"), request("")));
        cases.push(case(&format!("since {date} with a tag"), request("If-None-Match: \"x\"\r\n")));
    }
    let (r, h) = ("x".repeat(65_521), "r".repeat(65_534));
    let requests: Vec<(&str, String)> = vec![
        ("HTTP/1.0", "GET /a.txt HTTP/1.0\r\n\r\n".into()),
        ("HTTP/1.0 with host", "GET /a.txt HTTP/1.0\r\nHost: x\r\n\r\n".into()),
        ("keep-alive", "GET /a.txt HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n".into()),
        ("range", "GET /a.txt HTTP/1.1\r\nHost: x\r\nRange: bytes=0-3\r\n\r\n".into()),
        ("POST", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".into()),
        ("PUT", "PUT / HTTP/1.1\r\nHost: x\r\n\r\n".into()),
        ("OPTIONS", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n".into()),
        ("lower case method", "get / HTTP/1.1\r\nHost: x\r\n\r\n".into()),
        ("markup in a method", "<b>'x'\" / HTTP/1.1\r\nHost: x\r\n\r\n".into()),
        ("quote in a method", "it's / HTTP/1.1\r\nHost: x\r\n\r\n".into()),
        ("controls in a method", "\x01\x7f\u{e9}\u{ad}\\ / HTTP/1.1\r\nHost: x\r\n\r\n".into()),
        ("long method", format!("{} / HTTP/1.1\r\nHost: x\r\n\r\n", "M".repeat(300))),
        ("bad version", "GET / FUBAR\r\n\r\n".into()),
        ("HTTP/2.0", "GET / HTTP/2.0\r\n\r\n".into()),
        ("HTTP/9.9", "GET / HTTP/9.9\r\n\r\n".into()),
        ("lower case version", "GET / http/1.1\r\n\r\n".into()),
        ("leading zeros", "GET /a.txt HTTP/01.001\r\nHost: x\r\n\r\n".into()),
        ("HTTP/1.2", "GET /a.txt HTTP/1.2\r\nHost: x\r\n\r\n".into()),
        ("HTTP/1.10", "GET /a.txt HTTP/1.10\r\nHost: x\r\n\r\n".into()),
        ("eleven digits", "GET / HTTP/1.12345678901\r\n\r\n".into()),
        ("signed version", "GET / HTTP/+1.1\r\n\r\n".into()),
        ("version of one part", "GET / HTTP/1\r\n\r\n".into()),
        ("version of three parts", "GET / HTTP/1.1.1\r\n\r\n".into()),
        ("empty version", "GET / HTTP/\r\n\r\n".into()),
        ("version with underscore", "GET / HTTP/1_0.1\r\n\r\n".into()),
        ("four words", "GET /a b HTTP/1.1\r\n\r\n".into()),
        ("five words", "GET /a b c HTTP/1.1\r\n\r\n".into()),
        ("four words, bad version", "GET /a b c\r\n\r\n".into()),
        ("one word", "GET\r\n\r\n".into()),
        ("HTTP/0.9", "GET /a.txt\r\n\r\n".into()),
        ("HTTP/0.9 of a missing file", "GET /nope\r\n\r\n".into()),
        ("HTTP/0.9 of a listing", "GET /empty/\r\n\r\n".into()),
        ("HTTP/0.9 of a redirect", "GET /sub\r\n\r\n".into()),
        ("HTTP/0.9 with POST", "POST /a.txt\r\n\r\n".into()),
        ("HTTP/0.9 by name", "GET /a.txt HTTP/0.9\r\n\r\n".into()),
        ("leading blank line", "\r\nGET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n".into()),
        ("bare LF", "GET /a.txt HTTP/1.1\nHost: x\n\n".into()),
        ("tabs and blanks", "GET\t /a.txt \x0b\x0c HTTP/1.1  \r\nHost: x\r\n\r\n".into()),
        ("NBSP between words", "GET \u{a0}/a.txt HTTP/1.1\r\nHost: x\r\n\r\n".into()),
        ("long request line", format!("GET /{r} HTTP/1.1\r\n\r\n")),
        ("long header", format!("GET /a.txt HTTP/1.1\r\nX: {h}\r\n\r\n")),
        ("long header of HEAD", format!("HEAD /a.txt HTTP/1.1\r\nX: {h}\r\n\r\n")),
        ("99 headers", format!("GET /a.txt HTTP/1.0\r\n{}\r\n", "X: y\r\n".repeat(99))),
        ("100 headers", format!("GET /a.txt HTTP/1.0\r\n{}\r\n", "X: y\r\n".repeat(100))),
        ("100 headers of HEAD", format!("HEAD /a.txt HTTP/1.0\r\n{}\r\n", "X: y\r\n".repeat(100))),
        ("end inside a head", "GET /a.txt HTTP/1.1\r\nX: y".into()),
        ("end inside a request line", "GET /a.txt HTTP/1.0".into()),
        ("controls in a target", "GET /\x1b[31m\\x HTTP/1.1\r\nHost: x\r\n\r\n".into()),
        ("nothing", String::new()),
        ("no host", "GET /a.txt HTTP/1.1\r\n\r\n".into()),
        ("undecodable name in a listing", "GET /raw/ HTTP/1.0\r\n\r\n".into()),
        ("undecodable name", "GET /raw/%FF HTTP/1.0\r\n\r\n".into()),
        ("colonless header", "GET /a.txt HTTP/1.0\r\nNo colon\r\n\r\n".into()),
        ("folded header", "GET /a.txt HTTP/1.0\r\nA: b\r\n c\r\n\r\n".into()),
        ("first header folded", "GET /a.txt HTTP/1.0\r\n A: b\r\n\r\n".into()),
        ("nameless header", "GET /a.txt HTTP/1.0\r\n: b\r\n\r\n".into()),
        ("NUL in a header", "GET /a.txt HTTP/1.0\r\nA: b\0c\r\n\r\n".into()),
        ("NUL in a request line", "GET /a.txt\0 HTTP/1.0\r\n\r\n".into()),
        ("CR in a request line", "GET /a.txt\rHTTP/1.0\r\n\r\n".into()),
    ];
    cases.extend(requests.into_iter().map(|(name, request)| case(name, latin1(&request))));
    cases
}

/// The end of all cases that show whether a connection is kept.
const LAST: &str = "GET /empty0 HTTP/1.1\r\nHost: x\r\n\r\n";

fn kept_cases() -> Vec<(String, Vec<u8>)> {
    let host = "HTTP/1.1\r\nHost: x\r\n";
    [
        ("HTTP/1.1", format!("GET /a.txt {host}\r\n")),
        ("HEAD", format!("HEAD /a.txt {host}\r\n")),
        ("close", format!("GET /a.txt {host}Connection: CLOSE\r\n\r\n")),
        ("close in a list", format!("GET /a.txt {host}Connection: close, TE\r\n\r\n")),
        ("close and a blank", format!("GET /a.txt {host}Connection: close \r\n\r\n")),
        ("other connection option", format!("GET /a.txt {host}Connection: TE\r\n\r\n")),
        ("HTTP/1.0 closed", "GET /a.txt HTTP/1.0\r\n\r\n".into()),
        ("HTTP/1.0 kept", "GET /a.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".into()),
        (
            "HTTP/1.0 kept in any case",
            "GET /a.txt HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n".into(),
        ),
        ("pipelining", format!("HEAD /a.txt {host}\r\nGET /sub/ {host}\r\nGET /empty/ {host}\r\n")),
        ("error", format!("GET /nope {host}\r\n")),
        ("error for HEAD", format!("HEAD /nope {host}\r\n")),
        ("redirect", format!("GET /sub {host}\r\n")),
        ("listing", format!("GET /sub/ {host}\r\n")),
        (
            "304",
            format!("GET /a.txt {host}If-Modified-Since: Thu, 02 Jan 2099 03:04:05 GMT\r\n\r\n"),
        ),
        ("expectation", format!("GET /a.txt {host}Expect: 100-Continue\r\n\r\n")),
        ("expectation of HTTP/1.0", "GET /a.txt HTTP/1.0\r\nExpect: 100-continue\r\n\r\n".into()),
        ("other expectation", format!("GET /a.txt {host}Expect: foo\r\n\r\n")),
        ("unread body", format!("GET /a.txt {host}Content-Length: 5\r\n\r\nHELLO")),
        (
            "unread chunked body",
            format!("GET /a.txt {host}Transfer-Encoding: chunked\r\n\r\n5\r\nHELLO\r\n0\r\n\r\n"),
        ),
        ("two hosts", "GET /a.txt HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".into()),
        ("preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into()),
        ("blank before a colon", format!("GET /a.txt {host}Bad : x\r\n\r\n")),
        ("CR in a header", format!("GET /a.txt {host}A: b\rConnection: close\r\n\r\n")),
        ("signed length", format!("GET /a.txt {host}Content-Length: +5\r\n\r\nHELLO")),
        (
            "two lengths",
            format!("GET /a.txt {host}Content-Length: 5\r\nContent-Length: 0\r\n\r\nHELLO"),
        ),
        (
            "length and coding",
            format!(
                "GET /a.txt {host}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            ),
        ),
        ("unknown coding", format!("GET /a.txt {host}Transfer-Encoding: identity\r\n\r\n")),
        ("bad version", "GET / FUBAR\r\n\r\n".into()),
        ("HTTP/0.9", "GET /a.txt\r\n\r\n".into()),
        ("four words", "GET /a b HTTP/1.1\r\n\r\n".into()),
    ]
    .into_iter()
    .map(|(name, request)| case(name, request + LAST))
    .collect()
}

fn method_cases() -> Vec<(String, Vec<u8>)> {
    let mut cases = Vec::new();
    // Every status that either knows, and some that neither does.
    for code in
        (100..104).chain(200..227).chain(299..309).chain(399..452).chain(499..512).chain([999])
    {
        let request = |method: &str| format!("{method} /{code} HTTP/1.1\r\nHost: x\r\n\r\n{LAST}");
        cases.push(case(&format!("ERR {code}"), request("ERR")));
        cases.push(case(&format!("ERR {code}"), request("HEAD")));
    }
    for (name, request) in [
        ("own message", "ERR /999,m<b>,x&y HTTP/1.1"),
        ("own message alone", "ERR /404,it's \"gone\" HTTP/1.1"),
        ("message in latin-1", "ERR /404,caf\u{e9} HTTP/1.1"),
        ("CUST", "CUST / HTTP/1.1"),
        ("INJ", "INJ / HTTP/1.1"),
        ("INJH", "INJH / HTTP/1.1"),
        ("KAHDR", "KAHDR / HTTP/1.0"),
        ("NOCL", "NOCL / HTTP/1.1"),
        ("NOCL of HTTP/1.0", "NOCL / HTTP/1.0"),
        ("DBL", "DBL / HTTP/1.1"),
        ("NOEND", "NOEND / HTTP/1.1"),
        ("RAISE", "RAISE / HTTP/1.1"),
        ("EXIT", "EXIT / HTTP/1.1"),
        ("UNI", "UNI / HTTP/1.1"),
        ("UNIR", "UNIR / HTTP/1.1"),
        ("bad version", "GET / FUBAR"),
    ] {
        let request = request.replace("it's \"gone\"", "it's-\"gone\"");
        cases.push(case(name, latin1(&format!("{request}\r\nHost: x\r\n\r\n{LAST}"))));
    }
    for (name, lines) in [
        ("body", "Content-Length: 5\r\n\r\nHELLO"),
        ("no body", "\r\n"),
        ("body after an expectation", "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nHELLO"),
    ] {
        cases.push(case(name, format!("READ / HTTP/1.1\r\nHost: x\r\n{lines}{LAST}")));
    }
    cases
}

#[test]
fn files_are_answered_as_by_cpython() {
    let site = site();
    let Some(python) = Python::start(&site.path("")) else { return };
    let handler = noting(site.handler());
    let log = handler.log.clone();
    compare(
        &python,
        python.addresses[0],
        &serve(handler),
        &log,
        ("HTTP/1.0", &UPDATES),
        &file_cases(),
    );
}

#[test]
fn kept_connections_are_answered_as_by_cpython() {
    let site = site();
    let Some(python) = Python::start(&site.path("")) else { return };
    let handler = noting(site.handler()).http11();
    let log = handler.log.clone();
    compare(
        &python,
        python.addresses[1],
        &serve(handler),
        &log,
        ("HTTP/1.1", &UPDATES),
        &kept_cases(),
    );
}

#[test]
fn handlers_are_answered_for_as_by_cpython() {
    let site = Site::empty();
    let Some(python) = Python::start(&site.path("")) else { return };
    let handler = methods(&site);
    let log = handler.log.clone();
    compare(
        &python,
        python.addresses[2],
        &serve(handler),
        &log,
        ("HTTP/1.1", &UPDATES[..2]),
        &method_cases(),
    );
}

#[test]
fn programs_are_run_as_by_cpython() {
    let site = cgi_site();
    let Some(python) = Python::start(&site.site.path("")) else { return };
    let Some(&theirs) = python.addresses.get(5) else {
        println!("skipped: {:?} has no CGIHTTPRequestHandler", python.version);
        return;
    };
    let handler = noting(site.handler());
    let log = handler.log.clone();
    let ours = serve(handler);
    compare(&python, theirs, &ours, &log, ("HTTP/1.0", &UPDATES[1..2]), &cgi_cases());
}

#[test]
fn every_listed_difference_belongs_to_a_case() {
    let cases = [file_cases(), kept_cases(), method_cases(), cgi_cases()].concat();
    let names: BTreeSet<_> = cases.iter().map(|(name, _)| name.as_str()).collect();
    let listed = INTENDED.iter().map(|row| row.0).chain(CHANGED.iter().map(|row| row.0));
    for name in listed {
        assert!(names.contains(name), "{name} is no case");
    }
}

#[test]
fn streams_are_handled_as_by_cpython() {
    let site = Site::empty();
    let Some(python) = Python::start(&site.path("")) else { return };
    let lines = |connection: Connection| {
        let Connection { rfile: mut input, wfile: mut output, .. } = connection;
        let mut line = String::new();
        while input.read_line(&mut line)? > 0 {
            if line == "raise\n" {
                return Err(std::io::Error::other("boom"));
            }
            output.write_all(line.to_uppercase().as_bytes())?;
            line.clear();
        }
        Ok(())
    };
    let ours: TcpServer<ThreadPool, _> = bind(testing(lines));
    let errors = ours.handler().errors.clone();
    let ours = Running::start(ours);
    let nobodys: TcpServer<ThreadPool, _> = bind(testing(lines).verify(|_| false));
    let nobodys = Running::start(nobodys);
    for request in ["", "a\n", "a\nb\n", "raise\n", "a\nraise\nb\n", "no end"] {
        let request = request.as_bytes();
        let theirs = hear_out(python.addresses[3], request);
        assert_eq!(show(hear_out(ours.address, request)), show(theirs));
        let their_log = python.log();
        // Here a connection is closed before its error is told.
        let our_log = their_log.iter().map(|_| format!("error {}", errors.next().1));
        assert_eq!(our_log.collect::<Vec<_>>(), their_log);
        // Whom `verify_request` turns away hears nothing, and nothing is said.
        assert_eq!(show(hear_out(python.addresses[4], request)), "");
        assert_eq!(show(hear_out(nobodys.address, request)), "");
        assert!(python.log().is_empty());
    }
    assert!(errors.so_far().is_empty());
}
