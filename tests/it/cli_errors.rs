//! What the command says of what cannot be done, and streams that nobody reads.

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
#[cfg(target_os = "linux")]
use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
use nix::fcntl::{FcntlArg, fcntl};
use nix::pty::openpty;
use nix::sys::signal::Signal;
use nix::sys::socket::{setsockopt, sockopt};

use crate::cli::{
    COMMAND, STRATEGIES, Serving, eventually, fails, free_port, succeeds, text, tree,
};
use crate::support::side_by_side;

#[test]
fn usage_errors_are_one_line_and_status_2() {
    for (arguments, line) in [
        (&["70000"][..], "70000 is not in 0..=65535"),
        (&["-1"], "-1 is not in 0..=65535"),
        (&["http"], "invalid value 'http' for '[port]'"),
        (&["8000", "8001"], "unexpected argument '8001' found"),
        (&["--frobnicate"], "unexpected argument '--frobnicate'"),
        (&["-b"], "a value is required for '--bind <ADDRESS>'"),
        (&["-p", "HTTP/1.2"], "[possible values: HTTP/1.0, HTTP/1.1]"),
        (&["--concurrency", "async"], "[possible values: sequential, threading, forking]"),
        (&["--max-threads", "0"], "a number from 1 to 4294967295 is expected"),
        (&["--max-children", "3"], "--max-children works with --concurrency forking only"),
        (
            &["--concurrency", "forking", "--max-threads", "3"],
            "--max-threads works with --concurrency threading only",
        ),
        (&["--cgi-timeout", "3"], "--cgi-timeout works with --cgi only"),
        (&["--stall", "-1"], "a number of whole seconds is expected; 0 is no limit"),
        (&["--cgi", "--cgi-timeout", "-1"], "a number of whole seconds is expected; 0 is no limit"),
        (&["-H", "X-Alone"], "2 values required for '--header"),
        (&["-H", "", "value"], "'' is not a header name"),
        (&["-H", "X A", "value"], "'X A' is not a header name"),
        (&["-H", "X-A", "a\r\nb"], "has a character that headers"),
        (&["-H", "X-A", "\u{20ac}"], "has a character that headers"),
        (&["-H", "content-length", "3"], "content-length is set by the server itself"),
    ] {
        let said = fails(arguments, 2);
        assert!(said.contains(line), "{arguments:?}: {said}");
        assert!(said.ends_with("; see 'socketserver --help'\n"), "{said}");
    }
}

#[test]
fn a_directory_that_cannot_be_served_is_one_line_and_status_1() {
    let directory = tree();
    let missing = directory.path().join("missing");
    let below_file = directory.path().join("a.txt/x");
    let pipe = directory.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for (path, line) in [
        (&missing, "does not exist; name a directory or a file with -d"),
        (&below_file, "is below a file; name a directory or a file with -d"),
        (&pipe, "is neither a directory nor a regular file; name one with -d"),
    ] {
        let said = fails(&["0", "-d", path.to_str().unwrap()], 1);
        let expected = format!("socketserver: '{}' {line}\n", path.display());
        assert_eq!(said, expected);
    }
}

#[test]
fn an_unreadable_directory_is_one_line_and_status_1() {
    use std::os::unix::fs::PermissionsExt;

    let directory = tree();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o0)).unwrap();
    if fs::read_dir(directory.path()).is_ok() {
        println!("skipped: this user may read everything");
        return;
    }
    let said = fails(&["0", "-d", directory.path().to_str().unwrap()], 1);
    assert!(said.contains("cannot be read by this user"), "{said}");
}

#[test]
fn an_address_that_cannot_be_bound_is_one_line_and_status_1() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (arguments, line) in [
        (
            &[&port, "-b", "127.0.0.1"][..],
            "is in use; stop the program that uses it, or choose another port",
        ),
        (&["0", "-b", "192.0.2.1"], "192.0.2.1 port 0: this machine does not have that address"),
        (&["0", "-b", "host.invalid"], "cannot find the address 'host.invalid'"),
    ] {
        let said = fails(arguments, 1);
        assert!(said.contains(line), "{arguments:?}: {said}");
    }
}

#[test]
fn a_closed_or_full_standard_output_does_not_stop_the_server() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    for output in [Stdio::from(writer), full_disk()] {
        let port = free_port();
        let mut command = Command::new(COMMAND);
        let directory = tree();
        command
            .arg(port.to_string())
            .args(["-b", "127.0.0.1", "-d"])
            .arg(directory.path())
            .stdout(output)
            .stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        let serving = Serving::without_banner(child, port, directory);
        eventually(|| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
        assert!(serving.get("/a.txt").ends_with("\r\n\r\nhello\n"));
        assert_eq!(serving.stop(Signal::SIGINT).status, Some(0));
    }
}

#[test]
fn a_closed_or_full_standard_error_does_not_stop_the_server() {
    for strategy in STRATEGIES {
        let arguments = ["-b", "127.0.0.1", "--concurrency", strategy];
        let full = Serving::start_on(0, &arguments, |command| {
            command.stderr(full_disk());
        });
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let unread = Serving::start_on(0, &arguments, |command| {
            command.stderr(writer);
        });
        let closed = Serving::through_shell("exec \"$@\" 2>&-", &arguments);
        for serving in [full, unread, closed] {
            for _ in 0..3 {
                assert!(serving.get("/a.txt").ends_with("\r\n\r\nhello\n"));
                assert!(serving.get("/missing").starts_with("HTTP/1.0 404 "));
            }
            assert_eq!(serving.stop(Signal::SIGINT).status, Some(0), "{strategy}");
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_log_that_nobody_reads_holds_no_request_up() {
    const PROCESSES: &[&str] = &["--processes", "2"];
    let ways = STRATEGIES.into_iter().flat_map(|it| [(it, &[][..]), (it, PROCESSES)]);
    side_by_side(ways, |(strategy, processes)| {
        let (mut reader, writer) = io::pipe().unwrap();
        // A page is the least that a pipe can hold.
        fcntl(&writer, FcntlArg::F_SETPIPE_SZ(1)).unwrap();
        let arguments = [&["-b", "127.0.0.1", "--concurrency", strategy], processes].concat();
        let serving = Serving::start_on(0, &arguments, |command| {
            command.stderr(writer);
        });
        // Far more than fits. If each of them had to find out by itself that nobody reads, they
        // would take a minute.
        let began = Instant::now();
        let target = format!("/a.txt?{}", "x".repeat(500));
        for _ in 0..300 {
            assert!(serving.get(&target).ends_with("\r\n\r\nhello\n"));
        }
        let took = began.elapsed();
        assert!(took < Duration::from_secs(50), "{arguments:?}: {took:?}");
        let mut page = [0; 4096];
        assert!(reader.read(&mut page).unwrap() > 3000);
        serving.get("/back");
        assert_eq!(serving.stop(Signal::SIGINT).status, Some(0), "{arguments:?}");
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        assert!(rest.contains("/back"), "{arguments:?}: {rest}");
        assert!(rest.contains(" entries of this log were lost\n"), "{arguments:?}: {rest}");
    });
}

#[test]
fn a_terminal_that_nobody_reads_holds_no_request_up() {
    let terminal = openpty(None, None).unwrap();
    let serving = Serving::start_on(0, &["-b", "127.0.0.1"], |command| {
        command.stderr(terminal.slave);
    });
    // A terminal has no room for so long a line.
    let target = format!("/{}", "a".repeat(60_000));
    for _ in 0..3 {
        assert!(serving.get(&target).starts_with("HTTP/1.0 404 "));
    }
    assert!(serving.get("/a.txt").ends_with("\r\n\r\nhello\n"));
    assert_eq!(serving.stop(Signal::SIGINT).status, Some(0));
}

#[test]
fn a_log_socket_that_nobody_reads_holds_no_request_up() {
    let (journal, server_end) = UnixStream::pair().unwrap();
    setsockopt(&server_end, sockopt::SndBuf, &4096).unwrap();
    let serving = Serving::start_on(0, &["-b", "127.0.0.1"], |command| {
        command.stderr(OwnedFd::from(server_end));
    });
    for _ in 0..1_000 {
        assert!(serving.get("/a.txt").ends_with("\r\n\r\nhello\n"));
    }
    assert_eq!(serving.stop(Signal::SIGINT).status, Some(0));
    let mut said = String::new();
    (&journal).read_to_string(&mut said).unwrap();
    let lines = said.lines().count();
    assert!((1..1_000).contains(&lines), "{lines}");
}

#[test]
fn standard_input_is_not_needed() {
    let serving = Serving::through_shell("exec \"$@\" <&-", &["-b", "127.0.0.1"]);
    assert!(serving.get("/a.txt").ends_with("\r\n\r\nhello\n"));
}

#[cfg(target_os = "linux")]
#[test]
fn the_limit_of_descriptors_is_raised() {
    let serving = Serving::through_shell("ulimit -Sn 100; exec \"$@\"", &["-b", "127.0.0.1"]);
    let limits = fs::read_to_string(format!("/proc/{}/limits", serving.child.id())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let numbers: Vec<&str> = files.split_whitespace().collect();
    assert_eq!(numbers[3], numbers[4], "{files}");
}

#[test]
fn help_and_version_are_printed() {
    let help = succeeds(&["--help"]);
    for word in ["[port]", "--bind", "--directory", "--protocol", "--header"] {
        assert!(help.contains(word), "{word}");
    }
    let summary = succeeds(&["-h"]);
    for (option, default) in [("--max-threads", 1024), ("--max-children", 40)] {
        let line = summary.lines().find(|line| line.contains(option)).unwrap();
        assert!(line.ends_with(&format!("[default: {default}]")), "{line}");
    }
    let version = format!("socketserver {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(succeeds(&["--version"]), version);
}

#[test]
fn completions_are_printed_for_each_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = succeeds(&["--completions", shell]);
        assert!(script.contains("max-children"), "{shell}");
        // What the help does not show.
        let words = script
            .split(|character: char| !"-_".contains(character) && !character.is_alphanumeric());
        let hidden = ["--port", "port-by-name", "port_by_name"];
        assert_eq!(words.clone().find(|word| hidden.contains(word)), None, "{shell}");
        assert!(!script.contains("-l port "), "{shell}: fish");
    }
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("completions");
    fs::write(&script, succeeds(&["--completions", "bash"])).unwrap();
    match Command::new("bash").arg("-n").arg(&script).output() {
        Ok(output) => assert!(output.status.success(), "{output:?}"),
        Err(error) => println!("skipped: no bash to read the completions: {error}"),
    }
}

/// Options of which the completions know a value have it in the form that the command takes.
#[test]
fn completions_offer_what_the_command_takes() {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("completions");
    fs::write(&script, succeeds(&["--completions", "bash"])).unwrap();
    let folder = directory.path().join("folder");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("file"), "").unwrap();
    let offered = |words: &[&str]| {
        let [.., last, current] = words else { panic!("{words:?}") };
        let line = format!(
            ". {}; COMP_WORDS=({}); COMP_CWORD={}; \
             _socketserver_behind_equals socketserver '{}' '{last}'; echo \"${{COMPREPLY[*]}}\"",
            script.display(),
            words.iter().map(|word| format!("'{word}' ")).collect::<String>(),
            words.len() - 1,
            current.trim_end_matches('='),
        );
        let bash = Command::new("bash").args(["-c", &line]).current_dir(&folder).output();
        Some(text(&bash.ok()?.stdout).trim().to_owned())
    };
    if offered(&["socketserver", "--listing", ""]).is_none() {
        println!("skipped: no bash to read the completions");
        return;
    }
    for (words, values) in [
        (&["--listing", ""][..], "plain table off"),
        (&["--processes", ""], "auto"),
        (&["--stall", ""], ""),
        (&["--cors", ""], ""),
        (&["-d", ""], "file"),
        (&["--tls-cert", ""], "file"),
        // bash has a word of its own for `=`, and for what follows it.
        (&["--listing", "="], "plain table off"),
        (&["--listing", "=", "t"], "table"),
        (&["--upload", "="], "replace"),
        (&["-q", "--upload", "=", "r"], "replace"),
        (&["--upload", "=", "x"], ""),
        (&["--tls-cert", "="], "file"),
        (&["--uploa"], "--upload --upload=replace --upload-limit --upload-without-auth"),
    ] {
        let words = [&["socketserver"], words].concat();
        assert_eq!(offered(&words).as_deref(), Some(values), "{words:?}");
    }
    // Its value is no word of its own.
    let behind = offered(&["socketserver", "--upload", ""]).unwrap();
    assert!(behind.contains("--bind") && !behind.split(' ').any(|it| it == "replace"), "{behind}");
    for shell in ["elvish", "fish", "powershell", "zsh"] {
        let script = succeeds(&["--completions", shell]);
        assert!(script.contains("upload=replace"), "{shell}");
    }
}

#[test]
fn the_manual_page_is_printed() {
    let page = succeeds(&["--man"]);
    assert!(page.contains("\n.TH SOCKETSERVER 1 "), "{page}");
    assert!(page.contains("\\-\\-concurrency"), "{page}");
}

#[test]
fn a_page_that_cannot_be_printed_is_one_line_and_one_that_nobody_reads_is_none() {
    for option in [&["--man"][..], &["--completions", "zsh"], &["--help"], &["-h"], &["--version"]]
    {
        let output = Command::new(COMMAND).args(option).stdout(full_disk()).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let said = text(&output.stderr);
        assert!(said.starts_with("socketserver: cannot print: "), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");

        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let output = Command::new(COMMAND).args(option).stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(text(&output.stderr), "");
    }
}

fn full_disk() -> Stdio {
    let full = OpenOptions::new().write(true).open("/dev/full");
    match full {
        Ok(full) => Stdio::from(full),
        Err(error) => {
            println!("no /dev/full here, a closed pipe in its place: {error}");
            Stdio::from(io::pipe().unwrap().1)
        }
    }
}
