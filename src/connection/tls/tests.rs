//! What a session holds, and that all arrives that goes through it.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::thread;

use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::*;
use crate::connection::line_out::{LineOut, Span};
use crate::connection::outbox::{Outbox, Pushed};

type Client = StreamOwned<ClientConnection, UnixStream>;

/// A client that has shaken hands, and the server's session with it.
fn connected() -> (Client, Session, StreamSocket) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let provider = Arc::new(ring::default_provider());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .expect("they belong together");
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("a root");
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "localhost".try_into().expect("a name");
    let client = ClientConnection::new(Arc::new(client), name).expect("a client");
    let (socket, server_socket) = UnixStream::pair().expect("a pair of sockets");
    let mut client = StreamOwned::new(client, socket);
    let session = Session::new(Arc::new(server)).expect("a session");
    let stream = StreamSocket::new(OwnedFd::from(server_socket).into());
    let shaking = thread::spawn(move || {
        client.write_all(b"hello").expect("it is sent");
        client
    });
    while !session.shake_hands(&stream, true).expect("it speaks TLS") {
        thread::yield_now();
    }
    assert_eq!(arrived(&session, &stream, 5), b"hello");
    (shaking.join().expect("it has spoken"), session, stream)
}

/// So many bytes that the client has sent.
fn arrived(session: &Session, stream: &StreamSocket, count: usize) -> Vec<u8> {
    let (mut all, mut buffer) = (Vec::new(), [0; 1000]);
    while all.len() < count {
        match session.recv(stream, &mut buffer) {
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            Ok(received) => all.extend_from_slice(&buffer[..received]),
        }
    }
    all
}

fn numbers(count: usize) -> Vec<u8> {
    (0..count).map(|number| (number % 251) as u8).collect()
}

#[test]
fn a_client_that_is_waited_for_has_no_buffers() {
    let (mut client, session, stream) = connected();
    assert_eq!(session.held(), 0);
    // Nor has one that takes nothing of a file.
    let content = numbers(5_000_000);
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(&content).expect("there is room");
    let line = LineOut { stream: &stream, session: Some(&session) };
    let (mut outbox, mut span) = (Outbox::default(), Span::new(0, content.len() as u64));
    let mut push = |file: &File| outbox.push_file(line, (file, &mut span), &mut u64::MAX.clone());
    for _ in 0..2 {
        let Err(error) = push(&file) else { panic!("the client has room for all") };
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert!(session.held() == 0 || cfg!(not(target_os = "linux")));
    }
    let reader = thread::spawn(move || {
        let mut all = vec![0; 5_000_000];
        client.read_exact(&mut all).expect("it is sent");
        all
    });
    loop {
        match push(&file) {
            Ok(pushed) => break assert!(matches!(pushed, Pushed::All)),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
        thread::yield_now();
    }
    assert_eq!(session.held(), 0);
    assert!(reader.join().expect("it has read") == content);
}

#[test]
fn pieces_arrive_in_full_records() {
    let (mut client, session, stream) = connected();
    for (sizes, records) in [
        (&[][..], 0),
        (&[0, 0], 0),
        (&[5], 1),
        (&[5, 6, 0, 7], 1),
        (&[100, 20_000], 2),
        (&[16_384, 1, 16_383], 2),
        (&[100, 40_000, 3, 10_000, 1], 4),
        (&[65_536], 4),
        (&[65_535, 1], 4),
    ] {
        let content = numbers(sizes.iter().sum());
        let mut rest = &content[..];
        let pieces: Vec<_> = sizes
            .iter()
            .map(|size| {
                let piece;
                (piece, rest) = rest.split_at(*size);
                IoSlice::new(piece)
            })
            .collect();
        assert_eq!(session.encrypt(&pieces).expect("there is room"), content.len());
        let overhead = session.state().records.left() - content.len();
        session.push(&stream).expect("there is room");
        // A head of five bytes, a type, and a tag of sixteen.
        assert_eq!(overhead, records * 22, "{sizes:?}");
        let mut all = vec![0; content.len()];
        client.read_exact(&mut all).expect("it is sent");
        assert!(all == content, "{sizes:?}");
    }
    // No more than a bound is encrypted before it is sent.
    let bytes = numbers(50_000);
    let encrypt = || session.encrypt(&[IoSlice::new(&bytes)]).expect("there is room");
    let taken = [encrypt(), encrypt(), encrypt()];
    assert!(taken[0] == 50_000 && (15_000..15_600).contains(&taken[1]) && taken[2] == 0);
}

#[test]
fn records_arrive_however_they_are_cut() {
    let (mut client, session, stream) = connected();
    let content = numbers(40_000);
    client.conn.writer().write_all(&content).expect("there is room");
    // New keys, which the server answers with its own.
    client.conn.refresh_traffic_keys().expect("it is TLS 1.3");
    client.conn.writer().write_all(b"end").expect("there is room");
    let mut records = Vec::new();
    while client.conn.wants_write() {
        client.conn.write_tls(&mut records).expect("there is room");
    }
    let (mut all, mut buffer) = (Vec::new(), [0; 7000]);
    for piece in records.chunks(999) {
        client.sock.write_all(piece).expect("there is room");
        loop {
            match session.recv(&stream, &mut buffer) {
                Ok(count) => all.extend_from_slice(&buffer[..count]),
                Err(error) => break assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
        // What waits for the rest of a record is no reason not to write.
        assert_eq!(session.encrypt(&[IoSlice::new(b"yes")]).expect("there is room"), 3);
        session.push(&stream).expect("there is room");
        let mut answer = [0; 3];
        client.read_exact(&mut answer).expect("it is sent");
        assert_eq!(&answer, b"yes");
    }
    assert!(all == [&content[..], b"end"].concat());
    assert_eq!(session.held(), 0);
    drop(client);
    assert_eq!(session.recv(&stream, &mut buffer).expect("the end"), 0);
}
