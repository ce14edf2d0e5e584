//! The `PreFork` strategy. As those of `tests/forking/`, its servers are processes of their own, of
//! the program in `tests/server/`.

#![allow(
    clippy::unwrap_used,
    reason = "a test that finds something else than it expects should panic, and say where"
)]

mod client;
mod ends;
mod hangups;
mod load;
mod processes;
#[path = "../shared/mod.rs"]
#[allow(dead_code, reason = "the other tests need more of it")]
mod shared;

use std::collections::BTreeSet;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use client::{Client, SlowRequest};
use shared::client::eventually;
use shared::limits::{LIMIT, MOMENT, PAUSE};
use shared::process::{ServerProcess, children_of, is_running, send_signal, server_program};

/// A supervisor and its processes. Killed when dropped.
struct Supervisor {
    process: ServerProcess,
}

impl Supervisor {
    /// Starts the server of this kind in `tests/server/pre_fork.rs`.
    #[track_caller]
    fn start(kind: &str) -> Self {
        Self::start_by(Command::new(server_program()), kind)
    }

    /// Starts it by a command that takes the arguments of the program.
    #[track_caller]
    fn start_by(command: Command, kind: &str) -> Self {
        let process = ServerProcess::start_by(command, &["pre_fork", kind]);
        let supervisor = Self { process };
        let processes = match kind {
            "one" | "no logger" | "starving" | "crashes later" | "hangs later"
            | "hangs at start" => 1,
            _ if kind.starts_with("scripts") => 1,
            _ if kind.starts_with("streams") => 2,
            "sequential" | "threads" | "forks" | "hasty forks" | "hasty" | "stuck" | "packets"
            | "completed" => 3,
            _ => 0,
        };
        eventually(|| supervisor.processes().len() >= processes);
        supervisor
    }

    /// The processes that serve, and those that have ended and were not reaped.
    fn processes(&self) -> BTreeSet<i32> {
        children_of(self.pid())
    }

    #[track_caller]
    fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    #[track_caller]
    fn ask_pid(&self) -> i32 {
        let mut client = self.connect();
        client.send("GET /pid HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        client.reply().parse().unwrap()
    }

    /// Begins a request that ends when the body comes.
    #[track_caller]
    fn begin_slow(&self) -> SlowRequest {
        let mut client = self.connect();
        client.send("GET /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n");
        let head = client.head();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        let chunk = client.line();
        assert_eq!(chunk.len(), 1, "{chunk}");
        let pid = client.line().parse().unwrap();
        assert_eq!(client.line(), "");
        SlowRequest { client, pid }
    }

    /// Begins a request for a script, and returns which process that is, and which it has started.
    #[track_caller]
    fn begin_script(&self) -> (Client, [i32; 2]) {
        let mut client = self.connect();
        client.send("GET /cgi-bin/waits HTTP/1.0\r\n\r\n");
        client.head();
        let pids = [(); 2].map(|()| client.line().parse().unwrap());
        (client, pids)
    }

    #[track_caller]
    fn stop(self, signal: Signal) -> String {
        send_signal(self.pid(), signal);
        let said = self.wait();
        said.strip_prefix("signal 15\n").unwrap_or(&said).to_owned()
    }

    /// Waits for the end, and returns what was said before.
    #[track_caller]
    fn wait(mut self) -> String {
        eventually(|| self.process.process.try_wait().unwrap().is_some());
        self.rest()
    }
}

impl std::ops::Deref for Supervisor {
    type Target = ServerProcess;

    fn deref(&self) -> &ServerProcess {
        &self.process
    }
}

impl std::ops::DerefMut for Supervisor {
    fn deref_mut(&mut self) -> &mut ServerProcess {
        &mut self.process
    }
}

/// Tells whether a process has ended, reaped or not.
fn is_gone(pid: i32) -> bool {
    kill(Pid::from_raw(pid), None).is_err() || !is_running(pid)
}
