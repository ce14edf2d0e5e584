//! From a connection to exchanges: reads requests, calls the handler, sees each to its end.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Exchange;
use super::after::{Next, go_on};
use super::failure::{log_while_answering, while_answering};
use super::handler::HttpRequestHandler;
use super::http_error::HttpError;
use super::kept::Kept;
use super::left::{Left, LeftEnd};
use super::receive::receive;
use super::received::{Received, Request};
use super::response_body::Stage;
use crate::address::Address;
use crate::connection::{Connection, Timeouts};
use crate::handler::{Handler, panicked};
use crate::http::message::date;
use crate::http::message::framing::BodyLength;
use crate::http::message::parse::{Head, Refusal};
use crate::signal::Signal;

/// HTTP on top of a stream: each call serves one request, and gives the connection back for
/// the next.
impl<T: HttpRequestHandler> Handler for T {
    fn handle(&self, connection: Connection) -> io::Result<()> {
        serve(self, connection)
    }

    fn receive(&self, mut connection: Connection) -> io::Result<Option<Connection>> {
        let kept = match Kept::take(&mut connection) {
            Some(kept @ Kept::Response(_)) => {
                kept.leave(&mut connection);
                return Ok(Some(connection));
            }
            kept => kept,
        };
        match receive(self, &mut connection, kept)? {
            Received::Part(wait_for) => connection.give_back(wait_for).map(|()| None),
            Received::End => Ok(None),
            received => {
                if matches!(received, Received::Request(_)) {
                    date::know_now();
                }
                Kept::Received(received).leave(&mut connection);
                Ok(Some(connection))
            }
        }
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
    let kept = Kept::take(&mut connection);
    if let Some(Kept::Response(left)) = kept {
        let (http, end) = left.resume(handler, connection);
        return conclude(http, end);
    }
    match receive(handler, &mut connection, kept)? {
        Received::Request(request) => exchange(handler, connection, request),
        Received::Refused(refusal, head) => refuse(handler, connection, refusal, *head),
        Received::Failed(request, error) => fail(begin(handler, connection, *request), error),
        Received::Part(wait_for) => connection.give_back(wait_for),
        Received::End => Ok(()),
    }
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
    request: Request,
) -> io::Result<()> {
    let in_clear = request.in_clear;
    // The last holder of the socket ends it, which must have happened when the server is told of
    // the end. So the exchange ends with this block, where it is: to move it would take 220
    // instructions more, 2 % of a kept request (callgrind, as in benches/README.md).
    let (connection, next) = {
        let mut http = begin(handler, connection, request);
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
            return park_left(http, LeftEnd::Open);
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
fn park_left(http: Exchange<'_>, end: LeftEnd) -> io::Result<()> {
    let (left, mut connection) = Left::new(http, end)?;
    Kept::Response(Box::new(left)).leave(&mut connection);
    connection.park_until_taken()
}

/// Ends an exchange whose response was left to be sent: all of it was, or will not be.
fn conclude(mut http: Exchange<'_>, end: LeftEnd) -> io::Result<()> {
    let settled = http.wfile.settle();
    log_stall(&http);
    if let Err(error) = settled {
        // What the handler has failed with was first.
        return fail(http, if let LeftEnd::Failed(failure) = end { failure } else { error });
    }
    if http.wfile.has_left() {
        return park_left(http, end);
    }
    note_shortfall(&mut http);
    http.wfile.end_if_whole();
    let is_last = match end {
        LeftEnd::Open => false,
        LeftEnd::Last => true,
        LeftEnd::Failed(failure) => {
            // It had said all, or what is missing is told by this.
            let _ = http.wfile.finish();
            return end_failed(http, failure);
        }
    };
    http.handler().finish(&http);
    let (connection, next) =
        if is_last { (http.release()?, Next::LateEnd) } else { go_on(&mut http)? };
    // The last holder, as above.
    drop(http);
    next.follow(connection)
}

/// The exchange of a request, which began when the head was complete.
#[inline]
fn begin<'h>(
    handler: &'h dyn HttpRequestHandler,
    connection: Connection,
    request: Request,
) -> Exchange<'h> {
    let mut http = Exchange::new(handler, connection, request.head, request.body);
    http.since = request.since.unwrap_or(http.since);
    http
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
        if http.wfile.has_left() {
            return park_left(http, LeftEnd::Failed(error));
        }
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
    end_failed(http, error)
}

/// Ends an exchange that has failed, and its connection.
fn end_failed(mut http: Exchange<'_>, error: io::Error) -> io::Result<()> {
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
        return park_left(http, LeftEnd::Last);
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
