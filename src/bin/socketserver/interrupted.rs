//! What is said after Ctrl-C.

use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::complain;

/// Whether Ctrl-C was pressed, and what was said of it.
#[derive(Debug)]
pub(crate) struct Interrupted {
    since: OnceLock<Instant>,
    is_waiting: AtomicBool,
    limit: Duration,
}

impl Interrupted {
    /// For a server that lets running requests take so long.
    pub(crate) fn new(limit: Duration) -> Self {
        Self { since: OnceLock::new(), is_waiting: AtomicBool::new(false), limit }
    }

    /// Prints Python's message, once.
    pub(crate) fn say(&self) {
        if self.since.set(Instant::now()).is_ok() {
            // Standard output may be closed; the server ends all the same.
            let _ = io::stdout().write_all(b"\nKeyboard interrupt received, exiting.\n");
        }
    }

    /// Says, once, what the server still waits for a moment after that: that is called as long as
    /// it does.
    pub(crate) fn say_what_is_waited_for(&self) {
        let is_due = self.since.get().is_some_and(|since| since.elapsed() >= MOMENT);
        if is_due && !self.is_waiting.swap(true, Ordering::Relaxed) {
            let seconds = self.limit.as_secs();
            complain(&format_args!(
                "waiting up to {seconds} seconds for running requests; a second Ctrl-C ends them"
            ));
        }
    }
}

/// What ends sooner needs no explanation. The server calls its handler each second.
pub(crate) const MOMENT: Duration = Duration::from_millis(900);
