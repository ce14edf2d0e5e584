//! The server under observation, in a process of its own. It says at once who serves, then works.

use std::io::{self, Write};
use std::process;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use std::{fmt, hint, mem};

use nix::sys::resource::{Resource, setrlimit};
use socketserver::http::url::parse_qs;
use socketserver::http::{Exchange, HttpRequestHandler, Status};
use socketserver::{
    Concurrency, Forking, HttpServer, PreFork, Sequential, Signal, TcpServer, ThreadPool,
};

use crate::own_strategy::ThreadingMixIn;
use crate::script::MOST_MIB;
use crate::strategy::Strategy;
use crate::{Failure, clock};

const ADDRESS: &str = "127.0.0.1:0";

/// What [`What::Big`](crate::script::What::Big) asks for: more than the kernel buffers.
static PIECE: [u8; 64 << 10] = [b'.'; 64 << 10];
const PIECES: usize = 256;

#[derive(Default)]
struct Lab {
    visits: AtomicUsize,
    /// In MiB, those that were too many included.
    leaked: AtomicU64,
}

impl HttpRequestHandler for Lab {
    fn do_post(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        self.do_get(http)
    }

    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        if http.headers.get("X-Lab").is_none() {
            // A page of another site could have this process end.
            return self.send_error(http, Status::FORBIDDEN, None, None);
        }
        let query = http.target().query().unwrap_or_default().to_owned();
        let query = parse_qs(&query);
        let number = |name: &str| query.first(name).and_then(|value| value.parse::<u64>().ok());
        let name = thread::current().name().unwrap_or("unnamed").to_owned();
        http.send_response(200)?;
        http.send_header("Content-Type", "text/plain")?;
        http.send_header("X-Worker", format!("{} {name}", process::id()))?;
        http.send_header("X-Began", clock::now())?;
        if number("count").is_some() {
            let visit = self.visits.fetch_add(1, Ordering::Relaxed) + 1;
            http.send_header("X-Note", format!("visit {visit}"))?;
        }
        http.end_headers()?;
        http.flush_headers()?; // The client sees that its turn has come.
        if let Some(time) = number("sleep") {
            thread::sleep(Duration::from_millis(time));
        }
        if let Some(time) = number("spin") {
            let end = clock::computed() + 1000 * time;
            while clock::computed() < end {
                hint::spin_loop();
            }
        }
        if let Some(size) = number("leak") {
            let leaked = self.leaked.fetch_add(size.min(MOST_MIB), Ordering::Relaxed) + size;
            if leaked <= MOST_MIB {
                let size = usize::try_from(size << 20).unwrap_or(0);
                mem::forget(hint::black_box(vec![1_u8; size]));
            }
        }
        if number("panic").is_some() {
            panic!("a client asked for it");
        }
        if number("abort").is_some() {
            process::abort();
        }
        if number("big").is_some() {
            for _ in 0..PIECES {
                http.wfile.write_all(&PIECE)?;
            }
        }
        writeln!(http.wfile, "\nended {}", clock::now())
    }

    fn log_message(&self, _: &Exchange<'_>, _: fmt::Arguments<'_>) {}
}

/// Serves until it is ended; prints the address first.
pub(crate) fn serve(strategy: &str) -> Result<(), Failure> {
    setrlimit(Resource::RLIMIT_CORE, 0, 0).map_err(io::Error::from)?; // It may be asked to abort.
    match strategy.parse()? {
        Strategy::Sequential => one_server(Sequential),
        Strategy::Threading(None) => one_server(ThreadPool::default()),
        Strategy::Threading(Some(threads)) => {
            one_server(ThreadPool::default().max_threads(threads))
        }
        Strategy::Forking => one_server(Forking::default()),
        Strategy::Own => one_server(ThreadingMixIn::default()),
        Strategy::PreFork(processes) => {
            let server = PreFork::<HttpServer<_>>::bind(ADDRESS, Lab::default())?;
            let mut server = server.processes(processes);
            server.shutdown_on_signals(&[Signal::TERM])?;
            say(&server.server_address())?;
            Ok(server.serve_forever()?)
        }
        Strategy::Python(_) | Strategy::Run(_) => {
            Err(Failure(format!("'{strategy}' is not served here")))
        }
    }
}

fn one_server(strategy: impl Concurrency) -> Result<(), Failure> {
    let mut server = TcpServer::bind_with(ADDRESS, Lab::default(), strategy)?;
    server.shutdown_on_signals(&[Signal::TERM])?;
    say(&server.server_address())?;
    Ok(server.serve_forever()?)
}

fn say(address: &dyn fmt::Display) -> io::Result<()> {
    println!("{address}");
    io::stdout().flush()
}
