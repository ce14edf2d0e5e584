//! Whom a proxy names: never who stands behind a stranger, and always as a second reading has it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use socketserver::http::fuzzing;

fuzz_target!(|data: &[u8]| fuzzing::forwarded(data));
