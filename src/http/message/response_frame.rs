//! Where a response's body ends: what the request allows, what the handler says, what becomes of
//! it.

use std::io;

use super::framing::plain_number;
use super::misuse::{MisuseKind, misuse};
use super::own_chunks::OwnChunks;
use super::status::Status;
use super::text::trim_blanks;
use crate::printable::repr;

/// What the request says of the form of its response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// The client speaks HTTP/0.9: no head at all.
    pub(crate) headless: bool,
    /// The client asked for the head only.
    pub(crate) head_only: bool,
    /// The client asked for a tunnel, which begins behind the head (RFC 9110 §9.3.6).
    pub(crate) tunnel: bool,
    /// The client understands the chunked coding, and is told that it may come.
    pub(crate) may_chunk: bool,
}

impl Asked {
    /// Tells whether a response of this status opens a tunnel.
    pub(crate) fn is_tunnel(self, status: Status) -> bool {
        self.tunnel && (200..300).contains(&status.code())
    }
}

/// What the handler's headers say of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Declared {
    Nothing,
    Length(u64),
    /// The handler writes chunks.
    Chunked,
    /// The handler encodes, and the last coding is the chunked one, or another.
    Coding {
        ends_chunked: bool,
    },
}

impl Declared {
    /// Notes what a header line says of the body, and tells whether the line leaves.
    pub(crate) fn declare(
        &mut self,
        name: &str,
        value: &str,
        asked: Asked,
        status: Status,
    ) -> io::Result<bool> {
        let is_length = name.eq_ignore_ascii_case(LENGTH);
        if !is_length && !name.eq_ignore_ascii_case(CODING) {
            return Ok(true);
        }
        if status.code() < 200 || status.code() == 204 || asked.is_tunnel(status) {
            // No body, so nothing is said of it (RFC 9110 §8.6, RFC 9112 §6.1).
            return Ok(false);
        }
        if is_length { self.declare_length(value) } else { self.declare_coding(value, asked) }
    }

    // A response that says two things of its end could be read as two (RFC 9112 §6.3).
    fn declare_length(&mut self, value: &str) -> io::Result<bool> {
        let length = plain_number(value).ok_or_else(|| {
            misuse(
                MisuseKind::InvalidLength,
                format!("send_header: Content-Length is no number: {}", repr(value)),
            )
        })?;
        match *self {
            Self::Length(other) if other != length => Err(misuse(
                MisuseKind::InvalidLength,
                format!("send_header: Content-Length is {other}, not {}", repr(value)),
            )),
            // Said before.
            Self::Length(_) => Ok(false),
            Self::Nothing => {
                *self = Self::Length(length);
                Ok(true)
            }
            Self::Chunked | Self::Coding { .. } => Err(misuse(
                MisuseKind::InvalidLength,
                "send_header: Content-Length beside Transfer-Encoding",
            )),
        }
    }

    fn declare_coding(&mut self, value: &str, asked: Asked) -> io::Result<bool> {
        let is_chunked = |coding: &str| trim_blanks(coding).eq_ignore_ascii_case("chunked");
        *self = match *self {
            Self::Length(_) => {
                return Err(misuse(
                    MisuseKind::InvalidLength,
                    "send_header: Transfer-Encoding beside Content-Length",
                ));
            }
            // Said before.
            Self::Chunked if is_chunked(value) => return Ok(false),
            Self::Chunked | Self::Coding { ends_chunked: true } => {
                return Err(misuse(
                    MisuseKind::InvalidLength,
                    format!("send_header: Transfer-Encoding {} on chunks", repr(value)),
                ));
            }
            _ if !asked.may_chunk && !is_chunked(value) => {
                let what =
                    format!("send_header: Transfer-Encoding {} before HTTP/1.1", repr(value));
                return Err(misuse(MisuseKind::InvalidLength, what));
            }
            Self::Nothing if is_chunked(value) => Self::Chunked,
            _ => Self::Coding { ends_chunked: value.rsplit(',').next().is_some_and(is_chunked) },
        };
        // Without it, the handler's chunks are taken off.
        Ok(asked.may_chunk)
    }

    /// Forgets what header lines of that name have said.
    pub(crate) fn forget(&mut self, name: &str) {
        let said_by = match self {
            Self::Nothing => return,
            Self::Length(_) => LENGTH,
            Self::Chunked | Self::Coding { .. } => CODING,
        };
        if name.eq_ignore_ascii_case(said_by) {
            *self = Self::Nothing;
        }
    }
}

/// How a body ends.
#[derive(Debug)]
pub(crate) enum Framing {
    /// Whatever is written is dropped.
    None,
    /// So many bytes may still be written.
    Length(u64),
    Chunked,
    /// The handler writes chunks, which are sent as they are, or without the coding.
    Own {
        chunks: OwnChunks,
        is_sent: bool,
    },
    /// The end of the connection ends the body.
    Raw,
}

impl Framing {
    /// How the body of such a response ends, and whether the end of the connection is needed for
    /// that.
    pub(crate) fn new(declared: Declared, asked: Asked, status: Status) -> (Self, bool) {
        match declared {
            _ if status.code() == 101 => (Self::Raw, false),
            _ if status.is_bodiless() || asked.head_only => {
                // Alone of them, 205 leaves a client to look for its body (RFC 9110 §15.3.6).
                (Self::None, status.code() == 205 && declared != Declared::Length(0))
            }
            Declared::Length(length) => (Self::Length(length), false),
            Declared::Chunked | Declared::Coding { ends_chunked: true } => {
                let is_sent = asked.may_chunk;
                (Self::Own { chunks: OwnChunks::default(), is_sent }, !is_sent)
            }
            Declared::Nothing if asked.may_chunk && !asked.is_tunnel(status) => {
                (Self::Chunked, false)
            }
            Declared::Nothing | Declared::Coding { .. } => (Self::Raw, true),
        }
    }

    /// Tells whether the body has reached the end that its head announced.
    pub(crate) fn is_whole(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Own { chunks, .. } => chunks.is_ended(),
            Self::None | Self::Chunked | Self::Raw => true,
        }
    }
}

const LENGTH: &str = "Content-Length";
const CODING: &str = "Transfer-Encoding";
