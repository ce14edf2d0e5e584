//! `handle_one_request`: what holds for every method.

use std::io;
use std::sync::Arc;

use socketserver::http::{
    BaseHttpRequestHandler, Exchange, HttpRequestHandler, Metrics, ProtocolVersion,
};

use crate::web::{Browser, Site, answer, ask, get, noting, send_back, serve, show};

/// Has a method for each that HTTP has one for.
struct All;

impl HttpRequestHandler for All {
    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        answer(http, "got")
    }

    fn do_head(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        answer(http, "got")
    }

    fn do_post(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        send_back(http)
    }

    fn do_put(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        send_back(http)
    }

    fn do_patch(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        send_back(http)
    }

    fn do_delete(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        answer(http, "deleted")
    }

    fn do_options(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        answer(http, "options")
    }

    fn do_method(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        answer(http, "method")
    }
}

/// Lets requests with a token pass to the handler that it extends.
struct Checking<H>(H);

impl<H: HttpRequestHandler> HttpRequestHandler for Checking<H> {
    fn base(&self) -> &dyn HttpRequestHandler {
        &self.0
    }

    fn handle_one_request(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        if http.headers.contains("Token") {
            return self.0.handle_one_request(http);
        }
        http.send_response(401)?;
        http.send_header("Content-Length", 0)
    }

    fn protocol_version(&self) -> ProtocolVersion {
        ProtocolVersion::Http11
    }
}

const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "SPAM"];

/// Asks with and without a token.
#[track_caller]
fn is_checked(handler: impl HttpRequestHandler) {
    let server = serve(noting(handler).http11());
    let mut browser = Browser::connect(&server);
    for method in METHODS {
        for (token, status) in [("", 401), ("Token: t\r\n", 200)] {
            let request = format!("{method} / HTTP/1.1\r\nHost: x\r\n{token}\r\n");
            assert_eq!(browser.ask(&request).status(), status, "{request:?}");
        }
    }
}

#[test]
fn a_check_holds_for_every_method() {
    is_checked(Checking(All));
}

#[test]
fn a_check_holds_behind_pointers_and_within_other_handlers() {
    is_checked(Box::new(Checking(All)) as Box<dyn HttpRequestHandler>);
    is_checked(Arc::new(Checking(All)) as Arc<dyn HttpRequestHandler>);
    is_checked(noting(Checking(All)));
    is_checked(Checking(noting(All)));
    is_checked(Metrics::new(Checking(All)).metrics("/metrics"));
    is_checked(Checking(Metrics::new(All)));
    // Nor do the pages of `Metrics` come before it.
    let server = serve(noting(Metrics::new(Checking(All)).healthz("/healthz")).http11());
    assert_eq!(ask(&server, get("/healthz")).status(), 401);
    let reply = ask(&server, "GET /healthz HTTP/1.1\r\nHost: x\r\nToken: t\r\n\r\n");
    assert_eq!(reply.text(), "ok\n");
}

#[test]
fn the_methods_of_the_outermost_handler_are_called() {
    struct Outer(Checking<All>);

    impl HttpRequestHandler for Outer {
        fn base(&self) -> &dyn HttpRequestHandler {
            &self.0
        }

        fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
            answer(http, "outer")
        }
    }

    let server = serve(noting(Outer(Checking(All))));
    assert_eq!(ask(&server, get("/")).status(), 401);
    let reply = ask(&server, "GET / HTTP/1.1\r\nHost: x\r\nToken: t\r\n\r\n");
    assert_eq!(reply.text(), "outer");
}

#[test]
fn files_and_the_base_are_called_as_any_other_base() {
    let site = Site::new();
    let server = serve(noting(Checking(site.handler())).http11());
    let request = "GET /a.txt HTTP/1.1\r\nHost: x\r\nToken: t\r\n\r\n";
    assert_eq!(ask(&server, request).text(), "hello world\n");
    assert_eq!(ask(&server, get("/a.txt")).status(), 401);
    let server = serve(noting(Checking(BaseHttpRequestHandler)).http11());
    assert_eq!(ask(&server, request).status(), 501);
}

/// It was given no leave to send the body, and might send it all the same.
#[test]
fn a_client_that_expects_100_and_is_refused_by_a_check_is_told_that_the_connection_ends() {
    let server = serve(noting(Checking(All)).http11());
    let head = "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n";
    let mut browser = Browser::connect(&server);
    let reply = browser.ask(format!("{head}\r\n"));
    assert_eq!((reply.status(), reply.header("Connection")), (401, Some("close")));
    browser.sees_the_end();
    // One that passes is asked for its body, once.
    let mut browser = Browser::connect(&server);
    let reply = browser.ask(format!("{head}Token: t\r\n\r\n"));
    assert_eq!(show(reply.raw), "HTTP/1.1 100 Continue\\r\\n\\r\\n");
    assert_eq!(browser.send("hello").reply().text(), "hello");
    assert_eq!(browser.ask(get("/")).status(), 401, "the connection is kept");
}
