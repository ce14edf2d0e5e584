//! Threads, processes and memory of a server, where the system tells them by `/proc`.

use std::fs;

/// What a server has at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) threads: usize,
    pub(crate) processes: usize,
    /// Memory for data. Code is not counted: how many share it depends on what else runs.
    pub(crate) kib: u64,
}

impl Sample {
    /// Looks at a process and all that it has started.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let mut sample = Self::default();
        sample.add(pid);
        (sample.threads > 0).then_some(sample)
    }

    fn add(&mut self, pid: u32) {
        let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return };
        let before = self.threads;
        for task in tasks.flatten() {
            self.threads += 1;
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
                self.add(child);
            }
        }
        self.processes += usize::from(self.threads > before);
        let memory = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let shares = memory.lines().filter_map(|line| line.strip_prefix("Pss_Anon:"));
        self.kib += shares
            .filter_map(|share| share.split_whitespace().next()?.parse::<u64>().ok())
            .sum::<u64>();
    }

    /// The most of both.
    pub(crate) fn most(self, other: Self) -> Self {
        Self {
            threads: self.threads.max(other.threads),
            processes: self.processes.max(other.processes),
            kib: self.kib.max(other.kib),
        }
    }
}
