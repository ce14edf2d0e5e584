//! Programs as processes: their time, their end, and what they leave behind.

use std::fs;
use std::io::{self};
use std::path::Path;
use std::time::Duration;

use nix::unistd::geteuid;
use socketserver::ThreadPool;
use socketserver::http::{CgiHttpRequestHandler, Exchange, HttpRequestHandler};

use crate::cgi::PLAIN;
use crate::cgi_site::{CgiSite, get, post, request, sees_the_end_of, text};
use crate::support::{Running, bind, in_a_process_of_its_own, open_descriptors};
use crate::web::{Browser, noting, serve, show};

#[test]
fn a_script_whose_time_is_over_is_killed_with_its_children() {
    let site = CgiSite::new(&[
        ("silent", "sleep 60 & echo $! > pid; wait"),
        ("late", &format!("{PLAIN} echo begun; sleep 60 & echo $! > pid; wait")),
        ("stubborn", "trap '' TERM; sh -c 'trap \"\" TERM; echo $$ > pid; sleep 60; sleep 60'"),
    ]);
    let handler = site.handler().timeout(Duration::from_millis(300));
    let handler = noting(handler).http11();
    let log = handler.log.clone();
    let server = serve(handler);
    for name in ["silent", "stubborn"] {
        assert_eq!(get(&server, &format!("/cgi-bin/{name}")).status(), 504, "{name}");
        assert_eq!(log.next(), format!("CGI script timed out ('/cgi-bin/{name}')"));
        sees_the_end_of(&fs::read_to_string(site.site.path("cgi-bin/pid")).unwrap());
        log.so_far();
    }
    let mut browser = Browser::connect(&server);
    browser.send(request("GET", "/cgi-bin/late", ""));
    let came = show(browser.rest());
    assert!(came.ends_with("begun\\n\\r\\n"), "the end of a response that has none: {came}");
    sees_the_end_of(&fs::read_to_string(site.site.path("cgi-bin/pid")).unwrap());
}

#[test]
fn a_script_that_runs_on_after_its_output_ends_with_the_limit() {
    let site = CgiSite::new(&[("on", &format!("{PLAIN} echo $$; exec >&- 2>&-; exec sleep 60"))]);
    let handler = site.handler().timeout(Duration::from_millis(300));
    let server = serve(noting(handler).http11());
    let mut browser = Browser::connect(&server);
    // The response is whole long before that, and the connection serves on after.
    let reply = browser.ask(request("GET", "/cgi-bin/on", ""));
    sees_the_end_of(text(&reply));
    assert_eq!(browser.ask(request("GET", "/", "")).status(), 200);
}

#[test]
fn a_server_that_ends_takes_its_scripts_along() {
    let site = CgiSite::new(&[("waits", &format!("{PLAIN} sleep 60 & echo $!; wait"))]);
    let mut server = bind::<ThreadPool, _>(site.noting());
    server.shutdown_timeout = Duration::from_millis(100);
    let server = Running::start(server);
    let mut client = server.connect();
    client.send("GET /cgi-bin/waits HTTP/1.0\r\n\r\n");
    while !client.read_line().trim().is_empty() {}
    let process = client.read_line();
    server.handle.shutdown();
    // Before the wait for the thread that would have waited for the script.
    sees_the_end_of(&process);
    assert_eq!(server.wait().report.cut, 1);
}

#[test]
fn a_program_that_exits_ends_its_scripts() {
    let site = CgiSite::new(&[("waits", &format!("{PLAIN} sleep 60 & echo $!; wait"))]);
    let handler = site.handler();
    let ends = handler.clone();
    let server = serve(noting(handler).http11());
    let mut client = server.connect();
    client.send("GET /cgi-bin/waits HTTP/1.0\r\n\r\n");
    while !client.read_line().trim().is_empty() {}
    let process = client.read_line();
    ends.end_scripts();
    sees_the_end_of(&process);
    assert_eq!(get(&server, "/cgi-bin/waits").status(), 500);
}

#[test]
fn standard_error_goes_to_the_log_line_by_line_and_within_bounds() {
    let site = CgiSite::new(&[
        ("says", &format!("{PLAIN} echo one >&2; printf 'two\\r\\n\\nthree' >&2")),
        ("floods", &format!("yes | head -c 1000000 >&2; {PLAIN} echo done")),
    ]);
    let handler = site.handler().stderr_limit(11);
    let handler = noting(handler).http11();
    let log = handler.log.clone();
    let server = serve(handler);
    get(&server, "/cgi-bin/says");
    let mut said: Vec<_> = (0..5).map(|_| log.next()).collect();
    said.retain(|line| !line.starts_with('"'));
    let over = "CGI script: more on standard error is not logged";
    assert_eq!(said, ["one", "two", "t", over]);
    log.so_far();
    assert_eq!(text(&get(&server, "/cgi-bin/floods")), "done\n");
    let lines = log.so_far();
    assert!(lines.len() < 10, "{lines:?}");
}

#[test]
fn scripts_inherit_three_descriptors_and_no_ignored_signal() {
    let site = CgiSite::new(&[
        ("fds", &format!("{PLAIN} exec ls /proc/self/fd")),
        ("pipe", &format!("{PLAIN} yes | head -n 1; grep SigIgn /proc/self/status")),
    ]);
    if !Path::new("/proc/self/fd").exists() {
        eprintln!("skipped: there is no /proc");
        return;
    }
    in_a_process_of_its_own(
        "cgi_processes::scripts_inherit_three_descriptors_and_no_ignored_signal",
        || {
            let (server, _) = site.serve();
            // Connections and pipes of others are open meanwhile.
            let _others: Vec<_> = (0..4).map(|_| server.connect()).collect();
            // The fourth is the directory that `ls` reads.
            assert_eq!(text(&get(&server, "/cgi-bin/fds")), "0\n1\n2\n3\n");
            let reply = get(&server, "/cgi-bin/pipe");
            let (first, ignored) = text(&reply).split_once('\n').unwrap();
            let mask =
                u64::from_str_radix(ignored.trim_start_matches("SigIgn:").trim(), 16).unwrap();
            assert_eq!((first, mask & 1 << 12), ("y", 0), "{ignored}");
        },
    );
}

#[test]
fn neither_zombies_nor_descriptors_are_left() {
    in_a_process_of_its_own("cgi_processes::neither_zombies_nor_descriptors_are_left", || {
        let site = CgiSite::new(&[
            ("ok", &format!("{PLAIN} echo ok")),
            ("bad", "yes"),
            ("deaf", &format!("exec 0<&-; {PLAIN} echo deaf")),
        ]);
        site.script("cgi-bin/none", "#!/no/such/interpreter\n");
        let (server, _) = site.serve();
        get(&server, "/cgi-bin/ok");
        let before = open_descriptors();
        for _ in 0..5 {
            for name in ["ok", "bad", "none"] {
                get(&server, &format!("/cgi-bin/{name}"));
            }
            post(&server, "/cgi-bin/deaf", "body");
        }
        server.stop();
        assert!(open_descriptors() <= before, "{} before, {}", before, open_descriptors());
        let children = nix::sys::wait::waitpid(None, Some(nix::sys::wait::WaitPidFlag::WNOHANG));
        assert_eq!(children, Err(nix::errno::Errno::ECHILD));
    });
}

#[test]
fn a_panic_in_a_handler_costs_its_script_but_leaves_none() {
    struct Panicking(CgiHttpRequestHandler);
    impl HttpRequestHandler for Panicking {
        fn base(&self) -> &dyn HttpRequestHandler {
            &self.0
        }

        fn end_headers(&self, http: &mut Exchange<'_>) -> io::Result<()> {
            assert!(http.path.ends_with("no"), "as the test wants it");
            self.0.end_headers(http)
        }
    }
    let site = CgiSite::new(&[("waits", &format!("echo $$ > pid; {PLAIN} exec sleep 60"))]);
    let server = serve(noting(Panicking(site.handler())));
    let mut client = server.connect();
    client.send("GET /cgi-bin/waits HTTP/1.0\r\n\r\n");
    client.sees_the_end();
    sees_the_end_of(&fs::read_to_string(site.site.path("cgi-bin/pid")).unwrap());
}

#[test]
fn root_becomes_nobody() {
    if !geteuid().is_root() {
        eprintln!("skipped: only root can be somebody else");
        return;
    }
    let site = CgiSite::new(&[("id", &format!("{PLAIN} id -un; id -gn; id -G"))]);
    let reply = |user: Option<&str>| {
        let mut handler = CgiHttpRequestHandler::new(site.site.path(""));
        if user != Some("nobody") {
            handler = handler.user(user);
        }
        get(&serve(noting(handler).http11()), "/cgi-bin/id")
    };
    let nobody = reply(Some("nobody"));
    let lines: Vec<_> = text(&nobody).lines().collect();
    assert_eq!(lines[0], "nobody");
    assert!(["nogroup", "nobody"].contains(&lines[1]), "{lines:?}");
    assert_eq!(lines[2].split(' ').count(), 1, "{lines:?}");
    assert!(text(&reply(None)).starts_with("root\n"));
    assert!(text(&reply(Some("root"))).starts_with("root\n"));
    assert_eq!(reply(Some("no such user")).status(), 500);
}
