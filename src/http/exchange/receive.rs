//! Reads what has arrived of a request, without waiting, until its handler can be called.

use std::io::{self, BufRead};
use std::time::Instant;

use super::awaited_body::{AwaitedBody, Awaits};
use super::base::CLEAR_TEXT;
use super::handler::HttpRequestHandler;
use super::kept::Kept;
use super::received::{Received, Request};
use super::request_head::RequestHead;
use crate::connection::{Connection, NotTls, WaitFor};
use crate::http::message::framing::{BodyLength, body_length};
use crate::http::message::parse::{
    Head, Parsed, Refusal, begun, leading_blank, parse, total_refused,
};
use crate::http::message::status::Status;

/// Reads as much of a request as has arrived, beyond what was kept of it.
pub(super) fn receive(
    handler: &dyn HttpRequestHandler,
    connection: &mut Connection,
    kept: Option<Kept>,
) -> io::Result<Received> {
    match kept {
        Some(Kept::Body(awaited)) => return Ok(receive_body(connection, awaited)),
        Some(Kept::Received(received)) => return Ok(received),
        Some(Kept::Response(_)) | None => {}
    }
    let begun = read_head(connection)?;
    let in_clear = connection.rfile.socket().is_clear_text_admitted();
    Ok(match begun {
        Begun::Head(head) => match body_length(&head.headers, head.version) {
            Ok(body) => {
                let request = Request { head, body, in_clear, since: None };
                match body {
                    BodyLength::Known(0) => Received::Request(request),
                    _ => begin_body(handler, connection, request),
                }
            }
            Err(refusal) => Received::Refused(refusal, Box::new(head)),
        },
        // Whatever else may be wrong with it.
        Begun::Refused(_, head) if in_clear => {
            Received::Refused(Refusal::new(Status::BAD_REQUEST, CLEAR_TEXT), head)
        }
        Begun::Refused(refusal, head) => Received::Refused(refusal, head),
        Begun::Nothing => Received::Part(WaitFor::NextRequest),
        Begun::Part => Received::Part(WaitFor::RestOfRequest),
        Begun::End => Received::End,
    })
}

/// Begins to wait for a request's body, if that is to be waited for.
fn begin_body(
    handler: &dyn HttpRequestHandler,
    connection: &mut Connection,
    request: Request,
) -> Received {
    let arrived = connection.rfile.unread().len();
    let is_there = matches!(request.body, BodyLength::Known(length) if length <= arrived as u64);
    if request.in_clear || is_there {
        return Received::Request(request);
    }
    let head = &request.head;
    let head = RequestHead { command: &head.command, path: &head.path, headers: &head.headers };
    let limit = handler.body_buffer_size(&head);
    match Awaits::of(&request, limit) {
        Some(awaits) => receive_body(connection, AwaitedBody { request, awaits, limit }),
        None => Received::Request(request),
    }
}

/// Reads as much of a request's body as has arrived, unless it is not to be waited for any more.
fn receive_body(connection: &mut Connection, mut awaited: AwaitedBody) -> Received {
    match awaited.receive(&mut connection.rfile) {
        Ok(true) => Received::Request(awaited.request),
        Ok(false) => {
            awaited.request.since.get_or_insert_with(Instant::now);
            Kept::Body(awaited).leave(connection);
            Received::Part(WaitFor::RestOfBody)
        }
        Err(error) => Received::Failed(Box::new(awaited.request), error),
    }
}

/// What there is of a request's head.
enum Begun {
    Head(Head),
    Refused(Refusal, Box<Head>),
    Nothing,
    /// The beginning of a request.
    Part,
    /// No request, and no further one will come.
    End,
}

/// Reads as much of a request's head as has arrived.
///
/// A head begins with its first byte, also where that is one of an empty line: its limits of time
/// and size count from there.
// Not inlined: a forked child comes by with a request that its parent has read, and need not reach
// as deep into its stack for that.
#[inline(never)]
fn read_head(connection: &mut Connection) -> io::Result<Begun> {
    let rfile = &mut connection.rfile;
    let skipped_before = rfile.skipped();
    loop {
        rfile.skip(leading_blank(rfile.unread()));
        let skipped = rfile.skipped();
        if rfile.unread().len() > rfile.searched().bytes {
            let mut searched = rfile.searched();
            match parse(rfile.unread(), &mut searched) {
                Parsed::Complete(head, length) => {
                    if let Some(refusal) = total_refused(skipped + length) {
                        return Ok(Begun::Refused(refusal, Box::new(head)));
                    }
                    rfile.consume(length);
                    rfile.end_skip();
                    return Ok(Begun::Head(head));
                }
                Parsed::Refused(refusal, head) => return Ok(Begun::Refused(refusal, head)),
                Parsed::Incomplete => rfile.mark_searched(searched),
            }
        }
        let has_line = !rfile.unread().is_empty();
        if let Some(refusal) = total_refused(skipped + rfile.unread().len()) {
            return Ok(refused(rfile.unread(), refusal));
        }
        if skipped - skipped_before > BLANK_BYTES && !has_line {
            // Others take their turn before more of nothing is looked at.
            return Ok(Begun::Part);
        }
        match rfile.receive() {
            Ok(0) if has_line => {
                let refusal = Refusal::new(Status::BAD_REQUEST, "Request ended early");
                return Ok(refused(rfile.unread(), refusal));
            }
            Ok(0) => return Ok(Begun::End),
            Ok(_) => {}
            Err(error) => {
                if let Some(clear_text) = spoken_in_clear(&error) {
                    // The handler hears of it when it is known what is asked for.
                    rfile.admit_clear_text(clear_text);
                    continue;
                }
                return match error.kind() {
                    io::ErrorKind::WouldBlock if has_line || skipped > 0 => Ok(Begun::Part),
                    io::ErrorKind::WouldBlock => Ok(Begun::Nothing),
                    io::ErrorKind::TimedOut if has_line => Ok(refused(
                        rfile.unread(),
                        Refusal::new(Status::REQUEST_TIMEOUT, "Request Timeout"),
                    )),
                    // Empty lines alone, such as the one that old browsers send after a form, ask
                    // for nothing that could be answered.
                    io::ErrorKind::TimedOut => Ok(Begun::End),
                    _ => Err(error),
                };
            }
        }
    }
}

/// What a client said in clear text where it should have begun with a handshake.
fn spoken_in_clear(error: &io::Error) -> Option<&[u8]> {
    let error: &NotTls = error.get_ref()?.downcast_ref()?;
    Some(error.received())
}

/// A refusal of what there is of a request.
fn refused(bytes: &[u8], refusal: Refusal) -> Begun {
    Begun::Refused(refusal, Box::new(begun(bytes)))
}

/// Bytes of empty lines before a request that one look at a connection skips.
const BLANK_BYTES: usize = 4 * 1024;
