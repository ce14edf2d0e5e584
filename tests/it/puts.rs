//! Files that a directory takes by PUT: what is taken, and each reason why something is not.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use socketserver::Sequential;
use socketserver::http::{
    CgiHttpRequestHandler, Cors, SimpleHttpRequestHandler, Uploads, UrlPrefix,
};

use crate::support::{
    Running, bind, eventually, in_a_process_of_its_own, open_descriptors, side_by_side,
};
use crate::web::{Browser, Reply, Site, ask, noting, serve};

/// A request that puts this body at this target, with further fields.
pub(crate) fn put(target: &str, fields: &str, body: &str) -> String {
    let length = body.len();
    format!("PUT {target} HTTP/1.1\r\nHost: h\r\n{fields}Content-Length: {length}\r\n\r\n{body}")
}

/// Takes new files, and keeps connections.
#[track_caller]
pub(crate) fn taking(site: &Site, uploads: Uploads) -> Running {
    serve(noting(site.handler().uploads(uploads)).http11())
}

/// All names in a directory, hidden ones included, sorted.
#[track_caller]
pub(crate) fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[track_caller]
fn content(site: &Site, name: &str) -> String {
    fs::read_to_string(site.path(name)).unwrap()
}

#[test]
fn a_new_file_is_taken_and_served() {
    let site = Site::empty();
    fs::create_dir(site.path("sub")).unwrap();
    let server = taking(&site, Uploads::default());
    let mut browser = Browser::connect(&server);
    for (target, name, location) in [
        ("/a.txt", "a.txt", "a.txt"),
        ("/sub/na%C3%AFve%20b?query#x", "sub/na\u{ef}ve b", "na%C3%AFve%20b"),
        ("//sub/./c", "sub/c", "c"),
        ("http://h/sub/d:e", "sub/d:e", "./d:e"),
        ("/missing/../f%2fg", "f/g", ""),
        ("/sub%2fg", "sub/g", "sub%2fg"),
    ] {
        let reply = browser.ask(put(target, "", "hello"));
        if location.is_empty() {
            assert_eq!(reply.status(), 409, "{target}");
            browser = Browser::connect(&server);
            continue;
        }
        assert_eq!(reply.status(), 201, "{target}: {}", reply.head);
        assert_eq!(reply.header("Location"), Some(location), "{target}");
        assert_eq!(content(&site, name), "hello", "{target}");
        assert!(reply.header("ETag").is_some(), "{}", reply.head);
        let target = target.replace("?query#x", "");
        let reply = browser.ask(format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert_eq!(reply.text(), "hello");
    }
    // By the mask, as any file.
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    fs::write(site.path("other"), "").unwrap();
    assert_eq!(mode(site.path("a.txt")), mode(site.path("other")));
    assert_eq!(browser.ask(put("/empty", "", "")).status(), 201);
    assert_eq!(content(&site, "empty"), "");
    let chunked = "PUT /chunked HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
                   3\r\none\r\n3;x\r\ntwo\r\n0\r\nX: y\r\n\r\n";
    assert_eq!(browser.ask(chunked).status(), 201);
    assert_eq!(content(&site, "chunked"), "onetwo");
}

#[test]
fn without_uploads_put_is_501_as_in_python() {
    let site = Site::empty();
    let server = site.serve();
    let reply = ask(&server, put("/a", "Content-Range: bytes 0-1/2\r\n", "x"));
    assert_eq!((reply.status(), reply.reason()), (501, "Unsupported method ('PUT')"));
    assert_eq!(names(&site.path("")), [""; 0]);
}

#[test]
fn a_file_that_is_there_is_replaced_only_where_that_is_asked_for() {
    let site = Site::empty();
    site.write("a", "old");
    fs::set_permissions(site.path("a"), Permissions::from_mode(0o750)).unwrap();
    let server = taking(&site, Uploads::default());
    // Conditions do not count where the answer is another one anyway (RFC 9110 §13.2.1).
    for fields in ["", "If-None-Match: *\r\n", "If-Match: *\r\n"] {
        let reply = ask(&server, put("/a", fields, "new"));
        assert_eq!((reply.status(), content(&site, "a").as_str()), (409, "old"), "{fields}");
    }
    let server = taking(&site, Uploads::default().replace(true));
    let reply = ask(&server, put("/a", "", "new"));
    assert_eq!((reply.status(), content(&site, "a").as_str()), (204, "new"));
    assert!(reply.header("ETag").is_some() && reply.header("Location").is_none());
    // It is no program any more.
    assert_eq!(fs::metadata(site.path("a")).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(ask(&server, put("/b", "", "")).status(), 201);
    assert_eq!(names(&site.path("")), ["a", "b"]);
}

#[test]
fn what_would_be_sent_in_the_place_of_a_file_does_not_get_beside_it() {
    let site = Site::empty();
    for name in ["app.js", "a.tar.gz", "target"] {
        site.write(name, "owner");
    }
    fs::create_dir(site.path("sub")).unwrap();
    symlink("target", site.path("link")).unwrap();
    let handlers = [
        site.handler().uploads(Uploads::default()).precompressed(),
        site.handler().precompressed().uploads(Uploads::default()).confined(),
    ];
    for (turn, handler) in handlers.into_iter().enumerate() {
        let server = serve(noting(handler).http11());
        for (target, status) in [
            ("/app.js.gz", 409),
            ("/app.js.br", 409),
            ("/app.js.zst", 409),
            // As some file systems do not tell the case of letters apart.
            ("/app.js.GZ", 409),
            ("/link.gz", 409),
            // These are sent under their own names alone.
            (&format!("/app.js.gz{turn}"), 201),
            (&format!("/app.js.{turn}gz"), 201),
            (&format!("/other{turn}.js.gz"), 201),
            (["/sub.br", "/sub.gz"][turn], 201),
            (["/a.tar.gz.br", "/a.tar.gz.zst"][turn], 201),
            (["/.gz", "/.br"][turn], 403),
        ] {
            let reply = ask(&server, put(target, "", "uploaded"));
            assert_eq!(reply.status(), status, "{target}: {}", reply.text());
        }
        let reply = ask(&server, put("/app.js.br", "", "uploaded"));
        let told = "app.js.br would be sent for app.js, which is there";
        assert_eq!((reply.status(), reply.reason()), (409, told));
        // A status line has no letters beyond ISO 8859-1.
        site.write("\u{3b1}.js", "");
        let reply = ask(&server, put("/%CE%B1.js.br", "", "uploaded"));
        let told = "A file would be sent for another, which is there";
        assert_eq!((reply.status(), reply.reason()), (409, told));
        let reply = ask(&server, put("/nowhere/", "", "uploaded"));
        let told = "A name that ends with / is no file";
        assert_eq!((reply.status(), reply.reason()), (409, told));
        // It is known before the body comes.
        let early = put("/app.js.gz", "Expect: 100-continue\r\nConnection: close\r\n", "");
        assert_eq!(ask(&server, early).status(), 409);
        for coding in ["gzip", "br", "zstd"] {
            let fields = format!("Accept-Encoding: {coding}\r\n");
            let get = format!("GET /app.js HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
            assert_eq!(ask(&server, get).text(), "owner", "{coding}");
        }
        // The original may come behind it.
        let original = format!("/other{turn}.js");
        assert_eq!(ask(&server, put(&original, "", "original")).status(), 201);
    }
    // Where files may be replaced, and where no file stands for another.
    let replacing = site.handler().precompressed().uploads(Uploads::default().replace(true));
    let plain = site.handler().uploads(Uploads::default());
    for (handler, target) in [(replacing, "/app.js.br"), (plain, "/app.js.gz")] {
        let server = serve(noting(handler).http11());
        assert_eq!(ask(&server, put(target, "", "uploaded")).status(), 201, "{target}");
    }
}

#[test]
fn what_is_no_new_file_in_a_directory_that_is_there_is_refused() {
    let outside = Site::empty();
    outside.write("file", "safe");
    for is_confined in [false, true] {
        let site = Site::empty();
        fs::create_dir_all(site.path("sub/.git")).unwrap();
        fs::create_dir_all(site.path(".well-known")).unwrap();
        site.write("file", "");
        symlink(outside.path(""), site.path("out")).unwrap();
        symlink("sub", site.path("in")).unwrap();
        symlink(outside.path("file"), site.path("link")).unwrap();
        symlink(outside.path("new"), site.path("dangling")).unwrap();
        nix::unistd::mkfifo(&site.path("pipe"), nix::sys::stat::Mode::from_bits_truncate(0o600))
            .unwrap();
        let before = (names(&site.path("")), names(&site.path("sub")));
        let long = format!("/{}", "x".repeat(256));
        let longer = format!("/{}/x", "x".repeat(256));
        for replace in [false, true] {
            let files = site.handler().uploads(Uploads::default().replace(replace));
            let server = serve(noting(if is_confined { files.confined() } else { files }).http11());
            for (target, status) in [
                ("/.hidden", 403),
                ("/sub/.git/config", 403),
                ("/%2ehidden", 403),
                ("/.well-known/x", 403),
                ("/.socketserver-upload-0123456789abcdef", 403),
                ("/a%00b", 403),
                ("/a%0ab", 403),
                ("/a%7f", 403),
                ("/a%5cb", 403),
                ("/%20a", 403),
                ("/a%20", 403),
                ("/%ff", 403),
                (&long, 403),
                (&longer, 403),
                ("*", 400),
                ("/", 409),
                ("", 400),
                ("/sub", 409),
                ("/sub/", 409),
                ("/new/", 409),
                ("/sub/.", 409),
                ("/sub/new/..", 409),
                ("/..", 409),
                ("/missing/a", 409),
                ("/file/a", 409),
                ("/pipe", 409),
                ("/pipe/a", 409),
                ("/link", 409),
                ("/link/a", 409),
                ("/dangling", 409),
                ("/dangling/a", 409),
                ("/out", 409),
                ("/out/new", 409),
                ("/out/file", 409),
                ("/in/new", 409),
                ("/sub/../out/new", 409),
                ("/../../out/new", 409),
            ] {
                let reply = ask(&server, put(target, "", "x"));
                let found = reply.status();
                assert_eq!(found, status, "{target}: {}", reply.head);
                let after = (names(&site.path("")), names(&site.path("sub")));
                assert_eq!(after, before, "{target}");
            }
        }
        assert_eq!(names(&outside.path("")), ["file"]);
        assert_eq!(content(&outside, "file"), "safe");
    }
}

#[test]
fn bodies_that_are_no_whole_file_are_refused_and_leave_nothing() {
    let site = Site::empty();
    let server = taking(&site, Uploads::default().limit(10).replace(true));
    let request = |rest: &str| format!("PUT /a HTTP/1.1\r\nHost: h\r\n{rest}");
    for (rest, status) in [
        ("Content-Length: 3\r\nContent-Range: bytes 0-2/9\r\n\r\nabc", 400),
        ("Content-Length: 3\r\nContent-Range: x\r\n\r\nabc", 400),
        ("Content-Length: 9\r\n\r\ncut", 400),
        ("Transfer-Encoding: chunked\r\n\r\n3\r\ncut", 400),
        ("Transfer-Encoding: chunked\r\n\r\nx\r\n", 400),
        ("\r\n", 411),
        ("Content-Length: 11\r\n\r\n", 413),
        ("Content-Length: 18446744073709551615\r\n\r\n", 413),
        ("Transfer-Encoding: chunked\r\n\r\nb\r\n", 413),
        ("Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n1\r\n", 413),
        ("Content-Length: 3\r\nContent-Encoding: gzip\r\n\r\nabc", 415),
        ("Content-Length: 3\r\nContent-Encoding: identity, gzip\r\n\r\nabc", 415),
        ("Content-Length: 3\r\nContent-Encoding: identity\r\n\r\nabc", 201),
        ("Content-Length: 10\r\n\r\n0123456789", 204),
        ("Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n", 204),
    ] {
        let mut browser = Browser::connect(&server);
        browser.send(request(rest));
        browser.client.finish_sending();
        let reply = browser.reply();
        assert_eq!(reply.status(), status, "{rest}: {}", reply.head);
        if status >= 400 {
            assert_eq!(names(&site.path("")), [""; 0], "{rest}");
            assert_eq!(reply.header("Connection"), Some("close"), "{rest}");
        }
    }
    assert_eq!(content(&site, "a"), "0123456789");
}

#[test]
fn conditions_decide_whether_a_file_is_replaced() {
    // The content of a small one is in its tag.
    side_by_side([0, 20_000], conditions_of);
}

fn conditions_of(more: usize) {
    let site = Site::empty();
    let server = taking(&site, Uploads::default().replace(true));
    let mut tag = String::new();
    for (fields, status) in [
        ("If-Match: *\r\n", 412),
        ("If-Match: \"x\"\r\n", 412),
        ("If-None-Match: *\r\n", 201),
        ("If-None-Match: *\r\n", 412),
        ("If-Match: \"x\"\r\n", 412),
        ("If-Match: W/TAG\r\n", 412),
        ("If-None-Match: W/TAG\r\n", 412),
        // Not a list of tags, nor `*` alone: it may mean that nothing is to be replaced.
        ("If-None-Match: *\r\nIf-None-Match: *\r\n", 412),
        ("If-None-Match: *,\r\n", 412),
        ("If-None-Match: \"x\", *\r\n", 412),
        ("If-None-Match: x\r\n", 412),
        // At once: an upload has a tag from the beginning.
        ("If-Match: TAG\r\n", 204),
        ("If-Match: OLD\r\n", 412),
        ("If-Match: \"x\", TAG\r\n", 204),
        ("If-Match: *\r\n", 204),
        ("If-None-Match: \"x\"\r\n", 204),
        ("If-None-Match: \"x\",\r\nIf-None-Match: , W/\"y\"\r\n", 204),
        ("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 412),
    ] {
        let old = tag.clone();
        let fields = fields.replace("TAG", &tag).replace("OLD", "\"0123456789abcdef\"");
        let body = format!("{fields}{old}{}", "x".repeat(more));
        let reply = ask(&server, put("/a", &fields, &body));
        assert_eq!(reply.status(), status, "{fields}: {}", reply.head);
        if status < 300 {
            tag = reply.header("ETag").unwrap().to_owned();
            assert_ne!(tag, old);
            assert_eq!(content(&site, "a"), body);
        }
    }
    // It is the tag that the file has for readers, too, once its age tells that it will change.
    eventually(|| {
        let reply = ask(&server, "HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n");
        reply.header("ETag").is_some_and(|found| {
            assert_eq!(found, tag);
            true
        })
    });
    site.write("a", "changed");
    assert_eq!(ask(&server, put("/a", &format!("If-Match: {tag}\r\n"), "")).status(), 412);
    assert_eq!(content(&site, "a"), "changed");
}

#[test]
fn what_is_known_to_fail_is_answered_before_the_body_is_asked_for() {
    let site = Site::empty();
    site.write("there", "");
    let server = taking(&site, Uploads::default().limit(10));
    for (target, fields, status) in [
        ("/a", "Content-Length: 11\r\n", 413),
        ("/there", "Content-Length: 3\r\n", 409),
        ("/.a", "Content-Length: 3\r\n", 403),
        ("/missing/a", "Content-Length: 3\r\n", 409),
        ("/a", "Content-Length: 3\r\nIf-Match: *\r\n", 412),
        ("/a", "Content-Length: 3\r\nContent-Range: bytes 0-2/9\r\n", 400),
        ("/a", "Content-Length: 3\r\nContent-Encoding: br\r\n", 415),
        ("/a", "Content-Length: 3\r\nOrigin: http://evil\r\n", 403),
    ] {
        let head = format!("PUT {target} HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n{fields}");
        let reply = ask(&server, format!("{head}\r\n"));
        assert_eq!(reply.status(), status, "{target} {fields}: {}", reply.head);
    }
    let mut browser = Browser::connect(&server);
    let head = "PUT /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    assert_eq!(browser.ask(head).status(), 100);
    assert_eq!(browser.ask("abc").status(), 201);
    assert_eq!(content(&site, "a"), "abc");
}

#[test]
fn pages_of_other_origins_may_not_upload_and_programs_may() {
    let site = Site::empty();
    let uploads = Uploads::default().replace(true);
    let server = taking(&site, uploads);
    let sharing = |origins: &[&str]| {
        let cors = Cors::new(site.handler().uploads(uploads));
        let cors = origins.iter().try_fold(cors, |cors, origin| cors.only_for(origin)).unwrap();
        serve(noting(cors).http11())
    };
    let (all, one) = (sharing(&[]), sharing(&["https://one.example", "null"]));
    let status = |server, fields: &str| ask(server, put("/a", fields, "x")).status() / 100;
    for (fields, takes, one_takes) in [
        ("", 2, 2),
        ("Origin: http://h\r\n", 2, 2),
        ("Sec-Fetch-Site: same-origin\r\n", 2, 2),
        // Behind a proxy that does not pass the host on.
        ("Sec-Fetch-Site: same-origin\r\nOrigin: https://public.example\r\n", 2, 2),
        ("Sec-Fetch-Site: none\r\n", 2, 2),
        ("Sec-Fetch-Site: same-site\r\nOrigin: http://h\r\n", 4, 4),
        ("Sec-Fetch-Site: cross-site\r\n", 4, 4),
        // Any page can have a frame with this origin, named or not.
        ("Origin: null\r\n", 4, 4),
        ("Sec-Fetch-Site: cross-site\r\nOrigin: null\r\n", 4, 4),
        ("Origin: http://evil.example\r\n", 4, 4),
        ("Origin: http://h\r\nOrigin: http://h\r\n", 4, 4),
        ("Origin: https://one.example\r\n", 4, 2),
        ("Sec-Fetch-Site: cross-site\r\nOrigin: https://one.example\r\n", 4, 2),
    ] {
        // That every page may read does not let it write.
        let found = [status(&server, fields), status(&all, fields), status(&one, fields)];
        assert_eq!(found, [takes, takes, one_takes], "{fields}");
    }
}

#[test]
fn files_that_are_arriving_are_neither_served_nor_listed() {
    let site = Site::empty();
    let name = ".socketserver-upload-0000000000000000";
    site.write(name, "half");
    site.write(".other", "");
    // As a file system that ignores the case of letters has it, too.
    site.write(name.to_uppercase(), "half");
    let server = taking(&site, Uploads::default());
    // Nor by a server that takes none: what another one has left may be half a file.
    for handler in [
        site.handler().uploads(Uploads::default()),
        site.handler().uploads(Uploads::default()).confined(),
        site.handler(),
        site.handler().confined(),
    ] {
        let server = serve(handler);
        for path in [
            name,
            &format!("./{name}?q"),
            &name.to_uppercase(),
            &name.replace('.', "%2E"),
            &format!("{name}/"),
        ] {
            let reply = ask(&server, format!("GET /{path} HTTP/1.0\r\n\r\n"));
            assert_eq!(reply.status(), 404, "{path}");
        }
        let listing = ask(&server, "GET / HTTP/1.0\r\n\r\n");
        assert!(
            !listing.text().to_lowercase().contains("upload-") && listing.text().contains(".other")
        );
    }
    // One that a killed server has left goes when another file comes.
    assert_eq!(ask(&server, put("/a", "", "")).status(), 201);
    assert_eq!(names(&site.path("")), [".SOCKETSERVER-UPLOAD-0000000000000000", ".other", "a"]);
}

#[test]
fn programs_are_not_uploaded() {
    let site = Site::empty();
    fs::create_dir_all(site.path("cgi-bin/sub")).unwrap();
    let script = site.write("cgi-bin/script", "#!/bin/sh\necho Content-Type: text/plain\necho\n");
    fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
    symlink("cgi-bin", site.path("way")).unwrap();
    let files = site.handler().uploads(Uploads::default().replace(true));
    let server = serve(noting(CgiHttpRequestHandler::from(files)).http11());
    for (target, status) in [
        ("/cgi-bin/script", 403),
        ("/cgi-bin/new", 403),
        ("/cgi-bin/sub/new", 403),
        ("/CGI-BIN/new", 403),
        ("/cgi-bin%2fscript", 403),
        ("/%63gi-bin/script", 403),
        ("/x/../cgi-bin/script", 403),
        ("//cgi-bin//script", 403),
        ("/cgi-bin/../cgi-bin/script", 403),
        ("http://h/cgi-bin/script", 403),
        ("/way/script", 403),
        ("/way/new", 403),
        ("/cgi-bin/../new", 201),
    ] {
        for expect in ["", "Expect: 100-continue\r\n"] {
            let mut browser = Browser::connect(&server);
            let mut reply = browser.ask(put(target, expect, "x"));
            if reply.status() == 100 {
                reply = browser.reply();
            }
            let status = if status == 201 && !expect.is_empty() { 204 } else { status };
            assert_eq!(reply.status(), status, "{target}: {}", reply.head);
        }
    }
    assert!(content(&site, "cgi-bin/script").starts_with("#!"));
    let post = "POST /cgi-bin/script HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx";
    assert_eq!(ask(&server, post).status(), 200);
    assert_eq!(names(&site.path("cgi-bin")), ["script", "sub"]);
}

#[test]
fn a_full_disk_is_507_and_leaves_nothing() {
    let name = "puts::a_full_disk_is_507_and_leaves_nothing";
    in_a_process_of_its_own(name, || {
        // Instead of the signal, the write fails.
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGXFSZ);
        signals.thread_block().unwrap();
        let site = Site::empty();
        let uploads = Uploads::default().limit(u64::MAX);
        let handler = noting(site.handler().uploads(uploads)).http11();
        let failed = handler.errors.clone();
        let server = Running::start(bind::<Sequential, _>(handler));
        let send = |length: usize| ask(&server, put("/a", "", &"x".repeat(length)));
        let before = open_descriptors();
        setrlimit(Resource::RLIMIT_FSIZE, 100_000, 100_000).unwrap();
        for _ in 0..3 {
            let reply = send(200_000);
            assert_eq!((reply.status(), reply.reason()), (507, "No room for the body"));
            assert_eq!(names(&site.path("")), [""; 0]);
        }
        // More than any disk has is not even begun.
        let reply = ask(
            &server,
            "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 9000000000000000000\r\n\r\n",
        );
        assert_eq!(reply.status(), 507);
        assert_eq!(send(90_000).status(), 201);
        assert_eq!(failed.so_far(), Vec::<String>::new());
        server.stop();
        assert!(open_descriptors() <= before);
    });
}

#[test]
fn a_directory_that_may_not_be_written_to_is_403() {
    let name = "puts::a_directory_that_may_not_be_written_to_is_403";
    in_a_process_of_its_own(name, || {
        let site = Site::empty();
        for directory in ["closed", "open", "sticky"] {
            fs::create_dir(site.path(directory)).unwrap();
            fs::write(site.path(directory).join("kept"), "old").unwrap();
        }
        // Everybody may write to the file, and only its owner may replace it.
        fs::set_permissions(site.path("sticky"), Permissions::from_mode(0o1777)).unwrap();
        fs::set_permissions(site.path("sticky/kept"), Permissions::from_mode(0o666)).unwrap();
        let is_root = nix::unistd::geteuid().is_root();
        if is_root {
            for path in ["", "open"] {
                nix::unistd::chown(&site.path(path), Some(65_534.into()), None).unwrap();
            }
            nix::unistd::setresuid(65_534.into(), 65_534.into(), 65_534.into()).unwrap();
        } else {
            fs::set_permissions(site.path("closed"), Permissions::from_mode(0o555)).unwrap();
            fs::set_permissions(site.path("open/kept"), Permissions::from_mode(0o444)).unwrap();
        }
        let server = taking(&site, Uploads::default().replace(true));
        for (target, status) in
            [("/closed/new", 403), ("/closed/kept", 403), ("/open/kept", 403), ("/open/new", 201)]
        {
            let reply = ask(&server, put(target, "", "x"));
            assert_eq!(reply.status(), status, "{target}: {}", reply.head);
        }
        assert_eq!(content(&site, "open/kept"), "old");
        if is_root {
            let head = "PUT /sticky/kept HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\
                        Content-Length: 1\r\n\r\n";
            assert_eq!(ask(&server, head).status(), 403);
            assert_eq!(content(&site, "sticky/kept"), "old");
        }
        // What is its own it replaces.
        assert_eq!(ask(&server, put("/sticky/new", "", "x")).status(), 201);
        assert_eq!(ask(&server, put("/sticky/new", "", "y")).status(), 204);
    });
}

#[test]
fn a_prefix_is_no_part_of_a_files_path() {
    let site = Site::empty();
    let handler = UrlPrefix::new(site.handler().uploads(Uploads::default()), "/x").unwrap();
    let server = serve(noting(handler).http11());
    let reply = ask(&server, put("/x/a", "", "hello"));
    assert_eq!((reply.status(), reply.header("Location")), (201, Some("a")));
    assert_eq!(ask(&server, put("/b", "", "hello")).status(), 404);
    assert_eq!(names(&site.path("")), ["a"]);
}

#[test]
fn handlers_that_answer_put_themselves_are_asked() {
    struct Own(SimpleHttpRequestHandler);
    impl socketserver::http::HttpRequestHandler for Own {
        fn base(&self) -> &dyn socketserver::http::HttpRequestHandler {
            &self.0
        }

        fn do_put(&self, http: &mut socketserver::http::Exchange<'_>) -> std::io::Result<()> {
            http.set_remote_user("ada");
            self.0.do_put(http)
        }
    }
    let site = Site::empty();
    let server = serve(noting(Own(site.handler().uploads(Uploads::default()))).http11());
    let reply: Reply = ask(&server, put("/a", "", "x"));
    assert_eq!(reply.status(), 201);
}
