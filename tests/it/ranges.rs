//! Parts of files: single ones, several, and those that cannot be had.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

use socketserver::http::{Exchange, HttpRequestHandler, SimpleHttpRequestHandler};

use crate::conditions::{OLD, request, serve_old};
use crate::mutations::Mutations;
use crate::support::Running;
use crate::web::{Browser, Reply, Site, answering, ask, noting, serve, show};

/// A content in which each place can be told from its neighbours.
pub(crate) fn content(size: usize) -> Vec<u8> {
    (0..size).map(|place| ((place / 251) ^ place) as u8).collect()
}

#[track_caller]
pub(crate) fn ask_for_part(server: &Running, path: &str, range: &str) -> Reply {
    ask(server, request("GET", path, &[("Range", range)]))
}

#[test]
fn a_part_is_sent_as_it_is_in_the_whole() {
    let site = Site::empty();
    // Sent with its head, and by sendfile.
    for size in [1_000, 100_000] {
        site.write("file", content(size));
        let server = site.serve();
        let mut browser = Browser::connect(&server);
        let last = size - 1;
        for (range, part) in [
            ("bytes=0-0".to_owned(), 0..1),
            ("bytes=7-".to_owned(), 7..size),
            (format!("bytes=0-{last}"), 0..size),
            (format!("bytes=3-{}", u64::MAX), 3..size),
            ("bytes=3-99999999999999999999999".to_owned(), 3..size),
            ("bytes=-9".to_owned(), size - 9..size),
            (format!("bytes=-{}", size + 1), 0..size),
            (format!("Bytes={last}-"), last..size),
            (format!("bytes=5-6,{size}-"), 5..7),
        ] {
            // On one connection, so that a length that is wrong would show.
            let reply = browser.ask(request("GET", "/file", &[("Range", &range)]));
            assert_eq!(reply.status(), 206, "{range}");
            assert!(reply.body == content(size)[part.clone()], "{range}");
            let place = format!("bytes {}-{}/{size}", part.start, part.end - 1);
            assert_eq!(reply.header("Content-Range"), Some(&*place), "{range}");
            assert_eq!(reply.header("Content-Type"), Some("application/octet-stream"));
            let date = reply.header("Last-Modified");
            assert_eq!(date, Some("Thu, 02 Jan 2020 03:04:05 GMT"), "{range}");
        }
        for range in [format!("bytes={size}-"), "bytes=-0".into(), format!("bytes={size}-,-0")] {
            let reply = browser.ask(request("GET", "/file", &[("Range", &range)]));
            assert_eq!((reply.status(), &*reply.body), (416, &b""[..]), "{range}");
            assert_eq!(reply.header("Content-Range"), Some(&*format!("bytes */{size}")));
        }
        for range in ["bytes=9-5", "bytes=+1-5", "lines=1-2", "bytes=-", "bytes=a-b", ""] {
            let reply = browser.ask(request("GET", "/file", &[("Range", range)]));
            assert_eq!((reply.status(), reply.header("Content-Range")), (200, None), "{range}");
            assert!(reply.body == content(size), "{range}");
        }
        let twice = [("Range", "bytes=0-1"), ("Range", "bytes=0-1")];
        assert_eq!(browser.ask(request("GET", "/file", &twice)).status(), 200);
        let head = browser.ask(request("HEAD", "/file", &[("Range", "bytes=0-1")]));
        assert_eq!((head.status(), head.header("Content-Range")), (200, None));
        assert_eq!(head.header("Content-Length"), Some(&*size.to_string()));
    }
}

#[test]
fn of_an_empty_file_and_of_what_is_no_file_there_are_no_parts() {
    let site = Site::new();
    let server = site.serve();
    for (path, status) in [("/empty0", 200), ("/sub/", 200), ("/sub", 301), ("/nope", 404)] {
        for range in ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=5-"] {
            let reply = ask_for_part(&server, path, range);
            assert_eq!((reply.status(), reply.header("Content-Range")), (status, None), "{path}");
        }
    }
}

/// The parts of a body: the type and the place of each, and its bytes.
#[track_caller]
pub(crate) fn parts(reply: &Reply) -> Vec<(String, String, Vec<u8>)> {
    let kind = reply.header("Content-Type").unwrap();
    let boundary = kind.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let mark = format!("\r\n--{boundary}");
    let mut rest = &reply.body[..];
    let mut parts = Vec::new();
    loop {
        rest = rest.strip_prefix(mark.as_bytes()).expect("a delimiter");
        if rest == b"--\r\n" {
            return parts;
        }
        let end = crate::web::find(rest, b"\r\n\r\n").unwrap();
        let head = str::from_utf8(&rest[..end]).unwrap();
        let value = |name: &str| {
            let line = head.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("{head:?}")).to_owned()
        };
        let (kind, place) = (value("Content-Type: "), value("Content-Range: "));
        let numbers = place.strip_prefix("bytes ").unwrap().split('/').next().unwrap();
        let (first, last) = numbers.split_once('-').unwrap();
        let length = last.parse::<usize>().unwrap() + 1 - first.parse::<usize>().unwrap();
        let (part, behind) = rest[end + 4..].split_at(length);
        parts.push((kind, place, part.to_vec()));
        rest = behind;
    }
}

#[test]
fn several_parts_are_sent_in_one_body() {
    let site = Site::empty();
    for size in [2_000, 100_000] {
        site.write("file.txt", content(size));
        let server = site.serve();
        let mut browser = Browser::connect(&server);
        for (range, expected) in [
            ("bytes=0-0,5-9", vec![0..1, 5..10]),
            ("bytes=-1, 700-800 ,,0-1", vec![size - 1..size, 700..801, 0..2]),
            ("bytes=0-9,10-19,999999999-,20-29", vec![0..10, 10..20, 20..30]),
        ] {
            let reply = browser.ask(request("GET", "/file.txt", &[("Range", range)]));
            assert_eq!((reply.status(), reply.header("Content-Range")), (206, None), "{range}");
            assert_eq!(reply.headers("Content-Type").len(), 1);
            let expected = expected.into_iter().map(|part| {
                let place = format!("bytes {}-{}/{size}", part.start, part.end - 1);
                ("text/plain".to_owned(), place, content(size)[part].to_vec())
            });
            assert!(parts(&reply).into_iter().eq(expected), "{range}: {}", show(&reply.body));
        }
        let one = browser.ask(request("GET", "/file.txt", &[("Range", "bytes=0-0,5-9")]));
        let two = browser.ask(request("GET", "/file.txt", &[("Range", "bytes=0-0,5-9")]));
        // Nobody can make a content that contains the next delimiter.
        assert_ne!(one.header("Content-Type"), two.header("Content-Type"));
    }
}

#[test]
fn overlapping_or_too_many_parts_are_answered_by_the_whole() {
    let site = Site::empty();
    site.write("file", content(100_000));
    site.write("small", content(300));
    site.write("drawing.svgz", content(100_000));
    let server = site.serve();
    let many = |count: usize| {
        let specs: Vec<_> = (0..count).map(|at| format!("{0}-{0}", 2 * at)).collect();
        format!("bytes={}", specs.join(","))
    };
    assert_eq!(parts(&ask_for_part(&server, "/file", &many(64))).len(), 64);
    for (path, range) in [
        ("/file", &*many(65)),
        ("/file", &*many(5_000)),
        ("/file", "bytes=0-9,9-20"),
        ("/file", "bytes=0-,0-,0-,0-"),
        ("/file", "bytes=50-60,-100000"),
        ("/file", "bytes=0-1,9-8"),
        // With what stands around them they are longer than the whole.
        ("/small", "bytes=0-99,200-299"),
        // Which coding is whose could not be said.
        ("/drawing.svgz", "bytes=0-9,20-29"),
    ] {
        let reply = ask_for_part(&server, path, range);
        assert_eq!((reply.status(), reply.header("Content-Range")), (200, None), "{range:.40}");
        assert_eq!(reply.header("Content-Length"), Some(&*reply.body.len().to_string()));
        assert!(reply.body == content(reply.body.len()));
    }
    let reply = ask_for_part(&server, "/drawing.svgz", "bytes=1-9");
    assert_eq!((reply.status(), reply.header("Content-Encoding")), (206, Some("gzip")));
}

#[test]
fn a_range_counts_if_the_client_has_a_part_of_what_is_there() {
    let server = serve_old();
    let whole = fs::read(OLD).unwrap();
    let got = ask(&server, request("GET", "/LICENSE-MIT", &[]));
    let [tag, date] = ["ETag", "Last-Modified"].map(|name| got.header(name).unwrap());
    let weak = format!("W/{tag}");
    for (validator, counts) in
        [(tag, true), (date, true), (&*weak, false), ("\"x\"", false), ("*", false), ("", false)]
    {
        for (range, part) in [("bytes=9-", &whole[9..]), ("bytes=0-9,100-109", &b""[..])] {
            let fields = [("If-Range", validator), ("Range", range)];
            let reply = ask(&server, request("GET", "/LICENSE-MIT", &fields));
            assert_eq!(reply.status(), if counts { 206 } else { 200 }, "{validator}");
            if counts && !part.is_empty() {
                assert!(reply.body == part);
            } else if !counts {
                assert!(reply.body == whole);
            }
        }
        // Beyond the end it is the whole, too, if the file is another one.
        let fields = [("If-Range", validator), ("Range", "bytes=999999999-")];
        let status = if counts { 416 } else { 200 };
        assert_eq!(ask(&server, request("GET", "/LICENSE-MIT", &fields)).status(), status);
    }
    // Conditions come first.
    for (condition, status) in [(("If-None-Match", tag), 304), (("If-Match", "\"x\""), 412)] {
        let fields = [condition, ("Range", "bytes=0-9"), ("If-Range", tag)];
        assert_eq!(ask(&server, request("GET", "/LICENSE-MIT", &fields)).status(), status);
    }
}

#[test]
fn parts_beyond_four_gigabytes_are_the_right_ones() {
    let site = Site::empty();
    let file = File::create(site.path("large")).unwrap();
    let size = 5 << 30;
    file.set_len(size).unwrap();
    for place in [0, (4 << 30) - 2, size - 4] {
        file.write_all_at(b"mark", place).unwrap();
    }
    let server = site.serve();
    let four = 4_294_967_296_u64;
    let around = format!("bytes={}-{}", four - 2, four + 1);
    for range in [&*around, "bytes=-4", "bytes=5368709116-"] {
        let reply = ask_for_part(&server, "/large", range);
        assert_eq!((reply.status(), reply.text()), (206, "mark"), "{range}");
        assert!(reply.header("Content-Range").unwrap().ends_with("/5368709120"));
    }
    let reply = ask_for_part(&server, "/large", &format!("{around},0-3,-4"));
    assert!(parts(&reply).iter().all(|(_, _, part)| part == b"mark"));
    let head = ask(&server, request("HEAD", "/large", &[]));
    assert_eq!(head.header("Content-Length"), Some("5368709120"));
    assert_eq!(ask_for_part(&server, "/large", "bytes=5368709120-").status(), 416);
}

#[cfg(feature = "tls")]
#[test]
fn parts_are_sent_over_tls() {
    let site = Site::empty();
    site.write("file", content(200_000));
    let secure =
        crate::tls::Secure::start::<socketserver::ThreadPool, _>(noting(site.handler()).http11());
    let mut client = secure.connect();
    for (range, part) in [("bytes=5-9", 5..10), ("bytes=30000-", 30_000..200_000)] {
        client.send(request("GET", "/file", &[("Range", range)]));
        let (head, body) = client.reply();
        assert!(head.starts_with("HTTP/1.1 206 "), "{head}");
        assert!(body == content(200_000)[part], "{range}");
    }
    client.send(request("GET", "/file", &[("Range", "bytes=0-9,100000-199999")]));
    let (_, body) = client.reply();
    let place = crate::web::find(&body, b"bytes 100000-199999/200000\r\n\r\n").unwrap() + 30;
    assert!(body[place..].starts_with(&content(200_000)[100_000..]));
}

/// A handler that gives its files another type, in the place where others add fields.
struct Typed(SimpleHttpRequestHandler);

impl HttpRequestHandler for Typed {
    fn base(&self) -> &dyn HttpRequestHandler {
        &self.0
    }

    fn end_headers(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        http.set_header("Content-Type", "x/y")?;
        self.0.end_headers(http)
    }
}

#[test]
fn another_type_does_not_hide_that_there_are_several_parts() {
    let site = Site::empty();
    site.write("file", content(1_000));
    let server = serve(noting(Typed(site.handler())).http11());
    let reply = ask_for_part(&server, "/file", "bytes=0-0,5-9");
    assert_eq!(reply.headers("Content-Type").len(), 1);
    assert_eq!(parts(&reply).len(), 2);
    assert_eq!(ask_for_part(&server, "/file", "bytes=5-9").header("Content-Type"), Some("x/y"));
    // Nor is an error one of several parts.
    assert_eq!(ask_for_part(&server, "/nope", "bytes=0-0,5-9").status(), 404);
}

#[test]
fn a_handler_serves_parts_of_its_own_files() {
    let site = Site::empty();
    site.write("file", content(100_000));
    let files = site.handler();
    let server = serve(answering(move |http| {
        let mut file = files.open(http)?;
        file.begin_response(http, "x/own")?;
        http.send_header("Content-Disposition", "attachment")?;
        http.end_headers()?;
        if http.headers.contains("Read") {
            // By pieces of an odd size, as a program would that looks at what it sends.
            let mut piece = [0; 777];
            loop {
                match file.read(&mut piece)? {
                    0 => return Ok(()),
                    count => http.wfile.write_all(&piece[..count])?,
                }
            }
        }
        file.send(&mut http.wfile)
    }));
    for more in [("Read", "yes"), ("A", "b")] {
        for (range, status) in [
            ("bytes=5-9", 206),
            ("bytes=-70000", 206),
            ("bytes=0-9,50000-69999,-1", 206),
            ("bytes=200000-", 416),
            ("none", 200),
        ] {
            for method in ["GET", "HEAD"] {
                let fields = [more, ("Range", range)];
                let mut browser = Browser::connect(&server);
                let reply = browser.ask(request(method, "/file", &fields));
                let status = if method == "HEAD" { 200 } else { status };
                assert_eq!(reply.status(), status, "{range}");
                assert_eq!(reply.header("Content-Disposition"), Some("attachment"));
                if method == "HEAD" {
                    continue;
                }
                match range {
                    "bytes=5-9" => assert!(reply.body == content(10)[5..]),
                    "bytes=-70000" => assert!(reply.body == content(100_000)[30_000..]),
                    "none" => assert!(reply.body == content(100_000)),
                    "bytes=200000-" => assert!(reply.body.is_empty()),
                    _ => {
                        let parts = parts(&reply);
                        assert!(parts[1].2 == content(70_000)[50_000..]);
                        assert_eq!(parts[2].0, "x/own");
                    }
                }
                // The next response begins where this one has ended.
                assert_eq!(browser.ask(request("GET", "/file", &[])).status(), 200);
            }
        }
    }
}

#[test]
fn a_part_of_a_file_that_has_shrunk_is_short() {
    let site = Site::empty();
    let path = site.write("file", content(200_000));
    let files = site.handler();
    let server = serve(answering(move |http| {
        let mut file = files.open(http)?;
        file.begin_response(http, "x/own")?;
        http.end_headers()?;
        let shrinking = File::options().write(true).open(&path)?;
        shrinking.set_len(90_000)?;
        let sent = file.send(&mut http.wfile);
        fs::write(&path, content(200_000))?;
        sent
    }));
    for range in ["bytes=80000-159999", "bytes=80000-159999,0-9"] {
        let mut browser = Browser::connect(&server);
        let came = browser.send(request("GET", "/file", &[("Range", range)])).rest();
        let end = crate::web::find(&came, &content(90_000)[80_000..]).expect("what there was");
        // Nothing of the next part stands where this one is missing.
        assert_eq!(came.len(), end + 10_000, "{range}");
    }
}

#[test]
fn what_is_read_by_hand_is_where_it_was_sought() {
    let site = Site::empty();
    let path = site.write("file", content(5_000));
    let mut file = File::open(path).unwrap();
    file.seek(SeekFrom::Start(4_000)).unwrap();
    let mut read = Vec::new();
    file.read_to_end(&mut read).unwrap();
    let server = site.serve();
    assert!(ask_for_part(&server, "/file", "bytes=4000-").body == read);
}

/// No field, however odd, gives other bytes than those it names.
#[test]
fn ten_thousand_ranges_give_no_wrong_byte() {
    let site = Site::empty();
    let size = 3_000;
    site.write("file", content(size));
    let server = site.serve();
    let mut browser = Browser::connect(&server);
    let pieces = [
        "0-1,",
        "5-9,",
        "20-29,",
        "2990-,",
        "-9,",
        "9",
        "-",
        ",",
        "2999",
        "3000-,",
        " ",
        "x",
        "18446744073709551615",
    ];
    let mut mutations = Mutations::of(&pieces);
    let whole = content(size);
    let mut seen = [0; 4];
    for _ in 0..10_000 {
        let range = mutations.field(7);
        let range = format!("bytes={range}");
        let reply = browser.ask(request("GET", "/file", &[("Range", &range)]));
        let at = |place: &str| {
            let numbers = place.strip_prefix("bytes ").unwrap().strip_suffix("/3000").unwrap();
            let (first, last) = numbers.split_once('-').unwrap();
            let [first, last] = [first, last].map(|number| number.parse::<usize>().unwrap());
            &whole[first..=last]
        };
        match (reply.status(), reply.header("Content-Range")) {
            (200, None) => {
                assert!(reply.body == whole, "{range}");
                seen[0] += 1;
            }
            (206, Some(place)) => {
                assert!(reply.body == at(place), "{range}");
                seen[1] += 1;
            }
            (206, None) => {
                for (_, place, part) in parts(&reply) {
                    assert!(part == at(&place), "{range}");
                }
                seen[2] += 1;
            }
            (416, Some("bytes */3000")) => seen[3] += 1,
            other => panic!("{range}: {other:?}"),
        }
    }
    assert!(seen.iter().all(|&count| count > 100), "{seen:?}");
}
