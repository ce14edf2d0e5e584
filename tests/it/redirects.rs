//! A directory without its slash: where the redirect leads.

use std::fs;
use std::io;

use socketserver::http::{Exchange, HttpRequestHandler, SimpleHttpRequestHandler};

use crate::cgi_site::{CgiSite, request};
use crate::support::Running;
use crate::web::{Site, ask, noting, serve};

/// Targets and their `Location`.
const REDIRECTS: [(&str, &str); 33] = [
    ("/sub", "sub/"),
    ("sub", "sub/"),
    ("/sub?", "sub/"),
    ("/sub#", "sub/"),
    ("/sub?a=b", "sub/?a=b"),
    ("/sub?a#f", "sub/?a#f"),
    ("/sub?a/?b", "sub/?a/?b"),
    ("/sub?a:b//c", "sub/?a:b//c"),
    ("/sub/C", "C/"),
    ("/sub/../sub", "sub/"),
    ("/sub/..", "../"),
    ("/sub/.", "./"),
    ("/sub/%2e%2e", "%2e%2e/"),
    ("//sub", "sub/"),
    ("///sub", "sub/"),
    ("//sub//C", "C/"),
    ("//evil.example", "evil.example/"),
    ("//evil.example/..%2fsub", "..%2fsub/"),
    ("//evil.example//..%2fsub", "..%2fsub/"),
    ("/\\evil.example/..%2f..%2fsub", "..%2f..%2fsub/"),
    ("\\\\evil.example/..%2fsub", "..%2fsub/"),
    ("/%2f%2fevil.example", "%2f%2fevil.example/"),
    ("/%5c/..%2fevil.example", "..%2fevil.example/"),
    ("/%2fevil.example", "%2fevil.example/"),
    ("/%09/..%2fsub", "..%2fsub/"),
    ("/a\\b", "a%5Cb/"),
    ("/%C3%A9", "%C3%A9/"),
    ("/a:b", "./a:b/"),
    ("/http:?x", "./http:/?x"),
    ("/a:b/c:d", "./c:d/"),
    ("http://x/sub", "sub/"),
    ("http://evil.example//evil.example/..%2fsub", "..%2fsub/"),
    ("/evil.example/../sub?<\"'>", "sub/?%3C%22'%3E"),
];

fn site() -> Site {
    let site = Site::new();
    for name in ["evil.example", "a\\b", "é", "a:b/c:d", "http:"] {
        fs::create_dir_all(site.path(name)).unwrap();
    }
    site
}

#[test]
fn a_redirect_leads_to_the_same_server() {
    let site = site();
    let server = site.serve();
    for (target, location) in REDIRECTS {
        for method in ["GET", "HEAD"] {
            let reply = ask(&server, request(method, target, ""));
            assert_eq!(reply.status(), 301, "{target}");
            assert_eq!(reply.headers("Location"), [location], "{target}");
            assert_eq!(reply.header("Content-Length"), Some("0"));
        }
        // A client that follows has the directory.
        let path = resolve("/", target, location);
        assert!(is_listing(&server, &path), "{target}: {path}");
    }
    // A tab separates words, and so does not get as far as a path.
    let reply = ask(&server, "GET /\t/evil.example HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(reply.status(), 400);
}

#[test]
fn a_redirect_is_right_below_a_prefix_that_a_proxy_takes_away() {
    let site = site();
    let server = site.serve();
    for (target, _) in REDIRECTS.iter().filter(|(target, _)| !target.starts_with("http:")) {
        let location = location(&server, target);
        let path = resolve("/some/files/", target, &location);
        let below = path.strip_prefix("/some/files").unwrap_or_else(|| panic!("{target}: {path}"));
        assert!(is_listing(&server, below), "{target}: {below}");
    }
}

/// The client is at the script, and `sub/` would be beside that.
#[test]
fn a_local_redirect_of_a_script_to_a_directory_leads_there() {
    let site = CgiSite::new(&[
        ("on", "printf 'Location: /sub?x\\n\\n'"),
        ("sub", "printf 'Location: /sub\\n\\n'"),
        ("away", "printf 'Location: //sub\\n\\n'"),
    ]);
    fs::create_dir(site.site.path("sub")).unwrap();
    site.with_each_strategy(|server, _| {
        assert_eq!(location(server, "/cgi-bin/on"), "/sub/?x");
        assert_eq!(location(server, "/cgi-bin/sub"), "/sub/");
        assert_eq!(location(server, "/cgi-bin/away"), "/sub/");
        assert_eq!(location(server, "/sub"), "sub/");
    });
}

/// Sends requests on to other paths before the files see them.
struct Rewriting(SimpleHttpRequestHandler);

impl HttpRequestHandler for Rewriting {
    fn base(&self) -> &dyn HttpRequestHandler {
        &self.0
    }

    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        if http.path == "/here/latest" {
            http.path = "/sub/C".to_owned();
        } else if let Some(below) = http.path.strip_prefix("/prefix") {
            http.path = below.to_owned();
        }
        self.0.do_get(http)
    }
}

#[test]
fn a_handler_may_send_a_request_on_to_a_directory() {
    let site = site();
    let server = serve(noting(Rewriting(site.handler())));
    assert_eq!(location(&server, "/here/latest"), "/sub/C/");
    assert_eq!(location(&server, "/prefix/sub/C?a"), "C/?a");
    assert_eq!(location(&server, "/sub/C"), "C/");
}

#[track_caller]
fn location(server: &Running, target: &str) -> String {
    let reply = ask(server, request("GET", target, ""));
    assert_eq!(reply.status(), 301, "{target}");
    reply.header("Location").unwrap().to_owned()
}

/// The path that a client finds (RFC 3986 §5.2.2) which has asked for the target below a prefix.
fn resolve(prefix: &str, target: &str, location: &str) -> String {
    let name = location.split(['/', '?', '#']).next().unwrap();
    assert!(!location.starts_with("//") && !name.contains(':'), "another host: {location}");
    if location.starts_with('/') {
        return location.to_owned();
    }
    let target =
        target.strip_prefix("http://").map_or(target, |rest| &rest[rest.find('/').unwrap()..]);
    let path = target.split(['?', '#']).next().unwrap();
    let directory = path.rfind('/').map_or("", |slash| &path[..=slash]);
    let directory = directory.strip_prefix('/').unwrap_or(directory);
    [prefix, directory, location].concat()
}

#[track_caller]
fn is_listing(server: &Running, path: &str) -> bool {
    let reply = ask(server, request("GET", path, ""));
    reply.status() == 200 && reply.text().contains("Directory listing for")
}
