//! What a response says of its connection and of its end, and what is said of one that goes wrong.

use std::io::{self, Read, Write};

use socketserver::http::{BaseHttpRequestHandler, Exchange, HttpRequestHandler};
use socketserver::{Sequential, ThreadPool, Timeouts};

use crate::support::{MOMENT, Notes, Running, bind, in_a_process_of_its_own};
use crate::web::{
    Browser, Noting, Site, answer, answering, ask, find, get, hear_out, noting, serve, show, talk,
};

/// Answers with the status in the path, a length where it may have one, and what else it says.
fn statuses() -> Noting<impl HttpRequestHandler> {
    answering(|http| {
        let path = http.path.clone();
        let (code, more) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
        let code: u16 = code.parse().map_err(io::Error::other)?;
        match more {
            "error" => return http.send_error(code),
            "fail" => return Err(io::Error::other("boom")),
            _ => http.send_response(code)?,
        }
        match more {
            "nolength" => {}
            "close" | "Keep-Alive" | "X-Own" | "Upgrade" => http.send_header("Connection", more)?,
            "keep-alive" => http.send_header("Connection", more)?,
            "flag" => http.close_connection = true,
            _ => {}
        }
        if !["nolength", "keep-alive"].contains(&more) {
            http.send_header("Content-Length", if code == 205 { 0 } else { 5 })?;
        }
        http.end_headers()?;
        http.wfile.write_all(if code == 205 { b"" } else { b"hello" })
    })
}

/// What a reply says of the connection, and whether another request is answered on it.
fn connection_of(server: &Running, request: &str) -> (Vec<String>, bool) {
    let mut browser = Browser::connect(server);
    let reply = browser.ask(request);
    let said = reply.headers("Connection").into_iter().map(str::to_owned).collect();
    // What a client sends behind the last request may reset the connection.
    let _ = browser.client.stream.write_all(b"GET /200 HTTP/1.1\r\nHost: x\r\n\r\n");
    let _ = browser.client.stream.shutdown(std::net::Shutdown::Write);
    let mut rest = Vec::new();
    let _ = browser.client.stream.read_to_end(&mut rest);
    (said, rest.starts_with(b"HTTP/1.1 200 "))
}

#[track_caller]
fn says(server: &Running, request: &str, options: &[&str], is_kept: bool) {
    let (said, kept) = connection_of(server, request);
    assert_eq!(said, options, "{request:?}");
    assert_eq!(kept, is_kept, "{request:?}");
}

#[test]
fn a_client_of_http_1_0_that_is_kept_is_told() {
    let server = serve(statuses());
    let asks = |path: &str, method: &str| {
        format!("{method} {path} HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
    };
    for code in [200, 201, 204, 206, 301, 304, 404, 500] {
        for method in ["GET", "HEAD", "POST"] {
            says(&server, &asks(&format!("/{code}"), method), &["keep-alive"], true);
        }
    }
    // Where the end of the connection is that of the response, and where the handler has spoken.
    for (path, option, is_kept) in [
        ("/200/nolength", "close", false),
        ("/200/flag", "close", false),
        ("/200/close", "close", false),
        ("/404/error", "close", false),
        ("/200/fail", "close", false),
        ("/200/Keep-Alive", "Keep-Alive", true),
    ] {
        says(&server, &asks(path, "GET"), &[option], is_kept);
    }
    // Another option says nothing of what this client waits for.
    says(&server, &asks("/200/X-Own", "GET"), &["X-Own", "keep-alive"], true);
    says(&server, &asks("/426/Upgrade", "GET"), &["Upgrade", "keep-alive"], true);
    // One that has not asked for it is not kept.
    says(&server, "GET /200 HTTP/1.0\r\n\r\n", &["close"], false);
    says(&server, "GET /200 HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", &["close"], false);
    says(&server, &get("/200"), &[], true);
}

#[test]
fn a_client_that_asks_for_the_end_is_told_that_it_comes() {
    let server = serve(statuses());
    for code in [200, 201, 203, 204, 205, 206, 301, 304, 404, 500] {
        for method in ["GET", "HEAD", "POST"] {
            for option in ["close", "CLOSE", "TE, close", "close, keep-alive"] {
                let request =
                    format!("{method} /{code} HTTP/1.1\r\nHost: x\r\nConnection: {option}\r\n\r\n");
                says(&server, &request, &["close"], false);
            }
        }
    }
    let close = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    for path in
        ["/200/nolength", "/200/close", "/200/flag", "/404/error", "/204/error", "/200/fail"]
    {
        says(&server, &close(path), &["close"], false);
    }
    // The field is a list, and what a handler says of something else ends nothing.
    says(&server, &close("/200/X-Own"), &["X-Own", "close"], false);
    says(&server, &close("/426/Upgrade"), &["Upgrade", "close"], false);
    says(&server, &get("/426/Upgrade"), &["Upgrade"], true);
    // The end of this response is that of the connection, whatever its handler says.
    says(&server, &get("/205/keep-alive"), &["keep-alive", "close"], false);
    // An end that the client has not asked for is announced as well.
    says(&server, &get("/200/flag"), &["close"], false);
    says(&server, &get("/205/nolength"), &["close"], false);
    // Without a head there is nothing to say.
    assert_eq!(show(talk(&server, "GET /200\r\n")), "hello");
}

#[test]
fn files_and_pages_say_that_the_connection_ends() {
    let site = Site::new();
    let server = site.serve();
    let unmodified = "If-Modified-Since: Thu, 02 Jan 2020 03:04:05 GMT\r\n";
    for (path, more) in
        [("/a.txt", ""), ("/a.txt", unmodified), ("/sub/", ""), ("/sub", ""), ("/nope", "")]
    {
        for method in ["GET", "HEAD"] {
            let request =
                format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{more}Connection: close\r\n\r\n");
            let mut browser = Browser::connect(&server);
            assert_eq!(browser.ask(&request).headers("Connection"), ["close"], "{request:?}");
            browser.sees_the_end();
        }
    }
    let kept = "GET /a.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    let mut browser = Browser::connect(&server);
    for _ in 0..2 {
        assert_eq!(browser.ask(kept).headers("Connection"), ["keep-alive"]);
    }
    // A response of HTTP/1.0 is the last one unless it says otherwise.
    let old = serve(noting(site.handler()));
    for request in [kept, "GET /a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"] {
        let reply = talk(&old, request);
        assert!(find(&reply, b"\r\nConnection").is_none(), "{}", show(reply));
    }
}

#[test]
fn neither_an_interim_response_nor_a_tunnel_speaks_of_the_connection() {
    let server = serve(answering(|http| {
        if http.command == "CONNECT" {
            http.send_response(200)?;
            http.send_header("Content-Length", 3)?;
            http.send_header("Transfer-Encoding", "chunked")?;
            http.end_headers()?;
            return http.wfile.write_all(b"a tunnel");
        }
        http.send_response_only(103)?;
        http.send_header("Link", "</style.css>; rel=preload")?;
        http.end_headers()?;
        if http.path == "/switch" {
            http.send_response(101)?;
            http.end_headers()?;
            return http.wfile.write_all(b"another protocol");
        }
        answer(http, "hello")
    }));
    let close = "Host: x\r\nConnection: close\r\n\r\n";
    let reply = show(talk(&server, format!("GET / HTTP/1.1\r\n{close}")));
    assert_eq!(reply.matches("Connection: close").count(), 1, "{reply}");
    assert!(reply.starts_with(
        "HTTP/1.1 103 Early Hints\\r\\nLink: </style.css>; rel=preload\\r\\n\\r\\nHTTP/1.1 200 OK\\r\\n"
    ));
    let reply = show(talk(&server, format!("GET /switch HTTP/1.1\r\n{close}")));
    assert!(
        !reply.contains("Connection") && reply.ends_with("\\r\\n\\r\\nanother protocol"),
        "{reply}"
    );
    let reply = show(talk(&server, format!("CONNECT x:80 HTTP/1.1\r\n{close}")));
    assert!(!reply.contains("Connection") && !reply.contains("Length"), "{reply}");
    assert!(!reply.contains("Transfer") && reply.ends_with("\\r\\n\\r\\na tunnel"), "{reply}");
}

#[test]
fn no_length_and_no_coding_leaves_with_a_status_that_has_neither() {
    let server = serve(answering(|http| {
        let path = http.path.clone();
        let mut words = path[1..].split('/');
        let code: u16 = words.next().unwrap_or_default().parse().map_err(io::Error::other)?;
        http.send_response(code)?;
        match words.next() {
            Some("length") => http.send_header("Content-Length", 0)?,
            Some("set") => http.set_header("content-length", 7)?,
            _ => http.send_header("Transfer-Encoding", "chunked")?,
        }
        http.end_headers()?;
        if code < 200 && code != 101 {
            return answer(http, "later");
        }
        http.wfile.write_all(b"hello")
    }));
    for version in ["1.1", "1.0"] {
        for code in [100, 102, 103, 204] {
            for what in ["length", "set", "coding"] {
                let request = format!(
                    "GET /{code}/{what} HTTP/{version}\r\nHost: x\r\nConnection: close\r\n\r\n"
                );
                let reply = talk(&server, &request);
                let head = show(&reply[..find(&reply, b"\r\n\r\n").unwrap() + 4]);
                assert!(head.starts_with(&format!("HTTP/1.1 {code} ")), "{head}");
                let head = head.to_ascii_lowercase();
                assert!(!head.contains("content-length"), "{head}");
                assert!(!head.contains("transfer-encoding"), "{head}");
                let ending: &[u8] = if code == 204 { b"\r\n\r\n" } else { b"\r\n\r\nlater" };
                assert!(reply.ends_with(ending), "{}", show(reply));
            }
        }
    }
    // In answer to HEAD, and with 304, a length may speak of the response that there would be.
    let head = ask(&server, "HEAD /200/set HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(head.header("Content-Length"), Some("7"));
    assert_eq!(ask(&server, get("/304/set")).header("Content-Length"), Some("7"));
    assert_eq!(ask(&server, get("/304/coding")).header("Transfer-Encoding"), Some("chunked"));
}

#[test]
fn a_length_that_is_said_twice_leaves_once() {
    let server = serve(answering(|http| {
        http.send_response(200)?;
        http.send_header("Content-Length", 5)?;
        http.send_header("content-length", "05")?;
        let error = http.send_header("Content-Length", 6).unwrap_err();
        assert_eq!(error.to_string(), "send_header: Content-Length is 5, not '6'");
        http.end_headers()?;
        http.wfile.write_all(b"hello")
    }));
    let reply = ask(&server, get("/"));
    assert_eq!((reply.headers("Content-Length"), reply.text()), (vec!["5"], "hello"));
}

/// Streams in chunks of its own, as Python's handlers do.
fn own_chunks(http: &mut Exchange<'_>) -> io::Result<()> {
    http.send_response(200)?;
    http.send_header("Transfer-Encoding", "chunked")?;
    http.end_headers()?;
    for piece in ["hello", " ", "world"] {
        let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
        match http.path.as_str() {
            "/cut" => chunk.as_bytes().chunks(1).try_for_each(|byte| http.wfile.write_all(byte))?,
            _ => http.wfile.write_all(chunk.as_bytes())?,
        }
    }
    match http.path.as_str() {
        "/unended" => Ok(()),
        "/wrong" => http.wfile.write_all(b"no chunk\r\n"),
        _ => http.wfile.write_all(b"0\r\n\r\n"),
    }
}

#[test]
fn a_handlers_own_chunks_reach_every_client_as_it_can_read_them() {
    let server = serve(answering(own_chunks));
    let old = serve(noting(answering(own_chunks)));
    for path in ["/", "/cut"] {
        let mut browser = Browser::connect(&server);
        let reply = browser.ask(get(path));
        assert_eq!(reply.headers("Transfer-Encoding"), ["chunked"]);
        assert_eq!(reply.text(), "hello world");
        assert_eq!(browser.ask(get(path)).text(), "hello world", "kept");
        let head = browser.ask(format!("HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert_eq!(head.headers("Transfer-Encoding"), ["chunked"]);
        for (server, request) in [
            (&server, format!("GET {path} HTTP/1.0\r\n\r\n")),
            (&server, format!("GET {path} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")),
            // A response of HTTP/1.0 has no transfer coding, whoever reads it (RFC 9112 §6.1).
            (&old, get(path)),
        ] {
            let reply = show(talk(server, &request));
            assert!(!reply.contains("Transfer-Encoding"), "{reply}");
            assert!(reply.ends_with("\\r\\n\\r\\nhello world"), "{reply}");
        }
        assert_eq!(show(talk(&server, format!("GET {path}\r\n"))), "hello world");
    }
}

#[test]
fn chunks_that_no_client_could_read_end_the_connection() {
    let handler = answering(own_chunks);
    let (log, errors) = (handler.log.clone(), handler.errors.clone());
    let server = serve(handler);
    for request in [get("/unended"), "GET /unended HTTP/1.0\r\n\r\n".to_owned()] {
        // A client of HTTP/1.0 is told by a reset.
        let reply = hear_out(server.address, request.as_bytes());
        assert!(find(&reply, b"world").is_some() && !reply.ends_with(b"0\r\n\r\n"));
        log.next();
        let line = request.lines().next().unwrap();
        let what = "the response ended without its last chunk";
        assert_eq!(log.next(), format!("while answering \"{line}\": {what}"));
    }
    for request in [get("/wrong"), "GET /wrong HTTP/1.0\r\n\r\n".to_owned()] {
        let reply = hear_out(server.address, request.as_bytes());
        assert!(find(&reply, b"world").is_some() && find(&reply, b"no chunk").is_none());
        let error = errors.next();
        let what = "wfile: not in the chunked coding that Transfer-Encoding announces: no chunk";
        assert!(error.contains(what), "{error}");
    }
}

/// What a handler writes with a mistake in it, in one call. It goes on as if nothing were wrong.
const WRONG_CHUNKS: [&str; 5] = [
    "5\r\nhello\r\n0\r\n\r\nmore",
    "0\r\n\r\n0\r\n\r\n",
    "5\r\nhello\r\nx\r\n0\r\n\r\n",
    "5\r\nhell",
    "x\r\n",
];

#[test]
fn a_handler_that_ignores_the_error_of_its_chunks_has_its_connection_closed() {
    for (wrong, before) in WRONG_CHUNKS.into_iter().zip(["", "5\r\nhello\r\n"].iter().cycle()) {
        for after in ["", "\n", "0\r\n\r\n", "5\r\nworld\r\n0\r\n\r\n"] {
            let handler = answering(move |http| {
                http.send_response(200)?;
                http.send_header("Transfer-Encoding", "chunked")?;
                http.end_headers()?;
                http.wfile.write_all(before.as_bytes())?;
                for text in [wrong, after] {
                    let _ = http.wfile.write_all(text.as_bytes());
                }
                Ok(())
            });
            let log = handler.log.clone();
            let server = serve(handler);
            let reply = show(talk(&server, [get("/a"), get("/b")].concat()));
            assert_eq!(reply.matches("HTTP/1.1").count(), 1, "{wrong:?} {after:?}: {reply}");
            assert!(!reply.ends_with("\\r\\n0\\r\\n\\r\\n"), "{wrong:?} {after:?}: {reply}");
            log.next();
            let what = "the response ended without its last chunk";
            let line = format!("while answering \"GET /a HTTP/1.1\": {what}");
            assert_eq!(log.next(), line, "{wrong:?} {after:?}");
        }
    }
}

#[test]
fn other_codings_are_the_handlers_matter() {
    let server = serve(answering(|http| {
        http.send_response(200)?;
        let path = http.path.clone();
        for coding in path[1..].split('/') {
            http.send_header("Transfer-Encoding", coding)?;
        }
        http.end_headers()?;
        http.wfile.write_all(b"5\r\nbytes\r\n0\r\n\r\n")
    }));
    let kept =
        show(talk(&server, get("/gzip,chunked") + &get("/x").replace("x HTTP", "gzip HTTP")));
    assert_eq!(kept.matches("HTTP/1.1 200").count(), 2, "{kept}");
    // Nothing ends the second one but the end of the connection (RFC 9112 §6.3).
    assert_eq!(kept.matches("Connection: close").count(), 1, "{kept}");
    for (request, status) in [
        (get("/gzip/chunked"), 200),
        (get("/chunked/chunked"), 200),
        (get("/chunked/gzip"), 500),
        (get("/gzip,chunked/gzip"), 500),
        ("GET /gzip HTTP/1.0\r\n\r\n".to_owned(), 500),
        ("GET /gzip,chunked HTTP/1.0\r\n\r\n".to_owned(), 500),
    ] {
        let request = request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
        let reply = talk(&server, &request);
        assert!(reply.starts_with(format!("HTTP/1.1 {status} ").as_bytes()), "{request:?}");
    }
}

/// Writes 5 bytes of 50.
fn too_short(http: &mut Exchange<'_>) -> io::Result<()> {
    http.send_response(200)?;
    http.send_header("Content-Length", 50)?;
    http.end_headers()?;
    match http.path.as_str() {
        "/nothing" => Ok(()),
        "/late" => http.wfile.flush(),
        _ => http.wfile.write_all(b"hello"),
    }
}

#[test]
fn a_body_that_is_shorter_than_it_says_is_a_line_in_the_log() {
    for (request, log) in [
        ("GET /", &["the response ended after 5 of 50 bytes of its Content-Length"][..]),
        ("POST /", &["the response ended after 5 of 50 bytes of its Content-Length"]),
        ("GET /nothing", &["the response ended after 0 of 50 bytes of its Content-Length"]),
        ("GET /late", &["the response ended after 0 of 50 bytes of its Content-Length"]),
        // A length alone is what HEAD asks for.
        ("HEAD /", &[]),
    ] {
        for version in ["1.1", "1.0"] {
            let handler = answering(too_short);
            let notes = handler.log.clone();
            let server = Running::start(bind::<Sequential, _>(handler));
            let request = format!("{request} HTTP/{version}");
            talk(&server, format!("{request}\r\nHost: x\r\nConnection: close\r\n\r\n"));
            server.stop();
            let access = format!("\"{request}\" 200 -");
            let falls_short =
                log.iter().map(|what| format!("while answering \"{request}\": {what}"));
            let expected: Vec<_> = [access].into_iter().chain(falls_short).collect();
            assert_eq!(notes.so_far(), expected, "{request}");
        }
    }
}

#[test]
fn a_client_that_leaves_is_no_short_body() {
    let done = Notes::new();
    let handler = answering({
        let done = done.clone();
        move |http| {
            http.send_response(200)?;
            http.send_header("Content-Length", 1 << 30)?;
            http.end_headers()?;
            // As handlers do that have nobody to tell.
            while http.wfile.write_all(&[b'x'; 65_536]).is_ok() {}
            done.add(());
            Ok(())
        }
    });
    let log = handler.log.clone();
    let server = Running::start(bind::<Sequential, _>(handler));
    let mut client = server.connect();
    client.send(get("/"));
    client.read_exactly(100);
    drop(client);
    done.next();
    server.stop();
    assert_eq!(log.so_far(), ["\"GET / HTTP/1.1\" 200 -"]);
}

#[test]
fn a_failure_is_reported_with_its_request() {
    struct Failing;

    impl HttpRequestHandler for Failing {
        fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
            match http.path.as_str() {
                "/panic" => panic!("at once"),
                _ => Err(io::Error::from(io::ErrorKind::NotFound)),
            }
        }

        fn log_request(
            &self,
            http: &Exchange<'_>,
            code: socketserver::http::Status,
            _: Option<u64>,
        ) {
            BaseHttpRequestHandler.log_request(http, code, None);
        }
    }

    let name = "http_responses::a_failure_is_reported_with_its_request";
    let printed = in_a_process_of_its_own(name, || {
        let server = Running::start(bind::<ThreadPool, _>(Failing));
        talk(&server, "GET /enotfound HTTP/1.1\r\nHost: x\r\n\r\n");
        talk(&server, "GET /\x1b[31m\"\\ HTTP/1.0\r\n\r\n");
        talk(&server, "GET /panic HTTP/1.1\r\nHost: x\r\n\r\n");
        server.stop();
    });
    if printed.is_empty() {
        // In the process itself.
        return;
    }
    for line in [
        r#"while answering "GET /enotfound HTTP/1.1": entity not found"#,
        r#"while answering "GET /\x1b[31m\"\\ HTTP/1.0": entity not found"#,
        r#"while answering "GET /panic HTTP/1.1": handler panicked: at once"#,
    ] {
        let found: Vec<_> = printed.lines().filter(|other| *other == line).collect();
        assert_eq!(found.len(), 1, "{line}\n{printed}");
    }
}

#[test]
fn a_failures_error_keeps_its_kind_and_its_source() {
    struct Telling(Notes<(io::ErrorKind, Option<i32>)>);

    impl HttpRequestHandler for Telling {
        fn do_get(&self, _: &mut Exchange<'_>) -> io::Result<()> {
            Err(io::Error::from_raw_os_error(28))
        }

        fn log_message(&self, _: &Exchange<'_>, _: std::fmt::Arguments<'_>) {}

        fn handle_error(&self, _: &socketserver::Address, error: &io::Error) {
            let source = std::error::Error::source(error);
            let source = source.and_then(|source| source.downcast_ref::<io::Error>());
            self.0.add((error.kind(), source.and_then(io::Error::raw_os_error)));
        }
    }

    let errors = Notes::new();
    let server = serve(Telling(errors.clone()));
    talk(&server, "GET / HTTP/1.0\r\n\r\n");
    assert_eq!(errors.next(), (io::ErrorKind::StorageFull, Some(28)));
}

#[test]
fn a_refusal_of_head_has_no_body_either() {
    let server = serve(statuses().timeouts(Timeouts::default().head(MOMENT * 4)));
    let many = format!("Host: h\r\n{}\r\n", "X: y\r\n".repeat(100));
    for (rest, ends, status) in [
        ("\r\n", false, 400),
        ("Host: h\r\nA b\r\n\r\n", false, 400),
        ("Host: h\r\nContent-Length: x\r\n\r\n", false, 400),
        (many.as_str(), false, 431),
        // Of a head that is not whole, the method is known with the first line.
        ("Ho", true, 400),
        ("Ho", false, 408),
        ("", false, 408),
    ] {
        for method in ["HEAD", "GET"] {
            let mut client = server.connect();
            client.send(format!("{method} / HTTP/1.1\r\n{rest}"));
            if ends {
                client.finish_sending();
            }
            let reply = client.read_to_end();
            assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{rest}: {reply}");
            assert!(reply.contains("\r\nContent-Length: "), "{rest}: {reply}");
            let has_body = !reply.ends_with("\r\n\r\n");
            assert_eq!(has_body, method == "GET", "{status} for {rest:?}: {reply}");
        }
    }
    // A request line that is refused itself, or of which no more than the method is known.
    let long = "a".repeat(65_536);
    for (target, ends, status) in [
        (" */x HTTP/1.1\r\nHost: x\r\n\r\n", false, 400),
        (" http:///a HTTP/1.1\r\nHost: x\r\n\r\n", false, 400),
        (" http://h:99999/ HTTP/1.1\r\nHost: x\r\n\r\n", false, 400),
        (" / HTTP/2.0\r\n\r\n", false, 505),
        (" / HTTP/0.9\r\n\r\n", false, 505),
        (" / HTTP/x\r\n\r\n", false, 400),
        (" / a HTTP/1.1\r\n\r\n", false, 400),
        ("\t/\0 HTTP/1.1\r\n\r\n", false, 400),
        ("\r\n", false, 400),
        (&format!(" /{long} HTTP/1.1\r\n\r\n"), false, 414),
        (&format!(" /{long}"), false, 414),
        (" /", true, 400),
        (" /", false, 408),
    ] {
        for (method, is_head) in
            [("HEAD", true), ("  HEAD", true), ("HEADS", false), ("head", false), ("BREW", false)]
        {
            let mut client = server.connect();
            client.send(format!("{method}{target}"));
            if ends {
                client.finish_sending();
            }
            let reply = client.read_to_end();
            let shown = target.get(..40).unwrap_or(target);
            assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{shown:?}: {reply}");
            assert!(reply.contains("\r\nContent-Length: "), "{shown:?}: {reply}");
            let has_body = !reply.ends_with("\r\n\r\n");
            assert_eq!(has_body, !is_head, "{status} for {method}{shown:?}: {reply}");
        }
    }
    // It may become another method, and the second line is not the request's.
    for (bytes, ends) in [("HEAD", true), (" \r\nHEAD / HTTP/1.1\r\nHost: x\r\n\r\n", false)] {
        let mut client = server.connect();
        client.send(bytes);
        if ends {
            client.finish_sending();
        }
        let reply = client.read_to_end();
        assert!(reply.starts_with("HTTP/1.1 400 ") && !reply.ends_with("\r\n\r\n"), "{reply}");
    }
}
