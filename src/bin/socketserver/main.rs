//! The command `socketserver`: `python -m http.server`, and a little more.

mod args;
mod documents;
mod handler;
mod header;
#[path = "../../host_text.rs"]
mod host_text;
mod limits;
mod listen;
mod logger;
mod run;
mod service;
mod tls;
#[path = "../../http/message/token.rs"]
mod token;
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

/// Writes one line to standard error, which may be closed or full: then there is nobody to tell.
fn complain(what: &dyn Display) {
    let mut line = "socketserver: ".to_owned();
    for character in what.to_string().chars() {
        // A name of a file, or what another program says, may have anything in it.
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    socketserver::write_to_stderr(&(line + "\n"));
}
