//! Programs that leave a process in the background, which holds what they had.

use std::fs;
#[cfg(feature = "tls")]
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use socketserver::Sequential;
#[cfg(feature = "tls")]
use socketserver::ThreadPool;

#[cfg(feature = "tls")]
use crate::certificates::{Authority, TlsClient, client_config};
use crate::cgi_site::{CgiSite, get, request, sees_the_end_of, text};
use crate::support::{Running, bind, eventually};
use crate::web::{Browser, noting, serve};

const PLAIN: &str = "echo Content-Type: text/plain; echo;";

/// Holds all that the script has, for longer than any test waits.
const LEAVE: &str = "sleep 60 & echo $! >> pids";

fn holds(name: &str) -> String {
    format!("CGI script ended, but a process that it started holds its output ('/cgi-bin/{name}')")
}

/// The processes that were left, which this site ends.
struct Left(CgiSite);

impl Left {
    fn site(scripts: &[(&str, &str)]) -> Self {
        Self(CgiSite::new(scripts))
    }

    fn processes(&self) -> Vec<Pid> {
        let pids = fs::read_to_string(self.0.site.path("cgi-bin/pids")).unwrap_or_default();
        pids.lines().map(|pid| Pid::from_raw(pid.parse().unwrap())).collect()
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        for process in self.processes() {
            let _ = kill(process, Signal::SIGKILL);
        }
    }
}

#[test]
fn a_process_in_the_background_does_not_hold_the_response() {
    let left = Left::site(&[
        ("leaves", &format!("{PLAIN} echo done; {LEAVE}")),
        ("large", &format!("{PLAIN} head -c 1000000 /dev/zero; {LEAVE}")),
        ("nph-leaves", &format!("printf 'HTTP/1.0 200 OK\\r\\n\\r\\ndone\\n'; {LEAVE}")),
        ("fails", &format!("{PLAIN} echo done; {LEAVE}; exit 3")),
    ]);
    left.0.with_both_strategies(|server, log| {
        let mut browser = Browser::connect(server);
        // Chunked, on a connection that is kept.
        let reply = browser.ask(request("GET", "/cgi-bin/leaves", ""));
        assert_eq!(text(&reply), "done\n");
        let line = "\"GET /cgi-bin/leaves HTTP/1.1\" 200 -".to_owned();
        assert_eq!(log.so_far(), [line, holds("leaves")]);
        assert_eq!(browser.ask(request("GET", "/cgi-bin/large", "")).body.len(), 1_000_000);
        drop(browser);
        log.so_far();
        for name in ["leaves", "nph-leaves"] {
            let mut client = server.connect();
            client.send(format!("GET /cgi-bin/{name} HTTP/1.0\r\n\r\n"));
            assert!(client.read_to_end().ends_with("\r\n\r\ndone\n"), "{name}");
            log.next();
            assert_eq!(log.next(), holds(name));
        }
        assert_eq!(text(&get(server, "/cgi-bin/fails")), "done\n");
        log.next();
        assert_eq!(log.next(), holds("fails"));
        assert_eq!(log.next(), "CGI script exit code 3 ('/cgi-bin/fails')");
    });
    let processes = left.processes();
    assert_eq!(processes.len(), 10);
    for process in processes {
        assert!(kill(process, None).is_ok(), "it was ended, too");
    }
}

#[test]
fn a_process_in_the_background_does_not_hold_a_response_that_is_whole() {
    let length = "printf 'Content-Type: text/plain\\nContent-Length: 5\\n\\ndone\\n'";
    let left = Left::site(&[
        ("whole", &format!("{length}; {LEAVE}")),
        ("floods", &format!("{length}; yes & echo $! >> pids")),
        ("leaves", &format!("{PLAIN} {LEAVE}")),
        ("elsewhere", &format!("printf 'Location: /cgi-bin/ok\\n\\n'; {LEAVE}")),
        ("ok", &format!("{PLAIN} echo ok")),
    ]);
    left.0.with_each_strategy(|server, log| {
        assert_eq!(text(&get(server, "/cgi-bin/whole")), "done\n");
        let mut browser = Browser::connect(server);
        browser.send(request("HEAD", "/cgi-bin/leaves", ""));
        assert_eq!(browser.reply_to_head().status(), 200);
        assert_eq!(text(&browser.ask(request("GET", "/cgi-bin/elsewhere", ""))), "ok\n");
        // Nothing was waited for, so that there is nothing to say.
        let lines = log.so_far();
        assert!(lines.iter().all(|line| line.ends_with(" 200 -")), "{lines:?}");
        assert_eq!(text(&get(server, "/cgi-bin/floods")), "done\n");
        assert_eq!(text(&get(server, "/cgi-bin/ok")), "ok\n");
    });
}

#[test]
fn a_response_that_a_process_in_the_background_would_finish_is_incomplete() {
    let length = "printf 'Content-Type: text/plain\\nContent-Length: 10\\n\\ndone\\n'";
    let left = Left::site(&[
        ("short", &format!("{length}; {LEAVE}")),
        ("head", &format!("echo Content-Type: text/plain; {LEAVE}")),
        ("nothing", LEAVE),
    ]);
    left.0.with_both_strategies(|server, log| {
        let mut client = server.connect();
        client.send(request("GET", "/cgi-bin/short", ""));
        assert!(client.read_to_end().ends_with("\r\n\r\ndone\n"));
        log.next();
        assert_eq!(log.next(), holds("short"));
        let line = log.next();
        assert!(line.starts_with("while answering \"GET /cgi-bin/short HTTP/1."), "{line}");
        assert!(
            line.ends_with(": the response ended after 5 of 10 bytes of its Content-Length"),
            "{line}"
        );
        for (name, why) in [("head", "it ended within its head"), ("nothing", "it wrote nothing")] {
            assert_eq!(get(server, &format!("/cgi-bin/{name}")).status(), 502);
            assert_eq!(log.next(), holds(name));
            let said = format!("CGI script gave no response ('/cgi-bin/{name}'): {why}");
            assert_eq!(log.next(), said);
            log.so_far();
        }
    });
}

#[test]
fn what_a_process_in_the_background_writes_soon_is_sent() {
    let late = format!("{PLAIN} echo one; (for i in 2 3 4 5; do sleep 0.4; echo $i; done) &");
    let site = CgiSite::new(&[("late", &late)]);
    site.with_both_strategies(|server, log| {
        assert_eq!(text(&get(server, "/cgi-bin/late")), "one\n2\n3\n4\n5\n");
        assert_eq!(log.so_far(), ["\"GET /cgi-bin/late HTTP/1.1\" 200 -"]);
    });
}

#[test]
fn the_output_of_a_process_in_the_background_ends_with_the_limit() {
    let left = Left::site(&[
        ("endless", &format!("{PLAIN} echo $$; yes & echo $! >> pids")),
        ("leaves", &format!("{PLAIN} echo done; {LEAVE}")),
    ]);
    let handler = left.0.handler().timeout(Duration::from_millis(300));
    let handler = noting(handler).http11();
    let log = handler.log.clone();
    let server = serve(handler);
    for name in ["endless", "leaves"] {
        let mut client = server.connect();
        client.send(request("GET", &format!("/cgi-bin/{name}"), ""));
        let came = client.read_to_end();
        assert!(!came.ends_with("\r\n0\r\n\r\n"), "the end of a response that has none");
        log.next();
        let said = format!("CGI script ended, but its output did not in time ('/cgi-bin/{name}')");
        assert_eq!(log.next(), said);
    }
    // What it writes has nowhere to go.
    sees_the_end_of(&left.processes()[0].to_string());
}

#[test]
fn a_client_that_leaves_is_not_said_to_have_ended_a_script_that_ended_before() {
    // What is in the background goes on writing, and so does the response.
    let busy = "(while sleep 0.1; do echo on; done) & echo $! >> pids";
    let left = Left::site(&[("busy", &format!("{PLAIN} echo $$; {busy}"))]);
    left.0.with_each_strategy(|server, log| {
        let mut client = server.connect();
        client.send("GET /cgi-bin/busy HTTP/1.0\r\n\r\n");
        while !client.read_line().trim().is_empty() {}
        sees_the_end_of(&client.read_line());
        assert_eq!(client.read_line(), "on");
        socket2::SockRef::from(&client.stream).set_linger(Some(Duration::ZERO)).unwrap();
        drop(client);
        // Its output is gone by then.
        sees_the_end_of(&left.processes().pop().unwrap().to_string());
        assert_eq!(get(server, "/").status(), 200);
        let lines = ["\"GET /cgi-bin/busy HTTP/1.1\" 200 -", "\"GET / HTTP/1.1\" 200 -"];
        assert_eq!(log.so_far(), lines.map(|line| line.replace("busy HTTP/1.1", "busy HTTP/1.0")));
    });
}

#[test]
fn errors_without_end_hold_neither_a_response_nor_a_thread() {
    let left = Left::site(&[
        ("errors", &format!("{PLAIN} echo done; yes >&2 & echo $! >> pids")),
        ("both", &format!("{PLAIN} echo done; (yes >&2; :) & echo $! >> pids")),
        ("itself", &format!("echo $$ > pid; {PLAIN} echo done; exec yes >&2")),
    ]);
    let handler = left.0.handler().timeout(Duration::from_secs(3));
    let server = Running::start(bind::<Sequential, _>(noting(handler).http11()));
    for name in ["errors", "both", "itself"] {
        assert_eq!(text(&get(&server, &format!("/cgi-bin/{name}"))), "done\n");
        assert_eq!(get(&server, "/").status(), 200, "after {name}");
    }
    sees_the_end_of(&fs::read_to_string(left.0.site.path("cgi-bin/pid")).unwrap());
}

#[test]
fn errors_that_a_process_in_the_background_holds_are_not_waited_for() {
    let left = Left::site(&[(
        "leaves",
        &format!("{PLAIN} echo done; echo oops >&2; sleep 60 >/dev/null & echo $! >> pids"),
    )]);
    left.0.with_each_strategy(|server, log| {
        assert_eq!(text(&get(server, "/cgi-bin/leaves")), "done\n");
        eventually(|| log.so_far().contains(&"oops".to_owned()));
    });
}

#[cfg(feature = "tls")]
#[test]
fn a_process_in_the_background_does_not_hold_a_response_over_tls() {
    let left = Left::site(&[("leaves", &format!("{PLAIN} echo done; {LEAVE}"))]);
    let authority = Authority::new();
    let tls = authority.issue().tls();
    let handler = left.0.noting();
    let server = socketserver::TlsServer::<ThreadPool, _>::bind(tls, handler);
    let server = Running::start(server.unwrap());
    let mut client = TlsClient::connect(server.address, &Arc::new(client_config(&authority)));
    client.send("GET /cgi-bin/leaves HTTP/1.0\r\n\r\n");
    let came = client.read_to_end();
    assert!(came.ends_with("\r\n\r\ndone\n"), "{came}");
}
