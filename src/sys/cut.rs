//! How a forked child is cut: what it serves ends first, and the process soon after.

use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;

use super::{age, call_hook_of_cuts, end_at_once, handle, monotonic_time};

/// Tells whether this process, a forked child, is cut: its client is not to be waited for.
pub(crate) fn is_cut() -> bool {
    BEGAN.load(Ordering::SeqCst) != NEVER
}

/// In a new process.
pub(super) fn reset() {
    BEGAN.store(NEVER, Ordering::SeqCst);
}

/// Cuts this process, or ends it where it was cut as long ago as it may take to end by itself. Runs
/// in a signal handler: that of the signals that ask for it, and that of the timer that it starts.
///
/// A call that waits is interrupted, and finds that nothing is to be waited for. One that began
/// just then is interrupted by the timer.
pub(super) extern "C" fn cut(number: libc::c_int) {
    let now = monotonic_time();
    match BEGAN.compare_exchange(NEVER, now, Ordering::SeqCst, Ordering::SeqCst) {
        Err(began) if age(began) >= GRACE => end_at_once(number),
        // Those that ask for it may come together.
        Err(_) => {}
        Ok(_) => {
            let errno = Errno::last_raw();
            call_hook_of_cuts();
            handle(libc::SIGALRM, cut);
            let again = libc::timeval { tv_sec: 0, tv_usec: LOOK_AGAIN };
            let timer = libc::itimerval { it_interval: again, it_value: again };
            // SAFETY: a system call, which is given a local value. Where it fails the parent sends
            // another signal.
            unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, ptr::null_mut()) };
            // What was interrupted may be about to look at its own.
            Errno::set_raw(errno);
        }
    }
}

/// When it was cut, by the [monotonic clock](monotonic_time).
static BEGAN: AtomicU64 = AtomicU64::new(NEVER);
const NEVER: u64 = u64::MAX;

/// How long a handler may take to return that was cut.
const GRACE: Duration = Duration::from_millis(500);

/// Microseconds until the next look whether that is over.
const LOOK_AGAIN: libc::suseconds_t = 100_000;
