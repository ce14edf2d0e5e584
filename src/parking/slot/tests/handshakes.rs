//! Handshakes that take too long, and what the log says of them.

use std::cell::RefCell;
use std::sync::Once;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::site::{Client, Site};
use crate::connection::Session;
use crate::parking::slot::*;

thread_local! {
    /// What this thread has logged.
    static LOGGED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Kept;

impl log::Log for Kept {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            LOGGED.with_borrow_mut(|logged| logged.push(record.args().to_string()));
        }
    }

    fn flush(&self) {}
}

fn logged() -> Vec<String> {
    LOGGED.take()
}

/// Has what is logged kept.
fn keep_log() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Kept).expect("there is no other logger");
        log::set_max_level(log::LevelFilter::Warn);
    });
}

#[derive(Debug)]
struct NoCertificate;

impl ResolvesServerCert for NoCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}

/// A client over TLS that has sent these bytes of its handshake.
fn shaking_hands(site: &Site, bytes: &[u8]) -> (Client, Arc<Slot>) {
    let provider = Arc::new(ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(NoCertificate));
    let session = Session::new(Arc::new(config)).expect("a session");
    let (mut client, slot, mut connection) =
        site.accept_as(|socket| ClientSocket::secure(socket, session));
    client.send(bytes);
    assert_eq!(connection.rfile.shake_hands(true).ok(), Some(false));
    slot.park(&site.parking, connection);
    (client, slot)
}

#[test]
fn a_handshake_that_takes_too_long_is_logged() {
    keep_log();
    let late = "unix:client: the TLS handshake took too long";
    for (bytes, drains, expected) in [
        (&b"\x16\x03\x01"[..], false, &[late][..]),
        // A connection that the client keeps for later.
        (b"", false, &[]),
        // It is closed because the server stops.
        (b"\x16\x03\x01", true, &[]),
    ] {
        let site = Site::new(Placement::OtherThread);
        let (mut client, slot) = shaking_hands(&site, bytes);
        if drains {
            site.parking.begin_drain();
        }
        let deadline = slot.deadline().expect("a limit");
        assert!(matches!(slot.overdue(&site.parking, deadline), Overdue::Never));
        assert_eq!(slot.seen(), "gone");
        client.sees_the_end();
        assert_eq!(logged(), expected);
    }
    let site = Site::new(Placement::OtherThread);
    let (_client, slot) = site.idle();
    let deadline = slot.deadline().expect("a limit");
    assert!(matches!(slot.overdue(&site.parking, deadline), Overdue::Never));
    assert_eq!(logged(), [""; 0]);
}
