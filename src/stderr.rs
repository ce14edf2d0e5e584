//! Standard error, without waiting for whoever reads it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc::{dev_t, ino_t};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, send};
use nix::sys::stat::{SFlag, fstat};
use nix::unistd::write;

/// Writes lines to standard error, as the log of requests is written.
///
/// A server must not stop because nobody reads its log: where standard error is a pipe, a socket or
/// a terminal that takes nothing for 200 ms, what is written is lost from then on, and counted,
/// until it takes something again. Errors (a full disk, nobody at the other end) are ignored. For
/// handlers that override [`log_message`](crate::http::HttpRequestHandler::log_message).
pub fn write_to_stderr(text: &str) {
    let mut log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    log.write(text.as_bytes());
}

static LOG: Mutex<StandardError> = Mutex::new(StandardError { pipe: None, stalls: false, lost: 0 });

#[derive(Debug)]
struct StandardError {
    /// A way into the pipe that never blocks, as long as it is the same pipe.
    pipe: Option<Pipe>,
    /// Nothing was taken the last time.
    stalls: bool,
    lost: u64,
}

/// Which file something is. The kinds of number differ from system to system.
type Identity = (dev_t, ino_t);

#[derive(Debug)]
struct Pipe {
    identity: Identity,
    file: File,
}

/// What standard error is.
#[derive(Clone, Copy)]
enum Kind {
    File,
    Pipe,
    Socket,
    Other,
}

impl StandardError {
    fn write(&mut self, text: &[u8]) {
        if self.stalls && self.lost > 0 {
            let news = format!("{} entries of this log were lost\n", self.lost);
            if self.try_write(news.as_bytes()).is_ok() {
                (self.stalls, self.lost) = (false, 0);
            }
        }
        if self.stalls && self.lost > 0 {
            self.lost += 1;
            return;
        }
        if let Err(Errno::EAGAIN) = self.try_write(text) {
            self.stalls = true;
            self.lost += 1;
        }
    }

    /// Writes all of it, or as much as is taken.
    fn try_write(&mut self, mut text: &[u8]) -> Result<(), Errno> {
        let stderr = io::stderr();
        let stat = fstat(&stderr)?;
        let kind = Kind::of(SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()));
        if matches!(kind, Kind::Pipe) {
            self.find_pipe(stderr.as_fd(), (stat.st_dev, stat.st_ino));
        }
        while !text.is_empty() {
            let written = match (&self.pipe, kind) {
                (_, Kind::File) => write(&stderr, text),
                (_, Kind::Socket) => send(stderr.as_raw_fd(), text, DO_NOT_WAIT),
                (Some(pipe), Kind::Pipe) => write(&pipe.file, text),
                // Asked first, which is nearly as good.
                (None, Kind::Pipe) | (_, Kind::Other) => {
                    self.wait(stderr.as_fd(), Duration::ZERO).and_then(|()| write(&stderr, text))
                }
            };
            match written {
                Ok(count) => text = &text[count..],
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) if !self.stalls => self.wait(stderr.as_fd(), PATIENCE)?,
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    /// Opens the pipe once more: another opening can be non-blocking by itself, while a mode of
    /// standard error would be one for every process that shares it.
    fn find_pipe(&mut self, stderr: BorrowedFd<'_>, identity: Identity) {
        if self.pipe.as_ref().is_some_and(|pipe| pipe.identity == identity) {
            return;
        }
        let name = format!("/dev/fd/{}", stderr.as_raw_fd());
        let mode = OFlag::O_NONBLOCK | OFlag::O_APPEND;
        let opened = OpenOptions::new().write(true).custom_flags(mode.bits()).open(name);
        let is_same =
            |file: &File| fstat(file).is_ok_and(|found| (found.st_dev, found.st_ino) == identity);
        self.pipe = opened.ok().filter(is_same).map(|file| Pipe { identity, file });
    }

    fn wait(&self, stderr: BorrowedFd<'_>, limit: Duration) -> Result<(), Errno> {
        let limit = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(stderr, PollFlags::POLLOUT)], limit) {
            Ok(0) => Err(Errno::EAGAIN),
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno),
        }
    }
}

impl Kind {
    fn of(kind: SFlag) -> Self {
        match kind {
            SFlag::S_IFREG => Self::File,
            SFlag::S_IFIFO => Self::Pipe,
            SFlag::S_IFSOCK => Self::Socket,
            _ => Self::Other,
        }
    }
}

/// How long standard error is waited for before entries are lost.
const PATIENCE: Duration = Duration::from_millis(200);

#[cfg(not(target_vendor = "apple"))]
const DO_NOT_WAIT: MsgFlags = MsgFlags::MSG_DONTWAIT.union(MsgFlags::MSG_NOSIGNAL);

/// Rust's runtime ignores the signal.
#[cfg(target_vendor = "apple")]
const DO_NOT_WAIT: MsgFlags = MsgFlags::MSG_DONTWAIT;
