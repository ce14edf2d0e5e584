//! PUT into directories that the server may not read, or whose names stay.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use nix::unistd::geteuid;
use socketserver::http::Uploads;

use crate::puts::{names, put, taking};
use crate::support::in_a_process_of_its_own;
use crate::web::{Browser, Site, ask};

/// Has this process be no superuser, of whom no right is asked.
fn become_nobody(site: &Site, directories: &[&str]) {
    if geteuid().is_root() {
        for directory in directories {
            nix::unistd::chown(&site.path(directory), Some(65_534.into()), None).unwrap();
        }
        nix::unistd::setresuid(65_534.into(), 65_534.into(), 65_534.into()).unwrap();
    }
}

#[test]
fn no_condition_is_promised_where_uploads_cannot_wait_for_each_other() {
    let name = "put_rights::no_condition_is_promised_where_uploads_cannot_wait_for_each_other";
    in_a_process_of_its_own(name, || {
        let site = Site::empty();
        fs::create_dir(site.path("box")).unwrap();
        become_nobody(&site, &["", "box"]);
        fs::set_permissions(site.path("box"), Permissions::from_mode(0o300)).unwrap();
        let server = taking(&site, Uploads::default().replace(true));
        let made = ask(&server, put("/box/a", "If-None-Match: *\r\n", "one"));
        assert_eq!(made.status(), 201, "{}", made.head);
        let tag = made.header("ETag").unwrap();
        for (fields, status) in [
            (format!("If-Match: {tag}\r\n"), 403),
            ("If-Match: *\r\n".to_owned(), 403),
            ("If-None-Match: \"x\"\r\n".to_owned(), 403),
            ("If-Match: \"x\"\r\n".to_owned(), 412),
            ("If-None-Match: *\r\n".to_owned(), 412),
            ("If-Unmodified-Since: Sun, 06 Nov 2094 08:49:37 GMT\r\n".to_owned(), 403),
        ] {
            for expect in ["", "Expect: 100-continue\r\n"] {
                let reply = ask(&server, put("/box/a", &format!("{fields}{expect}"), "two"));
                assert_eq!(reply.status(), status, "{fields}{expect}: {}", reply.head);
            }
        }
        assert_eq!(fs::read_to_string(site.path("box/a")).unwrap(), "one");
        assert_eq!(ask(&server, put("/box/a", "", "three")).status(), 204);
        assert_eq!(fs::read_to_string(site.path("box/a")).unwrap(), "three");
        fs::set_permissions(site.path("box"), Permissions::from_mode(0o700)).unwrap();
        assert_eq!(ask(&server, put("/box/a", "If-Match: *\r\n", "four")).status(), 204);
    });
}

/// What a killed server has left goes, whatever the mode of the file that it was to replace.
#[test]
fn what_may_only_be_written_to_is_removed_when_it_is_left() {
    let name = "put_rights::what_may_only_be_written_to_is_removed_when_it_is_left";
    in_a_process_of_its_own(name, || {
        let site = Site::empty();
        become_nobody(&site, &[""]);
        let left = site.write(".socketserver-upload-0000000000000000", "left");
        fs::set_permissions(left, Permissions::from_mode(0o200)).unwrap();
        let server = taking(&site, Uploads::default());
        assert_eq!(ask(&server, put("/a", "", "x")).status(), 201);
        assert_eq!(names(&site.path("")), ["a"]);
    });
}

/// Sets an attribute of a file, and takes it away again.
struct Attribute<'a>(&'a Path, char);

impl<'a> Attribute<'a> {
    /// `None` where the user may not do so, or the file system has no such attributes.
    fn set(path: &'a Path, letter: char) -> Option<Self> {
        let change = Command::new("chattr").arg(format!("+{letter}")).arg(path).output();
        change.is_ok_and(|it| it.status.success()).then_some(Self(path, letter))
    }
}

impl Drop for Attribute<'_> {
    fn drop(&mut self) {
        let change = Command::new("chattr").arg(format!("-{}", self.1)).arg(self.0).status();
        assert!(change.unwrap().success());
    }
}

#[test]
fn nothing_is_left_where_names_may_only_be_added() {
    let site = Site::empty();
    for name in ["box/a", "other/a"] {
        fs::create_dir(site.path(name).parent().unwrap()).unwrap();
        site.write(name, "old");
    }
    let (directory, file) = (site.path("box"), site.path("other/a"));
    let server = taking(&site, Uploads::default().replace(true));
    let refused = |target: &str| {
        for expect in ["", "Expect: 100-continue\r\n"] {
            let reply = Browser::connect(&server).ask(put(target, expect, "new"));
            assert_eq!(reply.status(), 403, "{target} {expect}: {}", reply.head);
        }
    };
    let Some(added) = Attribute::set(&directory, 'a') else {
        println!("skipped: no attributes can be set");
        return;
    };
    refused("/box/a");
    assert_eq!(names(&directory), ["a"]);
    assert_eq!(ask(&server, put("/box/b", "", "new")).status(), 201);
    assert_eq!(names(&directory), ["a", "b"]);
    drop(added);
    for letter in ['a', 'i'] {
        let kept = Attribute::set(&file, letter).unwrap();
        refused("/other/a");
        assert_eq!(names(&site.path("other")), ["a"]);
        drop(kept);
    }
    assert_eq!(ask(&server, put("/box/a", "", "new")).status(), 204);
    assert_eq!(ask(&server, put("/other/a", "", "new")).status(), 204);
}
