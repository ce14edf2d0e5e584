//! What a forked child lets go of beside the listener.

use std::fmt;

use crate::parking::Parking;

/// What jobs and the server share, and a child process has to let go of.
pub(crate) trait LeaveToParent: Send + Sync + fmt::Debug {
    /// In a forked child, before it serves: lets go of what is the server's alone.
    fn leave_to_parent(&self);
}

impl LeaveToParent for Parking {
    fn leave_to_parent(&self) {
        self.leave_to_parent();
    }
}
