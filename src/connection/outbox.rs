//! What the kernel has not taken yet of a response that its handler is done with.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::held_file::HeldFile;
use super::line_out::{LineOut, Span};
use super::stream_socket::timed_out;

/// Bytes and pieces of files that go out in this order, as the client takes them.
///
/// Nothing here waits. What is written otherwise waits until this is empty, so that the order
/// stays.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pieces: VecDeque<Piece>,
    /// Bytes that were encrypted, of which the kernel has not taken all.
    encrypted: u64,
    /// How long the client may take nothing, or how late it may be.
    pub(super) limit: Option<Duration>,
    /// Since when the client is waited for, unless that is noted already.
    pub(super) waits_since: Option<Instant>,
    /// The kernel had no room for more when something was sent last.
    pub(super) was_full: bool,
    loss: Option<Loss>,
}

#[derive(Debug)]
enum Piece {
    Bytes { bytes: Vec<u8>, sent: usize },
    File { file: Arc<HeldFile>, span: Span },
}

/// How far something was sent.
pub(super) enum Pushed {
    All,
    /// Others are to have theirs.
    TurnIsOver,
    /// There is less of it than was said.
    FileHasEnded,
}

/// What of a response will not be sent.
#[derive(Debug)]
pub(crate) struct Loss {
    pub(crate) bytes: u64,
    /// Why; `None` where a file has become shorter than was said.
    pub(crate) error: Option<io::Error>,
}

impl Loss {
    /// What a write hears that comes later.
    pub(super) fn as_error(&self) -> io::Error {
        match self.error.as_ref().map(io::Error::kind) {
            None => io::Error::new(io::ErrorKind::UnexpectedEof, "a file has become shorter"),
            Some(io::ErrorKind::TimedOut) => timed_out(),
            Some(kind) => kind.into(),
        }
    }
}

impl Outbox {
    /// Nothing is left to be sent.
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.encrypted == 0
    }

    /// Tells whether something stands behind what was encrypted.
    pub(super) fn has_pieces(&self) -> bool {
        !self.pieces.is_empty()
    }

    /// How many bytes are left to be sent, or are lost.
    pub(super) fn left(&self) -> u64 {
        let lost = self.loss.as_ref().map_or(0, |loss| loss.bytes);
        lost + self.encrypted + self.pieces.iter().map(Piece::left).sum::<u64>()
    }

    /// Tells whether so many bytes more may be kept in memory.
    pub(super) fn has_room(&self, count: usize) -> bool {
        let held = self.pieces.iter().map(|piece| match piece {
            Piece::Bytes { bytes, .. } => bytes.len(),
            Piece::File { .. } => 0,
        });
        held.sum::<usize>().saturating_add(count) <= MOST_BYTES
    }

    pub(super) fn add_bytes(&mut self, pieces: &[IoSlice<'_>]) {
        let bytes = pieces.iter().flat_map(|piece| piece.iter().copied()).collect::<Vec<u8>>();
        if !bytes.is_empty() {
            self.pieces.push_back(Piece::Bytes { bytes, sent: 0 });
        }
    }

    /// Adds a piece of a file; false where too many files are held, or none more can be.
    pub(super) fn add_file(&mut self, file: &File, span: Span) -> bool {
        let held = HeldFile::of(file);
        if let Some(file) = held {
            self.pieces.push_back(Piece::File { file, span });
            return true;
        }
        false
    }

    /// So many bytes were encrypted, of which the kernel has not taken all.
    pub(super) fn note_encrypted(&mut self, count: usize) {
        self.encrypted += count as u64;
    }

    /// Sends about as many bytes as `turn` says; tells whether nothing is left.
    ///
    /// # Errors
    ///
    /// `WouldBlock` where the client has to take something first.
    pub(super) fn push(&mut self, line: LineOut<'_>, mut turn: u64) -> io::Result<bool> {
        while let Some(mut piece) = self.pieces.pop_front() {
            let more = !self.pieces.is_empty();
            let pushed = match &mut piece {
                Piece::Bytes { bytes, sent } => self.push_bytes(line, (bytes, sent), more),
                Piece::File { file, span } => self.push_file(line, (file.file(), span), &mut turn),
            };
            if piece.left() > 0 {
                self.pieces.push_front(piece);
            }
            match pushed? {
                Pushed::All => {}
                Pushed::TurnIsOver => return Ok(false),
                Pushed::FileHasEnded => {
                    self.lose(None);
                    return Ok(true);
                }
            }
        }
        self.flush(line)?;
        Ok(true)
    }

    fn push_bytes(
        &mut self,
        line: LineOut<'_>,
        (bytes, sent): (&[u8], &mut usize),
        more: bool,
    ) -> io::Result<Pushed> {
        while *sent < bytes.len() {
            *sent += self.send(line, &bytes[*sent..], more)?;
        }
        Ok(Pushed::All)
    }

    /// Sends some of these bytes, after which `more` follow, where nothing is left from before.
    pub(super) fn send(
        &mut self,
        line: LineOut<'_>,
        bytes: &[u8],
        more: bool,
    ) -> io::Result<usize> {
        self.flush(line)?;
        Ok(self.counted(line, line.send(bytes, more)?))
    }

    /// Sends of a piece of a file as much as `turn` says, and takes that off.
    pub(super) fn push_file(
        &mut self,
        line: LineOut<'_>,
        (file, span): (&File, &mut Span),
        turn: &mut u64,
    ) -> io::Result<Pushed> {
        while span.left > 0 {
            if *turn == 0 {
                return Ok(Pushed::TurnIsOver);
            }
            self.flush(line)?;
            match self.counted(line, line.send_file(file, span, *turn)?) {
                0 => return Ok(Pushed::FileHasEnded),
                count => *turn = turn.saturating_sub(count as u64),
            }
        }
        self.flush(line)?;
        Ok(Pushed::All)
    }

    fn flush(&mut self, line: LineOut<'_>) -> io::Result<()> {
        line.flush()?;
        self.encrypted = 0;
        Ok(())
    }

    fn counted(&mut self, line: LineOut<'_>, count: usize) -> usize {
        if line.encrypts() {
            self.note_encrypted(count);
        }
        count
    }

    /// Gives up what is left, for this reason.
    pub(super) fn lose(&mut self, error: Option<io::Error>) {
        let bytes = self.left();
        self.pieces.clear();
        self.encrypted = 0;
        self.loss = Some(Loss { bytes, error });
    }

    pub(super) fn loss(&self) -> Option<&Loss> {
        self.loss.as_ref()
    }

    pub(super) fn take_loss(&mut self) -> Option<Loss> {
        self.loss.take()
    }
}

impl Piece {
    fn left(&self) -> u64 {
        match self {
            Self::Bytes { bytes, sent } => (bytes.len() - sent) as u64,
            Self::File { span, .. } => span.left,
        }
    }
}

/// Bytes in memory that one connection may leave.
const MOST_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests;
