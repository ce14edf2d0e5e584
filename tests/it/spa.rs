//! Single-page applications: their page stands for what is no file and looks like a page.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, UNIX_EPOCH};

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use socketserver::http::{Listing, SimpleHttpRequestHandler, Uploads};

use crate::browser::{PATIENCE, says, visit};
use crate::cli::{Serving, fails};
use crate::cli_asked::{WAYS, ask as ask_command};
use crate::conditions::request;
use crate::puts::put;
use crate::support::eventually;
use crate::web::{Reply, Site, ask, get, noting, serve, set_modified};

/// What browsers accept of a page.
const PAGE: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// An application with a page, a script, a directory without a page and one that has one.
fn site() -> Site {
    let site = Site::empty();
    for directory in ["in/assets", "in/docs", "in/.well-known", "out"] {
        fs::create_dir_all(site.path(directory)).unwrap();
    }
    for (name, content) in [
        ("in/index.html", "app"),
        ("in/app.js", "script"),
        ("in/docs/index.html", "docs"),
        ("in/assets/a.css", "style"),
        ("in/.env", "secret"),
        ("out/secret", "secret"),
    ] {
        set_modified(&site.write(name, content), UNIX_EPOCH + Duration::from_secs(1_600_000_000));
    }
    site
}

fn app(site: &Site) -> SimpleHttpRequestHandler {
    SimpleHttpRequestHandler::new(site.path("in")).spa_fallback()
}

#[test]
fn the_page_stands_for_what_looks_like_a_page() {
    let site = site();
    let server = serve(noting(app(&site)).http11());
    let json = "application/json";
    for (target, accept, status, body) in [
        ("/", "", 200, "app"),
        ("/app.js", "", 200, "script"),
        ("/docs/", PAGE, 200, "docs"),
        ("/docs", PAGE, 301, ""),
        ("/users", "", 200, "app"),
        ("/users/7?tab=1", "*/*", 200, "app"),
        ("/users/", PAGE, 200, "app"),
        ("/%75sers//x/../7", "text/*", 200, "app"),
        ("/docs/none", PAGE, 200, "app"),
        ("/app.js/none", PAGE, 200, "app"),
        ("/users.", "*/*", 200, "app"),
        ("/users", json, 404, ""),
        ("/users", "text/html;q=0, */*", 404, ""),
        ("/users/jane.doe", PAGE, 200, "app"),
        ("/users/jane.doe", "*/*", 404, ""),
        ("/missing.js", "", 404, ""),
        ("/assets/missing.png", "image/avif,image/webp,*/*;q=0.8", 404, ""),
        ("/assets/missing.css", "text/css,*/*;q=0.1", 404, ""),
        ("/missing.js/", "*/*", 404, ""),
        // Directories without a page are not listed, and lead nowhere.
        ("/assets", PAGE, 200, "app"),
        ("/assets/", "*/*", 200, "app"),
        ("/assets/", json, 404, ""),
        ("/assets/", "image/png", 404, ""),
        ("/assets", json, 404, ""),
        ("/docs", json, 301, ""),
        ("/docs/", json, 200, "docs"),
        ("/app.js/", PAGE, 200, "app"),
        ("/app.js/", "*/*", 404, ""),
        // What begins with a dot is not there.
        ("/.git", PAGE, 404, ""),
        ("/.git/config", PAGE, 404, ""),
        ("/.well-known/none", PAGE, 404, ""),
        ("/docs/%2ehidden", PAGE, 404, ""),
        ("/nul%00", PAGE, 404, ""),
    ] {
        let accepts = [("Accept", accept)];
        let fields = if accept.is_empty() { &[][..] } else { &accepts };
        let reply = ask(&server, request("GET", target, fields));
        assert_eq!(reply.status(), status, "{target} {accept}");
        if status == 404 {
            assert_eq!(reply.headers("Vary"), ["Accept"], "{target} {accept}");
        } else if status == 200 {
            assert_eq!(reply.text(), body, "{target} {accept}");
            let head = ask(&server, request("HEAD", target, fields));
            assert_eq!((head.status(), head.text()), (200, ""), "{target}");
            assert_eq!(head.header("Content-Length"), reply.header("Content-Length"));
        }
    }
    let long = format!("/search/{}", "x".repeat(300));
    assert_eq!(ask(&server, get(&long)).text(), "app");
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        assert_eq!(ask(&server, request(method, "/users", &[])).status(), 501, "{method}");
    }
}

#[test]
fn nothing_hidden_or_outside_is_told_by_the_page() {
    let site = site();
    symlink("../out", site.path("in/up")).unwrap();
    symlink("../nowhere", site.path("in/dangling")).unwrap();
    mkfifo(&site.path("in/pipe"), Mode::S_IRWXU).unwrap();
    let confined = serve(noting(app(&site).confined().hiding_dot_files()).http11());
    let accept = [("Accept", PAGE)];
    for target in ["/up/none", "/up", "/up/", "/dangling", "/pipe", "/.env", "/.env/x"] {
        let status = ask(&confined, request("GET", target, &accept)).status();
        assert_eq!(status, 404, "{target}");
    }
    let open = serve(noting(app(&site)).http11());
    for (target, text) in [("/up/secret", "secret"), ("/up/none", "app"), ("/.env", "secret")] {
        assert_eq!(ask(&open, request("GET", target, &accept)).text(), text, "{target}");
    }
    // One file has no page beside it.
    let file = SimpleHttpRequestHandler::file(site.path("in/app.js")).spa_fallback();
    let server = serve(noting(file));
    assert_eq!(ask(&server, get("/users")).status(), 404);
}

#[test]
fn no_directory_is_listed_confined_or_not() {
    let site = site();
    fs::create_dir(site.path("in/.git")).unwrap();
    site.write("in/.git/HEAD", "secret");
    mkfifo(&site.path("in/pipe"), Mode::S_IRWXU).unwrap();
    let table = |handler: SimpleHttpRequestHandler| handler.listing(Listing::Table);
    for handler in [app(&site), app(&site).confined(), table(app(&site))] {
        let server = serve(noting(handler).http11());
        for (target, accept, status, text) in [
            ("/.git/", PAGE, 404, ""),
            ("/.git/", "*/*", 404, ""),
            ("/.git", PAGE, 404, ""),
            ("/.well-known/", PAGE, 404, ""),
            ("/assets/", "application/json", 404, ""),
            ("/assets/?C=M", "image/png", 404, ""),
            ("/assets", "image/png", 404, ""),
            ("/assets/", PAGE, 200, "app"),
            // A file is no directory.
            ("/app.js/", PAGE, 200, "app"),
            ("/app.js/", "*/*", 404, ""),
            ("/pipe/", PAGE, 200, "app"),
            ("/pipe", PAGE, 404, ""),
            ("/docs", PAGE, 301, ""),
        ] {
            for method in ["GET", "HEAD"] {
                let reply = ask(&server, request(method, target, &[("Accept", accept)]));
                assert_eq!(reply.status(), status, "{method} {target} {accept}");
                assert_eq!(reply.header("Vary"), Some("Accept").filter(|_| status != 301));
                if method == "GET" && status == 200 {
                    assert_eq!(reply.text(), text, "{target}");
                }
            }
        }
    }
}

#[test]
fn the_page_is_asked_for_again_each_time() {
    let site = site();
    let server = serve(noting(app(&site)).http11());
    eventually(|| ask(&server, get("/")).header("ETag").is_some());
    let asked = |target: &str, (name, value): (&str, &str)| {
        ask(&server, request("GET", target, &[("Accept", PAGE), (name, value)]))
    };
    let fields =
        |reply: &Reply| ["Cache-Control", "Vary"].map(|name| reply.header(name).map(str::to_owned));
    let text = |text: &str| Some(text.to_owned());
    for (target, expected) in [
        ("/", [text("no-cache"), None]),
        ("/index.html", [text("no-cache"), None]),
        ("/users", [text("no-cache"), text("Accept")]),
        ("/assets/", [text("no-cache"), text("Accept")]),
        ("/app.js", [None, None]),
        ("/docs/", [None, None]),
        ("/.none", [None, text("Accept")]),
    ] {
        let reply = asked(target, ("X", "x"));
        assert_eq!(fields(&reply), expected, "{target}");
        let Some(tag) = reply.header("ETag") else { continue };
        let same = asked(target, ("If-None-Match", tag));
        assert_eq!((same.status(), fields(&same)), (304, expected.clone()), "{target}");
        let part = asked(target, ("Range", "bytes=1-"));
        assert_eq!((part.status(), fields(&part)), (206, expected), "{target}");
    }
    // Another build is seen at once.
    let old = asked("/users", ("X", "x")).header("ETag").unwrap().to_owned();
    site.write("new", "next");
    fs::rename(site.path("new"), site.path("in/index.html")).unwrap();
    assert_eq!(asked("/users", ("If-None-Match", &old)).text(), "next");
    // Without a page, as while another build is written, nothing stands in, and nothing is listed.
    fs::remove_file(site.path("in/index.html")).unwrap();
    for target in ["/users", "/", "/assets/", "/assets"] {
        assert_eq!(asked(target, ("X", "x")).status(), 404, "{target}");
    }
}

#[test]
fn a_page_that_stands_in_is_no_file_to_uploads() {
    let site = site();
    let server = serve(noting(app(&site).uploads(Uploads::default())).http11());
    assert_eq!(ask(&server, put("/users", "", "x")).status(), 201);
    assert_eq!(ask(&server, request("GET", "/users", &[])).text(), "x");
}

#[test]
fn the_command_answers_by_the_page() {
    for way in WAYS {
        let options = ["--spa", "--url-prefix", "/x", "--cgi", "--compress", "-p", "HTTP/1.1"];
        let serving =
            Serving::start_on(0, &[&["-b", "127.0.0.1"], way, &options[..]].concat(), |command| {
                let directory = std::path::PathBuf::from(command.get_args().last().unwrap());
                fs::write(directory.join("index.html"), "app\n").unwrap();
                fs::write(directory.join("index.html.gz"), "zipped\n").unwrap();
                fs::write(directory.join("404.html"), "gone\n").unwrap();
                command.arg("--error-page").arg({
                    let mut page = std::ffi::OsString::from("404=");
                    page.push(directory.join("404.html"));
                    page
                });
            });
        for (target, fields, status, body) in [
            ("/x/users/7", "", 200, "app\n"),
            ("/x/users/7", "Accept-Encoding: gzip\r\n", 200, "zipped\n"),
            ("/x/missing.js", "", 404, "gone\n"),
            ("/users/7", "", 404, "gone\n"),
            ("/x/cgi-bin/none", "", 404, "gone\n"),
        ] {
            for (method, body) in [("GET", body), ("HEAD", "")] {
                let version = if method == "GET" { "1.0" } else { "1.1" };
                let reply = ask_command(
                    &serving,
                    &format!(
                        "{method} {target} HTTP/{version}\r\nHost: h\r\n{fields}Connection: close\r\n\r\n"
                    ),
                );
                let is_due = reply.starts_with(&format!("HTTP/1.1 {status} "))
                    && reply.ends_with(&format!("\r\n\r\n{body}"));
                assert!(is_due, "{way:?} {method} {target}: {reply}");
            }
        }
        assert_eq!(serving.stop(Signal::SIGTERM).status, Some(0));
    }
}

#[test]
fn what_has_no_page_is_told_in_one_line() {
    let site = Site::empty();
    let directory = site.path("").display().to_string();
    let said = fails(&["0", "--spa", "-d", &directory], 1);
    let line = format!("--spa needs an index.html, and there is none in '{directory}'");
    assert_eq!(said, format!("socketserver: {line}\n"));
    let file = site.write("a", "").display().to_string();
    let said = fails(&["0", "--spa", "-d", &file], 2);
    assert_eq!(said, format!("socketserver: --spa needs a directory, and '{file}' is a file\n"));
    let said = fails(&["0", "--spa", "--listing", "table", "-d", &directory], 2);
    assert!(said.starts_with("socketserver: --spa lists no directory; leave out --lis"), "{said}");
}

/// Goes to another address, loads it again, and reports it, and what has become of an image.
const APP: &str = "<!doctype html><title>app</title><script>
const image = new Image();
image.onerror = () => fetch('/report?image-missing');
image.src = '/missing.png';
if (location.pathname === '/') {
    history.pushState(null, '', '/users/jane.doe');
    location.reload();
} else {
    fetch('/report?at-' + encodeURIComponent(location.pathname));
}
</script>";

#[test]
fn chromium_loads_a_page_again_that_is_no_file() {
    let site = site();
    site.write("in/index.html", APP);
    let handler = noting(app(&site)).http11();
    let log = handler.log.clone();
    let server = serve(handler);
    let wanted = [
        "\"GET /users/jane.doe HTTP/1.1\" 200",
        "\"GET /missing.png HTTP/1.1\" 404",
        "/report?at-%2Fusers%2Fjane.doe ",
        "/report?image-missing ",
    ];
    let is_there = |lines: &[String]| wanted.iter().all(|text| says(lines, text));
    let url = format!("http://{}/", server.address);
    let Some(lines) = visit(&url, &log, PATIENCE, is_there) else { return };
    assert!(is_there(&lines), "{lines:?}");
}
