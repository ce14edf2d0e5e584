//! A connection that was dropped while its client goes on sending.

use super::site::Site;
use crate::parking::slot::*;

#[test]
fn what_comes_on_a_closed_connection_has_no_limit_of_bytes() {
    for placement in [Placement::ServingThread, Placement::OtherThread, Placement::Detached] {
        let site = Site::new(placement);
        let (mut client, slot) = site.lingering();
        for turn in 0..100 {
            client.send(&[b'x'; 64 * 1024]);
            assert_eq!(site.reports(), [slot.key], "{placement:?} {turn}");
            assert!(!slot.report(&site.parking, false));
            assert_eq!(slot.seen(), "lingering", "{placement:?} {turn}");
        }
        client.ends();
        assert!(!slot.report(&site.parking, true));
        assert_eq!((slot.seen(), site.parking.open()), ("gone", 0));
    }
}

/// A look takes no more than others can wait for, and the rest is reported again.
#[test]
fn what_comes_fast_is_thrown_away_in_turns() {
    for placement in [Placement::ServingThread, Placement::OtherThread, Placement::Detached] {
        let site = Site::new(placement);
        let (mut client, slot) = site.lingering();
        assert!(client.fills() > 128 * 1024, "it does not hold enough");
        // The end has come as well, and is not to be seen before what came before it.
        client.ends();
        assert_eq!(site.reports(), [slot.key]);
        assert!(!slot.report(&site.parking, true));
        assert_eq!((slot.seen(), site.reports()), ("lingering", vec![slot.key]));
        assert!(!slot.report(&site.parking, true));
        assert_eq!((slot.seen(), site.parking.open()), ("gone", 0));
    }
}

#[test]
fn what_has_come_is_seen_before_the_time_is_over() {
    let site = Site::new(Placement::ServingThread);
    let (mut client, slot) = site.lingering();
    let first = slot.deadline().expect("a limit");
    client.send(b"more");
    // The serving thread was busy meanwhile, and looks at deadlines first.
    let Overdue::At(next) = slot.overdue(&site.parking, first) else { panic!("it is closed") };
    assert!(next > first);
    assert_eq!(slot.seen(), "lingering");
    assert!(matches!(slot.overdue(&site.parking, next), Overdue::Never));
    assert_eq!(slot.seen(), "gone");
}

#[test]
fn what_was_answered_gives_way_before_what_is_idle() {
    let site = Site::new(Placement::OtherThread);
    let ((_client, idle), (_begun_client, begun)) = (site.idle(), site.begun());
    let (_first, first) = site.lingering();
    let (_second, second) = site.lingering();
    assert_eq!(site.parking.shed(1), 1);
    let seen = || [&first, &second, &idle, &begun].map(|slot| slot.seen());
    assert_eq!(seen(), ["gone", "lingering", "idle", "idle"]);
    assert_eq!(site.parking.shed(2), 2);
    assert_eq!(seen(), ["gone", "gone", "gone", "idle"]);
}
