//! What the compiler says of a value that is in the wrong place.

use crate::compiler::Compiler;

const BEGIN: &str = "
#![allow(unused)]
use socketserver::*;
use socketserver::http::{BaseHttpRequestHandler, BasicAuth, Exchange, Metrics, Users};
use socketserver::transport::TcpBind;
struct Nothing;
fn main() {
    let greet = handler_fn(|_: Connection| Ok(()));
";

#[test]
fn a_value_in_the_wrong_place_is_told_what_belongs_there() {
    let compiler = Compiler::find();
    for (line, message, advice) in [
        (
            "ThreadingTcpServer::bind(8000, greet)",
            "`{integer}` is not where a server can be bound",
            "write \"127.0.0.1:8000\"",
        ),
        (
            "ThreadingTcpServer::bind(Nothing, greet)",
            "`Nothing` is not where a server can be bound",
            "write \"127.0.0.1:8000\"",
        ),
        (
            "TcpBind::new(Nothing)",
            "`Nothing` is not an address to bind",
            "write \"127.0.0.1:8000\"",
        ),
        (
            "ThreadingHttpsServer::bind(\":0\", greet)",
            "`&str` is not where a server can be bound",
            "for TLS `TlsBind::new(address, \"cert.pem\")`",
        ),
        (
            "TcpServer::bind_with(\":0\", greet, Nothing)",
            "`Nothing` does not decide where requests run",
            "take `Sequential`",
        ),
        (
            "TcpServer::bind_with(\":0\", greet, PreFork::new(Sequential))",
            "PreFork<socketserver::Sequential>` does not decide where requests run",
            "`PreFork` is around a server",
        ),
        (
            "ThreadingHttpServer::bind(\":0\", Nothing)",
            "`Nothing` does not handle requests",
            "implement `http::HttpRequestHandler`, or for another protocol `Handler`",
        ),
        (
            "Metrics::new(Nothing)",
            "`Nothing` does not handle requests",
            "implement `http::HttpRequestHandler`",
        ),
        (
            "BasicAuth::new(std::sync::Arc::new(BaseHttpRequestHandler), Users::default())",
            "Arc<BaseHttpRequestHandler>` does not handle requests",
            "`Box<dyn HttpRequestHandler>` or `Arc<dyn HttpRequestHandler>`",
        ),
        (
            "ThreadingHttpServer::bind(\":0\", Box::new(BaseHttpRequestHandler))",
            "Box<BaseHttpRequestHandler>` does not handle requests",
            "`Box<dyn HttpRequestHandler>` or `Arc<dyn HttpRequestHandler>`",
        ),
        (
            "ThreadingHttpServer::bind(\":0\", |http: &mut Exchange<'_>| http.send_error(404))",
            "does not handle requests",
            "of an `Exchange` no closure is",
        ),
    ] {
        let said = compiler.check(&format!("{BEGIN}    let _ = {line};\n}}\n"));
        let said = said.unwrap_or_else(|| panic!("compiles: {line}"));
        let first = said.lines().find(|line| line.starts_with("error")).unwrap();
        assert!(first.ends_with(message), "{line}: {said}");
        assert!(said.contains(advice), "{line}: {said}");
    }
}
