//! The command's log where it is a pipe: one line does not mix with another, however long.

use std::io::{self, PipeReader, Read};
use std::thread;

use nix::sys::signal::Signal;

use crate::cli::{Serving, text};
#[cfg(target_os = "linux")]
use crate::{
    cli::{children_of, pid},
    support::{LIMIT, side_by_side},
};
#[cfg(target_os = "linux")]
use nix::{
    fcntl::{FcntlArg, fcntl},
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::signal::kill,
    unistd::Pid,
};
#[cfg(target_os = "linux")]
use std::{io::Write, os::fd::AsFd};

/// The command, and the other end of its standard error.
fn start(arguments: &[&str]) -> (Serving, PipeReader) {
    let (reader, writer) = io::pipe().unwrap();
    let all = [&["-b", "127.0.0.1"], arguments].concat();
    let serving = Serving::start_on(0, &all, |command| {
        command.stderr(writer);
    });
    (serving, reader)
}

fn rest_of(reader: &mut PipeReader) -> String {
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).unwrap();
    text(&rest)
}

#[cfg(target_os = "linux")]
fn wait_for_the_log(reader: &PipeReader) {
    let mut descriptors = [PollFd::new(reader.as_fd(), PollFlags::POLLIN)];
    assert_eq!(poll(&mut descriptors, PollTimeout::try_from(LIMIT).unwrap()), Ok(1));
}

/// More than a pipe takes in one piece.
#[test]
fn long_lines_of_several_processes_do_not_mix() {
    const WAYS: [&[&str]; 4] = [
        &["--processes", "2"],
        &["--concurrency", "forking"],
        &["--processes", "2", "--concurrency", "forking"],
        &["--processes", "2", "--log-format", "combined"],
    ];
    const LETTERS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
    const ROUNDS: usize = 20;
    for way in WAYS {
        let (serving, mut reader) = start(way);
        let log = thread::scope(|scope| {
            let log = scope.spawn(|| rest_of(&mut reader));
            let clients = LETTERS.map(|letter| {
                let target = format!("/a.txt?{}", letter.repeat(20_000));
                let serving = &serving;
                scope.spawn(move || {
                    for _ in 0..ROUNDS {
                        assert!(serving.get(&target).ends_with("hello\n"));
                    }
                })
            });
            clients.into_iter().for_each(|client| client.join().unwrap());
            // The end of the log is that of the server.
            serving.signal(Signal::SIGTERM);
            log.join().unwrap()
        });
        for letter in LETTERS {
            let line = format!("?{} HTTP/1.0\" 200 ", letter.repeat(20_000));
            let whole = |line: &&str| line.starts_with("127.0.0.1 - - [");
            let lines = log.lines().filter(whole).filter(|found| found.contains(&line));
            assert_eq!(lines.count(), ROUNDS, "{way:?} {letter}");
        }
        assert_eq!(log.lines().count(), LETTERS.len() * ROUNDS, "{way:?}");
    }
}

/// Its log is a page, the least that a pipe can hold.
#[cfg(target_os = "linux")]
fn start_with_a_page(arguments: &[&str]) -> (Serving, PipeReader) {
    let (serving, reader) = start(arguments);
    fcntl(&reader, FcntlArg::F_SETPIPE_SZ(1)).unwrap();
    (serving, reader)
}

#[test]
#[cfg(target_os = "linux")]
fn a_process_that_is_killed_in_the_middle_of_a_line_leaves_the_next_one_whole() {
    let (serving, mut reader) = start_with_a_page(&["--processes", "1"]);
    let mut client = serving.connect();
    write!(client, "GET /a.txt?{} HTTP/1.0\r\n\r\n", "a".repeat(60_000)).unwrap();
    wait_for_the_log(&reader);
    let first = children_of(pid(&serving.child));
    first.iter().for_each(|it| kill(Pid::from_raw(it.parse().unwrap()), Signal::SIGKILL).unwrap());
    // So that there is room for what the supervisor says of it.
    let mut page = [0; 4096];
    let cut = reader.read(&mut page).unwrap();
    assert!(page[..cut].ends_with(b"aaaa"));
    let served = serving.get("/next");
    assert!(served.starts_with("HTTP/1.0 404 "), "{served}");
    assert_eq!(serving.stop(Signal::SIGTERM).status, Some(0));
    let rest = rest_of(&mut reader);
    // Where the process had more of a page to write before its end, the rest begins with that.
    let (_, rest) = rest.split_once('\n').unwrap();
    assert!(rest.starts_with("socketserver: process "), "{rest}");
    let next = rest.lines().find(|line| line.contains("\"GET /next HTTP/1.0\" 404 ")).unwrap();
    assert!(next.starts_with("127.0.0.1 - - ["), "{rest}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_line_that_is_cut_is_ended_before_the_next_entry() {
    let ways = [("sequential", "python"), ("sequential", "json"), ("forking", "python")];
    side_by_side(ways, |(strategy, format)| {
        let (serving, mut reader) =
            start_with_a_page(&["--concurrency", strategy, "--log-format", format]);
        let long = format!("/a.txt?{}", "a".repeat(60_000));
        // The line of the first one is given up before the second one is answered.
        for target in [long.as_str(), "/a.txt?lost"] {
            assert!(serving.get(target).ends_with("hello\n"));
        }
        let mut page = [0; 4096];
        let cut = reader.read(&mut page).unwrap();
        assert!(page[..cut].ends_with(b"aaaa"));
        assert!(serving.get("/a.txt?next").ends_with("hello\n"));
        assert_eq!(serving.stop(Signal::SIGTERM).status, Some(0));
        let rest = rest_of(&mut reader);
        let lines: Vec<&str> = rest.lines().collect();
        let ["", notice, .., next] = lines[..] else { panic!("{rest}") };
        assert!(notice.ends_with(" entries of this log were lost"), "{rest}");
        assert!(next.starts_with(if format == "json" { "{" } else { "127.0.0.1 - - [" }), "{rest}");
        assert!(next.contains("/a.txt?next"), "{rest}");
    });
}
