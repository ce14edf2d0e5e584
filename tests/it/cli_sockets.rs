//! The command on Unix sockets.

use std::fs::{self};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;

use nix::sys::signal::Signal;

use crate::cli::{COMMAND, LIMIT, STRATEGIES, Serving, children_of, eventually, fails, pid, tree};

#[test]
fn a_unix_socket_is_served_and_its_file_removed_by_a_signal() {
    let directory = tree();
    for strategy in STRATEGIES {
        for signal in [Signal::SIGINT, Signal::SIGTERM] {
            let path = directory.path().join("http.sock");
            let mut command = Command::new(COMMAND);
            command.args(["--unix", path.to_str().unwrap(), "--unix-mode", "600"]);
            command.args(["--concurrency", strategy]);
            let serving = Serving::spawn(command.current_dir(directory.path())).unwrap();
            let banner = format!("Serving HTTP on unix:{} ...\n", path.display());
            assert_eq!(serving.banner, banner);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            let mut client = UnixStream::connect(&path).unwrap();
            client.set_read_timeout(Some(LIMIT)).unwrap();
            client.write_all(b"GET /a.txt HTTP/1.0\r\n\r\n").unwrap();
            let reply = io::read_to_string(client).unwrap();
            assert!(reply.ends_with("\r\n\r\nhello\n"), "{reply}");
            let ended = serving.stop(signal);
            assert_eq!(ended.status, Some(0), "{strategy}, {signal}");
            assert!(ended.stderr.starts_with("unix: - - ["), "{}", ended.stderr);
            assert!(!path.exists(), "{strategy}, {signal}");
        }
    }
}

#[test]
fn processes_share_a_unix_socket_and_leave_its_file_to_their_supervisor() {
    let directory = tree();
    let path = directory.path().join("http.sock");
    let mut command = Command::new(COMMAND);
    command.args(["--unix", path.to_str().unwrap(), "--processes", "2"]);
    let serving = Serving::spawn(command.current_dir(directory.path())).unwrap();
    let ask = || {
        let mut client = UnixStream::connect(&path).unwrap();
        client.set_read_timeout(Some(LIMIT)).unwrap();
        client.write_all(b"GET /a.txt HTTP/1.0\r\n\r\n").unwrap();
        io::read_to_string(client).unwrap()
    };
    let mut first = Vec::new();
    eventually(|| {
        first = children_of(pid(&serving.child));
        first.len() == 2
    });
    assert!(ask().ends_with("\r\n\r\nhello\n"));
    serving.signal(Signal::SIGHUP);
    eventually(|| {
        let now = children_of(pid(&serving.child));
        now.len() == 2 && now.iter().all(|child| !first.contains(child))
    });
    assert!(ask().ends_with("\r\n\r\nhello\n"));
    assert_eq!(serving.stop(Signal::SIGTERM).status, Some(0));
    assert!(!path.exists());
}

#[test]
fn a_path_that_cannot_be_served_is_told_in_one_line() {
    let directory = tree();
    let taken = directory.path().join("a.txt").display().to_string();
    assert_eq!(
        fails(&["--unix", &taken], 1),
        format!(
            "socketserver: cannot serve on unix:{taken}: a file that is not a socket is there; \
             choose another path\n"
        )
    );
    let used = directory.path().join("used");
    let _listener = UnixListener::bind(&used).unwrap();
    let used = used.display();
    assert_eq!(
        fails(&["--unix", &used.to_string()], 1),
        format!("socketserver: cannot serve on unix:{used}: it is in use; choose another path\n")
    );
    let missing = directory.path().join("missing/place").display().to_string();
    assert_eq!(
        fails(&["--unix", &missing], 1),
        format!(
            "socketserver: cannot serve on unix:{missing}: its directory does not exist; choose \
             another path\n"
        )
    );
}

#[test]
fn a_path_excludes_a_port_and_a_mode_needs_a_path() {
    for arguments in [
        &["8000", "--unix", "x.sock"][..],
        &["--bind", "::1", "--unix", "x.sock"],
        &["--unix-mode", "600"],
        &["--unix", "x.sock", "--unix-mode", "888"],
        &["--unix", "x.sock", "--unix-mode", "7777"],
    ] {
        fails(arguments, 2);
    }
}
