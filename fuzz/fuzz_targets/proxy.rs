//! PROXY headers: however they are cut, they name whom the specification says and end where it
//! says.

#![no_main]

use libfuzzer_sys::fuzz_target;
use socketserver::fuzz_proxy_header;

#[path = "../../tests/fuzz/proxy.rs"]
mod proxy;

fuzz_target!(|data: &[u8]| {
    let [size, sent @ ..] = data else { return };
    fuzz_proxy_header(sent);
    // A server's answer takes a hundred times as long.
    if *size < 16 {
        proxy::check(data);
    }
});
