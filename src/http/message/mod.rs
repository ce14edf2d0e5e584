//! Heads as bytes and as what they say: pure functions, which know no socket.

#[cfg(feature = "files")]
pub(crate) mod accept;
#[cfg(any(feature = "compression", feature = "files"))]
pub(crate) mod accept_encoding;
#[cfg(any(feature = "auth", feature = "cgi"))]
pub(crate) mod base64;
pub(crate) mod date;
pub(crate) mod framing;
pub(crate) mod head_end;
pub(crate) mod headers;
pub(crate) mod host;
pub(crate) mod json;
pub(crate) mod misuse;
pub(crate) mod own_chunks;
pub(crate) mod parse;
pub(crate) mod protocol_version;
pub(crate) mod response_frame;
pub(crate) mod response_head;
pub(crate) mod status;
pub(crate) mod target;
pub(crate) mod text;
mod time_zone;
pub(crate) mod token;
