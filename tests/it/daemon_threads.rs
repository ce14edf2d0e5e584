//! What is not waited for: requests that were cut, and those of `daemon_threads`.

use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use socketserver::concurrency::Concurrency;
use socketserver::http::{Exchange, HttpRequestHandler};
use socketserver::{
    Connection, Datagram, Forking, Handler, HttpServer, PreFork, Sequential, TcpServer, ThreadPool,
    ThreadingHttpServer, ThreadingTcpServer, ThreadingUdpServer, handler_fn,
};

use crate::support::{
    Client, Gate, LIMIT, MOMENT, Notes, PAUSE, Running, bind, bind_with, in_a_process_of_its_own,
    testing,
};
use crate::web::{Browser, answer, get};

/// A camera: a stream without an end, something that will not happen, and a way to stop.
struct Camera {
    never: Mutex<mpsc::Receiver<()>>,
    gate: Gate,
    // Kept, so that the receiver waits.
    _nothing: mpsc::Sender<()>,
}

impl Camera {
    fn new(gate: &Gate) -> Self {
        let (nothing, never) = mpsc::channel();
        Self { never: Mutex::new(never), gate: gate.clone(), _nothing: nothing }
    }
}

impl HttpRequestHandler for Camera {
    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        match http.path.as_str() {
            "/stream" => {
                http.send_response(200)?;
                http.send_header("Content-Type", "multipart/x-mixed-replace; boundary=x")?;
                http.end_headers()?;
                loop {
                    http.wfile.write_all(b"--x\r\n\r\npicture\r\n")?;
                    thread::sleep(Duration::from_millis(5));
                }
            }
            "/event" => {
                http.send_response(200)?;
                http.end_headers()?;
                http.flush_headers()?;
                self.never.lock().unwrap().recv().map_err(io::Error::other)
            }
            "/slow" => {
                http.flush_headers()?;
                self.gate.pass();
                answer(http, "done")
            }
            _ => {
                http.server.shutdown();
                answer(http, "bye")
            }
        }
    }

    fn log_message(&self, _: &Exchange<'_>, _: std::fmt::Arguments<'_>) {}
}

/// Serves to the end, and tells how long it took from the first answer that said so.
#[track_caller]
fn stops_soon(server: ThreadingHttpServer<Camera>, endless: &[&str]) {
    let address = server.server_address();
    let running = Running::start(server);
    let mut clients: Vec<Client> = Vec::new();
    for path in endless {
        let mut client = Client::connect(address);
        client.send(format!("GET {path} HTTP/1.0\r\n\r\n"));
        assert!(client.read_line().contains(" 200 "), "{path}");
        clients.push(client);
    }
    let mut browser = Browser::connect(&running);
    assert_eq!(browser.ask(get("/stop")).text(), "bye");
    let began = Instant::now();
    // The server is dropped by then.
    let stopped = running.wait();
    assert_eq!(stopped.report.cut, endless.len());
    // Python's takes no time; a second is what a person takes for none, on a machine that is free.
    assert!(began.elapsed() < LIMIT / 2, "{:?}", began.elapsed());
}

#[test]
fn a_program_ends_although_a_stream_is_open() {
    let camera = || Camera::new(&Gate::new());
    let server = || ThreadingHttpServer::bind("127.0.0.1:0", camera()).unwrap();
    stops_soon(server(), &["/stream"]);
    stops_soon(server(), &["/event"]);
    stops_soon(server(), &["/event", "/stream", "/event"]);
}

#[test]
fn requests_that_are_quick_are_finished() {
    let gate = Gate::new();
    let running = Running::start(bind::<ThreadPool, _>(Camera::new(&gate)));
    let mut browser = Browser::connect(&running);
    browser.send(get("/slow"));
    browser.client.hears_nothing_for(MOMENT);
    running.handle.shutdown();
    browser.client.hears_nothing_for(MOMENT);
    gate.let_through(1);
    assert_eq!(browser.reply().text(), "done");
    assert_eq!(running.wait().report.cut, 0);
}

/// A file that it has begun is removed, say.
#[test]
fn a_handler_that_was_cut_may_clean_up() {
    let cleaned = Arc::new(Mutex::new(false));
    let note = Arc::clone(&cleaned);
    let handler = handler_fn(move |mut connection: Connection| {
        connection.wfile.write_all(b"begun\n")?;
        let cut = io::copy(&mut connection.rfile, &mut io::sink());
        thread::sleep(MOMENT * 3);
        *note.lock().unwrap() = true;
        cut.map(drop)
    });
    let mut server = bind::<ThreadPool, _>(handler);
    server.shutdown_timeout = MOMENT;
    let running = Running::start(server);
    let mut client = Client::connect(running.address);
    assert_eq!(client.read_line(), "begun");
    running.handle.shutdown();
    assert_eq!(running.wait().report.cut, 1);
    assert!(*cleaned.lock().unwrap());
}

#[test]
fn a_signal_lets_requests_take_their_time() {
    in_a_process_of_its_own("daemon_threads::a_signal_lets_requests_take_their_time", || {
        let gate = Gate::new();
        let mut server = bind::<ThreadPool, _>(Camera::new(&gate));
        server.shutdown_on_signals(&[socketserver::Signal::TERM]).unwrap();
        let running = Running::start(server);
        let mut browser = Browser::connect(&running);
        browser.send(get("/slow"));
        browser.client.hears_nothing_for(MOMENT);
        nix::sys::signal::raise(Signal::SIGTERM).unwrap();
        // Longer than they have where the program stops the server.
        browser.client.hears_nothing_for(MOMENT * 16);
        gate.let_through(1);
        assert_eq!(browser.reply().text(), "done");
        assert_eq!(running.wait().report.cut, 0);
    });
}

#[test]
fn they_may_be_told_apart() {
    let gate = Gate::new();
    let mut server = bind::<ThreadPool, _>(Camera::new(&gate));
    server.daemon_threads = false;
    let running = Running::start(server);
    let mut browser = Browser::connect(&running);
    browser.send(get("/slow"));
    browser.client.hears_nothing_for(MOMENT);
    running.handle.shutdown();
    browser.client.hears_nothing_for(MOMENT * 16);
    gate.let_through(1);
    assert_eq!(browser.reply().text(), "done");
    assert_eq!(running.wait().report.cut, 0);
}

#[test]
fn http_on_threads_has_them_as_in_cpython() {
    let hello = || handler_fn(|_: Connection| Ok(()));
    let camera = || Camera::new(&Gate::new());
    let any = "127.0.0.1:0";
    assert!(ThreadingHttpServer::bind(any, camera()).unwrap().daemon_threads);
    assert!(bind::<ThreadPool, _>(Arc::new(camera()) as Arc<dyn Handler>).daemon_threads);
    assert!(!HttpServer::bind(any, camera()).unwrap().daemon_threads);
    assert!(!bind::<Forking, _>(camera()).daemon_threads);
    assert!(!ThreadingTcpServer::bind(any, hello()).unwrap().daemon_threads);
    let echo = handler_fn(|datagram: Datagram| datagram.reply(&datagram.packet));
    assert!(!ThreadingUdpServer::bind(any, echo).unwrap().daemon_threads);
}

#[test]
fn a_server_that_is_dropped_finishes_what_is_quick_and_leaves_the_rest() {
    let gate = Gate::new();
    let mut server = ThreadingHttpServer::bind("127.0.0.1:0", Camera::new(&gate)).unwrap();
    let address = server.server_address();
    let mut client = Client::connect(address);
    client.send("GET /slow HTTP/1.0\r\n\r\n");
    server.handle_request().unwrap();
    let opener = thread::spawn({
        let gate = gate.clone();
        move || {
            thread::sleep(MOMENT);
            gate.let_through(1);
        }
    });
    drop(server);
    opener.join().unwrap();
    assert!(client.read_to_end().ends_with("done"));

    let mut server = ThreadingHttpServer::bind("127.0.0.1:0", Camera::new(&gate)).unwrap();
    let mut client = Client::connect(server.server_address());
    client.send("GET /event HTTP/1.0\r\n\r\n");
    server.handle_request().unwrap();
    assert!(client.read_line().contains(" 200 "));
    let began = Instant::now();
    drop(server);
    assert!(began.elapsed() < LIMIT / 2, "{:?}", began.elapsed());
}

/// Waits for something that will not happen, whatever becomes of its connection.
fn stuck(notes: &Notes<()>) -> impl Handler + use<> {
    let (nothing, never) = mpsc::channel::<()>();
    let (nothing, never) = (Mutex::new(nothing), Mutex::new(never));
    let notes = notes.clone();
    testing(move |_connection: Connection| {
        let _kept = &nothing;
        notes.add(());
        never.lock().unwrap().recv().map_err(io::Error::other)
    })
}

#[test]
fn what_was_cut_is_not_joined() {
    let notes = Notes::new();
    let mut server = bind_with(stuck(&notes), ThreadPool::default().max_threads(2));
    assert!(!server.daemon_threads);
    server.shutdown_timeout = MOMENT;
    let running = Running::start(server);
    let mut clients = [(); 4].map(|()| running.connect());
    // Two run, and two wait for a thread that will not come.
    notes.next();
    notes.next();
    clients[3].hears_nothing_for(MOMENT);
    let stopped = running.stop();
    assert_eq!((stopped.report.finished, stopped.report.cut), (0, 4));
    for client in &mut clients {
        client.sees_the_end();
    }
}

#[test]
fn a_datagram_that_was_cut_is_not_joined() {
    let (nothing, never) = mpsc::channel::<()>();
    let never = Mutex::new(never);
    let notes = Notes::new();
    let begun = notes.clone();
    let handler = handler_fn(move |_: Datagram| {
        begun.add(());
        never.lock().unwrap().recv().map_err(io::Error::other)
    });
    let mut server = ThreadingUdpServer::bind("127.0.0.1:0", handler).unwrap();
    server.shutdown_timeout = MOMENT;
    let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    client.send_to(b"x", server.server_address()).unwrap();
    let running = Running::start(server);
    notes.next();
    assert_eq!(running.stop().report.cut, 1);
    drop(nothing);
}

/// This test in a process that signals end: what it prints is read up to each of these lines, after
/// which the signal is sent. Returns the one that ended it.
#[track_caller]
fn ended_by(test: &str, steps: &[(&str, Signal)]) -> Option<i32> {
    ended_by_as("yes", test, steps)
}

/// As that, and the test finds the mark there.
#[track_caller]
fn ended_by_as(mark: &str, test: &str, steps: &[(&str, Signal)]) -> Option<i32> {
    use std::io::BufRead;

    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(MARK, mark)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid = Pid::from_raw(process.id().try_into().unwrap());
    let (lines, said) = mpsc::channel();
    let output = io::BufReader::new(process.stdout.take().unwrap());
    let reader = thread::spawn(move || {
        output.lines().map_while(Result::ok).for_each(|line| drop(lines.send(line)));
    });
    for (line, signal) in steps {
        while !line.is_empty() && said.recv_timeout(LIMIT).expect("a line comes") != *line {}
        kill(pid, *signal).unwrap();
        // Two that come together are one.
        thread::sleep(PAUSE);
    }
    let began = Instant::now();
    let status = loop {
        match process.try_wait().unwrap() {
            Some(status) => break status.signal(),
            None if began.elapsed() < LIMIT => thread::sleep(MOMENT / 10),
            None => {
                process.kill().unwrap();
                break Some(process.wait().unwrap().signal().unwrap());
            }
        }
    };
    reader.join().unwrap();
    status
}

const MARK: &str = "SOCKETSERVER_TEST_OF_SIGNALS";

fn say(line: &str) {
    println!("\n{line}");
    io::stdout().flush().unwrap();
}

const INT: Signal = Signal::SIGINT;
const TERM: Signal = Signal::SIGTERM;

/// The loop has ended, and the program does not.
#[test]
fn a_signal_after_the_one_that_cuts_ends_the_process() {
    if std::env::var_os(MARK).is_none() {
        let name = "daemon_threads::a_signal_after_the_one_that_cuts_ends_the_process";
        let steps = [("begun", INT), ("", TERM), ("ended", INT)];
        assert_eq!(ended_by(name, &steps), Some(INT as i32));
        return;
    }
    let notes = Notes::new();
    let mut server = bind::<ThreadPool, _>(stuck(&notes));
    server.shutdown_timeout = LIMIT * 10;
    server.shutdown_on_signals(&[socketserver::Signal::INT, socketserver::Signal::TERM]).unwrap();
    let _client = Client::connect(server.server_address());
    let begun = thread::spawn(move || {
        notes.next();
        say("begun");
    });
    server.serve_forever().unwrap();
    begun.join().unwrap();
    say("ended");
    drop(server);
    thread::sleep(LIMIT * 10);
}

/// As `timeout` signals a process and then its group, to a server that has nothing to finish.
#[test]
fn a_signal_together_with_the_one_that_has_ended_the_loop_ends_no_process() {
    let name =
        "daemon_threads::a_signal_together_with_the_one_that_has_ended_the_loop_ends_no_process";
    in_a_process_of_its_own(name, || {
        let mut server = bind::<ThreadPool, _>(testing(|connection: Connection| connection.park()));
        server
            .shutdown_on_signals(&[socketserver::Signal::INT, socketserver::Signal::TERM])
            .unwrap();
        nix::sys::signal::raise(TERM).unwrap();
        server.serve_forever().unwrap();
        for signal in [TERM, INT] {
            nix::sys::signal::raise(signal).unwrap();
        }
        drop(server);
        nix::sys::signal::raise(TERM).unwrap();
    });
}

/// The loop itself is stuck, and hears of nothing.
#[test]
fn a_third_signal_that_no_loop_hears_ends_the_process() {
    if std::env::var_os(MARK).is_none() {
        let name = "daemon_threads::a_third_signal_that_no_loop_hears_ends_the_process";
        let steps = [("begun", INT), ("", TERM), ("", INT)];
        assert_eq!(ended_by(name, &steps), Some(INT as i32));
        return;
    }
    let notes = Notes::new();
    let mut server = bind::<Sequential, _>(stuck(&notes));
    server.shutdown_on_signals(&[socketserver::Signal::INT, socketserver::Signal::TERM]).unwrap();
    let _client = Client::connect(server.server_address());
    thread::spawn(move || {
        notes.next();
        say("begun");
    });
    server.serve_forever().unwrap();
}

/// A signal that was watched for a server that is gone, also while its strategy is waited for.
#[test]
fn a_signal_ends_the_process_when_its_server_is_gone() {
    if std::env::var_os(MARK).is_none() {
        let name = "daemon_threads::a_signal_ends_the_process_when_its_server_is_gone";
        // The first one may come while the server is still there.
        assert_eq!(ended_by(name, &[("gone", TERM), ("", TERM)]), Some(TERM as i32));
        return;
    }
    let handler = || testing(|connection: Connection| connection.park());
    let mut first = bind::<ThreadPool, _>(handler());
    first.shutdown_on_signals(&[socketserver::Signal::TERM]).unwrap();
    drop(first);
    // Heard of by another one.
    let mut second = bind::<ThreadPool, _>(handler());
    second.shutdown_on_signals(&[socketserver::Signal::TERM]).unwrap();
    nix::sys::signal::raise(TERM).unwrap();
    second.serve_forever().unwrap();
    // A handler that goes on without its connection is waited for, as in Python.
    let notes = Notes::new();
    let mut third = bind::<ThreadPool, _>({
        let notes = notes.clone();
        testing(move |connection: Connection| {
            drop(connection);
            notes.add(());
            thread::sleep(LIMIT * 10);
            Ok(())
        })
    });
    third.shutdown_on_signals(&[socketserver::Signal::TERM]).unwrap();
    let client = Client::connect(third.server_address());
    third.handle_request().unwrap();
    notes.next();
    drop(client);
    say("gone");
    drop(third);
}

/// The first one is kept for the next loop, which may never be.
#[test]
fn a_second_signal_ends_a_process_that_is_about_to_serve() {
    let Ok(kind) = std::env::var(MARK) else {
        let name = "daemon_threads::a_second_signal_ends_a_process_that_is_about_to_serve";
        for kind in ["never served", "one request", "refused"] {
            let ended = ended_by_as(kind, name, &[("idle", TERM), ("", INT)]);
            assert_eq!(ended, Some(INT as i32), "{kind}");
        }
        return;
    };
    match &kind[..] {
        "refused" => {
            let _other = thread::spawn(thread::park);
            idle_after(Forking::default(), |server| assert!(server.handle_request().is_err()));
        }
        "one request" => idle_after(ThreadPool::default(), |server| {
            server.timeout = Some(MOMENT);
            server.handle_request().unwrap();
        }),
        _ => idle_after(ThreadPool::default(), |_| {}),
    }
}

/// There may never be another one, and `timeout` asks but once.
#[test]
fn a_signal_ends_a_process_whose_loop_was_shut_down() {
    let Ok(kind) = std::env::var(MARK) else {
        let name = "daemon_threads::a_signal_ends_a_process_whose_loop_was_shut_down";
        for kind in ["threads", "here", "processes"] {
            assert_eq!(ended_by_as(kind, name, &[("idle", TERM)]), Some(TERM as i32), "{kind}");
        }
        return;
    };
    match &kind[..] {
        "threads" => idle_after_a_loop(ThreadPool::default()),
        "here" => idle_after_a_loop(Sequential),
        _ => {
            let mut server = PreFork::new(hearing(Sequential)).allow_threads(true);
            server.shutdown_handle().shutdown();
            server.serve_forever().unwrap();
            say("idle");
            thread::sleep(LIMIT * 2);
        }
    }
}

fn idle_after_a_loop<C: Concurrency>(strategy: C) {
    idle_after(strategy, |server| {
        server.shutdown_handle().shutdown();
        server.serve_forever().unwrap();
    });
}

/// A program that has other things to do than to serve, and keeps its server.
fn idle_after<C: Concurrency>(strategy: C, act: impl FnOnce(&mut TcpServer<C, Mute>)) {
    let mut server = hearing(strategy);
    act(&mut server);
    say("idle");
    thread::sleep(LIMIT * 2);
}

fn hearing<C: Concurrency>(strategy: C) -> TcpServer<C, Mute> {
    let mut server = TcpServer::bind_with("127.0.0.1:0", Mute, strategy).unwrap();
    server.shutdown_on_signals(&[socketserver::Signal::INT, socketserver::Signal::TERM]).unwrap();
    server
}

struct Mute;

impl Handler for Mute {
    fn handle(&self, _connection: Connection) -> io::Result<()> {
        Ok(())
    }
}
