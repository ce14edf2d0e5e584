//! The command and other processes: signals that are ignored or come together, and crashes.

use std::os::unix::process::CommandExt;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, geteuid};

use crate::cli::{LARGE, STRATEGIES, Serving, children_of, eventually, pid, read_to_end};

/// As `nohup` has it, and a shell for what a script starts in the background.
#[test]
fn signals_that_were_ignored_at_the_start_stay_ignored() {
    for strategy in STRATEGIES {
        for processes in [&[][..], &["--processes", "2"], &["--cgi"]] {
            let arguments = [&["-b", "127.0.0.1", "--concurrency", strategy], processes].concat();
            let serving = Serving::through_shell("trap '' HUP INT; exec \"$@\"", &arguments);
            for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGHUP, Signal::SIGINT] {
                serving.signal(signal);
                let reply = serving.get("/a.txt");
                assert!(reply.ends_with("hello\n"), "{arguments:?}, {signal}: {reply}");
            }
            let ended = serving.stop(Signal::SIGTERM);
            assert_eq!((ended.status, ended.stdout), (Some(0), String::new()), "{arguments:?}");
        }
    }
}

#[test]
fn a_crash_of_a_process_is_reported_once() {
    let serving = Serving::start(&["-b", "127.0.0.1", "--processes", "1"]);
    let processes = || children_of(pid(&serving.child));
    // One that has served has told its supervisor that it is ready.
    assert!(serving.get("/a.txt").ends_with("hello\n"));
    let crashed = processes();
    assert_eq!(crashed.len(), 1);
    kill(Pid::from_raw(crashed[0].parse().unwrap()), Signal::SIGKILL).unwrap();
    eventually(|| processes().len() == 1 && processes() != crashed);
    assert!(serving.get("/a.txt").ends_with("hello\n"));
    let said = serving.stop(Signal::SIGTERM).stderr;
    let crashes: Vec<&str> = said.lines().filter(|line| line.contains("SIGKILL")).collect();
    let [line] = crashes[..] else { panic!("{said}") };
    let expected = format!("socketserver: process {} was ended by SIGKILL, ", crashed[0]);
    assert!(line.starts_with(&expected), "{line}");
}

/// As `timeout` ends a command: a signal to the process, and at once another one to its group. A
/// script that passes Ctrl-C on sends another kind than the terminal has sent.
#[test]
fn signals_that_come_together_count_once() {
    let user = if geteuid().is_root() { &["--cgi", "--cgi-user", "root"][..] } else { &["--cgi"] };
    for signals in [[Signal::SIGTERM, Signal::SIGTERM], [Signal::SIGINT, Signal::SIGTERM]] {
        for strategy in STRATEGIES {
            for others in [&[][..], &["--processes", "2"], user] {
                let arguments = [&["-b", "127.0.0.1", "--concurrency", strategy], others].concat();
                let serving = Serving::start_on(0, &arguments, |command| {
                    command.process_group(0);
                });
                let mut client = serving.begin_download();
                kill(pid(&serving.child), signals[0]).unwrap();
                // The first one is delivered, or the kernel would make them one.
                thread::sleep(Duration::from_millis(1));
                killpg(pid(&serving.child), signals[1]).unwrap();
                assert_eq!(read_to_end(&mut client).len() as u64, LARGE, "{arguments:?}");
                let ended = serving.wait();
                assert_eq!(ended.status, Some(0), "{arguments:?}");
                assert!(!ended.stderr.contains("cut off"), "{arguments:?}: {}", ended.stderr);
            }
        }
    }
}
