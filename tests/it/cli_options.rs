//! Options of the command that fit one another, or do not, and values that are close to right ones.

use crate::auth::ADA;
use crate::cli::{Serving, fails};
use crate::cli_asked::{WAYS, ask, has};

#[test]
fn numbers_are_not_what_balancers_ask_without_a_password() {
    let with = |metrics, healthz| ["--metrics", metrics, "--healthz", healthz, "--auth", ADA];
    for way in [&[][..], &["--url-prefix", "/x"]] {
        let said = fails(&[way, &with("/m", "/m")].concat(), 2);
        let line = "--metrics and --healthz have one path, /m; choose another";
        assert!(said.contains(line), "{said}");
    }
    // Other spellings of it.
    let plain = "a plain path is expected, such as /healthz";
    let others = ["/%6D", "/m?", "/m?x", "/m#x", "//m", "/./m", "/x/../m", "/m//", "/m x"];
    for path in others {
        for words in [with("/m", path), with(path, "/m")] {
            let said = fails(&words, 2);
            assert!(said.contains(plain), "{words:?}: {said}");
        }
    }
    let others = [("/", "/m"), ("/m/", "/m"), ("/M", "/m"), ("/-/m:1", "/m"), ("/x/.../m", "/m")];
    for (numbers, well) in others {
        let words = [&["-b", "127.0.0.1"][..], &with(numbers, well)].concat();
        let serving = Serving::start(&words);
        for (path, status) in [(numbers, 401), (well, 200)] {
            let reply = ask(&serving, &format!("GET {path} HTTP/1.0\r\n\r\n"));
            assert!(reply.starts_with(&format!("HTTP/1.0 {status} ")), "{path}: {reply}");
        }
    }
}

#[test]
fn the_banner_has_the_url_below_the_prefix() {
    for (words, url) in [
        (&["--url-prefix", "/docs"][..], "http://127.0.0.1:PORT/docs/"),
        (&["--url-prefix=/a/b:c/"], "http://127.0.0.1:PORT/a/b:c/"),
        (&["--url-prefix", "/docs", "--tls-self-signed"], "https://127.0.0.1:PORT/docs/"),
        (&[], "http://127.0.0.1:PORT/"),
    ] {
        let serving = Serving::start(&[&["-b", "127.0.0.1"], words].concat());
        let banner = serving.masked_banner();
        assert!(banner.ends_with(&format!(" ({url}) ...\n")), "{words:?}: {banner}");
        let (_, path) = url.split_once("PORT").unwrap();
        let reply = ask(&serving, &format!("GET {path}a.txt HTTP/1.0\r\n\r\n"));
        assert!(reply.ends_with("\r\n\r\nhello\n"), "{reply}");
    }
}

/// Each option that changes nothing by itself, with those of which one is needed.
#[test]
fn an_option_of_another_one_is_refused_alone() {
    for (words, line) in [
        (&["--auth-in-clear-text"][..], "--auth-in-clear-text works with --auth or --auth-file"),
        (&["--cgi-chunked-limit", "1"], "--cgi-chunked-limit works with --cgi"),
        (&["--cgi-env", "A"], "--cgi-env works with --cgi"),
        (&["--cgi-timeout", "1"], "--cgi-timeout works with --cgi"),
        (&["--cgi-user", "a"], "--cgi-user works with --cgi"),
        (&["--forwarded-header", "Forwarded"], "--forwarded-header works with --trusted-proxies"),
        (&["--max-children", "2"], "--max-children works with --concurrency forking"),
        (
            &["--concurrency", "forking", "--max-threads", "2"],
            "--max-threads works with --concurrency threading",
        ),
        (&["--proxy-protocol"], "--proxy-protocol works with --trusted-proxies"),
        (&["--unix-mode", "660"], "--unix-mode works with --unix"),
        (&["--upload-limit", "1"], "--upload-limit works with --upload"),
        (&["--upload-without-auth"], "--upload-without-auth works with --upload"),
    ] {
        let said = fails(words, 2);
        let line = format!("socketserver: {line} only; see 'socketserver --help'\n");
        assert_eq!(said, line, "{words:?}");
    }
    // An option that takes no value is not given by its default.
    let said = fails(&["--upload-lim=1K", "--cors"], 2);
    assert!(said.contains("--upload-limit works with --upload only"), "{said}");
}

#[test]
fn a_format_for_no_log_is_refused() {
    for words in [&["--log-format", "json", "-q"][..], &["--quiet", "--log-format=combined"]] {
        let said = fails(words, 2);
        let line = "--quiet writes no log; leave out --log-format or --quiet";
        assert!(said.contains(line), "{words:?}: {said}");
    }
    Serving::start(&["-b", "127.0.0.1", "-q", "--log-format", "python"]);
}

#[test]
fn the_mode_of_a_socket_needs_the_socket() {
    for place in [&["0"][..], &["-b", "127.0.0.1"], &["0", "--bind=::1"], &[]] {
        let said = fails(&[place, &["--unix-mode", "660"]].concat(), 2);
        assert!(said.contains("--unix-mode works with --unix only"), "{place:?}: {said}");
    }
}

#[test]
fn pages_of_the_server_keep_what_describes_them() {
    let asked = [
        "Content-Type: text/html",
        "Content-Encoding: br",
        "Cache-Control: max-age=3600",
        "ETag: \"a\"",
        "X-A: b",
        "Server: mine",
    ];
    let asked: Vec<&str> = asked.into_iter().flat_map(|header| ["-H", header]).collect();
    let pages = ["-b", "127.0.0.1", "--metrics", "/numbers", "--healthz", "/well"];
    for way in WAYS {
        for inner in [&[][..], &["--url-prefix", "/x", "--log-format", "json", "--cors"]] {
            let serving = Serving::start(&[&pages, &asked[..], inner, way].concat());
            let prefix = if inner.is_empty() { "" } else { "/x" };
            let get = |method: &str, path: &str| {
                ask(&serving, &format!("{method} {prefix}{path} HTTP/1.0\r\n\r\n"))
            };
            let numbers = "Content-Type: text/plain; version=0.0.4; charset=utf-8";
            let well = "Content-Type: text/plain; charset=utf-8";
            for (path, kind) in [("/numbers", numbers), ("//well?q", well)] {
                for method in ["GET", "HEAD"] {
                    let reply = get(method, path);
                    assert!(reply.starts_with("HTTP/1.0 200 "), "{way:?}: {reply}");
                    for line in [kind, "Cache-Control: no-store", "X-A: b", "Server: mine"] {
                        assert!(has(&reply, line), "{way:?} {line}: {reply}");
                    }
                    for line in ["ETag: \"a\"", "Content-Encoding: br"] {
                        assert!(!has(&reply, line), "{way:?} {line}: {reply}");
                    }
                }
            }
            for (path, status) in [("/a.txt", 200), ("/missing", 404)] {
                let reply = get("GET", path);
                assert!(reply.starts_with(&format!("HTTP/1.0 {status} ")), "{reply}");
                assert!(has(&reply, "Cache-Control: max-age=3600"), "{reply}");
                assert_eq!(has(&reply, "Content-Type: text/html"), status == 200, "{reply}");
            }
        }
    }
}
