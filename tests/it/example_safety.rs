//! The examples are copied: what they do with clients that do not behave.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use crate::examples::{Example, Mirror, read_head, request};
use crate::support::{Client, LIMIT};
use crate::web::{Site, hear_out, serve};

/// The example of RFC 6455 section 1.3, of which each test changes a line.
const HANDSHAKE: [(&str, &str); 5] = [
    ("Host", "h:8000"),
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

/// Sends a handshake with some fields replaced or added; returns the head of the answer.
fn shake_hands(address: SocketAddr, line: &str, changes: &[(&str, &str)]) -> String {
    let is_changed = |name: &str| changes.iter().any(|(changed, _)| *changed == name);
    let kept = HANDSHAKE.iter().filter(|(name, _)| !is_changed(name));
    let fields = kept.chain(changes).filter(|(_, value)| *value != "-");
    let fields: String = fields.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let mut client = Client::connect(address);
    // What is waited for before the handler is called.
    let body = if is_changed("Transfer-Encoding") { "0\r\n\r\n" } else { "" };
    client.send(format!("{line}\r\n{fields}\r\n{body}"));
    read_head(&mut client)
}

#[test]
fn websocket_echo_upgrades_a_proper_handshake_only() {
    let example = Example::run("websocket_echo", &["0"]);
    let get = "GET / HTTP/1.1";
    for changes in [
        &[][..],
        &[("Connection", "keep-alive, upgrade"), ("Upgrade", "WebSocket")],
        &[("Upgrade", "h2c, websocket")],
        &[("Origin", "http://h:8000")],
        &[("Origin", "http://H:8000")],
        &[("Host", ""), ("Content-Length", "0")],
    ] {
        let head = shake_hands(example.address, get, changes);
        assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{changes:?}: {head}");
        assert!(head.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    }
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    for (line, changes, status) in [
        (get, &[("Connection", "-")][..], 400),
        (get, &[("Connection", "close")], 400),
        (get, &[("Connection", "upgraded")], 400),
        (get, &[("Upgrade", "-")], 400),
        (get, &[("Upgrade", "websockets")], 400),
        (get, &[("Sec-WebSocket-Key", "-")], 400),
        (get, &[("Sec-WebSocket-Key", "")], 400),
        (get, &[("Sec-WebSocket-Key", "dGhlIHNhbXBsZQ==")], 400),
        (get, &[("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZSE=")], 400),
        (get, &[("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ")], 400),
        (get, &[("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZ!==")], 400),
        (get, &[("Sec-WebSocket-Key", key), ("sec-websocket-key", key)], 400),
        (get, &[("Host", "-")], 400),
        ("GET / HTTP/1.0", &[], 400),
        ("POST / HTTP/1.1", &[("Content-Length", "0")], 501),
        (get, &[("Sec-WebSocket-Version", "-")], 426),
        (get, &[("Sec-WebSocket-Version", "12")], 426),
        (get, &[("Sec-WebSocket-Version", "13, 8")], 426),
        (get, &[("Origin", "http://evil.example")], 403),
        (get, &[("Origin", "http://h")], 403),
        (get, &[("Origin", "http://h:8000.evil.example")], 403),
        (get, &[("Origin", "http://h:8000@evil.example")], 403),
        (get, &[("Origin", "null")], 403),
        (get, &[("Origin", "")], 403),
        (get, &[("Origin", "null"), ("Host", "")], 403),
        (get, &[("Origin", "http://"), ("Host", "")], 403),
        (get, &[("Origin", "https://h:8000")], 403),
        (get, &[("Origin", "ftp://h:8000")], 403),
        (get, &[("Origin", "http://h:8000"), ("Origin", "http://evil.example")], 403),
        (get, &[("Origin", "http://h:8000"), ("origin", "http://h:8000")], 403),
        // The body would be read as frames.
        (get, &[("Content-Length", "70000")], 400),
        (get, &[("Transfer-Encoding", "chunked")], 400),
    ] {
        let head = shake_hands(example.address, line, changes);
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{line} {changes:?}: {head}");
        let tells_version = head.contains("\r\nSec-WebSocket-Version: 13\r\n");
        assert_eq!(tells_version, status == 426, "{head}");
        // Of a field that says how to go on, `Connection` has the name (RFC 9110 §7.8).
        let upgrades = head.contains("\r\nConnection: Upgrade\r\n");
        assert_eq!(upgrades, head.contains("\r\nUpgrade: "), "{head}");
    }
}

#[test]
fn websocket_echo_takes_no_message_without_an_end() {
    let example = Example::run("websocket_echo", &["0"]);
    let mut client = Client::connect(example.address);
    client.send("GET / HTTP/1.1\r\n");
    for (name, value) in HANDSHAKE {
        client.send(format!("{name}: {value}\r\n"));
    }
    client.send("\r\n");
    read_head(&mut client);
    // A frame that says that it is 2 MiB long.
    client.send([&[0x82, 0xff][..], &(2_u64 << 20).to_be_bytes(), &[0; 4]].concat());
    client.sees_the_end();
}

/// Answers with a head of one's choice, once.
fn answer_with(response: &'static str) -> (SocketAddr, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answering = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let mut client = Client { stream };
        let head = read_head(&mut client);
        client.send(response);
        head
    });
    (address, answering)
}

#[test]
fn forward_proxy_keeps_from_the_server_what_is_for_the_proxy() {
    let example = Example::run("forward_proxy", &["0"]);
    let upstream = serve(Mirror);
    let reply = request(
        example.address,
        &format!(
            "GET http://{}/a HTTP/1.1\r\nHost: h\r\nConnection: close, X-Hop,\r\nX-Hop: secret\r\n\
             connection: x-other\r\nX-Other: secret\r\nKeep-Alive: secret\r\nTE: secret\r\n\
             Proxy-Authorization: secret\r\nProxy-Connection: secret\r\nTrailer: secret\r\n\
             Upgrade: secret\r\nX-End: kept\r\nVia: 1.1 before\r\n\r\n",
            upstream.address
        ),
    );
    let (_, seen) = reply.split_once("\r\n\r\n").unwrap();
    assert!(!seen.contains("secret"), "{seen}");
    assert_eq!(seen.matches("Connection").count(), 1, "{seen}");
    for line in ["GET /a HTTP/1.0", "X-End: kept", "Via: 1.1 before", "Via: 1.1 proxy"] {
        assert!(seen.lines().any(|seen| seen.trim_end() == line), "{line}: {seen}");
    }
    // Host names no user (RFC 9112 §3.2), and what concerns the whole server stays so (§3.2.4).
    let ask = |method: &str, user: &str, rest: &str| {
        let target = format!("http://{user}{}{rest}", upstream.address);
        let reply = request(example.address, &format!("{method} {target} HTTP/1.0\r\n\r\n"));
        let (_, seen) = reply.split_once("\r\n\r\n").unwrap();
        seen.to_owned()
    };
    for user in ["user:secret@", "secret@", "a@secret@", ":secret@", "@"] {
        let seen = ask("GET", user, "/a");
        let host = format!("Host: {}", upstream.address);
        assert!(seen.lines().any(|line| line.trim_end() == host), "{user}: {seen}");
        assert!(!seen.contains("secret"), "{user}: {seen}");
    }
    for (method, rest, line) in [
        ("OPTIONS", "", "OPTIONS * HTTP/1.0"),
        ("OPTIONS", "/", "OPTIONS / HTTP/1.0"),
        ("OPTIONS", "?a", "OPTIONS /?a HTTP/1.0"),
        ("GET", "", "GET / HTTP/1.0"),
    ] {
        let seen = ask(method, "", rest);
        assert_eq!(seen.lines().next().unwrap().trim_end(), line, "{method} {rest}");
    }
    // A body of no bytes is said to be one.
    let post = format!("POST http://{}/ HTTP/1.0\r\nContent-Length: 0\r\n\r\n", upstream.address);
    assert!(request(example.address, &post).contains("Content-Length: 0"));
}

#[test]
fn forward_proxy_keeps_from_the_client_what_is_for_the_proxy() {
    let example = Example::run("forward_proxy", &["0"]);
    for (response, is_bad) in [
        (
            "HTTP/1.1 203 Whatever\r\nConnection: close, X-Hop\r\nX-Hop: secret\r\n\
             Keep-Alive: secret\r\nProxy-Authenticate: secret\r\nUpgrade: secret\r\n\
             X-End: kept \r\nContent-Length: 5\r\n\r\nhello",
            false,
        ),
        ("HTTP/1.0 203 Whatever\nX-End:kept\n\nhello", false),
        // No field without a colon, no chunks for HTTP/1.0, no interim response, no other protocol.
        ("HTTP/1.1 200 OK\r\nsecret\r\n\r\nhello", true),
        ("HTTP/1.1 200 OK\r\nX-A: a\r\n secret: b\r\n\r\nhello", true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", true),
        ("HTTP/1.1 101 Switching\r\nUpgrade: secret\r\n\r\n", true),
        ("HTTP/1.1 2 OK\r\n\r\n", true),
        // No length that two readers could read differently, no line that they could cut
        // differently.
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 6\r\n\r\nsecret", true),
        ("HTTP/1.1 200 OK\r\ncontent-length: 6\r\nContent-Length: 6\r\n\r\nsecret", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 6, 6\r\n\r\nsecret", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: +6\r\n\r\nsecret", true),
        ("HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nsecret", true),
        ("HTTP/1.1 200 OK\r\nX-A: a\rX-B: secret\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\nX-A: secret\r\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\n\r\r\nsecret: a\r\n\r\n", true),
        ("HTTP/1.1 2000 OK\r\n\r\nsecret", true),
        ("HTTP/1.1 200secret\r\n\r\n", true),
        ("SSH-2.0-OpenSSH\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\nX-A: cut", true),
        ("", true),
    ] {
        let (address, answering) = answer_with(response);
        let get = format!("GET http://{address}/ HTTP/1.0\r\n\r\n");
        let reply = request(example.address, &get);
        answering.join().unwrap();
        assert!(!reply.contains("secret"), "{reply}");
        if is_bad {
            assert!(reply.starts_with("HTTP/1.0 502 "), "{response:?}: {reply}");
        } else {
            assert!(reply.starts_with("HTTP/1.0 203 "), "{reply}");
            assert!(reply.contains("\r\nX-End: kept\r\n"), "{reply}");
            assert!(reply.contains("\r\nVia: 1."), "{reply}");
            assert!(reply.ends_with("\r\n\r\nhello"), "{reply}");
        }
    }
}

#[test]
fn forward_proxy_is_no_relay_for_mail_and_not_open_to_others() {
    let example = Example::run("forward_proxy", &["0"]);
    for (line, status) in [
        ("CONNECT 127.0.0.1:25", 403),
        ("GET http://127.0.0.1:25/", 403),
        ("CONNECT 127.0.0.1", 400),
        ("CONNECT 127.0.0.1:", 400),
        ("CONNECT 127.0.0.1:99999", 400),
    ] {
        let refused = request(example.address, &format!("{line} HTTP/1.0\r\n\r\n"));
        assert!(refused.starts_with(&format!("HTTP/1.0 {status} ")), "{line}: {refused}");
    }
    // Its check is its own: were it bound elsewhere, others would be refused.
    let source = include_str!("../../examples/forward_proxy.rs");
    assert!(source.contains("ip.is_loopback()"));
}

#[test]
fn chat_holds_nobody_up_for_a_client_that_does_not_read() {
    let example = Example::run("chat", &["0"]);
    let mut deaf = Client::connect(example.address);
    assert!(deaf.read_line().ends_with("has come"));
    let mut speaker = Client::connect(example.address);
    assert!(speaker.read_line().ends_with("has come"));
    let mut listener = Client::connect(example.address);
    assert!(listener.read_line().ends_with("has come"));
    assert!(speaker.read_line().ends_with("has come"));

    // More than the buffers of a connection hold, while one of three reads nothing.
    let line = format!("{}\n", "x".repeat(4000));
    for number in 0..4000 {
        speaker.send(&line);
        assert!(listener.read_exactly(line.len()) == line.as_bytes(), "line {number}");
    }
    // What was let go ends, after what was queued for it.
    let mut heard = Vec::new();
    deaf.stream.set_read_timeout(Some(LIMIT)).unwrap();
    deaf.stream.read_to_end(&mut heard).unwrap();
    assert!(heard.len() < 4000 * line.len(), "{}", heard.len());
    // Its words are not spread any more.
    let _ = deaf.stream.write_all(b"am I there?\n");
    speaker.send("still here\n");
    assert_eq!(listener.read_line(), "still here");
}

#[test]
fn chat_takes_no_line_without_an_end() {
    let example = Example::run("chat", &["0"]);
    let mut listener = Client::connect(example.address);
    listener.read_line();
    for (length, passes) in [(4095, true), (4096, false)] {
        let mut speaker = Client::connect(example.address);
        speaker.read_line();
        listener.read_line();
        speaker.send("y".repeat(length));
        if passes {
            speaker.send("\n");
            assert_eq!(listener.read_line().len(), length);
        } else {
            let mut rest = Vec::new();
            // An end, or a reset as something was left unread.
            let _ = speaker.stream.read_to_end(&mut rest);
            assert_eq!(rest, b"");
        }
    }
    listener.send("hello\n");
    assert!(!listener.hears(crate::support::MOMENT));
}

#[test]
fn echo_examples_answer_a_line_that_does_not_end() {
    let example = Example::run("echo_tcp", &["0", "threading"]);
    let mut client = Client::connect(example.address);
    client.send("z".repeat(64 * 1024));
    assert_eq!(client.read_exactly(64 * 1024), "Z".repeat(64 * 1024).into_bytes());
}

#[test]
fn basic_auth_asks_for_the_password_whatever_the_method() {
    let site = Site::new();
    let example = Example::run("basic_auth", &["0", site.path("").to_str().unwrap()]);
    let ask = |command: &str, credentials: &str| {
        let head = format!("{command} /a.txt HTTP/1.0\r\nAuthorization: {credentials}\r\n\r\n");
        let reply = String::from_utf8(hear_out(example.address, head.as_bytes())).unwrap();
        reply.split(' ').nth(1).unwrap().parse::<u16>().unwrap()
    };
    for command in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "SPAM"] {
        let known = if ["GET", "HEAD"].contains(&command) { 200 } else { 501 };
        for right in ["Basic YWRhOmxvdmVsYWNl", "basic YWRhOmxvdmVsYWNl", "BASIC  YWRhOmxvdmVsYWNl"]
        {
            assert_eq!(ask(command, right), known, "{command} {right}");
        }
        for wrong in [
            "",
            "Basic",
            "Basic ",
            "YWRhOmxvdmVsYWNl",
            "Basic YWRhOmxvdmVsYWN",
            "Basic YWRhOmxvdmVsYWNlIQ==",
            "Basic YWRhOg==",
            "Bearer YWRhOmxvdmVsYWNl",
        ] {
            assert_eq!(ask(command, wrong), 401, "{command} {wrong}");
        }
    }
}

#[test]
fn redirect_server_names_no_other_server_and_keeps_the_method() {
    let example = Example::run("redirect_server", &["0", "https://h.example"]);
    let ask = |line: &str| {
        let request = format!("{line} HTTP/1.0\r\nHost: evil.example\r\n\r\n");
        let reply = String::from_utf8(hear_out(example.address, request.as_bytes())).unwrap();
        let location = reply.lines().find_map(|line| line.strip_prefix("Location: "));
        (reply.split(' ').nth(1).unwrap().to_owned(), location.map(str::to_owned))
    };
    for (line, location) in [
        ("GET /a?b=c&d", "https://h.example/a?b=c&d"),
        ("POST /a", "https://h.example/a"),
        ("DELETE /a%20b?", "https://h.example/a%20b"),
        ("SPAM /", "https://h.example/"),
        ("GET //evil.example/x", "https://h.example/evil.example/x"),
        ("GET http://evil.example/x?y", "https://h.example/x?y"),
        ("GET /%0d%0aX:%20y", "https://h.example/%0d%0aX:%20y"),
    ] {
        assert_eq!(ask(line), ("308".to_owned(), Some(location.to_owned())), "{line}");
    }
    for line in [
        "GET @evil.example/",
        "GET .evil.example/",
        "GET :80@evil.example",
        "OPTIONS *",
        "GET evil",
    ] {
        assert_eq!(ask(line), ("400".to_owned(), None), "{line}");
    }
}

#[test]
fn what_is_shown_as_text_says_so() {
    let form = "POST / HTTP/1.0\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                     Content-Length: 16\r\n\r\na=<script>x&b=\u{e9}";
    for (name, request) in [
        ("hello", "GET /?<script> HTTP/1.0\r\n\r\n"),
        ("post_form", form),
        ("threaded_name", "GET / HTTP/1.0\r\n\r\n"),
        ("shared_state", "GET / HTTP/1.0\r\n\r\n"),
        ("own_strategy", "GET / HTTP/1.0\r\n\r\n"),
        ("shutdown_from_thread", "GET / HTTP/1.0\r\n\r\n"),
    ] {
        let example = Example::run(name, &["0"]);
        let reply = hear_out(example.address, request.as_bytes());
        let reply = String::from_utf8_lossy(&reply);
        assert!(reply.starts_with("HTTP/1.0 200 "), "{name}: {reply}");
        let kind = "\r\nContent-Type: text/plain; charset=utf-8\r\n";
        assert!(reply.contains(kind), "{name}: {reply}");
    }
}

#[test]
fn sse_lets_a_listener_go_that_does_not_read() {
    let example = Example::run("sse", &["0"]);
    let listen = || {
        let mut listener = Client::connect(example.address);
        listener.send("GET / HTTP/1.0\r\n\r\n");
        read_head(&mut listener);
        listener
    };
    let (mut deaf, mut listener) = (listen(), listen());
    let message = "m".repeat(100_000);
    for _ in 0..200 {
        let length = message.len();
        let post = format!("POST / HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{message}");
        assert!(request(example.address, &post).starts_with("HTTP/1.0 204 "));
        let event = listener.read_exactly("data: ".len() + length + 2);
        assert!(event.starts_with(b"data: mmm") && event.ends_with(b"m\n\n"));
    }
    let mut heard = Vec::new();
    deaf.stream.read_to_end(&mut heard).unwrap();
    assert!(heard.len() < 200 * message.len(), "{}", heard.len());
}

#[test]
fn json_rest_takes_no_part_of_a_note_for_the_whole() {
    let example = Example::run("json_rest", &["0"]);
    let ask = |head: &str, body: &str| {
        let length = body.len();
        let head = format!("{head}Content-Length: {length}\r\n\r\n{body}");
        request(example.address, &head)
    };
    assert!(ask("POST /notes HTTP/1.0\r\n", "[1,2]").starts_with("HTTP/1.0 201 "));
    let refused = ask("PUT /notes/1 HTTP/1.0\r\nContent-Range: bytes 3-3/5\r\n", "3");
    assert!(refused.starts_with("HTTP/1.0 400 "), "{refused}");
    assert!(request(example.address, "GET /notes/1 HTTP/1.0\r\n\r\n").ends_with("\r\n\r\n[1,2]"));
}

#[test]
fn what_clients_have_kept_for_them_has_a_bound() {
    let post = |example: &Example, path: &str, body: &str| {
        let length = body.len();
        let head = format!("POST {path} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{body}");
        request(example.address, &head)
    };
    let status = |reply: &str| reply.split(' ').nth(1).map(str::to_owned);
    let (notes, logins) = (Example::run("json_rest", &["0"]), Example::run("login_api", &["0"]));
    let login = |number: usize| format!("{{\"ip\": \"{number}\"}}");
    for number in 0..1001 {
        let expected = |status: &str| Some(if number < 1000 { status } else { "507" }.to_owned());
        assert_eq!(status(&post(&notes, "/notes", "1")), expected("201"), "{number}");
        let reply = post(&logins, "/north/login", &login(number));
        assert_eq!(status(&reply), expected("200"), "{number}");
    }
    // What goes makes room, and what is known is changed.
    request(notes.address, "DELETE /notes/1 HTTP/1.0\r\n\r\n");
    assert_eq!(status(&post(&notes, "/notes", "1")).as_deref(), Some("201"));
    assert_eq!(status(&post(&logins, "/north/login", &login(7))).as_deref(), Some("200"));

    // The oldest goes, and the others keep their numbers.
    let messages = Example::run("long_poll", &["0"]);
    for number in 0..1003 {
        post(&messages, "/", &number.to_string());
    }
    for since in [0, 1, 3, 4, 1002] {
        let reply = request(messages.address, &format!("GET /?since={since} HTTP/1.0\r\n\r\n"));
        let (head, news) = reply.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("\r\nX-Next-Since: 1003\r\n"), "{head}");
        let expected: String = (since.max(3)..1003).map(|number| format!("{number}\n")).collect();
        assert_eq!(news, expected, "since {since}");
    }
}
