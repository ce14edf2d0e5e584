//! What is true of every connection, whatever comes over it and whatever the handler does.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

use socketserver::Address;
use socketserver::http::{Exchange, HttpRequestHandler, ProtocolVersion, Status};

#[path = "model.rs"]
mod model;
#[path = "replies.rs"]
mod replies;
#[path = "wire.rs"]
mod wire;

use replies::{Reply, replies};

/// Sends bytes to a server whose handler follows a script, and checks what was served and answered.
///
/// The first four bytes are the script, the fifth is the size of the pieces that are sent.
pub(crate) fn check(data: &[u8]) {
    let Some((&[first, second, third, fourth, size], sent)) = data.split_first_chunk() else {
        return;
    };
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let stream = UnixStream::connect(server()).expect("the server listens");
    *play() = Play { script: [first, second, third, fourth], served: Vec::new() };
    let heard = wire::talk(stream, sent, usize::from(size));
    let served = std::mem::take(&mut play().served);
    let replies = replies(&heard, &served);
    each_request_is_answered_once(&served, &replies);
    only_requests_are_served(sent, &served, &replies);
}

fn each_request_is_answered_once(served: &[Served], replies: &[Reply]) {
    for (number, reply) in replies.iter().enumerate() {
        let is_last = number + 1 == replies.len();
        assert!(is_last || !reply.closes, "an answer after the last one");
        match (reply.number, served.get(number)) {
            (Some(it), Some(_)) => assert_eq!(it, number, "out of order"),
            // Refused, or the handler failed.
            (None, _) => assert!(reply.closes && reply.status >= 400 && is_last, "{reply:?}"),
            (Some(it), None) => panic!("two answers to request {it}"),
        }
    }
    let refusals = usize::from(replies.len() > served.len());
    assert_eq!(replies.len(), served.len() + refusals, "{replies:?}");
}

fn only_requests_are_served(sent: &[u8], served: &[Served], replies: &[Reply]) {
    let (mut rest, mut may_close) = (sent, false);
    for (number, one) in served.iter().enumerate() {
        let (line, body) = model::request(rest).expect("no more is served than was asked");
        assert_eq!(one.requestline, latin1(line));
        if let Some(read) = &one.read {
            assert_eq!(read.as_deref(), body.as_ref().ok().map(|body| &body.body[..]));
        }
        // What the handler leaves is waited for so long, and no longer.
        let has_body = body.as_ref().is_ok_and(|body| body.is_chunked || !body.body.is_empty());
        may_close = one.closes || (has_body && one.read.is_none());
        // Behind a body without an end there is nothing, which is not answered either.
        assert!(body.is_ok() || replies.len() == number + 1, "an answer to bytes of a body");
        rest = body.map_or(&[], |body| body.rest);
    }
    let told = replies.last().is_some_and(|reply| reply.closes);
    if !told
        && !may_close
        && let Some((line, _)) = model::request(rest)
    {
        panic!("{:?} was not answered", latin1(line));
    }
}

/// A request that reached the handler.
struct Served {
    requestline: String,
    /// Answered without a body.
    is_head: bool,
    /// Answered without a head.
    is_bare: bool,
    /// The client expects the end, or the handler wants it.
    closes: bool,
    /// Where the handler read it all: the body, or that there is none.
    read: Option<Option<Vec<u8>>>,
}

struct Play {
    script: [u8; 4],
    served: Vec<Served>,
}

fn play() -> std::sync::MutexGuard<'static, Play> {
    static PLAY: Mutex<Play> = Mutex::new(Play { script: [0; 4], served: Vec::new() });
    PLAY.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Scripted;

impl Scripted {
    fn perform(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let (number, step) = {
            let mut play = play();
            let number = play.served.len();
            let requestline = http.requestline().to_owned();
            let is_head = http.command == "HEAD";
            let is_bare = http.request_version == "HTTP/0.9";
            play.served.push(Served { requestline, is_head, is_bare, closes: false, read: None });
            (number, play.script[number % 4])
        };
        match step & 3 {
            0 => {}
            1 => drop(http.rfile.read(&mut [0; 3])?),
            _ => {
                let mut body = Vec::new();
                let read = http.rfile.read_to_end(&mut body);
                play().served[number].read = Some(read.is_ok().then_some(body));
                read?;
            }
        }
        let answered = answer(http, number, step >> 2);
        play().served[number].closes = http.close_connection;
        answered
    }
}

fn answer(http: &mut Exchange<'_>, number: usize, how: u8) -> io::Result<()> {
    let body = [b'B'; 20];
    match how & 7 {
        0 => return http.send_error(404),
        1 => return Err(io::Error::other("as the script says")),
        2 => http.send_response(204)?,
        _ => http.send_response(200)?,
    }
    http.send_header("X-Number", number)?;
    if how & 8 != 0 {
        http.send_header("Connection", "close")?;
    }
    let has_length = how & 7 > 4;
    if has_length {
        http.send_header("Content-Length", body.len())?;
    }
    http.end_headers()?;
    if how & 7 == 2 {
        return Ok(());
    }
    http.wfile.write_all(&body[..10])?;
    if how & 16 != 0 {
        http.wfile.flush()?;
    }
    http.wfile.write_all(&body[10..])
}

impl HttpRequestHandler for Scripted {
    fn protocol_version(&self) -> ProtocolVersion {
        ProtocolVersion::Http11
    }

    fn do_method(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        self.perform(http)
    }

    fn log_request(&self, _: &Exchange<'_>, _: Status, _: Option<u64>) {}

    fn log_message(&self, _: &Exchange<'_>, _: std::fmt::Arguments<'_>) {}

    fn handle_error(&self, _: &Address, _: &io::Error) {}
}

/// Where the handler follows its script.
fn server() -> &'static PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| wire::serve("connection", Scripted))
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}
