//! What the exchange gives a handler: the request, the streams, and when bytes leave.

use std::io::{self, BufRead, Read, Write};
use std::thread;

use socketserver::http::{Misuse, MisuseKind};
use socketserver::{Sequential, TcpServer, ThreadPool};

use crate::support::{LIMIT, Running, bind};
use crate::web::{Browser, Site, answer, answering, ask, find, get, serve, show};

#[test]
fn the_exchange_holds_the_request_and_the_server() {
    let server: TcpServer<ThreadPool, _> = bind(answering(|http| {
        let text = format!(
            "{} {} {} {:?} {:?} {:?} {} {} {} {} {} {}",
            http.command,
            http.path,
            http.request_version,
            http.headers.get("x-a"),
            http.headers.get_all("X-A").collect::<Vec<_>>(),
            http.requestline(),
            http.address_string(),
            http.protocol_version(),
            http.close_connection,
            http.server.server_name(),
            Some(http.server.server_port()) == http.server.server_address().port(),
            http.client_address,
        );
        assert!(http.version_string().starts_with("BaseHTTP/0.6 "));
        assert_eq!(http.log_date_time_string().len(), "06/Nov/1994 08:49:37".len());
        assert_eq!(http.date_time_string(None).len(), 29);
        let text_of_1970 = http.date_time_string(Some(std::time::UNIX_EPOCH));
        assert_eq!(text_of_1970, "Thu, 01 Jan 1970 00:00:00 GMT");
        answer(http, text)
    }));
    let server = Running::start(server);
    let mut browser = Browser::connect(&server);
    let reply = browser.ask("SPAM //a?b HTTP/1.1\r\nHost: x\r\nX-A: 1 \r\nx-a:  2\r\n\r\n");
    let client = browser.client.address();
    let expected = format!(
        "SPAM /a?b HTTP/1.1 Some(\"1\") [\"1\", \"2\"] \"SPAM //a?b HTTP/1.1\" 127.0.0.1 HTTP/1.1 \
         false 127.0.0.1 true {client}"
    );
    assert_eq!(reply.text(), expected);
}

#[test]
fn a_handler_stops_its_server() {
    let server = serve(answering(|http| {
        http.server.shutdown();
        answer(http, "good bye")
    }));
    assert_eq!(ask(&server, get("/")).text(), "good bye");
    server.wait().result.unwrap();
}

#[test]
fn a_sequential_handler_stops_its_server() {
    let server: TcpServer<Sequential, _> = bind(answering(|http| {
        http.server.shutdown_handle().shutdown();
        answer(http, "good bye")
    }));
    let server = Running::start(server);
    assert_eq!(ask(&server, get("/")).text(), "good bye");
    server.wait().result.unwrap();
}

#[test]
fn io_copy_sends_the_request_back() {
    let server = serve(answering(|http| {
        http.send_response(200)?;
        http.end_headers()?;
        io::copy(&mut http.rfile, &mut http.wfile).map(drop)
    }));
    let body = "0123456789abcdef".repeat(20_000);
    let mut browser = Browser::connect(&server);
    for _ in 0..2 {
        let head = format!("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
        thread::scope(|scope| {
            let mut stream = browser.client.stream.try_clone().unwrap();
            let request = head + &body;
            scope.spawn(move || stream.write_all(request.as_bytes()).unwrap());
            let reply = browser.reply();
            assert_eq!(reply.header("Transfer-Encoding"), Some("chunked"));
            assert!(reply.text() == body);
        });
    }
}

#[test]
fn a_handler_may_prompt_and_then_read() {
    let handler = answering(|http| {
        http.send_response(200)?;
        http.end_headers()?;
        let mut line = String::new();
        for prompt in ["name? ", "age? "] {
            http.wfile.write_all(prompt.as_bytes())?;
            line.clear();
            http.rfile.read_line(&mut line)?;
        }
        http.wfile.write_all(line.as_bytes())
    });
    let server = serve(handler.body_buffer_size(0));
    let mut browser = Browser::connect(&server);
    browser.send("PUT / HTTP/1.0\r\nContent-Length: 7\r\n\r\n");
    let mut heard = Vec::new();
    while !heard.ends_with(b"name? ") {
        heard.extend(browser.read(1));
    }
    browser.send("Eve\n");
    assert_eq!(browser.read(5), b"age? ");
    assert_eq!(show(browser.send("42\n").rest()), "42\\n");
}

#[test]
fn the_head_leaves_before_a_handler_waits_for_the_client() {
    let handler = answering(|http| {
        http.send_response(200)?;
        http.send_header("Content-Length", 5)?;
        http.end_headers()?;
        let mut body = Vec::new();
        http.rfile.read_to_end(&mut body)?;
        http.wfile.write_all(&body)
    });
    let server = serve(handler.body_buffer_size(0));
    let mut browser = Browser::connect(&server);
    browser.send("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(browser.read(15), b"HTTP/1.1 200 OK");
    assert_eq!(browser.send("hello").reply_after_status_line(), "hello");
}

impl Browser {
    /// Reads the rest of a reply whose status line was read.
    #[track_caller]
    fn reply_after_status_line(&mut self) -> String {
        let mut heard = Vec::new();
        while find(&heard, b"\r\n\r\n").is_none() {
            heard.extend(self.read(1));
        }
        String::from_utf8(self.read(5)).unwrap()
    }
}

#[test]
fn flush_headers_sends_the_head_at_once() {
    let (goes_on, waits) = crossbeam_channel::bounded(1);
    let server = serve(answering(move |http| {
        http.send_response(200)?;
        http.send_header("Content-Length", 2)?;
        http.end_headers()?;
        http.flush_headers()?;
        waits.recv_timeout(LIMIT).map_err(io::Error::other)?;
        http.wfile.write_all(b"ok")
    }));
    let mut browser = Browser::connect(&server);
    browser.send(get("/"));
    assert_eq!(browser.read(15), b"HTTP/1.1 200 OK");
    goes_on.send(()).unwrap();
    browser.send(get("/"));
    goes_on.send(()).unwrap();
    while !browser.read(1).ends_with(b"\n") {}
    assert_eq!(browser.client.stream.peek(&mut [0]).unwrap(), 1);
}

/// CPython sends the lines so far. Here the head leaves as a whole.
#[test]
fn flush_headers_within_the_head_is_an_error() {
    let server = serve(answering(|http| {
        http.flush_headers()?; // Nothing was begun: nothing is sent, as in CPython.
        http.send_response(200)?;
        let error = http.flush_headers().unwrap_err();
        assert_eq!(Misuse::inside(&error).map(Misuse::kind), Some(MisuseKind::HeadNotEnded));
        assert_eq!(error.to_string(), "flush_headers before end_headers");
        http.send_header("Content-Length", 2)?;
        http.end_headers()?;
        http.flush_headers()?;
        http.wfile.write_all(b"ok")?;
        http.flush_headers()
    }));
    let mut browser = Browser::connect(&server);
    assert_eq!(browser.ask(get("/")).text(), "ok");
    assert_eq!(browser.ask(get("/")).text(), "ok", "the connection is kept");
}

#[test]
fn early_hints_precede_the_response() {
    let server = serve(answering(|http| {
        http.send_response_only(103)?;
        http.send_header("Link", "</style.css>; rel=preload")?;
        http.end_headers()?;
        answer(http, "page")
    }));
    let mut browser = Browser::connect(&server);
    let hints = browser.ask(get("/"));
    let expected = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n";
    assert_eq!(show(hints.raw), show(expected));
    let reply = browser.reply();
    assert_eq!((reply.status(), reply.text()), (200, "page"));
    assert_eq!(reply.header("Link"), None);
    assert_eq!(browser.ask(get("/")).status(), 103, "the connection is kept");
}

#[test]
fn files_of_any_size_are_sent_whole() {
    let site = Site::empty();
    let path = site.write("file", vec![b'x'; 3 << 20]);
    let server = serve(answering(move |http| {
        let file = std::fs::File::open(&path)?;
        let mut words = http.path[1..].split('/');
        let framing = words.next().unwrap_or_default().to_owned();
        let numbers: Vec<u64> = words.map(|word| word.parse().unwrap()).collect();
        http.send_response(200)?;
        if framing == "length" {
            http.send_header("Content-Length", numbers[1])?;
        }
        http.end_headers()?;
        let sent = http.wfile.send_file(&file, numbers[0], numbers[1])?;
        assert_eq!(sent, numbers[1]);
        Ok(())
    }));
    let mut browser = Browser::connect(&server);
    for count in [0, 1, 32_767, 32_768, 32_769, 65_536, 1_000_000, 2 << 20] {
        for offset in [0, 1, 1 << 20] {
            for framing in ["length", "chunked"] {
                let reply = browser.ask(get(&format!("/{framing}/{offset}/{count}")));
                assert_eq!(reply.body.len(), count, "{framing} {offset}");
            }
        }
        let reply = ask(&server, format!("GET /raw/5/{count} HTTP/1.0\r\n\r\n"));
        assert_eq!(reply.body.len(), count);
    }
}

#[test]
fn a_body_for_head_is_dropped() {
    let server = serve(answering(|http| match http.path.as_str() {
        "/length" => answer(http, "body"),
        "/chunked" => {
            http.send_response(200)?;
            http.end_headers()?;
            http.wfile.write_all(b"body")
        }
        "/forgotten" => http.send_response(200),
        _ => {
            http.send_response(200)?;
            http.send_header("Content-Length", 4)?;
            http.end_headers()
        }
    }));
    let mut browser = Browser::connect(&server);
    for path in ["/length", "/chunked", "/forgotten", "/none", "/length"] {
        let reply = browser.ask(format!("HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert_eq!(reply.status(), 200, "{path}");
        assert!(reply.raw.ends_with(b"\r\n\r\n"));
    }
    assert_eq!(browser.ask(get("/length")).text(), "body");
}

#[test]
fn a_body_for_a_status_without_one_is_dropped() {
    let server = serve(answering(|http| {
        let code: u16 = http.path[1..].parse().unwrap();
        http.send_response(code)?;
        http.end_headers()?;
        http.wfile.write_all(b"body")
    }));
    let mut browser = Browser::connect(&server);
    for code in [204, 304] {
        let reply = browser.ask(get(&format!("/{code}")));
        assert_eq!(reply.status(), code);
        assert_eq!(reply.header("Transfer-Encoding"), None, "{code}");
    }
    let reply = browser.ask(get("/200"));
    assert_eq!((reply.status(), reply.text()), (200, "body"));
}

/// A client that knows nothing of 205 would wait for a body (RFC 9110 §15.3.6).
#[test]
fn the_status_205_is_ended_by_its_length_or_by_closing() {
    let server = serve(answering(|http| {
        http.send_response(205)?;
        if http.path == "/length" {
            http.send_header("Content-Length", 0)?;
        }
        http.end_headers()?;
        http.wfile.write_all(b"body")
    }));
    let mut browser = Browser::connect(&server);
    assert_eq!(browser.ask(get("/length")).text(), "");
    let reply = browser.ask(get("/"));
    assert_eq!((reply.status(), reply.text()), (205, ""));
}

#[test]
fn the_handler_may_close_the_connection() {
    let server = serve(answering(|http| {
        http.close_connection = http.path == "/last";
        answer(http, "ok")
    }));
    let mut browser = Browser::connect(&server);
    assert_eq!(browser.ask(get("/first")).text(), "ok");
    assert_eq!(browser.ask(get("/last")).text(), "ok");
    browser.sees_the_end();
    // It may keep it, too, as a client of HTTP/1.0 need not expect.
    let mut browser = Browser::connect(&server);
    assert_eq!(browser.ask("GET / HTTP/1.0\r\n\r\n").text(), "ok");
    assert_eq!(browser.ask(get("/last")).text(), "ok");
    browser.sees_the_end();
}

#[test]
fn the_header_connection_close_closes() {
    let server = serve(answering(|http| {
        http.send_response(200)?;
        http.send_header("connection", "Close")?;
        http.send_header("Content-Length", 0)?;
        http.end_headers()
    }));
    let mut browser = Browser::connect(&server);
    assert_eq!(browser.ask(get("/")).header("connection"), Some("Close"));
    browser.sees_the_end();
}
