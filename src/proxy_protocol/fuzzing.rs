//! What is true of every beginning of a connection, for the fuzz target and for the tests.
//!
//! Compiled with `cfg(test)` and with `cfg(fuzzing)`, which `cargo fuzz` sets, and with nothing
//! else.

use super::header::{Parsed, parse};
use crate::address::Address;
use crate::os::name_bytes;

#[path = "../../tests/fuzz/proxy_model.rs"]
mod model;

use model::{Client, Header};

/// Reads what a connection begins with, whole and cut anywhere.
pub fn check(bytes: &[u8]) {
    let whole = parse(bytes);
    match (&whole, model::header(bytes)) {
        (Parsed::Complete(client, length), Header::Whole(expected, named)) => {
            assert_eq!(*length, expected);
            assert_eq!(told(client.as_ref()), named);
        }
        (Parsed::Incomplete, Header::Cut) | (Parsed::Bad(_), Header::Bad) => {}
        (here, there) => panic!("{here:?} here, and {there:?} in the model"),
    }
    // Whatever it is, with its last byte it is that, and nothing that follows makes it something
    // else.
    let pieces = (0..=bytes.len()).map(|end| parse(&bytes[..end]));
    let settled: Vec<Parsed> = pieces.skip_while(|piece| *piece == Parsed::Incomplete).collect();
    assert!(settled.iter().all(|piece| *piece == whole), "{settled:?}");
    if let Parsed::Complete(_, length) = whole {
        assert_eq!(settled.len(), bytes.len() + 1 - length);
    }
}

fn told(client: Option<&Address>) -> Client {
    match client {
        None => Client::Nobody,
        Some(Address::Inet(address)) => Client::Inet(*address),
        Some(Address::Unix(path)) => Client::Unix(name_bytes(path.as_ref()).to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    #[test]
    fn the_corpus_of_headers_passes() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/proxy");
        let Ok(entries) = fs::read_dir(directory) else {
            eprintln!("skipped: there is no fuzz/, as in a package from the registry");
            return;
        };
        let mut count = 0;
        for entry in entries.flatten() {
            let input = fs::read(entry.path()).expect("the corpus can be read");
            super::check(input.get(1..).unwrap_or_default());
            count += 1;
        }
        assert!(count >= 4, "{count} files");
    }
}
