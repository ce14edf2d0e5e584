//! A server that is observed: started, asked for its address, ended when it is dropped.

use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::Failure;
use crate::strategy::Strategy;

/// How long a server may take to start.
const START: Duration = Duration::from_secs(20);

/// A running server and its keeper.
pub(crate) struct Observed {
    pub(crate) pid: u32,
    pub(crate) address: SocketAddr,
    keeper: Keeper,
}

struct Keeper {
    process: Child,
    /// What the server writes to standard error, when it is complete.
    errors: Option<JoinHandle<String>>,
}

impl Observed {
    pub(crate) fn start(strategy: &Strategy) -> Result<Self, Failure> {
        let (program, arguments) = strategy.command()?;
        let mut process = Command::new(std::env::current_exe()?)
            .arg("keep")
            .arg("--")
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0) // Ctrl-C is for the lab; the keeper ends after it.
            .spawn()?;
        let lines =
            process.stdout.take().map(lines).ok_or_else(|| io::Error::other("no output"))?;
        let errors = process.stderr.take().map(|mut stream| {
            thread::spawn(move || {
                let mut text = Vec::new();
                let _ = stream.read_to_end(&mut text);
                String::from_utf8_lossy(&text).into_owned()
            })
        });
        let mut keeper = Keeper { process, errors };
        let (mut pid, mut address) = (None, None);
        // The keeper and the server write at the same time.
        while let Ok(line) = lines.recv_timeout(START) {
            if let Some(number) = line.strip_prefix("pid ") {
                pid = number.parse().ok();
            } else if line.starts_with("ended ") {
                break;
            } else {
                address = address.or(find_address(&line));
            }
            if let (Some(pid), Some(address)) = (pid, address) {
                return Ok(Self { pid, address, keeper });
            }
        }
        let errors = keeper.end();
        let reason = errors.lines().find(|line| !line.trim().is_empty());
        let reason = reason.unwrap_or("it did not start").trim_start_matches("lab: ");
        Err(Failure(format!("{strategy}: {reason}")))
    }

    /// Ends the server with all its processes.
    pub(crate) fn end(&mut self) {
        self.keeper.end();
    }
}

impl Keeper {
    /// Has the keeper end the server; returns what that has written to standard error.
    fn end(&mut self) -> String {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
        let errors = self.errors.take().map(JoinHandle::join);
        errors.and_then(Result::ok).unwrap_or_default()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.end();
    }
}

/// The lines, until the receiver is gone; the rest is read and dropped.
fn lines(stdout: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
            let _ = sender.send(String::from_utf8_lossy(&line).into_owned());
        }
    });
    receiver
}

/// The address in a line such as `Serving on http://127.0.0.1:8000/`.
fn find_address(line: &str) -> Option<SocketAddr> {
    line.split([' ', '/', '(', ')', ',']).find_map(|word| word.parse().ok())
}
