//! How long a closed connection is listened to.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use super::*;

fn lingering() -> (UnixStream, Lingering) {
    let (client, server) = UnixStream::pair().expect("a pair of sockets");
    (client, Lingering::new(Arc::new(ClientSocket::plain(OwnedFd::from(server)))))
}

/// How often so many bytes put the end off that come just before it.
fn turns(mut lingering: Lingering, mut client: &UnixStream, bytes: usize) -> usize {
    for turn in 0.. {
        let before = lingering.deadline;
        client.write_all(&vec![b'x'; bytes]).expect("there is room");
        let now = before - Duration::from_millis(1);
        assert_eq!(lingering.discard(now), Discarded::All, "it is not over");
        if lingering.deadline == before {
            assert_eq!(lingering.discard(before), Discarded::Last);
            return turn;
        }
        assert!(lingering.deadline <= lingering.since + LINGER_LIMIT);
    }
    unreachable!("it has no end")
}

#[test]
fn what_comes_puts_the_end_off_up_to_a_limit() {
    for bytes in [1, 100_000] {
        let (client, lingering) = lingering();
        assert_eq!(turns(lingering, &client, bytes), 6);
    }
}

#[test]
fn a_child_is_kept_by_a_client_that_makes_haste_alone() {
    for (bytes, count) in [(1, 0), (60_000, 0), (70_000, 15)] {
        let (client, lingering) = lingering();
        let lingering = lingering.in_job();
        assert_eq!(turns(lingering, &client, bytes), count, "{bytes}");
    }
}

#[test]
fn a_client_that_ends_is_waited_for_no_longer() {
    let (mut client, mut lingering) = lingering();
    let since = lingering.since;
    assert_eq!(lingering.discard(since), Discarded::All);
    client.write_all(b"x").expect("there is room");
    drop(client);
    assert_eq!(lingering.discard(since), Discarded::Last);
}

#[test]
fn the_end_is_not_put_off_once_the_server_stops() {
    let (mut client, mut lingering) = lingering();
    let since = lingering.since;
    assert_eq!(lingering.hasten(since), since + HEAD_GRACE);
    client.write_all(b"x").expect("there is room");
    assert_eq!(lingering.discard(since), Discarded::All);
    assert_eq!(lingering.discard(since + HEAD_GRACE), Discarded::Last);
}
