//! A directory that nothing leads out of, and files that are not for everybody.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use socketserver::http::SimpleHttpRequestHandler;
use tempfile::TempDir;

use crate::support::Running;
use crate::web::{Reply, ask, get, noting, serve};

/// A directory `site` beside a directory `outside` with a secret in it.
fn site() -> (TempDir, SimpleHttpRequestHandler) {
    let above = tempfile::tempdir().unwrap();
    let (site, outside) = (above.path().join("site"), above.path().join("outside"));
    fs::create_dir_all(site.join("sub")).unwrap();
    fs::create_dir_all(&outside).unwrap();
    fs::write(site.join("file"), "inside\n").unwrap();
    fs::write(site.join("sub/page"), "page\n").unwrap();
    fs::write(outside.join("secret"), "secret\n").unwrap();
    fs::write(outside.join("index.html"), "secret index\n").unwrap();
    let files = SimpleHttpRequestHandler::new(site);
    (above, files)
}

#[track_caller]
fn fetch(server: &Running, target: &str) -> Reply {
    ask(server, get(target))
}

fn link(above: &TempDir, name: &str, target: impl AsRef<Path>) {
    symlink(target, above.path().join("site").join(name)).unwrap();
}

#[test]
fn confined_files_are_reached_by_links_that_stay_inside() {
    let (above, files) = site();
    link(&above, "near", "file");
    link(&above, "way", "sub");
    link(&above, "sub/back", "../file");
    let server = serve(noting(files.confined()));
    for (target, body) in [
        ("/file", "inside\n"),
        ("/sub/page", "page\n"),
        ("/near", "inside\n"),
        ("/way/page", "page\n"),
        ("/sub/back", "inside\n"),
        ("/sub/../file", "inside\n"),
    ] {
        let reply = fetch(&server, target);
        assert_eq!((reply.status(), reply.text()), (200, body), "{target}");
    }
}

#[test]
fn confined_files_end_where_the_directory_does() {
    let (above, files) = site();
    link(&above, "up", "../outside/secret");
    link(&above, "whole", above.path().join("outside"));
    link(&above, "root", "/");
    link(&above, "proc", "/proc/self/root");
    link(&above, "sub/index.html", "../../outside/index.html");
    link(&above, "loop", "loop");
    let open = serve(noting(files.clone()));
    let confined = serve(noting(files.confined()));
    for target in
        ["/up", "/whole/", "/whole/secret", "/root/etc/passwd", "/root/", "/proc/etc/passwd"]
    {
        assert_eq!(fetch(&open, target).status(), 200, "{target} without");
        assert_eq!(fetch(&confined, target).status(), 404, "{target}");
    }
    assert_eq!(fetch(&confined, "/loop").status(), 404);
    assert_eq!(fetch(&open, "/sub/").text(), "secret index\n");
    // An index page outside is none; the directory is listed.
    let listing = fetch(&confined, "/sub/").text().to_owned();
    assert!(listing.contains("<a href=\"page\">page</a>"), "{listing}");
    let listing = fetch(&confined, "/").text().to_owned();
    for item in [
        "<li><a href=\"file\">file</a></li>",
        "<li><a href=\"sub/\">sub/</a></li>",
        // What a link leads to outside is not told.
        "<li><a href=\"whole\">whole@</a></li>",
    ] {
        assert!(listing.contains(item), "{item}: {listing}");
    }
}

#[test]
fn no_moment_between_the_look_and_the_opening_leads_outside() {
    let (above, files) = site();
    let site = above.path().join("site");
    fs::write(site.join("sub/secret"), "inside\n").unwrap();
    let server = serve(noting(files.confined()));
    let stop = Arc::new(AtomicBool::new(false));
    let changing = thread::spawn({
        let (stop, site) = (Arc::clone(&stop), site.clone());
        move || {
            symlink("../outside", site.join("link")).unwrap();
            while !stop.load(Ordering::Relaxed) {
                // `sub` is a directory inside, then a link to one outside, and so on.
                fs::rename(site.join("sub"), site.join("aside")).unwrap();
                fs::rename(site.join("link"), site.join("sub")).unwrap();
                fs::rename(site.join("sub"), site.join("link")).unwrap();
                fs::rename(site.join("aside"), site.join("sub")).unwrap();
            }
        }
    });
    let mut found = 0;
    for _ in 0..2_000 {
        let reply = fetch(&server, "/sub/secret");
        assert!(!reply.text().contains("secret\n"), "{}", reply.text());
        found += usize::from(reply.status() == 200);
    }
    stop.store(true, Ordering::Relaxed);
    changing.join().unwrap();
    assert!(found > 0, "never seen inside");
}

#[test]
fn dot_files_can_be_hidden() {
    let (above, files) = site();
    let site = above.path().join("site");
    for name in [".git", ".well-known", "..data"] {
        fs::create_dir(site.join(name)).unwrap();
        fs::write(site.join(name).join("config"), "hidden\n").unwrap();
    }
    fs::write(site.join(".htpasswd"), "hidden\n").unwrap();
    for confined in [false, true] {
        let shown = if confined { files.clone().confined() } else { files.clone() };
        let shown = serve(noting(shown));
        assert_eq!(fetch(&shown, "/.git/config").text(), "hidden\n");
        assert!(fetch(&shown, "/").text().contains(".htpasswd"));

        let hiding = files.clone().hiding_dot_files();
        let hiding = serve(noting(if confined { hiding.confined() } else { hiding }));
        for target in [
            "/.git",
            "/.git/",
            "/.git/config",
            "/.htpasswd",
            "/%2ehtpasswd",
            "/..data/config",
            "/sub/../.htpasswd",
        ] {
            assert_eq!(fetch(&hiding, target).status(), 404, "{target}");
        }
        assert_eq!(fetch(&hiding, "/.well-known/config").text(), "hidden\n");
        let listing = fetch(&hiding, "/").text().to_owned();
        assert!(listing.contains(".well-known") && !listing.contains(".git"), "{listing}");
        assert!(!listing.contains(".htpasswd") && !listing.contains("..data"), "{listing}");
    }
}

#[test]
fn a_relative_directory_can_be_confined() {
    for directory in ["", ".", "./tests/it", "tests/it/"] {
        let files = SimpleHttpRequestHandler::new(directory).confined();
        let target = if directory.contains("it") { "/main.rs" } else { "/tests/it/main.rs" };
        let server = serve(noting(files));
        assert!(
            fetch(&server, target).text().starts_with("//! The integration tests"),
            "{directory}"
        );
        assert_eq!(fetch(&server, "/").status(), 200, "{directory}");
    }
}
