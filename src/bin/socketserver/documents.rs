//! What packagers install beside the command: completions and the manual page.

use std::io::{self, ErrorKind, Write};

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command, CommandFactory, ValueHint};
use clap_complete::Shell;

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

/// The script for bash, with a function around its own that knows what stands before `=`. bash has
/// that as words apart (`COMP_WORDBREAKS`), and wants what follows it alone.
fn joining_words(script: &str) -> String {
    let function = " -F _socketserver ";
    let wrapped = script.replace(function, " -F _socketserver_behind_equals ");
    BEHIND_EQUALS.to_owned() + &wrapped
}

/// An option in one word with its value is looked for first, then its value alone.
const BEHIND_EQUALS: &str = r#"_socketserver_behind_equals() {
    local at=$COMP_CWORD value=$2
    if [[ ${COMP_WORDS[at]} == "=" ]]; then
        value=""
    else
        at=$((at - 1))
    fi
    local option=${COMP_WORDS[at > 0 ? at - 1 : 0]}
    if [[ ${COMP_WORDS[at]} != "=" || $option != --* || $value == -* ]]; then
        _socketserver "$@"
        return
    fi
    _socketserver "$1" "$option=$value" ""
    COMPREPLY=("${COMPREPLY[@]#"$option="}")
    if [[ ${#COMPREPLY[@]} -eq 0 ]]; then
        _socketserver "$1" "$value" "$option"
    fi
}

"#;

/// Prints the completions, the manual page, or both.
///
/// # Errors
///
/// Standard output cannot be written, other than because its reader has read enough.
pub(crate) fn print(args: &Args) -> io::Result<()> {
    let mut text = Vec::new();
    if let Some(shell) = args.completions {
        clap_complete::generate(shell, &mut shown(), "socketserver", &mut text);
        if shell == Shell::Bash {
            text = joining_words(&String::from_utf8_lossy(&text)).into_bytes();
        }
    }
    if args.man {
        text.extend(manual::page().into_bytes());
    }
    printed(io::stdout().write_all(&text))
}

/// What came of printing, once all of it has left.
///
/// # Errors
///
/// As for [`print`].
pub(crate) fn printed(written: io::Result<()>) -> io::Result<()> {
    match written.and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(io::Error::other(format!("cannot print: {error}"))),
        Ok(()) => Ok(()),
    }
}
