//! What a job holds, or has moved elsewhere.

use super::site::Site;
use crate::connection::{ConnectionOwner, End};
use crate::parking::slot::*;

#[test]
fn a_job_that_waits_for_its_client_hears_that_the_server_stops() {
    for (placement, is_ended) in [(Placement::OtherThread, true), (Placement::Detached, false)] {
        for for_good in [false, true] {
            let site = Site::new(placement);
            let (_client, slot, mut connection) = site.out(Holder::WaitingJob);
            if for_good {
                slot.close_for_good(&site.parking);
            } else {
                assert!(matches!(slot.close_if_idle(&site.parking), DrainOutcome::Closed));
            }
            assert_eq!(slot.seen(), "out");
            // With a lifeline it hears it by that.
            assert_eq!(connection.rfile.receive().ok() == Some(0), is_ended, "{placement:?}");
        }
    }
    let site = Site::new(Placement::OtherThread);
    let (mut client, slot) = site.idle();
    slot.close_for_good(&site.parking);
    assert_eq!(slot.seen(), "gone");
    client.sees_the_end();
    let (_client, slot, mut connection) = site.out(Holder::Job);
    slot.close_for_good(&site.parking);
    assert!(connection.rfile.receive().is_err(), "it is not ended");
}

#[test]
fn a_client_that_leaves_without_a_word_is_known_then() {
    for is_silent in [true, false] {
        let site = Site::new(Placement::OtherThread);
        let (mut client, slot, mut connection) = site.out(Holder::Job);
        connection.begin_call();
        if !is_silent {
            client.send(b"a");
            assert_eq!(connection.rfile.receive().ok(), Some(1));
        }
        assert!(!slot.has_left_silently());
        drop(client);
        assert_eq!(connection.rfile.receive().ok(), Some(0));
        assert_eq!(slot.has_left_silently(), is_silent);
        drop(connection);
        assert_eq!((slot.seen(), slot.has_left_silently()), ("gone", is_silent));
    }
}

#[test]
fn the_sending_half_ends_for_whoever_holds_it() {
    let site = Site::new(Placement::Detached);
    let (mut client, slot, connection) = site.out(Holder::Job);
    let _held = connection.wfile;
    client.hears_nothing();
    slot.end_output();
    client.sees_the_end();
}

#[test]
fn a_connection_is_taken_out_in_its_phase_alone() {
    let site = Site::new(Placement::OtherThread);
    let (_client, slot) = site.begun();
    let mut place = slot.place();
    assert!(place.out().is_none());
    for phase in [Phase::Claimed, Phase::Returned] {
        assert!(place.take_out(phase, Holder::Job).is_none());
    }
    let parked = place.take_parked(Phase::Idle, Holder::WaitingJob).expect("it is idle");
    assert_eq!(place.out().map(|out| out.holder), Some(Holder::WaitingJob));
    assert!(matches!(&place.state, State::Out(out) if out.head_since == Some(parked.since)));
    assert!(place.take_out(Phase::Idle, Holder::Job).is_none());
    // Its end takes the lock.
    drop(place);
    drop(parked);
    let (_client, slot) = site.gone();
    assert!(slot.place().out().is_none());
    assert!(slot.place().take_out(Phase::Idle, Holder::Job).is_none());
}

#[test]
fn a_connection_that_lingers_in_a_job_is_the_jobs() {
    let site = Site::new(Placement::Detached);
    let (mut client, slot, connection) = site.out(Holder::Job);
    site.parking.in_child.store(true, Ordering::Relaxed);
    connection.lingering_close().expect("nothing is to be sent");
    assert_eq!((slot.seen(), slot.idle_since()), ("lingering in a job", None));
    assert!(!slot.close(&site.parking));
    assert!(slot.cut(&site.parking));
    client.sees_the_end();
    assert_eq!(slot.seen(), "lingering in a job");
    site.parking.begin_drain();
    assert!(matches!(slot.close_if_idle(&site.parking), DrainOutcome::Closed));
    assert!(Arc::clone(&slot).is_draining());
    let socket = slot.socket(&slot.place()).expect("it is open");
    Slot::connection_dropped(&slot, &site.parking, socket, End::AtOnce);
    assert_eq!(slot.seen(), "gone");
}
