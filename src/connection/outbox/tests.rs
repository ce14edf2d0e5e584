//! What is left goes out in its order, as far as there is room, or is lost.

use std::fs;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use super::*;
use crate::connection::stream_socket::StreamSocket;

/// A file of some kilobytes.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");

/// The client's end, and the server's.
fn connected() -> (UnixStream, StreamSocket) {
    let (client, server) = UnixStream::pair().expect("a pair of sockets");
    client.set_read_timeout(Some(LIMIT)).expect("an option");
    (client, StreamSocket::new(OwnedFd::from(server).into()))
}

fn line(stream: &StreamSocket) -> LineOut<'_> {
    LineOut { stream, session: None }
}

fn add_bytes(outbox: &mut Outbox, bytes: &[u8]) {
    outbox.add_bytes(&[IoSlice::new(bytes)]);
}

fn add_file(outbox: &mut Outbox, offset: u64, count: u64) {
    let file = File::open(FILE).expect("it is there");
    assert!(outbox.add_file(&file, Span::new(offset, count)));
}

/// So many bytes that the client was sent.
fn taken(client: &mut UnixStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    client.read_exact(&mut bytes).expect("so many were sent");
    bytes
}

#[test]
fn bytes_and_files_go_out_in_their_order() {
    let (mut client, stream) = connected();
    let content = fs::read(FILE).expect("it is there");
    let mut outbox = Outbox::default();
    outbox.add_bytes(&[IoSlice::new(b"a"), IoSlice::new(b"bc")]);
    add_file(&mut outbox, 5, 100);
    add_bytes(&mut outbox, b"defg");
    add_file(&mut outbox, 0, 20);
    assert_eq!((outbox.left(), outbox.is_empty(), outbox.has_pieces()), (127, false, true));
    assert_eq!(outbox.push(line(&stream), u64::MAX).ok(), Some(true));
    assert_eq!((outbox.left(), outbox.is_empty(), outbox.has_pieces()), (0, true, false));
    let expected = [b"abc", &content[5..105], b"defg", &content[..20]].concat();
    assert_eq!(taken(&mut client, 127), expected);
}

#[test]
fn what_the_client_has_no_room_for_is_left() {
    let (mut client, stream) = connected();
    let bytes: Vec<u8> = (0..1_000_000_u32).map(|number| (number % 251) as u8).collect();
    let mut outbox = Outbox::default();
    add_bytes(&mut outbox, &bytes);
    add_bytes(&mut outbox, b"end");
    let (mut all, mut times) = (Vec::new(), 0);
    loop {
        let before = outbox.left();
        let pushed = outbox.push(line(&stream), 0);
        let sent = before - outbox.left();
        assert!(sent > 0 && outbox.loss().is_none());
        all.extend(taken(&mut client, sent as usize));
        match pushed {
            Ok(is_over) => break assert!(is_over && outbox.is_empty()),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
        assert!(outbox.has_pieces());
        times += 1;
    }
    assert!(times > 0 && all == [&bytes[..], b"end"].concat());
}

#[test]
fn a_file_gives_others_their_turn() {
    let (mut client, stream) = connected();
    let content = fs::read(FILE).expect("it is there");
    let mut outbox = Outbox::default();
    add_file(&mut outbox, 1, 25);
    for (is_over, left) in [(false, 15), (false, 5), (true, 0)] {
        assert_eq!(outbox.push(line(&stream), 10).ok(), Some(is_over));
        assert_eq!((outbox.left(), outbox.is_empty()), (left, is_over));
    }
    // All of it, and no more.
    add_file(&mut outbox, 26, 10);
    assert_eq!(outbox.push(line(&stream), 10).ok(), Some(true));
    assert_eq!(taken(&mut client, 35), content[1..36]);
}

#[test]
fn a_file_that_has_become_shorter_loses_what_is_behind() {
    let (mut client, stream) = connected();
    let content = fs::read(FILE).expect("it is there");
    let mut outbox = Outbox::default();
    add_file(&mut outbox, content.len() as u64 - 7, 10);
    add_bytes(&mut outbox, b"behind");
    assert_eq!(outbox.push(line(&stream), u64::MAX).ok(), Some(true));
    assert_eq!(taken(&mut client, 7), content[content.len() - 7..]);
    // The loss is left, and nothing else.
    assert_eq!((outbox.left(), outbox.is_empty()), (9, true));
    assert_eq!(outbox.loss().map(Loss::as_error).map(|it| it.kind()), Some(SHORTER));
    let loss = outbox.take_loss().expect("what did not go out");
    assert!(loss.bytes == 9 && loss.error.is_none());
    assert!(outbox.left() == 0 && outbox.loss().is_none() && outbox.take_loss().is_none());
}

#[test]
fn what_is_lost_encrypted_and_left_counts() {
    let mut outbox = Outbox::default();
    outbox.note_encrypted(2);
    outbox.note_encrypted(3);
    assert_eq!((outbox.left(), outbox.is_empty(), outbox.has_pieces()), (5, false, false));
    add_bytes(&mut outbox, b"ab");
    outbox.lose(Some(timed_out()));
    assert_eq!((outbox.left(), outbox.is_empty()), (7, true));
    outbox.note_encrypted(11);
    add_bytes(&mut outbox, b"abc");
    add_bytes(&mut outbox, b"");
    assert_eq!(outbox.left(), 7 + 11 + 3);
    // What was encrypted goes out first.
    let (mut client, stream) = connected();
    assert_eq!(outbox.send(line(&stream), b"de", false).ok(), Some(2));
    assert_eq!((outbox.left(), outbox.is_empty()), (7 + 3, false));
    assert_eq!(outbox.push(line(&stream), 0).ok(), Some(true));
    assert_eq!((outbox.left(), outbox.is_empty()), (7, true));
    assert_eq!(taken(&mut client, 5), b"deabc");
    outbox.note_encrypted(4);
    assert_eq!(outbox.push(line(&stream), 0).ok(), Some(true));
    assert_eq!((outbox.left(), outbox.is_empty()), (7, true));
    add_bytes(&mut outbox, b"");
    assert!(!outbox.has_pieces(), "no bytes are no piece");
}

#[test]
fn a_write_hears_why_something_was_lost() {
    for (error, kind, text) in [
        (None, SHORTER, "a file has become shorter"),
        (Some(timed_out()), io::ErrorKind::TimedOut, "timed out"),
        (Some(io::ErrorKind::TimedOut.into()), io::ErrorKind::TimedOut, "timed out"),
        (Some(io::Error::other("x")), io::ErrorKind::Other, "other error"),
    ] {
        let heard = Loss { bytes: 1, error }.as_error();
        assert_eq!((heard.kind(), heard.to_string().as_str()), (kind, text));
    }
    let (client, stream) = connected();
    drop(client);
    let mut outbox = Outbox::default();
    add_bytes(&mut outbox, b"abc");
    let error = outbox.push(line(&stream), 0).expect_err("the client is gone");
    assert_eq!((error.kind(), outbox.left()), (io::ErrorKind::BrokenPipe, 3));
}

#[test]
fn no_more_than_some_bytes_are_kept_in_memory() {
    let mut outbox = Outbox::default();
    let has_room = |outbox: &Outbox, most: usize| {
        outbox.has_room(most) && !outbox.has_room(most + 1) && !outbox.has_room(usize::MAX)
    };
    assert!(has_room(&outbox, 65_536));
    add_bytes(&mut outbox, &[0; 60_000]);
    add_bytes(&mut outbox, &[0; 5_000]);
    // Files are not in memory.
    add_file(&mut outbox, 0, 1_000);
    assert!(has_room(&outbox, 536));
}

const SHORTER: io::ErrorKind = io::ErrorKind::UnexpectedEof;

/// What should take no time takes less.
const LIMIT: Duration = Duration::from_secs(10);
