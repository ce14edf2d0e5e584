//! Spare buffers for reading.

use std::cell::RefCell;
use std::sync::Mutex;

/// A buffer of [`BUFFER_SIZE`].
pub(super) fn take_spare() -> Box<[u8]> {
    let own = SPARE.with_borrow_mut(Vec::pop);
    let spare = own.or_else(|| SHARED.try_lock().ok()?.pop());
    spare.unwrap_or_else(|| vec![0; BUFFER_SIZE].into())
}

pub(super) fn give_spare(buffer: Box<[u8]>) {
    if buffer.len() == BUFFER_SIZE {
        // Not there any more when the thread itself is ending.
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < SPARE_BUFFERS {
                spare.push(buffer);
            } else if let Ok(mut shared) = SHARED.try_lock()
                && shared.len() < SPARE_BUFFERS
            {
                shared.push(buffer);
            }
        });
    }
}

thread_local! {
    /// Buffers of connections that went to wait, for those that come to be served: an idle
    /// connection holds no buffer, and a busy thread allocates no further one.
    static SPARE: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// Buffers that one thread has too many, for another one: the serving thread takes a buffer for
/// each connection that it accepts, and a worker gives it back. Clearing a new one takes 7,700 of
/// the 25,000 instructions of a connection of one request under `ThreadPool` (callgrind, as in
/// benches/README.md). Nothing waits for this lock, as a forked child may find it locked for ever.
static SHARED: Mutex<Vec<Box<[u8]>>> = Mutex::new(Vec::new());

/// Bytes of a fresh buffer, enough for the head of most requests.
pub(super) const BUFFER_SIZE: usize = 8 * 1024;

/// Spare buffers that one thread keeps, and that all have in common.
const SPARE_BUFFERS: usize = 16;
