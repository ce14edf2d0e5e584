//! From a connection to exchanges: reads requests, calls the handler, sees each to its end.

use std::io::{self, BufRead};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Exchange;
use super::after::{Next, go_on};
use super::base::CLEAR_TEXT;
use super::failure::{log_while_answering, while_answering};
use super::handler::HttpRequestHandler;
use super::http_error::HttpError;
use super::kept::Kept;
use super::left::Left;
use super::response_body::Stage;
use crate::address::Address;
use crate::connection::{Connection, NotTls, Timeouts};
use crate::handler::{Handler, panicked};
use crate::http::message::framing::{BodyLength, body_length};
use crate::http::message::parse::{
    Head, Parsed, Refusal, begun, leading_blank, parse, total_refused,
};
use crate::http::message::status::Status;
use crate::signal::Signal;

/// HTTP on top of a stream: each call serves one request, and gives the connection back for
/// the next.
impl<T: HttpRequestHandler> Handler for T {
    fn handle(&self, connection: Connection) -> io::Result<()> {
        serve(self, connection)
    }

    fn verify_request(&self, connection: &Connection, client_address: &Address) -> bool {
        HttpRequestHandler::verify_request(self, connection, client_address)
    }

    fn handle_error(&self, client_address: &Address, error: &io::Error) {
        HttpRequestHandler::handle_error(self, client_address, error);
    }

    fn handle_overload(&self, connection: Connection) -> io::Result<()> {
        turn_away(self, connection)
    }

    fn handle_timeout(&self) {
        HttpRequestHandler::handle_timeout(self);
    }

    fn service_actions(&self) {
        HttpRequestHandler::service_actions(self);
    }

    fn handle_signal(&self, signal: Signal) {
        HttpRequestHandler::handle_signal(self, signal);
    }

    fn timeouts(&self) -> Timeouts {
        HttpRequestHandler::timeouts(self)
    }

    fn daemon_threads(&self) -> bool {
        true
    }

    fn client_speaks_first(&self) -> bool {
        true
    }
}

fn serve(handler: &dyn HttpRequestHandler, mut connection: Connection) -> io::Result<()> {
    if let Some(Kept::Response(left)) = Kept::take(&mut connection) {
        let (http, is_last) = left.resume(handler, connection);
        return conclude(http, is_last);
    }
    let received = read_head(&mut connection)?;
    let in_clear = connection.rfile.socket().is_clear_text_admitted();
    match received {
        Received::Head(head) => match body_length(&head.headers, head.version) {
            Ok(body) => exchange(handler, connection, head, body, in_clear),
            Err(refusal) => refuse(handler, connection, refusal, head),
        },
        // Whatever else may be wrong with it.
        Received::Refused(_, head) if in_clear => {
            refuse(handler, connection, Refusal::new(Status::BAD_REQUEST, CLEAR_TEXT), *head)
        }
        Received::Refused(refusal, head) => refuse(handler, connection, refusal, *head),
        Received::Nothing => connection.park(),
        Received::Part => connection.park_for_more(),
        Received::End => Ok(()),
    }
}

/// What a client has sent so far.
enum Received {
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
fn read_head(connection: &mut Connection) -> io::Result<Received> {
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
                        return Ok(Received::Refused(refusal, Box::new(head)));
                    }
                    rfile.consume(length);
                    rfile.end_skip();
                    return Ok(Received::Head(head));
                }
                Parsed::Refused(refusal, head) => return Ok(Received::Refused(refusal, head)),
                Parsed::Incomplete => rfile.mark_searched(searched),
            }
        }
        let has_line = !rfile.unread().is_empty();
        if let Some(refusal) = total_refused(skipped + rfile.unread().len()) {
            return Ok(refused(rfile.unread(), refusal));
        }
        if skipped - skipped_before > BLANK_BYTES && !has_line {
            // Others take their turn before more of nothing is looked at.
            return Ok(Received::Part);
        }
        match rfile.receive() {
            Ok(0) if has_line => {
                let refusal = Refusal::new(Status::BAD_REQUEST, "Request ended early");
                return Ok(refused(rfile.unread(), refusal));
            }
            Ok(0) => return Ok(Received::End),
            Ok(_) => {}
            Err(error) => {
                if let Some(clear_text) = spoken_in_clear(&error) {
                    // The handler hears of it when it is known what is asked for.
                    rfile.admit_clear_text(clear_text);
                    continue;
                }
                return match error.kind() {
                    io::ErrorKind::WouldBlock if has_line || skipped > 0 => Ok(Received::Part),
                    io::ErrorKind::WouldBlock => Ok(Received::Nothing),
                    io::ErrorKind::TimedOut if has_line => Ok(refused(
                        rfile.unread(),
                        Refusal::new(Status::REQUEST_TIMEOUT, "Request Timeout"),
                    )),
                    // Empty lines alone, such as the one that old browsers send after a form, ask
                    // for nothing that could be answered.
                    io::ErrorKind::TimedOut => Ok(Received::End),
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
fn refused(bytes: &[u8], refusal: Refusal) -> Received {
    Received::Refused(refusal, Box::new(begun(bytes)))
}

/// Answers a request that is not served, so that the client can read why.
fn refuse(
    handler: &dyn HttpRequestHandler,
    connection: Connection,
    refusal: Refusal,
    head: Head,
) -> io::Result<()> {
    let mut http = Exchange::new(handler, connection, head, BodyLength::Known(0));
    http.leave_the_rest();
    let Refusal { status, message, explain } = refusal;
    let answered = handler.send_error(&mut http, status, Some(&message), explain);
    dismiss(http, answered)
}

/// Answers a client that there is no room for, whatever it is about to ask.
fn turn_away(handler: &dyn HttpRequestHandler, connection: Connection) -> io::Result<()> {
    let head = Head::unread();
    let mut http = Exchange::new(handler, connection, head, BodyLength::Known(0));
    match attempt(&mut http, |http| handler.handle_overload(http)) {
        Ok(()) => dismiss(http, Ok(())),
        Err(error) => fail(http, error),
    }
}

/// Serves a request.
fn exchange(
    handler: &dyn HttpRequestHandler,
    connection: Connection,
    head: Head,
    body: BodyLength,
    in_clear: bool,
) -> io::Result<()> {
    // The last holder of the socket ends it, which must have happened when the server is told of
    // the end. So the exchange ends with this block, where it is: to move it would take 220
    // instructions more, 2 % of a kept request (callgrind, as in benches/README.md).
    let (connection, next) = {
        let mut http = Exchange::new(handler, connection, head, body);
        http.leave_the_rest();
        let handled = attempt(&mut http, |http| {
            if in_clear {
                handler.handle_clear_text(http)
            } else {
                handler.handle_one_request(http)
            }
        });
        if let Err(error) = handled {
            return fail(http, error);
        }
        if http.wfile.has_left() {
            return park_left(http, false);
        }
        handler.finish(&http);
        if http.is_taken_over() {
            return Ok(());
        }
        go_on(&mut http)?
    };
    next.follow(connection)
}

/// Gives the connection back until the client has taken what was left of the response.
fn park_left(http: Exchange<'_>, is_last: bool) -> io::Result<()> {
    let (left, mut connection) = Left::new(http, is_last)?;
    Kept::Response(Box::new(left)).leave(&mut connection);
    connection.park_until_taken()
}

/// Ends an exchange whose response was left to be sent: all of it was, or will not be.
fn conclude(mut http: Exchange<'_>, is_last: bool) -> io::Result<()> {
    let settled = http.wfile.settle();
    log_stall(&http);
    if let Err(error) = settled {
        return fail(http, error);
    }
    if http.wfile.has_left() {
        return park_left(http, is_last);
    }
    note_shortfall(&mut http);
    http.wfile.end_if_whole();
    http.handler().finish(&http);
    let (connection, next) =
        if is_last { (http.release()?, Next::LateEnd) } else { go_on(&mut http)? };
    // The last holder, as above.
    drop(http);
    next.follow(connection)
}

/// Calls the handler and completes its response; a panic is an error.
fn attempt(
    http: &mut Exchange<'_>,
    call: impl FnOnce(&mut Exchange<'_>) -> io::Result<()>,
) -> io::Result<()> {
    let handled = catch_panic(|| {
        call(http)?;
        finish_response(http)
    });
    let settled = http.wfile.settle();
    log_stall(http);
    handled.and(settled)
}

/// Logs that the client has taken too little of the response, if so.
fn log_stall(http: &Exchange<'_>) {
    if let Some(stall) = http.wfile.stall() {
        log_while_answering(http, format_args!("{stall}"));
    }
}

/// Makes an error of a panic, so that what is left of the exchange can be answered.
fn catch_panic(call: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let called = catch_unwind(AssertUnwindSafe(call));
    called.unwrap_or_else(|panic| Err(panicked(&*panic)))
}

/// Answers for a handler that failed, as its error says where it does, and ends the connection.
fn fail(mut http: Exchange<'_>, error: io::Error) -> io::Result<()> {
    if !http.is_taken_over() {
        if let Some(answer) = HttpError::inside(&error) {
            let is_body = http.rfile.is_broken();
            if http.wfile.is_recallable() && !(is_body && http.rfile.is_client_gone()) {
                return answer_with(http, &answer);
            }
            if is_body {
                // Too late to tell the client; its mistake is a line in the log all the same.
                log_while_answering(&http, format_args!("{}", answer.message));
                http.handler().finish(&http);
                return http.release().and_then(Connection::lingering_close);
            }
        }
        let timed_out = error.kind() == io::ErrorKind::TimedOut && http.rfile.is_late();
        if timed_out && !http.wfile.is_recallable() {
            // Nor can it be told of this.
            log_missing(&http);
        }
        apologise(&mut http, timed_out);
    }
    http.handler().finish(&http);
    // No request was read from a client that there is no room for.
    let error = match http.requestline() {
        "" => error,
        line => while_answering(line, error),
    };
    if !http.is_taken_over() {
        // The response, whatever became of it, is the last one; the failure is reported either way.
        let _ = http.release().and_then(Connection::lingering_close);
    }
    Err(error)
}

/// Logs that a body did not come in time.
fn log_missing(http: &Exchange<'_>) {
    let missing = match http.rfile.length() {
        Some(1) => "1 byte".to_owned(),
        Some(left) => format!("{left} bytes"),
        None => "the rest".to_owned(),
    };
    log_while_answering(http, format_args!("{missing} of its body did not come in time"));
}

/// Completes what the handler left unfinished.
fn finish_response(http: &mut Exchange<'_>) -> io::Result<()> {
    if http.is_taken_over() {
        return Ok(());
    }
    match http.wfile.stage() {
        Stage::Start => {
            http.log_error(format_args!("the handler sent no response"));
            http.send_error(500)?;
        }
        Stage::Head => http.end_headers()?,
        Stage::Body | Stage::Done => {}
    }
    http.wfile.finish().map(|()| note_shortfall(http))
}

/// A response that is not whole is the last one.
fn note_shortfall(http: &mut Exchange<'_>) {
    if let Some(what) = http.wfile.shortfall() {
        log_while_answering(http, format_args!("{what}"));
    }
    http.close_connection |= http.wfile.must_close();
}

/// Answers as the handler's error says, which is no failure then.
fn answer_with(mut http: Exchange<'_>, error: &HttpError) -> io::Result<()> {
    http.close_connection = true;
    let answered = http.send_error_with(error.status, &error.message);
    dismiss(http, answered)
}

/// Ends a connection after an answer that is its last, so that the client can read it.
fn dismiss(mut http: Exchange<'_>, answered: io::Result<()>) -> io::Result<()> {
    let answered = answered.and_then(|()| finish_response(&mut http));
    if answered.is_ok() && http.wfile.has_left() {
        return park_left(http, true);
    }
    http.handler().finish(&http);
    answered?;
    if http.is_taken_over() { Ok(()) } else { http.release()?.lingering_close() }
}

/// Answers where no response has left yet: 500 for a handler that failed, 400 for a body that
/// cannot be read, 408 for one that did not come in time.
fn apologise(http: &mut Exchange<'_>, timed_out: bool) {
    http.close_connection = true;
    // A client that has left cannot be told, and the server's log need not blame the server.
    if !http.wfile.is_recallable() || http.rfile.is_client_gone() {
        return;
    }
    let code = match () {
        () if timed_out => 408,
        () if http.rfile.is_broken() => 400,
        () => 500,
    };
    let answered = catch_panic(|| http.send_error(code).and_then(|()| http.wfile.finish()));
    if answered.is_err() {
        log::debug!("{} could not be told of an error", http.client_address);
    }
}

/// Bytes of empty lines before a request that one look at a connection skips.
const BLANK_BYTES: usize = 4 * 1024;
