//! Heads of scripts: whole and in pieces they are the same, and nothing in them splits a response.

#![no_main]

use libfuzzer_sys::fuzz_target;
use socketserver::http::fuzzing;

fuzz_target!(|data: &[u8]| fuzzing::cgi(data));
