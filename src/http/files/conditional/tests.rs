//! Conditions one by one, and in every combination against a second, plain reading of the RFC.

use super::*;
use crate::http::files::etag::EntityTag;
use crate::http::message::text::Latin1;

/// Thu, 02 Jan 2020 03:04:05 GMT.
const MODIFIED: i64 = 1_577_934_245;

const DATE: &str = "Thu, 02 Jan 2020 03:04:05 GMT";
const EARLIER: &str = "Thu, 02 Jan 2020 03:04:04 GMT";
const LATER: &str = "Thu, 02 Jan 2020 03:04:06 GMT";
const LATEST: &str = "Fri, 02 Jan 2099 03:04:05 GMT";

fn current() -> Validators {
    let etag = Some(EntityTag::new(0xabc));
    Validators { etag, last_modified: Some(MODIFIED), changed: MODIFIED + 100 }
}

const TAG: &str = "\"0000000000000abc\"";
const WEAK: &str = "W/\"0000000000000abc\"";

fn headers(fields: &[(&str, &str)]) -> Headers {
    let mut headers = Headers::default();
    for (name, value) in fields {
        headers.push(name, value.as_bytes(), Latin1::new(value.as_bytes()));
    }
    headers
}

#[track_caller]
fn check(command: &str, fields: &[(&str, &str)], status: u16) {
    let found = evaluate(command, &headers(fields), Some(&current()));
    let expected = match status {
        200 => Precondition::Holds { range: command == "GET" },
        304 => Precondition::NotModified,
        _ => Precondition::Failed,
    };
    assert_eq!(found, expected, "{command} {fields:?}");
    let found = found.status().map_or(200, Status::code);
    assert_eq!(found, status, "{command} {fields:?}");
}

#[test]
fn tags_are_compared_as_the_rfc_says() {
    let listed = format!("\"a,b\" , W/\"c\",\t,{TAG}");
    let weakly = format!("\"x\", {WEAK}");
    for (value, strong, weak, is_list) in [
        (TAG, true, true, true),
        (WEAK, false, true, true),
        (&listed, true, true, true),
        (&weakly, false, true, true),
        ("*", true, true, true),
        ("\"x\"", false, false, true),
        ("", false, false, true),
        (", ,", false, false, true),
        (",\"x\",\t", false, false, true),
        ("\"0000000000000ABC\"", false, false, true),
        ("0000000000000abc", false, false, false),
        ("w/\"0000000000000abc\"", false, false, false),
        ("\"0000000000000abc", false, false, false),
        ("*,", false, false, false),
        ("*, \"x\"", false, false, false),
        ("\"x\", *", false, false, false),
        ("\"x\" \"0000000000000abc\"", false, false, false),
        ("\"x\"\"0000000000000abc\"", false, false, false),
        ("\"x, \"0000000000000abc\"", false, false, false),
    ] {
        for command in ["GET", "HEAD", "PUT", "DELETE", "POST"] {
            check(command, &[("if-match", value)], if strong { 200 } else { 412 });
            let is_read = matches!(command, "GET" | "HEAD");
            // What is no list may be meant as one that names what is there, and a change waits.
            let status = match (is_read, weak, is_list) {
                (true, true, _) => 304,
                (false, true, _) | (false, _, false) => 412,
                _ => 200,
            };
            check(command, &[("If-None-Match", value)], status);
        }
    }
    // A list may be sent in several fields, and `*` in one alone.
    check("GET", &[("If-None-Match", "\"x\""), ("If-None-Match", TAG)], 304);
    check("GET", &[("If-Match", "\"x\""), ("If-Match", TAG)], 200);
    check("GET", &[("If-None-Match", "*"), ("If-None-Match", "*")], 200);
    check("PUT", &[("If-None-Match", "*"), ("If-None-Match", "*")], 412);
    check("PUT", &[("If-None-Match", "\"x\""), ("If-None-Match", "*")], 412);
    check("PUT", &[("If-None-Match", "\"x\""), ("If-None-Match", "")], 200);
}

#[test]
fn dates_are_compared_with_the_files_own() {
    for (date, status) in [
        (DATE, 304),
        ("Sun, 02 Jan 2020 03:04:05 GMT", 304),
        ("Thursday, 02-Jan-20 03:04:05 GMT", 304),
        ("Sunday, 02-Jan-20 03:04:05 UTC", 304),
        ("Thu Jan  2 03:04:05 2020", 304),
        ("Sun Jan  2 03:04:05 2020", 304),
        ("Thu, 02 Jan 2020 03:04:05 +0000", 304),
        // An older file may have been put in the place of the client's.
        (LATER, 200),
        (LATEST, 200),
        (EARLIER, 200),
        ("", 200),
        ("junk", 200),
        ("Someday, 02-Jan-20 03:04:05 GMT", 200),
        ("Thu, 02 Jan 2020 03:04:05 +0100", 200),
        ("Thu, 02 Jan 2020 25:04:05 GMT", 200),
    ] {
        check("GET", &[("If-Modified-Since", date)], status);
        check("HEAD", &[("If-Modified-Since", date)], status);
        check("PUT", &[("If-Modified-Since", date)], 200);
        check("GET", &[("If-Modified-Since", date), ("If-Modified-Since", date)], 200);
        check("GET", &[("If-Modified-Since", date), ("If-None-Match", "")], 200);
    }
    for (date, status) in [
        (DATE, 200),
        (EARLIER, 412),
        // Later than the file's own, whenever it came to its place.
        (LATER, 200),
        ("Thu, 02 Jan 2020 03:05:45 GMT", 200),
        (LATEST, 200),
        ("x", 200),
    ] {
        for command in ["GET", "HEAD", "PUT"] {
            check(command, &[("If-Unmodified-Since", date)], status);
            check(command, &[("If-Unmodified-Since", date), ("If-Match", TAG)], 200);
        }
    }
}

#[test]
fn without_validators_no_copy_is_recent() {
    let recent = Validators { etag: None, last_modified: None, changed: MODIFIED };
    let holds = |fields: &[_], current: Option<&Validators>| {
        evaluate("GET", &headers(fields), current) == Precondition::Holds { range: true }
    };
    assert!(holds(&[("If-None-Match", TAG)], Some(&recent)));
    assert!(holds(&[("If-Modified-Since", DATE)], Some(&recent)));
    assert!(!holds(&[("If-None-Match", "*")], Some(&recent)));
    assert!(!holds(&[("If-Match", TAG)], Some(&recent)));
    assert!(holds(&[("If-Match", "*")], Some(&recent)));
    // It has a time all the same.
    assert!(!holds(&[("If-Unmodified-Since", EARLIER)], Some(&recent)));
    assert!(holds(&[("If-Unmodified-Since", LATER)], Some(&recent)));
    assert!(holds(&[("If-None-Match", "*")], None));
    let put = |current: Option<&Validators>| {
        evaluate("PUT", &headers(&[("If-None-Match", "*,")]), current).status()
    };
    assert_eq!((put(Some(&recent)), put(None)), (Some(Status::PRECONDITION_FAILED), None));
    assert!(!holds(&[("If-Match", "*")], None));
    assert!(holds(&[("If-Unmodified-Since", EARLIER), ("If-Modified-Since", DATE)], None));
}

#[test]
fn a_range_is_of_what_the_client_has_in_part() {
    let range = |fields: &[_], command: &str| {
        evaluate(command, &headers(fields), Some(&current())) == Precondition::Holds { range: true }
    };
    for (validator, counts) in [
        (TAG, true),
        (WEAK, false),
        ("\"x\"", false),
        ("*", false),
        (DATE, true),
        (EARLIER, false),
        (LATER, false),
        ("", false),
        ("junk", false),
    ] {
        assert_eq!(range(&[("If-Range", validator)], "GET"), counts, "{validator}");
        assert!(!range(&[("If-Range", validator)], "HEAD"));
        assert!(!range(&[("If-Range", validator), ("If-Range", validator)], "GET"));
    }
    assert!(range(&[], "GET") && !range(&[], "HEAD") && !range(&[], "PUT"));
}
