//! What of a file a response has: all of it, parts, or nothing.

use std::io;
use std::ops::Range;

use super::byteranges::{ByteRanges, Piece};
use super::source::Source;
use crate::http::exchange::ResponseBody;

/// What of a file a response has announced.
#[derive(Debug)]
pub(super) enum Answer {
    Whole,
    Part(Range<u64>),
    Parts(ByteRanges),
    Nothing,
}

impl Answer {
    /// Sends it.
    pub(super) fn send(&self, source: &Source, wfile: &mut ResponseBody) -> io::Result<()> {
        match self {
            Self::Whole => source.send(wfile, 0, source.size()).map(drop),
            Self::Part(part) => source.send(wfile, part.start, part.end - part.start).map(drop),
            Self::Parts(parts) => parts.send(source, wfile),
            Self::Nothing => Ok(()),
        }
    }

    /// Reads some of it, from this position of the body on.
    pub(super) fn read(
        &self,
        source: &Source,
        position: u64,
        target: &mut [u8],
    ) -> io::Result<usize> {
        let piece = match self {
            Self::Whole => Piece::Part(position..source.size()),
            Self::Part(part) => Piece::Part(part.start + position..part.end),
            Self::Parts(parts) => parts.from(position),
            Self::Nothing => Piece::Text(&[]),
        };
        match piece {
            Piece::Text(mut text) => io::Read::read(&mut text, target),
            Piece::Part(part) => source.read(part, target),
        }
    }
}
