//! Programs that answer: what they are told, what they may answer, and how they end.

use std::fs;
use std::io::{self};
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use socketserver::ThreadPool;
use socketserver::http::{
    CgiHooks, CgiHttpRequestHandler, CgiInfo, Defaults, Exchange, FileHooks, HttpRequestHandler,
    SimpleHttpRequestHandler, Uploads,
};

use crate::cgi_site::{CgiSite, get, post, request, text};
use crate::support::{Client, Running};
use crate::upload_forms::form;
use crate::web::{Browser, Reply, noting, serve};

pub(crate) const ENV: &str = "echo Content-Type: text/plain; echo; env";
pub(crate) const PLAIN: &str = "echo Content-Type: text/plain; echo;";

/// The value of a variable in the output of `env`.
pub(crate) fn variable<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    let lines = text(reply).lines();
    lines.filter_map(|line| line.split_once('=')).find(|(it, _)| *it == name).map(|(_, it)| it)
}

#[test]
fn a_script_answers() {
    let site = CgiSite::new(&[(
        "hello",
        "printf 'Content-Type: text/plain\\r\\nX-A: b\\r\\n\\r\\nhello'",
    )]);
    site.with_each_strategy(|server, log| {
        let reply = get(server, "/cgi-bin/hello");
        assert!(reply.head.starts_with("HTTP/1.1 200 Script output follows\r\n"), "{}", reply.head);
        assert_eq!(reply.header("Content-Type"), Some("text/plain"));
        assert_eq!(reply.header("X-A"), Some("b"));
        assert_eq!(reply.body, b"hello");
        assert_eq!(log.so_far(), ["\"GET /cgi-bin/hello HTTP/1.1\" 200 -"]);
    });
}

#[test]
fn a_head_that_is_too_long_for_a_variable_is_431() {
    let site = CgiSite::new(&[("env", ENV)]);
    site.with_each_strategy(|server, log| {
        let fields = |length: usize| format!("X: {}\r\n", "a".repeat(length)).repeat(90);
        let asked = request("GET", "/cgi-bin/env", &fields(2_500));
        assert_eq!(Browser::connect(server).ask(asked).status(), 431);
        assert!(log.next().starts_with("code 431"));
        log.so_far();
        let asked = request("GET", "/cgi-bin/env", &fields(1_000));
        let reply = Browser::connect(server).ask(asked);
        assert_eq!(variable(&reply, "HTTP_X").map(str::len), Some(90 * 1_002 - 2));
        log.so_far();
    });
}

#[test]
fn the_environment_is_that_of_rfc_3875() {
    let site = CgiSite::new(&[("env", ENV)]);
    let (server, _) = site.serve();
    let headers = "X-Custom: a\r\nx-custom: b\r\nCookie: c=1\r\nCookie: d=2\r\nAccept: */*\r\n";
    let target = "/cgi-bin/env/a%20b/%2e?q=%20&r";
    let reply = Browser::connect(&server).ask(request("GET", target, headers));
    let root = site.site.path("cgi-bin").canonicalize().unwrap();
    let root = root.parent().unwrap().to_str().unwrap();
    for (name, value) in [
        ("GATEWAY_INTERFACE", "CGI/1.1"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("SERVER_NAME", "h"),
        ("SERVER_PORT", "80"),
        ("REQUEST_METHOD", "GET"),
        ("REQUEST_URI", target),
        ("SCRIPT_NAME", "/cgi-bin/env"),
        ("SCRIPT_FILENAME", &format!("{root}/cgi-bin/env")),
        ("DOCUMENT_ROOT", root),
        ("PATH_INFO", "/a b/"),
        ("PATH_TRANSLATED", &format!("{root}/a b/")),
        ("QUERY_STRING", "q=%20&r"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("REMOTE_HOST", "127.0.0.1"),
        ("HTTP_HOST", "h"),
        ("HTTP_X_CUSTOM", "a, b"),
        ("HTTP_COOKIE", "c=1; d=2"),
        ("HTTP_ACCEPT", "*/*"),
        ("PWD", &format!("{root}/cgi-bin")),
    ] {
        assert_eq!(variable(&reply, name), Some(value), "{name}\n{}", text(&reply));
    }
    let software = variable(&reply, "SERVER_SOFTWARE").unwrap();
    assert!(software.starts_with("SimpleHTTP/0.6 socketserver/"), "{software}");
    for absent in ["CONTENT_LENGTH", "CONTENT_TYPE", "AUTH_TYPE", "REMOTE_USER"] {
        assert_eq!(variable(&reply, absent), None, "{absent}");
    }
    let reply = get(&server, "/cgi-bin/env");
    assert_eq!(variable(&reply, "PATH_INFO"), None);
    assert_eq!(variable(&reply, "QUERY_STRING"), Some(""));
}

#[test]
fn no_header_shadows_another_or_names_a_proxy() {
    let site = CgiSite::new(&[("env", ENV)]);
    let (server, _) = site.serve();
    let headers = "Proxy: http://evil\r\nX_Real: evil\r\nX-Real: good\r\nX.Dot: evil\r\n\
                   Content_Length: 9\r\n";
    let reply = Browser::connect(&server).ask(request("GET", "/cgi-bin/env", headers));
    assert_eq!(variable(&reply, "HTTP_X_REAL"), Some("good"));
    for absent in ["HTTP_PROXY", "HTTP_X_DOT", "HTTP_CONTENT_LENGTH"] {
        assert_eq!(variable(&reply, absent), None, "{absent}");
    }
}

#[test]
fn the_servers_environment_stays_its_own() {
    let site = CgiSite::new(&[("env", ENV)]);
    let handler = site
        .handler()
        .inherited(["PATH", "CARGO_MANIFEST_DIR"])
        .environment([("GIT_PROJECT_ROOT", "/srv")]);
    let server = serve(noting(handler).http11());
    let reply = get(&server, "/cgi-bin/env");
    assert!(variable(&reply, "PATH").is_some());
    assert!(variable(&reply, "CARGO_MANIFEST_DIR").is_some());
    assert_eq!(variable(&reply, "GIT_PROJECT_ROOT"), Some("/srv"));
    for absent in ["CARGO_PKG_NAME", "HOME"] {
        assert_eq!(variable(&reply, absent), None, "{absent}");
    }
}

#[test]
fn who_the_client_says_it_is_is_told_on_request_only() {
    let site = CgiSite::new(&[("env", ENV)]);
    let headers = "Authorization: Basic dXNlcjpwYTpzcw==\r\n";
    let request = request("GET", "/cgi-bin/env", headers);
    let (server, _) = site.serve();
    let reply = Browser::connect(&server).ask(&request);
    assert_eq!(variable(&reply, "HTTP_AUTHORIZATION"), None);
    assert_eq!(variable(&reply, "REMOTE_USER"), None);
    let handler = site.handler().pass_authorization(true);
    let server = serve(noting(handler).http11());
    let reply = Browser::connect(&server).ask(&request);
    assert_eq!(variable(&reply, "HTTP_AUTHORIZATION"), Some("Basic dXNlcjpwYTpzcw=="));
    assert_eq!(variable(&reply, "AUTH_TYPE"), Some("Basic"));
    assert_eq!(variable(&reply, "REMOTE_USER"), Some("user"));
}

#[test]
fn addresses_are_right_over_ipv6() {
    let site = CgiSite::new(&[("env", ENV)]);
    let handler = site.handler().inherited([""; 0]);
    let bound = socketserver::TcpServer::<ThreadPool, _>::bind("[::1]:0", noting(handler).http11());
    let Ok(server) = bound else {
        eprintln!("skipped: there is no IPv6");
        return;
    };
    let server = Running::start(server);
    // Without a host, the server's own address is named.
    let reply = Browser::connect(&server).ask("GET /cgi-bin/env HTTP/1.0\r\n\r\n");
    assert_eq!(variable(&reply, "SERVER_NAME"), Some("[::1]"));
    assert_eq!(variable(&reply, "REMOTE_ADDR"), Some("::1"));

    let unmapped = socketserver::TcpServer::<ThreadPool, _>::bind("[::]:0", site.noting()).unwrap();
    let server = Running::start(unmapped);
    let port = server.address.port();
    let mut client = Client::connect(SocketAddr::from(([127, 0, 0, 1], port)));
    client.send("GET /cgi-bin/env HTTP/1.0\r\n\r\n");
    let reply = client.read_to_end();
    assert!(reply.contains("\nREMOTE_ADDR=127.0.0.1\n"), "{reply}");
}

#[test]
fn what_is_no_script_is_refused_as_in_cpython() {
    let site = CgiSite::new(&[("ok", PLAIN)]);
    fs::create_dir(site.site.path("cgi-bin/dir")).unwrap();
    site.site.write("cgi-bin/plain.txt", "x");
    site.site.write("a.txt", "a");
    let (server, _) = site.serve();
    for (target, status, message) in [
        ("/cgi-bin/none", 404, "No such CGI script ('/cgi-bin/none')"),
        ("/cgi-bin/none/x?y", 404, "No such CGI script ('/cgi-bin/none')"),
        ("/cgi-bin/dir", 403, "CGI script is not a plain file ('/cgi-bin/dir')"),
        ("/cgi-bin/", 403, "CGI script is not a plain file ('/cgi-bin/')"),
        ("/cgi-bin/plain.txt", 403, "CGI script is not executable ('/cgi-bin/plain.txt')"),
        ("/cgi-bin/ok%00", 404, "No such CGI script ('/cgi-bin/ok\\x00')"),
        ("/cgi-bin/ok/%00", 404, "No such CGI script ('/cgi-bin/ok')"),
    ] {
        let reply = get(&server, target);
        let line = format!("HTTP/1.1 {status} {message}\r\n");
        assert!(reply.head.starts_with(&line), "{target}: {}", reply.head);
    }
    let reply = post(&server, "/a.txt", "x");
    assert!(reply.head.starts_with("HTTP/1.1 501 Can only POST to CGI scripts\r\n"));
    let reply = Browser::connect(&server).ask(request("PUT", "/cgi-bin/ok", ""));
    assert!(reply.head.starts_with("HTTP/1.1 501 Unsupported method ('PUT')\r\n"));
    assert_eq!(get(&server, "/a.txt").body, b"a");
    assert_eq!(get(&server, "/cgi-bin").status(), 301);
}

#[test]
fn no_spelling_of_a_scripts_path_shows_its_source() {
    let site = CgiSite::new(&[("x.sh", "echo Content-Type: text/plain; echo; echo ran")]);
    site.script("nocgi.sh", "#!/bin/sh\n");
    let (server, _) = site.serve();
    for target in [
        "cgi-bin/x.sh",
        "/cgi-bin%2fx.sh",
        "/cgi%2dbin%2Fx.sh",
        "//////////nocgi.sh/../cgi-bin/nothere/../x.sh",
        "/../../cgi-bin/x.sh",
        "/%2e%2e/cgi-bin/x.sh",
        "/cgi-bin/x.sh#",
        "/cgi-bin/x.sh/",
        "http://h/cgi-bin/x.sh",
        "/cgi-bin//x.sh",
    ] {
        let reply = get(&server, target);
        assert_eq!(text(&reply), "ran\n", "{target}: {}", reply.head);
    }
    assert_eq!(get(&server, "/cgi-bin/../nocgi.sh").body, b"#!/bin/sh\n");
    assert_eq!(get(&server, "/cgi-bin/../../../etc/passwd").status(), 404);
    assert_eq!(get(&server, "/../../x").status(), 404);
}

/// Some file systems ignore the case of letters. A link stands for the others, which have further
/// names for a directory.
#[test]
fn no_other_name_of_their_directory_shows_or_takes_scripts() {
    let scripts = [("x.sh", PLAIN), ("sub/y.sh", PLAIN), ("sub/in/z.sh", PLAIN)];
    let site = CgiSite::new(&scripts);
    for name in ["CGI-BIN/x.sh", "files/x.sh", "files/sub/x.sh"] {
        site.script(name, "source");
    }
    for (target, link) in [
        ("cgi-bin", "way"),
        (".", "here"),
        ("cgi-bin/sub", "deeper"),
        ("../cgi-bin/sub/in", "files/far"),
        ("../deeper", "files/twice"),
        ("files/sub", "other"),
        ("cgi-bin/sub/y.sh", "shown"),
    ] {
        symlink(target, site.site.path(link)).unwrap();
    }
    let files = site.site.handler();
    for files in [files.clone(), files.clone().confined(), files.hiding_dot_files()] {
        let files = files.uploads(Uploads::default().replace(true));
        let handler = CgiHttpRequestHandler::from(files).user(None);
        let server = serve(noting(handler).http11());
        for target in [
            "/CGI-BIN/x.sh",
            "/Cgi-Bin/",
            "/CGI-BIN/",
            "/cg%49-bin/x.sh",
            "/way/x.sh",
            "/way/",
            "/way/sub/y.sh",
            "/deeper/y.sh",
            "/deeper/",
            "/deeper/in/z.sh",
            "/here/deeper/y.sh",
            "/files/far/z.sh",
            "/files/far/",
            "/files/twice/in/z.sh",
            "/here/cgi-bin/x.sh",
            "/here/CGI-BIN/sub/y.sh",
        ] {
            for method in ["GET", "HEAD"] {
                let reply = Browser::connect(&server).ask(request(method, target, ""));
                assert_eq!(reply.status(), 404, "{method} {target}: {}", reply.head);
            }
            for expect in ["", "Expect: 100-continue\r\n"] {
                let put = format!(
                    "PUT {target} HTTP/1.1\r\nHost: h\r\n{expect}\
                                   Content-Length: 1\r\n\r\nx"
                );
                let reply = Browser::connect(&server).ask(put);
                let is_refused = [403, 409].contains(&reply.status());
                assert!(is_refused, "{target}: {}", reply.head);
            }
            if target.ends_with('/') {
                let form = form(target, "", &[("name=\"f\"; filename=\"new\"", "x")]);
                let reply = Browser::connect(&server).ask(form);
                assert_eq!(reply.status(), 403, "{target}: {}", reply.head);
            }
        }
        assert_eq!(get(&server, "/files/x.sh").body, b"source");
        for shown in ["/here/files/x.sh", "/other/x.sh", "/here/here/other/x.sh"] {
            assert_eq!(text(&get(&server, shown)), "source", "{shown}");
        }
        // A link to the script itself is a file like any other.
        assert!(text(&get(&server, "/shown")).contains(PLAIN));
        assert_eq!(get(&server, "/cgi-bin/x.sh").status(), 200);
    }
    assert_eq!(fs::read_dir(site.site.path("cgi-bin")).unwrap().count(), 2);
    assert_eq!(fs::read_dir(site.site.path("CGI-BIN")).unwrap().count(), 1);
}

/// A file beside programs that a hook does not take for one is served.
#[test]
fn a_hook_decides_which_files_beside_scripts_are_shown() {
    struct Scripts;
    impl FileHooks for Scripts {}
    impl CgiHooks for Scripts {
        fn is_cgi(&self, http: &Exchange<'_>, directories: &[&str]) -> Option<CgiInfo> {
            http.path.ends_with(".sh").then(|| Defaults.is_cgi(http, directories)).flatten()
        }
    }
    let site = CgiSite::new(&[("x.sh", PLAIN)]);
    site.script("cgi-bin/a.css", "style");
    let server = serve(noting(site.handler().with_hooks(Scripts)).http11());
    assert_eq!(get(&server, "/cgi-bin/a.css").body, b"style");
    assert_eq!(get(&server, "/CGI-BIN/a.css").status(), 404);
}

/// Python's `super().is_cgi()` looks at the directories of `self`.
#[test]
fn the_default_asks_the_directories_of_the_hooks_that_call_it() {
    struct Both;
    impl FileHooks for Both {}
    impl CgiHooks for Both {
        fn is_cgi(&self, http: &Exchange<'_>, directories: &[&str]) -> Option<CgiInfo> {
            Defaults.is_cgi(http, directories)
        }

        fn cgi_directories(&self) -> &[&str] {
            &["/programs"]
        }
    }
    let site = CgiSite::new(&[("x.sh", PLAIN)]);
    site.script("programs/x.sh", &format!("#!/bin/sh\n{PLAIN} echo ran"));
    let server = serve(noting(site.handler().with_hooks(Both)).http11());
    assert_eq!(text(&get(&server, "/programs/x.sh")), "ran\n");
    assert_eq!(text(&get(&server, "/%70rograms//x.sh")), "ran\n");
    assert_eq!(get(&server, "/programs/").status(), 403);
    // Not a directory of programs for these hooks.
    assert_eq!(
        get(&server, "/cgi-bin/x.sh").body,
        fs::read(site.site.path("cgi-bin/x.sh")).unwrap()
    );
}

#[test]
fn scripts_lie_in_directories_below_and_elsewhere() {
    struct Elsewhere;
    impl FileHooks for Elsewhere {}
    impl CgiHooks for Elsewhere {
        fn cgi_directories(&self) -> &[&str] {
            &["/", "/a b/cgi"]
        }
    }
    let site = CgiSite::new(&[]);
    let script = "#!/bin/sh\necho Content-Type: text/plain; echo; echo $SCRIPT_NAME $PATH_INFO";
    for name in ["cgi-bin/sub/deep/x", "top", "a b/cgi/x"] {
        site.script(name, script);
    }
    let (server, _) = site.serve();
    assert_eq!(text(&get(&server, "/cgi-bin/sub/deep/x/p/q")), "/cgi-bin/sub/deep/x /p/q\n");
    let server = serve(noting(site.handler().with_hooks(Elsewhere)).http11());
    assert_eq!(text(&get(&server, "/top")), "/top\n");
    assert_eq!(text(&get(&server, "/a%20b/cgi/x/p")), "/a b/cgi/x /p\n");
}

#[test]
fn scripts_are_confined_and_hidden_as_files_are() {
    let site = CgiSite::new(&[("here", PLAIN), (".hidden", PLAIN)]);
    let elsewhere = CgiSite::new(&[("away", PLAIN)]);
    symlink("here", site.site.path("cgi-bin/near")).unwrap();
    symlink(elsewhere.site.path("cgi-bin/away"), site.site.path("cgi-bin/far")).unwrap();
    symlink(elsewhere.site.path("cgi-bin"), site.site.path("cgi-bin/farther")).unwrap();
    let statuses = |files: SimpleHttpRequestHandler| {
        let handler = CgiHttpRequestHandler::from(files).user(None);
        let server = serve(noting(handler).http11());
        ["here", ".hidden", "near", "far", "farther/away"]
            .map(|name| get(&server, &format!("/cgi-bin/{name}")).status())
    };
    let files = site.site.handler();
    assert_eq!(statuses(files.clone()), [200, 200, 200, 200, 200]);
    assert_eq!(statuses(files.clone().hiding_dot_files()), [200, 404, 200, 200, 200]);
    let confined = statuses(files.confined());
    // Without openat2 no link is followed at all.
    assert!([[200, 200, 200, 404, 404], [200, 200, 404, 404, 404]].contains(&confined));
}

#[test]
fn an_outer_handler_decides_what_is_run() {
    struct ByName;
    impl FileHooks for ByName {}
    impl CgiHooks for ByName {
        fn is_cgi(&self, http: &Exchange<'_>, _: &[&str]) -> Option<CgiInfo> {
            http.path.ends_with(".sh").then(|| CgiInfo::new("", &http.path[1..]))
        }

        fn is_executable(&self, _: &Exchange<'_>, path: &Path) -> bool {
            !path.ends_with("never.sh")
        }
    }
    struct Choosy(CgiHttpRequestHandler<ByName>);
    impl HttpRequestHandler for Choosy {
        fn base(&self) -> &dyn HttpRequestHandler {
            &self.0
        }

        fn do_put(&self, http: &mut Exchange<'_>) -> io::Result<()> {
            self.0.run_cgi(http, &CgiInfo::new("/", "a.sh"))
        }
    }
    let site = CgiSite::new(&[]);
    let script = format!("#!/bin/sh\n{PLAIN} echo $REQUEST_METHOD");
    site.script("a.sh", &script);
    site.script("never.sh", &script);
    let server = serve(noting(Choosy(site.handler().with_hooks(ByName))).http11());
    assert_eq!(text(&get(&server, "/a.sh")), "GET\n");
    assert_eq!(get(&server, "/never.sh").status(), 403);
    assert_eq!(text(&Browser::connect(&server).ask(request("PUT", "/x", ""))), "PUT\n");
}

#[test]
fn a_long_path_costs_no_lookup_for_each_of_its_parts() {
    /// Counts the bytes of the paths that it translates, and takes all paths for scripts'.
    struct Counting(Arc<AtomicUsize>, bool);
    impl FileHooks for Counting {
        fn translate_path(&self, http: &Exchange<'_>, directory: &Path, path: &str) -> PathBuf {
            self.0.fetch_add(path.len(), Ordering::Relaxed);
            Defaults.translate_path(http, directory, path)
        }
    }
    impl CgiHooks for Counting {
        fn is_cgi(&self, http: &Exchange<'_>, directories: &[&str]) -> Option<CgiInfo> {
            let as_it_is = || CgiInfo::new("/cgi-bin", &http.path["/cgi-bin/".len()..]);
            if self.1 { Some(as_it_is()) } else { Defaults.is_cgi(http, directories) }
        }
    }
    let site = CgiSite::new(&[("x", PLAIN)]);
    fs::create_dir(site.site.path("cgi-bin/sub")).unwrap();
    for takes_all in [false, true] {
        let count = Arc::new(AtomicUsize::new(0));
        let counting = site.handler().with_hooks(Counting(Arc::clone(&count), takes_all));
        let server = serve(noting(counting).http11());
        for part in ["a/", "./", "sub/../", "%2e/", "sub/%2e%2e/", "/", "x/"] {
            let [half, whole] = [30_000, 60_000].map(|length| {
                count.store(0, Ordering::Relaxed);
                let parts = part.repeat(length / part.len());
                let status = get(&server, &format!("/cgi-bin/{parts}x")).status();
                assert!([200, 404].contains(&status), "{part}: {status}");
                count.load(Ordering::Relaxed)
            });
            assert!(whole <= half * 5 / 2 + 100, "{part}: {half} bytes, then {whole}");
        }
    }
}

#[test]
fn queries_without_an_equals_sign_are_arguments_unless_they_are_options() {
    let site = CgiSite::new(&[("args", &format!("{PLAIN} for it; do echo \"[$it]\"; done"))]);
    let (server, _) = site.serve();
    for (query, words) in [
        ("a+b%20c", "[a]\n[b c]\n"),
        ("a=b", ""),
        ("", ""),
        ("-s", ""),
        ("a+%2Ds", ""),
        ("a%00", ""),
        ("a?b", "[a?b]\n"),
    ] {
        assert_eq!(text(&get(&server, &format!("/cgi-bin/args?{query}"))), words, "{query}");
    }
    assert_eq!(text(&post(&server, "/cgi-bin/args?a", "")), "");
}
