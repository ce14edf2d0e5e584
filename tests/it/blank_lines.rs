//! Empty lines before a request, which a server skips (RFC 9112 §2.2), and what they may cost.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use socketserver::{Sequential, ThreadPool, Timeouts};

use crate::support::{Client, LIMIT, MOMENT, Running, Strategy, ThreadPerConnection, bind};
use crate::web::{Browser, answering, get, send_back, serve, show};

/// Sends this now and then until the connection ends; returns what was heard, and after how long.
#[track_caller]
fn keep_sending(client: &mut Client, bytes: &[u8]) -> (Vec<u8>, Duration) {
    let began = Instant::now();
    while !client.hears(MOMENT / 5) && client.stream.write_all(bytes).is_ok() {
        assert!(began.elapsed() < LIMIT, "nothing stops this client");
    }
    let (mut heard, ended) = (Vec::new(), began.elapsed());
    let _ = client.stream.read_to_end(&mut heard);
    (heard, ended)
}

fn blank_lines_have_a_heads_time<C: Strategy>() {
    let timeouts = Timeouts::default().head(MOMENT * 4);
    let server = Running::start(bind::<C, _>(answering(send_back).timeouts(timeouts)));
    for line_end in ["\r\n", "\n"] {
        // Before the first request, after one, and after one that was followed by them already.
        for before in [vec![], vec![get("/")], vec![get("/"), "\r\n".into(), get("/")]] {
            let mut browser = Browser::connect(&server);
            for request in before {
                browser.send(&request);
                if request.len() > 2 {
                    assert_eq!(browser.reply().status(), 200);
                }
            }
            let (heard, ended) = keep_sending(&mut browser.client, line_end.as_bytes());
            assert_eq!(show(heard), "", "what asks for nothing is closed without an answer");
            assert!(ended >= MOMENT * 3, "closed after {ended:?}");
        }
    }
}

#[test]
fn they_have_the_time_of_a_head_when_sequential() {
    blank_lines_have_a_heads_time::<Sequential>();
}

#[test]
fn they_have_the_time_of_a_head_on_threads() {
    blank_lines_have_a_heads_time::<ThreadPool>();
}

#[test]
fn they_have_the_time_of_a_head_on_threads_of_their_own() {
    blank_lines_have_a_heads_time::<ThreadPerConnection>();
}

#[test]
fn a_head_has_the_time_that_the_lines_before_it_have_left() {
    let timeouts = Timeouts::default().head(MOMENT * 8);
    let server = serve(answering(send_back).timeouts(timeouts));
    let mut browser = Browser::connect(&server);
    let began = Instant::now();
    browser.send("\r\n");
    browser.client.hears_nothing_for(MOMENT * 4);
    browser.send("GET / HTTP/1.1\r\n");
    let reply = browser.reply();
    assert_eq!(reply.status(), 408);
    assert!(began.elapsed() < MOMENT * 11, "{:?}", began.elapsed());
}

#[test]
fn one_after_a_body_does_no_harm() {
    let server = serve(answering(send_back));
    let mut browser = Browser::connect(&server);
    let post = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na=b";
    for after in ["\r\n", "\n", "\r\n\r\n"] {
        // At once, and in a packet of its own.
        browser.send(format!("{post}{after}"));
        assert_eq!(browser.reply().text(), "a=b");
        browser.send(post);
        assert_eq!(browser.reply().text(), "a=b");
        browser.send(after);
        browser.client.hears_nothing_for(MOMENT);
    }
    assert_eq!(browser.ask(get("/")).status(), 200);
}

fn an_endless_stream_is_refused<C: Strategy>() {
    let server = Running::start(bind::<C, _>(answering(send_back)));
    for line_end in ["\r\n", "\n"] {
        let mut browser = Browser::connect(&server);
        let lines = line_end.repeat(16 * 1024 / line_end.len());
        let mut sent = 0;
        while browser.client.stream.write_all(lines.as_bytes()).is_ok() {
            sent += lines.len();
            assert!(sent < 64 << 20, "{sent} bytes of nothing were taken");
            if browser.client.hears(Duration::ZERO) {
                break;
            }
        }
        let mut heard = Vec::new();
        let _ = browser.client.stream.read_to_end(&mut heard);
        // A client that goes on sending may lose the answer to the reset that ends it.
        let answer = b"HTTP/1.1 431 Headers too large\r\n";
        assert!(heard.is_empty() || heard.starts_with(answer), "{}", show(&heard));
    }
}

#[test]
fn an_endless_stream_of_them_is_refused_when_sequential() {
    an_endless_stream_is_refused::<Sequential>();
}

#[test]
fn an_endless_stream_of_them_is_refused_on_threads() {
    an_endless_stream_is_refused::<ThreadPool>();
}

#[test]
fn they_count_in_the_limit_of_a_head_however_they_arrive() {
    let server = serve(answering(send_back));
    let request = get("/");
    for (total, status) in [(262_144, 200), (262_145, 431)] {
        let blank = "\n".repeat(total - request.len());
        for cuts in [vec![], vec![total - request.len()], vec![total - 2], vec![8_192, total - 9]] {
            let bytes = format!("{blank}{request}");
            let mut browser = Browser::connect(&server);
            let mut from = 0;
            for cut in cuts.into_iter().chain([total]) {
                // One that is refused early may have been closed.
                let _ = browser.client.stream.write_all(&bytes.as_bytes()[from..cut]);
                browser.client.hears(MOMENT / 5);
                from = cut;
            }
            assert_eq!(browser.reply().status(), status, "{total} bytes");
        }
    }
}

/// The one that has sent nothing but empty lines has waited longest, however lately it did.
#[test]
fn they_do_not_make_a_connection_younger() {
    let mut server = bind::<Sequential, _>(answering(send_back));
    server.max_connections = 3;
    let server = Running::start(server);
    let mut blank = Browser::connect(&server);
    blank.send("\r\n");
    let mut idle = Browser::connect(&server);
    assert_eq!(idle.ask(get("/")).status(), 200);
    blank.send("\r\n");
    // Answered after that was looked at.
    let mut other = Browser::connect(&server);
    assert_eq!(other.ask(get("/")).status(), 200);
    assert_eq!(Browser::connect(&server).ask(get("/")).status(), 200);
    blank.client.sees_the_end();
    assert_eq!(idle.ask(get("/")).status(), 200);
}
