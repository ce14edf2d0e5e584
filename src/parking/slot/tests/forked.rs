//! What a forked child does with the connections of its server.

use super::site::{Client, Site};
use crate::os::AsFd;
use crate::parking::slot::*;

#[test]
fn a_child_lets_go_of_the_connections_of_others_in_silence() {
    let site = Site::new(Placement::Detached);
    let ((mut own, own_slot), (mut kept, kept_slot, connection)) =
        (site.claimed(), site.out(Holder::Other));
    let mut others: Vec<(Client, Arc<Slot>)> =
        vec![site.idle(), site.begun(), site.claimed(), site.lingering(), site.gone()];
    let socket = |slot: &Arc<Slot>| slot.socket(&slot.place());
    // The server goes on with these.
    let copy = |socket: Arc<ClientSocket>| socket.as_fd().try_clone_to_owned().expect("a copy");
    let copies: Vec<_> = others.iter().map(|(_, slot)| socket(slot).map(copy)).collect();
    let (waiting, open) = (site.waiting(), site.open());
    site.parking.leave_to_parent();
    site.parking.leave_others_to_parent(&own_slot);
    for ((client, slot), is_open) in others.iter_mut().zip([true, true, true, false, false]) {
        assert!(!site.parking.all().iter().any(|found| Arc::ptr_eq(found, slot)));
        if is_open {
            client.hears_nothing();
        }
    }
    drop(copies);
    for (client, _) in &mut others {
        client.sees_the_end();
    }
    own.hears_nothing();
    kept.hears_nothing();
    assert_eq!((own_slot.seen(), kept_slot.seen()), ("claimed", "out"));
    assert!(socket(&own_slot).is_some());
    // It counts what its server knew.
    assert_eq!((site.waiting(), site.open()), (waiting, open));
    drop(connection);
}

/// As by a clone of its writing end.
#[test]
fn a_connection_that_the_program_holds_an_end_of_stays_open_in_a_child() {
    let site = Site::new(Placement::Detached);
    let ((_own, own_slot), (mut client, slot)) = (site.claimed(), site.idle());
    let end = slot.socket(&slot.place()).expect("it is open");
    site.parking.leave_others_to_parent(&own_slot);
    assert!(end.as_fd().try_clone_to_owned().is_ok());
    client.hears_nothing();
}
