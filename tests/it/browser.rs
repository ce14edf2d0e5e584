//! Chromium without a window, where there is one.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::support::{Notes, PAUSE};

/// How long a browser may take: it has to start first, beside whatever else is tested.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What starts it, with this directory for what it keeps.
pub(crate) fn chromium(profile: &Path) -> Command {
    let mut command = Command::new("chromium");
    command.args(["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"]);
    command.arg(format!("--user-data-dir={}", profile.display()));
    command.stdin(Stdio::null()).process_group(0);
    command
}

/// A browser that runs. It ends with all its processes when it is dropped.
pub(crate) struct Browser {
    pub(crate) child: Child,
    _profile: TempDir,
}

impl Browser {
    /// Starts one, as `prepare` says; `None` where there is none.
    pub(crate) fn start(prepare: impl FnOnce(&mut Command)) -> Option<Self> {
        let profile = tempfile::tempdir().unwrap();
        let mut command = chromium(profile.path());
        prepare(&mut command);
        let started = command.spawn();
        if started.is_err() {
            println!("skipped: there is no chromium");
        }
        started.ok().map(|child| Self { child, _profile: profile })
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = killpg(Pid::from_raw(self.child.id().try_into().unwrap()), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

/// Goes to a page, and returns what the server has logged when that is enough, or when this time is
/// over; `None` where there is no browser.
pub(crate) fn visit(
    url: &str,
    log: &Notes<String>,
    limit: Duration,
    is_enough: impl Fn(&[String]) -> bool,
) -> Option<Vec<String>> {
    let quietly = |command: &mut Command| {
        command.arg(url).stdout(Stdio::null()).stderr(Stdio::null());
    };
    let _browser = Browser::start(quietly)?;
    let mut lines = Vec::new();
    let deadline = Instant::now() + limit;
    while !is_enough(&lines) && Instant::now() < deadline {
        thread::sleep(PAUSE);
        lines.extend(log.so_far());
    }
    Some(lines)
}

/// Tells whether one of the lines contains this text.
pub(crate) fn says(lines: &[String], text: &str) -> bool {
    lines.iter().any(|line| line.contains(text))
}
