//! Targets: no path leads out of the root, and no location to another host.

#![no_main]

use libfuzzer_sys::fuzz_target;
use socketserver::http::fuzzing;

fuzz_target!(|data: &[u8]| fuzzing::path(data));
