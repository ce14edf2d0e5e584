//! Clients that leave, dribble, flood and go silent.

use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;
use std::time::{Duration, Instant};

use socketserver::http::Exchange;
use socketserver::{Sequential, TcpServer, ThreadPool, Timeouts};

use crate::support::{
    Client, Gate, LIMIT, MOMENT, Running, Strategy, bind, in_a_process_of_its_own,
};
use crate::web::{Browser, Site, answer, answering, ask, get, noting, send_back, serve, show};

#[test]
fn a_client_that_vanishes_at_any_byte_of_its_request_hurts_nobody() {
    let handler = answering(send_back);
    let server = serve(handler);
    let request = "POST /first HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
                   5\r\nHELLO\r\n0\r\n\r\nGET /second HTTP/1.1\r\nHost: x\r\n\r\n";
    for end in 0..=request.len() {
        let mut client = server.connect();
        client.send(&request[..end]);
        // Every other one leaves a reset behind.
        if end % 2 == 0 {
            socket2::SockRef::from(&client.stream).set_linger(Some(Duration::ZERO)).unwrap();
        }
    }
    assert_eq!(ask(&server, get("/")).status(), 200);
    assert_eq!(server.stop().report.cut, 0);
}

#[test]
fn a_client_that_vanishes_at_any_byte_of_its_reply_hurts_nobody() {
    let site = Site::new();
    site.write("large", vec![b'x'; 1 << 20]);
    let server = site.serve();
    for path in ["/a.txt", "/sub/", "/large"] {
        for count in (0..400).step_by(7) {
            let mut browser = Browser::connect(&server);
            browser.send(get(path));
            browser.read(count.min(200));
        }
    }
    assert_eq!(ask(&server, get("/large")).body.len(), 1 << 20);
    assert_eq!(server.stop().report.cut, 0);
}

#[test]
fn a_client_that_vanishes_is_no_news() {
    let site = Site::new();
    site.write("large", vec![b'x'; 32 << 20]);
    let handler = noting(site.handler()).http11();
    let errors = handler.errors.clone();
    let server = serve(handler);
    let mut browser = Browser::connect(&server);
    browser.send(get("/large")).read(1);
    drop(browser);
    // The handler hears of it; what is printed of it is another matter.
    let error = errors.next();
    let texts = ["Connection reset by peer", "Broken pipe"];
    assert!(texts.iter().any(|text| error.contains(text)), "{error}");
    assert_eq!(ask(&server, get("/a.txt")).status(), 200);
}

/// Sends a byte now and then until it is answered or closed, and returns what it hears.
fn dribble_on(client: &mut Client, bytes: &[u8]) -> Vec<u8> {
    let started = Instant::now();
    for byte in bytes.iter().cycle() {
        if client.hears(Duration::from_millis(2)) || client.stream.write_all(&[*byte]).is_err() {
            break;
        }
        assert!(started.elapsed() < LIMIT, "nobody stops this client");
    }
    let mut heard = Vec::new();
    let _ = client.stream.read_to_end(&mut heard);
    heard
}

fn short(limit: u64) -> Timeouts {
    Timeouts::default().head(Duration::from_millis(limit))
}

fn slow_heads<C: Strategy>() {
    let server: TcpServer<C, _> = bind(answering(send_back).timeouts(short(60)));
    let server = Running::start(server);
    let mut browser = Browser::connect(&server);
    browser.send("GET / HTTP/1.1\r\n");
    let heard = dribble_on(&mut browser.client, b"X: y\r\n");
    assert!(heard.starts_with(b"HTTP/1.1 408 Request Timeout\r\n"), "{}", show(heard));

    // The second request of a connection has a deadline of its own, and the first byte starts it.
    let mut browser = Browser::connect(&server);
    assert_eq!(browser.ask(get("/")).status(), 200);
    let heard = dribble_on(&mut browser.client, b"GETGETGET");
    assert!(heard.starts_with(b"HTTP/1.1 408 Request Timeout\r\n"), "{}", show(heard));
}

#[test]
fn a_head_that_comes_too_slowly_is_408_when_sequential() {
    slow_heads::<Sequential>();
}

#[test]
fn a_head_that_comes_too_slowly_is_408_on_threads() {
    slow_heads::<ThreadPool>();
}

fn count_body(http: &mut Exchange<'_>) -> io::Result<()> {
    let count = io::copy(&mut http.rfile, &mut io::sink())?;
    answer(http, count.to_string())
}

/// So many bytes a second, and as late as this.
fn rate(bytes: u64, stall: Duration) -> Timeouts {
    Timeouts::default().stall(stall).body_rate(bytes)
}

fn slow_bodies<C: Strategy>() {
    let server: TcpServer<C, _> = bind(answering(send_back).timeouts(rate(1_000_000, MOMENT)));
    let server = Running::start(server);
    for (framing, bytes) in [
        ("Content-Length: 1000000", "x"),
        ("Transfer-Encoding: chunked", "1\r\nx\r\n"),
        // Nothing but a chunk's size, with a name for it that does not end.
        ("Transfer-Encoding: chunked", "1;"),
    ] {
        let mut browser = Browser::connect(&server);
        browser.send(format!("POST / HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n"));
        let heard = dribble_on(&mut browser.client, bytes.as_bytes());
        assert!(heard.starts_with(b"HTTP/1.1 408 Request Timeout\r\n"), "{}", show(heard));
        assert_eq!(ask(&server, get("/")).status(), 200);
    }
}

#[test]
fn a_body_that_comes_too_slowly_is_408_when_sequential() {
    slow_bodies::<Sequential>();
}

#[test]
fn a_body_that_comes_too_slowly_is_408_on_threads() {
    slow_bodies::<ThreadPool>();
}

#[test]
fn a_body_that_came_fast_may_not_dribble_then() {
    let server = serve(answering(count_body).timeouts(rate(100_000, MOMENT * 4)));
    let mut browser = Browser::connect(&server);
    browser.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n");
    // Worth 80 seconds, had it come slowly.
    browser.send(vec![b'x'; 8_000_000]);
    let heard = dribble_on(&mut browser.client, b"x");
    assert!(heard.starts_with(b"HTTP/1.1 408 Request Timeout\r\n"), "{}", show(heard));
}

#[test]
fn a_slow_body_that_keeps_up_is_read() {
    let server = serve(answering(send_back).timeouts(rate(10, MOMENT * 8)));
    let mut browser = Browser::connect(&server);
    browser.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60\r\n\r\n");
    let began = Instant::now();
    for _ in 0..60 {
        browser.client.hears_nothing_for(MOMENT / 5);
        browser.send("x");
    }
    assert!(began.elapsed() > MOMENT * 10, "{:?}", began.elapsed());
    assert!(browser.reply().text().ends_with(&"x".repeat(60)));
}

#[test]
fn a_slow_handler_is_no_slow_client() {
    let gate = Gate::new();
    let handler = {
        let gate = gate.clone();
        answering(move |http| {
            http.rfile.read_exact(&mut [0])?;
            gate.pass();
            let count = io::copy(&mut http.rfile, &mut io::sink())?;
            answer(http, count.to_string())
        })
    };
    let handler = handler.timeouts(rate(1, MOMENT * 8)).body_buffer_size(0);
    let server = serve(handler);
    let mut browser = Browser::connect(&server);
    browser.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nx");
    browser.client.hears_nothing_for(MOMENT * 12);
    gate.let_through(1);
    assert_eq!(browser.send("yz").reply().text(), "2");
}

#[test]
fn a_handler_may_wait_for_a_body_as_long_as_it_takes() {
    let handler = answering(|http| {
        http.rfile.set_timeout(None);
        send_back(http)
    });
    let server = serve(handler.timeouts(rate(1_000_000, MOMENT)).body_buffer_size(0));
    let mut browser = Browser::connect(&server);
    browser.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nx");
    browser.client.hears_nothing_for(MOMENT * 2);
    assert!(browser.send("y").reply().text().ends_with("xy"));
}

fn dribblers<C: Strategy>() {
    let server: TcpServer<C, _> = bind(answering(|http| answer(http, "ok")));
    let server = Running::start(server);
    let mut crowd: Vec<Client> = (0..200).map(|_| server.connect()).collect();
    let head = b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: ";
    for (round, byte) in head.iter().enumerate() {
        for client in &mut crowd {
            client.send([*byte]);
        }
        if round % 4 == 0 {
            assert_eq!(ask(&server, get("/")).text(), "ok");
        }
    }
    // They are served in the end, like everybody.
    for client in &mut crowd {
        client.send("\r\n\r\n");
    }
    for client in &mut crowd {
        assert_eq!(client.read_line(), "HTTP/1.1 200 OK\r");
    }
}

#[test]
fn two_hundred_dribblers_hold_up_nobody_when_sequential() {
    dribblers::<Sequential>();
}

#[test]
fn two_hundred_dribblers_hold_up_nobody_on_threads() {
    dribblers::<ThreadPool>();
}

fn silent_clients<C: Strategy>() {
    let server: TcpServer<C, _> = bind(answering(|http| answer(http, "ok")));
    let server = Running::start(server);
    let mut crowd: Vec<Browser> = (0..100).map(|_| Browser::connect(&server)).collect();
    assert_eq!(ask(&server, get("/")).text(), "ok");
    // The same between requests.
    for browser in &mut crowd {
        assert_eq!(browser.ask(get("/")).text(), "ok");
    }
    assert_eq!(ask(&server, get("/")).text(), "ok");
}

#[test]
fn silent_clients_hold_up_nobody_when_sequential() {
    silent_clients::<Sequential>();
}

#[test]
fn silent_clients_hold_up_nobody_on_threads() {
    silent_clients::<ThreadPool>();
}

#[test]
fn a_client_that_reads_nothing_is_given_up() {
    let limits = Timeouts::default().stall(Duration::from_millis(50));
    let handler = answering(|http| {
        http.send_response(200)?;
        http.end_headers()?;
        let piece = [b'x'; 65_536];
        loop {
            http.wfile.write_all(&piece)?;
        }
    })
    .timeouts(limits);
    let errors = handler.errors.clone();
    let server = serve(handler);
    let mut browser = Browser::connect(&server);
    browser.send(get("/"));
    let error = errors.next();
    assert!(error.ends_with(": timed out"), "{error}");
}

#[test]
fn a_client_that_reads_nothing_of_a_file_is_given_up() {
    let site = Site::new();
    let file = std::fs::File::create(site.path("large")).unwrap();
    file.set_len(1 << 30).unwrap();
    let limits = Timeouts::default().stall(Duration::from_millis(50));
    let handler = noting(site.handler()).http11().timeouts(limits);
    let errors = handler.errors.clone();
    let server = serve(handler);
    let mut browser = Browser::connect(&server);
    browser.send(get("/large"));
    let error = errors.next();
    assert!(error.ends_with(": timed out"), "{error}");
}

/// A client that reads less than its system opens the window for takes nothing, for all that the
/// server can see. That is how Python's limit of a single wait ends, where there is no least rate.
#[test]
fn a_client_that_reads_too_slowly_is_given_up() {
    let site = Site::new();
    let file = std::fs::File::create(site.path("large")).unwrap();
    file.set_len(1 << 30).unwrap();
    let limits = Timeouts::default().each_wait(MOMENT).response_rate(None);
    let handler = noting(site.handler()).http11().timeouts(limits);
    let errors = handler.errors.clone();
    let server = serve(handler);
    let mut browser = Browser::connect(&server);
    browser.send(get("/large"));
    let started = Instant::now();
    let told = loop {
        browser.read(64);
        if let Some(error) = errors.so_far().pop() {
            break error;
        }
        assert!(started.elapsed() < LIMIT, "nobody stops this client");
        thread::park_timeout(Duration::from_millis(1));
    };
    assert!(told.ends_with(": timed out"), "{told}");
}

#[test]
fn a_line_without_end_is_refused_and_not_kept() {
    in_a_process_of_its_own("hostile::a_line_without_end_is_refused_and_not_kept", || {
        let server = serve(answering(send_back));
        let before = peak_memory();
        let mut browser = Browser::connect(&server);
        for _ in 0..1_000 {
            browser.send([b'x'; 65_536]);
        }
        assert_eq!(browser.reply().status(), 414);
        let grown = peak_memory() - before;
        assert!(grown < 16 << 20, "{grown} bytes more");
        assert_eq!(ask(&server, get("/")).status(), 200);
    });
}

#[test]
fn a_client_that_never_reads_its_many_replies_is_cut_off() {
    let limits = Timeouts::default().stall(Duration::from_millis(50));
    let server = serve(answering(|http| answer(http, vec![b'x'; 65_536])).timeouts(limits));
    let mut client = server.connect();
    client.stream.set_write_timeout(Some(LIMIT)).unwrap();
    let requests = get("/").repeat(1_000);
    let sent = (0..1_000).try_for_each(|_| client.stream.write_all(requests.as_bytes()));
    assert!(sent.is_err());
    assert_eq!(ask(&server, get("/")).body.len(), 65_536);
}

/// Lets a client send these bytes over and over, and looks whether somebody else is served.
fn flood(head: &str, bytes: &[u8], pause: Duration) {
    let server: TcpServer<Sequential, _> = bind(answering(|http| answer(http, "ok")));
    let server = Running::start(server);
    let mut client = server.connect();
    client.send(head);
    let (stop, stopped) = crossbeam_channel::bounded::<()>(0);
    thread::scope(|scope| {
        // More than one, so that the server never finds the socket empty.
        for _ in 0..3 {
            let (stopped, mut stream) = (stopped.clone(), client.stream.try_clone().unwrap());
            scope.spawn(move || {
                // Until the test ends or the server does not want it any more.
                while stopped.recv_timeout(pause).is_err_and(|error| error.is_timeout()) {
                    if stream.write_all(bytes).is_err() {
                        break;
                    }
                }
            });
        }
        let others = catch_unwind(AssertUnwindSafe(|| {
            for _ in 0..5 {
                assert_eq!(ask(&server, get("/")).text(), "ok");
            }
        }));
        drop(stop);
        others.unwrap_or_else(|panic| resume_unwind(panic));
    });
}

#[test]
fn a_flood_of_empty_lines_holds_up_nobody() {
    flood("", &b"\r\n".repeat(32_768), Duration::ZERO);
}

const DRIBBLE: Duration = Duration::from_millis(5);

#[test]
fn an_unread_body_that_dribbles_holds_up_nobody_for_long() {
    let head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n";
    flood(head, b"x", DRIBBLE);
}

#[test]
fn an_unread_chunked_body_that_dribbles_holds_up_nobody_for_long() {
    let head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    flood(head, b"1;x=y\r\nx\r\n", DRIBBLE);
}

#[test]
fn an_unread_line_between_chunks_that_dribbles_holds_up_nobody_for_long() {
    let head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;";
    flood(head, b"x", DRIBBLE);
}

#[test]
fn a_body_of_64_mib_is_read_without_keeping_it() {
    in_a_process_of_its_own("hostile::a_body_of_64_mib_is_read_without_keeping_it", || {
        const LENGTH: u64 = 64 << 20;
        let server = serve(answering(|http| {
            let count = io::copy(&mut http.rfile, &mut io::sink())?;
            answer(http, count.to_string())
        }));
        let before = peak_memory();
        for framing in ["Content-Length: 67108864", "Transfer-Encoding: chunked"] {
            let mut browser = Browser::connect(&server);
            browser.send(format!("PUT / HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n"));
            let is_chunked = framing.ends_with("chunked");
            let piece = [b'x'; 65_536];
            for _ in 0..LENGTH / 65_536 {
                if is_chunked {
                    browser.send("10000\r\n");
                }
                browser.send(piece);
                if is_chunked {
                    browser.send("\r\n");
                }
            }
            if is_chunked {
                browser.send("0\r\n\r\n");
            }
            assert_eq!(browser.reply().text(), LENGTH.to_string());
        }
        let grown = peak_memory() - before;
        // Code that is read in as it first runs counts as well, and is some megabytes.
        assert!(grown < 16 << 20, "{grown} bytes more");
    });
}

/// Bytes that the process has ever held at once, where that can be known.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kilobytes.map_or(0, |kilobytes| kilobytes.trim().parse::<u64>().unwrap() * 1024)
}

#[test]
fn a_hundred_clients_at_once_are_all_answered() {
    let site = Site::new();
    let server = site.serve();
    thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                let mut browser = Browser::connect(&server);
                for _ in 0..5 {
                    assert_eq!(browser.ask(get("/a.txt")).text(), "hello world\n");
                }
            });
        }
    });
}
