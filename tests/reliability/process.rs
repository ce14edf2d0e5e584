//! A server in a process of its own, and what the kernel knows of it.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, SysconfVar, sysconf};

/// The longest that anything may take that does happen.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// Killed when dropped.
pub(crate) struct Process {
    pub(crate) child: Child,
    output: BufReader<ChildStdout>,
    pub(crate) address: SocketAddr,
}

impl Process {
    pub(crate) fn start(kind: &str) -> Self {
        Self::start_with(kind, Stdio::null())
    }

    pub(crate) fn start_with(kind: &str, stderr: Stdio) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--serve", kind])
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let address = line.trim().parse().unwrap_or_else(|_| panic!("no address: {line:?}"));
        Self { child, output, address }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id().try_into().unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// Asks it to stop, waits for that and returns its last line.
    pub(crate) fn stop(mut self) -> String {
        self.signal(Signal::SIGTERM);
        eventually(|| self.child.try_wait().unwrap().is_some());
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    /// Children, those included that have ended and were not reaped.
    pub(crate) fn children(&self) -> BTreeSet<i32> {
        let pid = self.pid();
        let tasks = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let tasks = tasks.unwrap_or_default();
        tasks.split_whitespace().map(|task| task.parse().unwrap()).collect()
    }

    pub(crate) fn zombies(&self) -> usize {
        let is_zombie = |pid: &i32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.contains(") Z ")
        };
        self.children().iter().filter(|pid| is_zombie(pid)).count()
    }

    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }

    pub(crate) fn threads(&self) -> usize {
        fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap().count()
    }

    /// Memory in use, in KiB.
    pub(crate) fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Processor time so far.
    pub(crate) fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let fields: Vec<&str> = fields.split(' ').collect();
        let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum();
        let rate = sysconf(SysconfVar::CLK_TCK).unwrap().unwrap();
        Duration::from_millis(ticks * 1_000 / u64::try_from(rate).unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Gone already where the case waited for the end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Polls until it is so, where nothing tells when.
#[track_caller]
pub(crate) fn eventually(mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < deadline, "it never is so");
        thread::park_timeout(Duration::from_millis(1));
    }
}

/// Lets time pass, over which something is measured.
pub(crate) fn pass(time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        thread::park_timeout(end - Instant::now());
    }
}
