//! What a handler gets wrong, and what its client sees of that.

use std::io::{self, Write};

use socketserver::http::Exchange;

use crate::support::Notes;
use crate::web::{Browser, answering, ask, find, get, masked, serve, show, talk};

/// Runs a handler once and returns the errors that it noted.
#[track_caller]
fn misused(
    act: impl Fn(&mut Exchange<'_>, &dyn Fn(io::Result<()>)) + Send + Sync + 'static,
) -> Vec<String> {
    let notes = Notes::new();
    let noted = notes.clone();
    let server = serve(answering(move |http| {
        act(http, &|result| match result {
            Ok(()) => noted.add("none".into()),
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
                noted.add(error.to_string());
            }
        });
        http.close_connection = true;
        Ok(())
    }));
    Browser::connect(&server).send(get("/")).rest();
    notes.so_far()
}

#[test]
fn calls_out_of_order_are_errors_that_name_them() {
    let errors = misused(|http, note| {
        note(http.send_header("A", "b"));
        note(http.end_headers());
        note(http.wfile.write_all(b"early"));
        note(http.send_response(200));
        note(http.wfile.write_all(b"early"));
        note(http.send_response(201));
        note(http.send_response_only(202));
        note(http.send_header("Content-Length", 2));
        note(http.end_headers());
        note(http.send_header("A", "b"));
        note(http.end_headers());
        note(http.send_response_with(203, "again"));
        note(http.wfile.write_all(b"abc"));
        note(http.wfile.write_all(b"a"));
        note(http.send_error(500));
        note(http.wfile.write_all(b"b"));
        note(http.wfile.write_all(b"c"));
    });
    let expected = [
        "send_header('A') outside send_response and end_headers",
        "end_headers without send_response",
        "wfile: write before send_response and end_headers",
        "none",
        "wfile: write before end_headers",
        "send_response(201) after a response was begun",
        "send_response(202) after a response was begun",
        "none",
        "none",
        "send_header('A') outside send_response and end_headers",
        "end_headers without send_response",
        "send_response(203) after a response was begun",
        "wfile: 3 bytes, but 2 are left of Content-Length",
        "none",
        "send_error(500) after the response has begun",
        "none",
        "wfile: 1 bytes, but 0 are left of Content-Length",
    ];
    assert_eq!(errors, expected);
}

#[test]
fn headers_that_would_split_a_response_are_errors_that_name_them() {
    let errors = misused(|http, note| {
        note(http.send_response_with(200, "a\nb"));
        note(http.send_response_with(200, "a\rb"));
        note(http.send_response_with(200, "a\0b"));
        note(http.send_response_with(200, "a\x08b"));
        note(http.send_response_with(200, "☃"));
        note(http.send_response(200));
        note(http.send_header("A", "b\r\nC: d"));
        note(http.send_header("A", "b\nC: d"));
        note(http.send_header("A", "b\rC: d"));
        note(http.send_header("A", "\0"));
        note(http.send_header("A", "\x01"));
        note(http.send_header("A", "a\x1b[31m"));
        note(http.send_header("A", "a\x7f"));
        note(http.send_header("A", "☃"));
        note(http.send_header("", "b"));
        note(http.send_header("A:", "b"));
        note(http.send_header("A ", "b"));
        note(http.send_header("A\r\nB", "b"));
        note(http.send_header("É", "b"));
        note(http.send_header("Content-Length", "many"));
        note(http.send_header("Content-Length", "-1"));
        note(http.send_header("A", "\t é "));
    });
    let expected = [
        "send_response(200): control character in 'a\\nb'",
        "send_response(200): control character in 'a\\rb'",
        "send_response(200): control character in 'a\\x00b'",
        "send_response(200): control character in 'a\\x08b'",
        "send_response(200): '☃' is beyond ISO 8859-1",
        "none",
        "send_header('A'): control character in 'b\\r\\nC: d'",
        "send_header('A'): control character in 'b\\nC: d'",
        "send_header('A'): control character in 'b\\rC: d'",
        "send_header('A'): control character in '\\x00'",
        "send_header('A'): control character in '\\x01'",
        "send_header('A'): control character in 'a\\x1b[31m'",
        "send_header('A'): control character in 'a\\x7f'",
        "send_header('A'): '☃' is beyond ISO 8859-1",
        "send_header: '' is no header name",
        "send_header: 'A:' is no header name",
        "send_header: 'A ' is no header name",
        "send_header: 'A\\r\\nB' is no header name",
        "send_header: 'É' is no header name",
        "send_header: Content-Length is no number: 'many'",
        "send_header: Content-Length is no number: '-1'",
        "none",
    ];
    assert_eq!(errors, expected);
}

#[test]
fn a_message_of_an_error_is_a_status_line_without_control_characters() {
    let server = serve(answering(|http| http.send_error_with(404, "a\x1bb\x7fc\td\ne")));
    assert_eq!(ask(&server, get("/")).reason(), "a b c\td e");
}

#[test]
fn headers_that_leave_the_end_of_a_response_in_doubt_are_errors() {
    let errors = misused(|http, note| {
        note(http.send_response(200));
        note(http.send_header("Content-Length", 5));
        note(http.send_header("content-length", 5));
        note(http.send_header("Content-Length", 6));
        note(http.send_header("Transfer-Encoding", "chunked"));
        note(http.send_error(500));
    });
    let expected = [
        "none",
        "none",
        "none",
        "send_header: Content-Length is 5, not '6'",
        "send_header: Transfer-Encoding beside Content-Length",
        "none",
    ];
    assert_eq!(errors, expected);
    let errors = misused(|http, note| {
        note(http.send_response(200));
        note(http.send_header("Transfer-Encoding", "chunked"));
        note(http.send_header("Content-Length", 5));
        note(http.end_headers());
        note(http.wfile.write_all(b"0\r\n\r\n"));
    });
    let expected =
        ["none", "none", "send_header: Content-Length beside Transfer-Encoding", "none", "none"];
    assert_eq!(errors, expected);
}

#[test]
fn a_handler_may_write_chunks_of_its_own() {
    let server = serve(answering(|http| {
        http.send_response(200)?;
        http.send_header("Transfer-Encoding", "chunked")?;
        http.end_headers()?;
        http.wfile.write_all(b"3\r\nabc\r\n")?;
        http.wfile.write_all(b"0\r\n\r\n")
    }));
    let mut browser = Browser::connect(&server);
    for _ in 0..2 {
        assert_eq!(browser.ask(get("/")).text(), "abc");
    }
}

#[test]
fn a_connection_can_be_taken_over_once() {
    let errors = misused(|http, note| {
        note(http.take_over().map(drop));
        note(http.take_over().map(drop));
        note(http.wfile.write_all(b"late"));
        note(http.send_response(200));
    });
    let expected = [
        "none",
        "take_over: taken over before",
        "wfile: write after the response has ended",
        "send_response(200) after a response was begun",
    ];
    assert_eq!(errors, expected);
}

#[test]
fn a_refused_header_leaves_the_response_as_it_was() {
    let server = serve(answering(|http| {
        http.send_response(200)?;
        for (name, value) in [("A", "b\r\nC: d"), ("A", "☃"), ("A B", "c"), ("Content-Length", "x")]
        {
            assert!(http.send_header(name, value).is_err());
        }
        http.send_header("Content-Length", 0)?;
        http.end_headers()
    }));
    let reply = masked(ask(&server, get("/")).raw);
    assert_eq!(show(reply), show("HTTP/1.1 200 OK\r\n{B}{D}Content-Length: 0\r\n\r\n"));
}

#[test]
fn a_handler_without_response_is_500() {
    let handler = answering(|_| Ok(()));
    let log = handler.log.clone();
    let server = serve(handler);
    let reply = ask(&server, get("/"));
    assert_eq!(reply.status(), 500);
    assert_eq!(reply.header("Connection"), Some("close"));
    assert_eq!(log.so_far()[0], "the handler sent no response");
}

#[test]
fn an_error_before_the_head_has_left_is_500_and_reported() {
    let handler = answering(|http| {
        http.send_response(200)?;
        http.send_header("X-Secret", "value")?;
        if http.path == "/ended" {
            http.end_headers()?;
        }
        Err(io::Error::other("boom"))
    });
    let errors = handler.errors.clone();
    let server = serve(handler);
    for path in ["/", "/ended"] {
        let mut browser = Browser::connect(&server);
        let reply = browser.ask(get(path));
        assert_eq!((reply.status(), reply.header("X-Secret")), (500, None));
        browser.sees_the_end();
        assert_eq!(errors.next(), format!("while answering \"GET {path} HTTP/1.1\": boom"));
    }
}

#[test]
fn a_panic_before_the_head_has_left_is_500_and_reported() {
    let handler = answering(|http| {
        http.send_response(200)?;
        panic!("at {}", http.path);
    });
    let errors = handler.errors.clone();
    let server = serve(handler);
    let mut browser = Browser::connect(&server);
    assert_eq!(browser.ask(get("/here")).status(), 500);
    browser.sees_the_end();
    let error = errors.next();
    assert!(error.contains("at /here"), "{error}");
}

#[test]
fn a_response_that_breaks_off_is_not_ended_as_if_it_were_whole() {
    let handler = answering(|http| {
        http.send_response(200)?;
        if http.path.starts_with("/length") {
            http.send_header("Content-Length", 10)?;
        }
        http.end_headers()?;
        http.wfile.write_all(b"hell")?;
        if http.path.ends_with("panic") {
            panic!("boom");
        }
        Err(io::Error::other("boom"))
    });
    let errors = handler.errors.clone();
    let server = serve(handler);
    for path in ["/length", "/length-panic", "/chunked", "/chunked-panic"] {
        let reply = talk(&server, get(path));
        let body = &reply[find(&reply, b"\r\n\r\n").unwrap() + 4..];
        let expected = if path.starts_with("/length") { "hell" } else { "4\r\nhell\r\n" };
        assert_eq!(show(body), show(expected), "{path}");
        assert!(errors.next().contains("boom"));
    }
}

#[test]
fn a_body_shorter_than_declared_closes_the_connection() {
    let server = serve(answering(|http| {
        http.send_response(200)?;
        http.send_header("Content-Length", 10)?;
        http.end_headers()?;
        http.wfile.write_all(b"hell")
    }));
    let reply = talk(&server, get("/"));
    assert!(reply.ends_with(b"\r\n\r\nhell"), "{}", show(reply));
}

#[test]
fn a_body_longer_than_declared_is_not_sent() {
    let handler = answering(|http| {
        http.send_response(200)?;
        http.send_header("Content-Length", 4)?;
        http.end_headers()?;
        http.wfile.write_all(b"hell")?;
        http.wfile.write_all(b"HTTP/1.1 200 OK\r\n\r\n")
    });
    let errors = handler.errors.clone();
    let server = serve(handler);
    let reply = talk(&server, get("/"));
    assert!(reply.ends_with(b"\r\n\r\nhell"), "{}", show(reply));
    let error = errors.next();
    assert!(error.ends_with(": wfile: 19 bytes, but 0 are left of Content-Length"), "{error}");
}
