//! Over TLS: the server shakes hands, its children do the rest, and its copies of their sessions
//! are silent.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use rustls::{ClientConfig, HandshakeKind};

use super::*;
use crate::certificates::{Authority, PemFiles, TlsClient, client_config, client_hello};

#[test]
fn a_child_serves_to_the_end() {
    let server = Secure::start();
    let mut client = server.connect();
    let first = client.ask("keep");
    assert_ne!(first, server.process.pid().to_string());
    for _ in 0..3 {
        assert_eq!(client.ask("keep"), first);
    }
    client.send("keep\nkeep\n");
    assert_eq!([client.read_line(), client.read_line()], [first.clone(), first]);
    client.send("echo bye\n");
    // A byte of the parent's among these would be an error.
    assert_eq!(client.read_to_end(), "bye\n");
}

#[test]
fn clients_that_do_not_shake_hands_hold_nobody_up() {
    let server = Secure::start();
    let hello = client_hello(&server.config);
    let address = server.process.address;
    let mut silent: Vec<Client> = (0..200).map(|_| Client::connect(address)).collect();
    for (number, client) in silent.iter_mut().enumerate().take(30) {
        client.stream.write_all(&hello[..=number]).unwrap();
    }
    assert_eq!(server.connect().ask("echo ping"), "ping");
}

#[test]
fn two_hundred_handshakes_have_no_child_and_one_second_together() {
    let mut server = Secure::start();
    let hello = client_hello(&server.config);
    let address = server.process.address;
    let mut silent: Vec<Client> = (0..200).map(|_| Client::connect(address)).collect();
    silent.iter_mut().for_each(|client| client.send(&hello[..30]));
    assert_eq!(server.connect().ask("echo ping"), "ping");
    eventually(|| children_of(server.process.pid()).is_empty());
    let began = Instant::now();
    server.process.terminate();
    server.process.line_after("report: ");
    assert!(began.elapsed() < LIMIT, "{:?}", began.elapsed());
}

/// The child of another client has a copy of this session, too, and lets go of it in silence.
#[test]
fn a_client_that_waits_hears_nothing_of_the_children_of_others() {
    let server = Secure::start();
    let mut waiting = server.connect();
    for _ in 0..3 {
        assert_eq!(server.connect().ask("echo ping"), "ping");
    }
    waiting.send("echo bye\n");
    assert_eq!(waiting.read_to_end(), "bye\n");
}

#[test]
fn an_idle_client_is_told_of_the_end() {
    let server = Secure::start();
    let mut client = server.connect();
    client.ask("keep");
    server.process.terminate();
    assert_eq!(client.read_to_end(), "");
}

#[test]
fn one_child_resumes_what_another_began() {
    let server = Secure::start();
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let mut client = server.connect();
        assert_eq!(client.ask("echo ping"), "ping");
        assert_eq!(client.session().handshake_kind(), Some(kind));
    }
}

struct Secure {
    process: ServerProcess,
    config: Arc<ClientConfig>,
    _files: PemFiles,
}

impl Secure {
    fn start() -> Self {
        let (authority, files) = (Authority::new(), PemFiles::new());
        let path = files.write("cert.pem", &authority.issue().both());
        let process = ServerProcess::start(&["forking over tls", path.to_str().unwrap()]);
        Self { process, config: Arc::new(client_config(&authority)), _files: files }
    }

    fn connect(&self) -> TlsClient {
        TlsClient::connect(self.process.address, &self.config)
    }
}
