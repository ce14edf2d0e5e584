//! Pages of other origins: what they may read, and what browsers ask before.

use std::io;

use socketserver::http::testing::{Response, respond};
use socketserver::http::{BasicAuth, Cors, Exchange, HttpRequestHandler, Status, Users};

use crate::auth::{ADA, ADAS};
use crate::cgi_site::CgiSite;

const APP: &str = "https://app.example.org";

#[derive(Debug)]
struct Quiet;

impl HttpRequestHandler for Quiet {
    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        match http.path.as_str() {
            "/a" => {
                http.send_response(200)?;
                http.send_header("Content-Length", 0)
            }
            "/own" => {
                http.send_response(200)?;
                http.send_header("Access-Control-Allow-Origin", "https://own.example")?;
                http.send_header("Content-Length", 0)
            }
            "/304" => http.send_response(304),
            "/panic" => panic!("as asked"),
            _ => http.send_error(404),
        }
    }

    fn log_message(&self, _: &Exchange<'_>, _: std::fmt::Arguments<'_>) {}
    fn handle_error(&self, _: &socketserver::Address, _: &io::Error) {}
}

fn ask(handler: &impl HttpRequestHandler, line: &str, fields: &str) -> Response {
    respond(handler, format!("{line} HTTP/1.1\r\nHost: h\r\n{fields}Connection: close\r\n\r\n"))
        .unwrap()
}

fn field<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    let name = format!("Access-Control-{name}");
    assert!(response.headers.get_all(&name).count() < 2, "{name}");
    response.headers.get(&name)
}

fn origin(origin: &str) -> String {
    format!("Origin: {origin}\r\n")
}

#[test]
fn without_an_origin_every_page_may_read_every_response() {
    let handler = Cors::new(Quiet).with_credentials();
    for (line, status) in [
        ("GET /a", 200),
        ("HEAD /a", 501),
        ("GET /304", 304),
        ("GET /missing", 404),
        ("GET /panic", 500),
        ("PUT /a", 501),
        ("OPTIONS /a", 501),
    ] {
        for fields in [String::new(), origin(APP), origin("null")] {
            let response = ask(&handler, line, &fields);
            assert_eq!(response.status.code(), status, "{line}");
            assert_eq!(field(&response, "Allow-Origin"), Some("*"), "{line}");
            assert_eq!(field(&response, "Allow-Credentials"), None, "{line}");
            assert!(field(&response, "Expose-Headers").is_some_and(|it| it.contains("ETag")));
            assert_eq!(response.headers.get("Vary"), None, "{line}");
        }
    }
    let refused = respond(&handler, "GET /a HTTP/1.1\r\nno colon\r\n\r\n").unwrap();
    assert_eq!((refused.status.code(), field(&refused, "Allow-Origin")), (400, Some("*")));
}

#[test]
fn named_origins_alone_may_read_and_caches_are_told() {
    let handler = Cors::new(Quiet).only_for(APP).unwrap().only_for("http://h:80").unwrap();
    let handler = handler.with_credentials();
    for line in ["GET /a", "GET /304", "GET /missing", "PUT /a"] {
        for named in [APP, "http://h"] {
            let response = ask(&handler, line, &origin(named));
            assert_eq!(field(&response, "Allow-Origin"), Some(named), "{line}");
            assert_eq!(field(&response, "Allow-Credentials"), Some("true"), "{line}");
            assert_eq!(response.headers.get("Vary"), Some("Origin"), "{line}");
        }
        let twice = [origin(APP), origin("https://evil.example")].concat();
        for other in [
            String::new(),
            origin("null"),
            origin("https://evil.example"),
            origin("https://app.example.org.evil.example"),
            origin("http://app.example.org"),
            origin("https://app.example.org:444"),
            origin(&format!("{APP} https://evil.example")),
            twice,
        ] {
            let response = ask(&handler, line, &other);
            assert_eq!(field(&response, "Allow-Origin"), None, "{line} {other}");
            assert_eq!(field(&response, "Allow-Credentials"), None, "{line} {other}");
            assert_eq!(response.headers.get("Vary"), Some("Origin"), "{line} {other}");
        }
    }
}

#[test]
fn pages_without_an_origin_never_send_credentials() {
    let handler = Cors::new(Quiet).only_for("null").unwrap().with_credentials();
    let response = ask(&handler, "GET /a", &origin("null"));
    assert_eq!(field(&response, "Allow-Origin"), Some("null"));
    assert_eq!(field(&response, "Allow-Credentials"), None);
}

#[test]
fn what_a_handler_says_itself_stays() {
    let response = ask(&Cors::new(Quiet), "GET /own", "");
    assert_eq!(field(&response, "Allow-Origin"), Some("https://own.example"));
    let script = "printf 'Content-Type: text/plain\\nAccess-Control-Allow-Origin: https://own.example\\n\\n'";
    let site = CgiSite::new(&[("own", script)]);
    let response = ask(&Cors::new(site.handler()), "GET /cgi-bin/own", &origin(APP));
    assert_eq!(field(&response, "Allow-Origin"), Some("https://own.example"));
}

#[test]
fn a_preflight_is_answered_before_a_password_is_asked_for() {
    let users = Users::default().user(ADA).unwrap();
    let guarded = BasicAuth::new(Quiet, users);
    let handler = Cors::new(guarded).only_for(APP).unwrap().with_credentials();
    let wanted = "Access-Control-Request-Method: PUT\r\n\
                  Access-Control-Request-Headers: authorization, x-a,,b c\r\n";
    let response = ask(&handler, "OPTIONS /a", &(origin(APP) + wanted));
    assert_eq!(response.status, Status::NO_CONTENT);
    assert!(response.body.is_empty() && response.headers.get("Content-Length").is_none());
    assert_eq!(field(&response, "Allow-Origin"), Some(APP));
    assert_eq!(field(&response, "Allow-Credentials"), Some("true"));
    assert!(field(&response, "Allow-Methods").is_some_and(|methods| methods.contains("PUT")));
    // What is no name of a field is left out.
    assert_eq!(field(&response, "Allow-Headers"), Some("authorization, x-a"));
    assert!(field(&response, "Max-Age").is_some());
    // Another origin learns that it may not.
    let response = ask(&handler, "OPTIONS /a", &(origin("https://evil.example") + wanted));
    assert_eq!(response.status, Status::NO_CONTENT);
    for name in ["Allow-Origin", "Allow-Methods", "Allow-Headers", "Allow-Credentials"] {
        assert_eq!(field(&response, name), None, "{name}");
    }
    // What is no preflight needs the password, and its refusal can be read.
    for fields in [origin(APP), wanted.to_owned(), String::new()] {
        assert_eq!(ask(&handler, "OPTIONS /a", &fields).status, Status::UNAUTHORIZED);
    }
    let response = ask(&handler, "GET /a", &origin(APP));
    assert_eq!(response.status, Status::UNAUTHORIZED);
    assert_eq!(field(&response, "Allow-Origin"), Some(APP));
    let fields = format!("{}Authorization: {ADAS}\r\n", origin(APP));
    assert_eq!(ask(&handler, "GET /a", &fields).status, Status::OK);
}

#[test]
fn what_is_no_origin_is_refused_with_an_example() {
    for text in ["*", "", "example.org", "https://h/", "8000"] {
        let error = Cors::new(Quiet).only_for(text).unwrap_err().to_string();
        assert!(error.contains("https://example.org"), "{text}: {error}");
    }
}
