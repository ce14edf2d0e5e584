//! The command: what it prints, how it ends, and what it says when it cannot serve.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

#[test]
fn the_banner_names_host_port_and_url() {
    for (arguments, host, url) in [
        (&["-b", "127.0.0.1"], "127.0.0.1", "http://127.0.0.1:PORT/"),
        (&["--bind", "0.0.0.0"], "0.0.0.0", "http://0.0.0.0:PORT/"),
        (&["--bind", "::1"], "::1", "http://[::1]:PORT/"),
    ] {
        if host == "::1" && !has_ipv6() {
            println!("skipped: this machine has no IPv6");
            continue;
        }
        let serving = Serving::start(arguments);
        let expected = format!("Serving HTTP on {host} port PORT ({url}) ...\n");
        assert_eq!(serving.masked_banner(), expected);
    }
}

#[test]
fn the_banner_is_that_of_python() {
    let mut places = vec![vec!["-b", "127.0.0.1"], vec!["-b", "localhost"], vec![]];
    if has_ipv6() {
        places.push(vec!["-b", "::1"]);
        places.push(vec!["-b", "::"]);
    }
    for place in places {
        let mut python = Command::new("python3");
        python.args(["-u", "-m", "http.server", "0"]).args(&place);
        let Ok(python) = Serving::spawn(&mut python) else {
            println!("skipped: there is no python3 to compare with");
            return;
        };
        let ours = Serving::start(&place);
        assert_eq!(ours.masked_banner(), python.masked_banner(), "{place:?}");
    }
}

#[test]
fn without_an_address_ipv4_clients_are_served() {
    let serving = Serving::start(&[]);
    assert!(serving.get("/a.txt").ends_with("\r\n\r\nhello\n"));
}

#[test]
fn the_port_is_the_one_asked_for() {
    let port = free_port();
    let serving = Serving::start_on(port, &["-b", "127.0.0.1"], |_| {});
    assert_eq!(serving.port, port);
    assert!(serving.get("/a.txt").starts_with("HTTP/1.0 200 OK\r\n"));
}

#[test]
fn the_current_directory_is_served_by_default() {
    let directory = tree();
    let mut command = Command::new(COMMAND);
    command.args(["0", "-b", "127.0.0.1"]);
    let serving = Serving::spawn(command.current_dir(directory.path())).unwrap();
    assert!(serving.get("/a.txt").ends_with("\r\n\r\nhello\n"));
    assert!(serving.get("/").contains("<a href=\"a.txt\">a.txt</a>"));
}

#[test]
fn requests_are_logged_unless_quiet() {
    let serving = Serving::start(&["-b", "127.0.0.1"]);
    serving.get("/a.txt");
    serving.get("/missing");
    let said = serving.stop(Signal::SIGINT).stderr;
    assert!(said.starts_with("127.0.0.1 - - ["), "{said}");
    assert!(said.contains("\"GET /a.txt HTTP/1.0\" 200 -\n"), "{said}");
    assert!(said.contains("code 404, message File not found\n"), "{said}");

    let serving = Serving::start(&["-b", "127.0.0.1", "--quiet"]);
    serving.get("/a.txt");
    serving.get("/missing");
    assert_eq!(serving.stop(Signal::SIGINT).stderr, "");
}

#[test]
fn the_log_has_the_client_that_a_trusted_proxy_asks_for() {
    let request = "GET /a.txt HTTP/1.0\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n";
    for (trusted, client) in [("127.0.0.1,::1", "192.0.2.7"), ("10.0.0.0/8", "127.0.0.1")] {
        let serving = Serving::start(&["-b", "127.0.0.1", "--trusted-proxies", trusted]);
        serving.ask_bytes(request);
        let said = serving.stop(Signal::SIGINT).stderr;
        assert!(said.starts_with(&format!("{client} - - [")), "{said}");
    }
}

#[test]
fn a_proxy_header_is_demanded_and_its_lack_is_told_in_one_line() {
    let serving =
        Serving::start(&["-b", "127.0.0.1", "--proxy-protocol", "--trusted-proxies", "127.0.0.1"]);
    let named = "PROXY TCP4 192.0.2.7 127.0.0.1 4711 80\r\nGET /a.txt HTTP/1.0\r\n\r\n";
    assert!(text(&serving.ask_bytes(named)).ends_with("\r\n\r\nhello\n"));
    let mut client = serving.connect();
    client.write_all(b"GET").unwrap();
    assert_eq!(client.read(&mut [0]).unwrap_or(0), 0);
    let said = serving.stop(Signal::SIGINT).stderr;
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("192.0.2.7 - - ["), "{said}");
    assert!(lines[1].starts_with("socketserver: refused 127.0.0.1:"), "{said}");
    assert!(lines[1].ends_with(": it began without a PROXY header"), "{said}");
    assert_eq!(lines.len(), 2, "{said}");
}

#[test]
fn numbers_are_counted_across_processes() {
    for arguments in [
        &["--concurrency", "sequential"][..],
        &["--concurrency", "threading"],
        &["--concurrency", "forking"],
        &["--processes", "3"],
    ] {
        let mine = ["-b", "127.0.0.1", "--metrics", "/numbers", "--healthz", "/well"];
        let serving = Serving::start(&[&mine, arguments].concat());
        for _ in 0..9 {
            assert!(serving.get("/a.txt").ends_with("\r\n\r\nhello\n"));
            assert!(serving.get("/missing").starts_with("HTTP/1.0 404 "));
        }
        assert!(serving.get("/well").ends_with("\r\n\r\nok\n"));
        // A request counts when it is over, which its client may learn a moment before.
        eventually(|| {
            let page = serving.get("/numbers");
            page.contains("requests_total{method=\"GET\",code=\"404\"} 9\n")
                && page.contains("_http_request_duration_seconds_count")
        });
    }
    let said = fails(&["--metrics", "numbers"], 2);
    assert!(said.contains("a path must begin with a slash"), "{said}");
}

#[test]
fn every_response_has_the_headers_asked_for() {
    let serving = Serving::start(&[
        "-b",
        "127.0.0.1",
        "-H",
        "Access-Control-Allow-Origin",
        "*",
        "--header",
        "X-Offset",
        "-1 \u{e9}",
    ]);
    for (request, status) in [
        ("GET /a.txt HTTP/1.0\r\n\r\n", 200),
        ("HEAD /a.txt HTTP/1.0\r\n\r\n", 200),
        ("GET / HTTP/1.0\r\n\r\n", 200),
        ("GET /sub HTTP/1.0\r\n\r\n", 301),
        ("GET /a.txt HTTP/1.0\r\nIf-None-Match: *\r\n\r\n", 304),
        ("GET / HTTP/1.0\r\nno colon\r\n\r\n", 400),
        ("GET /missing HTTP/1.0\r\n\r\n", 404),
        ("POST / HTTP/1.0\r\nContent-Length: 0\r\n\r\n", 501),
        ("GET / HTTP/3.0\r\n\r\n", 505),
    ] {
        let reply = serving.ask_bytes(request);
        let line = format!("HTTP/1.0 {status} ");
        let text = String::from_utf8_lossy(&reply);
        assert!(text.starts_with(&line), "{request:?}: {text}");
        assert!(text.contains("\r\nAccess-Control-Allow-Origin: *\r\n"), "{request:?}: {text}");
        // ISO 8859-1 on the wire.
        let offset = b"\r\nX-Offset: -1 \xe9\r\n";
        assert!(reply.windows(offset.len()).any(|window| window == offset), "{request:?}: {text}");
    }
}

#[test]
fn protocol_1_1_keeps_the_connection() {
    let serving = Serving::start(&["-b", "127.0.0.1", "-p", "HTTP/1.1"]);
    let mut client = serving.connect();
    for last in [false, true] {
        let close = if last { "Connection: close\r\n" } else { "" };
        let request = format!("GET /a.txt HTTP/1.1\r\nHost: here\r\n{close}\r\n");
        client.write_all(request.as_bytes()).unwrap();
        let reply = read_until(&mut client, b"hello\n");
        assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply}");
    }
    assert_eq!(read_to_end(&mut client), b"");
}

#[test]
fn every_strategy_serves_files_and_ends_softly() {
    for strategy in STRATEGIES {
        for signal in [Signal::SIGINT, Signal::SIGTERM] {
            let serving = Serving::start(&["-b", "127.0.0.1", "--concurrency", strategy]);
            assert!(serving.get("/a.txt").ends_with("\r\n\r\nhello\n"));
            assert!(serving.get("/missing").starts_with("HTTP/1.0 404 "));
            let ended = serving.stop(signal);
            assert_eq!(ended.status, Some(0), "{strategy}, {signal}");
            let last_words = if signal == Signal::SIGINT {
                "\nKeyboard interrupt received, exiting.\n"
            } else {
                ""
            };
            assert_eq!(ended.stdout, last_words, "{strategy}, {signal}");
            assert!(!ended.stderr.contains("cut off"), "{}", ended.stderr);
        }
    }
}

#[test]
fn processes_serve_with_any_strategy_and_are_replaced_by_a_hangup() {
    for strategy in STRATEGIES {
        let arguments = ["-b", "127.0.0.1", "--concurrency", strategy, "--processes", "2"];
        let serving = Serving::start(&arguments);
        let mut first = Vec::new();
        eventually(|| {
            first = children_of(pid(&serving.child));
            first.len() == 2
        });
        assert!(serving.get("/a.txt").ends_with("\r\n\r\nhello\n"));
        serving.signal(Signal::SIGHUP);
        eventually(|| {
            let now = children_of(pid(&serving.child));
            now.len() == 2 && now.iter().all(|child| !first.contains(child))
        });
        assert!(serving.get("/a.txt").ends_with("\r\n\r\nhello\n"));
        let ended = serving.stop(Signal::SIGINT);
        assert_eq!(ended.status, Some(0), "{strategy}");
        assert_eq!(ended.stdout, "\nKeyboard interrupt received, exiting.\n", "{strategy}");
    }
}

#[test]
fn clients_beyond_the_maximum_are_dealt_with_as_asked() {
    let arguments = ["-b", "127.0.0.1", "--max-connections", "1", "--overload"];
    let refusing = Serving::start(&[&arguments[..], &["refuse"]].concat());
    let _download = refusing.begin_download();
    let reply = refusing.get("/a.txt");
    assert!(reply.starts_with("HTTP/1.0 503 Service Unavailable\r\n"), "{reply}");

    let waiting = Serving::start(&[&arguments[..], &["wait"]].concat());
    let idle = waiting.connect();
    let mut client = waiting.connect();
    client.write_all(b"GET /a.txt HTTP/1.0\r\n\r\n").unwrap();
    drop(idle);
    assert!(text(&read_to_end(&mut client)).ends_with("\r\n\r\nhello\n"));
}

#[test]
fn limits_are_accepted_by_their_strategy() {
    for arguments in [
        ["--concurrency", "threading", "--max-threads", "1"],
        ["--concurrency", "forking", "--max-children", "1"],
    ] {
        let serving = Serving::start(&arguments);
        for _ in 0..3 {
            assert!(serving.get("/a.txt").starts_with("HTTP/1.0 200 OK\r\n"));
        }
    }
}

/// The command at work on [`tree`]. Killed when dropped.
pub(crate) struct Serving {
    pub(crate) child: Child,
    pub(crate) stdout: Option<BufReader<ChildStdout>>,
    pub(crate) banner: String,
    pub(crate) port: u16,
    // Removed when the server is gone.
    pub(crate) directory: Option<TempDir>,
}

/// How the command ended.
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    /// What followed the banner.
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Serving {
    #[track_caller]
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_on(0, arguments, |_| {})
    }

    #[track_caller]
    pub(crate) fn start_on(
        port: u16,
        arguments: &[&str],
        prepare: impl FnOnce(&mut Command),
    ) -> Self {
        Self::start_with(port, arguments, prepare, |_| {})
    }

    /// Does something to the command before it has said that it serves.
    #[track_caller]
    pub(crate) fn start_with(
        port: u16,
        arguments: &[&str],
        prepare: impl FnOnce(&mut Command),
        early: impl FnOnce(&Child),
    ) -> Self {
        let directory = tree();
        let mut command = Command::new(COMMAND);
        command.arg(port.to_string()).args(arguments).arg("-d");
        command.arg(directory.path()).stderr(Stdio::piped());
        prepare(&mut command);
        let child = command.stdout(Stdio::piped()).spawn().unwrap();
        early(&child);
        let mut serving = Self::read_banner(child);
        serving.directory = Some(directory);
        serving
    }

    /// Starts the command by a line of shell, where it is `"$@"`.
    #[track_caller]
    pub(crate) fn through_shell(line: &str, arguments: &[&str]) -> Self {
        let directory = tree();
        let mut command = Command::new("sh");
        command.args(["-c", line, "sh", COMMAND, "0"]);
        command.args(arguments).arg("-d").arg(directory.path());
        let mut serving = Self::spawn(&mut command).unwrap();
        serving.directory = Some(directory);
        serving
    }

    pub(crate) fn spawn(command: &mut Command) -> io::Result<Self> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().map(Self::read_banner)
    }

    #[track_caller]
    pub(crate) fn read_banner(mut child: Child) -> Self {
        let stdout = child.stdout.take().map(BufReader::new);
        let mut serving = Self { child, stdout, banner: String::new(), port: 0, directory: None };
        serving.banner = serving.read_line();
        let word = serving.banner.split(" port ").nth(1);
        let port = word.and_then(|words| words.split(' ').next()?.parse().ok());
        let is_unix = serving.banner.starts_with("Serving HTTP on unix:");
        let port = port.or(is_unix.then_some(0));
        serving.port = port.unwrap_or_else(|| panic!("no port in {:?}", serving.banner));
        serving
    }

    pub(crate) fn without_banner(child: Child, port: u16, directory: TempDir) -> Self {
        Self { child, stdout: None, banner: String::new(), port, directory: Some(directory) }
    }

    pub(crate) fn masked_banner(&self) -> String {
        self.banner.replace(&self.port.to_string(), "PORT")
    }

    /// The next line on standard output, in time.
    #[track_caller]
    pub(crate) fn read_line(&mut self) -> String {
        let stdout = self.stdout.as_mut().unwrap();
        if stdout.buffer().is_empty() {
            let mut descriptors = [PollFd::new(stdout.get_ref().as_fd(), PollFlags::POLLIN)];
            let limit = PollTimeout::try_from(LIMIT).unwrap();
            assert_eq!(poll(&mut descriptors, limit), Ok(1), "nothing was printed");
        }
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        line
    }

    #[track_caller]
    pub(crate) fn connect(&self) -> TcpStream {
        let host = if self.banner.contains("[::1]") { "::1" } else { "127.0.0.1" };
        let client = TcpStream::connect((host, self.port)).unwrap();
        client.set_read_timeout(Some(LIMIT)).unwrap();
        client.set_write_timeout(Some(LIMIT)).unwrap();
        client
    }

    #[track_caller]
    pub(crate) fn ask_bytes(&self, request: &str) -> Vec<u8> {
        let mut client = self.connect();
        client.write_all(request.as_bytes()).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        read_to_end(&mut client)
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> String {
        text(&self.ask_bytes(&format!("GET {path} HTTP/1.0\r\n\r\n")))
    }

    /// Asks for the large file and reads the head of the response. The rest does not fit into
    /// what the kernel keeps for a client that does not read.
    #[track_caller]
    pub(crate) fn begin_download(&self) -> TcpStream {
        let mut client = self.connect();
        client.write_all(b"GET /large HTTP/1.0\r\n\r\n").unwrap();
        let head = read_until(&mut client, b"\r\n\r\n");
        assert!(head.starts_with("HTTP/1.0 200 OK\r\n"), "{head}");
        client
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(pid(&self.child), signal).unwrap();
    }

    #[track_caller]
    pub(crate) fn stop(self, signal: Signal) -> Ended {
        self.signal(signal);
        self.wait()
    }

    /// Waits for the command to end by itself.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Ended {
        eventually(|| self.child.try_wait().unwrap().is_some());
        let mut stdout = String::new();
        if let Some(mut output) = self.stdout.take() {
            output.read_to_string(&mut stdout).unwrap();
        }
        let mut stderr = String::new();
        if let Some(mut output) = self.child.stderr.take() {
            output.read_to_string(&mut stderr).unwrap();
        }
        assert_calm(&stderr);
        Ended { status: self.child.wait().unwrap().code(), stdout, stderr }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Gone already where the test waited for the end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the command, which cannot serve, and returns its one line on standard error.
#[track_caller]
pub(crate) fn fails(arguments: &[&str], status: i32) -> String {
    let output = run(arguments);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
    assert_eq!(text(&output.stdout), "", "{arguments:?}");
    assert!(said.starts_with("socketserver: "), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

/// Runs the command, which prints something and ends.
#[track_caller]
pub(crate) fn succeeds(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!(text(&output.stderr), "", "{arguments:?}");
    assert_eq!(output.status.code(), Some(0), "{arguments:?}");
    text(&output.stdout)
}

#[track_caller]
pub(crate) fn run(arguments: &[&str]) -> Output {
    let mut child = Command::new(COMMAND)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = child.stdout.take().unwrap();
    let reading = thread::spawn(move || io::read_to_string(stdout).unwrap());
    let deadline = Instant::now() + LIMIT;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("{arguments:?} does not end");
        }
        thread::park_timeout(Duration::from_millis(1));
    }
    let mut output = child.wait_with_output().unwrap();
    output.stdout = reading.join().unwrap().into_bytes();
    assert_calm(&text(&output.stderr));
    output
}

#[track_caller]
fn assert_calm(stderr: &str) {
    for word in ["panicked", "RUST_BACKTRACE", "Exception occurred"] {
        assert!(!stderr.contains(word), "{stderr}");
    }
}

/// A directory with a small file, a large one, and a directory.
pub(crate) fn tree() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("a.txt"), "hello\n").unwrap();
    fs::create_dir(directory.path().join("sub")).unwrap();
    let large = File::create(directory.path().join("large")).unwrap();
    // Takes no room on the disk: nothing was written.
    large.set_len(LARGE).unwrap();
    directory
}

/// A port that nobody listens on just now, and that the system gives to nobody who asks for any.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id().wrapping_mul(16) + NEXT.fetch_add(1, Ordering::Relaxed);
        // Linux gives ports from 32768 on, and the BSDs from 49152.
        let port = 10_000 + u16::try_from(number % 20_000).unwrap();
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            return port;
        }
    }
}

fn has_ipv6() -> bool {
    TcpListener::bind("[::1]:0").is_ok()
}

pub(crate) fn children_of(parent: Pid) -> Vec<String> {
    let tasks = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    tasks.split_whitespace().map(str::to_owned).collect()
}

pub(crate) fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap())
}

/// Reads until the server closes, by a reset where it was cut off.
#[track_caller]
pub(crate) fn read_to_end(client: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Err(error) = client.read_to_end(&mut bytes) {
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
    bytes
}

#[track_caller]
pub(crate) fn read_until(client: &mut TcpStream, end: &[u8]) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end) {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        bytes.push(byte[0]);
    }
    text(&bytes)
}

/// Polls until it is so, where nothing tells when.
#[track_caller]
pub(crate) fn eventually(mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < deadline, "it never is so");
        thread::park_timeout(Duration::from_millis(1));
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) const COMMAND: &str = env!("CARGO_BIN_EXE_socketserver");

pub(crate) const STRATEGIES: [&str; 3] = ["sequential", "threading", "forking"];

/// Bytes of the large file.
pub(crate) const LARGE: u64 = 64 * 1024 * 1024;

/// The longest that anything may take that does happen.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);
