//! What one strategy does and the others do not.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ThreadId};
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Uid, setuid};
use socketserver::concurrency::{Concurrency, Job, Placement};
use socketserver::{Connection, Forking, Sequential, ThreadPool};

use crate::support::{
    Client, Gate, MOMENT, Notes, Running, bind, bind_with, echo_lines, eventually,
    in_a_process_of_its_own, read_line, testing,
};

/// Answers `slow` when the gate is passed and all else at once.
fn slow_or_fast(gate: &Gate, mut connection: Connection) -> io::Result<()> {
    let line = read_line(&mut connection)?;
    if line == "slow\n" {
        connection.wfile.write_all(b"begun\n")?;
        gate.pass();
    }
    connection.wfile.write_all(line.as_bytes())
}

#[test]
fn slow_handlers_delay_nobody_while_a_thread_is_left() {
    const MAX: usize = 4;
    let gate = Gate::new();
    let handler = {
        let gate = gate.clone();
        testing(move |connection| slow_or_fast(&gate, connection)).client_speaks_first()
    };
    let running = Running::start(bind_with(handler, ThreadPool::default().max_threads(MAX)));
    let mut slow: Vec<Client> = Vec::new();
    for _ in 1..MAX {
        let mut client = running.connect();
        assert_eq!(client.ask("slow"), "begun");
        slow.push(client);
        assert_eq!(running.ask("fast"), "fast");
    }
    // The last thread is busy, too.
    let mut client = running.connect();
    assert_eq!(client.ask("slow"), "begun");
    slow.push(client);
    let mut waiting = running.connect();
    waiting.send("fast\n");
    waiting.hears_nothing_for(MOMENT);
    gate.let_through(1);
    assert_eq!(waiting.read_line(), "fast");
    gate.let_through(MAX - 1);
    for client in &mut slow {
        assert_eq!(client.read_line(), "slow");
    }
}

#[test]
fn more_slow_handlers_than_threads_start_at_once_delay_nobody_for_long() {
    // Beyond the threads that are started as soon as there is a job for them.
    const SLOW: usize = 150;
    let gate = Gate::new();
    let handler = {
        let gate = gate.clone();
        testing(move |connection| slow_or_fast(&gate, connection)).client_speaks_first()
    };
    let running = Running::start(bind_with(handler, ThreadPool::default().max_threads(SLOW + 1)));
    let mut slow: Vec<Client> = (0..SLOW).map(|_| running.connect()).collect();
    for client in &mut slow {
        client.send("slow\n");
    }
    for client in &mut slow {
        assert_eq!(client.read_line(), "begun");
    }
    assert_eq!(running.ask("fast"), "fast");
    // All are busy now but one, and there will be no further one.
    let mut last = running.connect();
    assert_eq!(last.ask("slow"), "begun");
    let mut waiting = running.connect();
    waiting.send("fast\n");
    waiting.hears_nothing_for(MOMENT);
    gate.let_through(SLOW + 1);
    assert_eq!(waiting.read_line(), "fast");
    slow.push(last);
    for client in &mut slow {
        assert_eq!(client.read_line(), "slow");
    }
}

#[test]
fn no_two_threads_have_the_same_name() {
    let gate = Gate::new();
    let handler = {
        let gate = gate.clone();
        testing(move |mut connection: Connection| {
            let line = read_line(&mut connection)?;
            writeln!(connection.wfile, "{}", thread::current().name().unwrap())?;
            if line == "first\n" {
                gate.pass();
            } else if line == "second\n" {
                let _ = read_line(&mut connection)?;
            }
            Ok(())
        })
    };
    let pool = ThreadPool::default().idle_timeout(Duration::from_millis(1));
    let running = Running::start(bind_with(handler.client_speaks_first(), pool));
    let mut first = running.connect();
    assert_eq!(first.ask("first"), "Thread-1");
    let mut second = running.connect();
    assert_eq!(second.ask("second"), "Thread-2");
    gate.let_through(1);
    first.sees_the_end();
    // Whenever the others have ended, another is started.
    eventually(|| {
        let name = running.ask("other");
        assert_ne!(name, "Thread-2", "the second one still runs");
        name == "Thread-9"
    });
    second.send("\n");
}

/// Notes the thread that each request runs on.
fn note_thread(threads: &Notes<ThreadId>, connection: Connection) -> io::Result<()> {
    threads.add(thread::current().id());
    echo_lines(connection)
}

#[test]
fn a_pooled_thread_is_used_again() {
    let threads = Notes::new();
    let handler = {
        let threads = threads.clone();
        testing(move |connection| note_thread(&threads, connection)).client_speaks_first()
    };
    let running = Running::start(bind_with(handler, ThreadPool::default().max_threads(1)));
    for _ in 0..10 {
        assert_eq!(running.ask("ping"), "ping");
    }
    // The ends of connections may have been handled as well.
    let threads = threads.so_far();
    assert!(threads.len() >= 10);
    assert!(threads.iter().all(|one| *one == threads[0]));
}

#[test]
fn a_sequential_server_handles_on_the_thread_that_serves() {
    let threads = Notes::new();
    let handler = {
        let threads = threads.clone();
        testing(move |connection| note_thread(&threads, connection)).client_speaks_first()
    };
    let mut server = bind::<Sequential, _>(handler);
    let mut client = Client::connect(server.server_address());
    client.send("ping\n");
    server.handle_request().unwrap();
    assert_eq!(client.read_line(), "ping");
    assert_eq!(threads.so_far(), [thread::current().id()]);
}

#[test]
fn pooled_threads_end_after_idling() {
    let threads = Notes::new();
    let handler = {
        let threads = threads.clone();
        testing(move |connection: Connection| {
            threads.add(AtEnd::of_this_thread());
            echo_lines(connection)
        })
        .client_speaks_first()
    };
    let pool = ThreadPool::default().max_threads(4).idle_timeout(MOMENT);
    let running = Running::start(bind_with(handler, pool));
    assert_eq!(running.ask("ping"), "ping");
    let ended = threads.next();
    eventually(|| ended.load(Ordering::SeqCst) == 1);
    // The pool starts another when it is needed.
    assert_eq!(running.ask("ping"), "ping");
}

/// Counts the ends of a thread: the destructor of a thread-local value.
struct AtEnd(Arc<AtomicUsize>);

impl AtEnd {
    fn of_this_thread() -> Arc<AtomicUsize> {
        thread_local! {
            static AT_END: AtEnd = AtEnd(Arc::default());
        }
        AT_END.with(|at_end| Arc::clone(&at_end.0))
    }
}

impl Drop for AtEnd {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Threads that end at once, and a job that comes just then, over and over.
#[test]
fn no_job_is_lost_to_a_thread_that_ends() {
    let busy = Arc::new(AtomicUsize::new(0));
    let handler = {
        let busy = Arc::clone(&busy);
        testing(move |connection| {
            assert_eq!(busy.fetch_add(1, Ordering::SeqCst), 0, "one thread at most");
            let result = echo_lines(connection);
            busy.fetch_sub(1, Ordering::SeqCst);
            result
        })
        .client_speaks_first()
    };
    let errors = handler.errors.clone();
    let pool = ThreadPool::default().max_threads(1).idle_timeout(Duration::from_micros(20));
    let running = Running::start(bind_with(handler, pool));
    let mut client = running.connect();
    for _ in 0..3000 {
        assert_eq!(client.ask("ping"), "ping");
    }
    assert_eq!(errors.so_far(), []);
}

#[test]
fn panicking_handlers_leave_the_pool_usable() {
    let handler =
        testing(|mut connection: Connection| match read_line(&mut connection)?.as_str() {
            "panic\n" => panic!("as you wish"),
            line => connection.wfile.write_all(line.as_bytes()),
        });
    let errors = handler.errors.clone();
    let running = Running::start(bind_with(handler, ThreadPool::default().max_threads(2)));
    for _ in 0..10 {
        let mut client = running.connect();
        client.send("panic\n");
        client.sees_the_end();
        errors.next();
    }
    assert_eq!(running.ask("ping"), "ping");
}

#[test]
fn dropping_a_pool_waits_for_its_threads() {
    let gate = Gate::new();
    let finished = Arc::new(AtomicUsize::new(0));
    let handler = {
        let (gate, finished) = (gate.clone(), Arc::clone(&finished));
        testing(move |mut connection: Connection| {
            connection.wfile.write_all(b"begun\n")?;
            gate.pass();
            finished.fetch_add(1, Ordering::SeqCst);
            Ok(())
        })
    };
    let mut server = bind_with(handler, ThreadPool::default());
    let mut client = Client::connect(server.server_address());
    server.handle_request().unwrap();
    assert_eq!(client.read_line(), "begun");
    let closing = thread::spawn(move || server.server_close());
    client.hears_nothing_for(MOMENT);
    assert!(!closing.is_finished());
    gate.let_through(1);
    closing.join().unwrap();
    assert_eq!(finished.load(Ordering::SeqCst), 1);
}

#[test]
fn dropping_a_pool_that_does_not_block_leaves_its_threads_running() {
    let gate = Gate::new();
    let handler = {
        let gate = gate.clone();
        testing(move |mut connection: Connection| {
            connection.wfile.write_all(b"begun\n")?;
            gate.pass();
            connection.wfile.write_all(b"ended\n")
        })
    };
    let pool = ThreadPool::default().block_on_close(false);
    let mut server = bind_with(handler, pool);
    let mut client = Client::connect(server.server_address());
    server.handle_request().unwrap();
    assert_eq!(client.read_line(), "begun");
    server.server_close();
    gate.let_through(1);
    assert_eq!(client.read_to_end(), "ended\n");
}

/// The limit of processes does not bind the superuser, so the test steps down first.
#[test]
fn a_thread_that_cannot_be_started_costs_its_own_connection() {
    let name = "strategies::a_thread_that_cannot_be_started_costs_its_own_connection";
    in_a_process_of_its_own(name, || {
        let handler = testing(echo_lines);
        let errors = handler.errors.clone();
        let running = Running::start(bind::<ThreadPool, _>(handler));
        if Uid::effective().is_root() {
            setuid(Uid::from_raw(65_534)).unwrap();
        }
        let (_, hard) = getrlimit(Resource::RLIMIT_NPROC).unwrap();
        setrlimit(Resource::RLIMIT_NPROC, 0, hard).unwrap();
        let mut unlucky = running.connect();
        unlucky.send("ping\n");
        unlucky.sees_the_end();
        let (address, error) = errors.next();
        assert_eq!(address, unlucky.address());
        assert!(error.starts_with("cannot start a thread: "), "{error}");
        // The loop lives, and serves as soon as it can.
        setrlimit(Resource::RLIMIT_NPROC, hard, hard).unwrap();
        let mut lucky = running.connect();
        assert_eq!(lucky.ask("ping"), "ping");
        // A pool that has a thread makes do with it.
        setrlimit(Resource::RLIMIT_NPROC, 0, hard).unwrap();
        assert_eq!(running.ask("ping"), "ping");
        assert_eq!(errors.so_far(), []);
    });
}

#[test]
fn a_strategy_that_fails_costs_one_connection() {
    #[derive(Default)]
    struct FailsAtFirst {
        calls: usize,
    }

    impl Concurrency for FailsAtFirst {
        fn process_request(&mut self, job: Job) -> io::Result<()> {
            self.calls += 1;
            if self.calls == 1 {
                return Err(io::Error::other("nowhere to run"));
            }
            job.run();
            Ok(())
        }
    }

    let handler = testing(echo_lines);
    let errors = handler.errors.clone();
    let running = Running::start(bind_with(handler, FailsAtFirst::default()));
    let mut client = running.connect();
    client.sees_the_end();
    assert_eq!(errors.next(), (client.address(), "nowhere to run".to_owned()));
    assert_eq!(running.ask("ping"), "ping");
}

#[test]
fn a_strategy_that_drops_a_job_closes_its_connection() {
    struct Drops;

    impl Concurrency for Drops {
        fn process_request(&mut self, job: Job) -> io::Result<()> {
            drop(job);
            Ok(())
        }
    }

    let handler = testing(|_| panic!("nothing is run"));
    let errors = handler.errors.clone();
    let running = Running::start(bind_with(handler, Drops));
    running.connect().sees_the_end();
    running.connect().sees_the_end();
    let stopped = running.stop();
    assert_eq!((stopped.report.finished, stopped.report.cut), (0, 0));
    assert_eq!(errors.so_far(), []);
}

#[test]
fn a_strategy_that_cannot_start_keeps_the_server_from_serving() {
    struct Refuses;

    impl Concurrency for Refuses {
        fn process_request(&mut self, _: Job) -> io::Result<()> {
            unreachable!("it never started")
        }

        fn server_activate(&mut self) -> io::Result<()> {
            Err(io::Error::other("not today"))
        }
    }

    let mut server = bind_with(testing(echo_lines), Refuses);
    let waits = Client::connect(server.server_address());
    assert_eq!(server.serve_forever().unwrap_err().to_string(), "not today");
    assert_eq!(server.handle_request().unwrap_err().to_string(), "not today");
    waits.hears_nothing_for(MOMENT);
}

/// A strategy of a user's own that runs a few threads and has room for no more.
struct AtMost {
    most: usize,
    running: Arc<AtomicUsize>,
}

impl Concurrency for AtMost {
    fn process_request(&mut self, job: Job) -> io::Result<()> {
        let running = Arc::clone(&self.running);
        running.fetch_add(1, Ordering::SeqCst);
        thread::Builder::new()
            .spawn(move || {
                job.run();
                running.fetch_sub(1, Ordering::SeqCst);
            })
            .map(drop)
    }

    fn service_actions(&mut self) -> Option<Duration> {
        (!self.has_room()).then_some(Duration::from_millis(5))
    }

    fn has_room(&self) -> bool {
        self.running.load(Ordering::SeqCst) < self.most
    }

    fn placement(&self) -> Placement {
        Placement::OtherThread
    }
}

#[test]
fn handlers_know_how_many_requests_run_at_once() {
    let most = |strategy: &dyn Concurrency| strategy.max_workers();
    assert_eq!(most(&Forking::default().max_children(3)), Some(3));
    assert_eq!(most(&AtMost { most: 2, running: Arc::default() }), None);
    let pool = ThreadPool::default().max_threads(5);
    assert_eq!(bind_with(testing(echo_lines), pool).info().max_workers(), Some(5));
    assert_eq!(bind_with(testing(echo_lines), Sequential).info().max_workers(), Some(1));
}

#[test]
fn a_strategy_without_room_lets_clients_wait() {
    let gate = Gate::new();
    let handler = {
        let gate = gate.clone();
        testing(move |connection| slow_or_fast(&gate, connection))
    };
    let turns = handler.turns.clone();
    let strategy = AtMost { most: 2, running: Arc::default() };
    let running = Running::start(bind_with(handler, strategy));
    let mut busy = [(); 2].map(|()| running.connect());
    for client in &mut busy {
        assert_eq!(client.ask("slow"), "begun");
    }
    turns.so_far();
    let mut waiting = running.connect();
    waiting.send("fast\n");
    waiting.hears_nothing_for(MOMENT);
    // It looks now and then whether there is room, as it has asked for, and does not spin.
    assert!(turns.so_far().len() <= 15);
    gate.let_through(1);
    assert_eq!(waiting.read_line(), "fast");
    gate.let_through(1);
}

/// A client whose requests are all there already does not keep the others from their turn.
#[test]
fn a_flood_of_pipelined_requests_lets_others_take_their_turn() {
    const FLOOD: usize = 1000;
    let gate = Gate::new();
    let turns = Notes::new();
    let handler = {
        let (gate, turns) = (gate.clone(), turns.clone());
        testing(move |mut connection: Connection| {
            let line = read_line(&mut connection)?;
            if line.is_empty() {
                return Ok(());
            }
            if line == "first\n" {
                connection.wfile.write_all(b"begun\n")?;
                gate.pass();
            }
            turns.add(line);
            connection.park()
        })
        .client_speaks_first()
    };
    let running = Running::start(bind::<Sequential, _>(handler));
    let mut flood = running.connect();
    flood.send("first\n".to_owned() + &"flood\n".repeat(FLOOD));
    assert_eq!(flood.read_line(), "begun");
    let mut other = running.connect();
    other.send("other\n");
    gate.let_through(1);
    let before_the_other = (0..FLOOD).take_while(|_| turns.next() != "other\n").count();
    assert!(before_the_other < FLOOD / 2, "{before_the_other}");
}

#[test]
fn strategies_tell_where_they_run() {
    assert_eq!(Sequential.placement(), Placement::ServingThread);
    assert_eq!(ThreadPool::default().placement(), Placement::OtherThread);
    let server = bind_with(testing(echo_lines), ThreadPool::default());
    assert_eq!(server.strategy().placement(), Placement::OtherThread);
}
