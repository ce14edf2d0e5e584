//! The command and other processes: signals that are ignored.

use nix::sys::signal::Signal;

use crate::cli::{STRATEGIES, Serving};

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
