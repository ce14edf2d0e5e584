//! Who the client is, where a balancer stands between.

use socketserver::TrustedProxies;
use socketserver::http::{Exchange, HttpRequestHandler};

use crate::support::Running;
use crate::web::{Browser, Noting, answer, answering, serve};

/// Trusts a list, and extends another handler.
struct Behind<H> {
    base: Noting<H>,
    trusted: TrustedProxies,
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
fn who(http: &mut Exchange<'_>) -> std::io::Result<()> {
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
    for header in ["X-Forwarded-For: unknown", "Forwarded: for=\"", "Via: x"] {
        assert_eq!(browser.ask(asking_for(header)).text(), expected, "{header}");
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
        std::io::Write::write_all(
            &mut wfile,
            format!("{client} {}\n", connection.client_address).as_bytes(),
        )
    });
    let server = serve(Behind { base: handler, trusted: "127.0.0.1".parse().unwrap() });
    let mut client = server.connect();
    client.send(asking_for("X-Forwarded-For: 192.0.2.7"));
    assert_eq!(client.read_line(), format!("192.0.2.7:0 {}", client.address()));
}
