//! Bodies as they arrive: in pieces, broken, late, cut, and beyond a limit.

mod late;

use std::io::Write;
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use super::*;
use crate::connection::{ClientSocket, Direction};

const DRAIN_TIME: Duration = Duration::from_millis(50);

/// The client's end, and a body of which nothing has come.
fn begun(length: BodyLength) -> (UnixStream, RequestBody) {
    let (client, server) = UnixStream::pair().expect("a pair of sockets");
    let socket = Arc::new(ClientSocket::plain(OwnedFd::from(server)));
    (client, RequestBody::new(Rfile::new(socket, Some(STALL), NonZero::new(500)), length))
}

/// A body whose client sends these bytes, and then ends.
fn sent(length: BodyLength, mut bytes: &[u8]) -> RequestBody {
    let (mut client, mut body) = begun(length);
    client.set_nonblocking(true).expect("an option");
    while !bytes.is_empty() {
        match client.write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            // More than the kernel holds is held here.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                body.input.receive().expect("much has arrived");
            }
            Err(error) => panic!("{error}"),
        }
    }
    body
}

/// A body of which these bytes have come, and more may.
fn arrived(length: BodyLength, bytes: &str) -> (UnixStream, RequestBody) {
    let (mut client, body) = begun(length);
    client.write_all(bytes.as_bytes()).expect("there is room");
    (client, body)
}

fn known(length: u64) -> BodyLength {
    BodyLength::Known(length)
}

type ReadsAll = fn(&mut RequestBody) -> io::Result<Vec<u8>>;

/// Every way to read a body.
const WAYS: [(&str, ReadsAll); 5] = [
    ("all at once", |body| {
        let mut all = Vec::new();
        body.read_to_end(&mut all).map(|_| all)
    }),
    ("byte by byte", |body| {
        let (mut all, mut byte) = (Vec::new(), [0]);
        while body.read(&mut byte)? > 0 {
            all.extend(byte);
        }
        Ok(all)
    }),
    ("from its buffer", |body| {
        let mut all = Vec::new();
        while let [first, ..] = body.fill_buf()? {
            all.push(*first);
            body.consume(1);
        }
        Ok(all)
    }),
    ("within a limit", |body| body.read_all(1_000)),
    ("as it arrives", |body| {
        let (mut all, mut target) = (Vec::new(), [0; 2]);
        loop {
            match body.read_arrived(&mut target) {
                Ok(0) => return Ok(all),
                Ok(count) => all.extend(&target[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    body.input.socket().wait(Direction::Read, Some(STALL))?;
                }
                Err(error) => return Err(error),
            }
        }
    }),
];

#[test]
fn a_body_is_read_up_to_its_end_in_every_way() {
    for (length, bytes, content) in [
        (known(0), "", ""),
        (known(3), "abc", "abc"),
        (BodyLength::Chunked, "0\r\n\r\n", ""),
        (BodyLength::Chunked, "3\r\nabc\r\n0\r\n\r\n", "abc"),
        (BodyLength::Chunked, "3;x=y\r\nabc\r\n02\r\n\r\n\r\n0\r\nA: b\r\nC: d\r\n\r\n", "abc\r\n"),
    ] {
        for (way, read) in WAYS {
            let mut body = sent(length, [bytes, "rest"].concat().as_bytes());
            assert_eq!(body.is_ended(), content.is_empty() && bytes.is_empty(), "{bytes:?}");
            assert_eq!(
                read(&mut body).ok().as_deref(),
                Some(content.as_bytes()),
                "{way} {bytes:?}"
            );
            assert!(body.is_ended() && !body.is_broken() && !body.is_late(), "{way} {bytes:?}");
            assert_eq!(body.length(), Some(0));
            // And not beyond, whatever is asked for.
            assert_eq!(read(&mut body).ok().as_deref(), Some(&b""[..]), "{way} {bytes:?}");
            let mut rest = String::new();
            RequestBody::take(&mut body).read_to_string(&mut rest).expect("the client ends");
            assert_eq!(rest, "rest", "{way} {bytes:?}");
            assert!(body.is_ended());
        }
    }
}

#[test]
fn what_is_no_body_is_broken_in_every_way() {
    let long = ["1\r\na\r\n", &"1".repeat(CHUNK_LINE_BYTES as usize)].concat();
    for (length, bytes, what) in [
        (known(5), "abc", "The request ended before its body did"),
        (BodyLength::Chunked, "3\r\nab", "The request ended before its body did"),
        (BodyLength::Chunked, "3", "The request ended before its body did"),
        (BodyLength::Chunked, "1\r\na", "The request ended before its body did"),
        (BodyLength::Chunked, "0\r\nA: b\r\n", "The request ended before its body did"),
        (BodyLength::Chunked, "3\r\nabcd\r\n0\r\n\r\n", "a chunk is longer than its size"),
        (BodyLength::Chunked, "1\r\na2\r\n0\r\n\r\n", "a chunk is longer than its size"),
        (BodyLength::Chunked, "x\r\n", "a chunk has no proper size"),
        (BodyLength::Chunked, "\r\n", "a chunk has no proper size"),
        (BodyLength::Chunked, "1\na\r\n0\r\n\r\n", "does not end with CR LF"),
        (BodyLength::Chunked, "0\r\nno field\r\n\r\n", "a trailer is not a field"),
        (BodyLength::Chunked, &long, "a line between chunks is too long"),
    ] {
        let kind = match what.starts_with("The request ended") {
            true => io::ErrorKind::UnexpectedEof,
            false => io::ErrorKind::InvalidData,
        };
        for (way, read) in WAYS {
            let mut body = sent(length, bytes.as_bytes());
            let error = read(&mut body).expect_err("it is no body");
            assert_eq!(error.kind(), kind, "{way} {bytes:?}: {error}");
            let answer = HttpError::inside(&error).expect("an answer");
            assert!(answer.message.contains(what), "{way} {bytes:?}: {answer}");
            assert_eq!(answer.status.code(), 400);
            assert!(body.is_broken() && !body.is_ended() && !body.is_late(), "{way} {bytes:?}");
            assert!(!body.drain(DRAIN_TIME));
            let again = read(&mut body).expect_err("it is still none");
            assert!(
                again.to_string().ends_with("the body is malformed"),
                "{way} {bytes:?}: {again}"
            );
        }
    }
}

#[test]
fn trailers_have_a_limit_together() {
    // Without their line ends.
    let (line, lines) = (CHUNK_LINE_BYTES as usize - 2, TRAILER_BYTES / CHUNK_LINE_BYTES as usize);
    let full = format!("A: {}\r\n", "b".repeat(line - 3)).repeat(lines);
    for (last, is_read) in [(2 * lines, true), (2 * lines + 1, false)] {
        let last = format!("C: {}\r\n", "d".repeat(last - 3));
        let bytes = ["0\r\n", &full, &last, "\r\n"].concat();
        for (way, read) in WAYS {
            let mut body = sent(BodyLength::Chunked, bytes.as_bytes());
            let result = read(&mut body).map_err(|error| error.to_string());
            assert_eq!(result.is_ok(), is_read, "{way}: {result:?}");
            assert!(is_read || result.is_err_and(|why| why.ends_with("trailers are too long")));
        }
    }
}

#[test]
fn what_is_left_is_known_where_the_client_has_told() {
    let mut body = sent(known(3), b"abc");
    let mut byte = [0];
    for left in [3, 2, 1] {
        assert_eq!((body.length(), body.is_ended()), (Some(left), false));
        assert!(body.check_length(left).is_ok() && body.check_length(left + 1).is_ok());
        let error = body.check_length(left - 1).expect_err("it is longer");
        assert_eq!(error.to_string(), format!("413 The body is longer than {} bytes", left - 1));
        assert_eq!(body.read(&mut byte).ok(), Some(1));
    }
    assert_eq!((body.length(), body.is_ended()), (Some(0), true));
    assert!(body.check_length(0).is_ok());
    let mut chunked = sent(BodyLength::Chunked, b"1\r\na\r\n0\r\n\r\n");
    for count in [1, 0] {
        let is_known = if count == 0 { Some(0) } else { None };
        assert!(chunked.length().is_none() && chunked.check_length(0).is_ok());
        assert_eq!(chunked.read(&mut byte).ok(), Some(count));
        assert_eq!(chunked.length(), is_known);
    }
}

#[test]
fn a_body_beyond_a_limit_is_refused_as_soon_as_that_is_known() {
    for (length, bytes, limit) in [
        (known(4), "", 3),
        (known(4), "", 0),
        (BodyLength::Chunked, "4\r\n", 3),
        (BodyLength::Chunked, "3\r\nabc\r\n1\r\n", 3),
        (BodyLength::Chunked, "2\r\nab\r\n2\r\ncd\r\n1\r\n", 4),
        (BodyLength::Chunked, "ffffffffffffffff\r\n", 3),
        (BodyLength::Chunked, "1\r\na\r\nffffffffffffffff\r\n", 3),
    ] {
        let (_client, mut body) = arrived(length, bytes);
        let error = body.read_all(limit).expect_err("it is longer");
        let answer = HttpError::inside(&error).expect("an answer");
        let message = format!("The body is longer than {limit} bytes");
        assert_eq!((answer.status.code(), answer.message), (413, message), "{bytes:?}");
    }
    for (length, bytes) in [
        (known(4), "abcd"),
        (BodyLength::Chunked, "4\r\nabcd\r\n0\r\n\r\n"),
        (BodyLength::Chunked, "3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n"),
    ] {
        for limit in [4, 5] {
            let (_client, mut body) = arrived(length, bytes);
            assert_eq!(body.read_all(limit).ok().as_deref(), Some(&b"abcd"[..]), "{bytes:?}");
        }
    }
    // A part of it was read before, and counts.
    let (_client, mut body) = arrived(known(2), "cd");
    assert!(body.within(3, 2).read(&mut [0; 4]).is_err());
    let (_client, mut body) = arrived(known(2), "cd");
    assert_eq!(body.within(4, 2).read(&mut [0; 4]).ok(), Some(2));
}

#[test]
fn lines_are_read_with_their_ends() {
    let mut body = sent(BodyLength::Chunked, b"4\r\nab\nc\r\n1\r\nd\r\n0\r\n\r\n");
    let lines = [10, 1, 10, 10].map(|limit| body.readline(limit).expect("the body comes whole"));
    assert_eq!(lines, [&b"ab\n"[..], b"c", b"d", b""]);
}

#[test]
fn without_a_body_any_more_all_that_comes_is_the_handlers() {
    for (way, read) in WAYS {
        let mut body = sent(known(2), b"abcd");
        body.unbind();
        assert_eq!((body.length(), body.is_ended()), (None, false));
        assert_eq!(read(&mut body).ok().as_deref(), Some(&b"abcd"[..]), "{way}");
        assert!(!body.is_broken() && !body.is_ended());
        assert_eq!(read(&mut body).ok().as_deref(), Some(&b""[..]), "{way}");
    }
    for (limit, is_read) in [(3, false), (4, true), (5, true)] {
        let mut body = sent(known(0), b"abcd");
        body.unbind();
        assert_eq!(body.read_all(limit).is_ok(), is_read, "{limit}");
    }
}

#[test]
fn nothing_is_read_where_there_is_no_room() {
    for length in [known(2), BodyLength::Chunked] {
        let (_client, mut body) = arrived(length, "2\r\n");
        assert_eq!(body.read(&mut []).ok(), Some(0));
        assert_eq!(body.read_arrived(&mut []).ok(), Some(0));
        assert!(!body.is_broken() && !body.is_ended());
    }
}

#[test]
fn what_has_arrived_is_read_without_waiting() {
    let (mut client, mut body) = begun(BodyLength::Chunked);
    let mut target = [0; 8];
    for (piece, expected) in [
        ("", None),
        ("3", None),
        ("\r", None),
        ("\n", None),
        ("a", Some("a")),
        ("bc", Some("bc")),
        ("\r", None),
        ("\n1\r\n", None),
        ("d\r\n0\r\nA: ", Some("d")),
        ("b\r\n", None),
        ("\r\n", Some("")),
        ("rest", Some("")),
    ] {
        client.write_all(piece.as_bytes()).expect("there is room");
        match (body.read_arrived(&mut target), expected) {
            (Ok(count), Some(text)) => assert_eq!(&target[..count], text.as_bytes(), "{piece:?}"),
            (Err(error), None) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "{piece:?}"),
            (result, _) => panic!("{piece:?}: {result:?}"),
        }
        assert!(!body.is_broken(), "{piece:?}");
    }
    assert!(body.is_ended() && !body.is_late());
}

/// A client that has left without reading what it was sent: its connection is reset, on Linux.
fn reset(length: BodyLength) -> RequestBody {
    let (client, body) = begun(length);
    nix::unistd::write(body.socket(), b"unread").expect("there is room");
    assert!(!body.is_client_gone());
    drop(client);
    body
}

#[test]
fn a_client_that_has_left_is_gone_and_not_late() {
    for length in [known(3), BodyLength::Chunked] {
        for (way, read) in WAYS {
            let mut body = reset(length);
            assert!(body.is_client_gone());
            assert!(read(&mut body).is_err(), "{way}");
            assert!(!body.is_late() && !body.is_ended(), "{way}");
            // What is between chunks cannot be found again.
            assert!(length != BodyLength::Chunked || body.is_broken(), "{way}");
        }
    }
}

#[test]
fn what_a_handler_leaves_is_dropped_where_it_is_not_much() {
    for (length, bytes) in [
        (known(0), String::new()),
        (known(3), "abc".into()),
        (known(100_000), "a".repeat(100_000)),
        (known(DRAIN_BYTES as u64), "a".repeat(DRAIN_BYTES)),
        (BodyLength::Chunked, "3\r\nabc\r\n0\r\n\r\n".into()),
    ] {
        let mut body = sent(length, bytes.as_bytes());
        // The time in which it has to come is short.
        while body.input.unread().len() < bytes.len() {
            let came = body.input.socket().wait(Direction::Read, Some(STALL));
            came.and_then(|()| body.input.receive()).expect("the client sends it all");
        }
        assert!(body.drain(DRAIN_TIME), "{length:?}");
        assert!(body.is_ended());
    }
    let mut long = sent(known(2 * DRAIN_BYTES as u64), &[b'a'; 2 * DRAIN_BYTES]);
    assert!(!long.drain(DRAIN_TIME));
    assert!(!long.is_ended() && !long.is_broken());
    // It is not waited for, either.
    let (mut client, mut slow) = arrived(known(4), "abc");
    let began = Instant::now();
    assert!(!slow.drain(DRAIN_TIME));
    assert!(began.elapsed() < STALL);
    client.write_all(b"d").expect("there is room");
    assert_eq!(slow.read(&mut [0; 4]).ok(), Some(1), "its deadline is over");
}

#[test]
fn a_body_says_who_sends_it() {
    let (_client, body) = begun(known(0));
    let credentials = body.peer_credentials().expect("a Unix socket");
    assert_eq!(credentials.uid, nix::unistd::geteuid().as_raw());
    assert!(body.peer_certificates().is_empty() && !body.is_secure());
}

/// Longer than any test waits.
const STALL: Duration = Duration::from_secs(10);
