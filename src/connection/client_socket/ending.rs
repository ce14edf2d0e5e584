//! How a socket ends: in good order, or so that its client can tell that something is missing.

use std::io;
use std::net::Shutdown;
use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::ClientSocket;
use crate::connection::WaitLimit;

impl ClientSocket {
    /// From now on the end of the connection is the end of what is written, which has not come, or
    /// no longer.
    ///
    /// Until then the connection does not end in good order: its client would take what it has for
    /// all of it. It is reset, and over TLS no goodbye is said. So it is where this process ends
    /// before it can see to that. A Unix socket has no resets, so that its client cannot tell.
    pub(crate) fn set_open_ended(&self, is_open_ended: bool) {
        if self.is_open_ended.swap(is_open_ended, Ordering::Relaxed) != is_open_ended {
            self.stream.reset_on_close(is_open_ended);
        }
    }

    /// Tells whether the connection would end where its client could not tell that this is early.
    pub(crate) fn is_open_ended(&self) -> bool {
        self.is_open_ended.load(Ordering::Relaxed)
    }

    /// Tells whether the client was given up, for taking nothing or too little.
    pub(crate) fn is_given_up(&self) -> bool {
        self.stream.is_given_up()
    }

    /// Ends one or both directions for every process that holds this socket. Where only writing
    /// ends, a session says so first; a connection that is cut looks cut.
    pub(crate) fn shutdown(&self, how: Shutdown) {
        if how != Shutdown::Read && self.is_open_ended() {
            return self.stream.reset(how);
        }
        if how == Shutdown::Write {
            self.say_goodbye();
        }
        self.stream.shutdown(how);
    }

    /// Ends the connection while it is served. What serves it may ask why.
    pub(crate) fn cut(&self) {
        self.is_cut.store(true, Ordering::Relaxed);
        self.shutdown(Shutdown::Both);
    }

    /// Cuts the connection where its handler, which keeps the server's loop, has no time left. What
    /// serves it finds that as where the loop cuts it.
    pub(crate) fn cut_if_over(&self) {
        if self.stream.is_over() && !self.is_cut() {
            self.cut();
            self.stream.note_cut();
        }
    }

    /// When to [look](Self::cut_if_over) next, where handlers keep the server's loop.
    pub(in crate::connection) fn next_look(&self) -> Option<Instant> {
        self.stream.next_look()
    }

    /// Has waits end that all is over for, as the connection does.
    pub(super) fn unless_over(&self, waited: io::Result<()>) -> io::Result<()> {
        match waited {
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {
                self.cut_if_over();
                Ok(())
            }
            waited => waited,
        }
    }

    /// Has all waits end when this says so.
    pub(crate) fn limit_waits(&mut self, limit: Weak<dyn WaitLimit>) {
        self.stream.limit_waits(limit);
    }

    /// Tells whether it was the server that ended the connection, and not the client.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Relaxed)
    }

    /// Leaves it to a child process to end the connection.
    pub(crate) fn leave_to_child(&self) {
        self.is_a_childs.store(true, Ordering::Relaxed);
    }

    /// The server lets go of the connection while ends of it are held elsewhere.
    pub(crate) fn let_loose(&self) {
        self.is_loose.store(true, Ordering::Relaxed);
    }

    /// Tells whether something has arrived that was not read. Closing would reset the connection,
    /// which one is anyway whose client was given up.
    pub(crate) fn has_arrivals(&self) -> bool {
        // Below a session the client may have said its end before more bytes.
        let is_over = self.session.is_none() && self.ended.load(Ordering::Relaxed);
        !is_over && !self.is_given_up() && self.stream.peek().is_ok_and(|count| count > 0)
    }

    /// Tells a client that speaks TLS that nothing more comes.
    pub(crate) fn say_goodbye(&self) {
        if let Some(session) = self.session()
            && !self.is_open_ended()
        {
            session.say_goodbye(&self.stream);
        }
    }
}

/// The last owner in this process ends the connection, for every process that holds a copy: one
/// that was forked while this one was served would keep the client waiting. And the client sees an
/// end first where it has sent what was not read, and not the reset alone.
impl Drop for ClientSocket {
    fn drop(&mut self) {
        if self.is_a_childs.load(Ordering::Relaxed) {
            return;
        }
        if self.is_given_up() {
            // The kernel would keep for minutes what it has not taken.
            return self.stream.reset(Shutdown::Write);
        }
        self.shutdown(Shutdown::Write);
        if self.is_loose.load(Ordering::Relaxed) {
            let (mut buffer, mut left) = ([0; 8 * 1024], LOOSE_READS);
            while left > 0 && self.recv_raw(&mut buffer).is_ok_and(|count| count > 0) {
                left -= 1;
            }
        }
    }
}

/// Times that a buffer of what has arrived is thrown away before a loose connection is closed.
const LOOSE_READS: usize = 32;
