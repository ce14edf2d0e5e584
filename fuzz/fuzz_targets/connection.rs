//! Whole connections: each request is answered once, nothing else is, and the end comes.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/fuzz/connection.rs"]
mod connection;

fuzz_target!(|data: &[u8]| connection::check(data));
