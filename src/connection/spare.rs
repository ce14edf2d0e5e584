//! Spare buffers for reading, kept by each thread.

use std::cell::RefCell;

/// A buffer of [`BUFFER_SIZE`].
pub(super) fn take_spare() -> Box<[u8]> {
    let spare = SPARE.with_borrow_mut(Vec::pop);
    spare.unwrap_or_else(|| vec![0; BUFFER_SIZE].into())
}

pub(super) fn give_spare(buffer: Box<[u8]>) {
    if buffer.len() == BUFFER_SIZE {
        // Not there any more when the thread itself is ending.
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < SPARE_BUFFERS {
                spare.push(buffer);
            }
        });
    }
}

thread_local! {
    /// Buffers of connections that went to wait, for those that come to be served: an idle
    /// connection holds no buffer, and a busy thread allocates no further one.
    static SPARE: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes of a fresh buffer, enough for the head of most requests.
pub(super) const BUFFER_SIZE: usize = 8 * 1024;

/// Spare buffers that one thread keeps.
const SPARE_BUFFERS: usize = 16;
