//! Multipart bodies, whole and in pieces: both read the same, and nothing passes a limit.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/fuzz/multipart.rs"]
mod multipart;

fuzz_target!(|data: &[u8]| multipart::check(data));
