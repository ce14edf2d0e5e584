//! Where a body ends: as the plain reading of RFC 9112 has it, or refused.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

use super::model;
use crate::connection::{ClientSocket, Rfile, Searched};
use crate::http::exchange::RequestBody;
use crate::http::message::framing::{BodyLength, body_length};
use crate::http::message::parse::{Parsed, parse};
use crate::os::{self, OwnedFd};

/// Reads header lines and a body. The first byte is how much of it is read at a time.
pub fn check(data: &[u8]) {
    let [size, rest @ ..] = data else { return };
    let request = [b"POST / HTTP/1.1\r\nHost: x\r\n", rest].concat();
    let expected = model::request(&request);
    let Parsed::Complete(head, length) = parse(&request, &mut Searched::default()) else { return };
    let (_, model) = expected.expect("a head that is read here is one for the model, too");
    let Ok(framing) = body_length(&head.headers, head.version) else {
        assert!(model.is_err(), "refused without need: {:?}", head.headers);
        return;
    };
    let sent = &request[length..];
    match (read(sent, framing, usize::from(*size).max(1)), model) {
        (Some((body, left)), Ok(expected)) => {
            assert_eq!(body, expected.body);
            assert_eq!(left, expected.rest);
            assert_eq!(expected.is_chunked, framing == BodyLength::Chunked);
        }
        (None, Err(_)) => {}
        (here, there) => panic!("{here:?} here, and {there:?} in the model"),
    }
}

/// The body and what follows it; `None` where it cannot be read to its end.
fn read(sent: &[u8], framing: BodyLength, size: usize) -> Option<(Vec<u8>, Vec<u8>)> {
    let (mut client, server) = os::pair().expect("a pair of sockets");
    client.write_all(sent).expect("what is sent fits into the kernel's buffer");
    client.shutdown(Shutdown::Write).expect("the end can be sent");
    let socket = Arc::new(ClientSocket::plain(OwnedFd::from(server)));
    let mut body =
        RequestBody::new(Rfile::new(socket, Some(Duration::from_secs(5)), None), framing);
    let (mut content, mut piece) = (Vec::new(), vec![0; size]);
    loop {
        match body.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => content.extend_from_slice(&piece[..count]),
            Err(_) => {
                assert!(body.read(&mut piece).is_err(), "an error stays one");
                return None;
            }
        }
    }
    assert!(body.is_ended() && content.len() <= sent.len());
    let (mut input, mut left) = (RequestBody::take(&mut body), Vec::new());
    input.read_to_end(&mut left).expect("the rest can be read");
    Some((content, left))
}
