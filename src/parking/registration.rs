//! What the poller knows of a connection.

use std::io;

use crate::concurrency::Placement;
use crate::connection::ClientSocket;
use crate::poller::{HANDED_OVER, Poller, Report};

/// A connection's registration with the poller.
#[derive(Debug, Default)]
pub(super) struct Registration {
    watch: Watch,
    /// The client's end was reported.
    has_ended: bool,
    /// Another connection may have the key.
    is_given_up: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Watch {
    /// The poller does not know the socket.
    #[default]
    Unknown,
    /// It does, and reports nothing.
    Silent,
    /// It reports what arrives.
    Armed,
    /// It reports that there is room to write.
    ArmedForRoom,
}

impl Registration {
    /// Has the poller report what arrives. What has arrived already is reported only where it is
    /// asked anew: if the last read has not `taken_all`.
    pub(super) fn arm(
        &mut self,
        poller: &Poller,
        placement: Placement,
        (socket, key): (&ClientSocket, usize),
        taken_all: bool,
    ) -> io::Result<()> {
        let report = match placement {
            // Nothing is reported while the serving thread itself serves.
            Placement::ServingThread => Report::Always,
            Placement::OtherThread | Placement::Detached => HANDED_OVER,
        };
        let may_miss = report == Report::Arrivals && !taken_all;
        match std::mem::replace(&mut self.watch, Watch::Armed) {
            Watch::Unknown => poller.watch(socket, key, report),
            Watch::Armed if !may_miss => Ok(()),
            Watch::Silent | Watch::Armed | Watch::ArmedForRoom => {
                poller.change(socket, key, report)
            }
        }
    }

    /// Has the poller report that there is room to write, and nothing else.
    pub(super) fn arm_for_room(
        &mut self,
        poller: &Poller,
        (socket, key): (&ClientSocket, usize),
    ) -> io::Result<()> {
        match std::mem::replace(&mut self.watch, Watch::ArmedForRoom) {
            Watch::Unknown => poller.watch(socket, key, Report::Room),
            Watch::Silent | Watch::Armed => poller.change(socket, key, Report::Room),
            Watch::ArmedForRoom => Ok(()),
        }
    }

    /// Hears no more of a connection that is being served, as when a body arrives.
    pub(super) fn disarm(&mut self, poller: &Poller, (socket, key): (&ClientSocket, usize)) {
        if matches!(self.watch, Watch::Armed | Watch::ArmedForRoom) {
            // Where this fails, it is only heard of more often.
            let _ = poller.change(socket, key, Report::Never);
            self.watch = Watch::Silent;
        }
    }

    /// Has the poller know the socket no more, which must still be open.
    pub(super) fn forget(&mut self, poller: &Poller, socket: &ClientSocket) {
        if self.watch != Watch::Unknown {
            // The kernel forgot it already where this fails.
            let _ = poller.forget(socket);
            self.watch = Watch::Unknown;
        }
    }

    /// The connection was cut: the poller is to know no more of it, ever.
    pub(super) fn give_up(&mut self, poller: &Poller, socket: Option<&ClientSocket>) {
        // One that is closed is forgotten already.
        if let Some(socket) = socket {
            self.forget(poller, socket);
        }
        self.is_given_up = true;
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.is_given_up
    }

    /// The poller has reported something, or is not asked any more.
    pub(super) fn note_report(&mut self, placement: Placement) {
        if self.watch == Watch::Armed
            && HANDED_OVER == Report::Once
            && placement != Placement::ServingThread
        {
            self.watch = Watch::Silent;
        }
    }

    /// The poller has reported the client's end.
    pub(super) fn note_end(&mut self) {
        self.has_ended = true;
    }

    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }
}
