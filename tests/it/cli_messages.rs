//! What the command says when it cannot go on names the thing and the way out.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};

use crate::certificates::Authority;
use crate::cli::{
    COMMAND, STRATEGIES, Serving, children_of, eventually, fails, pid, read_to_end, read_until,
    succeeds, text, tree,
};
use crate::manual::{page, section};

/// Runs a line of shell, where the command is `"$@"`, and returns what it says and its status.
#[track_caller]
fn by_shell(line: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new("sh");
    let output = command.args(["-c", line, "sh", COMMAND]).args(arguments).output().unwrap();
    let said = text(&output.stderr);
    assert!(said.lines().count() == 1 && output.stdout.is_empty(), "{output:?}");
    (output.status.code(), said)
}

#[test]
fn a_current_directory_that_is_gone_is_named_as_that() {
    let directory = tempfile::tempdir().unwrap();
    let line =
        format!("mkdir {0}; cd {0}; rmdir {0}; exec \"$@\"", directory.path().join("x").display());
    let expected = "socketserver: the current directory does not exist any more; name another one \
                    with -d\n";
    assert_eq!(by_shell(&line, &["0"]), (Some(1), expected.to_owned()));
}

#[test]
fn a_lack_of_descriptors_says_how_there_are_more() {
    let directory = tree();
    let served = directory.path().to_str().unwrap();
    for arguments in [&[][..], &["--processes", "2"], &["--concurrency", "forking"]] {
        let arguments = [&["0", "-b", "127.0.0.1", "-d", served], arguments].concat();
        let (status, said) = by_shell("ulimit -n 6; exec \"$@\"", &arguments);
        assert_eq!(status, Some(1), "{said}");
        assert!(said.starts_with("socketserver: cannot "), "{said}");
        assert!(said.ends_with("(os error 24); allow more with ulimit -n\n"), "{said}");
    }
}

#[test]
fn a_path_that_is_too_long_for_a_socket_says_by_how_much() {
    let path = format!("/tmp/{}", "x".repeat(115));
    let said = fails(&["--unix", &path], 1);
    let most = if cfg!(target_os = "linux") { 107 } else { 103 };
    let why = format!("unix:{path}: the path has 120 bytes, and the most are {most}\n");
    assert!(said.ends_with(&why), "{said}");
}

#[test]
fn values_of_options_say_what_is_wrong_with_them() {
    let invalid = "socketserver: invalid value '99999999999999999999' for ";
    let large = "it is too large; the most is 4294967295 seconds";
    for option in ["--stall", "--cgi-timeout", "--shutdown-timeout"] {
        let said = fails(&[option, "99999999999999999999"], 2);
        assert!(said.starts_with(invalid) && said.contains(large), "{said}");
    }
    let said = fails(&["--auth", "ada:$6$rounds=1$salt$hash"], 2);
    assert!(said.contains("what user 'ada' has is a hash with rounds that are not "), "{said}");
    for name in ["Content-Range", "content-range"] {
        let said = fails(&["-H", name, "bytes 0-1/2"], 2);
        assert!(said.contains(&format!("{name} is set by the server itself")), "{said}");
    }
    // A path may have such bytes, and a name may not.
    let line = "exec \"$@\" -d \"$(printf '/\\377')\" -b \"$(printf 'a\\376')\"";
    let (status, said) = by_shell(line, &["0"]);
    let expected = "socketserver: the argument \"a\\xFE\" is not valid UTF-8; ";
    assert!(status == Some(2) && said.starts_with(expected), "{said}");
}

/// Where the file has both, as the key is found in what was read for the certificate.
#[test]
fn a_certificate_comes_through_a_pipe_with_its_key() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    // Less than a pipe takes.
    writer.write_all(Authority::new().issue().both().as_bytes()).unwrap();
    drop(writer);
    let arguments = ["-b", "127.0.0.1", "--tls-cert", "/dev/fd/0"];
    let serving = Serving::start_on(0, &arguments, |command| {
        command.stdin(reader);
    });
    assert!(serving.banner.starts_with("Serving HTTPS on 127.0.0.1 port "), "{}", serving.banner);
}

#[test]
fn an_upload_through_a_link_is_told_so_where_links_are_followed() {
    for (option, message) in
        [(&[][..], "Not through a symbolic link"), (&["--confine"], "No such directory")]
    {
        let serving = Serving::start(&[&["-b", "127.0.0.1", "--upload"], option].concat());
        let served = serving.directory.as_ref().unwrap().path();
        std::os::unix::fs::symlink("sub", served.join("link")).unwrap();
        fs::create_dir(served.join("sub/inner")).unwrap();
        for path in ["/link/new", "/link/inner/new"] {
            let request = format!("PUT {path} HTTP/1.0\r\nContent-Length: 1\r\n\r\nx");
            let reply = text(&serving.ask_bytes(&request));
            assert!(reply.starts_with(&format!("HTTP/1.0 409 {message}\r\n")), "{reply}");
        }
        let request = "PUT /none/new HTTP/1.0\r\nContent-Length: 1\r\n\r\nx";
        let reply = text(&serving.ask_bytes(request));
        assert!(reply.starts_with("HTTP/1.0 409 No such directory\r\n"), "{reply}");
    }
}

/// A program that goes on until it is told to end, and the first line of its output, once it runs.
fn waiting_program(serving: &Serving) -> (std::net::TcpStream, std::path::PathBuf) {
    let served = serving.directory.as_ref().unwrap().path();
    let gate = served.join("gate");
    script(
        &served.join("cgi-bin"),
        &format!(
            "#!/bin/sh\necho Content-Type: a; echo; echo begun\n\
             until [ -e {} ]; do sleep 0.02; done; echo ended\n",
            gate.display()
        ),
    );
    let mut client = serving.connect();
    client.write_all(b"GET /cgi-bin/x HTTP/1.0\r\n\r\n").unwrap();
    read_until(&mut client, b"begun\n");
    (client, gate)
}

/// Written by another process, as this one has other children who would hold the file open.
fn script(directory: &Path, content: &str) {
    fs::create_dir(directory).unwrap();
    let line = "printf %s \"$1\" > \"$0\" && chmod 755 \"$0\"";
    let path = directory.join("x");
    let wrote = Command::new("sh").args(["-c", line]).arg(path).arg(content).status();
    assert!(wrote.unwrap().success());
}

/// What the page says of SIGQUIT, and of SIGHUP where nothing is read again.
#[test]
fn a_signal_that_ends_the_server_leaves_children_and_processes_their_requests() {
    let page = page();
    let signals = section(&page, "SIGNALS");
    assert!(signals.contains("forking its children finish theirs"), "{signals}");
    let alone = STRATEGIES.map(|strategy| vec!["--concurrency", strategy]);
    let supervised = STRATEGIES.map(|it| vec!["--concurrency", it, "--processes", "2"]);
    for how in alone.into_iter().chain(supervised) {
        let has_processes = how.contains(&"--processes");
        let finishes = has_processes || how.contains(&"forking");
        for signal in [Signal::SIGQUIT, Signal::SIGHUP] {
            if signal == Signal::SIGHUP && has_processes {
                continue;
            }
            let mut serving = Serving::start(&[&["-b", "127.0.0.1", "--cgi"], &how[..]].concat());
            let (mut client, gate) = waiting_program(&serving);
            serving.signal(signal);
            eventually(|| serving.child.try_wait().unwrap().is_some());
            fs::write(gate, "").unwrap();
            let rest = text(&read_to_end(&mut client));
            assert_eq!(rest == "ended\n", finishes, "{how:?}, {signal}: {rest}");
            // The port is free a moment later, whatever still runs.
            eventually(|| std::net::TcpListener::bind(("127.0.0.1", serving.port)).is_ok());
        }
    }
}

/// All processes, as a terminal sends it.
#[test]
fn a_quit_of_all_processes_finishes_nothing() {
    for how in [&["--concurrency", "forking"][..], &["--processes", "2"]] {
        let mut serving = Serving::start(&[&["-b", "127.0.0.1", "--cgi"], how].concat());
        let (mut client, _) = waiting_program(&serving);
        for child in children_of(pid(&serving.child)) {
            kill(nix::unistd::Pid::from_raw(child.parse().unwrap()), Signal::SIGQUIT).unwrap();
        }
        serving.signal(Signal::SIGQUIT);
        eventually(|| serving.child.try_wait().unwrap().is_some());
        assert_eq!(text(&read_to_end(&mut client)), "", "{how:?}");
    }
}

/// A moment after the first Ctrl-C, where something runs; and nothing where nothing does.
#[test]
fn what_is_waited_for_after_an_interrupt_is_told_once() {
    let expected = "socketserver: waiting up to 20 seconds for running requests; a second Ctrl-C \
                    ends them\n";
    let alone = STRATEGIES.map(|strategy| vec!["--concurrency", strategy]);
    for how in alone.into_iter().chain([vec!["--processes", "2"]]) {
        let arguments = [&["-b", "127.0.0.1", "--cgi", "-q", "--shutdown-timeout", "20"], &how[..]];
        let mut serving = Serving::start(&arguments.concat());
        let (mut client, gate) = waiting_program(&serving);
        let mut errors = BufReader::new(serving.child.stderr.take().unwrap());
        serving.signal(Signal::SIGINT);
        let mut line = String::new();
        errors.read_line(&mut line).unwrap();
        assert_eq!(line, expected, "{how:?}");
        // Longer than a turn of the loop.
        std::thread::sleep(Duration::from_millis(1200));
        fs::write(gate, "").unwrap();
        assert_eq!(text(&read_to_end(&mut client)), "ended\n", "{how:?}");
        let ended = serving.wait();
        assert_eq!(ended.stdout, "\nKeyboard interrupt received, exiting.\n", "{how:?}");
        assert_eq!(std::io::read_to_string(errors).unwrap(), "", "{how:?}");

        let serving = Serving::start(&arguments.concat());
        let _idle = serving.connect();
        assert_eq!(serving.stop(Signal::SIGINT).stderr, "", "{how:?}");
    }
}

#[test]
fn the_help_says_what_a_stall_limits_and_whom_a_refusal_answers() {
    let help = succeeds(&["--help"]);
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains("a head has 30 seconds, and so has a TLS handshake"), "{help}");
    assert!(help.contains("at a time to about a quarter as many as --max-connections"), "{help}");
}

/// RSA of 1024 bits is no longer safe, and not served.
#[test]
fn a_key_that_cannot_be_served_says_which_can() {
    let directory = tempfile::tempdir().unwrap();
    let [key, certificate] = ["key.pem", "cert.pem"].map(|name| directory.path().join(name));
    let mut command = Command::new("openssl");
    command.args("req -x509 -newkey rsa:1024 -nodes -days 3 -subj /CN=localhost".split(' '));
    let made = command.arg("-keyout").arg(&key).arg("-out").arg(&certificate).output();
    if !made.is_ok_and(|output| output.status.success()) {
        println!("skipped: no openssl that makes such a key");
        return;
    }
    let served = tree();
    let [key, certificate] = [&key, &certificate].map(|path| path.to_str().unwrap());
    let (certificate, served) = (["--tls-cert", certificate], served.path().to_str().unwrap());
    let said = fails(&[&["0", "-d", served, "--tls-key", key], &certificate[..]].concat(), 1);
    let expected = format!("socketserver: the private key in '{key}' is of no kind that can be ");
    assert!(said.starts_with(&expected) && said.contains("RSA of 2048 to 4096 bits"), "{said}");
}
