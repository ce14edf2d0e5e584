//! Heads: whole and in pieces they read the same, and nothing doubtful is served.

#![no_main]

use libfuzzer_sys::fuzz_target;
use socketserver::http::fuzzing;

fuzz_target!(|data: &[u8]| fuzzing::head(data));
