//! One request after the other.

use std::io;

use super::{Concurrency, Job, Placement};

/// Runs each request on the serving thread, as Python's servers without a mix-in do.
///
/// The next client waits until this one is answered. Idle connections delay no other: the server
/// waits for all of them at once. A server that is asked to end hears of that when the handler
/// returns, waits for its client or writes to it, and cuts it there when
/// [`shutdown_timeout`](crate::Server::shutdown_timeout) is over.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sequential;

impl Concurrency for Sequential {
    fn process_request(&mut self, job: Job) -> io::Result<()> {
        job.run();
        Ok(())
    }

    /// The serving thread.
    fn worker_count(&self) -> usize {
        1
    }

    fn max_workers(&self) -> Option<usize> {
        Some(1)
    }

    fn placement(&self) -> Placement {
        Placement::ServingThread
    }
}
