//! What the command does when it is asked to: other origins, prefixes, charsets, pages for errors.

use std::fs;
use std::io::Write;

use nix::sys::signal::Signal;

use crate::auth::{ADA, ADAS};
use crate::cli::{Serving, eventually, fails, read_to_end, text};

/// How requests run.
pub(crate) const WAYS: [&[&str]; 5] = [
    &["--concurrency", "sequential"],
    &["--concurrency", "threading"],
    &["--concurrency", "forking"],
    &["--processes", "2"],
    &["--tls-self-signed", "--processes", "1", "--concurrency", "forking"],
];

#[track_caller]
fn start(arguments: &[&str]) -> Serving {
    Serving::start(&[&["-b", "127.0.0.1"], arguments].concat())
}

/// Over TLS, too.
#[track_caller]
pub(crate) fn ask(serving: &Serving, request: &str) -> String {
    if serving.banner.starts_with("Serving HTTPS") {
        let config = std::sync::Arc::new(crate::cli_tls::trusting_anybody());
        let address = ([127, 0, 0, 1], serving.port).into();
        let mut client = crate::certificates::TlsClient::connect(address, &config);
        client.send(request);
        return client.read_to_end();
    }
    let mut client = serving.connect();
    client.write_all(request.as_bytes()).unwrap();
    text(&read_to_end(&mut client))
}

#[track_caller]
fn get(serving: &Serving, path: &str) -> String {
    ask(serving, &format!("GET {path} HTTP/1.0\r\nHost: h\r\n\r\n"))
}

pub(crate) fn has(reply: &str, line: &str) -> bool {
    reply.split("\r\n").any(|it| it == line)
}

#[test]
fn pages_of_other_origins_may_read_where_that_is_asked_for() {
    for way in WAYS {
        let serving = start(&[way, &["--cors"]].concat());
        for path in ["/a.txt", "/missing", "/"] {
            assert!(has(&get(&serving, path), "Access-Control-Allow-Origin: *"), "{way:?} {path}");
        }
        let serving =
            start(&[way, &["--cors", "http://one.example", "--cors=https://two.example"]].concat());
        for (origin, is_named) in [
            ("http://one.example", true),
            ("https://two.example", true),
            ("https://one.example", false),
            ("null", false),
        ] {
            let request = format!("GET /a.txt HTTP/1.0\r\nOrigin: {origin}\r\n\r\n");
            let reply = ask(&serving, &request);
            let allow = format!("Access-Control-Allow-Origin: {origin}");
            assert_eq!(has(&reply, &allow), is_named, "{reply}");
            assert_eq!(has(&reply, "Access-Control-Allow-Credentials: true"), is_named);
            assert!(has(&reply, "Vary: Origin"), "{reply}");
        }
    }
    assert!(!get(&start(&[]), "/a.txt").contains("Access-Control"));
}

#[test]
fn a_preflight_passes_where_passwords_are_asked_for() {
    for way in WAYS {
        let serving = start(&[way, &["--cors", "http://one.example", "--auth", ADA]].concat());
        let reply = ask(
            &serving,
            "OPTIONS /a.txt HTTP/1.1\r\nHost: h\r\nOrigin: http://one.example\r\n\
             Access-Control-Request-Method: GET\r\nConnection: close\r\n\
             Access-Control-Request-Headers: authorization\r\n\r\n",
        );
        assert!(reply.starts_with("HTTP/1.0 204 "), "{way:?}: {reply}");
        assert!(has(&reply, "Access-Control-Allow-Headers: authorization"), "{reply}");
        let field = "Origin: http://one.example\r\n";
        let refused = ask(&serving, &format!("GET /a.txt HTTP/1.0\r\n{field}\r\n"));
        assert!(refused.starts_with("HTTP/1.0 401 "), "{refused}");
        assert!(has(&refused, "Access-Control-Allow-Origin: http://one.example"), "{refused}");
        let request = format!("GET /a.txt HTTP/1.0\r\n{field}Authorization: {ADAS}\r\n\r\n");
        assert!(ask(&serving, &request).starts_with("HTTP/1.0 200 "));
    }
}

#[test]
fn a_header_on_which_responses_depend_is_added_to() {
    for way in WAYS {
        let all = ["--cors", "http://one.example", "-H", "Vary", "Accept", "-H", "vary", "DNT"];
        let reply = get(&start(&[way, &all].concat()), "/a.txt");
        for line in ["Vary: Origin", "Vary: Accept", "vary: DNT"] {
            assert!(has(&reply, line), "{way:?}: {reply}");
        }
    }
}

#[test]
fn files_are_served_below_a_prefix() {
    for way in WAYS {
        let all = ["--url-prefix", "/x/y/", "--healthz", "/well", "--auth", ADA];
        let serving = start(&[way, &all].concat());
        for (path, status) in [
            ("/x/y/a.txt", 200),
            ("/x//y///a.txt", 200),
            ("/%78/y/a.txt?q", 200),
            ("http://h/x/y/a.txt", 200),
            ("/x/y/", 200),
            ("/x/y/sub", 301),
            ("/x/y?q=1", 301),
            ("/x/y/missing", 404),
            ("/x/y/x/y/a.txt", 404),
            ("/a.txt", 404),
            ("/x", 404),
            ("/x/ya.txt", 404),
            ("/x%2fy/a.txt", 404),
            ("/x/../x/y/a.txt", 200),
            ("/x/y/../y/a.txt", 200),
            ("/x/y/sub/../a.txt", 200),
            ("/x/y/../a.txt", 404),
            ("/x/y/..", 404),
            ("/x/y/%2e%2e/a.txt", 404),
            ("/x/y/..%2fa.txt", 404),
            ("/x/y/../../x/y", 301),
            ("/", 404),
            ("/well", 404),
            ("/x/y/well", 200),
        ] {
            let request = format!("GET {path} HTTP/1.0\r\nAuthorization: {ADAS}\r\n\r\n");
            let reply = ask(&serving, &request);
            assert!(reply.starts_with(&format!("HTTP/1.0 {status} ")), "{way:?} {path}: {reply}");
            let location = match path {
                "/x/y?q=1" => Some("Location: ./y/?q=1"),
                "/x/y/sub" => Some("Location: sub/"),
                _ => None,
            };
            assert!(location.is_none_or(|line| has(&reply, line)), "{reply}");
        }
        // Without a password: only whether all is well.
        for (path, status) in [
            ("/x/y/a.txt", 401),
            ("/x/y/well", 200),
            ("/x/y/../y/well", 200),
            ("/x/y/../well", 404),
        ] {
            let reply = get(&serving, path);
            assert!(reply.starts_with(&format!("HTTP/1.0 {status} ")), "{path}: {reply}");
        }
        let reply = ask(&serving, "POST /x/y HTTP/1.0\r\nContent-Length: 0\r\n\r\n");
        assert!(reply.starts_with("HTTP/1.0 308 "), "{reply}");
    }
}

#[test]
fn a_program_below_a_prefix_has_it_in_its_urls() {
    let serving = start(&["--url-prefix", "/x", "--cgi", "--cgi-user", "root"]);
    let directory = serving.directory.as_ref().unwrap().path().join("cgi-bin");
    fs::create_dir(&directory).unwrap();
    let script = |name: &str, body: &str| {
        use std::os::unix::fs::PermissionsExt;
        let path = directory.join(name);
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    script("env", "printf 'Content-Type: text/plain\\n\\n'; env");
    script("there", "printf 'Location: /x/a.txt\\n\\n'");
    script("out", "printf 'Location: /a.txt\\n\\n'");
    script("sub", "printf 'Location: /x/sub\\n\\n'");
    let reply = get(&serving, "/x/cgi-bin/env/info?q");
    for line in
        ["SCRIPT_NAME=/x/cgi-bin/env", "PATH_INFO=/info", "REQUEST_URI=/x/cgi-bin/env/info?q"]
    {
        assert!(reply.lines().any(|it| it == line), "{line}: {reply}");
    }
    let sent = "/x//cgi-bin/env/a";
    assert!(get(&serving, sent).lines().any(|it| it == format!("REQUEST_URI={sent}")));
    assert!(get(&serving, "/x/cgi-bin/there").ends_with("\r\n\r\nhello\n"));
    assert!(get(&serving, "/x/cgi-bin/out").starts_with("HTTP/1.0 404 "));
    assert!(has(&get(&serving, "/x/cgi-bin/sub"), "Location: /x/sub/"));
}

#[test]
fn text_has_the_charset_that_is_asked_for() {
    for way in WAYS {
        let serving = start(&[way, &["--charset", "utf-8"]].concat());
        let directory = serving.directory.as_ref().unwrap().path();
        for name in ["p.html", "s.js", "c.css", "i.png", "d.json", "x.svg"] {
            fs::write(directory.join(name), "").unwrap();
        }
        for (path, kind) in [
            ("/a.txt", "text/plain; charset=utf-8"),
            ("/p.html", "text/html; charset=utf-8"),
            ("/s.js", "text/javascript; charset=utf-8"),
            ("/c.css", "text/css; charset=utf-8"),
            ("/i.png", "image/png"),
            ("/d.json", "application/json"),
            ("/x.svg", "image/svg+xml"),
        ] {
            let reply = get(&serving, path);
            assert!(has(&reply, &format!("Content-type: {kind}")), "{way:?} {path}: {reply}");
        }
    }
    assert!(has(&get(&start(&[]), "/a.txt"), "Content-type: text/plain"));
}

#[test]
fn errors_are_answered_with_pages() {
    let directory = tempfile::tempdir().unwrap();
    let page = |name: &str, content: &str| {
        fs::write(directory.path().join(name), content).unwrap();
        directory.path().join(name).display().to_string()
    };
    for way in WAYS {
        let missing = format!("404={}", page("404.html", "<p>%(code)d gone\n"));
        let unknown = format!("401={}", page("401.txt", "who?\n"));
        let all = ["--error-page", &missing, "--error-page", &unknown, "--charset", "utf-8"];
        let serving = start(&[way, &all, &["--auth", ADA]].concat());
        let with_password = |method: &str, path: &str| {
            let field = format!("Authorization: {ADAS}\r\n");
            ask(&serving, &format!("{method} {path} HTTP/1.0\r\n{field}\r\n"))
        };
        let reply = with_password("GET", "/missing");
        assert!(reply.starts_with("HTTP/1.0 404 File not found\r\n"), "{way:?}: {reply}");
        assert!(has(&reply, "Content-Type: text/html; charset=utf-8"), "{reply}");
        assert!(reply.ends_with("\r\n\r\n<p>%(code)d gone\n"), "{reply}");
        let reply = with_password("HEAD", "/missing");
        assert!(has(&reply, "Content-Length: 17") && reply.ends_with("\r\n\r\n"), "{reply}");
        let reply = get(&serving, "/a.txt");
        assert!(has(&reply, "Content-Type: text/plain; charset=utf-8"), "{reply}");
        assert!(reply.starts_with("HTTP/1.0 401 ") && reply.ends_with("\r\n\r\nwho?\n"), "{reply}");
        assert!(reply.contains("WWW-Authenticate: Basic "), "{reply}");
        // Others have Python's page.
        assert!(with_password("POST", "/").contains("Error code: 501"));
        page("404.html", "moved\n");
        serving.signal(Signal::SIGHUP);
        eventually(|| with_password("GET", "/missing").ends_with("\r\n\r\nmoved\n"));
        fs::remove_file(directory.path().join("404.html")).unwrap();
        serving.signal(Signal::SIGHUP);
        eventually(|| with_password("GET", "/missing").ends_with("\r\n\r\nmoved\n"));
        let said = serving.stop(Signal::SIGTERM).stderr;
        assert!(said.contains("code 404, message File not found\n"), "{said}");
        assert!(said.contains("the old error pages stay: cannot read "), "{way:?}: {said}");
    }
}

#[test]
fn directories_are_listed_as_asked_for() {
    for way in WAYS {
        let serving = start(&[way, &["--listing", "table", "--url-prefix", "/x"]].concat());
        for version in ["1.0", "1.1"] {
            let get = |target: &str, field: &str| {
                let end = "Connection: close";
                ask(
                    &serving,
                    &format!("GET {target} HTTP/{version}\r\nHost: h\r\n{field}{end}\r\n\r\n"),
                )
            };
            let page = get("/x/", "");
            assert!(page.starts_with("HTTP/1.0 200 ") && page.ends_with("</html>\n"), "{page}");
            assert!(page.contains("<a href=\"./a.txt\">") && !page.contains("\"../\""), "{page}");
            assert!(get("/x/sub/", "").contains("<a href=\"../\">"), "{way:?}");
            let json = get("/x/?C=S", "Accept: application/json\r\n");
            let (head, body) = json.split_once("\r\n\r\n").unwrap();
            assert!(has(head, "Vary: Accept"), "{head}");
            let entries: Vec<serde_json::Value> = serde_json::from_str(body).unwrap();
            assert!(entries.iter().any(|entry| entry["href"] == "./sub/"), "{body}");
        }
        let head = ask(&serving, "HEAD /x/ HTTP/1.0\r\n\r\n");
        assert!(head.starts_with("HTTP/1.0 200 ") && head.ends_with("\r\n\r\n"), "{head}");
        let serving = start(&[way, &["--listing", "off"]].concat());
        for path in ["/", "/sub/"] {
            let reply = get(&serving, path);
            assert!(reply.starts_with("HTTP/1.0 403 ") && !reply.contains("a.txt"), "{reply}");
        }
        assert!(get(&serving, "/a.txt").starts_with("HTTP/1.0 200 "));
        for arguments in [&[][..], &["--listing", "plain"]] {
            let serving = start(&[way, arguments].concat());
            assert!(get(&serving, "/").contains("<li><a href=\"a.txt\">a.txt</a></li>"));
        }
    }
}

#[test]
fn all_options_work_together() {
    let directory = tempfile::tempdir().unwrap();
    let page = directory.path().join("404.html");
    fs::write(&page, "gone\n").unwrap();
    let page = format!("404={}", page.display());
    let port = directory.path().join("port").display().to_string();
    for way in WAYS {
        let all = [
            "-p",
            "HTTP/1.1",
            "--cgi",
            "--cgi-user",
            "root",
            "--confine",
            "--hide-dot-files",
            "--metrics",
            "/numbers",
            "--healthz",
            "/well",
            "--auth",
            ADA,
            "--error-page",
            &page,
            "--cors",
            "http://one.example",
            "--log-format",
            "json",
            "--port-file",
            &port,
            "--shutdown-timeout",
            "5",
            "--url-prefix",
            "/x",
            "--charset",
            "utf-8",
            "--listing",
            "table",
            "-H",
            "X-A",
            "b",
        ];
        let serving = start(&[way, &all].concat());
        assert_eq!(fs::read_to_string(&port).unwrap(), format!("{}\n", serving.port));
        for (line, with_password, status, end) in [
            ("GET /x/a.txt", true, 200, "\r\n\r\nhello\n"),
            ("GET /x/a.txt", false, 401, "</html>\n"),
            ("GET /x/", false, 401, "</html>\n"),
            ("GET /x/?C=S;O=A", true, 200, "</html>\n\r\n0\r\n\r\n"),
            ("HEAD /x/?C=M;O=D", true, 200, "\r\n\r\n"),
            ("GET /x/missing", true, 404, "\r\n\r\ngone\n"),
            ("GET /a.txt", true, 404, "\r\n\r\ngone\n"),
            ("GET /x/well", false, 200, "\r\n\r\nok\n"),
            ("GET /x/numbers", false, 401, "</html>\n"),
            ("HEAD /x/a.txt", true, 200, "\r\n\r\n"),
            ("PUT /x/a.txt", true, 501, "</html>\n"),
        ] {
            let password =
                if with_password { format!("Authorization: {ADAS}\r\n") } else { String::new() };
            let request = format!(
                "{line} HTTP/1.1\r\nHost: h\r\nOrigin: http://one.example\r\n{password}\
                 Connection: close\r\n\r\n"
            );
            let reply = ask(&serving, &request);
            assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{way:?} {line}: {reply}");
            assert!(reply.ends_with(end), "{way:?} {line}: {reply}");
            assert!(has(&reply, "Access-Control-Allow-Origin: http://one.example"), "{reply}");
            assert!(has(&reply, "X-A: b"), "{reply}");
        }
        let ended = serving.stop(Signal::SIGTERM);
        assert_eq!((ended.status, ended.stderr.lines().count()), (Some(0), 11), "{}", ended.stderr);
        assert!(ended.stderr.lines().all(|line| line.starts_with("{\"time\":")));
    }
}

#[test]
fn what_cannot_be_done_is_told_in_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let folder = format!("404={}", directory.path().display());
    let long = directory.path().join("long");
    fs::write(&long, vec![b' '; (1 << 20) + 1]).unwrap();
    let long = format!("404={}", long.display());
    for (arguments, why) in [
        (&["--cors", "8000"][..], "8000 is taken as the origin of --cors; give the port first: "),
        (&["0", "--cors=80"], "give the port first: socketserver 80 --cors"),
        (&["--cors", "localhost:8000"], "an origin is such as https://example.org"),
        (&["--cors", "example.org"], "it has no scheme"),
        (&["--cors="], "--cors: the origin is empty; --cors alone is for all pages; see"),
        (&["--cors=https://example.org/"], "more than a scheme, a host and a port"),
        (&["--cors", "--cors", "https://a.example"], "--cors without an origin is for all pages"),
        (
            &["--cors", "-H", "access-control-allow-origin", "x"],
            "--cors sends Access-Control-Allow-O",
        ),
        (&["--error-page", "0416=a"], "416 is sent without a page"),
        (&["--url-prefix", "docs"], "begins with a slash"),
        (&["--url-prefix", "/"], "begins with a slash"),
        (&["--url-prefix", "/a/../b"], "a plain path"),
        (&["--url-prefix", "/a b"], "a plain path"),
        (&["--charset", "utf 8"], "a charset is a word"),
        (&["--charset", ""], "a charset is a word"),
        (&["--charset", "utf-9"], "browsers know no such charset; utf-8 is the usual one"),
        (&["--charset", "UTF_8"], "browsers know no such charset; utf-8 is the usual one"),
        (&["--error-page", "404"], "CODE=PATH is expected"),
        (&["--error-page", "200=a"], "CODE=PATH is expected"),
        (&["--error-page", "404="], "CODE=PATH is expected"),
        (&["--error-page", "404=/no/such/page"], "--error-page: cannot read '/no/such/page'"),
        (
            &["--error-page", "404=a", "--error-page", "500=b", "--error-page", "0404=c"],
            "--error-page: 404 is given twice; leave out one of the two; see",
        ),
        (&["--error-page", &folder], "it is no regular file"),
        (&["--error-page", &long], "it is longer than 1 MiB"),
        (&["--log-format", "xml"], "invalid value 'xml'"),
        (&["--listing", "fancy"], "invalid value 'fancy'"),
        (&["--shutdown-timeout", "-1"], "a number of whole seconds is expected"),
        (&["--shutdown-timeout", "soon"], "a number of whole seconds is expected"),
        (&["--unix", "/tmp/s", "--port-file", "p"], "cannot be used with"),
    ] {
        let said = fails(arguments, 2);
        assert!(said.contains(why), "{arguments:?}: {said}");
    }
}
