//! How a pool grows, and what it does at its end.

use std::sync::{Arc, RwLock, mpsc};

use super::super::jobs::{Fate, LIMIT, Waiting, eventually, job};
use super::*;

/// Hands over jobs that wait until the gate, which the test has locked, is let go of. A test locks
/// it when it has its pool: where it fails, it is let go of first.
fn hand_over(pool: &mut ThreadPool, gate: &Arc<RwLock<()>>, count: usize) -> Vec<Waiting> {
    let mut handed = Vec::new();
    for _ in 0..count {
        let gate = Arc::clone(gate);
        let (job, waiting) = job(move || drop(gate.read()));
        pool.process_request(job).expect("there is a thread, or soon will be");
        handed.push(waiting);
    }
    handed
}

/// Waits until so many jobs are in the queue, and the others on threads.
#[track_caller]
fn has_waiting(pool: &ThreadPool, count: usize) {
    eventually(format_args!("{count} jobs wait"), || pool.queue.receiver.len() == count);
}

/// Jobs that have waited since then are late from now on.
fn watch_since(pool: &mut ThreadPool, jobs: u64) {
    pool.watch = Some(Watch { due: Instant::now(), jobs });
}

#[test]
fn options_are_kept() {
    let idle = Duration::from_secs(7);
    let pool = ThreadPool::default().block_on_close(false).idle_timeout(idle).max_threads(3);
    assert_eq!((pool.max_threads, pool.idle_timeout, pool.block_on_close), (3, idle, false));
    let pool = pool.block_on_close(true);
    assert_eq!((pool.max_threads, pool.idle_timeout, pool.block_on_close), (3, idle, true));
    let pool = pool.idle_timeout(2 * idle).max_threads(0);
    assert_eq!((pool.max_threads, pool.idle_timeout, pool.block_on_close), (1, 2 * idle, true));
}

#[test]
fn there_is_a_thread_for_each_job_up_to_the_maximum() {
    let mut pool = ThreadPool::default().max_threads(2);
    let gate = Arc::default();
    let closed = RwLock::write(&gate);
    let mut handed = Vec::new();
    for (jobs, threads) in [(1, 1), (2, 2), (3, 2), (4, 2)] {
        handed.extend(hand_over(&mut pool, &gate, 1));
        assert_eq!(pool.worker_count(), threads, "for {jobs} jobs");
        assert_eq!((pool.members.len(), pool.started, pool.jobs), (threads, threads, jobs));
    }
    has_waiting(&pool, 2);
    drop(closed);
    assert!(handed.iter().all(|job| job.fate() == Fate::Run));
}

#[test]
fn a_thread_that_sleeps_is_called_for_the_next_job() {
    let mut pool = ThreadPool::default().max_threads(1).idle_timeout(2 * LIMIT);
    for _ in 0..3 {
        let (name, named) = mpsc::channel();
        let (job, waiting) = job(move || {
            name.send(thread::current().name().map(str::to_owned)).expect("a listener");
        });
        pool.process_request(job).expect("one thread at most");
        assert_eq!(pool.service_actions(), None);
        assert_eq!(waiting.fate(), Fate::Run);
        assert_eq!(named.recv(), Ok(Some("Thread-1".to_owned())));
    }
    // As it does where it has a reason to end, its idle time was not over.
    assert_eq!(pool.worker_count(), 1);
}

#[test]
fn more_threads_than_start_at_once_are_for_jobs_that_have_waited() {
    let mut pool = ThreadPool::default();
    let gate = Arc::default();
    let closed = RwLock::write(&gate);
    let mut handed = hand_over(&mut pool, &gate, EAGER_THREADS);
    has_waiting(&pool, 0);
    assert_eq!(pool.worker_count(), EAGER_THREADS);
    assert_eq!(pool.service_actions(), None, "no job waits");
    handed.extend(hand_over(&mut pool, &gate, 6));
    assert_eq!(pool.worker_count(), EAGER_THREADS);
    // The first look only begins to watch.
    let before = Instant::now();
    assert_eq!(pool.service_actions(), Some(GROW_AFTER));
    let watch = pool.watch.as_ref().expect("jobs wait");
    assert!(watch.due >= before + GROW_AFTER && watch.due <= Instant::now() + GROW_AFTER);
    assert_eq!((watch.jobs, pool.worker_count()), (EAGER_THREADS as u64 + 6, EAGER_THREADS));
    // Until its time has come.
    pool.watch = Some(Watch { due: Instant::now() + LIMIT, jobs: EAGER_THREADS as u64 + 6 });
    assert!(pool.service_actions().is_some_and(|left| left > LIMIT / 2 && left <= LIMIT));
    assert_eq!(pool.worker_count(), EAGER_THREADS);
    // Two jobs came after it began, and four before.
    watch_since(&mut pool, EAGER_THREADS as u64 + 4);
    let before = Instant::now();
    assert_eq!(pool.service_actions(), Some(GROW_AFTER));
    assert_eq!(pool.worker_count(), EAGER_THREADS + 4);
    has_waiting(&pool, 2);
    // What waits still is watched anew.
    let watch = pool.watch.as_ref().expect("jobs wait");
    assert!(watch.due >= before + GROW_AFTER);
    assert_eq!(watch.jobs, EAGER_THREADS as u64 + 6);
    drop(closed);
    assert!(handed.iter().all(|job| job.fate() == Fate::Run));
    has_waiting(&pool, 0);
    assert_eq!(pool.service_actions(), None);
    assert!(pool.watch.is_none());
}

#[test]
fn no_more_threads_than_the_maximum_are_for_jobs_that_have_waited() {
    let mut pool = ThreadPool::default().max_threads(EAGER_THREADS + 2);
    let gate = Arc::default();
    let closed = RwLock::write(&gate);
    let handed = hand_over(&mut pool, &gate, EAGER_THREADS + 6);
    has_waiting(&pool, 6);
    watch_since(&mut pool, EAGER_THREADS as u64 + 6);
    assert_eq!(pool.service_actions(), Some(GROW_AFTER));
    assert_eq!(pool.worker_count(), EAGER_THREADS + 2);
    has_waiting(&pool, 4);
    assert_eq!(pool.service_actions(), None, "there cannot be more");
    drop(closed);
    assert!(handed.iter().all(|job| job.fate() == Fate::Run));
}

#[test]
fn jobs_that_wait_for_the_first_threads_are_not_watched() {
    let mut pool = ThreadPool::default();
    let (job, waiting) = job(|| ());
    pool.queue.push(job);
    watch_since(&mut pool, 1);
    assert_eq!(pool.service_actions(), None);
    assert_eq!((pool.worker_count(), pool.watch.is_none()), (0, true));
    drop(pool);
    assert_eq!(waiting.fate(), Fate::Abandoned);
}

#[test]
fn a_pool_that_is_dropped_waits_for_what_it_took() {
    let mut pool = ThreadPool::default().max_threads(1);
    let slow = || thread::sleep(Duration::from_millis(50));
    let ((first, one), (second, other)) = (job(slow), job(slow));
    pool.process_request(first).expect("a thread");
    pool.process_request(second).expect("the same thread");
    drop(pool);
    assert_eq!([one, other].map(|job| job.fate_so_far()), [Some(Fate::Run); 2]);
}

#[test]
fn a_pool_whose_jobs_are_cut_does_not_wait_for_them() {
    let mut pool = ThreadPool::default().max_threads(1);
    let gate = Arc::default();
    let closed = RwLock::write(&gate);
    let handed = hand_over(&mut pool, &gate, 2);
    has_waiting(&pool, 1);
    eventually("the job runs", || pool.members[0].post.is_busy.load(Ordering::SeqCst));
    // It may still end.
    assert_eq!(pool.server_close(Drain::until(Instant::now() + LIMIT)), 0);
    assert_eq!((pool.members.len(), pool.has_dismissed), (1, false));
    assert_eq!(pool.server_close(Drain::until(Instant::now())), 0);
    assert_eq!((pool.members.len(), pool.has_dismissed), (0, true));
    // A later look finds none to dismiss, and forgets none.
    assert_eq!(pool.server_close(Drain::until(Instant::now())), 0);
    assert!(pool.has_dismissed);
    let queue = Arc::clone(&pool.queue);
    drop(pool);
    assert_eq!(handed[1].fate(), Fate::Abandoned);
    assert_eq!(handed[0].fate_so_far(), None);
    drop(closed);
    assert_eq!(handed[0].fate(), Fate::Run);
    eventually("the thread ends", || queue.threads.load(Ordering::SeqCst) == 0);
}

#[test]
fn threads_that_sleep_are_waited_for_at_any_deadline() {
    let mut pool = ThreadPool::default();
    let (job, waiting) = job(|| ());
    pool.process_request(job).expect("a thread");
    assert_eq!(waiting.fate(), Fate::Run);
    eventually("the job is done", || !pool.members[0].post.is_busy.load(Ordering::SeqCst));
    assert_eq!(pool.server_close(Drain::until(Instant::now())), 0);
    assert_eq!((pool.members.len(), pool.has_dismissed), (1, false));
}
