//! Standard error, without waiting for its reader, a line at a time.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use log::LevelFilter;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc::{dev_t, ino_t};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, send};
use nix::sys::stat::{SFlag, fstat};
use nix::unistd::write;

use crate::os;
use shared::{State, state, turns};

pub(crate) use shared::share;

mod shared;

/// Writes lines to standard error, as the log of requests is written.
///
/// A server must not stop because its log is not read: where standard error is a pipe, a socket or
/// a terminal that takes nothing for 200 ms, what is written is lost from then on, and counted,
/// until it takes something again. Errors (a full disk, no reader at the other end) are ignored.
/// What could be written in part only is ended by a line's end before the next entry.
///
/// Entries of several threads do not mix, and neither do those of the processes of
/// [`PreFork`](crate::PreFork) and [`Forking`](crate::Forking).
/// For handlers that override [`log_message`](crate::http::HttpRequestHandler::log_message).
pub fn write_to_stderr(text: &str) {
    let mut log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    log.write(text.as_bytes());
}

/// Tells of what the operator of a program should not miss: by a logger, or on standard error where
/// no logger is installed.
pub(crate) fn report(what: fmt::Arguments<'_>) {
    if log::max_level() == LevelFilter::Off {
        write_to_stderr(&format!("socketserver: {what}\n"));
    } else {
        log::error!("{what}");
    }
}

static LOG: Mutex<StandardError> = Mutex::new(StandardError { known: None });

#[derive(Debug)]
struct StandardError {
    /// What was found out about it, as long as it is the same file.
    known: Option<Known>,
}

/// Which file something is. The kinds of number differ from system to system.
type Identity = (dev_t, ino_t);

#[derive(Debug)]
struct Known {
    identity: Identity,
    /// The same file, opened so that writing never blocks.
    nonblocking: Option<File>,
}

/// What standard error is.
#[derive(Clone, Copy)]
enum Kind {
    File,
    Pipe,
    Socket,
    Other,
}

/// Where something is written to.
#[derive(Clone, Copy)]
struct Target<'a> {
    kind: Kind,
    state: State<'a>,
    /// No other process writes meanwhile.
    has_turn: bool,
}

/// How much standard error may be waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Patience {
    None,
    Stall,
}

impl StandardError {
    fn write(&mut self, text: &[u8]) {
        let state = state();
        let Ok((identity, kind)) = look() else { return };
        // To these a long line is written in parts, and those of several processes would mix.
        let turns = turns().filter(|_| matches!(kind, Kind::Pipe | Kind::Socket));
        let turn = turns.and_then(|turns| turns.take(state));
        if turns.is_some() && turn.is_none() {
            state.lost.fetch_add(1, SeqCst);
            return;
        }
        if matches!(kind, Kind::Pipe | Kind::Other) {
            self.reopen_nonblocking(identity, kind);
        }
        let to = Target { kind, state, has_turn: turn.is_some() };
        let lost = state.lost.load(SeqCst);
        if lost > 0 {
            let notice = format!("{lost} entries of this log were lost\n");
            if self.write_line(notice.as_bytes(), to, Patience::None).is_err() {
                state.lost.fetch_add(1, SeqCst);
                return;
            }
            // Others may have lost some meanwhile.
            let _ = state.lost.fetch_update(SeqCst, SeqCst, |now| Some(now.saturating_sub(lost)));
        }
        if let Err(Errno::EAGAIN) = self.write_line(text, to, Patience::Stall) {
            state.lost.fetch_add(1, SeqCst);
        }
    }

    /// Writes all of it, or as much as is taken, on a line of its own.
    fn write_line(&self, text: &[u8], to: Target<'_>, patience: Patience) -> Result<(), Errno> {
        let was_cut = to.state.is_cut.load(SeqCst) != 0;
        let with_end = if was_cut { [b"\n", text].concat() } else { Vec::new() };
        let text = if was_cut { &with_end } else { text };
        // A process may be killed in the middle of what is not written at once.
        let is_marked = to.has_turn && text.len() > PIPE_BUF_MIN;
        if is_marked {
            to.state.is_cut.store(1, SeqCst);
        }
        let mut left = text;
        let written = self.try_write(&mut left, to, patience);
        let is_cut = if left.len() == text.len() { was_cut } else { !left.is_empty() };
        if is_cut != (was_cut || is_marked) {
            to.state.is_cut.store(is_cut.into(), SeqCst);
        }
        written
    }

    /// Writes all of it, or as much as is taken, and leaves the rest.
    fn try_write(&self, text: &mut &[u8], to: Target<'_>, patience: Patience) -> Result<(), Errno> {
        let stderr = io::stderr();
        let nonblocking = self.known.as_ref().and_then(|known| known.nonblocking.as_ref());
        let mut deadline = None;
        while !text.is_empty() {
            let written = match (nonblocking, to.kind) {
                (_, Kind::File) => write(&stderr, text),
                (_, Kind::Socket) => send(stderr.as_raw_fd(), text, DO_NOT_WAIT),
                (Some(nonblocking), Kind::Pipe | Kind::Other) => write(nonblocking, text),
                // Asked first, which is nearly as good: there is room for a little then.
                (None, Kind::Pipe | Kind::Other) => self
                    .wait(stderr.as_fd(), Duration::ZERO)
                    .and_then(|()| write(&stderr, &text[..text.len().min(PIPE_BUF_MIN)])),
            };
            match written {
                Ok(0) => return Err(Errno::EIO),
                Ok(count) => {
                    (*text, deadline) = (&text[count..], None);
                    to.state.progress.fetch_add(1, SeqCst);
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) if patience == Patience::Stall => {
                    // A terminal may say that it has room, and have no room for a line's end.
                    let now = Instant::now();
                    let end = *deadline.get_or_insert(now + STDERR_STALL);
                    let left = end.saturating_duration_since(now);
                    if left.is_zero() {
                        return Err(Errno::EAGAIN);
                    }
                    self.wait(stderr.as_fd(), left)?;
                }
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    /// Opens the pipe or terminal once more: another opening can be non-blocking by itself, while a
    /// mode of standard error would be one for every process that shares it. Other devices might do
    /// anything when they are opened.
    fn reopen_nonblocking(&mut self, identity: Identity, kind: Kind) {
        if self.known.as_ref().is_some_and(|known| known.identity == identity) {
            return;
        }
        let stderr = io::stderr();
        let opened = if matches!(kind, Kind::Pipe) || stderr.is_terminal() {
            let name = format!("/dev/fd/{}", stderr.as_raw_fd());
            let mode = OFlag::O_NONBLOCK | OFlag::O_APPEND | OFlag::O_NOCTTY;
            OpenOptions::new().write(true).custom_flags(mode.bits()).open(name).ok()
        } else {
            None
        };
        let is_same =
            |file: &File| fstat(file).is_ok_and(|found| (found.st_dev, found.st_ino) == identity);
        // On the BSDs and macOS this was no other opening, but a copy with the mode of the first.
        let is_non_blocking = |file: &File| {
            fcntl(file, FcntlArg::F_GETFL)
                .is_ok_and(|mode| OFlag::from_bits_retain(mode).contains(OFlag::O_NONBLOCK))
        };
        let nonblocking = opened.filter(is_same).filter(is_non_blocking);
        self.known = Some(Known { identity, nonblocking });
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

/// Which file standard error is, and what.
fn look() -> Result<(Identity, Kind), Errno> {
    let stat = fstat(io::stderr())?;
    let kind = Kind::of(SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()));
    Ok(((stat.st_dev, stat.st_ino), kind))
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
const STDERR_STALL: Duration = Duration::from_millis(200);

/// Bytes that a pipe takes without waiting where it takes any: the least that POSIX allows.
const PIPE_BUF_MIN: usize = 512;

const DO_NOT_WAIT: MsgFlags =
    MsgFlags::MSG_DONTWAIT.union(MsgFlags::from_bits_retain(os::NO_SIGNAL));
