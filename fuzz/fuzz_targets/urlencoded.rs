//! URL-encoded forms: what is read can be written and read again.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/fuzz/urlencoded.rs"]
mod urlencoded;

fuzz_target!(|data: &[u8]| urlencoded::check(data));
