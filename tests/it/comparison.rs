//! `COMPARISON.md` quotes the examples as they are, and Python that is Python.

use std::fs;
use std::path::Path;
use std::process::Command;

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
        assert_eq!(cells(line)[2], row[3], "{}", row[0]);
    }
    assert_eq!(output.lines().count(), rows.len() + 2, "{output}");
}

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
