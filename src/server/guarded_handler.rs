//! The handler as jobs call it: guarded against panics, with its failures reported.

use std::error::Error;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use crate::address::Address;
use crate::connection::Connection;
use crate::handler::{Handler, panicked};
use crate::parking::ServeConnection;
use crate::server_info::ServerInfo;
use crate::signal::Signal;
use crate::sys::SharedCounters;

/// A server's handler, and what its requests tell of the server.
#[derive(Debug)]
pub(crate) struct GuardedHandler<H, R> {
    pub(super) handler: H,
    pub(super) info: ServerInfo,
    pub(super) speaks_first: bool,
    /// In a process of a supervisor: how many requests run here and in what it has forked, told to
    /// the supervisor.
    running: OnceLock<Arc<SharedCounters>>,
    /// What the handler receives.
    request: PhantomData<fn(R)>,
}

impl<H: Handler<R>, R> GuardedHandler<H, R> {
    pub(super) fn new(handler: H, info: ServerInfo) -> Self {
        Self {
            speaks_first: handler.client_speaks_first(),
            handler,
            info,
            running: OnceLock::new(),
            request: PhantomData,
        }
    }

    pub(super) fn verify(&self, request: &R, address: &Address) -> bool {
        let verified =
            catch_unwind(AssertUnwindSafe(|| self.handler.verify_request(request, address)));
        verified.unwrap_or_else(|panic| {
            self.report(address, &panicked(&*panic));
            false
        })
    }

    /// Handles a request; false when that failed, which has been reported then.
    pub(super) fn handle(&self, request: R, address: &Address) -> bool {
        self.guard(address, || self.handler.handle(request))
    }

    /// Refuses a request that there is no room for.
    pub(super) fn refuse(&self, request: R, address: &Address) {
        self.guard(address, || self.handler.handle_overload(request));
    }

    /// Counts what runs for a supervisor.
    pub(super) fn count_running(&self, running: Arc<SharedCounters>) {
        // A process has one supervisor.
        let _ = self.running.set(running);
    }

    fn guard(&self, address: &Address, call: impl FnOnce() -> io::Result<()>) -> bool {
        let running = self.running.get().map(|running| &running.cells()[0]);
        if let Some(running) = running {
            running.fetch_add(1, Ordering::Relaxed);
        }
        let handled = catch_unwind(AssertUnwindSafe(call));
        if let Some(running) = running {
            running.fetch_sub(1, Ordering::Relaxed);
        }
        match handled.unwrap_or_else(|panic| Err(panicked(&*panic))) {
            Ok(()) => true,
            Err(error) => {
                self.report(address, &error);
                false
            }
        }
    }

    /// Tells the handler of signals.
    pub(super) fn hear_signals(&self, signals: &[i32]) {
        for signal in signals.iter().filter_map(|&number| Signal::try_from(number).ok()) {
            // A panic here is printed by the panic hook, and the server stops all the same.
            let _ = catch_unwind(AssertUnwindSafe(|| self.handler.handle_signal(signal)));
        }
    }

    pub(super) fn report(&self, address: &Address, error: &io::Error) {
        // A panic here is printed by the panic hook; there is no client to tell.
        let _ = catch_unwind(AssertUnwindSafe(|| self.handler.handle_error(address, error)));
    }
}

impl<H: Handler> ServeConnection for GuardedHandler<H, Connection> {
    fn handle(&self, connection: Connection, has_left_silently: &dyn Fn() -> bool) -> bool {
        let address = connection.client_address.clone();
        self.guard(&address, || {
            let handled = self.handler.handle(connection);
            handled.map_err(|error| match error.kind() {
                // It went away, whatever the handler had hoped to read.
                io::ErrorKind::UnexpectedEof if has_left_silently() => {
                    io::Error::new(io::ErrorKind::ConnectionAborted, LeftSilently(error))
                }
                _ => error,
            })
        })
    }

    fn receive(&self, connection: Connection) -> Option<Connection> {
        let address = connection.client_address.clone();
        let received = catch_unwind(AssertUnwindSafe(|| self.handler.receive(connection)));
        received.unwrap_or_else(|panic| Err(panicked(&*panic))).unwrap_or_else(|error| {
            self.report(&address, &error);
            None
        })
    }

    fn client_speaks_first(&self) -> bool {
        self.speaks_first
    }
}

/// What a handler missed of a client that ended before it had sent a byte of a request.
#[derive(Debug)]
struct LeftSilently(io::Error);

impl fmt::Display for LeftSilently {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it left without a byte")
    }
}

impl Error for LeftSilently {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}
