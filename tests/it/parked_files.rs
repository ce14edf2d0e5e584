//! What files cost that are left to be sent: who reads the files, and how many are open.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use crate::parked_responses::{
    CLIENTS, SIZE, Watched, assert_is_served, begin, pool, serve_one_by_one, site,
};
use crate::support::{Running, bind_with};
use crate::web::Browser;

/// A disk that is slow, or hangs, would hold up all clients otherwise.
#[test]
fn the_serving_thread_of_a_pool_reads_no_file() {
    let site = site();
    let handler = Watched::of(&site);
    let (ended, serving) = (handler.ended.clone(), Arc::clone(&handler.serving));
    let server = Running::start(bind_with(handler, pool()));
    let clients = [(); 2 * CLIENTS].map(|()| begin(server.connect(), "/large"));
    assert_is_served(server.connect());
    ended.next();
    let readers = clients.map(|client| thread::spawn(move || Browser::over(client).reply()));
    for reader in readers {
        let reply = reader.join().unwrap();
        assert_eq!(reply.body.len(), SIZE);
        assert!(ended.next().is_complete);
    }
    let read = bytes_read(serving.get().unwrap());
    assert!(read < SIZE as u64, "{read} bytes");
}

/// What a thread has read, of files as well as by `sendfile`.
fn bytes_read(thread: &Path) -> u64 {
    let counts = fs::read_to_string(Path::new("/proc").join(thread).join("io"));
    let counts = counts.unwrap();
    let read = counts.lines().find_map(|line| line.strip_prefix("rchar: "));
    read.unwrap().parse().unwrap()
}

/// Each part of it, as the same file that others take.
#[test]
fn clients_that_take_one_file_share_a_descriptor() {
    let (site, server, ended) = serve_one_by_one();
    let parts = (0..60).map(|part| format!("{}-{}", part * 250_000, part * 250_000 + 200_000));
    let ranges = parts.collect::<Vec<_>>().join(",");
    let clients = [(); CLIENTS].map(|()| {
        let mut client = server.connect();
        client.send(format!("GET /large HTTP/1.1\r\nHost: x\r\nRange: bytes={ranges}\r\n\r\n"));
        client.read_exactly(1);
        client
    });
    assert_is_served(server.connect());
    assert_eq!(ended.next().path, "/small");
    let path = site.path("large");
    // One more for each time that another thread has been faster.
    assert!((1..10).contains(&descriptors_of(&path)));
    for client in clients {
        drop(client);
        ended.next();
    }
    assert_eq!(descriptors_of(&path), 0);
}

/// How many descriptors of this process are of the file.
fn descriptors_of(path: &Path) -> usize {
    let all = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let links = all.filter_map(|one| fs::read_link(one.path()).ok());
    links.filter(|link| link == path).count()
}
