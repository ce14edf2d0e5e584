//! The code of `docs/PORTING.md`: what is right compiles, what is wrong has the message that the
//! page quotes.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

const PAGE: &str = include_str!("../../docs/PORTING.md");

#[test]
fn code_compiles_or_has_the_message_that_is_quoted() {
    let compiler = Compiler::find();
    // The page names the compiler whose messages it quotes; others may have other words.
    let is_quoted = PAGE.contains(&format!("those of Rust {}", compiler.version));
    let (mut right, mut wrong) = (0, 0);
    let mut message = "";
    for block in PAGE.split("\n```").skip(1).step_by(2) {
        let (language, code) = block.split_once('\n').unwrap();
        match language.split_once(",compile_fail,") {
            None if language == "text" => message = code,
            None if language == "rust" => {
                let said = compiler.check(code);
                assert!(said.is_none(), "{}\n{code}", said.unwrap());
                right += 1;
            }
            None => assert_eq!(language, "python", "{code}"),
            Some(("rust", expected)) => {
                let said = compiler.check(code).unwrap_or_else(|| panic!("compiles:\n{code}"));
                assert!(said.starts_with(&format!("error[{expected}]: ")), "{said}\n{code}");
                assert!(!is_quoted || said.lines().next() == Some(message), "{said}\n{code}");
                // What else is wrong is wrong in the same way.
                let codes = said.lines().filter(|line| line.starts_with("error["));
                for line in codes {
                    assert!(line.contains(expected), "{said}\n{code}");
                }
                wrong += 1;
            }
            Some(_) => panic!("{language}"),
        }
    }
    assert!(right > wrong && wrong >= 5, "{right} right, {wrong} wrong");
}

/// What calls in the tables name.
const GIVEN: &str = "limit, n, start, count, length, time, mut file, mut buffer, mut bytes, data, \
                     name, value, text";

/// Calls such as `connection.rfile.readline(limit)?`, in functions that have the values they name.
#[test]
fn calls_in_the_tables_compile() {
    let rows = PAGE.lines().filter(|line| line.starts_with('|'));
    let calls = rows.flat_map(|row| row.split('`').skip(1).step_by(2)).filter(|call| {
        let is_call = ["connection.", "(&mut connection.", "http.", "FieldStorage::read("];
        is_call.iter().any(|begin| call.starts_with(begin))
    });
    let calls: Vec<_> = calls.collect();
    let mut program = "\
use std::fs::File;
use std::io::{self, Read, Write};
use std::time::Duration;
use socketserver::Connection;
use socketserver::http::Exchange;
use socketserver::http::form::FieldStorage;
struct Given<'a> {
    limit: usize, n: u64, start: u64, count: u64, length: u64, time: Duration, file: File,
    buffer: [u8; 4], bytes: Vec<u8>, data: &'a [u8], name: &'a str, value: u32, text: String,
}
"
    .to_owned();
    for (number, call) in calls.iter().enumerate() {
        program += &format!(
            "fn call_{number}(
                mut connection: Connection, http: &mut Exchange<'_>, given: Given<'_>,
            ) -> io::Result<()> {{
                let Given {{ {GIVEN} }} = given;
                let _ = {call};
                Ok(())
            }}\n"
        );
    }
    let said = Compiler::find().check(&program);
    assert!(said.is_none(), "{}", said.unwrap());
    assert!(calls.len() > 30, "{} calls", calls.len());
}

/// `rustc`, and this crate as it was built for the tests.
struct Compiler {
    program: OsString,
    /// As in `1.95`.
    version: String,
    library: PathBuf,
    output: tempfile::TempDir,
}

impl Compiler {
    fn find() -> Self {
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
    fn check(&self, code: &str) -> Option<String> {
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
