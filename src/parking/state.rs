//! What a slot can be.

use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, MutexGuard};
use std::time::Instant;

use super::lingering::Lingering;
use super::parked::{Parked, Phase};
use super::registration::Registration;
use crate::connection::{ClientSocket, Connection, WaitFor};
use crate::sys::DescriptorNumber;

/// Where a connection is; drawn in the [room's documentation](super).
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a box would be an allocation for each request")]
pub(super) enum State {
    /// Here, in one of three phases.
    Parked(Parked),
    /// With its handler, or wherever that has moved it.
    Out(Out),
    /// Dropped, and what its client still sends is thrown away.
    Lingering(Lingering),
    /// As [`Lingering`](Self::Lingering), by the job in which it was dropped.
    LingeringInJob(Lingering),
    /// Closed.
    Gone(Gone),
}

/// A connection that is not in its slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Out {
    pub(super) holder: Holder,
    /// When an incomplete request was first waited for, which the connection was given out with.
    pub(super) head_since: Option<Instant>,
    /// That request, or a handshake, did not come in time.
    pub(super) is_late: bool,
}

/// What holds a connection that is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// The handler, in a job.
    Job,
    /// A job that serves it to the end, and waits there for the next request.
    WaitingJob,
    /// The serving thread for a moment, or what has taken it over.
    Other,
}

/// What gives way to a new client, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Idleness {
    /// A connection that is closed, but for what its client still sends.
    Answered,
    /// One that waits for its client.
    Waits,
}

/// What is left of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gone {
    /// The client had left before, without a byte.
    pub(super) left_silently: bool,
}

/// What a slot guards by its lock.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) state: State,
    pub(super) registration: Registration,
}

impl Place {
    /// Takes the connection out of its slot, if it is in this phase.
    #[inline]
    pub(super) fn take_out(&mut self, phase: Phase, holder: Holder) -> Option<Connection> {
        self.take_parked(phase, holder).map(|parked| parked.connection)
    }

    /// As [`take_out`](Self::take_out), with what it waits for.
    #[inline]
    pub(super) fn take_parked(&mut self, phase: Phase, holder: Holder) -> Option<Parked> {
        let (head_since, is_late) = match &self.state {
            State::Parked(parked) if parked.phase == phase => {
                (parked.head_since(), parked.is_late())
            }
            _ => return None,
        };
        match mem::replace(&mut self.state, State::Out(Out { holder, head_since, is_late })) {
            State::Parked(parked) => Some(parked),
            _ => None,
        }
    }

    /// Tells whether the connection is claimed, having waited for this.
    pub(super) fn is_claimed_for(&self, waits_for: WaitFor) -> bool {
        matches!(&self.state, State::Parked(it) if it.phase == Phase::Claimed
            && it.waits_for == waits_for)
    }

    /// What is known of the connection, if that is out.
    pub(super) fn out(&mut self) -> Option<&mut Out> {
        match &mut self.state {
            State::Out(out) => Some(out),
            _ => None,
        }
    }
}

/// How many ends of its socket a slot holds, which is told whenever its lock is let go of.
///
/// A forked child reads this of all slots. The lock of each would be written to, and with that a
/// page of memory be copied: at least 1.4 µs each time. Beside 1,000 clients that have sent half a
/// head, a request takes 0.7 ms so, and 3.3 ms where all are locked (the least of 60).
#[derive(Debug)]
pub(super) struct Ends {
    pub(super) descriptor: DescriptorNumber,
    count: AtomicUsize,
}

impl Ends {
    pub(super) fn of(socket: &Arc<ClientSocket>) -> Self {
        Self { descriptor: DescriptorNumber::of(&**socket), count: AtomicUsize::new(0) }
    }

    /// None while the connection is out, or gone.
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

/// The lock of a slot.
pub(super) struct PlaceGuard<'a> {
    place: MutexGuard<'a, Place>,
    ends: &'a Ends,
}

impl<'a> PlaceGuard<'a> {
    pub(super) fn new(place: MutexGuard<'a, Place>, ends: &'a Ends) -> Self {
        Self { place, ends }
    }
}

impl Deref for PlaceGuard<'_> {
    type Target = Place;

    fn deref(&self) -> &Place {
        &self.place
    }
}

impl DerefMut for PlaceGuard<'_> {
    fn deref_mut(&mut self) -> &mut Place {
        &mut self.place
    }
}

impl Drop for PlaceGuard<'_> {
    fn drop(&mut self) {
        let count = match self.place.state {
            State::Parked(_) => Connection::ENDS,
            State::Lingering(_) | State::LingeringInJob(_) => 1,
            State::Out(_) | State::Gone(_) => 0,
        };
        self.ends.count.store(count, Ordering::Relaxed);
    }
}
