//! What a forked child lets go of, as its server goes on with it.

use std::mem;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use super::Parking;
use super::slot::Slot;
use crate::sys::Ownerless;

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
    /// What the program has taken over is left to the program. Of the others nothing is freed, or
    /// locked: that would write to all of it, and each page that a forked process writes to is
    /// copied.
    pub(super) fn leave_others_to_parent(&self, own: &Slot) {
        let Some(mut slots) = unless_held(&self.slots) else { return };
        let others = slots.iter().filter(|(_, slot)| !std::ptr::eq(Arc::as_ptr(slot), own));
        let left: Vec<usize> =
            others.filter(|(_, slot)| slot.ends.count() > 0).map(|(key, _)| key).collect();
        let mut ownerless = Ownerless::default();
        for key in left {
            let slot = slots.remove(key);
            // What others hold an end of stays open for them.
            if slot.socket.strong_count() == slot.ends.count() {
                ownerless.add(slot.ends.descriptor);
            }
            // Nothing finds it any more.
            mem::forget(slot);
        }
        ownerless.close();
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
