//! The command's log: its times, and what strangers may write into it.

use std::fs;
use std::os::fd::AsFd;
use std::process::Command;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use crate::cli::{STRATEGIES, Serving, fails};
use crate::support::LIMIT;

/// A zone five hours and a quarter east, in the form of RFC 9636: nothing but a rule.
fn quarter_zone() -> Vec<u8> {
    let counts = [0u32, 0, 0, 0, 1, 4].map(u32::to_be_bytes).concat();
    let header = [&b"TZif2"[..], &[0; 15], &counts].concat();
    let kind = [&(5 * 3600 + 900i32).to_be_bytes()[..], &[0, 0], b"QRT\0"].concat();
    [&header[..], &kind, &header, &kind, b"\nQRT-5:15\n"].concat()
}

/// Seconds of the day of a line in the log.
fn seconds_of_day(line: &str) -> u32 {
    let time = line.split(['[', ']']).nth(1).unwrap().split(' ').nth(1).unwrap();
    time.split(':').fold(0, |seconds, part| seconds * 60 + part.parse::<u32>().unwrap())
}

/// Seconds from one time of the day to the next one like the other.
fn seconds_between(from: u32, to: u32) -> u32 {
    const DAY: u32 = 24 * 60 * 60;
    (to + DAY - from % DAY) % DAY
}

#[test]
fn the_log_has_the_time_of_tz() {
    let zones = tempfile::tempdir().unwrap();
    fs::write(zones.path().join("Quarter"), quarter_zone()).unwrap();
    let path = zones.path().join("Quarter").display().to_string();
    let forms = ["Quarter", ":Quarter", path.as_str(), "QRT-5:15", "", "Nowhere"];
    let logged = |concurrency, tz| {
        let arguments = ["-b", "127.0.0.1", "--concurrency", concurrency];
        let serving = Serving::start_on(0, &arguments, |command| {
            command.env("TZ", tz).env("TZDIR", zones.path());
        });
        serving.get("/a.txt");
        let said = serving.stop(Signal::SIGINT).stderr;
        (seconds_of_day(&said), said)
    };
    for concurrency in ["threading", "forking"] {
        for tz in forms {
            let (utc, _) = logged(concurrency, "UTC0");
            let (local, said) = logged(concurrency, tz);
            let ahead = if ["", "Nowhere"].contains(&tz) { 0 } else { 5 * 3600 + 900 };
            let passed = seconds_between(utc + ahead, local);
            assert!(passed < 120, "TZ={tz:?} {concurrency}: {passed} {said}");
        }
    }
}

/// The forms that the tests of the module have, as this machine's C library takes them today.
#[test]
fn the_log_has_pythons_time_for_each_form_of_tz() {
    const SCRIPT: &str = "\
import os, sys, time
for tz in sys.argv[1:]:
    os.environ['TZ'] = tz
    time.tzset()
    print(time.strftime('[x %H:%M:%S]'))
";
    const FORMS: &[&str] = &[
        "Quarter",
        ":Quarter",
        "quarter",
        "text",
        "",
        ":",
        "UTC",
        "UTC0",
        "CET-1CEST,M3.5.0,M10.5.0/3",
        "CET-1CEST",
        "CET-1CEST,",
        "GMT+3",
        "<+13>-13",
        "<-03>3",
        "IST-5:30",
        "NZST-12NZDT,M9.5.0,M4.1.0/3",
        "WGT3WGST,M3.5.0/-2,M10.5.0/-1",
        "AAA1BBB,J60,J300",
        "AAA1BBB,59/1,299",
        "Nowhere/Land",
        "/",
        "A1",
        "<AB",
    ];
    if !cfg!(target_env = "gnu") {
        println!("skipped: the C library is another one than glibc");
        return;
    }
    let zones = tempfile::tempdir().unwrap();
    fs::write(zones.path().join("Quarter"), quarter_zone()).unwrap();
    fs::write(zones.path().join("text"), "no zone").unwrap();
    let mut python = Command::new("python3");
    python.args(["-c", SCRIPT]).args(FORMS).env("TZDIR", zones.path());
    let Ok(output) = python.output() else {
        println!("skipped: there is no python3");
        return;
    };
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said.lines().count(), FORMS.len());
    for (expected, tz) in said.lines().zip(FORMS) {
        let serving = Serving::start_on(0, &["-b", "127.0.0.1"], |command| {
            command.env("TZ", tz).env("TZDIR", zones.path());
        });
        serving.get("/a.txt");
        let said = serving.stop(Signal::SIGINT).stderr;
        let passed = seconds_between(seconds_of_day(expected), seconds_of_day(&said));
        assert!(passed < 300, "TZ={tz:?}: {expected} in Python, {said}");
    }
}

#[test]
fn the_header_that_names_clients_can_be_chosen() {
    let request =
        "GET /a.txt HTTP/1.0\r\nX-Forwarded-For: 192.0.2.7\r\nForwarded: for=192.0.2.8\r\n\r\n";
    for (header, client) in [
        (&[][..], "0.0.0.0"),
        (&["--forwarded-header", "X-Forwarded-For"], "192.0.2.7"),
        (&["--forwarded-header", "forwarded"], "192.0.2.8"),
    ] {
        let arguments = ["-b", "127.0.0.1", "--trusted-proxies", "127.0.0.1"];
        let serving = Serving::start(&[&arguments[..], header].concat());
        serving.ask_bytes(request);
        let said = serving.stop(Signal::SIGINT).stderr;
        assert!(said.starts_with(&format!("{client} - - [")), "{said}");
    }
    let said = fails(&["0", "--forwarded-header", "Forwarded"], 2);
    assert!(said.contains("--trusted-proxies"), "{said}");
    let said = fails(&["0", "--trusted-proxies", "::1", "--forwarded-header", "Via"], 2);
    assert!(said.contains("X-Forwarded-For"), "{said}");
}

/// The request line of an entry, read as programs read logs: up to the next quote.
fn request_line(entry: &str) -> Option<(&str, &str)> {
    entry.split_once("] \"")?.1.split_once('"')
}

#[test]
fn a_quote_in_a_request_line_is_escaped_in_the_log() {
    const REQUESTS: [(&str, &str); 8] = [
        ("GET /\" HTTP/1.0\r\n\r\n", "GET /%22 HTTP/1.0"),
        ("GET /a\"\"b\" HTTP/1.0\r\n\r\n", "GET /a%22%22b%22 HTTP/1.0"),
        ("GET /\\\" HTTP/1.0\r\n\r\n", r"GET /\\%22 HTTP/1.0"),
        ("GET /a\\ HTTP/1.0\r\n\r\n", r"GET /a\\ HTTP/1.0"),
        ("G\"T / HTTP/1.0\r\n\r\n", "G%22T / HTTP/1.0"),
        ("GET / \"HTTP/1.0\r\n\r\n", "GET / %22HTTP/1.0"),
        ("GET /\"200_-\r\n\r\n", "GET /%22200_-"),
        // Two bytes of UTF-8, the second of which is a control character by itself.
        ("GET /\u{9b}31m\x1b[m HTTP/1.0\r\n\r\n", "GET /\u{c2}\\x9b31m\\x1b[m HTTP/1.0"),
    ];
    for concurrency in STRATEGIES {
        let serving = Serving::start(&["-b", "127.0.0.1", "--concurrency", concurrency]);
        for (request, _) in REQUESTS {
            serving.ask_bytes(request);
        }
        let said = serving.stop(Signal::SIGINT).stderr;
        let found: Vec<&str> =
            said.lines().filter_map(request_line).map(|(line, _)| line).collect();
        let expected = REQUESTS.map(|(_, logged)| logged);
        assert_eq!(found, expected, "{concurrency}: {said}");
        for (_, rest) in said.lines().filter_map(request_line) {
            let code = rest.trim().strip_suffix(" -").map(str::parse::<u16>);
            assert!(code.is_some_and(|code| code.is_ok()), "{rest}");
        }
        assert!(!said.contains(|character: char| character.is_control() && character != '\n'));
    }
}

#[test]
fn a_malformed_body_for_a_program_is_one_line_and_quiet_obeys() {
    let request =
        "POST /cgi-bin/NAME HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
    for concurrency in STRATEGIES {
        for quiet in [&[][..], &["--quiet"]] {
            let arguments = ["-b", "127.0.0.1", "--cgi", "--concurrency", concurrency];
            let serving = Serving::start(&[&arguments[..], quiet].concat());
            let scripts = serving.directory.as_ref().unwrap().path().join("cgi-bin");
            fs::create_dir(&scripts).unwrap();
            for name in ["x", "nph-x"] {
                // `cat` by another process, as this one has children who would hold the file open.
                let line = "printf '#!/bin/sh\\ncat\\n' > \"$0\" && chmod 755 \"$0\"";
                let mut writer = Command::new("sh");
                writer.args(["-c", line]).arg(scripts.join(name)).status().unwrap();
                let reply = serving.ask_bytes(&request.replace("NAME", name));
                assert!(reply.starts_with(b"HTTP/1.0 400 "), "{name}: {}", reply.escape_ascii());
            }
            let said = serving.stop(Signal::SIGINT).stderr;
            let told = said.lines().filter(|line| line.contains("Malformed request body")).count();
            let expected = if quiet.is_empty() { (2, 4) } else { (0, 0) };
            assert_eq!((told, said.lines().count()), expected, "{concurrency} {quiet:?}: {said}");
        }
    }
}

#[test]
fn a_client_that_takes_nothing_is_given_up_as_asked() {
    for concurrency in STRATEGIES {
        let arguments = ["-b", "127.0.0.1", "--stall", "1", "--concurrency", concurrency];
        let serving = Serving::start(&arguments);
        let download = serving.begin_download();
        let mut closed = [PollFd::new(download.as_fd(), PollFlags::empty())];
        let limit = PollTimeout::try_from(LIMIT).unwrap();
        assert_eq!(poll(&mut closed, limit), Ok(1), "{concurrency}: the client is waited for");
        let said = serving.stop(Signal::SIGINT).stderr;
        let line = said.lines().find(|line| line.contains("gave up after ")).unwrap_or_default();
        assert!(line.contains(r#" while answering "GET /"#), "{concurrency}: {said}");
        assert!(line.ends_with(" bytes: the client took nothing for 1s"), "{concurrency}: {said}");
    }
}
