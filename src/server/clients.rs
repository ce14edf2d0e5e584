//! What a server is told by its kind: what its handlers receive, and where that is kept.

use std::io;
use std::sync::Arc;

use super::guarded_handler::GuardedHandler;
use super::leave_to_parent::LeaveToParent;
use super::time_left::TimeLeft;
use crate::address::Address;
use crate::concurrency::Placement;
use crate::handler::Handler;
use crate::parking::Serving;
use crate::poller::Poller;
use crate::reactor::{Jobs, Waiting};
use crate::transport::Transport;

/// What a server's handlers receive: [`Streams`](super::Streams) of bytes, or
/// [`Datagrams`](super::Datagrams).
///
/// Sealed: these are the two. Only code that is for both has to name it.
#[expect(private_bounds, reason = "what a server does with its clients is sealed")]
pub trait ServerKind:
    Clients<<Self as ServerKind>::Transport, <Self as ServerKind>::Handler> + Send + 'static
{
    /// What accepts clients.
    type Transport: Transport;
    /// What answers them.
    type Handler: Handler<<Self::Transport as Transport>::Request>;
}

/// A handler as the jobs of this transport's requests call it.
pub(super) type Guarded<T, H> = GuardedHandler<H, <T as Transport>::Request>;

/// The half of a server that is its kind's: its clients, and its handler.
pub(crate) trait Clients<T: Transport, H: Handler<T::Request>>: Waiting + Sized {
    /// Each client is a connection, and is counted as one.
    const ARE_CONNECTIONS: bool;

    /// No clients yet. They will be waited for by this poller, or by handlers that keep the loop as
    /// long as those have time.
    fn new(
        handler: Arc<Guarded<T, H>>,
        poller: &Arc<Poller>,
        placement: Placement,
        time_left: &Arc<TimeLeft>,
    ) -> Self;

    /// Sets what the socket needs for this kind of server.
    fn prepare(&self, transport: &T) -> io::Result<()>;

    /// How many there may be at once, unless the program says otherwise.
    fn default_most() -> usize;

    fn handler(&self) -> &Arc<Guarded<T, H>>;

    /// Finds a place for what was accepted, or refuses it; what can be handled becomes a job.
    fn admit(&self, arrival: T::Arrival, address: Address, there_is_room: bool, jobs: &mut Jobs);

    /// Closes clients that are idle to make room, the oldest first; returns how many.
    fn shed(&self, count: usize) -> usize;

    /// How many wait for a job or run in one.
    fn in_jobs(&self) -> usize;

    /// The server is to stop.
    fn begin_drain(&self);

    /// Closes what is idle, but has those served whose next request has arrived. Returns how many
    /// are left.
    fn close_idle(&self, jobs: &mut Jobs) -> usize;

    /// Has jobs in child processes end when they have no request to serve.
    fn tell_children(&self);

    /// Ends all, and returns how many had a request.
    fn cut(&self) -> usize;

    /// A loop begins, or has ended.
    fn serve(&self, serving: Serving);

    /// The server may serve again.
    fn end_drain(&self);

    /// The server is gone.
    fn close(&self);

    /// What a forked child lets go of.
    fn shared(&self) -> Arc<dyn LeaveToParent>;
}
