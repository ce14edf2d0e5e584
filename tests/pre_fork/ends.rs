//! What becomes of running requests when the server is asked to stop, and of scripts.

use std::net::TcpStream;
use std::thread;
use std::time::Instant;

use socketserver::SIGNAL_WINDOW;

use super::*;

#[test]
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

#[test]
fn the_deadline_cuts_what_still_runs() {
    let server = Supervisor::start("hasty");
    let mut slow = server.begin_slow();
    send_signal(server.pid(), Signal::SIGTERM);
    slow.client.rest();
    assert_eq!(server.wait(), "signal 15\nreport 0 1\n");
}

#[test]
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

/// Nothing else tells a client of HTTP/1.0 that its response is not whole.
#[test]
fn what_is_cut_before_an_end_that_nothing_announces_is_reset() {
    let cut: [fn(&Supervisor, i32); 2] = [
        |server, _| send_signal(server.pid(), Signal::SIGTERM),
        |_, process| send_signal(process, Signal::SIGKILL),
    ];
    for kind in ["hasty", "stuck", "forks"] {
        for (way, cut) in cut.iter().enumerate().skip(usize::from(kind == "forks")) {
            let server = Supervisor::start(kind);
            let mut client = server.connect();
            client.send("GET /slow HTTP/1.0\r\nContent-Length: 2\r\n\r\n");
            client.head();
            let process = client.line().parse().unwrap();
            cut(&server, process);
            assert!(client.is_reset(), "{kind}, {way}");
        }
    }
}

#[test]
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

/// Nothing else would end the children of a process that is killed.
#[test]
fn stopped_children_of_a_stopped_process_are_killed_with_it() {
    let server = Supervisor::start("hasty forks");
    let mut slow = server.begin_slow();
    let children: Vec<i32> = server.processes().into_iter().flat_map(children_of).collect();
    assert_eq!(children, [slow.pid]);
    for pid in server.processes().into_iter().chain(children) {
        send_signal(pid, Signal::SIGSTOP);
    }
    send_signal(server.pid(), Signal::SIGTERM);
    slow.client.rest();
    // So are the other processes, which have no request.
    assert_eq!(server.wait(), "signal 15\nreport 0 1\n");
    eventually(|| is_gone(slow.pid));
}

/// As `timeout` and supervisors that know of groups send them.
#[test]
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

#[test]
fn scripts_that_are_cut_end() {
    let server = Supervisor::start("scripts");
    let scripts = [(); 2].map(|()| server.begin_script());
    send_signal(server.pid(), Signal::SIGTERM);
    assert_eq!(server.wait(), "report 0 2\n");
    for (_, pids) in scripts {
        see_the_end_of(pids);
    }
}

#[test]
fn what_scripts_have_started_ends_with_their_process() {
    for kind in ["scripts one by one", "scripts of children"] {
        let server = Supervisor::start(kind);
        let (_client, pids) = server.begin_script();
        send_signal(server.pid(), Signal::SIGTERM);
        assert!(server.wait().ends_with("report 0 1\n"), "{kind}");
        see_the_end_of(pids);

        // One that is replaced.
        let server = Supervisor::start(kind);
        let (_client, pids) = server.begin_script();
        send_signal(server.pid(), Signal::SIGHUP);
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

/// Its only thread is busy, and no supervisor is there to end it.
#[test]
fn a_process_that_is_stuck_ends_with_its_supervisor() {
    let server = Supervisor::start("scripts one by one");
    let (mut client, pids) = server.begin_script();
    let processes = server.processes();
    send_signal(server.pid(), Signal::SIGKILL);
    see_the_end_of(pids);
    assert!(client.is_reset());
    processes.into_iter().for_each(|pid| eventually(|| is_gone(pid)));

    let server = Supervisor::start("stuck");
    let mut slow = server.begin_slow();
    let processes = server.processes();
    send_signal(server.pid(), Signal::SIGKILL);
    processes.into_iter().for_each(|pid| eventually(|| is_gone(pid)));
    slow.client.rest();
}

/// Another server may listen there before the last request is finished.
#[test]
fn a_process_that_is_stuck_frees_the_port_when_its_supervisor_is_killed() {
    let server = Supervisor::start("sequential");
    let mut slow = [(); 2].map(|()| server.begin_slow());
    send_signal(server.pid(), Signal::SIGKILL);
    eventually(|| TcpStream::connect(server.address).is_err());
    let again = std::net::TcpListener::bind(server.address);
    assert!(again.is_ok(), "{again:?}");
    slow.iter_mut().for_each(SlowRequest::finish);
    slow.iter().for_each(|slow| eventually(|| is_gone(slow.pid)));
}

/// One that is replaced is told to end by a supervisor that may be killed then.
#[test]
fn a_process_that_is_stuck_and_replaced_ends_with_its_supervisor() {
    let mut server = Supervisor::start("stuck");
    let mut slow = server.begin_slow();
    send_signal(server.pid(), Signal::SIGHUP);
    assert_eq!(server.line(), "signal 1");
    send_signal(server.pid(), Signal::SIGKILL);
    eventually(|| is_gone(slow.pid));
    slow.client.rest();
}

#[track_caller]
fn see_the_end_of(pids: [i32; 2]) {
    for pid in pids {
        eventually(|| is_gone(pid));
    }
}

#[test]
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

#[test]
fn a_termination_of_one_process_replaces_it() {
    let server = Supervisor::start("sequential");
    let mut slow = server.begin_slow();
    send_signal(slow.pid, Signal::SIGTERM);
    slow.finish();
    eventually(|| !server.processes().contains(&slow.pid) && server.processes().len() == 3);
    // It did as it was told, and is not reported as one that has crashed.
    assert!(server.stop(Signal::SIGTERM).starts_with("report "));
}

/// As a signal to their group may come to them first.
#[test]
fn processes_that_end_by_a_signal_before_their_supervisor_hears_it_have_not_crashed() {
    for _ in 0..20 {
        let server = Supervisor::start("sequential");
        let mut serving = BTreeSet::new();
        eventually(|| {
            serving.insert(server.ask_pid());
            serving.len() == 3
        });
        let began = Instant::now();
        for pid in serving {
            send_signal(pid, Signal::SIGTERM);
        }
        // The supervisor has seen it once they are reaped, and soon starts others.
        while !server.processes().is_empty() && began.elapsed() < SIGNAL_WINDOW {
            thread::yield_now();
        }
        let are_gone = server.processes().is_empty();
        send_signal(server.pid(), Signal::SIGTERM);
        if are_gone && began.elapsed() < SIGNAL_WINDOW {
            let said = server.wait();
            assert!(said.starts_with("signal 15\nreport "), "{said}");
            return;
        }
        // This machine was too slow for the signals to be one.
    }
    panic!("the signals never came together");
}

/// All of it: the word that is changed for another strategy does not change what it means.
#[test]
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

#[test]
fn signals_that_were_ignored_at_the_start_stay_ignored() {
    for strategy in ["threads", "forks"] {
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' HUP INT QUIT; exec \"$@\"", "sh"]);
        shell.arg(server_program());
        let mut server = Supervisor::start_by(shell, strategy);
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
        let said = said.lines().filter(|line| !line.starts_with("WARN "));
        let said: Vec<_> = said.collect();
        assert!(matches!(&said[..], ["signal 15", report] if !report.ends_with(" 0")), "{said:?}");
    }
}

const STREAMS: [&str; 3] = ["streams on threads", "streams of children", "streams one by one"];

fn begin_stream(server: &Supervisor, path: &str) -> Client {
    let mut client = server.connect();
    client.send(&format!("GET {path} HTTP/1.0\r\n\r\n"));
    client.head();
    assert_eq!(client.line(), "picture");
    client
}

/// As `daemon_threads` says: those of each process.
#[test]
fn a_program_that_stops_does_not_wait_for_streams() {
    for kind in STREAMS {
        let server = Supervisor::start(kind);
        let mut stream = begin_stream(&server, "/stream");
        let began = Instant::now();
        let mut stop = server.connect();
        stop.send("GET /stop HTTP/1.0\r\n\r\n");
        stream.rest();
        // Of their own accord, before they are killed.
        let said = server.wait();
        assert!(said.contains("report ") && said.ends_with(" 1\n"), "{kind}: {said}");
        assert!(began.elapsed() < LIMIT, "{kind}: {:?}", began.elapsed());
    }
}

#[test]
fn a_signal_gives_streams_their_time_all_the_same() {
    for kind in STREAMS {
        let server = Supervisor::start(kind);
        let mut stream = begin_stream(&server, "/stream");
        send_signal(server.pid(), Signal::SIGTERM);
        let began = Instant::now();
        // Twice as long as they have where the program stops.
        while began.elapsed() < MOMENT * 20 {
            assert_eq!(stream.line(), "picture", "{kind}");
        }
        send_signal(server.pid(), Signal::SIGTERM);
        stream.rest();
        server.wait();
        assert!(began.elapsed() < LIMIT, "{kind}: {:?}", began.elapsed());
    }
}

#[test]
fn a_handler_knows_that_its_server_stops() {
    for kind in STREAMS {
        let server = Supervisor::start(kind);
        let mut stream = begin_stream(&server, "/polite");
        send_signal(server.pid(), Signal::SIGTERM);
        stream.rest();
        // One that ends before the loop hears of it is not counted as waited for.
        let said = server.wait();
        assert!(said.starts_with("report ") && said.ends_with(" 0\n"), "{kind}: {said}");
    }
}
