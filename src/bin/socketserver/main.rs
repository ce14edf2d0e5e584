//! The command `socketserver`: `python -m http.server` with further options.

mod args;
mod choices;
mod documents;
mod examples;
mod handler;
mod header;
#[path = "../../host_text.rs"]
mod host_text;
mod limits;
mod listen;
mod logger;
mod manual;
mod manual_text;
mod run;
mod service;
mod tls;
#[path = "../../http/message/token.rs"]
mod token;
mod types;
mod usage;
mod values;
mod variable;

use std::fmt::Display;
use std::process::ExitCode;

use args::Args;

fn main() -> ExitCode {
    let args = match Args::read() {
        Ok(args) => args,
        Err(status) => return status,
    };
    let done = if args.wants_documents() { documents::print(&args) } else { run::run(args) };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
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
