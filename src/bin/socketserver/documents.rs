//! What packagers install beside the command: completions and the manual page.

use std::io::{self, ErrorKind, Write};

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command, CommandFactory, ValueHint};

use crate::args::Args;
use crate::manual;

/// The command with those options that the help shows: scripts of completions have the others, too.
fn shown() -> Command {
    let command = Args::command();
    let options = command.get_arguments().filter(|option| !option.is_hide_set());
    let options = options.flat_map(as_typed);
    let shown = Command::new("socketserver").disable_help_flag(true).disable_version_flag(true);
    shown.version(env!("CARGO_PKG_VERSION")).args(options)
}

/// An option as scripts of completions can offer it, perhaps as two.
///
/// They write a value behind a blank, also where an option takes it behind `=` alone: such an
/// option is offered without its value, and in one word with each of them. A value of no known kind
/// would be completed as the name of a file.
fn as_typed(option: &Arg) -> Vec<Arg> {
    let mut option = option.clone();
    if option.get_id() == "processes" {
        option = option.value_parser(PossibleValuesParser::new(["auto"]));
    }
    if option.is_require_equals_set() {
        let values = option.get_possible_values().into_iter().filter(|value| !value.is_hide_set());
        let name = option.get_long().unwrap_or_default();
        let names: Vec<_> = values.map(|value| format!("{name}={}", value.get_name())).collect();
        let plain = |name: String| {
            // clap takes names that last; the command ends when these are printed.
            let name: &'static str = name.leak();
            let help = option.get_help().cloned().unwrap_or_default();
            Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
        };
        return [name.to_owned()].into_iter().chain(names).map(plain).collect();
    }
    let is_value = option.get_action().takes_values() && !option.is_positional();
    if is_value && option.get_value_hint() == ValueHint::Unknown {
        option = option.value_hint(ValueHint::Other);
    }
    vec![option]
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
