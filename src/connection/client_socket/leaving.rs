//! What a handler leaves to be sent: bytes that complete a response, and pieces of files.

use std::fs::File;
use std::io::{self, IoSlice};
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{ClientSocket, Progress};
use crate::connection::line_out::{LineOut, Sent, Span};
use crate::connection::outbox::{Loss, Outbox, Pushed};
use crate::connection::stream_socket::{Direction, look, timed_out};

impl ClientSocket {
    /// Writes all of `pieces`, and leaves what the client has to make room for where that is
    /// little; what is beyond is waited for, at most for `limit`. Counts in `sent` what was taken
    /// or left.
    pub(crate) fn send_or_leave(
        &self,
        mut pieces: &mut [IoSlice<'_>],
        limit: Option<Duration>,
        sent: &mut u64,
    ) -> io::Result<()> {
        self.cut_if_over();
        IoSlice::advance_slices(&mut pieces, 0);
        while !pieces.is_empty() {
            if self.leaves_something() {
                if self.leave_bytes(pieces, limit, sent) {
                    return Ok(());
                }
                self.send_left()?;
            }
            match self.send_now(pieces, limit) {
                Ok(count) => {
                    IoSlice::advance_slices(&mut pieces, count);
                    *sent += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.leave_bytes(pieces, limit, sent) {
                        return Ok(());
                    }
                    self.unless_over(self.stream.wait_writable(limit))?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sends some of the pieces, where nothing is left from before.
    fn send_now(&self, pieces: &[IoSlice<'_>], limit: Option<Duration>) -> io::Result<usize> {
        let line = self.line_out();
        let count = line.send_vectored(pieces)?;
        match line.flush() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.leave_encrypted(count, limit);
            }
            flushed => flushed?,
        }
        self.stream.note_written();
        Ok(count)
    }

    /// Sends a piece of a file as far as that needs no waiting, and leaves the rest. What is held
    /// back goes out before it. Adds to `taken` what was taken or left.
    pub(in crate::connection) fn send_or_leave_file(
        &self,
        (file, offset, count): (&File, u64, u64),
        limit: Option<Duration>,
        taken: &mut u64,
    ) -> io::Result<Sent> {
        self.cut_if_over();
        let line = self.line_out();
        let mut unsent = self.unsent();
        let mut outbox = self.outbox();
        if let Some(loss) = outbox.loss() {
            return Err(loss.as_error());
        }
        let (mut span, mut turn) = (Span::new(offset, count), TURN);
        let mut has_ended = false;
        if outbox.is_empty() {
            let sent = if unsent.is_empty() { Ok(0) } else { outbox.send(line, &unsent, true) };
            let sent = unless_blocked(sent)?.unwrap_or(0);
            outbox.add_bytes(&[IoSlice::new(&unsent[sent..])]);
            unsent.clear();
            if !outbox.has_pieces() {
                let pushed = outbox.push_file(line, (file, &mut span), &mut turn);
                self.stream.note_written();
                let pushed = unless_blocked(pushed).inspect_err(|_| *taken += count - span.left)?;
                has_ended = matches!(pushed, Some(Pushed::FileHasEnded));
            }
        }
        let left = span.left;
        let is_left = left > 0 && !has_ended && outbox.add_file(file, span);
        outbox.limit = limit;
        self.uses_outbox.store(!outbox.is_empty(), Ordering::Relaxed);
        let sent = if is_left { count } else { count - left };
        *taken += sent;
        Ok(if left > 0 && !is_left && !has_ended { Sent::Part(sent) } else { Sent::All(sent) })
    }

    /// Leaves the pieces to be sent later, if they are little.
    fn leave_bytes(&self, pieces: &[IoSlice<'_>], limit: Option<Duration>, sent: &mut u64) -> bool {
        let count = pieces.iter().map(|piece| piece.len()).sum();
        let mut outbox = self.outbox();
        if outbox.loss().is_some() || !outbox.has_room(count) {
            return false;
        }
        outbox.limit = limit;
        outbox.add_bytes(pieces);
        self.uses_outbox.store(true, Ordering::Relaxed);
        *sent += count as u64;
        true
    }

    /// Leaves so many bytes to be sent later that are encrypted already.
    fn leave_encrypted(&self, count: usize, limit: Option<Duration>) {
        let mut outbox = self.outbox();
        outbox.limit = limit;
        outbox.note_encrypted(count);
        self.uses_outbox.store(true, Ordering::Relaxed);
    }

    /// Sends what was left, and waits for the client, so that something else can be written.
    #[inline]
    pub(super) fn send_left(&self) -> io::Result<()> {
        if self.leaves_something() { self.wait_for_left() } else { Ok(()) }
    }

    #[cold]
    fn wait_for_left(&self) -> io::Result<()> {
        self.cut_if_over();
        let error = loop {
            let mut outbox = self.outbox();
            if let Some(loss) = outbox.loss() {
                return Err(loss.as_error());
            }
            let pushed = outbox.push(self.line_out(), u64::MAX);
            let limit = outbox.limit;
            drop(outbox);
            self.stream.note_written();
            match pushed {
                Ok(_) => return self.end_leaving(None),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => break error,
            }
            if let Err(error) = self.unless_over(self.stream.wait_writable(limit)) {
                break error;
            }
        };
        self.end_leaving(Some(error))
    }

    /// Nothing is left, for this reason if all was not sent.
    fn end_leaving(&self, error: Option<io::Error>) -> io::Result<()> {
        let mut outbox = self.outbox();
        if error.is_some() {
            outbox.lose(error);
        }
        match outbox.loss() {
            Some(loss) => Err(loss.as_error()),
            None => {
                self.uses_outbox.store(false, Ordering::Relaxed);
                Ok(())
            }
        }
    }

    /// Goes on with what was left, for a turn, as there is room; nothing waits for the client. What
    /// is left of a connection that was cut is lost.
    pub(crate) fn go_on_sending(&self) -> Progress {
        let mut outbox = self.outbox();
        if self.is_cut() && !outbox.is_empty() {
            // No file is read any more, which can take long.
            outbox.lose(Some(io::ErrorKind::BrokenPipe.into()));
            return Progress::Over;
        }
        self.note_waited(&mut outbox);
        let progress = match outbox.push(self.line_out(), TURN) {
            Ok(true) => {
                self.uses_outbox.store(outbox.loss().is_some(), Ordering::Relaxed);
                return Progress::Over;
            }
            // Others have their turn. There may have been room for more, of which the poller tells
            // later, although the client takes nothing.
            Ok(false) => Progress::TurnIsOver,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                outbox.was_full = true;
                Progress::Full
            }
            Err(error) => {
                outbox.lose(Some(error));
                return Progress::Over;
            }
        };
        if self.gives_up(&mut outbox) { Progress::Over } else { progress }
    }

    /// Tells whether the kernel may have room for more of what was left.
    pub(crate) fn may_have_room(&self) -> bool {
        !self.outbox().was_full
    }

    /// Looks whether the client takes enough, and sends nothing: the turn of a client that is late
    /// has come if there is room.
    pub(crate) fn look_after_client(&self) -> Progress {
        let mut outbox = self.outbox();
        self.count_wait(&mut outbox);
        let is_late = outbox.limit.is_some_and(|limit| self.stream.uptake().left(limit).is_zero());
        // There may be room of which the poller has not told yet.
        if is_late && self.stream.wait(Direction::Write, Some(Duration::ZERO)).is_ok() {
            return Progress::TurnIsOver;
        }
        if is_late && self.gives_up(&mut outbox) { Progress::Over } else { Progress::Full }
    }

    /// There is room, or no use in waiting for some: the client is not waited for until
    /// [that begins](Self::begin_leaving) again, as long as that takes.
    pub(crate) fn end_wait_for_room(&self) {
        let mut outbox = self.outbox();
        self.note_waited(&mut outbox);
        outbox.waits_since = None;
    }

    /// Gives the client up, if it is late.
    fn gives_up(&self, outbox: &mut Outbox) -> bool {
        let mut uptake = self.stream.uptake();
        let Some(limit) = outbox.limit.filter(|limit| uptake.left(*limit).is_zero()) else {
            return false;
        };
        self.stream.give_up(&mut uptake, limit);
        outbox.lose(Some(timed_out()));
        true
    }

    /// The wait for room is over for now.
    fn note_waited(&self, outbox: &mut Outbox) {
        self.count_wait(outbox);
        if std::mem::take(&mut outbox.was_full) {
            self.stream.uptake().note_room();
        }
    }

    fn count_wait(&self, outbox: &mut Outbox) {
        let now = Instant::now();
        if let Some(since) = &mut outbox.waits_since {
            self.stream.note_waited(std::mem::replace(since, now), now);
        }
    }

    /// The client is waited for from now on, by no thread: what was left goes out as it takes it.
    pub(crate) fn begin_leaving(&self) {
        self.outbox().waits_since = Some(Instant::now());
        self.stream.uptake().begin_wait();
    }

    /// How long until the next look whether the client takes anything, at most; and how often one
    /// looks in general.
    pub(crate) fn until_look(&self) -> Option<(Duration, Duration)> {
        let limit = self.outbox().limit?;
        Some((self.stream.uptake().left(limit), look(limit)))
    }

    /// Tells whether something is left to be sent.
    pub(crate) fn has_left(&self) -> bool {
        self.leaves_something() && !self.outbox().is_empty()
    }

    /// How many bytes are left to be sent, or will not be.
    pub(crate) fn left(&self) -> u64 {
        if self.leaves_something() { self.outbox().left() } else { 0 }
    }

    /// What of the bytes that were left will not be sent, if that is so; told once.
    pub(crate) fn take_loss(&self) -> Option<Loss> {
        if !self.leaves_something() {
            return None;
        }
        let mut outbox = self.outbox();
        let loss = outbox.take_loss();
        self.uses_outbox.store(!outbox.is_empty(), Ordering::Relaxed);
        loss
    }

    #[inline]
    fn leaves_something(&self) -> bool {
        self.uses_outbox.load(Ordering::Relaxed)
    }

    fn line_out(&self) -> LineOut<'_> {
        LineOut { stream: &self.stream, session: self.session() }
    }

    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `None` where the client has to take something first.
fn unless_blocked<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        result => result.map(Some),
    }
}

/// Bytes that one connection sends before others get a turn.
const TURN: u64 = 512 * 1024;
