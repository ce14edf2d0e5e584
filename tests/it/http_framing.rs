//! Where a request begins and ends, and what happens when that is in doubt.

use std::io::{self, Read};

use crate::support::{Notes, Running};
use crate::web::{Browser, answer, answering, ask, get, hear_out, serve, show, talk};

/// Answers with what it makes of a request, body included, and notes its path.
pub(crate) fn reading() -> (Running, Notes<String>) {
    let paths = Notes::new();
    let noted = paths.clone();
    let server = serve(answering(move |http| {
        noted.add(http.path.clone());
        let mut body = Vec::new();
        http.rfile.read_to_end(&mut body)?;
        let text = format!("{} {} {:?}", http.command, http.path, show(body));
        answer(http, text)
    }));
    (server, paths)
}

/// Answers without a look at the body.
pub(crate) fn not_reading() -> (Running, Notes<String>) {
    let paths = Notes::new();
    let noted = paths.clone();
    let server = serve(answering(move |http| {
        noted.add(http.path.clone());
        answer(http, "unread")
    }));
    (server, paths)
}

/// The request line, a host and these lines.
pub(crate) fn post(lines: &str) -> String {
    format!("POST /first HTTP/1.1\r\nHost: x\r\n{lines}")
}

/// What might be taken for a second request.
pub(crate) const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn heads_that_are_no_heads_are_refused() {
    let (server, paths) = reading();
    for (head, status) in [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.2\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: user@a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a:+80\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: :80\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: [::1]a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: ::1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: [a]\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: <script>\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: \"a\"\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\\b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a?b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: http://a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: %zz\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: \u{e9}\r\n\r\n", 400),
        ("GET / HTTP/1.0\r\nHost: a:b\r\n\r\n", 400),
        ("GET http://a:b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET http://a:b/\r\n", 400),
        ("GET / HTTP/0.9\r\n\r\n", 505),
        ("GET / HTTP/0.0\r\n\r\n", 505),
        ("GET / HTTP/000.9\r\n\r\n", 505),
        ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
        ("GET / HTTP/1.1 x\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\rX: y\r\nHost: a\r\n\r\n", 400),
        ("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r \nX: y\r\n\r\n", 400),
        ("GET / HTTP/1\r\n\r\n", 400),
        ("GET / HTTP/1.\r\n\r\n", 400),
        ("GET / HTTP/.1\r\n\r\n", 400),
        ("GET / HTTP/1.1.1\r\n\r\n", 400),
        ("GET / HTTP/+1.1\r\n\r\n", 400),
        ("GET / HTTP/1.-1\r\n\r\n", 400),
        ("GET / HTTP/1_0.1\r\n\r\n", 400),
        ("GET / HTTP/ 1.1\r\n\r\n", 400),
        ("GET / HTTPS/1.1\r\n\r\n", 400),
        ("GET / HTTP/12345678901.1\r\n\r\n", 400),
        ("GET / HTTP/3.0\r\n\r\n", 505),
        ("GET / HTTP/9999999999.0\r\n\r\n", 505),
        ("\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03\n", 400),
    ] {
        // Each character is a byte.
        let bytes: Vec<u8> = head.chars().map(|character| character as u8).collect();
        let mut browser = Browser::connect(&server);
        let reply = browser.send(&bytes).reply();
        assert_eq!(reply.status(), status, "{head:?}");
        browser.sees_the_end();
    }
    assert!(paths.so_far().is_empty());
}

#[test]
fn heads_that_are_unusual_are_accepted() {
    let (server, _) = reading();
    for head in [
        "GET / HTTP/1.1\nHost: x\n\n",
        "GET / HTTP/1.1\r\nHost:\r\n\r\n",
        "GET / HTTP/1.1\r\nhOST:x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: [v7.a:b]\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a_b.xn--p1ai.example.:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: 1.2.3.4:65535\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: %C3%A9!$&'()*+;=~\r\n\r\n",
        "GET  /  HTTP/1.1 \r\nHost: x\r\n\r\n",
        "GET / HTTP/1.9\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nX: \t\"\u{ff}\" \r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n!#$%&'*+-.^_`|~09: y\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\ncontent-length: 0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\ntransfer-encoding: \tCHUNKED \r\n\r\n0\r\n\r\n",
    ] {
        let bytes: Vec<u8> = head.chars().map(|character| character as u8).collect();
        let mut browser = Browser::connect(&server);
        assert_eq!(browser.send(&bytes).reply().status(), 200, "{head:?}");
        assert_eq!(browser.ask(get("/")).status(), 200, "kept: {head:?}");
    }
}

/// Chunked bodies, without what precedes the first chunk, and their content.
pub(crate) const CHUNKED: [(&str, &str); 10] = [
    ("0\r\n\r\n", ""),
    ("5\r\nHELLO\r\n0\r\n\r\n", "HELLO"),
    ("5\r\nHELLO\r\n1\r\n!\r\n0\r\n\r\n", "HELLO!"),
    ("a\r\n0123456789\r\nA\r\n0123456789\r\n000\r\n\r\n", "01234567890123456789"),
    ("5;name=value\r\nHELLO\r\n0;last\r\n\r\n", "HELLO"),
    ("5 ; name=\"quoted; \\\" value\"\r\nHELLO\r\n0\r\n\r\n", "HELLO"),
    ("00000005\r\nHELLO\r\n0\r\n\r\n", "HELLO"),
    ("7\r\n0\r\n\r\n\r\n\r\n0\r\n\r\n", "0\r\n\r\n\r\n"),
    ("1\r\nx\r\n0\r\nTrailer: yes\r\nOther: no\r\n\r\n", "x"),
    ("2\r\n\r\n\r\n0\r\n\r\n", "\r\n"),
];

/// Chunked bodies that are none.
pub(crate) const NOT_CHUNKED: [&str; 20] = [
    "\r\n\r\n",
    "x\r\nHELLO\r\n0\r\n\r\n",
    "0x5\r\nHELLO\r\n0\r\n\r\n",
    "+5\r\nHELLO\r\n0\r\n\r\n",
    "-5\r\nHELLO\r\n0\r\n\r\n",
    " 5\r\nHELLO\r\n0\r\n\r\n",
    "5 5\r\nHELLO\r\n0\r\n\r\n",
    "5\nHELLO\r\n0\r\n\r\n",
    "5\r\nHELLO\n0\r\n\r\n",
    "5\r\r\nHELLO\r\n0\r\n\r\n",
    "5\r\nHELLO!\r\n0\r\n\r\n",
    "5\r\nHELLO0\r\n\r\n",
    "5\r\nHELLO\r\n0\n\n",
    "5;a\rb\r\nHELLO\r\n0\r\n\r\n",
    "5;a\0b\r\nHELLO\r\n0\r\n\r\n",
    "5,\r\nHELLO\r\n0\r\n\r\n",
    "10000000000000000\r\nHELLO\r\n0\r\n\r\n",
    "00000000000000005\r\nHELLO\r\n0\r\n\r\n",
    "5\r\nHELLO\r\n0\r\nTrailer: a\rb\r\n\r\n",
    "5\r\nHELLO\r\n0\r\nTrailer: a\n\r\n",
];

pub(crate) fn chunked(body: &str) -> String {
    post("Transfer-Encoding: chunked\r\n\r\n") + body
}

#[test]
fn chunked_bodies_are_decoded_and_end_where_they_end() {
    let (server, _) = reading();
    for (body, content) in CHUNKED {
        let mut browser = Browser::connect(&server);
        browser.send(chunked(body) + &get("/next"));
        let expected = format!("POST /first {:?}", show(content));
        assert_eq!(browser.reply().text(), expected, "{body:?}");
        assert_eq!(browser.reply().text(), "GET /next \"\"", "{body:?}");
    }
}

#[test]
fn chunked_bodies_that_nobody_reads_end_where_they_end() {
    let (server, paths) = not_reading();
    for (body, _) in CHUNKED {
        let mut browser = Browser::connect(&server);
        browser.send(chunked(body) + &get("/next"));
        assert_eq!(browser.reply().text(), "unread");
        assert_eq!(browser.reply().text(), "unread");
        assert_eq!(paths.so_far(), ["/first", "/next"], "{body:?}");
    }
}

#[test]
fn malformed_chunks_are_refused_and_nothing_behind_them_is_served() {
    let (server, paths) = reading();
    for body in NOT_CHUNKED {
        let mut browser = Browser::connect(&server);
        let reply = browser.ask(chunked(body) + SMUGGLED);
        assert_eq!(reply.status(), 400, "{body:?}");
        browser.sees_the_end();
        assert_eq!(paths.so_far(), ["/first"], "{body:?}");
    }
}

#[test]
fn nothing_is_served_behind_malformed_chunks_that_nobody_reads() {
    let (server, paths) = not_reading();
    for body in NOT_CHUNKED {
        let reply = talk(&server, chunked(body) + SMUGGLED);
        assert!(reply.ends_with(b"\r\n\r\nunread"), "{body:?} {}", show(reply));
        assert_eq!(paths.so_far(), ["/first"], "{body:?}");
    }
}

#[test]
fn lines_between_chunks_are_bounded() {
    let (server, _) = reading();
    let long = "x".repeat(9_000);
    let trailers = format!("T: {}\r\n", "x".repeat(1_000)).repeat(70);
    for body in [
        format!("5;{long}\r\nHELLO\r\n0\r\n\r\n"),
        format!("0\r\nT: {long}\r\n\r\n"),
        format!("0\r\n{trailers}\r\n"),
    ] {
        assert_eq!(ask(&server, chunked(&body)).status(), 400);
    }
}

#[test]
fn a_body_that_ends_early_is_an_error_for_its_reader() {
    let errors = Notes::new();
    let noted = errors.clone();
    let server = serve(answering(move |http| {
        let error = http.rfile.read_to_end(&mut Vec::new()).unwrap_err();
        noted.add(error.kind());
        // It stays one.
        assert!(http.rfile.read(&mut [0]).is_err());
        Err(error)
    }));
    for lines in [
        "Content-Length: 5\r\n\r\n",
        "Content-Length: 5\r\n\r\nHELL",
        "Transfer-Encoding: chunked\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nHEL",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nHELLO\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nHELLO\r\n0\r\n",
    ] {
        let reply = hear_out(server.address, post(lines).as_bytes());
        assert!(reply.starts_with(b"HTTP/1.1 400 "), "{lines:?} {}", show(reply));
        assert_eq!(errors.next(), io::ErrorKind::UnexpectedEof);
    }
}
