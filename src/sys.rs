//! Every unsafe line of the crate, behind safe functions.

use std::io;
use std::num::NonZero;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use nix::errno::Errno;
use nix::libc;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use nix::sys::signal::Signal;
use nix::unistd::{ForkResult, Pid, fork};

#[cfg(feature = "files")]
pub(crate) use attributes::is_kept;
pub(crate) use cut::is_cut;
pub(crate) use net::*;
pub(crate) use ownerless::{DescriptorNumber, Ownerless};
pub use signals::SIGNAL_WINDOW;
pub(crate) use signals::{LastCounted, Listener, STAMP, age, monotonic_time, write_on_signal};
pub(crate) use start::{copies_of, exit_notice, isolate, note_descriptors};
pub(crate) use turns::{FileTurn, TurnFile};

#[cfg(feature = "files")]
mod attributes;
mod cut;
mod net;
mod ownerless;
mod signals;
mod start;
#[cfg(target_os = "linux")]
mod threads;
mod turns;

/// Forks a child that runs `job` and exits with status 0 if it returned true, 1 otherwise.
///
/// The child never returns from here, never unwinds into the caller's frames and does not run the
/// caller's destructors. Signals may be sent to all processes of a server: of SIGTERM the child
/// takes note ([`is_asked_to_end`]), SIGINT is the parent's. A second SIGTERM, unless it comes
/// [together](SIGNAL_WINDOW) with the first, SIGQUIT and [`CUT_SIGNAL`] cut it ([`is_cut`]), after
/// its [last call](call_when_cut): it ends by SIGTERM when the job has returned, and not later than
/// half a second after that.
///
/// Block signals meanwhile, or the child misses those that come before it has handlers of its own.
pub(crate) fn fork_child(job: impl FnOnce() -> bool) -> io::Result<Pid> {
    fork_with(
        || {
            ignore(libc::SIGINT);
            ASKED_TO_END.reset();
            ASKED_WRITER.store(NO_DESCRIPTOR, Ordering::SeqCst);
            cut::reset();
            handle_unless_ignored(libc::SIGTERM, ask_to_end);
            handle_unless_ignored(libc::SIGQUIT, cut::cut);
            handle(CUT_SIGNAL as i32, cut::cut);
            // SAFETY: the default action runs no code of ours.
            unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
        },
        job,
    )
}

/// Forks a process that serves, running `job` as [`fork_child`] does.
///
/// It ignores SIGINT and SIGHUP, which are for its supervisor, and keeps every other handler.
pub(crate) fn fork_worker(job: impl FnOnce() -> bool) -> io::Result<Pid> {
    fork_with(
        || {
            ignore(libc::SIGINT);
            ignore(libc::SIGHUP);
        },
        job,
    )
}

/// Has a process that was forked here end at once. Not a signal that people send, or a terminal:
/// those go to all processes, or may have been ignored since the program was started.
pub(crate) const CUT_SIGNAL: Signal = Signal::SIGURG;

/// Tells whether this process ignores a signal.
pub(crate) fn is_ignored(number: i32) -> bool {
    action_of(number) == Some(libc::SIG_IGN)
}

/// Tells whether a signal has its default action in this process.
pub(crate) fn has_default_action(number: i32) -> bool {
    action_of(number) == Some(libc::SIG_DFL)
}

fn action_of(number: i32) -> Option<libc::sighandler_t> {
    // SAFETY: `sigaction` is plain data for which all zeroes is valid.
    let mut present: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: nothing is changed, and `present` has room for what is found.
    let found = unsafe { libc::sigaction(number, std::ptr::null(), &raw mut present) };
    (found == 0).then_some(present.sa_sigaction)
}

/// Has a signal do by default what it would do if it were not handled, whenever `is_due` says so as
/// it comes; [`CUT_SIGNAL`] ends the process then. What ends it does so after its
/// [last call](call_when_cut). `is_due` may use atomics and a clock, and nothing else: it runs in
/// a signal handler.
pub(crate) fn default_action_when(number: i32, is_due: fn(i32) -> bool) -> io::Result<()> {
    let act = move || {
        if !is_due(number) {
            return;
        }
        if number == CUT_SIGNAL as i32 {
            return end_at_once(number);
        }
        call_hook_of_cuts();
        act_by_default(number);
    };
    // SAFETY: `is_due` is as said above, and the others are made to be called from a handler.
    unsafe { signal_hook_registry::register(number, act) }.map(drop)
}

/// In a handler of the signal: has the kernel do what it would do without one.
fn act_by_default(number: i32) {
    // SAFETY: all zeroes are valid for both, and mean the default action and no flags in the one
    // that is set. The calls are safe in a signal handler, and each pointer is to a local value.
    unsafe {
        let (mut by_default, mut present): (libc::sigaction, libc::sigaction) =
            (std::mem::zeroed(), std::mem::zeroed());
        by_default.sa_sigaction = libc::SIG_DFL;
        libc::sigaction(number, &raw const by_default, &raw mut present);
        // While its handler runs, a signal is blocked.
        let mut itself: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut itself);
        libc::sigaddset(&raw mut itself, number);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const itself, std::ptr::null_mut());
        libc::raise(number);
        // Most signals have ended the process. One that stops it, or does nothing, comes here.
        libc::sigaction(number, &raw const present, std::ptr::null_mut());
    }
}

/// Has a write beyond the limit of a file's size (`RLIMIT_FSIZE`) fail, as in CPython, instead of
/// ending the process by SIGXFSZ, unless the program has decided otherwise: the log and what
/// clients send are written to files.
pub(crate) fn survive_file_size_limit() {
    if has_default_action(libc::SIGXFSZ) {
        ignore(libc::SIGXFSZ);
    }
}

/// By a handler, which ends with an exec: programs would inherit a signal that is ignored, and a
/// shell among them could not trap it.
fn ignore(number: i32) {
    extern "C" fn do_nothing(_: libc::c_int) {}
    handle_unless_ignored(number, do_nothing);
}

/// What was ignored when the program was started stays so, here and in what is executed.
fn handle_unless_ignored(number: i32, handler: extern "C" fn(libc::c_int)) {
    if !is_ignored(number) {
        handle(number, handler);
    }
}

fn handle(number: i32, handler: extern "C" fn(libc::c_int)) {
    // SAFETY: each handler here makes system calls that are safe in one, and uses atomics.
    unsafe { libc::signal(number, handler as *const () as libc::sighandler_t) };
}

fn fork_with(prepare: impl FnOnce(), job: impl FnOnce() -> bool) -> io::Result<Pid> {
    // SAFETY: after a fork only the calling thread exists in the child. If other threads ran, one
    // of them may have held a lock (of the allocator, of stdio) that is not released again: a
    // hazard for liveness, not for memory. The strategies refuse to fork then, unless told
    // otherwise.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            prepare();
            let succeeded = catch_unwind(AssertUnwindSafe(job)).unwrap_or(false);
            if let Some(last) = LAST.get() {
                // Its failure is no other's, and this is the end.
                let _ = catch_unwind(last);
            }
            if is_cut() {
                // Its parent is to know.
                end_at_once(0);
            }
            // SAFETY: ends the process, and calls nothing of what it was copied from.
            unsafe { libc::_exit(i32::from(!succeeded)) }
        }
    }
}

/// Has a process that was forked here call this before it exits, as it runs no destructors. The
/// first one counts.
pub(crate) fn call_last(last: fn()) {
    let _ = LAST.set(last);
}

static LAST: OnceLock<fn()> = OnceLock::new();

/// Has this process and those forked from it call this when a signal ends them at once, of which no
/// loop hears: a forked child, or a process whose loop calls handlers itself. The first one counts.
///
/// It runs in the signal's handler: it may make system calls that are safe in one, and use atomics.
pub(crate) fn call_when_cut(last: fn()) {
    let _ = WHEN_CUT.set(last);
}

static WHEN_CUT: OnceLock<fn()> = OnceLock::new();

/// Tells whether SIGTERM has come to this process, a forked child.
pub(crate) fn is_asked_to_end() -> bool {
    ASKED_TO_END.has_counted()
}

/// What becomes readable when SIGTERM comes to this process, a forked child, for the first time. It
/// may have come already.
pub(crate) fn hear_when_asked_to_end() -> io::Result<UnixStream> {
    let (reader, writer) = UnixStream::pair()?;
    writer.set_nonblocking(true)?;
    // Given up for good, as the handler may write at any time.
    ASKED_WRITER.store(writer.into_raw_fd(), Ordering::SeqCst);
    Ok(reader)
}

static ASKED_TO_END: LastCounted = LastCounted::never();
static ASKED_WRITER: AtomicI32 = AtomicI32::new(NO_DESCRIPTOR);
const NO_DESCRIPTOR: RawFd = -1;

extern "C" fn ask_to_end(number: libc::c_int) {
    let is_first = !ASKED_TO_END.has_counted();
    if !ASKED_TO_END.counts(monotonic_time()) {
        return;
    }
    if !is_first {
        return cut::cut(number);
    }
    let writer = ASKED_WRITER.load(Ordering::SeqCst);
    if writer != NO_DESCRIPTOR {
        let errno = Errno::last_raw();
        // SAFETY: writing is async-signal-safe, and this descriptor is never closed. It has room
        // for this one byte.
        unsafe { libc::write(writer, [0_u8].as_ptr().cast(), 1) };
        // What was interrupted may be about to look at its own.
        Errno::set_raw(errno);
    }
}

extern "C" fn end_at_once(_: libc::c_int) {
    call_hook_of_cuts();
    // SAFETY: these calls are async-signal-safe; the default action ends this process once the
    // handler has returned. That of SIGQUIT would write a core, and that of others do nothing.
    unsafe {
        libc::signal(libc::SIGTERM, libc::SIG_DFL);
        libc::raise(libc::SIGTERM);
    }
}

/// May be called in a signal handler.
fn call_hook_of_cuts() {
    if let Some(last) = WHEN_CUT.get() {
        last();
    }
}

/// Takes ownership of a descriptor that the program was started with.
///
/// Only for numbers that were named to the program for that purpose, and once for each.
pub(crate) fn adopt(descriptor: RawFd) -> OwnedFd {
    // SAFETY: the caller has found it open, and it has no owner in this process: it was open before
    // the program began.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}

/// Removes variables from the environment, where this is known to be the only thread.
pub(crate) fn remove_variables(names: &[&str]) {
    if running_threads() == Some(1) {
        for name in names {
            // SAFETY: no other thread can read the environment meanwhile.
            unsafe { std::env::remove_var(name) };
        }
    }
}

/// Counters that this process and those it forks later count together, as atomics can be shared
/// between processes.
pub(crate) struct SharedCounters {
    memory: NonNull<AtomicU64>,
    count: usize,
}

impl SharedCounters {
    /// So many counters, all 0.
    ///
    /// # Panics
    ///
    /// The system has no memory for them, as an allocation would.
    pub(crate) fn new(count: usize) -> Self {
        let size = NonZero::new(count * size_of::<AtomicU64>()).expect("some counters");
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at a place that the kernel chooses, of memory that is all zeroes.
        let memory = unsafe { mmap_anonymous(None, size, access, MapFlags::MAP_SHARED) };
        Self { memory: memory.expect("memory for counters").cast(), count }
    }

    /// The counters.
    pub(crate) fn cells(&self) -> &[AtomicU64] {
        // SAFETY: the mapping holds so many, is aligned to a page and lives as long as `self`; all
        // bytes zero is a valid atomic, and nothing but atomics ever touches it.
        unsafe { std::slice::from_raw_parts(self.memory.as_ptr(), self.count) }
    }
}

impl Drop for SharedCounters {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this size, and not borrowed any more.
        let _ = unsafe { munmap(self.memory.cast(), self.count * size_of::<AtomicU64>()) };
    }
}

// SAFETY: atomics may be used from every thread, and the mapping belongs to the process.
unsafe impl Send for SharedCounters {}
// SAFETY: as above.
unsafe impl Sync for SharedCounters {}

impl std::fmt::Debug for SharedCounters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedCounters").field("count", &self.count).finish_non_exhaustive()
    }
}

/// Threads of this process, where the system tells: the directory has one entry, and so one
/// link, for each.
#[cfg(target_os = "linux")]
pub(crate) fn running_threads() -> Option<u64> {
    use std::os::unix::fs::MetadataExt;

    if threads::is_only_one() {
        return Some(1);
    }
    std::fs::metadata("/proc/self/task").ok().map(|task| task.nlink().saturating_sub(2))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn running_threads() -> Option<u64> {
    None
}
