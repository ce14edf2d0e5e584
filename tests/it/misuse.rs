//! Calls that HTTP does not allow, and numbers that are not a status.

use std::io::{self, Write};

use socketserver::http::{HttpError, Misuse, MisuseKind, Status};

use crate::support::Notes;
use crate::web::{Browser, answering, ask, get, serve};

#[test]
fn a_call_out_of_order_is_an_error_of_a_kind_that_can_be_matched() {
    use MisuseKind::*;
    let notes = Notes::new();
    let noted = notes.clone();
    let server = serve(answering(move |http| {
        let note = |result: io::Result<()>| {
            let kind = result.err().map(|error| Misuse::inside(&error).map(Misuse::kind));
            noted.add(kind.map(|kind| kind.unwrap()));
        };
        note(http.send_header("A", "b"));
        note(http.end_headers());
        note(http.wfile.write_all(b"early"));
        note(http.send_response(1000));
        note(http.send_response_with(200, "a\nb"));
        note(http.send_response(Status::OK));
        note(http.send_response(201));
        note(http.wfile.write_all(b"early"));
        note(http.send_header("A:", "b"));
        note(http.send_header("A", "b\nc"));
        note(http.set_header("A", "\u{2603}"));
        note(http.send_header("Content-Length", "x"));
        note(http.send_header("Content-Length", 2));
        note(http.send_header("Content-Length", 3));
        note(http.send_header("Transfer-Encoding", "chunked"));
        note(http.end_headers());
        note(http.send_header("A", "b"));
        note(http.end_headers());
        note(http.wfile.write_all(b"abc"));
        note(http.wfile.write_all(b"ab"));
        note(http.send_error(500));
        drop(http.take_over()?);
        note(http.take_over().map(drop));
        note(http.wfile.write_all(b"c"));
        note(http.send_header("A", "b"));
        Ok(())
    }));
    Browser::connect(&server).send(get("/")).rest();
    let expected = [
        Some(NoResponse),
        Some(NoResponse),
        Some(NoResponse),
        Some(InvalidStatus),
        Some(InvalidHeader),
        None,
        Some(ResponseBegun),
        Some(HeadNotEnded),
        Some(InvalidHeader),
        Some(InvalidHeader),
        Some(InvalidHeader),
        Some(InvalidLength),
        None,
        Some(InvalidLength),
        Some(InvalidLength),
        None,
        Some(HeadEnded),
        Some(HeadEnded),
        Some(TooLong),
        None,
        Some(ResponseBegun),
        Some(ResponseEnded),
        Some(ResponseEnded),
        Some(ResponseEnded),
    ];
    assert_eq!(notes.so_far(), expected);
}

#[test]
fn chunks_that_are_malformed_are_an_error_of_their_own_kind() {
    let notes = Notes::new();
    let noted = notes.clone();
    let server = serve(answering(move |http| {
        http.send_response(200)?;
        http.send_header("Transfer-Encoding", "chunked")?;
        http.end_headers()?;
        let error = http.wfile.write_all(b"no chunk\r\n").unwrap_err();
        noted.add(Misuse::inside(&error).map(Misuse::kind));
        Ok(())
    }));
    Browser::connect(&server).send(get("/")).rest();
    assert_eq!(notes.next(), Some(MisuseKind::InvalidChunk));
}

#[test]
fn a_number_that_is_not_a_status_is_answered_500() {
    let server = serve(answering(|_| Err(HttpError::new(4040, "Nothing here").into())));
    let reply = ask(&server, get("/"));
    assert_eq!((reply.status(), reply.reason()), (500, "Nothing here"));
    assert_eq!(HttpError::new(Status::GONE, "").status, 410);
}
