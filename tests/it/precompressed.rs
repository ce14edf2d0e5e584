//! Files that stand compressed beside others: which of them a client gets, and what is said of it.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::thread;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use socketserver::http::{Exchange, HttpRequestHandler};

use crate::conditions::request;
use crate::mutations::Mutations;
use crate::nginx::Nginx;
use crate::nginx_cache::cache;
use crate::ranges::content;
use crate::support::{PAUSE, Running, eventually};
use crate::web::{Browser, Reply, Site, answering, ask, noting, serve};

/// A site with one file and what stands beside it.
fn site() -> Site {
    let site = Site::empty();
    site.write("app.js", content(3_000));
    site.write("app.js.br", [b'b'; 100]);
    site.write("app.js.zst", [b'z'; 200]);
    site.write("app.js.gz", [b'g'; 300]);
    site
}

fn serve_site(site: &Site) -> Running {
    serve(noting(site.handler().precompressed()).http11())
}

/// Asks with `Accept-Encoding`, unless that is `none`.
#[track_caller]
fn accepting(server: &Running, method: &str, path: &str, field: &str) -> Reply {
    let fields = [("Accept-Encoding", field)];
    ask(server, request(method, path, if field == "none" { &[] } else { &fields }))
}

/// The coding that a reply announces, and the first letter of its body.
fn coding(reply: &Reply) -> (&str, char) {
    let codings = reply.headers("Content-Encoding");
    assert!(codings.len() < 2, "{}", reply.head);
    (codings.first().unwrap_or(&"none"), reply.body.first().map_or(' ', |&byte| byte.into()))
}

#[test]
fn the_best_that_the_client_accepts_is_sent() {
    let site = site();
    let server = serve_site(&site);
    let whole = content(3_000);
    for (field, expected, size) in [
        ("none", "none", 3_000),
        ("", "none", 3_000),
        ("deflate, compress", "none", 3_000),
        ("gzip", "gzip", 300),
        ("x-gzip", "gzip", 300),
        ("gzip, deflate, br, zstd", "br", 100),
        ("gzip, deflate", "gzip", 300),
        ("gzip, zstd;q=0.9", "gzip", 300),
        ("br;q=0, zstd;q=0.2, gzip;q=0.1", "zstd", 200),
        ("*", "br", 100),
        ("*;q=0", "none", 3_000),
        ("identity;q=1, *;q=0", "none", 3_000),
        ("identity, gzip;q=0.5", "none", 3_000),
    ] {
        let reply = accepting(&server, "GET", "/app.js?v=1", field);
        let first = reply.body.first().copied();
        assert_eq!((reply.status(), coding(&reply).0), (200, expected), "{field}");
        assert_eq!(
            first,
            if expected == "none" { whole.first() } else { expected.as_bytes().first() }.copied()
        );
        assert_eq!(reply.body.len(), size, "{field}");
        assert_eq!(reply.header("Content-Type"), Some("text/javascript"), "{field}");
        assert_eq!(reply.headers("Vary"), ["Accept-Encoding"], "{field}");
        let head = accepting(&server, "HEAD", "/app.js?v=1", field);
        for name in ["Content-Encoding", "Content-Length", "Content-Type", "Vary"] {
            assert_eq!(head.header(name), reply.header(name), "{field} {name}");
        }
        assert_eq!(reply.header("Content-Location"), None);
    }
    // What is compressed can be had by its own name, too.
    for (path, kind, encoding) in [
        ("/app.js.gz", "application/gzip", "none"),
        ("/app.js.zst", "application/zstd", "none"),
        ("/app.js.br", "text/javascript", "br"),
    ] {
        let reply = accepting(&server, "GET", path, "gzip, br, zstd");
        assert_eq!((coding(&reply).0, reply.header("Content-Type")), (encoding, Some(kind)));
        assert_eq!(reply.header("Vary"), None, "{path}");
    }
}

#[test]
fn nothing_depends_on_what_is_not_there_or_may_not_be_served() {
    let site = Site::new();
    for name in ["alone.js", "sub/folder.js", "pipe.js", "out.js", "in.js", ".hidden.js"] {
        site.write(name, content(1_000));
    }
    site.write("drawing.svgz", content(100));
    site.write("drawing.svgz.gz", content(100));
    site.write("drawing.svgz.br", content(100));
    site.write("only.gz", content(100));
    fs::create_dir(site.path("sub/folder.js.gz")).unwrap();
    mkfifo(&site.path("pipe.js.gz"), Mode::S_IRWXU).unwrap();
    let outside = Site::empty();
    symlink(outside.write("secret", "secret"), site.path("out.js.gz")).unwrap();
    symlink("a.txt", site.path("in.js.gz")).unwrap();
    site.write(".hidden.js.gz", "g");
    let files = site.handler().precompressed().confined().hiding_dot_files();
    let server = serve(noting(files).http11());
    for (path, status) in [
        ("/alone.js", 200),
        ("/sub/folder.js", 200),
        ("/pipe.js", 200),
        ("/out.js", 200),
        ("/.hidden.js", 404),
        ("/only", 404),
        ("/only.gz", 200),
        ("/sub", 301),
        ("/sub/", 200),
    ] {
        let reply = accepting(&server, "GET", path, "gzip");
        assert_eq!((reply.status(), coding(&reply).0), (status, "none"), "{path}");
        assert_eq!(reply.header("Vary"), None, "{path}");
    }
    let reply = accepting(&server, "GET", "/in.js", "gzip");
    assert_eq!((coding(&reply).0, reply.text()), ("gzip", "hello world\n"));
    // What has a coding by its name has it once.
    let reply = accepting(&server, "GET", "/drawing.svgz", "gzip, br");
    assert_eq!((coding(&reply).0, reply.header("Vary")), ("gzip", None));
    // It is off unless it is asked for.
    let site = self::site();
    let reply = accepting(&site.serve(), "GET", "/app.js", "gzip");
    assert_eq!((coding(&reply).0, reply.header("Vary")), ("none", None));
}

#[test]
fn an_index_page_has_its_own() {
    let site = Site::empty();
    fs::create_dir(site.path("sub")).unwrap();
    site.write("sub/index.html", "page");
    site.write("sub/index.html.gz", "g");
    let server = serve_site(&site);
    let reply = accepting(&server, "GET", "/sub/", "gzip");
    assert_eq!((coding(&reply), reply.header("Content-Type")), (("gzip", 'g'), Some("text/html")));
    assert_eq!(accepting(&server, "GET", "/sub/", "none").text(), "page");
}

/// The tags of what is sent to those who accept `br`, `gzip` and nothing, once there are any.
fn tags(server: &Running) -> [String; 3] {
    let tag = |field: &str| {
        let mut tag = None;
        eventually(|| {
            tag = accepting(server, "HEAD", "/app.js", field).header("ETag").map(str::to_owned);
            thread::sleep(PAUSE);
            tag.is_some()
        });
        tag.unwrap()
    };
    ["br", "gzip", "none"].map(tag)
}

#[test]
fn conditions_and_ranges_are_about_what_is_chosen() {
    let site = site();
    let server = serve_site(&site);
    let [br, gzip, plain] = tags(&server);
    assert!(br != gzip && gzip != plain && br != plain);
    let fields = |field: &'static str, more: &[(&'static str, String)]| {
        let mut fields = vec![("Accept-Encoding", field.to_owned())];
        fields.extend_from_slice(more);
        fields
    };
    let ask = |method: &str, fields: Vec<(&str, String)>| {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, &**value)).collect();
        let reply = ask(&server, request(method, "/app.js", &fields));
        assert_eq!(reply.headers("Vary"), ["Accept-Encoding"], "{fields:?}");
        reply
    };
    let date = || crate::web::LAST_MODIFIED.to_owned();
    for (tag, field, status) in [
        (&br, "br", 304),
        (&br, "gzip", 200),
        (&br, "identity", 200),
        (&gzip, "gzip", 304),
        (&gzip, "br", 200),
        (&plain, "gzip", 200),
        (&plain, "identity", 304),
    ] {
        for method in ["GET", "HEAD"] {
            let reply = ask(method, fields(field, &[("If-None-Match", tag.clone())]));
            assert_eq!(reply.status(), status, "{method} {field}");
            let is_same = reply.header("ETag") == Some(tag);
            assert!(is_same == (status == 304) && (status == 200 || coding(&reply).0 == "none"));
        }
        let reply = ask("GET", fields(field, &[("If-Match", tag.clone())]));
        assert_eq!(reply.status(), if status == 304 { 200 } else { 412 }, "{field}");
        // A part is one of the same, or all is sent.
        let range = || ("Range", "bytes=5-9".to_owned());
        let reply = ask("GET", fields(field, &[range(), ("If-Range", tag.clone())]));
        assert_eq!(reply.status(), if status == 304 { 206 } else { 200 }, "{field}");
        // Which of them it was, a date does not tell.
        let reply = ask("GET", fields(field, &[range(), ("If-Range", date())]));
        assert_eq!(reply.status(), 200);
    }
    let reply = ask("GET", fields("gzip", &[("If-Modified-Since", date())]));
    assert_eq!((reply.status(), reply.header("ETag")), (304, Some(&*gzip)));
    let range = |field, range: &str| ask("GET", fields(field, &[("Range", range.to_owned())]));
    let reply = range("gzip", "bytes=298-");
    assert_eq!((reply.status(), coding(&reply), reply.body.len()), (206, ("gzip", 'g'), 2));
    assert_eq!(reply.header("Content-Range"), Some("bytes 298-299/300"));
    let reply = range("gzip", "bytes=300-");
    assert_eq!((reply.status(), reply.header("Content-Range")), (416, Some("bytes */300")));
    // Each part would have to say its coding.
    let reply = range("gzip", "bytes=0-1,5-6");
    assert_eq!((reply.status(), coding(&reply), reply.body.len()), (200, ("gzip", 'g'), 300));
    assert_eq!(range("identity", "bytes=0-1,5-6").status(), 206);
}

#[test]
fn a_handler_that_opens_a_file_gets_the_file_itself() {
    let site = site();
    let files = site.handler().precompressed();
    let server = serve(answering(move |http: &mut Exchange<'_>| {
        let mut file = files.open(http)?;
        file.begin_response(http, "x/own")?;
        http.end_headers()?;
        file.send(&mut http.wfile)
    }));
    let reply = accepting(&server, "GET", "/app.js", "gzip");
    assert!(coding(&reply).0 == "none" && reply.body == content(3_000));
}

/// Gives every response a type and a coding.
struct Naming<H>(H);

impl<H: HttpRequestHandler> HttpRequestHandler for Naming<H> {
    fn base(&self) -> &dyn HttpRequestHandler {
        &self.0
    }

    fn end_headers(&self, http: &mut Exchange<'_>) -> std::io::Result<()> {
        http.set_header("Content-Type", "text/plain; charset=utf-8")?;
        self.0.end_headers(http)
    }
}

#[test]
fn the_coding_stays_whatever_type_a_handler_gives() {
    let site = site();
    let server = serve(noting(Naming(site.handler().precompressed())).http11());
    let reply = accepting(&server, "GET", "/app.js", "gzip");
    assert_eq!((coding(&reply), reply.headers("Content-Type").len()), (("gzip", 'g'), 1));
}

/// No field, however odd, gives content that is not in the coding that is announced.
#[test]
fn ten_thousand_fields_give_no_wrong_byte() {
    let site = site();
    let server = serve_site(&site);
    let mut browser = Browser::connect(&server);
    let pieces = [
        "gzip",
        "br",
        "zstd",
        "identity",
        "*",
        "x-gzip",
        ",",
        ", ",
        ";q=0",
        ";q=1",
        ";q=0.5",
        " ; ",
        "q=",
        "0.",
        "=",
        "\t",
        "\u{e9}",
        ";q=0.001",
        "deflate",
        "\r\nAccept-Encoding: ",
    ];
    let mut mutations = Mutations::of(&pieces);
    let whole = content(3_000);
    let mut seen = [0; 4];
    for _ in 0..10_000 {
        let field = mutations.field(9);
        let reply = browser.ask(request("GET", "/app.js", &[("Accept-Encoding", &field)]));
        assert_eq!((reply.status(), reply.headers("Vary")), (200, vec!["Accept-Encoding"]));
        let is_of = |letter, size| reply.body == vec![letter; size];
        let (place, is_right) = match coding(&reply).0 {
            "br" => (0, is_of(b'b', 100)),
            "zstd" => (1, is_of(b'z', 200)),
            "gzip" => (2, is_of(b'g', 300)),
            _ => (3, reply.body == whole),
        };
        assert!(is_right, "{field}");
        seen[place] += 1;
    }
    assert!(seen.iter().all(|&count| count > 100), "{seen:?}");
}

/// A cache in front asks for what it does not have, and gives no client what another one accepts.
#[test]
fn a_cache_keeps_what_clients_accept_apart() {
    let site = site();
    let server = serve_site(&site);
    let [_, tag, _] = tags(&server);
    for first in ["br", "gzip", "none"] {
        let Some(nginx) = cache(&server, "1h") else { return };
        let mut caches = Vec::new();
        for field in [first, "none", "gzip", "br", "gzip, br", "identity", first, "gzip"] {
            for more in [None, Some(("If-None-Match", &*tag)), Some(("Range", "bytes=0-9"))] {
                let mut fields = vec![("Accept-Encoding", field)];
                fields.retain(|(_, value)| *value != "none");
                fields.extend(more);
                let reply = nginx.ask(request("GET", "/app.js", &fields));
                caches.push(reply.header("X-Cache").unwrap_or("none").to_owned());
                let expected = match field {
                    "br" | "gzip, br" => ("br", b'b'),
                    "gzip" => ("gzip", b'g'),
                    _ => ("none", content(1)[0]),
                };
                if reply.status() == 304 {
                    assert_eq!((field, reply.header("ETag")), ("gzip", Some(&*tag)));
                    continue;
                }
                assert!(coding(&reply) == (expected.0, expected.1.into()), "{field} after {first}");
            }
        }
        assert!(caches.iter().any(|cache| cache == "HIT"), "{caches:?}");
    }
}

#[test]
fn curl_gets_what_was_compressed() {
    let site = Site::empty();
    let text = "some text\n".repeat(1_000);
    let path = site.write("page.txt", &text);
    let compress = Command::new("gzip").arg("-k").arg(&path).status();
    if !compress.is_ok_and(|status| status.success()) {
        println!("skipped: there is no gzip");
        return;
    }
    let server = serve_site(&site);
    let url = format!("http://{}/page.txt", server.address);
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--compressed", &url]).env_remove("http_proxy");
    match curl.output() {
        Ok(output) => assert!(output.stdout == text.as_bytes(), "{output:?}"),
        Err(_) => println!("skipped: there is no curl"),
    }
    let reply = accepting(&server, "GET", "/page.txt", "gzip");
    assert!(coding(&reply).0 == "gzip" && reply.body.len() < 200, "{}", reply.body.len());
}

/// Where we choose otherwise than nginx: the field, whether it compresses, whether we do, and why.
const DIFFERENT: &[(&str, bool, bool, &str)] = &[
    ("x-gzip", false, true, "RFC 9110 8.4.1.3: another name of gzip"),
    ("gzip;", true, false, "RFC 9110 12.5.3: it is malformed"),
    ("identity, gzip;q=0.5", true, false, "RFC 9110 12.4.2: the client likes identity better"),
    ("*", false, true, "RFC 9110 12.5.3: it stands for what is not named"),
];

/// nginx sends no part of what is compressed; so `Range` is not compared.
#[test]
fn files_are_chosen_as_by_nginx() {
    let site = Site::empty();
    let path = site.write("file.txt", content(3_000));
    site.write("file.txt.gz", [b'g'; 300]);
    site.write("alone.txt", content(2_000));
    site.write("page.txt.gz", "g");
    let root = path.parent().unwrap().display();
    let Some(nginx) = Nginx::start(&format!(
        "types {{ text/plain txt; }} gzip_static on; gzip_vary on;
         server {{ listen {{listen}}; root {root}; }}"
    )) else {
        return;
    };
    let server = serve_site(&site);
    let mut problems = Vec::new();
    let mut unused: Vec<_> = DIFFERENT.iter().map(|(field, ..)| *field).collect();
    for field in FIELDS {
        for path in ["/file.txt", "/alone.txt"] {
            let fields = [("Accept-Encoding", *field)];
            let request = request("GET", path, if *field == "none" { &[] } else { &fields });
            let replies = [nginx.ask(&request), ask(&server, &request)];
            let [theirs, ours] = replies.map(|reply| {
                let vary = reply.header("Vary").is_some();
                (reply.status(), coding(&reply).0 == "gzip", vary, reply.body.len())
            });
            let row = DIFFERENT.iter().find(|row| row.0 == *field && path == "/file.txt");
            unused.retain(|named| named != field);
            let is_expected = match row {
                None => theirs == ours,
                Some(row) => (theirs.1, ours.1, theirs.2) == (row.1, row.2, ours.2),
            };
            if !is_expected {
                problems.push(format!("{field:?} {path} {theirs:?} {ours:?}"));
            }
        }
    }
    assert!(problems.is_empty() && unused.is_empty(), "{}\nunused {unused:?}", problems.join("\n"));
    // nginx looks for no more than the compressed file.
    let asked = request("GET", "/page.txt", &[("Accept-Encoding", "gzip")]);
    assert_eq!((nginx.ask(&asked).status(), ask(&server, &asked).status()), (200, 404));
}

const FIELDS: &[&str] = &[
    "none",
    "",
    "gzip",
    "GZIP",
    "x-gzip",
    "gzip, br",
    "br, gzip",
    "deflate",
    "deflate,gzip",
    "gzip;q=0",
    "gzip;q=0.0",
    "gzip;q=0.000",
    "gzip;q=0.001",
    "gzip;q=1",
    "gzip; q=1",
    "gzip ;q=1",
    "gzip;q=2",
    "gzip;q=1.5",
    "gzip;q=x",
    "gzip;q=",
    "gzip;",
    "gzip;level=1",
    "gzip;q=1;x=y",
    "gzipped",
    "agzip",
    "identity",
    "identity, gzip;q=0.5",
    "identity;q=0",
    "identity;q=0, gzip",
    "*",
    "*;q=0",
    "*;q=0, gzip",
    "gzip;q=0, *",
    "gzip;q=0, gzip",
    ", ,gzip",
];
