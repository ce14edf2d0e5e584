//! What docs/SECURITY.md and docs/RELIABILITY.md promise is tested by what they name.

use std::fs;
use std::path::Path;

#[test]
fn every_promise_names_a_test_that_there_is() {
    for document in ["docs/SECURITY.md", "docs/RELIABILITY.md"] {
        let text = read(document);
        let names: Vec<&str> =
            text.split('`').skip(1).step_by(2).filter(|name| is_test(name)).collect();
        assert!(names.len() > 10, "{document} names {} tests", names.len());
        for name in names {
            assert!(exists(name), "{document} names `{name}`, which is gone");
        }
    }
}

/// `hostile::…`, `fuzz head` and `reliability slow`.
fn is_test(name: &str) -> bool {
    let is_path = |name: &str| {
        name.split_once("::").is_some_and(|(file, test)| is_word(file) && is_word(test))
    };
    let is_target = |name: &str| {
        let words = name.split_once(' ');
        words.is_some_and(|(kind, case)| ["fuzz", "reliability"].contains(&kind) && is_word(case))
    };
    is_path(name) || is_target(name)
}

fn is_word(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    !text.is_empty() && text.bytes().all(is_part)
}

fn exists(name: &str) -> bool {
    if let Some(case) = name.strip_prefix("reliability ") {
        return read("tests/reliability/main.rs").contains(&format!("(\"{case}\", "));
    }
    if let Some(target) = name.strip_prefix("fuzz ") {
        // A package from the registry comes without the targets.
        return !root().join("fuzz").exists()
            || root().join(format!("fuzz/fuzz_targets/{target}.rs")).exists();
    }
    let (file, test) = name.split_once("::").unwrap();
    let mut files = vec![root().join(format!("tests/it/{file}.rs"))];
    // Those of the test program of this name.
    if let Ok(modules) = fs::read_dir(root().join("tests").join(file)) {
        files.extend(modules.map(|entry| entry.unwrap().path()));
    }
    let mut texts = files.iter().filter_map(|file| fs::read_to_string(file).ok());
    texts.any(|text| text.contains(&format!("\nfn {test}() {{")))
}

#[test]
fn a_name_is_looked_for_where_it_should_be() {
    assert!(exists("promises::a_name_is_looked_for_where_it_should_be"));
    assert!(exists("reliability slow") && exists("fuzz head"));
    assert!(!exists("promises::gone") && !exists("gone::gone"));
    assert!(!exists("reliability gone") && !is_test("io::Error") && !is_test("a word"));
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
