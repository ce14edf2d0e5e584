//! Uploads where the file system has no hard links, as exFAT, VFAT and some in user space, or a
//! filter forbids them. A filter answers for the file system, so that no such one is needed.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::thread;

use nix::libc::{self, sock_filter};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use crate::cli::{COMMAND, Serving, eventually, tree};
use crate::cli_asked::{WAYS, ask};
use crate::examples::Example;
use crate::puts::{names, put};
use crate::seccomp::{allow, argument, call, install, jump_if, refuse, skip_without};
use crate::shared::process::example_program;
use crate::uploads;

const CLOSE: &str = "Connection: close\r\n";

/// What cannot be done with files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Without {
    /// VFAT and exFAT: no links, no files without names, and modes are those of the mount.
    LinksAndModes,
    /// Some in user space: nor a change of a name that keeps what is there.
    LinksModesAndChecks,
    /// AppArmor without `l`, a container's filter: files without names can be made, but not named.
    Naming(i32),
}

use Without::{LinksAndModes, LinksModesAndChecks, Naming};

const KINDS: [Without; 4] =
    [LinksAndModes, LinksModesAndChecks, Naming(libc::EPERM), Naming(libc::EACCES)];

impl Without {
    fn filter(self) -> Vec<sock_filter> {
        if let Naming(errno) = self {
            return call(libc::SYS_linkat, &[refuse(errno)]);
        }
        let nameless = (libc::O_TMPFILE & !libc::O_DIRECTORY).unsigned_abs();
        let no_files = [argument(2), skip_without(nameless, 1), refuse(libc::EOPNOTSUPP), allow()];
        let mut filter = [
            call(libc::SYS_linkat, &[refuse(libc::EPERM)]),
            call(libc::SYS_fchmod, &[refuse(libc::EPERM)]),
            call(libc::SYS_openat, &no_files),
        ]
        .concat();
        if self == LinksModesAndChecks {
            let steps = [argument(4), jump_if(0, 1), refuse(libc::EINVAL), allow()];
            filter.extend(call(libc::SYS_renameat2, &steps));
        }
        filter
    }

    fn serve(self, arguments: &[&str]) -> Serving {
        let directory = tree();
        let mut command = Command::new(COMMAND);
        command.args(["0", "-b", "127.0.0.1", "-p", "1.1"]).args(arguments);
        command.arg("-d").arg(directory.path());
        install(&mut command, self.filter());
        let mut serving = Serving::spawn(&mut command).unwrap();
        serving.directory = Some(directory);
        serving
    }
}

#[track_caller]
fn status(serving: &Serving, request: &str) -> u16 {
    let reply = ask(serving, request);
    reply.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("{reply}"))
}

#[test]
fn files_are_made_and_replaced_without_hard_links() {
    for kind in KINDS {
        for way in WAYS {
            let serving = kind.serve(&[way, &["--upload=replace"]].concat());
            let directory = serving.directory.as_ref().unwrap().path();
            let mut expected: BTreeSet<_> = names(directory).into_iter().collect();
            let read = |name: &str| fs::read_to_string(directory.join(name)).unwrap();
            let large = "x".repeat(300_000);
            let new = format!("{CLOSE}If-None-Match: *\r\n");
            for (target, fields, content, code) in [
                ("/b", &*new, &*large, 201),
                ("/b", &new, "other", 412),
                ("/b", "Connection: close\r\nIf-Match: *\r\n", "new", 204),
                ("/a.txt", CLOSE, &large, 204),
                ("/c", CLOSE, "", 201),
            ] {
                let found = status(&serving, &put(target, fields, content));
                assert_eq!(found, code, "{kind:?} {way:?} {target}");
                let is_taken = code < 300;
                assert_eq!(read(&target[1..]) == content, is_taken, "{kind:?} {way:?} {target}");
            }
            let body = "--b\r\nContent-Disposition: form-data; name=f; filename=d\r\n\r\n\
                        in a form\r\n--b--\r\n";
            let form = format!(
                "POST / HTTP/1.1\r\nHost: h\r\n{CLOSE}Content-Length: {}\r\n\
                 Content-Type: multipart/form-data; boundary=b\r\n\r\n{body}",
                body.len()
            );
            assert_eq!(status(&serving, &form), 303, "{kind:?} {way:?}");
            assert_eq!(read("d"), "in a form");
            expected.extend(["b", "c", "d"].map(str::to_owned));
            // One that does not come completely.
            let mut client = serving.connect();
            let whole = put("/e", "", &large);
            let _ = client.write_all(&whole.as_bytes()[..200_000]);
            drop(client);
            eventually(|| names(directory).into_iter().collect::<BTreeSet<_>>() == expected);
        }
    }
}

#[test]
fn of_several_that_make_a_file_one_does_without_hard_links() {
    for kind in KINDS {
        let serving = kind.serve(&["--upload"]);
        let directory = serving.directory.as_ref().unwrap().path();
        for round in 0..10 {
            let target = format!("/b{round}");
            let contents: Vec<_> = (0..4).map(|it: u32| it.to_string().repeat(100)).collect();
            let codes: Vec<_> = thread::scope(|scope| {
                let asked = contents
                    .iter()
                    .map(|it| scope.spawn(|| status(&serving, &put(&target, CLOSE, it))));
                asked.collect::<Vec<_>>().into_iter().map(|it| it.join().unwrap()).collect()
            });
            let taken = codes.iter().position(|&code| code == 201).unwrap();
            assert_eq!(codes.iter().filter(|&&code| code == 409).count(), 3, "{codes:?}");
            let there = fs::read_to_string(directory.join(&target[1..])).unwrap();
            assert_eq!(there, contents[taken], "{kind:?}");
        }
    }
}

/// What handlers save by `save_as`, in the example that takes files so.
#[test]
fn bodies_are_saved_without_hard_links() {
    for kind in KINDS {
        let directory = tree();
        let mut command = Command::new(example_program("upload_files"));
        command.arg("0").arg(directory.path());
        install(&mut command, kind.filter());
        let example = Example::start(&mut command);
        let count = names(directory.path()).len();
        let large = "x".repeat(300_000);
        for (target, content) in [("/b", &*large), ("/b", "new"), ("/a.txt", &large)] {
            let code = uploads::put(example.address, target, "", content);
            assert!(code < 300, "{kind:?} {target}: {code}");
            let there = fs::read_to_string(directory.path().join(&target[1..])).unwrap();
            assert_eq!(there, content, "{kind:?} {target}");
        }
        assert_eq!(names(directory.path()).len(), count + 1, "{kind:?}");
    }
}

/// The kernel tells when a name appears: by a change of a name, and not empty before that.
#[test]
fn a_file_without_hard_links_appears_when_it_is_complete() {
    let serving = LinksAndModes.serve(&["--upload"]);
    let directory = serving.directory.as_ref().unwrap().path();
    let events = Inotify::init(InitFlags::IN_NONBLOCK).unwrap();
    let kinds = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO;
    events.add_watch(directory, kinds).unwrap();
    assert_eq!(status(&serving, &put("/b", CLOSE, "whole")), 201);
    let events = events.read_events().unwrap().into_iter();
    let events = events.filter(|event| event.name.as_deref() == Some("b".as_ref()));
    assert_eq!(events.map(|event| event.mask).collect::<Vec<_>>(), [AddWatchFlags::IN_MOVED_TO]);
}

/// What may not be given to a new file may have more rights than the old one, for others.
#[test]
fn no_file_is_replaced_by_one_that_more_may_read() {
    let serving = LinksAndModes.serve(&["--upload=replace"]);
    let directory = serving.directory.as_ref().unwrap().path();
    let path = directory.join("a.txt");
    let before = fs::read(&path).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let count = names(directory).len();
    assert_eq!(status(&serving, &put("/a.txt", CLOSE, "new")), 403);
    assert_eq!((fs::read(&path).unwrap(), names(directory).len()), (before, count));
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    assert_eq!(status(&serving, &put("/a.txt", CLOSE, "new")), 204);
}
