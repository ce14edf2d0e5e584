//! The `PreFork` strategy, without the test harness: its threads and `fork` do not mix.
//!
//! As `forking.rs`, this program is both sides: the cases are clients, and each starts the program
//! again as the server that it needs.

#![allow(
    clippy::unwrap_used,
    reason = "a test that finds something else than it expects should panic, and say where"
)]

mod cases;

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use socketserver::concurrency::{Concurrency, Job};
use socketserver::http::{
    CgiHttpRequestHandler, Exchange, HttpRequestHandler, ProtocolVersion, Status,
};
use socketserver::{
    Datagram, Forking, Handler, PreFork, SIGNAL_WINDOW, Sequential, Server, TcpServer, ThreadPool,
    UdpServer, handler_fn,
};

use cases::{Case, cases, say, send_signal};

/// The longest that anything may take that does happen.
const LIMIT: Duration = Duration::from_secs(10);

/// How long something that must not happen is waited for.
const MOMENT: Duration = Duration::from_millis(50);

/// How long an operator waits before a second signal, which would be one with the first otherwise.
const PAUSE: Duration = Duration::from_millis(SIGNAL_WINDOW.as_millis() as u64 * 3 / 2);

const CASES: &[Case] = cases![
    several_processes_serve,
    any_strategy_serves_in_them,
    packets_are_shared_out,
    a_killed_process_costs_its_own_connections_and_is_replaced,
    crashes_in_a_row_are_followed_by_longer_pauses,
    a_process_that_cannot_start_ends_the_loop,
    a_process_that_crashes_while_it_starts_ends_the_loop,
    a_process_that_the_system_has_no_room_for_is_tried_again,
    a_replacement_that_crashes_while_it_starts_is_tried_again,
    a_hangup_replaces_all_and_lets_them_finish,
    a_hangup_ends_those_that_do_not_finish,
    a_hangup_loses_no_request_under_load,
    a_termination_loses_no_request_under_load,
    a_killed_process_under_load_loses_what_it_served_and_no_more,
    a_termination_waits_for_running_requests,
    the_deadline_cuts_what_still_runs,
    a_second_signal_cuts_at_once,
    a_stopped_process_is_killed_at_the_deadline,
    signals_that_come_together_count_once,
    scripts_that_are_cut_end,
    what_scripts_have_started_ends_with_a_process_that_is_stuck,
    a_signal_to_all_processes_lets_them_finish,
    a_hangup_while_all_finish_cuts_nothing,
    a_termination_of_one_process_replaces_it,
    a_handler_can_stop_the_server,
    a_hangup_lets_the_children_of_processes_finish,
    signals_that_were_ignored_at_the_start_stay_ignored,
    a_crash_is_written_to_standard_error_without_a_logger,
    processes_end_with_their_supervisor,
    processes_hold_nothing_of_each_other,
    a_process_with_threads_is_refused,
    one_request_is_served_without_processes,
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, server] = &arguments[..]
        && flag == "--serve"
    {
        serve(server);
        return ExitCode::SUCCESS;
    }
    cases::run(CASES.iter(), &arguments)
}

// The cases.

fn several_processes_serve() {
    let server = Supervisor::start("sequential");
    // A sequential process serves one at a time: three at once are in three processes.
    let mut slow = [(); 3].map(|()| server.begin_slow());
    let pids: BTreeSet<i32> = slow.iter().map(|one| one.pid).collect();
    assert_eq!(pids, server.processes());
    assert!(!pids.contains(&server.pid()));
    for one in &mut slow {
        one.finish();
    }
    let ended = server.stop(Signal::SIGTERM);
    assert_eq!(ended, "report 0 0\n");
}

fn any_strategy_serves_in_them() {
    for strategy in ["sequential", "threads", "forks"] {
        let server = Supervisor::start(strategy);
        for _ in 0..10 {
            let pid = server.ask_pid();
            let is_worker = server.processes().contains(&pid);
            assert_eq!(is_worker, strategy != "forks", "{strategy}");
        }
        let said = server.stop(Signal::SIGINT);
        // The last child may still be on its way out, which counts as finished.
        assert!(said.starts_with("signal 2\nreport ") && said.ends_with(" 0\n"), "{said}");
    }
}

fn packets_are_shared_out() {
    let server = Supervisor::start("packets");
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(LIMIT)).unwrap();
    client.connect(server.address).unwrap();
    for _ in 0..20 {
        client.send(b"who?").unwrap();
        let mut pid = [0; 16];
        let size = client.recv(&mut pid).unwrap();
        let pid = std::str::from_utf8(&pid[..size]).unwrap().parse().unwrap();
        assert!(server.processes().contains(&pid));
    }
}

fn a_killed_process_costs_its_own_connections_and_is_replaced() {
    let mut server = Supervisor::start("sequential");
    let mut slow = [(); 3].map(|()| server.begin_slow());
    send_signal(slow[1].pid, Signal::SIGKILL);
    assert_eq!(slow[1].client.rest(), "");
    let log = server.line();
    let expected = format!("log: process {} was ended by SIGKILL, replacing it in ", slow[1].pid);
    assert!(log.starts_with(&expected), "{log}");
    slow[0].finish();
    slow[2].finish();
    eventually(|| server.processes().len() == 3);
    assert!(!server.processes().contains(&slow[1].pid));
    server.ask_pid();
}

fn crashes_in_a_row_are_followed_by_longer_pauses() {
    let mut server = Supervisor::start("one");
    for pause in ["100ms", "200ms", "400ms"] {
        let mut client = server.connect();
        client.send("GET /abort HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(client.rest(), "");
        let log = server.line();
        assert!(log.ends_with(&format!(" was ended by SIGABRT, replacing it in {pause}")), "{log}");
    }
    server.ask_pid();
}

fn a_process_that_cannot_start_ends_the_loop() {
    let mut server = Supervisor::start("cannot start");
    assert_eq!(server.line(), "failed: a process could not start: no threads left");
    assert_eq!(server.wait(), "");
}

fn a_process_that_crashes_while_it_starts_ends_the_loop() {
    let mut server = Supervisor::start("crashes at start");
    assert_eq!(server.line(), "failed: a process could not start: it ended before it was ready");
    assert_eq!(server.wait(), "");
}

fn a_process_that_the_system_has_no_room_for_is_tried_again() {
    let mut server = Supervisor::start("starving");
    let before = server.ask_pid();
    send_signal(server.pid(), Signal::SIGHUP);
    assert_eq!(server.line(), "signal 1");
    for pause in ["100ms", "200ms"] {
        let log = server.line();
        let expected = format!("log: cannot start a process, trying again in {pause}: ");
        assert!(log.starts_with(&expected), "{log}");
    }
    assert_eq!(server.ask_pid(), before);
    // The second one ends the want.
    send_signal(server.pid(), Signal::SIGHUP);
    eventually(|| server.processes().iter().all(|&pid| pid != before));
    assert_ne!(server.ask_pid(), before);
}

fn a_replacement_that_crashes_while_it_starts_is_tried_again() {
    let mut server = Supervisor::start("crashes later");
    let before = server.ask_pid();
    send_signal(server.pid(), Signal::SIGHUP);
    assert_eq!(server.line(), "signal 1");
    for pause in ["100ms", "200ms"] {
        let reason = "a process could not start: it ended before it was ready";
        let expected = format!("log: cannot start a process, trying again in {pause}: {reason}");
        assert_eq!(server.line(), expected);
        assert_eq!(server.ask_pid(), before);
    }
    // Now they are well again.
    send_signal(server.pid(), Signal::SIGHUP);
    eventually(|| server.ask_pid() != before);
}

fn a_hangup_replaces_all_and_lets_them_finish() {
    let mut server = Supervisor::start("sequential");
    let before = server.processes();
    let mut slow = server.begin_slow();
    send_signal(server.pid(), Signal::SIGHUP);
    // Once, and in the supervisor, so that what is loaded again is there for all.
    assert_eq!(server.line(), "signal 1");
    eventually(|| {
        let now = server.processes();
        let kept: Vec<_> = now.intersection(&before).collect();
        now.len() == 4 && kept == [&slow.pid]
    });
    server.ask_pid();
    slow.finish();
    eventually(|| server.processes().is_disjoint(&before));
    assert_eq!(server.processes().len(), 3);
    // A sequential process hears that it is to stop when its request is finished already.
    assert_eq!(server.stop(Signal::SIGTERM), "report 0 0\n");
}

fn a_hangup_ends_those_that_do_not_finish() {
    let mut server = Supervisor::start("stuck");
    let slow = server.begin_slow();
    send_signal(server.pid(), Signal::SIGHUP);
    assert_eq!(server.line(), "signal 1");
    let expected = format!("log: process {} has not stopped in time, killing it", slow.pid);
    assert_eq!(server.line(), expected);
    eventually(|| !server.processes().contains(&slow.pid));
    assert_eq!(server.processes().len(), 3);
    assert_eq!(server.stop(Signal::SIGTERM), "report 0 1\n");
}

fn a_hangup_loses_no_request_under_load() {
    for keep_alive in [false, true] {
        let server = Supervisor::start("threads");
        let load = Load::start(server.address, keep_alive);
        for _ in 0..5 {
            let before = server.processes();
            load.wait_for_more(500);
            send_signal(server.pid(), Signal::SIGHUP);
            eventually(|| server.processes().is_disjoint(&before));
        }
        let counts = load.stop();
        assert_eq!(counts.lost, 0, "of {}", counts.done);
        assert_eq!(counts.refused, 0, "of {}", counts.done);
    }
}

fn a_termination_loses_no_request_under_load() {
    // Between the kernel's word that nobody waits and the closing of the listener lies nothing but
    // the way from one system call to the next. On a busy machine somebody else may run there, but
    // hardly time and again.
    let mut lost = (0..3).map(|_| lost_by_terminations());
    assert!(lost.any(|lost| lost <= 1), "several lost each time");
}

/// Requests that were lost when four servers were asked to end.
fn lost_by_terminations() -> usize {
    let mut lost = 0;
    for (kind, keep_alive) in
        [("threads", false), ("threads", true), ("no processes", false), ("no processes", true)]
    {
        let server = Supervisor::start(kind);
        let load = Load::start(server.address, keep_alive);
        load.wait_for_more(2_000);
        server.stop(Signal::SIGTERM);
        // Who comes after the end is refused by the kernel and may go elsewhere.
        lost += load.stop().lost;
    }
    lost
}

fn a_killed_process_under_load_loses_what_it_served_and_no_more() {
    let server = Supervisor::start("threads");
    let load = Load::start(server.address, true);
    for _ in 0..3 {
        load.wait_for_more(500);
        let victim = *server.processes().iter().next().unwrap();
        send_signal(victim, Signal::SIGKILL);
        eventually(|| server.processes().len() == 3 && !server.processes().contains(&victim));
    }
    let counts = load.stop();
    assert!(counts.lost <= 3 * CLIENTS, "{} of {}", counts.lost, counts.done);
    assert_eq!(counts.refused, 0, "of {}", counts.done);
}

fn a_termination_waits_for_running_requests() {
    let server = Supervisor::start("threads");
    let mut slow = [(); 2].map(|()| server.begin_slow());
    send_signal(server.pid(), Signal::SIGTERM);
    // Nobody listens any more.
    eventually(|| TcpStream::connect(server.address).is_err());
    slow.iter_mut().for_each(SlowRequest::finish);
    let said = server.wait();
    // Those who tried whether anybody listens may be counted, too.
    assert!(said.starts_with("signal 15\nreport ") && said.ends_with(" 0\n"), "{said}");
    assert_ne!(said, "signal 15\nreport 0 0\n");
}

fn the_deadline_cuts_what_still_runs() {
    let server = Supervisor::start("hasty");
    let mut slow = server.begin_slow();
    send_signal(server.pid(), Signal::SIGTERM);
    slow.client.rest();
    assert_eq!(server.wait(), "signal 15\nreport 0 1\n");
}

fn a_second_signal_cuts_at_once() {
    let mut server = Supervisor::start("threads");
    let mut slow = server.begin_slow();
    send_signal(server.pid(), Signal::SIGTERM);
    assert_eq!(server.line(), "signal 15");
    thread::sleep(PAUSE);
    send_signal(server.pid(), Signal::SIGTERM);
    slow.client.rest();
    assert_eq!(server.wait(), "signal 15\nreport 0 1\n");
}

fn a_stopped_process_is_killed_at_the_deadline() {
    for kind in ["hasty", "stuck"] {
        let server = Supervisor::start(kind);
        let mut slow = server.begin_slow();
        send_signal(slow.pid, Signal::SIGSTOP);
        send_signal(server.pid(), Signal::SIGTERM);
        slow.client.rest();
        assert_eq!(server.wait(), "signal 15\nreport 0 1\n", "{kind}");
    }
}

/// As `timeout` and supervisors that know of groups send them.
fn signals_that_come_together_count_once() {
    for strategy in ["sequential", "threads", "forks"] {
        for signals in [[Signal::SIGTERM, Signal::SIGTERM], [Signal::SIGINT, Signal::SIGTERM]] {
            let mut server = Supervisor::start(strategy);
            let processes = server.processes();
            let mut slow = server.begin_slow();
            send_signal(server.pid(), signals[0]);
            assert_eq!(server.line(), format!("signal {}", signals[0] as i32));
            for _ in 0..2 {
                for pid in processes.iter().copied().chain([server.pid(), slow.pid]) {
                    // One that had nothing to do may have ended.
                    let _ = kill(Pid::from_raw(pid), signals[1]);
                }
            }
            assert!(!slow.ends_within(PAUSE), "{strategy}, {signals:?}: cut off");
            slow.finish();
            let said = server.wait();
            assert!(said.ends_with(" 0\n"), "{strategy}, {signals:?}: {said}");
        }
    }
}

fn scripts_that_are_cut_end() {
    let server = Supervisor::start("scripts");
    let scripts = [(); 2].map(|()| server.begin_script());
    send_signal(server.pid(), Signal::SIGTERM);
    assert_eq!(server.wait(), "report 0 2\n");
    for (_, pids) in scripts {
        see_the_end_of(pids);
    }
}

/// Its only thread is busy with the script, and hears of nothing.
fn what_scripts_have_started_ends_with_a_process_that_is_stuck() {
    for kind in ["scripts one by one", "scripts of children"] {
        let server = Supervisor::start(kind);
        let (_client, pids) = server.begin_script();
        send_signal(server.pid(), Signal::SIGTERM);
        assert_eq!(server.wait(), "report 0 1\n", "{kind}");
        see_the_end_of(pids);

        // One that is replaced.
        let mut server = Supervisor::start(kind);
        let (_client, pids) = server.begin_script();
        send_signal(server.pid(), Signal::SIGHUP);
        if kind == "scripts one by one" {
            let said = server.line();
            assert!(said.ends_with("has not stopped in time, killing it"), "{said}");
        }
        see_the_end_of(pids);

        // Signals of people, until there is no process left that could tell of the script.
        let server = Supervisor::start(kind);
        let (_client, pids) = server.begin_script();
        for _ in 0..2 {
            for pid in server.processes().into_iter().chain([server.pid()]) {
                send_signal(pid, Signal::SIGTERM);
            }
            thread::sleep(PAUSE);
        }
        server.wait();
        see_the_end_of(pids);
    }
}

#[track_caller]
fn see_the_end_of(pids: [i32; 2]) {
    for pid in pids {
        eventually(|| kill(Pid::from_raw(pid), None).is_err() || is_zombie(pid));
    }
}

fn a_signal_to_all_processes_lets_them_finish() {
    let mut server = Supervisor::start("threads");
    let mut slow = server.begin_slow();
    // As `pkill` does, and systemd unless it is told otherwise. The supervisor is faster here.
    send_signal(server.pid(), Signal::SIGTERM);
    assert_eq!(server.line(), "signal 15");
    eventually(|| server.processes().len() == 1);
    send_signal(slow.pid, Signal::SIGTERM);
    assert!(!slow.ends_within(MOMENT), "cut off");
    slow.finish();
    assert_eq!(server.wait(), "report 1 0\n");

    // Whoever asks all of them twice means it.
    let mut server = Supervisor::start("threads");
    let mut slow = server.begin_slow();
    send_signal(server.pid(), Signal::SIGTERM);
    assert_eq!(server.line(), "signal 15");
    eventually(|| server.processes().len() == 1);
    for _ in 0..2 {
        send_signal(slow.pid, Signal::SIGTERM);
        slow.ends_within(PAUSE);
    }
    slow.client.rest();
    assert_eq!(server.wait(), "report 0 1\n");
}

fn a_hangup_while_all_finish_cuts_nothing() {
    let mut server = Supervisor::start("threads");
    let mut slow = server.begin_slow();
    send_signal(server.pid(), Signal::SIGTERM);
    assert_eq!(server.line(), "signal 15");
    eventually(|| server.processes().len() == 1);
    send_signal(server.pid(), Signal::SIGHUP);
    assert_eq!(server.line(), "signal 1");
    assert!(!slow.ends_within(MOMENT), "cut off");
    slow.finish();
    assert_eq!(server.wait(), "report 1 0\n");
}

fn a_termination_of_one_process_replaces_it() {
    let mut server = Supervisor::start("sequential");
    let mut slow = server.begin_slow();
    send_signal(slow.pid, Signal::SIGTERM);
    slow.finish();
    let log = server.line();
    let expected = format!("log: process {} has exited with status 0, ", slow.pid);
    assert!(log.starts_with(&expected), "{log}");
    eventually(|| server.processes().len() == 3);
}

/// All of it: the word that is changed for another strategy does not change what it means.
fn a_handler_can_stop_the_server() {
    for strategy in ["sequential", "threads", "forks"] {
        let server = Supervisor::start(strategy);
        let mut slow = server.begin_slow();
        let mut client = server.connect();
        client.send("GET /shutdown HTTP/1.1\r\nHost: x\r\n\r\n");
        client.reply();
        assert!(!slow.ends_within(MOMENT), "cut off");
        slow.finish();
        let said = server.wait();
        assert!(said.starts_with("report ") && said.ends_with(" 0\n"), "{strategy}: {said}");
    }
}

/// A child of a process is not the one that is replaced.
fn a_hangup_lets_the_children_of_processes_finish() {
    let server = Supervisor::start("forks");
    let mut slow = server.begin_slow();
    for pid in server.processes().into_iter().chain([slow.pid]) {
        send_signal(pid, Signal::SIGHUP);
    }
    assert!(!slow.ends_within(MOMENT), "cut off");
    slow.finish();
    assert!(server.stop(Signal::SIGTERM).ends_with(" 0\n"));
}

fn signals_that_were_ignored_at_the_start_stay_ignored() {
    for strategy in ["threads", "forks"] {
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' HUP INT QUIT; exec \"$@\"", "sh"]);
        shell.arg(std::env::current_exe().unwrap());
        let mut server = Supervisor::start_as(shell, strategy);
        let before = server.processes();
        let mut slow = server.begin_slow();
        for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT] {
            for pid in before.iter().copied().chain([server.pid(), slow.pid]) {
                send_signal(pid, signal);
            }
            assert!(!slow.ends_within(MOMENT), "cut off by {signal}");
        }
        slow.finish();
        assert_eq!(server.processes(), before);
        // The rest is heard, and who does not finish is ended.
        let mut slow = server.begin_slow();
        send_signal(server.pid(), Signal::SIGTERM);
        assert_eq!(server.line(), "signal 15");
        thread::sleep(PAUSE);
        send_signal(server.pid(), Signal::SIGTERM);
        slow.client.rest();
        // The first client's child may be waiting for its next request, and is cut then, too.
        let said = server.wait();
        assert!(said.starts_with("signal 15\nreport ") && !said.ends_with(" 0\n"), "{said}");
    }
}

fn a_crash_is_written_to_standard_error_without_a_logger() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.stderr(Stdio::piped());
    let mut server = Supervisor::start_as(command, "no logger");
    let pid = server.ask_pid();
    send_signal(pid, Signal::SIGKILL);
    eventually(|| server.processes().len() == 1 && !server.processes().contains(&pid));
    let errors = server.child.stderr.take().unwrap();
    server.stop(Signal::SIGTERM);
    let said = io::read_to_string(errors).unwrap();
    let expected = format!("socketserver: process {pid} was ended by SIGKILL, replacing it in ");
    assert!(said.starts_with(&expected) && said.lines().count() == 1, "{said}");
}

fn processes_end_with_their_supervisor() {
    let server = Supervisor::start("threads");
    let mut slow = server.begin_slow();
    let processes = server.processes();
    send_signal(server.pid(), Signal::SIGKILL);
    let is_gone = |pid: &i32| kill(Pid::from_raw(*pid), None).is_err() || is_zombie(*pid);
    eventually(|| processes.iter().filter(|pid| **pid != slow.pid).all(is_gone));
    // What runs is finished before.
    slow.finish();
    eventually(|| is_gone(&slow.pid));
}

fn processes_hold_nothing_of_each_other() {
    let server = Supervisor::start("threads");
    let counts = |server: &Supervisor| -> BTreeSet<usize> {
        let descriptors = |pid| std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
        server.processes().into_iter().map(descriptors).collect()
    };
    // The last one could hold the leashes of the first. One that starts holds everything still.
    eventually(|| counts(&server).len() == 1);
    let before = counts(&server);
    for _ in 0..3 {
        let old = server.processes();
        send_signal(server.pid(), Signal::SIGHUP);
        eventually(|| server.processes().is_disjoint(&old) && server.processes().len() == 3);
    }
    eventually(|| counts(&server) == before);
}

fn a_process_with_threads_is_refused() {
    let mut server = Supervisor::start("with a thread");
    let line = server.line();
    assert!(line.starts_with("failed: refusing to fork: 1 other threads run"), "{line}");
}

fn one_request_is_served_without_processes() {
    let server = Supervisor::start("one request");
    assert_eq!(server.ask_pid(), server.pid());
    assert_eq!(server.wait(), "served\n");
}

// The client's side.

/// The program at work as a server. Killed when dropped.
struct Supervisor {
    child: Child,
    output: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Supervisor {
    #[track_caller]
    fn start(kind: &str) -> Self {
        Self::start_as(Command::new(std::env::current_exe().unwrap()), kind)
    }

    /// Starts it by a command that takes the arguments of this program.
    #[track_caller]
    fn start_as(mut command: Command, kind: &str) -> Self {
        command.args(["--serve", kind]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let address = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut supervisor = Self { child, output, address };
        supervisor.address = supervisor.line().parse().unwrap();
        let processes = match kind {
            "one" | "no logger" | "starving" | "crashes later" => 1,
            _ if kind.starts_with("scripts") => 1,
            "sequential" | "threads" | "forks" | "hasty" | "stuck" | "packets" => 3,
            _ => 0,
        };
        eventually(|| supervisor.processes().len() >= processes);
        supervisor
    }

    fn pid(&self) -> i32 {
        self.child.id().try_into().unwrap()
    }

    /// The processes that serve, and those that have ended and were not reaped.
    fn processes(&self) -> BTreeSet<i32> {
        let pid = self.pid();
        let tasks = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let tasks = tasks.unwrap_or_default();
        tasks.split_whitespace().map(|task| task.parse().unwrap()).collect()
    }

    #[track_caller]
    fn line(&mut self) -> String {
        if self.output.buffer().is_empty() {
            use std::os::fd::AsFd;

            let limit = PollTimeout::try_from(LIMIT).unwrap();
            let output = self.output.get_ref().as_fd();
            let polled = poll(&mut [PollFd::new(output, PollFlags::POLLIN)], limit);
            assert_eq!(polled, Ok(1), "nothing was said");
        }
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    #[track_caller]
    fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        Client { stream: BufReader::new(stream) }
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
        eventually(|| self.child.try_wait().unwrap().is_some());
        let mut said = String::new();
        self.output.read_to_string(&mut said).unwrap();
        said
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        // Gone already where the case waited for the end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct SlowRequest {
    client: Client,
    pid: i32,
}

impl SlowRequest {
    /// Tells whether anything comes before the request was finished, as its end would.
    fn ends_within(&self, limit: Duration) -> bool {
        use std::os::fd::AsFd;

        let stream = self.client.stream.get_ref().as_fd();
        let limit = PollTimeout::try_from(limit).unwrap();
        poll(&mut [PollFd::new(stream, PollFlags::POLLIN)], limit) != Ok(0)
    }

    #[track_caller]
    fn finish(&mut self) {
        self.client.send("go");
        assert!(self.client.rest_of_chunks().ends_with("done"), "cut off");
    }
}

struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    #[track_caller]
    fn send(&mut self, text: &str) {
        self.stream.get_mut().write_all(text.as_bytes()).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn head(&mut self) -> String {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let size = self.stream.read_line(&mut head).unwrap();
            assert!(size > 0, "the head ends early: {head:?}");
        }
        head
    }

    /// The body of a response with a length.
    #[track_caller]
    fn reply(&mut self) -> String {
        let head = self.head();
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let mut body = vec![0; length.unwrap().parse().unwrap()];
        self.stream.read_exact(&mut body).unwrap();
        String::from_utf8(body).unwrap()
    }

    /// The text of the chunks that follow, to the last.
    fn rest_of_chunks(&mut self) -> String {
        let mut text = String::new();
        loop {
            let size = usize::from_str_radix(&self.line(), 16).unwrap_or(0);
            let mut chunk = vec![0; size];
            self.stream.read_exact(&mut chunk).unwrap();
            text.push_str(&String::from_utf8(chunk).unwrap());
            assert_eq!(self.line(), "");
            if size == 0 {
                return text;
            }
        }
    }

    /// What comes until the end, be that a reset.
    fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        let _ = self.stream.read_to_end(&mut rest);
        String::from_utf8(rest).unwrap()
    }
}

/// Clients that ask as fast as they can, and try nothing twice.
struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    threads: Vec<thread::JoinHandle<(usize, usize)>>,
}

struct Counts {
    done: usize,
    /// Sent on a connection that the server had, and not answered.
    lost: usize,
    /// Could not connect.
    refused: usize,
}

const CLIENTS: usize = 8;

impl Load {
    fn start(address: SocketAddr, keep_alive: bool) -> Self {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let client = |_| {
            let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
            thread::spawn(move || {
                let (mut lost, mut refused) = (0, 0);
                let mut connection: Option<BufReader<TcpStream>> = None;
                while !stop.load(Ordering::Relaxed) {
                    let Some(mut stream) = connection.take().or_else(|| connect(address)) else {
                        refused += 1;
                        thread::park_timeout(Duration::from_millis(1));
                        continue;
                    };
                    match ask(&mut stream, keep_alive) {
                        Ok(goes_on) => {
                            done.fetch_add(1, Ordering::Relaxed);
                            connection = goes_on.then_some(stream);
                        }
                        Err(_) => lost += 1,
                    }
                }
                (lost, refused)
            })
        };
        let threads = (0..CLIENTS).map(client).collect();
        Self { stop, done, threads }
    }

    #[track_caller]
    fn wait_for_more(&self, count: usize) {
        let wanted = self.done.load(Ordering::Relaxed) + count;
        eventually(|| self.done.load(Ordering::Relaxed) >= wanted);
    }

    fn stop(self) -> Counts {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.threads.into_iter().map(|thread| thread.join().unwrap());
        let (lost, refused) =
            ended.fold((0, 0), |sum, (lost, refused)| (sum.0 + lost, sum.1 + refused));
        Counts { done: self.done.load(Ordering::Relaxed), lost, refused }
    }
}

fn connect(address: SocketAddr) -> Option<BufReader<TcpStream>> {
    let stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    Some(BufReader::new(stream))
}

/// Asks once; tells whether the connection may be used again.
fn ask(stream: &mut BufReader<TcpStream>, keep_alive: bool) -> io::Result<bool> {
    let option = if keep_alive { "keep-alive" } else { "close" };
    let request = format!("GET /pid HTTP/1.1\r\nHost: x\r\nConnection: {option}\r\n\r\n");
    stream.get_mut().write_all(request.as_bytes())?;
    let (mut length, mut goes_on, mut line) = (0, keep_alive, String::new());
    while line != "\r\n" {
        line.clear();
        if stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.trim_end().parse().unwrap();
        }
        goes_on &= line != "Connection: close\r\n";
    }
    stream.read_exact(&mut vec![0; length])?;
    Ok(goes_on)
}

fn is_zombie(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.contains(") Z ")
}

/// Polls until it is so, where nothing tells when.
#[track_caller]
fn eventually(mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < deadline, "it never is so");
        thread::park_timeout(Duration::from_millis(1));
    }
}

// The server's side.

struct Obedient {
    /// Each signal takes the descriptors that are left away from its process, or gives them back.
    starves: bool,
}

impl HttpRequestHandler for Obedient {
    fn protocol_version(&self) -> ProtocolVersion {
        ProtocolVersion::Http11
    }

    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let pid = std::process::id().to_string();
        match http.path.as_str() {
            "/slow" => {
                http.send_response(200)?;
                http.end_headers()?;
                http.wfile.write_all(format!("{pid}\n").as_bytes())?;
                let mut word = [0; 2];
                http.rfile.read_exact(&mut word)?;
                return http.wfile.write_all(b"done");
            }
            "/abort" => std::process::abort(),
            "/shutdown" => http.server.shutdown(),
            _ => {}
        }
        http.send_response(200)?;
        http.send_header("Content-Length", pid.len())?;
        http.end_headers()?;
        http.wfile.write_all(pid.as_bytes())
    }

    fn log_request(&self, _: &Exchange<'_>, _: Status, _: Option<u64>) {}

    fn handle_signal(&self, signal: socketserver::Signal) {
        HEARD.fetch_add(1, Ordering::Relaxed);
        if self.starves {
            let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
            // Standard streams alone, and then all again.
            let soft = if soft == 3 { hard } else { 3 };
            setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
        }
        say(&format!("signal {}", signal.number()));
    }
}

/// Signals that the supervisor has heard of.
static HEARD: AtomicUsize = AtomicUsize::new(0);

/// Fails to start in a process that serves, or crashes there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unable {
    Fails,
    Crashes,
    /// Crashes after the first signal and before the second one.
    CrashesLater,
}

impl Concurrency for Unable {
    fn process_request(&mut self, job: Job) -> io::Result<()> {
        job.run();
        Ok(())
    }

    fn server_activate(&mut self) -> io::Result<()> {
        let has_heard = HEARD.load(Ordering::Relaxed);
        match self {
            Self::Fails => Err(io::Error::other("no threads left")),
            Self::CrashesLater if has_heard != 1 => Ok(()),
            Self::Crashes | Self::CrashesLater => std::process::abort(),
        }
    }
}

fn serve(kind: &str) {
    if kind != "no logger" {
        log::set_logger(&SAYS).unwrap();
        log::set_max_level(log::LevelFilter::Warn);
    }
    // A crash that is asked for need not leave its memory behind.
    setrlimit(Resource::RLIMIT_CORE, 0, 0).unwrap();
    match kind {
        "sequential" => serve_in(PreFork::new(3, Sequential)),
        "threads" | "hasty" => serve_in_with(PreFork::new(3, ThreadPool::default()), kind),
        "stuck" => serve_in_with(PreFork::new(3, Sequential), kind),
        "forks" => serve_in(PreFork::new(3, Forking::default())),
        "one" | "no logger" => serve_in(PreFork::new(1, Sequential)),
        "starving" => serve_in_with(PreFork::new(1, Sequential), kind),
        "scripts" => serve_scripts(ThreadPool::default()),
        "scripts one by one" => serve_scripts(Sequential),
        "scripts of children" => serve_scripts(Forking::default()),
        "no processes" => serve_in(ThreadPool::default()),
        "cannot start" => serve_in(PreFork::new(3, Unable::Fails)),
        "crashes at start" => serve_in(PreFork::new(3, Unable::Crashes)),
        "crashes later" => serve_in(PreFork::new(1, Unable::CrashesLater)),
        "with a thread" => {
            thread::spawn(|| io::stdin().lock().read_until(b'\n', &mut Vec::new()));
            serve_in(PreFork::new(1, Sequential));
        }
        "one request" => {
            let strategy = PreFork::new(3, Sequential);
            let handler = Obedient { starves: false };
            let mut server = TcpServer::bind_with("127.0.0.1:0", handler, strategy).unwrap();
            say(&server.server_address().to_string());
            server.handle_request().unwrap();
            say("served");
        }
        "packets" => {
            let who = handler_fn(|mut datagram: Datagram| {
                write!(datagram.wfile, "{}", std::process::id())
            });
            let strategy = PreFork::new(3, Sequential);
            let mut server = UdpServer::bind_with("127.0.0.1:0", who, strategy).unwrap();
            say(&server.server_address().to_string());
            server.serve_forever().unwrap();
        }
        other => panic!("what is {other:?}?"),
    }
}

fn serve_in(strategy: impl Concurrency) {
    serve_in_with(strategy, "");
}

fn serve_in_with(strategy: impl Concurrency, kind: &str) {
    let handler = Obedient { starves: kind == "starving" };
    let mut server = TcpServer::bind_with("127.0.0.1:0", handler, strategy).unwrap();
    server.shutdown_on_signals(&[socketserver::Signal::INT, socketserver::Signal::TERM]).unwrap();
    if matches!(kind, "hasty" | "stuck") {
        server.shutdown_timeout = MOMENT;
    }
    say(&server.server_address().to_string());
    report(&mut server);
}

/// Serves a script that waits, as does what it has started. Both have to be killed.
fn serve_scripts(strategy: impl Concurrency) {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("cgi-bin/waits");
    std::fs::create_dir(script.parent().unwrap()).unwrap();
    let waits = "sleep 60 & echo $!; wait; sleep 60";
    let text =
        format!("#!/bin/sh\ntrap '' TERM; echo Content-Type: text/plain; echo; echo $$; {waits}\n");
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    let handler = CgiHttpRequestHandler::new(directory.path()).user(None);
    let strategy = PreFork::new(1, strategy);
    let mut server = TcpServer::bind_with("127.0.0.1:0", handler, strategy).unwrap();
    server.shutdown_on_signals(&[socketserver::Signal::TERM]).unwrap();
    server.shutdown_timeout = MOMENT;
    say(&server.server_address().to_string());
    report(&mut server);
}

fn report<C: Concurrency, H: Handler>(server: &mut Server<socketserver::transport::Tcp, C, H>) {
    match server.serve_forever() {
        Ok(()) => {
            let report = server.shutdown_report();
            say(&format!("report {} {}", report.finished, report.cut));
        }
        Err(error) => say(&format!("failed: {error}")),
    }
}

/// A logger that tells the client's side.
struct Says;

static SAYS: Says = Says;

impl log::Log for Says {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        say(&format!("log: {}", record.args()));
    }

    fn flush(&self) {}
}
