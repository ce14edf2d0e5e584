//! What is left of a response when its handler has returned: it goes out as the client takes it,
//! and keeps no thread.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use memchr::memmem;
use socket2::SockRef;
use socketserver::http::{Exchange, HttpRequestHandler, ProtocolVersion, SimpleHttpRequestHandler};
use socketserver::transport::{self, Tcp};
use socketserver::{Address, Overload, Sequential, ThreadPool, Timeouts};

use crate::stalls::{as_given_up, narrow};
use crate::support::{
    Client, LIMIT, MOMENT, Notes, Reach, Running, Strategy, Streams, ThreadPerConnection, bind,
    bind_with, each_strategy, side_by_side,
};
use crate::web::{Browser, Reply, Site, get};

/// More than the kernel keeps for a client that does not read.
pub(crate) const SIZE: usize = 16 << 20;

/// What no part of is like another one nearby.
fn content(size: usize) -> &'static [u8] {
    static CONTENT: OnceLock<Vec<u8>> = OnceLock::new();
    let made = CONTENT.get_or_init(|| {
        let byte = |at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8;
        let block: Vec<u8> = (0..65_521).map(byte).collect();
        block.repeat(SIZE / block.len() + 1)
    });
    &made[..size]
}

/// Where a response's body begins.
#[track_caller]
fn body(response: &[u8]) -> usize {
    memmem::find(response, b"\r\n\r\n").unwrap() + 4
}

/// A site with a large file, and one that is small.
pub(crate) fn site() -> Site {
    let site = Site::empty();
    site.write("large", content(SIZE));
    site.write("small", "small\n");
    site
}

/// What `finish` finds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) path: String,
    pub(crate) sent: u64,
    pub(crate) is_complete: bool,
    pub(crate) took: Duration,
}

/// Serves files, and bytes of a handler's own.
#[derive(Clone)]
pub(crate) struct Watched {
    files: Arc<SimpleHttpRequestHandler>,
    timeouts: Timeouts,
    pub(crate) ended: Notes<Ended>,
    log: Notes<String>,
    /// The thread of the loop, as in /proc.
    pub(crate) serving: Arc<OnceLock<PathBuf>>,
}

impl Watched {
    pub(crate) fn of(site: &Site) -> Self {
        Self {
            files: Arc::new(site.handler()),
            timeouts: Timeouts::default(),
            ended: Notes::new(),
            log: Notes::new(),
            serving: Arc::default(),
        }
    }

    /// The line that says how much was sent to a client that took too little.
    #[track_caller]
    fn given_up(&self) -> (u64, String) {
        loop {
            if let Some(told) = as_given_up(&self.log.next()) {
                return told;
            }
        }
    }
}

impl HttpRequestHandler for Watched {
    fn base(&self) -> &dyn HttpRequestHandler {
        &*self.files
    }

    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        match http.path.as_str() {
            "/bytes" | "/chunks" => {
                // Less than is left in memory, and more than the client has room for.
                SockRef::from(&*http).set_send_buffer_size(4 * 1024)?;
                http.send_response(200)?;
                if http.path == "/bytes" {
                    http.send_header("Content-Length", BYTES)?;
                }
                http.end_headers()?;
                http.wfile.write_all(content(BYTES))
            }
            "/flushed" | "/failed" => {
                let file = File::open(self.files.directory().join("large"))?;
                http.send_response(200)?;
                http.send_header("Content-Length", SIZE)?;
                http.end_headers()?;
                http.wfile.send_file(&file, 0, SIZE as u64)?;
                http.wfile.flush()?;
                if http.path == "/failed" { Err(io::Error::other("too late")) } else { Ok(()) }
            }
            _ => self.files.do_get(http),
        }
    }

    fn protocol_version(&self) -> ProtocolVersion {
        ProtocolVersion::Http11
    }

    fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    fn service_actions(&self) {
        if let Ok(thread) = std::fs::read_link("/proc/thread-self") {
            self.serving.get_or_init(|| thread);
        }
    }

    fn finish(&self, http: &Exchange<'_>) {
        self.ended.add(Ended {
            path: http.path.clone(),
            sent: http.wfile.sent(),
            is_complete: http.wfile.is_complete(),
            took: http.elapsed(),
        });
    }

    fn log_message(&self, _: &Exchange<'_>, message: std::fmt::Arguments<'_>) {
        self.log.add(message.to_string());
    }

    fn handle_error(&self, _: &Address, error: &io::Error) {
        self.log.add(format!("failed: {error}"));
    }
}

/// Bytes of a body that its handler writes.
const BYTES: usize = 100 * 1024;

/// More clients than threads.
pub(crate) const CLIENTS: usize = 6;

pub(crate) fn pool() -> ThreadPool {
    ThreadPool::default().max_threads(2)
}

#[track_caller]
pub(crate) fn assert_is_served(mut client: Client) {
    client.send(get("/small"));
    assert_eq!(Browser::over(client).reply().text(), "small\n");
}

#[track_caller]
fn assert_all(reply: &Reply) {
    assert!(reply.body == content(SIZE), "{}: {} bytes", reply.head, reply.body.len());
}

/// A client that has read the beginning of its response, and takes nothing for now.
#[track_caller]
pub(crate) fn begin(mut client: Client, path: &str) -> Client {
    client.send(get(path));
    client.read_exactly(1);
    client
}

/// A site, the server of it that does one thing after another, and what has ended there.
pub(crate) fn serve_one_by_one() -> (Site, Running, Notes<Ended>) {
    let site = site();
    let handler = Watched::of(&site);
    let ended = handler.ended.clone();
    (site, Running::start(bind::<Sequential, _>(handler)), ended)
}

fn nobody_waits<T: Streams, C: Strategy>() {
    let site = site();
    let handler = Watched::of(&site);
    let ended = handler.ended.clone();
    let server = Running::start(T::bind_free::<C, _>(handler));
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = server.address.connect();
        client.send(get("/large"));
        // The head has come, and the rest is not taken.
        client.read_exactly(10);
        clients.push(client);
    }
    assert_is_served(server.address.connect());
    assert_eq!(ended.next().path, "/small");
    assert_eq!(ended.so_far(), []);
    for mut client in clients {
        let mut all = b"HTTP/1.1 2".to_vec();
        let mut taken = (&mut client.stream).take(SIZE as u64 / 2);
        taken.read_to_end(&mut all).unwrap();
        let mut rest = Vec::new();
        // The next request, which is answered behind the rest.
        client.send("GET /small HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        client.stream.read_to_end(&mut rest).unwrap();
        all.extend(rest);
        let head = body(&all);
        assert!(all[head..head + SIZE] == *content(SIZE));
        assert!(all[head + SIZE..].ends_with(b"\r\n\r\nsmall\n"));
        let large = ended.next();
        assert_eq!((&*large.path, large.sent, large.is_complete), ("/large", SIZE as u64, true));
        assert_eq!(ended.next().path, "/small");
    }
}

#[test]
fn clients_that_take_nothing_of_a_file_keep_no_thread_when_sequential() {
    nobody_waits::<Tcp, Sequential>();
    nobody_waits::<transport::Unix, Sequential>();
}

#[test]
fn clients_that_take_nothing_of_a_file_keep_no_thread_of_a_pool() {
    let site = site();
    let handler = Watched::of(&site);
    let ended = handler.ended.clone();
    let server = Running::start(bind_with(handler, pool()));
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| server.address.connect()).collect();
    for client in &mut clients {
        client.send(get("/large"));
        client.read_exactly(10);
    }
    assert_is_served(server.connect());
    assert_eq!(ended.next().path, "/small");
    for client in clients {
        drop(client);
        let large = ended.next();
        assert!(large.sent < SIZE as u64 && !large.is_complete, "{large:?}");
    }
}

#[test]
fn a_file_comes_whole_however_it_is_asked_for() {
    nobody_waits::<Tcp, ThreadPool>();
    nobody_waits::<Tcp, ThreadPerConnection>();
    nobody_waits::<transport::Unix, ThreadPool>();
}

#[test]
fn what_completes_a_body_is_left_as_well() {
    let (_site, server, ended) = serve_one_by_one();
    let mut client = begin(narrow(&server.address), "/bytes");
    assert_is_served(server.connect());
    assert_eq!(ended.next().path, "/small");
    assert_eq!(ended.so_far(), []);
    client.send(get("/small"));
    client.finish_sending();
    let mut all = Vec::new();
    client.stream.read_to_end(&mut all).unwrap();
    let start = body(&all);
    assert!(all[start..start + BYTES] == *content(BYTES));
    assert!(all.ends_with(b"small\n"));
    let bytes = ended.next();
    assert_eq!((bytes.sent, bytes.is_complete), (BYTES as u64, true));
}

#[test]
fn several_parts_come_as_they_are() {
    let (_site, server, ended) = serve_one_by_one();
    let third = SIZE / 3;
    let mut client = server.address.connect();
    client.send(format!(
        "GET /large HTTP/1.1\r\nHost: x\r\nRange: bytes=100-{third},{}-{},5-9\r\n\r\n",
        third + 100,
        SIZE - 10_000
    ));
    client.read_exactly(1);
    assert_is_served(server.connect());
    assert_eq!(ended.next().path, "/small");
    let mut browser = Browser::over(client);
    let reply = browser.reply();
    let (size, content) = (reply.body.len(), content(SIZE));
    for part in [100..third + 1, third + 100..SIZE - 9_999, 5..10] {
        let name = format!("bytes {}-{}/{SIZE}\r\n\r\n", part.start, part.end - 1);
        let place = memmem::find(&reply.body, name.as_bytes()).unwrap() + name.len();
        assert!(reply.body[place..place + part.len()] == content[part], "{name}");
    }
    let parts = ended.next();
    assert_eq!((parts.sent, parts.is_complete), (size as u64, true));
    assert_eq!(browser.ask(get("/small")).text(), "small\n");
}

#[test]
fn a_client_that_has_ended_its_half_gets_all_of_it() {
    let site = site();
    for version in ["1.0", "1.1"] {
        let server = Running::start(bind::<Sequential, _>(Watched::of(&site)));
        let mut client = server.address.connect();
        client.send(format!("GET /large HTTP/{version}\r\nHost: x\r\n\r\n"));
        client.finish_sending();
        client.read_exactly(1);
        assert_is_served(server.connect());
        let mut rest = Vec::new();
        client.stream.read_to_end(&mut rest).unwrap();
        assert!(rest.ends_with(content(SIZE)));
    }
}

#[test]
fn a_client_that_is_left_waiting_is_given_up_in_time() {
    let limit = Duration::from_secs(1);
    side_by_side(["/large", "/bytes"], |path| {
        let site = site();
        let mut handler = Watched::of(&site);
        handler.timeouts = Timeouts::default().stall(limit);
        let watched = handler.clone();
        let server = Running::start(bind::<Sequential, _>(handler));
        let client = begin(narrow(&server.address), path);
        let began = Instant::now();
        assert_is_served(server.connect());
        let (sent, rest) = watched.given_up();
        assert!(began.elapsed() > limit / 2 && began.elapsed() < limit * 3);
        assert!(rest.ends_with(&format!("bytes: the client took nothing for {limit:?}")), "{rest}");
        assert!(client.is_reset_within(LIMIT));
        watched.ended.next();
        let ended = watched.ended.next();
        assert_eq!((&*ended.path, ended.sent, ended.is_complete), (path, sent, false));
        assert!(ended.took > limit / 2);
    });
}

/// Nor does a flush, or a handler that fails when it has said all.
#[test]
fn what_follows_a_file_waits_for_nobody() {
    for path in ["/flushed", "/failed"] {
        let site = site();
        let handler = Watched::of(&site);
        let (ended, log) = (handler.ended.clone(), handler.log.clone());
        let server = Running::start(bind::<Sequential, _>(handler));
        let mut client = begin(server.connect(), path);
        assert_is_served(server.connect());
        assert_eq!(ended.next().path, "/small");
        let mut response = vec![0];
        let mut part = [0; 1 << 16];
        while response.len() < SIZE {
            let count = client.stream.read(&mut part).unwrap();
            response.extend_from_slice(&part[..count]);
        }
        let end = ended.next();
        assert!(end.is_complete && end.sent == SIZE as u64, "{end:?}");
        let is_failure = |line: &String| line.starts_with("failed");
        if path == "/failed" {
            while !is_failure(&log.next()) {}
        }
        server.stop();
        assert!(!log.so_far().iter().any(is_failure));
    }
}

/// Also where the client leaves while the first piece is sent.
#[test]
fn what_a_client_has_read_was_sent() {
    let (_site, server, ended) = serve_one_by_one();
    for _ in 0..20 {
        let mut client = server.connect();
        client.send(get("/large"));
        client.read_exactly(64 * 1024);
        drop(client);
        let end = ended.next();
        assert!(end.sent >= 63 * 1024 && !end.is_complete, "{end:?}");
    }
}

/// The server waits for it, as for a request that runs.
#[test]
fn a_drain_waits_for_what_is_left() {
    let (_site, server, ended) = serve_one_by_one();
    let mut client = begin(server.address.connect(), "/large");
    assert_is_served(server.connect());
    ended.next();
    server.handle.shutdown();
    assert!(!ended_within(&ended, MOMENT));
    let mut rest = Vec::new();
    client.stream.read_to_end(&mut rest).unwrap();
    assert!(rest.ends_with(content(SIZE)));
    let stopped = server.wait();
    stopped.result.unwrap();
    assert!(stopped.report.finished > 0 && stopped.report.cut == 0, "{:?}", stopped.report);
    assert!(ended.next().is_complete);
}

fn ended_within(ended: &Notes<Ended>, limit: Duration) -> bool {
    thread::sleep(limit);
    !ended.so_far().is_empty()
}

fn what_is_left_at_the_end_of_a_drain_is_cut<C: Strategy>() {
    let site = site();
    let handler = Watched::of(&site);
    let ended = handler.ended.clone();
    let mut server = bind::<C, _>(handler);
    server.shutdown_timeout = MOMENT;
    let server = Running::start(server);
    let mut clients = [(); 2].map(|()| begin(server.address.connect(), "/large"));
    assert_is_served(server.connect());
    ended.next();
    let stopped = server.stop();
    assert_eq!(stopped.report.cut, 2);
    for client in &mut clients {
        let cut = ended.next();
        assert!(cut.sent < SIZE as u64 && !cut.is_complete, "{cut:?}");
        let mut rest = Vec::new();
        let _ = client.stream.read_to_end(&mut rest);
        assert!(rest.len() < SIZE);
    }
}

each_strategy! {
    what_is_left_at_the_end_of_a_drain_is_cut,
}

/// As a file that becomes shorter while a thread sends it.
#[test]
fn a_file_that_becomes_shorter_leaves_the_response_short() {
    let site = site();
    let handler = Watched::of(&site);
    let (ended, log) = (handler.ended.clone(), handler.log.clone());
    let server = Running::start(bind::<Sequential, _>(handler));
    let mut clients = [(); 2].map(|()| begin(server.address.connect(), "/large"));
    assert_is_served(server.connect());
    ended.next();
    let file = File::options().write(true).open(site.path("large")).unwrap();
    let short = SIZE / 2;
    file.set_len(short as u64).unwrap();
    for client in &mut clients {
        let mut rest = Vec::new();
        client.stream.read_to_end(&mut rest).unwrap();
        assert!(rest.ends_with(content(short)), "{} bytes", rest.len());
        let ended = ended.next();
        assert_eq!((ended.sent, ended.is_complete), (short as u64, false));
    }
    let told = format!("the response ended after {short} of {SIZE} bytes of its Content-Length");
    assert_eq!(log.so_far().iter().filter(|line| line.ends_with(&told)).count(), 2);
    // What was added since has no place in it.
    let client = begin(server.address.connect(), "/large");
    assert_is_served(server.connect());
    (&file).write_all(content(SIZE)).unwrap();
    (&file).write_all(b"more").unwrap();
    let mut browser = Browser::over(client);
    assert_eq!(browser.reply().body.len(), short);
    assert_eq!(browser.ask(get("/small")).text(), "small\n");
}

#[test]
fn handle_request_returns_when_all_is_sent() {
    let site = site();
    let handler = Watched::of(&site);
    let ended = handler.ended.clone();
    let mut server = bind::<Sequential, _>(handler);
    let address = server.server_address();
    let mut client = address.connect();
    client.send(get("/large"));
    let reading = thread::spawn(move || Browser::over(client).reply());
    server.handle_request().unwrap();
    assert!(ended.next().is_complete);
    assert_all(&reading.join().unwrap());
}

/// It is no idle connection.
#[test]
fn what_is_left_is_not_shed() {
    let site = site();
    let handler = Watched::of(&site);
    let ended = handler.ended.clone();
    let mut server = bind::<Sequential, _>(handler);
    (server.max_connections, server.overload) = (1, Overload::Shed);
    let server = Running::start(server);
    let client = begin(server.address.connect(), "/large");
    let mut other = server.connect();
    other.send(get("/small"));
    other.hears_nothing_for(MOMENT);
    assert_eq!(ended.so_far(), []);
    let mut browser = Browser::over(client);
    browser.reply();
    assert!(ended.next().is_complete);
    // It is idle now, and gives way.
    assert_eq!(Browser::over(other).reply().text(), "small\n");
}

#[test]
fn a_client_that_leaves_ends_it() {
    let site = site();
    let handler = Watched::of(&site);
    let ended = handler.ended.clone();
    let server = Running::start(bind::<ThreadPool, _>(handler));
    let client = begin(server.address.connect(), "/large");
    assert_is_served(server.connect());
    ended.next();
    drop(client);
    let left = ended.next();
    assert!(left.sent < SIZE as u64 && !left.is_complete, "{left:?}");
}

#[cfg(feature = "tls")]
#[test]
fn clients_that_take_nothing_keep_no_thread_over_tls() {
    use socketserver::TlsServer;

    use crate::certificates::{Authority, TlsClient, client_config, client_session};

    let (authority, site) = (Authority::new(), site());
    let config = Arc::new(client_config(&authority));
    for strategy in [None, Some(pool())] {
        let handler = Watched::of(&site);
        let ended = handler.ended.clone();
        let tls = authority.issue().tls();
        let server = match strategy {
            Some(pool) => Running::start(TlsServer::bind_with(tls, handler, pool).unwrap()),
            None => Running::start(TlsServer::bind_with(tls, handler, Sequential).unwrap()),
        };
        let mut clients = Vec::new();
        for path in ["/large", "/bytes", "/large"] {
            let plain = if path == "/bytes" { narrow(&server.address) } else { server.connect() };
            let session = client_session(&config);
            let mut client = TlsClient::shake_hands(session, plain.stream).unwrap();
            client.send(get(path));
            assert_eq!(client.read_line(), "HTTP/1.1 200 OK");
            clients.push((path, client));
        }
        let mut good = TlsClient::connect(server.address, &config);
        good.send(get("/small"));
        assert_eq!(good.reply().1, b"small\n");
        assert_eq!(ended.next().path, "/small");
        assert_eq!(ended.so_far(), []);
        for (path, mut client) in clients {
            client.send("GET /small HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            let all = client.bytes_to_end();
            let size = if path == "/large" { SIZE } else { BYTES };
            let start = body(&all);
            assert!(all[start..start + size] == *content(size), "{path}");
            assert!(all.ends_with(b"\r\n\r\nsmall\n"));
            let end = ended.next();
            assert_eq!((&*end.path, end.sent, end.is_complete), (path, size as u64, true));
            assert_eq!(ended.next().path, "/small");
        }
    }
}
