//! Handlers of one file, in the library and as the command has them with `-d FILE`.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use socketserver::http::{CgiHttpRequestHandler, SimpleHttpRequestHandler, Uploads};

use crate::cli::{COMMAND, Serving, fails};
use crate::cli_asked::{WAYS, ask as ask_command};
use crate::conditions::request;
use crate::puts::{names, put};
use crate::support::Running;
use crate::web::{Site, ask, get, noting, serve, set_modified};

/// Serves a file of a directory that has others.
fn serve_one(site: &Site, name: &str) -> Running {
    for (name, content) in [("a.txt", "hello\n"), ("b.txt", "other\n"), ("index.html", "index\n")] {
        site.write(name, content);
    }
    fs::create_dir(site.path("sub")).unwrap();
    site.write("sub/a.txt", "below\n");
    serve(noting(SimpleHttpRequestHandler::file(site.path(name))))
}

#[test]
fn one_file_is_served_at_the_root_and_by_its_name() {
    let site = Site::empty();
    let server = serve_one(&site, "a.txt");
    for target in ["/", "/a.txt", "//", "/?q", "/a.txt?q#f", "/%61.txt", "/x/../a.txt", "/./"] {
        let reply = ask(&server, get(target));
        assert_eq!((reply.status(), reply.text()), (200, "hello\n"), "{target}");
        assert_eq!(reply.header("Content-type"), Some("text/plain"), "{target}");
    }
    for target in [
        "/b.txt",
        "/index.html",
        "/sub",
        "/sub/",
        "/sub/a.txt",
        "/a.txt/",
        "/a.txt/a.txt",
        "/a",
        "/../a.txt/..%2fb.txt",
        "/%2e%2e/b.txt",
        "/.",
        "/..%00",
    ] {
        let status = ask(&server, get(target)).status();
        // Dots are resolved: this is the root.
        assert_eq!(status, if target == "/." { 200 } else { 404 }, "{target}");
    }
    // It goes, and comes again.
    fs::remove_file(site.path("a.txt")).unwrap();
    assert_eq!(ask(&server, get("/")).status(), 404);
    fs::create_dir(site.path("a.txt")).unwrap();
    for target in ["/", "/a.txt", "/a.txt/"] {
        assert_eq!(ask(&server, get(target)).status(), 404, "a directory: {target}");
    }
    fs::remove_dir(site.path("a.txt")).unwrap();
    site.write("a.txt", "again\n");
    assert_eq!(ask(&server, get("/")).text(), "again\n");
}

#[test]
fn what_is_no_file_serves_nothing() {
    for path in ["/", "..", ".", "", "src", "src/"] {
        let files = SimpleHttpRequestHandler::file(path);
        for files in [files.clone(), files.confined()] {
            let server = serve(noting(files));
            for target in ["/", "/src", "/src/", "/Cargo.toml", "/lib.rs", "/src/lib.rs"] {
                assert_eq!(ask(&server, get(target)).status(), 404, "{path}: {target}");
            }
        }
    }
    // A path of one name is of the current directory.
    for path in ["LICENSE-MIT", "./LICENSE-MIT", "src/../LICENSE-MIT"] {
        for files in
            [SimpleHttpRequestHandler::file(path), SimpleHttpRequestHandler::file(path).confined()]
        {
            let server = serve(noting(files));
            for target in ["/", "/LICENSE-MIT"] {
                assert_eq!(ask(&server, get(target)).status(), 200, "{path}: {target}");
            }
            assert_eq!(ask(&server, get("/LICENSE-APACHE")).status(), 404);
        }
    }
}

#[test]
fn one_file_is_answered_by_conditions_and_in_parts() {
    let site = Site::empty();
    let server = serve_one(&site, "a.txt");
    set_modified(
        &site.path("a.txt"),
        std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_000),
    );
    crate::support::eventually(|| ask(&server, get("/")).header("ETag").is_some());
    let tag = ask(&server, get("/")).header("ETag").unwrap().to_owned();
    for target in ["/", "/a.txt"] {
        let asked = |method, field| ask(&server, request(method, target, &[field]));
        assert_eq!(asked("GET", ("If-None-Match", &tag)).status(), 304);
        assert_eq!(asked("GET", ("If-Match", "\"x\"")).status(), 412);
        let part = asked("GET", ("Range", "bytes=1-2"));
        assert_eq!((part.status(), part.text()), (206, "el"));
        assert_eq!(asked("GET", ("Range", "bytes=9-")).status(), 416);
        let head = asked("HEAD", ("Accept", "*/*"));
        assert_eq!((head.status(), head.text()), (200, ""));
        assert_eq!(head.header("Content-Length"), Some("6"));
        assert_eq!(asked("POST", ("Accept", "*/*")).status(), 501);
    }
}

#[test]
fn one_file_is_confined_and_hidden_as_others_are() {
    let site = Site::empty();
    site.write("outside", "outside\n");
    fs::create_dir(site.path("in")).unwrap();
    site.write("in/.hidden", "hidden\n");
    site.write("in/near", "near\n");
    symlink("../outside", site.path("in/out")).unwrap();
    symlink("near", site.path("in/link")).unwrap();
    let file = |name: &str| SimpleHttpRequestHandler::file(site.path("in").join(name));
    for (files, name, status) in [
        (file("out"), "out", 200),
        (file("out").confined(), "out", 404),
        (file("link").confined(), "link", 200),
        (file(".hidden"), ".hidden", 200),
        (file(".hidden").hiding_dot_files(), ".hidden", 404),
    ] {
        let server = serve(noting(files));
        for target in ["/", &format!("/{name}")] {
            assert_eq!(ask(&server, get(target)).status(), status, "{name}: {target}");
        }
        assert_eq!(ask(&server, get("/near")).status(), 404);
    }
}

#[test]
fn no_program_and_no_compressed_neighbour_comes_with_one_file() {
    let site = Site::empty();
    fs::create_dir(site.path("cgi-bin")).unwrap();
    site.write("cgi-bin/env", "#!/bin/sh\necho; echo ran\n");
    fs::set_permissions(
        site.path("cgi-bin/env"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    site.write("a.js", "plain");
    site.write("a.js.gz", "zipped");
    let files = SimpleHttpRequestHandler::file(site.path("a.js")).precompressed();
    let server = serve(noting(CgiHttpRequestHandler::from(files)));
    for target in ["/cgi-bin/env", "/cgi-bin/", "/a.js.gz"] {
        assert_eq!(ask(&server, get(target)).status(), 404, "{target}");
    }
    let reply = ask(&server, request("GET", "/", &[("Accept-Encoding", "gzip")]));
    assert_eq!(reply.text(), "plain");
}

#[test]
fn no_other_file_is_taken_beside_one() {
    let site = Site::empty();
    let uploads = Uploads::default().replace(true);
    let server = serve(noting(SimpleHttpRequestHandler::file(site.path("a")).uploads(uploads)));
    for (target, status) in [("/b", 403), ("/", 409), ("/a", 201), ("/a", 204), ("/a/b", 403)] {
        assert_eq!(ask(&server, put(target, "", "x")).status(), status, "{target}");
    }
    assert_eq!(names(&site.path("")), ["a"]);
}

fn command(path: &Path, arguments: &[&str]) -> Serving {
    let mut command = Command::new(COMMAND);
    command.args(["0", "-b", "127.0.0.1"]).args(arguments).arg("-d").arg(path);
    Serving::spawn(&mut command).unwrap()
}

#[test]
fn the_command_serves_one_file() {
    let site = Site::empty();
    let name = b"a b\xff\n'.txt";
    let path = site.path(OsStr::from_bytes(name));
    fs::write(&path, "hello\n").unwrap();
    site.write("other", "other\n");
    let escaped: String = name.iter().map(|byte| format!("%{byte:02x}")).collect();
    for way in WAYS {
        for (prefix, options) in [("", &[][..]), ("/x", &["--url-prefix", "/x", "--confine"])] {
            let serving = command(&path, &[way, options].concat());
            for (path, status) in [("/", 200), (&*format!("/{escaped}"), 200), ("/other", 404)] {
                for (method, body) in [("GET", "hello\n"), ("HEAD", "")] {
                    let request = format!("{method} {prefix}{path} HTTP/1.0\r\n\r\n");
                    let reply = ask_command(&serving, &request);
                    let is_as_due = reply.starts_with(&format!("HTTP/1.0 {status} "));
                    assert!(is_as_due, "{way:?} {request}: {reply}");
                    assert!(status != 200 || reply.ends_with(&format!("\r\n\r\n{body}")));
                }
            }
            assert_eq!(serving.stop(Signal::SIGTERM).status, Some(0));
        }
    }
}

#[test]
fn what_one_file_does_not_have_is_told_in_one_line() {
    let site = Site::empty();
    site.write(".hidden", "");
    symlink(".hidden", site.path("link")).unwrap();
    let hidden = site.path(".hidden").display().to_string();
    let link = site.path("link").display().to_string();
    for option in [&["--cgi"][..], &["--listing", "table"], &["--upload"]] {
        let said = fails(&[&["0", "-d", &hidden], option].concat(), 2);
        let line = format!("{} needs a directory, and '{hidden}' is a file", option[0]);
        assert_eq!(said, format!("socketserver: {line}\n"));
    }
    for (arguments, line) in [
        (
            &["-d", &hidden, "--hide-dot-files"][..],
            format!("--hide-dot-files would hide '{hidden}'; leave it out"),
        ),
        (
            &["-d", &link, "--confine"],
            format!("with --confine, name the file that '{link}' leads to"),
        ),
    ] {
        let said = fails(&[&["0"], arguments].concat(), 2);
        assert_eq!(said, format!("socketserver: {line}\n"));
    }
}
