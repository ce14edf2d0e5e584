//! How the command ends: downloads that run, signals, and what it has started.

use std::fs::{self};
use std::io::{BufRead, BufReader, Write};
use std::process::Command;
use std::thread;

use nix::sys::signal::Signal;
use nix::unistd::geteuid;

use crate::cgi_site::sees_the_end_of;
use crate::cli::{LARGE, STRATEGIES, Serving, eventually, read_to_end, read_until};
use crate::support::PAUSE;

#[test]
fn programs_are_run_with_cgi_and_end_with_the_command() {
    let user = if geteuid().is_root() { &["--cgi-user", "root"][..] } else { &[] };
    let alone = STRATEGIES.map(|strategy| vec!["--concurrency", strategy]);
    let supervised = ["threading", "forking"]
        .map(|strategy| vec!["--concurrency", strategy, "--processes", "2"]);
    for how in alone.into_iter().chain(supervised) {
        let mut serving = Serving::start(&[&["--cgi"], user, &how].concat());
        let scripts = serving.directory.as_ref().unwrap().path().join("cgi-bin");
        fs::create_dir(&scripts).unwrap();
        // By another process, as this one has other children who would hold the file open.
        let script = "#!/bin/sh\necho Content-Type: a; echo; sleep 60 & echo $!; wait";
        let path = scripts.join("x");
        let line = "printf %s \"$1\" > \"$0\" && chmod 755 \"$0\"";
        let wrote = Command::new("sh").args(["-c", line]).arg(&path).arg(script).status();
        assert!(wrote.unwrap().success());
        let mut client = serving.connect();
        client.write_all(b"GET /cgi-bin/x HTTP/1.0\r\n\r\n").unwrap();
        let mut lines = BufReader::new(client).lines().map(Result::unwrap);
        assert_eq!(lines.next().unwrap(), "HTTP/1.0 200 Script output follows");
        let process: i32 = lines.find_map(|line| line.parse().ok()).unwrap();
        // The first signal waits for what runs, the second one does not. Two that come at the same
        // time are one.
        eventually(|| {
            serving.signal(Signal::SIGTERM);
            serving.child.try_wait().unwrap().is_some()
        });
        sees_the_end_of(&process.to_string());
    }
}

#[test]
fn a_running_download_is_finished_after_sigterm() {
    for strategy in STRATEGIES {
        let serving = Serving::start(&["-b", "127.0.0.1", "--concurrency", strategy]);
        let mut client = serving.begin_download();
        serving.signal(Signal::SIGTERM);
        assert_eq!(read_to_end(&mut client).len() as u64, LARGE, "{strategy}");
        let ended = serving.wait();
        assert_eq!(ended.status, Some(0), "{strategy}");
        assert!(!ended.stderr.contains("cut off"), "{}", ended.stderr);
    }
}

#[test]
fn a_second_signal_cuts_a_running_download() {
    for strategy in STRATEGIES {
        cut_by_a_second_signal(&["-b", "127.0.0.1", "--concurrency", strategy]);
    }
}

/// Starts the command, and has it end in the middle of a download.
#[track_caller]
fn cut_by_a_second_signal(arguments: &[&str]) {
    let mut serving = Serving::start(arguments);
    let mut client = serving.begin_download();
    serving.signal(Signal::SIGINT);
    assert_eq!(serving.read_line(), "\n");
    assert_eq!(serving.read_line(), "Keyboard interrupt received, exiting.\n");
    thread::sleep(PAUSE);
    serving.signal(Signal::SIGTERM);
    let ended = serving.wait();
    assert_eq!(ended.status, Some(0), "{arguments:?}");
    let told = "socketserver: 1 connection was cut off\n";
    assert!(ended.stderr.ends_with(told), "{arguments:?}: {}", ended.stderr);
    assert!((read_to_end(&mut client).len() as u64) < LARGE, "{arguments:?}");
}

#[test]
fn a_sequential_server_ends_with_the_second_signal_even_while_it_serves() {
    let cgi = if geteuid().is_root() { &["--cgi", "--cgi-user", "root"][..] } else { &["--cgi"] };
    for others in [&[][..], cgi] {
        let arguments = [&["-b", "127.0.0.1", "--concurrency", "sequential"], others].concat();
        let serving = Serving::start(&arguments);
        let mut client = serving.begin_download();
        serving.signal(Signal::SIGINT);
        thread::sleep(PAUSE);
        serving.signal(Signal::SIGINT);
        let ended = serving.wait();
        let said = "\nKeyboard interrupt received, exiting.\n";
        assert_eq!((ended.status, &*ended.stdout), (Some(0), said), "{arguments:?}");
        let told = "socketserver: 1 connection was cut off\n";
        assert!(ended.stderr.ends_with(told), "{arguments:?}: {}", ended.stderr);
        assert!((read_to_end(&mut client).len() as u64) < LARGE, "{arguments:?}");
    }
}

#[test]
fn a_second_signal_leaves_no_process_behind_that_still_serves() {
    for strategy in STRATEGIES {
        let arguments = ["-b", "127.0.0.1", "--concurrency", strategy, "--processes", "2"];
        cut_by_a_second_signal(&arguments);
    }
}

#[test]
fn an_idle_connection_does_not_delay_the_end() {
    for strategy in STRATEGIES {
        let serving = Serving::start(&["-p", "HTTP/1.1", "--concurrency", strategy]);
        let mut silent = serving.connect();
        let mut kept = serving.connect();
        kept.write_all(b"GET /a.txt HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
        read_until(&mut kept, b"hello\n");
        assert_eq!(serving.stop(Signal::SIGTERM).status, Some(0), "{strategy}");
        assert_eq!(read_to_end(&mut silent), b"");
        assert_eq!(read_to_end(&mut kept), b"");
    }
}

#[test]
fn an_idle_child_does_not_outlive_its_server() {
    let serving = Serving::start(&["-p", "HTTP/1.1", "--concurrency", "forking"]);
    let mut kept = serving.connect();
    kept.write_all(b"GET /a.txt HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
    read_until(&mut kept, b"hello\n");
    serving.signal(Signal::SIGKILL);
    assert_eq!(read_to_end(&mut kept), b"");
}
