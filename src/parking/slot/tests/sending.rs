//! Connections that have something left to be sent.

use std::time::Duration;

use super::super::*;
use super::site::{AGE, Site};
use crate::concurrency::Work;

#[test]
fn the_serving_thread_sends_where_it_runs_the_jobs() {
    let site = Site::new(Placement::ServingThread);
    let (mut client, slot, count) = site.sending();
    assert_eq!((site.reports(), site.waiting(), site.returned()), (vec![], 0, 0));
    assert!(slot.deadline().is_some_and(|it| it < Instant::now() + Duration::from_secs(1)));
    // What comes meanwhile waits.
    client.send(b"a");
    assert!(site.reports().is_empty());
    client.takes(count);
    assert_eq!(site.reports(), [slot.key]);
    assert!(slot.report(&site.parking, false));
    assert_eq!((slot.seen(), site.waiting()), ("claimed", 1));
    let connection = slot.place().take_out(Phase::Claimed, Holder::Other).expect("claimed");
    assert!(!connection.wfile.has_left() && connection.wfile.take_loss().is_none());
    // Its turn comes now.
    connection.park().expect("it is taken back");
    assert_eq!((slot.seen(), site.reports()), ("idle", vec![slot.key]));
}

#[test]
fn jobs_send_where_they_run_elsewhere() {
    let site = Site::new(Placement::OtherThread);
    let (mut client, slot, count) = site.sending();
    let left = slot.left();
    client.takes(count);
    assert_eq!(site.reports(), [slot.key]);
    assert!(slot.report(&site.parking, false));
    assert_eq!((slot.seen(), site.waiting(), slot.left()), ("claimed", 1, left));
    client.hears_nothing();
    // It is the job's now.
    assert!(site.reports().is_empty() && !slot.report(&site.parking, false));
    assert!(matches!(slot.overdue(&site.parking, Instant::now() + AGE), Overdue::Never));
    Arc::clone(&slot).run();
    assert_eq!((site.concluded(), site.waiting(), site.running()), (1, 0, 0));
    client.takes(left as usize);
    client.sees_the_end();
}

#[test]
fn a_job_ends_where_there_is_no_room() {
    let site = Site::new(Placement::OtherThread);
    let (mut client, slot, count) = site.sending();
    let left = slot.left();
    assert!(slot.report(&site.parking, false));
    Arc::clone(&slot).run();
    assert_eq!((slot.seen(), slot.left(), site.concluded()), ("sending", left, 0));
    assert_eq!((site.waiting(), site.running()), (0, 0));
    assert!(slot.deadline().is_some() && site.reports().is_empty());
    client.takes(count);
    assert_eq!(site.reports(), [slot.key]);
    // Another one waits for a thread, and the server stops: neither has what is left forgotten.
    let (_client, other) = site.claimed();
    assert!(!site.parking.grants_another_turn());
    Arc::clone(&other).run();
    assert!(site.parking.grants_another_turn());
    site.parking.begin_drain();
    assert!(!site.parking.grants_another_turn());
    assert!(slot.report(&site.parking, false));
    Arc::clone(&slot).run();
    assert_eq!((site.concluded(), site.waiting(), site.running()), (2, 0, 0));
}

/// It would wait for a request that is not its turn yet; the client's end would be one for ever.
#[test]
fn a_job_that_leaves_something_does_not_wait_for_a_request() {
    let site = Site::new(Placement::OtherThread);
    let (client, slot) = site.claimed();
    client.ends();
    site.is_to_leave_something();
    Arc::clone(&slot).run();
    assert_eq!((slot.seen(), site.concluded(), site.running()), ("sending", 0, 0));
}

#[test]
fn a_late_client_is_served_by_a_job_if_there_is_room() {
    for takes in [true, false] {
        let site = Site::new(Placement::OtherThread);
        let (mut client, slot, count) = site.sending_within(Some(Duration::ZERO));
        let (left, deadline) = (slot.left(), slot.deadline().expect("a look"));
        if takes {
            client.takes(count);
        }
        assert!(matches!(slot.overdue(&site.parking, deadline), Overdue::Request));
        assert_eq!((slot.seen(), site.waiting(), slot.left()), ("claimed", 1, left));
        Arc::clone(&slot).run();
        assert_eq!((site.concluded(), site.lost()), if takes { (1, 0) } else { (0, left) });
    }
}

#[test]
fn a_job_that_is_cut_before_it_begins_sends_nothing() {
    for is_abandoned in [true, false] {
        let site = Site::new(Placement::OtherThread);
        let (mut client, slot, count) = site.sending();
        let left = slot.left();
        client.takes(count);
        assert!(slot.report(&site.parking, false));
        if is_abandoned {
            Arc::clone(&slot).abandon();
        } else {
            assert!(slot.cut(&site.parking));
            Arc::clone(&slot).run();
        }
        assert_eq!((slot.seen(), site.lost(), site.waiting()), ("gone", left, 0));
        client.sees_the_end();
    }
}

#[test]
fn it_is_looked_whether_a_client_takes_anything() {
    let site = Site::new(Placement::OtherThread);
    let (_client, slot, _) = site.sending();
    let deadline = slot.deadline().expect("a look");
    let next = slot.overdue(&site.parking, deadline);
    assert!(matches!(next, Overdue::At(at) if Some(at) == slot.deadline()));
    assert_eq!((slot.seen(), site.waiting()), ("sending", 0));
}

#[test]
fn several_clients_are_looked_after_at_one_time() {
    let site = Site::new(Placement::OtherThread);
    for (_client, slot, _) in [site.sending(), site.sending()] {
        let place = slot.place();
        let State::Parked(parked) = &place.state else { panic!("it is parked") };
        let (left, look) = parked.connection.rfile.socket().until_look().expect("a limit");
        assert!(left > look, "it may wait for the next look");
        let next = parked.deadline.expect("a look").duration_since(site.parking.epoch);
        assert_eq!(next.as_nanos() % look.as_nanos(), 0, "{next:?} {look:?}");
        assert!(!next.is_zero());
    }
}

#[test]
fn a_client_that_leaves_is_found() {
    let site = Site::new(Placement::OtherThread);
    let (client, slot, _) = site.sending();
    drop(client);
    assert_eq!(site.reports(), [slot.key]);
    assert!(slot.report(&site.parking, true));
    let left = slot.left();
    Arc::clone(&slot).run();
    assert_eq!((slot.seen(), site.lost()), ("gone", left));
}

#[test]
fn it_is_not_idle() {
    let site = Site::new(Placement::OtherThread);
    let (mut client, slot, count) = site.sending();
    assert!(!slot.close(&site.parking) && slot.idle_since().is_none());
    site.parking.begin_drain();
    assert!(matches!(slot.close_if_idle(&site.parking), DrainOutcome::Busy));
    assert_eq!(slot.seen(), "sending");
    client.takes(count);
    assert!(slot.report(&site.parking, false));
}

#[test]
fn its_handler_hears_that_it_was_cut() {
    for closes in [false, true] {
        let site = Site::new(Placement::OtherThread);
        let (_client, slot, _) = site.sending();
        if closes {
            site.parking.close();
        } else {
            assert!(slot.cut(&site.parking));
        }
        assert_eq!((slot.seen(), site.parking.open()), ("gone", 0));
        assert!(site.lost() > 0);
        assert!(!slot.cut(&site.parking), "there is nothing to cut");
    }
}

#[test]
fn what_comes_back_to_a_server_that_is_gone_is_cut() {
    let site = Site::new(Placement::OtherThread);
    let (_client, slot, mut connection) = site.accept();
    while !connection.wfile.has_left() {
        connection.wfile.leave_pieces([&[0; 16 * 1024]]).expect("a client");
    }
    site.parking.close();
    connection.park_until_taken().expect("it is taken back");
    assert_eq!(slot.seen(), "gone");
    assert!(site.lost() > 0);
}
