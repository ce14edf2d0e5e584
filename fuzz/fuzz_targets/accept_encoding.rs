//! Content codings: what a second, plain reading of RFC 9110 says.

#![no_main]

use libfuzzer_sys::fuzz_target;
use socketserver::http::fuzzing;

fuzz_target!(|data: &[u8]| fuzzing::accept_encoding(data));
