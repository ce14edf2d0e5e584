//! What the command tells of itself: its port, its log; and how long it takes to end.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::{Pid, mkfifo};
use serde_json::Value;

use crate::auth::{ADA, ADA_WRONG, ADAS};
use crate::cli::{Serving, children_of, eventually, fails, pid};
use crate::cli_asked::{WAYS, ask};

#[track_caller]
fn start(arguments: &[&str]) -> Serving {
    Serving::start(&[&["-b", "127.0.0.1"], arguments].concat())
}

#[test]
fn the_port_is_in_a_file_while_the_server_runs() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("port");
    for way in WAYS {
        for signal in [Signal::SIGINT, Signal::SIGTERM] {
            let serving = start(&[way, &["--port-file", path.to_str().unwrap()]].concat());
            // With the banner, and all of it.
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", serving.port));
            assert!(ask(&serving, "GET /a.txt HTTP/1.0\r\n\r\n").ends_with("hello\n"), "{way:?}");
            // A child or a worker that ends takes nothing with it.
            assert!(path.exists(), "{way:?}");
            assert_eq!(serving.stop(signal).status, Some(0), "{way:?}");
            assert!(!path.exists(), "{way:?}");
        }
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    // Another server's stays.
    let first = start(&["--port-file", path.to_str().unwrap()]);
    let second = start(&["--port-file", path.to_str().unwrap()]);
    first.stop(Signal::SIGTERM);
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", second.port));
    second.stop(Signal::SIGTERM);
    assert!(!path.exists());
    for missing in ["/no/such/place/port", directory.path().join("no/port").to_str().unwrap()] {
        let said = refuses(Path::new(missing));
        assert!(said.ends_with("': its directory does not exist; choose another path\n"), "{said}");
    }
}

#[track_caller]
fn refuses(path: &Path) -> String {
    let path = path.to_str().unwrap();
    let said = fails(&["0", "-b", "127.0.0.1", "--port-file", path], 1);
    assert!(said.contains(&format!("cannot write the port to '{path}': ")), "{said}");
    // Nor the name that the file would have had until it was complete.
    assert!(!said.replace(path, "").contains(".tmp"), "{said}");
    said
}

#[test]
fn a_port_file_replaces_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::write(path("document"), "8000 words\n").unwrap();
    fs::write(path("long"), "8000\n8000\n").unwrap();
    for (name, number) in [("sign", "+80"), ("blank", " 80"), ("hex", "0x50"), ("big", "65536")] {
        fs::write(path(name), number).unwrap();
    }
    fs::write(path("read-only"), "8000\n").unwrap();
    fs::set_permissions(path("read-only"), fs::Permissions::from_mode(0o444)).unwrap();
    fs::create_dir(path("directory")).unwrap();
    fs::write(path("target"), "8000\n").unwrap();
    symlink("target", path("link")).unwrap();
    symlink("nothing", path("dangling")).unwrap();
    mkfifo(&path("pipe"), Mode::S_IRWXU).unwrap();
    let _socket = UnixListener::bind(path("socket")).unwrap();
    let mut there = vec![
        ("document", "it has other content than a port"),
        ("long", "it has other content than a port"),
        ("sign", "it has other content than a port"),
        ("blank", "it has other content than a port"),
        ("hex", "it has other content than a port"),
        ("big", "it has other content than a port"),
        ("read-only", "it is read-only"),
        ("directory", "it is a directory"),
        ("link", "it is not a regular file"),
        ("dangling", "it is not a regular file"),
        ("pipe", "it is not a regular file"),
        ("socket", "it is not a regular file"),
    ];
    // As /dev/null. Only root can make one.
    if mknod(&path("null"), SFlag::S_IFCHR, Mode::S_IRWXU, makedev(1, 3)).is_ok() {
        there.push(("null", "it is not a regular file"));
    }
    for (name, reason) in there {
        let before = fs::symlink_metadata(path(name)).unwrap();
        let said = refuses(&path(name));
        assert!(said.contains(&format!("': {reason}; ")), "{name}: {said}");
        let after = fs::symlink_metadata(path(name)).unwrap();
        assert_eq!((after.ino(), after.mode()), (before.ino(), before.mode()), "{name}");
    }
    assert_eq!(fs::read_to_string(path("document")).unwrap(), "8000 words\n");
    // What a killed server or mktemp(1) has left is replaced.
    for left in ["", "8000\n", "65535"] {
        fs::write(path("left"), left).unwrap();
        let serving = start(&["--port-file", path("left").to_str().unwrap()]);
        assert_eq!(fs::read_to_string(path("left")).unwrap(), format!("{}\n", serving.port));
        serving.stop(Signal::SIGTERM);
        assert!(!path("left").exists(), "{left:?}");
    }
}

#[test]
fn a_port_file_of_another_is_not_removed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("port");
    let option = ["--port-file", path.to_str().unwrap()];
    // The next server on the same port has the same text.
    for way in [WAYS[1], WAYS[2], WAYS[3]] {
        let first = start(&[way, &option].concat());
        let download = first.begin_download();
        first.signal(Signal::SIGTERM);
        eventually(|| TcpStream::connect(("127.0.0.1", first.port)).is_err());
        let next = [&["-b", "127.0.0.1"], way, &option].concat();
        let next = Serving::start_on(first.port, &next, |_| {});
        drop(download);
        first.wait();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", next.port), "{way:?}");
        next.stop(Signal::SIGTERM);
        assert!(!path.exists(), "{way:?}");
    }
    // An inode may be given to the next file once it is free.
    let first = start(&option);
    drop(start(&option));
    let third = start(&option);
    first.stop(Signal::SIGTERM);
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", third.port));
    third.stop(Signal::SIGTERM);
    // A pipe is not read.
    let serving = start(&option);
    fs::remove_file(&path).unwrap();
    mkfifo(&path, Mode::S_IRWXU).unwrap();
    assert_eq!(serving.stop(Signal::SIGTERM).status, Some(0));
    assert!(path.exists());
}

/// Whatever a request does meanwhile, and while the server waits for requests to finish.
#[test]
fn a_port_file_goes_with_a_server_that_a_signal_ends() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("port");
    let option = ["--port-file", path.to_str().unwrap()];
    for way in &WAYS[..4] {
        let common = [Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGUSR1, Signal::SIGUSR2];
        let timers = [Signal::SIGALRM, Signal::SIGVTALRM, Signal::SIGPROF, Signal::SIGXCPU];
        for signal in common.into_iter().chain(timers) {
            for is_draining in [false, true] {
                // It has another meaning there.
                if signal == Signal::SIGHUP && way[0] == "--processes" {
                    continue;
                }
                let serving = start(&[way, &option[..]].concat());
                let pid = pid(&serving.child);
                let _download = serving.begin_download();
                if is_draining {
                    serving.signal(Signal::SIGTERM);
                    // A sequential server hears that later.
                    if *way != WAYS[0] {
                        eventually(|| TcpStream::connect(("127.0.0.1", serving.port)).is_err());
                    }
                }
                assert!(path.exists(), "{way:?} {signal}");
                serving.signal(signal);
                let ended = waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
                let is_by_it = matches!(ended, Ok(WaitStatus::Signaled(_, by, _)) if by == signal);
                assert!(is_by_it, "{way:?} {signal}: {ended:?}");
                assert!(!path.exists(), "{way:?} {signal} {is_draining}");
            }
        }
    }
    // Those that are ignored stay so.
    let line = "trap '' HUP QUIT USR1; exec \"$@\"";
    for way in WAYS {
        let words = [&["-b", "127.0.0.1"], way, &option].concat();
        let serving = Serving::through_shell(line, &words);
        for signal in [Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGUSR1] {
            serving.signal(signal);
        }
        assert!(ask(&serving, "GET /a.txt HTTP/1.0\r\n\r\n").ends_with("hello\n"), "{way:?}");
        assert_eq!(serving.stop(Signal::SIGTERM).status, Some(0), "{way:?}");
    }
}

/// The limit of a process's time of the processor is obeyed by each.
#[test]
fn processes_of_a_server_end_by_signals_as_without_a_port_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("port");
    let option = ["--port-file", path.to_str().unwrap()];
    let one_by_one = &["--processes", "1", "--concurrency", "sequential"][..];
    let timers = [Signal::SIGALRM, Signal::SIGVTALRM, Signal::SIGPROF, Signal::SIGXCPU];
    for way in [WAYS[2], WAYS[3], one_by_one] {
        // A server for each, as processes that end soon are replaced later each time.
        for signal in [Signal::SIGUSR1, Signal::SIGUSR2].into_iter().chain(timers) {
            let serving = start(&[way, &option[..]].concat());
            let _download = serving.begin_download();
            let before = children_of(pid(&serving.child));
            assert!(!before.is_empty(), "{way:?}");
            for child in &before {
                kill(Pid::from_raw(child.parse().unwrap()), signal).unwrap();
            }
            eventually(|| {
                let now = children_of(pid(&serving.child));
                !now.iter().any(|child| before.contains(child))
            });
            // The file is its parent's.
            assert!(path.exists(), "{way:?}");
            let ended = serving.stop(Signal::SIGTERM);
            let is_told = ended.stderr.contains(&format!(" was ended by {signal}"));
            assert!(is_told, "{way:?} {signal}: {}", ended.stderr);
            assert!(!path.exists(), "{way:?}");
        }
    }
}

/// A download that is not read runs until it is cut.
#[test]
fn running_requests_have_the_time_that_is_asked_for() {
    let one_by_one = &["--processes", "1", "--concurrency", "sequential"][..];
    let all = [WAYS[0], WAYS[1], WAYS[2], WAYS[3], one_by_one].map(|way| (way, "1"));
    for (way, seconds) in [(WAYS[0], "0"), (WAYS[1], "0")].into_iter().chain(all) {
        let serving = start(&[way, &["--shutdown-timeout", seconds]].concat());
        let download = serving.begin_download();
        let began = Instant::now();
        let ended = serving.stop(Signal::SIGTERM);
        let took = began.elapsed();
        assert_eq!(ended.status, Some(0), "{way:?}");
        assert!(ended.stderr.contains("1 connection was cut off"), "{way:?}: {}", ended.stderr);
        // A child cannot write the line of its request.
        if way == WAYS[2] {
            let line = ended.stderr.lines().find(|line| line.contains("child "));
            assert!(line.is_some_and(|line| line.ends_with(" was cut off")), "{}", ended.stderr);
        }
        assert!(took.as_secs() >= seconds.parse().unwrap(), "{way:?}: {took:?}");
        assert!(took.as_secs() < 20, "{way:?}: {took:?}");
        drop(download);
    }
}

fn log_of(arguments: &[&str], requests: &[String]) -> Vec<String> {
    let serving = start(arguments);
    for request in requests {
        ask(&serving, request);
    }
    let said = serving.stop(Signal::SIGTERM).stderr;
    said.lines().map(str::to_owned).collect()
}

fn requests() -> [String; 4] {
    let agent = "User-Agent: a\"b\\c\r\nReferer: http://h/\r\n";
    [
        format!("GET /a.txt?\u{e9}\"] HTTP/1.0\r\nAuthorization: {ADAS}\r\n{agent}\r\n"),
        format!("GET /missing HTTP/1.0\r\nAuthorization: {ADAS}\r\n\r\n"),
        format!("GET /a.txt HTTP/1.0\r\nAuthorization: {ADA_WRONG}\r\n\r\n"),
        "no request\r\n\r\n".to_owned(),
    ]
}

#[test]
fn a_combined_log_has_a_line_for_each_request() {
    for way in WAYS {
        let all = ["--log-format", "combined", "--auth", ADA];
        let lines = log_of(&[way, &all].concat(), &requests());
        assert_eq!(lines.len(), 4, "{way:?}: {lines:#?}");
        let users = ["ada", "ada", "-", "-"];
        for (line, user) in lines.iter().zip(users) {
            assert!(line.starts_with(&format!("127.0.0.1 - {user} [")), "{line}");
            assert!(line.is_ascii() && !line.chars().any(char::is_control), "{line}");
            assert_eq!(line.matches('"').count(), 6, "{line}");
            let seconds = line.rsplit(' ').next().unwrap();
            assert!(seconds.parse::<f64>().is_ok(), "{line}");
        }
        assert!(lines[0].contains("?\\xC3\\xA9\\x22] HTTP/1.0\" 200 6 "), "{}", lines[0]);
        assert!(lines[0].contains("\"http://h/\" \"a\\x22b\\x5Cc\" "), "{}", lines[0]);
        assert!(lines[1].contains("\"GET /missing HTTP/1.0\" 404 "), "{}", lines[1]);
        assert!(lines[2].contains("\"GET /a.txt HTTP/1.0\" 401 "), "{}", lines[2]);
        assert!(lines[3].contains("\"no request\" 400 "), "{}", lines[3]);
    }
}

#[test]
fn a_log_of_json_has_an_object_for_each_request() {
    for way in WAYS {
        let all = ["--log-format", "json", "--auth", ADA];
        let lines = log_of(&[way, &all].concat(), &requests());
        let objects: Vec<Value> =
            lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(objects.len(), 4, "{way:?}: {lines:#?}");
        for (object, (status, user)) in
            objects.iter().zip([(200, Some("ada")), (404, Some("ada")), (401, None), (400, None)])
        {
            assert_eq!(object["status"], status, "{object}");
            assert_eq!(object["user"].as_str(), user, "{object}");
            assert_eq!(object["client"], "127.0.0.1");
            assert_eq!(object["error"].is_string(), status >= 400, "{object}");
            assert!(object["seconds"].is_f64(), "{object}");
        }
        assert_eq!(objects[1]["request"], "GET /missing HTTP/1.0");
        assert_eq!(
            (&objects[1]["method"], &objects[1]["target"]),
            (&"GET".into(), &"/missing".into())
        );
        assert_eq!(objects[1]["error"], "File not found");
    }
}

#[test]
fn the_target_in_json_is_what_the_parser_has_found() {
    for line in ["GET /a.txt HTTP/1.0", "GET  /a.txt\tHTTP/1.0", " GET\t/a.txt  HTTP/1.0 "] {
        let lines = log_of(&["--log-format", "json"], &[format!("{line}\r\n\r\n")]);
        let object: Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!((&object["status"], &object["target"]), (&200.into(), &"/a.txt".into()));
    }
}

#[test]
fn the_size_is_that_of_the_body_and_the_line_comes_when_it_is_sent() {
    let serving = start(&["--log-format", "json"]);
    let large = serving.directory.as_ref().unwrap().path().join("large");
    fs::File::create(&large).unwrap().set_len(30 << 20).unwrap();
    let mut client = serving.connect();
    client.write_all(b"GET /large HTTP/1.0\r\n\r\n").unwrap();
    let mut first = [0; 1];
    client.read_exact(&mut first).unwrap();
    ask(&serving, "HEAD /a.txt HTTP/1.0\r\n\r\n");
    std::io::copy(&mut client, &mut std::io::sink()).unwrap();
    let said = serving.stop(Signal::SIGTERM).stderr;
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["method"], &lines[0]["bytes"]), (&"HEAD".into(), &0.into()));
    assert_eq!((&lines[1]["target"], &lines[1]["bytes"]), (&"/large".into(), &(30 << 20).into()));
}

#[test]
fn a_log_of_json_tells_whether_a_response_was_complete() {
    for way in &WAYS[..4] {
        for is_cut in [false, true] {
            // A process that is cut says nothing more.
            if is_cut && *way != WAYS[1] {
                continue;
            }
            let time = if is_cut { "0" } else { "30" };
            let serving =
                start(&[*way, &["--log-format", "json"], &["--shutdown-timeout", time]].concat());
            for request in ["GET /a.txt", "HEAD /large", "GET /missing", "GET /sub", "BREW /"] {
                ask(&serving, &format!("{request} HTTP/1.0\r\n\r\n"));
            }
            let download = serving.begin_download();
            // Left by its client, or cut by the server.
            let held = is_cut.then_some(download);
            let ended = serving.stop(Signal::SIGTERM);
            drop(held);
            let lines = ended.stderr.lines().filter(|line| line.starts_with('{'));
            let lines: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
            let of = |target: &str, method: &str| {
                let is_it = |line: &&Value| line["target"] == target && line["method"] == method;
                lines.iter().find(is_it).unwrap_or_else(|| panic!("{way:?}: {}", ended.stderr))
            };
            for (target, method) in
                [("/a.txt", "GET"), ("/large", "HEAD"), ("/missing", "GET"), ("/sub", "GET")]
            {
                assert_eq!(of(target, method)["complete"], true, "{way:?} {target}");
            }
            assert_eq!(of("/", "BREW")["complete"], true);
            let left = of("/large", "GET");
            assert_eq!((&left["complete"], &left["status"]), (&false.into(), &200.into()));
        }
    }
}

#[test]
fn quiet_is_quiet() {
    for words in [&["-q"][..], &["-q", "--log-format", "python"]] {
        let lines = log_of(words, &requests());
        assert!(lines.is_empty(), "{words:?}: {lines:?}");
    }
    let lines = log_of(&["--log-format", "python"], &requests()[1..2]);
    assert!(lines[1].ends_with("] \"GET /missing HTTP/1.0\" 404 -"), "{lines:?}");
}

#[test]
fn what_a_program_says_is_an_object_of_json_too() {
    let serving = start(&["--log-format", "json", "--cgi", "--cgi-user", "root"]);
    let directory = serving.directory.as_ref().unwrap().path().join("cgi-bin");
    fs::create_dir(&directory).unwrap();
    let path = directory.join("p");
    write_script(
        &path,
        "#!/bin/sh\nprintf 'broken \\033[31m \"' >&2; printf 'Content-Type: text/plain\\n\\nx'\n",
    );
    ask(&serving, "GET /cgi-bin/p HTTP/1.0\r\n\r\n");
    let said = serving.stop(Signal::SIGTERM).stderr;
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let message = lines.iter().find_map(|line| line["message"].as_str()).unwrap();
    assert!(message.contains("broken"), "{said}");
    assert!(lines.iter().any(|line| line["request"] == "GET /cgi-bin/p HTTP/1.0"), "{said}");
}

fn write_script(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    // By another process: see `cgi_site`.
    let mut writer = std::process::Command::new("sh")
        .args(["-c", "cat > \"$0\" && chmod 755 \"$0\""])
        .arg(path)
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    writer.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(writer.wait().unwrap().success());
    assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o755);
    eventually(|| path.exists());
}
