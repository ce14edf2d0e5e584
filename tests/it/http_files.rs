//! Files over HTTP: paths, listings, dates, types, and what is no file.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::time::{Duration, UNIX_EPOCH};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use socketserver::http::{
    Defaults, Directory, Exchange, FileHooks, HttpRequestHandler, SimpleHttpRequestHandler,
};

use crate::support::{LIMIT, Running};
use crate::web::{
    Browser, LAST_MODIFIED, MODIFIED, Reply, Site, ask, get, listing_page, masked, noting, serve,
    set_modified, show, talk,
};

/// Asks for a target of these bytes.
#[track_caller]
fn ask_for(server: &Running, target: impl AsRef<[u8]>) -> Reply {
    let request = [b"GET ", target.as_ref(), b" HTTP/1.1\r\nHost: x\r\n\r\n"].concat();
    ask(server, request)
}

// Paths.

#[test]
fn targets_name_files_below_the_root() {
    let site = Site::new();
    fs::write(site.path("100%"), "percent").unwrap();
    fs::write(site.path("a+b;c=d"), "signs").unwrap();
    fs::write(site.path("b\\c"), "backslash").unwrap();
    let server = site.serve();
    for (target, body) in [
        ("/a.txt", "hello world\n"),
        ("a.txt", "hello world\n"),
        ("//a.txt", "hello world\n"),
        ("///a.txt", "hello world\n"),
        ("/./a.txt", "hello world\n"),
        ("/x/../a.txt", "hello world\n"),
        ("/%2e/a.txt", "hello world\n"),
        ("/%61%2Etxt", "hello world\n"),
        ("/../../a.txt", "hello world\n"),
        ("/..%2f..%2Fa.txt", "hello world\n"),
        ("/a.txt?query/..", "hello world\n"),
        ("/a.txt#fragment?/..", "hello world\n"),
        ("/a.txt?#/", "hello world\n"),
        ("/sub//a", "a"),
        ("/sub/./C/../a", "a"),
        ("/sub/l", "a"),
        ("/100%", "percent"),
        ("/100%25", "percent"),
        ("/a+b;c=d", "signs"),
        ("/b\\c", "backslash"),
        ("/b%5cc", "backslash"),
        ("http://x/a.txt", "hello world\n"),
        ("http://other.example:81/a.txt?q", "hello world\n"),
        ("HTTPS://x/sub/a", "a"),
        ("/idx/?x", "<p>i</p>"),
    ] {
        let reply = ask_for(&server, target);
        assert_eq!((reply.status(), reply.text()), (200, body), "{target}");
    }
    for target in [
        "/nope",
        "/a.txt/",
        "/a.txt/x",
        "/a.txt%2f",
        "/%2561.txt",
        "/a.TXT",
        "*",
        "/sub/z",
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/a.txt%00",
        "/%00",
        "/sub%00/",
        "/..%5c..%5cetc",
        "ftp://x/a.txt",
        "/%ff",
        "/sub/../..%00",
    ] {
        let reply = ask_for(&server, target);
        assert_eq!((reply.status(), reply.reason()), (404, "File not found"), "{target}");
    }
    let long = format!("/{}", "x".repeat(5_000));
    assert_eq!(ask_for(&server, long).status(), 404, "ENAMETOOLONG");
}

#[test]
fn a_relative_root_and_one_that_is_missing_are_served_as_they_are() {
    let server = serve(noting(SimpleHttpRequestHandler::new("tests/it")).http11());
    assert_eq!(ask_for(&server, "/main.rs").status(), 200);
    let missing = Site::empty().path("missing");
    let server = serve(noting(SimpleHttpRequestHandler::new(missing)).http11());
    assert_eq!(ask_for(&server, "/").reason(), "File not found");
    let here = SimpleHttpRequestHandler::default();
    assert_eq!(here.directory(), std::env::current_dir().unwrap());
}

#[test]
fn links_are_followed_wherever_they_lead() {
    let (site, outside) = (Site::new(), Site::new());
    symlink(outside.path("a.txt"), site.path("file")).unwrap();
    symlink(outside.path("sub"), site.path("directory")).unwrap();
    symlink("loop", site.path("loop")).unwrap();
    let server = site.serve();
    assert_eq!(ask_for(&server, "/file").text(), "hello world\n");
    assert_eq!(ask_for(&server, "/directory/a").text(), "a");
    assert_eq!(ask_for(&server, "/directory").header("Location"), Some("directory/"));
    assert_eq!(ask_for(&server, "/loop").status(), 404);
}

// Index pages and listings.

#[test]
fn an_index_is_a_regular_file_of_the_right_name() {
    let site = Site::new();
    site.write("empty/index.htm", "htm");
    let server = site.serve();
    assert_eq!(ask_for(&server, "/empty/").text(), "htm");
    site.write("empty/index.html", "html");
    assert_eq!(ask_for(&server, "/empty/").text(), "html");
    fs::remove_file(site.path("empty/index.html")).unwrap();
    mkfifo(&site.path("empty/index.html"), Mode::S_IRWXU).unwrap();
    assert_eq!(ask_for(&server, "/empty/").text(), "htm");
    // Not in another directory's.
    assert!(ask_for(&server, "/spam/").text().contains("index.html/"));
}

#[test]
fn a_listing_shows_any_name() {
    let site = Site::empty();
    for name in [
        &b"plain"[..],
        b"Upper",
        b"with blank",
        b"<b>&\"'",
        b"100%",
        b"q?b#f",
        b"a:b",
        b"back\\slash",
        b"tab\t",
        b"line\nend",
        b".hidden",
        b"~tilde-_.",
        "snow☃".as_bytes(),
        b"raw\xff\xfe",
    ] {
        fs::write(site.path(OsStr::from_bytes(name)), name).unwrap();
    }
    let server = site.serve();
    let page = ask_for(&server, "/").body;
    let items: [&[u8]; 14] = [
        b"<li><a href=\".hidden\">.hidden</a></li>\n",
        b"<li><a href=\"100%25\">100%</a></li>\n",
        b"<li><a href=\"%3Cb%3E%26%22%27\">&lt;b&gt;&amp;\"'</a></li>\n",
        b"<li><a href=\"a%3Ab\">a:b</a></li>\n",
        b"<li><a href=\"back%5Cslash\">back\\slash</a></li>\n",
        b"<li><a href=\"line%0Aend\">line\nend</a></li>\n",
        b"<li><a href=\"plain\">plain</a></li>\n",
        b"<li><a href=\"q%3Fb%23f\">q?b#f</a></li>\n",
        b"<li><a href=\"raw%FF%FE\">raw\xff\xfe</a></li>\n",
        "<li><a href=\"snow%E2%98%83\">snow☃</a></li>\n".as_bytes(),
        b"<li><a href=\"tab%09\">tab\t</a></li>\n",
        b"<li><a href=\"Upper\">Upper</a></li>\n",
        b"<li><a href=\"with%20blank\">with blank</a></li>\n",
        b"<li><a href=\"~tilde-_.\">~tilde-_.</a></li>\n",
    ];
    let empty = listing_page("/", "");
    let (start, end) = empty.split_at(empty.find("</ul>").unwrap());
    let mut expected = items.to_vec();
    expected.sort_by_key(|item| {
        let text = &item[item.windows(2).position(|two| two == b"\">").unwrap() + 2..];
        String::from_utf8_lossy(text).to_lowercase().replace("&lt;", "<")
    });
    assert_eq!(show(&page), show([start.as_bytes(), &expected.concat(), end.as_bytes()].concat()));
    // Every link leads to the file that it names.
    for item in items {
        let link = item[13..].split(|&byte| byte == b'"').next().unwrap();
        let reply = ask_for(&server, [b"/", link].concat());
        assert_eq!(reply.status(), 200, "{}", show(link));
    }
}

#[test]
fn the_title_of_a_listing_is_readable_and_escaped() {
    let site = Site::empty();
    for name in ["a b", "<i>&", "é"] {
        fs::create_dir(site.path(name)).unwrap();
    }
    fs::create_dir(site.path(OsStr::from_bytes(b"\xff"))).unwrap();
    let server = site.serve();
    for (target, title) in [
        ("/a%20b/", "/a b/"),
        ("/%3Ci%3E&/", "/&lt;i&gt;&amp;/"),
        ("/%c3%a9/", "/é/"),
        ("/%ff/", "/\u{fffd}/"),
        ("/a%20b/../%c3%a9/", "/a b/../é/"),
        ("/a%20b/?q#f", "/a b/"),
        ("http://x/a%20b/", "/a b/"),
    ] {
        assert_eq!(ask_for(&server, target).text(), listing_page(title, ""), "{target}");
    }
}

#[test]
fn an_unreadable_directory_and_an_unreadable_file_are_404() {
    let site = Site::new();
    fs::set_permissions(site.path("empty"), fs::Permissions::from_mode(0o0)).unwrap();
    fs::set_permissions(site.path("a.txt"), fs::Permissions::from_mode(0o0)).unwrap();
    if File::open(site.path("a.txt")).is_ok() {
        println!("skipped: this user may read everything");
        return;
    }
    let server = site.serve();
    let reason = ask_for(&server, "/empty/").reason().to_owned();
    assert_eq!(reason, "No permission to list directory");
    assert_eq!(ask_for(&server, "/a.txt").reason(), "File not found");
    fs::set_permissions(site.path("empty"), fs::Permissions::from_mode(0o700)).unwrap();
}

/// Removes each directory that is to be listed.
pub(crate) struct Removing;
impl FileHooks for Removing {
    fn list_directory(&self, http: &mut Exchange<'_>, directory: &Directory<'_>) -> io::Result<()> {
        fs::remove_dir_all(directory.path())?;
        Defaults.list_directory(http, directory)
    }
}

/// A directory that turns out to be none when it is read.
#[test]
fn a_directory_that_cannot_be_listed_is_404() {
    let site = Site::new();
    let server = serve(noting(site.handler().with_hooks(Removing)).http11());
    let reply = ask_for(&server, "/sub/");
    assert_eq!((reply.status(), reply.reason()), (404, "No permission to list directory"));
}

// Dates.

fn conditional(server: &Running, headers: &str) -> Reply {
    ask(server, format!("GET /a.txt HTTP/1.1\r\nHost: x\r\n{headers}\r\n"))
}

#[test]
fn a_client_with_a_recent_copy_is_told_so() {
    let site = Site::new();
    let server = site.serve();
    for (headers, status) in [
        ("If-Modified-Since: Thu, 02 Jan 2020 03:04:05 GMT\r\n", 304),
        ("if-modified-since: Thu, 02 Jan 2020 03:04:05 GMT\r\n", 304),
        ("If-Modified-Since: Thu, 02 Jan 2020 03:04:06 GMT\r\n", 200),
        ("If-Modified-Since: Thu, 02 Jan 2020 03:04:04 GMT\r\n", 200),
        ("If-Modified-Since: Fri, 02 Jan 2099 03:04:05 GMT\r\n", 200),
        ("If-Modified-Since: Mon, 02 Jan 2020 03:04:05 GMT\r\n", 304),
        ("If-Modified-Since: Thu, 02 Jan 2020 03:04:05 UTC\r\n", 304),
        ("If-Modified-Since: Thu, 02 Jan 2020 03:04:05 +0000\r\n", 304),
        ("If-Modified-Since: Thu, 02 Jan 2020 03:04:05 -0000\r\n", 304),
        ("If-Modified-Since: Thu Jan  2 03:04:05 2020\r\n", 304),
        ("If-Modified-Since: Thursday, 02-Jan-20 03:04:05 GMT\r\n", 304),
        ("If-Modified-Since: Thu, 02 Jan 2020 03:04:05 +0100\r\n", 200),
        ("If-Modified-Since: Thu, 02 Jan 2020 03:04:05 EST\r\n", 200),
        ("If-Modified-Since: Thu, 02 Jan 2020 25:04:05 GMT\r\n", 200),
        ("If-Modified-Since: Thu, 02 Jan 10000 03:04:05 GMT\r\n", 200),
        ("If-Modified-Since: junk\r\n", 200),
        ("If-Modified-Since:\r\n", 200),
        ("If-Modified-Since: Thu, 02 Jan 2020 03:04:05 GMT\r\nIf-None-Match: \"x\"\r\n", 200),
        ("If-Modified-Since: Thu, 02 Jan 2020 03:04:05 GMT\r\nIf-None-Match:\r\n", 200),
        ("If-None-Match: *\r\n", 304),
        ("If-Modified-Since: junk\r\nIf-Modified-Since: Thu, 02 Jan 2020 03:04:05 GMT\r\n", 200),
        ("If-Unmodified-Since: Thu, 02 Jan 2010 03:04:05 GMT\r\n", 412),
        ("If-Match: \"x\"\r\n", 412),
    ] {
        assert_eq!(conditional(&server, headers).status(), status, "{headers}");
    }
    let head =
        format!("HEAD /a.txt HTTP/1.1\r\nHost: x\r\nIf-Modified-Since: {LAST_MODIFIED}\r\n\r\n");
    assert_eq!(ask(&server, head).status(), 304);
    // Listings and redirects have no date.
    let since = "If-Modified-Since: Thu, 02 Jan 2020 03:04:05 GMT";
    let listing = ask(&server, format!("GET /sub/ HTTP/1.1\r\nHost: x\r\n{since}\r\n\r\n"));
    assert_eq!((listing.status(), listing.header("Last-Modified")), (200, None));
    let redirect = ask(&server, format!("GET /sub HTTP/1.1\r\nHost: x\r\n{since}\r\n\r\n"));
    assert_eq!(redirect.status(), 301);
}

#[test]
fn a_304_has_only_server_date_and_tag() {
    let site = Site::new();
    let server = site.serve();
    let reply = conditional(&server, &format!("If-Modified-Since: {LAST_MODIFIED}\r\n"));
    let head = String::from_utf8(masked(reply.raw)).unwrap();
    assert_eq!(head, "HTTP/1.1 304 Not Modified\r\n{S}{D}\r\n");
}

/// CPython's test_browser_cache_with_If_None_Match_header and its sisters.
#[test]
fn the_date_of_a_reply_makes_the_next_one_304() {
    let site = Site::new();
    let server = site.serve();
    let date = ask_for(&server, "/a.txt").header("Last-Modified").unwrap().to_owned();
    assert_eq!(date, LAST_MODIFIED);
    let again = conditional(&server, &format!("If-Modified-Since: {date}\r\n"));
    assert_eq!(again.status(), 304);
    set_modified(&site.path("a.txt"), UNIX_EPOCH + MODIFIED + Duration::from_secs(1));
    let changed = conditional(&server, &format!("If-Modified-Since: {date}\r\n"));
    assert_eq!(changed.header("Last-Modified"), Some("Thu, 02 Jan 2020 03:04:06 GMT"));
}

#[test]
fn a_file_from_before_1970_is_served() {
    let site = Site::new();
    set_modified(&site.path("a.txt"), UNIX_EPOCH - Duration::from_millis(1_500));
    let server = site.serve();
    let reply = ask_for(&server, "/a.txt");
    assert_eq!(reply.status(), 200);
    // Every file of a program that sets such times has the same.
    assert_eq!(reply.header("Last-Modified"), None);
}

// Types.

/// What CPython 3.14 answers by itself, without the tables of the machine; but for compressed
/// files, where it says what is inside.
const TYPES: [(&str, &str); 70] = [
    ("a.html", "text/html"),
    ("a.htm", "text/html"),
    ("A.HTML", "text/html"),
    ("a.css", "text/css"),
    ("a.js", "text/javascript"),
    ("a.mjs", "text/javascript"),
    ("a.json", "application/json"),
    ("a.webmanifest", "application/manifest+json"),
    ("a.wasm", "application/wasm"),
    ("a.xml", "text/xml"),
    ("a.txt", "text/plain"),
    ("a.c", "text/plain"),
    ("a.h", "text/plain"),
    ("a.csv", "text/csv"),
    ("a.tsv", "text/tab-separated-values"),
    ("a.md", "text/markdown"),
    ("a.markdown", "text/markdown"),
    ("a.py", "text/x-python"),
    ("a.pyc", "application/x-python-code"),
    ("a.rtf", "text/rtf"),
    ("a.vtt", "text/vtt"),
    ("a.svg", "image/svg+xml"),
    ("a.svgz", "image/svg+xml"),
    ("a.png", "image/png"),
    ("a.jpg", "image/jpeg"),
    ("a.jpeg", "image/jpeg"),
    ("a.gif", "image/gif"),
    ("a.webp", "image/webp"),
    ("a.avif", "image/avif"),
    ("a.bmp", "image/bmp"),
    ("a.tiff", "image/tiff"),
    ("a.ico", "image/vnd.microsoft.icon"),
    ("a.mp3", "audio/mpeg"),
    ("a.opus", "audio/opus"),
    ("a.wav", "audio/vnd.wave"),
    ("a.mp4", "video/mp4"),
    ("a.webm", "video/webm"),
    ("a.mpeg", "video/mpeg"),
    ("a.mov", "video/quicktime"),
    ("a.mkv", "video/matroska"),
    ("a.avi", "video/vnd.avi"),
    ("a.pdf", "application/pdf"),
    ("a.ps", "application/postscript"),
    ("a.zip", "application/zip"),
    ("a.tar", "application/x-tar"),
    ("a.tgz", "application/gzip"),
    ("a.tar.gz", "application/gzip"),
    ("a.gz", "application/gzip"),
    ("a.GZ", "application/gzip"),
    ("a.bz2", "application/x-bzip2"),
    ("a.xz", "application/x-xz"),
    ("a.Z", "application/octet-stream"),
    ("a.br", "application/octet-stream"),
    ("a.html.br", "text/html"),
    ("a.sh", "application/x-sh"),
    ("a.bin", "application/octet-stream"),
    ("a.exe", "application/octet-stream"),
    ("a.so", "application/octet-stream"),
    ("a.doc", "application/msword"),
    ("a.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("a.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("a.epub", "application/epub+zip"),
    ("a.woff", "font/woff"),
    ("a.woff2", "font/woff2"),
    ("a.ttf", "font/ttf"),
    ("a.otf", "font/otf"),
    ("a.yaml", "application/yaml"),
    ("a", "application/octet-stream"),
    (".html", "application/octet-stream"),
    ("a.unheard-of", "application/octet-stream"),
];

#[test]
fn the_type_of_a_file_is_cpythons_on_every_machine() {
    let site = Site::empty();
    for (name, _) in TYPES {
        site.write(name, "");
    }
    let server = site.serve();
    let mut browser = Browser::connect(&server);
    let wrong: Vec<_> = TYPES
        .iter()
        .filter_map(|&(name, kind)| {
            let reply = browser.ask(get(&format!("/{name}")));
            let guessed = reply.header("Content-type").unwrap();
            (guessed != kind).then(|| format!("{name}: {guessed}, not {kind}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

// What is no file, or does not stay as it is.

#[test]
fn what_is_not_a_regular_file_is_404_and_is_not_waited_for() {
    let site = Site::new();
    mkfifo(&site.path("pipe"), Mode::S_IRWXU).unwrap();
    let _socket = UnixListener::bind(site.path("socket")).unwrap();
    symlink("/dev/null", site.path("null")).unwrap();
    symlink("/dev/zero", site.path("zero")).unwrap();
    symlink("pipe", site.path("link-to-pipe")).unwrap();
    let server = site.serve();
    let mut browser = Browser::connect(&server);
    for name in ["pipe", "socket", "null", "zero", "link-to-pipe"] {
        assert_eq!(ask_for(&server, format!("/{name}")).status(), 404, "{name}");
        assert_eq!(ask_for(&server, format!("/{name}/")).status(), 404, "{name}");
    }
    assert_eq!(browser.ask(get("/a.txt")).status(), 200);
    // They are listed, though.
    assert!(ask_for(&server, "/").text().contains("<a href=\"pipe\">pipe</a>"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_of_proc_is_as_long_as_it_says() {
    let server = serve(noting(SimpleHttpRequestHandler::new("/proc/self")).http11());
    let mut browser = Browser::connect(&server);
    // Its length is 0 and its content is not.
    let reply = browser.ask(get("/status"));
    assert_eq!((reply.status(), reply.header("Content-Length")), (200, Some("0")));
    assert_eq!(browser.ask(get("/status")).status(), 200, "no byte too many came");
}

/// Changes the length of a file when its head is on the way.
struct Changing {
    files: SimpleHttpRequestHandler,
    length: u64,
}

impl HttpRequestHandler for Changing {
    fn base(&self) -> &dyn HttpRequestHandler {
        &self.files
    }

    fn end_headers(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let path = self.files.translate_path(http, &http.path);
        File::options().write(true).open(path)?.set_len(self.length)?;
        self.files.end_headers(http)
    }
}

#[test]
fn a_file_that_shrinks_leaves_its_response_short() {
    for (before, after) in [(12, 5), (12, 0), (100_000, 5), (1 << 20, 40_000)] {
        let site = Site::empty();
        site.write("file", vec![b'x'; before]);
        let handler = Changing { files: site.handler(), length: after };
        let server = serve(noting(handler).http11());
        let reply = talk(&server, get("/file"));
        let head = reply.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        assert_eq!(reply.len() - head, usize::try_from(after).unwrap(), "{before}");
    }
}

#[test]
fn a_file_that_grows_is_sent_as_long_as_it_was() {
    for before in [12, 100_000] {
        let site = Site::empty();
        site.write("file", vec![b'x'; before]);
        let handler = Changing { files: site.handler(), length: 1 << 20 };
        let server = serve(noting(handler).http11());
        let mut browser = Browser::connect(&server);
        let reply = browser.ask(get("/file"));
        assert!(reply.body == vec![b'x'; before]);
        assert_eq!(browser.ask(get("/file")).body.len(), 1 << 20, "the connection is kept");
    }
}

#[test]
fn a_file_past_4_gib_is_told_and_sent_to_its_last_byte() {
    const LENGTH: u64 = (4 << 30) + 5;
    let site = Site::empty();
    let mut file = File::create(site.path("huge")).unwrap();
    if file.set_len(LENGTH).is_err() {
        println!("skipped: no room for a sparse file");
        return;
    }
    file.seek(SeekFrom::Start(LENGTH - 4)).unwrap();
    file.write_all(b"last").unwrap();
    let server = site.serve();
    let head = ask(&server, "HEAD /huge HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(head.header("Content-Length"), Some("4294967301"));
    drop(server);

    struct Tail(SimpleHttpRequestHandler);
    impl HttpRequestHandler for Tail {
        fn base(&self) -> &dyn HttpRequestHandler {
            &self.0
        }
        fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
            let content = self.0.send_head(http)?.expect("a file");
            // The declared length is missed by far; the client sees the end of it.
            let sent = content.send_range(&mut http.wfile, content.size() - 100_000, 100_000)?;
            assert_eq!(sent, 100_000);
            Ok(())
        }
    }
    let server = serve(noting(Tail(site.handler())).http11());
    let reply = talk(&server, get("/huge"));
    assert!(reply.ends_with(b"\0last"), "{}", show(&reply[reply.len() - 9..]));
    assert!(reply.len() > 100_000);
}

#[test]
fn a_large_file_arrives_whole() {
    let site = Site::empty();
    let content: Vec<u8> = (0..9_000_000_u32).map(|number| (number / 7) as u8).collect();
    site.write("large", &content);
    let server = site.serve();
    let mut browser = Browser::connect(&server);
    for _ in 0..2 {
        assert!(browser.ask(get("/large")).body == content);
    }
    // The same to a client that reads slowly at first.
    let mut browser = Browser::connect(&server);
    browser.send(get("/large"));
    assert!(browser.client.hears(LIMIT));
    assert!(browser.reply().body == content);
}
