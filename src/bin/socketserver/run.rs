//! Makes a server of the command line, and serves until it is stopped.

use std::cell::Cell;
use std::io::{self, Write};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal as Numbered;
use nix::unistd::{User, geteuid};
use signal_hook::iterator::Signals;
use socketserver::http::{CgiHttpRequestHandler, HttpRequestHandler, SimpleHttpRequestHandler};
use socketserver::transport::StreamTransport;
use socketserver::{
    Address, Concurrency, Forking, Handler, PreFork, Sequential, Signal, StreamServer, TcpServer,
    ThreadPool, TlsServer, UnixStreamServer,
};

use crate::args::Args;
use crate::choices::Strategy;
use crate::handler::Files;
use crate::held_back::HeldBack;
use crate::interrupted::{self, Interrupted};
use crate::layers::wrap;
use crate::limits::raise_descriptor_limit;
use crate::listen::{Listener, NEAR, NEAR_BY_UNIT, banner, listen};
use crate::port_file::PortFile;
use crate::service::Service;
use crate::tls::{Listening, secure};
use crate::types::Types;
use crate::variable::Variable;
use crate::{complain, logger, served};

/// Serves until a signal ends it.
///
/// # Errors
///
/// The server could not start or go on. The text is the line for the user.
pub(crate) fn run(args: Args) -> io::Result<()> {
    logger::install();
    let descriptor_limit = raise_descriptor_limit();
    let mut files = served::files(&args)?;
    if args.confine {
        files = files.confined();
    }
    if args.hide_dot_files {
        files = files.hiding_dot_files();
    }
    if let Some(charset) = &args.pages.charset {
        files = files.charset(charset);
    }
    if args.pages.compress {
        files = files.precompressed();
    }
    if args.pages.spa {
        files = files.spa_fallback();
    }
    let directory = files.directory().to_owned();
    let files = files.listing(args.pages.listing.into());
    let files = args.pages.uploading.take(files);
    let files = files.with_hooks(Types::new(args.content_type.as_deref(), args.quiet));
    let scripts =
        if args.cgi { Some(scripts(&args, files.clone(), descriptor_limit)?) } else { None };
    let service = Arc::new(Service::new());
    let port_file = args.running.port_file.as_deref();
    let port_file = port_file.map(|path| Arc::new(PortFile::new(path, abrupt_signals(&args))));
    let limit = args.running.shutdown_timeout().unwrap_or(SHUTDOWN_TIMEOUT);
    let interrupted = Arc::new(Interrupted::new(limit));
    let files: Arc<dyn HttpRequestHandler> = match scripts.clone() {
        Some(scripts) => Arc::new(scripts),
        None => Arc::new(files),
    };
    let counted = args.monitoring.count(&files);
    let handler = Files {
        files: match counted.clone() {
            Some(counted) => counted,
            None => files,
        },
        counted,
        protocol_version: args.protocol_version(),
        programs: scripts.clone(),
        headers: args.headers().map_err(io::Error::other)?,
        quiet: args.quiet,
        stall: args.running.stall(),
        certificate: None,
        trusted_proxies: args.trusted_proxies(),
        service: Arc::clone(&service),
        port_file: port_file.clone(),
        interrupted: Arc::clone(&interrupted),
    };
    args.access.warn();
    args.pages.uploading.warn(&directory);
    let held_back =
        if hears_hangups(&args) { Some(HeldBack::new(Numbered::SIGHUP)?) } else { None };
    let listener = listen(&args)?;
    let held_back = Cell::new(held_back);
    let serving = Serving { args: &args, service, interrupted, port_file, held_back };
    let served = match args.concurrency {
        Strategy::Sequential => serving.serve(listener, handler, Sequential),
        Strategy::Threading => serving.serve(listener, handler, thread_pool(args.max_threads)),
        Strategy::Forking => serving.serve(listener, handler, forking(args.max_children)),
    };
    if let Some(scripts) = scripts {
        // Threads that were cut off are not waited for, but their programs must not outlive them.
        scripts.end_scripts();
    }
    served
}

/// Serves, whatever the socket and the strategy.
struct Serving<'a> {
    args: &'a Args,
    service: Arc<Service>,
    interrupted: Arc<Interrupted>,
    port_file: Option<Arc<PortFile>>,
    /// From when clients can connect until the server hears of it.
    held_back: Cell<Option<HeldBack>>,
}

impl Serving<'_> {
    fn serve<C: Concurrency>(
        &self,
        listener: Listener,
        mut handler: Files,
        strategy: C,
    ) -> io::Result<()> {
        let root = self.args.pages.root();
        let (transport, near) = match listener {
            Listener::Tcp(transport) => (transport, NEAR),
            Listener::Inherited(transport) => (transport, NEAR_BY_UNIT),
            Listener::Unix(transport) => {
                let handler = wrap(self.args, handler)?;
                let server = UnixStreamServer::from_transport(transport, handler, strategy)?;
                let banner = banner(&server.server_address().into(), false, &root);
                return self.serve_with(server, &banner);
            }
        };
        match secure(self.args, transport)? {
            Listening::Plain(transport) => {
                let handler = wrap(self.args, handler)?;
                let server = TcpServer::from_transport(transport, handler, strategy)?;
                self.args.access.check_clear_text(&server.server_address().into(), near)?;
                self.check_uploads(&server.server_address().into(), near)?;
                let banner = banner(&server.server_address().into(), false, &root);
                self.serve_with(server, &banner)
            }
            Listening::Secure(transport, notice) => {
                handler.certificate = Some(transport.reload_handle());
                let handler = wrap(self.args, handler)?;
                let server = TlsServer::from_transport(transport, handler, strategy)?;
                self.check_uploads(&server.server_address().into(), near)?;
                let banner = banner(&server.server_address().into(), true, &root);
                self.serve_with(server, &(banner + &notice.unwrap_or_default()))
            }
        }
    }

    fn check_uploads(&self, address: &Address, near: &str) -> io::Result<()> {
        let asks_for_password = self.args.access.asks_for_password();
        self.args.pages.uploading.check_reach(address, asks_for_password, near)
    }

    fn serve_with<T, C>(
        &self,
        mut server: StreamServer<T, C, Arc<dyn Handler>>,
        banner: &str,
    ) -> io::Result<()>
    where
        T: StreamTransport,
        C: Concurrency,
    {
        server.overload = self.args.running.overload();
        if let Some(time) = self.args.running.shutdown_timeout() {
            server.shutdown_timeout = time;
        }
        server.poll_interval = self.service.interval();
        if let Some(most) = self.args.running.max_connections {
            server.max_connections = most as usize;
        }
        server.shutdown_on_signals(&[Signal::INT, Signal::TERM])?;
        if hears_hangups(self.args) {
            server.watch_signals(&[Signal::HUP])?;
        }
        // One that came meanwhile is heard now.
        drop(self.held_back.take());
        // Its loop hears no signal during a request.
        let is_deaf =
            self.args.concurrency == Strategy::Sequential && self.args.processes.is_none();
        if let Some(port_file) = &self.port_file {
            if !is_deaf {
                server.watch_signals_here(port_file.signals())?;
            }
            port_file.write(&server.info())?;
        }
        let served = match self.args.processes {
            Some(processes) => {
                let mut server = PreFork::new(server).processes(processes as usize);
                announce(banner);
                // The loop says that clients are served, once they are.
                server.serve_forever().map(|()| server.shutdown_report())
            }
            None => {
                // A supervisor handles signals at any time, and ends its processes first.
                if is_deaf {
                    self.hear_at_once()?;
                }
                announce(banner);
                self.service.ready();
                server.serve_forever().map(|()| server.shutdown_report())
            }
        };
        if let Some(port_file) = &self.port_file {
            port_file.remove();
        }
        let report = served.map_err(|error| io::Error::other(format!("cannot serve: {error}")))?;
        report_cut_connections(report.cut);
        Ok(())
    }

    /// Does at once what the loop of a sequential server would do when its request is over: prints
    /// the message about Ctrl-C, and removes the port file before a signal ends the process.
    fn hear_at_once(&self) -> io::Result<()> {
        let (interrupted, port_file) = (Arc::clone(&self.interrupted), self.port_file.clone());
        let abrupt = port_file.as_ref().map_or(&[][..], |port_file| port_file.signals());
        // A signal that was ignored when the command was started stays ignored.
        let heard = [Signal::INT].iter().chain(abrupt).filter(|signal| !signal.is_ignored());
        // Counted in memory, not by what is written to a pipe: a copy of this process that is about
        // to execute a program has the pipe as well, and signals to all processes come to it, too.
        let mut signals = Signals::new(heard.map(|signal| signal.number()))?;
        let hear = move || {
            for signal in signals.forever().filter_map(|number| Signal::try_from(number).ok()) {
                match &port_file {
                    _ if signal == Signal::INT => {
                        interrupted.say();
                        let interrupted = Arc::clone(&interrupted);
                        // Without a thread the line is missing, and nothing else.
                        let _ = thread::Builder::new().spawn(move || {
                            thread::sleep(interrupted::MOMENT);
                            interrupted.say_what_is_waited_for();
                        });
                    }
                    Some(port_file) => port_file.end_by(signal),
                    None => {}
                }
            }
        };
        thread::Builder::new().spawn(hear).map(drop)
    }
}

/// The default of `Server::shutdown_timeout`.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);

/// Tells whether SIGHUP has something to read.
fn reads_again(args: &Args) -> bool {
    args.is_secure() || args.access.has_files() || args.pages.has_files()
}

/// Tells whether SIGHUP does anything but end the server.
fn hears_hangups(args: &Args) -> bool {
    // A supervisor replaces its processes.
    reads_again(args) || args.processes.is_some()
}

/// The signals that end the server at once, without being asked for anything.
fn abrupt_signals(args: &Args) -> Vec<Signal> {
    let mut signals = vec![Signal::QUIT, Signal::USR1, Signal::USR2];
    let others = [Numbered::SIGALRM, Numbered::SIGVTALRM, Numbered::SIGPROF, Numbered::SIGXCPU];
    signals.extend(others.iter().filter_map(|&timer| Signal::try_from(timer as i32).ok()));
    if !hears_hangups(args) {
        signals.push(Signal::HUP);
    }
    signals
}

/// A handler that runs programs as the command line says.
fn scripts(
    args: &Args,
    files: SimpleHttpRequestHandler<Types>,
    descriptor_limit: Option<u64>,
) -> io::Result<CgiHttpRequestHandler<Types>> {
    let mut scripts = CgiHttpRequestHandler::from(files)
        .descriptor_limit(descriptor_limit)
        .environment(args.cgi_env.iter().filter_map(Variable::value));
    if let Some(seconds) = args.cgi_timeout {
        scripts = scripts.timeout((seconds > 0).then(|| Duration::from_secs(seconds.into())));
    }
    if let Some(user) = &args.cgi_user {
        check_user(user)?;
        scripts = scripts.user(user.as_str());
    }
    if let Some(bytes) = args.cgi_chunked_limit {
        scripts = scripts.chunked_body_limit((bytes > 0).then_some(bytes));
    }
    Ok(scripts)
}

/// Checks that programs can run as this user: only root can run them as another one.
fn check_user(name: &str) -> io::Result<()> {
    let found = User::from_name(name).ok().flatten();
    let user = found.ok_or_else(|| {
        io::Error::other(format!("there is no user '{name}'; name another one with --cgi-user"))
    })?;
    if geteuid().is_root() || user.uid == geteuid() {
        return Ok(());
    }
    let other = if user.uid.is_root() { String::new() } else { format!(" or as '{name}'") };
    let message = format!("cannot run programs as '{name}'; start the server as root{other}");
    Err(io::Error::other(message))
}

fn thread_pool(max_threads: Option<u32>) -> ThreadPool {
    // Requests that still run after the drain were cut off; the process does not wait for them.
    let pool = ThreadPool::default().block_on_close(false);
    match max_threads {
        Some(max_threads) => pool.max_threads(max_threads as usize),
        None => pool,
    }
}

fn forking(max_children: Option<u32>) -> Forking {
    match max_children {
        Some(max_children) => Forking::default().max_children(max_children as usize),
        None => Forking::default(),
    }
}

/// Prints the banner at once: scripts wait for it to learn the port.
fn announce(banner: &str) {
    let mut output = io::stdout().lock();
    // Standard output may be closed. The files are served anyway.
    let _ = output.write_all(banner.as_bytes()).and_then(|()| output.flush());
}

fn report_cut_connections(count: usize) {
    match count {
        0 => {}
        1 => complain(&"1 connection was cut off"),
        count => complain(&format_args!("{count} connections were cut off")),
    }
}
