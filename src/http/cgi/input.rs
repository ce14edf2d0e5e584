//! The request's body on its way to a script's standard input.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::ChildStdin;
use std::time::Instant;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::http::exchange::RequestBody;

/// A buffer between the client and the script, neither of which is waited for.
#[derive(Debug)]
pub(super) struct Input {
    /// Gone once the body has ended, or the script wants no more of it.
    stdin: Option<ChildStdin>,
    buffer: Vec<u8>,
    /// `buffer[start..end]` is on its way.
    start: usize,
    end: usize,
    /// Since when the client is waited for.
    idle_since: Option<Instant>,
    /// There may be more to move without waiting.
    has_more: bool,
}

impl Input {
    /// For a script with a pipe, if it is to have a body, which begins with these bytes.
    pub(super) fn new(stdin: Option<ChildStdin>, begun: Vec<u8>) -> io::Result<Self> {
        if let Some(stdin) = &stdin {
            // Only this end: the script's end of a pipe has flags of its own.
            fcntl(stdin, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        let has_more = stdin.is_some();
        let (end, mut buffer) = (begun.len(), begun);
        buffer.resize(if has_more { BUFFER_SIZE.max(end) } else { 0 }, 0);
        Ok(Self { stdin, buffer, start: 0, end, idle_since: None, has_more })
    }

    /// Moves what can be moved without waiting.
    pub(super) fn pump(&mut self, body: &mut RequestBody) -> io::Result<()> {
        if self.stdin.is_none() {
            return Ok(());
        }
        self.has_more = true;
        for _ in 0..ROUNDS {
            let moved = if self.start < self.end { self.send() } else { self.receive(body) };
            match moved {
                Ok(()) if self.stdin.is_some() => {}
                Ok(()) => break,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn receive(&mut self, body: &mut RequestBody) -> io::Result<()> {
        match body.read_arrived(&mut self.buffer) {
            Ok(0) => self.stdin = None,
            Ok(count) => {
                (self.start, self.end) = (0, count);
                if let Some(since) = self.idle_since.take() {
                    body.note_wait(since.elapsed());
                }
            }
            Err(error) => {
                self.has_more = false;
                self.idle_since.get_or_insert_with(Instant::now);
                return Err(error);
            }
        }
        Ok(())
    }

    fn send(&mut self) -> io::Result<()> {
        let Some(stdin) = &mut self.stdin else { return Ok(()) };
        match stdin.write(&self.buffer[self.start..self.end]) {
            Ok(count) => self.start += count,
            // The script has ended, or wants no more.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.stdin = None,
            Err(error) => {
                self.has_more = false;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Tells whether the next wait must not be one.
    pub(super) fn has_more(&self) -> bool {
        self.has_more && self.stdin.is_some()
    }

    /// Tells whether bytes from the client are waited for.
    pub(super) fn wants_body(&self) -> bool {
        self.stdin.is_some() && self.start == self.end
    }

    /// The pipe, while the script is waited for to take bytes.
    pub(super) fn stuck_pipe(&self) -> Option<BorrowedFd<'_>> {
        self.stdin.as_ref().filter(|_| self.start < self.end).map(AsFd::as_fd)
    }

    /// When waiting for the client's body times out.
    pub(super) fn deadline(&self, body: &RequestBody) -> Option<Instant> {
        self.idle_since.filter(|_| self.wants_body())?.checked_add(body.wait_limit()?)
    }
}

/// Bytes of a body in memory, as many as a pipe holds.
const BUFFER_SIZE: usize = 64 * 1024;

/// Moves in a row before others have their turn.
const ROUNDS: usize = 16;
