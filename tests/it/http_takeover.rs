//! Connections that a handler takes over.

use std::io::{self, BufRead, Write};
use std::thread;

use socketserver::Connection;
use socketserver::http::{Exchange, HttpRequestHandler, ProtocolVersion};

use crate::web::{Browser, answering, get, masked, serve, show};

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
