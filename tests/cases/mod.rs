//! What programs share that are their own test harness: cases that are run one by one.

use std::io;
use std::panic::catch_unwind;
use std::process::ExitCode;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A case and its name.
pub(crate) type Case = (&'static str, fn());

macro_rules! cases {
    ($($name:path,)*) => { &[$((stringify!($name), $name),)*] };
}

pub(crate) use cases;

/// Runs the cases whose names contain one of the filters, as the test harness would.
pub(crate) fn run<'a>(cases: impl Iterator<Item = &'a Case>, arguments: &[String]) -> ExitCode {
    let filters: Vec<&String> = arguments.iter().filter(|one| !one.starts_with('-')).collect();
    let is_wanted =
        |name: &str| filters.is_empty() || filters.iter().any(|one| name.contains(one.as_str()));
    let (mut passed, mut failed) = (0, 0);
    for (name, case) in cases.filter(|(name, _)| is_wanted(name)) {
        let succeeded = catch_unwind(case).is_ok();
        println!("{name} ... {}", if succeeded { "ok" } else { "FAILED" });
        let count = if succeeded { &mut passed } else { &mut failed };
        *count += 1;
    }
    println!("{passed} passed, {failed} failed");
    ExitCode::from(u8::from(failed > 0))
}

pub(crate) fn send_signal(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).unwrap();
}

/// Tells the client's side, past this process's own buffer.
pub(crate) fn say(line: &str) {
    // Nobody listens when the case is over.
    let _ = nix::unistd::write(io::stdout(), format!("{line}\n").as_bytes());
}
