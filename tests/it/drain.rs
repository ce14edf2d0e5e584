//! What becomes of running requests when the server is asked to stop.

use std::io::{self, BufRead, Write};
use std::thread;
use std::time::{Duration, Instant};

use socketserver::{Address, Connection, Sequential, ShutdownReport, ThreadPool, Timeouts};

use crate::support::{
    Client, Gate, LIMIT, MOMENT, Notes, Running, Strategy, Testing, ThreadPerConnection, bind,
    bind_with, echo_lines, read_line, testing,
};

pub(crate) const SLOW: &str = "slow";

/// Echoes lines; one that says `slow` waits at the gate, between `begun` and the echo.
pub(crate) fn gated(
    gate: &Gate,
) -> Testing<impl Fn(Connection) -> io::Result<()> + Send + Sync + 'static> {
    let gate = gate.clone();
    testing(move |mut connection: Connection| {
        if !connection.rfile.unread().starts_with(SLOW.as_bytes())
            && (connection.rfile.receive().is_err()
                || !connection.rfile.unread().starts_with(SLOW.as_bytes()))
        {
            return echo_lines(connection);
        }
        let line = read_line(&mut connection)?;
        connection.wfile.write_all(b"begun\n")?;
        gate.pass();
        connection.wfile.write_all(line.as_bytes())?;
        connection.park()
    })
    .client_speaks_first()
}

/// A silent client. It is sent away when the drain has counted what is left to finish.
#[track_caller]
pub(crate) fn canary(running: &Running, accepted: &Notes<Address>) -> Client {
    let client = running.connect();
    while accepted.next() != client.address() {}
    client
}

pub(crate) fn report(finished: usize, cut: usize) -> ShutdownReport {
    let mut report = ShutdownReport::default();
    (report.finished, report.cut) = (finished, cut);
    report
}

fn a_running_request_is_finished_with<C: Strategy>() {
    let gate = Gate::new();
    let handler = gated(&gate);
    let accepted = handler.accepted.clone();
    let running = Running::start(bind::<C, _>(handler));
    let mut busy = running.connect();
    assert_eq!(busy.ask(SLOW), "begun");
    let mut idle = canary(&running, &accepted);
    running.handle.shutdown();
    // The idle one is sent away while the other one still runs.
    assert_eq!(idle.read_to_end(), "");
    busy.hears_nothing_for(Duration::from_millis(1));
    gate.let_through(1);
    assert_eq!(busy.read_to_end(), "slow\n");
    let stopped = running.wait();
    stopped.result.unwrap();
    assert_eq!(stopped.report, report(1, 0));
}

#[test]
fn a_running_request_is_finished() {
    a_running_request_is_finished_with::<ThreadPool>();
}

#[test]
fn a_running_request_is_finished_on_a_thread_of_its_own() {
    a_running_request_is_finished_with::<ThreadPerConnection>();
}

#[test]
fn a_request_that_shuts_down_a_sequential_server_is_finished() {
    let handler = testing(|mut connection: Connection| {
        connection.server.shutdown();
        assert!(connection.is_draining());
        connection.wfile.write_all(b"goodbye\n")?;
        connection.park()
    });
    let running = Running::start(bind::<Sequential, _>(handler));
    assert_eq!(running.connect().read_to_end(), "goodbye\n");
    assert_eq!(running.wait().report, report(0, 0));
}

/// One after the other would take each its own time.
#[test]
fn a_sequential_server_begins_no_request_after_the_deadline() {
    let gate = Gate::new();
    let mut server = bind::<Sequential, _>(gated(&gate));
    server.shutdown_timeout = Duration::from_secs(1);
    let running = Running::start(server);
    let mut first = running.connect();
    let [mut second, mut third] = [(); 2].map(|()| running.connect());
    // Known to the server before it is busy.
    for client in [&mut second, &mut third] {
        assert_eq!(client.ask("ping"), "ping");
    }
    assert_eq!(first.ask(SLOW), "begun");
    for client in [&mut second, &mut third] {
        client.send(format!("{SLOW}\n"));
    }
    running.handle.shutdown();
    gate.let_through(1);
    assert_eq!(first.read_line(), SLOW);
    // One of the two runs until the deadline has passed, and is cut as it writes then.
    thread::sleep(Duration::from_millis(1100));
    gate.let_through(2);
    assert_eq!(running.wait().report.cut, 2);
    let mut answers = [second.read_to_end(), third.read_to_end()];
    answers.sort();
    assert_eq!(answers, ["", "begun\n"]);
}

#[test]
fn a_handler_can_tell_that_the_server_drains() {
    let gate = Gate::new();
    let handler = {
        let gate = gate.clone();
        testing(move |mut connection: Connection| {
            // Read, as a close with something unread may overtake what was written.
            connection.rfile.read_line(&mut String::new())?;
            assert!(!connection.is_draining());
            connection.wfile.write_all(b"begun\n")?;
            gate.pass();
            assert!(connection.is_draining());
            connection.wfile.write_all(b"draining\n")
        })
        .client_speaks_first()
    };
    let accepted = handler.accepted.clone();
    let running = Running::start(bind::<ThreadPool, _>(handler));
    let mut client = running.connect();
    assert_eq!(client.ask("anything"), "begun");
    let mut idle = canary(&running, &accepted);
    running.handle.shutdown();
    idle.sees_the_end();
    gate.let_through(1);
    assert_eq!(client.read_to_end(), "draining\n");
    assert_eq!(running.wait().report, report(1, 0));
}

fn idle_connections_are_closed_at_once_with<C: Strategy>() {
    let mut server = bind::<C, _>(testing(echo_lines).client_speaks_first());
    // Who waits for idle connections fails the test by the report. The one that has not spoken yet
    // is given half a second, which takes longer on a busy machine.
    server.shutdown_timeout = Duration::from_secs(4);
    let running = Running::start(server);
    let mut idle = [(); 5].map(|()| running.connect());
    for client in &mut idle[1..] {
        assert_eq!(client.ask("ping"), "ping");
    }
    running.handle.shutdown();
    for client in &mut idle {
        assert_eq!(client.read_to_end(), "");
    }
    let stopped = running.wait();
    assert_eq!(stopped.report.cut, 0);
}

#[test]
fn idle_connections_are_closed_at_once() {
    idle_connections_are_closed_at_once_with::<Sequential>();
    idle_connections_are_closed_at_once_with::<ThreadPool>();
    idle_connections_are_closed_at_once_with::<ThreadPerConnection>();
}

#[test]
fn a_request_that_has_arrived_is_served_before_the_server_stops() {
    let gate = Gate::new();
    let running = Running::start(bind::<Sequential, _>(gated(&gate)));
    let mut parked = running.connect();
    assert_eq!(parked.ask("ping"), "ping");
    let mut busy = running.connect();
    assert_eq!(busy.ask(SLOW), "begun");
    // The serving thread is busy: this one arrives unnoticed, and the shutdown after it.
    parked.send("arrived\n");
    running.handle.shutdown();
    gate.let_through(1);
    assert_eq!(busy.read_line(), "slow");
    assert_eq!(parked.read_to_end(), "arrived\n");
    assert_eq!(running.wait().report.cut, 0);
}

#[test]
fn a_request_that_has_begun_to_arrive_is_waited_for() {
    let running = Running::start(bind::<ThreadPool, _>(testing(echo_lines).client_speaks_first()));
    let mut other = running.connect();
    let mut client = running.connect();
    client.send("ha");
    // Its handler has parked it when another one, later, has been answered and the pool is idle.
    assert_eq!(other.ask("ping"), "ping");
    client.hears_nothing_for(MOMENT);
    running.handle.shutdown();
    assert_eq!(other.read_to_end(), "");
    client.send("lf\n");
    assert_eq!(client.read_to_end(), "half\n");
    assert_eq!(running.wait().report, report(1, 0));
}

#[test]
fn nobody_is_accepted_any_more() {
    let gate = Gate::new();
    let mut server = bind::<ThreadPool, _>(gated(&gate));
    let handle = server.shutdown_handle();
    let address = server.server_address();
    std::thread::scope(|scope| {
        let serving = scope.spawn(|| server.serve_forever());
        let mut idle = Client::connect(address);
        assert_eq!(idle.ask("ping"), "ping");
        let mut busy = Client::connect(address);
        assert_eq!(busy.ask(SLOW), "begun");
        handle.shutdown();
        // Once this is closed, the drain has begun.
        assert_eq!(idle.read_to_end(), "");
        let mut late = Client::connect(address);
        late.send("ping\n");
        late.hears_nothing_for(MOMENT);
        gate.let_through(1);
        assert_eq!(busy.read_to_end(), "slow\n");
        serving.join().unwrap().unwrap();
        late.hears_nothing_for(Duration::from_millis(1));
    });
}

fn the_deadline_cuts_what_still_runs_with<C: Strategy>() {
    let gate = Gate::new();
    let mut server = bind::<C, _>(gated(&gate));
    server.shutdown_timeout = MOMENT;
    let running = Running::start(server);
    let mut cut = [(); 3].map(|()| running.connect());
    for client in &mut cut {
        assert_eq!(client.ask(SLOW), "begun");
    }
    let began = Instant::now();
    running.handle.shutdown();
    for client in &mut cut {
        assert_eq!(client.read_to_end(), "");
    }
    assert!(began.elapsed() >= MOMENT);
    // Not waited for, but they need not stay.
    gate.let_through(3);
    assert_eq!(running.wait().report, report(0, 3));
}

#[test]
fn the_deadline_cuts_what_still_runs() {
    the_deadline_cuts_what_still_runs_with::<ThreadPool>();
    the_deadline_cuts_what_still_runs_with::<ThreadPerConnection>();
}

#[test]
fn a_report_tells_the_finished_from_the_cut() {
    let gates = [Gate::new(), Gate::new()];
    let handler = {
        let gates = gates.clone();
        testing(move |mut connection: Connection| {
            let line = read_line(&mut connection)?;
            connection.wfile.write_all(b"begun\n")?;
            let gate = usize::from(line == "endless\n");
            gates[gate].pass();
            connection.wfile.write_all(line.as_bytes())
        })
        .client_speaks_first()
    };
    let accepted = handler.accepted.clone();
    let mut server = bind::<ThreadPool, _>(handler);
    server.shutdown_timeout = LIMIT / 4;
    let running = Running::start(server);
    let mut quick = [(); 2].map(|()| running.connect());
    for client in &mut quick {
        assert_eq!(client.ask("quick"), "begun");
    }
    let mut endless = running.connect();
    assert_eq!(endless.ask("endless"), "begun");
    let mut idle = canary(&running, &accepted);
    running.handle.shutdown();
    idle.sees_the_end();
    gates[0].let_through(2);
    for client in &mut quick {
        assert_eq!(client.read_to_end(), "quick\n");
    }
    endless.sees_the_end();
    gates[1].let_through(1);
    assert_eq!(running.wait().report, report(2, 1));
}

#[test]
fn jobs_that_wait_for_a_thread_are_finished() {
    let gate = Gate::new();
    let handler = gated(&gate);
    let accepted = handler.accepted.clone();
    let running = Running::start(bind_with(handler, ThreadPool::default().max_threads(1)));
    let mut busy = running.connect();
    assert_eq!(busy.ask(SLOW), "begun");
    let mut queued = running.connect();
    queued.send("queued\n");
    let mut idle = canary(&running, &accepted);
    running.handle.shutdown();
    idle.sees_the_end();
    gate.let_through(1);
    assert_eq!(busy.read_to_end(), "slow\n");
    assert_eq!(queued.read_to_end(), "queued\n");
    assert_eq!(running.wait().report, report(2, 0));
}

/// The listener rests as there is one connection too many. Its rest must not end the drain's watch.
#[test]
fn a_drain_that_begins_while_the_listener_rests_ends_with_the_last_request() {
    let gate = Gate::new();
    let mut server = bind::<ThreadPool, _>(gated(&gate));
    server.max_connections = 1;
    server.shutdown_timeout = LIMIT * 2;
    let running = Running::start(server);
    let mut busy = running.connect();
    assert_eq!(busy.ask(SLOW), "begun");
    let waiting = running.connect();
    waiting.hears_nothing_for(MOMENT);
    running.handle.shutdown();
    // Longer than the rest that has begun.
    waiting.hears_nothing_for(MOMENT * 4);
    gate.let_through(1);
    assert_eq!(busy.read_to_end(), "slow\n");
    assert_eq!(running.wait().report.cut, 0);
}

#[test]
fn a_refused_client_is_waited_for() {
    let handler = testing(|mut connection: Connection| {
        connection.wfile.write_all(b"go away\n")?;
        connection.lingering_close()
    })
    .client_speaks_first();
    let accepted = handler.accepted.clone();
    let running = Running::start(bind::<ThreadPool, _>(handler));
    let mut client = running.connect();
    client.send("x");
    assert_eq!(client.read_to_end(), "go away\n");
    let mut idle = canary(&running, &accepted);
    running.handle.shutdown();
    idle.sees_the_end();
    client.send("still talking");
    assert!(!client.is_reset_within(MOMENT));
    client.finish_sending();
    // Though its request was answered before.
    assert_eq!(running.wait().report, report(0, 0));
}

#[test]
fn a_second_loop_has_its_own_report() {
    let gate = Gate::new();
    let mut server = bind::<ThreadPool, _>(gated(&gate));
    let handle = server.shutdown_handle();
    let address = server.server_address();
    std::thread::scope(|scope| {
        let serving = scope.spawn(|| server.serve_forever());
        let mut busy = Client::connect(address);
        assert_eq!(busy.ask(SLOW), "begun");
        handle.shutdown();
        busy.hears_nothing_for(Duration::from_millis(1));
        gate.let_through(1);
        assert_eq!(busy.read_to_end(), "slow\n");
        serving.join().unwrap().unwrap();
    });
    handle.shutdown();
    server.serve_forever().unwrap();
    assert_eq!(server.shutdown_report(), report(0, 0));
}

#[test]
fn a_deadline_inside_a_drain_is_kept() {
    let handler =
        testing(echo_lines).client_speaks_first().timeouts(Timeouts::default().head(MOMENT * 2));
    let errors = handler.errors.clone();
    let running = Running::start(bind::<ThreadPool, _>(handler));
    let mut other = running.connect();
    let mut client = running.connect();
    client.send("ha");
    assert_eq!(other.ask("ping"), "ping");
    running.handle.shutdown();
    client.sees_the_end();
    assert_eq!(errors.next().1, "timed out");
    running.wait().result.unwrap();
}

#[test]
fn a_taken_over_connection_is_cut_at_the_deadline() {
    let taken = Notes::new();
    let handler = {
        let taken = taken.clone();
        testing(move |connection: Connection| {
            taken.add(connection);
            Ok(())
        })
    };
    let mut server = bind::<ThreadPool, _>(handler);
    server.shutdown_timeout = MOMENT;
    let running = Running::start(server);
    let mut client = Client::connect(running.address);
    let connection = taken.next();
    assert_eq!(running.stop().report, report(0, 1));
    assert_eq!(client.read_to_end(), "");
    drop(connection);
}

#[test]
fn limits_may_lie_beyond_the_end_of_all_clocks() {
    let mut server = bind::<ThreadPool, _>(testing(echo_lines));
    (server.timeout, server.shutdown_timeout) = (Some(Duration::MAX), Duration::MAX);
    let mut client = Client::connect(server.server_address());
    // Sent first: a request that is not there yet would wait for a loop that does not come.
    client.send("ping\n");
    server.handle_request().unwrap();
    assert_eq!(client.read_line(), "ping");
    drop(client);
    assert_eq!(Running::start(server).stop().report.cut, 0);
}
