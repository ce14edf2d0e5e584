//! Who the client is, where a balancer stands between.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use socketserver::http::{CgiHttpRequestHandler, Exchange, HttpRequestHandler};
use socketserver::{
    Address, Connection, ForwardedHeader, Handler, ProxyProtocol, Sequential, ThreadPool, Timeouts,
    TrustedProxies,
};

use crate::support::{Client, Notes, Running, bind, testing};
use crate::web::{Browser, Noting, Site, answer, answering, noting, serve};

/// Trusts a list, and extends another handler.
pub(crate) struct Behind<H> {
    pub(crate) base: Noting<H>,
    pub(crate) trusted: TrustedProxies,
}

impl<H: HttpRequestHandler> HttpRequestHandler for Behind<H> {
    fn base(&self) -> &dyn HttpRequestHandler {
        &self.base
    }

    fn trusted_proxies(&self) -> &TrustedProxies {
        &self.trusted
    }
}

/// Answers with the client's address, the logged one, and whether the peer is the connection's.
pub(crate) fn who(http: &mut Exchange<'_>) -> io::Result<()> {
    let told = format!(
        "{} {} {}",
        http.client_address,
        http.address_string(),
        http.peer_address().ip().unwrap().is_loopback() && http.peer_address().port() != Some(0)
    );
    answer(http, told)
}

#[track_caller]
fn behind(trusted: &str) -> Running {
    serve(Behind { base: answering(who), trusted: trusted.parse().unwrap() })
}

fn asking_for(header: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n")
}

#[test]
fn a_trusted_proxy_is_believed_about_its_client() {
    let server = behind("127.0.0.0/8");
    let mut browser = Browser::connect(&server);
    for (header, client) in [
        ("X-Forwarded-For: 6.6.6.6, 192.0.2.7", "192.0.2.7:0 192.0.2.7 true"),
        ("Forwarded: for=\"[2001:db8::7]:99\";proto=http", "[2001:db8::7]:99 2001:db8::7 true"),
        ("x-forwarded-for: 192.0.2.8, 127.0.0.9", "192.0.2.8:0 192.0.2.8 true"),
    ] {
        // Each request of a kept connection is for somebody else.
        assert_eq!(browser.ask(asking_for(header)).text(), client);
    }
    let own = browser.client.address();
    let expected = format!("{own} 127.0.0.1 true");
    for header in ["X-Forwarded-For: unknown", "Forwarded: for=_hidden", "Via: x"] {
        assert_eq!(browser.ask(asking_for(header)).text(), expected, "{header}");
    }
}

#[test]
fn a_client_that_makes_headers_up_is_not_taken_for_its_proxy() {
    let server = behind("127.0.0.0/8");
    let mut browser = Browser::connect(&server);
    for header in [
        "X-Forwarded-For: 192.0.2.7\r\nForwarded: for=6.6.6.6",
        "X-Forwarded-For: 192.0.2.7\r\nForwarded: for=127.0.0.1",
        "Forwarded: for=\", for=192.0.2.7",
    ] {
        assert_eq!(browser.ask(asking_for(header)).text(), "0.0.0.0:0 0.0.0.0 true", "{header}");
    }
}

#[test]
fn a_client_that_its_proxy_hides_is_that_proxy() {
    let server = behind("127.0.0.0/8");
    let mut browser = Browser::connect(&server);
    let peer = browser.client.address();
    for hidden in ["Forwarded: for=unknown", "Forwarded: for=_gazonk", "X-Forwarded-For: unknown"] {
        let reply = browser.ask(asking_for(hidden));
        assert_eq!(reply.text(), format!("{peer} 127.0.0.1 true"), "{hidden}");
    }
    // A proxy in front of that one says so.
    let reply = browser.ask(asking_for("X-Forwarded-For: 192.0.2.7, unknown, 127.0.0.9"));
    assert_eq!(reply.text(), "127.0.0.9:0 127.0.0.9 true");
}

#[test]
fn empty_elements_of_a_list_count_for_nothing() {
    let server = behind("127.0.0.0/8");
    let mut browser = Browser::connect(&server);
    for header in [
        "Forwarded: for=192.0.2.7,",
        "Forwarded: ,for=192.0.2.7 , , ",
        "Forwarded: for=192.0.2.7\r\nForwarded: ",
        "Forwarded: \r\nForwarded: for=6.6.6.6,,for=192.0.2.7",
        "X-Forwarded-For: 192.0.2.7,",
        "X-Forwarded-For: , 192.0.2.7",
        "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-For: ",
        "X-Forwarded-For: 6.6.6.6,\t,192.0.2.7, ,127.0.0.9",
    ] {
        let reply = browser.ask(asking_for(header));
        assert_eq!(reply.text(), "192.0.2.7:0 192.0.2.7 true", "{header}");
    }
}

#[test]
fn the_header_that_counts_can_be_named() {
    for (only, right, forged) in [
        (ForwardedHeader::XForwardedFor, "X-Forwarded-For: 192.0.2.7", "Forwarded: for=6.6.6.6"),
        (ForwardedHeader::Forwarded, "Forwarded: for=192.0.2.7", "X-Forwarded-For: 6.6.6.6"),
    ] {
        let trusted: TrustedProxies = "127.0.0.0/8".parse().unwrap();
        let trusted = trusted.reading_only(only);
        assert_eq!(trusted.header(), Some(only));
        let server = serve(Behind { base: answering(who), trusted });
        let mut browser = Browser::connect(&server);
        let reply = browser.ask(asking_for(&format!("{forged}\r\n{right}")));
        assert_eq!(reply.text(), "192.0.2.7:0 192.0.2.7 true", "{only:?}");
        let expected = format!("{} 127.0.0.1 true", browser.client.address());
        assert_eq!(browser.ask(asking_for(forged)).text(), expected, "{only:?}");
    }
}

#[test]
fn nobody_else_is_believed() {
    for trusted in ["10.0.0.0/8,unix:", "::1"] {
        let server = behind(trusted);
        let mut browser = Browser::connect(&server);
        let expected = format!("{} 127.0.0.1 true", browser.client.address());
        for header in ["X-Forwarded-For: 192.0.2.7", "Forwarded: for=192.0.2.7"] {
            assert_eq!(browser.ask(asking_for(header)).text(), expected);
        }
    }
    let server = serve(answering(who));
    let mut browser = Browser::connect(&server);
    let expected = format!("{} 127.0.0.1 true", browser.client.address());
    assert_eq!(browser.ask(asking_for("X-Forwarded-For: 192.0.2.7")).text(), expected);
}

#[test]
fn a_connection_that_is_taken_over_is_the_peers_again() {
    let handler = answering(|http| {
        let client = http.client_address.to_string();
        let connection = http.take_over()?;
        let mut wfile = connection.wfile;
        writeln!(wfile, "{client} {}", connection.client_address)
    });
    let server = serve(Behind { base: handler, trusted: "127.0.0.1".parse().unwrap() });
    let mut client = server.connect();
    client.send(asking_for("X-Forwarded-For: 192.0.2.7"));
    assert_eq!(client.read_line(), format!("192.0.2.7:0 {}", client.address()));
}

pub(crate) const V1: &str = "PROXY TCP4 192.0.2.7 127.0.0.1 4711 80\r\n";

/// Version 2 for 192.0.2.7, port 4711, with a field that nobody knows.
pub(crate) fn v2() -> Vec<u8> {
    let addresses = [192, 0, 2, 7, 127, 0, 0, 1, 0x12, 0x67, 0, 80];
    let head = *b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x10";
    [&head[..], &addresses, b"\xee\0\x01x"].concat()
}

pub(crate) fn local() -> &'static [u8] {
    b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"
}

pub(crate) fn proxied<H: Handler>(handler: H, trusted: &str) -> ProxyProtocol<H> {
    ProxyProtocol::new(handler, trusted.parse().unwrap())
}

/// A server that tells each client its address, line by line, and greets it first.
pub(crate) fn greeting(trusted: &str) -> ProxyProtocol<impl Handler> {
    proxied(
        testing(|mut connection: Connection| {
            writeln!(connection.wfile, "hello {}", connection.client_address)
        }),
        trusted,
    )
}

#[test]
fn a_proxy_header_names_the_client_of_all_requests_of_its_connection() {
    let server = Running::start(bind::<ThreadPool, _>(proxied(answering(who), "127.0.0.1")));
    for header in [V1.as_bytes(), &v2()] {
        let mut browser = Browser::connect(&server);
        browser.send(header);
        for _ in 0..2 {
            // A header that the client sends is nobody's word.
            let reply = browser.ask(asking_for("X-Forwarded-For: 6.6.6.6"));
            assert_eq!(reply.text(), "192.0.2.7:4711 192.0.2.7 false");
        }
    }
    for header in [local(), b"PROXY UNKNOWN\r\n"] {
        let mut browser = Browser::connect(&server);
        let expected = format!("{} 127.0.0.1 true", browser.client.address());
        assert_eq!(browser.send(header).ask(asking_for("A: b")).text(), expected);
    }
}

#[test]
fn a_proxy_header_may_come_byte_by_byte_and_holds_nobody_up() {
    let server = Running::start(bind::<Sequential, _>(proxied(answering(who), "127.0.0.1")));
    for header in [V1.as_bytes(), &v2()] {
        let mut slow = Browser::connect(&server);
        for byte in header {
            slow.send([*byte]);
            // The only thread is free in between.
            let mut other = Browser::connect(&server);
            assert_eq!(other.send(local()).ask(asking_for("A: b")).status(), 200);
        }
        assert_eq!(slow.ask(asking_for("A: b")).text(), "192.0.2.7:4711 192.0.2.7 false");
    }
}

#[test]
fn a_connection_without_a_good_proxy_header_is_closed() {
    let timeouts = Timeouts::default().head(Duration::from_millis(50));
    let handled = Notes::new();
    let noting = handled.clone();
    let handler = testing(move |_| {
        noting.add(());
        Ok(())
    });
    let handler = proxied(handler.timeouts(timeouts), "127.0.0.1");
    let server = Running::start(bind::<ThreadPool, _>(handler));
    for bytes in ["GET / HTTP/1.1\r\n\r\n", "PROXY TCP4 1.2.3.4\r\n", "PROXY TCP", "\r\n\r\n"] {
        let mut client = server.connect();
        client.send(bytes);
        client.sees_the_end();
    }
    let mut ending = server.connect();
    ending.send("PROXY");
    ending.finish_sending();
    ending.sees_the_end();
    server.stop();
    assert_eq!(handled.so_far(), []);
}

#[test]
fn a_peer_that_is_not_trusted_is_refused_with_or_without_a_proxy_header() {
    let server = Running::start(bind::<ThreadPool, _>(greeting("10.0.0.0/8,unix:")));
    for bytes in [V1, "hello\r\n"] {
        let mut client = server.connect();
        // It may be closed already.
        let _ = client.stream.write_all(bytes.as_bytes());
        client.sees_the_end();
    }
}

#[test]
fn others_are_served_on_demand_but_what_they_say_is_not_believed() {
    let server = Running::start(bind::<ThreadPool, _>(greeting("10.0.0.0/8").serve_others()));
    let mut client = server.connect();
    assert_eq!(client.read_line(), format!("hello {}", client.address()));
    // A trusted peer has to say a header still, even to who greets.
    let server = Running::start(bind::<ThreadPool, _>(greeting("127.0.0.1").serve_others()));
    let mut client = server.connect();
    client.hears_nothing_for(crate::support::MOMENT);
    client.send(V1);
    assert_eq!(client.read_line(), "hello 192.0.2.7:4711");
    let mut client = server.connect();
    client.send("hello\r\n");
    client.sees_the_end();
}

/// Accepts one client only.
pub(crate) struct Picky;

impl Handler for Picky {
    fn handle(&self, mut connection: Connection) -> io::Result<()> {
        writeln!(connection.wfile, "welcome")
    }

    fn verify_request(&self, _: &Connection, client_address: &Address) -> bool {
        client_address.to_string() == "192.0.2.7:4711"
    }
}

#[test]
fn verify_request_hears_of_the_client_and_not_of_the_balancer() {
    let server = Running::start(bind::<ThreadPool, _>(proxied(Picky, "127.0.0.1")));
    let ask = |header: &[u8]| -> Client {
        let mut client = server.connect();
        client.send(header);
        client
    };
    assert_eq!(ask(V1.as_bytes()).read_line(), "welcome");
    ask(b"PROXY TCP4 192.0.2.8 127.0.0.1 4711 80\r\n").sees_the_end();
    ask(local()).sees_the_end();
}

#[test]
fn a_header_of_http_is_believed_from_the_client_that_a_balancer_names() {
    // A balancer of connections in front of one of requests.
    let handler = Behind { base: answering(who), trusted: "192.0.2.7".parse().unwrap() };
    let server = Running::start(bind::<ThreadPool, _>(proxied(handler, "127.0.0.1")));
    let mut browser = Browser::connect(&server);
    let reply = browser.send(V1).ask(asking_for("X-Forwarded-For: 198.51.100.1"));
    assert_eq!(reply.text(), "198.51.100.1:0 198.51.100.1 false");
}

#[test]
fn a_script_is_told_of_the_client_and_of_no_port_that_nobody_knows() {
    let site = Site::empty();
    fs::create_dir(site.path("cgi-bin")).unwrap();
    let script = "#!/bin/sh\necho Content-Type: text/plain\necho\necho \"$REMOTE_ADDR ${REMOTE_PORT-none}\"\n";
    let script = site.write("cgi-bin/who", script);
    fs::set_permissions(script, fs::Permissions::from_mode(0o755)).unwrap();
    let scripts = CgiHttpRequestHandler::from(site.handler());
    let server = serve(Behind { base: noting(scripts), trusted: "127.0.0.1".parse().unwrap() });
    for (told, expected) in [("192.0.2.7", "192.0.2.7 none"), ("192.0.2.7:99", "192.0.2.7 99")] {
        let request = format!("GET /cgi-bin/who HTTP/1.0\r\nX-Forwarded-For: {told}\r\n\r\n");
        assert_eq!(crate::web::ask(&server, request).text(), format!("{expected}\n"));
    }
}
