//! Programs whose clients leave, and clients that only seem to have left.

use std::fs;
use std::io;
#[cfg(feature = "tls")]
use std::sync::Arc;
use std::time::Duration;

use socketserver::{ThreadPool, UnixStreamServer};

#[cfg(feature = "tls")]
use crate::certificates::{Authority, TlsClient, client_config};
use crate::cgi_site::{CgiSite, get, request, sees_the_end_of, text};
#[cfg(feature = "tls")]
use crate::support::side_by_side;
use crate::support::{Client, Gate, Running, bind, eventually, free_path};
use crate::web::{answering, serve};

const PLAIN: &str = "echo Content-Type: text/plain; echo;";

/// Longer than a client that had ended its half was once waited for.
const SLOW: &str = "sleep 2.5";

fn site(scripts: &[(&str, &str)]) -> CgiSite {
    CgiSite::new(scripts)
}

/// Has the connection reset, whatever of it was read.
fn reset(client: Client) {
    socket2::SockRef::from(&client.stream).set_linger(Some(Duration::ZERO)).unwrap();
}

#[test]
fn a_client_that_leaves_takes_its_script_along() {
    let silent = format!("{PLAIN} sleep 60 & echo $!; wait");
    let talking = format!("{PLAIN} echo $$; while sleep 0.05; do echo on; done");
    let site = site(&[("silent", &silent), ("talking", &talking)]);
    site.with_each_strategy(|server, _| {
        // A reset is noticed at once, a plain end by what answers the next words.
        for (name, leave) in [("silent", reset as fn(Client)), ("talking", drop)] {
            let mut client = server.connect();
            client.send(format!("GET /cgi-bin/{name} HTTP/1.0\r\n\r\n"));
            while !client.read_line().trim().is_empty() {}
            let process = client.read_line();
            leave(client);
            sees_the_end_of(&process);
        }
    });
    // A Unix socket tells its peer at once that it was closed, and not only shut down.
    let path = free_path();
    let server = UnixStreamServer::<ThreadPool, _>::bind(&path, site.noting()).unwrap();
    let server = Running::start(server);
    let mut client = Client::connect_to_path(&path);
    client.send("GET /cgi-bin/silent HTTP/1.0\r\n\r\n");
    while !client.read_line().trim().is_empty() {}
    let process = client.read_line();
    drop(client);
    sees_the_end_of(&process);
    server.stop();
}

#[test]
fn head_is_answered_while_the_script_runs_and_its_client_may_leave() {
    let site = site(&[
        ("endless", &format!("echo $$ > $SERVER_PORT; {PLAIN} exec yes")),
        ("slow", "printf 'Content-Type: text/plain\\n\\nbegun'; exec sleep 60"),
    ]);
    site.with_both_strategies(|server, _| {
        for name in ["slow", "endless"] {
            let mut client = server.connect();
            client.send(format!("HEAD /cgi-bin/{name} HTTP/1.0\r\n\r\n"));
            while !client.read_line().trim().is_empty() {}
        }
        // It has its answer; nothing of what follows is sent, and could tell that it is gone.
        let pid = site.site.path("cgi-bin").join(server.address.port().to_string());
        sees_the_end_of(&fs::read_to_string(pid).unwrap());
    });
}

#[test]
fn a_client_that_has_said_all_gets_its_response() {
    let site = site(&[
        ("late", &format!("{SLOW}; {PLAIN} echo done")),
        ("pause", &format!("{PLAIN} echo one; {SLOW}; echo two")),
        ("read", &format!("read it; {SLOW}; {PLAIN} echo $it")),
        ("head", &format!("{SLOW}; {PLAIN}")),
        ("nph-late", &format!("{SLOW}; printf 'HTTP/1.0 200 OK\\r\\n\\r\\ndone\\n'")),
    ]);
    let (server, log) = site.serve();
    let path = free_path();
    let local = UnixStreamServer::<ThreadPool, _>::bind(&path, site.noting()).unwrap();
    let local = Running::start(local);
    let body = "Content-Length: 5\r\nConnection: close\r\n";
    let asked = [
        (request("GET", "/cgi-bin/late", "Connection: close\r\n"), "\ndone\n"),
        ("GET /cgi-bin/pause HTTP/1.0\r\n\r\n".to_owned(), "one\ntwo\n"),
        (request("POST", "/cgi-bin/read", body) + "body\n", "\nbody\n"),
        (request("HEAD", "/cgi-bin/head", "Connection: close\r\n"), "HTTP/1.1 200 "),
        (request("GET", "/cgi-bin/nph-late", ""), "done\n"),
    ];
    let clients = asked.iter().flat_map(|(request, said)| {
        [server.connect(), Client::connect_to_path(&path)].map(|mut client| {
            client.send(request);
            client.finish_sending();
            (client, said)
        })
    });
    // All at once, as each takes its time.
    for (mut client, said) in clients.collect::<Vec<_>>() {
        let came = client.read_to_end();
        assert!(came.contains(said), "{came}");
    }
    let lines = log.so_far();
    assert!(lines.iter().all(|line| line.contains(" 200 ")), "{lines:?}");
    local.stop();
}

#[test]
fn a_client_that_has_asked_twice_and_said_all_gets_both_responses() {
    // The first one is late, the second one asked for before that.
    let script = format!("[ \"$QUERY_STRING\" ] || {SLOW}; {PLAIN} echo done");
    let site = site(&[("late", &script)]);
    let asked = request("GET", "/cgi-bin/late", "") + &request("GET", "/cgi-bin/late?2", "");
    let (server, _) = site.serve();
    let mut client = server.connect();
    client.send(asked);
    client.finish_sending();
    assert_eq!(client.read_to_end().matches("done\n").count(), 2);
}

#[cfg(feature = "tls")]
#[test]
fn a_client_that_has_said_all_over_tls_gets_its_response() {
    let site = site(&[("late", &format!("{SLOW}; {PLAIN} echo done"))]);
    let authority = Authority::new();
    let tls = authority.issue().tls();
    let server = socketserver::TlsServer::<ThreadPool, _>::bind(tls, site.noting());
    let server = Running::start(server.unwrap());
    let config = Arc::new(client_config(&authority));
    side_by_side([false, true], |also_below| {
        let mut client = TlsClient::connect(server.address, &config);
        client.send("GET /cgi-bin/late HTTP/1.0\r\n\r\n");
        client.session().send_close_notify();
        let stream = client.reader.get_mut();
        stream.conn.complete_io(&mut stream.sock).unwrap();
        if also_below {
            client.finish_sending_without_a_word();
        }
        let came = client.read_to_end();
        assert!(came.ends_with("\r\n\r\ndone\n"), "{came}");
    });
}

#[test]
fn a_client_that_leaves_during_a_script_is_no_failure_of_the_server() {
    let site = site(&[("waits", "echo $$ > pid; exec sleep 60")]);
    let pid = site.site.path("cgi-bin/pid");
    site.with_each_strategy(|server, log| {
        let _ = fs::remove_file(&pid);
        let mut client = server.connect();
        client.send(request("GET", "/cgi-bin/waits", ""));
        eventually(|| fs::read_to_string(&pid).is_ok_and(|text| text.ends_with('\n')));
        reset(client);
        assert_eq!(log.next(), "CGI script ended, as its client left ('/cgi-bin/waits')");
        sees_the_end_of(&fs::read_to_string(&pid).unwrap());
        assert_eq!(get(server, "/").status(), 200);
        assert_eq!(log.next(), "\"GET / HTTP/1.1\" 200 -");
    });
}

/// The client is there still.
#[test]
fn a_script_that_the_server_cuts_is_not_said_to_end_as_its_client_left() {
    let site = site(&[
        ("waits", "echo $$ > pid; exec sleep 60"),
        ("talks", &format!("echo $$ > pid; {PLAIN} while sleep 0.05; do echo on; done")),
    ]);
    let pid = site.site.path("cgi-bin/pid");
    for name in ["waits", "talks"] {
        let _ = fs::remove_file(&pid);
        let handler = site.noting();
        let log = handler.log.clone();
        let mut server = bind::<ThreadPool, _>(handler);
        server.shutdown_timeout = Duration::ZERO;
        let server = Running::start(server);
        let mut client = server.connect();
        client.send(request("GET", &format!("/cgi-bin/{name}"), ""));
        eventually(|| fs::read_to_string(&pid).is_ok_and(|text| text.ends_with('\n')));
        assert_eq!(server.stop().report.cut, 1);
        sees_the_end_of(&fs::read_to_string(&pid).unwrap());
        let line = std::iter::repeat_with(|| log.next()).find(|line| line.contains("CGI")).unwrap();
        assert_eq!(line, format!("CGI script cut, as the server ends ('/cgi-bin/{name}')"));
    }
}

#[test]
fn a_handler_that_fails_as_its_client_left_is_not_logged_as_500() {
    let (entered, gate) = (Gate::new(), Gate::new());
    let (entering, opened) = (entered.clone(), gate.clone());
    let handler = answering(move |_| {
        entering.let_through(1);
        opened.pass();
        Err(io::Error::other("it failed"))
    });
    let (log, errors) = (handler.log.clone(), handler.errors.clone());
    let server = serve(handler);
    for leaves in [true, false] {
        let mut client = server.connect();
        client.send(request("GET", "/", ""));
        entered.pass();
        if leaves {
            reset(client);
            gate.let_through(1);
            let error = errors.next();
            assert!(error.ends_with("it failed"), "{error}");
        } else {
            gate.let_through(1);
            assert!(client.read_to_end().starts_with("HTTP/1.1 500 "));
        }
    }
    server.stop();
    let lines = log.so_far();
    assert_eq!(lines.iter().filter(|line| line.contains(" 500 ")).count(), 1, "{lines:?}");
}

#[test]
fn what_is_no_script_is_seen_by_a_client_that_has_said_all() {
    let site = site(&[("ok", &format!("{PLAIN} echo ok"))]);
    let (server, _) = site.serve();
    assert_eq!(text(&get(&server, "/cgi-bin/ok")), "ok\n");
    let mut client = server.connect();
    client.send("GET /cgi-bin/none HTTP/1.0\r\n\r\n");
    client.finish_sending();
    assert!(client.read_to_end().starts_with("HTTP/1.1 404 "));
}
