//! The `Forking` strategy, without the test harness: its threads and `fork` do not mix.
//!
//! This program is both sides. Started plainly it runs the cases below, one by one, as a client;
//! each starts it again as the server it needs, in a process without other threads.

#![allow(
    clippy::unwrap_used,
    reason = "a test that finds something else than it expects should panic, and say where"
)]

mod cases;
#[cfg(feature = "tls")]
#[path = "it/certificates.rs"]
#[allow(dead_code, reason = "the other tests need more of it")]
mod certificates;
#[path = "forking/descriptors.rs"]
mod descriptors;
#[path = "forking/signals.rs"]
mod signals;

use std::io::{self, BufRead, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{Uid, setuid};
use socket2::Socket;
use socketserver::concurrency::{Concurrency, Job, Placement};
use socketserver::http::{CgiHttpRequestHandler, Exchange, HttpRequestHandler, ProtocolVersion};
use socketserver::transport::{Tcp, Transport};
use socketserver::{
    Address, Connection, Datagram, Forking, ForkingHttpServer, ForkingTcpServer, Handler,
    SIGNAL_WINDOW, Server, TcpServer, Timeouts, UdpServer, UnixDatagramServer, UnixStreamServer,
};

use cases::{Case, cases, say, send_signal};

/// The longest that anything may take that does happen.
const LIMIT: Duration = Duration::from_secs(5);

/// How long something that must not happen is waited for.
const MOMENT: Duration = Duration::from_millis(50);

/// How long an operator waits before a second signal, which would be one with the first otherwise.
const PAUSE: Duration = Duration::from_millis(SIGNAL_WINDOW.as_millis() as u64 * 3 / 2);

#[cfg(feature = "tls")]
const TLS_CASES: &[Case] = cases![
    tls::a_child_shakes_hands_and_serves_to_the_end,
    tls::clients_that_do_not_shake_hands_hold_nobody_up,
    tls::an_idle_client_is_told_of_the_end,
    tls::one_child_resumes_what_another_began,
];
#[cfg(not(feature = "tls"))]
const TLS_CASES: &[Case] = &[];

const CASES: &[Case] = cases![
    each_connection_has_a_process,
    what_a_handler_changes_is_lost,
    a_child_serves_its_connection_to_the_end,
    an_idle_child_ends,
    a_panic_costs_its_own_connection,
    a_crash_costs_its_own_connection_and_is_logged,
    children_hold_neither_listener_nor_poller,
    descriptors::files_of_a_child_that_a_drain_starts_are_its_own,
    descriptors::files_of_a_child_beside_a_resting_listener_are_its_own,
    descriptors::files_of_a_child_that_stops_the_server_are_its_own,
    descriptors::a_child_can_stop_the_server,
    descriptors::a_child_for_a_datagram_can_stop_the_server,
    descriptors::a_child_of_one_request_can_stop_the_server,
    descriptors::a_child_that_is_started_later_holds_no_listener,
    descriptors::children_that_are_started_as_the_server_closes_hold_no_listener,
    descriptors::a_strategy_that_forks_where_it_may_not_is_told,
    descriptors::children_of_datagrams_hold_no_poller,
    a_child_that_outlives_its_server_leaves_the_port,
    children_of_others_are_not_reaped,
    ended_children_are_reaped_at_once,
    clients_beyond_the_maximum_wait,
    a_server_without_room_sleeps,
    forty_children_run_at_once,
    a_process_with_threads_is_refused,
    a_process_with_threads_may_insist,
    a_client_sees_the_end_although_a_sibling_runs,
    a_client_sees_the_end_when_its_handler_drops_it,
    a_client_that_has_sent_too_much_sees_the_end,
    an_idle_client_sees_the_end_although_a_child_runs,
    a_client_that_no_child_can_be_made_for_sees_the_end,
    buffered_output_is_printed_once,
    children_ignore_an_interrupt_from_the_terminal,
    signals::a_signal_to_all_processes_lets_them_finish,
    signals::signals_to_the_server_and_then_to_all_processes_count_once,
    signals::a_second_signal_to_all_processes_cuts_at_once,
    signals::a_child_that_is_ended_in_a_drain_is_cut,
    signals::news_to_all_processes_cut_nothing,
    signals::a_child_that_is_asked_to_end_finishes_what_it_serves,
    signals::a_child_that_is_asked_twice_ends_at_once,
    signals::a_child_that_is_asked_twice_together_finishes_what_it_serves,
    signals::a_child_knows_that_its_server_stops,
    signals::signals_that_were_ignored_at_the_start_stay_ignored,
    signals::a_crash_is_written_to_standard_error_without_a_logger,
    signals::a_daemon_hears_the_signals_that_its_parent_asked_for,
    a_drain_waits_for_children,
    the_deadline_ends_children,
    children_that_will_not_end_are_killed,
    a_second_signal_ends_the_wait_for_children,
    closing_waits_for_children,
    closing_without_blocking_leaves_children_running,
    each_datagram_has_a_process,
    datagrams_beyond_the_maximum_wait,
    a_crash_costs_its_own_datagram,
    a_drain_waits_for_the_children_of_datagrams,
    http_over_a_unix_socket_is_served_by_children,
    blank_lines_hold_a_child_for_a_heads_time,
    scripts_answer_from_children,
    a_process_that_a_script_leaves_does_not_hold_its_response,
    scripts_of_children_may_trap_interrupts,
    the_deadline_ends_the_scripts_of_children,
    a_client_that_leaves_takes_its_script_along,
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, server] = &arguments[..]
        && flag == "--serve"
    {
        serve(server);
        return ExitCode::SUCCESS;
    }
    if arguments == ["--exit-with-7"] {
        return ExitCode::from(7);
    }
    cases::run(CASES.iter().chain(TLS_CASES), &arguments)
}

// The cases.

fn each_connection_has_a_process() {
    let server = ServerProcess::start("plain");
    let (mut one, mut two) = (server.connect(), server.connect());
    // Both run at the same time, so that no number can be used twice.
    let pids = [one.begin_slow(), two.begin_slow(), server.pid()];
    assert!(pids[0] != pids[1] && pids[0] != pids[2] && pids[1] != pids[2]);
    assert_eq!(one.ask("go"), "done");
    assert_eq!(two.ask("go"), "done");
}

fn what_a_handler_changes_is_lost() {
    let server = ServerProcess::start("plain");
    assert_eq!(server.ask("count"), "1");
    assert_eq!(server.ask("count"), "1");
}

fn a_child_serves_its_connection_to_the_end() {
    let server = ServerProcess::start("plain");
    let mut client = server.connect();
    let first = client.ask("keep");
    assert_ne!(first, server.pid().to_string());
    assert_eq!(client.ask("keep"), first);
    client.send("keep\nkeep\n");
    assert_eq!([client.read_line(), client.read_line()], [first.clone(), first]);
    assert_eq!(client.ask("echo bye"), "bye");
    client.sees_the_end();
}

fn an_idle_child_ends() {
    let server = ServerProcess::start("impatient");
    let mut client = server.connect();
    client.ask("keep");
    client.sees_the_end();
    eventually(|| children_of(server.pid()).is_empty());
}

fn a_panic_costs_its_own_connection() {
    let mut server = ServerProcess::start("plain");
    let mut client = server.connect();
    client.send("panic\n");
    client.sees_the_end();
    assert_eq!(server.line(), "error: handler panicked: as you wish");
    assert_eq!(server.ask("echo ping"), "ping");
}

fn a_crash_costs_its_own_connection_and_is_logged() {
    let mut server = ServerProcess::start("plain");
    let mut client = server.connect();
    client.send("abort\n");
    client.sees_the_end();
    let line = server.line();
    assert!(line.starts_with("ERROR child "), "{line}");
    assert!(line.ends_with(" was ended by SIGABRT"), "{line}");
    assert_eq!(server.ask("echo ping"), "ping");
}

fn children_hold_neither_listener_nor_poller() {
    let server = ServerProcess::start("plain");
    let mut client = server.connect();
    let child = client.begin_slow();
    let (Some(parents), Some(childs)) = (descriptors_of(server.pid()), descriptors_of(child))
    else {
        println!("(this system does not show descriptors)");
        return;
    };
    assert_eq!(descriptors::polls(&parents), 1);
    assert_eq!(descriptors::polls(&childs), descriptors::polls_of_a_child());
    let missing = parents.iter().filter(|one| !childs.contains(one));
    let sockets = missing.filter(|one| one.starts_with("socket:")).count();
    assert_eq!(sockets, 4, "the listener, its spare, and the ends that lead to the server");
}

fn a_child_that_outlives_its_server_leaves_the_port() {
    let mut server = ServerProcess::start("plain");
    let mut client = server.connect();
    client.begin_slow();
    server.process.kill().unwrap();
    server.process.wait().unwrap();
    let error = TcpStream::connect(server.address).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    Tcp::bind(server.address).unwrap();
    assert_eq!(client.ask("go"), "done");
    client.sees_the_end();
}

fn children_of_others_are_not_reaped() {
    let mut server = ServerProcess::start("with another child");
    for _ in 0..3 {
        assert_eq!(server.ask("echo ping"), "ping");
    }
    // It has ended, and waits to be asked for by whoever started it.
    eventually(|| children_of(server.pid()).len() == 1);
    server.terminate();
    assert_eq!(server.line(), "other: exit status: 7");
}

/// Nothing happens on the server after the last request: only a signal can tell it.
fn ended_children_are_reaped_at_once() {
    let server = ServerProcess::start("plain");
    for _ in 0..50 {
        assert_eq!(server.ask("echo ping"), "ping");
    }
    eventually(|| children_of(server.pid()).is_empty());
}

fn clients_beyond_the_maximum_wait() {
    let server = ServerProcess::start("one child");
    let mut first = server.connect();
    first.begin_slow();
    let mut second = server.connect();
    second.send("echo ping\n");
    second.hears_nothing_for(MOMENT);
    assert_eq!(children_of(server.pid()).len(), 1);
    assert_eq!(first.ask("go"), "done");
    assert_eq!(second.read_line(), "ping");
}

fn a_server_without_room_sleeps() {
    let mut server = ServerProcess::start("one child");
    let mut first = server.connect();
    first.begin_slow();
    let mut second = server.connect();
    second.send("echo ping\n");
    second.hears_nothing_for(MOMENT * 4);
    assert_eq!(first.ask("go"), "done");
    assert_eq!(second.read_line(), "ping");
    server.terminate();
    let turns: usize = server.line_after("turns: ").parse().unwrap();
    assert!(turns < 50, "it spins: {turns}");
}

fn forty_children_run_at_once() {
    let server = ServerProcess::start("plain");
    let mut clients: Vec<Client> = (0..40).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.begin_slow();
    }
    let mut one_more = server.connect();
    one_more.send("echo ping\n");
    one_more.hears_nothing_for(MOMENT);
    assert_eq!(clients[17].ask("go"), "done");
    assert_eq!(one_more.read_line(), "ping");
    for client in clients.iter_mut().filter(|one| one.is_open()) {
        assert_eq!(client.ask("go"), "done");
    }
}

fn a_process_with_threads_is_refused() {
    let mut server = ServerProcess::start("with a thread");
    let refusal = "refusing to fork: 1 other threads run in this process, and a lock held by one \
                   would stay locked in the child; start none before, or set \
                   the strategy's allow_threads";
    assert_eq!(server.line(), format!("serve_forever: {refusal}"));
    assert_eq!(server.line(), format!("handle_request: {refusal}"));
}

fn a_process_with_threads_may_insist() {
    let server = ServerProcess::start("with a thread, insisting");
    assert_eq!(server.ask("echo ping"), "ping");
}

/// The sibling's child was made when the client was connected already, and holds its socket.
fn a_client_sees_the_end_although_a_sibling_runs() {
    let mut server = ServerProcess::start("plain");
    let mut client = server.connect();
    server.has_accepted(1);
    let mut sibling = server.connect();
    sibling.begin_slow();
    assert_eq!(client.ask("echo all of it"), "all of it");
    client.sees_the_end();
    // Also when the child did not live to end it in good order.
    let mut client = server.connect();
    server.has_accepted(3);
    let mut other = server.connect();
    other.begin_slow();
    client.send("panic\n");
    client.sees_the_end();
    assert_eq!(sibling.ask("go"), "done");
    assert_eq!(other.ask("go"), "done");
}

fn a_client_sees_the_end_when_its_handler_drops_it() {
    let mut server = ServerProcess::start("plain");
    let mut client = server.connect();
    server.has_accepted(1);
    let mut sibling = server.connect();
    sibling.begin_slow();
    client.send("drop\n");
    client.sees_the_end();
    // That handler still runs: it reads what the server is sent by whoever started it.
    assert_eq!(children_of(server.pid()).len(), 2);
    server.input.write_all(b"\n").unwrap();
    eventually(|| children_of(server.pid()).len() == 1);
    assert_eq!(sibling.ask("go"), "done");
}

/// In good order: it has sent what nobody read, and is told so before that resets the connection.
fn a_client_that_has_sent_too_much_sees_the_end() {
    let server = ServerProcess::start("plain");
    for _ in 0..10 {
        let mut client = server.connect();
        client.send("echo 552 Too large\n");
        client.send(&"x".repeat(100 * 1024));
        let mut reply = String::new();
        client.stream.read_to_string(&mut reply).unwrap();
        assert_eq!(reply, "552 Too large\n");
    }
}

fn an_idle_client_sees_the_end_although_a_child_runs() {
    let mut server = ServerProcess::start("impatient");
    let mut idle = server.connect();
    server.has_accepted(1);
    let mut busy = server.connect();
    busy.begin_slow();
    idle.sees_the_end();
    assert_eq!(busy.ask("go"), "done");
}

/// Both are accepted before the first one's child is made. The second one's cannot be.
fn a_client_that_no_child_can_be_made_for_sees_the_end() {
    let mut server = ServerProcess::start("forks once");
    let mut first = server.connect();
    let mut second = server.connect();
    server.input.write_all(b"\n").unwrap();
    first.begin_slow();
    second.sees_the_end();
    let error = server.line_after("error: ");
    assert!(error.starts_with("cannot fork: "), "{error}");
    // The loop lives.
    assert_eq!(server.ask("echo ping"), "ping");
    assert_eq!(first.ask("go"), "done");
}

fn buffered_output_is_printed_once() {
    let mut server = ServerProcess::start("talkative");
    assert_eq!(server.ask("print child;"), "printed");
    server.terminate();
    let printed = server.rest();
    assert_eq!(printed.matches("parent;").count(), 1, "{printed}");
    assert_eq!(printed.matches("child;").count(), 1, "{printed}");
}

fn children_ignore_an_interrupt_from_the_terminal() {
    let server = ServerProcess::start("plain");
    let mut client = server.connect();
    send_signal(client.begin_slow(), Signal::SIGINT);
    client.hears_nothing_for(MOMENT);
    assert_eq!(client.ask("go"), "done");
}

fn a_drain_waits_for_children() {
    let mut server = ServerProcess::start("plain");
    let mut busy = [(); 2].map(|()| server.connect());
    for client in &mut busy {
        client.begin_slow();
    }
    let mut idle = server.connect();
    server.has_accepted(3);
    server.terminate();
    idle.sees_the_end();
    busy[0].hears_nothing_for(MOMENT);
    for client in &mut busy {
        assert_eq!(client.ask("go"), "done");
    }
    assert_eq!(server.line_after("report: "), "2 finished, 0 cut");
}

fn the_deadline_ends_children() {
    let mut server = ServerProcess::start("hasty");
    let mut clients = [(); 2].map(|()| server.connect());
    for client in &mut clients {
        client.begin_slow();
    }
    server.terminate();
    for client in &mut clients {
        client.sees_the_end();
    }
    assert_eq!(server.line_after("report: "), "0 finished, 2 cut");
}

fn children_that_will_not_end_are_killed() {
    let mut server = ServerProcess::start("hasty");
    let mut client = server.connect();
    assert_eq!(client.ask("stubborn"), "begun");
    server.terminate();
    client.sees_the_end();
    assert_eq!(server.line_after("report: "), "0 finished, 1 cut");
}

fn a_second_signal_ends_the_wait_for_children() {
    let mut server = ServerProcess::start("plain");
    let mut busy = server.connect();
    busy.begin_slow();
    let mut idle = server.connect();
    server.has_accepted(2);
    server.terminate();
    idle.sees_the_end();
    busy.hears_nothing_for(PAUSE);
    server.terminate();
    busy.sees_the_end();
    assert_eq!(server.line_after("report: "), "0 finished, 1 cut");
}

fn closing_waits_for_children() {
    let mut server = ServerProcess::start("closing");
    let mut client = server.connect();
    client.begin_slow();
    server.has_accepted(1);
    assert!(!server.says_something_within(MOMENT));
    assert_eq!(client.ask("go"), "done");
    assert_eq!(server.line(), "closed");
}

fn closing_without_blocking_leaves_children_running() {
    let mut server = ServerProcess::start("closing at once");
    let mut client = server.connect();
    client.begin_slow();
    assert_eq!(server.line(), "closed");
    assert_eq!(client.ask("go"), "done");
}

fn each_datagram_has_a_process() {
    for server in ["udp", "unix datagrams"] {
        let mut server = ServerProcess::start(server);
        let clients = [(); 3].map(|()| Datagrams::connect(&server.place));
        let mut pids = clients.each_ref().map(|client| client.ask("who"));
        pids.sort();
        assert!(pids[0] != pids[1] && pids[1] != pids[2], "{pids:?}");
        assert!(!pids.contains(&server.pid().to_string()));
        // What a handler changes is lost.
        assert_eq!(clients[0].ask("count"), "1");
        assert_eq!(clients[0].ask("count"), "1");
        eventually(|| children_of(server.pid()).is_empty());
        server.terminate();
        assert_eq!(server.line_after("report: "), "0 finished, 0 cut");
        // Children do not take the file with them.
        assert!(!Path::new(&server.place).exists());
    }
}

fn datagrams_beyond_the_maximum_wait() {
    let mut server = ServerProcess::start("udp, one child");
    let client = Datagrams::connect(&server.place);
    client.send("wait");
    assert_eq!(client.receive(), "begun");
    client.send("who");
    assert!(!is_readable_within(client.socket.as_fd(), MOMENT));
    assert_eq!(children_of(server.pid()).len(), 1);
    server.input.write_all(b"\n").unwrap();
    assert_eq!(client.receive(), "done");
    client.receive().parse::<i32>().unwrap();
}

fn a_crash_costs_its_own_datagram() {
    let mut server = ServerProcess::start("udp");
    let client = Datagrams::connect(&server.place);
    client.send("panic");
    assert_eq!(server.line(), "error: handler panicked: as you wish");
    client.send("abort");
    assert!(server.line().ends_with(" was ended by SIGABRT"));
    // Neither was answered.
    client.ask("who").parse::<i32>().unwrap();
}

fn a_drain_waits_for_the_children_of_datagrams() {
    for (name, report) in [("udp", "1 finished, 0 cut"), ("udp, hasty", "0 finished, 1 cut")] {
        let mut server = ServerProcess::start(name);
        let client = Datagrams::connect(&server.place);
        assert_eq!(client.ask("wait"), "begun");
        server.terminate();
        if name == "udp" {
            assert!(!is_readable_within(client.socket.as_fd(), MOMENT));
            server.input.write_all(b"\n").unwrap();
            assert_eq!(client.receive(), "done");
        }
        assert_eq!(server.line_after("report: "), report);
    }
}

fn http_over_a_unix_socket_is_served_by_children() {
    let mut server = ServerProcess::start("http");
    for _ in 0..3 {
        let mut stream = UnixStream::connect(&server.place).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.write_all(b"GET /missing HTTP/1.0\r\n\r\n").unwrap();
        let reply = io::read_to_string(stream).unwrap();
        assert!(reply.starts_with("HTTP/1.0 404 "), "{reply}");
    }
    eventually(|| children_of(server.pid()).is_empty());
    server.terminate();
    assert_eq!(server.line_after("report: "), "0 finished, 0 cut");
    assert!(!Path::new(&server.place).exists());
}

fn blank_lines_hold_a_child_for_a_heads_time() {
    let server = ServerProcess::start("http, hasty heads");
    let mut clients = [server.connect(), server.connect()];
    let began = Instant::now();
    let mut open = [true; 2];
    while open != [false; 2] {
        assert!(began.elapsed() < LIMIT, "nothing stops these clients");
        thread::sleep(MOMENT / 5);
        for (client, open) in clients.iter_mut().zip(&mut open) {
            *open &= client.is_open() && client.stream.write_all(b"\r\n").is_ok();
        }
    }
    assert!(began.elapsed() >= MOMENT * 3, "{:?}", began.elapsed());
    // Their children have made room.
    let mut client = server.connect();
    assert_eq!(client.ask("GET / HTTP/1.0\n"), "HTTP/1.0 404 Not Found\r");
}

fn scripts_answer_from_children() {
    let server = ServerProcess::start("scripts");
    let mut client = server.connect();
    for _ in 0..2 {
        client.send(
            "POST /cgi-bin/cat HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
             3\r\none\r\n0\r\n\r\n",
        );
        assert_eq!(client.read_line(), "HTTP/1.1 200 Script output follows\r");
        while client.read_line() != "\r" {}
        let answer: Vec<_> = (0..4).map(|_| client.read_line()).collect();
        assert_eq!(answer, ["3\r", "one\r", "0\r", "\r"]);
    }
}

fn a_process_that_a_script_leaves_does_not_hold_its_response() {
    let server = ServerProcess::start("scripts");
    let mut client = server.connect();
    for _ in 0..2 {
        client.send("GET /cgi-bin/leaves HTTP/1.1\r\nHost: h\r\n\r\n");
        while client.read_line() != "\r" {}
        let answer: Vec<_> = (0..4).map(|_| client.read_line()).collect();
        assert_eq!(answer, ["5\r", "done", "\r", "0\r"]);
        assert_eq!(client.read_line(), "\r");
    }
}

/// What a shell finds ignored it cannot trap.
fn scripts_of_children_may_trap_interrupts() {
    let server = ServerProcess::start("scripts");
    let mut client = server.connect();
    client.send("GET /cgi-bin/traps HTTP/1.0\r\n\r\n");
    while client.read_line() != "\r" {}
    assert_eq!(client.read_line(), "INT");
    assert_eq!(client.read_line(), "HUP");
}

fn the_deadline_ends_the_scripts_of_children() {
    let mut server = ServerProcess::start("scripts");
    let mut client = server.connect();
    let script = begin_script(&mut client);
    server.terminate();
    client.sees_the_end();
    assert_eq!(server.line_after("report: "), "0 finished, 1 cut");
    eventually(|| !is_running(script));
}

fn a_client_that_leaves_takes_its_script_along() {
    let server = ServerProcess::start("scripts");
    let mut client = server.connect();
    let script = begin_script(&mut client);
    // One that only ended its half would wait for the rest.
    socket2::SockRef::from(&client.stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    eventually(|| !is_running(script));
}

/// Starts a script that waits, and returns the process that it waits for.
#[track_caller]
fn begin_script(client: &mut Client) -> i32 {
    client.send("GET /cgi-bin/waits HTTP/1.0\r\n\r\n");
    while client.read_line() != "\r" {}
    client.read_line().parse().unwrap()
}

/// Tells whether a process runs; one that has ended may wait for a reaper that is none of ours.
fn is_running(process: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}

// The client's side.

/// A server in a process of its own, which is killed when the case is over.
struct ServerProcess {
    process: Child,
    input: ChildStdin,
    output: ChildStdout,
    address: SocketAddr,
    /// Where it says that it is: an address, or a path.
    place: String,
    accepted: usize,
}

impl ServerProcess {
    fn start(server: &str) -> Self {
        Self::start_with(server, |_| {})
    }

    fn start_with(server: &str, prepare: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        prepare(&mut command);
        Self::start_as(command, server)
    }

    /// Starts it by a command that takes the arguments of this program.
    fn start_as(mut command: Command, server: &str) -> Self {
        command.args(["--serve", server]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let mut started = Self {
            process,
            input,
            output,
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
            place: String::new(),
            accepted: 0,
        };
        started.place = started.line();
        started.address = started.place.parse().unwrap_or(started.address);
        started
    }

    fn pid(&self) -> i32 {
        self.process.id().try_into().unwrap()
    }

    fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    #[track_caller]
    fn ask(&self, line: &str) -> String {
        self.connect().ask(line)
    }

    /// Asks the server to shut down.
    fn terminate(&self) {
        send_signal(self.pid(), Signal::SIGTERM);
    }

    /// Waits until the server has accepted so many clients since it was started.
    #[track_caller]
    fn has_accepted(&mut self, count: usize) {
        while self.accepted < count {
            let line = self.any_line();
            assert!(line.starts_with("accepted"), "{line}");
        }
    }

    /// The next thing that the server says, other than that it accepted somebody.
    #[track_caller]
    fn line(&mut self) -> String {
        loop {
            let line = self.any_line();
            if !line.starts_with("accepted") {
                return line;
            }
        }
    }

    /// What the server says after this word; what it says before is skipped.
    #[track_caller]
    fn line_after(&mut self, word: &str) -> String {
        loop {
            if let Some(rest) = self.line().strip_prefix(word) {
                return rest.to_owned();
            }
        }
    }

    #[track_caller]
    fn any_line(&mut self) -> String {
        let mut line = Vec::new();
        loop {
            let mut byte = [0];
            assert!(self.says_something_within(LIMIT), "the server is silent");
            match self.output.read(&mut byte).unwrap() {
                0 => panic!("the server has ended"),
                _ if byte == *b"\n" => break,
                _ => line.push(byte[0]),
            }
        }
        let line = String::from_utf8(line).unwrap();
        self.accepted += usize::from(line.starts_with("accepted"));
        line
    }

    /// All that the server and its children still say.
    #[track_caller]
    fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        let mut piece = [0; 4096];
        loop {
            assert!(self.says_something_within(LIMIT), "the server is silent");
            match self.output.read(&mut piece).unwrap() {
                0 => return String::from_utf8(rest).unwrap(),
                count => rest.extend_from_slice(&piece[..count]),
            }
        }
    }

    fn says_something_within(&self, limit: Duration) -> bool {
        is_readable_within(self.output.as_fd(), limit)
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A raw client. Every operation is limited to five seconds.
struct Client {
    stream: TcpStream,
}

impl Client {
    #[track_caller]
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, LIMIT).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.set_write_timeout(Some(LIMIT)).unwrap();
        Self { stream }
    }

    #[track_caller]
    fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).unwrap();
    }

    #[track_caller]
    fn ask(&mut self, line: &str) -> String {
        self.send(&format!("{line}\n"));
        self.read_line()
    }

    /// Begins a request that ends when `go` is said, and returns who serves it.
    #[track_caller]
    fn begin_slow(&mut self) -> i32 {
        self.ask("slow").parse().unwrap()
    }

    #[track_caller]
    fn read_line(&mut self) -> String {
        let mut line = Vec::new();
        let mut byte = [0];
        loop {
            self.stream.read_exact(&mut byte).unwrap();
            match byte {
                [b'\n'] => return String::from_utf8(line).unwrap(),
                [other] => line.push(other),
            }
        }
    }

    #[track_caller]
    fn sees_the_end(&mut self) {
        match self.stream.read(&mut [0]) {
            Ok(0) => {}
            Ok(_) => panic!("the connection goes on"),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
        }
    }

    #[track_caller]
    fn hears_nothing_for(&self, limit: Duration) {
        assert!(!is_readable_within(self.stream.as_fd(), limit), "something came");
    }

    /// Tells that the server has neither sent nor ended.
    fn is_open(&self) -> bool {
        !is_readable_within(self.stream.as_fd(), Duration::ZERO)
    }
}

/// A client that sends datagrams, and has a name to be answered at. Every wait is limited.
struct Datagrams {
    socket: Socket,
}

impl Datagrams {
    #[track_caller]
    fn connect(place: &str) -> Self {
        let socket = match place.parse::<SocketAddr>() {
            Ok(address) => {
                let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                socket.connect(address).unwrap();
                Socket::from(socket)
            }
            Err(_) => {
                let own = free_path();
                let socket = UnixDatagram::bind(&own).unwrap();
                socket.connect(place).unwrap();
                Socket::from(socket)
            }
        };
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        Self { socket }
    }

    #[track_caller]
    fn send(&self, order: &str) {
        self.socket.send(order.as_bytes()).unwrap();
    }

    #[track_caller]
    fn receive(&self) -> String {
        let mut bytes = [0; 64];
        let size = (&self.socket).read(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..size]).into_owned()
    }

    #[track_caller]
    fn ask(&self, order: &str) -> String {
        self.send(order);
        self.receive()
    }
}

impl Drop for Datagrams {
    fn drop(&mut self) {
        let address = self.socket.local_addr().unwrap();
        if let Some(path) = address.as_pathname() {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// A path for a socket that nobody else has.
fn free_path() -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let (process, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    std::env::temp_dir().join(format!("socketserver-forking-{process}-{number}.sock"))
}

fn is_readable_within(descriptor: BorrowedFd<'_>, limit: Duration) -> bool {
    let mut descriptors = [PollFd::new(descriptor, PollFlags::POLLIN)];
    poll(&mut descriptors, PollTimeout::try_from(limit).unwrap()).unwrap() > 0
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

/// The children of a process, those that have ended and were not reaped included.
fn children_of(pid: i32) -> Vec<String> {
    let output = Command::new("ps")
        .args(["-A", "-o", "pid=,ppid="])
        .output()
        .expect("ps tells about processes");
    let listing = String::from_utf8(output.stdout).unwrap();
    let rows = listing.lines().map(|row| row.split_whitespace().collect());
    rows.filter(|row: &Vec<&str>| row.get(1) == Some(&pid.to_string().as_str()))
        .map(|row| row[0].to_owned())
        .collect()
}

/// What the descriptors of a process stand for, where the system shows them.
fn descriptors_of(pid: i32) -> Option<Vec<String>> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    let targets = entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    Some(targets.map(|path| path.display().to_string()).collect())
}

// The server's side.

/// Does what the client says.
#[derive(Default)]
struct Obedient {
    timeouts: Timeouts,
    speaks_at_once: bool,
    count: AtomicUsize,
    turns: AtomicUsize,
}

impl Handler for Obedient {
    fn handle(&self, mut connection: Connection) -> io::Result<()> {
        let line = read_line(&mut connection)?;
        let (order, text) = line.split_once(' ').unwrap_or((&line, ""));
        let reply = match order {
            "echo" => text.to_owned(),
            "count" => (self.count.fetch_add(1, Ordering::SeqCst) + 1).to_string(),
            "keep" => {
                writeln!(connection.wfile, "{}", std::process::id())?;
                return connection.park();
            }
            "slow" => {
                writeln!(connection.wfile, "{}", std::process::id())?;
                match read_line(&mut connection)?.as_str() {
                    "go" => "done".to_owned(),
                    "abort" => std::process::abort(),
                    // The case is over.
                    _ => return Ok(()),
                }
            }
            "draining" => {
                writeln!(connection.wfile, "{}", connection.is_draining())?;
                read_line(&mut connection)?;
                connection.is_draining().to_string()
            }
            "stubborn" => {
                SigSet::all().thread_block()?;
                connection.wfile.write_all(b"begun\n")?;
                read_line(&mut connection)?
            }
            "drop" => {
                drop(connection);
                return io::stdin().lock().read_until(b'\n', &mut Vec::new()).map(drop);
            }
            "print" => {
                print!("{text}");
                "printed".to_owned()
            }
            "panic" => {
                // What it says is expected, and would only confuse whoever reads the output.
                std::panic::set_hook(Box::new(|_| {}));
                panic!("as you wish");
            }
            "abort" => std::process::abort(),
            // The client has left.
            "" => return Ok(()),
            other => panic!("what is {other:?}?"),
        };
        writeln!(connection.wfile, "{reply}")
    }

    fn verify_request(&self, _: &Connection, client_address: &Address) -> bool {
        say(&format!("accepted {client_address}"));
        true
    }

    fn handle_error(&self, _: &Address, error: &io::Error) {
        say(&format!("error: {error}"));
    }

    fn handle_signal(&self, signal: socketserver::Signal) {
        if signal == socketserver::Signal::HUP {
            say(&format!("news {}", signal.number()));
        }
    }

    fn service_actions(&self) {
        self.turns.fetch_add(1, Ordering::SeqCst);
    }

    fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    fn client_speaks_first(&self) -> bool {
        !self.speaks_at_once
    }
}

impl Handler<Datagram> for Obedient {
    fn handle(&self, datagram: Datagram) -> io::Result<()> {
        let reply = match &*datagram.packet {
            b"who" => std::process::id().to_string(),
            b"count" => (self.count.fetch_add(1, Ordering::SeqCst) + 1).to_string(),
            b"wait" => {
                datagram.reply(b"begun")?;
                io::stdin().lock().read_until(b'\n', &mut Vec::new())?;
                "done".to_owned()
            }
            b"panic" => {
                std::panic::set_hook(Box::new(|_| {}));
                panic!("as you wish");
            }
            b"abort" => std::process::abort(),
            other => panic!("what is {other:?}?"),
        };
        datagram.reply(reply.as_bytes())
    }

    fn handle_error(&self, _: &Address, error: &io::Error) {
        say(&format!("error: {error}"));
    }
}

/// Finds nothing.
#[derive(Default)]
struct Http {
    timeouts: Timeouts,
}

impl HttpRequestHandler for Http {
    fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        http.send_error(404)
    }

    fn log_message(&self, _: &Exchange<'_>, _: std::fmt::Arguments<'_>) {}
}

fn read_line(connection: &mut Connection) -> io::Result<String> {
    let mut line = String::new();
    connection.rfile.read_line(&mut line)?;
    Ok(line.trim_end_matches('\n').to_owned())
}

/// Runs the server of this name.
fn serve(name: &str) {
    // A crash that is asked for need not leave its memory behind.
    setrlimit(Resource::RLIMIT_CORE, 0, 0).unwrap();
    if let Some(kind) = name.strip_prefix(signals::PREFIX) {
        return signals::serve(kind);
    }
    install_logger();
    if let Some(kind) = name.strip_prefix(descriptors::PREFIX) {
        return descriptors::serve(kind);
    }
    let mut handler = Obedient::default();
    let mut strategy = Forking::default();
    #[cfg(feature = "tls")]
    if let Some(certificate) = name.strip_prefix("tls ") {
        return serve_and_report(tls::bind(handler, certificate));
    }
    match name {
        "udp" | "udp, one child" | "udp, hasty" | "unix datagrams" => {
            return serve_datagrams(name, handler, strategy);
        }
        "http" => {
            let handler = Http::default();
            return serve_prepared(
                UnixStreamServer::bind_with(free_path(), handler, strategy).unwrap(),
            );
        }
        "http, hasty heads" => {
            let timeouts = Timeouts::default().head(MOMENT * 4);
            let strategy = Forking::default().max_children(2);
            let handler = Http { timeouts };
            return serve_prepared(TcpServer::bind_with("127.0.0.1:0", handler, strategy).unwrap());
        }
        "plain" | "talkative" | "with another child" | "with a thread" => {}
        "one child" => strategy = Forking::default().max_children(1),
        "impatient" => handler.timeouts = handler.timeouts.idle(MOMENT),
        "hasty" => {
            let mut server = bind(handler, strategy);
            server.shutdown_timeout = MOMENT;
            return serve_and_report(server);
        }
        "scripts" => return serve_scripts(),
        "with a thread, insisting" => strategy = strategy.allow_threads(true),
        "forks once" => {
            handler.speaks_at_once = true;
            return serve_and_report(wait_for_a_word(bind(handler, ForksOnce::new())));
        }
        "closing" => return serve_one_and_close(bind(handler, strategy)),
        "closing at once" => {
            strategy = Forking::default().block_on_close(false);
            return serve_one_and_close(bind(handler, strategy));
        }
        other => panic!("no server is named {other:?}"),
    }
    let server = bind(handler, strategy);
    match name {
        "talkative" => {
            print!("parent;");
            serve_and_report(server);
        }
        "with another child" => serve_with_another_child(server),
        "with a thread" => refuse_with_a_thread(server),
        "with a thread, insisting" => {
            thread::spawn(thread::park);
            serve_and_report(server);
        }
        _ => serve_and_report(server),
    }
}

/// Binds a free port and tells which.
fn bind<C: Concurrency>(handler: Obedient, strategy: C) -> TcpServer<C, Obedient> {
    announced(TcpServer::bind_with("127.0.0.1:0", handler, strategy).unwrap())
}

fn announced<T, C>(mut server: Server<T, C, Obedient>) -> Server<T, C, Obedient>
where
    T: Transport<Request = Connection, Address = SocketAddr>,
    C: Concurrency,
{
    server.shutdown_timeout = LIMIT * 2;
    server.shutdown_on_signals(&[socketserver::Signal::TERM]).unwrap();
    say(&server.server_address().to_string());
    server
}

fn serve_and_report<T, C>(mut server: Server<T, C, Obedient>)
where
    T: Transport<Request = Connection>,
    C: Concurrency,
{
    server.serve_forever().unwrap();
    let report = server.shutdown_report();
    let turns = server.handler().turns.load(Ordering::SeqCst);
    say(&format!("turns: {turns}"));
    say(&format!("report: {} finished, {} cut", report.finished, report.cut));
}

fn serve_datagrams(name: &str, handler: Obedient, mut strategy: Forking) {
    if name == "udp, one child" {
        strategy = strategy.max_children(1);
    }
    if name == "unix datagrams" {
        let server = UnixDatagramServer::bind_with(free_path(), handler, strategy);
        return serve_prepared(server.unwrap());
    }
    let mut server = UdpServer::bind_with("127.0.0.1:0", handler, strategy).unwrap();
    if name == "udp, hasty" {
        server.shutdown_timeout = MOMENT;
    }
    serve_prepared(server);
}

/// Serves over any transport, and tells where and how it ended.
fn serve_prepared<T, C, H>(mut server: Server<T, C, H>)
where
    T: Transport,
    C: Concurrency,
    H: Handler<T::Request>,
{
    server.shutdown_on_signals(&[socketserver::Signal::TERM]).unwrap();
    say(format!("{}", server.server_address().into()).trim_start_matches("unix:"));
    server.serve_forever().unwrap();
    let report = server.shutdown_report();
    drop(server);
    say(&format!("report: {} finished, {} cut", report.finished, report.cut));
}

/// Serves some scripts, in a directory of its own.
fn serve_scripts() {
    let directory = tempfile::tempdir().unwrap();
    let scripts = directory.path().join("cgi-bin");
    std::fs::create_dir(&scripts).unwrap();
    let traps = "trap 'echo INT' INT; kill -INT $$; trap 'echo HUP' HUP; kill -HUP $$";
    let waits = "sleep 60 & echo $!; wait";
    let leaves = "echo done; sleep 20 &";
    let bodies = [("cat", "cat"), ("traps", traps), ("waits", waits), ("leaves", leaves)];
    for (name, body) in bodies {
        let text = format!("#!/bin/sh\necho Content-Type: text/plain; echo; {body}\n");
        std::fs::write(scripts.join(name), text).unwrap();
        std::fs::set_permissions(scripts.join(name), PermissionsExt::from_mode(0o755)).unwrap();
    }
    let handler = CgiHttpRequestHandler::new(directory.path()).user(None);
    let handler = Kept(handler);
    let mut server = ForkingHttpServer::bind("127.0.0.1:0", handler).unwrap();
    server.shutdown_timeout = MOMENT;
    serve_prepared(server);
}

/// Scripts over connections that are kept, without a log.
struct Kept(CgiHttpRequestHandler);

impl HttpRequestHandler for Kept {
    fn base(&self) -> &dyn HttpRequestHandler {
        &self.0
    }

    fn protocol_version(&self) -> ProtocolVersion {
        ProtocolVersion::Http11
    }

    fn log_message(&self, _: &Exchange<'_>, _: std::fmt::Arguments<'_>) {}
}

fn serve_one_and_close(mut server: ForkingTcpServer<Obedient>) {
    server.handle_request().unwrap();
    assert_eq!(server.strategy().active_children(), 1);
    server.server_close();
    say("closed");
}

fn serve_with_another_child(mut server: ForkingTcpServer<Obedient>) {
    let mut other =
        Command::new(std::env::current_exe().unwrap()).arg("--exit-with-7").spawn().unwrap();
    server.serve_forever().unwrap();
    say(&format!("other: {}", other.wait().unwrap()));
}

fn refuse_with_a_thread(mut server: ForkingTcpServer<Obedient>) {
    thread::spawn(thread::park);
    say(&format!("serve_forever: {}", server.serve_forever().unwrap_err()));
    say(&format!("handle_request: {}", server.handle_request().unwrap_err()));
}

/// Waits for the client's side to be ready.
fn wait_for_a_word<S>(server: S) -> S {
    io::stdin().lock().read_until(b'\n', &mut Vec::new()).unwrap();
    server
}

/// Forking, with a limit of processes that the second child exceeds.
struct ForksOnce {
    forking: Forking,
    calls: usize,
}

impl ForksOnce {
    fn new() -> Self {
        // The limit does not bind the superuser.
        if Uid::effective().is_root() {
            setuid(Uid::from_raw(65_534)).unwrap();
        }
        Self { forking: Forking::default(), calls: 0 }
    }
}

impl Concurrency for ForksOnce {
    fn process_request(&mut self, job: Job) -> io::Result<()> {
        self.calls += 1;
        if self.calls != 2 {
            return self.forking.process_request(job);
        }
        let (soft, hard) = nix::sys::resource::getrlimit(Resource::RLIMIT_NPROC)?;
        setrlimit(Resource::RLIMIT_NPROC, 0, hard)?;
        let result = self.forking.process_request(job);
        setrlimit(Resource::RLIMIT_NPROC, soft, hard)?;
        result
    }

    fn server_activate(&mut self) -> io::Result<()> {
        self.forking.server_activate()
    }

    fn service_actions(&mut self) -> Option<Duration> {
        self.forking.service_actions()
    }

    fn has_room(&self) -> bool {
        self.forking.has_room()
    }

    fn wake_up(&self) -> Option<BorrowedFd<'_>> {
        self.forking.wake_up()
    }

    fn placement(&self) -> Placement {
        self.forking.placement()
    }

    fn active(&self) -> usize {
        self.forking.active()
    }

    fn server_close(&mut self, deadline: Instant) -> usize {
        self.forking.server_close(deadline)
    }
}

fn install_logger() {
    log::set_logger(&SAYS).unwrap();
    log::set_max_level(log::LevelFilter::Warn);
}

/// A logger that tells the client's side.
struct Says;

static SAYS: Says = Says;

impl log::Log for Says {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        say(&format!("{} {}", record.level(), record.args()));
    }

    fn flush(&self) {}
}

/// Over TLS: children do all of it, and their parent's copies of their sessions are silent.
#[cfg(feature = "tls")]
mod tls {
    use std::sync::Arc;

    use rustls::{ClientConfig, HandshakeKind};
    use socketserver::TlsServer;
    use socketserver::transport::{Tls, TlsBind};

    use super::*;
    use crate::certificates::{Authority, PemFiles, TlsClient, client_config, client_hello};

    pub(super) fn a_child_shakes_hands_and_serves_to_the_end() {
        let server = Secure::start();
        let mut client = server.connect();
        let first = client.ask("keep");
        assert_ne!(first, server.process.pid().to_string());
        for _ in 0..3 {
            assert_eq!(client.ask("keep"), first);
        }
        client.send("keep\nkeep\n");
        assert_eq!([client.read_line(), client.read_line()], [first.clone(), first]);
        client.send("echo bye\n");
        // A byte of the parent's among these would be an error.
        assert_eq!(client.read_to_end(), "bye\n");
    }

    pub(super) fn clients_that_do_not_shake_hands_hold_nobody_up() {
        let server = Secure::start();
        let hello = client_hello(&server.config);
        let address = server.process.address;
        let mut silent: Vec<Client> = (0..200).map(|_| Client::connect(address)).collect();
        for (number, client) in silent.iter_mut().enumerate().take(30) {
            client.stream.write_all(&hello[..=number]).unwrap();
        }
        assert_eq!(server.connect().ask("echo ping"), "ping");
    }

    pub(super) fn an_idle_client_is_told_of_the_end() {
        let server = Secure::start();
        let mut client = server.connect();
        client.ask("keep");
        server.process.terminate();
        assert_eq!(client.read_to_end(), "");
    }

    pub(super) fn one_child_resumes_what_another_began() {
        let server = Secure::start();
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let mut client = server.connect();
            assert_eq!(client.ask("echo ping"), "ping");
            assert_eq!(client.session().handshake_kind(), Some(kind));
        }
    }

    struct Secure {
        process: ServerProcess,
        config: Arc<ClientConfig>,
        _files: PemFiles,
    }

    impl Secure {
        fn start() -> Self {
            let (authority, files) = (Authority::new(), PemFiles::new());
            let path = files.write("cert.pem", &authority.issue().both());
            let process = ServerProcess::start(&format!("tls {}", path.display()));
            Self { process, config: Arc::new(client_config(&authority)), _files: files }
        }

        fn connect(&self) -> TlsClient {
            TlsClient::connect(self.process.address, &self.config)
        }
    }

    pub(super) fn bind(handler: Obedient, certificate: &str) -> TlsServer<Forking, Obedient> {
        let strategy = Forking::default();
        announced::<Tls, _>(
            TlsServer::bind_with(TlsBind::new("127.0.0.1:0", certificate), handler, strategy)
                .unwrap(),
        )
    }
}
