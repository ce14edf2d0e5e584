//! The command's options for programs.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::geteuid;

use crate::cli::{Serving, fails};
use crate::cli_asked::WAYS;

/// A server of this script, which is `/cgi-bin/x`.
#[track_caller]
fn serving(script: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Serving {
    let user = if geteuid().is_root() { &["--cgi-user", "root"][..] } else { &[] };
    let arguments = [&["--cgi"], user, arguments].concat();
    let serving = Serving::start_on(0, &arguments, |command| {
        command.envs(variables.iter().copied());
    });
    let scripts = serving.directory.as_ref().unwrap().path().join("cgi-bin");
    fs::create_dir(&scripts).unwrap();
    // By another process, as this one has other children who would hold the file open.
    let line = "printf '#!/bin/sh\\n%s' \"$1\" > \"$0\" && chmod 755 \"$0\"";
    let mut writer = Command::new("sh");
    assert!(
        writer.args(["-c", line]).arg(scripts.join("x")).arg(script).status().unwrap().success()
    );
    serving
}

#[test]
fn a_program_that_fails_is_a_line_even_if_requests_are_not_logged() {
    let fails = "echo Content-Type: a; echo; echo why >&2; exit 3";
    let empty = "exit 0";
    let slow = "exec sleep 60";
    let good = "echo Content-Type: a; echo; echo why >&2";
    let line = |what| format!("socketserver: CGI script {what}\n");
    for (script, said) in [
        (fails, line("exit code 3 ('/cgi-bin/x')")),
        (empty, line("gave no response ('/cgi-bin/x'): it wrote nothing")),
        (slow, line("timed out ('/cgi-bin/x')")),
        (good, String::new()),
    ] {
        for way in &WAYS[..4] {
            let serving = serving(script, &[*way, &["-q", "--cgi-timeout", "1"]].concat(), &[]);
            serving.get("/cgi-bin/x");
            assert_eq!(serving.stop(Signal::SIGTERM).stderr, said, "{way:?}");
        }
    }
    // Otherwise it is one of the lines of its request.
    let serving = serving(fails, &[], &[]);
    serving.get("/cgi-bin/x");
    let lines = serving.stop(Signal::SIGTERM).stderr;
    assert!(lines.ends_with("] CGI script exit code 3 ('/cgi-bin/x')\n"), "{lines}");
}

#[test]
fn programs_get_the_variables_that_are_named() {
    let script = "echo Content-Type: a; echo; env";
    let arguments = [
        "--cgi-env",
        "GIT_PROJECT_ROOT=/srv/a b",
        "--cgi-env",
        "SECRET",
        "--cgi-env",
        "ABSENT",
        "--cgi-env",
        "EMPTY=",
        "--cgi-env",
        "EQUAL=a=b",
        "--cgi-env=SERVER_NAME=h.example",
        "--cgi-env",
        "HTTPS=on",
        "--cgi-env",
        "TWICE=1",
        "--cgi-env",
        "TWICE=2",
    ];
    let variables = [("SECRET", "of the server"), ("HIDDEN", "x"), ("SERVER_PORT", "1")];
    let came = serving(script, &arguments, &variables).get("/cgi-bin/x");
    let (_, environment) = came.split_once("\r\n\r\n").unwrap();
    let lines: Vec<&str> = environment.lines().collect();
    for line in [
        "GIT_PROJECT_ROOT=/srv/a b",
        "SECRET=of the server",
        "EMPTY=",
        "EQUAL=a=b",
        "SERVER_NAME=h.example",
        "HTTPS=on",
        "TWICE=2",
        "REQUEST_METHOD=GET",
    ] {
        assert!(lines.contains(&line), "{line}: {environment}");
    }
    for absent in ["HIDDEN=", "ABSENT=", "TWICE=1", "SERVER_PORT=1\n"] {
        assert!(!environment.contains(absent), "{absent}: {environment}");
    }
}

#[test]
fn variables_that_mislead_programs_are_refused_in_one_line() {
    for (variable, why) in [
        ("", "the name is missing; write NAME or NAME=VALUE"),
        ("=x", "the name is missing; write NAME or NAME=VALUE"),
        ("A B=1", "\"A B\" is not the name of a variable"),
        ("REQUEST_METHOD=GET", "REQUEST_METHOD is set by the server itself, from each request"),
        ("HTTP_PROXY=http://h/", "HTTP_PROXY is set by the server itself, from each request"),
    ] {
        let said = fails(&["--cgi", "--cgi-env", variable], 2);
        assert!(said.contains(why) && said.contains("--cgi-env"), "{said}");
    }
    let said = fails(&["--cgi-env", "A=b"], 2);
    assert!(said.contains("--cgi"), "{said}");
}

#[test]
fn chunked_bodies_are_stored_up_to_a_limit() {
    let script = "echo Content-Type: a; echo; echo \"[$CONTENT_LENGTH]\"; cat";
    let ask = |arguments: &[&str]| {
        let serving = serving(script, arguments, &[]);
        let head = "POST /cgi-bin/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
        String::from_utf8(serving.ask_bytes(&format!("{head}5\r\nhello\r\n0\r\n\r\n"))).unwrap()
    };
    assert!(ask(&[]).ends_with("\r\n\r\n[5]\nhello"));
    assert!(ask(&["--cgi-chunked-limit", "5"]).ends_with("\r\n\r\n[5]\nhello"));
    assert!(ask(&["--cgi-chunked-limit", "1K"]).ends_with("\r\n\r\n[5]\nhello"));
    assert!(ask(&["--cgi-chunked-limit", "0"]).ends_with("\r\n\r\n[]\nhello"));
    let refused = ask(&["--cgi-chunked-limit", "4"]);
    assert!(refused.contains(" 413 The body is longer than 4 bytes\r\n"), "{refused}");
    let said = fails(&["--cgi", "--cgi-chunked-limit", "5KB"], 2);
    assert!(said.contains("'--cgi-chunked-limit <SIZE>': write 5K; K, M, G and T are"), "{said}");
}

#[test]
fn a_half_closed_client_gets_the_answer_of_a_silent_program_under_each_strategy() {
    let servers = ["sequential", "threading", "forking"].map(|strategy| {
        let script = "sleep 2.5; echo Content-Type: a; echo; echo done";
        let serving = serving(script, &["--concurrency", strategy], &[]);
        let mut client = serving.connect();
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        client.write_all(b"GET /cgi-bin/x HTTP/1.0\r\n\r\n").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        (strategy, serving, client)
    });
    for (strategy, _serving, mut client) in servers {
        let mut came = String::new();
        client.read_to_string(&mut came).unwrap();
        assert!(came.ends_with("\r\n\r\ndone\n"), "{strategy}: {came}");
    }
}

/// `git http-backend` would be told apart from a repository by its Content-Type no more.
#[test]
fn headers_about_the_content_leave_what_programs_say_alone() {
    let script = "echo Content-Type: text/own; echo ETag: own; echo; echo done";
    let headers = ["-H", "Content-Type: text/x", "-H", "ETag: x", "-H", "X-All: yes"];
    for strategy in ["sequential", "threading", "forking"] {
        let serving = serving(script, &[&headers[..], &["--concurrency", strategy]].concat(), &[]);
        for (path, kind, tag) in [("/cgi-bin/x", "text/own", "own"), ("/a.txt", "text/x", "x")] {
            let came = serving.get(path);
            assert!(came.contains(&format!("\r\nContent-Type: {kind}\r\n")), "{came}");
            assert!(came.contains(&format!("\r\nETag: {tag}\r\n")), "{came}");
            assert!(came.contains("\r\nX-All: yes\r\n"), "{came}");
            assert_eq!(came.matches("\r\nContent-Type:").count(), 1, "{came}");
        }
    }
}
