//! What the command sends compressed, where that is asked for.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::time::UNIX_EPOCH;

use flate2::read::GzDecoder;

use crate::auth::{ADA, ADAS};
use crate::cli::{Serving, read_to_end};
use crate::cli_asked::{WAYS, ask};
use crate::web::{MODIFIED, set_modified};

#[track_caller]
fn start(arguments: &[&str]) -> Serving {
    Serving::start(&[&["-b", "127.0.0.1"], arguments].concat())
}

#[track_caller]
fn get(serving: &Serving, path: &str, coding: &str) -> String {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: h\r\nAccept-Encoding: {coding}\r\nConnection: close\r\n\r\n"
    );
    ask(serving, &request)
}

#[test]
fn compressed_files_are_sent_where_that_is_asked_for() {
    let write = |serving: &Serving| {
        let directory = serving.directory.as_ref().unwrap().path();
        fs::write(directory.join("app.js"), "plain").unwrap();
        fs::write(directory.join("app.js.gz"), "gzipped").unwrap();
        fs::write(directory.join("app.js.br"), "brotli").unwrap();
    };
    for way in WAYS {
        for protocol in ["1.0", "1.1"] {
            let serving = start(&[way, &["--compress", "--protocol", protocol]].concat());
            write(&serving);
            for (coding, body) in [("gzip", "gzipped"), ("gzip, br", "brotli"), ("x", "plain")] {
                let reply = get(&serving, "/app.js", coding);
                assert!(reply.ends_with(&format!("\r\n\r\n{body}")), "{way:?} {coding}: {reply}");
                assert!(reply.contains("\r\nVary: Accept-Encoding\r\n"), "{reply}");
            }
        }
    }
    let serving = start(&[]);
    write(&serving);
    let reply = get(&serving, "/app.js", "gzip");
    assert!(reply.ends_with("\r\n\r\nplain") && !reply.contains("Vary"), "{reply}");
}

/// What a client of HTTP/1.1 that accepts gzip gets: the head, and the content.
#[track_caller]
fn get_gzip(serving: &Serving, request: &str) -> (String, Vec<u8>) {
    let request = format!("{request}Accept-Encoding: gzip\r\nConnection: close\r\n\r\n");
    let reply = if serving.banner.starts_with("Serving HTTPS") {
        let config = std::sync::Arc::new(crate::cli_tls::trusting_anybody());
        let address = ([127, 0, 0, 1], serving.port).into();
        let mut client = crate::certificates::TlsClient::connect(address, &config);
        client.send(&request);
        client.bytes_to_end()
    } else {
        let mut client = serving.connect();
        client.write_all(request.as_bytes()).unwrap();
        read_to_end(&mut client)
    };
    let end = crate::web::find(&reply, b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8(reply[..end].to_vec()).unwrap();
    let mut body = reply[end..].to_vec();
    if head.contains("Transfer-Encoding: chunked") {
        body = crate::compression_ends::without_sizes(&body);
    }
    if head.contains("Content-Encoding: gzip") && !body.is_empty() {
        let mut content = Vec::new();
        GzDecoder::new(&body[..]).read_to_end(&mut content).unwrap();
        body = content;
    }
    (head, body)
}

#[test]
fn what_is_made_is_compressed_beside_all_other_options() {
    let pages = tempfile::tempdir().unwrap();
    let page = pages.path().join("404.html");
    fs::write(&page, crate::compression::text(9_000)).unwrap();
    let missing = format!("404={}", page.display());
    for way in WAYS {
        for protocol in ["1.0", "1.1"] {
            let all = [
                "--compress",
                "--protocol",
                protocol,
                "--auth",
                ADA,
                "--cors",
                "--error-page",
                &missing,
                "--url-prefix",
                "/x",
                "--cgi",
                "--cgi-user",
                "root",
                "--log-format",
                "combined",
                "--charset",
                "utf-8",
            ];
            let serving = start(&[way, &all].concat());
            let directory = serving.directory.as_ref().unwrap().path();
            fs::create_dir(directory.join("cgi-bin")).unwrap();
            let script = directory.join("cgi-bin/page");
            fs::write(
                &script,
                "#!/bin/sh\nprintf 'Content-Type: text/plain\\nETag: \"x\"\\n\\n'; seq 500\n",
            )
            .unwrap();
            fs::set_permissions(script, fs::Permissions::from_mode(0o755)).unwrap();
            let text = crate::compression::text(300_000);
            fs::write(directory.join("b.html"), &text).unwrap();
            // What has neither a tag nor a date might be made for one user.
            set_modified(&directory.join("b.html"), UNIX_EPOCH + MODIFIED);
            let numbers: String = (1..=500).map(|number| format!("{number}\n")).collect();
            for (path, status, content) in [
                ("/x/b.html", 200, &*text),
                ("/x/cgi-bin/page", 200, &*numbers),
                ("/x/missing", 404, &text[..9_000]),
            ] {
                let get = format!("GET {path} HTTP/1.1\r\nHost: h\r\nAuthorization: {ADAS}\r\n");
                // The page for the error was made for one request.
                let is_compressed = status == 200;
                let (head, body) = get_gzip(&serving, &get);
                let what = format!("{way:?} {protocol} {path}: {head}");
                assert!(head.starts_with(&format!("HTTP/{protocol} {status} ")), "{what}");
                assert!(body == content.as_bytes(), "{what}");
                assert_eq!(
                    head.contains("\r\nContent-Encoding: gzip\r\n"),
                    is_compressed,
                    "{what}"
                );
                assert!(head.contains("\r\nVary: Accept-Encoding\r\n"), "{what}");
                assert!(head.contains("\r\nAccess-Control-Allow-Origin: *\r\n"), "{what}");
                let head_only = get_gzip(&serving, &get.replace("GET", "HEAD"));
                assert_eq!(head_only.0.contains("Content-Encoding: gzip"), is_compressed, "{what}");
                assert!(head_only.1.is_empty(), "{what}");
            }
            let refused = get_gzip(&serving, "GET /x/b.html HTTP/1.1\r\nHost: h\r\n");
            assert!(refused.0.starts_with(&format!("HTTP/{protocol} 401 ")), "{}", refused.0);
        }
    }
}
