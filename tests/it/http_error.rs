//! Errors that say how their request is to be answered.

use std::error::Error;
use std::fmt;
use std::io::{self, Write};

use socketserver::http::HttpError;
use socketserver::http::form::{FieldStorage, FormLimits, FormOptions};

use crate::web::{Browser, answer, answering, ask, get, serve};

/// An error with a cause, as libraries make them.
#[derive(Debug)]
struct Because<E>(E);

impl<E> fmt::Display for Because<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it did not work")
    }
}

impl<E: Error + 'static> Error for Because<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn an_http_error_is_the_answer_however_deep_it_is_wrapped() {
    let handler = answering(|http| {
        let error = HttpError::new(418, "Short <and> stout");
        Err(match http.path.as_str() {
            "/plain" => error.into(),
            "/twice" => io::Error::other(io::Error::other(error)),
            "/cause" => io::Error::other(Because(error)),
            _ => io::Error::other(io::Error::other(Because(error))),
        })
    });
    let (errors, log) = (handler.errors.clone(), handler.log.clone());
    let server = serve(handler);
    for path in ["/plain", "/twice", "/cause", "/twice-cause"] {
        let mut browser = Browser::connect(&server);
        let reply = browser.ask(get(path));
        assert_eq!((reply.status(), reply.reason()), (418, "Short <and> stout"), "{path}");
        assert!(reply.text().contains("Message: Short &lt;and&gt; stout."), "{path}");
        assert_eq!(reply.header("Connection"), Some("close"));
        browser.sees_the_end();
    }
    server.stop().result.unwrap();
    assert_eq!(errors.so_far(), Vec::<String>::new());
    assert!(log.so_far().iter().any(|line| line == "code 418, message Short <and> stout"));
}

#[test]
fn a_form_error_is_the_answer_however_deep_it_is_wrapped() {
    let handler = answering(|http| {
        let limits = FormLimits::default().max_bytes(3);
        let options = FormOptions::default().limits(limits);
        let error = FieldStorage::read_with(http, &options).unwrap_err();
        Err(match http.path.as_str() {
            "/plain" => error.into(),
            "/twice" => io::Error::other(io::Error::from(error)),
            _ => io::Error::other(Because(Because(error))),
        })
    });
    let errors = handler.errors.clone();
    let server = serve(handler);
    for path in ["/plain", "/twice", "/cause"] {
        let head = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 4";
        let request = format!("POST {path} HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\na=bc");
        let reply = ask(&server, &request);
        let expected = (413, "The form exceeds 3 bytes");
        assert_eq!((reply.status(), reply.reason()), expected, "{path}");
    }
    server.stop().result.unwrap();
    assert_eq!(errors.so_far(), Vec::<String>::new());
}

#[test]
fn an_http_error_replaces_a_response_that_has_not_left() {
    let server = serve(answering(|http| {
        http.send_response(200)?;
        http.send_header("Content-Length", 5)?;
        http.end_headers()?;
        Err(HttpError::new(404, "Gone fishing").into())
    }));
    let reply = Browser::connect(&server).ask(get("/"));
    assert_eq!((reply.status(), reply.reason()), (404, "Gone fishing"));
}

#[test]
fn an_http_error_after_the_response_has_left_is_reported() {
    let handler = answering(|http| {
        answer(http, "first words")?;
        http.wfile.flush()?;
        Err(HttpError::new(404, "Too late").into())
    });
    let errors = handler.errors.clone();
    let server = serve(handler);
    let mut browser = Browser::connect(&server);
    assert_eq!(browser.ask(get("/")).text(), "first words");
    browser.sees_the_end();
    assert_eq!(errors.next(), "while answering \"GET / HTTP/1.1\": 404 Too late");
}

#[test]
fn a_client_still_sending_its_body_reads_why_it_is_refused() {
    let server = serve(answering(|_| Err(HttpError::new(403, "Not here").into())));
    let mut browser = Browser::connect(&server);
    browser.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
    browser.send([b'x'; 50_000]);
    let reply = browser.reply();
    assert_eq!((reply.status(), reply.reason()), (403, "Not here"));
    browser.send([b'x'; 50_000]).sees_the_end();
}
