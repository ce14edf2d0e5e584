//! What the test programs share: a client with time limits, and servers in processes of their own.

pub(crate) mod client;
pub(crate) mod limits;
pub(crate) mod lines;
pub(crate) mod process;
