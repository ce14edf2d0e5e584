//! What forms cost, in pieces of every size.

use std::io::{self, Read};

use super::{LINE, over, repeat, with_each};
use crate::http::form::{Environ, FieldStorage, FormLimits, FormOptions, Multipart, parse_header};

/// Gives out so many bytes at a time.
struct Slow<'a>(&'a [u8], usize);

impl Read for Slow<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let count = self.1.min(target.len());
        self.0.read(&mut target[..count])
    }
}

/// Reads all parts of a form.
fn read_parts(bytes: &str, boundary: &str, step: usize) {
    let limits = FormLimits::default().max_parts(usize::MAX);
    let source = Slow(bytes.as_bytes(), step);
    let mut form = Multipart::new(source, boundary, limits).expect("a boundary");
    while let Ok(Some(mut part)) = form.next_part() {
        if io::copy(&mut part, &mut io::sink()).is_err() {
            return;
        }
    }
}

#[test]
fn forms_of_many_parts_and_of_large_ones() {
    let dashes = "-".repeat(200);
    for boundary in ["B", &dashes] {
        let near = [format!("\n--{boundary}x"), format!("\n--{}", &boundary[1..])];
        let padded = format!("\r\n--{boundary} \t{}x", " ".repeat(300));
        let end = format!("\r\n--{boundary}-");
        let units =
            ["a", "\r", "\n", "\r\n", "-", "\n--", "\n-", &near[0], &near[1], &padded, &end];
        for (step, limit) in [(1, 8_000), (1_000, 400_000), (usize::MAX, 400_000)] {
            with_each(&format!("content by {step}"), limit, &units, |unit, length| {
                let start = format!("--{boundary}\r\n\r\n");
                read_parts(&(start + &repeat(unit, length)), boundary, step);
            });
            let part = format!("--{boundary}\r\nA: b\r\n\r\nc\r\n");
            with_each(&format!("parts by {step}"), limit, &[&part], |part, length| {
                read_parts(&repeat(part, length), boundary, step);
            });
        }
    }
    let units = ["a", ": a\r\n", "\r", " ", "\n ", ";", "\"", "a: b\r\n c\r\n"];
    for step in [1, usize::MAX] {
        with_each(&format!("part's head by {step}"), 8_000, &units, |unit, length| {
            read_parts(&format!("--B\r\nA: {}", repeat(unit, length)), "B", step);
            read_parts(&format!("--B\r\nA: {}\r\n\r\n", repeat(unit, length)), "B", step);
        });
    }
}

#[test]
fn parameters_and_url_encoded_forms() {
    let units = [
        "a",
        ";",
        "; ",
        "=",
        "; a=b",
        ";a=\"b\"",
        "\"",
        "\\",
        "\\\"",
        ";a=\"",
        "%22",
        "%",
        "*='",
        "; name*=UTF-8''%c3%a9",
    ];
    over("parse_header", LINE, &units, |text| {
        let text = ["form-data; ", text].concat();
        let (_, params) = parse_header(&text);
        let _ = params.get("name");
    });
    let limits = FormLimits::default().max_num_fields(usize::MAX);
    let options = FormOptions::default().limits(limits).keep_blank_values(true);
    let units = ["a", "&", "=", "a=b&", "a&", "%", "%41", "+", "a=%c3&"];
    over("form", 1_000_000, &units, |text| {
        let content_type = Some("application/x-www-form-urlencoded");
        let environ = Environ::default().request_method("POST").content_type(content_type);
        crate::work::note(text.len());
        drop(FieldStorage::new(text.as_bytes(), environ, &options));
    });
}
