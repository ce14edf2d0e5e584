//! What a program may say, and what its client gets of it.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use socketserver::{Sequential, Timeouts};

use crate::cgi::{ENV, PLAIN, variable};
use crate::cgi_site::{CgiSite, get, post, request, text};
use crate::support::{LIMIT, Running, bind};
use crate::web::{Browser, serve, show};

#[test]
fn the_script_decides_on_the_status() {
    let site = CgiSite::new(&[
        ("gone", "printf 'Status: 410 Gone Away\\nContent-Type: text/plain\\n\\nx'"),
        ("bare", "printf 'Status: 404\\n\\n'"),
        ("empty", "printf 'Status: 204\\nContent-Length: 0\\n\\n'"),
        ("there", "printf 'Location: http://elsewhere/\\n\\n'"),
        ("other", "printf 'Status: 303 See Other\\nLocation: /a.txt\\n\\n'"),
    ]);
    site.with_each_strategy(|server, _| {
        let first = |target: &str| {
            let reply = get(server, target);
            let line = reply.head.lines().next().unwrap().to_owned();
            let location = reply.header("Location").map(str::to_owned);
            (line, location)
        };
        assert_eq!(first("/cgi-bin/gone").0, "HTTP/1.1 410 Gone Away");
        assert_eq!(first("/cgi-bin/bare").0, "HTTP/1.1 404 Not Found");
        assert_eq!(first("/cgi-bin/empty").0, "HTTP/1.1 204 No Content");
        let there = ("HTTP/1.1 302 Found".to_owned(), Some("http://elsewhere/".to_owned()));
        assert_eq!(first("/cgi-bin/there"), there);
        let other = ("HTTP/1.1 303 See Other".to_owned(), Some("/a.txt".to_owned()));
        assert_eq!(first("/cgi-bin/other"), other);
    });
}

#[test]
fn a_local_redirect_is_served_here() {
    let site = CgiSite::new(&[
        ("file", "printf 'Location: /a.txt?x\\n\\n'; cat >/dev/null"),
        ("on", "printf 'Location: /cgi-bin/env/p?q=1\\n\\n'"),
        ("env", ENV),
        ("circle", "printf 'Location: /cgi-bin/circle\\n\\n'"),
    ]);
    site.site.write("a.txt", "the file\n");
    site.with_each_strategy(|server, log| {
        assert_eq!(get(server, "/cgi-bin/file").body, b"the file\n");
        assert_eq!(post(server, "/cgi-bin/file", "body").body, b"the file\n");
        let reply = post(server, "/cgi-bin/on", "body");
        assert_eq!(variable(&reply, "REQUEST_METHOD"), Some("GET"));
        assert_eq!(variable(&reply, "QUERY_STRING"), Some("q=1"));
        assert_eq!(variable(&reply, "PATH_INFO"), Some("/p"));
        assert_eq!(variable(&reply, "CONTENT_LENGTH"), None);
        let head = Browser::connect(server).ask(request("HEAD", "/cgi-bin/file", ""));
        assert_eq!(head.header("Content-Length"), Some("9"));
        log.so_far();
        assert_eq!(get(server, "/cgi-bin/circle").status(), 502);
        assert_eq!(log.next(), "CGI scripts redirect in a circle");
    });
}

#[test]
fn a_script_without_a_proper_head_is_502() {
    let site = CgiSite::new(&[
        ("nothing", ""),
        ("fails", "exit 7"),
        ("killed", "kill -9 $$"),
        ("cut", "printf 'Content-Type: text/plain\\n'"),
        ("none", "printf 'Hello, World!\\n\\nx'"),
        ("useless", "printf 'X-A: b\\n\\nx'"),
        ("long", "printf 'X-A: '; yes | head -c 100000"),
        ("endless", "yes"),
        ("nph-nothing", ""),
    ]);
    site.with_each_strategy(|server, log| {
        for (name, lines) in [
            ("nothing", &["it wrote nothing"][..]),
            ("fails", &["it wrote nothing", "exit code 7"]),
            ("killed", &["it wrote nothing", "exit code -9"]),
            ("cut", &["it ended within its head"]),
            ("none", &["a line of its head has no colon"]),
            ("useless", &["its head has no Content-Type"]),
            ("long", &["its head is too long"]),
            ("endless", &["its head is too long"]),
            ("nph-nothing", &["it wrote nothing"]),
        ] {
            log.so_far();
            let reply = get(server, &format!("/cgi-bin/{name}"));
            assert_eq!(reply.status(), 502, "{name}");
            let said = log.next();
            assert!(said.contains(name) && said.ends_with(lines[0]), "{said}");
            log.next();
            log.next();
            if let Some(code) = lines.get(1) {
                let said = log.next();
                assert!(said.contains(&format!("{code} ('/cgi-bin/{name}')")), "{said}");
            }
        }
    });
}

#[test]
fn a_script_that_does_not_start_is_500_and_logged() {
    let site = CgiSite::new(&[]);
    let missing = site.site.path("missing").display().to_string();
    site.script("cgi-bin/bad", &format!("#! {missing} -x\n"));
    site.script("cgi-bin/crlf", "#!/bin/sh\r\necho\r\n");
    let (server, log) = site.serve();
    for (name, interpreter) in [("bad", missing.as_str()), ("crlf", "/bin/sh\\r")] {
        assert_eq!(get(&server, &format!("/cgi-bin/{name}")).status(), 500);
        let expected = format!(
            "CGI script did not start ('/cgi-bin/{name}'): its interpreter '{interpreter}' does \
             not exist"
        );
        assert_eq!(log.next(), expected);
        log.next();
        log.next();
    }
}

#[test]
fn a_script_of_its_own_head_is_passed_through() {
    let site = CgiSite::new(&[
        ("nph-x", "printf 'HTTP/1.1 201 Created\\nX: y\\n\\nhi'"),
        ("nph-odd", "printf odd"),
    ]);
    let (server, log) = site.serve();
    let mut browser = Browser::connect(&server);
    browser.send(request("GET", "/cgi-bin/nph-x", ""));
    assert_eq!(show(browser.rest()), "HTTP/1.1 201 Created\\nX: y\\n\\nhi");
    assert_eq!(log.next(), "\"GET /cgi-bin/nph-x HTTP/1.1\" 201 -");
    let mut browser = Browser::connect(&server);
    browser.send(request("GET", "/cgi-bin/nph-odd", ""));
    assert_eq!(show(browser.rest()), "odd");
}

#[test]
fn framing_is_the_servers() {
    let site = CgiSite::new(&[
        (
            "hop",
            "printf 'Content-Type: a\\nConnection: close\\nTransfer-Encoding: gzip\\nDate: x\\n\
             Server: y\\nUpgrade: z\\n\\nbody'",
        ),
        ("over", "printf 'Content-Type: a\\nContent-Length: 2\\n\\nbody'"),
        ("under", "printf 'Content-Type: a\\nContent-Length: 9\\n\\nbody'"),
        ("exact", "printf 'Content-Type: a\\nContent-Length: 4\\n\\nbody'"),
    ]);
    site.with_each_strategy(|server, _| {
        let mut browser = Browser::connect(server);
        let reply = browser.ask(request("GET", "/cgi-bin/hop", ""));
        assert_eq!((reply.header("Connection"), reply.header("Upgrade")), (None, None));
        assert_eq!(reply.header("Transfer-Encoding"), Some("chunked"));
        assert_eq!(reply.head.matches("\r\nDate: ").count(), 1);
        assert_eq!(reply.head.matches("\r\nServer: ").count(), 1);
        assert_eq!(reply.body, b"body");
        let reply = browser.ask(request("GET", "/cgi-bin/over", ""));
        assert_eq!(reply.body, b"bo");
        let reply = browser.ask(request("GET", "/cgi-bin/exact", ""));
        assert_eq!(reply.body, b"body");
        browser.send(request("GET", "/cgi-bin/under", ""));
        let came = show(browser.rest());
        assert!(came.ends_with("Content-Length: 9\\r\\n\\r\\nbody"), "{came}");
    });
}

#[test]
fn head_gets_no_body_and_connections_are_kept() {
    let site = CgiSite::new(&[("a", &format!("{PLAIN} echo $REQUEST_METHOD; cat"))]);
    site.with_each_strategy(|server, _| {
        let mut browser = Browser::connect(server);
        let reply = browser.ask(request("HEAD", "/cgi-bin/a", ""));
        assert_eq!((reply.status(), reply.body.len()), (200, 0));
        let reply = browser.ask(request("GET", "/cgi-bin/a", ""));
        assert_eq!((reply.header("Transfer-Encoding"), text(&reply)), (Some("chunked"), "GET\n"));
        // Two at once: the second is neither an end of the client nor a part of the first's body.
        let first = request("POST", "/cgi-bin/a", "Content-Length: 3\r\n") + "one";
        let second = request("POST", "/cgi-bin/a", "Content-Length: 3\r\n") + "two";
        browser.send(first + &second);
        assert_eq!(text(&browser.reply()), "POST\none");
        assert_eq!(text(&browser.reply()), "POST\ntwo");
    });
}

#[test]
fn a_client_of_http_1_0_gets_the_end_of_the_connection() {
    let site = CgiSite::new(&[("a", &format!("{PLAIN} echo $SERVER_PROTOCOL"))]);
    let (server, _) = site.serve();
    let mut client = server.connect();
    client.send("GET /cgi-bin/a HTTP/1.0\r\n\r\n");
    assert!(client.read_to_end().ends_with("\r\n\r\nHTTP/1.0\n"));
}

#[test]
fn chunked_bodies_reach_the_script_decoded() {
    let site = CgiSite::new(&[("cat", &format!("{PLAIN} echo \"[$CONTENT_LENGTH]\"; cat"))]);
    site.with_each_strategy(|server, _| {
        let mut browser = Browser::connect(server);
        let head = request("POST", "/cgi-bin/cat", "Transfer-Encoding: chunked\r\n");
        let reply = browser.ask(format!("{head}3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nT: u\r\n\r\n"));
        assert_eq!(text(&reply), "[7]\nabcdefg");
        // A byte at a time, so that every line between chunks is met unfinished.
        for byte in format!("{head}3\r\nabc\r\n4\r\ndefg\r\n0\r\nT: u\r\n\r\n").bytes() {
            browser.send([byte]);
        }
        assert_eq!(text(&browser.reply()), "[7]\nabcdefg");
        browser.send(format!("{head}3\r\nabcdef\r\n"));
        assert_eq!(browser.reply().status(), 400);
    });
}

#[test]
fn input_and_output_flow_at_the_same_time() {
    let site =
        CgiSite::new(&[("echo", &format!("{PLAIN} while read it; do echo \"<$it>\"; done"))]);
    let handler = || site.noting().body_buffer_size(0);
    for server in [serve(handler()), Running::start(bind::<Sequential, _>(handler()))] {
        let mut client = server.connect();
        client.send(request("POST", "/cgi-bin/echo", "Content-Length: 8\r\n"));
        client.send("one\n");
        let mut came = String::new();
        while !came.contains("<one>") {
            came.push_str(&client.read_line());
        }
        client.send("two\n");
        while !came.contains("<two>") {
            came.push_str(&client.read_line());
        }
    }
}

#[test]
fn a_script_need_not_read_its_body() {
    let site = CgiSite::new(&[("deaf", &format!("exec 0<&-; {PLAIN} echo heard nothing"))]);
    let (server, _) = site.serve();
    let mut client = server.connect();
    let size = 1 << 20;
    client.send(request("POST", "/cgi-bin/deaf", &format!("Content-Length: {size}\r\n")));
    // The server may be closing by then.
    let _ = client.stream.write_all(&vec![b'x'; size]);
    let mut came = Vec::new();
    let _ = client.stream.read_to_end(&mut came);
    assert!(show(&came).contains("heard nothing"), "{}", show(&came));
}

#[test]
fn a_body_that_does_not_come_is_408_and_one_that_ends_early_400() {
    let site = CgiSite::new(&[("cat", "cat >/dev/null; echo Content-Type: a; echo; echo whole")]);
    let timeouts = Timeouts::default().stall(Duration::from_millis(50));
    let server = serve(site.noting().timeouts(timeouts));
    let request = request("POST", "/cgi-bin/cat", "Content-Length: 9\r\n") + "part";
    assert_eq!(Browser::connect(&server).ask(&request).status(), 408);
    let mut browser = Browser::connect(&server);
    browser.send(&request);
    browser.client.finish_sending();
    assert_eq!(browser.reply().status(), 400);
}

#[test]
fn a_body_that_comes_too_slowly_is_408() {
    let site = CgiSite::new(&[("cat", "cat >/dev/null; echo Content-Type: a; echo; echo whole")]);
    let stall = Some(Duration::from_millis(50));
    let timeouts = Timeouts::default().stall(stall).body_rate(1_000_000);
    let server = serve(site.noting().timeouts(timeouts));
    let mut browser = Browser::connect(&server);
    browser.send(request("POST", "/cgi-bin/cat", "Content-Length: 10000\r\n"));
    let began = Instant::now();
    while !browser.client.hears(Duration::from_millis(2)) {
        browser.send("x");
        assert!(began.elapsed() < LIMIT, "nobody stops this client");
    }
    assert_eq!(browser.reply().status(), 408);
}

#[test]
fn a_body_that_stalls_behind_the_beginning_of_the_response_is_one_line_in_the_log() {
    let site = CgiSite::new(&[("cat", &format!("{PLAIN} exec cat"))]);
    for limits in [
        Timeouts::default().stall(Duration::from_millis(200)),
        Timeouts::default().stall(Duration::from_millis(200)).body_rate(1_000_000),
    ] {
        let handler = site.noting().timeouts(limits).body_buffer_size(0);
        let log = handler.log.clone();
        let server = serve(handler);
        let mut client = server.connect();
        client.send(request("POST", "/cgi-bin/cat", "Content-Length: 10\r\n") + "abc");
        let heard = client.read_to_end();
        assert!(heard.contains("abc") && !heard.contains("408"), "{heard}");
        assert_eq!(log.next(), r#""POST /cgi-bin/cat HTTP/1.1" 200 -"#);
        let late = r#"while answering "POST /cgi-bin/cat HTTP/1.1": "#;
        assert_eq!(log.next(), format!("{late}7 bytes of its body did not come in time"));
        // Its end comes when all has been said.
        drop(server);
        assert_eq!(log.so_far(), [""; 0]);
    }
}

#[test]
fn large_bodies_and_outputs_pass_through_little_memory() {
    let site = CgiSite::new(&[("cat", &format!("{PLAIN} exec cat"))]);
    let (server, _) = site.serve();
    let size = 32 << 20;
    let mut client = server.connect();
    let request = request("POST", "/cgi-bin/cat", &format!("Content-Length: {size}\r\n"));
    client.send(request.replace("HTTP/1.1", "HTTP/1.0"));
    let mut writer = client.stream.try_clone().unwrap();
    let writing = std::thread::spawn(move || {
        let block = [b'x'; 64 * 1024];
        (0..size / block.len()).for_each(|_| writer.write_all(&block).unwrap());
    });
    let mut body = Vec::new();
    client.stream.read_to_end(&mut body).unwrap();
    writing.join().unwrap();
    let start = crate::web::find(&body, b"\r\n\r\n").unwrap() + 4;
    assert_eq!(body.len() - start, size);
    assert!(body[start..].iter().all(|&byte| byte == b'x'));
}
