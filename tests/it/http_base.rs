//! What a handler calls of its base, and what the base falls back to.

use std::io::{self};

use socketserver::http::{
    BaseHttpRequestHandler, Exchange, HttpRequestHandler, ProtocolVersion, Status,
};
use socketserver::{Address, Connection, Signal, Timeouts};

use crate::support::Notes;
use crate::web::{Browser, answer, answering, ask, get, noting, serve};

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
    assert_eq!(count, 33, "call the new ones in the next test, too");
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
