//! The seeds of the fuzz targets, and what they have found, as ordinary tests.

use std::fs;
use std::path::Path;

#[path = "../fuzz/connection.rs"]
mod connection;
#[path = "../fuzz/multipart.rs"]
mod multipart;
#[path = "../fuzz/proxy.rs"]
mod proxy;
#[path = "../fuzz/urlencoded.rs"]
mod urlencoded;

#[test]
fn the_corpus_of_connections_passes() {
    run("connection", connection::check);
}

#[test]
fn the_corpus_of_multipart_bodies_passes() {
    run("multipart", multipart::check);
}

#[test]
fn the_corpus_of_introduced_connections_passes() {
    run("proxy", proxy::check);
}

#[test]
fn the_corpus_of_url_encoded_forms_passes() {
    run("urlencoded", urlencoded::check);
}

fn run(target: &str, check: fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let Ok(entries) = fs::read_dir(directory) else {
        eprintln!("skipped: there is no fuzz/, as in a package from the registry");
        return;
    };
    let mut count = 0;
    for entry in entries {
        check(&fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count >= 4, "{count} files");
}
