//! Dates: what is written is read again, and an older file is never newer to the client.

#![no_main]

use libfuzzer_sys::fuzz_target;
use socketserver::http::fuzzing;

fuzz_target!(|data: &[u8]| fuzzing::dates(data));
