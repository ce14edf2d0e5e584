//! Requests in pieces, several at once, of random bytes, and as large as they may be.

use std::io::{self, BufRead, Read, Write};
use std::thread;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use socketserver::ThreadingUnixStreamServer;
use socketserver::http::Exchange;

use crate::http_framing::{CHUNKED, NOT_CHUNKED, SMUGGLED, chunked, not_reading, post, reading};
use crate::support::{Client, Gate, Notes, Running, free_path};
use crate::web::{
    Browser, Noting, Site, answer, answering, ask, find, get, hear_out, masked, noting, send_back,
    serve, show,
};

/// Requests of all kinds, most of them complete.
fn corpus() -> Vec<Vec<u8>> {
    let mut corpus: Vec<Vec<u8>> = [
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "\r\n\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\nHost: x\nX: y\n\n",
        "GET /old\r\n",
        "GET /old\r\n\r\n",
        "GET /old HTTP/0.9\r\n\r\n",
        "POST /old\r\n\r\n",
        "GET\r\n\r\n",
        "GET / FUBAR\r\n\r\n",
        "GET / HTTP/2.0\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nBad : y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n fold\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nX: y",
        "GET / HTT",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nHELLO",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nHEL",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5x\r\n\r\nHELLO",
        "HEAD / HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\nGET /3\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nHELLOGET /2 HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n!",
    ]
    .map(|request| request.as_bytes().to_vec())
    .into();
    corpus.extend(CHUNKED.map(|(body, _)| chunked(body).into_bytes()));
    corpus.extend(NOT_CHUNKED.map(|body| chunked(body).into_bytes()));
    corpus
}

/// Sends bytes one by one, then the end, and reads what comes.
fn dribble(server: &Running, bytes: &[u8]) -> Vec<u8> {
    let mut client = Client::connect(server.address);
    for byte in bytes {
        // Whoever is refused early need not take it all.
        if client.stream.write_all(&[*byte]).is_err() {
            break;
        }
        thread::yield_now();
    }
    let _ = client.stream.shutdown(std::net::Shutdown::Write);
    let mut heard = Vec::new();
    if let Err(error) = client.stream.read_to_end(&mut heard) {
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
    heard
}

#[test]
fn a_request_that_comes_byte_by_byte_is_answered_as_one_that_comes_at_once() {
    let ((reading, _), (not_reading, _)) = (reading(), not_reading());
    for server in [reading, not_reading] {
        for request in corpus() {
            let at_once = masked(hear_out(server.address, &request));
            let dribbled = masked(dribble(&server, &request));
            assert_eq!(show(dribbled), show(at_once), "{:?}", show(request));
        }
    }
}

#[test]
fn a_chunked_request_may_be_cut_anywhere() {
    let (server, _) = reading();
    let body = "5;a=b\r\nHELLO\r\n0000a\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n";
    let request = chunked(body) + &get("/next");
    let mut browser = Browser::connect(&server);
    for cut in 0..=request.len() {
        browser.send(&request[..cut]);
        thread::yield_now();
        browser.send(&request[cut..]);
        assert_eq!(browser.reply().text(), "POST /first \"HELLO0123456789\"", "{cut}");
        assert_eq!(browser.reply().text(), "GET /next \"\"", "{cut}");
    }
}

#[test]
fn requests_sent_together_are_answered_one_by_one_in_order() {
    let (server, paths) = reading();
    let mut browser = Browser::connect(&server);
    let mut requests = String::new();
    for number in 0..100 {
        requests += &format!("POST /{number} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
    }
    browser.send(requests);
    for number in 0..100 {
        assert_eq!(browser.reply().text(), format!("POST /{number} \"abc\""));
    }
    let expected: Vec<_> = (0..100).map(|number| format!("/{number}")).collect();
    assert_eq!(paths.so_far(), expected);
}

#[test]
fn an_unread_body_within_bounds_keeps_the_connection() {
    let (server, _) = not_reading();
    let mut browser = Browser::connect(&server);
    for length in [1, 8_191, 8_192, 200_000] {
        browser.send(post(&format!("Content-Length: {length}\r\n\r\n")));
        browser.send("x".repeat(length));
        assert_eq!(browser.reply().text(), "unread", "{length}");
    }
    assert_eq!(browser.ask(get("/")).text(), "unread");
}

#[test]
fn an_unread_body_beyond_bounds_closes_the_connection_after_the_reply() {
    let (server, paths) = not_reading();
    let mut client = server.connect();
    let request = post("Content-Length: 4294967296\r\n\r\n") + &SMUGGLED.repeat(10_000);
    let mut stream = client.stream.try_clone().unwrap();
    // The server takes as much as it likes.
    let sending = thread::spawn(move || stream.write_all(request.as_bytes()));
    let mut heard = Vec::new();
    // Its end may be a reset, once it has thrown away enough.
    let _ = client.stream.read_to_end(&mut heard);
    assert!(heard.ends_with(b"\r\n\r\nunread"), "{}", show(heard));
    let _ = sending.join().unwrap();
    assert_eq!(paths.so_far(), ["/first"]);
}

#[test]
fn a_body_is_read_by_lines_as_far_as_it_goes() {
    let server = serve(answering(|http: &mut Exchange<'_>| {
        let lines: io::Result<Vec<_>> = http.rfile.by_ref().lines().collect();
        assert!(http.rfile.is_ended());
        let text = format!("{:?}", lines?);
        answer(http, text)
    }));
    let request = chunked("3\r\na\nb\r\n4\r\nc\n\nd\r\n0\r\n\r\n") + &get("/next");
    let mut browser = Browser::connect(&server);
    assert_eq!(browser.send(request).reply().text(), "[\"a\", \"bc\", \"\", \"d\"]");
    assert_eq!(browser.reply().text(), "[]");
}

#[test]
fn a_limit_that_is_exceeded_can_be_read_about_although_more_is_sent() {
    let site = Site::new();
    let (server, _) = reading();
    let plain = serve(noting(site.handler()));
    let more = "x".repeat(200_000);
    for (head, status) in [
        (format!("GET /{more}"), 414),
        (format!("GET / HTTP/1.1\r\nHost: x\r\nX: {more}"), 431),
        (format!("GET / HTTP/1.1\r\nHost: x\r\n{}", "X: y\r\n".repeat(50_000)), 431),
        (format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: y\r\n".repeat(101)), 431),
        (
            format!(
                "GET / HTTP/1.1\r\nHost: x\r\n{}\r\n",
                format!("X: {}\r\n", "y".repeat(60_000)).repeat(5)
            ),
            431,
        ),
        (format!("GET / HTTP/1.1\r\nHost: x y\r\n\r\n{more}"), 400),
        (format!("GET / HTTP/3.0\r\n\r\n{more}"), 505),
    ] {
        for server in [&server, &plain] {
            let mut browser = Browser::connect(server);
            // All of it is sent before anything is read.
            browser.send(&head);
            assert_eq!(browser.reply().status(), status, "{head:.40}");
            browser.sees_the_end();
        }
    }
}

#[test]
fn limits_count_exactly() {
    let (server, _) = reading();
    let line = |length: usize| {
        // Its end counts, as in CPython.
        let rest = "GET / HTTP/1.1\r\n".len();
        format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(length - rest))
    };
    assert_eq!(ask(&server, line(65_536)).status(), 200);
    assert_eq!(ask(&server, line(65_537)).status(), 414);
    let header = |length: usize| {
        let rest = "X: \r\n".len();
        format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(length - rest))
    };
    assert_eq!(ask(&server, header(65_536)).status(), 200);
    assert_eq!(ask(&server, header(65_537)).status(), 431);
    let headers =
        |count: usize| format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: y\r\n".repeat(count - 1));
    assert_eq!(ask(&server, headers(99)).status(), 200);
    assert_eq!(ask(&server, headers(100)).status(), 431);
}

#[test]
fn a_request_that_fills_the_buffer_exactly_is_served() {
    let (server, _) = reading();
    // Buffers double from 8 KiB on.
    for size in [8_191, 8_192, 8_193, 16_383, 16_384, 16_385, 32_768] {
        let rest = "GET / HTTP/1.1\r\nHost: x\r\n\r\n".len();
        let request = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(size - rest));
        assert_eq!(request.len(), size);
        let mut browser = Browser::connect(&server);
        browser.send(request + &get("/next"));
        assert_eq!(browser.reply().status(), 200);
        assert_eq!(browser.reply().text(), "GET /next \"\"");
    }
}

/// Splits a body into chunks of these sizes, the last one taking what is left.
fn encode(body: &[u8], sizes: &[usize]) -> Vec<u8> {
    let mut encoded = Vec::new();
    let mut rest = body;
    for size in sizes.iter().copied().chain([usize::MAX]) {
        let (chunk, left) = rest.split_at(size.min(rest.len()));
        if !chunk.is_empty() {
            encoded.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
            encoded.extend(chunk);
            encoded.extend(b"\r\n");
        }
        rest = left;
    }
    encoded.extend(b"0\r\n\r\n");
    encoded
}

fn echoing(piece: usize) -> Noting<impl socketserver::http::HttpRequestHandler> {
    answering(move |http| {
        http.send_response(200)?;
        http.end_headers()?;
        let mut buffer = vec![0; piece];
        loop {
            match http.rfile.read(&mut buffer)? {
                0 => return Ok(()),
                count => http.wfile.write_all(&buffer[..count])?,
            }
        }
    })
}

#[test]
fn any_body_in_any_chunks_comes_back_in_chunks() {
    for piece in [1, 7, 10_000] {
        let server = serve(echoing(piece));
        let mut runner =
            TestRunner::new(Config { cases: 40, failure_persistence: None, ..Config::default() });
        let bodies = (vec(any::<u8>(), 0..2_000), vec(1..700_usize, 0..8));
        let checked = runner.run(&bodies, |(body, sizes)| {
            let mut browser = Browser::connect(&server);
            browser.send(post("Transfer-Encoding: chunked\r\n\r\n"));
            browser.send(encode(&body, &sizes));
            let reply = browser.reply();
            prop_assert!(reply.body == body);
            prop_assert_eq!(browser.ask(get("/")).body.len(), 0);
            Ok(())
        });
        checked.unwrap();
    }
}

#[test]
fn random_bytes_get_an_answer_or_an_end_and_hurt_nobody() {
    let server = serve(answering(send_back));
    let mut runner =
        TestRunner::new(Config { cases: 200, failure_persistence: None, ..Config::default() });
    let words = prop::sample::select(vec![
        "GET ",
        "/ ",
        "HTTP/1.1",
        "HTTP/1.0",
        "\r\n",
        "\n",
        "\r",
        "\0",
        ":",
        "Host: x",
        "Host",
        "Content-Length: ",
        "5",
        "Transfer-Encoding: ",
        "chunked",
        " ",
        "\t",
        "HEAD ",
        "\u{ff}",
        "0",
    ]);
    let checked = runner.run(&vec(words, 0..30), |words| {
        let heard = hear_out(server.address, words.concat().as_bytes());
        // Not HTTP/0.9: then nothing, or a status line.
        if !words.concat().starts_with("GET ") && !heard.is_empty() {
            prop_assert!(
                find(&heard, b"HTTP/1.1 ") == Some(0) || find(&heard, b"HTTP/1.1 ").is_none()
            );
        }
        Ok(())
    });
    checked.unwrap();
    assert_eq!(ask(&server, get("/")).status(), 200);
}

#[test]
fn read_all_reads_a_body_up_to_its_limit_and_refuses_a_longer_one() {
    let handler = answering(|http| {
        let body = http.rfile.read_all(5)?;
        answer(http, body)
    });
    let server = serve(handler.body_buffer_size(0));
    let chunked = |body| format!("Transfer-Encoding: chunked\r\n\r\n{body}");
    for (request, body) in [
        ("Content-Length: 5\r\n\r\nhello".to_owned(), "hello"),
        ("\r\n".to_owned(), ""),
        (chunked("2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"), "hello"),
    ] {
        let mut browser = Browser::connect(&server);
        let reply = browser.ask(post(&request));
        assert_eq!((reply.status(), reply.text()), (200, body), "{request:?}");
        assert_eq!(browser.ask(get("/")).status(), 200, "the body was read to its end");
    }
    // Of the first, nothing but the length arrives.
    for request in [
        "Content-Length: 6\r\n\r\n".to_owned(),
        chunked("6\r\nhellos\r\n"),
        // The size of a chunk is enough, too.
        chunked("ffffffffffffffff\r\n"),
        chunked("2\r\nhe\r\n4\r\n"),
    ] {
        let reply = ask(&server, post(&request));
        assert_eq!(
            (reply.status(), reply.reason()),
            (413, "The body is longer than 5 bytes"),
            "{request:?}"
        );
    }
}

#[test]
fn a_request_that_comes_during_the_last_response_does_not_reset_the_connection() {
    let (begun, gate) = (Notes::new(), Gate::new());
    let handler = answering({
        let (begun, gate) = (begun.clone(), gate.clone());
        move |http| {
            begun.add(());
            gate.pass();
            answer(http, "last")
        }
    });
    // On a Unix socket, what was sent has arrived.
    let running = Running::start(ThreadingUnixStreamServer::bind(free_path(), handler).unwrap());
    let mut client = running.connect();
    client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    begun.next();
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    gate.let_through(1);
    assert!(client.read_to_end().ends_with("\r\n\r\nlast"));
    assert!(begun.so_far().is_empty());
}
