//! What a request writes to files: whole files, under names below the directory.

use std::fs::{self, Permissions};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use socketserver::SIGNAL_WINDOW;

use crate::examples::{Example, post_parts};
use crate::support::{Client, eventually};
use crate::web::{Browser, answer, answering, hear_out, serve};

/// Spellings of `Content-Range`, of which RFC 9110 §14.4 allows the first three.
const RANGES: [&str; 6] = ["bytes 3-6/7", "bytes 3-6/*", "lines 1-2/9", "bytes */7", "bytes x", ""];

#[test]
fn a_part_of_a_file_is_not_saved_as_the_whole() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("a");
    let path = target.clone();
    let server = serve(
        answering(move |http| {
            http.rfile.save_as(&path, 100)?;
            answer(http, "saved")
        })
        .http11(),
    );
    fs::write(&target, "foobar\n").unwrap();
    for range in RANGES {
        for (name, framed) in [
            ("Content-Range", "Content-Length: 4\r\n\r\nbar\n"),
            ("content-range", "Transfer-Encoding: chunked\r\n\r\n4\r\nbar\n\r\n0\r\n\r\n"),
        ] {
            let head = format!("PUT / HTTP/1.1\r\nHost: h\r\n{name}: {range}\r\n{framed}");
            let reply = Browser::connect(&server).ask(head);
            assert_eq!((reply.status(), reply.header("Connection")), (400, Some("close")));
            assert_eq!(fs::read_to_string(&target).unwrap(), "foobar\n", "{range}");
        }
    }
    assert_eq!(names(directory.path()), ["a"]);

    // For other methods the field has no meaning, and is ignored (RFC 9110 §14.4).
    for method in ["POST", "PATCH", "put"] {
        let head = format!("{method} / HTTP/1.1\r\nHost: h\r\nContent-Range: bytes 3-6/7\r\n");
        let request = head + &format!("Content-Length: {}\r\n\r\n{method}", method.len());
        assert_eq!(Browser::connect(&server).ask(request).text(), "saved");
        assert_eq!(fs::read_to_string(&target).unwrap(), method);
    }
}

#[test]
fn a_file_that_is_replaced_keeps_its_mode() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("a");
    let path = target.clone();
    let server = serve(answering(move |http| {
        http.rfile.save_as(&path, 100)?;
        answer(http, "saved")
    }));
    let put = |body: &str| {
        let length = body.len();
        Browser::connect(&server)
            .ask(format!("PUT / HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{body}"))
            .status()
    };
    let mode = || fs::metadata(&target).unwrap().permissions().mode() & 0o7777;
    assert_eq!(put("new"), 200);
    let of_new_files = mode();
    assert_eq!(of_new_files & 0o600, 0o600);
    // The mask of the process takes nothing from what the file had; set-user-ID is not kept.
    for (before, after) in [(0o600, 0o600), (0o666, 0o666), (0o755, 0o755), (0o4755, 0o755)] {
        fs::set_permissions(&target, Permissions::from_mode(before)).unwrap();
        assert_eq!(put("again"), 200);
        assert_eq!(mode(), after, "{before:o}");
    }

    // A link is replaced by a file; what it led to stays as it was.
    let outside = tempfile::NamedTempFile::new().unwrap();
    fs::write(&outside, "outside").unwrap();
    fs::remove_file(&target).unwrap();
    symlink(outside.path(), &target).unwrap();
    assert_eq!(put("inside"), 200);
    assert!(fs::symlink_metadata(&target).unwrap().is_file());
    assert_eq!(
        (fs::read_to_string(outside.path()).unwrap().as_str(), mode()),
        ("outside", of_new_files)
    );
}

#[test]
fn upload_files_takes_whole_files_only() {
    let directory = tempfile::tempdir().unwrap();
    let example = Example::run("upload_files", &["0", directory.path().to_str().unwrap()]);
    let whole = directory.path().join("t.txt");
    fs::write(&whole, "foobar\n").unwrap();
    for range in RANGES {
        for target in ["/t.txt", "/new.txt"] {
            let extra = format!("Content-Range: {range}\r\n");
            assert_eq!(put(example.address, target, &extra, "bar\n"), 400, "{range} {target}");
        }
    }
    assert_eq!(fs::read_to_string(&whole).unwrap(), "foobar\n");
    assert_eq!(names(directory.path()), ["t.txt"]);
}

#[test]
fn upload_files_writes_nothing_outside_and_nothing_hidden() {
    let (directory, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let root = directory.path();
    for name in [".ssh", "sub", "sub/.git", "taken"] {
        fs::create_dir(root.join(name)).unwrap();
    }
    symlink(outside.path(), root.join("out")).unwrap();
    symlink("sub", root.join("in")).unwrap();
    symlink(outside.path().join("absent"), root.join("dangling")).unwrap();
    fs::write(outside.path().join("file"), "safe").unwrap();
    symlink(outside.path().join("file"), root.join("link")).unwrap();
    fs::write(root.join(".secret"), "secret").unwrap();
    let example = Example::run("upload_files", &["0", root.to_str().unwrap()]);

    for (target, status) in [
        ("*", 400),
        ("/.ssh/authorized_keys", 403),
        ("/sub/.git/config", 403),
        ("/sub/..%2f.ssh/keys", 403),
        ("/in/.git/config", 403),
        ("/%2essh/keys", 403),
        ("/a%00b", 403),
        ("/a%0ab", 403),
        ("/a%5cb", 403),
        ("/%ff", 403),
        ("/taken", 403),
        ("/out/new", 409),
        ("/sub/../out/new", 409),
        ("/../out/new", 409),
        ("/t.txt/new", 409),
        ("/out", 403),
        ("/in/new", 201),
        ("/../../sub/up", 201),
        ("/dangling", 204),
        ("/link", 204),
    ] {
        assert_eq!(put(example.address, target, "", "x"), status, "{target}");
    }
    assert_eq!(names(outside.path()), ["file"]);
    assert_eq!(fs::read_to_string(outside.path().join("file")).unwrap(), "safe");
    assert_eq!(names(&root.join(".ssh")), [""; 0]);
    assert_eq!(names(&root.join("sub")), [".git", "new", "up"]);

    // A form, too, writes no file where a directory is, and leaves nothing behind.
    let parts = [("name=f; filename=taken", "x".to_owned())];
    let reply = post_parts(example.address, "/", &parts);
    assert!(reply.starts_with("HTTP/1.0 403 "), "{reply}");
    // What is hidden or outside is not served, either: files that are still arriving are hidden.
    symlink(outside.path().join("file"), root.join("read")).unwrap();
    for target in ["/.secret", "/out/file", "/read"] {
        let reply = hear_out(example.address, format!("GET {target} HTTP/1.0\r\n\r\n").as_bytes());
        assert!(reply.starts_with(b"HTTP/1.0 404 "), "{target}");
    }
    let expected = [".secret", ".ssh", "dangling", "in", "link", "out", "read", "sub", "taken"];
    assert_eq!(names(root), expected);
}

#[test]
fn upload_files_leaves_nothing_of_what_went_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let example = Example::run("upload_files", &["0", directory.path().to_str().unwrap()]);
    let request = |framing: &str| format!("PUT /a HTTP/1.1\r\nHost: h\r\n{framing}");
    for (framing, status) in [
        ("Content-Length: 9\r\n\r\ncut", "400"),
        ("Transfer-Encoding: chunked\r\n\r\n3\r\ncut", "400"),
        ("Transfer-Encoding: chunked\r\n\r\nx\r\n", "400"),
        ("Content-Length: 1073741825\r\n\r\n", "413"),
    ] {
        let reply = hear_out(example.address, request(framing).as_bytes());
        let reply = String::from_utf8_lossy(&reply);
        assert_eq!(reply.split(' ').nth(1), Some(status), "{framing}: {reply}");
        assert_eq!(names(directory.path()), [""; 0], "{framing}");
    }
    assert_eq!(put(example.address, "/a", "", ""), 201);
    assert_eq!(fs::read(directory.path().join("a")).unwrap(), b"");
}

#[test]
fn upload_files_takes_no_missing_body_for_an_empty_file() {
    let directory = tempfile::tempdir().unwrap();
    let example = Example::run("upload_files", &["0", directory.path().to_str().unwrap()]);
    fs::write(directory.path().join("x"), "kept").unwrap();
    for request in
        ["PUT /x HTTP/1.0\r\n\r\n", "PUT /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"]
    {
        let reply = String::from_utf8(hear_out(example.address, request.as_bytes())).unwrap();
        assert_eq!(reply.split(' ').nth(1), Some("411"), "{reply}");
        assert_eq!(fs::read_to_string(directory.path().join("x")).unwrap(), "kept");
    }
    let chunked = "PUT /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\
                   Transfer-Encoding: chunked\r\n\r\n3\r\nnew\r\n0\r\n\r\n";
    hear_out(example.address, chunked.as_bytes());
    assert_eq!(fs::read_to_string(directory.path().join("x")).unwrap(), "new");
}

#[test]
fn upload_files_leaves_nothing_half_arrived_when_it_is_ended() {
    for is_finished in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let mut example = Example::run("upload_files", &["0", directory.path().to_str().unwrap()]);
        let process = Pid::from_raw(example.child.id().try_into().unwrap());
        let mut client = Client::connect(example.address);
        // Longer than what is waited for before the handler is called.
        client.send("PUT /a HTTP/1.0\r\nContent-Length: 70000\r\n\r\nbegun");
        eventually(|| is_writing(process, directory.path()));
        kill(process, Signal::SIGTERM).unwrap();
        // It is heard when new clients are refused.
        eventually(|| TcpStream::connect(example.address).is_err());
        if is_finished {
            client.send(" end".repeat(69_995 / 4 + 1).split_at(69_995).0);
            assert!(client.read_to_end().starts_with("HTTP/1.0 201 "));
        } else {
            thread::sleep(SIGNAL_WINDOW * 3 / 2);
            kill(process, Signal::SIGTERM).unwrap();
        }
        let mut ended = None;
        eventually(|| {
            ended = example.child.try_wait().unwrap();
            ended.is_some()
        });
        assert!(ended.unwrap().success(), "{ended:?}");
        let left = if is_finished { vec!["a"] } else { vec![] };
        assert_eq!(names(directory.path()), left);
    }
}

/// It has no name before it is complete, so that nothing has to be removed.
#[test]
#[cfg(target_os = "linux")]
fn a_server_that_is_killed_leaves_nothing_half_arrived() {
    let directory = tempfile::tempdir().unwrap();
    let mut example = Example::run("upload_files", &["0", directory.path().to_str().unwrap()]);
    let process = Pid::from_raw(example.child.id().try_into().unwrap());
    let form = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"b\"\r\n\r\nbegun";
    let requests = [
        "PUT /a HTTP/1.0\r\nContent-Length: 70000\r\n\r\nbegun".to_owned(),
        format!(
            "POST / HTTP/1.0\r\nContent-Type: multipart/form-data; boundary=x\r\n\
             Content-Length: 700000\r\n\r\n{form}{}",
            "x".repeat(100_000)
        ),
    ];
    for (number, request) in requests.iter().enumerate() {
        let mut client = Client::connect(example.address);
        client.send(request);
        eventually(|| written(process, directory.path()) == number + 1);
        assert!(names(directory.path()).is_empty(), "{number}");
        // The server has it until it is killed.
        std::mem::forget(client);
    }
    kill(process, Signal::SIGKILL).unwrap();
    example.child.wait().unwrap();
    assert!(names(directory.path()).is_empty());
}

/// Tells whether a process writes a file in a directory that has not its name yet.
fn is_writing(process: Pid, directory: &Path) -> bool {
    written(process, directory) > 0 || names(directory).len() == 1
}

/// How many files without a name a process writes in a directory, where the system tells.
fn written(process: Pid, directory: &Path) -> usize {
    let Ok(open) = fs::read_dir(format!("/proc/{process}/fd")) else { return 0 };
    let files = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    files.filter(|file| file.starts_with(directory) && file != directory).count()
}

pub(crate) fn put(address: SocketAddr, target: &str, extra: &str, body: &str) -> u16 {
    let length = body.len();
    let head = format!("PUT {target} HTTP/1.0\r\n{extra}Content-Length: {length}\r\n\r\n{body}");
    let reply = String::from_utf8(hear_out(address, head.as_bytes())).unwrap();
    reply.split(' ').nth(1).unwrap().parse().unwrap()
}

/// The names in a directory, hidden ones included, sorted.
fn names(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
