//! A server that is observed: started, asked for its address, ended when it is dropped.

use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::Failure;
use crate::strategy::Strategy;

/// How long a server may take to start.
const START: Duration = Duration::from_secs(20);

/// How long its end may take.
const END: Duration = Duration::from_secs(2);

/// A running server and its keeper.
pub(crate) struct Observed {
    pub(crate) pid: u32,
    pub(crate) address: SocketAddr,
    keeper: Keeper,
}

struct Keeper {
    process: Child,
    /// The process group of the server, when it is known.
    group: Option<Pid>,
    /// What the server writes to standard error, when it is complete.
    errors: Option<Receiver<String>>,
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
            .spawn()
            .map_err(|error| Failure::of_start(&error))?;
        let outputs = process.stdout.take().zip(process.stderr.take());
        let (stdout, stderr) = outputs.ok_or_else(|| io::Error::other("no output"))?;
        let mut keeper = Keeper { process, group: None, errors: None };
        let lines = lines(stdout).map_err(|error| Failure::of_start(&error))?;
        keeper.errors = Some(all(stderr).map_err(|error| Failure::of_start(&error))?);
        let (mut pid, mut address) = (None, None);
        // The keeper and the server write at the same time.
        while let Ok(line) = lines.recv_timeout(START) {
            if let Some(number) = line.strip_prefix("pid ") {
                pid = number.parse().ok();
                keeper.group = number.parse().ok().map(Pid::from_raw);
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
        let reason = reason(&errors).unwrap_or("it has named no address");
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
        let has_ended_it = self.is_over().is_some_and(|status| status.success());
        // It was killed or stopped, so that the server may be there.
        if let Some(group) = self.group.take().filter(|_| !has_ended_it) {
            let _ = killpg(group, Signal::SIGKILL);
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
        // A process that has left the group can hold the other end for as long as it likes.
        let errors = self.errors.take().map(|errors| errors.recv_timeout(END));
        errors.and_then(Result::ok).unwrap_or_default()
    }

    /// How the keeper has ended, which it does at once unless it was stopped.
    fn is_over(&mut self) -> Option<ExitStatus> {
        let late = Instant::now() + END;
        loop {
            match self.process.try_wait() {
                Ok(None) if Instant::now() < late => thread::sleep(Duration::from_millis(5)),
                status => return status.ok().flatten(),
            }
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.end();
    }
}

/// The line that says why a server has not started: the last one of a Python traceback.
fn reason(errors: &str) -> Option<&str> {
    let mut lines = errors.lines().filter(|line| !line.trim().is_empty());
    let first = lines.next()?;
    let line = if first.starts_with("Traceback ") { lines.next_back()? } else { first };
    Some(line.trim_start_matches("lab: "))
}

/// The lines, until the receiver is gone; the rest is read and dropped.
fn lines(stdout: ChildStdout) -> io::Result<Receiver<String>> {
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new().spawn(move || {
        for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
            let _ = sender.send(String::from_utf8_lossy(&line).into_owned());
        }
    })?;
    Ok(receiver)
}

/// All of it, when it is complete.
fn all(mut stderr: ChildStderr) -> io::Result<Receiver<String>> {
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new().spawn(move || {
        let mut text = Vec::new();
        let _ = stderr.read_to_end(&mut text);
        let _ = sender.send(String::from_utf8_lossy(&text).into_owned());
    })?;
    Ok(receiver)
}

/// The address in a line such as `Serving on http://127.0.0.1:8000/`.
fn find_address(line: &str) -> Option<SocketAddr> {
    let line = line.replace("localhost:", "127.0.0.1:");
    line.split([' ', '/', '(', ')', ',']).find_map(|word| word.parse().ok())
}
