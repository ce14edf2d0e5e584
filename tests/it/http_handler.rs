//! What a handler may override, call, and get wrong.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use socketserver::http::{
    BaseHttpRequestHandler, Defaults, Directory, Exchange, FileHooks, HttpRequestHandler, Misuse,
    MisuseKind, SimpleHttpRequestHandler, Status,
};
use socketserver::{Address, Connection, Sequential, TcpServer, Timeouts};

use crate::support::{LIMIT, Notes, Running, bind};
use crate::web::{
    Browser, LAST_MODIFIED, Site, answer, answering, ask, error_page, find, get, hear_out, noting,
    send_back, serve, show, talk,
};

/// Adds a header to every response of the handler that it extends.
struct Adding<H> {
    base: H,
    name: &'static str,
}

impl<H: HttpRequestHandler> HttpRequestHandler for Adding<H> {
    fn base(&self) -> &dyn HttpRequestHandler {
        &self.base
    }

    fn end_headers(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        http.send_header(self.name, "yes")?;
        self.base.end_headers(http)
    }
}

#[test]
fn a_header_added_by_end_headers_is_in_every_response() {
    let site = Site::new();
    let server = serve(noting(Adding { base: site.handler(), name: "X-Added" }).http11());
    let since =
        format!("GET /a.txt HTTP/1.1\r\nHost: x\r\nIf-Modified-Since: {LAST_MODIFIED}\r\n\r\n");
    for (request, status) in [
        (get("/a.txt"), 200),
        ("HEAD /a.txt HTTP/1.1\r\nHost: x\r\n\r\n".into(), 200),
        (get("/idx/"), 200),
        (get("/sub/"), 200),
        (get("/sub"), 301),
        (since, 304),
        (get("/nope"), 404),
        ("POST / HTTP/1.1\r\nHost: x\r\n\r\n".into(), 501),
        ("GET / HTTP/1.1\r\n\r\n".into(), 400),
        ("GET / FUBAR\r\n\r\n".into(), 400),
        ("GET / HTTP/2.0\r\n\r\n".into(), 505),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(70_000)), 414),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n".into(), 400),
    ] {
        let reply = ask(&server, &request);
        assert_eq!(reply.status(), status, "{request:.60}");
        assert_eq!(reply.headers("X-Added"), ["yes"], "{request:.60}");
    }
}

#[test]
fn two_levels_of_extension_each_add_their_header() {
    let site = Site::new();
    let inner = Adding { base: site.handler(), name: "X-Inner" };
    let server = serve(noting(Adding { base: inner, name: "X-Outer" }).http11());
    for path in ["/a.txt", "/sub", "/sub/", "/nope"] {
        let reply = ask(&server, get(path));
        assert_eq!(reply.headers("X-Inner"), ["yes"], "{path}");
        assert_eq!(reply.headers("X-Outer"), ["yes"], "{path}");
        // In the order in which `super()` is called.
        assert!(reply.head.find("X-Outer") < reply.head.find("X-Inner"));
    }
}

/// Overrides everything that files are found and named by.
struct OwnHooks;

impl FileHooks for OwnHooks {
    fn translate_path(&self, http: &Exchange<'_>, directory: &Path, path: &str) -> PathBuf {
        match path.strip_prefix("/alias/") {
            Some(rest) => directory.join("sub").join(rest),
            None => Defaults.translate_path(http, directory, path),
        }
    }

    fn guess_type(&self, http: &Exchange<'_>, path: &Path) -> String {
        if path.ends_with("B") {
            return "text/x-b".into();
        }
        let mapped = self
            .extensions_map()
            .iter()
            .find(|(suffix, _)| path.to_string_lossy().ends_with(suffix));
        mapped.map_or_else(|| Defaults.guess_type(http, path), |(_, kind)| (*kind).into())
    }

    fn extensions_map(&self) -> &[(&str, &str)] {
        &[(".txt", "text/x-mapped"), (".GZ", "x/upper")]
    }

    fn index_pages(&self) -> &[&str] {
        &["missing", "B"]
    }

    fn list_directory(&self, http: &mut Exchange<'_>, directory: &Directory<'_>) -> io::Result<()> {
        let name = directory.path().file_name().unwrap().to_string_lossy().into_owned();
        answer(http, format!("the list of {name}"))
    }
}

/// Overrides the rest.
struct Own {
    files: SimpleHttpRequestHandler<OwnHooks>,
    log: Notes<String>,
}

impl HttpRequestHandler for Own {
    fn base(&self) -> &dyn HttpRequestHandler {
        &self.files
    }

    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        match http.path.as_str() {
            "/hello" => answer(http, "hello"),
            _ => self.files.do_get(http),
        }
    }

    fn do_method(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let command = http.command.clone();
        answer(http, command)
    }

    fn server_version(&self) -> &str {
        "Own/1"
    }

    fn sys_version(&self) -> &str {
        "System/2"
    }

    fn address_string(&self, _: &Exchange<'_>) -> String {
        "somebody".into()
    }

    fn log_request(&self, http: &Exchange<'_>, code: Status, size: Option<u64>) {
        self.log.add(format!("request {} {code} {size:?}", http.path));
        self.files.log_request(http, code, Some(7));
    }

    fn log_error(&self, http: &Exchange<'_>, message: fmt::Arguments<'_>) {
        self.log.add(format!("error {message}"));
        self.files.log_error(http, message);
    }

    fn log_message(&self, http: &Exchange<'_>, message: fmt::Arguments<'_>) {
        self.log.add(format!("{} {message}", http.address_string()));
    }
}

#[test]
fn every_part_of_serving_files_can_be_overridden() {
    let site = Site::new();
    let log = Notes::new();
    let server = serve(Own { files: site.handler().with_hooks(OwnHooks), log: log.clone() });
    let request = |line: &str| ask(&server, format!("{line} HTTP/1.0\r\n\r\n"));

    let reply = request("GET /hello");
    assert_eq!(reply.text(), "hello");
    assert_eq!(reply.header("Server"), Some("Own/1 System/2"));
    let logged = ["request /hello 200 None", "somebody \"GET /hello HTTP/1.0\" 200 7"];
    assert_eq!(log.so_far(), logged);

    let reply = request("GET /a.txt");
    assert_eq!(
        (reply.text(), reply.header("Content-type")),
        ("hello world\n", Some("text/x-mapped"))
    );
    // The map is asked before anything else. It no longer has Python's four, but a compressed file
    // is not what is inside.
    assert_eq!(request("GET /t.tar.gz").header("Content-type"), Some("application/gzip"));
    let reply = request("GET /alias/B");
    assert_eq!((reply.text(), reply.header("Content-type")), ("B", Some("text/x-b")));
    assert_eq!(request("GET /sub/").text(), "B", "the index page");
    assert_eq!(request("GET /idx/").text(), "the list of idx");
    assert_eq!(request("HEAD /a.txt").header("Content-type"), Some("text/x-mapped"));
    assert_eq!(request("POST /a.txt").text(), "POST");
    assert_eq!(request("DELETE /a.txt").text(), "DELETE");
    assert_eq!(request("SPAM /a.txt").text(), "SPAM");

    log.so_far();
    assert_eq!(request("GET /nope").status(), 404);
    let logged = [
        "error code 404, message File not found",
        "somebody code 404, message File not found",
        "request /nope 404 None",
        "somebody \"GET /nope HTTP/1.0\" 404 7",
    ];
    assert_eq!(log.so_far(), logged);
}

/// Overrides each method of a request, which all answer with their names.
struct Methods;

impl HttpRequestHandler for Methods {
    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        answer(http, "do_get")
    }
    fn do_head(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        http.send_response_with(200, "do_head")?;
        http.end_headers()
    }
    fn do_post(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        answer(http, "do_post")
    }
    fn do_put(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        answer(http, "do_put")
    }
    fn do_patch(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        answer(http, "do_patch")
    }
    fn do_delete(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        answer(http, "do_delete")
    }
    fn do_options(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        answer(http, "do_options")
    }
    fn do_method(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        answer(http, "do_method")
    }
}

#[test]
fn each_method_of_http_has_its_own() {
    let server = serve(noting(Methods).http11());
    let mut browser = Browser::connect(&server);
    for (method, name) in [
        ("GET", "do_get"),
        ("POST", "do_post"),
        ("PUT", "do_put"),
        ("PATCH", "do_patch"),
        ("DELETE", "do_delete"),
        ("OPTIONS", "do_options"),
        ("SPAM", "do_method"),
        ("get", "do_method"),
        ("TRACE", "do_method"),
    ] {
        let reply = browser.ask(format!("{method} / HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert_eq!(reply.text(), name);
    }
    assert_eq!(browser.ask("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n").reason(), "do_head");
}

/// Answers errors with pages of its own.
struct Pages;

impl HttpRequestHandler for Pages {
    fn error_message_format(&self) -> Cow<'_, str> {
        Cow::Borrowed("%(code)d|%(code)s|%(message)s|%(explain)s|%(other)s|100%")
    }

    fn error_content_type(&self) -> &str {
        "text/plain"
    }
}

#[test]
fn the_page_of_an_error_can_be_replaced() {
    let server = serve(noting(Pages).http11());
    let reply = ask(&server, "<B> / HTTP/1.1\r\nHost: x\r\n\r\n");
    let page = "501|501|Unsupported method ('&lt;B&gt;')|Server does not support this operation|\
                %(other)s|100%";
    assert_eq!(reply.text(), page);
    assert_eq!(reply.header("Content-Type"), Some("text/plain"));
}

/// Answers errors in a way of its own.
struct Errors;

impl HttpRequestHandler for Errors {
    fn send_error(
        &self,
        http: &mut Exchange<'_>,
        code: Status,
        message: Option<&str>,
        explain: Option<&str>,
    ) -> io::Result<()> {
        if code.code() == 501 {
            return answer(http, format!("{code} {message:?} {explain:?}"));
        }
        BaseHttpRequestHandler.send_error(http, code, Some("mine"), Some("my own"))
    }
}

#[test]
fn send_error_can_be_overridden_and_is_found_from_everywhere() {
    let server = serve(noting(Errors).http11());
    let reply = ask(&server, "SPAM / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(reply.status(), 200);
    assert_eq!(reply.text(), "501 Some(\"Unsupported method ('SPAM')\") None");
    let reply = ask(&server, "GET / HTTP/1.1\r\n\r\n");
    assert_eq!((reply.status(), reply.reason()), (400, "mine"));
    assert_eq!(reply.text(), error_page(400, "mine", "my own"));
}

/// Lets nobody send a body without a token.
struct Doorkeeper;

impl HttpRequestHandler for Doorkeeper {
    fn handle_expect_100(&self, http: &mut Exchange<'_>) -> io::Result<bool> {
        if http.headers.contains("Token") {
            return BaseHttpRequestHandler.handle_expect_100(http);
        }
        http.send_error(417)?;
        Ok(false)
    }

    fn do_put(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        send_back(http)
    }
}

#[test]
fn a_client_that_expects_100_may_be_told_to_continue() {
    let server = serve(noting(Doorkeeper).http11());
    let mut browser = Browser::connect(&server);
    browser.send("PUT / HTTP/1.1\r\nHost: x\r\nToken: t\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    // The body is sent only now.
    assert_eq!(show(browser.reply().raw), "HTTP/1.1 100 Continue\\r\\n\\r\\n");
    assert_eq!(browser.send("hello").reply().text(), "hello");
    assert_eq!(browser.ask(get("/")).status(), 501, "the connection is kept");
}

#[test]
fn a_client_that_expects_100_may_be_refused() {
    let server = serve(noting(Doorkeeper).http11());
    let mut browser = Browser::connect(&server);
    let request = "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    assert_eq!(browser.ask(request).status(), 417);
    browser.sees_the_end();
}

#[test]
fn a_client_of_http_1_0_is_not_told_to_continue() {
    let server = serve(noting(Doorkeeper).http11());
    let request = "PUT / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello";
    assert_eq!(ask(&server, request).text(), "hello");
    let server = serve(noting(Doorkeeper));
    let request =
        "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello";
    assert_eq!(ask(&server, request).text(), "hello", "by a server of HTTP/1.0");
}

#[test]
fn the_server_header_is_both_versions_unless_overridden() {
    struct Versions(&'static str);
    impl HttpRequestHandler for Versions {
        fn version_string(&self, http: &Exchange<'_>) -> String {
            match self.0 {
                "" => BaseHttpRequestHandler.version_string(http),
                own => own.into(),
            }
        }
    }
    let version = concat!("BaseHTTP/0.6 socketserver/", env!("CARGO_PKG_VERSION"));
    for (own, header) in [("", version), ("nobody", "nobody")] {
        let server = serve(noting(Versions(own)));
        assert_eq!(ask(&server, get("/")).header("Server"), Some(header));
    }
}

/// Asks for no bytes of those whom it turns away.
struct Picky {
    log: Notes<&'static str>,
}

impl HttpRequestHandler for Picky {
    fn verify_request(&self, _: &Connection, client_address: &Address) -> bool {
        assert!(client_address.ip().unwrap().is_loopback());
        self.log.add("verify_request");
        false
    }

    fn service_actions(&self) {
        self.log.add("service_actions");
    }

    fn handle_timeout(&self) {
        self.log.add("handle_timeout");
    }
}

#[test]
fn the_hooks_of_the_server_reach_an_http_handler() {
    let log = Notes::new();
    let mut server: TcpServer<Sequential, _> = bind(noting(Picky { log: log.clone() }));
    server.timeout = Some(Duration::ZERO);
    server.handle_request().unwrap();
    assert_eq!(log.so_far(), ["handle_timeout"]);

    let server = Running::start(server);
    let mut browser = Browser::connect(&server);
    browser.sees_the_end();
    assert_eq!((log.next(), log.next()), ("verify_request", "service_actions"));
}

#[test]
fn the_timeouts_of_an_http_handler_count() {
    let limit = Duration::from_millis(30);
    let handler = answering(send_back).timeouts(Timeouts::default().each_wait(limit));
    let (log, errors) = (handler.log.clone(), handler.errors.clone());
    let server = serve(handler);
    // Nothing at all is no request.
    Browser::connect(&server).sees_the_end();
    assert!(log.so_far().is_empty());
    // A head that does not end.
    let reply = talk(&server, "GET / HTTP/1.1\r\nHo");
    assert!(reply.starts_with(b"HTTP/1.1 408 Request Timeout\r\n"), "{}", show(reply));
    assert_eq!(log.so_far(), ["code 408, message Request Timeout", "\"GET / HTTP/1.1\" 408 -"]);
    // A body that does not end.
    for body in [
        "Content-Length: 5\r\n\r\n",
        "Content-Length: 5\r\n\r\nhell",
        "Transfer-Encoding: chunked\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhell",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ] {
        let reply = talk(&server, format!("PUT / HTTP/1.1\r\nHost: x\r\n{body}"));
        assert!(reply.starts_with(b"HTTP/1.1 408 Request Timeout\r\n"), "{}", show(reply));
        assert_eq!(errors.next(), "while answering \"PUT / HTTP/1.1\": timed out");
    }
}

#[test]
fn a_handler_may_set_the_limit_of_a_single_wait() {
    let errors = Notes::new();
    let noted = errors.clone();
    let handler = answering(move |http| {
        http.rfile.set_timeout(Some(Duration::from_millis(20)));
        http.wfile.set_timeout(Some(LIMIT));
        let error = http.rfile.read_to_end(&mut Vec::new()).unwrap_err();
        noted.add(error.kind());
        answer(http, "late")
    });
    let server = serve(handler.body_buffer_size(0));
    let request = "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhell";
    assert_eq!(ask(&server, request).text(), "late");
    assert_eq!(errors.next(), io::ErrorKind::TimedOut);
}

#[test]
fn the_log_is_written_to_standard_error_in_pythons_layout() {
    const MARK: &str = "SOCKETSERVER_TEST_LOG";
    let name = "http_handler::the_log_is_written_to_standard_error_in_pythons_layout";
    if std::env::var_os(MARK).is_some() {
        let site = Site::new();
        let server = serve(site.handler());
        for request in ["GET /a.txt", "GET /nope", "GET /\x1b[31m\\x\x7f\u{e9}", "GET\t \"q\""] {
            // Each character is a byte.
            let bytes: Vec<u8> = request.chars().map(|character| character as u8).collect();
            let bytes = [&bytes[..], b" HTTP/1.0\r\n\r\n"].concat();
            hear_out(server.address, &bytes);
        }
        return;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(MARK, "yes")
        .output()
        .unwrap();
    assert!(output.status.success());
    let lines = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<&str> = lines.lines().collect();
    let messages: Vec<&str> = lines
        .iter()
        .map(|line| {
            let rest = line.strip_prefix("127.0.0.1 - - [").expect(line);
            let (date, message) = rest.split_once("] ").expect(line);
            // 20/Nov/2026 16:08:03
            let shape: String = date
                .chars()
                .map(|character| match character {
                    '0'..='9' => '9',
                    'a'..='z' => 'a',
                    'A'..='Z' => 'A',
                    other => other,
                })
                .collect();
            assert_eq!(shape, "99/Aaa/9999 99:99:99");
            message
        })
        .collect();
    let expected = [
        "\"GET /a.txt HTTP/1.0\" 200 -",
        "code 404, message File not found",
        "\"GET /nope HTTP/1.0\" 404 -",
        "code 404, message File not found",
        "\"GET /\\x1b[31m\\\\x\\x7fé HTTP/1.0\" 404 -",
        "code 404, message File not found",
        "\"GET\\x09 %22q%22 HTTP/1.0\" 404 -",
    ];
    assert_eq!(messages, expected);
}

/// CPython's tests count writes; here a client sees that one is all there is.
#[test]
fn a_head_and_what_is_written_first_leave_together() {
    let server = serve(answering(|http| match http.path.as_str() {
        "/length" => answer(http, "body"),
        "/chunked" => {
            http.send_response(200)?;
            http.end_headers()?;
            http.wfile.write_all(b"body")
        }
        _ => http.send_error(404),
    }));
    for (path, end) in
        [("/length", "\r\n\r\nbody"), ("/chunked", "4\r\nbody\r\n"), ("/", "</html>\n")]
    {
        let mut client = server.connect();
        client.send(get(path));
        let mut buffer = vec![0; 65_536];
        // A single read: what one call sends arrives at once.
        let count = client.stream.read(&mut buffer).unwrap();
        assert!(find(&buffer[..count], end.as_bytes()).is_some(), "{}", show(&buffer[..count]));
    }
}

#[test]
fn a_header_in_latin_1_comes_back_as_it_was() {
    let server = serve(answering(|http| {
        let value = http.headers.get("X-Special").unwrap_or_default().to_owned();
        http.send_response(200)?;
        http.send_header("X-Special", value)?;
        http.send_header("Content-Length", 0)?;
        http.end_headers()
    }));
    let request = b"GET / HTTP/1.1\r\nHost: x\r\nX-Special: \tD\xe4ngerous \xff Mind \t\r\n\r\n";
    let reply = ask(&server, request).raw;
    assert!(
        find(&reply, b"\r\nX-Special: D\xe4ngerous \xff Mind\r\n").is_some(),
        "{}",
        show(reply)
    );
}

#[test]
fn a_status_has_three_digits() {
    let server = serve(answering(|http| {
        for code in [0, 99, 1000] {
            let refused = http.send_response(code).unwrap_err();
            assert_eq!(refused.to_string(), "a status is a number from 100 to 999");
            assert_eq!(Misuse::inside(&refused).map(Misuse::kind), Some(MisuseKind::InvalidStatus));
        }
        http.send_error(404)
    }));
    let reply = ask(&server, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(reply.status(), 404);
}
