//! A process between the lab and a server, which ends the server with the lab, however that ends.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;

use nix::sys::signal::{SigSet, Signal, killpg};
use nix::unistd::Pid;

use crate::Failure;

/// Starts a program in a process group of its own, and kills the group at the end of the input.
///
/// Prints `pid NUMBER` at the start, and `ended HOW` if the program ends before. A signal does not
/// end it: the program would go on alone.
pub(crate) fn keep(program: &str, arguments: &[String]) -> Result<(), Failure> {
    let ends = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT];
    // The program begins with no signal blocked.
    SigSet::from_iter(ends).thread_block().map_err(io::Error::from)?;
    let child = Command::new(program)
        .args(arguments)
        .env("RUST_BACKTRACE", "0") // A backtrace takes long enough to look like a slow server.
        .stdin(Stdio::null())
        .process_group(0)
        .spawn();
    let mut child = child.map_err(|error| match error.kind() {
        ErrorKind::NotFound => Failure(format!("there is no {program}")),
        ErrorKind::WouldBlock => Failure::of_start(&error),
        _ => Failure(format!("{program}: {error}")),
    })?;
    let group = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
    say(&format!("pid {group}"));
    let waiting = thread::Builder::new().spawn(move || {
        if let Ok(status) = child.wait() {
            say(&format!("ended {status}"));
        }
    });
    let kept = match waiting {
        Ok(_) => io::stdin().read_to_end(&mut Vec::new()).map_err(Failure::from),
        Err(error) => Err(Failure::of_start(&error)),
    };
    let _ = killpg(group, Signal::SIGKILL); // The last of it may have ended.
    kept.map(drop)
}

/// The lab may be gone.
fn say(line: &str) {
    let mut out = io::stdout();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
