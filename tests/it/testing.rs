//! Handlers that are called without a server: as over a socket, and in one line.

use std::fmt;
use std::io::{self, Read, Write};
use std::thread;

use socketserver::http::{
    Exchange, HttpRequestHandler, ProtocolVersion, SimpleHttpRequestHandler, Status, testing,
};
use socketserver::{Address, Connection};

use crate::support::Notes;
use crate::web::{Browser, Site, serve};

/// Answers in every way that a handler may, and logs nothing.
struct Various {
    files: SimpleHttpRequestHandler,
    errors: Notes<String>,
}

impl HttpRequestHandler for Various {
    fn base(&self) -> &dyn HttpRequestHandler {
        &self.files
    }

    fn protocol_version(&self) -> ProtocolVersion {
        ProtocolVersion::Http11
    }

    fn do_post(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        match http.path.as_str() {
            "/panics" => panic!("as asked for"),
            "/fails" => return Err(io::Error::other("as asked for")),
            "/unread" => {
                http.send_response(202)?;
                return http.send_header("Content-Length", 0);
            }
            "/short" => {
                http.send_response(200)?;
                http.send_header("Content-Length", 9)?;
                http.end_headers()?;
                return http.wfile.write_all(b"short");
            }
            "/half" => {
                http.send_response(200)?;
                http.end_headers()?;
                http.wfile.write_all(b"half of it")?;
                return Err(io::Error::other("broke"));
            }
            "/nothing" => return http.take_over().map(drop),
            "/elsewhere" => {
                let mut connection = http.take_over()?;
                thread::spawn(move || {
                    connection.wfile.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
                    let mut rest = Vec::new();
                    connection.rfile.read_to_end(&mut rest).unwrap();
                    connection.wfile.write_all(&rest).unwrap();
                });
                return Ok(());
            }
            _ => {}
        }
        let mut body = Vec::new();
        http.rfile.read_to_end(&mut body)?;
        http.send_response(201)?;
        http.end_headers()?;
        http.wfile.write_all(&body)
    }

    fn log_message(&self, _: &Exchange<'_>, _: fmt::Arguments<'_>) {}

    fn handle_error(&self, client_address: &Address, error: &io::Error) {
        self.errors.add(format!("{}: {error}", client_address.host()));
    }
}

fn various(site: &Site) -> Various {
    Various { files: site.handler(), errors: Notes::new() }
}

#[test]
fn a_response_comes_apart() {
    let site = Site::new();
    let handler = various(&site);
    let respond = |line: &str, rest: &str| {
        testing::respond(&handler, format!("{line} HTTP/1.1\r\nHost: x\r\n{rest}")).unwrap()
    };
    let file = respond("GET /a.txt", "\r\n");
    assert_eq!((file.status, file.reason.as_str()), (Status::OK, "OK"));
    assert_eq!((&*file.text(), file.headers.get("content-length")), ("hello world\n", Some("12")));
    let head = respond("HEAD /a.txt", "\r\n");
    assert_eq!((head.body.len(), head.headers.get("Content-Length")), (0, Some("12")));
    assert_eq!(respond("GET /nope", "\r\n").status, 404);
    assert_eq!(respond("GET /sub", "\r\n").headers.get("Location"), Some("sub/"));
    // Sent in chunks, after a 100.
    let rest = "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello";
    let echo = respond("POST /", rest);
    assert_eq!((echo.status, &*echo.text()), (Status::CREATED, "hello"));
    assert_eq!(echo.headers.get("Transfer-Encoding"), Some("chunked"));
    // What a server refuses.
    assert_eq!(respond("GET /", "Host: y\r\n\r\n").status, Status::BAD_REQUEST);
    assert_eq!(respond("SPAM /", "\r\n").reason, "Unsupported method ('SPAM')");
    assert_eq!(respond("POST /", "Content-Length: 5\r\n\r\nhell").status, 400);
    assert_eq!(respond("GET /", "Unfinished").reason, "Request ended early");
}

#[test]
fn the_bytes_are_those_of_a_server() {
    let site = Site::new();
    let server = serve(various(&site));
    let handler = various(&site);
    let two = "POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na\
               GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n";
    for request in [
        "GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /a.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "GET /a.txt\r\n",
        "HEAD /sub/ HTTP/1.1\r\nHost: x\r\n\r\n",
        "\r\n\r\nGET /sub/ HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n123456789",
        "POST /panics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        "POST /fails HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        "POST /short HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        "POST /elsewhere HTTP/1.1\r\nHost: x\r\n\r\nwhat follows",
        "GET / FUBAR\r\n\r\n",
        "GET / HTT",
        "\r\n",
        "",
        two,
    ] {
        let without_date = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes).into_owned();
            let lines = text.split_inclusive('\n').filter(|line| !line.starts_with("Date: "));
            lines.collect::<String>()
        };
        let mut browser = Browser::connect(&server);
        browser.send(request).client.finish_sending();
        let expected = without_date(&browser.rest());
        let sent = testing::talk(&handler, request).unwrap();
        assert_eq!(without_date(&sent), expected, "{request:?}");
    }
    let errors = handler.errors.so_far();
    let expected = [
        "127.0.0.1: while answering \"POST /panics HTTP/1.1\": handler panicked: as asked for",
        "127.0.0.1: while answering \"POST /fails HTTP/1.1\": as asked for",
    ];
    assert_eq!(errors, expected);
}

#[test]
fn bodies_may_be_longer_than_the_kernel_holds() {
    let site = Site::new();
    site.write("large", vec![b'x'; 3 << 20]);
    let handler = various(&site);
    let file = testing::respond(&handler, "GET /large HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!(file.body.len(), 3 << 20);
    let head = format!(" HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", 3 << 20);
    let upload = |path: &str| [&format!("POST {path}{head}"), &*"y".repeat(3 << 20)].concat();
    let echo = testing::respond(&handler, upload("/")).unwrap();
    assert!(echo.body.len() == 3 << 20 && echo.body.ends_with(b"y"));
    // It is not read, and does not keep the client from its answer.
    assert_eq!(testing::respond(&handler, upload("/unread")).unwrap().status, 202);
}

#[test]
fn what_is_not_a_whole_response_is_an_error() {
    let site = Site::new();
    let handler = various(&site);
    for (path, what) in [
        ("/half", "the last chunk was not sent"),
        ("/short", "the body is shorter than its Content-Length"),
        ("/nothing", "no response was sent"),
    ] {
        let request = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        let error = testing::respond(&handler, request).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(error.to_string(), what);
    }
    // One that ends with its connection: a server resets it, so that half is not taken for all.
    let request = "POST /half HTTP/1.0\r\nContent-Length: 0\r\n\r\n";
    let error = testing::respond(&handler, request).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(error.to_string(), "the response was broken off");
    assert!(testing::talk(&handler, request).unwrap().ends_with(b"half of it"));
    let error = testing::respond(&handler, "GET /a.txt\r\n").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData, "HTTP/0.9 has no head: {error}");
}

#[test]
fn a_client_that_is_not_served_gets_nothing() {
    struct Shut;
    impl HttpRequestHandler for Shut {
        fn verify_request(&self, _: &Connection, client_address: &Address) -> bool {
            !client_address.ip().is_some_and(|ip| ip.is_loopback())
        }
    }
    let sent = testing::talk(&Shut, "GET / HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!(sent, b"");
}
