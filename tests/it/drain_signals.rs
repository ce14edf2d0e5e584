//! Signals that end a server, and those that are only watched.

use std::io::{self};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, raise};
use socketserver::concurrency::Job;
use socketserver::{Concurrency, Connection, Handler, Sequential, ThreadPool};

use crate::drain::{SLOW, canary, gated, report};
use crate::support::{
    Gate, LIMIT, MOMENT, Notes, PAUSE, Running, bind, bind_with, echo_lines,
    in_a_process_of_its_own, testing,
};

#[test]
fn a_signal_shuts_down() {
    in_a_process_of_its_own("drain_signals::a_signal_shuts_down", || {
        for signal in [Signal::SIGTERM, Signal::SIGINT] {
            let gate = Gate::new();
            let handler = gated(&gate);
            let accepted = handler.accepted.clone();
            let mut server = bind::<ThreadPool, _>(handler);
            server
                .shutdown_on_signals(&[socketserver::Signal::TERM, socketserver::Signal::INT])
                .unwrap();
            let running = Running::start(server);
            let mut busy = running.connect();
            assert_eq!(busy.ask(SLOW), "begun");
            let mut idle = canary(&running, &accepted);
            raise(signal).unwrap();
            assert_eq!(idle.read_to_end(), "");
            gate.let_through(1);
            assert_eq!(busy.read_to_end(), "slow\n");
            assert_eq!(running.wait().report, report(1, 0));
        }
    });
}

fn our(signal: Signal) -> socketserver::Signal {
    socketserver::Signal::try_from(signal as i32).unwrap()
}

/// Notes the signals that it is told of.
struct Hearing(Notes<i32>);

impl Handler for Hearing {
    fn handle(&self, connection: Connection) -> io::Result<()> {
        echo_lines(connection)
    }

    fn handle_signal(&self, signal: socketserver::Signal) {
        self.0.add(signal.number());
    }
}

#[test]
fn a_signal_that_is_only_watched_is_told_and_ends_nothing() {
    let name = "drain_signals::a_signal_that_is_only_watched_is_told_and_ends_nothing";
    in_a_process_of_its_own(name, || {
        let [hangup, end, both] = [Signal::SIGHUP, Signal::SIGTERM, Signal::SIGUSR1];
        let heard = Notes::new();
        let mut server = bind::<ThreadPool, _>(Hearing(heard.clone()));
        server.watch_signals(&[our(hangup), our(both)]).unwrap();
        server.shutdown_on_signals(&[our(end), our(both)]).unwrap();
        server.watch_signals(&[our(both)]).unwrap();
        let running = Running::start(server);
        let mut client = running.connect();
        for _ in 0..2 {
            raise(hangup).unwrap();
            assert_eq!(heard.next(), hangup as i32);
            assert_eq!(client.ask("ping"), "ping");
        }
        drop(client);
        // Told of both, and asked to stop by one of them.
        raise(both).unwrap();
        assert_eq!(heard.next(), both as i32);
        running.wait().result.unwrap();
    });
}

#[test]
fn a_second_signal_cuts_at_once() {
    in_a_process_of_its_own("drain_signals::a_second_signal_cuts_at_once", || {
        let gate = Gate::new();
        let handler = gated(&gate);
        let accepted = handler.accepted.clone();
        let mut server = bind::<ThreadPool, _>(handler);
        server.shutdown_timeout = LIMIT * 2;
        server.shutdown_on_signals(&[socketserver::Signal::TERM]).unwrap();
        let running = Running::start(server);
        let mut busy = running.connect();
        assert_eq!(busy.ask(SLOW), "begun");
        let mut idle = canary(&running, &accepted);
        raise(Signal::SIGTERM).unwrap();
        assert_eq!(idle.read_to_end(), "");
        busy.hears_nothing_for(PAUSE);
        raise(Signal::SIGTERM).unwrap();
        assert_eq!(busy.read_to_end(), "");
        gate.let_through(1);
        // The job of the idle client may have been about to end when the first signal came.
        assert_eq!(running.wait().report.cut, 1);
    });
}

/// When they came counts, not when the loop looks.
#[test]
fn two_signals_count_by_the_time_between_them() {
    let name = "drain_signals::two_signals_count_by_the_time_between_them";
    in_a_process_of_its_own(name, || {
        let signals = [our(Signal::SIGTERM), our(Signal::SIGINT)];
        for (pause, second, cut) in [
            (Duration::ZERO, Signal::SIGTERM, 0),
            (Duration::ZERO, Signal::SIGINT, 0),
            (PAUSE, Signal::SIGTERM, 1),
            (PAUSE, Signal::SIGINT, 1),
        ] {
            let gate = Gate::new();
            let is_second = AtomicBool::new(false);
            let handler = gated(&gate).verify(move |_| {
                if is_second.swap(true, Ordering::SeqCst) {
                    // The loop is here, and does not read them in between.
                    raise(Signal::SIGTERM).unwrap();
                    std::thread::sleep(pause);
                    raise(second).unwrap();
                }
                true
            });
            let mut server = bind::<ThreadPool, _>(handler);
            server.shutdown_timeout = LIMIT * 2;
            server.shutdown_on_signals(&signals).unwrap();
            let running = Running::start(server);
            let mut busy = running.connect();
            assert_eq!(busy.ask(SLOW), "begun");
            let _second = running.connect();
            if cut == 0 {
                busy.hears_nothing_for(MOMENT);
                gate.let_through(1);
                assert_eq!(busy.read_line(), "slow");
            }
            assert_eq!(busy.read_to_end(), "");
            gate.let_through(1);
            let expected = if cut == 0 { report(1, 0) } else { report(0, 1) };
            assert_eq!(running.wait().report, expected, "{pause:?}, {second}");
        }
    });
}

/// A handler hears of each kind, and of each once.
#[test]
fn of_signals_that_come_together_each_kind_is_heard_once() {
    let name = "drain_signals::of_signals_that_come_together_each_kind_is_heard_once";
    in_a_process_of_its_own(name, || {
        let heard = Notes::new();
        let mut server = bind::<ThreadPool, _>(Hearing(heard.clone()));
        let [term, interrupt] = [Signal::SIGTERM, Signal::SIGINT];
        server.shutdown_on_signals(&[our(term), our(interrupt)]).unwrap();
        for signal in [term, interrupt, term] {
            raise(signal).unwrap();
        }
        Running::start(server).wait().result.unwrap();
        assert_eq!(heard.so_far(), [term as i32, interrupt as i32]);
    });
}

#[test]
fn a_signal_that_cannot_be_caught_is_refused() {
    let mut server = bind::<Sequential, _>(testing(echo_lines));
    let error = server.shutdown_on_signals(&[socketserver::Signal::KILL]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert_eq!(error.to_string(), "SIGKILL cannot be caught");
    // And the server is none the worse for it.
    let running = Running::start(server);
    assert_eq!(running.ask("ping"), "ping");
}

#[test]
fn of_two_signals_that_come_together_both_are_heard() {
    let name = "drain_signals::of_two_signals_that_come_together_both_are_heard";
    in_a_process_of_its_own(name, || {
        let heard = Notes::new();
        let mut server = bind::<ThreadPool, _>(Hearing(heard.clone()));
        let [news, end] = [Signal::SIGHUP, Signal::SIGTERM];
        server.watch_signals(&[our(news)]).unwrap();
        server.shutdown_on_signals(&[our(end)]).unwrap();
        raise(news).unwrap();
        raise(end).unwrap();
        Running::start(server).wait().result.unwrap();
        assert_eq!(heard.so_far(), [news as i32, end as i32]);
    });
}

/// What runs ends just after the server has found it running for the third time, when the strategy
/// is asked for its actions.
#[derive(Debug, Default)]
struct EndsUnheard {
    was_found: AtomicBool,
    times: usize,
}

impl EndsUnheard {
    fn has_ended(&self) -> bool {
        self.times >= 3
    }
}

impl Concurrency for EndsUnheard {
    fn process_request(&mut self, job: Job) -> io::Result<()> {
        job.run();
        Ok(())
    }

    fn active(&self) -> usize {
        self.was_found.store(true, Ordering::SeqCst);
        usize::from(!self.has_ended())
    }

    fn worker_count(&self) -> usize {
        1
    }

    fn service_actions(&mut self) -> Option<Duration> {
        self.times += usize::from(self.was_found.swap(false, Ordering::SeqCst));
        (!self.has_ended()).then_some(Duration::from_millis(1))
    }
}

/// A child that ends while the server looks is heard of once.
#[test]
fn an_end_that_the_strategy_takes_note_of_before_the_wait_is_not_waited_for() {
    let server = bind_with(testing(echo_lines), EndsUnheard::default());
    let stopped = Running::start(server).stop();
    assert_eq!(stopped.report, report(1, 0));
}
