//! The examples that serve HTTP run and do what their headers promise.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use socketserver::{Connection, ThreadPool, handler_fn};

use crate::examples::{
    Example, Mirror, SIGNATURE, bring_code, fetch_and_tunnel, find_address, list_form,
    listen_and_post, poll_and_post, post, post_parts, read_head, request, shake_hands_and_echo,
};
use crate::support::{Client, LIMIT, Running, bind};
use crate::web::{Site, serve};

#[test]
fn login_api_answers_on_two_ports_and_updates_its_object() {
    let example = Example::run("login_api", &["0"]);
    let second = address_in(&example.line());
    assert_ne!(example.address, second);
    for address in [example.address, second] {
        assert!(request(address, "GET /?a=b HTTP/1.0\r\n\r\n").contains("<h1>Home page</h1>"));
        assert!(post(address, "/?a=b", "").contains("<h1>Home page</h1>"));
        for response in [request(address, "GET /x HTTP/1.0\r\n\r\n"), post(address, "/x", "")] {
            assert!(response.starts_with("HTTP/1.0 404 Not Found\r\n"), "{response}");
            assert!(response.contains("\r\nContent-Type: text/html; charset=utf-8\r\n"));
        }
        let mut tokens = BTreeSet::new();
        for number in 1..=2 {
            let login = format!(
                "{{\"username\": \"ada\", \"password\": \"x\", \"ip\": \"10.0.0.{number}\"}}"
            );
            let response = post(address, "/north/login", &login);
            assert!(response.starts_with("HTTP/1.0 200 OK\r\n"), "{response}");
            assert!(response.contains("\r\nCache-Control: no-store\r\n"), "{response}");
            let answer = json(&response);
            assert_eq!((&answer["code"], &answer["description"]), (&0.into(), &"success".into()));
            let token = answer["token"].as_str().unwrap().to_owned();
            assert!(token.len() == 32 && token.bytes().all(|byte| byte.is_ascii_hexdigit()));
            assert!(tokens.insert(token));
            // Each server counts in an object of its own.
            assert_eq!(example.line(), format!("north servers known: {number}"));
        }
        for nonsense in ["{\"username\":", "[1]", ""] {
            let response = post(address, "/north/login", nonsense);
            assert!(response.starts_with("HTTP/1.0 500 "), "{response}");
            let answer = json(&response);
            assert_eq!((&answer["code"], &answer["token"]), (&1.into(), &"".into()));
            assert!(!answer["description"].as_str().unwrap().is_empty());
        }
    }
}

#[test]
fn post_form_lists_fields_and_files() {
    let example = Example::run("post_form", &["0"]);
    let ours = list_form(example.address);
    assert_eq!(
        ours,
        [
            "\tUploaded datafile (2000 bytes)",
            "\tUploaded \u{fc}nnamed (3 bytes)",
            "\tfoo=b\u{e4}r & co",
            "\tname=dhellmann",
            "Form data:",
            "Path: /x",
        ]
    );
}

#[test]
fn upload_files_takes_files_by_put_and_by_form() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::create_dir(path("sub")).unwrap();
    let example = Example::run("upload_files", &["0", directory.path().to_str().unwrap()]);
    let status = |response: String| response.split(' ').nth(1).unwrap().to_owned();
    let put = |target: &str, body: &str| {
        let length = body.len();
        status(request(
            example.address,
            &format!("PUT {target} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{body}"),
        ))
    };
    assert_eq!(put("/a.txt", "first"), "201");
    assert_eq!(put("/a.txt?x", "second"), "204");
    assert_eq!(put("/sub/b%20c", "deep"), "201");
    assert_eq!(example.get("/a.txt"), "second");
    assert_eq!(fs::read_to_string(path("sub/b c")).unwrap(), "deep");
    for (target, code) in
        [("/sub", "403"), ("/", "403"), ("/a.txt/", "403"), ("/.profile", "403"), ("/no/x", "409")]
    {
        assert_eq!(put(target, "x"), code, "{target}");
    }
    let parts = [
        ("name=f; filename=\"../../evil.txt\"", "e".repeat(300_000)),
        ("name=f; filename=\"C:\\dir\\win.txt\"", "w".to_owned()),
        ("name=f; filename=\"..\"", "no name".to_owned()),
        ("name=f; filename=\"\"", String::new()),
        ("name=text", "no file".to_owned()),
    ];
    assert_eq!(status(post_parts(example.address, "/", &parts)), "303");
    assert_eq!(fs::read_to_string(path("evil.txt")).unwrap().len(), 300_000);
    assert_eq!(fs::read_to_string(path("win.txt")).unwrap(), "w");
    let cut = "--B\r\nContent-Disposition: form-data; filename=cut\r\n\r\nbegun";
    let length = cut.len();
    let head =
        "POST / HTTP/1.0\r\nContent-Type: multipart/form-data; boundary=B\r\nContent-Length: ";
    let cut = request(example.address, &format!("{head}{length}\r\n\r\n{cut}"));
    assert_eq!(status(cut), "400");
    let names: BTreeSet<_> =
        fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["a.txt", "evil.txt", "sub", "win.txt"].map(Into::into).into());
}

#[test]
fn cors_files_lets_every_page_read_every_response() {
    let site = Site::new();
    let example = Example::run("cors_files", &["0", site.path("").to_str().unwrap()]);
    for (line, status) in [
        ("GET /a.txt", "200 OK"),
        ("GET /nope", "404 File not found"),
        ("GET /sub/", "200 OK"),
        ("POST /", "501 Unsupported method ('POST')"),
        ("OPTIONS /", "204 No Content"),
    ] {
        let response = request(example.address, &format!("{line} HTTP/1.0\r\n\r\n"));
        assert!(response.starts_with(&format!("HTTP/1.0 {status}\r\n")), "{response}");
        assert!(response.contains("\r\nAccess-Control-Allow-Origin: *\r\n"), "{response}");
    }
}

#[test]
fn basic_auth_shows_files_to_whom_it_knows() {
    let site = Site::new();
    let example = Example::run("basic_auth", &["0", site.path("").to_str().unwrap()]);
    let ask = |command: &str, credentials: &str| {
        let head = format!("{command} /a.txt HTTP/1.0\r\nAuthorization: {credentials}\r\n\r\n");
        request(example.address, &head)
    };
    for refused in ["", "Basic", "Basic YWRhOmxvdmVsYWN", "Bearer YWRhOmxvdmVsYWNl"] {
        for command in ["GET", "HEAD"] {
            let response = ask(command, refused);
            assert!(response.starts_with("HTTP/1.0 401 Unauthorized\r\n"), "{response}");
            assert!(response.contains("\r\nWWW-Authenticate: Basic realm=\"Files\"\r\n"));
            assert!(!response.contains("hello") && !response.contains("Content-Length"));
        }
    }
    assert!(ask("GET", "Basic YWRhOmxvdmVsYWNl").ends_with("\r\n\r\nhello world\n"));
    assert!(ask("HEAD", "Basic YWRhOmxvdmVsYWNl").contains("\r\nContent-Length: 12\r\n"));
}

#[test]
fn json_rest_creates_reads_changes_and_deletes() {
    let example = Example::run("json_rest", &["0"]);
    let ask = |line: &str, body: &str| {
        let length = body.len();
        let head = format!("{line} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n");
        let response = request(example.address, &(head + body));
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().to_owned(), body.to_owned())
    };
    let answer = |code: &str, body: &str| (code.to_owned(), body.to_owned());
    assert_eq!(ask("POST /notes", r#"{"text": "a"}"#), answer("201", r#"{"number":"1"}"#));
    assert_eq!(ask("POST /notes", "2"), answer("201", r#"{"number":"2"}"#));
    assert_eq!(ask("GET /notes", ""), answer("200", r#"{"1":{"text":"a"},"2":2}"#));
    assert_eq!(ask("PUT /notes/1", "[]"), answer("200", "[]"));
    assert_eq!(ask("GET /notes/1", ""), answer("200", "[]"));
    assert_eq!(ask("DELETE /notes/1", ""), answer("204", ""));
    for line in ["GET /notes/1", "DELETE /notes/1", "PUT /notes/1", "GET /x", "POST /notes/2"] {
        assert_eq!(ask(line, "1").0, "404", "{line}");
    }
    assert_eq!(ask("POST /notes", "{").0, "400");
    assert_eq!(ask("GET /notes", ""), answer("200", r#"{"2":2}"#));
}

#[test]
fn redirect_server_keeps_the_path() {
    let example = Example::run("redirect_server", &["0", "https://h.example"]);
    for command in ["GET", "HEAD"] {
        let line = format!("{command} /a%20b?c=d HTTP/1.0\r\n\r\n");
        let response = request(example.address, &line);
        assert!(response.starts_with("HTTP/1.0 308 Permanent Redirect\r\n"), "{response}");
        assert!(response.contains("\r\nLocation: https://h.example/a%20b?c=d\r\n"), "{response}");
    }
}

#[test]
fn sse_tells_every_listener() {
    let heard = listen_and_post(&Example::run("sse", &["0"]));
    assert!(heard.contains("Content-Type: text/event-stream\r\n"), "{heard}");
}

#[test]
fn long_poll_answers_when_there_is_news() {
    let example = Example::run("long_poll", &["0"]);
    poll_and_post(&example);
    let refused = request(example.address, "GET /?since=x HTTP/1.0\r\n\r\n");
    assert!(refused.starts_with("HTTP/1.0 400 since is no number\r\n"), "{refused}");
}

#[test]
fn websocket_echo_says_everything_back() {
    let example = Example::run("websocket_echo", &["0"]);
    let head = shake_hands_and_echo(&example);
    // The example of RFC 6455 section 1.3.
    assert!(head.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
    let refused = request(example.address, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(refused.starts_with("HTTP/1.1 400 Not a WebSocket's handshake\r\n"), "{refused}");
}

#[test]
fn forward_proxy_fetches_and_tunnels() {
    let example = Example::run("forward_proxy", &["0"]);
    let upstream = serve(Mirror);
    for reply in fetch_and_tunnel(&example, upstream.address) {
        assert!(reply.contains("\r\n\r\nGET ") || reply.contains("\r\n\r\nPOST "), "{reply}");
        assert!(!reply.contains("Proxy-") && !reply.contains("elsewhere"), "{reply}");
    }
    let refused = request(example.address, "GET /a HTTP/1.0\r\n\r\n");
    assert!(refused.starts_with("HTTP/1.0 400 Not a proxy's request\r\n"), "{refused}");
    // Bound, but nobody listens there.
    let silent = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    silent.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let nobody = silent.local_addr().unwrap().as_socket().unwrap();
    for line in [format!("CONNECT {nobody}"), format!("GET http://{nobody}/")] {
        let refused = request(example.address, &format!("{line} HTTP/1.0\r\n\r\n"));
        assert!(refused.starts_with("HTTP/1.0 502 "), "{refused}");
    }
}

#[test]
fn forward_proxy_carries_both_directions_at_once() {
    let example = Example::run("forward_proxy", &["0"]);
    let echo = Running::start(bind::<ThreadPool, _>(handler_fn(|mut connection: Connection| {
        io::copy(&mut connection.rfile, &mut connection.wfile).map(drop)
    })));
    let mut client = Client::connect(example.address);
    client.send(format!("CONNECT {} HTTP/1.1\r\nHost: h\r\n\r\n", echo.address));
    read_head(&mut client);
    let bytes: Vec<u8> = (0..16 << 20_u32).map(|number: u32| number.to_le_bytes()[1]).collect();
    let mut writer = Client { stream: client.stream.try_clone().unwrap() };
    let (sent, mut received) = (bytes.clone(), Vec::new());
    let writing = thread::spawn(move || {
        writer.send(sent);
        writer.finish_sending();
    });
    client.stream.read_to_end(&mut received).unwrap();
    writing.join().unwrap();
    assert!(received == bytes);
}

#[test]
fn forward_proxy_hangs_up_for_a_client_that_is_gone() {
    let example = Example::run("forward_proxy", &["0"]);
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = Client::connect(example.address);
    client.send(format!("CONNECT {} HTTP/1.1\r\nHost: h\r\n\r\n", upstream.local_addr().unwrap()));
    read_head(&mut client);
    let (mut tunnel, _) = upstream.accept().unwrap();
    tunnel.set_read_timeout(Some(LIMIT)).unwrap();
    socket2::SockRef::from(&client.stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    assert_eq!(tunnel.read_to_end(&mut Vec::new()).unwrap(), 0);
}

#[test]
fn webhook_receiver_believes_a_right_signature() {
    let example = Example::run("webhook_receiver", &["0"]);
    let ask = |signature: &str, body: &str| {
        let length = body.len();
        let head = format!(
            "POST / HTTP/1.0\r\nContent-Length: {length}\r\nX-GitHub-Event: push\r\n\
             X-Hub-Signature-256: {signature}\r\n\r\n"
        );
        request(example.address, &(head + body))
    };
    for (signature, body) in [
        (SIGNATURE, "Hello, World?"),
        (&SIGNATURE[..70], "Hello, World!"),
        (&SIGNATURE["sha256=".len()..], "Hello, World!"),
        ("sha256=", ""),
        ("", ""),
    ] {
        let refused = ask(signature, body);
        assert!(refused.starts_with("HTTP/1.0 403 Wrong signature\r\n"), "{refused}");
    }
    assert!(ask(SIGNATURE, "Hello, World!").starts_with("HTTP/1.0 204 No Content\r\n"));
    assert_eq!(example.line(), "push Hello, World!");
}

#[test]
fn metrics_endpoint_counts_every_response() {
    let example = Example::run("metrics_endpoint", &["0"]);
    example.get("/");
    example.get("/");
    request(example.address, "GET /nope HTTP/1.0\r\n\r\n");
    request(example.address, "PUT / HTTP/1.0\r\n\r\n");
    let response = request(example.address, "GET /metrics HTTP/1.0\r\n\r\n");
    assert!(response.contains("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    let counts: Vec<_> = response.lines().filter(|line| line.contains("_total{")).collect();
    let count = |code: u16, count: u32| format!("http_responses_total{{code=\"{code}\"}} {count}");
    assert_eq!(counts, [count(200, 2), count(404, 1), count(501, 1)]);
}

#[test]
fn oauth_callback_leaves_with_the_code() {
    let mut example = Example::run("oauth_callback", &["0"]);
    let reply = bring_code(&example, "4/a+b");
    assert!(reply.ends_with("\r\n\r\nThank you. You may close this window.\n"), "{reply}");
    assert_eq!(example.line(), "The code is 4/a+b");
    assert!(example.wait().success());

    let mut example = Example::run("oauth_callback", &["0"]);
    let reply =
        request(example.address, "GET /callback?code=stolen&state=guessed HTTP/1.0\r\n\r\n");
    assert!(reply.starts_with("HTTP/1.0 400 This is not the answer\r\n"), "{reply}");
    assert!(example.line().starts_with("Open "));
    assert_eq!(example.line(), "The code is None");
    assert!(example.wait().success());
}

#[test]
fn mock_server_remembers_what_it_was_asked() {
    let mut example = Example::run("mock_server", &["0"]);
    assert_eq!(example.line(), "2 requests, as expected");
    assert!(example.wait().success());
}

#[test]
fn bench_hello_writes_an_upload_to_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("up");
    let example = Example::run("bench_hello", &["upload", file.to_str().unwrap(), "0"]);
    for size in [300_000, 5] {
        let parts = [("name=f; filename=f", "x".repeat(size))];
        assert!(post_parts(example.address, "/", &parts).ends_with("\r\n\r\nHello, World!"));
        assert_eq!(fs::read(&file).unwrap(), vec![b'x'; size]);
    }
}

/// The address in a line such as `Serving on http://127.0.0.1:8000, press Enter`.
fn address_in(line: &str) -> SocketAddr {
    find_address(line).unwrap_or_else(|| panic!("no address in {line:?}"))
}

/// The body of a JSON response.
fn json(response: &str) -> serde_json::Value {
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("\r\nContent-Type: application/json; charset=utf-8"), "{head}");
    serde_json::from_str(body).unwrap()
}
