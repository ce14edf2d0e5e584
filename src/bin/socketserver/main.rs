//! The command `socketserver`: `python -m http.server` with further options.

mod access;
mod args;
mod choices;
mod documents;
mod examples;
mod handler;
mod header;
mod held_back;
#[path = "../../host_text.rs"]
mod host_text;
mod interrupted;
mod layers;
mod limits;
mod listen;
mod logger;
mod manual;
mod manual_text;
mod monitoring;
mod pages;
mod port_file;
mod run;
mod running;
mod secrets;
mod served;
mod service;
mod tls;
mod together;
#[path = "../../http/message/token.rs"]
mod token;
mod types;
mod uploads;
mod usage;
mod values;
mod variable;

use std::fmt::{self, Display};
use std::io;
use std::process::ExitCode;

use args::Args;
use nix::errno::Errno;

fn main() -> ExitCode {
    let args = match Args::read() {
        Ok(args) => args,
        Err(status) => return status,
    };
    let done = if args.wants_documents() { documents::print(&args) } else { run::run(args) };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&explained(&error));
            let is_usage = error.get_ref().is_some_and(|error| error.is::<WrongUsage>());
            if is_usage { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

/// The line about an error. One of the system has no more than its text; and descriptors may run
/// out wherever one is opened, whatever for.
fn explained(error: &io::Error) -> String {
    let is_bare = error.raw_os_error().is_some();
    let text = if is_bare { format!("cannot serve: {error}") } else { error.to_string() };
    let lacks_descriptors = format!("(os error {})", Errno::EMFILE as i32);
    match text.contains(&lacks_descriptors) {
        true => format!("{text}; allow more with ulimit -n"),
        false => text,
    }
}

/// What is wrong with the command line and shows late.
#[derive(Debug)]
struct WrongUsage(String);

impl Display for WrongUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WrongUsage {}

/// An error after which the exit status is that of a wrong command line.
fn wrong_usage(what: &str) -> io::Error {
    io::Error::other(WrongUsage(what.to_owned()))
}

/// Writes one line to standard error. If that is closed or full, the line is lost.
fn complain(what: &dyn Display) {
    let mut line = "socketserver: ".to_owned();
    for character in what.to_string().chars() {
        // Names of files and the output of other programs may contain control characters.
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    socketserver::write_to_stderr(&(line + "\n"));
}
