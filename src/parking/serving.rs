//! What the serving thread does for connections, beside waiting for them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Parking, Slot};
use crate::concurrency::Placement;

/// What a serving thread does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Serving {
    /// No loop runs.
    Nothing,
    /// A loop that ends when it has a request. It receives what arrives, until that is one.
    OneRequest,
    /// A loop that goes on until it has drained. What handlers leave is sent while it runs.
    On,
}

impl Parking {
    /// A loop begins, or has ended.
    pub(crate) fn serve(&self, serving: Serving) {
        self.serving.store(serving as u8, Ordering::SeqCst);
    }

    fn is_serving(&self, serving: Serving) -> bool {
        self.serving.load(Ordering::SeqCst) == serving as u8
    }

    /// On the serving thread: tells whether a claimed connection can become a job. Where that has
    /// to be a whole request, and where nothing comes back from jobs, what has come is received
    /// here.
    pub(crate) fn receive(&self, slot: &Arc<Slot>) -> bool {
        let receives =
            self.placement == Placement::Detached || self.is_serving(Serving::OneRequest);
        !receives || slot.receive(self)
    }

    /// Tells whether something may be left to be sent when a connection is given back. Not so where
    /// a job serves its connection to the end, which waits in the handler.
    pub(super) fn sends_what_is_left(&self) -> bool {
        self.placement != Placement::Detached && self.is_serving(Serving::On)
    }
}
