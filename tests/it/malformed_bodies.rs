//! A body that is none, and what is said of it: the client's mistake, and no failure of the server.

use std::io::{self, Read, Write};

use socketserver::http::{Exchange, HttpRequestHandler};
use socketserver::{Sequential, ThreadPool};

use crate::support::{Running, Strategy, ThreadPerConnection, bind};
use crate::web::{Browser, answering, send_back};

/// Bodies, and what is wrong with them.
const BODIES: [(&str, &str); 6] = [
    (
        "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        "Malformed request body: a chunk has no proper size",
    ),
    (
        "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
        "Malformed request body: a chunk is longer than its size",
    ),
    (
        "Transfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n",
        "Malformed request body: a line between chunks does not end with CR LF",
    ),
    (
        "Transfer-Encoding: chunked\r\n\r\n0\r\nno field\r\n\r\n",
        "Malformed request body: a trailer is not a field",
    ),
    ("Transfer-Encoding: chunked\r\n\r\n9\r\nab", "The request ended before its body did"),
    ("Content-Length: 9\r\n\r\nab", "The request ended before its body did"),
];

fn is_told_in_one_line<C: Strategy>() {
    let handler = answering(send_back);
    let (log, errors) = (handler.log.clone(), handler.errors.clone());
    let server = Running::start(bind::<C, _>(handler));
    for (body, what) in BODIES {
        let mut browser = Browser::connect(&server);
        browser.send(format!("POST / HTTP/1.1\r\nHost: x\r\n{body}"));
        browser.client.finish_sending();
        let reply = browser.reply();
        assert_eq!(reply.status(), 400, "{body}");
        assert!(reply.text().contains(what), "{body}: {}", reply.text());
        browser.sees_the_end();
    }
    server.stop();
    let log = log.so_far();
    assert_eq!(log.len(), 2 * BODIES.len(), "{log:?}");
    for (lines, (_, what)) in log.chunks(2).zip(BODIES) {
        assert!(lines[0].starts_with(&format!("code 400, message {what}")), "{lines:?}");
        assert_eq!(lines[1], "\"POST / HTTP/1.1\" 400 -");
    }
    assert_eq!(errors.so_far(), [] as [String; 0]);
}

#[test]
fn a_malformed_body_is_a_line_and_no_failure() {
    is_told_in_one_line::<Sequential>();
    is_told_in_one_line::<ThreadPool>();
    is_told_in_one_line::<ThreadPerConnection>();
}

#[test]
fn a_malformed_body_is_a_line_where_the_answer_has_begun() {
    let echo = |http: &mut Exchange<'_>| -> io::Result<()> {
        http.send_response(200)?;
        http.end_headers()?;
        http.wfile.write_all(b"begun")?;
        http.wfile.flush()?;
        io::copy(&mut http.rfile, &mut io::sink())?;
        Ok(())
    };
    let handler = answering(echo);
    let (log, errors) = (handler.log.clone(), handler.errors.clone());
    let server = Running::start(bind::<ThreadPool, _>(handler));
    let mut browser = Browser::connect(&server);
    browser.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
    let received = browser.rest();
    // Cut: the client must not take it for the whole.
    assert!(received.ends_with(b"begun\r\n"), "{}", received.escape_ascii());
    server.stop();
    let line = "\"POST / HTTP/1.1\"";
    let what = "Malformed request body: a chunk has no proper size";
    let expected = [format!("{line} 200 -"), format!("while answering {line}: {what}")];
    assert_eq!(log.so_far(), expected);
    assert_eq!(errors.so_far(), [] as [String; 0]);
}

/// An error of the handler's own is a failure still, whatever the body is.
#[test]
fn a_failure_beside_a_malformed_body_is_one() {
    let handler = answering(|http: &mut Exchange<'_>| {
        let _ = http.rfile.read_to_end(&mut Vec::new());
        Err(io::Error::other("out of paper"))
    });
    let errors = handler.errors.clone();
    let server = Running::start(bind::<ThreadPool, _>(handler));
    let mut browser = Browser::connect(&server);
    browser.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
    browser.reply();
    server.stop();
    let errors = errors.so_far();
    assert!(errors.len() == 1 && errors[0].contains("out of paper"), "{errors:?}");
}

/// Hides who the client is behind what the client says.
struct Named;

impl HttpRequestHandler for Named {
    fn address_string(&self, http: &Exchange<'_>) -> String {
        http.headers.get("X-Name").unwrap_or_default().to_owned()
    }
}

/// The test that runs this in a process of its own reads what it writes.
#[test]
fn an_address_that_a_client_names_does_not_steer_the_log() {
    const VARIABLE: &str = "SOCKETSERVER_TEST_WRITES_A_LOG";
    if std::env::var_os(VARIABLE).is_some() {
        let server = Running::start(bind::<ThreadPool, _>(Named));
        let mut browser = Browser::connect(&server);
        browser.send(b"GET / HTTP/1.0\r\nX-Name: a\xc2\x9b31m\x85b\r\n\r\n");
        browser.rest();
        server.stop();
        return;
    }
    let test = "malformed_bodies::an_address_that_a_client_names_does_not_steer_the_log";
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    let output =
        command.args(["--exact", "--nocapture", test]).env(VARIABLE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.lines().filter(|line| line.contains(" - - [")).collect();
    assert_eq!(lines.len(), 2, "{said}");
    for line in lines {
        // Bytes are characters of ISO 8859-1 here.
        assert!(line.starts_with("a\u{c2}\\x9b31m\\x85b - - ["), "{line}");
    }
}
