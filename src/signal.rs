//! A signal by its name.

use std::error::Error;
use std::fmt;
use std::io;

use nix::libc;

use crate::sys;

/// A signal that a process is sent.
///
/// The common ones are constants; any other is made of its number, as `signal(7)` has it. Shown as
/// its name.
///
/// # Examples
///
/// ```
/// use socketserver::Signal;
///
/// assert_eq!(Signal::TERM.to_string(), "SIGTERM");
/// assert_eq!(Signal::try_from(15), Ok(Signal::TERM));
/// assert!(Signal::try_from(12_345).is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Signal(i32);

impl Signal {
    /// SIGHUP: the terminal is gone; for daemons, that their configuration has changed.
    pub const HUP: Self = Self(libc::SIGHUP);
    /// SIGINT: Ctrl-C.
    pub const INT: Self = Self(libc::SIGINT);
    /// SIGQUIT: Ctrl-\\.
    pub const QUIT: Self = Self(libc::SIGQUIT);
    /// SIGTERM: what `kill`, systemd and containers send to end a process.
    pub const TERM: Self = Self(libc::SIGTERM);
    /// SIGUSR1: means what a program says.
    pub const USR1: Self = Self(libc::SIGUSR1);
    /// SIGUSR2: means what a program says.
    pub const USR2: Self = Self(libc::SIGUSR2);
    /// SIGALRM: a timer has run out.
    pub const ALRM: Self = Self(libc::SIGALRM);
    /// SIGCHLD: a child process has ended.
    pub const CHLD: Self = Self(libc::SIGCHLD);
    /// SIGPIPE: what was written has no reader. Ignored in a Rust program.
    pub const PIPE: Self = Self(libc::SIGPIPE);
    /// SIGWINCH: the terminal has another size.
    pub const WINCH: Self = Self(libc::SIGWINCH);
    /// SIGURG: a socket has urgent data.
    pub const URG: Self = Self(libc::SIGURG);
    /// SIGKILL: ends a process at once, and cannot be caught.
    pub const KILL: Self = Self(libc::SIGKILL);

    /// Its number, for calls of the system.
    pub const fn number(self) -> i32 {
        self.0
    }

    /// Tells whether this process ignores it: Python's `signal.getsignal(number) == SIG_IGN`.
    ///
    /// A program may have been started so, and should leave it so: `nohup` has SIGHUP ignored, and
    /// a shell SIGINT and SIGQUIT for what a script starts in the background.
    /// [`Server::shutdown_on_signals`](crate::Server::shutdown_on_signals) does; this is for
    /// programs that handle signals by themselves.
    #[doc(alias = "SIG_IGN")]
    pub fn is_ignored(self) -> bool {
        sys::is_ignored(self.0)
    }
}

impl TryFrom<i32> for Signal {
    type Error = InvalidSignal;

    /// Takes the numbers that signals have on this system.
    fn try_from(number: i32) -> Result<Self, InvalidSignal> {
        if (1..=largest()).contains(&number) {
            Ok(Self(number))
        } else {
            Err(InvalidSignal(number))
        }
    }
}

impl From<Signal> for i32 {
    fn from(signal: Signal) -> Self {
        signal.0
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match nix::sys::signal::Signal::try_from(self.0) {
            Ok(known) => f.pad(known.as_str()),
            Err(_) => f.pad(&format!("signal {}", self.0)),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A number that no signal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidSignal(i32);

impl InvalidSignal {
    /// The number.
    pub const fn number(self) -> i32 {
        self.0
    }
}

impl fmt::Display for InvalidSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no signal {}", self.0)
    }
}

impl Error for InvalidSignal {}

impl From<InvalidSignal> for io::Error {
    fn from(error: InvalidSignal) -> Self {
        Self::new(io::ErrorKind::InvalidInput, error)
    }
}

/// The largest number, that of the last real-time signal where there are such.
#[cfg(target_os = "linux")]
fn largest() -> i32 {
    libc::SIGRTMAX()
}

#[cfg(not(target_os = "linux"))]
fn largest() -> i32 {
    // SIGUSR2, on macOS and the BSDs.
    libc::SIGUSR2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_shown_by_name() {
        assert_eq!(format!("{} {:?}", Signal::INT, [Signal::HUP]), "SIGINT [SIGHUP]");
        assert_eq!(
            Signal::try_from(libc::SIGXCPU).map(|signal| signal.to_string()).as_deref(),
            Ok("SIGXCPU")
        );
    }

    #[test]
    fn numbers_of_no_signal_are_refused() {
        for number in [i32::MIN, -1, 0, largest() + 1, 12_345] {
            let error = Signal::try_from(number)
                .map_err(io::Error::from)
                .map_err(|error| (error.kind(), error.to_string()));
            let text = format!("there is no signal {number}");
            assert_eq!(error, Err((io::ErrorKind::InvalidInput, text)));
        }
        assert_eq!(Signal::try_from(largest()).map(Signal::number), Ok(largest()));
    }
}
