//! Where the crate cannot run, its build says so in one line.

use std::fs;
use std::path::Path;
use std::process::Command;

/// `rustc` alone will do, as nothing that the crate depends on is built there.
#[test]
fn the_build_for_another_system_is_one_error() {
    let target = ["x86_64-pc-windows-gnu", "x86_64-pc-windows-msvc", "wasm32-unknown-unknown"]
        .into_iter()
        .find(|target| has_std(target));
    let Some(target) = target else {
        println!("skipped: no such target is installed (rustup target add x86_64-pc-windows-gnu)");
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    for features in [&[][..], &["tls"], &["cli", "tls"]] {
        let mut command = Command::new("rustc");
        command.args(["--edition", "2024", "--crate-type", "lib", "--emit", "metadata"]);
        command.args(["--target", target, "--out-dir"]).arg(directory.path());
        for feature in features {
            command.args(["--cfg", &format!("feature=\"{feature}\"")]);
        }
        let output = command.arg(root().join("src/lib.rs")).output().unwrap();
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr);
        let found: Vec<_> = said
            .lines()
            .filter(|line| line.starts_with("error") || line.contains("warning"))
            .collect();
        let expected = [
            "error: socketserver runs on Unix systems only, such as Linux, macOS and the BSDs",
            "error: aborting due to 1 previous error",
        ];
        assert_eq!(found, expected, "{target} {features:?}: {said}");
    }
}

/// Holds without that target, too: an item that is left over, or a dependency that does not build
/// there, would hide the line behind errors of its own.
#[test]
fn everything_is_for_unix() {
    let library = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let (before, block) = library.split_once("\ncfg_if! {\n    if #[cfg(unix)] {\n").unwrap();
    let (items, elsewhere) = block.split_once("\n    } else {\n").unwrap();
    assert!(items.lines().count() > 25, "{items}");
    let words: Vec<&str> = elsewhere.split_whitespace().collect();
    assert!(words[0].starts_with("compile_error!(") && words.ends_with(&["}", "}"]), "{elsewhere}");
    // No build has what is for cargo-mutants alone.
    let before = before.replace("#[cfg(mutants)]\nmod ", "");
    let is_item = |line: &&str| ["mod ", "pub ", "use "].iter().any(|word| line.starts_with(word));
    assert_eq!(before.lines().find(is_item), None);
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    for line in manifest.lines().filter(|line| line.ends_with("dependencies]")) {
        let is_for_unix = ["[target.'cfg(unix)'.", "[target.'cfg(all(unix, "]
            .iter()
            .any(|beginning| line.starts_with(beginning));
        assert!(is_for_unix, "{line}");
    }
}

fn has_std(target: &str) -> bool {
    let asked =
        Command::new("rustc").args(["--target", target, "--print", "target-libdir"]).output();
    asked.is_ok_and(|found| Path::new(String::from_utf8_lossy(&found.stdout).trim()).exists())
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
