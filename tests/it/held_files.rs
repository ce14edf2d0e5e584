//! Handlers that hold file handlers: each serves its own directory, whatever holds it.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use socketserver::http::{
    Defaults, Directory, Exchange, FileHooks, HttpRequestHandler, NoFile, SimpleHttpRequestHandler,
};
use tempfile::TempDir;

use crate::web::{Site, answer, answering, ask, get, noting, serve};

/// Directories `assets` and `media` beside a file `secret`, each with links to it and hidden files.
fn directories() -> TempDir {
    let above = tempfile::tempdir().unwrap();
    fs::write(above.path().join("secret"), "secret\n").unwrap();
    for name in ["assets", "media"] {
        let directory = above.path().join(name);
        fs::create_dir_all(directory.join("sub")).unwrap();
        fs::write(directory.join("which.txt"), name).unwrap();
        fs::write(directory.join(".hidden"), "hidden\n").unwrap();
        fs::write(directory.join(format!("sub/{name}.css")), "a {}\n").unwrap();
        symlink("../secret", directory.join("up")).unwrap();
    }
    above
}

/// Has two directories, and does not say that it extends either of them.
struct Two {
    assets: SimpleHttpRequestHandler,
    media: SimpleHttpRequestHandler,
}

impl HttpRequestHandler for Two {
    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        match http.path.strip_prefix("/media").map(str::to_owned) {
            Some(rest) => {
                http.path = rest;
                self.media.do_get(http)
            }
            None => self.assets.do_get(http),
        }
    }

    fn log_message(&self, _: &Exchange<'_>, _: std::fmt::Arguments<'_>) {}
}

#[test]
fn a_file_handler_that_is_held_without_base_serves_its_own_directory() {
    let above = directories();
    let of = |name: &str| SimpleHttpRequestHandler::new(above.path().join(name));
    let server = serve(Two { assets: of("assets"), media: of("media") });
    for (target, text) in [("/which.txt", "assets"), ("/media/which.txt", "media")] {
        let reply = ask(&server, get(target));
        assert_eq!((reply.status(), reply.text()), (200, text), "{target}");
    }
    // What the working directory has, where `cargo test` runs.
    assert_eq!(ask(&server, get("/Cargo.toml")).status(), 404);
    for (target, name) in [("/sub/", "assets.css"), ("/media/sub/", "media.css")] {
        let listing = ask(&server, get(target));
        assert!(listing.text().contains(&format!(">{name}<")), "{}", listing.text());
    }
}

#[test]
fn two_file_handlers_have_each_a_confinement_of_their_own() {
    let above = directories();
    let of = |name: &str| SimpleHttpRequestHandler::new(above.path().join(name));
    let server =
        serve(Two { assets: of("assets").confined(), media: of("media").hiding_dot_files() });
    for (target, status) in [
        ("/which.txt", 200),
        ("/up", 404),
        ("/.hidden", 200),
        ("/media/which.txt", 200),
        ("/media/up", 200),
        ("/media/.hidden", 404),
    ] {
        assert_eq!(ask(&server, get(target)).status(), status, "{target}");
    }
    assert!(!ask(&server, get("/media/")).text().contains(".hidden"));
}

/// Has one page for all paths.
struct SinglePage;

impl FileHooks for SinglePage {
    fn translate_path(&self, _: &Exchange<'_>, directory: &Path, _: &str) -> PathBuf {
        directory.join("which.txt")
    }
}

#[test]
fn hooks_are_of_the_handler_that_has_them() {
    struct Both {
        assets: SimpleHttpRequestHandler,
        app: SimpleHttpRequestHandler<SinglePage>,
    }
    impl HttpRequestHandler for Both {
        // What is inherited has no say in what the other one finds.
        fn base(&self) -> &dyn HttpRequestHandler {
            &self.app
        }

        fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
            match http.path.strip_prefix("/assets").map(str::to_owned) {
                Some(rest) => {
                    http.path = rest;
                    self.assets.do_get(http)
                }
                None => self.app.do_get(http),
            }
        }
    }
    let above = directories();
    let of = |name: &str| SimpleHttpRequestHandler::new(above.path().join(name));
    let both = Both { assets: of("assets"), app: of("media").with_hooks(SinglePage) };
    let server = serve(noting(both));
    for (target, text) in
        [("/", "media"), ("/any/where", "media"), ("/assets/sub/assets.css", "a {}\n")]
    {
        let reply = ask(&server, get(target));
        assert_eq!((reply.status(), reply.text()), (200, text), "{target}");
    }
    assert_eq!(ask(&server, get("/assets/nope")).status(), 404);
}

#[test]
fn a_hook_lists_what_may_be_served_and_no_more() {
    struct Plain;
    impl FileHooks for Plain {
        fn list_directory(
            &self,
            http: &mut Exchange<'_>,
            directory: &Directory<'_>,
        ) -> io::Result<()> {
            if http.path == "/sub/" {
                return Defaults.list_directory(http, directory);
            }
            let mut text = String::new();
            for entry in directory.entries()? {
                let kind = (entry.is_link, entry.is_directory);
                text += &format!("{} {kind:?}\n", entry.name.to_string_lossy());
            }
            answer(http, text)
        }
    }
    let above = directories();
    let files = SimpleHttpRequestHandler::new(above.path().join("assets"));
    symlink("sub", above.path().join("assets/way")).unwrap();
    symlink("..", above.path().join("assets/above")).unwrap();
    let files = files.confined().hiding_dot_files().with_hooks(Plain);
    let server = serve(noting(files));
    let reply = ask(&server, get("/"));
    let expected = "above (true, false)\nsub (false, true)\nup (true, false)\n\
                    way (true, true)\nwhich.txt (false, false)\n";
    // Without openat2 no link is followed at all.
    let without = expected.replace("way (true, true)", "way (true, false)");
    assert!([expected, &without].contains(&reply.text()), "{}", reply.text());
    assert!(ask(&server, get("/sub/")).text().contains("Directory listing for /sub/"));
}

/// Says what a file handler opens.
fn opened(files: &SimpleHttpRequestHandler, http: &Exchange<'_>) -> String {
    match files.open(http) {
        Ok(mut file) => {
            let name = file.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
            let since = file.modified().elapsed().unwrap();
            assert!(since.as_secs() < 600, "{since:?}");
            let (mut start, mut rest) = ([0; 2], String::new());
            let count = file.read(&mut start).unwrap();
            file.read_to_string(&mut rest).unwrap();
            let start = String::from_utf8_lossy(&start[..count]);
            format!("{name} of {}: {start}|{rest}", file.size())
        }
        Err(NoFile::Directory(path)) => format!("directory {}", path.is_dir()),
        Err(why) => format!("{why:?}"),
    }
}

#[test]
fn what_is_opened_is_checked_before_anything_is_answered() {
    let above = directories();
    let directory = above.path().join("assets");
    fs::create_dir(directory.join("idx")).unwrap();
    fs::write(directory.join("idx/index.html"), "<p>i</p>").unwrap();
    fs::write(directory.join("large"), vec![b'x'; 100_000]).unwrap();
    fs::write(directory.join("empty"), "").unwrap();
    let pipe = directory.join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let open = SimpleHttpRequestHandler::new(directory);
    let strict = open.clone().confined().hiding_dot_files();
    let server = serve(answering(move |http| {
        let files = if http.headers.contains("Strict") { &strict } else { &open };
        let text = opened(files, http);
        answer(http, text)
    }));
    let large = format!("large of 100000: xx|{}", "x".repeat(99_998));
    for (target, loose, confined) in [
        ("/which.txt?q", "which.txt of 6: as|sets", None),
        ("/idx/", "index.html of 8: <p|>i</p>", None),
        ("/large", &large, None),
        ("/empty", "empty of 0: |", None),
        ("/idx", "NoSlash", None),
        ("/sub/", "directory true", None),
        ("/nope", "NotFound", None),
        ("/pipe", "NotFound", None),
        ("/which.txt/", "NotFound", None),
        ("/.hidden", ".hidden of 7: hi|dden\n", Some("NotFound")),
        ("/up", "up of 7: se|cret\n", Some("NotFound")),
    ] {
        for (header, expected) in [("A", loose), ("Strict", confined.unwrap_or(loose))] {
            let request = format!("GET {target} HTTP/1.0\r\n{header}: yes\r\n\r\n");
            assert_eq!(ask(&server, &request).text(), expected, "{target} {header}");
        }
    }
}

#[test]
fn what_is_opened_may_be_sent_under_a_head_of_ones_own() {
    let site = Site::new();
    let files = site.handler();
    let server = serve(answering(move |http| {
        if http.path.starts_with("/strict") {
            http.path = http.path.replace("/strict", "");
            files.open(http)?;
        }
        let file = match files.open(http) {
            Ok(file) => file,
            Err(why) => return files.send_instead(http, why),
        };
        if file.is_unmodified(http) {
            http.send_response(304)?;
            return http.end_headers();
        }
        http.send_response(200)?;
        http.send_header("Content-Length", file.size() + 1)?;
        http.end_headers()?;
        http.wfile.write_all(b">")?;
        file.send(&mut http.wfile)
    }));
    assert_eq!(ask(&server, get("/a.txt")).text(), ">hello world\n");
    let since = "If-Modified-Since: Thu, 02 Jan 2020 03:04:05 GMT";
    let request = format!("GET /a.txt HTTP/1.0\r\n{since}\r\n\r\n");
    assert_eq!(ask(&server, &request).status(), 304);
    assert_eq!(ask(&server, get("/sub")).header("Location"), Some("sub/"));
    assert!(ask(&server, get("/sub/")).text().contains("Directory listing for /sub/"));
    let reply = ask(&server, get("/nope"));
    assert_eq!((reply.status(), reply.reason()), (404, "File not found"));
    // By `?` alone.
    let reply = ask(&server, get("/strict/sub/"));
    assert_eq!((reply.status(), reply.reason()), (404, "File not found"));
    assert_eq!(ask(&server, get("/strict/a.txt")).status(), 200);
}
