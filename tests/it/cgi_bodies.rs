//! Chunked bodies on their way to programs: stored first, within bounds, or passed on as they come.

use std::fs;

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use socketserver::http::CgiHttpRequestHandler;
use socketserver::{Sequential, Timeouts};

use crate::cgi_site::{CgiSite, request, text};
use crate::support::{MOMENT, Notes, Running, bind, in_a_process_of_its_own, open_descriptors};
use crate::web::{Browser, Reply, noting, serve};

const COUNT: &str = "echo Content-Type: text/plain; echo; echo $CONTENT_LENGTH; wc -c";

/// A request with this body, in chunks.
fn chunked(target: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = request("POST", target, "Transfer-Encoding: chunked\r\n").into_bytes();
    for chunk in body.chunks(10_000) {
        bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        bytes.extend([chunk, b"\r\n"].concat());
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

/// A server that stores so many bytes.
fn limited(site: &CgiSite, limit: Option<u64>) -> (Running, Notes<String>) {
    let handler = noting(site.handler().chunked_body_limit(limit)).http11();
    let log = handler.log.clone();
    (serve(handler), log)
}

/// What a script counts in two ways.
fn counted(reply: &Reply) -> Vec<usize> {
    text(reply).split_ascii_whitespace().map(|word| word.parse().unwrap()).collect()
}

#[test]
fn a_chunked_body_of_any_length_has_one_for_the_script() {
    let site = CgiSite::new(&[("count", COUNT), ("copy", "echo Content-Type: a; echo; exec cat")]);
    site.with_each_strategy(|server, _| {
        // In memory, at the limit of that, and in a file.
        for length in [0, 1, 65_535, 65_536, 65_537, 3_000_000] {
            let body: Vec<u8> = (0..length).map(|position: u32| (position % 251) as u8).collect();
            let mut browser = Browser::connect(server);
            let reply = browser.ask(chunked("/cgi-bin/count", &body));
            assert_eq!(counted(&reply), [body.len(); 2], "{}", reply.head);
            // The same connection goes on.
            let reply = browser.ask(chunked("/cgi-bin/copy", &body));
            assert!(reply.body == body, "{length}: {}", reply.head);
        }
    });
}

#[test]
fn a_chunked_body_beyond_the_limit_is_413_and_its_script_is_not_started() {
    let site = CgiSite::new(&[("count", &format!("touch started; {COUNT}"))]);
    for (limit, fits, too_long) in [(0, 0, 1), (10, 10, 11), (100_000, 100_000, 100_001)] {
        let (server, log) = limited(&site, Some(limit));
        let ask =
            |length| Browser::connect(&server).ask(chunked("/cgi-bin/count", &vec![b'x'; length]));
        assert_eq!(counted(&ask(fits)), [fits; 2]);
        fs::remove_file(site.site.path("cgi-bin/started")).unwrap();
        log.so_far();
        let reply = ask(too_long);
        let message = format!("The body is longer than {limit} bytes");
        assert_eq!((reply.status(), reply.reason()), (413, message.as_str()));
        assert_eq!(reply.header("Connection"), Some("close"));
        assert_eq!(log.next(), format!("code 413, message {message}"));
        assert!(!site.site.path("cgi-bin/started").exists());
        // One with a length is passed on, as long as it may be.
        let length = format!("Content-Length: {too_long}\r\n");
        let asked = request("POST", "/cgi-bin/count", &length) + &"x".repeat(too_long);
        assert_eq!(counted(&Browser::connect(&server).ask(asked)), [too_long; 2]);
        fs::remove_file(site.site.path("cgi-bin/started")).unwrap();
    }
}

#[test]
fn a_chunk_whose_size_is_beyond_the_limit_is_413_before_its_bytes_have_come() {
    let site = CgiSite::new(&[("count", COUNT)]);
    let (server, _) = limited(&site, Some(100_000));
    for (before, size) in [(0, "ffffffffffffffff"), (0, "186a1"), (1, "186a0"), (70_000, "7531")] {
        let mut bytes = request("POST", "/cgi-bin/count", "Transfer-Encoding: chunked\r\n");
        if before > 0 {
            bytes += &format!("{before:x}\r\n{}\r\n", "x".repeat(before));
        }
        // None of its bytes are sent, and the client waits.
        bytes += &format!("{size}\r\n");
        assert_eq!(Browser::connect(&server).ask(bytes).status(), 413, "{before} {size}");
    }
}

/// The directory for temporary files may be memory.
#[test]
fn a_chunked_body_is_stored_up_to_64_mib_by_default() {
    // A program cannot ask for it. What `Debug` shows is for people, such as this test.
    let shown = format!("{:?}", CgiHttpRequestHandler::new("."));
    assert!(shown.contains("chunked_body_limit: Some(67108864),"), "{shown}");
}

#[test]
fn a_script_that_asks_for_it_gets_a_chunked_body_as_it_comes() {
    let echo = "while read it; do echo \"<$it$CONTENT_LENGTH>\"; done";
    let site = CgiSite::new(&[
        ("nph-echo", &format!("printf 'HTTP/1.0 200 OK\\r\\n\\r\\n'; {echo}")),
        ("echo", &format!("echo Content-Type: text/plain; echo; {echo}")),
    ]);
    for (limit, name) in [(Some(64 << 20), "nph-echo"), (None, "echo")] {
        let (server, _) = limited(&site, limit);
        let mut client = server.connect();
        let target = format!("/cgi-bin/{name}");
        client.send(request("POST", &target, "Transfer-Encoding: chunked\r\n"));
        // Each answer comes before the next piece is sent.
        for word in ["one", "two"] {
            client.send(format!("4\r\n{word}\n\r\n"));
            while client.read_line().trim() != format!("<{word}>") {}
        }
        client.send("0\r\n\r\n");
    }
}

#[test]
fn a_broken_or_missing_end_of_a_chunked_body_starts_no_script() {
    let site = CgiSite::new(&[("count", &format!("touch started; {COUNT}"))]);
    let (server, _) = site.serve();
    let head = request("POST", "/cgi-bin/count", "Transfer-Encoding: chunked\r\n");
    for body in ["3\r\nabcd\r\n", "zz\r\n", "3\r\nabc\r\n", "3\r\nab"] {
        let mut browser = Browser::connect(&server);
        browser.send(format!("{head}{body}"));
        browser.client.finish_sending();
        assert_eq!(browser.reply().status(), 400, "{body:?}");
    }
    assert!(!site.site.path("cgi-bin/started").exists());
}

#[test]
fn a_full_disk_is_507_and_neither_files_nor_descriptors_are_left() {
    let name = "cgi_bodies::a_full_disk_is_507_and_neither_files_nor_descriptors_are_left";
    in_a_process_of_its_own(name, || {
        // Instead of the signal, the write fails.
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGXFSZ);
        signals.thread_block().unwrap();
        let site = CgiSite::new(&[("count", COUNT)]);
        let handler = site.noting();
        let (log, errors) = (handler.log.clone(), handler.errors.clone());
        let server = Running::start(bind::<Sequential, _>(handler));
        let ask =
            |length| Browser::connect(&server).ask(chunked("/cgi-bin/count", &vec![b'x'; length]));
        let before = open_descriptors();
        assert_eq!(counted(&ask(90_000)), [90_000; 2]);
        setrlimit(Resource::RLIMIT_FSIZE, 100_000, 100_000).unwrap();
        log.so_far();
        for _ in 0..3 {
            let reply = ask(200_000);
            assert_eq!((reply.status(), reply.reason()), (507, "No room for the body"));
            let line = log.next();
            assert!(line.starts_with("the body of a request cannot be stored in '"), "{line}");
            log.next();
            log.next();
        }
        assert_eq!(counted(&ask(90_000)), [90_000; 2]);
        assert_eq!(errors.so_far(), Vec::<String>::new());
        server.stop();
        assert!(open_descriptors() <= before);
    });
}

/// A handler around the programs has the body waited for before they are started.
#[test]
fn a_chunked_body_that_was_waited_for_and_is_passed_on_is_late_wherever_it_stops() {
    let script = "cat > /dev/null; echo Content-Type: text/plain; echo";
    let site = CgiSite::new(&[("wait", script)]);
    let handler = noting(site.handler().chunked_body_limit(None)).http11().body_buffer_size(1_000);
    let server = serve(handler.timeouts(Timeouts::default().stall(MOMENT * 2)));
    for begun in ["", "5", "5\r\n", "5\r\nab", "5\r\nhello\r\n", "0\r\n"] {
        let head = request("POST", "/cgi-bin/wait", "Transfer-Encoding: chunked\r\n");
        let reply = Browser::connect(&server).ask(head + begun);
        assert_eq!((reply.status(), reply.header("Connection")), (408, Some("close")), "{begun:?}");
    }
}
