//! Between a client and its script, both ways at once, on one thread.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::process::ExitStatus;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::super::exchange::Exchange;
use super::error_lines::ErrorLines;
use super::input::Input;
use super::process::Process;
use super::reply::Reply;
use crate::connection::remaining;

/// Moves bytes between a client and its script until either has no more to say.
#[derive(Debug)]
pub(super) struct Relay {
    process: Process,
    input: Input,
    reply: Reply,
    errors: ErrorLines,
    /// When the script's time is over.
    deadline: Option<Instant>,
    /// When the client ended its half, or took something since.
    half_closed: Option<Instant>,
}

/// What came of a script's output.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Responded,
    /// The response is that of another path.
    Redirected(String),
    /// There is no response, for this reason.
    Bad(&'static str),
    TimedOut,
}

/// What a wait has found.
#[derive(Debug, Default)]
struct Ready {
    stdout: bool,
    stderr: bool,
    client_ended: bool,
    client_gone: bool,
}

impl Relay {
    pub(super) fn new(
        mut process: Process,
        is_nph: bool,
        limit: Option<Duration>,
        stderr_limit: usize,
    ) -> io::Result<Self> {
        Ok(Self {
            input: Input::new(process.child.stdin.take())?,
            reply: Reply::new(is_nph),
            errors: ErrorLines::new(stderr_limit),
            deadline: limit.and_then(|limit| Instant::now().checked_add(limit)),
            half_closed: None,
            process,
        })
    }

    /// Moves bytes until the script has closed its output or can be listened to no longer.
    ///
    /// # Errors
    ///
    /// The client has left, or its body is none.
    pub(super) fn run(&mut self, http: &mut Exchange<'_>) -> io::Result<Outcome> {
        let mut buffer = vec![0; BUFFER_SIZE];
        loop {
            self.input.pump(&mut http.rfile)?;
            let Some(ready) = self.wait(http)? else { return Ok(Outcome::TimedOut) };
            if ready.stderr {
                self.errors.read(&mut self.process.child.stderr, http)?;
            }
            if ready.client_gone {
                return Err(client_left());
            }
            if ready.client_ended {
                self.half_closed = Some(Instant::now());
            }
            if ready.stdout && self.read_output(&mut buffer, http)? {
                return Ok(self.outcome());
            }
        }
    }

    /// Reads once, and tells whether that was the last time.
    fn read_output(&mut self, buffer: &mut [u8], http: &mut Exchange<'_>) -> io::Result<bool> {
        let Some(stdout) = &mut self.process.child.stdout else { return Ok(true) };
        let count = stdout.read(buffer)?;
        if count == 0 {
            self.process.child.stdout = None;
            return Ok(true);
        }
        let sent = http.wfile.sent();
        self.reply.take(&buffer[..count], http)?;
        // Output that is dropped, as in answer to HEAD, is nothing that the client took.
        if self.half_closed.is_some() && http.wfile.sent() > sent {
            self.half_closed = Some(Instant::now());
        }
        Ok(matches!(self.reply, Reply::Bad(_)))
    }

    fn outcome(&mut self) -> Outcome {
        match std::mem::replace(&mut self.reply, Reply::Body(None)) {
            Reply::Body(_) | Reply::Raw(true) => Outcome::Responded,
            Reply::Redirected(location) => Outcome::Redirected(location),
            Reply::Bad(why) => Outcome::Bad(why),
            Reply::Head(head) if head.is_empty() => Outcome::Bad("it wrote nothing"),
            Reply::Head(_) => Outcome::Bad("it ended within its head"),
            Reply::Raw(false) => Outcome::Bad("it wrote nothing"),
        }
    }

    /// Waits until something can be moved; `None` when the script's time is over.
    fn wait(&self, http: &mut Exchange<'_>) -> io::Result<Option<Ready>> {
        loop {
            let silent = self.input.deadline(&http.rfile);
            let left = self.half_closed.map(|since| since + HALF_CLOSED);
            let nearest = [self.deadline, silent, left].into_iter().flatten().min();
            let limit = if self.input.has_more() { PollTimeout::ZERO } else { remaining(nearest) };
            if let Some(ready) = self.poll(http, limit)? {
                return Ok(Some(ready));
            }
            let now = Instant::now();
            let has_passed = |deadline: Option<Instant>| deadline.is_some_and(|end| end <= now);
            if has_passed(self.deadline) {
                return Ok(None);
            }
            if has_passed(left) {
                return Err(client_left());
            }
            if has_passed(silent) {
                return Err(http.rfile.note_stall());
            }
            if self.input.has_more() {
                return Ok(Some(Ready::default()));
            }
        }
    }

    /// Asks once who is ready; `None` when nobody was in time.
    fn poll(&self, http: &Exchange<'_>, limit: PollTimeout) -> io::Result<Option<Ready>> {
        let child = &self.process.child;
        let client = http.rfile.socket();
        let body = if self.input.wants_body() { PollFlags::POLLIN } else { PollFlags::empty() };
        // Asked for apart, as an answer with flags that nix does not know cannot be read.
        let end = if self.half_closed.is_none() { half_close() } else { PollFlags::empty() };
        let mut all = Vec::with_capacity(5);
        all.extend([PollFd::new(client, body), PollFd::new(client, end)]);
        all.extend(child.stdout.iter().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
        let stdout = all.len() - 1;
        all.extend(child.stderr.iter().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
        all.extend(self.input.stuck_pipe().map(|pipe| PollFd::new(pipe, PollFlags::POLLOUT)));
        match poll(&mut all, limit) {
            Ok(0) | Err(Errno::EINTR) => return Ok(None),
            Ok(_) => {}
            Err(errno) => return Err(errno.into()),
        }
        let gone = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
        Ok(Some(Ready {
            client_gone: all[0].revents().is_none_or(|flags| flags.intersects(gone)),
            client_ended: self.half_closed.is_none() && all[1].any().unwrap_or(true),
            stdout: all[stdout].any().unwrap_or(true),
            stderr: child.stderr.is_some() && all[stdout + 1].any().unwrap_or(true),
        }))
    }

    /// Tells whether the script may write still.
    pub(super) fn is_open(&self) -> bool {
        self.process.child.stdout.is_some()
    }

    /// Waits for a script that has closed its output; `None` when its time is over.
    pub(super) fn wait_for_exit(&mut self, http: &Exchange<'_>) -> io::Result<Option<ExitStatus>> {
        self.input = Input::new(None)?;
        for round in 0_u32.. {
            let status = self.process.try_wait()?;
            self.read_errors(http)?;
            if status.is_some() {
                return Ok(status);
            }
            if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                break;
            }
            // It has closed its output, which most do by ending: little is left to wait for.
            match round.checked_sub(YIELDS) {
                None => thread::yield_now(),
                Some(round) => thread::sleep(LONGEST_NAP.min(SHORTEST_NAP * (1 << round.min(9)))),
            }
        }
        Ok(None)
    }

    /// Reads what there is of standard error.
    fn read_errors(&mut self, http: &Exchange<'_>) -> io::Result<()> {
        while let Some(pipe) = &self.process.child.stderr {
            let mut ready = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
            if poll(&mut ready, PollTimeout::ZERO).unwrap_or(0) == 0 {
                break;
            }
            self.errors.read(&mut self.process.child.stderr, http)?;
        }
        Ok(())
    }
}

/// The client has left, or the server has cut it off; either way nobody is there to answer.
fn client_left() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the client left before its script ended")
}

/// The client will send no more. Elsewhere than on Linux only a reset is told.
fn half_close() -> PollFlags {
    #[cfg(target_os = "linux")]
    return PollFlags::from_bits_retain(nix::libc::POLLRDHUP);
    #[cfg(not(target_os = "linux"))]
    PollFlags::empty()
}

/// Bytes of output that are moved at once, as many as a pipe holds.
const BUFFER_SIZE: usize = 64 * 1024;

/// How long a client that sends no more may take nothing. One that has closed the connection
/// answers the next bytes with a reset.
const HALF_CLOSED: Duration = Duration::from_secs(2);

/// Looks at an ending script that cost no time.
const YIELDS: u32 = 8;
const SHORTEST_NAP: Duration = Duration::from_micros(50);
const LONGEST_NAP: Duration = Duration::from_millis(10);
