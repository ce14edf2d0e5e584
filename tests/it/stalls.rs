//! Clients that take nothing of a response: how long they are waited for, and what is said of it.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::SockRef;
use socketserver::http::Exchange;
use socketserver::transport::{self, Tcp};
use socketserver::{Connection, Sequential, ThreadPool, Timeouts};

use crate::cgi_site::CgiSite;
use crate::support::{
    Client, LIMIT, MOMENT, Notes, Reach, Running, Strategy, Streams, bind, each_strategy,
    side_by_side, testing,
};
use crate::web::{answering, get};

/// How long a client that takes nothing is waited for.
const STALL: Duration = Duration::from_millis(400);

/// More than the kernel keeps for a client that does not read.
pub(crate) const SIZE: u64 = 64 << 20;

fn stalling() -> Timeouts {
    Timeouts::default().stall(STALL)
}

/// A file with nothing in it but its size.
pub(crate) fn large_file() -> File {
    let file = tempfile::tempfile().unwrap();
    file.set_len(SIZE).unwrap();
    file
}

/// A client that has room for little.
#[track_caller]
pub(crate) fn narrow(address: &impl Reach) -> Client {
    let client = address.connect();
    SockRef::from(&client.stream).set_recv_buffer_size(16 * 1024).unwrap();
    client
}

/// Nothing resets a Unix socket, whose client holds by itself what it has not read.
pub(crate) fn is_unix(client: &Client) -> bool {
    SockRef::from(&client.stream).local_addr().unwrap().is_unix()
}

/// Waits for the server to close the connection, and reads nothing. What is read before that makes
/// room for the rest, and for the end.
///
/// A kernel that had no room for what came last ignores the reset behind it. The client hears of it
/// then when it sends something, if only that it has read.
#[track_caller]
fn sees_it_closed(stream: &impl AsFd) {
    let closes_within = |limit: Duration| {
        let mut polled = [PollFd::new(stream.as_fd(), PollFlags::empty())];
        poll(&mut polled, PollTimeout::try_from(limit).unwrap()) == Ok(1)
    };
    if !closes_within(MOMENT) {
        // Fails where the connection is closed meanwhile.
        let _ = SockRef::from(stream).send(b"x");
        assert!(closes_within(LIMIT), "the connection stays open");
    }
}

pub(crate) type Sends = fn(&mut Exchange<'_>) -> io::Result<()>;

/// Ways to send the file as a response.
pub(crate) const WAYS: [(&str, Sends); 4] = [
    ("a file", |http| {
        begin(http)?;
        http.wfile.send_file(&large_file(), 0, SIZE).map(drop)
    }),
    ("one write", |http| {
        begin(http)?;
        http.wfile.write_all(&vec![0; SIZE as usize])
    }),
    ("many writes", |http| {
        begin(http)?;
        io::copy(&mut large_file(), &mut http.wfile).map(drop)
    }),
    ("chunks", |http| {
        http.send_response(200)?;
        http.end_headers()?;
        http.wfile.send_file(&large_file(), 0, SIZE).map(drop)
    }),
];

fn begin(http: &mut Exchange<'_>) -> io::Result<()> {
    http.send_response(200)?;
    http.send_header("Content-Length", SIZE)?;
    http.end_headers()
}

/// The line of the log that says how much was sent: the number, and the rest of it.
#[track_caller]
fn gave_up(log: &Notes<String>) -> (u64, String) {
    loop {
        if let Some(told) = as_given_up(&log.next()) {
            return told;
        }
    }
}

pub(crate) fn as_given_up(line: &str) -> Option<(u64, String)> {
    let line = line.strip_prefix("while answering \"GET /")?;
    let (_, told) = line.split_once(" HTTP/1.1\": gave up after ")?;
    let (sent, rest) = told.split_once(' ')?;
    Some((sent.parse().ok()?, rest.to_owned()))
}

fn given_up_in_time<T: Streams, C: Strategy>() {
    side_by_side(WAYS, |(way, send)| {
        let handler = answering(send).timeouts(stalling());
        let log = handler.log.clone();
        let server = Running::start(T::bind_free::<C, _>(handler));
        let mut client = narrow(&server.address);
        client.send(get("/"));
        client.read_exactly(1000);
        let began = Instant::now();
        let (sent, rest) = gave_up(&log);
        let waited = began.elapsed();
        assert!(waited > STALL / 2 && waited < STALL * 5, "{way}: {waited:?}");
        assert!(sent > 1000 && sent < SIZE, "{way}: {sent}");
        let of_all = if way == "chunks" { String::new() } else { format!("of {SIZE} ") };
        assert_eq!(rest, format!("{of_all}bytes: the client took nothing for {STALL:?}"), "{way}");
        sees_it_closed(&client.stream);
        let mut heard = Vec::new();
        let ended = client.stream.read_to_end(&mut heard);
        let heard = heard.len() as u64 + 1000;
        // What the log says has left, and little more: a head, and the frames of a chunk.
        assert!(heard <= sent + 1024, "{way}: {heard} of {sent} bytes came");
        if is_unix(&client) {
            assert!(ended.is_ok() && heard >= sent, "{way}: {heard} of {sent} bytes, {ended:?}");
        } else {
            // What it had not taken is thrown away.
            assert_eq!(ended.unwrap_err().kind(), ErrorKind::ConnectionReset, "{way}");
        }
        assert!(log.so_far().iter().all(|line| !line.contains("gave up")), "{way}");
    });
}

#[test]
fn a_client_that_takes_nothing_is_given_up_in_time_when_sequential() {
    side_by_side(
        [
            given_up_in_time::<Tcp, Sequential>,
            given_up_in_time::<transport::Unix, Sequential> as fn(),
        ],
        |test| test(),
    );
}

#[test]
fn a_client_that_takes_nothing_is_given_up_in_time_on_threads() {
    side_by_side(
        [
            given_up_in_time::<Tcp, ThreadPool>,
            given_up_in_time::<transport::Unix, ThreadPool> as fn(),
        ],
        |test| test(),
    );
}

#[cfg(feature = "tls")]
#[test]
fn a_client_that_takes_nothing_is_given_up_in_time_over_tls() {
    use std::sync::Arc;

    use socketserver::TlsServer;

    use crate::certificates::{Authority, TlsClient, client_config, client_session};

    let authority = Authority::new();
    side_by_side(WAYS, |(way, send)| {
        let handler = answering(send).timeouts(stalling());
        let log = handler.log.clone();
        let tls = authority.issue().tls();
        let server = TlsServer::bind_with(tls, handler, ThreadPool::default()).unwrap();
        let server = Running::start(server);
        let session = client_session(&Arc::new(client_config(&authority)));
        let plain = narrow(&server.address);
        let mut client = TlsClient::shake_hands(session, plain.stream).unwrap();
        client.send(get("/"));
        client.read_line();
        let began = Instant::now();
        let (sent, _) = gave_up(&log);
        let waited = began.elapsed();
        assert!(waited > STALL / 2 && waited < STALL * 5, "{way}: {waited:?}");
        assert!(sent > 1000 && sent < SIZE, "{way}: {sent}");
        sees_it_closed(client.socket());
        let ended = io::copy(client.reader.get_mut(), &mut io::sink());
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::ConnectionReset, "{way}");
    });
}

#[test]
fn a_client_that_takes_nothing_of_a_scripts_output_is_given_up_in_time() {
    let site = CgiSite::new(&[(
        "large",
        &format!(
            "printf 'Content-Type: a/b\\nContent-Length: {SIZE}\\n\\n'; head -c {SIZE} /dev/zero"
        ),
    )]);
    let handler = site.noting().timeouts(stalling());
    let log = handler.log.clone();
    let server = Running::start(bind::<Sequential, _>(handler));
    let mut client = narrow(&server.address);
    client.send("GET /cgi-bin/large HTTP/1.1\r\nHost: x\r\n\r\n");
    client.read_exactly(1000);
    let began = Instant::now();
    let (sent, rest) = gave_up(&log);
    assert!(began.elapsed() < STALL * 5, "{:?}", began.elapsed());
    assert!(sent > 1000 && sent < SIZE, "{sent}");
    assert!(rest.starts_with(&format!("of {SIZE} bytes: ")), "{rest}");
}

#[test]
fn a_write_to_a_client_that_takes_nothing_fails_in_time() {
    let ways: [fn(&mut Connection) -> io::Result<()>; 2] = [
        |connection| connection.wfile.write_all(&vec![0; SIZE as usize]),
        |connection| connection.wfile.send_file(&large_file(), 0, SIZE).map(drop),
    ];
    for write in ways {
        let handler = testing(move |mut connection: Connection| write(&mut connection));
        let handler = handler.timeouts(stalling());
        let errors = handler.errors.clone();
        let server = Running::start(bind::<Sequential, _>(handler));
        let began = Instant::now();
        let client = narrow(&server.address);
        assert_eq!(errors.next().1, "timed out");
        assert!(began.elapsed() > STALL / 2 && began.elapsed() < STALL * 5);
        drop(client);
    }
}

/// Fewer bytes within each limit than a poll asks for, which wants a third of the buffer, and more
/// than the least rate asks for.
#[test]
fn a_client_that_takes_little_is_waited_for() {
    // Far longer than a thread waits for its turn on a busy machine.
    let limit = STALL * 2;
    side_by_side(WAYS, |(way, send)| {
        let handler = answering(send).timeouts(Timeouts::default().stall(limit));
        let log = handler.log.clone();
        let server = Running::start(bind::<ThreadPool, _>(handler));
        let mut client = narrow(&server.address);
        client.send(get("/"));
        let (began, mut read) = (Instant::now(), 0);
        while began.elapsed() < limit * 3 {
            thread::sleep(limit / 32);
            read += client.stream.read(&mut vec![0; 16 * 1024]).unwrap() as u64;
        }
        assert!(read < SIZE / 8, "{way}: {read} bytes are not little");
        let lines = log.so_far();
        assert!(!lines.iter().any(|line| line.starts_with("gave up")), "{way}: {lines:?}");
    });
}

/// A handler may try again, as one that has something else to do meanwhile.
#[test]
fn a_client_that_was_given_up_and_written_to_again_gets_all_of_it() {
    for ends_later in [false, true] {
        let (waiting, reads) = (Notes::new(), Notes::new());
        let (failed, read) = (waiting.clone(), reads.clone());
        let handler = testing(move |mut connection: Connection| {
            let mut sent = 0;
            let error = loop {
                match connection.wfile.write(&[0; 64 * 1024]) {
                    Ok(count) => sent += count,
                    Err(error) => break error,
                }
            };
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            failed.add(sent);
            // The client makes room.
            read.next();
            connection.wfile.write_all(b"end")?;
            // A clone outlives the connection, and ends it.
            let clone = ends_later.then(|| connection.wfile.clone());
            drop(connection);
            drop(clone);
            Ok(())
        });
        let server = Running::start(bind::<ThreadPool, _>(handler.timeouts(stalling())));
        let mut client = narrow(&server.address);
        client.send("unread");
        let mut sent = waiting.next();
        client.read_exactly(sent / 2);
        sent -= sent / 2;
        reads.add(());
        let mut rest = Vec::new();
        client.stream.read_to_end(&mut rest).unwrap();
        assert!(rest.len() == sent + 3 && rest.ends_with(b"end"), "{} of {sent}", rest.len());
    }
}

/// Nothing that it is told would be read while its connection lingers, for five seconds.
fn a_client_that_is_given_up_is_reset_at_once<C: Strategy>() {
    let given_up = Notes::new();
    let noted = given_up.clone();
    let handler = testing(move |mut connection: Connection| {
        let written = connection.wfile.write_all(&vec![0; SIZE as usize]);
        assert_eq!(written.unwrap_err().kind(), ErrorKind::TimedOut);
        noted.add(Instant::now());
        connection.lingering_close()
    });
    let server = Running::start(bind::<C, _>(handler.timeouts(stalling())));
    let mut client = narrow(&server.address);
    client.send("what is not read");
    sees_it_closed(&client.stream);
    assert!(given_up.next().elapsed() < Duration::from_millis(1500));
}

each_strategy! {
    a_client_that_is_given_up_is_reset_at_once,
}
