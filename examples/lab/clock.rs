//! The clock that all processes of a machine share.

use nix::time::{ClockId, clock_gettime};

/// Microseconds since some moment that is the same for all processes.
pub(crate) fn now() -> u64 {
    microseconds(ClockId::CLOCK_MONOTONIC)
}

/// Microseconds for which this thread has had a processor.
pub(crate) fn computed() -> u64 {
    microseconds(ClockId::CLOCK_THREAD_CPUTIME_ID)
}

fn microseconds(clock: ClockId) -> u64 {
    let time = clock_gettime(clock).expect("every Unix has this clock");
    let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
    seconds * 1_000_000 + u64::try_from(time.tv_nsec()).unwrap_or(0) / 1000
}
