//! The 33 behaviours that h1spec asks of a server of HTTP/1.1 (`uNetworking/h1spec`, as of
//! `57dd313`).
//!
//! It accepts any of several statuses; the rows here say which one it is.

use crate::support::{MOMENT, Running};
use crate::web::{Browser, answering, send_back, serve};

const WHOLE: &str = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// What stands before the cut, in requests that end too early.
const CUTS: [(&str, &str); 15] = [
    ("in the method", "G"),
    ("before the target", "GET "),
    ("in the target", "GET /hello"),
    ("before the version", "GET /hello "),
    ("in the version", "GET /hello HTTP"),
    ("behind the request line", "GET /hello HTTP/1.1"),
    ("in the request line's end", "GET /hello HTTP/1.1\r"),
    ("before the first field", "GET /hello HTTP/1.1\r\n"),
    ("in a field's name", "GET /hello HTTP/1.1\r\nHos"),
    ("behind a field's colon", "GET /hello HTTP/1.1\r\nHost:"),
    ("before a field's value", "GET /hello HTTP/1.1\r\nHost: "),
    ("behind a field's value", "GET /hello HTTP/1.1\r\nHost: localhost"),
    ("in a field's end", "GET /hello HTTP/1.1\r\nHost: localhost\r"),
    ("before the head's end", "GET /hello HTTP/1.1\r\nHost: localhost\r\n"),
    ("in the head's end", "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r"),
];

/// Whole requests behind `GET / HTTP/1.1`, CR LF and a host, and how they are answered.
const FIELDS: [(&str, &str, u16); 8] = [
    ("nothing else", "", 200),
    ("a field without a value", "X-Empty-Header: \r\n", 200),
    ("a field name that is no token", "X-Invalid[]: test\r\n", 400),
    ("two hosts", "Host: example.org\r\n", 400),
    ("a length far below zero", "Content-Length: -123456789123456789123456789\r\n", 400),
    ("a length below zero", "Content-Length: -1234\r\n", 400),
    ("a length that is no number", "Content-Length: abc\r\n", 400),
    ("a control character", "X-Bad-Control-Char: test\x07\r\n", 400),
];

/// Other whole requests, and how they are answered.
const REQUESTS: [(&str, &str, u16); 8] = [
    ("odd but right", "GET / HTTP/1.1\r\nhoSt:\texample.com\r\nempty:\r\n\r\n", 200),
    ("no host", "GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", 400),
    ("a version that is none", "GET / HTTP/9.9\r\nHost: example.com\r\n\r\n", 505),
    ("something before it", "Extra lineGET / HTTP/1.1\r\nHost: example.com\r\n\r\n", 400),
    ("a bare CR", "GET / HTTP/1.1\r\nHost: example.com\r\n\rSome-Header: Test\r\n\r\n", 400),
    ("a body", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", 200),
    (
        "a chunked body",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        200,
    ),
    (
        "a length and chunks",
        "POST / HTTP/1.1\r\nHost: h\r\ncontent-LengtH: 5\r\nTransFer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
];

fn echo() -> Running {
    serve(answering(send_back))
}

#[test]
fn h1spec_a_request_that_is_cut_is_waited_for() {
    let server = echo();
    let mut browsers = CUTS.map(|(_, begin)| {
        let mut browser = Browser::connect(&server);
        browser.send(begin);
        browser
    });
    for (browser, (place, begin)) in browsers.iter_mut().zip(CUTS) {
        assert!(!browser.client.hears(MOMENT), "{place}");
        let rest = WHOLE.strip_prefix(begin).unwrap();
        assert_eq!(browser.ask(rest).status(), 200, "{place}");
    }
}

#[test]
fn h1spec_a_whole_request_is_answered_or_refused() {
    let server = echo();
    let with_host = |fields| format!("GET / HTTP/1.1\r\nHost: example.com\r\n{fields}\r\n");
    let fields = FIELDS.map(|(what, fields, status)| (what, with_host(fields), status));
    let others = REQUESTS.map(|(what, request, status)| (what, request.to_owned(), status));
    for (what, request, status) in fields.into_iter().chain(others) {
        let reply = Browser::connect(&server).ask(&request);
        assert_eq!(reply.status(), status, "{what}");
        let body = if status == 200 && request.contains("hello") { "hello" } else { "" };
        assert!(status != 200 || reply.text() == body, "{what}: {}", reply.text());
    }
}

#[test]
fn h1spec_a_body_that_waits_to_be_asked_for_is_asked_for() {
    let server = echo();
    let mut browser = Browser::connect(&server);
    let request = "GET / HTTP/1.1\r\nHost: example.com\r\nExpect: 100-continue\r\n\r\n";
    assert_eq!(browser.ask(request).status(), 100);
    assert_eq!(browser.reply().status(), 200);
}

/// The one row of 33 on which this crate answers otherwise: h1spec wants an error, CPython's
/// servers and this one take the request for one of HTTP/0.9, answer without a head, and close.
#[test]
fn h1spec_a_request_without_a_version_is_one_of_http_0_9() {
    let server = serve(answering(|http| crate::web::answer(http, "old")));
    let mut browser = Browser::connect(&server);
    browser.send("GET / \r\n\r\n");
    assert_eq!(browser.rest(), b"old");
}
