//! Counts what reading a client's bytes costs, in tests alone.
//!
//! What walks over bytes says how many. A test compares what an input costs with what half of it
//! does: more than twice as much is a way to keep a server busy with little. Steps are counted, as
//! a clock would tell of the machine.

#[cfg(test)]
use std::cell::Cell;

/// Notes that so many bytes are looked at, or copied.
#[inline]
pub(crate) fn note(bytes: usize) {
    #[cfg(test)]
    DONE.set(DONE.get() + bytes as u64);
    #[cfg(not(test))]
    let _ = bytes;
}

/// What a call costs on this thread.
#[cfg(test)]
pub(crate) fn of(call: impl FnOnce()) -> u64 {
    let before = DONE.get();
    call();
    DONE.get() - before
}

/// Fails where an input costs more than in proportion to its length: more than two and a half times
/// what half of it costs. Tells whether much of it was looked at; what is refused by its first
/// bytes proves nothing.
#[cfg(test)]
pub(crate) fn assert_linear(name: &str, limit: usize, run: impl Fn(usize)) -> bool {
    let (half, whole) = (of(|| run(limit / 2)), of(|| run(limit)));
    let is_counted = whole >= limit as u64 / 4;
    let is_linear = whole * 2 <= half * 5;
    assert!(!is_counted || is_linear, "{name}: {half} steps for half of what costs {whole}");
    is_counted
}

#[cfg(test)]
thread_local! {
    static DONE: Cell<u64> = const { Cell::new(0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_linear_passes() {
        assert!(assert_linear("once", 1000, note));
        assert!(assert_linear("in pieces", 1000, |length| (0..length).for_each(|_| note(3))));
    }

    #[test]
    #[should_panic(expected = "quadratic: 125250 steps for half of what costs 500500")]
    fn what_is_quadratic_does_not() {
        assert_linear("quadratic", 1000, |length| (0..=length).for_each(note));
    }

    #[test]
    fn what_is_not_counted_proves_nothing() {
        assert!(!assert_linear("uncounted", 1000, drop));
    }
}
