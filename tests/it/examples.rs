//! Every example runs and does what its header promises.

use std::fmt;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
#[cfg(feature = "tls")]
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use socketserver::http::url::{parse_qs, urlencode, urlsplit};
use socketserver::http::{Exchange, HttpRequestHandler};

#[cfg(feature = "tls")]
use crate::certificates::{Authority, Issued, PemFiles, TlsClient, client_config};
use crate::shared::process::example_program;
use crate::support::{Client, LIMIT, MOMENT, eventually, free_path};
use crate::web::show;

#[test]
fn every_example_has_a_header_and_a_run() {
    let mut count = 0;
    for entry in fs::read_dir(source_directory()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        count += 1;
        let name = path.file_stem().unwrap().to_str().unwrap();
        let source = fs::read_to_string(&path).unwrap();
        let run =
            format!("\n//! Run: `cargo run {release}--example {name} -- ", release = release(name));
        assert!(source.starts_with("//! ") && source.contains(&run), "{name}: {run}");
        assert!(source.contains("\n//! Try: `"), "{name}: no command to try it");
        let call = format!("Example::run(\"{name}\", ");
        let tests = [
            include_str!("examples.rs"),
            include_str!("examples_http.rs"),
            include_str!("examples_strategies.rs"),
            include_str!("porting_examples.rs"),
        ];
        assert!(tests.iter().any(|tests| tests.contains(&call)), "no test calls {call}..)");
    }
    assert!(count >= 12, "{count} examples");
}

fn release(name: &str) -> &'static str {
    if name == "bench_hello" { "--release " } else { "" }
}

#[test]
fn hello_shows_what_a_handler_knows() {
    let example = Example::run("hello", &["0"]);
    let mut client = Client::connect(example.address);
    let port = client.address().port().unwrap();
    client.send("GET /?foo=bar HTTP/1.1\r\nHost: h\r\n\r\n");
    let response = client.read_to_end();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert!(head.starts_with("HTTP/1.0 200 OK\r\n"), "{head}");
    assert!(
        head.contains(&format!("\r\nServer: BaseHTTP/0.6 socketserver/{version}\r\n")),
        "{head}"
    );
    assert_eq!(
        body,
        format!(
            "CLIENT VALUES:\nclient_address=('127.0.0.1', {port}) (127.0.0.1)\ncommand=GET\n\
             path=/?foo=bar\nreal path=/\nquery=foo=bar\nrequest_version=HTTP/1.1\n\n\
             SERVER VALUES:\nserver_version=BaseHTTP/0.6\nsys_version=socketserver/{version}\n\
             protocol_version=HTTP/1.0\n"
        )
    );
}

#[test]
#[cfg(feature = "tls")]
fn https_serves_a_page_and_reads_its_certificate_anew() {
    let (files, first, second) = (PemFiles::new(), Authority::new(), Authority::new());
    let write = |issued: Issued| {
        let cert = files.write("cert.pem", &issued.certificate);
        let key = files.write("key.pem", &issued.key);
        [cert, key].map(|path| path.display().to_string())
    };
    let [cert, key] = write(first.issue());
    let example = Example::run("https", &["0", &cert, &key]);
    assert_eq!(get_securely(example.address, &first), "Nobody else can read this.\n");

    write(second.issue());
    let process = Pid::from_raw(example.child.id().try_into().unwrap());
    kill(process, Signal::SIGHUP).unwrap();
    assert_eq!(example.line(), "The certificate was read anew");
    assert_eq!(get_securely(example.address, &second), "Nobody else can read this.\n");
}

#[test]
fn error_404_explains_itself() {
    let example = Example::run("error_404", &["0"]);
    let response = request(example.address, "GET / HTTP/1.0\r\n\r\n");
    assert!(response.starts_with("HTTP/1.0 404 Not Found\r\n"), "{response}");
    assert!(response.contains("\r\nConnection: close\r\n"), "{response}");
    assert!(response.contains("404 - Nothing matches the given URI."), "{response}");
}

#[test]
fn echo_tcp_answers_lines_under_every_strategy() {
    for strategy in ["sequential", "threading", "forking"] {
        let example = Example::run("echo_tcp", &["0", strategy]);
        let mut client = Client::connect(example.address);
        assert_eq!(client.ask("hello"), "HELLO", "{strategy}");
        client.send(b"w\xc3\xa9\nend");
        client.finish_sending();
        assert_eq!(client.read_to_end(), "W\u{e9}\nEND", "{strategy}");
    }
}

#[test]
fn udp_echo_answers_datagrams() {
    shout_back(&Example::run("udp_echo", &["0"]));
}

pub(crate) fn shout_back(example: &Example) {
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(LIMIT)).unwrap();
    client.send_to(b"hello \n", example.address).unwrap();
    let mut reply = [0; 16];
    let (size, sender) = client.recv_from(&mut reply).unwrap();
    assert_eq!((&reply[..size], sender), (&b"HELLO"[..], example.address));
    assert_eq!([example.line(), example.line()], ["127.0.0.1 wrote:", "hello"]);
}

#[test]
fn unix_echo_answers_lines_and_knows_who_asks() {
    let path = free_path();
    let _example = Example::run("unix_echo", &[path.to_str().unwrap()]);
    echo_two_lines(&path);
    fs::remove_file(path).unwrap();
}

pub(crate) fn echo_two_lines(path: &Path) {
    let mut client = Client::connect_to_path(path);
    // Not all text is UTF-8, nor does every line end.
    client.send(b"one\r\n\xfftwo\nend");
    client.finish_sending();
    let mut replies = Vec::new();
    client.stream.read_to_end(&mut replies).unwrap();
    let uid = nix::unistd::getuid();
    assert_eq!(show(replies), format!("{uid}: one\\r\\n{uid}: \\xfftwo\\n{uid}: end"));
}

#[test]
fn chat_lets_each_hear_the_others() {
    chat_among_three(&Example::run("chat", &["0"]));
}

pub(crate) fn chat_among_three(example: &Example) {
    let mut clients: Vec<Client> = Vec::new();
    for _ in 0..3 {
        clients.push(Client::connect(example.address));
        let news = format!("{} has come", clients[clients.len() - 1].address());
        for client in &mut clients {
            assert_eq!(client.read_line(), news);
        }
    }
    clients[1].send("hello\n");
    for listener in [0, 2] {
        assert_eq!(clients[listener].read_line(), "hello");
    }
    drop(clients.remove(0));
    clients[1].send("bye\n");
    assert_eq!(clients[0].read_line(), "bye");
    clients[1].hears_nothing_for(Duration::from_millis(1));
}

#[test]
fn server_evolution_1_serves_page_picture_and_form() {
    let example = Example::run("server_evolution_1_socket", &["0"]);
    drop(Client::connect(example.address)); // Leaves without a word; the server goes on.
    page_picture_and_form(&example);
}

#[test]
fn server_evolution_2_serves_page_picture_and_form() {
    let example = Example::run("server_evolution_2_tcpserver", &["0"]);
    page_picture_and_form(&example);
}

fn page_picture_and_form(example: &Example) {
    page_and_picture(example);
    let response =
        request(example.address, "POST / HTTP/1.0\r\nContent-Length: 14\r\n\r\nfirstname=<Ada");
    assert!(response.starts_with("HTTP/1.0 200 OK\r\n"), "{response}");
    assert!(response.ends_with("<p>&lt;Ada</p>\n"), "{response}");
}

fn page_and_picture(example: &Example) {
    let files = source_directory().join("server_evolution");
    assert_eq!(example.get("/"), fs::read_to_string(files.join("index.html")).unwrap());
    let mut client = Client::connect(example.address);
    client.send("GET /test.jpg HTTP/1.0\r\n\r\n");
    let mut response = Vec::new();
    client.stream.read_to_end(&mut response).unwrap();
    let picture = fs::read(files.join("test.jpg")).unwrap();
    assert!(picture.starts_with(b"\xff\xd8\xff") && picture.ends_with(b"\xff\xd9"));
    assert!(response.ends_with(&picture));
    assert!(
        String::from_utf8_lossy(&response)
            .to_lowercase()
            .contains("\r\ncontent-type: image/jpeg\r\n")
    );
}

#[test]
fn server_evolution_3_serves_the_files_and_refuses_the_form() {
    let example = Example::run("server_evolution_3_files", &["0"]);
    page_and_picture(&example);
    let response = request(example.address, "POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\na=b");
    assert!(response.starts_with("HTTP/1.0 501 "), "{response}");
}

#[test]
fn server_evolution_4_answers_the_form_with_a_program() {
    let example = Example::run("server_evolution_4_cgi", &["0"]);
    page_and_picture(&example);
    assert!(example.get("/form.html").contains("action=\"cgi-bin/post.py\""));
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("skipped: there is no python3");
        return;
    }
    let form = "POST /cgi-bin/post.py HTTP/1.0\r\nContent-Length: 15\r\n\r\nfirstname=A%3CB";
    let response = request(example.address, form);
    assert!(response.starts_with("HTTP/1.0 200 Script output follows\r\n"), "{response}");
    assert!(response.ends_with("<p>Hello, A&lt;B!</p>\n"), "{response}");
}

/// What the program says of a form, sorted, as Python has no order; without the client's address.
pub(crate) fn list_form(address: SocketAddr) -> Vec<String> {
    let parts = [
        ("name=\"name\"", "dhellmann".to_owned()),
        ("name=\"foo\"", "b\u{e4}r & co".to_owned()),
        ("name=\"datafile\"; filename=\"BaseHTTPServer_GET.py\"", "x\r\n".repeat(666) + "\r\n"),
        ("name=\"\u{fc}nnamed\"; filename=\"a\"", "abc".to_owned()),
    ];
    let response = post_parts(address, "/x", &parts);
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.0 200 OK\r\n"), "{head}");
    let mut lines: Vec<_> = body.lines().map(str::to_owned).collect();
    let client = lines.remove(0);
    assert!(client.starts_with("Client: ('127.0.0.1', "), "{client}");
    lines.sort();
    lines
}

/// Sends a multipart form, of a disposition and a content for each part.
pub(crate) fn post_parts(address: SocketAddr, path: &str, parts: &[(&str, String)]) -> String {
    let parts = parts.iter().map(|(disposition, content)| {
        format!("--B\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{content}\r\n")
    });
    let body = parts.collect::<String>() + "--B--\r\n";
    let length = body.len();
    let kind = "Content-Type: multipart/form-data; boundary=B";
    request(
        address,
        &format!("POST {path} HTTP/1.0\r\n{kind}\r\nContent-Length: {length}\r\n\r\n{body}"),
    )
}

#[test]
fn bench_hello_keeps_connections_and_writes_no_log() {
    for mode in [&["seq", "0"][..], &["fork", "0"], &["pool", "2", "0"]] {
        let mut example = Example::run("bench_hello", mode);
        let mut client = Client::connect(example.address);
        client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        while client.read_line() != "Content-Length: 13\r" {}
        assert_eq!(client.read_exactly(15), b"\r\nHello, World!", "{mode:?}");
        client.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        let last = client.read_to_end();
        assert!(last.starts_with("HTTP/1.1 200 OK\r\n"), "{mode:?}: {last}");
        assert!(last.ends_with("\r\n\r\nHello, World!"), "{mode:?}: {last}");
        example.child.kill().unwrap();
        let mut log = String::new();
        example.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        assert_eq!(log, "", "{mode:?}");
    }
}

/// Two listen and a third posts; returns the head that a listener got.
pub(crate) fn listen_and_post(program: &Example) -> String {
    let mut listeners = [(); 2].map(|()| Client::connect(program.address));
    let heads = listeners.each_mut().map(|listener| {
        listener.send("GET / HTTP/1.0\r\n\r\n");
        read_head(listener)
    });
    for (message, event) in [
        ("hello", "data: hello\n\n"),
        ("two\r\nlines\n", "data: two\ndata: lines\n\n"),
        ("no\revent: field", "data: no\ndata: event: field\n\n"),
    ] {
        let posted = post(program.address, "/", message);
        assert!(posted.starts_with("HTTP/1.0 204 No Content\r\n"), "{posted}");
        for listener in &mut listeners {
            assert_eq!(listener.read_exactly(event.len()), event.as_bytes());
        }
    }
    heads[0].clone()
}

/// One waits for news and another has some; returns the replies.
pub(crate) fn poll_and_post(program: &Example) -> [String; 3] {
    let mut waiting = Client::connect(program.address);
    waiting.send("GET /?since=0 HTTP/1.0\r\n\r\n");
    waiting.hears_nothing_for(MOMENT);
    let posted = post(program.address, "/", "first");
    let news = waiting.read_to_end();
    assert!(news.starts_with("HTTP/1.0 200 OK\r\n"), "{news}");
    assert!(news.ends_with("\r\n\r\nfirst\n"), "{news}");
    post(program.address, "/", "second");
    let later = request(program.address, "GET /?since=1 HTTP/1.0\r\n\r\n");
    assert!(later.ends_with("\r\n\r\nsecond\n"), "{later}");
    [posted, news, later]
}

/// Speaks with a WebSocket from its opening to its end; returns the head of the handshake.
pub(crate) fn shake_hands_and_echo(program: &Example) -> String {
    let mut client = Client::connect(program.address);
    client.send(
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    let head = read_head(&mut client);
    let (text, binary, close, ping, pong) = (0x81, 0x82, 0x88, 0x89, 0x8a);
    for (kind, data, answer) in [
        (text, &b"hello"[..], text),
        (ping, b"there?", pong),
        (binary, &[7; 300], binary),
        (text, b"", text),
        (close, &[3, 232], close),
    ] {
        client.send(frame(kind, data, Some([1, 2, 3, 4])));
        let expected = frame(answer, data, None);
        assert_eq!(client.read_exactly(expected.len()), expected);
    }
    client.sees_the_end();
    head
}

/// A WebSocket's frame; what a client sends is masked.
pub(crate) fn frame(kind: u8, data: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let bit = if mask.is_some() { 0x80 } else { 0 };
    let mut frame = vec![kind];
    match u8::try_from(data.len()) {
        Ok(length @ ..126) => frame.push(bit | length),
        _ => {
            frame.push(bit | 126);
            frame.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        }
    }
    frame.extend(mask.into_iter().flatten());
    let key = mask.unwrap_or_default();
    frame.extend(data.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// Fetches by absolute URLs and through a tunnel; returns the replies.
pub(crate) fn fetch_and_tunnel(program: &Example, upstream: SocketAddr) -> [String; 3] {
    let get = format!(
        "GET http://{upstream}/a/../b?c=d HTTP/1.1\r\nHost: elsewhere\r\n\
         Proxy-Connection: keep-alive\r\nProxy-Authorization: x\r\nX-Mine: caf\u{e9}\r\n\r\n"
    );
    let post = format!("POST http://{upstream} HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello");
    let mut client = Client::connect(program.address);
    client.send(format!("CONNECT {upstream} HTTP/1.1\r\nHost: {upstream}\r\n\r\n"));
    let head = read_head(&mut client);
    assert!(head.starts_with("HTTP/1.0 200 Connection established\r\n"), "{head}");
    client.send("GET /through HTTP/1.0\r\n\r\n");
    [request(program.address, &get), request(program.address, &post), head + &client.read_to_end()]
}

/// Answers with what it was asked.
pub(crate) struct Mirror;

impl HttpRequestHandler for Mirror {
    fn do_method(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let body = http.rfile.read_all(1 << 20)?;
        http.send_response(200)?;
        http.end_headers()?;
        let head = format!("{}\n{}\n", http.requestline(), http.headers);
        http.wfile.write_all(head.as_bytes())?;
        http.wfile.write_all(&body)
    }

    fn log_message(&self, _: &Exchange<'_>, _: fmt::Arguments<'_>) {}
}

/// GitHub's own example: of `Hello, World!`.
pub(crate) const SIGNATURE: &str =
    "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

/// Comes back from the login as a browser would.
pub(crate) fn bring_code(program: &Example, code: &str) -> String {
    let line = program.line();
    let url = urlsplit(line.strip_prefix("Open ").unwrap()).unwrap();
    let query = parse_qs(&url.query);
    let callback = urlsplit(query.first("redirect_uri").unwrap()).unwrap();
    assert_eq!(callback.port(), Ok(Some(program.address.port())));
    let state = query.first("state").unwrap();
    assert_eq!(state.len(), 32);
    let query = urlencode([("code", code), ("state", state)]);
    request(program.address, &format!("GET {}?{query} HTTP/1.0\r\n\r\n", callback.path))
}

/// A running example; it is stopped when this is dropped.
pub(crate) struct Example {
    pub(crate) child: Child,
    lines: Receiver<String>,
    pub(crate) address: SocketAddr,
}

impl Example {
    /// Starts an example and waits until it says where it serves.
    pub(crate) fn run(name: &str, arguments: &[&str]) -> Self {
        Self::run_in(source_directory(), name, arguments)
    }

    /// Starts an example in a directory.
    pub(crate) fn run_in(directory: impl AsRef<Path>, name: &str, arguments: &[&str]) -> Self {
        Self::start(Command::new(example_program(name)).args(arguments).current_dir(directory))
    }

    /// Starts a program that says in its first line where it serves.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut example = Self { child, lines, address };
        if let Some(address) = find_address(&example.line()) {
            example.address = address;
        }
        example
    }

    /// The next line that the example prints.
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(LIMIT).unwrap()
    }

    /// The body of the answer to a GET request.
    pub(crate) fn get(&self, path: &str) -> String {
        get(self.address, path)
    }

    /// Waits until the example has ended by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        eventually(|| self.child.try_wait().unwrap().is_some());
        self.child.wait().unwrap()
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A page over TLS, for whoever trusts the authority.
#[cfg(feature = "tls")]
fn get_securely(address: SocketAddr, authority: &Authority) -> String {
    let config = Arc::new(client_config(authority));
    let mut client = TlsClient::connect(address, &config);
    client.send("GET / HTTP/1.0\r\n\r\n");
    client.read_to_end().split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// The same; there is none where a path is served.
pub(crate) fn find_address(line: &str) -> Option<SocketAddr> {
    line.split([' ', ',', '/']).find_map(|word| word.parse().ok())
}

pub(crate) fn request(address: SocketAddr, text: &str) -> String {
    let mut client = Client::connect(address);
    client.send(text);
    client.read_to_end()
}

/// Reads a response's head, the blank line included.
pub(crate) fn read_head(client: &mut Client) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        head += &client.read_line();
        head.push('\n');
    }
    head
}

pub(crate) fn get(address: SocketAddr, path: &str) -> String {
    let response = request(address, &format!("GET {path} HTTP/1.0\r\n\r\n"));
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.0 200 OK\r\n"), "{head}");
    body.to_owned()
}

pub(crate) fn post(address: SocketAddr, path: &str, body: &str) -> String {
    let length = body.len();
    request(address, &format!("POST {path} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{body}"))
}

fn source_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}
