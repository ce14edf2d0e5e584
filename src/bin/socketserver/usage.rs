//! Messages about a wrong command line: one line that says what to write instead.

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::args::Args;
use crate::host_text::is_number;
use crate::values::misplaced;

/// A usage error in one line, without the usage.
pub(crate) fn in_one_line(error: &clap::Error) -> String {
    let said = explained(error).unwrap_or_else(|| joined(&error.to_string()));
    format!("{said}; see 'socketserver --help'")
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
            let advice = instead_of(argument).or_else(|| longer(argument))?;
            return Some(format!("unexpected argument '{argument}' found: {advice}"));
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

/// The options that a shortened one may be. clap names the one that is most alike, which may be one
/// that it does not list.
fn longer(argument: &str) -> Option<String> {
    let start = argument.strip_prefix("--")?;
    let command = Args::command();
    let listed = command.get_arguments().filter(|option| !option.is_hide_set());
    let names = listed.filter_map(|option| option.get_long());
    let mut names: Vec<_> = names.filter(|name| name.starts_with(start)).collect();
    names.sort_unstable();
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
        "--user" | "--users" | "--password" | "--basic-auth" | "--htpasswd" => {
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
