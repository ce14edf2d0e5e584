//! Threads that take jobs, sleep, are called and end.

use std::thread::JoinHandle;

use super::super::jobs::{Fate, LIMIT, Waiting, eventually, job};
use super::*;

const FOREVER: Duration = Duration::from_secs(3600);

/// Starts a thread that works, and which the queue counts.
fn worker(queue: &Arc<Queue>, idle: Duration, max_threads: usize) -> (Arc<Post>, JoinHandle<()>) {
    let post = Arc::<Post>::default();
    let (queue, its) = (Arc::clone(queue), Arc::clone(&post));
    queue.threads.fetch_add(1, Ordering::SeqCst);
    (post, thread::spawn(move || queue.work(&its, idle, max_threads)))
}

fn threads(queue: &Queue) -> usize {
    queue.threads.load(Ordering::SeqCst)
}

fn sleeping(queue: &Queue, count: usize) {
    eventually(format_args!("{count} sleep"), || queue.sleepers().len() == count);
}

#[track_caller]
fn ended(thread: JoinHandle<()>) {
    eventually("the thread ends", || thread.is_finished());
    thread.join().expect("no panic");
}

/// Adds a job, and calls no thread for it.
fn add(queue: &Queue) -> Waiting {
    let (job, waiting) = job(|| ());
    queue.push(job);
    waiting
}

#[test]
fn jobs_are_counted_until_they_are_finished() {
    let queue = Arc::new(Queue::new());
    let add = || {
        let (job, waiting) = job(|| ());
        (queue.push(job), waiting)
    };
    let ((one, first), (two, second)) = (add(), add());
    assert_eq!((one, two), (1, 2));
    drop(queue.take_back());
    assert_eq!(first.fate_so_far(), Some(Fate::Abandoned));
    assert_eq!(second.fate_so_far(), None);
    let (two, third) = add();
    assert_eq!(two, 2);
    let (_, thread) = worker(&queue, FOREVER, 1);
    assert_eq!([second.fate(), third.fate()], [Fate::Run; 2]);
    sleeping(&queue, 1);
    assert!(queue.take_back().is_none());
    assert_eq!(add().0, 1);
    queue.close();
    ended(thread);
    assert_eq!(threads(&queue), 0);
}

#[test]
fn one_call_is_enough_for_all_that_sleep_and_have_a_job() {
    let queue = Arc::new(Queue::new());
    let workers: Vec<_> = (0..3).map(|_| worker(&queue, FOREVER, 3).1).collect();
    sleeping(&queue, 3);
    queue.call();
    assert_eq!(queue.sleepers().len(), 3, "there is no job");
    let meeting = Arc::new(std::sync::Barrier::new(3));
    let handed: Vec<_> = (0..3)
        .map(|_| {
            let meeting = Arc::clone(&meeting);
            let (job, waiting) = job(move || {
                meeting.wait();
            });
            queue.push(job);
            waiting
        })
        .collect();
    queue.call();
    assert!(handed.iter().all(|job| job.fate() == Fate::Run));
    sleeping(&queue, 3);
    queue.close();
    workers.into_iter().for_each(ended);
    assert_eq!((threads(&queue), queue.sleepers().len()), (0, 0));
}

#[test]
fn a_thread_ends_when_nothing_has_come() {
    let queue = Arc::new(Queue::new());
    let (_, thread) = worker(&queue, Duration::from_millis(5), 1);
    ended(thread);
    assert_eq!((threads(&queue), queue.sleepers().len()), (0, 0));
}

#[test]
fn a_thread_that_was_dismissed_ends_behind_its_job() {
    let queue = Arc::new(Queue::new());
    let (post, thread) = worker(&queue, FOREVER, 1);
    sleeping(&queue, 1);
    let its = Arc::clone(&post);
    let (first, waiting) = job(move || its.is_dismissed.store(true, Ordering::SeqCst));
    queue.push(first);
    let second = add(&queue);
    queue.call();
    assert_eq!(waiting.fate(), Fate::Run);
    ended(thread);
    assert!(!post.is_busy.load(Ordering::SeqCst));
    assert_eq!((threads(&queue), second.fate_so_far()), (0, None));
}

#[test]
fn a_thread_whose_idle_time_is_over_takes_what_has_just_come() {
    let queue = Arc::new(Queue::new());
    let (thread, waiting, counted) = loop {
        let (_, thread) = worker(&queue, Duration::from_millis(300), 1);
        sleeping(&queue, 1);
        let (counts, counted) = std::sync::mpsc::channel();
        let its = Arc::clone(&queue);
        let (job, waiting) = job(move || counts.send(threads(&its)).expect("a listener"));
        queue.push(job);
        if threads(&queue) == 1 {
            break (thread, waiting, counted);
        }
        // This machine has slept longer.
        drop(queue.take_back());
        ended(thread);
    };
    assert_eq!(waiting.fate(), Fate::Run);
    assert_eq!(counted.recv(), Ok(1));
    ended(thread);
    assert_eq!(threads(&queue), 0);
}

#[test]
fn a_thread_whose_idle_time_is_over_leaves_what_has_just_come_to_those_that_replace_it() {
    let queue = Arc::new(Queue::new());
    queue.threads.store(1, Ordering::SeqCst);
    let (_, thread) = worker(&queue, Duration::from_millis(300), 1);
    sleeping(&queue, 1);
    let waiting = add(&queue);
    ended(thread);
    assert_eq!((threads(&queue), waiting.fate_so_far()), (1, None));
}

#[test]
fn sleep_lasts_until_a_call_or_for_its_time() {
    let me = || Arc::new(Sleeper { thread: thread::current(), called: AtomicBool::new(false) });
    let idle = Duration::from_millis(20);
    let queue = Queue::new();
    let began = Instant::now();
    assert!(!queue.sleep(&me(), idle));
    assert!(began.elapsed() >= idle && began.elapsed() < LIMIT);
    assert_eq!(queue.sleepers().len(), 0);
    // With a job in the queue, or none that could come, there is no sleep.
    let waiting = add(&queue);
    assert!(queue.sleep(&me(), idle));
    drop(queue.take_back());
    assert_eq!(waiting.fate_so_far(), Some(Fate::Abandoned));
    queue.close();
    assert!(queue.sleep(&me(), idle));
}
