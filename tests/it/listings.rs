//! Directories as tables, as JSON, and not listed at all.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::time::{Duration, UNIX_EPOCH};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use socketserver::http::{
    Defaults, Directory, Exchange, FileHooks, HttpRequestHandler, Listing, SimpleHttpRequestHandler,
};

use crate::http_files::Removing;
use crate::support::Running;
use crate::web::{Browser, Reply, Site, ask, noting, serve, set_modified, show};

const NO_PERMISSION: &str = "No permission to list directory";

fn table(site: &Site) -> SimpleHttpRequestHandler {
    site.handler().listing(Listing::Table)
}

#[track_caller]
fn start(handler: impl HttpRequestHandler) -> Running {
    serve(noting(handler).http11())
}

#[track_caller]
fn fetch(server: &Running, target: impl AsRef<[u8]>) -> Reply {
    let request = [b"GET ", target.as_ref(), b" HTTP/1.1\r\nHost: x\r\n\r\n"].concat();
    ask(server, request)
}

#[track_caller]
fn fetch_json(server: &Running, target: &str) -> Vec<serde_json::Value> {
    let accept = "Accept: application/json, */*;q=0.1";
    let reply = ask(server, format!("GET {target} HTTP/1.1\r\nHost: x\r\n{accept}\r\n\r\n"));
    assert_eq!(reply.status(), 200, "{target}");
    assert_eq!(reply.header("Content-type"), Some("application/json"));
    serde_json::from_slice(&reply.body).unwrap()
}

/// What stands in a page between each `start` and the next `end`.
fn between<'a>(page: &'a str, start: &str, end: &str) -> Vec<&'a str> {
    page.split(start).skip(1).map(|rest| rest.split_once(end).unwrap().0).collect()
}

/// The names in the rows of a table, as they are shown.
fn names(page: &str) -> Vec<&str> {
    between(page, "<tr><th scope=\"row\">", "</th>")
        .into_iter()
        .flat_map(|cell| between(cell, "<bdi>", "</bdi>"))
        .collect()
}

fn json_names(entries: &[serde_json::Value]) -> Vec<&str> {
    entries.iter().map(|entry| entry["name"].as_str().unwrap()).collect()
}

const ODD: [&[u8]; 26] = [
    b"plain",
    b"Upper",
    b"with blank",
    b" two  blanks ",
    b"<b>&\"'",
    b"</bdi><script>",
    b"&amp;",
    b"100%",
    b"%2e%2e",
    b"q?b#f",
    b"?C=S;O=D",
    b"a:b",
    b"javascript:alert(1)",
    b"back\\slash",
    b"tab\t",
    b"line\nend",
    b"return\r",
    b"esc\x1b[31m",
    b"...",
    b"~tilde-_.",
    "snow☃".as_bytes(),
    "\u{202e}gpj.exe".as_bytes(),
    "\u{2066}\u{feff}\u{85}".as_bytes(),
    b"raw\xff\xfe",
    b"cut\xe2\x98",
    &[b'x'; 255],
];

#[test]
fn every_name_leads_to_its_file() {
    let site = Site::empty();
    let names: BTreeSet<&[u8]> = ODD.iter().copied().filter(|name| !name.contains(&b'/')).collect();
    for name in &names {
        fs::write(site.path(OsStr::from_bytes(name)), name).unwrap();
    }
    let server = start(table(&site));
    let page = fetch(&server, "/");
    let page = page.text();
    let links = between(page, "<th scope=\"row\"><a href=\"", "\"");
    let entries = fetch_json(&server, "/");
    let references: Vec<&str> =
        entries.iter().map(|entry| entry["href"].as_str().unwrap()).collect();
    assert_eq!(links, references);
    let read: BTreeSet<Vec<u8>> =
        links.iter().map(|link| fetch(&server, link.strip_prefix('.').unwrap()).body).collect();
    let read: BTreeSet<&[u8]> = read.iter().map(Vec::as_slice).collect();
    assert_eq!(
        read.iter().map(show).collect::<Vec<_>>(),
        names.iter().map(show).collect::<Vec<_>>()
    );
    // Nothing in a page or in JSON steers whatever shows it.
    let json =
        show(&ask(&server, "GET / HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n\r\n").body);
    for text in [page, &json] {
        assert!(!text.contains(['\x1b', '\u{202e}', '\u{2066}', '\u{85}', '\t', '\r']), "{text}");
    }
    assert_eq!(page.matches("<script").count(), 0);
    for shown in
        ["&lt;b&gt;&amp;\"'", r"line\nend", r"raw\xff\xfe", r"\u202egpj.exe", " two  blanks "]
    {
        assert!(page.contains(&format!("<bdi>{shown}</bdi>")), "{shown}: {page}");
    }
    // A name that is no UTF-8 is so far as it is.
    assert!(json_names(&entries).contains(&"raw\u{fffd}\u{fffd}"));
}

/// Files and directories whose names, sizes and times are in different orders.
fn ordered() -> Site {
    let site = Site::empty();
    for (name, size, seconds) in
        [("b", 3, 30), ("C", 1, 40), ("a", 2, 10), ("d.iso", 5_000_000, 20)]
    {
        let path = site.path(name);
        fs::write(&path, vec![b'.'; size]).unwrap();
        set_modified(&path, UNIX_EPOCH + Duration::from_secs(seconds));
    }
    for (name, seconds) in [("z", 50), ("Y", 60)] {
        fs::create_dir(site.path(name)).unwrap();
        let time = UNIX_EPOCH + Duration::from_secs(seconds);
        File::open(site.path(name)).unwrap().set_modified(time).unwrap();
    }
    site
}

#[test]
fn links_lead_to_each_order() {
    let site = ordered();
    let server = start(table(&site));
    let orders = [
        ("?C=N;O=A", ["Y/", "z/", "a", "b", "C", "d.iso"], "ascending"),
        ("?C=N;O=D", ["z/", "Y/", "d.iso", "C", "b", "a"], "descending"),
        ("?C=S;O=A", ["Y/", "z/", "C", "a", "b", "d.iso"], "ascending"),
        ("?C=S;O=D", ["Y/", "z/", "d.iso", "b", "a", "C"], "descending"),
        ("?C=M;O=A", ["z/", "Y/", "a", "d.iso", "b", "C"], "ascending"),
        ("?C=M;O=D", ["Y/", "z/", "C", "b", "d.iso", "a"], "descending"),
    ];
    for (query, expected, direction) in orders {
        let reply = fetch(&server, format!("/{query}"));
        let page = reply.text();
        assert_eq!(names(page), expected, "{query}");
        let entries = fetch_json(&server, &format!("/{query}"));
        assert_eq!(json_names(&entries), expected.map(|name| name.trim_end_matches('/')));
        // One column is said to be ordered, in words and by a sign.
        let heads = between(page, "<th scope=\"col\"", "</th>");
        let sorted: Vec<_> = heads.iter().filter(|head| head.contains("aria-sort")).collect();
        let [sorted] = sorted[..] else { panic!("{heads:?}") };
        assert!(sorted.starts_with(&format!(" aria-sort=\"{direction}\"")), "{sorted}");
        assert!(sorted.contains(if direction == "ascending" { "▲" } else { "▼" }), "{sorted}");
        let other = query.replace(['A', 'D'], if query.ends_with('A') { "D" } else { "A" });
        assert!(sorted.contains(&format!("<a href=\"{other}\">")), "{query}: {sorted}");
    }
    // All orders are reached by links, from any of them.
    let mut seen = BTreeSet::from([String::new()]);
    let mut next = vec![String::new()];
    while let Some(query) = next.pop() {
        let reply = fetch(&server, format!("/{query}"));
        for link in between(reply.text(), "<a href=\"?", "\"") {
            let link = format!("?{link}");
            if seen.insert(link.clone()) {
                next.push(link);
            }
        }
    }
    assert!(orders.iter().all(|(query, ..)| seen.contains(*query)), "{seen:?}");
    for bad in ["?C=X;O=A", "?x", "?C=N%3BO=D", "?;;&=", "?C=;O=", "?c=s", "?C=S&C=N"] {
        assert_eq!(names(fetch(&server, format!("/{bad}")).text()), orders[0].1, "{bad}");
    }
}

#[test]
fn sizes_times_and_kinds_are_told_to_people_and_to_programs() {
    let site = ordered();
    symlink("a", site.path("link")).unwrap();
    symlink("missing", site.path("broken")).unwrap();
    symlink("z", site.path("zlink")).unwrap();
    mkfifo(&site.path("pipe"), Mode::S_IRWXU).unwrap();
    let _socket = UnixListener::bind(site.path("socket")).unwrap();
    let server = start(table(&site));
    let reply = fetch(&server, "/");
    let rows = between(reply.text(), "<tr><th scope=\"row\">", "</tr>");
    let row = |name: &str| *rows.iter().find(|row| row.contains(&format!("<bdi>{name}<"))).unwrap();
    let end = |kind: &str| format!("</td><td>{kind}</td>");
    for (name, size, time, kind) in [
        (
            "d.iso",
            "<data value=\"5000000\" title=\"5,000,000 bytes\">4.8 MiB</data>",
            "<time datetime=\"1970-01-01T00:00:20Z\">1970-01-01 00:00</time>",
            "file",
        ),
        (
            "link",
            "<data value=\"2\" title=\"2 bytes\">2 B</data>",
            "<time datetime=\"1970-01-01T00:00:10Z\">1970-01-01 00:00</time>",
            "link to file",
        ),
        ("z/", "", "<time datetime=\"1970-01-01T00:00:50Z\">1970-01-01 00:00</time>", "folder"),
        (
            "zlink/",
            "",
            "<time datetime=\"1970-01-01T00:00:50Z\">1970-01-01 00:00</time>",
            "link to folder",
        ),
        ("broken", "", "", "broken link"),
    ] {
        let cells = format!("<td>{size}</td><td>{time}{}", end(kind));
        assert!(row(name).ends_with(&cells), "{name}: {}", row(name));
    }
    for name in ["pipe", "socket"] {
        assert!(row(name).ends_with(&end("special file")), "{}", row(name));
    }
    let entries = fetch_json(&server, "/");
    let entry = |name: &str| entries.iter().find(|entry| entry["name"] == name).unwrap();
    for (name, kind, size, mtime, href) in [
        ("d.iso", "file", Some(5_000_000), Some("1970-01-01T00:00:20Z"), "./d.iso"),
        ("link", "file", Some(2), Some("1970-01-01T00:00:10Z"), "./link"),
        ("z", "directory", None, Some("1970-01-01T00:00:50Z"), "./z/"),
        ("zlink", "directory", None, Some("1970-01-01T00:00:50Z"), "./zlink/"),
        ("broken", "link", None, None, "./broken"),
    ] {
        let expected = serde_json::json!({
            "name": name, "kind": kind, "size": size, "mtime": mtime, "href": href,
        });
        assert_eq!(entry(name), &expected);
    }
    assert_eq!(entry("pipe")["kind"], "other");
}

#[test]
fn a_link_leads_to_the_directory_above() {
    let site = Site::new();
    let server = start(table(&site));
    let up = "<a href=\"../\">";
    for (target, title, has_parent) in [
        ("/", "/", false),
        ("/sub/", "/sub/", true),
        ("/sub/C/", "/sub/C/", true),
        ("/sub/..", "/sub/..", false),
        ("/sub/%2e%2e/", "/sub/../", false),
        ("//sub//", "/sub//", true),
        ("/sub/?C=S", "/sub/", true),
        ("/%3Cb%3E%0a/../sub/", "/&lt;b&gt;\\n/../sub/", true),
    ] {
        let reply = fetch(&server, target);
        if target.ends_with("..") {
            assert_eq!(reply.status(), 301, "{target}");
            continue;
        }
        assert_eq!(reply.text().contains(up), has_parent, "{target}");
        let shown = format!("<h1>Directory listing for <bdi>{title}</bdi></h1>");
        assert!(reply.text().contains(&shown), "{target}: {}", reply.text());
    }
    // The root of a handler is where its files end, whatever it is called.
    let relative = SimpleHttpRequestHandler::new("tests/").listing(Listing::Table);
    let server = start(relative);
    assert!(!fetch(&server, "/").text().contains(up));
    assert!(fetch(&server, "/it/").text().contains(up));
}

#[test]
fn a_table_shows_nothing_hidden_and_nothing_of_what_is_outside() {
    let (site, outside) = (Site::empty(), Site::new());
    for name in ["file", ".secret", ".well-known"] {
        fs::write(site.path(name), "x").unwrap();
    }
    fs::create_dir(site.path(".git")).unwrap();
    symlink(outside.path("a.txt"), site.path("out")).unwrap();
    symlink(outside.path("sub"), site.path("way")).unwrap();
    symlink("file", site.path("near")).unwrap();
    let open = start(table(&site));
    let all = [".git", "way", ".secret", ".well-known", "file", "near", "out"];
    assert_eq!(json_names(&fetch_json(&open, "/")), all);
    let kept = start(table(&site).confined().hiding_dot_files());
    let entries = fetch_json(&kept, "/");
    assert_eq!(json_names(&entries), [".well-known", "file", "near", "out", "way"]);
    for entry in &entries[3..] {
        assert!(entry["kind"] == "link" && entry["size"].is_null() && entry["mtime"].is_null());
    }
    assert!(entries[2]["kind"] == "file" && entries[2]["size"] == 1);
    assert!(fetch(&kept, "/").text().contains("<bdi>out</bdi></a></th><td></td><td></td>"));
    assert_eq!(fetch(&kept, "/.git/").status(), 404);
    assert_eq!(fetch(&kept, "/way/").status(), 404);
}

#[test]
fn clients_that_prefer_json_get_it_and_caches_are_told() {
    let site = Site::new();
    let server = start(table(&site));
    for (accept, kind) in [
        ("", "text/html; charset=utf-8"),
        ("Accept: */*\r\n", "text/html; charset=utf-8"),
        ("Accept: text/html,application/xml;q=0.9,*/*;q=0.8\r\n", "text/html; charset=utf-8"),
        ("Accept: application/json;q=0\r\n", "text/html; charset=utf-8"),
        ("Accept: application/json\r\n", "application/json"),
        ("Accept: text/html;q=0.5\r\nAccept: application/json\r\n", "application/json"),
    ] {
        for method in ["GET", "HEAD"] {
            let request = format!("{method} /sub/ HTTP/1.1\r\nHost: x\r\n{accept}\r\n");
            let reply = Browser::connect(&server).ask(request);
            assert_eq!(reply.header("Content-type"), Some(kind), "{method} {accept}");
            assert_eq!(reply.header("Vary"), Some("Accept"));
            let policy = reply.header("Content-Security-Policy").unwrap_or_default();
            assert_eq!(policy.contains("default-src 'none'"), kind.starts_with("text/html"));
            assert!(!["ETag", "Last-Modified"].iter().any(|it| reply.header(it).is_some()));
        }
    }
    // The plain page is the only one there is.
    let plain = start(site.handler());
    let reply = ask(&plain, "GET /sub/ HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n\r\n");
    assert_eq!(reply.header("Content-type"), Some("text/html; charset=utf-8"));
    assert_eq!((reply.header("Vary"), reply.header("Content-Security-Policy")), (None, None));
}

#[test]
fn a_table_is_sent_while_it_is_made() {
    let site = Site::empty();
    let count = 3_000;
    for number in 0..count {
        File::create(site.path(format!("{number:0100}"))).unwrap();
    }
    let server = start(table(&site));
    let reply = fetch(&server, "/");
    assert_eq!(reply.header("Content-Length"), None);
    assert_eq!(reply.header("Transfer-Encoding"), Some("chunked"));
    let text = reply.text();
    assert!(text.contains("<caption>3000 entries</caption>") && text.ends_with("</html>\n"));
    let shown = names(text);
    assert!(shown.len() == count && shown.is_sorted());
    let entries = fetch_json(&server, "/?O=D");
    assert_eq!(entries.len(), count);
    assert_eq!(entries[0]["name"], format!("{:0100}", count - 1));
    // To a client that knows no chunks its end is that of the connection.
    let mut client = Browser::connect(&server);
    let reply = client.ask("GET / HTTP/1.0\r\n\r\n");
    assert_eq!((reply.header("Transfer-Encoding"), reply.text()), (None, text));
    // It keeps the connection where the client can tell the end.
    let mut client = Browser::connect(&server);
    for _ in 0..2 {
        assert_eq!(client.ask("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n").status(), 200);
        assert_eq!(client.ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n").text().len(), text.len());
    }
}

#[test]
fn a_directory_that_is_not_listed_is_403() {
    let site = Site::new();
    let server = start(site.handler().listing(Listing::Off));
    for target in ["/", "/sub/", "/empty/", "/spam/", "/sub/?C=S"] {
        let reply = fetch(&server, target);
        assert_eq!((reply.status(), reply.reason()), (403, NO_PERMISSION), "{target}");
        assert!(!reply.text().contains("index.html") && !reply.text().contains("a.txt"));
        let request = format!("HEAD {target} HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(Browser::connect(&server).ask(request).status(), 403);
        let json = "Accept: application/json";
        let reply = ask(&server, format!("GET {target} HTTP/1.1\r\nHost: x\r\n{json}\r\n\r\n"));
        assert_eq!(reply.status(), 403);
    }
    for (target, status) in
        [("/sub", 301), ("/idx/", 200), ("/a.txt", 200), ("/missing/", 404), ("/sub/a", 200)]
    {
        assert_eq!(fetch(&server, target).status(), status, "{target}");
    }
}

#[test]
fn an_override_may_choose_who_sees_the_table() {
    struct Members;
    impl FileHooks for Members {
        fn list_directory(
            &self,
            http: &mut Exchange<'_>,
            directory: &Directory<'_>,
        ) -> io::Result<()> {
            assert_eq!(directory.listing(), Listing::Table);
            if http.headers.get("X-Member").is_none() {
                return http.send_error(401);
            }
            Defaults.list_directory(http, directory)
        }
    }
    let site = Site::new();
    let server = start(table(&site).with_hooks(Members));
    assert_eq!(fetch(&server, "/sub/").status(), 401);
    let reply = ask(&server, "GET /sub/ HTTP/1.1\r\nHost: x\r\nX-Member: 1\r\n\r\n");
    assert_eq!(names(reply.text()), ["C/", "d/", "a", "B", "l", "z", "é&amp;&lt;.txt"]);
}

#[test]
fn a_table_of_a_directory_that_is_gone_is_404() {
    let site = Site::new();
    let server = start(table(&site).with_hooks(Removing));
    let reply = fetch(&server, "/sub/");
    assert_eq!((reply.status(), reply.reason()), (404, NO_PERMISSION));
}
