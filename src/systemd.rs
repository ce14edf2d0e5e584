//! The supervisor around a server: systemd, or whatever speaks its protocol.
//!
//! Sockets that it has opened ([`listen_fds`]), messages to it ([`notify`]), and its watchdog
//! ([`Watchdog`]). In a program that was started in another way all this does nothing. Python has
//! it in modules of their own (`systemd.daemon`), whose names are kept.
//!
//! # Examples
//!
//! ```no_run
//! use socketserver::http::SimpleHttpRequestHandler;
//! use socketserver::systemd::{self, Socket, State};
//! use socketserver::transport::TcpBind;
//! use socketserver::{Signal, ThreadingHttpServer};
//!
//! let files = SimpleHttpRequestHandler::new("/srv/www");
//! let place = match systemd::listen_fds()?.pop().map(|inherited| inherited.socket) {
//!     Some(Socket::Tcp(listener)) => TcpBind::from_socket(listener),
//!     _ => TcpBind::new("127.0.0.1:8000"),
//! };
//! let mut server = ThreadingHttpServer::bind(place, files)?;
//! server.shutdown_on_signals(&[Signal::INT, Signal::TERM])?;
//! systemd::notify(&[State::Ready])?;
//! server.serve_forever()?;
//! # std::io::Result::Ok(())
//! ```

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::process;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{getsockopt, sockopt::AcceptConn};
use sd_notify::NotifyState;
use socket2::{Domain, SockAddr, Type};

use crate::sys;

/// A socket that was opened before this program was started.
#[derive(Debug)]
#[non_exhaustive]
pub struct Inherited {
    /// Its name, `FileDescriptorName=` in the socket's unit; `unknown` where it has no name.
    pub name: String,
    /// The socket.
    pub socket: Socket,
}

/// The kinds of sockets that a server can be made of, by `TcpBind::from_socket` and its like.
#[derive(Debug)]
#[non_exhaustive]
pub enum Socket {
    /// `ListenStream=` with a port.
    Tcp(TcpListener),
    /// `ListenDatagram=` with a port.
    Udp(UdpSocket),
    /// `ListenStream=` with a path.
    Unix(UnixListener),
    /// `ListenDatagram=` with a path.
    UnixDatagram(UnixDatagram),
}

/// Takes the sockets that systemd has opened for this process, in the order of its units.
///
/// They are closed in programs that this one executes. `LISTEN_FDS`, `LISTEN_PID` and
/// `LISTEN_FDNAMES` are removed from the environment if no other thread runs; `LISTEN_PID` keeps
/// children from taking the sockets in any case. A second call finds no sockets, nor does a call in
/// a program that was not started by a socket.
///
/// # Errors
///
/// The variables contradict each other or what is open; a socket is of another kind, or a
/// connection (`Accept=yes`). Nothing stays open then.
#[doc(alias = "sd_listen_fds")]
#[doc(alias = "sd_listen_fds_with_names")]
pub fn listen_fds() -> io::Result<Vec<Inherited>> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::SeqCst) {
        return Ok(Vec::new());
    }
    let passed: Vec<_> = sd_notify::listen_fds_with_names().map_err(untaken)?.collect();
    sys::remove_variables(&["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"]);
    // All are owned before the first is looked at, so that an error closes the others, too.
    let owned = passed.into_iter().map(|(number, name)| (sys::adopt(number), name));
    let owned: Vec<_> = owned.collect();
    owned.into_iter().map(|(socket, name)| inherited(socket, name)).collect()
}

/// The error about variables that do not fit what is open.
fn untaken(error: io::Error) -> io::Error {
    let count = env::var("LISTEN_FDS").unwrap_or_default();
    let reason = match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
        Errno::EBADF => "not so many are open".to_owned(),
        _ => error.to_string(),
    };
    let text = format!("cannot take the sockets of LISTEN_FDS={}: {reason}", count.escape_debug());
    io::Error::new(error.kind(), text)
}

fn inherited(descriptor: OwnedFd, name: String) -> io::Result<Inherited> {
    let socket = socket2::Socket::from(descriptor);
    let refuse = |reason: &str| {
        let text = format!("the socket '{name}' cannot be served, it is {reason}");
        io::Error::new(io::ErrorKind::InvalidInput, text)
    };
    let kind = || Ok((domain(&socket)?, socket.r#type()?));
    let (domain, kind) =
        kind().map_err(|error: io::Error| refuse(&format!("of another kind: {error}")))?;
    let listens = kind == Type::DGRAM || getsockopt(&socket, AcceptConn).unwrap_or(false);
    let socket = match (domain, kind) {
        (Domain::IPV4 | Domain::IPV6, Type::STREAM) if listens => Socket::Tcp(socket.into()),
        (Domain::IPV4 | Domain::IPV6, Type::DGRAM) => Socket::Udp(socket.into()),
        (Domain::UNIX, Type::STREAM) if listens => Socket::Unix(socket.into()),
        (Domain::UNIX, Type::DGRAM) => Socket::UnixDatagram(socket.into()),
        (_, Type::STREAM) if socket.peer_addr().is_ok() => {
            return Err(refuse("a connection; its unit needs Accept=no"));
        }
        (_, Type::STREAM) if !listens => return Err(refuse("not listening")),
        _ => return Err(refuse("of another kind")),
    };
    Ok(Inherited { name, socket })
}

fn domain(socket: &socket2::Socket) -> io::Result<Domain> {
    Ok(Domain::from(i32::from(socket.local_addr()?.family())))
}

/// What a service tells systemd of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State<'a> {
    /// It serves: `READY=1`. After [`Reloading`](Self::Reloading) again.
    Ready,
    /// It reads its configuration again: `RELOADING=1`, with the time that `Type=notify-reload`
    /// asks for.
    Reloading,
    /// It finishes what runs and ends then: `STOPPING=1`.
    Stopping,
    /// A line for `systemctl status`: `STATUS=`. Line ends and other control characters leave as
    /// spaces, as what follows a line end would be another message.
    Status(&'a str),
}

/// Tells systemd how this service is, if it is to be told (`Type=notify`).
///
/// # Errors
///
/// The message could not be sent. A service can go on then; systemd may end it.
#[doc(alias = "sd_notify")]
pub fn notify(states: &[State<'_>]) -> io::Result<()> {
    let line = |text: &str| text.replace(char::is_control, " ");
    let lines: Vec<String> = states
        .iter()
        .map(|state| if let State::Status(text) = state { line(text) } else { String::new() })
        .collect();
    let mut messages = Vec::new();
    for (state, line) in states.iter().zip(&lines) {
        match state {
            State::Ready => messages.push(NotifyState::Ready),
            State::Stopping => messages.push(NotifyState::Stopping),
            State::Status(_) => messages.push(NotifyState::Status(line)),
            State::Reloading => {
                messages.push(NotifyState::Reloading);
                messages.push(NotifyState::monotonic_usec_now()?);
            }
        }
    }
    send(&messages)
}

fn send(messages: &[NotifyState<'_>]) -> io::Result<()> {
    let Some(place) = env::var_os("NOTIFY_SOCKET") else { return Ok(()) };
    let shown = place.display().to_string();
    let unreached = |error: io::Error| {
        let text = format!("{error} (NOTIFY_SOCKET='{}')", shown.escape_debug());
        io::Error::new(error.kind(), text)
    };
    send_to(place, messages).map_err(unreached)
}

fn send_to(place: OsString, messages: &[NotifyState<'_>]) -> io::Result<()> {
    let mut name = place.into_vec();
    // sd_notify(3): a name in no file system, which the kernel has behind a NUL.
    if name.first() == Some(&b'@') {
        name[0] = 0;
    }
    let address = SockAddr::unix(OsStr::from_bytes(&name))?;
    let socket = socket2::Socket::new(Domain::UNIX, Type::DGRAM, None)?;
    let text: String = messages.iter().map(|message| format!("{message}\n")).collect();
    socket.send_to(text.as_bytes(), &address).map(drop)
}

/// systemd's watchdog (`WatchdogSec=`), which ends a service that no longer says that it is well.
///
/// Give [`interval`](Self::interval) to [`Server::poll_interval`](crate::Server::poll_interval),
/// and call [`ping`](Self::ping) in [`Handler::service_actions`](crate::Handler::service_actions):
/// it is called by the serving loop, so that a loop that is stuck is noticed. With
/// [`Sequential`](crate::Sequential) each request has to be shorter than the watchdog's time.
#[derive(Debug)]
#[doc(alias = "sd_watchdog_enabled")]
pub struct Watchdog {
    interval: Duration,
    /// Others, as the workers of [`PreFork`](crate::PreFork), must not speak for this process.
    owner: u32,
    begun: Instant,
    /// When the next message is due, in milliseconds since `begun`.
    due: AtomicU64,
}

impl Watchdog {
    /// The watchdog that waits for this process, if there is one.
    pub fn from_env() -> Option<Self> {
        let limit = sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero())?;
        let due = AtomicU64::new(0);
        Some(Self { interval: limit / 2, owner: process::id(), begun: Instant::now(), due })
    }

    /// How often it wants to hear at least: half of its time, as `sd_watchdog_enabled(3)` advises.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// Tells it that all is well (`WATCHDOG=1`), unless that was said a moment ago. In another
    /// process than the one that made this value it does nothing.
    pub fn ping(&self) {
        let now = self.begun.elapsed();
        if millis(now) < self.due.load(Ordering::Relaxed) || process::id() != self.owner {
            return;
        }
        self.due.store(millis(now + self.interval / 2), Ordering::Relaxed);
        if let Err(error) = send(&[NotifyState::Watchdog]) {
            log::warn!("cannot tell the watchdog that all is well: {error}");
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn kind(socket: impl Into<OwnedFd>) -> Result<&'static str, String> {
        match inherited(socket.into(), "web".to_owned()) {
            Ok(Inherited { socket: Socket::Tcp(_), .. }) => Ok("tcp"),
            Ok(Inherited { socket: Socket::Udp(_), .. }) => Ok("udp"),
            Ok(Inherited { socket: Socket::Unix(_), .. }) => Ok("unix stream"),
            Ok(Inherited { socket: Socket::UnixDatagram(_), .. }) => Ok("unix datagram"),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn sockets_are_known_by_their_kind() {
        let directory = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert_eq!(kind(listener), Ok("tcp"));
        assert_eq!(kind(UdpSocket::bind("127.0.0.1:0").unwrap()), Ok("udp"));
        let path = directory.path().join("stream");
        assert_eq!(kind(UnixListener::bind(path).unwrap()), Ok("unix stream"));
        let path = directory.path().join("datagram");
        assert_eq!(kind(UnixDatagram::bind(path).unwrap()), Ok("unix datagram"));
        let file = tempfile::tempfile().unwrap();
        for refused in [kind(client), kind(file)] {
            assert!(refused.unwrap_err().starts_with("the socket 'web' cannot be served"));
        }
    }
}
