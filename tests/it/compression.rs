//! Responses that are compressed as they are made.

use std::fs;
use std::io::{self, Read, Write};
use std::time::{Duration, UNIX_EPOCH};

use flate2::read::GzDecoder;
use socketserver::http::{Compression, Exchange, HttpRequestHandler, SimpleHttpRequestHandler};

use crate::conditions::request;
use crate::support::{Gate, Running, eventually};
use crate::web::{Reply, Site, answering, ask, noting, serve, set_modified};

/// Text of so many bytes, no two lines of which are the same.
pub(crate) fn text(size: usize) -> String {
    let lines = (0..).map(|line| format!("line {line} of a text {}\n", line * 7919 % 1009));
    let mut text = String::new();
    for line in lines.take(size / 10) {
        text.push_str(&line);
    }
    text[..size].to_owned()
}

#[track_caller]
fn decoded(body: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    let mut decoder = GzDecoder::new(body);
    decoder.read_to_end(&mut content).unwrap();
    assert!(decoder.into_inner().is_empty());
    content
}

/// The content, whatever its coding.
#[track_caller]
pub(crate) fn content(reply: &Reply) -> Vec<u8> {
    match reply.headers("Content-Encoding")[..] {
        [] => reply.body.clone(),
        ["gzip"] => decoded(&reply.body),
        ref others => panic!("{others:?}"),
    }
}

pub(crate) fn is_compressed(reply: &Reply) -> bool {
    reply.header("Content-Encoding").is_some()
}

pub(crate) const GZIP: (&str, &str) = ("Accept-Encoding", "gzip, deflate, br");

fn serve_site(site: &Site) -> Running {
    serve(noting(Compression::new(site.handler())).http11())
}

/// Answers as the closure says, compressed.
pub(crate) fn serve_answers(
    answer: impl Fn(&mut Exchange<'_>) -> io::Result<()> + Send + Sync + 'static,
) -> Running {
    serve(noting(Compression::new(answering(answer))).http11())
}

#[test]
fn text_is_compressed_for_those_who_accept_it() {
    let site = Site::empty();
    for (name, size) in [("a.html", 5_000), ("b.json", 500_000), ("c.png", 5_000), ("d.js", 1_023)]
    {
        site.write(name, text(size));
    }
    site.write("e.css", text(1_024));
    let server = serve_site(&site);
    for (path, size, gains) in [
        ("/a.html", 5_000, true),
        ("/b.json", 500_000, true),
        ("/c.png", 5_000, false),
        ("/d.js", 1_023, false),
        ("/e.css", 1_024, true),
    ] {
        for (field, accepts) in
            [("gzip", true), ("*", true), ("br", false), ("identity, gzip;q=0.1", false)]
        {
            let fields = [("Accept-Encoding", field)];
            let reply = ask(&server, request("GET", path, &fields));
            assert!(content(&reply) == text(size).as_bytes(), "{path} {field}");
            assert_eq!(is_compressed(&reply), gains && accepts, "{path} {field}");
            assert_eq!(reply.headers("Vary"), if gains { vec!["Accept-Encoding"] } else { vec![] });
            let is_ranged = reply.header("Accept-Ranges").is_some();
            assert_eq!(is_ranged, !is_compressed(&reply));
            assert!(!is_compressed(&reply) || reply.body.len() < size / 2);
            let head = ask(&server, request("HEAD", path, &fields));
            for name in ["Content-Encoding", "Content-Type", "Vary", "Accept-Ranges", "ETag"] {
                assert_eq!(head.header(name), reply.header(name), "{path} {field} {name}");
            }
            if is_compressed(&reply) {
                assert_eq!(head.header("Content-Length"), None);
                // What is compressed in one piece has a length of its own.
                let length = reply.header("Content-Length").map(|length| length.parse().unwrap());
                assert_eq!(length, (size < 100_000).then_some(reply.body.len()), "{path}");
            } else {
                assert_eq!(head.header("Content-Length"), Some(&*size.to_string()));
            }
        }
        let old = format!("GET {path} HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n");
        let reply = ask(&server, old);
        assert!(!is_compressed(&reply) && reply.body == text(size).as_bytes());
        assert_eq!(reply.header("Vary").is_some(), gains);
    }
}

/// Where no request can follow, the connection's end is that of the body.
#[test]
fn a_server_of_http_1_0_compresses_for_clients_of_1_1() {
    let site = Site::empty();
    site.write("a.txt", text(200_000));
    let server = serve(noting(Compression::new(site.handler())));
    let reply = ask(&server, request("GET", "/a.txt", &[GZIP]));
    assert!(is_compressed(&reply) && content(&reply) == text(200_000).as_bytes());
    assert_eq!((reply.header("Content-Length"), reply.header("Transfer-Encoding")), (None, None));
}

#[test]
fn conditions_are_about_the_content_and_parts_are_of_it_as_it_is() {
    let server = {
        let files = SimpleHttpRequestHandler::new(env!("CARGO_MANIFEST_DIR"));
        serve(noting(Compression::new(Typed(files))).http11())
    };
    let ask = |method: &str, fields: &[(&str, &str)]| {
        let reply = ask(&server, request(method, "/LICENSE-MIT", fields));
        assert_eq!(reply.headers("Vary"), ["Accept-Encoding"], "{fields:?} {}", reply.head);
        reply
    };
    let license = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/LICENSE-MIT")).unwrap();
    let plain = ask("GET", &[]);
    let compressed = ask("GET", &[GZIP]);
    assert!(is_compressed(&compressed) && content(&compressed) == license);
    let own = plain.header("ETag").unwrap();
    let tag = compressed.header("ETag").unwrap();
    assert_eq!(tag, format!("W/{}-gzip\"", own.trim_end_matches('"')));
    let date = plain.header("Last-Modified").unwrap();
    let both = &*format!("{own}, {tag}");
    for method in ["GET", "HEAD"] {
        for (value, accepts, status, expected) in [
            (tag, true, 304, tag),
            (own, true, 304, own),
            (both, true, 304, tag),
            ("\"x\", W/\"y-gzip\"", true, 200, tag),
            ("*", true, 304, own),
            (own, false, 304, own),
            // It has nothing that it could show.
            (tag, false, 200, own),
        ] {
            let fields = [("If-None-Match", value), GZIP];
            let reply = ask(method, &fields[..if accepts { 2 } else { 1 }]);
            let came = (reply.status(), reply.header("ETag"));
            assert_eq!(came, (status, Some(expected)), "{method} {value} {accepts}");
        }
    }
    assert_eq!(ask("GET", &[("If-Modified-Since", date), GZIP]).status(), 304);
    assert_eq!(ask("GET", &[("If-Match", tag), GZIP]).status(), 200);
    let reply =
        self::ask(&server, request("GET", "/LICENSE-MIT", &[("If-Match", "W/\"x-gzip\""), GZIP]));
    assert_eq!(reply.status(), 412);
    // A part is one of the content as it is, and never of what was compressed.
    let range = ("Range", "bytes=5-9");
    let reply = ask("GET", &[range, GZIP]);
    assert!(reply.status() == 206 && !is_compressed(&reply) && reply.body == license[5..10]);
    for fields in [&[range, GZIP][..], &[range]] {
        // Both forms have the same date, so that it is a weak validator (RFC 9110 §13.1.5).
        for validator in [tag, date, "W/\"\""] {
            let reply = ask("GET", &[fields, &[("If-Range", validator)]].concat());
            assert!(reply.status() == 200 && content(&reply) == license, "{validator}");
        }
        assert_eq!(ask("GET", &[fields, &[("If-Range", own)]].concat()).status(), 206);
    }
}

/// Gives files without a suffix the type of text.
struct Typed<H>(H);

impl<H: HttpRequestHandler> HttpRequestHandler for Typed<H> {
    fn base(&self) -> &dyn HttpRequestHandler {
        &self.0
    }

    fn end_headers(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        if http.status().is_some_and(|status| status.code() < 300) {
            http.set_header("Content-Type", "text/plain")?;
        }
        self.0.end_headers(http)
    }
}

/// What a handler says of its response decides.
#[test]
fn what_would_be_wrong_or_gains_nothing_stays_as_it_is() {
    let server = serve_answers(|http| {
        let target = http.target();
        let fields = target.query().unwrap_or_default().to_owned();
        let status: u16 = target.path()[1..].parse().unwrap();
        http.send_response(status)?;
        for field in fields.split('&').filter(|field| !field.is_empty()) {
            let (name, value) = field.split_once('=').unwrap();
            http.send_header(name, value.replace('+', " "))?;
        }
        http.end_headers()?;
        let body = text(3_000);
        match &*fields {
            "Content-Type=text/plain&Transfer-Encoding=chunked" => {
                write!(http.wfile, "{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
            }
            _ => http.wfile.write_all(body.as_bytes()),
        }
    });
    for (target, gains) in [
        ("/200?Content-Type=text/plain", true),
        ("/201?Content-Type=text/plain", true),
        ("/404?Content-Type=text/html;+charset=utf-8", true),
        ("/500?content-type=application/problem%2Bjson&Content-Type=text/plain", false),
        ("/200?Content-Type=application/json&Content-Length=3000", true),
        ("/200", false),
        ("/200?Content-Type=text/event-stream", false),
        ("/200?Content-Type=image/png", false),
        ("/200?Content-Type=text/plain&Content-Encoding=x", false),
        ("/200?Content-Type=text/plain&Content-Encoding=identity", false),
        ("/200?Content-Type=text/plain&Cache-Control=no-transform", false),
        ("/200?Content-Type=text/plain&Cache-Control=max-age=1,+No-Transform", false),
        ("/200?Content-Type=text/plain&Cache-Control=no-store", true),
        ("/200?Content-Type=text/plain&Content-Digest=x", false),
        ("/200?Content-Type=text/plain&Transfer-Encoding=chunked", false),
        ("/206?Content-Type=text/plain&Content-Range=bytes+0-2999/9999", false),
        ("/200?Content-Type=text/plain&Content-Range=bytes+0-2999/9999", false),
    ] {
        let reply = ask(&server, request("GET", target, &[GZIP]));
        assert!(content_or_body(&reply) == text(3_000).as_bytes(), "{target}: {}", reply.head);
        assert_eq!(reply.header("Content-Encoding") == Some("gzip"), gains, "{target}");
        let is_part = target.contains("Content-Range");
        assert_eq!(reply.header("Vary").is_some(), gains || is_part, "{target}");
    }
    for target in ["/204?Content-Type=text/plain", "/304?Content-Type=text/plain"] {
        let reply = ask(&server, request("GET", target, &[GZIP]));
        assert!(!is_compressed(&reply) && reply.body.is_empty());
    }
    for (field, expected) in
        [("Accept-Encoding", 1), ("accept-encoding,+Origin", 1), ("*", 1), ("Origin", 2)]
    {
        let target = format!("/200?Content-Type=text/plain&Vary={field}");
        let reply = ask(&server, request("GET", &target, &[GZIP]));
        assert!(is_compressed(&reply) && reply.headers("Vary").len() == expected, "{}", reply.head);
    }
}

fn content_or_body(reply: &Reply) -> Vec<u8> {
    if reply.header("Content-Encoding") == Some("gzip") {
        content(reply)
    } else {
        reply.body.clone()
    }
}

#[test]
fn what_is_made_for_one_user_is_compressed_only_where_that_is_asked_for() {
    let answer = |http: &mut Exchange<'_>| {
        http.send_response(200)?;
        http.send_header("Content-Type", "text/plain")?;
        if http.path == "/tagged" {
            http.send_header("ETag", "\"x\"")?;
        }
        http.end_headers()?;
        http.wfile.write_all(text(3_000).as_bytes())
    };
    let careful = serve_answers(answer);
    let asked = serve(noting(Compression::new(answering(answer)).with_credentials()).http11());
    for secret in [("Cookie", "a=b"), ("Authorization", "Basic YTpi")] {
        for (server, path, expected) in
            [(&careful, "/", false), (&careful, "/tagged", true), (&asked, "/", true)]
        {
            let reply = ask(server, request("GET", path, &[GZIP, secret]));
            assert_eq!(is_compressed(&reply), expected, "{path} {secret:?}");
            assert_eq!(content(&reply), text(3_000).as_bytes());
        }
    }
}

/// Nothing of a stream waits for what is to come.
#[test]
fn what_has_no_length_leaves_at_once_and_the_rest_when_it_is_flushed() {
    for path in ["/stream", "/long"] {
        let go = Gate::new();
        let gate = go.clone();
        let server = serve_answers(move |http| {
            let has_length = http.path == "/long";
            http.send_response(200)?;
            http.send_header("Content-Type", "text/plain")?;
            if has_length {
                http.send_header("Content-Length", 1_200)?;
            }
            http.end_headers()?;
            for piece in ["one ", "two ", "six "] {
                http.wfile.write_all(piece.repeat(100).as_bytes())?;
                if has_length {
                    http.wfile.flush()?;
                }
                gate.pass();
            }
            Ok(())
        });
        let mut client = server.connect();
        client.send(request("GET", path, &[GZIP]));
        let mut came = Vec::new();
        for piece in ["one ", "two ", "six "] {
            let expected = piece.repeat(100);
            while !crate::web::find(&came, b"\r\n\r\n")
                .is_some_and(|end| so_far(&came[end + 4..]).ends_with(&expected))
            {
                let mut buffer = [0; 4096];
                let count = client.stream.read(&mut buffer).unwrap();
                assert!(count > 0);
                came.extend_from_slice(&buffer[..count]);
            }
            go.let_through(1);
        }
    }
}

/// What can be decoded of chunks whose end is to come.
fn so_far(mut chunks: &[u8]) -> String {
    let mut body = Vec::new();
    while let Some(end) = crate::web::find(chunks, b"\r\n") {
        let size = usize::from_str_radix(str::from_utf8(&chunks[..end]).unwrap(), 16).unwrap();
        let Some(chunk) = chunks.get(end + 2..end + 2 + size) else { break };
        body.extend_from_slice(chunk);
        chunks = chunks.get(end + 4 + size..).unwrap_or_default();
    }
    let (mut content, mut decoder) = (Vec::new(), GzDecoder::new(&body[..]));
    let _ = decoder.read_to_end(&mut content);
    String::from_utf8(content).unwrap()
}

/// Whatever its status: caches keep what came under the fields that `Vary` names (RFC 9110
/// §12.5.5).
#[test]
fn each_response_about_a_content_that_is_chosen_says_so() {
    let site = Site::empty();
    site.write("a.html", text(4_000));
    site.write("b.png", text(4_000));
    let server = serve_site(&site);
    let get = |path: &str, fields: &[_]| ask(&server, request("GET", path, fields));
    // A file that was changed just now has none.
    eventually(|| get("/a.html", &[]).header("ETag").is_some());
    let tag = get("/a.html", &[]).header("ETag").unwrap().to_owned();
    for (status, field) in [
        (200, ("X", "y")),
        (206, ("Range", "bytes=0-9")),
        (206, ("Range", "bytes=0-9,30-39")),
        (304, ("If-None-Match", &*tag)),
        (412, ("If-Match", "\"other\"")),
        (416, ("Range", "bytes=9000-")),
    ] {
        for fields in [&[field, GZIP][..], &[field]] {
            let reply = get("/a.html", fields);
            assert_eq!(reply.status(), status, "{fields:?}");
            assert_eq!(reply.headers("Vary"), ["Accept-Encoding"], "{fields:?} {}", reply.head);
        }
    }
    let reply = get("/b.png", &[("Range", "bytes=0-9"), GZIP]);
    assert_eq!((reply.status(), reply.header("Vary")), (206, None));
}

/// That of the response which the client would have got, as no tag of its own says what it has.
#[test]
fn what_is_unmodified_by_its_date_has_the_tag_of_the_whole() {
    let site = Site::empty();
    site.write("a.html", text(4_000));
    for name in ["b.png", "c.html", "d.html", "d.html.gz", "e.svgz"] {
        site.write(name, text(if name == "c.html" { 1_000 } else { 4_000 }));
    }
    for name in ["a.html", "b.png", "c.html", "d.html", "d.html.gz", "e.svgz"] {
        set_modified(&site.path(name), UNIX_EPOCH + Duration::from_secs(1_000_000_000));
    }
    let files = site.handler().precompressed();
    let server = serve(noting(Compression::new(files)).http11());
    // A file that was changed just now has no tag.
    for path in ["/a.html", "/b.png", "/c.html", "/d.html", "/d.html.gz", "/e.svgz"] {
        eventually(|| ask(&server, request("GET", path, &[])).header("ETag").is_some());
    }
    let date = "Sun, 09 Sep 2001 01:46:40 GMT";
    for (path, marked) in [
        ("/a.html", true),
        ("/b.png", false),
        ("/c.html", false),
        ("/d.html", false),
        ("/e.svgz", false),
    ] {
        for fields in [&[GZIP][..], &[]] {
            for method in ["GET", "HEAD"] {
                let whole = ask(&server, request(method, path, fields));
                let tag = whole.header("ETag").unwrap();
                let is_marked = marked && !fields.is_empty();
                assert_eq!(tag.ends_with("-gzip\""), is_marked, "{path}: {}", whole.head);
                for condition in
                    [("If-Modified-Since", date), ("If-None-Match", "*"), ("If-None-Match", tag)]
                {
                    let fields = [&[condition], fields].concat();
                    let reply = ask(&server, request(method, path, &fields));
                    let came = (reply.status(), reply.header("ETag"));
                    assert_eq!(came, (304, Some(tag)), "{path} {fields:?}");
                    let came = reply.headers("Vary");
                    assert_eq!(came, whole.headers("Vary"), "{method} {path} {fields:?}");
                }
            }
        }
    }
}
