//! What the sources promise of themselves: arrows, lengths, and words that must agree.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn rooms_name_each_other_as_the_architecture_says() {
    check_arrows("");
}

#[test]
fn rooms_of_http_name_each_other_as_the_architecture_says() {
    check_arrows("http");
}

/// Compares the arrows of the rooms below `src/`, or below a wing of it, with their table.
fn check_arrows(wing: &str) {
    let allowed = arrows(wing);
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in library_sources() {
        let Some(room) = source.room_in(wing) else { continue };
        let arrows = found.entry(room.clone()).or_default();
        for (number, line) in source.code() {
            let place = format!("{}:{number}: {}", source.name, line.trim());
            assert!(!source.leaves_by_super(wing, line), "say crate:: here: {place}");
            for target in targets(wing, line) {
                assert!(
                    target.starts_with(|first: char| first.is_ascii_lowercase()),
                    "name the room of this item: {place}"
                );
                let may = allowed
                    .get(&room)
                    .unwrap_or_else(|| panic!("docs/ARCHITECTURE.md has no room `{room}`"));
                assert!(
                    target == room || may.contains(target),
                    "`{room}` must not name `{target}`: {place}"
                );
                arrows.insert(target.to_owned());
            }
        }
    }
    for (room, targets) in &allowed {
        let used = found
            .get(room)
            .unwrap_or_else(|| panic!("docs/ARCHITECTURE.md draws a room `{room}` that is gone"));
        for target in targets {
            assert!(
                used.contains(target),
                "docs/ARCHITECTURE.md draws an arrow from `{room}` to `{target}` that is gone"
            );
        }
    }
}

/// A folder's page, its `mod.rs`, may be named by each of its files.
#[test]
fn files_of_a_room_name_each_other_in_one_direction() {
    let mut named: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let sources = sources();
    let modules: BTreeSet<String> = sources.iter().map(Source::module).collect();
    let is_tests = |line: &str| line.starts_with("#[cfg(test)]");
    for source in &sources {
        if source.name.ends_with("/mod.rs") || source.name.starts_with("src/bin/") {
            continue;
        }
        let module = source.module();
        let (folder, _) = module.rsplit_once('/').unwrap();
        let code = source.code().map(|(_, line)| line).take_while(|line| !is_tests(line));
        let code: String = code.collect();
        let inside = |path: &str| {
            let end = path.find(|character: char| !character.is_alphanumeric() && character != '_');
            format!("{folder}/{}", &path[..end.unwrap_or(path.len())])
        };
        let targets = code.split("super::").skip(1).map(inside);
        let targets = targets.filter(|target| modules.contains(target) && *target != module);
        let targets: BTreeSet<String> = targets.collect();
        named.insert(module, targets);
    }
    for module in named.keys() {
        let (mut reached, mut next) = (BTreeSet::new(), vec![module]);
        while let Some(one) = next.pop() {
            for target in named.get(one).into_iter().flatten() {
                assert_ne!(target, module, "`{module}` is reached from what it names: {reached:?}");
                if reached.insert(target) {
                    next.push(target);
                }
            }
        }
    }
}

#[test]
fn http_knows_no_thread_and_no_process_and_strategies_know_no_socket() {
    for (room, words) in [
        ("http", &["std::thread", "std::process", "thread::spawn"][..]),
        ("concurrency", &["TcpStream", "TcpListener", "SocketAddr", "std::net"]),
    ] {
        for source in library_sources() {
            // CGI is about processes, and a test has a client beside its handler.
            let is_about_them =
                ["http/cgi/", "http/testing/"].iter().any(|place| source.name.contains(place));
            if source.room() != room || is_about_them {
                continue;
            }
            for (number, line) in source.code() {
                for word in words {
                    assert!(
                        !line.contains(word),
                        "`{room}` must not name {word}: {}:{number}",
                        source.name
                    );
                }
            }
        }
    }
}

#[test]
fn files_are_short() {
    for source in sources() {
        // Tests of pure functions stand beside them and are not what has to be read.
        let code = source.text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
        let length = code.lines().count();
        assert!(length <= MOST_LINES, "{} has {length} lines: split it by noun", source.name);
    }
}

#[test]
fn files_of_tests_are_short() {
    let mut files = Vec::new();
    collect(&root().join("tests"), &mut files);
    for path in files {
        let length = fs::read_to_string(&path).unwrap().lines().count();
        let name = path.display();
        assert!(length <= MOST_LINES_OF_TESTS, "{name} has {length} lines: split it by topic");
    }
}

/// What is not named in `main.rs` is not compiled, and its tests pass for ever.
#[test]
fn every_file_of_tests_is_run() {
    let directory = root().join("tests/it");
    let main = fs::read_to_string(directory.join("main.rs")).unwrap();
    for entry in fs::read_dir(&directory).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(module) = name.strip_suffix(".rs").filter(|module| *module != "main") else {
            continue;
        };
        let is_named = main.lines().any(|line| line.starts_with(&format!("mod {module};")));
        assert!(is_named, "tests/it/main.rs does not name {module}");
    }
}

#[test]
fn lines_are_short() {
    for source in sources() {
        for (index, line) in source.text.lines().enumerate() {
            assert!(!is_long(line), "wrap this: {}:{}: {line}", source.name, index + 1);
        }
    }
}

/// Tells whether a line, of code or of a comment, has more columns than it may and can be broken.
fn is_long(line: &str) -> bool {
    let text = line.trim_start();
    let is_row = text.starts_with("/// |") || text.starts_with("//! |");
    // A string literal without a blank, alone in its line.
    let is_word = text.starts_with('"') && !text.contains(' ');
    line.chars().count() > MOST_COLUMNS && !is_row && !is_word
}

/// A method that is missing there is missing in programs, where its default answers instead.
#[test]
fn examples_of_what_wraps_others_forward_every_method() {
    let read = |name: &str| fs::read_to_string(root().join(name)).unwrap();
    for (name, file, example) in [
        ("Concurrency", "src/concurrency/mod.rs", "src/concurrency/mod.rs"),
        ("CgiHooks", "src/http/cgi/hooks.rs", "src/http/cgi/hooks.rs"),
        ("FileHooks", "src/http/files/hooks.rs", "src/http/cgi/hooks.rs"),
    ] {
        let (text, example) = (read(file), read(example));
        let body = text.split_once(&format!("\npub trait {name}")).unwrap().1;
        let body = body.split_once("\n}\n").unwrap().0;
        let methods: Vec<_> =
            body.lines().filter_map(|line| line.strip_prefix("    fn ")).collect();
        assert!(methods.len() >= 4, "{name}: {methods:?}");
        for method in methods {
            let call = format!("self.0.{}(", method.split('(').next().unwrap());
            assert!(example.contains(&call), "the example around a {name} has no {call}..)");
        }
    }
}

#[test]
fn every_file_says_what_it_is() {
    for source in sources() {
        let first = source.text.lines().next().unwrap_or_default();
        assert!(first.starts_with("//! "), "{}: {first}", source.name);
    }
}

#[test]
fn unsafe_code_is_in_sys_alone() {
    for source in sources() {
        if source.name == "src/sys.rs" || source.name.starts_with("src/sys/") {
            continue;
        }
        for (number, line) in source.code() {
            let is_unsafe = line
                .split(|character: char| !character.is_alphanumeric() && character != '_')
                .any(|word| word == "unsafe");
            assert!(!is_unsafe, "{}:{number}: {line}", source.name);
            let allows = line.contains("allow(unsafe_code)");
            assert!(!allows || source.name == "src/lib.rs", "{}:{number}: {line}", source.name);
        }
    }
}

/// What is Unix alone stands in these; the rest names it through `os`, `sys` and the types of
/// these, so that a port adds files, and conditions to few.
#[test]
fn unix_is_named_where_it_is_at_home() {
    const HOMES: [&str; 21] = [
        "address",
        "bin/",
        "concurrency/children",
        "concurrency/forking",
        "connection/credentials",
        "connection/send_file",
        "connection/stream_socket",
        "http/arriving",
        "http/cgi/",
        "http/files/beneath",
        "http/files/etag",
        "http/files/new_file",
        "http/files/tree",
        "os",
        "poller",
        "signal",
        "stderr",
        "supervisor/",
        "sys",
        "systemd",
        "transport/",
    ];
    for source in sources() {
        let path = source.name.trim_start_matches("src/");
        let is_test = path.ends_with("/tests.rs") || path.contains("/tests/");
        if is_test || HOMES.iter().any(|home| path.starts_with(home)) {
            continue;
        }
        let is_test =
            |line: &str| line.starts_with("#[cfg(test)]") || line.starts_with("#[cfg(all(test");
        for (number, line) in source.code().take_while(|(_, line)| !is_test(line)) {
            let is_path = |character: char| character.is_alphanumeric() || "_:".contains(character);
            for path in line.split(|character| !is_path(character)) {
                let is_unix =
                    ["std::os::", "nix::", "libc::"].iter().any(|it| path.starts_with(it));
                assert!(!is_unix, "name it in `os`: {}:{number}: {line}", source.name);
            }
        }
    }
}

/// A number that is closed behind its owner's back is the next file's while the owner still uses
/// it.
#[test]
fn descriptors_are_closed_by_their_owners_alone() {
    for source in sources() {
        for (number, line) in source.code() {
            for word in ["libc::close(", "unistd::close", "unistd::{close", "dup2", "dup3"] {
                assert!(!line.contains(word), "{}:{number}: {line}", source.name);
            }
        }
    }
}

#[test]
fn the_readme_names_the_rust_version() {
    let rust = format!("Rust {}", env!("CARGO_PKG_RUST_VERSION"));
    assert!(read("README.md").contains(&rust), "{rust}");
}

#[test]
fn every_dependency_has_its_reason() {
    let architecture = read("docs/ARCHITECTURE.md");
    let (_, section) = architecture.split_once("## Why each dependency is there\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let reasons: BTreeSet<&str> = rows
        .flat_map(|row| row.split('|').nth(1).unwrap().split(", "))
        .map(|name| name.trim().trim_matches('`'))
        .collect();
    assert_eq!(reasons, dependencies(&read("Cargo.toml")));
}

/// The names in the sections of dependencies.
fn dependencies(manifest: &str) -> BTreeSet<&str> {
    let mut section = "";
    let mut names = BTreeSet::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section.ends_with("dependencies]") && !line.starts_with('#') {
            names.extend(line.split_once(" = ").map(|(name, _)| name));
        }
    }
    names
}

/// A file of `src/`.
struct Source {
    /// As in `src/http/mod.rs`.
    name: String,
    text: String,
}

impl Source {
    /// `http` for `src/http/files/mod.rs`, `server` for `src/server.rs`.
    fn room(&self) -> String {
        let path = self.name.trim_start_matches("src/");
        let first = path.split('/').next().unwrap();
        first.trim_end_matches(".rs").to_owned()
    }

    /// `src/http/files` for `src/http/files/mod.rs`, `src/http/files/tree` for `tree.rs` there.
    fn module(&self) -> String {
        self.name.trim_end_matches(".rs").trim_end_matches("/mod").to_owned()
    }

    /// The lines that are code, and their numbers.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate();
        lines
            .map(|(index, line)| (index + 1, line.split("//").next().unwrap_or_default()))
            .filter(|(_, line)| !line.trim().is_empty())
    }

    /// `files` for `src/http/files/mod.rs` in the wing `http`, and nothing for its page,
    /// `src/http/mod.rs`, which names every room; the [room](Self::room) in no wing.
    fn room_in(&self, wing: &str) -> Option<String> {
        if wing.is_empty() {
            return Some(self.room());
        }
        let path = self.name.strip_prefix("src/")?.strip_prefix(wing)?.strip_prefix('/')?;
        let first = path.split('/').next()?.trim_end_matches(".rs");
        (first != "mod").then(|| first.to_owned())
    }

    /// Tells whether a chain of `super::` leads out of the room.
    fn leaves_by_super(&self, wing: &str, line: &str) -> bool {
        let ups = line.matches("super::").count();
        let path = self.name.trim_start_matches("src/").trim_start_matches(wing);
        let steps = path.trim_start_matches('/').split('/').count();
        let depth = steps - usize::from(self.name.ends_with("/mod.rs"));
        // A module within the file, of tests for instance, has one step more to go.
        let inner = usize::from(line.starts_with(' '));
        ups >= depth + inner
    }
}

/// The first word after each `crate::`, or after each `crate::http::` in the wing `http`.
fn targets<'a>(wing: &str, line: &'a str) -> impl Iterator<Item = &'a str> {
    let inside = format!("{wing}::");
    line.split("crate::").skip(1).map(move |path| {
        let rest = path.strip_prefix(&inside).unwrap_or(path);
        let end = rest.find(|character: char| !character.is_alphanumeric() && character != '_');
        &rest[..end.unwrap_or(rest.len())]
    })
}

/// The table of arrows in the architecture, of the house or of one of its wings.
fn arrows(wing: &str) -> BTreeMap<String, BTreeSet<String>> {
    let architecture = read("docs/ARCHITECTURE.md");
    let mark = match wing {
        "" => "<!-- arrows -->\n".to_owned(),
        wing => format!("<!-- arrows of {wing} -->\n"),
    };
    let (_, table) = architecture.split_once(&mark).unwrap();
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    rows.skip(2)
        .map(|row| {
            let mut names = row.split('`').skip(1).step_by(2).map(str::to_owned);
            (names.next().unwrap(), names.collect())
        })
        .collect()
}

fn library_sources() -> Vec<Source> {
    // `lib` and `names` name every room, and no room names them.
    let is_room = |source: &Source| !["lib", "names", "bin"].contains(&source.room().as_str());
    sources().into_iter().filter(is_room).collect()
}

fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    collect(&root().join("src"), &mut files);
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(root()).unwrap().to_str().unwrap();
            Source { name: name.to_owned(), text: read(name) }
        })
        .collect()
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

const MOST_LINES: usize = 400;
const MOST_LINES_OF_TESTS: usize = 600;
const MOST_COLUMNS: usize = 100;
