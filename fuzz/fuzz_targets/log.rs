//! Text of strangers: nothing of it steers a terminal or a browser, and nothing of it is lost.

#![no_main]

use libfuzzer_sys::fuzz_target;
use socketserver::http::fuzzing;

fuzz_target!(|data: &[u8]| fuzzing::log(data));
