//! What is true of every input of the parsers, for the fuzz targets and for the tests.
//!
//! Compiled with `cfg(test)` and with `cfg(fuzzing)`, which `cargo fuzz` sets, and with nothing
//! else.

mod accept_encoding;
mod conditions;
mod dates;
mod forwarded;
mod framing;
mod head;
mod log;
#[path = "../../../tests/fuzz/model.rs"]
mod model;
mod path;

pub use crate::http::cgi::fuzzing::check as cgi;
pub use accept_encoding::check as accept_encoding;
pub use conditions::check as conditions;
pub use dates::check as dates;
pub use forwarded::check as forwarded;
pub use framing::check as framing;
pub use head::check as head;
pub use log::check as log;
pub use path::check as path;

/// Bytes as the text that a head is made of.
fn text(bytes: &[u8]) -> String {
    crate::http::message::text::latin1(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use proptest::prelude::ProptestConfig;

    /// Runs a property often: 4,000 times, or more by the variable `PROPTEST_CASES`.
    pub(super) fn many_cases() -> ProptestConfig {
        let default = ProptestConfig::default();
        let cases = default.cases.max(4_000);
        ProptestConfig { failure_persistence: None, cases, ..default }
    }

    #[test]
    fn the_corpus_of_every_parser_passes() {
        for (target, check) in [
            ("accept_encoding", super::accept_encoding as fn(&[u8])),
            ("cgi", super::cgi),
            ("conditions", super::conditions),
            ("dates", super::dates),
            ("forwarded", super::forwarded),
            ("framing", super::framing),
            ("head", super::head),
            ("log", super::log),
            ("path", super::path),
        ] {
            let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
            let Ok(entries) = fs::read_dir(directory) else {
                eprintln!("skipped: there is no fuzz/, as in a package from the registry");
                return;
            };
            let mut count = 0;
            for entry in entries.flatten() {
                let input = fs::read(entry.path());
                check(&input.expect("the corpus can be read"));
                count += 1;
            }
            assert!(count >= 4, "{target}: {count} files");
        }
    }
}
