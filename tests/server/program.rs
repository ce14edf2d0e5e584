//! The servers of the tests, in processes without the test harness: its threads and `fork` do not
//! mix. Its arguments are a topic and which of its servers to run.

#![allow(
    clippy::unwrap_used,
    reason = "a test that finds something else than it expects should panic, and say where"
)]

mod forking;
mod keeper;
#[path = "../shared/limits.rs"]
#[allow(dead_code, reason = "the clients need more of it")]
mod limits;
#[path = "../shared/lines.rs"]
mod lines;
mod matrix;
mod pre_fork;

use std::io::{self, BufRead};
use std::process::ExitCode;

use nix::sys::resource::{Resource, setrlimit};
use socketserver::concurrency::Concurrency;
use socketserver::{Connection, Server, ServerKind, Signal};

fn main() -> ExitCode {
    // A crash that is asked for need not leave its memory behind.
    setrlimit(Resource::RLIMIT_CORE, 0, 0).unwrap();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["forking", kind] => forking::serve(kind),
        ["forking, hearing signals", kind] => forking::serve_and_hear(kind),
        #[cfg(feature = "tls")]
        ["forking over tls", certificate] => forking::serve_over_tls(certificate),
        ["keeping files", kind, directory] => keeper::serve(kind, directory),
        ["matrix", kind, strategy, transport] => matrix::serve(kind, strategy, transport),
        ["pre_fork", kind] => pre_fork::serve(kind),
        ["exit with 7"] => return ExitCode::from(7),
        other => panic!("what is {other:?}?"),
    }
    ExitCode::SUCCESS
}

/// Serves over any transport, and tells where and how it ended.
fn serve_prepared<K: ServerKind, C: Concurrency>(mut server: Server<K, C>) {
    server.shutdown_on_signals(&[Signal::TERM]).unwrap();
    say(format!("{}", server.server_address().into()).trim_start_matches("unix:"));
    server.serve_forever().unwrap();
    let report = server.shutdown_report();
    drop(server);
    say(&format!("report: {} finished, {} cut", report.finished, report.cut));
}

/// Tells the client's side, past this process's own buffer.
fn say(line: &str) {
    // Nobody listens when the test is over.
    let _ = nix::unistd::write(io::stdout(), format!("{line}\n").as_bytes());
}

fn read_line(connection: &mut Connection) -> io::Result<String> {
    let mut line = String::new();
    connection.rfile.read_line(&mut line)?;
    Ok(line.trim_end_matches('\n').to_owned())
}

fn install_logger() {
    log::set_logger(&SAYS).unwrap();
    log::set_max_level(log::LevelFilter::Warn);
}

/// A logger that tells the client's side.
struct Says;

static SAYS: Says = Says;

impl log::Log for Says {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        say(&format!("{} {}", record.level(), record.args()));
    }

    fn flush(&self) {}
}
