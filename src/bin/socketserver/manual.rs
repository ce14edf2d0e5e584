//! The manual page: the options as the help has them, and what only a page has room for.

use clap::{Arg, ArgAction, Command, CommandFactory};
use roff::{Inline, Roff, bold, italic, roman};

use crate::args::Args;
use crate::examples::EXAMPLES;
use crate::manual_text::{DESCRIPTION, ENVIRONMENT, EXIT_STATUS, FILES, SEE_ALSO, SIGNALS};

/// The page, in the format of man(7).
pub(crate) fn page() -> String {
    let mut command = Args::command();
    command.build();
    let mut page = Roff::new();
    let source = format!("socketserver {}", env!("CARGO_PKG_VERSION"));
    page.control("TH", ["SOCKETSERVER", "1", DATE, &source, "User Commands"]);
    // Words of options stay whole, and gaps small.
    page.control("nh", []);
    page.control("ad", ["l"]);
    page.control("SH", ["NAME"]);
    page.text([roman("socketserver - serve the files of a directory over HTTP or HTTPS")]);
    page.control("SH", ["SYNOPSIS"]);
    synopsis(&mut page, &command);
    page.control("SH", ["DESCRIPTION"]);
    paragraphs(&mut page, "PP", DESCRIPTION);
    page.control("SH", ["OPTIONS"]);
    options(&mut page, &command);
    page.control("SH", ["EXAMPLES"]);
    for (purpose, command) in EXAMPLES {
        page.control("TP", ["4"]);
        page.text([roman(purpose)]);
        page.text([bold(command)]);
    }
    for (heading, entries) in [
        ("SIGNALS", SIGNALS),
        ("EXIT STATUS", EXIT_STATUS),
        ("ENVIRONMENT", ENVIRONMENT),
        ("FILES", FILES),
    ] {
        page.control("SH", [heading]);
        for (names, text) in entries {
            page.control("TP", []);
            page.text([bold(*names)]);
            paragraphs(&mut page, "IP", text);
        }
    }
    page.control("SH", ["SEE ALSO"]);
    for (position, (name, section)) in SEE_ALSO.iter().enumerate() {
        let comma = if position + 1 < SEE_ALSO.len() { "," } else { "" };
        page.text([bold(*name), roman(format!("({section}){comma}"))]);
    }
    page.render()
}

/// When the text of the page was last changed, other than in its options.
const DATE: &str = "2026-11-27";

fn synopsis(page: &mut Roff, command: &Command) {
    let mut words = vec![bold("socketserver")];
    let (port, options): (Vec<_>, Vec<_>) = shown(command).partition(|it| it.is_positional());
    for arg in options.into_iter().chain(port) {
        words.push(roman(" ["));
        match (arg.get_short(), arg.get_long()) {
            (Some(short), _) => words.push(bold(format!("-{short}"))),
            (None, Some(long)) => words.push(bold(format!("--{long}"))),
            (None, None) => {}
        }
        let separator = if arg.is_positional() { "" } else { " " };
        words.extend(value(arg, separator));
        words.push(roman("]"));
        let is_repeated = matches!(arg.get_action(), ArgAction::Append);
        words.extend(is_repeated.then(|| roman("...")));
    }
    page.text(words);
}

/// What the help shows, too.
fn shown(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| !arg.is_hide_set())
}

/// Each heading of the help with its options, which stand in several groups of the source.
fn options(page: &mut Roff, command: &Command) {
    let mut headings: Vec<Option<&str>> = Vec::new();
    for heading in shown(command).map(Arg::get_help_heading) {
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    for heading in headings {
        if heading.is_some() {
            page.control("SS", heading);
        }
        below_heading(page, shown(command).filter(|arg| arg.get_help_heading() == heading));
    }
}

fn below_heading<'a>(page: &mut Roff, options: impl Iterator<Item = &'a Arg>) {
    for arg in options {
        let mut names = Vec::new();
        if let Some(short) = arg.get_short() {
            names.push(bold(format!("-{short}")));
        }
        if let Some(long) = arg.get_long() {
            names.extend((!names.is_empty()).then(|| roman(", ")));
            names.push(bold(format!("--{long}")));
        }
        names.extend(value(arg, if names.is_empty() { "" } else { " " }));
        page.control("TP", []);
        page.text(names);
        let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string);
        let mut help = sentence(&help.unwrap_or_default());
        if let Some(default) = arg.get_default_values().first().filter(|_| takes_value(arg)) {
            let (first, rest) = help.split_once('\n').unwrap_or((&help, ""));
            help = format!("{first} [default: {}]\n{rest}", default.display());
        }
        paragraphs(page, "IP", &help);
    }
}

/// The names of an argument's values, if it takes any.
fn value(arg: &Arg, separator: &str) -> Option<Inline> {
    let names = arg.get_value_names().filter(|_| takes_value(arg))?;
    let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
    let names = names.join(" ");
    let is_optional = arg.get_num_args().is_some_and(|range| range.min_values() == 0);
    Some(italic(match (is_optional, arg.is_require_equals_set()) {
        (true, true) => format!("[={names}]"),
        (true, false) => format!("{separator}[{names}]"),
        (false, _) => format!("{separator}{names}"),
    }))
}

fn takes_value(arg: &Arg) -> bool {
    arg.get_action().takes_values()
}

/// Begins with a capital letter, as a page has it.
fn sentence(help: &str) -> String {
    let mut letters = help.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Paragraphs, between which `macro_name` stands.
fn paragraphs(page: &mut Roff, macro_name: &str, text: &str) {
    let all = text.split('\n').map(str::trim).filter(|line| !line.is_empty());
    for (position, paragraph) in all.enumerate() {
        if position > 0 {
            page.control(macro_name, []);
        }
        page.text([roman(paragraph)]);
    }
}
