//! nginx with a cache between client and server: no client gets what another one asked for.

use std::fs;
use std::io::Read;
use std::time::{Duration, UNIX_EPOCH};

use socketserver::http::SimpleHttpRequestHandler;

use crate::conditions::request;
use crate::nginx::Nginx;
use crate::ranges::{content, parts};
use crate::support::{PAUSE, Running, eventually};
use crate::web::{Site, noting, serve, set_modified};

/// A proxy for a server, with a cache whose entries are good for so long.
pub(crate) fn cache(server: &Running, valid: &str) -> Option<Nginx> {
    let address = server.address;
    Nginx::start(&format!(
        "proxy_cache_path {{here}}/cache keys_zone=files:1m; proxy_cache files;
         proxy_cache_valid 200 206 301 {valid}; proxy_cache_revalidate on;
         proxy_http_version 1.1; proxy_set_header Connection '';
         add_header X-Cache $upstream_cache_status;
         server {{
             listen {{listen}};
             location / {{ proxy_pass http://{address}; }}
             location /slices/ {{
                 slice 4k;
                 proxy_cache_key $uri$slice_range;
                 proxy_set_header Range $slice_range;
                 proxy_pass http://{address}/;
             }}
         }}"
    ))
}

#[test]
fn a_cache_keeps_parts_and_wholes_apart() {
    let site = Site::empty();
    let size = 50_000;
    site.write("file", content(size));
    site.write("drawing.svgz", content(size));
    let server = site.serve();
    for first in ["bytes=5-9", "bytes=0-9,20-29", "bytes=99999-", "none"] {
        let Some(nginx) = cache(&server, "1h") else { return };
        let mut caches = Vec::new();
        for range in [first, "none", "bytes=5-9", "bytes=49000-", "bytes=0-9,20-29", first] {
            for path in ["/file", "/drawing.svgz", "/slices/file"] {
                for method in ["GET", "HEAD"] {
                    let reply = nginx.ask(request(method, path, &[("Range", range)]));
                    caches.push(reply.header("X-Cache").unwrap_or("none").to_owned());
                    if method == "HEAD" {
                        continue;
                    }
                    let coding = path.ends_with("svgz").then_some("gzip");
                    let status = reply.status();
                    if status != 416 {
                        assert_eq!(reply.header("Content-Encoding"), coding, "{path} {range}");
                    }
                    let whole = content(size);
                    match range {
                        "none" => assert!(status == 200 && reply.body == whole, "{path}"),
                        "bytes=5-9" => assert!(status == 206 && reply.body == whole[5..10]),
                        "bytes=49000-" => assert!(status == 206 && reply.body == whole[49_000..]),
                        "bytes=99999-" => assert_eq!(status, 416),
                        // The module for slices knows no more than one part.
                        _ if path.starts_with("/slices") => {
                            assert!(status == 200 && reply.body == whole);
                        }
                        _ if status == 200 => assert!(reply.body == whole),
                        _ => assert!(parts(&reply)[1].2 == whole[20..30], "{path}"),
                    }
                }
            }
        }
        assert!(caches.iter().any(|cache| cache == "HIT"), "{caches:?}");
    }
}

#[test]
fn a_cache_asks_again_with_the_tag_and_is_told_what_is_there() {
    let old = SimpleHttpRequestHandler::new(env!("CARGO_MANIFEST_DIR"));
    let server = serve(noting(old).http11());
    let Some(nginx) = cache(&server, "1s") else { return };
    let ask = || nginx.ask(request("GET", "/LICENSE-MIT", &[]));
    let first = ask();
    let tag = first.header("ETag").unwrap().to_owned();
    let reply = nginx.ask(request("GET", "/LICENSE-MIT", &[("If-None-Match", &tag)]));
    assert_eq!((reply.status(), reply.header("ETag")), (304, Some(&*tag)));
    eventually(|| {
        std::thread::sleep(PAUSE);
        let reply = ask();
        assert!(reply.body == first.body);
        reply.header("X-Cache") == Some("REVALIDATED")
    });
}

/// nginx compares the tags of the slices; without tags it would put them together.
#[test]
fn a_cache_does_not_put_parts_of_two_files_together() {
    let site = Site::empty();
    let (one, two) = (vec![b'1'; 20_000], vec![b'2'; 20_000]);
    let path = site.write("file", &one);
    let server = site.serve();
    let Some(nginx) = cache(&server, "1h") else { return };
    let has_tag = || {
        std::thread::sleep(PAUSE);
        let reply = crate::web::ask(&server, request("HEAD", "/file", &[]));
        reply.header("ETag").is_some()
    };
    eventually(has_tag);
    let part = nginx.ask(request("GET", "/slices/file", &[("Range", "bytes=0-99")]));
    assert!(part.status() == 206 && part.body == one[..100]);
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, &two).unwrap();
    // The tag alone tells.
    set_modified(&path, UNIX_EPOCH + modified.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO));
    eventually(has_tag);
    let mut client = nginx.connect();
    client.send("GET /slices/file HTTP/1.0\r\nHost: x\r\n\r\n");
    let mut came = Vec::new();
    // It may be reset.
    let _ = client.stream.read_to_end(&mut came);
    let body = &came[crate::web::find(&came, b"\r\n\r\n").unwrap() + 4..];
    assert!(body.len() < 20_000 && body.iter().all(|&byte| byte == b'1'), "{} bytes", body.len());
}
