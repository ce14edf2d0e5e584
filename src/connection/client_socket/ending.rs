//! How a socket ends: in good order, or so that its client can tell that something is missing.

use std::io;
use std::net::Shutdown;
use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::ClientSocket;
use crate::connection::WaitLimit;

impl ClientSocket {
    /// Says whether a response is being written that ends with the connection and is not complete.
    ///
    /// While that is so, the connection does not end in good order, as the client would take what
    /// it has received for all of the response: it is reset, and over TLS no goodbye is said, also
    /// where this process ends. A Unix socket has no resets: its client cannot tell.
    pub(crate) fn set_open_ended(&self, is_open_ended: bool) {
        if self.is_open_ended.swap(is_open_ended, Ordering::Relaxed) != is_open_ended {
            self.stream.reset_on_close(is_open_ended);
        }
    }

    /// Tells whether a response is incomplete that ends with the connection.
    pub(crate) fn is_open_ended(&self) -> bool {
        self.is_open_ended.load(Ordering::Relaxed)
    }

    /// Tells whether the client was given up, for taking nothing or too little.
    pub(crate) fn is_given_up(&self) -> bool {
        self.stream.is_given_up()
    }

    /// Ends one or both directions for every process that holds this socket. If only writing ends,
    /// a TLS session says goodbye first, so that the client can tell it from a cut.
    pub(crate) fn shutdown(&self, how: Shutdown) {
        if how != Shutdown::Read && self.is_open_ended() {
            return self.stream.reset(how);
        }
        if how == Shutdown::Write {
            self.say_goodbye();
        }
        self.stream.shutdown(how);
    }

    /// Ends the connection while it is served. The code that serves it can ask
    /// [`is_cut`](Self::is_cut).
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

    /// Where handlers keep the server's loop: tells whether that is known to be asked to end, or by
    /// a look, of which nothing else tells.
    pub(in crate::connection) fn is_to_end(&self, looks: bool) -> bool {
        self.stream.is_to_end(looks)
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

    /// Leaves it to another process that has this socket to end the connection.
    pub(crate) fn leave_to_other_process(&self) {
        self.is_anothers.store(true, Ordering::Relaxed);
    }

    /// The server lets go of the connection while ends of it are held elsewhere.
    pub(crate) fn let_loose(&self) {
        self.is_loose.store(true, Ordering::Relaxed);
    }

    /// Tells whether something has arrived that was not read, so that closing would reset the
    /// connection. No, if its client was given up: that connection is reset in any case.
    pub(crate) fn has_arrivals(&self) -> bool {
        // Below a session the client may have said its end before more bytes.
        let is_over = self.session.is_none() && self.ended.load(Ordering::Relaxed);
        !is_over && !self.is_given_up() && self.stream.holds_bytes()
    }

    /// Throws away what has arrived of a loose connection.
    // Its buffer is not to be on the stack of all that close a connection: a page of the stack that
    // is reached there costs a forked child, and then its parent, 1.4 µs each, as benches/README.md
    // says under fork per request.
    #[inline(never)]
    fn discard_some(&self) {
        let (mut buffer, mut left) = ([0; 8 * 1024], LOOSE_READS);
        while left > 0 && self.recv_raw(&mut buffer).is_ok_and(|count| count > 0) {
            left -= 1;
        }
    }

    /// Tells a client that speaks TLS that nothing more comes.
    pub(crate) fn say_goodbye(&self) {
        if let Some(session) = self.session()
            && !self.is_open_ended()
            && !self.is_anothers.load(Ordering::Relaxed)
        {
            session.say_goodbye(&self.stream);
        }
    }
}

/// The last owner in this process ends the connection for every process that holds a copy:
/// otherwise a process that was forked meanwhile would keep the client waiting. If the client has
/// sent what was not read, it sees this end before the reset.
impl Drop for ClientSocket {
    fn drop(&mut self) {
        if self.is_anothers.load(Ordering::Relaxed) {
            return;
        }
        if self.is_given_up() {
            // Otherwise the kernel would keep for minutes what the client has not taken.
            return self.stream.reset(Shutdown::Write);
        }
        self.shutdown(Shutdown::Write);
        if self.is_loose.load(Ordering::Relaxed) {
            self.discard_some();
        }
    }
}

/// Times that a buffer of what has arrived is thrown away before a loose connection is closed.
const LOOSE_READS: usize = 32;
