//! The help and the manual page: how they look, and that they say what the command does.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use crate::cli::{Serving, children_of, eventually, fails, pid, succeeds};

#[test]
fn the_options_of_python_come_first() {
    let help = succeeds(&["-h"]);
    let options = help.split("\nOptions:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names: Vec<&str> =
        options.split_whitespace().filter(|word| word.starts_with('-')).collect();
    let names: Vec<&str> = names.iter().map(|name| name.trim_end_matches(',')).collect();
    let python = "-b --bind -d --directory -p --protocol -H --header --content-type --cgi --tls-cert \
                  --tls-key --tls-password-file -h --help (-h) (--help)";
    let python: Vec<&str> = python.split(' ').filter(|word| word.starts_with('-')).collect();
    assert_eq!(names, python);
}

#[test]
fn the_summary_has_a_line_for_each_option() {
    let help = succeeds(&["-h"]);
    for option in options(&succeeds(&["--help"])) {
        let is_of_option = |line: &&str| {
            let mut words = line.split([' ', ',', '[']).take_while(|word| !word.starts_with('<'));
            line.starts_with("  ") && words.any(|word| word == option)
        };
        let line = help.lines().find(is_of_option);
        let line = line.unwrap_or_else(|| panic!("{option} is not in the summary"));
        assert!(line.trim_start().contains("  "), "no text beside it: {line}");
    }
    // What is broken into two lines goes on below the text.
    let before_examples = help.split("\nExamples:").next().unwrap();
    let broken = before_examples.lines().find(|line| line.starts_with("          "));
    assert_eq!(broken, None);
}

#[test]
fn the_help_is_at_most_100_columns_wide() {
    for option in ["-h", "--help"] {
        for line in succeeds(&[option]).lines() {
            assert!(line.chars().count() <= 100, "{option}: {line}");
        }
    }
}

#[test]
fn the_page_has_every_section_and_every_option() {
    let page = page();
    let sections: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix(".SH ")).collect();
    assert_eq!(
        sections,
        [
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "OPTIONS",
            "EXAMPLES",
            "SIGNALS",
            "\"EXIT STATUS\"",
            "ENVIRONMENT",
            "FILES",
            "\"SEE ALSO\"",
        ]
    );
    let described = section(&page, "OPTIONS");
    for option in options(&succeeds(&["--help"])) {
        assert!(described.contains(&format!("\\fB{option}\\fR")), "{option}");
    }
}

#[test]
fn a_heading_of_the_page_comes_once() {
    let page = page();
    let headings: Vec<&str> =
        page.lines().filter(|line| line.starts_with(".SS ") || line.starts_with(".SH ")).collect();
    let different: BTreeSet<&str> = headings.iter().copied().collect();
    assert!(headings.len() > 15, "{headings:?}");
    assert_eq!(headings.len(), different.len(), "{headings:?}");
}

/// The ends of the command, one for each status, and what the page says of them.
#[test]
fn every_exit_status_is_in_the_page() {
    let mut seen = BTreeSet::new();
    for arguments in [&["-h"][..], &["--help"], &["--version"], &["--man"]] {
        succeeds(arguments);
    }
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let serving = Serving::start(&["-b", "127.0.0.1"]);
        assert_eq!(serving.stop(signal).status, Some(0), "{signal}");
    }
    seen.insert("0".to_owned());
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing").display().to_string();
    let served = directory.path().to_str().unwrap();
    for (arguments, status) in [
        (&["0", "-d", &missing][..], 1),
        (&["0", "-d", served, "-b", "192.0.2.1"], 1),
        (&["0", "-d", served, "--tls-cert", &missing], 1),
        (&["0", "-d", served, "--cgi", "--cgi-user", "no such user"], 1),
        (&["--no-such-option"], 2),
        (&["--tls-cert", &missing, "--tls-password-file", &missing], 2),
    ] {
        fails(arguments, status);
        seen.insert(status.to_string());
    }
    for signal in [Signal::SIGHUP, Signal::SIGQUIT] {
        let mut serving = Serving::start(&["-b", "127.0.0.1"]);
        serving.signal(signal);
        eventually(|| serving.child.try_wait().unwrap().is_some());
        assert_eq!(serving.wait().status, None, "{signal}");
        // Shells have it so.
        let said = format!("{} for {signal}", 128 + signal as i32);
        assert!(section(&page(), "\"EXIT STATUS\"").contains(&said), "{said}");
    }
    seen.insert("128+N".to_owned());
    assert_eq!(names(&page(), "\"EXIT STATUS\""), seen);
}

#[test]
fn a_hangup_does_what_the_page_says() {
    let page = page();
    let named = names(&page, "SIGNALS");
    let expected = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGPIPE", "Ignored signals"];
    assert_eq!(named, expected.map(str::to_owned).into());
    let certificate = Serving::start(&["-b", "127.0.0.1", "--tls-self-signed"]);
    certificate.signal(Signal::SIGHUP);
    certificate.signal(Signal::SIGPIPE);
    let processes = Serving::start(&["-b", "127.0.0.1", "--processes", "1"]);
    let mut first = Vec::new();
    eventually(|| {
        first = children_of(pid(&processes.child));
        first.len() == 1
    });
    assert!(processes.get("/a.txt").ends_with("hello\n"));
    processes.signal(Signal::SIGPIPE);
    processes.signal(Signal::SIGHUP);
    eventually(|| {
        let now = children_of(pid(&processes.child));
        now.len() == 1 && now != first
    });
    assert_eq!(processes.stop(Signal::SIGTERM).status, Some(0));
    assert_eq!(certificate.stop(Signal::SIGTERM).status, Some(0));
}

/// The variables that the source names are those of the page, and the other way round but for
/// what the crates read that the command uses.
#[test]
fn every_variable_that_is_read_is_in_the_page() {
    let named = names(&page(), "ENVIRONMENT");
    let mut sources = Vec::new();
    read_sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut sources);
    let read: BTreeSet<String> = sources
        .iter()
        .flat_map(|source| source.split("var_os(\"").skip(1))
        .filter_map(|rest| rest.split('"').next().map(str::to_owned))
        .collect();
    assert!(read.len() > 2 && read.is_subset(&named), "{read:?}, {named:?}");
    let of_crates = [
        "CLICOLOR",
        "CLICOLOR_FORCE",
        "COLUMNS",
        "NO_COLOR",
        "TERM",
        "TMPDIR",
        "WATCHDOG_PID",
        "WATCHDOG_USEC",
    ];
    let missing = of_crates.iter().find(|variable| !named.contains(**variable));
    assert_eq!(missing, None);
    for variable in named.iter().filter(|name| !of_crates.contains(&name.as_str())) {
        let is_named = sources.iter().any(|source| source.contains(&format!("\"{variable}\"")));
        assert!(is_named, "{variable}");
    }
}

#[test]
fn formatters_have_nothing_to_say_of_the_page() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socketserver.1");
    fs::write(&path, page()).unwrap();
    for formatter in
        [&["mandoc", "-T", "lint", "-W", "warning"][..], &["groff", "-man", "-T", "utf8", "-ww"]]
    {
        let mut command = Command::new(formatter[0]);
        command.args(&formatter[1..]).arg(&path).stdin(Stdio::null());
        let Ok(output) = command.output() else {
            println!("skipped: there is no {}", formatter[0]);
            continue;
        };
        let said = String::from_utf8_lossy(&output.stderr);
        let lint = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.is_empty(), "{formatter:?}: {said}{lint}");
        assert!(formatter[0] != "mandoc" || lint.is_empty(), "{lint}");
    }
}

/// The page, with plain hyphens.
pub(crate) fn page() -> String {
    succeeds(&["--man"]).replace("\\-", "-")
}

/// The lines of a section.
pub(crate) fn section<'a>(page: &'a str, name: &str) -> &'a str {
    let rest = page.split(&format!("\n.SH {name}\n")).nth(1).unwrap();
    rest.split("\n.SH ").next().unwrap()
}

/// What a section's entries are about.
fn names(page: &str, section_name: &str) -> BTreeSet<String> {
    let entries = section(page, section_name).split(".TP\n").skip(1);
    let titles = entries.map(|entry| entry.lines().next().unwrap());
    let titles = titles.map(|title| title.trim_start_matches("\\fB").trim_end_matches("\\fR"));
    titles.flat_map(|title| title.split(", ")).map(str::to_owned).collect()
}

/// The long names of the options.
fn options(help: &str) -> BTreeSet<&str> {
    let lines = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let ends = [' ', ',', '['];
    let words = lines.flat_map(|line| line.split(ends).take_while(|it| !it.starts_with('<')));
    let options: BTreeSet<&str> = words.filter(|word| word.starts_with("--")).collect();
    assert!(options.len() > 30, "{options:?}");
    options
}

fn read_sources(directory: &Path, sources: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_sources(&path, sources);
        } else if !path.ends_with("manual_text.rs") {
            sources.push(fs::read_to_string(&path).unwrap());
        }
    }
}
