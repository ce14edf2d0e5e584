//! Bodies: where they end is as the plain reading of RFC 9112 has it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use socketserver::http::fuzzing;

fuzz_target!(|data: &[u8]| fuzzing::framing(data));
