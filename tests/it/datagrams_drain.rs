//! What becomes of datagrams when their server is asked to stop.

use std::io::{self};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use socketserver::concurrency::Concurrency;
use socketserver::transport::{Udp, UnixDatagram};
use socketserver::{Address, Datagram, Handler, ThreadPool, handler_fn};

use crate::datagrams::{Client, Packets, Peer, report, shout, start};
use crate::support::{Gate, MOMENT, Notes, Running, Strategy, ThreadPerConnection, eventually};

/// Notes what comes and answers it when the gate is passed.
fn gated(gate: &Gate, begun: &Notes<String>) -> impl Handler<Datagram> + use<> {
    let (gate, begun) = (gate.clone(), begun.clone());
    handler_fn(move |datagram: Datagram| {
        begun.add(String::from_utf8_lossy(&datagram.packet).into_owned());
        gate.pass();
        shout(datagram)
    })
}

fn a_drain_waits_for_a_datagram_with<K: Packets, C: Strategy>() {
    let (gate, begun) = (Gate::new(), Notes::new());
    let running = start::<K, C>(gated(&gate, &begun));
    let client = running.address.client();
    client.send("slow");
    assert_eq!(begun.next(), "slow");
    running.handle.shutdown();
    assert!(!client.hears(MOMENT));
    gate.let_through(1);
    assert_eq!(client.receive(), "SLOW");
    let stopped = running.wait();
    stopped.result.unwrap();
    assert_eq!(stopped.report, report(1, 0));
}

#[test]
fn a_drain_waits_for_a_datagram() {
    a_drain_waits_for_a_datagram_with::<Udp, ThreadPool>();
    a_drain_waits_for_a_datagram_with::<Udp, ThreadPerConnection>();
    a_drain_waits_for_a_datagram_with::<UnixDatagram, ThreadPool>();
    a_drain_waits_for_a_datagram_with::<UnixDatagram, ThreadPerConnection>();
}

#[test]
fn a_drain_waits_for_datagrams_that_wait_for_a_thread() {
    let (gate, begun) = (Gate::new(), Notes::new());
    let server = Udp::bind_free(8192, gated(&gate, &begun), ThreadPool::default().max_threads(1));
    let running = Running::start(server);
    let client = running.address.client();
    for word in ["one", "two", "three"] {
        client.send(word);
    }
    assert_eq!(begun.next(), "one");
    // All have been received when one that was sent later has made the loop turn.
    running.handle.shutdown();
    gate.let_through(3);
    let stopped = running.wait();
    let received = 1 + begun.so_far().len();
    assert_eq!(stopped.report.cut, 0);
    for word in &["ONE", "TWO", "THREE"][..received] {
        assert_eq!(client.receive(), *word);
    }
    assert!(!client.hears(Duration::ZERO));
}

/// The one that runs cannot be stopped; those that wait are not begun.
#[test]
fn the_deadline_cuts_datagrams() {
    let (gate, begun) = (Gate::new(), Notes::new());
    let verified = Arc::new(AtomicUsize::new(0));
    struct Counting<H>(H, Arc<AtomicUsize>);
    impl<H: Handler<Datagram>> Handler<Datagram> for Counting<H> {
        fn handle(&self, datagram: Datagram) -> io::Result<()> {
            self.0.handle(datagram)
        }

        fn verify_request(&self, _: &Datagram, _: &Address) -> bool {
            self.1.fetch_add(1, Ordering::SeqCst);
            true
        }
    }
    let handler = Counting(gated(&gate, &begun), Arc::clone(&verified));
    let mut server = Udp::bind_free(8192, handler, ThreadPool::default().max_threads(1));
    server.shutdown_timeout = MOMENT;
    let handle = server.shutdown_handle();
    let client = server.server_address().client();
    thread::scope(|scope| {
        let serving = scope.spawn(|| server.serve_forever());
        for word in ["one", "two", "three"] {
            client.send(word);
        }
        assert_eq!(begun.next(), "one");
        eventually(|| verified.load(Ordering::SeqCst) == 3);
        handle.shutdown();
        serving.join().unwrap().unwrap();
    });
    assert_eq!(server.shutdown_report(), report(0, 3));
    gate.let_through(3);
    server.server_close();
    assert_eq!(client.receive(), "ONE");
    assert!(!client.hears(Duration::ZERO));
    assert_eq!(begun.so_far(), [""; 0]);
}

/// A strategy that has room for one job, and never again.
#[derive(Debug, Default)]
struct Once {
    jobs: Vec<socketserver::concurrency::Job>,
}

impl Concurrency for Once {
    fn process_request(&mut self, job: socketserver::concurrency::Job) -> io::Result<()> {
        self.jobs.push(job);
        Ok(())
    }

    fn has_room(&self) -> bool {
        self.jobs.is_empty()
    }
}

#[test]
fn datagrams_without_room_are_cut_too() {
    let seen = Notes::new();
    let handler = {
        let seen = seen.clone();
        handler_fn(move |_: Datagram| {
            seen.add(());
            Ok(())
        })
    };
    let mut server = Udp::bind_free(8192, handler, Once::default());
    server.shutdown_timeout = MOMENT;
    let client = server.server_address().client();
    for word in ["one", "two", "three"] {
        client.send(word);
    }
    // Receives all and hands one over.
    server.handle_request().unwrap();
    server.shutdown_handle().shutdown();
    server.serve_forever().unwrap();
    assert_eq!(server.shutdown_report(), report(0, 3));
    drop(server);
    assert_eq!(seen.so_far(), []);
}

#[test]
fn no_more_datagrams_are_taken_than_may_be_open() {
    let (gate, begun) = (Gate::new(), Notes::new());
    let mut server = Udp::bind_free(8192, gated(&gate, &begun), ThreadPool::default());
    assert_eq!(server.max_connections, 1024);
    server.max_connections = 2;
    let running = Running::start(server);
    let client = running.address.client();
    for word in ["one", "two", "three", "four"] {
        client.send(word);
    }
    let mut two = [begun.next(), begun.next()];
    two.sort();
    assert_eq!(two, ["one", "two"]);
    assert!(!client.hears(MOMENT));
    assert_eq!(begun.so_far(), [""; 0]);
    gate.let_through(4);
    let mut replies = [(); 4].map(|()| client.receive());
    replies.sort();
    assert_eq!(replies, ["FOUR", "ONE", "THREE", "TWO"]);
}

fn none_is_answered_twice<K: Packets>() {
    const CLIENTS: usize = 4;
    const EACH: usize = 2_500;
    let count = Arc::new(AtomicUsize::new(0));
    let handler = {
        let count = Arc::clone(&count);
        handler_fn(move |datagram: Datagram| {
            count.fetch_add(1, Ordering::Relaxed);
            datagram.reply(&datagram.packet)
        })
    };
    let running = start::<K, ThreadPool>(handler);
    let clients: Vec<Client> = (0..CLIENTS).map(|_| running.address.client()).collect();
    thread::scope(|scope| {
        for client in &clients {
            scope.spawn(move || {
                // A few at a time, so that no queue of the kernel's overflows.
                for first in (0..EACH).step_by(5) {
                    let mut expected: Vec<String> =
                        (first..first + 5).map(|number| format!("{number:05}")).collect();
                    for number in &expected {
                        client.send(number);
                    }
                    let mut answers = [(); 5].map(|()| client.receive());
                    answers.sort();
                    expected.sort();
                    assert_eq!(answers[..], expected);
                }
            });
        }
    });
    running.stop().result.unwrap();
    assert_eq!(count.load(Ordering::Relaxed), CLIENTS * EACH);
    assert!(clients.iter().all(|client| !client.hears(Duration::ZERO)));
}

#[test]
fn of_ten_thousand_datagrams_none_is_answered_twice() {
    none_is_answered_twice::<Udp>();
    none_is_answered_twice::<UnixDatagram>();
}
