//! A pool of threads that grows with the work.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::queue::{Post, Queue};
use super::{Concurrency, Drain, Job};

/// Runs requests on threads that are started on demand, up to a maximum, and kept for the next.
///
/// Python's `ThreadingMixIn` starts a thread for each connection, without a bound, and lets it wait
/// while the connection is idle. Here a thread runs requests only; idle connections wait with the
/// server, so that a few threads serve thousands of them.
///
/// Up to 64 threads start at once. Beyond that another one starts only after a request has waited
/// for 10 ms: quick handlers are done by then, blocked ones are not. So no handler delays another
/// for longer, as long as fewer than [`max_threads`](Self::max_threads) are busy.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use socketserver::ThreadPool;
///
/// let pool = ThreadPool::default().max_threads(16).idle_timeout(Duration::from_secs(60));
/// # let _ = pool;
/// ```
#[derive(Debug)]
pub struct ThreadPool {
    max_threads: usize,
    idle_timeout: Duration,
    block_on_close: bool,
    queue: Arc<Queue>,
    members: Vec<Member>,
    /// Threads started so far; the name of each tells which one it is.
    started: usize,
    /// Jobs handed over so far.
    jobs: u64,
    watch: Option<Watch>,
    /// Some threads are not waited for.
    has_dismissed: bool,
}

/// A thread of a pool.
#[derive(Debug)]
struct Member {
    handle: JoinHandle<()>,
    post: Arc<Post>,
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
        Self {
            max_threads: 1_024,
            idle_timeout: Duration::from_secs(10),
            block_on_close: true,
            queue: Arc::new(Queue::new()),
            members: Vec::new(),
            started: 0,
            jobs: 0,
            watch: None,
            has_dismissed: false,
        }
    }
}

impl ThreadPool {
    /// Threads that may run at once, at least one. Defaults to 1,024. With the usual limit of 1,024
    /// descriptors there are fewer connections than that
    /// ([`Server::max_connections`](crate::Server::max_connections)), so that slow clients never
    /// use up the pool.
    #[must_use]
    pub fn max_threads(mut self, count: usize) -> Self {
        self.max_threads = count.max(1);
        self
    }

    /// How long a thread waits for another request before it ends. Defaults to 10 seconds.
    #[must_use]
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.idle_timeout = limit;
        self
    }

    /// Whether the pool waits for running requests when it is dropped, but for those that were cut.
    /// Defaults to `true`, as in CPython; see also
    /// [`Server::daemon_threads`](crate::Server::daemon_threads).
    #[doc(alias = "ThreadingMixIn.block_on_close")]
    #[must_use]
    pub fn block_on_close(mut self, waits: bool) -> Self {
        self.block_on_close = waits;
        self
    }

    fn start_thread(&mut self) -> io::Result<()> {
        self.members.retain(|member| !member.handle.is_finished());
        let queue = Arc::clone(&self.queue);
        let post = Arc::<Post>::default();
        let kept = Arc::clone(&post);
        let (idle, max) = (self.idle_timeout, self.max_threads);
        self.started += 1;
        self.queue.threads.fetch_add(1, Ordering::SeqCst);
        let started = thread::Builder::new()
            .name(format!("Thread-{}", self.started))
            .spawn(move || queue.work(&post, idle, max));
        match started {
            Ok(handle) => self.members.push(Member { handle, post: kept }),
            Err(error) => {
                self.queue.threads.fetch_sub(1, Ordering::SeqCst);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Starts threads for jobs that have waited for too long; returns when to look again.
    fn relieve(&mut self) -> Option<Duration> {
        let threads = self.worker_count();
        let waiting = self.queue.receiver.len();
        if waiting == 0 || threads < EAGER_THREADS || threads >= self.max_threads {
            self.watch = None;
            return None;
        }
        let now = Instant::now();
        let mut pause = GROW_AFTER;
        if let Some(watch) = &self.watch {
            if now < watch.due {
                return Some(watch.due - now);
            }
            let begun = self.jobs - waiting as u64;
            let late = usize::try_from(watch.jobs.saturating_sub(begun)).unwrap_or(waiting);
            for _ in 0..late.min(self.max_threads - threads) {
                if let Err(error) = self.start_thread() {
                    log::warn!("cannot start a thread, others go on: {error}");
                    pause = RETRY_AFTER;
                    break;
                }
            }
        }
        self.watch = Some(Watch { due: now + pause, jobs: self.jobs });
        Some(pause)
    }

    fn dismiss_busy(&mut self) {
        let before = self.members.len();
        self.members.retain(|member| {
            let is_busy = member.post.is_busy.load(Ordering::SeqCst);
            if is_busy {
                member.post.is_dismissed.store(true, Ordering::SeqCst);
            }
            !is_busy
        });
        self.has_dismissed |= self.members.len() < before;
    }
}

impl Concurrency for ThreadPool {
    fn process_request(&mut self, job: Job) -> io::Result<()> {
        self.jobs += 1;
        // Queued before the threads are counted: one that stops waiting just now lowers that count
        // first and looks into the queue then, so that it finds the job or is not counted on.
        let jobs = self.queue.push(job);
        // A job more than there are threads needs another thread; one that is about to finish
        // its job is not counted on.
        let threads = self.queue.threads.load(Ordering::SeqCst);
        if jobs <= threads || threads >= self.max_threads.min(EAGER_THREADS) {
            return Ok(());
        }
        match self.start_thread() {
            Ok(()) => Ok(()),
            Err(error) if self.queue.threads.load(Ordering::SeqCst) > 0 => {
                // The job only has to wait.
                log::warn!("cannot start a thread, {threads} go on: {error}");
                Ok(())
            }
            Err(error) => match self.queue.take_back() {
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
        self.queue.threads.load(Ordering::SeqCst)
    }

    fn max_workers(&self) -> Option<usize> {
        Some(self.max_threads)
    }

    /// Calls a thread for what was queued in this turn; it calls the next if there is more.
    fn service_actions(&mut self) -> Option<Duration> {
        self.queue.call();
        self.relieve()
    }

    /// Lets go of the threads whose requests were cut, in whatever their handlers are stuck.
    fn server_close(&mut self, drain: Drain) -> usize {
        if drain.deadline <= Instant::now() {
            self.dismiss_busy();
        }
        // The server has counted them: they have connections, or datagrams.
        0
    }
}

/// Threads that are started without a look at how long jobs wait. More of them only take turns
/// where handlers are quick: they cost a tenth to a fifth more processor time with 256 and 1,000
/// busy connections (`benches/run load hello -s ours-pool -c 256,1000`).
const EAGER_THREADS: usize = 64;

/// How long a job waits before more threads are started.
const GROW_AFTER: Duration = Duration::from_millis(10);

/// How long until the next try where the system has no thread to give.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Drop for ThreadPool {
    fn drop(&mut self) {
        self.queue.close();
        if self.block_on_close {
            for member in self.members.drain(..) {
                // Jobs do not panic.
                let _ = member.handle.join();
            }
        }
        if self.has_dismissed {
            // Jobs that waited for them. They may keep the queue itself for ever.
            while let Some(job) = self.queue.take_back() {
                drop(job);
            }
        }
    }
}

#[cfg(test)]
mod tests;
