//! What a forked child lets go of, as its server goes on with it.

use std::mem;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use super::Parking;
use super::slot::Slot;
use super::state::{Gone, State};

impl Parking {
    /// In a forked child, before it serves: lets go of what is the server's alone.
    pub(crate) fn leave_to_parent(&self) {
        self.poller.leave_to_parent();
        if let Some(lifeline) = self.lifeline() {
            lifeline.leave_to_parent();
        }
        self.in_child.store(true, Ordering::Relaxed);
    }

    /// In a forked child, before it serves: lets go of all connections but that of its job. Their
    /// clients would see no end for as long as a child that has nothing to do with them.
    ///
    /// What the program has taken over is left to the program. The places are kept, as a child
    /// counts what its server knew.
    pub(super) fn leave_others_to_parent(&self, own: &Slot) {
        let Some(slots) = unless_held(&self.slots) else { return };
        let others = slots.iter().filter(|(_, slot)| !std::ptr::eq(Arc::as_ptr(slot), own));
        others.for_each(|(_, slot)| slot.leave_to_parent());
    }
}

impl Slot {
    /// In a forked child: drops the connection that is here, of which the client hears nothing.
    pub(super) fn leave_to_parent(&self) {
        let Some(mut place) = unless_held(&self.place) else { return };
        if matches!(place.state, State::Out(_) | State::Gone(_)) {
            return;
        }
        match mem::replace(&mut place.state, State::Gone(Gone::default())) {
            State::Parked(parked) => parked.connection.leave_to_other_process(),
            State::Lingering(lingering) | State::LingeringInJob(lingering) => {
                lingering.socket.leave_to_other_process();
            }
            State::Out(_) | State::Gone(_) => {}
        }
    }
}

/// Locks it, unless a thread of the parent held the lock at the fork, which is not there to let go
/// of it. What it guards stays in this process then.
fn unless_held<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
