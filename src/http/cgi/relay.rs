//! Between a client and its script, both ways at once, on one thread.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::error_lines::ErrorLines;
use super::input::Input;
use super::process::Process;
use super::reply::Reply;
use crate::connection::remaining;
use crate::http::exchange::Exchange;

/// Moves bytes between a client and its script until either has no more to say.
#[derive(Debug)]
pub(super) struct Relay {
    process: Process,
    input: Input,
    reply: Reply,
    errors: ErrorLines,
    /// When the script's time is over.
    deadline: Option<Instant>,
    /// When the client, which has its whole answer, was seen to have ended its half.
    client_ended: Option<Instant>,
    /// When the script was seen to have ended, or after that to have left output behind.
    quiet_since: Option<Instant>,
    /// The script has ended, and its output was not waited for any longer.
    is_output_held: bool,
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
    /// A signal has ended the script in the middle of its response.
    Killed(ExitStatus),
}

fn has_passed(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|end| end <= Instant::now())
}

/// How a wait ended.
#[derive(Debug)]
enum Waited {
    Ready(Ready),
    /// The script's time is over.
    TimedOut,
    /// The client has its whole answer, and has ended its half of the connection.
    AnsweredAndLeft,
}

/// What a wait has found.
#[derive(Debug, Default)]
struct Ready {
    stdout: bool,
    stderr: bool,
    exit: bool,
    client_ended: bool,
    client_gone: bool,
}

impl Relay {
    pub(super) fn new(
        mut process: Process,
        input: Vec<u8>,
        is_nph: bool,
        limit: Option<Duration>,
        stderr_limit: usize,
    ) -> io::Result<Self> {
        Ok(Self {
            input: Input::new(process.child.stdin.take(), input)?,
            reply: Reply::new(is_nph),
            errors: ErrorLines::new(stderr_limit),
            deadline: limit.and_then(|limit| Instant::now().checked_add(limit)),
            client_ended: None,
            quiet_since: None,
            is_output_held: false,
            process,
        })
    }

    /// Moves bytes until the script has closed its output or can be listened to no longer.
    ///
    /// A process that the script has started may hold its output for as long as it likes. So the
    /// output of a script that has ended ends when nothing more comes of it for a while.
    ///
    /// # Errors
    ///
    /// The client's connection is broken, or its body is malformed.
    pub(super) fn run(&mut self, http: &mut Exchange<'_>) -> io::Result<Outcome> {
        let mut buffer = vec![0; BUFFER_SIZE];
        loop {
            self.input.pump(&mut http.rfile)?;
            let ready = match self.wait(http)? {
                Waited::Ready(ready) => ready,
                Waited::TimedOut => return Ok(Outcome::TimedOut),
                Waited::AnsweredAndLeft => return Ok(Outcome::Responded),
            };
            if ready.stderr {
                self.errors.read(&mut self.process.child.stderr, http)?;
            }
            if ready.client_gone {
                return Err(client_left(http.is_cut()));
            }
            if ready.client_ended {
                self.client_ended = Some(Instant::now());
            }
            if ready.exit {
                self.process.note_exit();
                self.quiet_since = Some(Instant::now());
            }
            if ready.stdout {
                if self.read_output(&mut buffer, http)? {
                    return self.outcome(http);
                }
                self.quiet_since = self.quiet_since.map(|_| Instant::now());
            }
            if has_passed(self.quiet_end(http)) {
                self.is_output_held = !self.is_complete(http);
                self.process.child.stdout = None;
                return self.outcome(http);
            }
        }
    }

    /// Until when more output of a script that has ended is waited for.
    fn quiet_end(&self, http: &Exchange<'_>) -> Option<Instant> {
        let grace = if self.is_complete(http) { Duration::ZERO } else { AFTER_EXIT };
        Some(self.quiet_since? + grace)
    }

    /// Tells whether further output would not be sent.
    fn is_complete(&self, http: &Exchange<'_>) -> bool {
        match self.reply {
            Reply::Body(left) => left == Some(0) || http.wfile.is_dropping(),
            Reply::Redirected(_) | Reply::Bad(_) => true,
            Reply::Head(_) | Reply::Raw(_) => false,
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
        self.reply.take(&buffer[..count], http)?;
        Ok(matches!(self.reply, Reply::Bad(_)))
    }

    fn outcome(&mut self, http: &Exchange<'_>) -> io::Result<Outcome> {
        let is_complete = self.is_complete(http);
        Ok(match std::mem::replace(&mut self.reply, Reply::Body(None)) {
            Reply::Body(_) | Reply::Raw(true) => match self.exit_soon()? {
                Some(status) if !is_complete && status.signal().is_some() => {
                    Outcome::Killed(status)
                }
                _ => Outcome::Responded,
            },
            Reply::Redirected(location) => Outcome::Redirected(location),
            Reply::Bad(why) => Outcome::Bad(why),
            Reply::Head(head) if head.is_empty() => Outcome::Bad("it wrote nothing"),
            Reply::Head(_) => Outcome::Bad("it ended within its head"),
            Reply::Raw(false) => Outcome::Bad("it wrote nothing"),
        })
    }

    /// How the script has ended, if it ends within a moment of its output: the system closes the
    /// output of a process that a signal kills just before it tells of the end. Most scripts end
    /// then, too. One that goes on without its output holds the end of its response up so long.
    fn exit_soon(&mut self) -> io::Result<Option<ExitStatus>> {
        if let Some(notice) = self.process.exit_notice() {
            let mut notice = [PollFd::new(notice, PollFlags::POLLIN)];
            // Interrupted is waited enough: the status is asked for in any case.
            let _ = poll(&mut notice, PollTimeout::from(MOMENT_TO_EXIT));
        }
        self.process.try_wait()
    }

    /// Waits until something can be moved.
    ///
    /// A client that sends no more waits for its answer (RFC 9112 §9.6). Only one that has the
    /// answer, as output that follows is dropped, has nothing left to wait for.
    fn wait(&self, http: &mut Exchange<'_>) -> io::Result<Waited> {
        let is_answered = matches!(self.reply, Reply::Body(_)) && http.wfile.is_dropping();
        let left = self.client_ended.map(|since| since + AFTER_ANSWER);
        let quiet = self.quiet_end(http);
        loop {
            let silent = self.input.deadline(&http.rfile);
            // Where the loop waits for this script, nothing else ends it with the server.
            let look = http.cut_if_over();
            let nearest = [self.deadline, silent, left, quiet, look].into_iter().flatten().min();
            let limit = if self.input.has_more() { PollTimeout::ZERO } else { remaining(nearest) };
            // First, as a script that writes all the time is ready each time.
            if has_passed(self.deadline) {
                return Ok(Waited::TimedOut);
            }
            if has_passed(left) {
                return Ok(Waited::AnsweredAndLeft);
            }
            if let Some(ready) = self.poll(http, is_answered, limit)? {
                return Ok(Waited::Ready(ready));
            }
            if has_passed(silent) {
                return Err(http.rfile.note_stall());
            }
            if self.input.has_more() || has_passed(quiet) {
                return Ok(Waited::Ready(Ready::default()));
            }
        }
    }

    /// Asks once who is ready; `None` when nobody was in time.
    fn poll(
        &self,
        http: &Exchange<'_>,
        is_answered: bool,
        limit: PollTimeout,
    ) -> io::Result<Option<Ready>> {
        let child = &self.process.child;
        let client = http.rfile.socket();
        let body = if self.input.wants_body() { PollFlags::POLLIN } else { PollFlags::empty() };
        // Asked for apart, as an answer with flags that nix does not know cannot be read.
        let awaits_end = is_answered && self.client_ended.is_none();
        let end = if awaits_end { half_close() } else { PollFlags::empty() };
        let mut all = Vec::with_capacity(6);
        all.extend([PollFd::new(client, body), PollFd::new(client, end)]);
        all.extend(child.stdout.iter().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
        let stdout = all.len() - 1;
        all.extend(child.stderr.iter().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
        let exit = all.len();
        all.extend(self.process.exit_notice().map(|end| PollFd::new(end, PollFlags::POLLIN)));
        let exit = exit..all.len();
        all.extend(self.input.stuck_pipe().map(|pipe| PollFd::new(pipe, PollFlags::POLLOUT)));
        match poll(&mut all, limit) {
            Ok(0) | Err(Errno::EINTR) => return Ok(None),
            Ok(_) => {}
            Err(errno) => return Err(errno.into()),
        }
        let gone = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
        Ok(Some(Ready {
            client_gone: all[0].revents().is_none_or(|flags| flags.intersects(gone)),
            client_ended: awaits_end && all[1].any().unwrap_or(true),
            stdout: all[stdout].any().unwrap_or(true),
            stderr: child.stderr.is_some() && all[stdout + 1].any().unwrap_or(true),
            exit: all[exit].iter().any(|notice| notice.any().unwrap_or(true)),
        }))
    }

    /// Tells whether the output was ended here, as a process that the script has left held it.
    pub(super) fn is_output_held(&self) -> bool {
        self.is_output_held
    }

    /// How the script has ended, if it has.
    pub(super) fn status(&mut self) -> io::Result<Option<ExitStatus>> {
        self.process.try_wait()
    }

    /// Tells whether the script may write still.
    pub(super) fn is_open(&self) -> bool {
        self.process.child.stdout.is_some()
    }

    /// Waits for a script that has closed its output; `None` when its time is over.
    pub(super) fn wait_for_exit(&mut self, http: &Exchange<'_>) -> io::Result<Option<ExitStatus>> {
        self.input = Input::new(None, Vec::new())?;
        for round in 0_u32.. {
            let status = self.process.try_wait()?;
            self.read_errors(http)?;
            if status.is_some() {
                return Ok(status);
            }
            http.cut_if_over();
            if has_passed(self.deadline) || http.is_cut() {
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

    /// Reads what there is of standard error, and no more than a pipe holds: what writes to it all
    /// the time may be a process that the script has left.
    fn read_errors(&mut self, http: &Exchange<'_>) -> io::Result<()> {
        for _ in 0..BUFFER_SIZE / ErrorLines::READ_SIZE {
            let Some(pipe) = &self.process.child.stderr else { break };
            let mut ready = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
            if poll(&mut ready, PollTimeout::ZERO).unwrap_or(0) == 0 {
                break;
            }
            self.errors.read(&mut self.process.child.stderr, http)?;
        }
        Ok(())
    }
}

/// The client has reset the connection, or the server has cut it off: there is no way to answer.
fn client_left(is_cut: bool) -> io::Error {
    let who = if is_cut { "the connection was cut" } else { "the client left" };
    let what = format!("{who} before the script ended");
    io::Error::new(io::ErrorKind::ConnectionAborted, what)
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

/// How long more output of a script that has ended is waited for each time: what a program that it
/// has written to, such as a filter, has not passed on yet. CPython does not wait.
const AFTER_EXIT: Duration = Duration::from_secs(1);

/// Milliseconds in which a script that has closed its output may end before its response does.
const MOMENT_TO_EXIT: u8 = 100;

/// How long a script goes on whose output is dropped, as in answer to HEAD, once its client has
/// ended its half.
const AFTER_ANSWER: Duration = Duration::from_secs(2);

/// Looks at an ending script that cost no time.
const YIELDS: u32 = 8;
const SHORTEST_NAP: Duration = Duration::from_micros(50);
const LONGEST_NAP: Duration = Duration::from_millis(10);
