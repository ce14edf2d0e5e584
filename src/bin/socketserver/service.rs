//! Messages to systemd, if it has started the command.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use socketserver::Signal;
use socketserver::systemd::{State, Watchdog, notify};

use crate::complain;

/// The command as a service.
#[derive(Debug)]
pub(crate) struct Service {
    watchdog: Option<Watchdog>,
    /// The process that sends messages; those that serve under it do not send any.
    owner: u32,
    is_ready: AtomicBool,
}

impl Service {
    pub(crate) fn new() -> Self {
        let is_ready = AtomicBool::new(false);
        Self { watchdog: Watchdog::from_env(), owner: process::id(), is_ready }
    }

    /// How often [`turn`](Self::turn) has to be called.
    pub(crate) fn interval(&self) -> Option<Duration> {
        self.watchdog.as_ref().map(Watchdog::interval)
    }

    /// Tells systemd that clients are served.
    pub(crate) fn ready(&self) {
        if !self.is_ready.swap(true, Ordering::Relaxed) {
            self.tell(&[State::Ready, State::Status("Serving")]);
        }
    }

    /// Called in each turn of the serving loop: tells the watchdog that the server works.
    pub(crate) fn turn(&self) {
        self.ready();
        if let Some(watchdog) = &self.watchdog {
            watchdog.ping();
        }
    }

    /// Tells systemd that the server is being stopped, if this signal stops it.
    pub(crate) fn hear(&self, signal: Signal) {
        if [Signal::INT, Signal::TERM].contains(&signal) {
            self.tell(&[State::Stopping, State::Status("Finishing running requests")]);
        }
    }

    fn tell(&self, states: &[State<'_>]) {
        if process::id() != self.owner {
            return;
        }
        if let Err(error) = notify(states) {
            complain(&format_args!("cannot tell systemd: {error}"));
        }
    }
}
