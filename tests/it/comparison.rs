//! `COMPARISON.md` quotes the examples as they are, and Python that is Python.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::cpython_names::our_tests;
use crate::examples::program_directory;

const TEXT: &str = include_str!("../../COMPARISON.md");

#[test]
fn every_rust_block_is_an_excerpt_of_the_example_named_above_it() {
    let mut example = String::new();
    let mut quoted = Vec::new();
    for part in parts(TEXT) {
        match part {
            Part::Text(text) => {
                let named =
                    text.split("examples/").skip(1).filter_map(|rest| rest.split_once(".rs"));
                example = named.last().map_or(example, |(name, _)| name.to_owned());
            }
            Part::Block("rust", block) => {
                let path = format!("{}/examples/{example}.rs", env!("CARGO_MANIFEST_DIR"));
                let source =
                    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
                assert!(source.contains(block), "not in examples/{example}.rs:\n{block}");
                quoted.push(example.clone());
            }
            Part::Block(..) => {}
        }
    }
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let has_twin = path.extension().is_some() && name != "bench_hello";
        assert!(!has_twin || quoted.contains(&name), "{name} is not compared");
    }
}

#[test]
fn every_python_block_compiles() {
    for part in parts(TEXT) {
        let Part::Block("python", block) = part else { continue };
        let compile = ["-c", "import sys; compile(sys.argv[1], 'block', 'exec')", block];
        let Ok(output) = Command::new("python3").args(compile).output() else {
            eprintln!("skipped: there is no python3");
            return;
        };
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}\n{block}");
    }
}

#[test]
fn the_script_has_the_rows_of_the_table_and_finds_what_they_say_of_this_crate() {
    let rows = differences();
    let script = include_str!("../differences.py");
    let cases = script.split_once("\nDIFFERENCES = {\n").unwrap().1;
    let cases = cases.lines().take_while(|line| *line != "}");
    let cases: Vec<_> =
        cases.filter_map(|line| line.strip_prefix("    \"")?.split('"').next()).collect();
    let names: Vec<_> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(cases, names);

    // The others take long, or tell the time.
    let measured = ["out-of-descriptors", "shutdown", "idle-connections", "client-resets"];
    let rows: Vec<_> = rows.iter().filter(|row| !measured.contains(&row[0])).collect();
    let output = Command::new("python3")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/differences.py"))
        .arg("--here")
        .args(rows.iter().map(|row| row[0]))
        .env("EXAMPLES", program_directory())
        .output();
    let Ok(output) = output else {
        eprintln!("skipped: there is no python3");
        return;
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let output = String::from_utf8(output.stdout).unwrap();
    for (line, row) in output.lines().skip(2).zip(&rows) {
        let line = cells(line);
        // What happens, what is seen here, the issues.
        assert_eq!(line[1..], [row[1], row[3], row[4]], "{}", row[0]);
    }
    assert_eq!(output.lines().count(), rows.len() + 2, "{output}");
}

#[test]
fn every_row_of_the_differences_names_tests_that_exist() {
    let known = our_tests();
    let mut count = 0;
    for row in tested_rows() {
        let tests: Vec<_> = row[row.len() - 1].split('`').skip(1).step_by(2).collect();
        for test in &tests {
            assert!(known.contains(*test), "{test} is no test: {row:?}");
        }
        let is_absent = row.iter().any(|cell| cell.starts_with("not in this version"));
        assert!(!tests.is_empty() || is_absent, "no test: {row:?}");
        count += 1;
    }
    assert!(count > 80, "{count} rows");
}

#[test]
fn every_known_bug_of_cpython_is_answered() {
    let rows = tested_rows();
    for issue in KNOWN_BUGS {
        let is_answered = rows.iter().any(|row| {
            // A column of issues: the one before the tests.
            row[row.len() - 2].split([' ', ',']).any(|word| word == *issue)
        });
        assert!(is_answered, "no row answers {issue}");
    }
}

/// What CPython's tracker and the lists of vulnerabilities have of `socketserver`, `http.server`,
/// `cgi` and the separators of `urllib.parse`.
#[rustfmt::skip]
const KNOWN_BUGS: &[&str] = &[
    // Redirects, paths and what is shown of them.
    "CVE-2021-28861", "bpo-43223", "gh-87389", "gh-76265", "gh-118312", "gh-132826", "gh-104049",
    "gh-133889", "CVE-2011-4940", "bpo-11442", "gh-103223", "gh-134098", "gh-100474", "bpo-17324",
    "gh-81054", "gh-132142", "gh-132741", "gh-88141", "bpo-32462",
    // Windows.
    "gh-104711", "gh-104712", "gh-157504", "bpo-26657", "gh-85307",
    // CGI.
    "CVE-2011-1015", "bpo-2254", "CVE-2014-4650", "bpo-21766", "bpo-19435", "gh-119452", "gh-81435",
    // TLS: of Patroni's tracker, as CPython's has none.
    "patroni#1546",
    // Requests and responses.
    "bpo-1100201", "gh-100001", "gh-142533", "gh-150679", "gh-150499", "gh-114782", "gh-81274",
    "gh-93158", "gh-87979", "bpo-10714", "bpo-6791", "gh-54930", "gh-70765", "gh-139492",
    "gh-75259", "bpo-16088",
    // Forms and queries.
    "gh-79047", "CVE-2021-23336", "bpo-27777",
    // Servers.
    "gh-75820", "bpo-31639", "gh-106505", "gh-81374", "gh-81570", "gh-75416", "bpo-33540",
    "gh-75334", "bpo-31151", "bpo-11109", "gh-83978", "gh-88932", "gh-85265", "bpo-35017",
    "gh-127319", "gh-120485", "bpo-26309", "bpo-22435", "bpo-2302",
];

/// The Python program that an example is the twin of: the block before the example's.
pub(crate) fn python_twin(example: &str) -> &'static str {
    let named = format!("`examples/{example}.rs`");
    let (before, _) = TEXT.split_once(&named).unwrap_or_else(|| panic!("nothing says {named}"));
    let (_, block) = before.rsplit_once("```python\n").unwrap();
    block.split_once("```").unwrap().0
}

/// The rows of the first table of differences.
fn differences() -> Vec<Vec<&'static str>> {
    let (_, text) = TEXT.split_once("\n## Differences by intent\n").unwrap();
    let rows = text.lines().skip_while(|line| !line.starts_with("|---"));
    rows.skip(1).take_while(|line| line.starts_with('|')).map(cells).collect()
}

/// The rows of the tables that have a column of tests.
fn tested_rows() -> Vec<Vec<&'static str>> {
    let (_, text) = TEXT.split_once("\n## Differences by intent\n").unwrap();
    let (text, _) = text.split_once("\n## Speed\n").unwrap();
    let rows = text.lines().filter(|line| line.starts_with('|') && !line.starts_with("|---"));
    rows.map(cells).filter(|row| row[row.len() - 1] != "test").collect()
}

fn cells(line: &str) -> Vec<&str> {
    line.trim_matches('|').split('|').map(str::trim).collect()
}

enum Part<'a> {
    Text(&'a str),
    /// A fenced block, with its language.
    Block(&'a str, &'a str),
}

fn parts(text: &str) -> impl Iterator<Item = Part<'_>> {
    text.split("```").enumerate().map(|(number, part)| {
        if number % 2 == 0 {
            return Part::Text(part);
        }
        let (language, block) = part.split_once('\n').unwrap_or_default();
        Part::Block(language, block)
    })
}
