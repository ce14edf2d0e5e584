//! What only the process that serves may hold, and a forked child closes.

use std::io;
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use socket2::{Domain, Socket, Type};

use super::Server;
use super::clients::ServerKind;
use super::leave_to_parent::LeaveToParent;
use crate::concurrency::{self, Concurrency, Job, Placement};
use crate::poller::Poller;
use crate::shutdown::{Requests, ShutdownHandle};
use crate::transport::Transport;

/// What only the process that serves may hold.
#[derive(Debug)]
pub(super) struct Resources<T> {
    pub(super) transport: T,
    /// By which forked processes ask for a shutdown, where there may be such.
    pub(super) requests: Option<Requests>,
    /// What takes the listening socket's place. Made with the server: when a drain begins, the
    /// process may be out of descriptors, and the listener would stay open.
    pub(super) spare: Option<Socket>,
}

/// The server's [`Resources`], which are in [`Belongings`] during each call that may fork.
#[derive(Debug)]
pub(super) struct Lendable<T>(Option<Resources<T>>);

impl<T> Lendable<T> {
    pub(super) fn new(transport: T) -> io::Result<Self> {
        let spare = Some(Socket::new(Domain::UNIX, Type::STREAM, None)?);
        Ok(Self(Some(Resources { transport, requests: None, spare })))
    }
}

impl<T> Deref for Lendable<T> {
    type Target = Resources<T>;

    fn deref(&self) -> &Resources<T> {
        self.0.as_ref().expect(NOT_LENT)
    }
}

impl<T> DerefMut for Lendable<T> {
    fn deref_mut(&mut self) -> &mut Resources<T> {
        self.0.as_mut().expect(NOT_LENT)
    }
}

/// The server does nothing else while it calls its strategy.
const NOT_LENT: &str = "the server's resources are lent during a call of the strategy only";

/// Where a child process finds the resources that it has to drop. It never returns to the frames of
/// its parent, whose destructors would drop them. It cannot close descriptors by their numbers
/// either: the next file gets the same number, and the owner would still use it.
#[derive(Debug)]
pub(super) struct Belongings<T> {
    place: Mutex<Place<T>>,
    shared: Arc<dyn LeaveToParent>,
    shutdown: ShutdownHandle,
}

/// Where the server's resources are.
#[derive(Debug)]
enum Place<T> {
    /// With the server, where a child could not drop them.
    Server,
    /// Here, during a call of the strategy.
    Lent(Resources<T>),
    /// Here, while a handler keeps the loop of a process that has a
    /// [watch](super::hangup_watch).
    Watched(Resources<T>),
    /// Dropped, or about to be before anything is forked.
    Gone,
}

impl<T> Belongings<T> {
    pub(super) fn new(shared: Arc<dyn LeaveToParent>, shutdown: ShutdownHandle) -> Arc<Self> {
        Arc::new(Self { place: Mutex::new(Place::Server), shared, shutdown })
    }

    /// The server is being dropped: its strategy may fork once the resources are dropped.
    pub(super) fn end(&self) {
        *self.place() = Place::Gone;
    }

    fn take(&self, place: Place<T>) -> Option<Resources<T>> {
        match std::mem::replace(&mut *self.place(), place) {
            Place::Lent(resources) | Place::Watched(resources) => Some(resources),
            Place::Server | Place::Gone => None,
        }
    }

    fn place(&self) -> MutexGuard<'_, Place<T>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Transport> Belongings<T> {
    /// Closes the listener while a handler keeps the loop from that; false where the loop has it,
    /// and may call another handler next.
    pub(super) fn close_listener(&self, poller: &Poller) -> bool {
        match &mut *self.place() {
            Place::Watched(resources) => {
                if let Some(in_its_place) = resources.spare.take() {
                    // The poller would report it for as long as another process has it open.
                    let _ = poller.forget(&resources.transport);
                    resources.transport.close(in_its_place);
                }
                true
            }
            Place::Server => false,
            Place::Lent(_) | Place::Gone => true,
        }
    }
}

impl<T: Send> concurrency::Belongings for Belongings<T> {
    fn may_be_left(&self) -> bool {
        !matches!(*self.place(), Place::Server | Place::Watched(_))
    }

    fn leave_to_parent(&self) {
        // New clients would connect to a listener that is not accepted from, for as long as this
        // child outlives its parent.
        let requests = self.take(Place::Gone).and_then(|resources| resources.requests);
        if let Some(requests) = requests {
            self.shutdown.ask_by(requests);
        }
        self.shared.leave_to_parent();
    }
}

impl<K: ServerKind, C: Concurrency> Server<K, C> {
    /// Calls the strategy, which may fork: where it does, the child finds the resources in
    /// [`Belongings`] during the call.
    pub(super) fn call_strategy<R>(&mut self, call: impl FnOnce(&mut C) -> R) -> R {
        if self.strategy.placement() != Placement::Detached {
            return call(&mut self.strategy);
        }
        self.call_lending(Place::Lent, call)
    }

    /// Calls the strategy with a job that the serving thread may be busy with for as long as its
    /// handler likes.
    pub(super) fn hand_over(&mut self, job: Job) -> io::Result<()> {
        let call = |strategy: &mut C| strategy.process_request(job);
        if self.is_watched {
            self.call_lending(Place::Watched, call)
        } else {
            self.call_strategy(call)
        }
    }

    fn call_lending<R>(
        &mut self,
        place: impl FnOnce(Resources<K::Transport>) -> Place<K::Transport>,
        call: impl FnOnce(&mut C) -> R,
    ) -> R {
        *self.belongings.place() = self.resources.0.take().map_or(Place::Server, place);
        let called = catch_unwind(AssertUnwindSafe(|| call(&mut self.strategy)));
        self.resources.0 = self.belongings.take(Place::Server);
        called.unwrap_or_else(|panic| resume_unwind(panic))
    }
}
