//! Requests that are answered whatever their body is, and bodies that do not come in the end.

use std::io;
use std::thread;
use std::time::Duration;

#[cfg(feature = "auth")]
use socketserver::http::BasicAuth;
#[cfg(feature = "cgi")]
use socketserver::http::CgiHttpRequestHandler;
use socketserver::http::{Exchange, HttpRequestHandler, Uploads, UrlPrefix};
use socketserver::{Address, Overload, Sequential, ThreadPool};

use crate::support::{LIMIT, MOMENT, Notes, Running, Strategy, ThreadPerConnection, bind};
use crate::web::{Browser, Site, answer, answering, ask, get, noting, serve};

/// A request of which the body has begun.
fn begun(method: &str, path: &str, length: usize) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\nabc")
}

/// A request of which the first chunk has begun.
fn in_chunks(method: &str, path: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n14\r\nabc")
}

/// The client of each is answered before it has sent the rest.
#[track_caller]
fn assert_told<const N: usize>(handler: impl HttpRequestHandler, cases: [(String, u16); N]) {
    let server = serve(noting(handler).http11());
    for (request, status) in cases {
        let mut browser = Browser::connect(&server);
        assert_eq!(browser.ask(&request).status(), status, "{request:?}");
    }
}

#[test]
fn a_server_of_files_waits_for_no_body() {
    let site = Site::new();
    site.write("file", "content\n");
    let cases = [
        (begun("GET", "/file", 5), 200),
        (begun("POST", "/file", 5), 501),
        (begun("PUT", "/file", 5), 501),
        (in_chunks("PUT", "/file"), 501),
        (begun("DELETE", "/file", 5), 501),
    ];
    assert_told(site.handler(), cases);
}

#[test]
fn an_upload_that_is_too_long_is_refused_before_it_has_come() {
    let site = Site::empty();
    let cases = [
        (begun("PUT", "/new", 11), 413),
        (in_chunks("PUT", "/new"), 413),
        (begun("GET", "/new", 5), 404),
        (begun("DELETE", "/new", 5), 501),
    ];
    assert_told(site.handler().uploads(Uploads::default().limit(10)), cases);
}

#[cfg(feature = "auth")]
#[test]
fn a_password_is_asked_for_before_a_body_has_come() {
    let handler = BasicAuth::new(answering(|http| answer(http, "hi")), crate::auth::users());
    let cases = ["GET", "POST", "PUT"].map(|method| (begun(method, "/", 5), 401));
    assert_told(handler, cases);
}

#[test]
fn what_is_outside_a_prefix_is_404_before_a_body_has_come() {
    let handler = UrlPrefix::new(answering(|http| answer(http, "hi")), "/docs").unwrap();
    let cases = [(begun("POST", "/other", 5), 404), (begun("PUT", "/docs", 5), 308)];
    assert_told(handler, cases);
}

#[cfg(feature = "cgi")]
#[test]
fn what_is_no_program_waits_for_no_body() {
    let site = Site::empty();
    let handler = CgiHttpRequestHandler::new(site.path("")).chunked_body_limit(10);
    let cases = [(begun("POST", "/file", 5), 501), (in_chunks("POST", "/cgi-bin/missing"), 404)];
    assert_told(handler, cases);
}

/// A handler is called that may have no use for the body.
#[test]
fn half_a_body_holds_no_server_up() {
    thread::scope(|scope| {
        scope.spawn(ends_with_half_a_body::<Sequential>);
        scope.spawn(ends_with_half_a_body::<ThreadPool>);
        scope.spawn(ends_with_half_a_body::<ThreadPerConnection>);
    });
}

fn ends_with_half_a_body<C: Strategy>() {
    let mut server = bind::<C, _>(noting(OnlyGet).http11());
    server.daemon_threads = false;
    let server = Running::start(server);
    let mut browsers = [begun("POST", "/", 5), in_chunks("PUT", "/")].map(|request| {
        let mut browser = Browser::connect(&server);
        browser.send(request);
        browser.client.hears_nothing_for(MOMENT / 4);
        browser
    });
    server.handle.shutdown();
    for browser in &mut browsers {
        assert_eq!(browser.reply().status(), 501);
    }
    let report = server.wait().report;
    assert_eq!((report.finished, report.cut), (2, 0));
}

struct OnlyGet;

impl HttpRequestHandler for OnlyGet {
    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        answer(http, "hi")
    }
}

/// Notes what has ended.
struct Ending {
    ended: Notes<String>,
    failed: Notes<String>,
}

impl HttpRequestHandler for Ending {
    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        answer(http, "hi")
    }

    fn finish(&self, http: &Exchange<'_>) {
        let status = http.status().map(|status| status.code());
        self.ended.add(format!("{} {status:?}", http.requestline()));
    }

    fn handle_error(&self, _: &Address, error: &io::Error) {
        self.failed.add(error.to_string());
    }
}

/// A server with room for one client, and half a body.
fn with_half_a_body() -> (Running, Browser, Notes<String>, Notes<String>) {
    let (ended, failed) = (Notes::new(), Notes::new());
    let handler = Ending { ended: ended.clone(), failed: failed.clone() };
    let mut server = bind::<ThreadPool, _>(handler);
    server.max_connections = 1;
    server.overload = Overload::Shed;
    server.shutdown_timeout = Duration::ZERO;
    let server = Running::start(server);
    let mut browser = Browser::connect(&server);
    browser.send(begun("POST", "/half", 5));
    browser.client.hears_nothing_for(MOMENT / 4);
    (server, browser, ended, failed)
}

#[test]
fn a_request_that_gives_way_with_half_its_body_has_an_end() {
    let (server, mut browser, ended, failed) = with_half_a_body();
    assert_eq!(ask(&server, get("/")).status(), 200);
    browser.client.sees_the_end();
    assert_eq!(ended.next(), "POST /half HTTP/1.1 None");
    assert!(failed.next().contains("POST /half HTTP/1.1"));
}

#[test]
fn a_request_that_is_cut_with_half_its_body_has_an_end() {
    let (server, browser, ended, failed) = with_half_a_body();
    let report = server.stop().report;
    assert_eq!((report.finished, report.cut), (0, 1));
    assert!(browser.client.hears(LIMIT), "it is not closed");
    assert_eq!(ended.next(), "POST /half HTTP/1.1 None");
    assert!(failed.next().contains("POST /half HTTP/1.1"));
}
