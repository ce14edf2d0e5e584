//! Out of descriptors, threads, processes and memory.

use std::io::Write;
use std::time::{Duration, Instant};

use nix::unistd::Uid;

use crate::Scale;
use crate::client::{POST, begin, get, reply};
use crate::process::{Process, eventually, pass};

/// 64 descriptors and 200 clients that are all being served, so that nobody can be sent away.
pub(crate) fn descriptors(scale: Scale) {
    let server = Process::start("descriptors");
    let mut clients: Vec<_> = (0..200).map(|_| begin(server.address, POST)).collect();
    // All numbers below the limit; what was inherited may lie above it.
    eventually(|| server.descriptors() >= 64);
    let (before, began) = (server.processor_time(), Instant::now());
    pass(if scale.is_full { Duration::from_secs(10) } else { Duration::from_millis(500) });
    let (used, time) = (server.processor_time() - before, began.elapsed());
    println!(
        "  full, with {} descriptors: {used:?} of processor time in {time:.1?}",
        server.descriptors()
    );
    assert!(used * 20 < time, "more than 5 % of a core: {used:?}");
    let released = Instant::now();
    for client in &mut clients {
        client.get_mut().write_all(b"!").unwrap();
    }
    assert_eq!(get(server.address).unwrap(), 200);
    let back = released.elapsed();
    println!("  a new client was answered {back:.1?} after the release");
    assert!(!scale.is_full || back < Duration::from_secs(1));
    let answered = clients.iter_mut().map(reply).filter(Result::is_ok).count();
    println!("  {answered} of 200 were answered then");
    assert_eq!(answered, 200);
}

/// Three threads besides the first, and then none.
pub(crate) fn threads(_: Scale) {
    if only_root_can_be_somebody_else() {
        return;
    }
    let server = Process::start("few threads");
    let mut clients: Vec<_> = (0..20).map(|_| begin(server.address, POST)).collect();
    for client in &mut clients {
        client.get_mut().write_all(b"!").unwrap();
    }
    let answered = clients.iter_mut().map(reply).filter(Result::is_ok).count();
    println!("  {answered} of 20 clients answered, by {} threads", server.threads() - 1);
    assert_eq!(answered, 20);

    let mut server = Process::start("no threads");
    let ended = (0..20).filter(|_| get(server.address).is_err()).count();
    println!("  without any, {ended} of 20 saw the end");
    assert_eq!((ended, server.child.try_wait().unwrap()), (20, None));
}

/// Three processes besides the first.
pub(crate) fn forks(_: Scale) {
    if only_root_can_be_somebody_else() {
        return;
    }
    let server = Process::start("few forks");
    let mut clients: Vec<_> = (0..20).map(|_| begin(server.address, POST)).collect();
    for client in &mut clients {
        // Whoever no process could be made for has been told.
        let _ = client.get_mut().write_all(b"!");
    }
    let answered = clients.iter_mut().map(reply).filter(Result::is_ok).count();
    println!("  {answered} of 20 clients answered, the others saw the end");
    drop(clients);
    let released = Instant::now();
    eventually(|| get(server.address).is_ok());
    println!("  a new client was answered {:.1?} later", released.elapsed());
    assert!(answered >= 1);
}

/// The limit counts what else a user runs, so that it takes a user who runs nothing.
fn only_root_can_be_somebody_else() -> bool {
    let is_root = Uid::effective().is_root();
    if !is_root {
        println!("  skipped: only root can be somebody else");
    }
    !is_root
}

/// Heads that do not end, each just below the limit.
pub(crate) fn heads_in_memory(scale: Scale) {
    let server = Process::start("threads");
    get(server.address).unwrap();
    let before = server.resident();
    let line = format!("X: {}\r\n", "x".repeat(60_000));
    let head = format!("GET / HTTP/1.1\r\nHost: x\r\n{}", line.repeat(4));
    let count = scale.of(500);
    let clients: Vec<_> = (0..count).map(|_| begin(server.address, &head)).collect();
    eventually(|| server.resident() > before + (count as u64) * 230);
    pass(Duration::from_millis(100));
    let each = (server.resident() - before) / count as u64;
    println!("  {count} heads of {} KiB without an end: {each} KiB each", head.len() >> 10);
    assert!(each < 1_000);
    assert_eq!(get(server.address).unwrap(), 200);
    drop(clients);
    eventually(|| server.resident() < before + (count as u64) * each / 4 + 4_096);
    println!("  {} KiB before, {} KiB after they left", before, server.resident());
}

/// A handler asks for more than there is, which ends a process of Rust's. Others take over.
pub(crate) fn memory(_: Scale) {
    let server = Process::start("memory");
    eventually(|| server.children().len() == 2);
    let before = server.children();
    let mut hog = begin(server.address, "GET /hog HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(reply(&mut hog).is_err());
    let began = Instant::now();
    let answered = (0..100).filter(|_| get(server.address).is_ok()).count();
    println!("  {answered} of 100 requests answered beside the crash");
    assert_eq!(answered, 100);
    eventually(|| server.children().len() == 2 && server.children() != before);
    println!("  the process was replaced within {:.0?}", began.elapsed());
}
