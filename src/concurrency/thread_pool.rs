//! A pool of threads that grows with the work.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};

use super::{Concurrency, Job};

/// Runs requests on threads that are started on demand, up to a maximum, and kept for the next.
///
/// Python's `ThreadingMixIn` starts a thread for each connection, without a bound, and lets it
/// wait while the connection is idle. Here a thread runs requests only; idle connections wait with the server, so that a few
/// threads serve thousands of them. As long as fewer than
/// [`max_threads`](Self::max_threads) handlers are busy, none delays another.
#[derive(Debug)]
pub struct ThreadPool {
    /// Threads that may run at once. Defaults to 64.
    pub max_threads: usize,
    /// How long a thread waits for another request before it ends. Defaults to 10 seconds.
    pub idle_timeout: Duration,
    /// Waits for running requests when the strategy is dropped. Defaults to `true`, as in
    /// CPython.
    #[doc(alias = "ThreadingMixIn.block_on_close")]
    #[doc(alias = "ThreadingMixIn.daemon_threads")]
    pub block_on_close: bool,
    queue: Option<Sender<Job>>,
    jobs: Receiver<Job>,
    load: Arc<Load>,
    threads: Vec<JoinHandle<()>>,
}

/// What the pool's threads are doing.
#[derive(Debug, Default)]
struct Load {
    /// Jobs handed over and not finished.
    jobs: AtomicUsize,
    /// Threads that run.
    threads: AtomicUsize,
}

impl Default for ThreadPool {
    fn default() -> Self {
        Self::with_max_threads(64)
    }
}

impl ThreadPool {
    /// A pool of at most `max_threads` threads.
    pub fn with_max_threads(max_threads: usize) -> Self {
        let (queue, jobs) = unbounded();
        Self {
            max_threads,
            idle_timeout: Duration::from_secs(10),
            block_on_close: true,
            queue: Some(queue),
            jobs,
            load: Arc::default(),
            threads: Vec::new(),
        }
    }

    fn start_thread(&mut self) -> io::Result<()> {
        self.threads.retain(|thread| !thread.is_finished());
        let (jobs, load) = (self.jobs.clone(), Arc::clone(&self.load));
        let (idle, max) = (self.idle_timeout, self.max_threads.max(1));
        let number = self.threads.len() + 1;
        load.threads.fetch_add(1, Ordering::SeqCst);
        let started = thread::Builder::new()
            .name(format!("Thread-{number}"))
            .spawn(move || work(&jobs, &load, idle, max));
        match started {
            Ok(thread) => self.threads.push(thread),
            Err(error) => {
                self.load.threads.fetch_sub(1, Ordering::SeqCst);
                return Err(error);
            }
        }
        Ok(())
    }
}

impl Concurrency for ThreadPool {
    fn process_request(&mut self, job: Job) -> io::Result<()> {
        let jobs = self.load.jobs.fetch_add(1, Ordering::SeqCst) + 1;
        // Queued before the threads are counted: one that stops waiting just now lowers that count
        // first and looks into the queue then, so that it finds the job or is not counted on.
        let queued = match &self.queue {
            // Fails only without a receiver, and this pool holds one.
            Some(queue) => queue.send(job).map_err(|_| "the pool has no queue"),
            None => Err("the pool is closed"),
        };
        queued.map_err(io::Error::other)?;
        // A job more than there are threads needs another thread; one that is about to finish
        // its job is not counted on.
        let threads = self.load.threads.load(Ordering::SeqCst);
        if jobs <= threads || threads >= self.max_threads.max(1) {
            return Ok(());
        }
        match self.start_thread() {
            Ok(()) => Ok(()),
            Err(error) if self.load.threads.load(Ordering::SeqCst) > 0 => {
                // The job only has to wait.
                log::warn!("cannot start a thread, {threads} go on: {error}");
                Ok(())
            }
            Err(error) => match self.jobs.try_recv() {
                Ok(job) => {
                    self.load.jobs.fetch_sub(1, Ordering::SeqCst);
                    drop(job);
                    let text = format!("cannot start a thread: {error}");
                    Err(io::Error::new(error.kind(), text))
                }
                // A thread that was about to end has it after all.
                Err(_) => Ok(()),
            },
        }
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        self.queue = None;
        if self.block_on_close {
            for thread in self.threads.drain(..) {
                // Jobs do not panic.
                let _ = thread.join();
            }
        }
    }
}

/// Runs jobs until none has come for `idle`, or none can come any more.
fn work(jobs: &Receiver<Job>, load: &Load, idle: Duration, max_threads: usize) {
    loop {
        // Asking first saves a look at the clock while there is work.
        let next = jobs.try_recv().or_else(|_| jobs.recv_timeout(idle));
        match next {
            Ok(job) => {
                job.run();
                load.jobs.fetch_sub(1, Ordering::SeqCst);
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                load.threads.fetch_sub(1, Ordering::SeqCst);
                // A job may have come between the wait and this count, for which the pool relied
                // on this thread; unless it has started others meanwhile, up to the maximum.
                let counted_again = |threads| (threads < max_threads).then_some(threads + 1);
                let (set, fetch) = (Ordering::SeqCst, Ordering::SeqCst);
                if jobs.is_empty() || load.threads.fetch_update(set, fetch, counted_again).is_err()
                {
                    return;
                }
            }
        }
    }
    load.threads.fetch_sub(1, Ordering::SeqCst);
}
