//! What a handler may override, call, and get wrong.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, BufRead, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use socketserver::http::{
    BaseHttpRequestHandler, Defaults, Directory, Exchange, FileHooks, HttpRequestHandler, Misuse,
    MisuseKind, ProtocolVersion, SimpleHttpRequestHandler, Status,
};
use socketserver::{Address, Connection, Sequential, Signal, TcpServer, ThreadPool, Timeouts};

use crate::support::{LIMIT, Notes, Running, bind};
use crate::web::{
    Browser, LAST_MODIFIED, Site, answer, answering, ask, error_page, find, get, hear_out, masked,
    noting, send_back, serve, show, talk,
};

// Overriding.

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
    let server = serve(answering(move |http| {
        http.rfile.set_timeout(Some(Duration::from_millis(20)));
        http.wfile.set_timeout(Some(LIMIT));
        let error = http.rfile.read_to_end(&mut Vec::new()).unwrap_err();
        noted.add(error.kind());
        answer(http, "late")
    }));
    let request = "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhell";
    assert_eq!(ask(&server, request).text(), "late");
    assert_eq!(errors.next(), io::ErrorKind::TimedOut);
}

// What nobody overrides.

#[test]
fn the_base_has_every_method_of_the_trait() {
    let names = |source: &'static str| {
        let lines = source.lines().filter_map(|line| line.strip_prefix("    fn "));
        lines.map(|line| line.split(['(', '<']).next().unwrap())
    };
    let (_, source) = include_str!("../../src/http/exchange/handler.rs")
        .split_once("pub trait HttpRequestHandler")
        .unwrap();
    let (declared, _) = source.split_once("\n}\n").unwrap();
    let (_, source) = include_str!("../../src/http/exchange/base.rs")
        .split_once("impl HttpRequestHandler")
        .unwrap();
    let implemented: Vec<_> = names(source).collect();
    let mut count = 0;
    for name in names(declared).filter(|&name| name != "base") {
        // The trait's default would call the base's, which would be the default.
        assert!(implemented.contains(&name), "BaseHttpRequestHandler does not define {name}");
        count += 1;
    }
    assert_eq!(count, 32, "call the new ones in the next test, too");
}

#[test]
fn every_method_of_the_base_can_be_called() {
    let base = BaseHttpRequestHandler;
    let notes = Notes::new();
    let said = notes.clone();
    let server = serve(answering(move |http| {
        match http.path.as_str() {
            "/send_error" => return base.send_error(http, Status::IM_A_TEAPOT, None, None),
            "/handle_overload" => return base.handle_overload(http),
            "/handle_clear_text" => return base.handle_clear_text(http),
            "/handle_one_request" => {
                // It leads here again.
                http.path = "/send_error".to_owned();
                return base.handle_one_request(http);
            }
            _ => {}
        }
        assert_eq!(base.protocol_version(), ProtocolVersion::Http10);
        assert_eq!(base.server_version(), "BaseHTTP/0.6");
        assert_eq!(base.sys_version(), concat!("socketserver/", env!("CARGO_PKG_VERSION")));
        assert!(base.version_string(http).starts_with("BaseHTTP/0.6 socketserver/"));
        assert!(base.error_message_format().contains("%(explain)s"));
        assert_eq!(base.error_content_type(), "text/html;charset=utf-8");
        assert_eq!(base.address_string(http), "127.0.0.1");
        assert_eq!(base.timeouts(), Timeouts::default());
        assert!(base.trusted_proxies().is_empty());
        base.log_request(http, Status::OK, Some(5));
        base.finish(http);
        base.log_error(http, format_args!("an error"));
        base.handle_error(&http.client_address, &io::ErrorKind::BrokenPipe.into());
        base.handle_timeout();
        base.service_actions();
        base.handle_signal(Signal::USR1);
        assert!(base.handle_expect_100(http)?);
        http.send_response(204)?;
        base.end_headers(http)?;
        // Not in a loop: the base's base is itself.
        assert_eq!(base.base().server_version(), "BaseHTTP/0.6");
        said.add("all");
        Ok(())
    }));
    let mut browser = Browser::connect(&server);
    browser.send(get("/"));
    assert_eq!(browser.reply().status(), 100);
    assert_eq!(browser.reply().status(), 204);
    assert_eq!(notes.next(), "all");
    assert_eq!(ask(&server, get("/send_error")).reason(), "I'm a Teapot");
    assert_eq!(ask(&server, get("/handle_one_request")).reason(), "I'm a Teapot");
    assert_eq!(ask(&server, get("/handle_overload")).header("Retry-After"), Some("1"));
    let reply = ask(&server, get("/handle_clear_text"));
    assert_eq!(reply.reason(), "Plain HTTP was sent to an HTTPS port");

    let server = serve(noting(base).http11());
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "SPAM"] {
        let reply = ask(&server, format!("{method} / HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert_eq!(reply.reason(), format!("Unsupported method ('{method}')"));
    }
    let reply = ask(&server, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(reply.reason(), "Unsupported method ('HEAD')");
}

/// What [`every_method_of_the_base_can_be_called`] cannot call, as its own method would be called
/// again.
#[test]
fn the_methods_of_the_base_fall_back_to_do_method() {
    struct Calling;
    impl HttpRequestHandler for Calling {
        fn verify_request(&self, connection: &Connection, client_address: &Address) -> bool {
            BaseHttpRequestHandler.verify_request(connection, client_address)
        }
        fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
            match http.path.as_str() {
                "/do_get" => BaseHttpRequestHandler.do_get(http),
                "/do_head" => BaseHttpRequestHandler.do_head(http),
                "/do_post" => BaseHttpRequestHandler.do_post(http),
                "/do_put" => BaseHttpRequestHandler.do_put(http),
                "/do_patch" => BaseHttpRequestHandler.do_patch(http),
                "/do_delete" => BaseHttpRequestHandler.do_delete(http),
                "/do_options" => BaseHttpRequestHandler.do_options(http),
                _ => BaseHttpRequestHandler.do_method(http),
            }
        }
        fn do_method(&self, http: &mut Exchange<'_>) -> io::Result<()> {
            answer(http, "fallen back")
        }
    }
    let server = serve(noting(Calling).http11());
    let mut browser = Browser::connect(&server);
    let methods = ["get", "head", "post", "put", "patch", "delete", "options"];
    for method in methods {
        assert_eq!(browser.ask(get(&format!("/do_{method}"))).text(), "fallen back");
    }
    assert_eq!(browser.ask(get("/do_method")).status(), 501);
}

// What a handler finds in the exchange.

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
    let server = serve(answering(|http| {
        http.send_response(200)?;
        http.end_headers()?;
        let mut line = String::new();
        for prompt in ["name? ", "age? "] {
            http.wfile.write_all(prompt.as_bytes())?;
            line.clear();
            http.rfile.read_line(&mut line)?;
        }
        http.wfile.write_all(line.as_bytes())
    }));
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
    let server = serve(answering(|http| {
        http.send_response(200)?;
        http.send_header("Content-Length", 5)?;
        http.end_headers()?;
        let mut body = Vec::new();
        http.rfile.read_to_end(&mut body)?;
        http.wfile.write_all(&body)
    }));
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

// What a handler gets wrong.

/// Runs a handler once and returns the errors that it noted.
#[track_caller]
fn misused(
    act: impl Fn(&mut Exchange<'_>, &dyn Fn(io::Result<()>)) + Send + Sync + 'static,
) -> Vec<String> {
    let notes = Notes::new();
    let noted = notes.clone();
    let server = serve(answering(move |http| {
        act(http, &|result| match result {
            Ok(()) => noted.add("none".into()),
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
                noted.add(error.to_string());
            }
        });
        http.close_connection = true;
        Ok(())
    }));
    Browser::connect(&server).send(get("/")).rest();
    notes.so_far()
}

#[test]
fn calls_out_of_order_are_errors_that_name_them() {
    let errors = misused(|http, note| {
        note(http.send_header("A", "b"));
        note(http.end_headers());
        note(http.wfile.write_all(b"early"));
        note(http.send_response(200));
        note(http.wfile.write_all(b"early"));
        note(http.send_response(201));
        note(http.send_response_only(202));
        note(http.send_header("Content-Length", 2));
        note(http.end_headers());
        note(http.send_header("A", "b"));
        note(http.end_headers());
        note(http.send_response_with(203, "again"));
        note(http.wfile.write_all(b"abc"));
        note(http.wfile.write_all(b"a"));
        note(http.send_error(500));
        note(http.wfile.write_all(b"b"));
        note(http.wfile.write_all(b"c"));
    });
    let expected = [
        "send_header('A') outside send_response and end_headers",
        "end_headers without send_response",
        "wfile: write before send_response and end_headers",
        "none",
        "wfile: write before end_headers",
        "send_response(201) after a response was begun",
        "send_response(202) after a response was begun",
        "none",
        "none",
        "send_header('A') outside send_response and end_headers",
        "end_headers without send_response",
        "send_response(203) after a response was begun",
        "wfile: 3 bytes, but 2 are left of Content-Length",
        "none",
        "send_error(500) after the response has begun",
        "none",
        "wfile: 1 bytes, but 0 are left of Content-Length",
    ];
    assert_eq!(errors, expected);
}

#[test]
fn headers_that_would_split_a_response_are_errors_that_name_them() {
    let errors = misused(|http, note| {
        note(http.send_response_with(200, "a\nb"));
        note(http.send_response_with(200, "a\rb"));
        note(http.send_response_with(200, "a\0b"));
        note(http.send_response_with(200, "a\x08b"));
        note(http.send_response_with(200, "☃"));
        note(http.send_response(200));
        note(http.send_header("A", "b\r\nC: d"));
        note(http.send_header("A", "b\nC: d"));
        note(http.send_header("A", "b\rC: d"));
        note(http.send_header("A", "\0"));
        note(http.send_header("A", "\x01"));
        note(http.send_header("A", "a\x1b[31m"));
        note(http.send_header("A", "a\x7f"));
        note(http.send_header("A", "☃"));
        note(http.send_header("", "b"));
        note(http.send_header("A:", "b"));
        note(http.send_header("A ", "b"));
        note(http.send_header("A\r\nB", "b"));
        note(http.send_header("É", "b"));
        note(http.send_header("Content-Length", "many"));
        note(http.send_header("Content-Length", "-1"));
        note(http.send_header("A", "\t é "));
    });
    let expected = [
        "send_response(200): control character in 'a\\nb'",
        "send_response(200): control character in 'a\\rb'",
        "send_response(200): control character in 'a\\x00b'",
        "send_response(200): control character in 'a\\x08b'",
        "send_response(200): '☃' is beyond ISO 8859-1",
        "none",
        "send_header('A'): control character in 'b\\r\\nC: d'",
        "send_header('A'): control character in 'b\\nC: d'",
        "send_header('A'): control character in 'b\\rC: d'",
        "send_header('A'): control character in '\\x00'",
        "send_header('A'): control character in '\\x01'",
        "send_header('A'): control character in 'a\\x1b[31m'",
        "send_header('A'): control character in 'a\\x7f'",
        "send_header('A'): '☃' is beyond ISO 8859-1",
        "send_header: '' is no header name",
        "send_header: 'A:' is no header name",
        "send_header: 'A ' is no header name",
        "send_header: 'A\\r\\nB' is no header name",
        "send_header: 'É' is no header name",
        "send_header: Content-Length is no number: 'many'",
        "send_header: Content-Length is no number: '-1'",
        "none",
    ];
    assert_eq!(errors, expected);
}

#[test]
fn a_message_of_an_error_is_a_status_line_without_control_characters() {
    let server = serve(answering(|http| http.send_error_with(404, "a\x1bb\x7fc\td\ne")));
    assert_eq!(ask(&server, get("/")).reason(), "a b c\td e");
}

#[test]
fn headers_that_leave_the_end_of_a_response_in_doubt_are_errors() {
    let errors = misused(|http, note| {
        note(http.send_response(200));
        note(http.send_header("Content-Length", 5));
        note(http.send_header("content-length", 5));
        note(http.send_header("Content-Length", 6));
        note(http.send_header("Transfer-Encoding", "chunked"));
        note(http.send_error(500));
    });
    let expected = [
        "none",
        "none",
        "none",
        "send_header: Content-Length is 5, not '6'",
        "send_header: Transfer-Encoding beside Content-Length",
        "none",
    ];
    assert_eq!(errors, expected);
    let errors = misused(|http, note| {
        note(http.send_response(200));
        note(http.send_header("Transfer-Encoding", "chunked"));
        note(http.send_header("Content-Length", 5));
        note(http.end_headers());
        note(http.wfile.write_all(b"0\r\n\r\n"));
    });
    let expected =
        ["none", "none", "send_header: Content-Length beside Transfer-Encoding", "none", "none"];
    assert_eq!(errors, expected);
}

#[test]
fn a_handler_may_write_chunks_of_its_own() {
    let server = serve(answering(|http| {
        http.send_response(200)?;
        http.send_header("Transfer-Encoding", "chunked")?;
        http.end_headers()?;
        http.wfile.write_all(b"3\r\nabc\r\n")?;
        http.wfile.write_all(b"0\r\n\r\n")
    }));
    let mut browser = Browser::connect(&server);
    for _ in 0..2 {
        assert_eq!(browser.ask(get("/")).text(), "abc");
    }
}

#[test]
fn a_connection_can_be_taken_over_once() {
    let errors = misused(|http, note| {
        note(http.take_over().map(drop));
        note(http.take_over().map(drop));
        note(http.wfile.write_all(b"late"));
        note(http.send_response(200));
    });
    let expected = [
        "none",
        "take_over: taken over before",
        "wfile: write after the response has ended",
        "send_response(200) after a response was begun",
    ];
    assert_eq!(errors, expected);
}

#[test]
fn a_refused_header_leaves_the_response_as_it_was() {
    let server = serve(answering(|http| {
        http.send_response(200)?;
        for (name, value) in [("A", "b\r\nC: d"), ("A", "☃"), ("A B", "c"), ("Content-Length", "x")]
        {
            assert!(http.send_header(name, value).is_err());
        }
        http.send_header("Content-Length", 0)?;
        http.end_headers()
    }));
    let reply = masked(ask(&server, get("/")).raw);
    assert_eq!(show(reply), show("HTTP/1.1 200 OK\r\n{B}{D}Content-Length: 0\r\n\r\n"));
}

#[test]
fn a_handler_without_response_is_500() {
    let handler = answering(|_| Ok(()));
    let log = handler.log.clone();
    let server = serve(handler);
    let reply = ask(&server, get("/"));
    assert_eq!(reply.status(), 500);
    assert_eq!(reply.header("Connection"), Some("close"));
    assert_eq!(log.so_far()[0], "the handler sent no response");
}

#[test]
fn an_error_before_the_head_has_left_is_500_and_reported() {
    let handler = answering(|http| {
        http.send_response(200)?;
        http.send_header("X-Secret", "value")?;
        if http.path == "/ended" {
            http.end_headers()?;
        }
        Err(io::Error::other("boom"))
    });
    let errors = handler.errors.clone();
    let server = serve(handler);
    for path in ["/", "/ended"] {
        let mut browser = Browser::connect(&server);
        let reply = browser.ask(get(path));
        assert_eq!((reply.status(), reply.header("X-Secret")), (500, None));
        browser.sees_the_end();
        assert_eq!(errors.next(), format!("while answering \"GET {path} HTTP/1.1\": boom"));
    }
}

#[test]
fn a_panic_before_the_head_has_left_is_500_and_reported() {
    let handler = answering(|http| {
        http.send_response(200)?;
        panic!("at {}", http.path);
    });
    let errors = handler.errors.clone();
    let server = serve(handler);
    let mut browser = Browser::connect(&server);
    assert_eq!(browser.ask(get("/here")).status(), 500);
    browser.sees_the_end();
    let error = errors.next();
    assert!(error.contains("at /here"), "{error}");
}

#[test]
fn a_response_that_breaks_off_is_not_ended_as_if_it_were_whole() {
    let handler = answering(|http| {
        http.send_response(200)?;
        if http.path.starts_with("/length") {
            http.send_header("Content-Length", 10)?;
        }
        http.end_headers()?;
        http.wfile.write_all(b"hell")?;
        if http.path.ends_with("panic") {
            panic!("boom");
        }
        Err(io::Error::other("boom"))
    });
    let errors = handler.errors.clone();
    let server = serve(handler);
    for path in ["/length", "/length-panic", "/chunked", "/chunked-panic"] {
        let reply = talk(&server, get(path));
        let body = &reply[find(&reply, b"\r\n\r\n").unwrap() + 4..];
        let expected = if path.starts_with("/length") { "hell" } else { "4\r\nhell\r\n" };
        assert_eq!(show(body), show(expected), "{path}");
        assert!(errors.next().contains("boom"));
    }
}

#[test]
fn a_body_shorter_than_declared_closes_the_connection() {
    let server = serve(answering(|http| {
        http.send_response(200)?;
        http.send_header("Content-Length", 10)?;
        http.end_headers()?;
        http.wfile.write_all(b"hell")
    }));
    let reply = talk(&server, get("/"));
    assert!(reply.ends_with(b"\r\n\r\nhell"), "{}", show(reply));
}

#[test]
fn a_body_longer_than_declared_is_not_sent() {
    let handler = answering(|http| {
        http.send_response(200)?;
        http.send_header("Content-Length", 4)?;
        http.end_headers()?;
        http.wfile.write_all(b"hell")?;
        http.wfile.write_all(b"HTTP/1.1 200 OK\r\n\r\n")
    });
    let errors = handler.errors.clone();
    let server = serve(handler);
    let reply = talk(&server, get("/"));
    assert!(reply.ends_with(b"\r\n\r\nhell"), "{}", show(reply));
    let error = errors.next();
    assert!(error.ends_with(": wfile: 19 bytes, but 0 are left of Content-Length"), "{error}");
}

// Other protocols.

/// Says what it read in upper case until its client is gone.
fn shout(connection: Connection) -> io::Result<()> {
    let Connection { rfile: mut input, wfile: mut output, .. } = connection;
    let mut line = String::new();
    while input.read_line(&mut line)? > 0 {
        output.write_all(line.to_uppercase().as_bytes())?;
        line.clear();
    }
    Ok(())
}

#[test]
fn a_connection_that_was_taken_over_speaks_another_protocol() {
    let server = serve(answering(|http| {
        http.send_response(101)?;
        http.send_header("Connection", "Upgrade")?;
        http.send_header("Upgrade", "shout")?;
        http.end_headers()?;
        let connection = http.take_over()?;
        if http.path == "/thread" {
            thread::spawn(move || shout(connection));
            return Ok(());
        }
        shout(connection)
    }));
    for path in ["/here", "/thread"] {
        let mut browser = Browser::connect(&server);
        // Bytes of the new protocol may follow at once.
        let reply = browser.ask(get(path) + "first\nsec");
        let expected = "HTTP/1.1 101 Switching Protocols\r\n{B}{D}Connection: Upgrade\r\nUpgrade: shout\r\n\r\n";
        assert_eq!(show(masked(reply.raw)), show(expected));
        assert_eq!(browser.read(6), b"FIRST\n");
        browser.send("ond\n");
        assert_eq!(browser.read(7), b"SECOND\n");
        browser.client.finish_sending();
        browser.sees_the_end();
    }
}

#[test]
fn the_tunnel_of_connect_is_not_chunked() {
    struct Tunnel;

    impl HttpRequestHandler for Tunnel {
        fn protocol_version(&self) -> ProtocolVersion {
            ProtocolVersion::Http11
        }

        fn do_method(&self, http: &mut Exchange<'_>) -> io::Result<()> {
            http.send_response(200)?;
            http.end_headers()?;
            shout(http.take_over()?)
        }
    }

    let server = serve(Tunnel);
    let mut browser = Browser::connect(&server);
    browser.send("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\nfirst\n");
    browser.client.finish_sending();
    let reply = browser.client.read_to_end();
    assert!(!reply.contains("Transfer-Encoding"), "{reply}");
    assert!(reply.ends_with("\r\n\r\nFIRST\n"), "{reply}");
}

#[test]
fn after_101_the_streams_of_the_exchange_are_raw() {
    let server = serve(answering(|http| {
        http.send_response(101)?;
        http.end_headers()?;
        let mut line = String::new();
        while http.rfile.read_line(&mut line)? > 0 {
            http.wfile.write_all(line.to_uppercase().as_bytes())?;
            line.clear();
        }
        Ok(())
    }));
    let mut browser = Browser::connect(&server);
    assert_eq!(browser.ask(get("/") + "one\n").status(), 101);
    assert_eq!(browser.read(4), b"ONE\n");
    browser.send("two\n");
    assert_eq!(browser.read(4), b"TWO\n");
    browser.client.finish_sending();
    browser.sees_the_end();
}

#[test]
fn a_connection_taken_over_without_a_response_is_closed_by_dropping_it() {
    let server = serve(answering(|http| http.take_over().map(drop)));
    Browser::connect(&server).send(get("/")).sees_the_end();
}

// The log as it is written.

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
