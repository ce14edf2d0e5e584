//! The servers of `tests/forking/descriptors.rs`: their handlers open files in children, and keep
//! them.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use socketserver::concurrency::{Concurrency, Drain, Job, Placement};
use socketserver::{
    Address, Connection, Datagram, Forking, ForkingUnixDatagramServer, Handler, Overload,
    ShutdownHandle, TcpServer, UdpServer,
};

use crate::limits::{FILES, LIMIT, MOMENT, free_path};
use crate::{install_logger, read_line, say, serve_prepared};

/// Serves by a handler that keeps files open.
pub(crate) fn serve(kind: &str, directory: &str) {
    install_logger();
    let handler = Keeper { directory: directory.into() };
    match kind {
        "one child" => serve_over_tcp(handler, Forking::default().max_children(1), |_| {}),
        "plain" => serve_over_tcp(handler, Forking::default(), |_| {}),
        "misplaced" => serve_over_tcp(handler, Misplaced::default(), |_| {}),
        "at the end" => {
            let mut server =
                TcpServer::bind_with("127.0.0.1:0", handler, AtTheEnd::default()).unwrap();
            server.shutdown_timeout = MOMENT;
            say(&server.server_address().to_string());
            HANDLE.set(server.shutdown_handle()).unwrap();
            server.serve_forever().unwrap();
            say("report: of a loop");
            thread::sleep(LIMIT);
        }
        "later" => serve_over_tcp(handler, Later::default(), |_| {}),
        "four connections" => serve_over_tcp(handler, Forking::default(), |server| {
            server.overload = Overload::Wait;
            server.max_connections = 4;
        }),
        "twice" => {
            let mut server =
                TcpServer::bind_with("127.0.0.1:0", handler, Forking::default()).unwrap();
            say(&server.server_address().to_string());
            for _ in 0..2 {
                server.serve_forever().unwrap();
                say("report: of a loop");
            }
        }
        "one request" => {
            let mut server =
                TcpServer::bind_with("127.0.0.1:0", handler, Forking::default()).unwrap();
            say(&server.server_address().to_string());
            server.handle_request().unwrap();
            server.handle_request().unwrap();
            say("report: two calls");
        }
        "udp" => serve_prepared(
            UdpServer::bind_with("127.0.0.1:0", handler, Forking::default()).unwrap(),
        ),
        "unix datagrams" => {
            serve_prepared(ForkingUnixDatagramServer::bind(free_path(), handler).unwrap());
        }
        other => panic!("what is {other:?}?"),
    }
}

fn serve_over_tcp<C: Concurrency>(
    handler: Keeper,
    strategy: C,
    prepare: impl FnOnce(&mut TcpServer<C, Keeper>),
) {
    let mut server = TcpServer::bind_with("127.0.0.1:0", handler, strategy).unwrap();
    prepare(&mut server);
    serve_prepared(server);
}

/// Opens files in the child, keeps them, and writes into the first one.
struct Keeper {
    directory: PathBuf,
}

impl Keeper {
    fn note(&self, line: &str) {
        static KEPT: OnceLock<Vec<Mutex<File>>> = OnceLock::new();
        let open = |number: usize| {
            let path = self.directory.join(number.to_string());
            Mutex::new(OpenOptions::new().create(true).append(true).open(path).unwrap())
        };
        let kept = KEPT.get_or_init(|| (0..FILES).map(open).collect());
        writeln!(kept[0].lock().unwrap(), "{line}").unwrap();
    }
}

impl Handler for Keeper {
    fn handle(&self, mut connection: Connection) -> io::Result<()> {
        let line = read_line(&mut connection)?;
        if line.is_empty() {
            return Ok(());
        }
        self.note(&line);
        match line.as_str() {
            "slow" => {
                writeln!(connection.wfile, "{}", std::process::id())?;
                read_line(&mut connection)?;
                connection.wfile.write_all(b"done\n")
            }
            "shutdown" => {
                connection.server.shutdown();
                let asked = connection.server.shutdown_handle().is_shutdown_requested();
                writeln!(connection.wfile, "asked {asked}")
            }
            _ => connection.wfile.write_all(b"noted\n"),
        }
    }

    fn verify_request(&self, _: &Connection, client_address: &Address) -> bool {
        say(&format!("accepted {client_address}"));
        true
    }

    fn handle_error(&self, _: &Address, error: &io::Error) {
        say(&format!("error: {error}"));
    }

    fn client_speaks_first(&self) -> bool {
        true
    }
}

impl Handler<Datagram> for Keeper {
    fn handle(&self, datagram: Datagram) -> io::Result<()> {
        self.note(&String::from_utf8_lossy(&datagram.packet));
        datagram.server.shutdown();
        let asked = datagram.server.shutdown_handle().is_shutdown_requested();
        datagram.reply(format!("asked {asked}").as_bytes())
    }
}

/// Forking, but not at once.
#[derive(Default)]
struct Later {
    forking: Forking,
    jobs: Vec<Job>,
}

impl Concurrency for Later {
    fn process_request(&mut self, job: Job) -> io::Result<()> {
        self.jobs.push(job);
        Ok(())
    }

    fn server_activate(&mut self) -> io::Result<()> {
        self.forking.server_activate()
    }

    fn service_actions(&mut self) -> Option<Duration> {
        for job in self.jobs.drain(..) {
            self.forking.process_request(job).unwrap();
        }
        self.forking.service_actions()
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

    fn server_close(&mut self, drain: Drain) -> usize {
        self.forking.server_close(drain)
    }
}

/// Forking, when the loop ends, which the first job has it do.
#[derive(Default)]
struct AtTheEnd {
    forking: Forking,
    jobs: Vec<Job>,
}

static HANDLE: OnceLock<ShutdownHandle> = OnceLock::new();

impl Concurrency for AtTheEnd {
    fn process_request(&mut self, job: Job) -> io::Result<()> {
        self.jobs.push(job);
        HANDLE.get().unwrap().shutdown();
        Ok(())
    }

    fn server_activate(&mut self) -> io::Result<()> {
        self.forking.server_activate()
    }

    fn placement(&self) -> Placement {
        self.forking.placement()
    }

    fn server_close(&mut self, _: Drain) -> usize {
        for job in self.jobs.drain(..) {
            self.forking.process_request(job).unwrap();
        }
        0
    }
}

/// Forking, by a strategy that does not say where it runs jobs.
#[derive(Default)]
struct Misplaced(Forking);

impl Concurrency for Misplaced {
    fn process_request(&mut self, job: Job) -> io::Result<()> {
        self.0.process_request(job)
    }
}
