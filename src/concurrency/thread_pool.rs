//! A pool of threads that grows with the work.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::{Concurrency, Job};

/// Runs requests on threads that are started on demand, up to a maximum, and kept for the next.
///
/// Python's `ThreadingMixIn` starts a thread for each connection, without a bound, and lets it
/// wait while the connection is idle. Here a thread runs requests only; idle connections wait
/// with the server, so that a few threads serve thousands of them. As long as fewer than
/// [`max_threads`](Self::max_threads) handlers are busy, none delays another: up to 64 threads start
/// as soon as there is something for them to do, and more when a request has waited for 10 ms, which
/// tells handlers that wait for something from many that are merely quick.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use socketserver::ThreadPool;
///
/// let pool = ThreadPool {
///     max_threads: 16,
///     idle_timeout: Duration::from_secs(60),
///     ..ThreadPool::default()
/// };
/// # let _ = pool;
/// ```
#[derive(Debug)]
pub struct ThreadPool {
    /// Threads that may run at once. Defaults to 1,024: more than there are connections, as long as
    /// [`Server::max_connections`](crate::Server::max_connections) follows the usual limit of 1,024
    /// descriptors, so that clients who take their time hold up nobody.
    pub max_threads: usize,
    /// How long a thread waits for another request before it ends. Defaults to 10 seconds.
    pub idle_timeout: Duration,
    /// Waits for running requests when the strategy is dropped. Defaults to `true`, as in
    /// CPython.
    #[doc(alias = "ThreadingMixIn.block_on_close")]
    #[doc(alias = "ThreadingMixIn.daemon_threads")]
    #[doc(alias = "daemon_threads")]
    pub block_on_close: bool,
    /// What runs. Public for `..ThreadPool::default()` alone, which needs all fields to be.
    #[doc(hidden)]
    pub threads: Threads,
}

/// The threads of a [`ThreadPool`] and their queue. It has the `Drop`, and not the pool, so that a
/// pool can be written as a struct update.
#[doc(hidden)]
#[derive(Debug)]
pub struct Threads {
    queue: Arc<Queue>,
    handles: Vec<JoinHandle<()>>,
    /// The pool's `block_on_close`, as it last was.
    block_on_close: bool,
    /// Threads started so far; the name of each tells which one it is.
    started: usize,
    /// Jobs handed over so far.
    jobs: u64,
    watch: Option<Watch>,
}

/// A look at jobs that wait although many threads run.
#[derive(Debug)]
struct Watch {
    /// When to look again.
    due: Instant,
    /// Jobs handed over when it began: those of them that still wait then have waited for long.
    jobs: u64,
}

impl Default for ThreadPool {
    fn default() -> Self {
        Self::with_max_threads(1_024)
    }
}

impl ThreadPool {
    /// A pool of at most `max_threads` threads.
    pub fn with_max_threads(max_threads: usize) -> Self {
        Self {
            max_threads,
            idle_timeout: Duration::from_secs(10),
            block_on_close: true,
            threads: Threads::new(),
        }
    }

    fn start_thread(&mut self) -> io::Result<()> {
        self.threads.handles.retain(|thread| !thread.is_finished());
        let queue = Arc::clone(&self.threads.queue);
        let (idle, max) = (self.idle_timeout, self.max_threads.max(1));
        self.threads.started += 1;
        self.threads.queue.threads.fetch_add(1, Ordering::SeqCst);
        let started = thread::Builder::new()
            .name(format!("Thread-{}", self.threads.started))
            .spawn(move || queue.work(idle, max));
        match started {
            Ok(thread) => self.threads.handles.push(thread),
            Err(error) => {
                self.threads.queue.threads.fetch_sub(1, Ordering::SeqCst);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Starts threads for jobs that have waited for too long; returns when to look again.
    fn relieve(&mut self) -> Option<Duration> {
        let threads = self.worker_count();
        let waiting = self.threads.queue.receiver.len();
        if waiting == 0 || threads < AT_ONCE || threads >= self.max_threads {
            self.threads.watch = None;
            return None;
        }
        let now = Instant::now();
        let mut pause = PATIENCE;
        if let Some(watch) = &self.threads.watch {
            if now < watch.due {
                return Some(watch.due - now);
            }
            let begun = self.threads.jobs - waiting as u64;
            let late = usize::try_from(watch.jobs.saturating_sub(begun)).unwrap_or(waiting);
            for _ in 0..late.min(self.max_threads - threads) {
                if let Err(error) = self.start_thread() {
                    log::warn!("cannot start a thread, others go on: {error}");
                    pause = PAUSE;
                    break;
                }
            }
        }
        self.threads.watch = Some(Watch { due: now + pause, jobs: self.threads.jobs });
        Some(pause)
    }
}

impl Concurrency for ThreadPool {
    fn process_request(&mut self, job: Job) -> io::Result<()> {
        self.threads.jobs += 1;
        self.threads.block_on_close = self.block_on_close;
        // Queued before the threads are counted: one that stops waiting just now lowers that count
        // first and looks into the queue then, so that it finds the job or is not counted on.
        let jobs = self.threads.queue.push(job);
        // A job more than there are threads needs another thread; one that is about to finish
        // its job is not counted on.
        let threads = self.threads.queue.threads.load(Ordering::SeqCst);
        if jobs <= threads || threads >= self.max_threads.clamp(1, AT_ONCE) {
            return Ok(());
        }
        match self.start_thread() {
            Ok(()) => Ok(()),
            Err(error) if self.threads.queue.threads.load(Ordering::SeqCst) > 0 => {
                // The job only has to wait.
                log::warn!("cannot start a thread, {threads} go on: {error}");
                Ok(())
            }
            Err(error) => match self.threads.queue.take_back() {
                Some(job) => {
                    drop(job);
                    let text = format!("cannot start a thread: {error}");
                    Err(io::Error::new(error.kind(), text))
                }
                // A thread that was about to end has it after all.
                None => Ok(()),
            },
        }
    }

    fn worker_count(&self) -> usize {
        self.threads.queue.threads.load(Ordering::SeqCst)
    }

    /// Calls a thread for what was queued in this turn; it calls the next if there is more.
    fn service_actions(&mut self) -> Option<Duration> {
        self.threads.queue.call();
        self.relieve()
    }
}

/// Threads that are started without a look at how long jobs wait. More of them would only take turns
/// where handlers are quick.
const AT_ONCE: usize = 64;

/// How long a job may wait before there are more.
const PATIENCE: Duration = Duration::from_millis(10);

/// How long until the next try where the system has none to give.
const PAUSE: Duration = Duration::from_secs(1);

impl Threads {
    fn new() -> Self {
        Self {
            queue: Arc::new(Queue::new()),
            handles: Vec::new(),
            block_on_close: true,
            started: 0,
            jobs: 0,
            watch: None,
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.queue.close();
        if self.block_on_close {
            for thread in self.handles.drain(..) {
                // Jobs do not panic.
                let _ = thread.join();
            }
        }
    }
}

/// Jobs that wait, and threads that wait for them.
///
/// The channel's own wait would yield the processor several times before it sleeps, and each job
/// would wake another thread. Both cost a busy pool more than the requests' hand-over does, so
/// that threads sleep here, and are called one by the other: whoever is called and finds more
/// than one job calls the next thread before it runs its own.
#[derive(Debug)]
struct Queue {
    sender: Sender<Job>,
    receiver: Receiver<Job>,
    /// Jobs handed over and not finished.
    jobs: AtomicUsize,
    /// Threads that run.
    threads: AtomicUsize,
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
    fn new() -> Self {
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
    fn push(&self, job: Job) -> usize {
        let jobs = self.jobs.fetch_add(1, Ordering::SeqCst) + 1;
        // Fails only without a receiver, and this queue holds one.
        let _ = self.sender.send(job);
        jobs
    }

    fn take_back(&self) -> Option<Job> {
        let job = self.receiver.try_recv().ok()?;
        self.jobs.fetch_sub(1, Ordering::SeqCst);
        Some(job)
    }

    /// Wakes a thread if there is a job for it.
    fn call(&self) {
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

    /// Runs jobs until none has come for `idle`, or none can come any more.
    fn work(&self, idle: Duration, max_threads: usize) {
        let sleeper =
            Arc::new(Sleeper { thread: thread::current(), called: AtomicBool::new(false) });
        let mut was_called = true;
        loop {
            if let Ok(job) = self.receiver.try_recv() {
                if std::mem::take(&mut was_called) {
                    self.call();
                }
                job.run();
                self.jobs.fetch_sub(1, Ordering::SeqCst);
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

    /// Sleeps until called; false when nobody has called for `idle`.
    fn sleep(&self, me: &Arc<Sleeper>, idle: Duration) -> bool {
        let mut sleepers = self.sleepers();
        // Asked with the lock held, so that whoever queues a job after this finds us here.
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

    fn close(&self) {
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
