//! Connections that are given back although their clients have ended.

use std::io::{ErrorKind, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use socketserver::{Connection, Handler, Wfile};

use crate::support::{MOMENT, Notes, Running, Strategy, bind, each_strategy, testing};

/// Takes what has come, counts its calls, and always gives the connection back.
fn never_done(calls: &Arc<AtomicUsize>, for_more: bool, consumes: bool) -> impl Handler + use<> {
    let calls = Arc::clone(calls);
    testing(move |mut connection: Connection| {
        calls.fetch_add(1, Ordering::SeqCst);
        match connection.rfile.receive() {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if consumes {
            let count = connection.rfile.unread().len();
            std::io::BufRead::consume(&mut connection.rfile, count);
        }
        if for_more { connection.park_for_more() } else { connection.park() }
    })
    .client_speaks_first()
}

/// Nothing more comes: there is nothing to call the handler for.
fn what_is_given_back_at_its_end_is_closed<C: Strategy>() {
    for (for_more, consumes) in [(false, true), (true, true), (true, false)] {
        let calls = Arc::new(AtomicUsize::new(0));
        let server = Running::start(bind::<C, _>(never_done(&calls, for_more, consumes)));
        for sent in ["", "some"] {
            let mut client = server.connect();
            client.send(sent);
            client.hears_nothing_for(MOMENT);
            client.finish_sending();
            assert_eq!(client.read_to_end(), "", "{for_more} {consumes}");
        }
        // Once for what came, once for its end, and once at most for what was half there.
        assert!(calls.load(Ordering::SeqCst) <= 6, "{calls:?}: {for_more} {consumes}");
        assert_eq!(server.stop().report.cut, 0);
    }
}

/// The end of what the client sends is not the end of what it is sent.
fn others_may_go_on_writing<C: Strategy>() {
    let ends: Notes<Wfile> = Notes::new();
    let taken = ends.clone();
    let handler = testing(move |mut connection: Connection| {
        // It may have been received already.
        let _ = connection.rfile.receive();
        let count = connection.rfile.unread().len();
        if count > 0 {
            std::io::BufRead::consume(&mut connection.rfile, count);
            taken.add(connection.wfile.clone());
        }
        connection.park()
    });
    let server = Running::start(bind::<C, _>(handler.client_speaks_first()));
    let mut client = server.connect();
    client.send("subscribe");
    let mut end = ends.next();
    client.stream.shutdown(Shutdown::Write).unwrap();
    client.hears_nothing_for(MOMENT);
    end.write_all(b"news\n").unwrap();
    assert_eq!(client.read_line(), "news");
    drop(end);
    assert_eq!(client.read_to_end(), "");
}

/// What was sent before the end is served.
fn requests_before_the_end_are_served_one_by_one<C: Strategy>() {
    let handler = testing(move |mut connection: Connection| {
        // All of it is in the buffer by then, and its end is known.
        while connection.rfile.receive().is_ok_and(|count| count > 0) {}
        match connection.rfile.unread().first() {
            Some(&byte) => {
                std::io::BufRead::consume(&mut connection.rfile, 1);
                connection.wfile.write_all(&[byte])?;
                connection.park()
            }
            None => Ok(()),
        }
    });
    let server = Running::start(bind::<C, _>(handler.client_speaks_first()));
    let mut client = server.connect();
    client.send("abcde");
    client.finish_sending();
    assert_eq!(client.read_to_end(), "abcde");
}

each_strategy! {
    what_is_given_back_at_its_end_is_closed,
    others_may_go_on_writing,
    requests_before_the_end_are_served_one_by_one,
}
