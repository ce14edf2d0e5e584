//! Compressed files: their type is that of the bytes that are sent.

use std::io;

use socketserver::http::{Exchange, FileHooks, HttpRequestHandler, SimpleHttpRequestHandler};

use crate::support::Running;
use crate::web::{Browser, Site, get, noting, serve};

/// A name, its `Content-Type` and its `Content-Encoding`.
const KINDS: [(&str, &str, Option<&str>); 37] = [
    ("a.svgz", "image/svg+xml", Some("gzip")),
    ("A.SVGZ", "image/svg+xml", Some("gzip")),
    ("a.svg", "image/svg+xml", None),
    ("a.svg.gz", "application/gzip", None),
    ("a.svg.br", "image/svg+xml", Some("br")),
    ("a.x3dz", "model/x3d+xml", Some("gzip")),
    ("a.x3dvz", "model/x3d+vrml", Some("gzip")),
    ("a.x3dbz", "model/x3d+binary", Some("gzip")),
    ("a.wrz", "x-world/x-vrml", Some("gzip")),
    ("a.html.br", "text/html", Some("br")),
    ("a.html.BR", "text/html", Some("br")),
    ("a.wasm.br", "application/wasm", Some("br")),
    ("a.svgz.br", "application/octet-stream", None),
    ("a.tgz.br", "application/octet-stream", None),
    ("a.br.br", "application/octet-stream", None),
    ("a.unknown.br", "application/octet-stream", None),
    ("a.js.br", "text/javascript", Some("br")),
    ("a.js.gz", "application/gzip", None),
    ("a.js.GZ", "application/gzip", None),
    ("a.html.Z", "application/octet-stream", None),
    ("a.html.bz2", "application/x-bzip2", None),
    ("a.html.xz", "application/x-xz", None),
    ("a.html.zst", "application/zstd", None),
    ("a.html.lz4", "application/octet-stream", None),
    ("a.tar", "application/x-tar", None),
    ("a.tar.gz", "application/gzip", None),
    ("a.tar.br", "application/octet-stream", None),
    ("a.tgz", "application/gzip", None),
    ("a.TGZ", "application/gzip", None),
    ("a.taz", "application/gzip", None),
    ("a.tz", "application/gzip", None),
    ("a.tbz2", "application/x-bzip2", None),
    ("a.txz", "application/x-xz", None),
    ("a.gz", "application/gzip", None),
    ("a.br", "application/octet-stream", None),
    (".svgz", "application/octet-stream", None),
    ("svgz", "application/octet-stream", None),
];

#[test]
fn a_compressed_file_is_not_announced_as_what_is_inside() {
    let site = Site::empty();
    for (name, ..) in KINDS {
        site.write(name, "compressed");
    }
    let server = site.serve();
    for (name, kind, coding) in KINDS {
        assert_eq!(announced(&server, name), [(kind, coding); 2].map(owned), "{name}");
    }
}

/// A handler with types of its own, and a field that it adds to every response.
struct Mapping {
    files: SimpleHttpRequestHandler<Map>,
    coding: Option<&'static str>,
}

struct Map(&'static [(&'static str, &'static str)]);

impl FileHooks for Map {
    fn extensions_map(&self) -> &[(&str, &str)] {
        self.0
    }
}

impl HttpRequestHandler for Mapping {
    fn base(&self) -> &dyn HttpRequestHandler {
        &self.files
    }

    fn end_headers(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        if let Some(coding) = self.coding {
            http.send_header("content-encoding", coding)?;
        }
        self.files.end_headers(http)
    }
}

#[test]
fn a_type_of_ones_own_counts_and_has_no_coding_unless_it_is_what_is_inside() {
    let site = Site::empty();
    for name in ["a.svgz", "a.tgz", "a.gz", "a.html.br", "a.html.gz"] {
        site.write(name, "compressed");
    }
    const SVG: &str = "image/svg+xml; charset=utf-8";
    for (map, expected) in [
        (
            &[][..],
            [
                ("a.svgz", "image/svg+xml", Some("gzip")),
                // With an empty map CPython says `text/html`.
                ("a.html.gz", "application/gzip", None),
                ("a.tgz", "application/gzip", None),
            ],
        ),
        (
            &[(".svgz", "application/x-gzip"), (".gz", "x/gz"), (".br", "x/br")],
            [
                ("a.svgz", "application/x-gzip", None),
                ("a.tgz", "x/gz", None),
                ("a.html.br", "x/br", None),
            ],
        ),
        (
            &[(".svgz", SVG), (".tgz", "x/tgz"), (".gz", "x/gz")],
            [("a.svgz", SVG, Some("gzip")), ("a.tgz", "x/tgz", None), ("a.gz", "x/gz", None)],
        ),
    ] {
        let handler = Mapping { files: site.handler().with_hooks(Map(map)), coding: None };
        let server = serve(noting(handler).http11());
        for (name, kind, coding) in expected {
            assert_eq!(announced(&server, name), [(kind, coding); 2].map(owned), "{name}");
        }
    }
}

/// Programs that were made for CPython say it themselves; told twice, a client decodes twice.
#[test]
fn a_coding_that_the_handler_names_is_not_named_twice() {
    let site = Site::empty();
    site.write("a.svgz", "compressed");
    let handler = Mapping { files: site.handler().with_hooks(Map(&[])), coding: Some("x-gzip") };
    let server = serve(noting(handler).http11());
    assert_eq!(announced(&server, "a.svgz"), [("image/svg+xml", Some("x-gzip")); 2].map(owned));
}

/// Sets the type of every response, whatever the file.
struct Typed(SimpleHttpRequestHandler<Map>, &'static str);

impl HttpRequestHandler for Typed {
    fn base(&self) -> &dyn HttpRequestHandler {
        &self.0
    }

    fn end_headers(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        http.set_header("Content-Type", self.1)?;
        self.0.end_headers(http)
    }
}

#[test]
fn the_type_that_the_response_has_in_the_end_decides_about_its_coding() {
    let site = Site::empty();
    site.write("a.svgz", "compressed");
    for (kind, coding) in [
        ("application/octet-stream", None),
        ("application/gzip", None),
        ("image/svg+xmlx", None),
        ("image/svg+xml", Some("gzip")),
        ("IMAGE/svg+xml; charset=utf-8", Some("gzip")),
    ] {
        // What the hooks say of the type is not what the response has in the end.
        let map: &[_] = if kind.starts_with("image") { &[(".svgz", "x/y")] } else { &[] };
        let files = site.handler().with_hooks(Map(map));
        let server = serve(noting(Typed(files, kind)).http11());
        assert_eq!(announced(&server, "a.svgz"), [(kind, coding); 2].map(owned), "{kind}");
    }
}

#[test]
fn an_error_and_a_recent_copy_have_no_coding() {
    let site = Site::empty();
    site.write("a.svgz", "compressed");
    let server = site.serve();
    let since = "If-Modified-Since: Thu, 02 Jan 2020 03:04:05 GMT";
    for (line, status) in [
        ("GET /missing.svgz HTTP/1.1\r\nHost: x".to_owned(), 404),
        ("PUT /a.svgz HTTP/1.1\r\nHost: x".to_owned(), 501),
        (format!("GET /a.svgz HTTP/1.1\r\nHost: x\r\n{since}"), 304),
    ] {
        let reply = Browser::connect(&server).ask(format!("{line}\r\n\r\n"));
        assert_eq!((reply.status(), reply.header("Content-Encoding")), (status, None), "{line}");
    }
}

/// What GET and HEAD say of a file.
#[track_caller]
fn announced(server: &Running, name: &str) -> [(String, Option<String>); 2] {
    let mut browser = Browser::connect(server);
    let got = browser.ask(get(&format!("/{name}")));
    browser.send(format!("HEAD /{name} HTTP/1.1\r\nHost: x\r\n\r\n"));
    [got, browser.reply_to_head()].map(|reply| {
        let codings = reply.headers("Content-Encoding");
        assert!(codings.len() < 2, "{codings:?}");
        let coding = codings.first().map(|&coding| coding.to_owned());
        (reply.header("Content-Type").unwrap().to_owned(), coding)
    })
}

fn owned((kind, coding): (&str, Option<&str>)) -> (String, Option<String>) {
    (kind.to_owned(), coding.map(str::to_owned))
}
