//! What the command sends compressed, where that is asked for.

use std::fs;

use crate::cli::Serving;
use crate::cli_asked::{WAYS, ask};

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
