//! Clients that take a response slowly: below the least rate, and above it.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;
use socketserver::transport::{self, Tcp};
use socketserver::{Connection, Sequential, ThreadPool, Timeouts};

use crate::cgi_site::CgiSite;
use crate::stalls::{SIZE, WAYS, as_given_up, is_unix, large_file, narrow};
use crate::support::{
    Client, LIMIT, Notes, Reach, Running, Strategy, Streams, ThreadPerConnection, bind,
    side_by_side, testing,
};
use crate::web::{answering, get};

/// How late a client may be. Longer than a thread waits for its turn on a busy machine.
const STALL: Duration = Duration::from_secs(1);

/// More bytes a second than a dribbling client takes here.
const FAST: u64 = 100 << 20;

fn at_least(rate: u64) -> Timeouts {
    Timeouts::default().stall(STALL).response_rate(rate)
}

/// Takes a little now and then until the log says that the server has given up; returns how much
/// that was, and what the log says.
#[track_caller]
fn dribble(mut client: impl Read, log: &Notes<String>) -> (u64, (u64, String)) {
    let (began, mut read) = (Instant::now(), 0);
    let mut piece = vec![0; 16 * 1024];
    loop {
        if let Some(told) = log.so_far().iter().find_map(|line| as_given_up(line)) {
            return (read, told);
        }
        assert!(began.elapsed() < LIMIT, "nobody stops this client, which took {read} bytes");
        thread::sleep(Duration::from_millis(10));
        read += client.read(&mut piece).unwrap_or(0) as u64;
    }
}

fn too_slow(rate: u64) -> String {
    format!("took less than {rate} bytes a second, and was late by {STALL:?}")
}

fn given_up<T: Streams, C: Strategy>() {
    side_by_side(WAYS, |(way, send)| {
        let handler = answering(send).timeouts(at_least(FAST));
        let log = handler.log.clone();
        let server = Running::start(T::bind_free::<C, _>(handler));
        let mut client = narrow(&server.address);
        client.send(get("/"));
        let (mut heard, (sent, rest)) = dribble(&mut client.stream, &log);
        let of_all = if way == "chunks" { String::new() } else { format!("of {SIZE} ") };
        assert_eq!(rest, format!("{of_all}bytes: the client {}", too_slow(FAST)), "{way}");
        // What the log says has left, and little more: a head, and the frames of chunks.
        let mut after = Vec::new();
        // A small window makes the rest slow.
        SockRef::from(&client.stream).set_recv_buffer_size(1 << 20).unwrap();
        let _ = client.stream.read_to_end(&mut after);
        heard += after.len() as u64;
        assert!(sent < SIZE && heard <= sent + 8192, "{way}: {heard} of {sent}");
        // Elsewhere the connection was reset, and what it had not taken thrown away.
        assert!(heard >= sent || !is_unix(&client), "{way}: {heard} of {sent}");
    });
}

#[test]
fn a_client_below_the_least_rate_is_given_up_when_sequential() {
    side_by_side(
        [given_up::<Tcp, Sequential>, given_up::<transport::Unix, Sequential> as fn()],
        |test| test(),
    );
}

#[test]
fn a_client_below_the_least_rate_is_given_up_on_threads() {
    side_by_side(
        [given_up::<Tcp, ThreadPool>, given_up::<transport::Unix, ThreadPerConnection> as fn()],
        |test| test(),
    );
}

#[cfg(feature = "tls")]
#[test]
fn a_client_below_the_least_rate_is_given_up_over_tls() {
    use socketserver::TlsServer;

    use crate::certificates::{Authority, TlsClient, client_config, client_session};

    let authority = Authority::new();
    let (_, send) = WAYS[0];
    let handler = answering(send).timeouts(at_least(FAST));
    let log = handler.log.clone();
    let tls = authority.issue().tls();
    let server = TlsServer::bind_with(tls, handler, ThreadPool::default()).unwrap();
    let server = Running::start(server);
    let session = client_session(&Arc::new(client_config(&authority)));
    let plain = narrow(&server.address);
    let mut client = TlsClient::shake_hands(session, plain.stream).unwrap();
    client.send(get("/"));
    let (_, (sent, rest)) = dribble(&mut client.reader, &log);
    assert!(sent < SIZE && rest.ends_with(&too_slow(FAST)), "{sent} {rest}");
}

#[test]
fn a_client_below_the_least_rate_of_a_scripts_output_is_given_up() {
    let site = CgiSite::new(&[(
        "large",
        &format!(
            "printf 'Content-Type: a/b\\nContent-Length: {SIZE}\\n\\n'; head -c {SIZE} /dev/zero"
        ),
    )]);
    let handler = site.noting().timeouts(at_least(FAST));
    let log = handler.log.clone();
    let server = Running::start(bind::<Sequential, _>(handler));
    let mut client = narrow(&server.address);
    client.send("GET /cgi-bin/large HTTP/1.1\r\nHost: x\r\n\r\n");
    let (_, (sent, rest)) = dribble(&mut client.stream, &log);
    assert!(sent < SIZE && rest.ends_with(&too_slow(FAST)), "{sent} {rest}");
}

/// What was taken fast would be worth eight seconds, had it been taken at the least rate.
#[test]
fn what_was_taken_fast_is_no_credit_for_a_slow_rest() {
    let (_, send) = WAYS[0];
    let handler = answering(send).timeouts(at_least(SIZE / 16));
    let log = handler.log.clone();
    let server = Running::start(bind::<Sequential, _>(handler));
    let mut client = narrow(&server.address);
    client.send(get("/"));
    let read = io::copy(&mut (&mut client.stream).take(SIZE / 2), &mut io::sink()).unwrap();
    assert_eq!(read, SIZE / 2);
    let fast = log.so_far();
    assert!(!fast.iter().any(|line| line.contains("gave up")), "{fast:?}");
    let (_, (sent, rest)) = dribble(&mut client.stream, &log);
    assert!((SIZE / 2..SIZE).contains(&sent), "{sent}");
    assert!(rest.ends_with(&too_slow(SIZE / 16)), "{rest}");
}

/// More bytes than the buffers on the way hold, and at this client's rate for longer than it may
/// be late.
const BURSTS: u64 = 32;
const BURST: u64 = 32 * 1024;

type Writes = fn(&mut Connection) -> io::Result<()>;

fn served<T: Streams, C: Strategy>() {
    let ways: [Writes; 3] = [
        |connection| connection.wfile.write_all(&vec![0; (BURSTS * BURST) as usize]),
        |connection| connection.wfile.send_file(&large_file(), 0, BURSTS * BURST).map(drop),
        |connection| (0..BURSTS * 32).try_for_each(|_| connection.wfile.write_all(&[0; 1024])),
    ];
    side_by_side(ways, |write| {
        let whole = Arc::new(AtomicBool::new(false));
        let done = whole.clone();
        let handler = testing(move |mut connection: Connection| {
            SockRef::from(&connection).set_send_buffer_size(32 * 1024)?;
            let written = write(&mut connection);
            done.store(written.is_ok(), Ordering::Relaxed);
            written
        });
        // An eighth of what the client takes.
        let handler = handler.timeouts(at_least(BURST * 10 / 8));
        let server = Running::start(T::bind_free::<C, _>(handler));
        let mut client = server.address.connect();
        // Room for a burst and no more.
        SockRef::from(&client.stream).set_recv_buffer_size(BURST as usize).unwrap();
        let began = Instant::now();
        let read = take_in_bursts(&mut client);
        assert_eq!(read, BURSTS * BURST);
        assert!(whole.load(Ordering::Relaxed));
        assert!(began.elapsed() > STALL * 2, "{:?}", began.elapsed());
    });
}

/// Reads much at once, and then nothing for a tenth of a second.
fn take_in_bursts(client: &mut Client) -> u64 {
    let mut read = 0;
    loop {
        thread::sleep(Duration::from_millis(100));
        let burst = (&mut client.stream).take(BURST);
        match io::copy(&mut { burst }, &mut io::sink()).unwrap() {
            0 => return read,
            count => read += count,
        }
    }
}

#[test]
fn a_slow_client_that_keeps_the_least_rate_is_served_when_sequential() {
    side_by_side(
        [served::<Tcp, Sequential>, served::<transport::Unix, Sequential> as fn()],
        |test| test(),
    );
}

#[test]
fn a_slow_client_that_keeps_the_least_rate_is_served_on_threads() {
    side_by_side(
        [served::<Tcp, ThreadPool>, served::<transport::Unix, ThreadPool> as fn()],
        |test| test(),
    );
}

#[test]
fn without_a_least_rate_a_client_has_the_time_it_takes() {
    side_by_side([None, Some(0)], |rate| {
        let (_, send) = WAYS[0];
        let limits = Timeouts::default().stall(STALL).response_rate(rate);
        let handler = answering(send).timeouts(limits);
        let log = handler.log.clone();
        let server = Running::start(bind::<ThreadPool, _>(handler));
        let mut client = narrow(&server.address);
        client.send(get("/"));
        let (began, mut piece) = (Instant::now(), vec![0; 16 * 1024]);
        while began.elapsed() < STALL * 2 {
            thread::sleep(Duration::from_millis(50));
            assert!(client.stream.read(&mut piece).unwrap() > 0);
        }
        let lines = log.so_far();
        assert!(!lines.iter().any(|line| line.contains("gave up")), "{lines:?}");
    });
}

/// More small writes than a Unix socket has room for, each of which occupies many times its size.
const SMALL_WRITES: usize = 4_000;

/// Serves single bytes over a Unix socket to a client that takes so many a second, where it has to
/// take 500; returns how many it got, and whether the handler wrote all.
fn take_single_bytes(per_second: u64) -> (usize, bool) {
    let whole = Arc::new(AtomicBool::new(false));
    let done = whole.clone();
    let handler = testing(move |mut connection: Connection| {
        let written = (0..SMALL_WRITES).try_for_each(|_| connection.wfile.write_all(b"x"));
        done.store(written.is_ok(), Ordering::Relaxed);
        written
    });
    let handler = handler.timeouts(at_least(500));
    let server = Running::start(transport::Unix::bind_free::<ThreadPool, _>(handler));
    let mut client = server.address.connect();
    let (began, mut read) = (Instant::now(), 0);
    loop {
        thread::sleep(Duration::from_millis(20));
        assert!(began.elapsed() < LIMIT, "neither served nor given up: {read} bytes");
        let due = began.elapsed().as_millis() as usize * per_second as usize / 1000;
        let mut piece = vec![0; due - read];
        if piece.is_empty() {
            continue;
        }
        match client.stream.read(&mut piece).unwrap() {
            0 => return (read, whole.load(Ordering::Relaxed)),
            count => read += count,
        }
    }
}

#[test]
fn a_client_that_keeps_the_least_rate_of_small_writes_is_served() {
    assert_eq!(take_single_bytes(1_000), (SMALL_WRITES, true));
}

#[test]
fn a_client_below_the_least_rate_of_small_writes_is_given_up() {
    let (read, whole) = take_single_bytes(100);
    assert!(!whole && read < SMALL_WRITES / 2, "{read} bytes");
}
