//! Clients that do not send their body in time.

use super::*;

#[test]
fn a_client_that_is_waited_for_too_long_is_late() {
    for length in [known(3), BodyLength::Chunked] {
        for way in [0, 1, 2] {
            let (_client, mut body) = begun(length);
            body.set_timeout(Some(Duration::from_millis(5)));
            assert!(!body.is_late());
            let error = WAYS[way].1(&mut body).expect_err("nothing comes");
            assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{length:?} {way}");
            assert!(body.is_late(), "{length:?} {way}");
        }
    }
    let (_client, mut body) = begun(known(3));
    assert_eq!(body.note_stall().kind(), io::ErrorKind::TimedOut);
    assert!(body.is_late());
    // The server had waited for it before.
    for (length, bytes) in [
        (known(3), ""),
        (BodyLength::Chunked, ""),
        (BodyLength::Chunked, "3\r\n"),
        (BodyLength::Chunked, "3\r\nabc"),
        (BodyLength::Chunked, "0\r\n"),
    ] {
        let (_client, mut body) = arrived(length, bytes);
        while body.input.unread().len() < bytes.len() {
            body.input.receive().expect("it has come");
        }
        body.input.expire();
        let mut read = || body.read_arrived(&mut [0; 8]);
        let error = read().and_then(|_| read()).expect_err("nothing more comes");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{bytes:?}");
        assert!(body.is_late(), "{length:?} {bytes:?}");
    }
}

#[test]
fn a_client_is_waited_for_while_it_keeps_up() {
    let (_client, mut body) = arrived(known(2_000), "ab");
    assert_eq!(body.wait_limit(), Some(STALL));
    body.note_wait(STALL / 2);
    assert_eq!(body.wait_limit(), Some(STALL / 2));
    body.set_timeout(Some(STALL / 4));
    assert_eq!(body.wait_limit(), Some(Duration::ZERO));
    body.set_timeout(None);
    assert_eq!(body.wait_limit(), None);
    // It need not keep up where nothing has to come, and where all that comes is the handler's.
    body.set_timeout(Some(STALL));
    body.unbind();
    assert_eq!(body.wait_limit(), Some(STALL));
    let (_client, mut body) = begun(known(0));
    body.note_wait(STALL);
    assert_eq!(body.wait_limit(), Some(STALL));
    let (_client, mut body) = begun(BodyLength::Chunked);
    body.note_wait(STALL);
    assert_eq!(body.wait_limit(), Some(Duration::ZERO));
    assert_eq!(RequestBody::take(&mut body).wait_limit(), Some(STALL));
}
