//! What threads of a pool take their jobs from.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::Job;

/// What a thread and its pool tell each other.
#[derive(Debug, Default)]
pub(super) struct Post {
    /// The thread runs a job.
    pub(super) is_busy: AtomicBool,
    /// The pool waits for the thread no more, which is to end after its job.
    pub(super) is_dismissed: AtomicBool,
}

/// Jobs that wait, and threads that wait for them.
///
/// The channel's own wait would yield the processor several times before it sleeps, and each job
/// would wake another thread. Both cost a busy pool more than the requests' hand-over does. So
/// threads sleep here, and call each other: a thread that is called and finds more than one job
/// calls the next thread before it runs its own.
#[derive(Debug)]
pub(super) struct Queue {
    sender: Sender<Job>,
    pub(super) receiver: Receiver<Job>,
    /// Jobs handed over and not finished.
    jobs: AtomicUsize,
    /// Threads that run.
    pub(super) threads: AtomicUsize,
    /// Threads that sleep; the last one is called first, as it is the likeliest to be cached.
    sleepers: Mutex<Vec<Arc<Sleeper>>>,
    closed: AtomicBool,
}

#[derive(Debug)]
struct Sleeper {
    thread: Thread,
    called: AtomicBool,
}

impl Queue {
    pub(super) fn new() -> Self {
        let (sender, receiver) = unbounded();
        Self {
            sender,
            receiver,
            jobs: AtomicUsize::new(0),
            threads: AtomicUsize::new(0),
            sleepers: Mutex::default(),
            closed: AtomicBool::new(false),
        }
    }

    /// Queues a job; returns how many are not finished.
    pub(super) fn push(&self, job: Job) -> usize {
        let jobs = self.jobs.fetch_add(1, Ordering::SeqCst) + 1;
        // Fails only without a receiver, and this queue holds one.
        let _ = self.sender.send(job);
        jobs
    }

    pub(super) fn take_back(&self) -> Option<Job> {
        let job = self.receiver.try_recv().ok()?;
        self.jobs.fetch_sub(1, Ordering::SeqCst);
        Some(job)
    }

    /// Wakes a thread if there is a job for it.
    pub(super) fn call(&self) {
        if self.receiver.is_empty() {
            return;
        }
        // Without a sleeper all threads are awake, and look into the queue before they sleep.
        let sleeper = self.sleepers().pop();
        if let Some(sleeper) = sleeper {
            sleeper.called.store(true, Ordering::Release);
            sleeper.thread.unpark();
        }
    }

    /// Runs jobs until no job has come for `idle`, or no more can come.
    pub(super) fn work(&self, post: &Post, idle: Duration, max_threads: usize) {
        let sleeper =
            Arc::new(Sleeper { thread: thread::current(), called: AtomicBool::new(false) });
        let mut was_called = true;
        loop {
            if let Ok(job) = self.receiver.try_recv() {
                if std::mem::take(&mut was_called) {
                    self.call();
                }
                post.is_busy.store(true, Ordering::SeqCst);
                job.run();
                post.is_busy.store(false, Ordering::SeqCst);
                self.jobs.fetch_sub(1, Ordering::SeqCst);
                if post.is_dismissed.load(Ordering::SeqCst) {
                    break;
                }
            } else if self.closed.load(Ordering::SeqCst) {
                break;
            } else if self.sleep(&sleeper, idle) {
                was_called = true;
            } else {
                self.threads.fetch_sub(1, Ordering::SeqCst);
                // A job may have come between the wait and this count, for which the pool relied
                // on this thread; unless it has started others meanwhile, up to the maximum.
                let again = |threads| (threads < max_threads).then_some(threads + 1);
                let (set, fetch) = (Ordering::SeqCst, Ordering::SeqCst);
                if self.receiver.is_empty() || self.threads.fetch_update(set, fetch, again).is_err()
                {
                    return;
                }
            }
        }
        self.threads.fetch_sub(1, Ordering::SeqCst);
    }

    /// Sleeps until called; false when no call has come for `idle`.
    fn sleep(&self, me: &Arc<Sleeper>, idle: Duration) -> bool {
        let mut sleepers = self.sleepers();
        // Asked with the lock held, so that a job that is queued after this finds this thread here.
        if !self.receiver.is_empty() || self.closed.load(Ordering::SeqCst) {
            return true;
        }
        me.called.store(false, Ordering::Relaxed);
        sleepers.push(Arc::clone(me));
        drop(sleepers);
        let deadline = Instant::now() + idle;
        loop {
            thread::park_timeout(deadline.saturating_duration_since(Instant::now()));
            if me.called.load(Ordering::Acquire) {
                return true;
            }
            if Instant::now() >= deadline {
                let mut sleepers = self.sleepers();
                let place = sleepers.iter().position(|sleeper| Arc::ptr_eq(sleeper, me));
                // Not there any more: called in this very moment.
                return place.map(|place| sleepers.remove(place)).is_none();
            }
        }
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        for sleeper in self.sleepers().drain(..) {
            sleeper.called.store(true, Ordering::Release);
            sleeper.thread.unpark();
        }
    }

    fn sleepers(&self) -> MutexGuard<'_, Vec<Arc<Sleeper>>> {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
