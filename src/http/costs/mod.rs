//! What a client's bytes cost: each parser at its limit and at half of it.

mod forms;

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use crate::connection::{ClientSocket, Rfile, Searched};
use crate::http::cgi;
use crate::http::exchange::RequestBody;
use crate::http::exchange::client_of;
use crate::http::files::{self, EntityTag, Validators};
use crate::http::message::accept;
use crate::http::message::accept_encoding::AcceptEncoding;
use crate::http::message::framing::{BodyLength, body_length, chunk_size};
use crate::http::message::headers::Headers;
use crate::http::message::host::HostPort;
use crate::http::message::parse::{Parsed, leading_blank, parse};
use crate::http::message::target::{Target, canonical};
use crate::http::message::text::{Latin1, escape_html, escape_log, latin1};
use crate::http::url::{
    parse_qs, parse_qsl, quote, quote_plus, unquote, unquote_plus, unquote_to_bytes, urlparse,
    urlsplit,
};
use crate::os::{self, OwnedFd};
use crate::printable::repr;
use crate::work::assert_linear;

/// Bytes of a line, without room for what stands around them.
const LINE: usize = 65_000;

/// Bytes of a head, likewise.
const HEAD: usize = 260_000;

/// A text of this length that repeats `unit`.
fn repeat(unit: &str, length: usize) -> String {
    unit.chars().cycle().take(length).collect()
}

/// Runs something with each of these units and with a length. At least one of them has to be looked
/// at as a whole.
#[track_caller]
fn with_each(name: &str, limit: usize, units: &[&str], run: impl Fn(&str, usize)) {
    let is_counted = |unit: &&&str| {
        assert_linear(&format!("{name} {unit:?}"), limit, |length| run(unit, length))
    };
    // All of them are run, whatever comes of the first.
    assert!(units.iter().filter(is_counted).count() > 0, "{name}: nothing was counted");
}

/// Runs what takes a text on texts that repeat each of these units.
#[track_caller]
fn over(name: &str, limit: usize, units: &[&str], run: impl Fn(&str)) {
    with_each(name, limit, units, |unit, length| run(&repeat(unit, length)));
}

fn headers(fields: &[(&str, &str)]) -> Headers {
    let mut headers = Headers::default();
    for (name, value) in fields {
        headers.push(name, value.as_bytes(), Latin1::new(value.as_bytes()));
    }
    headers
}

/// Reads a head that arrives so many bytes at a time, as `read_head` does.
fn arrive(bytes: &str, step: usize) -> Parsed {
    let mut searched = Searched::default();
    for end in (step..bytes.len()).step_by(step).chain([bytes.len()]) {
        match parse(&bytes.as_bytes()[..end], &mut searched) {
            Parsed::Incomplete => {}
            other => return other,
        }
    }
    Parsed::Incomplete
}

#[test]
fn a_head_that_arrives_at_once_or_byte_by_byte() {
    let line = |unit: &str, length| format!("GET /{} HTTP/1.1\r\n", repeat(unit, length));
    let fields = |unit: &str, length: usize| {
        let value = repeat(unit, length / 90);
        format!("Host: h\r\n{}\r\n", format!("A: {value}\r\n").repeat(90))
    };
    let units = ["a", "/a", "/../", "%41", "?&", "\u{e9}", "\t", "\r", ":", "\n", "\r\n\r\n"];
    for step in [1, usize::MAX / 2] {
        with_each(&format!("line by {step}"), LINE, &units, |unit, length| {
            drop(arrive(&line(unit, length), step));
        });
        with_each(&format!("unfinished line by {step}"), LINE, &units, |unit, length| {
            drop(arrive(&repeat(unit, length), step));
        });
        with_each(&format!("field by {step}"), LINE, &units, |unit, length| {
            let field = format!("A: {}\r\nB", repeat(unit, length));
            drop(arrive(&["GET / HTTP/1.1\r\n", &field].concat(), step));
        });
        with_each(&format!("fields by {step}"), HEAD - LINE, &units, |unit, length| {
            // Behind a long first line, so that looking for its end each time would show.
            drop(arrive(&[line("a", LINE), fields(unit, length)].concat(), step));
        });
    }
}

#[test]
fn requests_that_arrive_in_one_piece_before_a_long_line() {
    let request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    with_each("pipelined", 2 * HEAD, &[request], |_, length| {
        let bytes = repeat(request, length) + &repeat("a", length / 8);
        let mut rest = bytes.as_bytes();
        loop {
            rest = &rest[leading_blank(rest)..];
            match parse(rest, &mut Searched::default()) {
                Parsed::Complete(_, length) => rest = &rest[length..],
                _ => break,
            }
        }
    });
}

#[test]
fn a_connection_whose_bytes_arrive_one_by_one() {
    for consumed in [0, 1, 30] {
        with_each(&format!("arrived behind {consumed}"), 40_000, &["a"], |unit, length| {
            let (client, server) = os::pair().expect("a pair of sockets");
            let socket = Arc::new(ClientSocket::plain(OwnedFd::from(server)));
            let mut rfile = Rfile::new(socket, None, None);
            for position in 0..length {
                (&client).write_all(unit.as_bytes()).expect("there is room");
                assert!(matches!(rfile.receive(), Ok(1)));
                if position < consumed {
                    io::BufRead::consume(&mut rfile, 1);
                }
            }
            crate::work::note(rfile.unread().len());
        });
    }
}

#[test]
fn targets_and_what_they_name() {
    let units = [
        "a",
        "/",
        "/a",
        "//",
        "/.",
        "/./",
        "/../",
        "a/../",
        "%2f",
        "/%2e%2e",
        "%",
        "%4",
        "?",
        "#",
        "/a?",
        "://",
        "http://",
        "\\",
        "\u{e9}",
        ":",
        "&;",
        "/cgi-bin",
        "/cgi-bin/../",
    ];
    let root = Path::new("/srv");
    over("translate_path", LINE, &units, |text| drop(files::translate_path(root, text)));
    over("directory_reference", LINE, &units, |text| drop(files::directory_reference(text)));
    over("directory_location", LINE, &units, |text| drop(files::directory_location(text)));
    over("target", LINE, &units, |text| {
        let none = Headers::default();
        drop((Target::new(text, &none, false).origin_form(), canonical(text)));
        let host = ["http://", text].concat();
        drop(Target::new(&host, &none, true).origin_form());
    });
    over("host", LINE, &["a", "%41", "%", ":", "[", "0", "[v1.", ".", "::"], |text| {
        for (start, end) in [("", ""), ("h:", ""), ("[", "]"), ("[::1%", "]")] {
            let _ = HostPort::parse(&[start, text, end].concat());
        }
    });
    for listed in [&["/cgi-bin", "/htbin"][..], &["/", "/a/a/a/a", "/a/../a"]] {
        over("is_cgi", LINE, &units, |text| drop(cgi::is_cgi(text, listed)));
        over("is_cgi", LINE, &units, |text| drop(cgi::is_cgi(&["/x", text].concat(), listed)));
    }
}

#[test]
fn urls_queries_and_escapes() {
    let units = [
        "a", "%", "%4", "%41", "%c3%a9", "+", "&", "=", "a=b&", "a=b", "&&=", ";", "[", "]", "@",
        ":", "#", "?", "/", "//", "//[::1]", "http://", "\t", " ", "\u{2100}", "a:b@", "//a@",
    ];
    over("urlsplit", LINE, &units, |text| {
        let parts = urlsplit(&["//", text].concat()).unwrap_or_default();
        drop((parts.hostname(), parts.port(), parts.username(), parts.password(), parts.geturl()));
    });
    over("urlparse", LINE, &units, |text| drop(urlparse(text)));
    over("parse_qsl", LINE, &units, |text| drop(parse_qsl(text)));
    over("parse_qs", LINE, &units, |text| drop(parse_qs(text)));
    // Names that all differ.
    with_each("parse_qs of many names", LINE, &["=a&"], |unit, length| {
        let fields = (0..length / 8).map(|number| format!("{number:05x}{unit}"));
        drop(parse_qs(&fields.collect::<String>()));
    });
    over("quote", LINE, &units, |text| drop((quote(text), quote_plus(text))));
    over("unquote", LINE, &units, |text| {
        drop((unquote(text), unquote_plus(text), unquote_to_bytes(text)));
    });
}

#[test]
fn what_is_written_to_logs_and_pages() {
    let units = ["a", "\\", "'", "\"", "'\"", "\n", "\u{1b}", "\u{e9}", "\u{85}", "<", "&"];
    over("escape_log", LINE, &units, |text| drop(escape_log(text)));
    over("escape_html", LINE, &units, |text| drop(escape_html(text)));
    over("repr", LINE, &units, |text| drop(repr(text)));
    over("latin1", LINE, &units, |text| drop(latin1(text.as_bytes())));
}

#[test]
fn fields_that_say_who_how_long_and_since_when() {
    let trusted = "10.0.0.0/8,fd00::/8,unix:".parse().expect("a list of networks");
    let peer = SocketAddr::from(([10, 0, 0, 1], 1)).into();
    let units = [
        "a",
        ",",
        ", ",
        ";",
        "=",
        "\"",
        "\\",
        " ",
        "10.0.0.2,",
        "10.0.0.2, ",
        "for=10.0.0.2,",
        "for=10.0.0.2;",
        "for=\"10.0.0.2\",",
        "by=\"\\\\\";",
        "a=b;",
        "a=b,",
        "[",
        "::",
        "unknown,",
        "for=\"",
        "192.0.2.1,",
    ];
    for name in ["Forwarded", "X-Forwarded-For"] {
        over(name, LINE, &units, |text| {
            // What is not looked at at all costs nothing, which is no fault.
            crate::work::note(text.len());
            drop(client_of(&peer, &headers(&[(name, text)]), &trusted));
        });
        with_each(name, HEAD, &["for=10.0.0.2,", "10.0.0.2,"], |unit, length| {
            let value = repeat(unit, length / 90);
            drop(client_of(&peer, &headers(&[(name, value.as_str()); 90]), &trusted));
        });
    }
    let units = ["0", "1", "chunked,", "chunked", ",", " ", "x", "\t,"];
    for name in ["Content-Length", "Transfer-Encoding"] {
        over(name, LINE, &units, |text| {
            crate::work::note(text.len());
            drop(body_length(&headers(&[(name, text)]), (1, 1)));
        });
        with_each(name, HEAD, &["0"], |unit, length| {
            let value = repeat(unit, length / 90);
            crate::work::note(length);
            drop(body_length(&headers(&[(name, value.as_str()); 90]), (1, 1)));
        });
    }
    let units = ["a", ",", " ", "Sunday, ", "Sun, ", "UTC", "Sun", "0"];
    let current = Validators { etag: Some(EntityTag::new(1)), last_modified: Some(1), changed: 1 };
    let evaluate = |name: &str, text: &str| {
        files::evaluate("GET", &headers(&[(name, text)]), Some(&current));
    };
    over("If-Modified-Since", LINE, &units, |text| {
        let text = ["Sunday, ", text].concat();
        evaluate("If-Modified-Since", &text);
    });
    let units = ["a", ",", " ", "\"", "\"a\",", "W/", "W/\"a\",", "*"];
    for name in ["If-Match", "If-None-Match"] {
        over(name, LINE, &units, |text| evaluate(name, text));
    }
    over("Accept-Encoding", LINE, &["gzip", ",", "br;q=0.1,", ";", " ", "*,", "\t,"], |text| {
        AcceptEncoding::of(&headers(&[("Accept-Encoding", text)])).order().for_each(drop);
    });
    let units = ["a", ",", "a/b,", "*/*,", ";", ";q=1", "text/html,", "application/json;q=0.1,"];
    over("Accept", LINE, &units, |text| {
        accept::prefers(&headers(&[("Accept", text)]), "application/json", "text/html");
    });
    let units = ["0", "-", ",", "0-1,", "-5,", " ", "bytes="];
    over("Range", LINE, &units, |text| drop(files::select(&["bytes=", text].concat(), 1 << 40)));
}

/// Reads a chunked body that arrives so many bytes at a time, waiting or not.
fn read_body(bytes: &str, step: usize, waits: bool) {
    let (client, server) = os::pair().expect("a pair of sockets");
    client.set_nonblocking(true).expect("a socket");
    let socket = Arc::new(ClientSocket::plain(OwnedFd::from(server)));
    let mut body = RequestBody::new(Rfile::new(socket, None, None), BodyLength::Chunked);
    let mut target = [0; 4096];
    if waits {
        (&client).write_all(bytes.as_bytes()).expect("there is room");
        drop(client);
        while matches!(body.read(&mut target), Ok(count) if count > 0) {}
        return;
    }
    for piece in bytes.as_bytes().chunks(step) {
        (&client).write_all(piece).expect("there is room");
        loop {
            match body.read_arrived(&mut target) {
                Ok(count) if count > 0 => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                _ => return,
            }
        }
    }
}

#[test]
fn chunks_and_what_follows_them() {
    over("chunk_size", 8_000, &["0", "f", "a;", " ", "\t", ";", "=\"", "\u{e9}"], |text| {
        chunk_size(text.as_bytes());
        chunk_size(["5;", text].concat().as_bytes());
    });
    let units = ["a", "\r", ": ", "\t"];
    for (step, waits) in [(1, false), (usize::MAX, false), (usize::MAX, true)] {
        with_each(&format!("extension by {step}"), 8_000, &units, |unit, length| {
            read_body(&format!("1;{}\r\n", repeat(unit, length)), step, waits);
        });
        with_each(&format!("trailers by {step}"), 60_000, &units, |unit, length| {
            let line = format!("A: {}\r\n", repeat(unit, 6_000));
            read_body(&format!("0\r\n{}", repeat(&line, length)), step, waits);
        });
        with_each(&format!("chunks by {step}"), 60_000, &["1\r\na\r\n"], |unit, length| {
            read_body(&repeat(unit, length), step, waits);
        });
    }
}

#[test]
fn what_a_script_repeats_of_a_request() {
    over("script's head", LINE, &["a", "a: b\n", "\r", "\n", ":", "\r\n"], |text| {
        cgi::fuzzing::check(text.as_bytes());
    });
}
