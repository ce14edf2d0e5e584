//! Handlers behind pointers, and what HTTP handlers say to clients beyond the bound.

use std::io::{self, Write};
use std::sync::Arc;

use socketserver::http::{Exchange, HttpError, HttpRequestHandler, Metrics, ProtocolVersion};
use socketserver::{
    Connection, Datagram, Handler, HttpServer, Overload, ProxyProtocol, Sequential, TcpServer,
    ThreadPool, ThreadingHttpServer, UdpServer, handler_fn,
};

use crate::support::{Gate, LIMIT, Running, bind};
use crate::web::{Browser, Reply, answer, answering, ask, get, noting};

/// Answers with its name, and has it in each head.
struct Named(&'static str);

impl HttpRequestHandler for Named {
    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        answer(http, self.0)
    }

    fn end_headers(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        http.send_header("X-Name", self.0)?;
        self.base().end_headers(http)
    }

    fn protocol_version(&self) -> ProtocolVersion {
        ProtocolVersion::Http11
    }

    fn log_message(&self, _: &Exchange<'_>, _: std::fmt::Arguments<'_>) {}

    fn handle_overload(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        http.send_error_with(503, "Come back tomorrow")
    }
}

fn boxed(name: &'static str) -> Box<dyn HttpRequestHandler> {
    Box::new(Named(name))
}

fn shared(name: &'static str) -> Arc<dyn HttpRequestHandler> {
    Arc::new(Named(name))
}

#[track_caller]
fn is_served(handler: impl Handler, name: &str) {
    let server = Running::start(HttpServer::bind("127.0.0.1:0", handler).unwrap());
    let mut browser = Browser::connect(&server);
    for (path, status) in [("/", 200), ("/again", 200)] {
        let reply: Reply = browser.ask(get(path));
        assert_eq!((reply.status(), reply.header("X-Name")), (status, Some(name)));
        assert_eq!(reply.text(), name);
    }
    // What the handler within does not override is its base's, and goes through it again.
    let reply = ask(&server, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
    assert_eq!((reply.status(), reply.header("X-Name")), (501, Some(name)));
}

#[test]
fn a_boxed_http_handler_is_served() {
    is_served(boxed("boxed"), "boxed");
}

#[test]
fn a_shared_http_handler_is_served() {
    is_served(shared("shared"), "shared");
    is_served(Arc::new(Named("of a type")), "of a type");
}

#[test]
fn a_handler_behind_two_pointers_is_served() {
    let boxed: Box<dyn HttpRequestHandler> = Box::new(shared("shared, boxed"));
    is_served(boxed, "shared, boxed");
    let shared: Arc<dyn Handler> = Arc::new(boxed_within());
    is_served(shared, "boxed, shared");
}

fn boxed_within() -> Box<dyn HttpRequestHandler> {
    boxed("boxed, shared")
}

/// As in programs that choose their handler and count its requests.
#[test]
fn metrics_count_the_requests_of_a_handler_behind_a_pointer() {
    let metrics = Metrics::new(boxed("boxed")).metrics("/metrics");
    let server = Running::start(HttpServer::bind("127.0.0.1:0", metrics).unwrap());
    assert_eq!(ask(&server, get("/")).header("X-Name"), Some("boxed"));
    let page = ask(&server, get("/metrics"));
    let line = "socketserver_http_requests_total{method=\"GET\",code=\"200\"} 1\n";
    assert!(page.text().contains(line), "{}", page.text());
    is_served(Metrics::new(shared("shared")), "shared");

    let behind_balancer = ProxyProtocol::new(boxed("boxed"), "127.0.0.1".parse().unwrap());
    let server = Running::start(HttpServer::bind("127.0.0.1:0", behind_balancer).unwrap());
    assert_eq!(ask(&server, format!("PROXY UNKNOWN\r\n{}", get("/"))).text(), "boxed");
}

/// A handler that extends one which was chosen when the program runs.
#[test]
fn a_handler_may_extend_one_behind_a_pointer() {
    struct Extends(Box<dyn HttpRequestHandler>);

    impl HttpRequestHandler for Extends {
        fn base(&self) -> &dyn HttpRequestHandler {
            &self.0
        }

        fn end_headers(&self, http: &mut Exchange<'_>) -> io::Result<()> {
            http.send_header("X-Outer", "yes")?;
            self.0.end_headers(http)
        }
    }

    let server = HttpServer::bind("127.0.0.1:0", Extends(boxed("within"))).unwrap();
    let server = Running::start(server);
    let reply = ask(&server, get("/"));
    assert_eq!((reply.header("X-Outer"), reply.header("X-Name")), (Some("yes"), Some("within")));
}

#[test]
fn a_boxed_handler_of_any_protocol_is_served() {
    let hello = handler_fn(|mut connection: Connection| connection.wfile.write_all(b"hello\n"));
    let handler: Box<dyn Handler> = Box::new(hello);
    let server = TcpServer::<Sequential, _>::bind("127.0.0.1:0", handler).unwrap();
    assert_eq!(Running::start(server).connect().read_to_end(), "hello\n");

    let echo = handler_fn(|datagram: Datagram| datagram.reply(&datagram.packet));
    let handler: Box<dyn Handler<Datagram>> = Box::new(echo);
    let mut server = UdpServer::<Sequential, _>::bind("127.0.0.1:0", handler).unwrap();
    let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(LIMIT)).unwrap();
    client.send_to(b"ping", server.server_address()).unwrap();
    server.handle_request().unwrap();
    let mut reply = [0; 8];
    let (count, _) = client.recv_from(&mut reply).unwrap();
    assert_eq!(&reply[..count], b"ping");
}

/// Serves one client at a time, and holds it until the gate lets it go.
fn overloaded(handler: impl HttpRequestHandler, gate: &Gate) -> Running {
    struct Slow<H>(H, Gate);

    impl<H: HttpRequestHandler> HttpRequestHandler for Slow<H> {
        fn base(&self) -> &dyn HttpRequestHandler {
            &self.0
        }

        fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
            self.1.pass();
            self.0.do_get(http)
        }
    }

    let mut server = bind::<ThreadPool, _>(Slow(handler, gate.clone()));
    (server.max_connections, server.overload) = (1, Overload::Refuse);
    Running::start(server)
}

#[test]
fn an_http_handler_says_what_clients_beyond_the_maximum_are_told() {
    let gate = Gate::new();
    let server = overloaded(boxed("busy"), &gate);
    let mut busy = server.connect();
    busy.send("GET / HTTP/1.0\r\n\r\n");
    // Refused before it has said a word.
    let reply = server.connect().read_to_end();
    assert!(reply.starts_with("HTTP/1.1 503 Come back tomorrow\r\n"), "{reply}");
    assert!(reply.contains("\r\nX-Name: busy\r\n"), "{reply}");
    assert!(reply.contains("Message: Come back tomorrow."), "{reply}");
    gate.let_through(1);
    assert!(busy.read_to_end().ends_with("busy"));
}

#[test]
fn clients_beyond_the_maximum_may_be_told_nothing() {
    struct Silent;

    impl HttpRequestHandler for Silent {
        fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
            answer(http, "served")
        }

        fn handle_overload(&self, http: &mut Exchange<'_>) -> io::Result<()> {
            assert_eq!((http.requestline(), &*http.path, http.headers.len()), ("", "", 0));
            http.take_over().map(drop)
        }
    }

    let gate = Gate::new();
    let server = overloaded(Silent, &gate);
    let mut busy = server.connect();
    busy.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(server.connect().read_to_end(), "");
    gate.let_through(1);
    assert!(busy.read_to_end().ends_with("served"));
}

/// Fails for each client that there is no room for.
struct Failing(fn() -> io::Result<()>);

impl HttpRequestHandler for Failing {
    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        answer(http, "served")
    }

    fn handle_overload(&self, _: &mut Exchange<'_>) -> io::Result<()> {
        (self.0)()
    }
}

#[test]
fn a_client_beyond_the_maximum_whose_handler_fails_is_answered_as_any_other() {
    let full: fn() -> io::Result<()> = || Err(HttpError::new(503, "Full").into());
    for (fail, line, reported) in [
        (full, "503 Full", None),
        (|| Err(io::Error::other("boom")), "500 Internal Server Error", Some("boom")),
        (|| panic!("boom"), "500 Internal Server Error", Some("handler panicked: boom")),
    ] {
        let gate = Gate::new();
        let handler = noting(Failing(fail)).http11();
        let errors = handler.errors.clone();
        let server = overloaded(handler, &gate);
        let mut busy = server.connect();
        busy.send("GET / HTTP/1.0\r\n\r\n");
        let reply = server.connect().read_to_end();
        assert!(reply.starts_with(&format!("HTTP/1.1 {line}\r\n")), "{line}: {reply}");
        gate.let_through(1);
        assert!(busy.read_to_end().ends_with("served"));
        assert_eq!(errors.so_far(), Vec::from_iter(reported.map(str::to_owned)), "{line}");
    }
}

/// The type of the server is the same, whatever the handler.
#[test]
fn servers_of_handlers_behind_pointers_have_one_type() {
    let servers: Vec<ThreadingHttpServer<Box<dyn HttpRequestHandler>>> = vec![
        ThreadingHttpServer::bind("127.0.0.1:0", boxed("one")).unwrap(),
        ThreadingHttpServer::bind(
            "127.0.0.1:0",
            Box::new(answering(|http| answer(http, "two"))) as Box<dyn HttpRequestHandler>,
        )
        .unwrap(),
    ];
    let texts = servers.into_iter().map(|server| {
        let server = Running::start(server);
        ask(&server, get("/")).text().to_owned()
    });
    assert_eq!(texts.collect::<Vec<_>>(), ["one", "two"]);
}
