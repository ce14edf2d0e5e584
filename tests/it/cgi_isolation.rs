//! What a program gets of the process that starts it: its limits, none of its descriptors, its end.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

#[cfg(target_os = "linux")]
use nix::libc;
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cgi_site::{CgiSite, get, sees_the_end_of, text};
use crate::cli::{STRATEGIES, Serving, children_of, eventually, pid};
#[cfg(target_os = "linux")]
use crate::seccomp;
use crate::support::Running;
use crate::web::{noting, serve};

const PLAIN: &str = "echo Content-Type: text/plain; echo;";

/// golang/go#46279: a program that raises its own limit hands it on.
#[test]
fn a_script_has_the_descriptor_limit_that_the_command_was_started_with() {
    let site = CgiSite::new(&[("limit", &format!("{PLAIN} ulimit -Sn; ulimit -Hn"))]);
    for strategy in STRATEGIES {
        for processes in [&[][..], &["--processes", "1"]] {
            let shell = "ulimit -Sn 256; ulimit -Hn 4096; exec \"$@\"";
            let arguments = [&["--concurrency", strategy], processes].concat();
            let serving = command(&site, shell, &arguments);
            let reply = serving.get("/cgi-bin/limit");
            assert!(reply.ends_with("\r\n\r\n256\n4096\n"), "{arguments:?}: {reply}");
        }
    }
}

#[test]
fn a_handler_may_say_how_many_descriptors_its_scripts_may_have() {
    let site = CgiSite::new(&[("limit", &format!("{PLAIN} ulimit -Sn"))]);
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    // No more than the server itself may have.
    for (wanted, limit) in [(None, soft), (Some(64), 64), (Some(u64::MAX), hard)] {
        let server: Running = serve(noting(site.handler().descriptor_limit(wanted)));
        assert_eq!(text(&get(&server, "/cgi-bin/limit")), format!("{limit}\n"), "{wanted:?}");
        server.stop();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_script_gets_no_descriptor_that_the_server_was_started_with() {
    // The fourth is the directory that it reads.
    let site = CgiSite::new(&[("list", &format!("{PLAIN} ls /proc/self/fd"))]);
    for strategy in STRATEGIES {
        let shell = "exec 7</dev/null 9>/dev/null; exec \"$@\"";
        let serving = command(&site, shell, &["--concurrency", strategy]);
        let reply = serving.get("/cgi-bin/list");
        assert!(reply.ends_with("\r\n\r\n0\n1\n2\n3\n"), "{strategy}: {reply}");
    }
}

/// As in a container that allows what it knows, on a kernel before 5.11: neither what the server
/// asks for a script nor what it asks first may fail the request, and the descriptors are closed
/// still.
#[cfg(target_os = "linux")]
#[test]
fn scripts_start_where_a_filter_forbids_what_is_asked_for_them() {
    let site = CgiSite::new(&[("list", &format!("{PLAIN} ls /proc/self/fd"))]);
    for strategy in STRATEGIES {
        let shell = "exec 7</dev/null 9>/dev/null; exec \"$@\"";
        let mut command = prepared(&site, shell, &["--concurrency", strategy]);
        seccomp::install(&mut command, forbidden());
        let serving = Serving::spawn(&mut command).unwrap();
        for _ in 0..2 {
            let reply = serving.get("/cgi-bin/list");
            assert!(reply.ends_with("\r\n\r\n0\n1\n2\n3\n"), "{strategy}: {reply}");
        }
    }
}

/// No `close_range`, and permission neither to set a limit nor to hear of a parent's end.
#[cfg(target_os = "linux")]
fn forbidden() -> Vec<libc::sock_filter> {
    use seccomp::{allow, argument, call, jump_if, refuse, skip_unless};
    [
        call(libc::SYS_close_range, &[refuse(libc::ENOSYS)]),
        call(
            libc::SYS_prctl,
            &[
                argument(0),
                skip_unless(libc::PR_SET_PDEATHSIG.unsigned_abs(), 1),
                refuse(libc::EPERM),
                allow(),
            ],
        ),
        // Reading a limit is allowed: there is no new one then.
        call(libc::SYS_prlimit64, &[argument(2), jump_if(0, 1), refuse(libc::EPERM), allow()]),
    ]
    .concat()
}

/// It hears of that from the kernel, as there is nobody else to tell it.
#[cfg(target_os = "linux")]
#[test]
fn a_server_that_is_killed_takes_its_scripts_along() {
    let waits = format!("trap '' TERM HUP QUIT; {PLAIN} echo $$; exec sleep 60");
    let site = CgiSite::new(&[("waits", &waits)]);
    for strategy in STRATEGIES {
        for signal in [Signal::SIGKILL, Signal::SIGHUP, Signal::SIGQUIT] {
            let serving = command(&site, "ulimit -c 0; exec \"$@\"", &["--concurrency", strategy]);
            let (client, script) = begin(&serving);
            // A child outlives its server, to finish what it serves.
            let server = match strategy {
                "forking" => children_of(pid(&serving.child))[0].parse().unwrap(),
                _ => pid(&serving.child).as_raw(),
            };
            kill(Pid::from_raw(server), signal).unwrap();
            sees_the_end_of(&script);
            drop(client);
        }
    }
}

/// Nor what the script has started itself. A process that hears of nothing while it serves is told
/// to end a second time, and then ends that.
#[cfg(target_os = "linux")]
#[test]
fn a_second_signal_leaves_no_script_behind() {
    // The last word is the process that the script has started.
    let waits = format!("trap '' TERM; {PLAIN} sleep 60 & echo $!; wait; sleep 60");
    let site = CgiSite::new(&[("waits", &waits)]);
    for strategy in STRATEGIES {
        for processes in [&[][..], &["--processes", "1"]] {
            let arguments = [&["--concurrency", strategy], processes].concat();
            let mut serving = command(&site, "exec \"$@\"", &arguments);
            let (client, script) = begin(&serving);
            eventually(|| {
                serving.signal(Signal::SIGTERM);
                std::thread::park_timeout(Duration::from_millis(20));
                serving.child.try_wait().unwrap().is_some()
            });
            sees_the_end_of(&script);
            drop(client);
        }
    }
}

/// The command, started by a line of shell, with the site's programs.
#[track_caller]
fn command(site: &CgiSite, shell: &str, arguments: &[&str]) -> Serving {
    Serving::spawn(&mut prepared(site, shell, arguments)).unwrap()
}

fn prepared(site: &CgiSite, shell: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", shell, "sh", env!("CARGO_BIN_EXE_socketserver"), "0"]);
    command.args(["-b", "127.0.0.1", "--cgi", "-d"]).arg(site.site.path(""));
    // A test's own process group, so that no signal of a terminal reaches it.
    command.args(arguments).process_group(0);
    command
}

/// Begins a request for the script that waits, and returns which process that is.
#[track_caller]
fn begin(serving: &Serving) -> (TcpStream, String) {
    let mut client = serving.connect();
    client.write_all(b"GET /cgi-bin/waits HTTP/1.0\r\n\r\n").unwrap();
    let (mut said, mut byte) = (String::new(), [0]);
    while !(said.contains("\r\n\r\n") && said.ends_with('\n') && !said.ends_with("\r\n")) {
        match client.read(&mut byte) {
            Ok(1) => said.push(byte[0].into()),
            other => panic!("{other:?} after {said:?}"),
        }
    }
    let script = said.rsplit_once("\r\n\r\n").map(|(_, body)| body.trim().to_owned());
    (client, script.ok_or(io::ErrorKind::InvalidData).unwrap())
}
