//! A process between the lab and a server, which ends the server with the lab, however that ends.

use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::Failure;

/// Starts a program in a process group of its own, and kills the group at the end of the input.
///
/// Prints `pid NUMBER` at the start, and `ended HOW` if the program ends before.
pub(crate) fn keep(program: &str, arguments: &[String]) -> Result<(), Failure> {
    let child = Command::new(program)
        .args(arguments)
        .env("RUST_BACKTRACE", "0") // A backtrace takes long enough to look like a slow server.
        .stdin(Stdio::null())
        .process_group(0)
        .spawn();
    let mut child = child.map_err(|error| Failure(format!("there is no {program}: {error}")))?;
    let group = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
    say(&format!("pid {group}"));
    thread::spawn(move || {
        if let Ok(status) = child.wait() {
            say(&format!("ended {status}"));
        }
    });
    let ended = io::stdin().read_to_end(&mut Vec::new());
    let _ = killpg(group, Signal::SIGKILL); // The last of it may have ended.
    ended?;
    Ok(())
}

/// The lab may be gone.
fn say(line: &str) {
    let mut out = io::stdout();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
