//! Storage for records that are on their way, of which a thread needs one at a time.

use std::cell::Cell;

/// Storage of at least so many bytes, whatever they are.
pub(super) fn take(size: usize) -> Vec<u8> {
    let mut storage = SPARE.try_with(Cell::take).unwrap_or_default();
    if storage.len() < size {
        storage.resize(size, 0);
    }
    storage
}

/// Keeps it for what this thread does next, unless there is better.
pub(super) fn give(storage: Vec<u8>) {
    if storage.len() > MOST_KEPT {
        return;
    }
    // Not there any more when the thread itself is ending.
    let _ = SPARE.try_with(|spare| {
        let other = spare.take();
        spare.set(if other.len() > storage.len() { other } else { storage });
    });
}

thread_local! {
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Room for what is encrypted at once.
const MOST_KEPT: usize = 80 * 1024;
