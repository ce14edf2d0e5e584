//! The code of `docs/PORTING.md`: what is right compiles, what is wrong has the message that the
//! page quotes.

use crate::compiler::Compiler;

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
                     address, name, value, text, when";

/// Calls such as `connection.rfile.readline(limit)?`, in functions that have the values they name.
#[test]
fn calls_in_the_tables_compile() {
    let rows = PAGE.lines().filter(|line| line.starts_with('|'));
    let calls = rows.flat_map(|row| row.split('`').skip(1).step_by(2)).filter(|call| {
        let is_call =
            ["connection.", "(&mut connection.", "datagram.", "http.", "FieldStorage::read("];
        is_call.iter().any(|begin| call.starts_with(begin))
    });
    let calls: Vec<_> = calls.collect();
    let mut program = "\
use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::time::{Duration, SystemTime};
use socketserver::{Address, Connection, Datagram};
use socketserver::http::Exchange;
use socketserver::http::form::FieldStorage;
struct Given<'a> {
    limit: usize, n: u64, start: u64, count: u64, length: u64, time: Duration, file: File,
    buffer: [u8; 4], bytes: Vec<u8>, data: &'a [u8], address: Address, name: &'a str, value: u32, text: String,
    when: SystemTime,
}
"
    .to_owned();
    for (number, call) in calls.iter().enumerate() {
        program += &format!(
            "fn call_{number}(
                mut connection: Connection, mut datagram: Datagram, http: &mut Exchange<'_>,
                given: Given<'_>,
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
