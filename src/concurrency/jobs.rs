//! Jobs that say what became of them, for the tests of strategies.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{fmt, thread};

use super::{Job, Work};
use crate::address::Address;

/// What became of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Run,
    Abandoned,
}

/// A job, and what will have become of it.
pub(super) fn job(run: impl FnOnce() + Send + 'static) -> (Job, Waiting) {
    let (sender, receiver) = channel();
    let run = Mutex::new(Some(Box::new(run) as Box<dyn FnOnce() + Send>));
    let task = Task { address: Address::unix(""), run, fate: sender };
    (Job::new(Arc::new(task)), Waiting(receiver))
}

pub(super) struct Waiting(Receiver<Fate>);

impl Waiting {
    /// Waits until the job is over.
    #[track_caller]
    pub(super) fn fate(&self) -> Fate {
        self.0.recv_timeout(LIMIT).expect("the job is run or abandoned")
    }

    /// What has become of the job by now.
    pub(super) fn fate_so_far(&self) -> Option<Fate> {
        self.0.try_recv().ok()
    }
}

/// Waits until something holds.
#[track_caller]
pub(super) fn eventually(what: impl fmt::Display, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < LIMIT, "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// What should take no time takes less.
pub(super) const LIMIT: Duration = Duration::from_secs(20);

struct Task {
    address: Address,
    run: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    fate: Sender<Fate>,
}

impl Task {
    fn end(&self, fate: Fate) {
        // The test may have ended.
        let _ = self.fate.send(fate);
    }
}

impl Work for Task {
    fn client_address(&self) -> &Address {
        &self.address
    }

    fn run(self: Arc<Self>) {
        if let Some(run) = self.run.lock().expect("a lock").take() {
            run();
        }
        self.end(Fate::Run);
    }

    fn run_in_child(self: Arc<Self>) -> bool {
        false
    }

    fn leave_to_child(self: Arc<Self>) {}

    fn abandon(self: Arc<Self>) {
        self.end(Fate::Abandoned);
    }
}
