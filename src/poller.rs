//! Which descriptors are readable: epoll on Linux, the `polling` crate elsewhere.
//!
//! `polling` does the same everywhere and spends five system calls on each wait on Linux (it arms
//! a timer, re-arms its wake-up and clears it every time), which came to one more call for each
//! request of a busy thread pool. With `--cfg portable_poller` it is used on Linux, too.

#[cfg(all(target_os = "linux", not(portable_poller)))]
#[path = "poller/epoll.rs"]
mod system;
#[cfg(not(all(target_os = "linux", not(portable_poller))))]
#[path = "poller/portable.rs"]
mod system;

pub(crate) use system::{HANDED_OVER, Poller};

/// A descriptor that was reported.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    pub(crate) key: usize,
    /// The other side has ended, and nothing more will arrive.
    pub(crate) ended: bool,
}

/// How often a readable descriptor is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// As long as it is readable.
    Always,
    /// Whenever more arrives.
    #[cfg_attr(any(not(target_os = "linux"), portable_poller), allow(dead_code))]
    Arrivals,
    /// Once, until asked for again.
    Once,
    /// Not at all, for now.
    Never,
}
