//! What the process that serves has to itself, and a forked child lets go of.

use std::io;
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use socket2::{Domain, Socket, Type};

use super::Server;
use crate::concurrency::{self, Concurrency, Placement};
use crate::handler::Handler;
use crate::parking::Parking;
use crate::shutdown::{Requests, ShutdownHandle};
use crate::transport::Transport;

/// What only the process that serves may hold.
#[derive(Debug)]
pub(super) struct Own<T> {
    pub(super) transport: T,
    /// By which forked processes ask for a shutdown, where there may be such.
    pub(super) requests: Option<Requests>,
    /// What takes the listening socket's place. Made with the server: when a drain begins, the
    /// process may be out of descriptors, and the listener would stay open.
    pub(super) spare: Option<Socket>,
}

/// That, in the server's hands but for the calls that may fork.
#[derive(Debug)]
pub(super) struct Held<T>(Option<Own<T>>);

impl<T> Held<T> {
    pub(super) fn new(transport: T) -> io::Result<Self> {
        let spare = Some(Socket::new(Domain::UNIX, Type::STREAM, None)?);
        Ok(Self(Some(Own { transport, requests: None, spare })))
    }
}

impl<T> Deref for Held<T> {
    type Target = Own<T>;

    fn deref(&self) -> &Own<T> {
        self.0.as_ref().expect(LENT)
    }
}

impl<T> DerefMut for Held<T> {
    fn deref_mut(&mut self) -> &mut Own<T> {
        self.0.as_mut().expect(LENT)
    }
}

/// Nothing of the server is called while its strategy is.
const LENT: &str = "what belongs to the server is lent during a call of the strategy only";

/// Where a child process finds what it is to drop: it never returns to the frames of its parent, whose
/// destructors would do that, and what is closed behind an owner's back is closed for whatever gets the
/// number next.
#[derive(Debug)]
pub(super) struct Belongings<T> {
    lent: Mutex<Option<Own<T>>>,
    parking: Arc<Parking>,
    shutdown: ShutdownHandle,
}

impl<T> Belongings<T> {
    pub(super) fn new(parking: &Arc<Parking>, shutdown: ShutdownHandle) -> Arc<Self> {
        Arc::new(Self { lent: Mutex::default(), parking: Arc::clone(parking), shutdown })
    }

    fn lent(&self) -> MutexGuard<'_, Option<Own<T>>> {
        self.lent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send> concurrency::Belongings for Belongings<T> {
    fn leave_to_parent(&self) {
        // New clients would connect to a listener that nobody accepts from, for as long as this child
        // outlives its parent.
        let requests = self.lent().take().and_then(|own| own.requests);
        if let Some(requests) = requests {
            self.shutdown.ask_by(requests);
        }
        self.parking.leave_to_parent();
    }
}

impl<T: Transport, C: Concurrency, H: Handler<T::Request>> Server<T, C, H> {
    /// Calls the strategy, which may fork.
    pub(super) fn lend<R>(&mut self, call: impl FnOnce(&mut C) -> R) -> R {
        if self.strategy.placement() != Placement::Away {
            return call(&mut self.strategy);
        }
        *self.belongings.lent() = self.held.0.take();
        let called = catch_unwind(AssertUnwindSafe(|| call(&mut self.strategy)));
        self.held.0 = self.belongings.lent().take();
        called.unwrap_or_else(|panic| resume_unwind(panic))
    }
}
