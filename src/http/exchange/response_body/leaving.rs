//! What is left to be sent when the handler has returned, and who goes on with the connection.

use std::fs::File;
use std::io::{self, Write};

use super::{Framing, ResponseBody, SMALL_FILE, Stage};
use crate::connection::{Wfile, copy_file};

impl ResponseBody {
    /// Leaves what completes the response to be sent when the handler has returned, where the
    /// client does not take it at once.
    pub(crate) fn leave_the_rest(&mut self) {
        self.may_leave = true;
    }

    /// Another writing end of the same connection.
    pub(crate) fn output(&self) -> Wfile {
        self.output.clone()
    }

    /// As [`send_file`](Self::send_file), of a file that stays as it is, however much is to follow.
    pub(crate) fn send_part(&mut self, file: &File, offset: u64, count: u64) -> io::Result<u64> {
        self.send_piece(file, offset, count, true)
    }

    pub(super) fn send_piece(
        &mut self,
        file: &File,
        offset: u64,
        count: u64,
        may_be_left: bool,
    ) -> io::Result<u64> {
        let is_sent_as_it_is =
            !self.is_coded() && matches!(self.framing, Framing::Length(_) | Framing::Raw);
        if count <= SMALL_FILE || !is_sent_as_it_is {
            return copy_file(self, file, offset, count);
        }
        self.admit(count)?;
        let before = self.output.sent();
        let is_left = may_be_left && self.may_leave && matches!(self.framing, Framing::Length(_));
        let send = if is_left { Wfile::leave_file } else { Wfile::send_file };
        let sent = send(&mut self.output, file, offset, count);
        self.wrote((self.output.sent() - before).min(count));
        self.noted(sent)
    }

    /// Sends what completes the response, or leaves it.
    pub(super) fn write_last<const N: usize>(&mut self, pieces: [&[u8]; N]) -> io::Result<()> {
        if self.may_leave {
            self.output.leave_pieces(pieces)
        } else {
            self.output.write_pieces(pieces)
        }
    }

    /// Tells whether so many bytes may be left: they complete a body of known length, or follow a
    /// part of it that is left.
    pub(super) fn may_leave_bytes(&self, count: u64) -> bool {
        let Framing::Length(left) = self.framing else { return false };
        self.may_leave && (left == count || self.has_left())
    }

    /// Tells whether something is left to be sent.
    pub(crate) fn has_left(&self) -> bool {
        self.output.has_left()
    }

    /// Takes account of what was left and will not be sent.
    ///
    /// # Errors
    ///
    /// The client is gone, or takes too little. A file that has become shorter is a
    /// [`shortfall`](Self::shortfall).
    pub(crate) fn settle(&mut self) -> io::Result<()> {
        let Some(loss) = self.output.take_loss() else { return Ok(()) };
        let lost = loss.bytes.min(self.written);
        self.written -= lost;
        if let Framing::Length(left) = &mut self.framing {
            *left += lost;
        }
        self.must_close = true;
        self.failure = loss.error.as_ref().map(io::Error::kind);
        loss.error.map_or(Ok(()), Err)
    }

    /// The end of the connection may follow where the response is whole.
    pub(crate) fn end_if_whole(&self) {
        if self.is_complete() {
            self.output.set_open_ended(false);
        }
    }

    /// Leaves it to others what the end of the connection means.
    pub(crate) fn disown(&self) {
        self.output.set_open_ended(false);
    }

    /// The connection's writing end, for good, with everything held back sent.
    pub(crate) fn take(&mut self) -> io::Result<Wfile> {
        self.stage = Stage::Done;
        self.output.flush()?;
        Ok(self.output.clone())
    }
}
