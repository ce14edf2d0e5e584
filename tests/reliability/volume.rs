//! Very many requests, and more clients than there is room for.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use crate::Scale;
use crate::client::{GET, Load, begin, connect, get, reply};
use crate::process::{Process, eventually};

/// Requests on four connections, sixteen at a time.
pub(crate) fn requests(scale: Scale) {
    const BATCH: usize = 16;
    let server = Process::start("threads");
    let (tenth, mut memory) = (scale.of(1_000_000) / 10, Vec::new());
    let mut streams: Vec<_> = (0..4).map(|_| connect(server.address).unwrap()).collect();
    let began = Instant::now();
    for _ in 0..10 {
        thread::scope(|scope| {
            for stream in &mut streams {
                scope.spawn(|| {
                    for _ in 0..(tenth / 4).div_ceil(BATCH) {
                        stream.get_mut().write_all(GET.repeat(BATCH).as_bytes()).unwrap();
                        for _ in 0..BATCH {
                            assert_eq!(reply(stream).unwrap(), (200, true));
                        }
                    }
                });
            }
        });
        memory.push(server.resident());
    }
    println!(
        "  {} requests in {:.1?}; KiB after each tenth: {memory:?}",
        tenth * 10,
        began.elapsed()
    );
    // The allocator's warming up is over by the middle.
    assert!(memory[9] <= memory[5] + 512, "it grows");
}

/// A process for each.
pub(crate) fn forked_requests(scale: Scale) {
    let server = Process::start("forks");
    get(server.address).unwrap();
    let (count, resident, began) = (scale.of(100_000), server.resident(), Instant::now());
    let load = Load::start(server.address, 8, false);
    let (mut most, mut left) = (0, count);
    while left > 0 {
        let step = left.min(1_000);
        load.wait_for_more(step);
        left -= step;
        most = most.max(server.zombies());
    }
    let counts = load.stop();
    eventually(|| server.children().is_empty());
    println!(
        "  {} requests in {:.1?}, {} lost, {} refused; at most {most} zombies at a look, {} at the end; \
         {resident} KiB before, {} after",
        counts.done,
        began.elapsed(),
        counts.lost,
        counts.refused,
        server.zombies(),
        server.resident()
    );
    assert_eq!((counts.lost, counts.refused), (0, 0));
    assert!(server.resident() < resident + 1_024);
}

/// Four clients for each connection that there is room for.
pub(crate) fn overload(_: Scale) {
    for policy in ["wait", "refuse", "shed"] {
        let server = Process::start(policy);
        // They have asked once, and stay.
        let mut idle: Vec<_> = (0..50).map(|_| begin(server.address, GET)).collect();
        for client in &mut idle {
            assert_eq!(reply(client).unwrap().0, 200);
        }
        let mut more: Vec<_> = (0..150).map(|_| begin(server.address, GET)).collect();
        let (mut answered, mut told, mut closed) = (0, 0, 0);
        let mut count = |client: &mut _| match reply(client) {
            Ok((200, _)) => answered += 1,
            Ok(_) => told += 1,
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock) => {}
            Err(_) => closed += 1,
        };
        for client in &mut more {
            client
                .get_mut()
                .set_read_timeout(Some(Duration::from_millis(if policy == "wait" {
                    5
                } else {
                    2_000
                })))
                .unwrap();
            count(client);
        }
        println!(
            "  {policy}: of 150 beyond 50 idle ones, {answered} answered, {told} told 503, {closed} closed"
        );
        match policy {
            "wait" => assert_eq!((answered, told, closed), (0, 0, 0)),
            "refuse" => assert_eq!((answered, told + closed), (0, 150)),
            _ => assert_eq!((answered, told, closed), (150, 0, 0)),
        }
        drop((idle, more));
        eventually(|| get(server.address).is_ok_and(|status| status == 200));
    }
}
