//! A body whose content is coded on its way out: compressed.

use std::fmt;
use std::io::{self, Write};

use super::{ResponseBody, too_long};
use crate::http::exchange::Exchange;
use crate::http::message::response_frame::{Declared, Framing};
use crate::http::message::response_head::remove_headers;

/// Decides about a response whose head is complete.
pub(crate) trait ChooseCoder: fmt::Debug + Send + Sync {
    /// Has the content coded ([`ResponseBody::code`]), and says so in the head; or leaves it.
    fn choose(&self, http: &mut Exchange<'_>) -> io::Result<()>;
}

/// Codes the content of one response.
///
/// What is coded goes into `out`, in pieces of a size that is bounded, however long the content is.
pub(crate) trait ContentCoder: fmt::Debug + Send + Sync {
    /// Takes content.
    fn write(&mut self, content: &[u8], out: Out<'_>) -> io::Result<()>;

    /// Hands out all that is needed to decode what was taken.
    fn flush(&mut self, out: Out<'_>) -> io::Result<()>;

    /// Ends the content.
    fn finish(&mut self, out: Out<'_>) -> io::Result<()>;
}

/// Takes what is coded.
pub(crate) type Out<'a> = &'a mut dyn FnMut(&[u8]) -> io::Result<()>;

/// The content of a response that is coded.
#[derive(Debug)]
pub(super) struct Coded {
    coder: Box<dyn ContentCoder>,
    /// How much of it the handler has written.
    taken: u64,
    /// How much is to come, where the handler has said so.
    pub(super) left: Option<u64>,
}

impl ResponseBody {
    /// How long the content is by what the handler has said; the outer `None` where it frames the
    /// body by itself.
    pub(crate) fn declared_length(&self) -> Option<Option<u64>> {
        match self.declared {
            Declared::Nothing => Some(None),
            Declared::Length(length) => Some(Some(length)),
            Declared::Chunked | Declared::Coding { .. } => None,
        }
    }

    /// Has the content coded; of a response without a body, `None` has the head as if it were. The
    /// length is not known then.
    ///
    /// A handler that has said a length is held to it all the same: what is shorter does not end as
    /// a whole. One that has not is streaming, so that each write leaves at once.
    pub(crate) fn code(&mut self, coder: Option<Box<dyn ContentCoder>>) {
        let left = self.declared_length().flatten();
        self.declared = Declared::Nothing;
        remove_headers(&mut self.head, "Content-Length");
        self.coded = coder.map(|coder| Coded { coder, taken: 0, left });
    }

    /// The head as far as it is.
    pub(crate) fn head_so_far(&self) -> &[u8] {
        &self.head
    }

    pub(crate) fn remove_header(&mut self, name: &str) {
        remove_headers(&mut self.head, name);
    }

    pub(crate) fn is_coded(&self) -> bool {
        self.coded.is_some()
    }

    /// How the content falls short of its length.
    pub(super) fn coded_shortfall(&self) -> Option<(u64, u64)> {
        let coded = self.coded.as_ref()?;
        let left = coded.left.filter(|left| *left > 0)?;
        Some((coded.taken, coded.taken + left))
    }

    pub(super) fn write_coded(&mut self, content: &[u8]) -> io::Result<()> {
        let Some(coded) = &mut self.coded else { return Ok(()) };
        let count = content.len() as u64;
        if let Some(left) = coded.left {
            coded.left = Some(left.checked_sub(count).ok_or_else(|| {
                self.must_close = true;
                too_long(count, left)
            })?);
        }
        coded.taken += count;
        let is_streaming = coded.left.is_none();
        let before = self.output.sent();
        self.with_coder(|coder, out| {
            coder.write(content, out)?;
            if is_streaming { coder.flush(out) } else { Ok(()) }
        })?;
        if self.output.sent() > before {
            return Ok(());
        }
        // Of what compresses well hundreds of megabytes may leave nothing to write, and writing
        // would tell.
        let there = self.output.check_client();
        self.noted(there)
    }

    pub(super) fn flush_coded(&mut self) -> io::Result<()> {
        self.with_coder(|coder, out| coder.flush(out))
    }

    fn with_coder(
        &mut self,
        call: impl FnOnce(&mut dyn ContentCoder, Out<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let Some(mut coded) = self.coded.take() else { return Ok(()) };
        let called = call(&mut *coded.coder, &mut |piece| self.send_counted(piece));
        self.coded = Some(coded);
        called
    }

    /// Ends the content, unless some of it is missing. Tells whether it is whole.
    pub(super) fn finish_coded(&mut self) -> io::Result<bool> {
        if self.coded_shortfall().is_some() {
            // What there is of it is sent, and cut there.
            self.flush_coded()?;
            return Ok(false);
        }
        let Some(mut coded) = self.coded.take() else { return Ok(true) };
        let mut last: Vec<u8> = Vec::new();
        coded.coder.finish(&mut |piece| {
            if !last.is_empty() {
                self.send_counted(&last)?;
                last.clear();
            }
            last.extend_from_slice(piece);
            Ok(())
        })?;
        self.send_last(&last)?;
        Ok(true)
    }

    /// Sends the last piece together with what tells the end. One that is the only one has a
    /// length.
    fn send_last(&mut self, piece: &[u8]) -> io::Result<()> {
        if !matches!(self.framing, Framing::Chunked) {
            return self.send_counted(piece);
        }
        let length = piece.len() as u64;
        if self.written == 0 && self.output.is_holding() {
            self.hold_with_length(length);
            self.framing = Framing::Length(length);
            return self.send_counted(piece);
        }
        let size = format!("{length:x}\r\n");
        let end: &[u8] = b"\r\n0\r\n\r\n";
        let sent = self.write_last([size.as_bytes(), piece, end]);
        self.noted(sent)?;
        self.written += length;
        self.framing = Framing::Length(0);
        Ok(())
    }

    /// Gives the head, which has not left, the length of the body in the place of chunks.
    pub(super) fn hold_with_length(&mut self, length: u64) {
        let mut head = self.output.recall();
        head.truncate(self.unframed);
        // Writing to memory does not fail.
        let _ = write!(head, "Content-Length: {length}\r\n\r\n");
        self.output.hold(head);
    }
}
