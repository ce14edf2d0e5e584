//! The integration tests: one binary, a module for each topic.

#![allow(
    clippy::unwrap_used,
    reason = "a test that finds something else than it expects should panic, and say where"
)]

#[cfg(feature = "cli")]
mod cli; // the command: its words, its ends, its errors
mod drain; // what becomes of running requests when the server is asked to stop
mod exhaustion; // out of descriptors, out of connections
mod http_wire; // the reference's cases, byte for byte
mod matrix; // what every strategy must do, once for each
mod server; // bind, handle_request, shutdown, the hooks and the options
mod strategies; // what one strategy does and the others do not
mod support; // a running server, a client with time limits, gates instead of sleeps
mod tidy; // arrows, lengths and words that must agree
mod web; // a site of files, a client that reads replies, handlers that take notes
