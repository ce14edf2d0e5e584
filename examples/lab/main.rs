//! The lab: the same clients under each strategy, seen live in a browser, recorded, or compared.
//!
//! Run: `cargo run --example lab -- 8000`, and open the page that it names
//! Try: `cargo run --example lab -- record out.html slow`, or `.. -- compare slow`

mod clients;
mod clock;
mod compare;
mod draw;
mod keeper;
mod live;
mod observed;
#[path = "../own_strategy.rs"]
#[allow(dead_code, reason = "it is a program of its own, too")]
mod own_strategy;
mod page;
mod record;
mod run;
mod sample;
mod script;
mod serve;
mod stage;
mod strategy;

use std::io;
use std::net::IpAddr;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use compare::Compare;
use record::Record;

/// See what a strategy does: the same clients under each, live in a browser.
#[derive(Parser)]
#[command(name = "lab", args_conflicts_with_subcommands = true, after_help = help())]
struct Lab {
    /// The port of the page; 0 takes a free one.
    #[arg(default_value_t = 8000, value_parser = port)]
    port: u16,
    /// The address of the page. Beyond loopback, all who reach it can run scripts on this machine.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    bind: IpAddr,
    /// The strategies that are chosen at the start, with commas.
    #[arg(long, value_name = "LIST", default_value = strategy::CHOSEN)]
    strategies: String,
    #[command(subcommand)]
    command: Option<Task>,
}

#[derive(Subcommand)]
enum Task {
    #[command(after_help = help())]
    Record(Record),
    #[command(after_help = help())]
    Compare(Compare),
    /// Serves as one of the lab's servers.
    #[command(hide = true)]
    Serve { strategy: String },
    /// Runs a program until the input ends.
    #[command(hide = true)]
    Keep { program: String, arguments: Vec<String> },
}

fn port(text: &str) -> Result<u16, &'static str> {
    text.parse().map_err(|_| "a port is a number up to 65535; other words are record and compare")
}

/// The words that its arguments are made of.
fn help() -> String {
    format!("{}\n\n{}", script::help(), strategy::help())
}

/// What went wrong, in one line.
#[derive(Clone, Debug)]
pub(crate) struct Failure(pub(crate) String);

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

impl Failure {
    /// A thread or a process that could not be started.
    pub(crate) fn of_start(error: &io::Error) -> Self {
        Self(format!("this system starts no more threads or processes: {error}"))
    }
}

fn main() -> ExitCode {
    let lab = match Lab::try_parse() {
        Ok(lab) => lab,
        Err(error)
            if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) =>
        {
            error.exit();
        }
        Err(error) => return fail(&Failure(first_paragraph(&error.to_string()))),
    };
    // A client is a descriptor, and there are hundreds.
    let _ = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, most)| setrlimit(Resource::RLIMIT_NOFILE, most, most));
    let done = match lab.command {
        None => live::serve((lab.bind, lab.port).into(), &lab.strategies),
        Some(Task::Record(record)) => record.run(),
        Some(Task::Compare(compare)) => compare.run(),
        Some(Task::Serve { strategy }) => serve::serve(&strategy),
        Some(Task::Keep { program, arguments }) => keeper::keep(&program, &arguments),
    };
    done.map_or_else(|failure| fail(&failure), |()| ExitCode::SUCCESS)
}

fn fail(failure: &Failure) -> ExitCode {
    eprintln!("lab: {}", failure.0);
    ExitCode::from(2)
}

/// What clap says at first, in one line.
fn first_paragraph(text: &str) -> String {
    let lines = text.trim_start_matches("error: ").lines().take_while(|line| !line.is_empty());
    lines.map(str::trim).collect::<Vec<_>>().join(" ")
}
