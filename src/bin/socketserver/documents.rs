//! What packagers install beside the command: completions and the manual page.

use std::io::{self, ErrorKind, Write};

use clap::{Command, CommandFactory};

use crate::args::Args;
use crate::manual;

/// The command with those options that the help shows: scripts of completions have the others, too.
fn shown() -> Command {
    let command = Args::command();
    let options = command.get_arguments().filter(|option| !option.is_hide_set());
    let shown = Command::new("socketserver").disable_help_flag(true).disable_version_flag(true);
    shown.version(env!("CARGO_PKG_VERSION")).args(options)
}

/// Prints the completions, the manual page, or both.
///
/// # Errors
///
/// Standard output cannot be written, other than because its reader has read enough.
pub(crate) fn print(args: &Args) -> io::Result<()> {
    let mut text = Vec::new();
    if let Some(shell) = args.completions {
        clap_complete::generate(shell, &mut shown(), "socketserver", &mut text);
    }
    if args.man {
        text.extend(manual::page().into_bytes());
    }
    let mut output = io::stdout().lock();
    match output.write_all(&text).and_then(|()| output.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(io::Error::other(format!("cannot print: {error}"))),
        Ok(()) => Ok(()),
    }
}
