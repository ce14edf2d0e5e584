//! How compressed responses end, and what they are compared with.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use flate2::read::GzDecoder;
use socketserver::http::{
    CgiHttpRequestHandler, Compression, ErrorPages, Exchange, SimpleHttpRequestHandler, Status,
    StatusPages,
};

use crate::compression::{GZIP, content, is_compressed, serve_answers, text};
use crate::conditions::request;
use crate::mutations::Mutations;
use crate::nginx::Nginx;
use crate::nginx_cache::cache;
use crate::support::Gate;
use crate::web::{Browser, Site, answering, ask, find, noting, serve};

/// All that comes on a connection, and whether it was reset.
fn hear(server: &crate::support::Running, path: &str) -> (Vec<u8>, bool) {
    let mut client = server.connect();
    client.send(request("GET", path, &[GZIP]));
    let mut came = Vec::new();
    let read = client.stream.read_to_end(&mut came);
    (came, read.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset))
}

/// Zeros give a byte for a thousand, so that long nothing is written that would tell.
#[test]
fn nothing_is_compressed_for_a_client_that_has_left() {
    let (left, heard) = (Gate::new(), Gate::new());
    let gates = (left.clone(), heard.clone());
    let handler = answering(move |http| {
        http.send_response(200)?;
        http.send_header("Content-Type", "text/plain")?;
        http.send_header("Content-Length", 1 << 30)?;
        http.end_headers()?;
        gates.0.pass();
        for _ in 0..16 {
            if let Err(error) = http.wfile.write_all(&[0; 64 * 1024]) {
                gates.1.let_through(1);
                return Err(error);
            }
        }
        Ok(())
    });
    let server = serve(noting(Compression::new(handler)).http11());
    let mut client = server.connect();
    client.send(request("GET", "/", &[GZIP]));
    socket2::SockRef::from(&client.stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    left.let_through(1);
    heard.pass();
}

/// A response that is not whole has neither a last chunk nor the end of gzip.
#[test]
fn content_that_is_not_whole_does_not_end_like_one_that_is() {
    let answer = |http: &mut Exchange<'_>| {
        http.send_response(200)?;
        http.send_header("Content-Type", "text/plain")?;
        if http.path != "/stream" {
            http.send_header("Content-Length", 500_000)?;
        }
        http.end_headers()?;
        http.wfile.write_all(text(400_000).as_bytes())?;
        match &*http.path {
            "/short" => Ok(()),
            "/panic" => panic!("on purpose"),
            _ => Err(io::Error::other("on purpose")),
        }
    };
    for path in ["/short", "/panic", "/failing", "/stream"] {
        for is_http11 in [true, false] {
            let handler = noting(Compression::new(answering(answer)));
            let handler = if is_http11 { handler.http11() } else { handler };
            let errors = (handler.errors.clone(), handler.log.clone());
            let server = serve(handler);
            let (came, is_reset) = hear(&server, path);
            assert!(is_http11 || is_reset, "{path}");
            assert!(!came.ends_with(b"0\r\n\r\n"), "{path}");
            if !is_reset {
                let end = find(&came, b"\r\n\r\n").unwrap() + 4;
                let mut content = Vec::new();
                let chunks = without_sizes(&came[end..]);
                let read = GzDecoder::new(&chunks[..]).read_to_end(&mut content);
                assert!(read.is_err() && text(400_000).as_bytes().starts_with(&content), "{path}");
            }
            drop(server);
            if path == "/short" {
                let told = "the response ended after 400000 of 500000 bytes of its Content-Length";
                assert!(errors.1.so_far().iter().any(|line| line.contains(told)));
            } else {
                assert!(errors.0.so_far().iter().any(|line| line.contains("on purpose")));
            }
        }
    }
}

/// What there is of a body in chunks.
pub(crate) fn without_sizes(mut chunks: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = find(chunks, b"\r\n") {
        let size = usize::from_str_radix(str::from_utf8(&chunks[..end]).unwrap(), 16).unwrap();
        let chunk = &chunks[end + 2..];
        body.extend_from_slice(&chunk[..size.min(chunk.len())]);
        chunks = chunk.get(size + 2..).unwrap_or_default();
    }
    body
}

#[test]
fn content_that_is_longer_than_its_length_is_an_error() {
    let server = serve_answers(|http| {
        http.send_response(200)?;
        http.send_header("Content-Type", "text/plain")?;
        http.send_header("Content-Length", 2_000)?;
        http.end_headers()?;
        http.wfile.write_all(text(2_000).as_bytes())?;
        assert!(http.wfile.write_all(b"x").is_err());
        Ok(())
    });
    let reply = ask(&server, request("GET", "/", &[GZIP]));
    assert!(is_compressed(&reply) && content(&reply) == text(2_000).as_bytes());
}

/// Of a response that has not left, nothing stays when an error takes its place.
#[test]
fn an_error_in_the_place_of_a_compressed_response_is_whole() {
    let server = serve_answers(|http| {
        http.send_response(200)?;
        http.send_header("Content-Type", "text/plain")?;
        http.send_header("Content-Length", 5_000)?;
        http.end_headers()?;
        // The encoder holds it.
        http.wfile.write_all(text(3_000).as_bytes())?;
        if http.path == "/taken" {
            assert!(http.take_over().is_err());
        }
        http.send_error(503)
    });
    for path in ["/", "/taken"] {
        let reply = ask(&server, request("GET", path, &[GZIP]));
        assert_eq!((reply.status(), is_compressed(&reply)), (503, false));
        assert!(reply.text().contains("Error code: 503"));
    }
}

#[test]
fn a_file_that_shrinks_is_cut() {
    let site = Site::empty();
    let path = site.write("a.txt", text(400_000));
    let files = site.handler();
    let server = serve_answers(move |http| {
        let mut file = files.open(http)?;
        file.begin_response(http, "text/plain")?;
        http.end_headers()?;
        File::options().write(true).open(&path)?.set_len(300_000)?;
        file.send(&mut http.wfile)
    });
    let (came, _) = hear(&server, "/a.txt");
    assert!(find(&came, b"Content-Encoding: gzip").is_some() && !came.ends_with(b"0\r\n\r\n"));
}

#[test]
fn beyond_the_bound_content_is_sent_as_it_is() {
    let (gate, reached) = (Gate::new(), Gate::new());
    let gates = (gate.clone(), reached.clone());
    let handler = answering(move |http| {
        http.send_response(200)?;
        http.send_header("Content-Type", "text/plain")?;
        http.end_headers()?;
        http.wfile.write_all(text(2_000).as_bytes())?;
        if http.path == "/slow" {
            gates.1.let_through(1);
            gates.0.pass();
        }
        Ok(())
    });
    let server = serve(noting(Compression::new(handler).max_encoders(1)).http11());
    let mut slow = Browser::connect(&server);
    slow.send(request("GET", "/slow", &[GZIP]));
    reached.pass();
    let quick = ask(&server, request("GET", "/", &[GZIP]));
    assert!(!is_compressed(&quick) && quick.body == text(2_000).as_bytes());
    assert_eq!(quick.header("Vary"), Some("Accept-Encoding"));
    gate.let_through(1);
    assert!(content(&slow.reply()) == text(2_000).as_bytes());
    // The same connection, and so the next response.
    slow.send(request("GET", "/", &[GZIP]));
    let next = slow.reply();
    assert!(is_compressed(&next) && content(&next) == text(2_000).as_bytes());
}

#[test]
fn programs_and_pages_for_errors_are_compressed() {
    let site = Site::empty();
    fs::create_dir(site.path("cgi-bin")).unwrap();
    let script = site.write(
        "cgi-bin/page",
        "#!/bin/sh\nprintf 'Content-Type: text/html\\n\\n'; seq 1 2000; echo \"$QUERY_STRING\"\n",
    );
    fs::set_permissions(script, fs::Permissions::from_mode(0o755)).unwrap();
    let cgi = CgiHttpRequestHandler::new(site.path("")).user(None);
    let pages = StatusPages::default().page(Status::NOT_FOUND, "text/html", text(9_000));
    let pages = ErrorPages::new(Compression::new(cgi), pages);
    let server = serve(noting(pages).http11());
    let numbers: String = (1..=2000).map(|number| format!("{number}\n")).collect();
    let reply = ask(&server, request("GET", "/cgi-bin/page?q", &[GZIP]));
    assert!(is_compressed(&reply) && content(&reply) == (numbers.clone() + "q\n").as_bytes());
    let reply = ask(&server, request("GET", "/cgi-bin/page?q", &[GZIP, ("Cookie", "a=b")]));
    assert!(!is_compressed(&reply) && content(&reply) == (numbers + "q\n").as_bytes());
    let reply = ask(&server, request("GET", "/missing", &[GZIP]));
    assert!(
        reply.status() == 404 && is_compressed(&reply) && content(&reply) == text(9_000).as_bytes()
    );
}

#[test]
fn what_was_compressed_before_is_not_compressed_again() {
    let site = Site::empty();
    site.write("app.js", text(5_000));
    site.write("app.js.br", [b'b'; 2_000]);
    site.write("only.js", text(5_000));
    let files = Compression::new(Compression::new(site.handler().precompressed()));
    let server = serve(noting(files).http11());
    for (path, field, expected) in [
        ("/app.js", "br, gzip", Some("br")),
        ("/app.js", "gzip", Some("gzip")),
        ("/app.js", "", None),
        ("/only.js", "br, gzip", Some("gzip")),
        ("/app.js.br", "br, gzip", Some("br")),
    ] {
        let reply = ask(&server, request("GET", path, &[("Accept-Encoding", field)]));
        assert_eq!(reply.headers("Content-Encoding"), Vec::from_iter(expected), "{path} {field}");
        let is_named = path.ends_with(".br");
        assert_eq!(reply.headers("Vary").len(), usize::from(!is_named), "{path} {field}");
        match expected {
            Some("br") => assert!(reply.body == [b'b'; 2_000]),
            _ => assert!(content(&reply) == text(5_000).as_bytes()),
        }
    }
}

/// No field, however odd, gives other content.
#[test]
fn ten_thousand_fields_give_the_same_content() {
    let body = text(2_000);
    let expected = body.clone();
    let server = serve_answers(move |http| {
        http.send_response(200)?;
        http.send_header("Content-Type", "text/plain")?;
        http.send_header("ETag", "\"x\"")?;
        http.send_header("Content-Length", body.len())?;
        http.end_headers()?;
        http.wfile.write_all(body.as_bytes())
    });
    let mut browser = Browser::connect(&server);
    let pieces = [
        "gzip",
        "identity",
        "*",
        "x-gzip",
        ",",
        ";q=0",
        ";q=1",
        ";q=0.5",
        " ; ",
        "q=",
        "\t",
        "\u{e9}",
        "\r\nAccept-Encoding: ",
        "\r\nIf-None-Match: W/\"y-gzip\"",
        "\r\nRange: bytes=0-1",
        "\r\nIf-Range: W/\"",
        "-gzip\"",
    ];
    let mut mutations = Mutations::of(&pieces);
    let mut seen = [0; 2];
    for _ in 0..10_000 {
        let field = mutations.field(9);
        let reply = browser.ask(request("GET", "/", &[("Accept-Encoding", &field)]));
        assert_eq!((reply.status(), reply.headers("Vary")), (200, vec!["Accept-Encoding"]));
        assert!(content(&reply) == expected.as_bytes(), "{field}");
        seen[usize::from(is_compressed(&reply))] += 1;
    }
    assert!(seen.iter().all(|&count| count > 500), "{seen:?}");
}

#[test]
fn programs_and_the_machines_own_tools_read_it() {
    let site = Site::empty();
    site.write("a.txt", text(300_000));
    let server = serve(noting(Compression::new(site.handler())).http11());
    let url = format!("http://{}/a.txt", server.address);
    let python = "import gzip, sys, urllib.request as u\n\
                  r = u.urlopen(u.Request(sys.argv[1], headers={'Accept-Encoding': 'gzip'}))\n\
                  assert r.headers['Content-Encoding'] == 'gzip'\n\
                  sys.stdout.buffer.write(gzip.decompress(r.read()))";
    for (program, arguments) in
        [("curl", &["--silent", "--show-error", "--compressed"][..]), ("python3", &["-c", python])]
    {
        let mut command = Command::new(program);
        match command.args(arguments).arg(&url).env_remove("http_proxy").output() {
            Ok(output) => assert!(output.stdout == text(300_000).as_bytes(), "{program}"),
            Err(_) => println!("skipped: there is no {program}"),
        }
    }
}

/// Whether nginx compresses, and what it says of that, as we do.
#[test]
fn nginx_compresses_the_same_responses() {
    let site = Site::empty();
    for (name, size) in [("a.html", 5_000), ("b.png", 5_000), ("c.html", 500), ("d.html", 200_000)]
    {
        site.write(name, text(size));
    }
    let root = site.path("");
    let Some(nginx) = Nginx::start(&format!(
        "types {{ text/html html; image/png png; }} gzip on; gzip_vary on; gzip_min_length 1024;
         gzip_comp_level 5; server {{ listen {{listen}}; root {}; }}",
        root.display()
    )) else {
        return;
    };
    let server = serve(noting(Compression::new(site.handler())).http11());
    for path in ["/a.html", "/b.png", "/c.html", "/d.html", "/missing"] {
        for field in ["gzip", "br", "gzip;q=0", "deflate, gzip;q=0.5"] {
            let request = request("GET", path, &[("Accept-Encoding", field)]);
            let [theirs, ours] = [nginx.ask(&request), ask(&server, &request)].map(|reply| {
                let is_error = reply.status() == 404;
                let content = if is_error { Vec::new() } else { content(&reply) };
                let has = |name: &str| reply.header(name).is_some() && !is_error;
                let is_weak = reply.header("ETag").is_some_and(|tag| tag.starts_with("W/"));
                assert!(is_compressed(&reply) || !is_weak);
                let said = ["Content-Encoding", "Vary", "Accept-Ranges"].map(has);
                (reply.status(), said, content)
            });
            assert!(theirs == ours, "{path} {field} {:?} {:?}", theirs.1, ours.1);
        }
    }
    // Of what it compresses, nginx sends no part; ours is one of the content as it is.
    let part = request("GET", "/a.html", &[GZIP, ("Range", "bytes=5-9")]);
    let [theirs, ours] = [nginx.ask(&part), ask(&server, &part)];
    assert_eq!((theirs.status(), is_compressed(&theirs)), (200, true));
    assert!(
        ours.status() == 206 && !is_compressed(&ours) && ours.body == text(5_000).as_bytes()[5..10]
    );
}

#[test]
fn a_cache_keeps_compressed_responses_apart() {
    let site = Site::empty();
    site.write("a.html", text(5_000));
    let files = SimpleHttpRequestHandler::new(site.path(""));
    let server = serve(noting(Compression::new(files)).http11());
    for first in ["gzip", "identity"] {
        let Some(nginx) = cache(&server, "1h") else { return };
        let mut caches = Vec::new();
        for field in [first, "gzip", "identity", "br", "gzip", first, "br, gzip"] {
            for (name, value) in [("A", "b"), ("Range", "bytes=0-99")] {
                let fields = [("Accept-Encoding", field), (name, value)];
                let reply = nginx.ask(request("GET", "/a.html", &fields));
                caches.push(reply.header("X-Cache").unwrap_or("none").to_owned());
                assert!(!is_compressed(&reply) || field.contains("gzip"), "{field} after {first}");
                if reply.status() == 206 {
                    continue;
                }
                assert!(content(&reply) == text(5_000).as_bytes());
                assert_eq!(is_compressed(&reply), field.contains("gzip"), "{field} after {first}");
            }
        }
        assert!(caches.iter().any(|cache| cache == "HIT"), "{caches:?}");
    }
}
