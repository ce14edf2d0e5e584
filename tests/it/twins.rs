//! The programs of `examples/python` answer as those of the same name in `examples` do.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::differential::{Version, comparable, mask, newest_python};
use crate::examples::{
    Example, Mirror, SIGNATURE, bring_code, chat_among_three, echo_two_lines, fetch_and_tunnel,
    list_form, listen_and_post, poll_and_post, post_parts, shake_hands_and_echo, shout_back,
};
use crate::form_differential::python_with_cgi;
use crate::porting_examples::{crowd, watch_two_frames};
use crate::support::free_path;
use crate::web::{Site, hear_out, serve, show};

/// An example and the Python program whose twin it is, both running.
struct Twins {
    version: Version,
    ours: Example,
    theirs: Example,
}

impl Twins {
    /// Starts both; none where there is no Python.
    fn run(name: &str) -> Option<Self> {
        Self::run_in(Path::new(env!("CARGO_MANIFEST_DIR")), name)
    }

    fn run_in(directory: &Path, name: &str) -> Option<Self> {
        let Some((version, python)) = newest_python() else {
            println!("skipped: no Python of 3.11 or later was found");
            assert!(std::env::var_os("CI").is_none(), "CI needs a Python to compare with");
            return None;
        };
        let ours = Example::run_in(directory, name, &["0"]);
        let theirs = Example::start(python_twin(&python, name).current_dir(directory));
        Some(Self { version, ours, theirs })
    }

    /// Sends the same bytes to both and compares the replies; returns ours.
    #[track_caller]
    fn agree(&self, request: &str) -> String {
        let ours = hear_out(self.ours.address, request.as_bytes());
        let theirs = hear_out(self.theirs.address, request.as_bytes());
        let [masked, theirs] = [mask(&ours), comparable(self.version, &theirs)]
            .map(|reply| json(&reply).unwrap_or_else(|| without_names(&reply)));
        assert_eq!(show(&masked), show(&theirs), "{request}");
        assert!(!masked.is_empty(), "{request}");
        String::from_utf8_lossy(&ours).into_owned()
    }
}

/// Runs `examples/python/NAME.py` on a free port.
fn python_twin(python: &Path, name: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = root.join("examples/python").join(name).with_extension("py");
    let mut command = Command::new(python);
    command.args(["-W", "ignore", "-c", include_str!("twins.py")]).arg(program);
    command.env("PYTHONUNBUFFERED", "yes");
    command
}

/// Examples whose Python is not run, and why.
const NOT_RUN: [(&str, &str); 3] = [
    ("bench_hello", "it has no twin"),
    ("https", "its classes are new in Python 3.14"),
    ("pre_fork", "its children would outlive the test"),
];

#[test]
fn every_twin_is_run() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let is_run = include_str!("twins.rs").contains(&format!("\"{name}\""));
            assert!(is_run, "{name}: neither run nor told why not");
        }
    }
    for (name, reason) in NOT_RUN {
        println!("{name} is not run: {reason}");
    }
}

#[test]
fn hello_answers_as_its_twin() {
    let Some(twins) = Twins::run("hello") else { return };
    let reply = twins.agree("GET /a%20b/c?foo=bar&x=1 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(reply.contains("\nreal path=/a%20b/c\n"), "{reply}");
    twins.agree("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
}

#[test]
fn post_form_answers_as_its_twin() {
    let Some(theirs) = run_with_cgi(Path::new("."), "post_form") else { return };
    let ours = Example::run("post_form", &["0"]);
    assert_eq!(list_form(ours.address), list_form(theirs.address));
}

#[test]
fn upload_files_answers_as_its_twin() {
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [here, there] = directories.each_ref().map(tempfile::TempDir::path);
    let Some(theirs) = run_with_cgi(there, "upload_files") else { return };
    let ours = Example::run("upload_files", &["0", here.to_str().unwrap()]);
    let status = |reply: String| reply.split(' ').nth(1).unwrap().to_owned();
    let [ours, theirs] = [(ours, here), (theirs, there)].map(|(program, directory)| {
        fs::create_dir(directory.join("sub")).unwrap();
        let put = |target: &str| {
            let request = format!("PUT {target} HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc");
            status(String::from_utf8(hear_out(program.address, request.as_bytes())).unwrap())
        };
        let targets = ["/a", "/a", "*", "/sub", "/", "/no/x", "/sub/b", "/.x", "/sub/.y/z"];
        let parts = [("name=f; filename=\"x/c\"", "c".repeat(5000)), ("name=t", "text".to_owned())];
        let posted = status(post_parts(program.address, "/", &parts));
        let sizes = ["a", "sub/b", "c"].map(|name| fs::metadata(directory.join(name)).ok());
        let before = sizes.map(|file| file.map(|file| file.len()));
        let codes = targets.map(put);
        let part = "PUT /a HTTP/1.0\r\nContent-Range: bytes 3-4/5\r\nContent-Length: 2\r\n\r\nxx";
        let refused =
            status(String::from_utf8(hear_out(program.address, part.as_bytes())).unwrap());
        assert_eq!(refused, "400");
        let sizes =
            ["a", "sub/b", "c"].map(|name| fs::metadata(directory.join(name)).unwrap().len());
        (posted, before, codes, sizes)
    });
    assert_eq!(ours, theirs);
    assert_eq!((ours.0.as_str(), ours.3), ("303", [3, 3, 5000]));
}

/// Starts a twin by a Python that still has `cgi`.
fn run_with_cgi(directory: &Path, name: &str) -> Option<Example> {
    let Some(python) = python_with_cgi() else {
        println!("skipped: there is no Python with the module cgi");
        return None;
    };
    Some(Example::start(python_twin(&python, name).current_dir(directory)))
}

#[test]
fn error_404_answers_as_its_twin() {
    let Some(twins) = Twins::run("error_404") else { return };
    twins.agree("GET / HTTP/1.0\r\n\r\n");
    twins.agree("POST / HTTP/1.0\r\n\r\n");
}

#[test]
fn threads_have_names_as_those_of_the_twins() {
    for name in ["threaded_name", "own_strategy"] {
        let Some(twins) = Twins::run(name) else { return };
        for program in [&twins.ours, &twins.theirs] {
            let reply = hear_out(program.address, b"GET / HTTP/1.0\r\n\r\n");
            // Python adds what the thread does.
            let head =
                "HTTP/1.0 200 OK\\r\\n{S}{D}Content-Type: text/plain; charset=utf-8\\r\\n\\r\\n";
            assert!(show(mask(&reply)).starts_with(&format!("{head}Thread-1")), "{name}");
        }
    }
}

#[test]
fn login_api_answers_as_its_twin() {
    let Some(twins) = Twins::run("login_api") else { return };
    for (path, body) in [("/north/login", "{\"ip\": \"10.0.0.1\"}"), ("/x", "{}")] {
        let length = body.len();
        twins.agree(&format!("POST {path} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{body}"));
    }
}

#[test]
fn echo_tcp_answers_as_its_twin() {
    let Some(twins) = Twins::run("echo_tcp") else { return };
    assert_eq!(twins.agree("hello\nw\u{e9}\n"), "HELLO\nW\u{e9}\n");
}

#[test]
fn shared_state_answers_as_its_twin() {
    let Some(twins) = Twins::run("shared_state") else { return };
    for number in 1..=3 {
        let reply = twins.agree("GET / HTTP/1.0\r\n\r\n");
        assert!(reply.ends_with(&format!("\r\n\r\nvisit {number}\n")), "{reply}");
    }
}

#[test]
fn shutdown_from_thread_answers_as_its_twin() {
    let Some(twins) = Twins::run("shutdown_from_thread") else { return };
    twins.agree("GET / HTTP/1.0\r\n\r\n");
}

#[test]
fn the_evolving_server_answers_as_its_twins() {
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/server_evolution");
    for name in
        ["server_evolution_1_socket", "server_evolution_2_tcpserver", "server_evolution_3_files"]
    {
        let Some(twins) = Twins::run_in(&files, name) else { return };
        twins.agree("GET /test.jpg HTTP/1.0\r\n\r\n");
        twins.agree("POST / HTTP/1.0\r\nContent-Length: 13\r\n\r\nfirstname=Ada");
        if name == "server_evolution_3_files" {
            twins.agree("GET / HTTP/1.0\r\n\r\n");
        }
    }
}

#[test]
fn server_evolution_4_cgi_answers_as_its_twin() {
    if newest_python().is_some_and(|(version, _)| version >= (3, 15, 0)) {
        println!("skipped: this Python has no CGIHTTPRequestHandler");
        return;
    }
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/server_evolution");
    let Some(twins) = Twins::run_in(&files, "server_evolution_4_cgi") else { return };
    twins.agree("GET /form.html HTTP/1.0\r\n\r\n");
    twins.agree("POST / HTTP/1.0\r\nContent-Length: 13\r\n\r\nfirstname=Ada");
    let form = "POST /cgi-bin/post.py HTTP/1.0\r\nContent-Length: 13\r\n\r\nfirstname=Ada";
    for (program, line_end) in [(&twins.ours, "\r\n"), (&twins.theirs, "\n")] {
        let reply = hear_out(program.address, form.as_bytes());
        // Python passes the script's head on with the line ends that it has.
        let expected = format!(
            "HTTP/1.0 200 Script output follows\r\n{{S}}{{D}}Content-Type: text/html; \
             charset=utf-8{line_end}{line_end}<!DOCTYPE html>\n<title>A server evolves</title>\n\
             <p>Hello, Ada!</p>\n"
        );
        assert_eq!(show(mask(&reply)), show(expected));
    }
}

#[test]
fn cors_files_answers_as_its_twin() {
    let site = Site::new();
    let Some(twins) = Twins::run_in(&site.path(""), "cors_files") else { return };
    for line in ["GET /a.txt", "HEAD /a.txt", "GET /sub/", "GET /nope", "OPTIONS /"] {
        twins.agree(&format!("{line} HTTP/1.0\r\n\r\n"));
    }
    // Python's `Location` is `/sub/`.
    let reply = hear_out(twins.ours.address, b"GET /sub HTTP/1.0\r\n\r\n");
    let fields = "Location: sub/\r\nContent-Length: 0\r\nAccess-Control-Allow-Origin: *\r\n\r\n";
    let expected = ["HTTP/1.0 301 Moved Permanently\r\n{S}{D}", fields].concat();
    assert_eq!(show(mask(&reply)), show(expected));
}

#[test]
fn basic_auth_answers_as_its_twin() {
    let site = Site::new();
    let Some(twins) = Twins::run_in(&site.path(""), "basic_auth") else { return };
    for line in ["GET /a.txt", "HEAD /a.txt"] {
        for credentials in ["", "Authorization: Basic YWRhOmxvdmVsYWNl\r\n"] {
            twins.agree(&format!("{line} HTTP/1.0\r\n{credentials}\r\n"));
        }
    }
}

#[test]
fn json_rest_answers_as_its_twin() {
    let Some(twins) = Twins::run("json_rest") else { return };
    for (line, body) in [
        ("GET /notes", ""),
        ("POST /notes", "{\"text\": \"caf\u{e9}\"}"),
        ("POST /notes", "[1, null]"),
        ("POST /notes/1", "1"),
        ("GET /notes", ""),
        ("GET /notes/1", ""),
        ("PUT /notes/1", "{\"text\": \"tea\"}"),
        ("PUT /notes/7", "1"),
        ("DELETE /notes/2", ""),
        ("DELETE /notes/2", ""),
        ("GET /notes/2", ""),
        ("GET /notes", ""),
        ("PATCH /notes", ""),
    ] {
        let length = body.len();
        twins.agree(&format!("{line} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{body}"));
    }
}

#[test]
fn redirect_server_answers_as_its_twin() {
    let Some(twins) = Twins::run("redirect_server") else { return };
    for line in ["GET /a?b=c", "HEAD //evil.example/", "GET /%20", "POST /"] {
        twins.agree(&format!("{line} HTTP/1.0\r\n\r\n"));
    }
}

#[test]
fn webhook_receiver_answers_as_its_twin() {
    let Some(twins) = Twins::run("webhook_receiver") else { return };
    for signature in [SIGNATURE, &SIGNATURE[1..], "sha256="] {
        twins.agree(&format!(
            "POST / HTTP/1.0\r\nContent-Length: 13\r\nX-Hub-Signature-256: {signature}\r\n\r\nHello, World!"
        ));
    }
    twins.agree("POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}");
    assert_eq!(twins.ours.line(), "None Hello, World!");
    assert_eq!(twins.theirs.line(), "None Hello, World!");
}

#[test]
fn metrics_endpoint_answers_as_its_twin() {
    let Some(twins) = Twins::run("metrics_endpoint") else { return };
    for line in ["GET /", "GET /nope", "GET /metrics", "POST /", "GET /", "GET /metrics"] {
        twins.agree(&format!("{line} HTTP/1.0\r\n\r\n"));
    }
}

#[test]
fn chat_and_udp_echo_go_as_with_their_twins() {
    let Some(twins) = Twins::run("chat") else { return };
    chat_among_three(&twins.ours);
    chat_among_three(&twins.theirs);
    let Some(twins) = Twins::run("udp_echo") else { return };
    shout_back(&twins.ours);
    shout_back(&twins.theirs);
}

#[test]
#[cfg(target_os = "linux")]
fn unix_echo_goes_as_with_its_twin() {
    let Some((_, python)) = newest_python() else { return };
    let paths = [free_path(), free_path()];
    let [ours, theirs] = paths.each_ref().map(|path| path.to_str().unwrap());
    let _ours = Example::run_in(".", "unix_echo", &[ours]);
    let _theirs = Example::start(python_twin(&python, "unix_echo").arg(theirs));
    for path in paths {
        echo_two_lines(&path);
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn conversations_go_as_with_the_twins() {
    let upstream = serve(Mirror);
    type Conversation<'a> = &'a dyn Fn(&Example) -> Vec<String>;
    let conversations: [(&str, Conversation<'_>); 7] = [
        ("sse", &|program| vec![listen_and_post(program)]),
        ("long_poll", &|program| poll_and_post(program).to_vec()),
        ("websocket_echo", &|program| vec![shake_hands_and_echo(program)]),
        ("forward_proxy", &|program| fetch_and_tunnel(program, upstream.address).to_vec()),
        ("oauth_callback", &|program| vec![bring_code(program, "4/a+b"), program.line()]),
        ("mock_server", &|program| vec![program.line()]),
        ("mjpeg", &|program| watch_two_frames(program).to_vec()),
    ];
    for (name, conversation) in conversations {
        let Some(twins) = Twins::run(name) else { return };
        let [ours, theirs] = [&twins.ours, &twins.theirs].map(|program| {
            let said = conversation(program);
            said.iter().map(|text| show(mask(text.as_bytes()))).collect::<Vec<_>>()
        });
        assert_eq!(ours, theirs, "{name}");
    }
}

#[test]
fn bounded_pool_refuses_clients_as_its_twin() {
    let Some(twins) = Twins::run("bounded_pool") else { return };
    for program in [&twins.ours, &twins.theirs] {
        let refused = crowd(program);
        assert!(refused.starts_with("HTTP/1.0 503 Service Unavailable\r\n"), "{refused}");
        assert!(refused.contains("\r\nRetry-After: "), "{refused}");
    }
}

/// A JSON reply with its body in one way of writing it, and without the token that is a secret.
fn json(reply: &[u8]) -> Option<Vec<u8>> {
    let text = str::from_utf8(reply).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut value: Value = serde_json::from_str(body).ok()?;
    if let Some(token) = value.get_mut("token") {
        *token = token.as_str()?.len().into();
    }
    head.contains("Content-Type: application/json").then(|| format!("{head}\n{value}").into())
}

/// Replaces what names the program and its client's port.
fn without_names(reply: &[u8]) -> Vec<u8> {
    let lines = reply.split(|byte| *byte == b'\n');
    let lines = lines.map(|line| match line {
        _ if line.starts_with(b"sys_version=") => b"sys_version={}".as_slice(),
        _ if line.starts_with(b"client_address=") => b"client_address={}",
        _ => line,
    });
    lines.collect::<Vec<_>>().join(&b'\n')
}
