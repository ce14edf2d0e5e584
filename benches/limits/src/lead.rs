//! Up to so many threads. The one that waits takes a job, lets go of the loop and runs the job
//! itself. Others are called where a core is free for what else is ready, or where jobs were seen
//! to block, which a sentinel looks for each millisecond.

use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::serve_ready;
use crate::socket::{self, Events, STACK, listen, watch_accepted, watch_again};

pub fn lead(port: u16, most: usize) {
    let pool = Arc::new(Pool {
        events: Events::new(),
        most,
        cores: thread::available_parallelism().map_or(1, usize::from),
        ready: Mutex::default(),
        is_led: AtomicBool::new(false),
        jobs: AtomicU64::new(0),
        running: AtomicUsize::new(0),
        threads: AtomicUsize::new(1),
        careful_for: AtomicU32::new(0),
        sleepers: Mutex::default(),
        sentinel_sleeps: AtomicBool::new(false),
        sentinel: OnceLock::new(),
    });
    let watched = Arc::clone(&pool);
    let sentinel = thread::spawn(move || watched.look_for_blocked_jobs());
    pool.sentinel.set(sentinel.thread().clone()).expect("set once");
    let first = Arc::clone(&pool);
    thread::spawn(move || first.work());
    watch_accepted(&listen(port), &pool.events);
}

struct Pool {
    events: Events,
    most: usize,
    cores: usize,
    /// Held by the thread that leads.
    ready: Mutex<VecDeque<RawFd>>,
    is_led: AtomicBool,
    jobs: AtomicU64,
    running: AtomicUsize,
    threads: AtomicUsize,
    /// Jobs before which another thread is called first, as some have blocked.
    careful_for: AtomicU32,
    sleepers: Mutex<Vec<(Thread, Arc<AtomicBool>)>>,
    sentinel_sleeps: AtomicBool,
    sentinel: OnceLock<Thread>,
}

impl Pool {
    fn call(self: &Arc<Self>) {
        let sleeper = self.sleepers.lock().expect("no panic").pop();
        if let Some((sleeper, called)) = sleeper {
            called.store(true, SeqCst);
            sleeper.unpark();
        } else if self.threads.load(SeqCst) < self.most {
            self.threads.fetch_add(1, SeqCst);
            let pool = Arc::clone(self);
            let thread = thread::Builder::new().stack_size(STACK);
            thread.spawn(move || pool.work()).expect("a thread");
        }
    }

    fn work(self: Arc<Self>) {
        let called = Arc::new(AtomicBool::new(false));
        loop {
            if let Ok(mut ready) = self.ready.try_lock() {
                self.is_led.store(true, SeqCst);
                let descriptor = loop {
                    match ready.pop_front() {
                        Some(descriptor) => break descriptor,
                        None => ready.extend(self.events.wait()),
                    }
                };
                let waiting = ready.len();
                self.is_led.store(false, SeqCst);
                drop(ready);
                self.run(descriptor, waiting);
            } else {
                self.sleep(&called);
            }
        }
    }

    fn run(self: &Arc<Self>, descriptor: RawFd, waiting: usize) {
        self.jobs.fetch_add(1, SeqCst);
        let running = self.running.fetch_add(1, SeqCst) + 1;
        if self.sentinel_sleeps.swap(false, SeqCst)
            && let Some(sentinel) = self.sentinel.get()
        {
            sentinel.unpark();
        }
        let careful = self.careful_for.load(SeqCst);
        self.careful_for.store(careful.saturating_sub(1), SeqCst);
        if careful > 0 || (waiting > 0 && running < self.cores) {
            self.call();
        }
        let began = Instant::now();
        sleep_now_and_then();
        if serve_ready(descriptor) {
            watch_again(&self.events, descriptor);
        } else {
            socket::close(descriptor);
        }
        if careful > 0 && began.elapsed() > Duration::from_millis(1) {
            self.careful_for.store(CAREFUL, SeqCst);
        }
        self.running.fetch_sub(1, SeqCst);
    }

    fn sleep(&self, called: &Arc<AtomicBool>) {
        called.store(false, SeqCst);
        let me = thread::current();
        self.sleepers.lock().expect("no panic").push((me.clone(), Arc::clone(called)));
        // The leader may have gone meanwhile: looked at again with the name on the list.
        if !self.is_led.load(SeqCst) && self.ready.try_lock().is_ok() {
            let mut sleepers = self.sleepers.lock().expect("no panic");
            if let Some(at) = sleepers.iter().position(|(thread, _)| thread.id() == me.id()) {
                sleepers.swap_remove(at);
                return;
            }
        }
        while !called.load(SeqCst) {
            thread::park();
        }
    }

    /// Calls a thread where none leads and no job has begun for a millisecond.
    fn look_for_blocked_jobs(self: Arc<Self>) {
        let (mut seen, mut quiet) = (0, 0);
        loop {
            let jobs = self.jobs.load(SeqCst);
            quiet = if jobs == seen { quiet + 1 } else { 0 };
            if jobs == seen && !self.is_led.load(SeqCst) {
                self.careful_for.store(CAREFUL, SeqCst);
                self.call();
                quiet = 0;
            }
            seen = jobs;
            if quiet > 20 {
                self.sentinel_sleeps.store(true, SeqCst);
                while self.sentinel_sleeps.load(SeqCst) {
                    thread::park();
                }
                quiet = 0;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Jobs before which another thread is called once one has blocked.
const CAREFUL: u32 = 1000;

/// Sleeps where `SLOW_EVERY` and `SLOW_US` say so.
pub fn sleep_now_and_then() {
    static SETTING: OnceLock<(u64, u64)> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let read = |name| std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(0);
    let &(every, micros) = SETTING.get_or_init(|| (read("SLOW_EVERY"), read("SLOW_US")));
    if every > 0 && COUNT.fetch_add(1, Relaxed).is_multiple_of(every) {
        thread::sleep(Duration::from_micros(micros));
    }
}
