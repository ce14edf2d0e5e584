//! Files that the command takes, however it serves, and from whom.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use nix::unistd::geteuid;

use crate::auth::{ADA, ADAS};
use crate::cli::{COMMAND, Serving, fails, read_until, text};
use crate::cli_asked::{WAYS, ask};
use crate::puts::{names, put};

#[track_caller]
fn start(arguments: &[&str]) -> Serving {
    Serving::start(&[&["-b", "127.0.0.1"], arguments].concat())
}

#[track_caller]
fn status(serving: &Serving, request: &str) -> u16 {
    let reply = ask(serving, request);
    reply.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("{reply}"))
}

const CLOSE: &str = "Connection: close\r\n";

#[test]
fn files_are_taken_under_every_strategy() {
    for way in WAYS {
        for version in ["1.0", "1.1"] {
            let serving =
                start(&[way, &["-p", version, "--upload", "--upload-limit", "2K"]].concat());
            let directory = serving.directory.as_ref().unwrap().path();
            let before = names(directory);
            for (target, length, expected) in
                [("/b", 2_048, 201), ("/b", 1, 409), ("/a.txt", 1, 409), ("/c", 2_049, 413)]
            {
                let found = status(&serving, &put(target, CLOSE, &"x".repeat(length)));
                assert_eq!(found, expected, "{way:?} {version} {target}");
            }
            let chunked = "PUT /d HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\
                           Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
            assert_eq!(status(&serving, chunked), 201);
            assert_eq!(status(&serving, "PUT /e HTTP/1.0\r\nContent-Length: 1\r\n\r\ne"), 201);
            assert_eq!(fs::read_to_string(directory.join("b")).unwrap(), "x".repeat(2_048));
            assert_eq!(fs::read_to_string(directory.join("d")).unwrap(), "abc");
            assert_eq!(names(directory).len(), before.len() + 3, "{way:?}");
        }
        let serving = start(&[way, &["--upload=replace", "--upload-limit", "0"]].concat());
        let directory = serving.directory.as_ref().unwrap().path();
        assert_eq!(status(&serving, &put("/a.txt", CLOSE, "new")), 204, "{way:?}");
        assert_eq!(fs::read_to_string(directory.join("a.txt")).unwrap(), "new");
        assert!(ask(&serving, "GET /a.txt HTTP/1.0\r\n\r\n").ends_with("\r\n\r\nnew"));
        assert_eq!(status(&start(way), &put("/b", CLOSE, "")), 501);
    }
}

#[test]
fn not_everybody_on_the_network_may_upload() {
    let refusal = "everybody on the network could upload files: ask for a password with --auth";
    for arguments in [&["0"][..], &["0", "-b", "0.0.0.0"], &["0", "--tls-self-signed"]] {
        let said = fails(&[arguments, &["--upload"]].concat(), 2);
        assert!(said.contains(refusal), "{arguments:?}: {said}");
    }
    for arguments in [
        &["-b", "0.0.0.0", "--upload-without-auth"][..],
        &["-b", "0.0.0.0", "--tls-self-signed", "--auth", ADA],
        &["-b", "0.0.0.0", "--auth", ADA, "--auth-in-clear-text"],
        &["-b", "localhost"],
    ] {
        Serving::start(&[arguments, &["--upload"]].concat());
    }
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("s").display().to_string();
    let mut command = Command::new(COMMAND);
    command.args(["--unix", &socket, "--upload"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut serving = Serving::read_banner(command.spawn().unwrap());
    serving.child.kill().unwrap();
    let serving = start(&["--upload", "--auth", ADA]);
    assert_eq!(status(&serving, &put("/b", CLOSE, "x")), 401);
    assert!(!serving.directory.as_ref().unwrap().path().join("b").exists());
    let fields = format!("{CLOSE}Authorization: {ADAS}\r\n");
    assert_eq!(status(&serving, &put("/b", &fields, "x")), 201);
}

#[test]
fn wrong_words_about_uploads_are_one_line() {
    for (arguments, why) in [
        (
            &["--upload=all"][..],
            "for '--upload[=<replace>]': --upload takes new files, --upload=replace",
        ),
        (&["--upload="], "invalid value '' for '--upload[=<replace>]': --upload takes new files"),
        (&["--upload", "replace"], "it is one word with its option, --upload=replace; see"),
        (&["8000", "--upload", "replace"], "it is one word with its option, --upload=replace; see"),
        (&["--upload", "--upload-limit", "x"], "a number of bytes is expected, perhaps with K"),
        (&["--upload", "--upload-limit", "-1"], "a number of bytes is expected"),
        (&["--upload", "--upload-limit", "1KB"], "write 1K; K, M, G and T are powers of 1024; see"),
        (&["--upload", "--upload-limit", "1GiB"], "write 1G; K, M, G and T"),
        (&["--upload", "--upload-limit", "20b"], "write 20; K, M, G and T"),
        (&["--upload", "--upload-limit", "1KK"], "a number of bytes is expected"),
        (&["--upload", "--upload-limit", "1.5G"], "a number of bytes is expected"),
        (&["--upload", "--upload-limit", "+1"], "a number of bytes is expected"),
        (&["--upload", "--upload-limit", "K"], "a number of bytes is expected"),
        (&["--upload", "--upload-limit", "99999999T"], "it is too large; the most is 184467440737"),
        (&["--upload", "--upload-limit"], "a value is required for '--upload-limit <SIZE>'"),
    ] {
        let said = fails(arguments, 2);
        assert!(said.contains(why), "{arguments:?}: {said}");
    }
    // The word behind it is the port.
    let said = fails(&["--upload", "70000"], 2);
    assert!(said.contains("70000 is not in 0..=65535"), "{said}");
}

#[test]
fn uploads_work_beside_the_other_options() {
    let directory = tempfile::tempdir().unwrap();
    let page = directory.path().join("409.txt");
    fs::write(&page, "taken\n").unwrap();
    let pages = [409, 412].map(|code| format!("{code}={}", page.display()));
    for way in WAYS {
        let all = [
            "-p",
            "1.1",
            "--upload",
            "--cgi",
            "--cgi-user",
            "root",
            "--confine",
            "--hide-dot-files",
            "--url-prefix",
            "/x",
            "--cors",
            "http://one.example",
            "--auth",
            ADA,
            "--error-page",
            &pages[0],
            "--error-page",
            &pages[1],
            "--log-format",
            "json",
        ];
        let serving = start(&[way, &all].concat());
        let directory = serving.directory.as_ref().unwrap().path();
        fs::create_dir(directory.join("cgi-bin")).unwrap();
        let fields = |more: &str| format!("{CLOSE}Authorization: {ADAS}\r\n{more}");
        for (target, more, expected) in [
            ("/x/b", "", 201),
            ("/x/b", "", 409),
            ("/x/new", "If-Match: *\r\n", 412),
            ("/b", "", 404),
            ("/x/.b", "", 403),
            ("/x/cgi-bin/b", "", 403),
            ("/x/c", "Origin: http://one.example\r\n", 201),
            ("/x/d", "Origin: http://two.example\r\n", 403),
        ] {
            let reply = ask(&serving, &put(target, &fields(more), "x"));
            assert!(reply.starts_with(&format!("HTTP/1.1 {expected} ")), "{way:?}: {reply}");
            let has_page = reply.ends_with("\r\n\r\ntaken\n");
            assert_eq!(has_page, [409, 412].contains(&expected), "{reply}");
        }
        // One to a request that reads is as short as 304.
        let get = format!("GET /x/b HTTP/1.1\r\nHost: h\r\n{}If-Match: \"x\"\r\n\r\n", fields(""));
        let reply = ask(&serving, &get);
        assert!(reply.starts_with("HTTP/1.1 412 "), "{reply}");
        assert!(reply.contains("\r\nContent-Length: 0\r\n") && reply.ends_with("\r\n\r\n"));
        // The preflight of a page that may.
        let preflight = "OPTIONS /x/e HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\
                         Origin: http://one.example\r\nAccess-Control-Request-Method: PUT\r\n\r\n";
        let reply = ask(&serving, preflight);
        assert!(reply.starts_with("HTTP/1.1 204 "), "{reply}");
        assert!(reply.contains("\r\nAccess-Control-Allow-Methods: GET, HEAD, POST, PUT"));
    }
}

#[test]
fn nothing_is_left_by_a_server_that_is_killed() {
    let mut serving = start(&["--upload"]);
    let directory = serving.directory.take().unwrap();
    let before = names(directory.path());
    let mut clients = Vec::new();
    for name in ["b", "c"] {
        let mut client = serving.connect();
        let whole = put(&format!("/{name}"), "Expect: 100-continue\r\n", &"x".repeat(100_000));
        client.write_all(&whole.as_bytes()[..90_000]).unwrap();
        clients.push(client);
    }
    // It answers others, so that it has begun with those before.
    assert_eq!(status(&serving, &put("/d", CLOSE, "x")), 201);
    serving.signal(Signal::SIGKILL);
    serving.child.wait().unwrap();
    let after = names(directory.path());
    assert_eq!(after.iter().filter(|name| !before.contains(name)).collect::<Vec<_>>(), ["d"]);
}

#[test]
fn a_client_that_waits_for_leave_is_refused_at_once() {
    let serving = start(&["--upload", "-p", "1.1", "--upload-limit", "1M"]);
    let mut client = serving.connect();
    let head =
        "PUT /b HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2000000\r\n\r\n";
    client.write_all(head.as_bytes()).unwrap();
    assert!(read_until(&mut client, b"\r\n\r\n").starts_with("HTTP/1.1 413 "));
}

/// Uploads with a program, if it is installed.
fn upload(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).env_remove("http_proxy").output();
    match output {
        Ok(output) => {
            let said = text(&output.stderr);
            assert!(output.status.success(), "{program}: {said}");
            Some(text(&output.stdout))
        }
        Err(_) => {
            println!("skipped: there is no {program}");
            None
        }
    }
}

#[test]
fn curl_and_python_upload() {
    for version in ["1.0", "1.1"] {
        let serving = start(&["--upload=replace", "-p", version]);
        let directory = serving.directory.as_ref().unwrap().path();
        let source = tempfile::tempdir().unwrap();
        let file = source.path().join("big");
        let content: Vec<u8> = (0..3_000_000_u32).map(|it| (it % 251) as u8).collect();
        fs::write(&file, &content).unwrap();
        let (file, url) =
            (file.display().to_string(), format!("http://127.0.0.1:{}/", serving.port));
        let code = ["-sS", "-o", "/dev/null", "-w", "%{http_code}", "-T", &file];
        for (more, name, expected) in [
            (&[][..], "big", "201"),
            (&[], "big", "204"),
            (&["-H", "Transfer-Encoding: chunked"], "chunked", "201"),
            (&["-0"], "old", "201"),
        ] {
            let place = format!("{url}{name}");
            let Some(said) = upload("curl", &[&code, more, &[&place]].concat()) else { break };
            assert_eq!(said, expected, "{name}");
            assert!(fs::read(directory.join(name)).unwrap() == content, "{name}");
        }
        let program = "import http.client, sys\n\
            client = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]))\n\
            for body, name in (open(sys.argv[2], 'rb'), 'file'), (iter([b'a', b'b']), 'pieces'):\n\
            \x20   client.request('PUT', '/' + name, body)\n\
            \x20   reply = client.getresponse()\n\
            \x20   print(reply.status, reply.read(), reply.getheader('Location'))\n\
            try:\n\
            \x20   import requests\n\
            \x20   reply = requests.put(f'http://127.0.0.1:{sys.argv[1]}/asked', data='x')\n\
            \x20   assert reply.status_code == 201, reply\n\
            except ImportError:\n\
            \x20   pass\n";
        let port = serving.port.to_string();
        if let Some(said) = upload("python3", &["-c", program, &port, &file]) {
            assert_eq!(said, "201 b'' file\n201 b'' pieces\n");
            assert!(fs::read(directory.join("file")).unwrap() == content);
            assert_eq!(fs::read_to_string(directory.join("pieces")).unwrap(), "ab");
        }
    }
}

#[test]
fn a_limit_of_file_sizes_refuses_files_and_ends_no_server() {
    // The log is such a file, too; 4 blocks are 2 or 4 KiB.
    let line = "log=$(mktemp); exec 2>\"$log\"; rm \"$log\"; ulimit -f 4; exec \"$@\"";
    for way in WAYS {
        let arguments = [&["-b", "127.0.0.1", "--upload"], way].concat();
        let serving = Serving::through_shell(line, &arguments);
        assert_eq!(status(&serving, &put("/b", CLOSE, &"x".repeat(16 << 10))), 507, "{way:?}");
        for _ in 0..80 {
            assert_eq!(status(&serving, "GET /a.txt HTTP/1.0\r\n\r\n"), 200, "{way:?}");
        }
        assert_eq!(status(&serving, &put("/c", CLOSE, "small")), 201, "{way:?}");
        assert_eq!(names(serving.directory.as_ref().unwrap().path()).len(), 3 + 1, "{way:?}");
        assert_eq!(serving.stop(Signal::SIGTERM).status, Some(0), "{way:?}");
    }
}

#[test]
fn a_directory_that_takes_no_files_is_told_at_the_start() {
    let told = "socketserver: warning: no file can be uploaded into '";
    // Root writes everywhere by a capability.
    let rights = if geteuid().is_root() { "setpriv --bounding-set=-dac_override" } else { "" };
    let line = format!("for last; do :; done; chmod 555 \"$last\"; exec {rights} \"$@\"");
    for way in WAYS {
        let arguments = [&["-b", "127.0.0.1", "--upload"], way].concat();
        let mut serving = Serving::through_shell(&line, &arguments);
        let directory = serving.directory.take().unwrap();
        assert_eq!(status(&serving, "GET /a.txt HTTP/1.0\r\n\r\n"), 200, "{way:?}");
        assert_eq!(status(&serving, &put("/b", CLOSE, "")), 403, "{way:?}");
        let said = serving.stop(Signal::SIGTERM).stderr;
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        let lines: Vec<_> = said.lines().filter(|line| line.starts_with(told)).collect();
        assert!(lines.len() == 1 && lines[0].ends_with("Permission denied"), "{way:?}: {said}");
    }
    for arguments in [&["--upload"][..], &[]] {
        let said = start(arguments).stop(Signal::SIGTERM).stderr;
        assert!(!said.contains("uploaded"), "{said}");
    }
}
