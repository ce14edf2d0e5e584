//! A site with programs, and servers for it.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use nix::sys::signal::kill;
use nix::unistd::Pid;
use socketserver::Sequential;
use socketserver::http::CgiHttpRequestHandler;

use crate::support::{Notes, Running, bind, eventually, side_by_side};
use crate::web::{Browser, Noting, Reply, Site, noting, serve};

/// A site whose programs are shell scripts, and a server that runs them.
pub(crate) struct CgiSite {
    pub(crate) site: Site,
}

impl CgiSite {
    #[track_caller]
    pub(crate) fn new(scripts: &[(&str, &str)]) -> Self {
        let site = Self { site: Site::empty() };
        fs::create_dir(site.site.path("cgi-bin")).unwrap();
        // Also for scripts that run as nobody.
        fs::set_permissions(site.site.path(""), PermissionsExt::from_mode(0o755)).unwrap();
        for (name, body) in scripts {
            site.script(&format!("cgi-bin/{name}"), &format!("#!/bin/sh\n{body}\n"));
        }
        site
    }

    /// Makes an executable file.
    ///
    /// By another process: a child that any test starts meanwhile could hold this one's descriptor,
    /// and a file that is open for writing cannot be executed.
    #[track_caller]
    pub(crate) fn script(&self, name: &str, text: &str) {
        let path = self.site.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut writer = Command::new("sh")
            .args(["-c", "cat > \"$0\" && chmod 755 \"$0\""])
            .arg(&path)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        writer.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(writer.wait().unwrap().success());
    }

    /// Scripts run as whoever runs the tests.
    pub(crate) fn handler(&self) -> CgiHttpRequestHandler {
        CgiHttpRequestHandler::new(self.site.path("")).user(None)
    }

    pub(crate) fn noting(&self) -> Noting<CgiHttpRequestHandler> {
        noting(self.handler()).http11()
    }

    /// Serves on threads and keeps connections.
    #[track_caller]
    pub(crate) fn serve(&self) -> (Running, Notes<String>) {
        let handler = self.noting();
        let log = handler.log.clone();
        (serve(handler), log)
    }

    /// Runs a test with one thread and with many.
    pub(crate) fn with_each_strategy(&self, test: impl Fn(&Running, &Notes<String>)) {
        for start in [Self::serve, Self::serve_one_by_one] {
            let (server, log) = start(self);
            test(&server, &log);
        }
    }

    /// The same at once, for what takes its time.
    pub(crate) fn with_both_strategies(&self, test: impl Fn(&Running, &Notes<String>) + Sync) {
        side_by_side([Self::serve, Self::serve_one_by_one], |start| {
            let (server, log) = start(self);
            test(&server, &log);
        });
    }

    #[track_caller]
    fn serve_one_by_one(&self) -> (Running, Notes<String>) {
        let handler = self.noting();
        let log = handler.log.clone();
        (Running::start(bind::<Sequential, _>(handler)), log)
    }
}

/// Asks for a path, on a connection of its own.
#[track_caller]
pub(crate) fn get(server: &Running, target: &str) -> Reply {
    Browser::connect(server).ask(request("GET", target, ""))
}

#[track_caller]
pub(crate) fn post(server: &Running, target: &str, body: &str) -> Reply {
    let length = format!("Content-Length: {}\r\n", body.len());
    Browser::connect(server).ask(request("POST", target, &length) + body)
}

/// A request of HTTP/1.1, with further header lines.
pub(crate) fn request(method: &str, target: &str, headers: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: h\r\n{headers}\r\n")
}

/// The reply's body as text.
pub(crate) fn text(reply: &Reply) -> &str {
    str::from_utf8(&reply.body).unwrap()
}

/// Waits for a process to be gone, zombies included.
#[track_caller]
pub(crate) fn sees_the_end_of(process: &str) {
    let process = Pid::from_raw(process.trim().parse().unwrap());
    eventually(|| kill(process, None).is_err() || is_orphaned_zombie(process));
}

/// Ended, and left to a reaper of whom we know nothing.
fn is_orphaned_zombie(process: Pid) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{process}/stat")) else { return false };
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    let mut words = rest.split(' ');
    let (state, parent) = (words.next().unwrap(), words.next().unwrap());
    state == "Z" && parent != std::process::id().to_string()
}
