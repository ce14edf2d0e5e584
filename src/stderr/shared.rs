//! What the processes of one server share of their standard error: what became of it, and turns.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::{Kind, STDERR_STALL, look};
use crate::sys::{FileTurn, SharedCounters, TurnFile};

/// What became of standard error, by the last process that wrote to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct State<'a> {
    /// Entries that were lost since nothing was taken any more; none while it is taken.
    pub(super) lost: &'a AtomicU64,
    /// Not 0 where the last line has no end: it was given up, or its process was killed.
    pub(super) is_cut: &'a AtomicU64,
    /// Raised whenever something is taken.
    pub(super) progress: &'a AtomicU64,
}

/// Has this process and those that are forked of it later share the state, and take turns. To be
/// called before the first fork.
pub(crate) fn share() {
    let _first = SHARING.lock().unwrap_or_else(PoisonError::into_inner);
    // Those of a process that this one was forked from serve here, too.
    if SHARED.get().is_none() {
        let counters = SharedCounters::new(OWN.len());
        for (shared, own) in counters.cells().iter().zip(&OWN) {
            shared.store(own.load(SeqCst), SeqCst);
        }
        let _ = SHARED.set(counters);
    }
    if TURNS.get().is_none() && matches!(look(), Ok((_, Kind::Pipe | Kind::Socket))) {
        match TurnFile::new() {
            Ok(file) => {
                let _ = TURNS.set(Turns(file));
            }
            Err(error) => log::warn!("long lines of the log may mix: {error}"),
        }
    }
}

pub(super) fn state() -> State<'static> {
    let [lost, is_cut, progress] = match SHARED.get().map(SharedCounters::cells) {
        Some([lost, is_cut, progress]) => [lost, is_cut, progress],
        _ => OWN.each_ref(),
    };
    State { lost, is_cut, progress }
}

/// The turns, where there are other processes and they have to be taken.
pub(super) fn turns() -> Option<&'static Turns> {
    TURNS.get()
}

static SHARING: Mutex<()> = Mutex::new(());
static SHARED: OnceLock<SharedCounters> = OnceLock::new();
static TURNS: OnceLock<Turns> = OnceLock::new();
static OWN: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];

/// Turns of processes. Threads of one process have a lock of their own.
#[derive(Debug)]
pub(super) struct Turns(TurnFile);

impl Turns {
    /// Waits for a turn as long as others get on, and not while entries are lost.
    pub(super) fn take(&self, state: State<'_>) -> Option<FileTurn<'_>> {
        let (mut progress, mut deadline) = (None, Instant::now());
        for attempt in 0_u32.. {
            if let Some(turn) = self.0.try_take() {
                return Some(turn);
            }
            let (now, seen) = (Instant::now(), state.progress.load(SeqCst));
            if progress != Some(seen) {
                (progress, deadline) = (Some(seen), now + STDERR_STALL);
            }
            if now >= deadline || state.lost.load(SeqCst) > 0 {
                break;
            }
            if attempt < YIELDS {
                thread::yield_now();
            } else {
                thread::sleep(PAUSE);
            }
        }
        None
    }
}

/// A short line takes less time than a pause.
const YIELDS: u32 = 20;
const PAUSE: Duration = Duration::from_micros(200);
