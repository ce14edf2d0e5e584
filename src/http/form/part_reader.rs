//! Cuts a multipart body at its delimiters, as its bytes arrive.

use std::io::{self, Read};

use super::delimiter::{Delimiter, Found};
use super::error::FormError;
use super::limits::FormLimits;
use super::part_head::PartHead;
use crate::http::message::head_end::head_end;
use crate::work;

/// The head and the content of one part after the other, from one buffer.
#[derive(Debug)]
pub(super) struct PartReader<R> {
    source: R,
    delimiter: Delimiter,
    limits: FormLimits,
    /// Storage, all of it initialised; `buffer[start..end]` has been received and not consumed.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// `buffer[start..clear]` belongs to the current part for certain.
    clear: usize,
    state: State,
    /// A line begins at `start`.
    line_start: bool,
    /// The source has ended.
    ended: bool,
    received: u64,
    parts: usize,
    /// Bytes that the current part may still have.
    allowance: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In a part, or before the first one.
    Content,
    /// At the delimiter, behind which the rest begins at `next`.
    Delimiter { next: usize, is_last: bool },
    /// Behind a delimiter that another part follows.
    Head,
    /// Behind the last delimiter.
    Done,
}

impl<R: Read> PartReader<R> {
    pub(super) fn new(source: R, boundary: &str, limits: FormLimits) -> Result<Self, FormError> {
        let delimiter = Delimiter::new(boundary)?;
        let size = BUFFER_SIZE.saturating_add(limits.max_part_header_bytes.min(BUFFER_SIZE));
        Ok(Self {
            source,
            delimiter,
            limits,
            buffer: vec![0; size],
            start: 0,
            end: 0,
            clear: 0,
            state: State::Content,
            line_start: true,
            ended: false,
            received: 0,
            parts: 0,
            allowance: u64::MAX,
        })
    }

    /// The head of the next part; `None` behind the last one. What is left of the part before it
    /// is skipped.
    pub(super) fn next_head(&mut self) -> Result<Option<PartHead>, FormError> {
        loop {
            let skipped = self.data()?.len();
            if skipped == 0 {
                break;
            }
            self.take(skipped);
        }
        if self.state == State::Done {
            return Ok(None);
        }
        if self.parts == self.limits.max_parts {
            return Err(FormError::TooManyParts(self.parts));
        }
        self.parts += 1;
        let head = self.read_head()?;
        (self.state, self.clear, self.line_start) = (State::Content, self.start, true);
        self.allowance = self.limits.max_part_bytes;
        Ok(Some(head))
    }

    /// Content of the current part, as much as is there; empty at its end.
    pub(super) fn data(&mut self) -> Result<&[u8], FormError> {
        while self.clear == self.start {
            match self.state {
                State::Content => self.search()?,
                State::Delimiter { next, is_last } => {
                    self.start = next;
                    self.clear = next;
                    self.state = if is_last { State::Done } else { State::Head };
                }
                State::Head | State::Done => return Ok(&[]),
            }
        }
        if (self.clear - self.start) as u64 > self.allowance {
            return Err(FormError::PartTooLong(self.limits.max_part_bytes));
        }
        Ok(&self.buffer[self.start..self.clear])
    }

    /// Consumes content.
    pub(super) fn take(&mut self, count: usize) {
        let count = count.min(self.clear - self.start);
        self.start += count;
        self.allowance -= count as u64;
    }

    /// Looks at what is there, or receives more.
    fn search(&mut self) -> Result<(), FormError> {
        let bytes = &self.buffer[self.start..self.end];
        match self.delimiter.find(bytes, self.line_start, self.ended) {
            Found::Delimiter { data_end, next, is_last } => {
                self.clear = self.start + data_end;
                self.state = State::Delimiter { next: self.start + next, is_last };
            }
            Found::Data(0) => return self.receive(),
            Found::Data(count) => self.clear = self.start + count,
        }
        self.line_start = false;
        Ok(())
    }

    fn read_head(&mut self) -> Result<PartHead, FormError> {
        let most = self.limits.max_part_header_bytes;
        let mut searched = 0;
        loop {
            let bytes = &self.buffer[self.start..self.end];
            let end = head_end(bytes, 0, searched);
            searched = bytes.len();
            // Of the line end that ends the head, a CR may be there already.
            let length = end.map_or(bytes.len().saturating_sub(1), |(length, _)| length);
            if length > most {
                return Err(FormError::HeadersTooLong(most));
            }
            if let Some((length, next)) = end {
                let head = PartHead::parse(&bytes[..length], &self.limits)?;
                self.start += next;
                return Ok(head);
            }
            self.receive()?;
        }
    }

    /// Receives more behind what is there.
    fn receive(&mut self) -> Result<(), FormError> {
        if self.ended {
            return Err(FormError::Truncated);
        }
        if self.start > 0 {
            work::note(self.end - self.start);
            self.buffer.copy_within(self.start..self.end, 0);
        }
        (self.end, self.start, self.clear) = (self.end - self.start, 0, 0);
        if self.end == self.buffer.len() {
            work::note(self.buffer.len());
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        let count = loop {
            match self.source.read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result.map_err(FormError::from_read)?,
            }
        };
        self.ended = count == 0;
        self.end += count;
        self.received += count as u64;
        let most = self.limits.max_bytes;
        if self.received > most { Err(FormError::TooLong(most)) } else { Ok(()) }
    }
}

/// Bytes that are received in one go: few system calls, and still in the processor's cache when
/// they are written on.
const BUFFER_SIZE: usize = 128 * 1024;
