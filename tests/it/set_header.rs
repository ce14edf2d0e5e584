//! Header fields that take the place of others.

use std::io::{self, Write};

use socketserver::http::{Exchange, HttpRequestHandler, ProtocolVersion};

use crate::support::Notes;
use crate::web::{Browser, Site, answering, get, noting, serve};

/// Sets or sends a field in every response of the handler that it extends.
struct Adding<H> {
    base: H,
    sets: bool,
    fields: &'static [(&'static str, &'static str)],
}

impl<H: HttpRequestHandler> HttpRequestHandler for Adding<H> {
    fn base(&self) -> &dyn HttpRequestHandler {
        &self.base
    }

    fn end_headers(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        for (name, value) in self.fields {
            if self.sets {
                http.set_header(name, value)?;
            } else {
                http.send_header(name, value)?;
            }
        }
        self.base.end_headers(http)
    }
}

/// Of files, listings, redirects and errors.
const TARGETS: [&str; 5] = ["/a.txt", "/sub/", "/sub", "/missing", "/idx/"];

#[test]
fn a_field_that_is_set_takes_the_place_of_all_others() {
    let site = Site::new();
    let fields = &[
        ("content-TYPE", "text/x"),
        ("Server", "mine"),
        ("DATE", "today"),
        ("Last-Modified", "yesterday"),
        ("Location", "/there"),
        ("X-New", "new"),
    ];
    for version in [ProtocolVersion::Http10, ProtocolVersion::Http11] {
        let handler = noting(Adding { base: site.handler(), sets: true, fields });
        let handler = if version == ProtocolVersion::Http11 { handler.http11() } else { handler };
        let server = serve(handler);
        for target in TARGETS {
            for method in ["GET", "HEAD"] {
                let request = get(target).replace("GET", method);
                let reply = Browser::connect(&server).ask(request);
                for (name, value) in fields {
                    assert_eq!(reply.headers(name), [*value], "{method} {target}: {}", reply.head);
                }
            }
        }
    }
}

/// What a program does that was made for CPython.
#[test]
fn a_server_or_a_date_that_is_sent_takes_the_place_of_the_servers_own() {
    let site = Site::new();
    let fields = &[("server", "mine"), ("Date", "today"), ("Set-Cookie", "a"), ("Set-Cookie", "b")];
    let server = serve(noting(Adding { base: site.handler(), sets: false, fields }).http11());
    for target in TARGETS {
        let reply = Browser::connect(&server).ask(get(target));
        assert_eq!(reply.headers("Server"), ["mine"], "{}", reply.head);
        assert_eq!(reply.headers("Date"), ["today"], "{}", reply.head);
        assert_eq!(reply.headers("Set-Cookie"), ["a", "b"], "{}", reply.head);
    }
}

#[test]
fn what_describes_the_body_may_be_set_anew() {
    let server = serve(answering(|http| {
        http.send_response(200)?;
        match http.path.as_str() {
            "/length" => {
                http.send_header("Content-Length", 7)?;
                http.set_header("content-length", 5)?;
            }
            "/coding" => {
                http.send_header("Transfer-Encoding", "Chunked")?;
                http.set_header("transfer-encoding", "chunked")?;
                http.end_headers()?;
                return http.wfile.write_all(b"5\r\nhello\r\n0\r\n\r\n");
            }
            "/kept" => {
                http.send_header("Connection", "close")?;
                http.set_header("Connection", "keep-alive")?;
                http.send_header("Content-Length", 5)?;
            }
            _ => {
                http.send_header("Content-Length", 5)?;
                http.set_header("Connection", "close")?;
            }
        }
        http.end_headers()?;
        http.wfile.write_all(b"hello")
    }));
    let mut browser = Browser::connect(&server);
    for target in ["/length", "/coding", "/kept", "/closed"] {
        let reply = browser.ask(get(target));
        assert_eq!((reply.status(), reply.text()), (200, "hello"), "{target}: {}", reply.head);
        for name in ["Content-Length", "Transfer-Encoding", "Connection"] {
            assert!(reply.headers(name).len() < 2, "{target}: {}", reply.head);
        }
    }
    browser.sees_the_end();
}

#[test]
fn what_cannot_be_set_leaves_what_there_is() {
    let said = Notes::new();
    let server = serve(answering({
        let said = said.clone();
        move |http| {
            let note = |result: io::Result<()>| said.add(result.map_err(|error| error.to_string()));
            note(http.set_header("A", "b"));
            http.send_response(200)?;
            http.send_header("Content-Length", 2)?;
            http.send_header("A", "b")?;
            note(http.set_header("A", "b\r\nC: d"));
            note(http.set_header("A", "\u{20ac}"));
            note(http.set_header("A b", "c"));
            note(http.set_header("Content-Length", "x"));
            note(http.set_header("Transfer-Encoding", "chunked"));
            http.end_headers()?;
            note(http.set_header("A", "b"));
            http.wfile.write_all(b"ok")
        }
    }));
    let reply = Browser::connect(&server).ask(get("/"));
    assert_eq!((reply.status(), reply.text()), (200, "ok"), "{}", reply.head);
    assert_eq!((reply.headers("A"), reply.headers("Content-Length")), (vec!["b"], vec!["2"]));
    let said = said.so_far();
    assert!(said.len() == 7 && said.iter().all(Result::is_err), "{said:?}");
}
