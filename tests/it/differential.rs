//! The same bytes to CPython and to us: the same replies and log lines, but for what is listed
//! here.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, Command, Stdio};
use std::sync::OnceLock;

use socketserver::{Connection, TcpServer, ThreadPool};

use crate::differential_cases::{cgi_cases, cgi_site, file_cases, kept_cases, method_cases};
use crate::differential_intended::{CHANGED, INTENDED, UPDATES, Update};
use crate::http_wire_methods::methods;
use crate::support::{Notes, Running, bind, testing};
use crate::web::{Site, find, hear_out, noting, serve, show};

/// A version of Python.
pub(crate) type Version = (u8, u8, u8);

/// A running CPython.
struct Python {
    version: Version,
    child: Child,
    input: ChildStdin,
    errors: RefCell<Lines<BufReader<ChildStderr>>>,
    addresses: Vec<SocketAddr>,
}

impl Python {
    /// Starts the newest one there is, or that of the variable `PYTHON`. None where there is none,
    /// which must not happen in CI.
    fn start(directory: &Path) -> Option<Self> {
        let Some((version, program)) = newest_python() else {
            println!("no Python of 3.11 or later was found: nothing is compared");
            assert!(std::env::var_os("CI").is_none(), "CI needs a Python to compare with");
            return None;
        };
        println!("comparing with {} {version:?}", program.display());
        let mut child = Command::new(program)
            .arg("-c")
            .arg(include_str!("differential.py"))
            .arg(directory)
            // The listing's names, and no deprecations.
            .env("PYTHONUTF8", "1")
            .env("PYTHONWARNINGS", "ignore")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ports = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ports).unwrap();
        let ports = ports.split_whitespace().map(|port| port.parse::<u16>().unwrap());
        let addresses: Vec<_> =
            ports.map(|port| SocketAddr::from(([127, 0, 0, 1], port))).collect();
        assert!(addresses.len() >= 5, "Python did not start");
        let input = child.stdin.take().unwrap();
        let errors = RefCell::new(BufReader::new(child.stderr.take().unwrap()).lines());
        Some(Self { version, child, input, errors, addresses })
    }

    /// What it has logged since the last call.
    fn log(&self) -> Vec<String> {
        (&self.input).write_all(b"\n").unwrap();
        let mut errors = self.errors.borrow_mut();
        let lines = errors.by_ref().map(Result::unwrap);
        lines.take_while(|line| line != "mark").collect()
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The newest Python there is, or that of the variable `PYTHON`; found once.
pub(crate) fn newest_python() -> Option<(Version, PathBuf)> {
    static NEWEST: OnceLock<Option<(Version, PathBuf)>> = OnceLock::new();
    NEWEST.get_or_init(find_python).clone()
}

fn find_python() -> Option<(Version, PathBuf)> {
    if let Some(chosen) = std::env::var_os("PYTHON") {
        let chosen = PathBuf::from(chosen);
        return version_of(&chosen).map(|version| (version, chosen));
    }
    let mut programs: Vec<PathBuf> = vec!["python3".into()];
    programs.extend((11..30).map(|minor| format!("python3.{minor}").into()));
    let versions = std::env::home_dir().map(|home| home.join(".pyenv/versions"));
    for entry in versions.and_then(|path| fs::read_dir(path).ok()).into_iter().flatten().flatten() {
        programs.push(entry.path().join("bin/python3"));
    }
    let found = programs.into_iter().filter_map(|program| Some((version_of(&program)?, program)));
    found.filter(|(version, _)| *version >= (3, 11, 0)).max()
}

fn version_of(program: &Path) -> Option<Version> {
    let print = "import sys; print(*sys.version_info[:3])";
    let output = Command::new(program).args(["-c", print]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut numbers = text.split_whitespace().map_while(|word| word.parse().ok());
    Some((numbers.next()?, numbers.next()?, numbers.next()?))
}

/// A reply of this version of Python as later ones send it, and without what differs by intent.
pub(crate) fn comparable(version: Version, reply: &[u8]) -> Vec<u8> {
    let updates = UPDATES.iter().filter(|update| version < update.versions.1);
    updates.fold(mask(reply), |reply, update| (update.apply)("HTTP/1.0", &reply))
}

/// Replaces dates and server versions, of which only the form is compared, and drops what CPython
/// does not send of files: entity tags and `Accept-Ranges`.
pub(crate) fn mask(reply: &[u8]) -> Vec<u8> {
    let mut masked = Vec::new();
    let mut rest = reply;
    while let Some(end) = find(rest, b"\r\n") {
        let (line, tail) = rest.split_at(end + 2);
        match line {
            [b'D', b'a', b't', b'e', b':', ..] if line.len() == "Date: ".len() + 29 + 2 => {
                masked.extend_from_slice(b"{D}");
            }
            b"Accept-Ranges: bytes\r\n" => {}
            [b'E', b'T', b'a', b'g', b':', b' ', b'"', ..]
                if line.len() == "ETag: \"0123456789abcdef\"\r\n".len() => {}
            [b'S', b'e', b'r', b'v', b'e', b'r', b':', ..] => masked.extend_from_slice(b"{S}"),
            _ => masked.extend_from_slice(line),
        }
        rest = tail;
    }
    masked.extend_from_slice(rest);
    masked
}

/// A log message as Python writes it out.
fn written_out(message: &str) -> String {
    let escape = |character: char| match character {
        '\\' => "\\\\".to_owned(),
        '\0'..='\x1f' | '\x7f'..='\u{9f}' => format!("\\x{:02x}", u32::from(character)),
        other => other.to_string(),
    };
    message.chars().map(escape).collect()
}

/// Sends each request to both and compares what comes of it.
fn compare(
    python: &Python,
    theirs: SocketAddr,
    ours: &Running,
    log: &Notes<String>,
    (protocol, updates): (&str, &[Update]),
    cases: &[(String, Vec<u8>)],
) {
    let mut problems = Vec::new();
    let mut unused: BTreeSet<_> = updates
        .iter()
        .filter(|update| python.version <= update.versions.0)
        .map(|update| update.what)
        .collect();
    log.so_far();
    python.log();
    for (name, request) in cases {
        let our_reply = mask(&hear_out(ours.address, request));
        let our_log: Vec<_> = log.so_far().iter().map(|line| written_out(line)).collect();
        let mut their_reply = mask(&hear_out(theirs, request));
        let their_log: Vec<_> =
            python.log().iter().map(|line| with_escaped_quotes(&without_prefix(line))).collect();
        for update in updates.iter().filter(|update| python.version < update.versions.1) {
            let updated = (update.apply)(protocol, &their_reply);
            if updated != their_reply {
                unused.remove(update.what);
            }
            their_reply = updated;
        }
        let same = our_reply == their_reply && our_log == their_log;
        let differences = format!(
            "  request {:?}\n  ours   {:?}\n  theirs {:?}\n  our log   {our_log:?}\n  their log {their_log:?}",
            show(&request[..request.len().min(300)]),
            show(&our_reply),
            show(&their_reply),
        );
        let intended = INTENDED.iter().find(|(case, ..)| case == name);
        let changed = CHANGED.iter().find(|(case, ..)| case == name);
        match (intended, changed) {
            (Some((_, reason, begins)), _) => {
                if same {
                    problems.push(format!("{name} is listed as different ({reason}) and is not"));
                } else if !our_reply.starts_with(begins.as_bytes()) {
                    problems.push(format!("{name} is not answered with {begins:?}\n{differences}"));
                }
            }
            (None, Some((_, last, first, reason))) => {
                if same && python.version <= *last {
                    problems
                        .push(format!("{name} is listed as changed since ({reason}) and is not"));
                } else if !same && python.version >= *first {
                    problems
                        .push(format!("{name} has changed ({reason}) and differs\n{differences}"));
                }
            }
            (None, None) if !same => problems.push(format!("{name} differs\n{differences}")),
            (None, None) => {}
        }
    }
    problems.extend(unused.iter().map(|what| format!("no reply needed the update {what}")));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// An entry of a request as we write it: its own quotes are `%22`.
fn with_escaped_quotes(message: &str) -> String {
    let parts = message.strip_prefix('"').and_then(|rest| rest.rsplit_once('"'));
    parts.map_or(message.to_owned(), |(line, rest)| {
        format!("\"{}\"{rest}", line.replace('"', "%22"))
    })
}

/// A log line without address and time.
fn without_prefix(line: &str) -> String {
    let message = line.strip_prefix("127.0.0.1 - - [").and_then(|rest| rest.split_once("] "));
    message.map_or(line, |(_, message)| message).to_owned()
}

fn site() -> Site {
    let site = Site::new();
    for directory in ["back\\slash", "é", "raw"] {
        fs::create_dir(site.path(directory)).unwrap();
    }
    for name in ["<b>&\"'", "100%", "a:b", "tab\t", "snow☃", ".hidden", "~tilde-_.", "Zed", "zed2"]
    {
        site.write(format!("é/{name}"), name);
    }
    site.write(Path::new("raw").join(OsStr::from_bytes(b"\xff")), "raw");
    site
}

pub(crate) fn case(name: &str, request: impl AsRef<[u8]>) -> (String, Vec<u8>) {
    (name.to_owned(), request.as_ref().to_vec())
}

#[test]
fn files_are_answered_as_by_cpython() {
    let site = site();
    let Some(python) = Python::start(&site.path("")) else { return };
    let handler = noting(site.handler());
    let log = handler.log.clone();
    compare(
        &python,
        python.addresses[0],
        &serve(handler),
        &log,
        ("HTTP/1.0", &UPDATES),
        &file_cases(),
    );
}

#[test]
fn kept_connections_are_answered_as_by_cpython() {
    let site = site();
    let Some(python) = Python::start(&site.path("")) else { return };
    let handler = noting(site.handler()).http11();
    let log = handler.log.clone();
    compare(
        &python,
        python.addresses[1],
        &serve(handler),
        &log,
        ("HTTP/1.1", &UPDATES),
        &kept_cases(),
    );
}

#[test]
fn handlers_are_answered_for_as_by_cpython() {
    let site = Site::empty();
    let Some(python) = Python::start(&site.path("")) else { return };
    let handler = methods(&site);
    let log = handler.log.clone();
    compare(
        &python,
        python.addresses[2],
        &serve(handler),
        &log,
        ("HTTP/1.1", &UPDATES[..2]),
        &method_cases(),
    );
}

#[test]
fn programs_are_run_as_by_cpython() {
    let site = cgi_site();
    let Some(python) = Python::start(&site.site.path("")) else { return };
    let Some(&theirs) = python.addresses.get(5) else {
        println!("skipped: {:?} has no CGIHTTPRequestHandler", python.version);
        return;
    };
    let handler = noting(site.handler());
    let log = handler.log.clone();
    let ours = serve(handler);
    compare(&python, theirs, &ours, &log, ("HTTP/1.0", &UPDATES[1..2]), &cgi_cases());
}

#[test]
fn every_listed_difference_belongs_to_a_case() {
    let cases = [file_cases(), kept_cases(), method_cases(), cgi_cases()].concat();
    let names: BTreeSet<_> = cases.iter().map(|(name, _)| name.as_str()).collect();
    let listed = INTENDED.iter().map(|row| row.0).chain(CHANGED.iter().map(|row| row.0));
    for name in listed {
        assert!(names.contains(name), "{name} is no case");
    }
}

#[test]
fn streams_are_handled_as_by_cpython() {
    let site = Site::empty();
    let Some(python) = Python::start(&site.path("")) else { return };
    let lines = |connection: Connection| {
        let Connection { rfile: mut input, wfile: mut output, .. } = connection;
        let mut line = String::new();
        while input.read_line(&mut line)? > 0 {
            if line == "raise\n" {
                return Err(std::io::Error::other("boom"));
            }
            output.write_all(line.to_uppercase().as_bytes())?;
            line.clear();
        }
        Ok(())
    };
    let ours: TcpServer<ThreadPool, _> = bind(testing(lines));
    let errors = ours.handler().errors.clone();
    let ours = Running::start(ours);
    let nobodys: TcpServer<ThreadPool, _> = bind(testing(lines).verify(|_| false));
    let nobodys = Running::start(nobodys);
    for request in ["", "a\n", "a\nb\n", "raise\n", "a\nraise\nb\n", "no end"] {
        let request = request.as_bytes();
        let theirs = hear_out(python.addresses[3], request);
        assert_eq!(show(hear_out(ours.address, request)), show(theirs));
        let their_log = python.log();
        // Here a connection is closed before its error is told.
        let our_log = their_log.iter().map(|_| format!("error {}", errors.next().1));
        assert_eq!(our_log.collect::<Vec<_>>(), their_log);
        // Whom `verify_request` turns away hears nothing, and nothing is said.
        assert_eq!(show(hear_out(python.addresses[4], request)), "");
        assert_eq!(show(hear_out(nobodys.address, request)), "");
        assert!(python.log().is_empty());
    }
    assert!(errors.so_far().is_empty());
}
