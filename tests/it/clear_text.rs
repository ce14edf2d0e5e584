//! Clear text where TLS is expected: what the handler may make of it.

use std::io::{self, Write};
use std::process::Command;
use std::sync::Arc;

use rustls::ClientConfig;
use socketserver::http::{Exchange, HttpRequestHandler, ProtocolVersion};
use socketserver::{ThreadPool, Timeouts, TlsServer};

use crate::certificates::{Authority, TlsClient, client_config};
use crate::proxies::proxied;
use crate::support::{LIMIT, MOMENT, Running, Strategy, each_strategy};
use crate::web::{Browser, answer, get, send_back};

/// Sends clients to HTTPS, but for what may be read by anybody.
struct Secure;

impl HttpRequestHandler for Secure {
    fn protocol_version(&self) -> ProtocolVersion {
        ProtocolVersion::Http11
    }

    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        assert!(http.is_secure(), "no do_ method is called in clear text");
        answer(http, format!("secret {}", http.path))
    }

    fn do_post(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        self.do_get(http)
    }

    fn handle_clear_text(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        assert!(!http.is_secure());
        if http.path == "/public" {
            let body = http.rfile.read_all(100)?;
            return answer(http, format!("{} {}", http.command, String::from_utf8_lossy(&body)));
        }
        let target = http.target();
        let (host, port) = (target.host().unwrap_or_default(), target.port().unwrap_or_default());
        let query = target.query().map(|query| format!("?{query}")).unwrap_or_default();
        let location = format!("https://{host}:{port}{}{query}", target.path());
        http.send_response(308)?;
        http.send_header("Location", location)?;
        http.send_header("Content-Length", 0)
    }

    fn timeouts(&self) -> Timeouts {
        Timeouts::default().head(MOMENT)
    }

    fn log_message(&self, _: &Exchange<'_>, _: std::fmt::Arguments<'_>) {}
}

fn start<C: Strategy>() -> (Running, Arc<ClientConfig>) {
    let authority = Authority::new();
    let tls = authority.issue().tls();
    let mut server = TlsServer::bind_with(tls, Secure, C::default()).unwrap();
    server.shutdown_timeout = LIMIT;
    (Running::start(server), Arc::new(client_config(&authority)))
}

each_strategy! {
    one_port_speaks_both,
    a_request_in_clear_text_may_come_byte_by_byte,
    a_large_request_in_clear_text_is_read_whole,
    a_large_request_in_clear_text_behind_a_proxy_header_is_read_whole,
    a_request_in_clear_text_may_be_served_as_any_other,
    what_is_no_request_is_answered_400,
    a_request_in_clear_text_that_does_not_come_in_time_is_answered_400,
}

fn one_port_speaks_both<C: Strategy>() {
    let (server, config) = start::<C>();
    let mut plain = Browser::connect(&server);
    let reply = plain.ask("GET /a%20b?c=d HTTP/1.1\r\nHost: h:8443\r\n\r\n");
    let location = Some("https://h:8443/a%20b?c=d");
    assert_eq!((reply.status(), reply.header("Location")), (308, location));
    // The connection is kept, in clear text.
    let request = "POST /public HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody";
    assert_eq!(plain.ask(request).text(), "POST body");
    plain.send([request, request].concat());
    assert_eq!((plain.reply().text(), plain.reply().text()), ("POST body", "POST body"));
    let reply = plain.ask("GET http://other/ HTTP/1.1\r\nHost: other\r\n\r\n");
    assert_eq!(reply.header("Location"), Some("https://other:80/"));

    let mut secure = TlsClient::connect(server.address, &config);
    secure.send(get("/x"));
    assert_eq!(secure.reply().1, b"secret /x");
    // Its connection has become no other.
    assert_eq!(plain.ask(request).text(), "POST body");
}

fn a_request_in_clear_text_may_come_byte_by_byte<C: Strategy>() {
    let (server, _) = start::<C>();
    let mut plain = Browser::connect(&server);
    for byte in "GET /public HTTP/1.1\r\nHost: h\r\n\r\n".bytes() {
        plain.send([byte]);
    }
    assert_eq!(plain.reply().text(), "GET ");
}

/// More than one read of the session takes.
fn a_large_request_in_clear_text_is_read_whole<C: Strategy>() {
    let (server, _) = start::<C>();
    let mut plain = Browser::connect(&server);
    let field = format!("X-Long: {}\r\n", "x".repeat(60_000));
    let reply = plain.ask(format!("GET /public HTTP/1.1\r\nHost: h\r\n{field}{field}\r\n"));
    assert_eq!(reply.text(), "GET ");
}

/// What comes in one piece with the balancer's header is more than one read of the session takes.
fn a_large_request_in_clear_text_behind_a_proxy_header_is_read_whole<C: Strategy>() {
    let tls = Authority::new().issue().tls();
    let handler = proxied(Secure, "127.0.0.1");
    let server = TlsServer::bind_with(tls, handler, C::default()).unwrap();
    let server = Running::start(server);
    for header in ["PROXY TCP4 192.0.2.1 192.0.2.2 4 5\r\n", "PROXY UNKNOWN\r\n"] {
        for length in [100, 4_000, 4_096, 6_000, 20_000, 60_000] {
            let mut plain = Browser::connect(&server);
            let field = format!("X-Long: {}\r\n", "x".repeat(length));
            let head = format!("POST /public HTTP/1.1\r\nHost: h\r\n{field}Content-Length: 4");
            plain.send(format!("{header}{head}\r\n\r\nbody"));
            assert_eq!(plain.reply().text(), "POST body", "{header:?} {length}");
            // Kept, and nothing of the first request is left.
            let reply = plain.ask(format!("{head}\r\n\r\nmore"));
            assert_eq!(reply.text(), "POST more", "{header:?} {length}");
        }
    }
}

/// Serves clear text as TLS.
struct Both;

impl HttpRequestHandler for Both {
    fn handle_clear_text(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        http.handler().handle_one_request(http)
    }

    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        answer(http, "got")
    }

    fn do_put(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        send_back(http)
    }

    fn protocol_version(&self) -> ProtocolVersion {
        ProtocolVersion::Http11
    }

    fn log_message(&self, _: &Exchange<'_>, _: std::fmt::Arguments<'_>) {}
}

fn a_request_in_clear_text_may_be_served_as_any_other<C: Strategy>() {
    let tls = Authority::new().issue().tls();
    let server = TlsServer::bind_with(tls, Both, C::default()).unwrap();
    let server = Running::start(server);
    let mut plain = Browser::connect(&server);
    assert_eq!(plain.ask(get("/")).text(), "got");
    let head = "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    assert_eq!(plain.ask(head).status(), 100, "it may send its body");
    assert_eq!(plain.send("body").reply().text(), "body");
    assert_eq!(plain.ask("SPAM / HTTP/1.1\r\nHost: h\r\n\r\n").status(), 501);
}

fn what_is_no_request_is_answered_400<C: Strategy>() {
    let (server, _) = start::<C>();
    for bytes in
        ["EHLO mail.example.org\r\n", "GET /public HTTP/1.1\r\n\r\n", "GET  x  y z\r\n\r\n"]
    {
        let mut client = server.connect();
        client.send(bytes);
        let reply = client.read_to_end();
        let line = "HTTP/1.1 400 Plain HTTP was sent to an HTTPS port\r\n";
        assert!(reply.starts_with(line), "{bytes}: {reply}");
    }
}

fn a_request_in_clear_text_that_does_not_come_in_time_is_answered_400<C: Strategy>() {
    let (server, _) = start::<C>();
    let mut client = server.connect();
    client.send("GET /public");
    let reply = client.read_to_end();
    assert!(reply.starts_with("HTTP/1.1 400 Plain HTTP was sent to an HTTPS port\r\n"), "{reply}");
    let mut client = server.connect();
    client.send("GET /public HTTP/1.1\r\n");
    client.finish_sending();
    let reply = client.read_to_end();
    assert!(reply.starts_with("HTTP/1.1 400 Plain HTTP was sent to an HTTPS port\r\n"), "{reply}");
}

/// What a user does who forgets the `s`.
#[test]
fn curl_is_led_to_https() {
    let (server, _) = start::<ThreadPool>();
    let url = format!("http://{}/zz?q=1", server.address);
    let curl = Command::new("curl").args(["-skL", "--max-time", "5", &url]).output();
    let Ok(curl) = curl else {
        let _ = writeln!(io::stderr(), "skipped: there is no curl");
        return;
    };
    assert_eq!(String::from_utf8(curl.stdout).unwrap(), "secret /zz?q=1");
}
