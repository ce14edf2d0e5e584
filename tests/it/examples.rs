//! Every example runs and does what its header promises.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use crate::support::{Client, LIMIT, eventually};

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
        assert!(include_str!("examples.rs").contains(&call), "no test calls {call}..)");
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
    let port = client.address().port();
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
fn threaded_name_answers_with_a_thread() {
    let example = Example::run("threaded_name", &["0"]);
    for _ in 0..3 {
        let name = example.get("/");
        let number = name.trim_end().strip_prefix("Thread-");
        assert!(number.is_some_and(|number| number.parse::<u32>().is_ok()), "{name:?}");
    }
}

#[test]
fn threaded_name_forking_answers_with_a_process_each() {
    let example = Example::run("threaded_name", &["0", "forking"]);
    let processes: BTreeSet<u32> =
        (0..3).map(|_| example.get("/").trim_end().parse().unwrap()).collect();
    assert_eq!(processes.len(), 3);
    assert!(!processes.contains(&example.child.id()));
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
        assert_eq!(client.read_to_end(), "W\u{e9}\nEND\n", "{strategy}");
    }
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
fn login_api_answers_on_two_ports_and_updates_its_object() {
    let example = Example::run("login_api", &["0"]);
    let second = address_in(&example.line());
    assert_ne!(example.address, second);
    for address in [example.address, second] {
        assert!(request(address, "GET /?a=b HTTP/1.0\r\n\r\n").contains("<h1>Home page</h1>"));
        assert!(post(address, "/?a=b", "").contains("<h1>Home page</h1>"));
        for response in [request(address, "GET /x HTTP/1.0\r\n\r\n"), post(address, "/x", "")] {
            assert!(response.starts_with("HTTP/1.0 404 Not Found\r\n"), "{response}");
            assert!(response.contains("\r\nContent-Type: text/html; charset=utf-8\r\n"));
        }
        let mut tokens = BTreeSet::new();
        for number in 1..=2 {
            let login = format!(
                "{{\"username\": \"ada\", \"password\": \"x\", \"ip\": \"10.0.0.{number}\"}}"
            );
            let response = post(address, "/north/login", &login);
            assert!(response.starts_with("HTTP/1.0 200 OK\r\n"), "{response}");
            assert!(response.contains("\r\nCache-Control: no-store\r\n"), "{response}");
            let answer = json(&response);
            assert_eq!((&answer["code"], &answer["description"]), (&0.into(), &"success".into()));
            let token = answer["token"].as_str().unwrap().to_owned();
            assert!(token.len() == 32 && token.bytes().all(|byte| byte.is_ascii_hexdigit()));
            assert!(tokens.insert(token));
            // Each server counts in an object of its own.
            assert_eq!(example.line(), format!("north servers known: {number}"));
        }
        for nonsense in ["{\"username\":", "[1]", ""] {
            let response = post(address, "/north/login", nonsense);
            assert!(response.starts_with("HTTP/1.0 500 "), "{response}");
            let answer = json(&response);
            assert_eq!((&answer["code"], &answer["token"]), (&1.into(), &"".into()));
            assert!(!answer["description"].as_str().unwrap().is_empty());
        }
    }
}

#[test]
fn shutdown_from_thread_stops_at_enter() {
    let mut example = Example::run("shutdown_from_thread", &["0"]);
    assert_eq!(example.get("/"), "still here\n");
    example.child.stdin.take().unwrap().write_all(b"\n").unwrap();
    assert_eq!(example.line(), "Stopped: 0 finished, 0 cut off");
    assert!(example.wait().success());
    assert!(TcpStream::connect(example.address).is_err());
}

#[test]
fn own_strategy_starts_a_thread_for_each_connection() {
    let example = Example::run("own_strategy", &["0"]);
    for number in 1..=3 {
        assert_eq!(example.get("/"), format!("Thread-{number}\n"));
    }
}

#[test]
fn shared_state_counts_in_threads_and_loses_count_in_children() {
    let clients = 20;
    for (strategy, counts) in [
        ("sequential", (1..=clients).collect()),
        ("threading", (1..=clients).collect()),
        ("forking", BTreeSet::from([1])),
    ] {
        let example = Example::run("shared_state", &["0", strategy]);
        let address = example.address;
        let visits =
            (0..clients).map(|_| thread::spawn(move || get(address, "/"))).collect::<Vec<_>>();
        let seen: BTreeSet<u32> = visits
            .into_iter()
            .map(|visit| visit.join().unwrap())
            .map(|visit| visit.trim_end().strip_prefix("visit ").unwrap().parse().unwrap())
            .collect();
        assert_eq!(seen, counts, "{strategy}");
    }
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

/// A running example; it is stopped when this is dropped.
pub(crate) struct Example {
    child: Child,
    lines: Receiver<String>,
    pub(crate) address: SocketAddr,
}

impl Example {
    /// Starts an example and waits until it says where it serves.
    fn run(name: &str, arguments: &[&str]) -> Self {
        Self::run_in(source_directory(), name, arguments)
    }

    /// Starts an example in a directory.
    pub(crate) fn run_in(directory: impl AsRef<Path>, name: &str, arguments: &[&str]) -> Self {
        let program = program_directory().join(name);
        assert!(program.exists(), "{name} is not built: run `cargo build --examples`");
        Self::start(Command::new(program).args(arguments).current_dir(directory))
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
        example.address = address_in(&example.line());
        example
    }

    /// The next line that the example prints.
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(LIMIT).unwrap()
    }

    /// The body of the answer to a GET request.
    fn get(&self, path: &str) -> String {
        get(self.address, path)
    }

    /// Waits until the example has ended by itself.
    fn wait(&mut self) -> ExitStatus {
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

/// The address in a line such as `Serving on http://127.0.0.1:8000, press Enter`.
fn address_in(line: &str) -> SocketAddr {
    line.split([' ', ',', '/'])
        .find_map(|word| word.parse().ok())
        .unwrap_or_else(|| panic!("no address in {line:?}"))
}

fn request(address: SocketAddr, text: &str) -> String {
    let mut client = Client::connect(address);
    client.send(text);
    client.read_to_end()
}

fn get(address: SocketAddr, path: &str) -> String {
    let response = request(address, &format!("GET {path} HTTP/1.0\r\n\r\n"));
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.0 200 OK\r\n"), "{head}");
    body.to_owned()
}

fn post(address: SocketAddr, path: &str, body: &str) -> String {
    let length = body.len();
    request(address, &format!("POST {path} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{body}"))
}

/// The body of a JSON response.
fn json(response: &str) -> serde_json::Value {
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("\r\nContent-Type: application/json; charset=utf-8"), "{head}");
    serde_json::from_str(body).unwrap()
}

fn source_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// Where cargo puts examples: beside the directory of this test.
pub(crate) fn program_directory() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().join("examples")
}
