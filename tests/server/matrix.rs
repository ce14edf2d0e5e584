//! The servers of the matrix, `tests/it/matrix.rs` and `tests/it/matrix_limits.rs`: what one
//! handler does is the same over every transport and under every strategy.

use std::fs::File;
use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::thread;
use std::time::Duration;

use socketserver::concurrency::{Concurrency, Job, Placement};
use socketserver::transport::{StreamTransport, Tcp, Transport, Unix};
use socketserver::{
    Address, Connection, Forking, Handler, PreFork, Sequential, StreamServer, ThreadPool, Timeouts,
};

use crate::limits::{MOMENT, free_path};
use crate::lines::{echo_lines, read_line};
use crate::say;

/// Serves by the handler of this kind.
pub(crate) fn serve(kind: &str, strategy: &str, transport: &str) {
    std::panic::set_hook(Box::new(|panic| {
        // Those that are asked for would only confuse people who read the output.
        let panic = panic.to_string();
        if !panic.contains("as you wish") {
            eprintln!("{panic}");
        }
    }));
    let handler = Told { kind: kind.to_owned() };
    match transport {
        "tcp" => serve_over(Tcp::bind("127.0.0.1:0").unwrap(), handler, strategy),
        "unix" => serve_over(Unix::bind(free_path()).unwrap(), handler, strategy),
        other => panic!("no transport is named {other:?}"),
    }
}

fn serve_over<T: StreamTransport>(transport: T, handler: Told, strategy: &str) {
    match strategy {
        "sequential" => serve_by(transport, handler, Sequential),
        "thread_pool" => serve_by(transport, handler, ThreadPool::default()),
        "thread_per_connection" => serve_by(transport, handler, ThreadPerConnection),
        "forking" => serve_by(transport, handler, Forking::default()),
        "pre_fork" => {
            let pool = ThreadPool::default();
            let server = StreamServer::from_transport(transport, handler, pool).unwrap();
            say_where(&server);
            PreFork::new(server).processes(2).serve_forever().unwrap();
        }
        other => panic!("no strategy is named {other:?}"),
    }
}

fn serve_by<T: StreamTransport, C: Concurrency>(transport: T, handler: Told, strategy: C) {
    let mut server = StreamServer::from_transport(transport, handler, strategy).unwrap();
    say_where(&server);
    server.serve_forever().unwrap();
}

fn say_where<T: StreamTransport, C: Concurrency>(server: &StreamServer<T, C, Told>) {
    say(server.server_address().into().to_string().trim_start_matches("unix:"));
}

/// A user's own strategy: a thread for each connection, as Python's `ThreadingMixIn` has it.
struct ThreadPerConnection;

impl Concurrency for ThreadPerConnection {
    fn process_request(&mut self, job: Job) -> io::Result<()> {
        thread::Builder::new().spawn(move || job.run()).map(drop)
    }

    fn placement(&self) -> Placement {
        Placement::OtherThread
    }
}

/// A handler that does what it was told when it was made, and tells of errors.
struct Told {
    kind: String,
}

impl Handler for Told {
    fn handle(&self, mut connection: Connection) -> io::Result<()> {
        match self.kind.as_str() {
            "copies" => io::copy(&mut connection.rfile, &mut connection.wfile).map(drop),
            "fails" | "panics twice" => fail_if_told_to(connection),
            "greets" => {
                connection.wfile.write_all(b"hello\n")?;
                read_line(&mut connection).map(drop)
            }
            "asks" => {
                connection.wfile.write_all(b"name? ")?;
                let name = read_line(&mut connection)?;
                connection.wfile.write_all(format!("hello {name}").as_bytes())
            }
            "drops" => {
                drop(connection);
                wait_for_leave();
                Ok(())
            }
            "echoes" => echo_lines(connection),
            "echoes and tells" | "echoes, hasty" => {
                say(&format!("called {}", connection.client_address));
                echo_lines(connection)
            }
            "parks" => {
                say(&format!("called {}", connection.client_address));
                let line = read_line(&mut connection)?;
                connection.wfile.write_all(line.as_bytes())?;
                if line == "quit\n" { Ok(()) } else { connection.park() }
            }
            "tells of pieces" => tell_of_pieces(connection),
            "gives away" => give_away(connection),
            "gives back" => give_back(connection),
            "sends a file" => {
                let file = numbered_file(1000);
                connection.wfile.write_all(b"<")?;
                assert_eq!(connection.wfile.send_file(&file, 8, 12)?, 12);
                assert_eq!(connection.wfile.send_file(&file, 40, 0)?, 0);
                assert_eq!(connection.wfile.send_file(&file, 400, 4)?, 4);
                connection.wfile.write_all(b">")
            }
            "sends a short file" => {
                let file = numbered_file(3);
                let sent = connection.wfile.send_file(&file, 4, 4000)?;
                let beyond = connection.wfile.send_file(&file, 4000, 1)?;
                connection.wfile.write_all(format!(" {sent} {beyond}").as_bytes())
            }
            "sends a large file" => {
                let size = read_line(&mut connection)?.trim().parse().unwrap();
                let file = numbered_file(1000);
                file.set_len(size)?;
                let sent = connection.wfile.send_file(&file, 0, size)?;
                say(&format!("sent {sent}"));
                Ok(())
            }
            "reads all" => {
                let mut body = Vec::new();
                // A line through the buffer, the rest past it.
                let line = read_line(&mut connection)?;
                connection.rfile.read_to_end(&mut body)?;
                let same = body.iter().all(|&byte| byte == b'x');
                let answer = format!("{line}{} {same}", body.len());
                connection.wfile.write_all(answer.as_bytes())
            }
            "says if late" | "says if late, patient" => say_if_late(connection),
            "waits although late" => {
                let received = connection.rfile.receive();
                if received.is_err_and(|error| error.kind() == ErrorKind::TimedOut) {
                    say("late");
                }
                connection.park_for_more()
            }
            "is not called" => panic!("there is nothing to handle"),
            "reads until it stalls" => {
                let error = read_line(&mut connection).unwrap_err();
                Err(timed_out(error))
            }
            "writes until it stalls" => {
                let error = io::copy(&mut io::repeat(b'x'), &mut connection.wfile).unwrap_err();
                Err(timed_out(error))
            }
            "sends until it stalls" => {
                let file = tempfile::tempfile()?;
                file.set_len(1 << 30)?;
                Err(timed_out(connection.wfile.send_file(&file, 0, 1 << 30).unwrap_err()))
            }
            "sets its own limits" => {
                connection.rfile.set_timeout(Some(Duration::ZERO));
                let read = read_line(&mut connection).unwrap_err();
                connection.wfile.set_timeout(Some(Duration::ZERO));
                let written = io::copy(&mut io::repeat(b'x'), &mut connection.wfile).unwrap_err();
                timed_out(read);
                Err(timed_out(written))
            }
            "refuses" => {
                connection.wfile.write_all(b"go away\n")?;
                connection.lingering_close()
            }
            other => panic!("no handler is named {other:?}"),
        }
    }

    fn handle_error(&self, client_address: &Address, error: &io::Error) {
        if self.kind == "panics twice" {
            panic!("and now this: {error}, as you wish");
        }
        say(&format!("{client_address}: {error}"));
    }

    fn timeouts(&self) -> Timeouts {
        let timeouts = Timeouts::default();
        match self.kind.as_str() {
            "says if late" | "waits although late" => timeouts.head(MOMENT),
            "says if late, patient" => timeouts.head(MOMENT * 8),
            "echoes, hasty" | "is not called" => timeouts.idle(MOMENT),
            "reads until it stalls" | "writes until it stalls" | "sends until it stalls" => {
                timeouts.stall(MOMENT)
            }
            _ => timeouts,
        }
    }

    fn client_speaks_first(&self) -> bool {
        let at_once = [
            "copies",
            "fails",
            "panics twice",
            "greets",
            "asks",
            "drops",
            "parks",
            "sends a file",
            "sends a short file",
            "reads all",
            "reads until it stalls",
            "writes until it stalls",
            "sends until it stalls",
            "sets its own limits",
        ];
        !at_once.contains(&&*self.kind)
    }
}

/// Answers lines, but fails on one that says so.
fn fail_if_told_to(mut connection: Connection) -> io::Result<()> {
    let line = read_line(&mut connection)?;
    match line.trim() {
        "fail" => Err(io::Error::other("as you wish")),
        "panic" => panic!("as you wish"),
        other => connection.wfile.write_all(format!("{other}\n").as_bytes()),
    }
}

/// Tells what has come of a line, until it is whole and is answered.
fn tell_of_pieces(mut connection: Connection) -> io::Result<()> {
    // Nothing has arrived that is not in the buffer, where the server has looked already.
    let received = connection.rfile.receive();
    if connection.rfile.unread().ends_with(b"\n") {
        return echo_lines(connection);
    }
    if matches!(received, Ok(0)) {
        return Ok(());
    }
    say(&format!("came {}", connection.rfile.unread().escape_ascii()));
    connection.park_for_more()
}

/// Answers lines; one that says so has the connection served by another thread, when the test says
/// so.
fn give_away(mut connection: Connection) -> io::Result<()> {
    let line = read_line(&mut connection)?;
    if line != "take\n" {
        return connection.wfile.write_all(line.as_bytes());
    }
    thread::spawn(move || {
        say("taken");
        wait_for_leave();
        let line = read_line(&mut connection).unwrap();
        connection.wfile.write_all(format!("taken: {line}").as_bytes()).unwrap();
    });
    Ok(())
}

/// The same, but the other thread gives the connection back.
fn give_back(mut connection: Connection) -> io::Result<()> {
    let line = read_line(&mut connection)?;
    match line.as_str() {
        "take\n" => {
            thread::spawn(move || {
                say("taken");
                wait_for_leave();
                connection.park().unwrap();
                say("given back");
            });
            Ok(())
        }
        "" => Ok(()),
        line => {
            connection.wfile.write_all(line.as_bytes())?;
            connection.park()
        }
    }
}

/// Echoes lines; tells a client that was too slow so, and what of it came.
fn say_if_late(mut connection: Connection) -> io::Result<()> {
    match connection.rfile.receive() {
        Err(error) if error.kind() == ErrorKind::TimedOut => {
            say("late");
            let mut came = vec![0; connection.rfile.unread().len()];
            connection.rfile.read_exact(&mut came)?;
            timed_out(connection.rfile.read(&mut [0]).unwrap_err());
            connection.wfile.write_all(b"late after ")?;
            connection.wfile.write_all(&came)?;
            connection.wfile.write_all(b"\n")?;
            connection.lingering_close()
        }
        _ => echo_lines(connection),
    }
}

fn timed_out(error: io::Error) -> io::Error {
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    error
}

/// A file that holds its own offsets, four digits each.
fn numbered_file(count: u32) -> File {
    let mut file = tempfile::tempfile().unwrap();
    let text: String = (0..count).map(|number| format!("{number:04}")).collect();
    file.write_all(text.as_bytes()).unwrap();
    file
}

/// Waits for a line from the test, or for its end.
fn wait_for_leave() {
    io::stdin().lock().read_until(b'\n', &mut Vec::new()).unwrap();
}
