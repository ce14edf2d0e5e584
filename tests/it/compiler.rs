//! The compiler, for tests of what compiles and of what is said where it does not.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// `rustc`, and this crate as it was built for the tests.
pub(crate) struct Compiler {
    program: OsString,
    /// As in `1.95`.
    pub(crate) version: String,
    library: PathBuf,
    output: tempfile::TempDir,
}

impl Compiler {
    pub(crate) fn find() -> Self {
        let program = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let version = Command::new(&program).arg("--version").output().unwrap().stdout;
        let version = String::from_utf8(version).unwrap();
        let version = version.split(' ').nth(1).unwrap().rsplit_once('.').unwrap().0.to_owned();
        let output = tempfile::tempdir().unwrap();
        let mut compiler = Self { program, version, library: PathBuf::new(), output };
        // Of those with other features, or of another compiler, the last one that can be used.
        for library in libraries() {
            compiler.library = library;
            if compiler.check("use socketserver as _;\nfn main() {}\n").is_none() {
                return compiler;
            }
        }
        panic!("no library beside this test can be used");
    }

    /// The errors in a program; `None` where it compiles.
    pub(crate) fn check(&self, code: &str) -> Option<String> {
        let source = self.output.path().join("block.rs");
        let has_main = code.contains("fn main()");
        fs::write(&source, code).unwrap();
        let mut command = Command::new(&self.program);
        command.args(["--edition", "2024", "--emit", "metadata", "--cap-lints", "allow"]);
        command.args(["--crate-type", if has_main { "bin" } else { "lib" }]);
        command.arg("--out-dir").arg(self.output.path());
        command.arg("-L").arg(argument("dependency=", self.library.parent().unwrap()));
        command.arg("--extern").arg(argument("socketserver=", &self.library));
        let output = command.arg(source).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() || errors.contains("error"), "{errors}");
        (!output.status.success()).then_some(errors)
    }
}

fn argument(name: &str, path: &Path) -> OsString {
    let mut argument = OsString::from(name);
    argument.push(path);
    argument
}

/// This crate as the compiler has it beside this test, the newest first.
fn libraries() -> Vec<PathBuf> {
    let test = std::env::current_exe().unwrap();
    let files = fs::read_dir(test.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let is_library = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("libsocketserver-") && name.ends_with(".rlib")
    };
    let mut libraries: Vec<_> = files.filter(is_library).collect();
    let time = |path: &PathBuf| fs::metadata(path).and_then(|file| file.modified()).ok();
    libraries.sort_by_key(|path| std::cmp::Reverse(time(path).unwrap_or(SystemTime::UNIX_EPOCH)));
    libraries
}
