//! Tests of files that appear at once.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::*;
use crate::http::arriving::{LOOKS, is_temporary, is_temporary_path, temporary};

const WAYS: [Way; 2] = [Way::Nameless, Way::Named];

fn place(directory: &Path, name: &str) -> Place {
    Place::new(File::open(directory).expect("a directory"), OsStr::new(name))
}

fn begin<'a>(place: &'a Place, way: Way, content: &str) -> NewFile<'a> {
    let file = place.begin(way).expect("a file");
    file.file().write_all(content.as_bytes()).expect("room");
    file
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let name = |entry: fs::DirEntry| entry.file_name().into_string().expect("text");
    let mut names: Vec<String> = entries.map(|entry| name(entry.expect("an entry"))).collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").permissions().mode() & 0o7777
}

#[test]
fn a_file_appears_when_it_is_complete_with_the_mode_of_any_other() {
    for way in WAYS {
        let directory = tempfile::tempdir().expect("a directory");
        let place = place(directory.path(), "a");
        let mut file = begin(&place, way, "hello");
        let shown = usize::from(way == Way::Named || !cfg!(target_os = "linux"));
        assert_eq!(names(directory.path()).len(), shown, "{way:?}");
        assert!(names(directory.path()).iter().all(|name| is_temporary(name.as_bytes())));
        let replaced = file.publish(|found| {
            assert!(found.is_none());
            Ok(())
        });
        assert!(replaced.expect("a place").is_none());
        assert!(file.tag(5).is_some() && file.tag(4).is_none());
        drop(file);
        assert_eq!(names(directory.path()), ["a"], "{way:?}");
        let path = directory.path().join("a");
        assert_eq!(fs::read_to_string(&path).expect("a file"), "hello");
        fs::write(directory.path().join("other"), "").expect("a file");
        assert_eq!(mode(&path), mode(&directory.path().join("other")), "{way:?}");
    }
}

#[test]
fn nothing_is_left_of_a_file_that_has_no_place() {
    for way in WAYS {
        let directory = tempfile::tempdir().expect("a directory");
        let place = place(directory.path(), "a");
        drop(begin(&place, way, "hello"));
        let mut file = begin(&place, way, "hello");
        let refused = file.publish(|_| Err(io::Error::other("no")));
        assert!(refused.is_err());
        drop(file);
        assert_eq!(names(directory.path()), [""; 0], "{way:?}");
    }
}

#[test]
fn a_file_that_is_replaced_keeps_its_mode_but_is_no_program_any_more() {
    for way in WAYS {
        for (before, after) in [(0o600, 0o600), (0o755, 0o644), (0o6775, 0o664)] {
            let directory = tempfile::tempdir().expect("a directory");
            let path = directory.path().join("a");
            fs::write(&path, "old").expect("a file");
            fs::set_permissions(&path, Permissions::from_mode(before)).expect("a mode");
            let mut old = File::open(&path).expect("a file");
            let place = place(directory.path(), "a");
            let mut file = begin(&place, way, "new");
            assert!(file.publish(|_| Ok(())).expect("a place").is_some_and(|old| old.is_file));
            drop(file);
            assert_eq!(names(directory.path()), ["a"], "{way:?}");
            assert_eq!(fs::read_to_string(&path).expect("a file"), "new");
            assert_eq!(mode(&path), after, "{way:?}");
            // Those that read the old one go on.
            let mut text = String::new();
            io::Read::read_to_string(&mut old, &mut text).expect("text");
            assert_eq!(text, "old");
        }
    }
}

#[test]
fn of_two_that_are_new_the_second_sees_the_first() {
    for way in WAYS {
        let directory = tempfile::tempdir().expect("a directory");
        let place = place(directory.path(), "a");
        let (mut one, mut two) = (begin(&place, way, "one"), begin(&place, way, "two"));
        let only_new = |found: Option<&Existing>| match found {
            None => Ok(()),
            Some(_) => Err(io::ErrorKind::AlreadyExists.into()),
        };
        one.publish(only_new).expect("a place");
        let late = two.publish(only_new).expect_err("no place");
        assert_eq!(late.kind(), io::ErrorKind::AlreadyExists);
        drop((one, two));
        assert_eq!(names(directory.path()), ["a"]);
        assert_eq!(fs::read_to_string(directory.path().join("a")).expect("a file"), "one");
    }
}

#[test]
fn a_link_is_seen_as_one_and_never_written_through() {
    for way in WAYS {
        let directory = tempfile::tempdir().expect("a directory");
        let outside = tempfile::NamedTempFile::new().expect("a file");
        symlink(outside.path(), directory.path().join("a")).expect("a link");
        let place = place(directory.path(), "a");
        let found = place.look().expect("a look").expect("a link");
        assert!(!found.is_file && !found.is_directory);
        // Even where that is allowed, as when the link has just come.
        let mut file = begin(&place, way, "new");
        file.publish(|_| Ok(())).expect("a place");
        assert_eq!(fs::read(outside.path()).expect("a file"), b"");
        assert!(fs::symlink_metadata(directory.path().join("a")).expect("a file").is_file());
    }
}

#[test]
fn what_a_killed_server_has_left_is_removed_and_what_is_written_is_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &OsStr| directory.path().join(name);
    for number in [0, 1, 7, LOOKS - 1] {
        fs::write(path(&temporary(number)), "left").expect("a file");
    }
    for name in [".socketserver-upload-notes", "other"] {
        fs::write(path(name.as_ref()), "left").expect("a file");
    }
    let place = place(directory.path(), "a");
    let mut one = begin(&place, Way::Named, "one");
    assert_eq!(names(directory.path()).len(), 3);
    // Another process looks for leftovers while that is written.
    let two = begin(&place, Way::Named, "two");
    assert_eq!(names(directory.path()).len(), 4);
    drop(two);
    one.publish(|_| Ok(())).expect("a place");
    drop(one);
    let left = [".socketserver-upload-notes", "a", "other"];
    assert_eq!(names(directory.path()), left);
    assert_eq!(fs::read_to_string(path("a".as_ref())).expect("a file"), "one");
}

#[test]
fn what_was_left_while_a_file_was_replaced_goes_with_the_next_upload() {
    for content in ["new", "replaced"] {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a");
        if content == "replaced" {
            fs::write(&path, "old").expect("a file");
        }
        fs::write(directory.path().join(temporary(0)), "left").expect("a file");
        let place = place(directory.path(), "a");
        begin(&place, Way::Nameless, content).publish(|_| Ok(())).expect("a place");
        assert_eq!(names(directory.path()), ["a"]);
        assert_eq!(fs::read_to_string(&path).expect("a file"), content);
    }
}

#[test]
fn what_has_the_name_of_a_file_that_is_written_is_let_be() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |number| directory.path().join(temporary(number));
    fs::create_dir(path(0)).expect("a directory");
    symlink("elsewhere", path(1)).expect("a link");
    nix::unistd::mkfifo(&path(2), NEW).expect("a pipe");
    fs::write(directory.path().join("a"), "old").expect("a file");
    for way in WAYS {
        let place = place(directory.path(), "a");
        let mut file = begin(&place, way, "new");
        assert!(file.publish(|_| Ok(())).expect("a place").is_some());
        drop(file);
        assert_eq!(names(directory.path()).len(), 4, "{way:?}");
    }
}

/// Reading the names of a directory changes its time of access, where the file system keeps it.
#[test]
fn no_upload_reads_the_names_of_its_directory() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    fs::write(path.join("other"), "").expect("a file");
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let is_read_by = |what: &dyn Fn()| {
        let opened = File::open(path).expect("a directory");
        opened.set_times(fs::FileTimes::new().set_accessed(long_ago)).expect("a time");
        what();
        opened.metadata().and_then(|it| it.accessed()).expect("a time") != long_ago
    };
    if !is_read_by(&|| drop(names(path))) {
        println!("skipped: no time of access is kept");
        return;
    }
    for way in WAYS {
        for _ in 0..2 {
            // New, and then replaced.
            let upload = || {
                let place = place(path, "a");
                begin(&place, way, "new").publish(|_| Ok(())).expect("a place");
            };
            assert!(!is_read_by(&upload), "{way:?}");
        }
    }
}

#[test]
fn paths_of_files_that_are_written_are_known() {
    let name = temporary(10).into_string().expect("text");
    for (path, expected) in [
        (name.clone(), true),
        (format!("/srv/{name}"), true),
        (format!("/srv/x{name}"), false),
        (format!("{name}x"), false),
        (format!("{name}/"), false),
        (name[1..].to_owned(), false),
        // Other names of the same file, for some file systems.
        (name.to_uppercase(), true),
        (format!("/srv/{name}.."), true),
        (name.replacen('s', "\u{17f}", 1), true),
        (name.replacen('k', "\u{212a}", 1), true),
        (format!("\u{200d}{name}"), true),
        (format!("{name}.x"), false),
        (name.replacen('a', "\u{e4}", 1), false),
        (".socketserver-upload-notes-of-a-friend".to_owned(), false),
        (String::new(), false),
    ] {
        assert_eq!(is_temporary_path(path.as_bytes()), expected, "{path}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_system_without_a_disk_tells_of_no_room() {
    let directory = tempfile::tempdir().expect("a directory");
    assert!(place(directory.path(), "a").room().is_some_and(|room| room > 0));
    assert_eq!(place(Path::new("/proc"), "a").room(), None);
}

#[test]
fn no_place_is_taken_while_another_upload_takes_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = place(directory.path(), "a");
    let turn = place.wait_for_turn(TURN).expect("a turn").expect("a lock");
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
    let other = openat(&place.directory, ".", flags, Mode::empty()).expect("a directory");
    let other = File::from(other);
    assert_eq!(lock(&other), Err(Errno::EWOULDBLOCK));
    drop(turn);
    assert_eq!(lock(&other), Ok(()));
    // That one has it as long as it likes: others are told, in bounded time.
    let busy = place.wait_for_turn(Duration::from_millis(20)).expect_err("no turn");
    assert_eq!(busy.kind(), io::ErrorKind::ResourceBusy);
}
