//! A signal that comes too early.

use std::io;

use nix::sys::signal::{SigSet, SigmaskHow, Signal};

/// Holds a signal back from this thread until this is dropped, so that it does not do what it does
/// by default before a server hears of it. To be made and dropped where no other thread runs.
#[derive(Debug)]
pub(crate) struct HeldBack {
    before: SigSet,
}

impl HeldBack {
    pub(crate) fn new(signal: Signal) -> io::Result<Self> {
        let mut held_back = SigSet::empty();
        held_back.add(signal);
        Ok(Self { before: held_back.thread_swap_mask(SigmaskHow::SIG_BLOCK)? })
    }
}

impl Drop for HeldBack {
    fn drop(&mut self) {
        // Fails for wrong arguments only.
        let _ = self.before.thread_set_mask();
    }
}
