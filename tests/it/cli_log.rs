//! The command's log: its times, and what strangers may write into it.

use std::fs;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::cli::{Serving, fails};

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
