//! A hangup replaces the processes.

use super::*;

#[test]
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

#[test]
fn a_hangup_ends_those_that_do_not_finish() {
    let mut server = Supervisor::start("stuck");
    let slow = server.begin_slow();
    send_signal(server.pid(), Signal::SIGHUP);
    assert_eq!(server.line(), "signal 1");
    let expected = format!("ERROR process {} has not stopped in time, killing it", slow.pid);
    assert_eq!(server.line(), expected);
    eventually(|| !server.processes().contains(&slow.pid));
    assert_eq!(server.processes().len(), 3);
    assert_eq!(server.stop(Signal::SIGTERM), "report 0 1\n");
}

#[test]
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

/// A child of a process is not the one that is replaced.
#[test]
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
