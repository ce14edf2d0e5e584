//! Signals that a handler is told of.

use std::io;

use super::Server;
use super::clients::ServerKind;
use crate::concurrency::Concurrency;
use crate::signal::Signal;
use crate::signals;

impl<K: ServerKind, C: Concurrency> Server<K, C> {
    /// Tells the handler of these signals, by
    /// [`Handler::handle_signal`](crate::Handler::handle_signal), and goes on serving.
    ///
    /// For what daemons do on SIGHUP: reopen a log, read certificates anew. A signal that was
    /// given to [`shutdown_on_signals`](Self::shutdown_on_signals), too, ends the server. One that
    /// is ignored stays so, as for [`shutdown_on_signals`](Self::shutdown_on_signals).
    ///
    /// # Errors
    ///
    /// One of them cannot be caught, such as SIGKILL: an error of the kind `InvalidInput`.
    pub fn watch_signals(&mut self, signals: &[Signal]) -> io::Result<()> {
        self.reactor.watch_notify_only(&signals::heeded(signals))
    }

    /// Tells the handler of these signals, as [`watch_signals`](Self::watch_signals) does, where
    /// they come to this process. In processes that are forked of it they keep their default
    /// action, which ends most: for a program that has something to remove before it ends by them,
    /// and for signals that each process gets for itself, as SIGXCPU comes to one that has used up
    /// its time (`RLIMIT_CPU`).
    ///
    /// With [`watch_signals`](Self::watch_signals), forked processes ignore them, so that a signal
    /// may be sent to all processes. A signal that the program handles in another way keeps that
    /// handler everywhere.
    ///
    /// # Errors
    ///
    /// One of them cannot be caught, such as SIGKILL: an error of the kind `InvalidInput`.
    pub fn watch_signals_here(&mut self, signals: &[Signal]) -> io::Result<()> {
        self.reactor.watch_here(&signals::heeded(signals))
    }
}
