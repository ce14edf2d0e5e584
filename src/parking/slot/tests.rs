//! A connection in each of its states, and what becomes of it there.

mod forked;
#[cfg(feature = "tls")]
mod handshakes;
mod jobs;
mod lingering;
mod sending;
mod site;

use std::io::Read;
use std::time::Duration;

use super::*;
use crate::poller::Report;
use site::{AGE, IDLE, Site};

#[test]
fn a_connection_waits_until_it_is_reported() {
    for placement in [Placement::ServingThread, Placement::OtherThread, Placement::Detached] {
        let site = Site::new(placement);
        let (mut client, slot) = site.idle();
        assert_eq!(slot.client_address().to_string(), "unix:client");
        assert_eq!((site.reports(), site.waiting(), site.returned()), (vec![], 0, 0));
        assert!(slot.deadline().is_some_and(|it| it > Instant::now() + IDLE / 2));
        client.send(b"a");
        assert_eq!(site.reports(), [slot.key]);
        assert!(slot.report(&site.parking, false));
        assert_eq!((slot.seen(), site.waiting()), ("claimed", 1));
        // A second report is of no consequence.
        assert!(!slot.report(&site.parking, false));
        assert_eq!((slot.seen(), site.waiting()), ("claimed", 1));
        // A child holds the socket, too, and would have it reported for ever.
        let socket = slot.socket(&slot.place()).expect("it is open");
        let is_watched = site.parking.poller.change(&socket, slot.key, Report::Never).is_ok();
        assert_eq!(is_watched, placement != Placement::Detached);
    }
}

#[test]
fn what_comes_while_a_connection_is_served_is_not_reported_for_ever() {
    for (placement, is_reported) in
        [(Placement::ServingThread, true), (Placement::OtherThread, false)]
    {
        let site = Site::new(placement);
        let (mut client, slot) = site.idle();
        client.send(b"a");
        assert_eq!(site.reports(), [slot.key]);
        assert!(slot.report(&site.parking, false));
        let connection = slot.place().take_out(Phase::Claimed, Holder::Job).expect("claimed");
        assert!(!slot.report(&site.parking, false));
        client.send(b"b");
        assert_eq!(!site.reports().is_empty(), is_reported, "{placement:?}");
        let known = site.parking.poller.change(connection.rfile.socket(), slot.key, Report::Never);
        assert!(known.is_ok());
    }
}

#[test]
fn the_poller_forgets_a_connection_that_was_taken_over() {
    for placement in [Placement::ServingThread, Placement::OtherThread] {
        let site = Site::new(placement);
        let (mut client, slot) = site.idle();
        let connection = slot.place().take_out(Phase::Idle, Holder::Other).expect("idle");
        client.send(b"a");
        assert!(!slot.report(&site.parking, false));
        let known = site.parking.poller.change(connection.rfile.socket(), slot.key, Report::Never);
        assert!(known.is_err(), "{placement:?}");
    }
}

#[test]
fn a_connection_that_comes_back_with_bytes_is_claimed_again() {
    let site = Site::new(Placement::OtherThread);
    let (mut client, slot, mut connection) = site.accept();
    client.send(b"ab");
    assert_eq!(connection.rfile.receive().ok(), Some(2));
    connection.park().expect("it is taken back");
    assert_eq!((slot.seen(), site.waiting(), site.returned()), ("claimed", 1, 1));
    // As the beginning of a request they are no reason.
    let mut connection = slot.place().take_out(Phase::Claimed, Holder::Other).expect("claimed");
    assert_eq!(connection.rfile.unread(), b"ab");
    connection.rfile.note_arrival();
    connection.park_for_more().expect("it is taken back");
    assert_eq!((slot.seen(), site.returned()), ("idle", 0));
    assert!(slot.deadline().is_some_and(|it| it < Instant::now() + IDLE / 2));
}

#[test]
fn what_was_left_unread_is_reported_again() {
    let site = Site::new(Placement::OtherThread);
    let (mut client, slot) = site.idle();
    client.send(b"a");
    assert_eq!(site.reports(), [slot.key]);
    assert!(slot.report(&site.parking, false));
    // Nothing was read.
    let connection = slot.place().take_out(Phase::Claimed, Holder::Other).expect("claimed");
    connection.park().expect("it is taken back");
    assert_eq!((slot.seen(), site.reports()), ("idle", vec![slot.key]));
    assert!(slot.report(&site.parking, false));
    // All was read but the end, which was reported with the last byte.
    let connection = slot.place().take_out(Phase::Claimed, Holder::Other).expect("claimed");
    let mut connection = read_all(connection);
    connection.park().expect("it is taken back");
    assert_eq!((slot.seen(), site.reports()), ("idle", vec![]));
    client.send(b"b");
    client.ends();
    assert_eq!(site.reports(), [slot.key]);
    assert!(slot.report(&site.parking, true));
    connection = slot.place().take_out(Phase::Claimed, Holder::Other).expect("claimed");
    read_all(connection).park().expect("it is taken back");
    assert_eq!((slot.seen(), site.reports()), ("idle", vec![slot.key]));
}

/// Reads the byte that has arrived.
fn read_all(mut connection: Connection) -> Connection {
    assert_eq!(connection.rfile.receive().ok(), Some(1));
    std::io::BufRead::consume(&mut connection.rfile, 1);
    assert!(connection.rfile.is_exhausted());
    connection
}

#[test]
fn a_connection_that_cannot_be_watched_is_closed() {
    let site = Site::new(Placement::OtherThread);
    let (mut client, slot, connection) = site.accept();
    // The poller takes a socket once.
    let socket = Arc::clone(connection.rfile.socket());
    site.parking.poller.watch(&socket, slot.key, Report::Never).expect("it is new");
    slot.park(&site.parking, connection);
    client.sees_the_end();
    assert!(matches!(slot.overdue(&site.parking, Instant::now()), Overdue::Never));
    assert_eq!((slot.seen(), site.parking.open()), ("gone", 0));
}

#[test]
fn a_connection_that_had_its_last_call_is_closed() {
    let site = Site::new(Placement::OtherThread);
    let (mut client, slot, mut connection) = site.accept();
    connection.rfile.expire();
    connection.park_for_more().expect("it is taken back");
    assert_eq!(slot.seen(), "gone");
    client.sees_the_end();
}

#[test]
fn what_comes_back_when_the_server_is_gone_is_closed() {
    let site = Site::new(Placement::OtherThread);
    let (mut client, slot, connection) = site.accept();
    site.parking.close();
    assert_eq!(slot.seen(), "out");
    connection.park().expect("it is taken back");
    assert_eq!(slot.seen(), "gone");
    client.sees_the_end();
}

#[test]
fn a_deadline_ends_a_wait() {
    let site = Site::new(Placement::OtherThread);
    let (mut client, slot) = site.idle();
    let deadline = slot.deadline().expect("a limit");
    let before = deadline - Duration::from_nanos(1);
    assert!(matches!(slot.overdue(&site.parking, before), Overdue::At(at) if at == deadline));
    assert_eq!(slot.seen(), "idle");
    assert!(matches!(slot.overdue(&site.parking, deadline), Overdue::Never));
    assert_eq!((slot.seen(), site.waiting()), ("gone", 0));
    client.sees_the_end();
}

#[test]
fn a_deadline_ends_the_wait_for_the_rest_of_a_request_with_a_last_call() {
    let site = Site::new(Placement::OtherThread);
    let (mut client, slot) = site.begun();
    let deadline = slot.deadline().expect("a limit");
    assert!(matches!(slot.overdue(&site.parking, deadline), Overdue::Request));
    assert_eq!((slot.seen(), site.waiting()), ("claimed", 1));
    client.hears_nothing();
    // It is the job's now.
    assert!(matches!(slot.overdue(&site.parking, deadline + AGE), Overdue::Never));
    assert_eq!((slot.seen(), site.waiting()), ("claimed", 1));
    let connection = slot.place().take_out(Phase::Claimed, Holder::Job).expect("claimed");
    assert!(connection.rfile.is_expired());
    assert!(matches!(slot.overdue(&site.parking, deadline + AGE), Overdue::Never));
}

#[test]
fn a_deadline_ends_what_lingers() {
    let site = Site::new(Placement::OtherThread);
    let (mut client, slot) = site.lingering();
    let deadline = slot.deadline().expect("a limit");
    client.sees_the_end();
    let before = deadline - Duration::from_nanos(1);
    assert!(matches!(slot.overdue(&site.parking, before), Overdue::At(at) if at == deadline));
    assert_eq!(slot.seen(), "lingering");
    assert!(matches!(slot.overdue(&site.parking, deadline), Overdue::Never));
    assert_eq!((slot.seen(), site.parking.open()), ("gone", 0));
}

#[test]
fn what_comes_on_a_closed_connection_is_thrown_away_until_its_end() {
    let site = Site::new(Placement::OtherThread);
    let (mut client, slot) = site.lingering();
    client.send(b"more");
    assert_eq!(site.reports(), [slot.key]);
    assert!(!slot.report(&site.parking, false));
    let socket = slot.socket(&slot.place()).expect("it is open");
    assert!(socket.peek().is_err(), "it was thrown away");
    drop(socket);
    assert_eq!(slot.seen(), "lingering");
    client.ends();
    assert_eq!(site.reports(), [slot.key]);
    assert!(!slot.report(&site.parking, true));
    assert_eq!((slot.seen(), site.parking.open()), ("gone", 0));
    assert!(slot.socket(&slot.place()).is_none());
}

#[test]
fn idle_connections_can_be_shed() {
    let site = Site::new(Placement::OtherThread);
    let (mut client, idle) = site.idle();
    assert!(idle.idle_since().is_some_and(|(_, since)| since <= Instant::now()));
    assert!(idle.close(&site.parking));
    client.sees_the_end();
    let (_client, lingering) = site.lingering();
    assert!(lingering.idle_since().is_some_and(|(_, since)| since <= Instant::now()));
    assert!(lingering.close(&site.parking));
    let (_client, begun) = site.begun();
    assert!(begun.idle_since().is_some());
    assert!(begun.close(&site.parking));
    for slot in [idle, lingering, begun] {
        assert_eq!((slot.seen(), slot.idle_since()), ("gone", None));
        assert!(!slot.close(&site.parking));
    }
    let (mut client, claimed) = site.claimed();
    assert!(!claimed.close(&site.parking) && claimed.idle_since().is_none());
    assert_eq!(claimed.seen(), "claimed");
    client.hears_nothing();
    let (mut client, out, _connection) = site.out(Holder::Job);
    assert!(!out.close(&site.parking) && out.idle_since().is_none());
    client.hears_nothing();
}

#[test]
fn any_connection_can_be_cut() {
    let site = Site::new(Placement::OtherThread);
    let (client, slot) = site.idle();
    assert!(!slot.cut(&site.parking));
    let (other, other_slot) = site.lingering();
    assert!(!other_slot.cut(&site.parking));
    let (begun, begun_slot) = site.begun();
    assert!(begun_slot.cut(&site.parking));
    for (mut client, slot) in [(client, slot), (other, other_slot), (begun, begun_slot)] {
        assert_eq!(slot.seen(), "gone");
        client.sees_the_end();
        assert!(!slot.cut(&site.parking), "there is nothing to cut");
    }
    // These are not taken from their jobs, which see the end.
    let (mut client, slot) = site.claimed();
    assert_eq!(site.parking.open(), 1);
    assert!(slot.cut(&site.parking));
    assert_eq!((slot.seen(), site.parking.open()), ("claimed", 0));
    client.sees_the_end();
    let (mut client, slot, mut connection) = site.out(Holder::Other);
    assert!(slot.cut(&site.parking));
    assert_eq!((slot.seen(), site.parking.open()), ("out", 0));
    client.sees_the_end();
    assert_eq!(connection.rfile.read(&mut [0]).ok(), Some(0));
    // They do not wait again.
    connection.park().expect("it is taken back");
    assert_eq!(slot.seen(), "gone");
}

#[test]
fn a_server_that_stops_ends_idle_connections() {
    let site = Site::new(Placement::OtherThread);
    let (mut client, slot) = site.idle();
    assert!(matches!(slot.close_if_idle(&site.parking), DrainOutcome::Closed));
    assert_eq!(slot.seen(), "gone");
    client.sees_the_end();
    assert!(matches!(slot.close_if_idle(&site.parking), DrainOutcome::Closed));
    // What has come is served.
    let (mut client, slot) = site.idle();
    client.send(b"a");
    assert!(matches!(slot.close_if_idle(&site.parking), DrainOutcome::Claimed));
    assert_eq!((slot.seen(), site.waiting()), ("claimed", 1));
    // And what is being served.
    assert!(matches!(slot.close_if_idle(&site.parking), DrainOutcome::Busy));
    assert_eq!((slot.seen(), site.waiting()), ("claimed", 1));
    client.hears_nothing();
    let (mut client, slot, _connection) = site.out(Holder::Job);
    assert!(matches!(slot.close_if_idle(&site.parking), DrainOutcome::Busy));
    client.hears_nothing();
    // Nothing tells it yet that the server stops.
    let (_client, slot) = site.lingering();
    assert!(matches!(slot.close_if_idle(&site.parking), DrainOutcome::Busy));
    assert_eq!(slot.seen(), "lingering");
    let (_client, slot) = site.begun();
    assert!(matches!(slot.close_if_idle(&site.parking), DrainOutcome::Busy));
    assert_eq!(slot.seen(), "gone");
}

#[test]
fn the_time_of_an_idle_connection_begins_again_where_the_server_stops() {
    for (is_idle, drains, is_kept) in
        [(true, true, false), (true, false, true), (false, true, true), (false, false, true)]
    {
        let site = Site::new(Placement::OtherThread);
        let (_client, slot) = if is_idle { site.idle() } else { site.begun() };
        slot.age();
        let before = slot.since();
        if drains {
            site.parking.begin_drain();
        }
        assert!(slot.report(&site.parking, false));
        assert_eq!(slot.since() == before, is_kept, "{is_idle} {drains}");
    }
}

#[test]
fn a_server_that_stops_gives_clients_a_little_time() {
    let site = Site::new(Placement::OtherThread);
    let (client, idle) = site.idle();
    let (other, begun) = site.begun();
    let (_last, lingering) = site.lingering();
    let before = [&idle, &begun, &lingering].map(|slot| slot.deadline().expect("a limit"));
    site.parking.begin_drain();
    // It was answered a moment ago.
    assert!(matches!(idle.close_if_idle(&site.parking), DrainOutcome::Closed));
    assert!(matches!(begun.close_if_idle(&site.parking), DrainOutcome::Busy));
    assert!(matches!(lingering.close_if_idle(&site.parking), DrainOutcome::Closed));
    for ((mut client, slot), before) in [(client, &idle), (other, &begun)].into_iter().zip(before) {
        assert_eq!(slot.seen(), "idle");
        client.hears_nothing();
        assert!(slot.deadline().is_some_and(|deadline| deadline < before));
    }
    assert_eq!(lingering.seen(), "lingering");
    assert!(lingering.deadline().is_some_and(|deadline| deadline < before[2]));
    // These had theirs.
    for (slot, is_served) in [(idle, false), (begun, true)] {
        slot.age();
        let outcome = slot.close_if_idle(&site.parking);
        assert_eq!(matches!(outcome, DrainOutcome::Busy), is_served);
        assert_eq!(slot.seen(), if is_served { "idle" } else { "gone" });
    }
}
