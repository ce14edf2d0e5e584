//! What differs from CPython by intent, and its releases among each other.

use crate::differential::Version;
use crate::web::{VIEWPORT, error_page, find, listing_page};

/// Where we answer otherwise, by intent: the case, the reason, and how our reply begins once it is
/// masked.
pub(crate) const INTENDED: &[(&str, &str, &str)] = &[
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
    ("since Thu, 02 Jan 2020 03:04:06 GMT", "the file may be another one", "HTTP/1.0 200 OK\r\n"),
    ("since Thu, 02 Jan 2099 03:04:05 GMT", "the file may be another one", "HTTP/1.0 200 OK\r\n"),
    (
        "range",
        "RFC 9110 14.2",
        "HTTP/1.0 206 Partial Content\r\n{S}{D}Content-type: text/plain\r\nContent-Length: 4\r\n\
         Content-Range: bytes 0-3/12\r\n",
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

/// Where older versions answer otherwise: the case, the last version that surely does, the first
/// that does no more (fixes come to several branches), and what changed.
pub(crate) const CHANGED: [(&str, Version, Version, &str); 10] = [
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

/// Makes a reply of an older version what it is in later ones, or of any version what it is here.
pub(crate) struct Update {
    pub(crate) what: &'static str,
    /// The last version that surely needs it, and the first that does not.
    pub(crate) versions: (Version, Version),
    pub(crate) apply: fn(&str, &[u8]) -> Vec<u8>,
}

pub(crate) const UPDATES: [Update; 4] = [
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
        what: "by intent: listings are as wide as the screen of a phone",
        versions: (NEVER, NEVER),
        apply: |_, reply| {
            let before = "<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n";
            let after = [before, VIEWPORT].concat();
            let header = "Content-type: text/html; charset=utf-8\r\n";
            let reply = replaced(reply, header, before, &after);
            // Pages of a program may begin in the same way.
            match find(&reply, b"<title>Directory listing for ") {
                Some(_) => replaced_text(&reply, before, &after),
                None => reply,
            }
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

/// Later than every version.
const NEVER: Version = (u8::MAX, 0, 0);

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
