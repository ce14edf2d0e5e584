//! Clients that go at once, and clients that never do.

use std::time::{Duration, Instant};

use crate::Scale;
use crate::client::{begin, connect, get};
use crate::process::{Process, eventually, pass};

/// Connections that are opened and dropped, before and within a request. What stays after the first
/// so many stays for the next ones, too, and does not grow.
pub(crate) fn dropped(scale: Scale) {
    let server = Process::start("threads");
    get(server.address).unwrap();
    let (descriptors, before) = (server.descriptors(), server.resident());
    let (count, began) = (scale.of(10_000), Instant::now());
    open_and_drop(&server, count, descriptors);
    let (time, first) = (began.elapsed(), server.resident());
    open_and_drop(&server, count, descriptors);
    let second = server.resident();
    println!(
        "  {count} in {time:.1?}; {descriptors} descriptors before, {} after; {before} KiB before, {first} after, \
         {second} after as many again",
        server.descriptors()
    );
    assert!(second < first + 2_048);
}

fn open_and_drop(server: &Process, count: usize, descriptors: usize) {
    for number in 0..count {
        match number % 3 {
            0 => drop(connect(server.address).unwrap()),
            1 => drop(begin(server.address, "GET / HT")),
            _ => drop(begin(server.address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")),
        }
    }
    assert_eq!(get(server.address).unwrap(), 200);
    eventually(|| server.descriptors() <= descriptors);
}

/// Half of each is missing: heads, bodies, and the will to read.
fn slow_clients(server: &Process, count: usize) -> Vec<impl Sized> {
    let mut clients = Vec::new();
    for _ in 0..count {
        for begun in [
            "GET / HTTP/1.1\r\nHo",
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf",
            "GET /big HTTP/1.1\r\nHost: x\r\n\r\n",
        ] {
            clients.push(begin(server.address, begun));
        }
    }
    clients
}

/// With a thread for each of them, as by default, the slow hold up nobody.
pub(crate) fn slow(scale: Scale) {
    let server = Process::start("threads");
    let count = scale.of(200);
    let clients = slow_clients(&server, count);
    // The bodies hold none.
    eventually(|| server.threads() > count);
    let mut times: Vec<Duration> = (0..200).map(|_| time_of_request(&server)).collect();
    times.sort();
    println!(
        "  beside {} slow clients, {} threads, {} KiB: 200 of 200 answered, half within {:.1?}, the last {:.1?}",
        clients.len(),
        server.threads(),
        server.resident(),
        times[100],
        times[199]
    );
    drop(clients);
}

/// Without, whoever comes waits until the slow ones have used up their time: 30 seconds by default.
pub(crate) fn slow_with_few_threads(scale: Scale) {
    let server = Process::start("64 threads");
    let clients = slow_clients(&server, 200);
    eventually(|| server.threads() == 1 + 64);
    if scale.is_full {
        pass(Duration::from_secs(1));
    }
    let mut waiting = begin(server.address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    waiting.get_mut().set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let answered = crate::client::reply(&mut waiting).is_ok();
    println!("  64 threads and 200 of each: answered within 500 ms: {answered}");
    let began = Instant::now();
    drop(clients);
    time_of_request(&server);
    println!("  answered {:.1?} after the slow ones had left", began.elapsed());
}

fn time_of_request(server: &Process) -> Duration {
    let began = Instant::now();
    assert_eq!(get(server.address).unwrap(), 200);
    began.elapsed()
}
