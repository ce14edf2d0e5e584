//! The Python programs of `COMPARISON.md`, run as they are, answer as the examples beside them do.

use std::path::Path;
use std::process::Command;

use crate::comparison::python_twin;
use crate::differential::{Version, comparable, mask, newest_python};
use crate::examples::Example;
use crate::web::{hear_out, show};

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
        let theirs = Example::start(
            Command::new(python)
                .args(["-c", include_str!("twins.py"), python_twin(name)])
                .env("PYTHONUNBUFFERED", "yes")
                .current_dir(directory),
        );
        Some(Self { version, ours, theirs })
    }

    /// Sends the same bytes to both and compares the replies; returns ours.
    #[track_caller]
    fn agree(&self, request: &str) -> String {
        let ours = hear_out(self.ours.address, request.as_bytes());
        let theirs = hear_out(self.theirs.address, request.as_bytes());
        let (masked, theirs) = (mask(&ours), comparable(self.version, &theirs));
        let (masked, theirs) = (without_names(&masked), without_names(&theirs));
        assert_eq!(show(&masked), show(&theirs), "{request}");
        assert!(!masked.is_empty(), "{request}");
        String::from_utf8_lossy(&ours).into_owned()
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
fn error_404_answers_as_its_twin() {
    let Some(twins) = Twins::run("error_404") else { return };
    twins.agree("GET / HTTP/1.0\r\n\r\n");
    twins.agree("POST / HTTP/1.0\r\n\r\n");
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
