//! What a client has of a file already: validators, and what is answered to those who show them.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use socketserver::http::{Exchange, HttpRequestHandler, SimpleHttpRequestHandler};

use crate::support::{Running, eventually};
use crate::web::{Reply, Site, answer, ask, masked, noting, serve, set_modified};

/// A file that was changed long ago.
pub(crate) const OLD: &str = "LICENSE-MIT";

/// Serves the root of this crate.
pub(crate) fn serve_old() -> Running {
    let files = SimpleHttpRequestHandler::new(env!("CARGO_MANIFEST_DIR"));
    serve(noting(files).http11())
}

pub(crate) fn request(method: &str, path: &str, fields: &[(&str, &str)]) -> String {
    let fields: String =
        fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{fields}\r\n")
}

#[track_caller]
fn header(reply: &Reply, name: &str) -> String {
    reply.header(name).unwrap_or_else(|| panic!("no {name}: {}", reply.head)).to_owned()
}

#[test]
fn a_file_has_a_strong_tag_and_a_date() {
    let server = serve_old();
    let got = ask(&server, request("GET", "/LICENSE-MIT", &[]));
    let (tag, date) = (header(&got, "ETag"), header(&got, "Last-Modified"));
    assert!(tag.len() == 18 && tag.starts_with('"') && tag.ends_with('"'), "{tag}");
    assert_eq!(got.header("Accept-Ranges"), Some("bytes"));
    let head = ask(&server, request("HEAD", "/LICENSE-MIT", &[]));
    for name in ["ETag", "Last-Modified", "Accept-Ranges", "Content-Length"] {
        assert_eq!(head.header(name), got.header(name));
    }
    // Another server in front of the same files gives the same tag.
    assert_eq!(ask(&serve_old(), request("GET", "/LICENSE-MIT", &[])).header("ETag"), Some(&*tag));
    let other = ask(&server, request("GET", "/LICENSE-APACHE", &[]));
    assert_ne!(header(&other, "ETag"), tag);
    for condition in [("If-None-Match", &*tag), ("If-Modified-Since", &*date)] {
        for method in ["GET", "HEAD"] {
            let reply = ask(&server, request(method, "/LICENSE-MIT", &[condition]));
            assert_eq!(reply.header("ETag"), Some(&*tag));
            let head = String::from_utf8(masked(reply.raw)).unwrap();
            assert_eq!(head, "HTTP/1.1 304 Not Modified\r\n{S}{D}\r\n", "{method} {condition:?}");
        }
    }
}

#[test]
fn conditions_come_in_the_order_of_the_rfc() {
    let server = serve_old();
    let got = ask(&server, request("GET", "/LICENSE-MIT", &[]));
    let (tag, date) = (&*header(&got, "ETag"), &*header(&got, "Last-Modified"));
    let weak = &*format!("W/{tag}");
    let (long_ago, other) = ("Thu, 01 Jan 1998 00:00:00 GMT", "\"x\"");
    // Each of the first pair against each of the second: the step that counts, and what follows.
    let firsts: [(&[_], _); 9] = [
        (&[], true),
        (&[("If-Match", tag)], true),
        (&[("If-Match", "*")], true),
        (&[("If-Match", tag), ("If-Unmodified-Since", long_ago)], true),
        (&[("If-Unmodified-Since", date)], true),
        (&[("If-Match", weak)], false),
        (&[("If-Match", other)], false),
        (&[("If-Match", other), ("If-Unmodified-Since", date)], false),
        (&[("If-Unmodified-Since", long_ago)], false),
    ];
    let seconds: [(&[_], _); 9] = [
        (&[], true),
        (&[("If-None-Match", other)], true),
        (&[("If-None-Match", other), ("If-Modified-Since", date)], true),
        (&[("If-Modified-Since", long_ago)], true),
        (&[("If-None-Match", tag)], false),
        (&[("If-None-Match", weak)], false),
        (&[("If-None-Match", "*")], false),
        (&[("If-None-Match", tag), ("If-Modified-Since", long_ago)], false),
        (&[("If-Modified-Since", date)], false),
    ];
    for (first, passes) in firsts {
        for (second, is_changed) in seconds {
            let fields = [first, second].concat();
            let status = match (passes, is_changed) {
                (false, _) => 412,
                (true, false) => 304,
                (true, true) => 200,
            };
            for method in ["GET", "HEAD"] {
                let reply = ask(&server, request(method, "/LICENSE-MIT", &fields));
                assert_eq!(reply.status(), status, "{method} {fields:?}");
                let length = (status == 412).then_some("0");
                assert!(status == 200 || reply.header("Content-Length") == length, "{fields:?}");
            }
        }
    }
    // What would be no success without them has no conditions (§13.2.1).
    for (path, status) in [("/missing", 404), ("/src", 301), ("/src/", 200)] {
        let fields = [("If-Match", other), ("If-None-Match", "*")];
        assert_eq!(ask(&server, request("GET", path, &fields)).status(), status, "{path}");
    }
}

/// Asks with what the last reply has said, by each condition alone and by both.
#[track_caller]
fn ask_again(server: &Running, path: &str, last: &Reply) -> Vec<Reply> {
    let tag = last.header("ETag").map(|tag| ("If-None-Match", tag));
    let date = last.header("Last-Modified").map(|date| ("If-Modified-Since", date));
    let all = [vec![tag], vec![date], vec![tag, date]];
    let asked = all.iter().map(|fields| {
        let fields: Vec<_> = fields.iter().flatten().copied().collect();
        ask(server, request("GET", path, &fields))
    });
    asked.collect()
}

fn ago(seconds: u64) -> SystemTime {
    SystemTime::now() - Duration::from_secs(seconds)
}

#[test]
fn what_was_changed_just_now_or_has_no_time_of_its_own_proves_nothing() {
    let site = Site::empty();
    let server = site.serve();
    let path = site.path("page");
    let put = |content: &str, time: Option<SystemTime>| {
        fs::write(&path, content).unwrap();
        if let Some(time) = time {
            set_modified(&path, time);
        }
    };
    let fixed = |seconds| Some(UNIX_EPOCH + Duration::from_secs(seconds));
    let in_the_future = Some(SystemTime::now() + Duration::from_secs(90_000));
    for time in [None, fixed(0), fixed(1), fixed(315_532_800), fixed(499_162_500), in_the_future] {
        for (content, then) in [("one", "two"), ("two", "one"), ("long", "longer")] {
            put(content, time);
            let last = ask(&server, request("GET", "/page", &[]));
            assert_eq!(last.text(), content);
            assert_eq!((last.header("ETag"), last.header("Last-Modified")), (None, None));
            put(then, time);
            for reply in ask_again(&server, "/page", &last) {
                assert_eq!((reply.status(), reply.text()), (200, then), "{time:?}");
            }
            // A part of what is there, of what else: the client has shown nothing.
            let part = ask(&server, request("GET", "/page", &[("Range", "bytes=0-0")]));
            assert_eq!((part.status(), part.text()), (206, &then[..1]));
        }
    }
    for number in 0..300 {
        put(&number.to_string(), None);
        assert_eq!(ask(&server, request("GET", "/page", &[])).text(), number.to_string());
    }
}

/// What is done to a file.
type Edit = fn(&Path);

/// How a file that a client has comes to be another one.
const EDITS: [(&str, Edit); 7] = [
    ("of the same size and time", |path| {
        fs::write(path, "two").unwrap();
        set_modified(path, UNIX_EPOCH + Duration::from_secs(1_600_000_000));
    }),
    ("written now", |path| fs::write(path, "two").unwrap()),
    ("an older one is renamed to its name", |path| {
        let other = path.with_extension("older");
        fs::write(&other, "two").unwrap();
        set_modified(&other, ago(90_000_000));
        fs::rename(other, path).unwrap();
    }),
    ("one of the same time is renamed to its name", |path| {
        let other = path.with_extension("other");
        fs::write(&other, "two").unwrap();
        set_modified(&other, UNIX_EPOCH + Duration::from_secs(1_600_000_000));
        fs::rename(other, path).unwrap();
    }),
    ("its time is before 1990 from now on", |path| {
        fs::write(path, "two").unwrap();
        set_modified(path, UNIX_EPOCH + Duration::from_secs(1));
    }),
    ("another directory is renamed to the name of its own", |path| {
        let directory = path.parent().unwrap();
        fs::rename(directory, directory.with_extension("old")).unwrap();
        fs::rename(directory.with_extension("new"), directory).unwrap();
    }),
    ("a link leads to another directory", |path| {
        let directory = path.parent().unwrap();
        let new = fs::read_link(directory).unwrap().with_extension("new");
        fs::remove_file(directory).unwrap();
        symlink(new, directory).unwrap();
    }),
];

/// With what the client was given, and with the copy in the server's memory.
/// Changes the first byte of a file through a shared mapping, for each line that it reads.
const MAPPING: &str = "\
import mmap, sys
with open(sys.argv[1], 'r+b') as file:
    mapping = mmap.mmap(file.fileno(), 0)
for line in sys.stdin.buffer:
    mapping[0] = line[0]
    print(flush=True)
";

#[test]
fn a_change_through_a_mapping_is_seen() {
    let site = Site::empty();
    let server = site.serve();
    fs::write(site.path("page"), "one").unwrap();
    let mut writer = Command::new("python3")
        .args(["-c", MAPPING])
        .arg(site.path("page"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    let mut change = |line: &str| {
        writer.stdin.as_ref().unwrap().write_all(line.as_bytes()).unwrap();
        lines.next().unwrap().unwrap();
    };
    let get = |fields: &[_]| ask(&server, request("GET", "/page", fields));
    // The kernel may set the file's times at the first change, and not at the next ones.
    change("1\n");
    eventually(|| get(&[]).header("ETag").is_some());
    let first = get(&[]);
    assert_eq!(first.text(), "1ne");
    change("2\n");
    let tag = header(&first, "ETag");
    eventually(|| get(&[("If-None-Match", &tag)]).status() == 200);
    let second = get(&[]);
    assert_eq!(second.text(), "2ne");
    assert!(second.header("ETag").is_none_or(|second| second != tag));
    drop(writer.stdin.take());
    writer.wait().unwrap();
}

#[test]
fn every_edit_is_seen() {
    let site = Site::empty();
    let server = site.serve();
    for (number, _) in EDITS.iter().enumerate() {
        let directory = site.path(number.to_string());
        fs::create_dir(&directory).unwrap();
        fs::create_dir(directory.with_extension("new")).unwrap();
        let second = Duration::from_secs(1_600_000_000);
        for (directory, content, age) in
            [(&directory, "one", 0), (&directory.with_extension("new"), "two", 90_000)]
        {
            let path = directory.join("page");
            fs::write(&path, content).unwrap();
            set_modified(&path, UNIX_EPOCH + second - Duration::from_secs(age));
        }
        if number == EDITS.len() - 1 {
            let target = site.path(format!("{number}.target"));
            fs::rename(&directory, &target).unwrap();
            fs::rename(directory.with_extension("new"), target.with_extension("new")).unwrap();
            symlink(target, directory).unwrap();
        }
    }
    let page = |number: usize| format!("/{number}/page");
    let get = |number: usize| ask(&server, request("GET", &page(number), &[]));
    let has_rested = |number: usize| {
        let directory = site.path(number.to_string()).with_extension("new");
        let new = directory.strip_prefix(site.path("")).unwrap().display().to_string();
        let new = ask(&server, request("GET", &format!("/{new}/page"), &[]));
        get(number).header("ETag").is_some()
            && (new.status() == 404 || new.header("ETag").is_some())
    };
    eventually(|| (0..EDITS.len()).all(has_rested));
    for (number, (what, edit)) in EDITS.iter().enumerate() {
        let last = get(number);
        assert_eq!(last.text(), "one");
        for reply in ask_again(&server, &page(number), &last) {
            assert_eq!(reply.status(), 304, "{what}: {}", reply.head);
        }
        edit(&site.path(number.to_string()).join("page"));
        let tag = header(&last, "ETag");
        assert_eq!(get(number).text(), "two", "{what}");
        for (field, status) in [("If-None-Match", 200), ("If-Match", 412)] {
            let reply = ask(&server, request("GET", &page(number), &[(field, &tag)]));
            assert_eq!(reply.status(), status, "{what}: {field}");
        }
        let part = [("If-Range", &*tag), ("Range", "bytes=1-")];
        let reply = ask(&server, request("GET", &page(number), &part));
        assert_eq!((reply.status(), reply.text()), (200, "two"), "{what}");
        // A date of whole seconds says nothing of those of the same time.
        if !what.contains("same") {
            for reply in ask_again(&server, &page(number), &last) {
                assert_eq!((reply.status(), reply.text()), (200, "two"), "{what}");
            }
        }
    }
}

/// Replaces a file, if the client means the one that is there.
struct Store(SimpleHttpRequestHandler);

impl HttpRequestHandler for Store {
    fn base(&self) -> &dyn HttpRequestHandler {
        &self.0
    }

    fn do_put(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let precondition = match self.0.open(http) {
            Ok(file) => file.precondition(http),
            Err(why) => why.precondition(http),
        };
        match precondition {
            Some(status) => http.send_error(status),
            None => answer(http, "stored"),
        }
    }
}

#[test]
fn a_method_that_changes_a_file_has_its_conditions() {
    let files = SimpleHttpRequestHandler::new(env!("CARGO_MANIFEST_DIR"));
    let server = serve(noting(Store(files)).http11());
    let got = ask(&server, request("GET", "/LICENSE-MIT", &[]));
    let (tag, date) = (&*header(&got, "ETag"), &*header(&got, "Last-Modified"));
    for (field, value, status) in [
        ("If-Match", tag, 200),
        ("If-Match", "*", 200),
        ("If-Match", "\"x\"", 412),
        ("If-None-Match", "*", 412),
        ("If-None-Match", tag, 412),
        ("If-None-Match", "\"x\"", 200),
        ("If-Unmodified-Since", date, 200),
        ("If-Unmodified-Since", "Thu, 01 Jan 1998 00:00:00 GMT", 412),
        ("If-Modified-Since", date, 200),
    ] {
        let reply = ask(&server, request("PUT", "/LICENSE-MIT", &[(field, value)]));
        assert_eq!(reply.status(), status, "{field}: {value}");
    }
    for (path, field, value, status) in [
        ("/missing", "If-Match", "*", 412),
        ("/missing", "If-Match", tag, 412),
        ("/missing", "If-None-Match", "*", 200),
        ("/missing", "If-None-Match", tag, 200),
        ("/missing", "If-Unmodified-Since", date, 200),
        // A directory is there.
        ("/src/", "If-Match", "*", 200),
        ("/src/", "If-Match", tag, 412),
        ("/src", "If-None-Match", "*", 412),
    ] {
        let reply = ask(&server, request("PUT", path, &[(field, value)]));
        assert_eq!(reply.status(), status, "{path}: {field}: {value}");
    }
}

#[test]
fn a_handler_knows_what_is_said_of_its_file() {
    let files = SimpleHttpRequestHandler::new(env!("CARGO_MANIFEST_DIR"));
    let server = serve(crate::web::answering(move |http| {
        let file = files.open(http)?;
        let modified = File::open(file.path())?.metadata()?.modified()?;
        assert_eq!(file.modified(), modified);
        let date = http.date_time_string(file.last_modified());
        answer(http, format!("{} {date}", file.etag().unwrap_or_default()))
    }));
    let got = ask(&serve_old(), request("GET", "/LICENSE-MIT", &[]));
    let said = ask(&server, request("GET", "/LICENSE-MIT", &[]));
    assert_eq!(said.text(), format!("{} {}", header(&got, "ETag"), header(&got, "Last-Modified")));
}
