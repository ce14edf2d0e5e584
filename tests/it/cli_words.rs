//! The words of the command line: how they may be written, and what is said of wrong ones.

use std::fs;
use std::net::TcpListener;
use std::thread::available_parallelism;

use crate::cli::{STRATEGIES, Serving, children_of, eventually, fails, pid, run};

/// What users of other servers write, and of Python's with a slip.
#[test]
fn a_wrong_word_is_named_with_the_right_one() {
    for (words, line) in [
        (
            &["--port", "8000"][..],
            "unexpected argument '--port' found: give the port alone: socketserver 8000",
        ),
        (
            &["--port=8000"],
            "unexpected argument '--port' found: give the port alone: socketserver 8000",
        ),
        (
            &["-p", "8000"],
            "invalid value '8000' for '--protocol <VERSION>': give the port alone: \
             socketserver 8000",
        ),
        (
            &["-p", "2"],
            "invalid value '2' for '--protocol <VERSION>': HTTP/1.0 and HTTP/1.1 are spoken;",
        ),
        (&["-p", "HTTP/2"], "HTTP/1.0 and HTTP/1.1 are spoken; proxies in front speak others"),
        (&["-p", "http/3.0"], "HTTP/1.0 and HTTP/1.1 are spoken; proxies in front speak others"),
        (&["-p", "20"], "give the port alone: socketserver 20"),
        (&["src"], "invalid value 'src' for '[port]': to serve this directory, use -d src"),
        (&["8000", "src"], "unexpected argument 'src' found: to serve this directory, use -d src"),
        (
            &["nosuch"],
            "invalid value 'nosuch' for '[port]': a port is a number; -d names a directory, \
             -b an address",
        ),
        (
            &["0.0.0.0:8000"],
            "invalid value '0.0.0.0:8000' for '[port]': give the address and the port separately: \
             socketserver 8000 -b 0.0.0.0",
        ),
        (&["[::1]:80"], "socketserver 80 -b ::1"),
        (&["http://localhost:80/"], "socketserver 80 -b localhost"),
        (&[":8000"], "give the port alone: socketserver 8000"),
        (&["0.0.0.0"], "to bind to this address, use -b 0.0.0.0"),
        (&["::1"], "to bind to this address, use -b ::1"),
        (&["[::1]"], "to bind to this address, use -b ::1"),
        (&["+80"], "invalid value '+80' for '[port]': a port is written in digits alone: 80; see"),
        (&["-80"], "invalid value '-80' for '[port]': -80 is not in 0..=65535"),
        (&["70000"], "invalid value '70000' for '[port]': 70000 is not in 0..=65535"),
        (
            &["-b", "127.0.0.1:8000"],
            "invalid value '127.0.0.1:8000' for '--bind <ADDRESS>': give the address and the \
             port separately: \
             socketserver 8000 -b 127.0.0.1",
        ),
        (&["-b", "[::1]:80"], "give the address and the port separately: socketserver 80 -b ::1"),
        (
            &["-b", "[fe80::1%lo]:80"],
            "give the address and the port separately: socketserver 80 -b fe80::1%lo",
        ),
        (&["-b", "http://[fe80::1%25lo]"], "it is a URL; use -b fe80::1%lo;"),
        (&["-b", "http://[fe80::1%25lo]:80/"], "separately: socketserver 80 -b fe80::1%lo;"),
        (&["https://[fe80::1%25lo]:80/"], "separately: socketserver 80 -b fe80::1%lo;"),
        (&["http://[fe80::1%25lo]/"], "to bind to this address, use -b fe80::1%lo;"),
        (&["-b", "http://[::1]"], "it is a URL; use -b ::1;"),
        (&["-b", ":80"], "give the port alone: socketserver 80"),
        (&["-b", ""], "to bind to all interfaces, leave --bind out"),
        (&["-b", "*"], "to bind to all interfaces, leave --bind out"),
        (&["-b", "http://localhost"], "it is a URL; use -b localhost"),
        (&["-b", "/run/x.sock"], "a Unix socket is given with --unix PATH"),
        (&["--host", "::1"], "unexpected argument '--host' found: an address is given with -b"),
        (&["8000", "www"], "unexpected argument 'www' found: a directory is given with -d www"),
        (&["--cert", "a"], "a certificate for HTTPS is given with --tls-cert"),
        (&["--ssl"], "a certificate for HTTPS is given with --tls-cert"),
        (&["--cgi-bin", "x"], "programs are run with --cgi"),
        (&["--root", "x"], "unexpected argument '--root' found: a directory is given with -d"),
        (
            &["--concurrency", "prefork"],
            "invalid value 'prefork' for '--concurrency <STRATEGY>': use --processes auto, which \
             works with every strategy",
        ),
        (&["--gzip"], "'--gzip' found: responses are compressed with --compress; see"),
        (&["--password", "x"], "found: passwords are asked for with --auth or --auth-file; see"),
        (&["--user=x"], "found: passwords are asked for with --auth or --auth-file; see"),
        (&["--log-file", "x"], "found: the log is on standard error: socketserver 2>>FILE; see"),
        (&["--no-listing"], "found: no directory is listed with --listing off; see"),
        (&["--concurrency", "threads"], "; a similar value exists: 'threading'"),
        (&["--protocool", "x"], "found; a similar argument exists: '--protocol'"),
        (
            &["--pro", "x"],
            "unexpected argument '--pro' found: it may be --processes, --protocol or \
             --proxy-protocol; see",
        ),
        (&["--he=x"], "unexpected argument '--he' found: it may be --header, --healthz or --help;"),
        (&["--ma", "1"], "--man, --max-children, --max-connections or --max-threads;"),
        (&["--tls-c"], "unexpected argument '--tls-c' found: it may be --tls-cert or --tls-client"),
        (&["--por", "80"], "'--por' found: give the port alone: socketserver 8000"),
        (&["--uplaod"], "found; a similar argument exists: '--upload'; see"),
        (&["--max-conections", "1"], "found; a similar argument exists: '--max-connections'; see"),
        (&["--self-signed"], "found; a similar argument exists: '--tls-self-signed'; see"),
        (&["--timeout", "5"], "found: clients that stall are given up after the time of --stall;"),
        (&["--verbose"], "found: every request is logged, unless --quiet is given; see"),
        // There is no such option, and none that is alike enough to be meant.
        (&["--index"], "unexpected argument '--index' found; see"),
        (&["--open"], "unexpected argument '--open' found; see"),
        (&["--sort"], "unexpected argument '--sort' found; see"),
        (&["--file", "x"], "unexpected argument '--file' found; see"),
        (&["--config", "x"], "unexpected argument '--config' found; see"),
        (&["--unx", "x"], "found; a similar argument exists: '--unix'"),
        (
            &["--processes", "0"],
            "invalid value '0' for '--processes <COUNT>': a number from 1 up is expected, or \
             auto for one process for each processor",
        ),
        (&["--processes", "-1"], "a number from 1 up is expected, or auto"),
        (&["--processes", "9999999999"], "'--processes <COUNT>': it is too large; a number from 1"),
        (&["--processes", "many"], "a number from 1 up is expected, or auto"),
    ] {
        let said = fails(words, 2);
        assert!(said.contains(line), "{words:?}: {said}");
    }
    assert!(!fails(&["--frobnicate"], 2).contains("to pass"));
}

#[test]
fn words_with_one_meaning_are_understood() {
    for (version, reply) in
        [("1.0", "HTTP/1.0 200"), ("1.1", "HTTP/1.1 200"), ("http/1.1", "HTTP/1.1 200")]
    {
        let serving = Serving::start(&["-b", "127.0.0.1", "-p", version]);
        let request = "GET /a.txt HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
        assert!(ask(&serving, request).starts_with(reply), "{version}");
    }
    let serving = Serving::start(&["-b", "127.0.0.1", "--processes", "auto"]);
    let count = available_parallelism().unwrap().get();
    eventually(|| children_of(pid(&serving.child)).len() == count);
    assert!(serving.get("/a.txt").ends_with("\r\n\r\nhello\n"));
    if TcpListener::bind("[::1]:0").is_ok() {
        let serving = Serving::start(&["-b", "[::1]"]);
        assert_eq!(
            serving.masked_banner(),
            "Serving HTTP on ::1 port PORT (http://[::1]:PORT/) ...\n"
        );
    }
}

/// As argparse has it.
#[test]
fn options_may_be_shortened_and_the_last_of_several_holds() {
    let empty = tempfile::tempdir().unwrap();
    let serving = Serving::start(&[
        "-b",
        "192.0.2.1",
        "--bi=127.0.0.1",
        "-q",
        "--qui",
        "--dir", // -d comes behind it
        empty.path().to_str().unwrap(),
        "--proto",
        "HTTP/1.0",
        "--proto=HTTP/1.1",
        "--head",
        "X-A: 1",
        "--heade=X-A: 2",
        "--head",
        "X-B",
        "3",
    ]);
    let reply = ask(&serving, "GET /a.txt HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply}");
    assert!(reply.ends_with("\r\n\r\nhello\n"), "{reply}");
    assert_eq!(values(&reply, "X-A"), ["1", "2"], "{reply}");
    assert_eq!(values(&reply, "X-B"), ["3"], "{reply}");
    for words in [&["--he"][..], &["--max", "1"], &["--co"]] {
        let said = fails(words, 2);
        assert!(said.contains(words[0]), "{words:?}: {said}");
    }
}

#[test]
fn a_port_that_became_the_value_of_a_header_is_told() {
    // The directory is missing, so that nothing is served.
    let empty = tempfile::tempdir().unwrap();
    let missing = empty.path().join("missing").display().to_string();
    let missing = ["-d", &missing];
    let said = |words: &[&str]| {
        let ended = run(&[words, &missing[..]].concat());
        String::from_utf8(ended.stderr).unwrap()
    };
    let line = "socketserver: 18803 is taken as the value of the header X, and no port is given\n";
    assert!(said(&["-H", "X", "18803"]).starts_with(line));
    assert!(said(&["-q", "--head", "X", "18803"]).starts_with(line));
    for words in [&["-H", "X", "18803", "0"][..], &["-H", "X: 18803"], &["-H", "X", "y"]] {
        assert!(!said(words).contains("the value of"), "{words:?}");
    }
}

/// A reply's values of a header.
fn values<'a>(reply: &'a str, name: &str) -> Vec<&'a str> {
    let head = reply.split("\r\n\r\n").next().unwrap();
    let fields = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    fields.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
}

fn ask(serving: &Serving, request: &str) -> String {
    String::from_utf8(serving.ask_bytes(request)).unwrap()
}

#[test]
fn a_header_takes_the_place_of_the_servers_own() {
    let own = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("server", "mine"),
        ("Date", "today"),
        ("Last-Modified", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("Cache-Control", "no-store"),
        ("Content-Encoding", "br"),
        ("ETag", "\"a\""),
    ];
    let words = own.iter().flat_map(|(name, value)| ["-H", name, value]);
    let words: Vec<&str> = ["-b", "127.0.0.1"].into_iter().chain(words).collect();
    for strategy in STRATEGIES {
        let serving = Serving::start(&[&words[..], &["--concurrency", strategy]].concat());
        for request in ["GET /a.txt HTTP/1.0\r\n\r\n", "HEAD /a.txt HTTP/1.0\r\n\r\n"] {
            let reply = ask(&serving, request);
            assert!(reply.starts_with("HTTP/1.0 200 OK\r\n"), "{reply}");
            for (name, value) in own {
                assert_eq!(values(&reply, name), [value], "{strategy}, {name}: {reply}");
            }
        }
    }
}

fn write(serving: &Serving, name: &str, content: &str) {
    fs::write(serving.directory.as_ref().unwrap().path().join(name), content).unwrap();
}

#[test]
fn a_type_is_given_to_files_of_unknown_kind() {
    for wrong in [
        "html",
        "",
        "/plain",
        "text/",
        "text/ plain",
        "text/plain/x",
        "text/plain;",
        "text/plain; charset",
        "text/plain; charset=",
        "text/plain; =utf-8",
        "text/plain; charset =utf-8",
        "text/plain; charset=utf-8;",
        "text/plain; charset=utf-8, x",
        "text/plain; charset=utf 8",
        "text/plain; charset=\"utf-8",
        "text/plain; charset=\"utf-8\\\"",
        "text/plain charset=utf-8",
    ] {
        let said = fails(&["--content-type", wrong], 2);
        assert!(said.contains("a content type is written as text/plain"), "{wrong}: {said}");
    }
    let said = fails(&["--content-type", "a/b\r\nX: y"], 2);
    assert!(said.contains("--content-type"), "{said}");
    for (words, expected) in [
        (&["--content-type", "text/x; charset=utf-8"][..], "text/x; charset=utf-8"),
        (&["--content-type=text/x", "--cgi"], "text/x"),
        (&["--content-type", "a/b;c=\"d;\\\"=\" ; e=f"], "a/b;c=\"d;\\\"=\" ; e=f"),
        (&[], "application/octet-stream"),
    ] {
        let serving = Serving::start(&[&["-b", "127.0.0.1"], words].concat());
        write(&serving, "unknown", "x");
        for (name, kind) in [("unknown", expected), ("a.txt", "text/plain")] {
            let reply = ask(&serving, &format!("GET /{name} HTTP/1.0\r\n\r\n"));
            assert_eq!(values(&reply, "Content-Type"), [kind], "{words:?}: {reply}");
        }
    }
}

/// Parts of a file, whatever the strategy, and with a header of the user's that would hide them.
#[test]
fn every_strategy_sends_parts_of_files() {
    let strategies = STRATEGIES.map(|strategy| (strategy, "1"));
    for (strategy, processes) in strategies.into_iter().chain([("sequential", "2")]) {
        let mut words = vec!["-b", "127.0.0.1", "--concurrency", strategy];
        words.extend(["-H", "Content-Type", "x/y"]);
        if processes != "1" {
            words.extend(["--processes", processes]);
        }
        let serving = Serving::start(&words);
        let numbers: String = (0..100_000).map(|number| format!("{number},")).collect();
        write(&serving, "numbers", &numbers);
        for (range, status) in
            [("0-9", 206), ("-9", 206), ("0-0,99000-99001", 206), ("1000000-", 416)]
        {
            let request = format!("GET /numbers HTTP/1.0\r\nRange: bytes={range}\r\n\r\n");
            let reply = ask(&serving, &request);
            assert!(reply.starts_with(&format!("HTTP/1.0 {status} ")), "{strategy}: {reply}");
            let several = range.contains(',');
            let kind = values(&reply, "Content-Type");
            assert!(kind.len() == 1 || status == 416, "{reply}");
            assert_eq!(kind.concat().starts_with("multipart/byteranges;"), several, "{reply}");
            let (_, body) = reply.split_once("\r\n\r\n").unwrap();
            match range {
                "0-9" => assert_eq!(body, &numbers[..10]),
                "-9" => assert_eq!(body, &numbers[numbers.len() - 9..]),
                "1000000-" => assert_eq!(body, ""),
                _ => assert!(body.contains(&format!("\r\n\r\n{}\r\n", &numbers[99_000..99_002]))),
            }
        }
    }
}

/// The page of an error is neither compressed nor the file.
#[test]
fn a_header_that_describes_a_file_goes_with_files() {
    let serving = Serving::start(&[
        "-b",
        "127.0.0.1",
        "-p",
        "HTTP/1.1",
        "-H",
        "Content-Type",
        "a/b",
        "-H",
        "Content-Encoding",
        "br",
        "-H",
        "Location",
        "/elsewhere",
        "-H",
        "ETag",
        "\"a\"",
        "-H",
        "X-All",
        "yes",
    ]);
    let end = "HTTP/1.1\r\nHost: h\r\nConnection: close\r\n";
    let recent = "If-None-Match: *\r\n";
    for (request, status, kind, location) in [
        (format!("GET /a.txt {end}\r\n"), 200, "a/b", "/elsewhere"),
        (format!("GET / {end}\r\n"), 200, "a/b", "/elsewhere"),
        (format!("GET /a.txt {end}{recent}\r\n"), 304, "a/b", "/elsewhere"),
        (format!("GET /sub {end}\r\n"), 301, "", "sub/"),
        (format!("GET /missing {end}\r\n"), 404, "text/html;charset=utf-8", ""),
        (format!("PUT /a.txt {end}\r\n"), 501, "text/html;charset=utf-8", ""),
    ] {
        let reply = ask(&serving, &request);
        assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{reply}");
        let one = |value: &'static str| if value.is_empty() { vec![] } else { vec![value] };
        assert_eq!(values(&reply, "Content-Type"), one(kind), "{reply}");
        assert_eq!(values(&reply, "Location"), one(location), "{reply}");
        let is_of_file = kind == "a/b";
        assert_eq!(values(&reply, "ETag").len(), usize::from(is_of_file), "{reply}");
        assert_eq!(values(&reply, "Content-Encoding").len(), usize::from(is_of_file), "{reply}");
        assert_eq!(values(&reply, "X-All"), ["yes"], "{reply}");
    }
    let wait = format!("GET /a.txt {end}Content-Length: 0\r\nExpect: 100-continue\r\n\r\n");
    let reply = ask(&serving, &wait);
    assert!(reply.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"), "{reply}");
}

#[test]
fn a_header_may_be_written_in_one_word_and_be_sent_more_than_once() {
    let serving = Serving::start(&[
        "-b",
        "127.0.0.1",
        "-H",
        "Set-Cookie",
        "a=1",
        "-H",
        "Set-Cookie: b=2; Path=/:",
        "--header=set-cookie: c=3",
        "-HSet-Cookie:d=4",
        "-qHSet-Cookie: e=5",
        "-H",
        "X-H",
        "-H",
        "--header",
        "X-Negative: -1",
        "-H",
        "X-Empty:",
        "-H",
        "X-Empty",
        "",
        "-H",
        "X-Colon",
        "a: b",
    ]);
    let reply = serving.get("/a.txt");
    let cookies = ["a=1", "b=2; Path=/:", "c=3", "d=4", "e=5"];
    assert_eq!(values(&reply, "Set-Cookie"), cookies, "{reply}");
    assert_eq!(values(&reply, "X-H"), ["-H"], "{reply}");
    assert_eq!(values(&reply, "X-Negative"), ["-1"], "{reply}");
    assert_eq!(values(&reply, "X-Empty"), ["", ""], "{reply}");
    assert_eq!(values(&reply, "X-Colon"), ["a: b"], "{reply}");
}

#[test]
fn a_header_that_cannot_be_sent_is_one_line_and_status_2() {
    for (words, line) in [
        (&["-H", "X A: b"][..], "'X A' is not a header name"),
        (&["-H", ": b"], "'' is not a header name"),
        (&["-H", "X-A: b\nc"], "has a character that headers"),
        (&["-H", "Content-Length: 3"], "the header Content-Length is set by the server itself"),
        (&["-H", "transfer-encoding: chunked"], "transfer-encoding is set by the server itself"),
        (&["-H", "Connection", "close"], "the header Connection is set by the server itself"),
        (
            &["-H", "X-A:", "1"],
            "'X-A:' is not a header name; use -H NAME VALUE or -H 'NAME: VALUE'",
        ),
        (&["-HX-A:", "1", "8000"], "'X-A:' is not a header name"),
        (&["-qH", "X-A:", "b"], "'X-A:' is not a header name"),
        (&["--header=X-A:", "1"], "'X-A:' is not a header name"),
        (&["-H", "X-Alone"], "2 values required for '--header"),
        (&["-H"], "a value is required for '--header"),
        (&["-H", "X-A", "b", "c"], "c"),
    ] {
        let said = fails(words, 2);
        assert!(said.contains(line), "{words:?}: {said}");
    }
}

/// Digits alone are a number, also where Rust would take a sign.
#[test]
fn numbers_are_digits() {
    for option in [
        &[][..],
        &["--max-threads"],
        &["--max-connections"],
        &["--processes"],
        &["--stall"],
        &["--shutdown-timeout"],
        &["--cgi", "--cgi-timeout"],
        &["--unix", "s", "--unix-mode"],
        &["--upload", "--upload-limit"],
        &["--cgi", "--cgi-chunked-limit"],
    ] {
        for number in ["+80", " 80", "80 ", "0x50", "8e1", "1_0", "\u{663}", ""] {
            let said = fails(&[option, &[number]].concat(), 2);
            let is_named = said.contains("invalid value") || said.contains("a value is required");
            assert!(is_named, "{option:?} {number:?}: {said}");
        }
    }
    let said = fails(&["--error-page", "+404=x"], 2);
    assert!(said.contains("invalid value '+404=x'"), "{said}");
}
