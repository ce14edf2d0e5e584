//! Several parts of a content in one body: `multipart/byteranges` (RFC 9110 §14.6).

use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::ops::Range;

use super::source::Source;
use crate::http::exchange::ResponseBody;
use crate::http::message::response_head::push_header;

/// A body of several parts.
#[derive(Debug)]
pub(super) struct ByteRanges {
    boundary: String,
    /// What stands before each part, and the part.
    parts: Vec<(Vec<u8>, Range<u64>)>,
    end: String,
}

impl ByteRanges {
    /// These parts of a content of so many bytes and of this type.
    pub(super) fn new(ranges: &[Range<u64>], size: u64, content_type: &str) -> io::Result<Self> {
        // No content can have been made to contain it.
        let [one, two] = [0, 1].map(|number: u8| RandomState::new().hash_one(number));
        let boundary = format!("{one:016x}{two:016x}");
        let mut type_line = Vec::new();
        push_header(&mut type_line, "Content-Type", content_type)?;
        let part = |range: &Range<u64>| {
            let place = content_range(range, size);
            let head = format!("\r\n--{boundary}\r\n").into_bytes();
            let place = format!("Content-Range: {place}\r\n\r\n").into_bytes();
            ([head, type_line.clone(), place].concat(), range.clone())
        };
        let parts = ranges.iter().map(part).collect();
        let end = format!("\r\n--{boundary}--\r\n");
        Ok(Self { boundary, parts, end })
    }

    /// The content type of the response.
    pub(super) fn content_type(&self) -> String {
        format!("multipart/byteranges; boundary={}", self.boundary)
    }

    /// Bytes of the body.
    pub(super) fn length(&self) -> u64 {
        let parts = self.parts.iter();
        let parts = parts.map(|(head, range)| head.len() as u64 + (range.end - range.start));
        parts.sum::<u64>() + self.end.len() as u64
    }

    /// What the body goes on with at a position.
    pub(super) fn from(&self, mut position: u64) -> Piece<'_> {
        for (head, range) in &self.parts {
            if position < head.len() as u64 {
                return Piece::Text(&head[position as usize..]);
            }
            position -= head.len() as u64;
            if position < range.end - range.start {
                return Piece::Part(range.start + position..range.end);
            }
            position -= range.end - range.start;
        }
        Piece::Text(&self.end.as_bytes()[position as usize..])
    }

    /// Sends the body. Where the file has become too short for a part, nothing more is sent, so
    /// that the response is short, too.
    pub(super) fn send(&self, source: &Source, wfile: &mut ResponseBody) -> io::Result<()> {
        for (head, range) in &self.parts {
            wfile.write_all(head)?;
            let count = range.end - range.start;
            if source.send(wfile, range.start, count)? < count {
                return Ok(());
            }
        }
        wfile.write_all(self.end.as_bytes())
    }
}

/// What a body goes on with.
pub(super) enum Piece<'a> {
    Text(&'a [u8]),
    /// This part of the content.
    Part(Range<u64>),
}

/// A part's place in the whole, as `Content-Range` has it.
pub(super) fn content_range(range: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", range.start, range.end - 1)
}
