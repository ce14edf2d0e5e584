//! The same conditions and ranges to nginx and to us, where CPython has none.

use std::fs;

use crate::conditions::request;
use crate::nginx::Nginx;
use crate::ranges::{content, parts};
use crate::web::{Browser, Reply, Site, ask};

/// Where we answer otherwise: the fields, nginx's status, ours, and why.
const DIFFERENT: &[(&str, u16, u16, &str)] = &[
    ("If-Unmodified-Since: junk", 412, 200, "RFC 9110 13.1.4: what is no date is ignored"),
    (
        "If-Unmodified-Since: junk|Range: bytes=5-9",
        412,
        206,
        "RFC 9110 13.1.4: what is no date is ignored",
    ),
    (
        "If-Match: TAG|If-Unmodified-Since: EARLIER",
        412,
        200,
        "RFC 9110 13.1.4: beside If-Match the date is ignored",
    ),
    (
        "If-Match: TAG|If-Unmodified-Since: EARLIER|Range: bytes=5-9",
        412,
        206,
        "RFC 9110 13.1.4: beside If-Match the date is ignored",
    ),
    (
        "If-None-Match: TAG|If-Modified-Since: EARLIER",
        200,
        304,
        "RFC 9110 13.1.3: beside If-None-Match the date is ignored",
    ),
    (
        "If-None-Match: TAG|If-Modified-Since: EARLIER|Range: bytes=5-9",
        206,
        304,
        "RFC 9110 13.1.3: beside If-None-Match the date is ignored",
    ),
    ("Range: bytes=9-5", 416, 200, "RFC 9110 14.1.1: what is invalid is ignored"),
    ("Range: bytes=+1-5", 416, 200, "RFC 9110 14.1.1: what is invalid is ignored"),
    ("Range: bytes=a-b", 416, 200, "RFC 9110 14.1.1: what is invalid is ignored"),
    ("Range: bytes=-", 416, 200, "RFC 9110 14.1.1: what is invalid is ignored"),
    ("Range: bytes=,", 416, 200, "RFC 9110 14.1.1: what is invalid is ignored"),
    ("Range: bytes=0-1,x", 416, 200, "RFC 9110 14.1.1: what is invalid is ignored"),
    ("Range: bytes=0-1;5-9", 416, 200, "RFC 9110 14.1.1: what is invalid is ignored"),
    ("Range: bytes=0-1,9-5", 206, 200, "RFC 9110 14.1.1: one part that is invalid makes all so"),
    ("Range: bytes=0 - 1", 206, 200, "RFC 9110 14.1.1: no blanks there"),
    (
        "Range: bytes=0-99999999999999999999999",
        416,
        206,
        "RFC 9110 14.1.2: a last place beyond the end is the end",
    ),
    ("Range: bytes=0-1,,5-9", 416, 206, "RFC 9110 5.6.1: empty elements are ignored"),
    ("Range: bytes=0-9,5-15", 206, 200, "RFC 9110 14.2: parts that overlap"),
    ("Range: bytes=0-0,0-0", 206, 200, "RFC 9110 14.2: parts that overlap"),
    ("/empty Range: bytes=5-", 416, 200, "no part of nothing can be named"),
];

/// A reply as both can give it: tags and boundaries are each server's own.
fn comparable(reply: &Reply) -> String {
    let status = reply.status();
    let is_of_parts = |kind: &str| kind.starts_with("multipart/byteranges");
    let what = if reply.body.is_empty() {
        String::new()
    } else if reply.header("Content-Type").is_some_and(is_of_parts) {
        let parts = parts(reply).into_iter();
        let sums = parts.map(|(kind, place, part)| format!("{kind}, {place}, {}", sum(&part)));
        sums.collect::<Vec<_>>().join("; ")
    } else if status == 200 || status == 206 {
        format!("{} bytes, {}", reply.body.len(), sum(&reply.body))
    } else {
        String::new()
    };
    let place = reply.header("Content-Range").unwrap_or("no place");
    format!("{status} {place} {what}").trim_end().to_owned()
}

/// Enough of a checksum to tell parts apart.
fn sum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(7, |sum, &byte| sum.wrapping_mul(31).wrapping_add(byte.into()))
}

const DATE: &str = "Thu, 02 Jan 2020 03:04:05 GMT";
const EARLIER: &str = "Thu, 02 Jan 2020 03:04:04 GMT";
const LATER: &str = "Thu, 02 Jan 2020 03:04:06 GMT";

/// Fields, with `TAG` for the server's own tag, and `DATE`, `EARLIER`, `LATER`.
fn cases() -> Vec<String> {
    let conditions = [
        "If-Match: TAG",
        "If-Match: W/TAG",
        "If-Match: *",
        "If-Match: \"x\"",
        "If-Match: \"x\", TAG",
        "If-None-Match: TAG",
        "If-None-Match: W/TAG",
        "If-None-Match: *",
        "If-None-Match: \"x\"",
        "If-None-Match: \"a,b\" ,W/\"c\",TAG",
        "If-None-Match: junk",
        "If-Modified-Since: DATE",
        "If-Modified-Since: EARLIER",
        "If-Modified-Since: LATER",
        "If-Modified-Since: junk",
        "If-Unmodified-Since: DATE",
        "If-Unmodified-Since: EARLIER",
        "If-Unmodified-Since: LATER",
        "If-Unmodified-Since: junk",
        "If-Match: TAG|If-None-Match: TAG",
        "If-Match: \"x\"|If-None-Match: TAG",
        "If-Match: TAG|If-Unmodified-Since: EARLIER",
        "If-None-Match: \"x\"|If-Modified-Since: DATE",
        "If-None-Match: TAG|If-Modified-Since: EARLIER",
        "If-Unmodified-Since: EARLIER|If-Modified-Since: DATE",
    ];
    let ranges = [
        "0-0",
        "0-",
        "5-9",
        "9-5",
        "-1",
        "-0",
        "-5000",
        "2999-",
        "3000-",
        "3000-4000",
        "0-99999",
        "0-99999999999999999999999",
        "99999999999999999999999-",
        "+1-5",
        "a-b",
        "-",
        "",
        ",",
        "0-1,5-9",
        " 0-1 , 5-9",
        "0-1,,5-9",
        "5-9,0-1",
        "0-1,3000-",
        "3000-,4000-",
        "0-9,5-15",
        "0-,0-,0-",
        "0-0,0-0",
        "0-1,9-5",
        "0-1,x",
        "0-1;5-9",
        "0 - 1",
    ];
    let if_ranges = ["TAG", "W/TAG", "\"x\"", "DATE", "EARLIER", "LATER", "junk"];
    let ranged = ranges.iter().map(|range| format!("Range: bytes={range}"));
    let units = ["lines=0-1", "Bytes=0-1", "bytes =0-1", "bytes: 0-1"];
    let units = units.iter().map(|range| format!("Range: {range}"));
    let guarded = if_ranges.iter().flat_map(|validator| {
        let one = format!("If-Range: {validator}|Range: bytes=5-9");
        let beyond = format!("If-Range: {validator}|Range: bytes=3000-");
        [one, beyond]
    });
    let first = conditions.iter().map(|condition| format!("{condition}|Range: bytes=5-9"));
    let plain = conditions.iter().map(|&condition| condition.to_owned());
    plain.chain(ranged).chain(units).chain(guarded).chain(first).collect()
}

#[test]
fn conditions_and_ranges_are_answered_as_by_nginx() {
    let site = Site::empty();
    let path = site.write("file.txt", content(3_000));
    site.write("empty", "");
    fs::create_dir(site.path("sub")).unwrap();
    let root = path.parent().unwrap().display();
    let Some(nginx) = Nginx::start(&format!(
        "types {{ text/plain txt; }} server {{ listen {{listen}}; root {root}; }}"
    )) else {
        return;
    };
    let server = site.serve();
    let mut browser = Browser::connect(&server);
    // A tag of ours comes when the file has rested.
    let mut tag = None;
    crate::support::eventually(|| {
        std::thread::sleep(crate::support::PAUSE);
        tag = browser.ask(request("HEAD", "/file.txt", &[])).header("ETag").map(str::to_owned);
        tag.is_some()
    });
    let ours = tag.unwrap();
    let theirs = nginx.ask(request("HEAD", "/file.txt", &[])).header("ETag").unwrap().to_owned();
    let mut problems = Vec::new();
    let mut unused: Vec<_> = DIFFERENT.iter().map(|(fields, ..)| *fields).collect();
    let mut compare = |method: &str, path: &str, fields: &str| {
        let ask_with = |tag: &str, fields: &str| {
            let fields = fields.replace("TAG", tag).replace("DATE", DATE);
            let fields = fields.replace("EARLIER", EARLIER).replace("LATER", LATER);
            let fields = fields.replace('|', "\r\n");
            format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{fields}\r\n\r\n")
        };
        let reply = ask(&server, ask_with(&ours, fields));
        // nginx sends parts of what HEAD asks for; ranges are defined for GET alone (RFC 9110
        // 14.2).
        let is_of_range = |field: &&str| field.starts_with("Range:") || field.starts_with("If-R");
        let without: Vec<_> = fields.split('|').filter(|field| !is_of_range(field)).collect();
        let without = without.join("|");
        let asked = match (method, &*without) {
            ("HEAD", "") => "A: b",
            ("HEAD", without) => without,
            _ => fields,
        };
        let their_reply = nginx.ask(ask_with(&theirs, asked));
        let name = if path == "/file.txt" { asked } else { &*format!("{path} {fields}") };
        let row = DIFFERENT.iter().find(|(fields, ..)| *fields == name);
        let (ours, theirs) = (comparable(&reply), comparable(&their_reply));
        unused.retain(|fields| *fields != name);
        match row {
            None if ours != theirs => problems.push(format!("{name:?}, {theirs:?}, {ours:?}")),
            Some(row) if (row.1, row.2) != (their_reply.status(), reply.status()) => {
                problems.push(format!("changed: {name:?}, {theirs:?}, {ours:?}"));
            }
            _ => {}
        }
    };
    for fields in cases() {
        compare("GET", "/file.txt", &fields);
        compare("HEAD", "/file.txt", &fields);
    }
    for range in ["0-", "0-0", "-1", "-0", "5-"] {
        compare("GET", "/empty", &format!("Range: bytes={range}"));
    }
    for fields in ["If-None-Match: *", "If-Match: \"x\"", "Range: bytes=0-0"] {
        compare("GET", "/missing", fields);
        compare("GET", "/sub", fields);
    }
    assert!(problems.is_empty(), "{}\nunused {unused:?}", problems.join("\n"));
    assert!(unused.is_empty(), "{unused:?}");
}
