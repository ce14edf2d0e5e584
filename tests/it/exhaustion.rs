//! Out of descriptors, out of connections.

use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::sys::time::TimeValLike;
use nix::unistd::Pid;
use socket2::{Domain, Socket, Type};
use socketserver::{Connection, Overload, Sequential, ThreadPool};

use crate::support::{
    Client, Gate, LIMIT, MOMENT, Notes, Running, bind, bind_with, echo_lines, eventually,
    in_a_process_of_its_own, read_line, testing,
};
use crate::web::{Browser, Site, answer, answering, get, noting, serve};

/// Lets this process open so many descriptors more.
fn leave_descriptors(count: u64) {
    let next = std::fs::File::open("/dev/null").unwrap().as_raw_fd();
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let limit = u64::try_from(next).unwrap() + count;
    setrlimit(Resource::RLIMIT_NOFILE, limit, hard).unwrap();
}

/// Processor time that this process has used.
fn processor_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let micros = (usage.user_time() + usage.system_time()).num_microseconds();
    Duration::from_micros(micros.try_into().unwrap())
}

#[test]
fn without_descriptors_files_are_there_but_cannot_be_served() {
    let name = "exhaustion::without_descriptors_files_are_there_but_cannot_be_served";
    in_a_process_of_its_own(name, || {
        let site = Site::new();
        for (is_confined, path) in
            [(false, "/empty0"), (true, "/empty0"), (false, "/sub/"), (true, "/sub/")]
        {
            let files = site.handler();
            let files = if is_confined { files.confined() } else { files };
            let running = serve(noting(files).http11());
            let mut browser = Browser::connect(&running);
            // No file is open any more when this has been answered.
            let head = "HEAD /a.txt HTTP/1.1\r\nHost: x\r\n\r\n";
            assert_eq!(browser.ask(head).status(), 200);
            leave_descriptors(0);
            assert_eq!(browser.ask(get(path)).status(), 503, "{path}");
            let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
            setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
            assert_eq!(Browser::connect(&running).ask(get(path)).status(), 200, "{path}");
        }
    });
}

/// Nobody can be sent away, as everybody is being served.
#[test]
fn without_descriptors_the_listener_rests_and_comes_back() {
    let name = "exhaustion::without_descriptors_the_listener_rests_and_comes_back";
    in_a_process_of_its_own(name, || {
        const CLIENTS: usize = 200;
        const ROOM: usize = 40;
        let (gate, begun) = (Gate::new(), Notes::new());
        let handler = {
            let (gate, begun) = (gate.clone(), begun.clone());
            testing(move |mut connection: Connection| {
                begun.add(());
                gate.pass();
                connection.wfile.write_all(b"served\n")
            })
        };
        let (turns, errors) = (handler.turns.clone(), handler.errors.clone());
        let server = bind_with(handler, ThreadPool::default().max_threads(ROOM));
        let mut clients: Vec<Client> =
            (0..CLIENTS).map(|_| Client::connect(server.server_address())).collect();
        leave_descriptors(ROOM as u64);
        let running = Running::start(server);
        for _ in 0..ROOM {
            begun.next();
        }
        let (before, began) = (processor_time(), Instant::now());
        turns.so_far();
        clients[CLIENTS - 1].hears_nothing_for(MOMENT * 10);
        // Rests of 5, 10, 20, 40, 80, 160 and 320 ms fill the time, two turns each.
        let turns = turns.so_far().len();
        assert!(turns <= 20, "it spins: {turns}");
        let used = processor_time() - before;
        assert!(used < began.elapsed() / 4, "{used:?}");
        assert_eq!(begun.so_far(), []);

        gate.let_through(CLIENTS);
        for client in &mut clients {
            assert_eq!(client.read_to_end(), "served\n");
        }
        assert_eq!(errors.so_far(), []);
        assert_eq!(running.stop().report.cut, 0);
    });
}

#[test]
fn without_descriptors_the_oldest_idle_connections_go_first() {
    let name = "exhaustion::without_descriptors_the_oldest_idle_connections_go_first";
    in_a_process_of_its_own(name, || {
        const CLIENTS: usize = 200;
        const ROOM: usize = 40;
        let accepted = Notes::new();
        let handler = {
            let accepted = accepted.clone();
            testing(echo_lines).client_speaks_first().verify(move |_| {
                accepted.add(());
                true
            })
        };
        let (turns, errors) = (handler.turns.clone(), handler.errors.clone());
        let server = bind::<Sequential, _>(handler);
        let mut clients: Vec<Client> =
            (0..CLIENTS).map(|_| Client::connect(server.server_address())).collect();
        leave_descriptors(ROOM as u64);
        let running = Running::start(server);
        for _ in 0..CLIENTS {
            accepted.next();
        }
        // The last ones are there, the first ones gone, and nobody between is skipped.
        assert_eq!(clients[CLIENTS - 1].ask("ping"), "ping");
        let gone = clients.iter().take_while(|one| one.hears(Duration::ZERO)).count();
        assert!((CLIENTS - ROOM..CLIENTS - ROOM / 2).contains(&gone), "{gone}");
        for client in &mut clients[..gone] {
            client.sees_the_end();
        }
        for client in &mut clients[gone..] {
            assert_eq!(client.ask("ping"), "ping");
        }
        let turns = turns.so_far().len();
        assert!(turns <= CLIENTS * 2, "it spins: {turns}");
        assert_eq!(errors.so_far(), []);
        clients.clear();
        assert_eq!(running.ask("ping"), "ping");
    });
}

#[test]
fn beyond_the_maximum_the_oldest_idle_connection_goes() {
    let mut server = bind::<Sequential, _>(testing(echo_lines).client_speaks_first());
    server.max_connections = 3;
    let running = Running::start(server);
    let mut clients: Vec<Client> = Vec::new();
    for _ in 0..3 {
        let mut client = running.connect();
        assert_eq!(client.ask("ping"), "ping");
        clients.push(client);
    }
    // The first one is not the oldest idle one any more.
    assert_eq!(clients[0].ask("ping"), "ping");
    assert_eq!(running.connect().ask("ping"), "ping");
    assert_eq!(clients[1].read_to_end(), "");
    assert_eq!(clients[0].ask("ping"), "ping");
    assert_eq!(clients[2].ask("ping"), "ping");
}

fn greet_and_wait(gate: &Gate, mut connection: Connection) -> io::Result<()> {
    connection.wfile.write_all(b"begun\n")?;
    gate.pass();
    connection.wfile.write_all(b"ended\n")
}

#[test]
fn beyond_the_maximum_clients_wait_where_nobody_is_idle() {
    let gate = Gate::new();
    let handler = {
        let gate = gate.clone();
        testing(move |connection| greet_and_wait(&gate, connection))
    };
    let turns = handler.turns.clone();
    let mut server = bind::<ThreadPool, _>(handler);
    server.max_connections = 3;
    let running = Running::start(server);
    let mut busy = [(); 3].map(|()| running.connect());
    for client in &mut busy {
        assert_eq!(client.read_line(), "begun");
    }
    turns.so_far();
    let mut waiting = running.connect();
    // The rest that is on then lasts from 1,275 ms to 2,275, or later on a busy machine.
    waiting.hears_nothing_for(Duration::from_millis(1_350));
    let turns = turns.so_far().len();
    assert!(turns <= 24, "it spins: {turns}");
    gate.let_through(1);
    // An end is noticed when it comes, not when the rest is over.
    assert!(waiting.hears(Duration::from_millis(850)));
    assert_eq!(waiting.read_line(), "begun");
    gate.let_through(3);
    for client in busy.iter_mut().chain([&mut waiting]) {
        assert_eq!(client.read_to_end(), "ended\n");
    }
}

#[test]
fn beyond_the_maximum_clients_can_be_made_to_wait_for_the_idle() {
    let mut server = bind::<Sequential, _>(testing(echo_lines).client_speaks_first());
    (server.max_connections, server.overload) = (2, Overload::Wait);
    let running = Running::start(server);
    let mut idle = [(); 2].map(|()| running.connect());
    for client in &mut idle {
        assert_eq!(client.ask("ping"), "ping");
    }
    let mut waiting = running.connect();
    waiting.send("ping\n");
    waiting.hears_nothing_for(MOMENT);
    for client in &mut idle {
        assert_eq!(client.ask("ping"), "ping");
    }
    drop(idle);
    assert_eq!(waiting.read_line(), "ping");
}

#[test]
fn beyond_the_maximum_clients_can_be_refused() {
    let gate = Gate::new();
    let handler = {
        let gate = gate.clone();
        testing(move |connection| greet_and_wait(&gate, connection))
    };
    let mut server = bind::<ThreadPool, _>(handler);
    (server.max_connections, server.overload) = (2, Overload::Refuse);
    let running = Running::start(server);
    let mut busy = [(); 2].map(|()| running.connect());
    for client in &mut busy {
        assert_eq!(client.read_line(), "begun");
    }
    for _ in 0..20 {
        running.connect().sees_the_end();
    }
    gate.let_through(2);
    for client in &mut busy {
        assert_eq!(client.read_to_end(), "ended\n");
    }
    gate.let_through(1);
    eventually(|| running.connect().read_to_end() == "begun\nended\n");
}

#[test]
fn beyond_the_maximum_http_clients_are_told_when_to_come_again() {
    let gate = Gate::new();
    let handler = {
        let gate = gate.clone();
        answering(move |http| {
            gate.pass();
            answer(http, "served\n")
        })
    };
    let mut server = bind::<ThreadPool, _>(handler);
    (server.max_connections, server.overload) = (1, Overload::Refuse);
    let running = Running::start(server);
    let mut busy = running.connect();
    busy.send("GET / HTTP/1.0\r\n\r\n");
    // The first of them to be refused shows that the busy one has its place.
    let reply = running.connect().read_to_end();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{head}");
    assert!(head.contains("\r\nRetry-After: 1\r\n"), "{head}");
    assert!(head.contains("\r\nConnection: close\r\n"), "{head}");
    assert_eq!(body, "");
    // Those who do not go leave no room for more of them.
    let mut lingering = [(); 8].map(|()| running.connect());
    let told = lingering.iter_mut().map(|client| client.read_to_end());
    assert!(told.filter(String::is_empty).count() >= 6);
    gate.let_through(1);
    assert!(busy.read_to_end().ends_with("served\n"));
}

#[test]
fn the_maximum_holds_over_many_clients() {
    const CLIENTS: usize = 50;
    let open = Notes::new();
    let handler = {
        let open = open.clone();
        testing(move |mut connection: Connection| {
            open.add(());
            connection.wfile.write_all(b"served\n")
        })
    };
    let mut server = bind::<ThreadPool, _>(handler);
    server.max_connections = 2;
    let running = Running::start(server);
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| running.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.read_to_end(), "served\n");
    }
    assert_eq!(open.so_far().len(), CLIENTS);
}

#[test]
fn the_default_maximum_follows_the_limit_of_descriptors() {
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let server = bind::<Sequential, _>(testing(echo_lines));
    let expected = usize::try_from(soft / 4 * 3).unwrap_or(usize::MAX);
    assert_eq!(server.max_connections, expected);
}

#[test]
fn without_descriptors_a_drain_closes_the_listener() {
    let name = "exhaustion::without_descriptors_a_drain_closes_the_listener";
    in_a_process_of_its_own(name, || {
        let (gate, begun) = (Gate::new(), Notes::new());
        let handler = {
            let (gate, begun) = (gate.clone(), begun.clone());
            testing(move |mut connection: Connection| {
                let line = read_line(&mut connection)?;
                if line == "slow\n" {
                    begun.add(());
                    gate.pass();
                }
                connection.wfile.write_all(line.as_bytes())?;
                connection.park()
            })
        };
        let mut server = bind::<ThreadPool, _>(handler.client_speaks_first());
        server.shutdown_on_signals(&[socketserver::Signal::USR1]).unwrap();
        let running = Running::start(server);
        let (mut busy, mut idle) = (running.connect(), running.connect());
        assert_eq!(idle.ask("ping"), "ping");
        assert_eq!(busy.ask("ping"), "ping");
        let late = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        busy.send("slow\n");
        begun.next();
        leave_descriptors(0);
        kill(Pid::this(), Signal::SIGUSR1).unwrap();
        // Idle connections are closed after the listener.
        idle.sees_the_end();
        let error = late.connect_timeout(&running.address.into(), LIMIT).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        gate.let_through(1);
        assert_eq!(busy.read_line(), "slow");
        assert_eq!(running.wait().report.cut, 0);
    });
}
