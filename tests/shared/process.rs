//! Servers in processes of their own, which the program in `tests/server/` runs.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::client::{Client, is_readable_within};
use super::limits::LIMIT;

/// A server in a process of its own, which is killed when the test is over.
pub(crate) struct ServerProcess {
    pub(crate) process: Child,
    pub(crate) input: ChildStdin,
    output: ChildStdout,
    pub(crate) address: SocketAddr,
    /// Where it says that it is: an address, or a path.
    pub(crate) place: String,
    accepted: usize,
}

impl ServerProcess {
    /// Starts the server that these arguments name.
    #[track_caller]
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_by(Command::new(server_program()), arguments)
    }

    /// Starts it by a command that takes the arguments of the program.
    #[track_caller]
    pub(crate) fn start_by(mut command: Command, arguments: &[&str]) -> Self {
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let mut started = Self {
            process,
            input,
            output,
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
            place: String::new(),
            accepted: 0,
        };
        started.place = started.line();
        started.address = started.place.parse().unwrap_or(started.address);
        started
    }

    pub(crate) fn pid(&self) -> i32 {
        self.process.id().try_into().unwrap()
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    #[track_caller]
    pub(crate) fn ask(&self, line: &str) -> String {
        self.connect().ask(line)
    }

    /// Asks the server to shut down.
    pub(crate) fn terminate(&self) {
        send_signal(self.pid(), Signal::SIGTERM);
    }

    /// Waits until the server has accepted so many clients since it was started.
    #[track_caller]
    pub(crate) fn has_accepted(&mut self, count: usize) {
        while self.accepted < count {
            let line = self.any_line();
            assert!(line.starts_with("accepted"), "{line}");
        }
    }

    /// The next thing that the server says, other than that it accepted somebody.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        loop {
            let line = self.any_line();
            if !line.starts_with("accepted") {
                return line;
            }
        }
    }

    /// What the server says after this word; what it says before is skipped.
    #[track_caller]
    pub(crate) fn line_after(&mut self, word: &str) -> String {
        loop {
            if let Some(rest) = self.line().strip_prefix(word) {
                return rest.to_owned();
            }
        }
    }

    #[track_caller]
    fn any_line(&mut self) -> String {
        let mut line = Vec::new();
        loop {
            let mut byte = [0];
            assert!(self.says_something_within(LIMIT), "the server is silent");
            match self.output.read(&mut byte).unwrap() {
                0 => panic!("the server has ended"),
                _ if byte == *b"\n" => break,
                _ => line.push(byte[0]),
            }
        }
        let line = String::from_utf8(line).unwrap();
        self.accepted += usize::from(line.starts_with("accepted"));
        line
    }

    /// All that the server and its children still say.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        let mut piece = [0; 4096];
        loop {
            assert!(self.says_something_within(LIMIT), "the server is silent");
            match self.output.read(&mut piece).unwrap() {
                0 => return String::from_utf8(rest).unwrap(),
                count => rest.extend_from_slice(&piece[..count]),
            }
        }
    }

    pub(crate) fn says_something_within(&self, limit: Duration) -> bool {
        is_readable_within(self.output.as_fd(), limit)
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Tells whether a process runs; one that has ended may wait for a reaper that is none of ours.
pub(crate) fn is_running(process: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}

/// The children of a process, those that have ended and were not reaped included.
pub(crate) fn children_of(pid: i32) -> BTreeSet<i32> {
    if Path::new("/proc/self/task").exists() {
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.unwrap_or_default();
        return children.split_whitespace().map(|child| child.parse().unwrap()).collect();
    }
    let output = Command::new("ps").args(["-A", "-o", "pid=,ppid="]).output();
    let listing = String::from_utf8(output.expect("ps tells about processes").stdout).unwrap();
    let rows = listing.lines().map(|row| row.split_whitespace().map(|id| id.parse().unwrap()));
    let pairs = rows.map(|mut row| (row.next().unwrap(), row.next().unwrap()));
    pairs.filter(|&(_, parent): &(i32, i32)| parent == pid).map(|(child, _)| child).collect()
}

pub(crate) fn send_signal(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).unwrap();
}

/// The program in `tests/server/`.
#[track_caller]
pub(crate) fn server_program() -> PathBuf {
    example_program("test_server")
}

/// The program of an example. Cargo builds examples for `cargo test`, but not for one test program
/// alone.
#[track_caller]
pub(crate) fn example_program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    // Beside the directory of the test programs.
    let examples = test.parent().and_then(Path::parent).unwrap().join("examples");
    let program = examples.join(name);
    assert!(
        is_up_to_date(&program).unwrap_or(false),
        "{} is missing, or older than its sources: run `cargo build --examples`",
        program.display(),
    );
    program
}

/// Compares it with the sources that the compiler has listed. One that is gone is an error.
fn is_up_to_date(program: &Path) -> io::Result<bool> {
    let built = fs::metadata(program)?.modified()?;
    let list = fs::read_to_string(program.with_extension("d"))?;
    let (_, sources) = list.split_once(": ").unwrap_or_default();
    let sources = sources.trim_end().replace("\\ ", "\0");
    let mut changes = sources.split(' ').map(|name| fs::metadata(name.replace('\0', " ")));
    changes.try_fold(true, |is_new, source| Ok(is_new && source?.modified()? <= built))
}
