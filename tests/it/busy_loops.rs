//! The end of servers whose handlers keep the loop: what is cut, although the loop cuts nothing.

use std::io::{self, Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, raise};
use socketserver::http::HttpRequestHandler;
use socketserver::transport::{self, Tcp};
use socketserver::{Sequential, handler_fn};

use crate::cgi_site::{CgiSite, sees_the_end_of};
use crate::support::{
    Client, LIMIT, MOMENT, Notes, PAUSE, Running, Streams, in_a_process_of_its_own,
};
use crate::web::answering;

/// How long requests may take to finish.
const TIME: Duration = Duration::from_millis(300);

/// What has no end by itself, each with another way to wait for its client or not to.
const ENDLESS: [&str; 4] = ["/taken", "/untaken", "/silent", "/trickle"];

fn endless(began: &Notes<()>) -> impl HttpRequestHandler + use<> {
    let began = began.clone();
    answering(move |http| {
        http.send_response(200)?;
        http.end_headers()?;
        http.flush_headers()?;
        began.add(());
        match http.path.as_str() {
            "/polite" => {
                while !http.is_draining() {
                    http.wfile.write_all(b"picture\r\n")?;
                    thread::sleep(Duration::from_millis(5));
                }
                http.wfile.write_all(b"the end")
            }
            "/taken" => loop {
                http.wfile.write_all(b"picture\r\n")?;
                thread::sleep(Duration::from_millis(5));
            },
            "/silent" => io::copy(&mut http.rfile, &mut io::sink()).map(drop),
            "/trickle" => loop {
                http.wfile.write_all(&[0; 100])?;
            },
            _ => http.wfile.write_all(&vec![0; 100 << 20]),
        }
    })
    // Its client sends none of its body.
    .body_buffer_size(0)
}

fn begin<A>(server: &Running<A>, path: &str, began: &Notes<()>) -> Client
where
    A: crate::support::Reach,
{
    let mut client = server.connect();
    client.send(format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n"));
    began.next();
    client
}

fn ends_in_time<T: Streams>() {
    for path in ENDLESS {
        let began = Notes::new();
        let mut server = T::bind_free::<Sequential, _>(endless(&began));
        server.shutdown_timeout = TIME;
        let server = Running::start(server);
        let client = begin(&server, path, &began);
        if path == "/taken" {
            let mut taking = client.stream.try_clone().unwrap();
            thread::spawn(move || io::copy(&mut taking, &mut io::sink()));
        }
        // What comes behind it is not begun any more.
        let mut next = server.connect();
        next.send("POST /taken HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n");
        let asked = Instant::now();
        let stopped = server.stop();
        stopped.result.unwrap();
        assert!(asked.elapsed() >= TIME, "{path}");
        assert!(asked.elapsed() < LIMIT, "{path}: {:?}", asked.elapsed());
        assert!((1..=2).contains(&stopped.report.cut), "{path}: {:?}", stopped.report);
        assert_eq!(stopped.report.finished, 0, "{path}");
        let _ = next.stream.read(&mut [0]);
        drop(client);
    }
}

#[test]
fn a_client_of_a_sequential_server_has_no_more_than_the_shutdown_timeout() {
    ends_in_time::<Tcp>();
}

#[test]
fn so_has_one_on_a_unix_socket() {
    ends_in_time::<transport::Unix>();
}

/// Its time is counted from the signal, and not from when the loop hears of that.
#[test]
fn signals_count_while_a_handler_keeps_the_loop() {
    let name = "busy_loops::signals_count_while_a_handler_keeps_the_loop";
    in_a_process_of_its_own(name, || {
        for twice in [false, true] {
            let began = Notes::new();
            let mut server = Tcp::bind_free::<Sequential, _>(endless(&began));
            server.shutdown_timeout = if twice { 3 * LIMIT } else { TIME };
            server.shutdown_on_signals(&[socketserver::Signal::TERM]).unwrap();
            let server = Running::start(server);
            let client = begin(&server, "/untaken", &began);
            raise(Signal::SIGTERM).unwrap();
            if twice {
                thread::sleep(PAUSE);
                raise(Signal::SIGTERM).unwrap();
            }
            assert_eq!(server.wait().report.cut, 1, "{twice}");
            drop(client);
        }
    });
}

/// As `daemon_threads` says, here too.
#[test]
fn a_client_is_not_waited_for_by_a_program_that_does_not_wait() {
    for path in ENDLESS {
        let began = Notes::new();
        let mut server = Tcp::bind_free::<Sequential, _>(endless(&began));
        server.shutdown_timeout = 3 * LIMIT;
        server.daemon_threads = true;
        let server = Running::start(server);
        let client = begin(&server, path, &began);
        let asked = Instant::now();
        assert_eq!(server.stop().report.cut, 1, "{path}");
        assert!(asked.elapsed() < LIMIT, "{path}: {:?}", asked.elapsed());
        drop(client);
    }
}

/// Although the loop cannot.
#[test]
fn a_handler_that_keeps_the_loop_hears_that_the_server_stops() {
    let name = "busy_loops::a_handler_that_keeps_the_loop_hears_that_the_server_stops";
    in_a_process_of_its_own(name, || {
        for by_signal in [false, true] {
            let began = Notes::new();
            let mut server = Tcp::bind_free::<Sequential, _>(endless(&began));
            server.shutdown_timeout = 3 * LIMIT;
            server.shutdown_on_signals(&[socketserver::Signal::TERM]).unwrap();
            let server = Running::start(server);
            let mut client = begin(&server, "/polite", &began);
            if by_signal {
                raise(Signal::SIGTERM).unwrap();
            } else {
                server.handle.shutdown();
            }
            assert!(client.read_to_end().ends_with("the end\r\n0\r\n\r\n"), "{by_signal}");
            assert_eq!(server.wait().report.cut, 0, "{by_signal}");
        }
    });
}

#[test]
fn what_is_done_in_time_is_finished() {
    let handler = handler_fn(|mut connection: socketserver::Connection| {
        let mut line = [0; 5];
        connection.rfile.read_exact(&mut line)?;
        connection.wfile.write_all(&line)
    });
    let server = Running::start(Tcp::bind_free::<Sequential, _>(handler));
    let mut client = server.connect();
    client.send("hel");
    client.hears_nothing_for(MOMENT);
    server.handle.shutdown();
    client.hears_nothing_for(5 * MOMENT);
    client.send("lo");
    assert_eq!(client.read_to_end(), "hello");
    assert_eq!(server.wait().report.cut, 0);
}

/// A script is waited for, and not its client.
#[test]
fn scripts_of_a_sequential_server_end_with_it() {
    let begins = "echo Content-Type: a; echo; echo $$;";
    let waits = format!("{begins} sleep 60");
    let lives_on = format!("{begins} exec >&- 2>&-; sleep 60");
    let site = CgiSite::new(&[("waits", &waits), ("lives-on", &lives_on)]);
    for name in ["waits", "lives-on"] {
        let mut server = Tcp::bind_free::<Sequential, _>(site.handler());
        server.shutdown_timeout = TIME;
        let server = Running::start(server);
        let mut client = server.connect();
        client.send(format!("GET /cgi-bin/{name} HTTP/1.0\r\n\r\n"));
        while !client.read_line().trim_end().is_empty() {}
        let script = client.read_line();
        assert_eq!(server.stop().report.cut, 1, "{name}");
        sees_the_end_of(&script);
    }
}
