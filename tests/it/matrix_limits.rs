//! What every strategy must do about time and size, once for each.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use socketserver::{Connection, Timeouts};

use crate::support::{
    Client, LIMIT, MOMENT, Notes, Running, Strategy, Streams, each_strategy, echo_lines, read_line,
    testing,
};

each_strategy! { Tcp, Unix:
    a_dribbling_client_holds_up_nobody,
    a_request_that_does_not_come_in_time_is_handled_once_more,
    a_request_that_is_late_is_not_waited_for_again,
    the_head_limit_is_counted_for_each_request,
    an_idle_connection_is_closed,
    a_client_that_never_speaks_is_closed,
    a_read_that_stalls_fails,
    a_write_that_stalls_fails,
    a_file_that_nobody_takes_stalls,
    a_handler_may_set_its_own_limits,
    a_refused_client_can_read_why,
    a_late_client_can_read_why,
    a_refused_client_may_not_send_for_ever,
}

fn a_dribbling_client_holds_up_nobody<T: Streams, C: Strategy>() {
    let handler = testing(echo_lines).client_speaks_first();
    let running = Running::start(T::bind_free::<C, _>(handler));
    let mut dribbling: Vec<Client> = (0..100).map(|_| running.connect()).collect();
    for byte in b"abc" {
        for client in &mut dribbling {
            client.send([*byte]);
        }
        assert_eq!(running.ask("ping"), "ping");
    }
    for client in &mut dribbling {
        assert_eq!(client.ask("d"), "abcd");
    }
}

/// Echoes lines; tells a client that was too slow so, and what of it came.
fn say_if_late(late: &Notes<()>, mut connection: Connection) -> io::Result<()> {
    match connection.rfile.receive() {
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
            late.add(());
            let mut came = vec![0; connection.rfile.unread().len()];
            connection.rfile.read_exact(&mut came)?;
            let error = connection.rfile.read(&mut [0]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            connection.wfile.write_all(b"late after ")?;
            connection.wfile.write_all(&came)?;
            connection.wfile.write_all(b"\n")?;
            connection.lingering_close()
        }
        _ => echo_lines(connection),
    }
}

fn head_limit(limit: Duration) -> Timeouts {
    Timeouts::default().head(limit)
}

fn a_request_that_does_not_come_in_time_is_handled_once_more<T: Streams, C: Strategy>() {
    let late = Notes::new();
    let handler = {
        let late = late.clone();
        testing(move |connection| say_if_late(&late, connection))
            .client_speaks_first()
            .timeouts(head_limit(MOMENT))
    };
    let running = Running::start(T::bind_free::<C, _>(handler));
    let mut client = running.connect();
    let began = Instant::now();
    client.send("some");
    assert_eq!(client.read_line(), "late after some");
    assert!(began.elapsed() >= MOMENT);
    assert_eq!(late.so_far(), [()]);
}

fn a_request_that_is_late_is_not_waited_for_again<T: Streams, C: Strategy>() {
    let late = Notes::new();
    let handler = {
        let late = late.clone();
        testing(move |mut connection: Connection| {
            let received = connection.rfile.receive();
            if received.is_err_and(|error| error.kind() == io::ErrorKind::TimedOut) {
                late.add(());
            }
            connection.park_for_more()
        })
        .client_speaks_first()
        .timeouts(head_limit(MOMENT))
    };
    let running = Running::start(T::bind_free::<C, _>(handler));
    let mut client = running.connect();
    client.send("some");
    client.sees_the_end();
    assert_eq!(late.so_far(), [()]);
}

/// Each request begins before the one ahead of it is handled, and none takes long by itself.
fn the_head_limit_is_counted_for_each_request<T: Streams, C: Strategy>() {
    let limit = Duration::from_millis(400);
    let calls = Notes::new();
    let handler = {
        let calls = calls.clone();
        testing(move |connection| say_if_late(&calls, connection))
            .client_speaks_first()
            .timeouts(head_limit(limit))
    };
    let running = Running::start(T::bind_free::<C, _>(handler));
    let mut client = running.connect();
    let began = Instant::now();
    client.send("x");
    while began.elapsed() < limit + MOMENT * 2 {
        client.send("\nx");
        assert_eq!(client.read_line(), "x");
    }
}

fn an_idle_connection_is_closed<T: Streams, C: Strategy>() {
    let calls = Notes::new();
    let handler = {
        let calls = calls.clone();
        testing(move |connection| {
            calls.add(());
            echo_lines(connection)
        })
        .client_speaks_first()
        .timeouts(Timeouts::default().idle(MOMENT))
    };
    let running = Running::start(T::bind_free::<C, _>(handler));
    let mut client = running.connect();
    assert_eq!(client.ask("ping"), "ping");
    let began = Instant::now();
    assert_eq!(client.read_to_end(), "");
    assert!(began.elapsed() < LIMIT);
    assert_eq!(calls.so_far().len(), 1);
}

fn a_client_that_never_speaks_is_closed<T: Streams, C: Strategy>() {
    let handler = testing(|_| panic!("there is nothing to handle"))
        .client_speaks_first()
        .timeouts(Timeouts::default().idle(MOMENT));
    let errors = handler.errors.clone();
    let running = Running::start(T::bind_free::<C, _>(handler));
    let began = Instant::now();
    let mut client = running.connect();
    assert_eq!(client.read_to_end(), "");
    assert!(began.elapsed() >= MOMENT);
    assert_eq!(errors.so_far(), []);
}

fn stall_limit() -> Timeouts {
    Timeouts::default().stall(MOMENT)
}

fn a_read_that_stalls_fails<T: Streams, C: Strategy>() {
    let handler = testing(|mut connection: Connection| {
        let error = read_line(&mut connection).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        Err(error)
    })
    .timeouts(stall_limit());
    let errors = handler.errors.clone();
    let running = Running::start(T::bind_free::<C, _>(handler));
    let mut client = running.connect();
    client.send("no end of line");
    client.sees_the_end();
    assert_eq!(errors.next(), (client.address(), "timed out".to_owned()));
}

fn a_write_that_stalls_fails<T: Streams, C: Strategy>() {
    let handler = testing(|mut connection: Connection| {
        let error = io::copy(&mut io::repeat(b'x'), &mut connection.wfile).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        Err(error)
    })
    .timeouts(stall_limit());
    let errors = handler.errors.clone();
    let running = Running::start(T::bind_free::<C, _>(handler));
    let client = running.connect();
    assert_eq!(errors.next(), (client.address(), "timed out".to_owned()));
}

fn a_file_that_nobody_takes_stalls<T: Streams, C: Strategy>() {
    let handler = testing(|mut connection: Connection| {
        let file = tempfile::tempfile()?;
        file.set_len(1 << 30)?;
        let error = connection.wfile.send_file(&file, 0, 1 << 30).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        Err(error)
    })
    .timeouts(stall_limit());
    let errors = handler.errors.clone();
    let running = Running::start(T::bind_free::<C, _>(handler));
    let client = running.connect();
    assert_eq!(errors.next(), (client.address(), "timed out".to_owned()));
}

fn a_handler_may_set_its_own_limits<T: Streams, C: Strategy>() {
    let handler = testing(|mut connection: Connection| {
        connection.rfile.set_timeout(Some(Duration::ZERO));
        let read = read_line(&mut connection).unwrap_err();
        connection.wfile.set_timeout(Some(Duration::ZERO));
        let written = io::copy(&mut io::repeat(b'x'), &mut connection.wfile).unwrap_err();
        assert_eq!(read.kind(), io::ErrorKind::TimedOut);
        Err(written)
    });
    let errors = handler.errors.clone();
    let running = Running::start(T::bind_free::<C, _>(handler));
    let client = running.connect();
    assert_eq!(errors.next(), (client.address(), "timed out".to_owned()));
}

fn refuse(mut connection: Connection) -> io::Result<()> {
    connection.wfile.write_all(b"go away\n")?;
    connection.lingering_close()
}

fn a_refused_client_can_read_why<T: Streams, C: Strategy>() {
    let running = Running::start(T::bind_free::<C, _>(testing(refuse).client_speaks_first()));
    let mut client = running.connect();
    client.send([b'x'; 100_000]);
    // The reply and a clean end, neither a reset nor an error.
    assert_eq!(client.read_to_end(), "go away\n");
    client.send([b'x'; 100_000]);
    assert!(!client.is_reset_within(MOMENT));
    client.finish_sending();
}

fn a_late_client_can_read_why<T: Streams, C: Strategy>() {
    let calls = Notes::new();
    let handler = {
        let calls = calls.clone();
        testing(move |connection| say_if_late(&calls, connection))
            .client_speaks_first()
            .timeouts(head_limit(MOMENT))
    };
    let running = Running::start(T::bind_free::<C, _>(handler));
    let mut client = running.connect();
    client.send("some");
    assert_eq!(client.read_to_end(), "late after some\n");
    client.send("more");
    assert!(!client.is_reset_within(MOMENT));
}

fn a_refused_client_may_not_send_for_ever<T: Streams, C: Strategy>() {
    let running = Running::start(T::bind_free::<C, _>(testing(refuse).client_speaks_first()));
    let mut client = running.connect();
    client.send("x");
    assert_eq!(client.read_to_end(), "go away\n");
    let sent = io::copy(&mut io::repeat(b'x').take(1 << 30), &mut client.stream);
    assert!(matches!(
        sent.unwrap_err().kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    ));
}
