//! What a supervisor holds each of its processes by.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use nix::sys::socket::{Shutdown, shutdown};

/// The supervisor's end of a leash, a pair of connected sockets: it is cut to ask the process to
/// stop, ends when the supervisor does, and carries what the process has to tell.
#[derive(Debug)]
pub(super) struct Leash {
    ours: UnixStream,
}

/// The process's end of its leash; readable when it is to stop.
#[derive(Debug)]
pub(super) struct Collar {
    theirs: UnixStream,
}

impl Leash {
    /// A leash for a process that is about to be started.
    pub(super) fn pair() -> io::Result<(Self, Collar)> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        Ok((Self { ours }, Collar { theirs }))
    }

    /// Asks the process to stop. One that is to hurry does as if its program had asked for that.
    pub(super) fn cut(&self, hurries: bool) {
        if hurries {
            // There is room for one byte, unless the process is gone.
            let _ = (&self.ours).write(HURRY);
        }
        // Its end becomes readable, also where others hold copies of ours.
        let _ = shutdown(self.ours.as_raw_fd(), Shutdown::Write);
    }

    /// The first word of a process that starts: that it serves, or what keeps it from that. `None`
    /// for as long as it starts.
    pub(super) fn first_word(&self) -> Option<io::Result<()>> {
        let failed =
            |kind, why: &str| io::Error::new(kind, format!("a process could not start: {why}"));
        let mut word = [0; 512];
        // No more: one that was asked to end meanwhile has said its last words already.
        let size = match self.read(&mut word[..READY.len()]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            Err(error) => return Some(Err(failed(error.kind(), &error.to_string()))),
            Ok(size) => size,
        };
        Some(match &word[..size] {
            [] => Err(failed(ErrorKind::UnexpectedEof, "it ended before it was ready")),
            begin if begin == READY => Ok(()),
            _ => {
                let rest = self.read(&mut word[size..]).unwrap_or(0);
                Err(failed(ErrorKind::Other, &String::from_utf8_lossy(&word[..size + rest])))
            }
        })
    }

    /// What a process that has ended told of its end: how many requests were finished and cut.
    pub(super) fn last_words(&self) -> Option<(usize, usize)> {
        let mut words = Vec::new();
        // Ended by the end of the stream or by there being no more.
        let _ = (&self.ours).take(64).read_to_end(&mut words);
        // The first word may not have been heard yet.
        let words = words.strip_prefix(READY).unwrap_or(&words);
        let (finished, cut) = str::from_utf8(words).ok()?.trim_end().split_once(' ')?;
        Some((finished.parse().ok()?, cut.parse().ok()?))
    }

    fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match (&self.ours).read(into) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }
}

/// Readable when the process has something to tell.
impl AsFd for Leash {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ours.as_fd()
    }
}

impl Collar {
    /// Tells the supervisor that this process serves, or why it cannot.
    pub(super) fn tell(&self, started: &io::Result<()>) {
        // A supervisor that is gone needs no news.
        let _ = match started {
            Ok(()) => (&self.theirs).write_all(READY),
            Err(error) => (&self.theirs).write_all(error.to_string().as_bytes()),
        };
    }

    /// Tells the supervisor how this process has ended.
    pub(super) fn tell_end(&self, finished: usize, cut: usize) {
        let _ = (&self.theirs).write_all(format!("{finished} {cut}\n").as_bytes());
    }
}

impl AsFd for Collar {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.theirs.as_fd()
    }
}

/// What a process is told that is to hurry, before its leash is cut.
const HURRY: &[u8] = b"\0";

/// What a process says when it serves; no error message begins with it.
const READY: &[u8] = b"\0";
