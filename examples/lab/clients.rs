//! The clients: bare sockets, so that they can misbehave.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use socket2::{Domain, Socket, Type};

use crate::clock;
use crate::script::{UNFINISHED, What};

/// What a client has seen.
pub(crate) enum News {
    /// The request is sent.
    Asked,
    /// The handler has said who it is.
    Began(Began),
}

/// How a handler begins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Began {
    pub(crate) at: u64,
    /// Process and thread, unless the server says nothing of them.
    pub(crate) worker: Option<(u32, String)>,
    pub(crate) note: String,
}

/// How a visit ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The response is complete, and the handler had finished it at that time.
    Answered(u64),
    /// The client has never asked.
    SaidNothing,
    /// The client has not waited for the response.
    Left,
    /// No response, or a part of one, and why.
    NoAnswer(&'static str),
}

/// The reason of clients that gave up; they are counted apart.
pub(crate) const HUNG: &str = "gave up";

/// Visits a server, for at most this time; `name` is the field by which it knows us.
pub(crate) fn visit(
    address: SocketAddr,
    (what, name): (&What, &str),
    limit: Duration,
    tell: &mut dyn FnMut(News),
) -> Outcome {
    let visited = try_to_visit(address, (what, name), limit, tell);
    visited.unwrap_or_else(|error| {
        Outcome::NoAnswer(match error.kind() {
            ErrorKind::ConnectionRefused => "refused",
            ErrorKind::WouldBlock | ErrorKind::TimedOut => HUNG,
            ErrorKind::UnexpectedEof => "closed",
            _ if error.raw_os_error() == Some(Errno::EMFILE as i32) => {
                "the lab has no descriptor left"
            }
            _ => "reset",
        })
    })
}

fn try_to_visit(
    address: SocketAddr,
    (what, name): (&What, &str),
    limit: Duration,
    tell: &mut dyn FnMut(News),
) -> io::Result<Outcome> {
    let end = Instant::now() + limit;
    let mut stream = connect(address, what, limit)?;
    if let What::Silent(time) = what {
        stream.set_read_timeout(Some(milliseconds(*time)))?;
        let _ = stream.read(&mut [0]); // Until it leaves, or the server closes.
        return Ok(Outcome::SaidNothing);
    }
    let request = request(what, name);
    if let What::Dribble(time) = what {
        let pause = milliseconds(*time) / u32::try_from(request.len()).unwrap_or(1);
        for byte in request.bytes() {
            thread::sleep(pause);
            stream.write_all(&[byte])?;
        }
    } else {
        stream.write_all(request.as_bytes())?;
    }
    tell(News::Asked);
    let end = match what {
        What::Leave(time) => Instant::now() + milliseconds(*time),
        _ => end,
    };
    let read = match what {
        What::SlowReader(time) => read(&mut stream, end, Some(milliseconds(*time)), tell),
        _ => read(&mut stream, end, None, tell),
    };
    match (read, what) {
        (Err(error), What::Leave(_)) if is_timeout(&error) => Ok(Outcome::Left),
        (read, _) => read,
    }
}

fn connect(address: SocketAddr, what: &What, limit: Duration) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if let What::SlowReader(_) = what {
        socket.set_recv_buffer_size(16 << 10)?; // Else the kernel would take all of it at once.
    }
    socket.connect_timeout(&address.into(), limit)?;
    Ok(socket.into())
}

fn request(what: &What, name: &str) -> String {
    let query = match what {
        What::SlowReader(_) => "big=1".to_owned(),
        What::Dribble(_) => "sleep=0".to_owned(),
        What::Leave(time) => format!("sleep={}", time + UNFINISHED),
        What::Panic | What::Abort | What::Count | What::Big => format!("{what}=1"),
        What::Get(path) => return format!("GET {path} HTTP/1.0\r\n{name}\r\n"),
        What::Post(path) => {
            let form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 13";
            return format!("POST {path} HTTP/1.0\r\n{name}{form}\r\n\r\nfirstname=Ada");
        }
        What::Sleep(_) | What::Spin(_) | What::Leak(_) | What::Silent(_) => what.to_string(),
    };
    format!("GET /?{query} HTTP/1.0\r\n{name}\r\n")
}

/// What clients of the lab say to its own servers: no page of another site can send it without
/// being allowed to.
pub(crate) const OURS: &str = "X-Lab: 1\r\n";

/// Reads a response to its end; slowly, if that is to take so long.
fn read(
    stream: &mut TcpStream,
    end: Instant,
    slowly: Option<Duration>,
    tell: &mut dyn FnMut(News),
) -> io::Result<Outcome> {
    let mut head = Vec::new();
    let mut began = None;
    let mut tail = Vec::new();
    let mut piece = vec![0; 128 << 10];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let count = match stream.read(&mut piece) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            count => count?,
        };
        if count == 0 {
            break;
        }
        let mut body = &piece[..count];
        if began.is_none() {
            head.extend_from_slice(body);
            let Some(length) = head.windows(4).position(|end| end == b"\r\n\r\n") else { continue };
            let news = parse(&String::from_utf8_lossy(&head[..length]));
            tell(News::Began(news.clone()));
            began = Some(news);
            body = &head[length + 4..];
        }
        tail.extend_from_slice(body);
        tail.drain(..tail.len().saturating_sub(LAST_LINE));
        if let Some(time) = slowly {
            thread::sleep(time.mul_f64(count as f64 / BIG));
        }
    }
    let tail = String::from_utf8_lossy(&tail);
    let last = tail.trim_end().rsplit('\n').next().and_then(|line| line.strip_prefix("ended "));
    match (began, last.and_then(|time| time.parse().ok())) {
        // Any server can write such a line.
        (_, Some(ended)) => Ok(Outcome::Answered(clock::now().min(ended))),
        // A server that is not of the lab.
        (Some(Began { worker: None, .. }), None) => Ok(Outcome::Answered(clock::now())),
        _ => Err(ErrorKind::UnexpectedEof.into()),
    }
}

/// Longer than the line that ends each body.
const LAST_LINE: usize = 64;

/// How long the body of a large response is.
const BIG: f64 = (16 << 20) as f64;

/// Reads the head of a response.
fn parse(head: &str) -> Began {
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split_once(' ')).map_or("", |(_, rest)| rest);
    let mut began = Began { at: clock::now(), ..Began::default() };
    if !status.starts_with("200") {
        began.note = status.chars().take(3).collect();
    }
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        match name {
            "X-Began" => began.at = value.parse().unwrap_or(began.at),
            "X-Note" => value.clone_into(&mut began.note),
            "X-Worker" => {
                let worker = value.split_once(' ');
                began.worker =
                    worker.and_then(|(pid, thread)| Some((pid.parse().ok()?, thread.to_owned())));
            }
            _ => {}
        }
    }
    began
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn milliseconds(time: u64) -> Duration {
    Duration::from_millis(time.max(1))
}
