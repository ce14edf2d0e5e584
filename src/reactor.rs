//! What the serving thread waits for: the listener, parked connections, deadlines, signals and
//! the wake-up.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use polling::{Event, Events, PollMode};
use signal_hook::SigId;
use signal_hook::consts::FORBIDDEN;

use crate::connection::Connection;
use crate::parking::{Parking, Slot};
use crate::sys;

/// Waits, and knows who is ready to be served.
#[derive(Debug)]
pub(crate) struct Reactor {
    pub(crate) parking: Arc<Parking>,
    /// Connections with something to read, in the order in which they get their turn.
    ready: VecDeque<(Arc<Slot>, Connection)>,
    /// The poller reports clients that wait to be accepted.
    listening: bool,
    rest: Option<Rest>,
    backoff: Duration,
    signals: Option<Signals>,
    events: Events,
    // Storage of one turn, kept for the next.
    keys: Vec<usize>,
    found: Vec<Arc<Slot>>,
    expired: Vec<(Arc<Slot>, Connection)>,
}

/// A pause of the listener.
#[derive(Debug)]
struct Rest {
    until: Instant,
    /// Open connections when it began; with fewer it ends early.
    open: usize,
}

/// What a turn found.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    /// Clients wait to be accepted.
    pub(crate) clients_wait: bool,
    /// Termination signals that came.
    pub(crate) signals: usize,
}

impl Reactor {
    /// A reactor for this listener.
    pub(crate) fn new(parking: Arc<Parking>, listener: &impl AsFd) -> io::Result<Self> {
        sys::watch(&parking.poller, listener.as_fd(), Event::readable(LISTENER), PollMode::Level)?;
        Ok(Self {
            parking,
            ready: VecDeque::new(),
            listening: true,
            rest: None,
            backoff: FIRST_REST,
            signals: None,
            events: Events::new(),
            keys: Vec::new(),
            found: Vec::new(),
            expired: Vec::new(),
        })
    }

    /// Watches a strategy's descriptor.
    pub(crate) fn watch_strategy(&self, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        let poller = &self.parking.poller;
        sys::watch(poller, descriptor, Event::readable(STRATEGY), PollMode::Level)
    }

    /// Stops watching a strategy's descriptor.
    pub(crate) fn forget_strategy(&self, descriptor: BorrowedFd<'_>) {
        // Nothing to forget where watching failed.
        let _ = self.parking.poller.delete(descriptor);
    }

    /// Watches termination signals, in addition to those watched already.
    pub(crate) fn watch_signals(&mut self, numbers: &[i32]) -> io::Result<()> {
        let mut signals = match self.signals.take() {
            Some(signals) => signals,
            None => {
                let signals = Signals::new()?;
                let interest = Event::readable(SIGNALS);
                sys::watch(
                    &self.parking.poller,
                    signals.reader.as_fd(),
                    interest,
                    PollMode::Level,
                )?;
                signals
            }
        };
        let watched = signals.register(numbers);
        self.signals = Some(signals);
        watched
    }

    /// Waits until there is something to do, at most for `limit`. Hears of waiting clients only
    /// if there is use for them: those that nobody accepts would end each wait at once.
    pub(crate) fn wait(
        &mut self,
        listener: &impl AsFd,
        limit: Option<Duration>,
        wants_clients: bool,
    ) -> io::Result<Turn> {
        self.listen(listener, wants_clients && self.rest.is_none())?;
        self.events.clear();
        let limits = [limit, self.parking.until_sweep(), self.rest_left()];
        let limit = limits.into_iter().flatten().min();
        self.parking.poller.wait(&mut self.events, limit)?;
        let mut turn = Turn::default();
        for event in self.events.iter() {
            match event.key {
                LISTENER => turn.clients_wait = true,
                SIGNALS => turn.signals += self.signals.as_mut().map_or(0, Signals::count),
                STRATEGY => {}
                key => self.keys.push(key),
            }
        }
        self.collect();
        if self.rest.is_some() && self.rest_is_over() {
            // The next wait tells whether anybody waits still.
            self.end_rest();
        }
        Ok(turn)
    }

    /// The next connection to be served, counted as waiting until then.
    pub(crate) fn next_ready(&mut self) -> Option<(Arc<Slot>, Connection)> {
        self.ready.pop_front()
    }

    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Puts a connection behind all that wait to be served.
    pub(crate) fn push_ready(&mut self, slot: Arc<Slot>, connection: Connection) {
        self.parking.job_waits();
        self.ready.push_back((slot, connection));
    }

    /// Stops listening until a connection ends or a pause has passed, which doubles each time
    /// from 5 ms to 1 s.
    pub(crate) fn begin_rest(&mut self) {
        self.parking.watch_ends(true);
        // Counted after the watch began, so that no end goes unnoticed in between.
        self.rest = Some(Rest { until: Instant::now() + self.backoff, open: self.parking.open() });
        self.backoff = (self.backoff * 2).min(LONGEST_REST);
    }

    /// Ends the listener's pause, if there is one.
    pub(crate) fn end_rest(&mut self) {
        self.rest = None;
        self.parking.watch_ends(false);
    }

    /// A client was accepted: whatever the trouble was, it is over.
    pub(crate) fn accepted(&mut self) {
        self.backoff = FIRST_REST;
    }

    /// Starts or stops hearing of clients that wait to be accepted.
    fn listen(&mut self, listener: &impl AsFd, listen: bool) -> io::Result<()> {
        if listen == self.listening {
            return Ok(());
        }
        let interest = if listen { Event::readable(LISTENER) } else { Event::none(LISTENER) };
        let poller = &self.parking.poller;
        poller.modify_with_mode(listener.as_fd(), interest, PollMode::Level)?;
        self.listening = listen;
        Ok(())
    }

    /// Takes out whoever has something to read or has run out of time.
    fn collect(&mut self) {
        self.parking.take_returned(&mut self.keys);
        self.parking.find(&mut self.keys, &mut self.found);
        let mut found = std::mem::take(&mut self.found);
        for slot in found.drain(..) {
            if let Some(connection) = slot.take_ready() {
                self.push_ready(slot, connection);
            }
        }
        self.found = found;
        self.parking.sweep(&mut self.expired);
        while let Some((slot, connection)) = self.expired.pop() {
            self.push_ready(slot, connection);
        }
    }

    fn rest_left(&self) -> Option<Duration> {
        self.rest.as_ref().map(|rest| rest.until.saturating_duration_since(Instant::now()))
    }

    fn rest_is_over(&self) -> bool {
        self.rest
            .as_ref()
            .is_none_or(|rest| rest.until <= Instant::now() || self.parking.open() < rest.open)
    }
}

/// What an error of `accept` means for the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AcceptError {
    /// Nobody waits any more.
    Nobody,
    /// This client is lost; the next one may be fine.
    Client,
    /// The process or the system has run out of something.
    Exhausted,
    /// The listener itself is unusable.
    Listener,
}

impl AcceptError {
    pub(crate) fn of(error: &io::Error) -> Self {
        match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EAGAIN) => Self::Nobody,
            // accept(2): what went wrong on the new socket already is reported here, and is to
            // be treated like "try again".
            Some(
                Errno::EINTR
                | Errno::ECONNABORTED
                | Errno::ECONNRESET
                | Errno::EPROTO
                | Errno::EPERM
                | Errno::ETIMEDOUT
                | Errno::ENETDOWN
                | Errno::ENETUNREACH
                | Errno::EHOSTDOWN
                | Errno::EHOSTUNREACH
                | Errno::ENOPROTOOPT,
            ) => Self::Client,
            Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM) => Self::Exhausted,
            _ => Self::Listener,
        }
    }
}

/// Termination signals as a readable descriptor.
#[derive(Debug)]
struct Signals {
    reader: UnixStream,
    writer: UnixStream,
    registered: Vec<SigId>,
}

impl Signals {
    fn new() -> io::Result<Self> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        Ok(Self { reader, writer, registered: Vec::new() })
    }

    fn register(&mut self, numbers: &[i32]) -> io::Result<()> {
        for &number in numbers {
            if FORBIDDEN.contains(&number) {
                let text = format!("signal {number} cannot be caught");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
            }
            let writer = self.writer.try_clone()?;
            self.registered.push(signal_hook::low_level::pipe::register(number, writer)?);
        }
        Ok(())
    }

    fn count(&mut self) -> usize {
        let mut bytes = [0; 16];
        self.reader.read(&mut bytes).unwrap_or(0)
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for &signal in &self.registered {
            signal_hook::low_level::unregister(signal);
        }
    }
}

const LISTENER: usize = usize::MAX - 1;
const SIGNALS: usize = usize::MAX - 2;
const STRATEGY: usize = usize::MAX - 3;

/// The listener's first and longest pause when nothing can be accepted.
const FIRST_REST: Duration = Duration::from_millis(5);
const LONGEST_REST: Duration = Duration::from_secs(1);
