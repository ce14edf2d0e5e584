//! Programs that answer: what they are told, what they may answer, and how they end.

use std::fs;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::unistd::geteuid;
use socketserver::http::{
    CgiHooks, CgiHttpRequestHandler, CgiInfo, Defaults, Exchange, FileHooks, HttpRequestHandler,
    SimpleHttpRequestHandler,
};
use socketserver::{ThreadPool, Timeouts};

use crate::cgi_site::{CgiSite, get, post, request, sees_the_end_of, text};
use crate::support::{Client, LIMIT, Running, bind, in_a_process_of_its_own, open_descriptors};
use crate::web::{Browser, Reply, noting, serve, show};

const ENV: &str = "echo Content-Type: text/plain; echo; env";
const PLAIN: &str = "echo Content-Type: text/plain; echo;";

fn site(scripts: &[(&str, &str)]) -> CgiSite {
    CgiSite::new(scripts)
}

/// The value of a variable in the output of `env`.
fn variable<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    let lines = text(reply).lines();
    lines.filter_map(|line| line.split_once('=')).find(|(it, _)| *it == name).map(|(_, it)| it)
}

#[test]
fn a_script_answers() {
    let site = site(&[("hello", "printf 'Content-Type: text/plain\\r\\nX-A: b\\r\\n\\r\\nhello'")]);
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
    let site = site(&[("env", ENV)]);
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
    let site = site(&[("env", ENV)]);
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
    let site = site(&[("env", ENV)]);
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
    let site = site(&[("env", ENV)]);
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
    let site = site(&[("env", ENV)]);
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
    let site = site(&[("env", ENV)]);
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
    let site = site(&[("ok", PLAIN)]);
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
    let site = site(&[("x.sh", "echo Content-Type: text/plain; echo; echo ran")]);
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

#[test]
fn scripts_lie_in_directories_below_and_elsewhere() {
    struct Elsewhere;
    impl FileHooks for Elsewhere {}
    impl CgiHooks for Elsewhere {
        fn cgi_directories(&self) -> &[&str] {
            &["/", "/a b/cgi"]
        }
    }
    let site = site(&[]);
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
    let site = site(&[("here", PLAIN), (".hidden", PLAIN)]);
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
        fn is_cgi(&self, http: &Exchange<'_>) -> Option<CgiInfo> {
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
    let site = site(&[]);
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
        fn is_cgi(&self, http: &Exchange<'_>) -> Option<CgiInfo> {
            let as_it_is = || CgiInfo::new("/cgi-bin", &http.path["/cgi-bin/".len()..]);
            if self.1 { Some(as_it_is()) } else { Defaults.is_cgi(http) }
        }
    }
    let site = site(&[("x", PLAIN)]);
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
    let site = site(&[("args", &format!("{PLAIN} for it; do echo \"[$it]\"; done"))]);
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

#[test]
fn the_script_decides_on_the_status() {
    let site = site(&[
        ("gone", "printf 'Status: 410 Gone Away\\nContent-Type: text/plain\\n\\nx'"),
        ("bare", "printf 'Status: 404\\n\\n'"),
        ("empty", "printf 'Status: 204\\nContent-Length: 0\\n\\n'"),
        ("there", "printf 'Location: http://elsewhere/\\n\\n'"),
        ("other", "printf 'Status: 303 See Other\\nLocation: /a.txt\\n\\n'"),
    ]);
    site.with_each_strategy(|server, _| {
        let first = |target: &str| {
            let reply = get(server, target);
            let line = reply.head.lines().next().unwrap().to_owned();
            let location = reply.header("Location").map(str::to_owned);
            (line, location)
        };
        assert_eq!(first("/cgi-bin/gone").0, "HTTP/1.1 410 Gone Away");
        assert_eq!(first("/cgi-bin/bare").0, "HTTP/1.1 404 Not Found");
        assert_eq!(first("/cgi-bin/empty").0, "HTTP/1.1 204 No Content");
        let there = ("HTTP/1.1 302 Found".to_owned(), Some("http://elsewhere/".to_owned()));
        assert_eq!(first("/cgi-bin/there"), there);
        let other = ("HTTP/1.1 303 See Other".to_owned(), Some("/a.txt".to_owned()));
        assert_eq!(first("/cgi-bin/other"), other);
    });
}

#[test]
fn a_local_redirect_is_served_here() {
    let site = site(&[
        ("file", "printf 'Location: /a.txt?x\\n\\n'; cat >/dev/null"),
        ("on", "printf 'Location: /cgi-bin/env/p?q=1\\n\\n'"),
        ("env", ENV),
        ("circle", "printf 'Location: /cgi-bin/circle\\n\\n'"),
    ]);
    site.site.write("a.txt", "the file\n");
    site.with_each_strategy(|server, log| {
        assert_eq!(get(server, "/cgi-bin/file").body, b"the file\n");
        assert_eq!(post(server, "/cgi-bin/file", "body").body, b"the file\n");
        let reply = post(server, "/cgi-bin/on", "body");
        assert_eq!(variable(&reply, "REQUEST_METHOD"), Some("GET"));
        assert_eq!(variable(&reply, "QUERY_STRING"), Some("q=1"));
        assert_eq!(variable(&reply, "PATH_INFO"), Some("/p"));
        assert_eq!(variable(&reply, "CONTENT_LENGTH"), None);
        let head = Browser::connect(server).ask(request("HEAD", "/cgi-bin/file", ""));
        assert_eq!(head.header("Content-Length"), Some("9"));
        log.so_far();
        assert_eq!(get(server, "/cgi-bin/circle").status(), 502);
        assert_eq!(log.next(), "CGI scripts redirect in a circle");
    });
}

#[test]
fn a_script_without_a_proper_head_is_502() {
    let site = site(&[
        ("nothing", ""),
        ("fails", "exit 7"),
        ("killed", "kill -9 $$"),
        ("cut", "printf 'Content-Type: text/plain\\n'"),
        ("none", "printf 'Hello, World!\\n\\nx'"),
        ("useless", "printf 'X-A: b\\n\\nx'"),
        ("long", "printf 'X-A: '; yes | head -c 100000"),
        ("endless", "yes"),
        ("nph-nothing", ""),
    ]);
    site.with_each_strategy(|server, log| {
        for (name, lines) in [
            ("nothing", &["it wrote nothing"][..]),
            ("fails", &["it wrote nothing", "exit code 7"]),
            ("killed", &["it wrote nothing", "exit code -9"]),
            ("cut", &["it ended within its head"]),
            ("none", &["a line of its head has no colon"]),
            ("useless", &["its head has no Content-Type"]),
            ("long", &["its head is too long"]),
            ("endless", &["its head is too long"]),
            ("nph-nothing", &["it wrote nothing"]),
        ] {
            log.so_far();
            let reply = get(server, &format!("/cgi-bin/{name}"));
            assert_eq!(reply.status(), 502, "{name}");
            let said = log.next();
            assert!(said.contains(name) && said.ends_with(lines[0]), "{said}");
            log.next();
            log.next();
            if let Some(code) = lines.get(1) {
                let said = log.next();
                assert!(said.ends_with(code), "{said}");
            }
        }
    });
}

#[test]
fn a_script_that_does_not_start_is_500_and_logged() {
    let site = site(&[]);
    site.script("cgi-bin/bad", "#! /no/such/interpreter -x\n");
    site.script("cgi-bin/crlf", "#!/bin/sh\r\necho\r\n");
    let (server, log) = site.serve();
    for (name, interpreter) in [("bad", "/no/such/interpreter"), ("crlf", "/bin/sh\\r")] {
        assert_eq!(get(&server, &format!("/cgi-bin/{name}")).status(), 500);
        let expected = format!(
            "CGI script did not start ('/cgi-bin/{name}'): its interpreter '{interpreter}' does \
             not exist"
        );
        assert_eq!(log.next(), expected);
        log.next();
        log.next();
    }
}

#[test]
fn a_script_of_its_own_head_is_passed_through() {
    let site = site(&[
        ("nph-x", "printf 'HTTP/1.1 201 Created\\nX: y\\n\\nhi'"),
        ("nph-odd", "printf odd"),
    ]);
    let (server, log) = site.serve();
    let mut browser = Browser::connect(&server);
    browser.send(request("GET", "/cgi-bin/nph-x", ""));
    assert_eq!(show(browser.rest()), "HTTP/1.1 201 Created\\nX: y\\n\\nhi");
    assert_eq!(log.next(), "\"GET /cgi-bin/nph-x HTTP/1.1\" 201 -");
    let mut browser = Browser::connect(&server);
    browser.send(request("GET", "/cgi-bin/nph-odd", ""));
    assert_eq!(show(browser.rest()), "odd");
}

#[test]
fn framing_is_the_servers() {
    let site = site(&[
        (
            "hop",
            "printf 'Content-Type: a\\nConnection: close\\nTransfer-Encoding: gzip\\nDate: x\\n\
             Server: y\\nUpgrade: z\\n\\nbody'",
        ),
        ("over", "printf 'Content-Type: a\\nContent-Length: 2\\n\\nbody'"),
        ("under", "printf 'Content-Type: a\\nContent-Length: 9\\n\\nbody'"),
        ("exact", "printf 'Content-Type: a\\nContent-Length: 4\\n\\nbody'"),
    ]);
    site.with_each_strategy(|server, _| {
        let mut browser = Browser::connect(server);
        let reply = browser.ask(request("GET", "/cgi-bin/hop", ""));
        assert_eq!((reply.header("Connection"), reply.header("Upgrade")), (None, None));
        assert_eq!(reply.header("Transfer-Encoding"), Some("chunked"));
        assert_eq!(reply.head.matches("\r\nDate: ").count(), 1);
        assert_eq!(reply.head.matches("\r\nServer: ").count(), 1);
        assert_eq!(reply.body, b"body");
        let reply = browser.ask(request("GET", "/cgi-bin/over", ""));
        assert_eq!(reply.body, b"bo");
        let reply = browser.ask(request("GET", "/cgi-bin/exact", ""));
        assert_eq!(reply.body, b"body");
        browser.send(request("GET", "/cgi-bin/under", ""));
        let came = show(browser.rest());
        assert!(came.ends_with("Content-Length: 9\\r\\n\\r\\nbody"), "{came}");
    });
}

#[test]
fn head_gets_no_body_and_connections_are_kept() {
    let site = site(&[("a", &format!("{PLAIN} echo $REQUEST_METHOD; cat"))]);
    site.with_each_strategy(|server, _| {
        let mut browser = Browser::connect(server);
        let reply = browser.ask(request("HEAD", "/cgi-bin/a", ""));
        assert_eq!((reply.status(), reply.body.len()), (200, 0));
        let reply = browser.ask(request("GET", "/cgi-bin/a", ""));
        assert_eq!((reply.header("Transfer-Encoding"), text(&reply)), (Some("chunked"), "GET\n"));
        // Two at once: the second is neither an end of the client nor a part of the first's body.
        let first = request("POST", "/cgi-bin/a", "Content-Length: 3\r\n") + "one";
        let second = request("POST", "/cgi-bin/a", "Content-Length: 3\r\n") + "two";
        browser.send(first + &second);
        assert_eq!(text(&browser.reply()), "POST\none");
        assert_eq!(text(&browser.reply()), "POST\ntwo");
    });
}

#[test]
fn a_client_of_http_1_0_gets_the_end_of_the_connection() {
    let site = site(&[("a", &format!("{PLAIN} echo $SERVER_PROTOCOL"))]);
    let (server, _) = site.serve();
    let mut client = server.connect();
    client.send("GET /cgi-bin/a HTTP/1.0\r\n\r\n");
    assert!(client.read_to_end().ends_with("\r\n\r\nHTTP/1.0\n"));
}

#[test]
fn chunked_bodies_reach_the_script_decoded() {
    let site = site(&[("cat", &format!("{PLAIN} echo \"[$CONTENT_LENGTH]\"; cat"))]);
    site.with_each_strategy(|server, _| {
        let mut browser = Browser::connect(server);
        let head = request("POST", "/cgi-bin/cat", "Transfer-Encoding: chunked\r\n");
        let reply = browser.ask(format!("{head}3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nT: u\r\n\r\n"));
        assert_eq!(text(&reply), "[7]\nabcdefg");
        // A byte at a time, so that every line between chunks is met unfinished.
        for byte in format!("{head}3\r\nabc\r\n4\r\ndefg\r\n0\r\nT: u\r\n\r\n").bytes() {
            browser.send([byte]);
        }
        assert_eq!(text(&browser.reply()), "[7]\nabcdefg");
        browser.send(format!("{head}3\r\nabcdef\r\n"));
        assert_eq!(browser.reply().status(), 400);
    });
}

#[test]
fn input_and_output_flow_at_the_same_time() {
    let site = site(&[("echo", &format!("{PLAIN} while read it; do echo \"<$it>\"; done"))]);
    site.with_each_strategy(|server, _| {
        let mut client = server.connect();
        client.send(request("POST", "/cgi-bin/echo", "Content-Length: 8\r\n"));
        client.send("one\n");
        let mut came = String::new();
        while !came.contains("<one>") {
            came.push_str(&client.read_line());
        }
        client.send("two\n");
        while !came.contains("<two>") {
            came.push_str(&client.read_line());
        }
    });
}

#[test]
fn a_script_need_not_read_its_body() {
    let site = site(&[("deaf", &format!("exec 0<&-; {PLAIN} echo heard nothing"))]);
    let (server, _) = site.serve();
    let mut client = server.connect();
    let size = 1 << 20;
    client.send(request("POST", "/cgi-bin/deaf", &format!("Content-Length: {size}\r\n")));
    // The server may be closing by then.
    let _ = client.stream.write_all(&vec![b'x'; size]);
    let mut came = Vec::new();
    let _ = client.stream.read_to_end(&mut came);
    assert!(show(&came).contains("heard nothing"), "{}", show(&came));
}

#[test]
fn a_body_that_does_not_come_is_408_and_one_that_ends_early_400() {
    let site = site(&[("cat", "cat >/dev/null; echo Content-Type: a; echo; echo whole")]);
    let timeouts = Timeouts::default().stall(Duration::from_millis(50));
    let server = serve(site.noting().timeouts(timeouts));
    let request = request("POST", "/cgi-bin/cat", "Content-Length: 9\r\n") + "part";
    assert_eq!(Browser::connect(&server).ask(&request).status(), 408);
    let mut browser = Browser::connect(&server);
    browser.send(&request);
    browser.client.finish_sending();
    assert_eq!(browser.reply().status(), 400);
}

#[test]
fn a_body_that_comes_too_slowly_is_408() {
    let site = site(&[("cat", "cat >/dev/null; echo Content-Type: a; echo; echo whole")]);
    let stall = Some(Duration::from_millis(50));
    let timeouts = Timeouts::default().stall(stall).body_rate(1_000_000);
    let server = serve(site.noting().timeouts(timeouts));
    let mut browser = Browser::connect(&server);
    browser.send(request("POST", "/cgi-bin/cat", "Content-Length: 10000\r\n"));
    let began = Instant::now();
    while !browser.client.hears(Duration::from_millis(2)) {
        browser.send("x");
        assert!(began.elapsed() < LIMIT, "nobody stops this client");
    }
    assert_eq!(browser.reply().status(), 408);
}

#[test]
fn large_bodies_and_outputs_pass_through_little_memory() {
    let site = site(&[("cat", &format!("{PLAIN} exec cat"))]);
    let (server, _) = site.serve();
    let size = 32 << 20;
    let mut client = server.connect();
    let request = request("POST", "/cgi-bin/cat", &format!("Content-Length: {size}\r\n"));
    client.send(request.replace("HTTP/1.1", "HTTP/1.0"));
    let mut writer = client.stream.try_clone().unwrap();
    let writing = std::thread::spawn(move || {
        let block = [b'x'; 64 * 1024];
        (0..size / block.len()).for_each(|_| writer.write_all(&block).unwrap());
    });
    let mut body = Vec::new();
    client.stream.read_to_end(&mut body).unwrap();
    writing.join().unwrap();
    let start = crate::web::find(&body, b"\r\n\r\n").unwrap() + 4;
    assert_eq!(body.len() - start, size);
    assert!(body[start..].iter().all(|&byte| byte == b'x'));
}

#[test]
fn a_script_whose_time_is_over_is_killed_with_its_children() {
    let site = site(&[
        ("silent", "sleep 60 & echo $! > pid; wait"),
        ("late", &format!("{PLAIN} echo begun; sleep 60 & echo $! > pid; wait")),
        ("stubborn", "trap '' TERM; sh -c 'trap \"\" TERM; echo $$ > pid; sleep 60; sleep 60'"),
    ]);
    let handler = site.handler().timeout(Duration::from_millis(300));
    let handler = noting(handler).http11();
    let log = handler.log.clone();
    let server = serve(handler);
    for name in ["silent", "stubborn"] {
        assert_eq!(get(&server, &format!("/cgi-bin/{name}")).status(), 504, "{name}");
        assert_eq!(log.next(), format!("CGI script timed out ('/cgi-bin/{name}')"));
        sees_the_end_of(&fs::read_to_string(site.site.path("cgi-bin/pid")).unwrap());
        log.so_far();
    }
    let mut browser = Browser::connect(&server);
    browser.send(request("GET", "/cgi-bin/late", ""));
    let came = show(browser.rest());
    assert!(came.ends_with("begun\\n\\r\\n"), "the end of a response that has none: {came}");
    sees_the_end_of(&fs::read_to_string(site.site.path("cgi-bin/pid")).unwrap());
}

#[test]
fn a_script_that_runs_on_after_its_output_ends_with_the_limit() {
    let site = site(&[("on", &format!("{PLAIN} echo $$; exec >&- 2>&-; exec sleep 60"))]);
    let handler = site.handler().timeout(Duration::from_millis(300));
    let server = serve(noting(handler).http11());
    let mut browser = Browser::connect(&server);
    // The response is whole long before that, and the connection serves on after.
    let reply = browser.ask(request("GET", "/cgi-bin/on", ""));
    sees_the_end_of(text(&reply));
    assert_eq!(browser.ask(request("GET", "/", "")).status(), 200);
}

#[test]
fn a_server_that_ends_takes_its_scripts_along() {
    let site = site(&[("waits", &format!("{PLAIN} sleep 60 & echo $!; wait"))]);
    let mut server = bind::<ThreadPool, _>(site.noting());
    server.shutdown_timeout = Duration::from_millis(100);
    let server = Running::start(server);
    let mut client = server.connect();
    client.send("GET /cgi-bin/waits HTTP/1.0\r\n\r\n");
    while !client.read_line().trim().is_empty() {}
    let process = client.read_line();
    server.handle.shutdown();
    // Before the wait for the thread that would have waited for the script.
    sees_the_end_of(&process);
    assert_eq!(server.wait().report.cut, 1);
}

#[test]
fn a_program_that_exits_ends_its_scripts() {
    let site = site(&[("waits", &format!("{PLAIN} sleep 60 & echo $!; wait"))]);
    let handler = site.handler();
    let ends = handler.clone();
    let server = serve(noting(handler).http11());
    let mut client = server.connect();
    client.send("GET /cgi-bin/waits HTTP/1.0\r\n\r\n");
    while !client.read_line().trim().is_empty() {}
    let process = client.read_line();
    ends.end_scripts();
    sees_the_end_of(&process);
    assert_eq!(get(&server, "/cgi-bin/waits").status(), 500);
}

#[test]
fn standard_error_goes_to_the_log_line_by_line_and_within_bounds() {
    let site = site(&[
        ("says", &format!("{PLAIN} echo one >&2; printf 'two\\r\\n\\nthree' >&2")),
        ("floods", &format!("yes | head -c 1000000 >&2; {PLAIN} echo done")),
    ]);
    let handler = site.handler().stderr_limit(11);
    let handler = noting(handler).http11();
    let log = handler.log.clone();
    let server = serve(handler);
    get(&server, "/cgi-bin/says");
    let mut said: Vec<_> = (0..5).map(|_| log.next()).collect();
    said.retain(|line| !line.starts_with('"'));
    let over = "CGI script: more on standard error is not logged";
    assert_eq!(said, ["one", "two", "t", over]);
    log.so_far();
    assert_eq!(text(&get(&server, "/cgi-bin/floods")), "done\n");
    let lines = log.so_far();
    assert!(lines.len() < 10, "{lines:?}");
}

#[test]
fn scripts_inherit_three_descriptors_and_no_ignored_signal() {
    let site = site(&[
        ("fds", &format!("{PLAIN} exec ls /proc/self/fd")),
        ("pipe", &format!("{PLAIN} yes | head -n 1; grep SigIgn /proc/self/status")),
    ]);
    if !Path::new("/proc/self/fd").exists() {
        eprintln!("skipped: there is no /proc");
        return;
    }
    in_a_process_of_its_own("cgi::scripts_inherit_three_descriptors_and_no_ignored_signal", || {
        let (server, _) = site.serve();
        // Connections and pipes of others are open meanwhile.
        let _others: Vec<_> = (0..4).map(|_| server.connect()).collect();
        // The fourth is the directory that `ls` reads.
        assert_eq!(text(&get(&server, "/cgi-bin/fds")), "0\n1\n2\n3\n");
        let reply = get(&server, "/cgi-bin/pipe");
        let (first, ignored) = text(&reply).split_once('\n').unwrap();
        let mask = u64::from_str_radix(ignored.trim_start_matches("SigIgn:").trim(), 16).unwrap();
        assert_eq!((first, mask & 1 << 12), ("y", 0), "{ignored}");
    });
}

#[test]
fn neither_zombies_nor_descriptors_are_left() {
    in_a_process_of_its_own("cgi::neither_zombies_nor_descriptors_are_left", || {
        let site = site(&[
            ("ok", &format!("{PLAIN} echo ok")),
            ("bad", "yes"),
            ("deaf", &format!("exec 0<&-; {PLAIN} echo deaf")),
        ]);
        site.script("cgi-bin/none", "#!/no/such/interpreter\n");
        let (server, _) = site.serve();
        get(&server, "/cgi-bin/ok");
        let before = open_descriptors();
        for _ in 0..5 {
            for name in ["ok", "bad", "none"] {
                get(&server, &format!("/cgi-bin/{name}"));
            }
            post(&server, "/cgi-bin/deaf", "body");
        }
        server.stop();
        assert!(open_descriptors() <= before, "{} before, {}", before, open_descriptors());
        let children = nix::sys::wait::waitpid(None, Some(nix::sys::wait::WaitPidFlag::WNOHANG));
        assert_eq!(children, Err(nix::errno::Errno::ECHILD));
    });
}

#[test]
fn a_panic_in_a_handler_costs_its_script_but_leaves_none() {
    struct Panicking(CgiHttpRequestHandler);
    impl HttpRequestHandler for Panicking {
        fn base(&self) -> &dyn HttpRequestHandler {
            &self.0
        }

        fn end_headers(&self, http: &mut Exchange<'_>) -> io::Result<()> {
            assert!(http.path.ends_with("no"), "as the test wants it");
            self.0.end_headers(http)
        }
    }
    let site = site(&[("waits", &format!("echo $$ > pid; {PLAIN} exec sleep 60"))]);
    let server = serve(noting(Panicking(site.handler())));
    let mut client = server.connect();
    client.send("GET /cgi-bin/waits HTTP/1.0\r\n\r\n");
    client.sees_the_end();
    sees_the_end_of(&fs::read_to_string(site.site.path("cgi-bin/pid")).unwrap());
}

#[test]
fn root_becomes_nobody() {
    if !geteuid().is_root() {
        eprintln!("skipped: only root can be somebody else");
        return;
    }
    let site = site(&[("id", &format!("{PLAIN} id -un; id -gn; id -G"))]);
    let reply = |user: Option<&str>| {
        let mut handler = CgiHttpRequestHandler::new(site.site.path(""));
        if user != Some("nobody") {
            handler = handler.user(user);
        }
        get(&serve(noting(handler).http11()), "/cgi-bin/id")
    };
    let nobody = reply(Some("nobody"));
    let lines: Vec<_> = text(&nobody).lines().collect();
    assert_eq!(lines[0], "nobody");
    assert!(["nogroup", "nobody"].contains(&lines[1]), "{lines:?}");
    assert_eq!(lines[2].split(' ').count(), 1, "{lines:?}");
    assert!(text(&reply(None)).starts_with("root\n"));
    assert!(text(&reply(Some("root"))).starts_with("root\n"));
    assert_eq!(reply(Some("no such user")).status(), 500);
}
