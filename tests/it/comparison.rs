//! `COMPARISON.md` and the pages that it leads to: programs as they are in `examples/`, an index of
//! them, and a test for each difference from CPython.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::cpython_names::our_tests;
use crate::shared::process::example_program;

const TEXT: &str = include_str!("../../COMPARISON.md");

const DIFFERENCES: &str = include_str!("../../docs/DIFFERENCES.md");

const PORTING: &str = include_str!("../../docs/PORTING.md");

#[test]
fn programs_are_shown_as_they_are() {
    let mut text_above = "";
    let mut count = 0;
    for part in parts(TEXT) {
        match part {
            Part::Text(text) if text.trim().is_empty() => {}
            Part::Text(text) => text_above = text,
            Part::Block("console", _) => {}
            Part::Block(language, block) => {
                let end = if language == "rust" { ".rs`" } else { ".py`" };
                let mut words = text_above.split_whitespace();
                let name =
                    words.rfind(|word| word.trim_end_matches([':', '.', ',']).ends_with(end));
                let name = name.unwrap_or_else(|| panic!("of which file is this?\n{block}"));
                let name = name.trim_matches(['`', ':', '.', ',']);
                let source = read(name);
                let (_, code) = source.split_once("\n\n").unwrap();
                let code = if language == "rust" { code } else { after_docstring(&source) };
                assert_eq!(block, code, "{name}");
                count += 1;
            }
        }
    }
    assert_eq!(count, 6);
}

/// A Python file without the text at its top.
fn after_docstring(source: &str) -> &str {
    source.split_once("\n\"\"\"\n\n").expect("a docstring").1
}

#[test]
fn every_program_is_in_the_index_and_has_its_twin() {
    let examples = stems("examples", "rs");
    let twins = stems("examples/python", "py");
    let without_twin: Vec<_> = examples.symmetric_difference(&twins).collect();
    assert_eq!(without_twin, ["bench_hello"]);

    let (_, index) = TEXT.split_once("\n## All programs\n").unwrap();
    let (index, _) = index.split_once("\n## ").unwrap();
    let rows = index.lines().filter(|line| line.starts_with("| `")).map(cells);
    let indexed: BTreeSet<_> = rows
        .map(|row| {
            let name = row[0].trim_matches('`');
            assert!(!row[1].is_empty(), "nothing to look at: {name}");
            assert_eq!(row[2], format!("[Python](examples/python/{name}.py)"));
            assert_eq!(row[3], format!("[Rust](examples/{name}.rs)"));
            name.to_owned()
        })
        .collect();
    assert_eq!(indexed, twins);
    for name in &twins {
        let source = read(&format!("examples/python/{name}.py"));
        let names_its_twin = source.contains(&format!("`examples/{name}.rs`"));
        assert!(names_its_twin, "{name}.py does not name its Rust program");
    }
}

/// The names of a folder's files with this extension, without it.
fn stems(directory: &str, extension: &str) -> BTreeSet<String> {
    let paths = fs::read_dir(root().join(directory)).unwrap().map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| path.extension().is_some_and(|found| found == extension));
    paths.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn every_python_program_compiles() {
    let names = stems("examples/python", "py");
    let paths = names.iter().map(|name| root().join(format!("examples/python/{name}.py")));
    let compile = "import sys; [compile(open(path).read(), path, 'exec') for path in sys.argv[1:]]";
    let Ok(output) = Command::new("python3").args(["-c", compile]).args(paths).output() else {
        eprintln!("skipped: there is no python3");
        return;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Links between the pages, and to files.
#[test]
fn links_lead_somewhere() {
    let mut pages = vec![root().join("README.md"), root().join("COMPARISON.md")];
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    pages.extend(docs.filter(|path| path.extension().is_some_and(|found| found == "md")));
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        for part in parts(&text) {
            let Part::Text(text) = part else { continue };
            for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                if link.starts_with("http") {
                    continue;
                }
                let (file, heading) = link.split_once('#').unwrap_or((link, ""));
                let target = match file {
                    "" => page.clone(),
                    file => page.parent().unwrap().join(file),
                };
                // A package from the registry comes without these.
                if target.components().any(|part| part.as_os_str() == "benches") {
                    continue;
                }
                assert!(target.exists(), "{} leads to {link}, which is gone", page.display());
                let has_heading = heading.is_empty()
                    || fs::read_to_string(&target)
                        .unwrap()
                        .lines()
                        .any(|line| line.starts_with('#') && anchor(line) == heading);
                assert!(has_heading, "{} leads to {link}, which is gone", page.display());
            }
        }
    }
}

/// What a heading is called in links.
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = words.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
    kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
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
        .env("EXAMPLES", example_program("hello").parent().unwrap())
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

/// The rows of the first table of differences.
fn differences() -> Vec<Vec<&'static str>> {
    let rows = DIFFERENCES.lines().skip_while(|line| !line.starts_with("|---"));
    rows.skip(1).take_while(|line| line.starts_with('|')).map(cells).collect()
}

/// The rows of the tables that have a column of tests.
fn tested_rows() -> Vec<Vec<&'static str>> {
    let (_, wishes) = PORTING.split_once("\n## What users ask of Python's module\n").unwrap();
    let wishes = wishes.split("\n## ").next().unwrap();
    let rows = DIFFERENCES.lines().chain(wishes.lines());
    let rows = rows.filter(|line| line.starts_with('|') && !line.starts_with("|---"));
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

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
