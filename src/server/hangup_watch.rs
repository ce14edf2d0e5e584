//! What does a supervisor's work in a process whose supervisor is gone, while a handler keeps its
//! loop.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::Server;
use super::clients::ServerKind;
use crate::concurrency::children::{self, ENDING};
use crate::concurrency::{Concurrency, Placement};
use crate::os::{self, AsFd};
use crate::signals;

impl<K: ServerKind, C: Concurrency> Server<K, C> {
    /// Watches the leash from a thread, where the loop calls handlers itself and may be busy with
    /// one for as long as that likes: once the supervisor is gone, the listener is closed, so that
    /// the port is free, and what has not ended within `limit` is, as the supervisor would do it.
    ///
    /// Such a process forks nothing that goes on without an exec, and signals are held back from
    /// the thread: they go to the one that serves.
    pub(crate) fn watch_for_hangup(
        &mut self,
        leash: &impl AsFd,
        limit: Duration,
    ) -> io::Result<()> {
        if self.strategy.placement() != Placement::ServingThread {
            return Ok(());
        }
        let leash = leash.as_fd().try_clone_to_owned()?;
        let (belongings, poller) = (Arc::clone(&self.belongings), self.reactor.poller());
        let _blocked = signals::block()?;
        let thread = thread::Builder::new().name("leash".to_owned()).stack_size(STACK_SIZE);
        let stand_in = move || {
            // That it is cut is for the loop alone, as the supervisor is there still.
            os::wait_for_hangup(&leash);
            let began = Instant::now();
            // A loop that is not busy hears of it as well, and takes the last clients in. One that
            // is between two handlers does not yet, and is found in the next one.
            thread::sleep(HEAD_START);
            while !belongings.close_listener(&poller) && began.elapsed() < limit {
                thread::sleep(LOOK_AGAIN);
            }
            thread::sleep(limit.saturating_sub(began.elapsed()));
            for (signal, grace) in ENDING {
                children::signal_self(signal);
                thread::sleep(grace);
            }
        };
        thread.spawn(stand_in)?;
        self.is_watched = true;
        Ok(())
    }
}

/// What a loop has that is not busy.
const HEAD_START: Duration = Duration::from_millis(100);

/// How long until the next look whether it is.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Bytes; the thread waits and makes a few system calls.
const STACK_SIZE: usize = 64 * 1024;
