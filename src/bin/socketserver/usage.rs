//! Messages about a wrong command line: one line that says what to write instead.

use std::ffi::OsString;

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::args::Args;
use crate::host_text::is_number;
use crate::values::misplaced;

/// A usage error in one line, without the usage.
pub(crate) fn in_one_line(error: &clap::Error, words: &[OsString]) -> String {
    let said = match error.kind() {
        ErrorKind::InvalidUtf8 => not_text(words),
        _ => explained(error),
    };
    let said = said.unwrap_or_else(|| joined(&error.to_string()));
    format!("{said}; see 'socketserver --help'")
}

/// Names the word that may not have bytes other than UTF-8; clap does not. Others may, as those of
/// a path.
fn not_text(words: &[OsString]) -> Option<String> {
    let mut words = words.to_vec();
    for position in 0..words.len() {
        if words[position].to_str().is_some() {
            continue;
        }
        let text = words[position].to_string_lossy().into_owned();
        let word = std::mem::replace(&mut words[position], text.into());
        let read = Args::command().try_get_matches_from(&words);
        if read.err().is_none_or(|error| error.kind() != ErrorKind::InvalidUtf8) {
            return Some(format!("the argument {word:?} is not valid UTF-8"));
        }
    }
    None
}

/// A message for options of other servers, and for mistakes that clap cannot explain.
fn explained(error: &clap::Error) -> Option<String> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let argument = text(ContextKind::InvalidArg)?;
    let advice = match (error.kind(), text(ContextKind::InvalidValue)) {
        (ErrorKind::UnknownArgument, _) => {
            let advice = instead_of(argument).or_else(|| longer(argument));
            let advice = advice.map(|advice| format!(": {advice}")).or_else(|| {
                Some(format!("; a similar argument exists: '--{}'", similar(argument)?))
            });
            let advice = advice.unwrap_or_default();
            return Some(format!("unexpected argument '{argument}' found{advice}"));
        }
        (ErrorKind::ValueValidation, _) if argument.starts_with("--port ") => {
            let advice = instead_of("--port")?;
            return Some(format!("unexpected argument '--port' found: {advice}"));
        }
        (ErrorKind::InvalidValue, Some(value)) if argument.starts_with("--protocol ") => {
            let version = value.rsplit('/').next().unwrap_or_default();
            if ["2", "2.0", "3", "3.0", "0.9"].contains(&version) {
                Some("HTTP/1.0 and HTTP/1.1 are spoken; proxies in front speak others".to_owned())
            } else {
                is_number(value).then(|| format!("give the port alone: socketserver {value}"))
            }
        }
        (ErrorKind::InvalidValue, _) if argument.starts_with("--upload[") => {
            Some("--upload takes new files, --upload=replace others in their place, too".to_owned())
        }
        (ErrorKind::InvalidValue, Some(value)) if argument.starts_with("--concurrency ") => {
            let other = ["prefork", "pre-fork", "pre_fork", "processes"];
            let is_other = other.iter().any(|other| value.eq_ignore_ascii_case(other));
            is_other.then(|| "use --processes auto, which works with every strategy".to_owned())
        }
        _ => None,
    };
    let value = text(ContextKind::InvalidValue)?;
    advice.map(|advice| format!("invalid value '{value}' for '{argument}': {advice}"))
}

/// The names of the options that the help lists, sorted.
fn listed() -> Vec<String> {
    let command = Args::command();
    let listed = command.get_arguments().filter(|option| !option.is_hide_set());
    let mut names: Vec<_> = listed.filter_map(|option| option.get_long().map(Into::into)).collect();
    names.sort_unstable();
    names
}

/// The option that has this name but for a slip, or alone has it as its end. clap goes further, and
/// names `--compress` for `--open`.
fn similar(argument: &str) -> Option<String> {
    let given = argument.strip_prefix("--")?;
    let names = listed();
    let ends = |name: &&String| name.strip_suffix(given).is_some_and(|start| start.ends_with('-'));
    let mut longer = names.iter().filter(ends);
    let only = longer.next().filter(|_| longer.next().is_none());
    names.iter().find(|name| is_slip(given, name)).or(only).cloned()
}

/// Tells whether two names are the same but for a letter, or two that have changed places; in long
/// names, but for two letters side by side.
fn is_slip(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let start = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    let (one, other) = (&one[start..], &other[start..]);
    let is_same = |(one, other): &(&u8, &u8)| one == other;
    let end = one.iter().rev().zip(other.iter().rev()).take_while(is_same).count();
    let (one, other) = (&one[..one.len() - end], &other[..other.len() - end]);
    let is_swapped = one.len() == 2 && one.iter().rev().eq(other);
    let most = if start + end < LONG { 1 } else { 2 };
    // Names with other first letters, such as --sort and --port, are other words.
    start > 0 && (is_swapped || one.len().max(other.len()) <= most)
}

/// The letters that two names have in common of which two others may be wrong.
const LONG: usize = 7;

/// The options that a shortened one may be. clap names the one that is most alike, which may be one
/// that it does not list.
fn longer(argument: &str) -> Option<String> {
    let start = argument.strip_prefix("--")?;
    let mut names = listed();
    names.retain(|name| name.starts_with(start));
    match names.as_slice() {
        [] => None,
        // The other one is not listed.
        [_] => instead_of("--port"),
        [others @ .., last] => Some(format!("it may be --{} or --{last}", others.join(", --"))),
    }
}

fn instead_of(argument: &str) -> Option<String> {
    let advice = match argument {
        "--port" => "give the port alone: socketserver 8000",
        "--host" | "--address" | "--listen" => "an address is given with -b",
        "--root" | "--path" => "a directory is given with -d",
        "--workers" => "processes are given with --processes",
        "--cert" | "--certfile" | "--ssl" | "--ssl-cert" | "--https" | "--tls" => {
            "a certificate for HTTPS is given with --tls-cert"
        }
        "--key" | "--keyfile" | "--ssl-key" => "a certificate's key is given with --tls-key",
        "--cgi-bin" => "programs are run with --cgi",
        "--gzip" | "--gz" | "--brotli" | "--zstd" | "--compression" => {
            "responses are compressed with --compress"
        }
        "--user" | "--users" | "--password" | "--basic-auth" | "--htpasswd" | "--htpasswd-file" => {
            "passwords are asked for with --auth or --auth-file"
        }
        "--log-file" | "--logfile" | "--access-log" => {
            "the log is on standard error: socketserver 2>>FILE"
        }
        "--no-listing" | "--no-index" | "--no-dir-listing" => {
            "no directory is listed with --listing off"
        }
        "--single" | "--fallback" | "--history" => {
            "the page of an application is served with --spa"
        }
        "--timeout" => "clients that stall are given up after the time of --stall",
        "--verbose" => "every request is logged, unless --quiet is given",
        "--silent" => "requests are not logged with --quiet",
        option if option.starts_with('-') => return None,
        word => {
            let is_number = is_number(word);
            return misplaced(word)
                .or_else(|| (!is_number).then(|| format!("a directory is given with -d {word}")));
        }
    };
    Some(advice.to_owned())
}

/// clap's lines before the usage, joined to one.
fn joined(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let said: Vec<String> = lines
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"))
        // It advises `--`, but no argument of this command begins with a dash.
        .filter(|line| !line.starts_with("tip: to pass"))
        .map(|line| line.strip_prefix("tip: ").map_or(line.to_owned(), |tip| format!("; {tip}")))
        .collect();
    let said = said.join(" ").replace(" ; ", "; ");
    said.strip_prefix("error: ").unwrap_or(&said).to_owned()
}
