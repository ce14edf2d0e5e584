//! The command under systemd, whose part the tests play: they open the socket, set the variables
//! and listen to the messages.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{self, UnixDatagram, UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use socketserver::systemd::{State, notify};
use tempfile::TempDir;

use crate::auth::BOB;
use crate::support::{LIMIT, MOMENT};

/// The command, started as a service.
struct Unit {
    child: Child,
    messages: UnixDatagram,
    banner: String,
    _directory: TempDir,
}

impl Unit {
    /// Starts the command with a socket that is open already.
    #[track_caller]
    fn activate(socket: impl Into<OwnedFd>, arguments: &[&str]) -> Self {
        Self::start(ACTIVATE, Stdio::from(socket.into()), arguments, &[])
    }

    /// Starts the command by a line of shell, in which it is `"$@"`.
    #[track_caller]
    fn start(line: &str, stdin: Stdio, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a.txt"), "hello\n").unwrap();
        let large = fs::File::create(directory.path().join("large")).unwrap();
        large.set_len(64 * 1024 * 1024).unwrap();
        let path = directory.path().join("notify");
        let messages = UnixDatagram::bind(&path).unwrap();
        messages.set_read_timeout(Some(LIMIT)).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", line, "sh", env!("CARGO_BIN_EXE_socketserver"), "-d"]);
        command.arg(directory.path()).args(arguments).stdin(stdin);
        command.env("NOTIFY_SOCKET", path).envs(environment.iter().copied());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut banner = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut banner).unwrap();
        Self { child, messages, banner, _directory: directory }
    }

    #[track_caller]
    fn message(&self) -> String {
        let mut buffer = [0; 1024];
        let length = self.messages.recv(&mut buffer).expect("a message comes");
        str::from_utf8(&buffer[..length]).unwrap().trim_end().to_owned()
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap());
        kill(pid, signal).unwrap();
    }

    /// Waits for the command to end, and returns its status and what it said.
    #[track_caller]
    fn wait(mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        // Gone already where the test waited for the end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ask(mut stream: impl Read + Write) -> String {
    stream.write_all(b"GET /a.txt HTTP/1.0\r\n\r\n").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, LIMIT).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

#[test]
fn a_socket_that_is_open_already_is_served_and_readiness_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Whoever comes before the service waits for it.
    let early = connect(address);
    let unit = Unit::activate(listener, &[]);
    let port = address.port();
    let banner = format!("Serving HTTP on 127.0.0.1 port {port} (http://127.0.0.1:{port}/) ...\n");
    assert_eq!(unit.banner, banner);
    assert_eq!(unit.message(), "READY=1\nSTATUS=Serving");
    assert!(ask(early).ends_with("\r\n\r\nhello\n"));
    assert!(ask(connect(address)).ends_with("\r\n\r\nhello\n"));
    // Programs that the service executes do not get it.
    let info = fs::read_to_string(format!("/proc/{}/fdinfo/3", unit.child.id())).unwrap();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
    let flags = i32::from_str_radix(flags.trim(), 8).unwrap();
    assert_ne!(flags & nix::libc::O_CLOEXEC, 0, "{info}");
    unit.signal(Signal::SIGTERM);
    assert_eq!(unit.message(), "STOPPING=1\nSTATUS=Finishing running requests");
    assert_eq!(unit.wait().0, Some(0));
}

#[test]
fn a_unix_socket_is_served_and_its_file_left() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("web.sock");
    let unit = Unit::activate(UnixListener::bind(&path).unwrap(), &["--processes", "2"]);
    assert_eq!(unit.banner, format!("Serving HTTP on unix:{} ...\n", path.display()));
    assert_eq!(unit.message(), "READY=1\nSTATUS=Serving");
    let stream = UnixStream::connect(&path).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    assert!(ask(stream).ends_with("\r\n\r\nhello\n"));
    unit.signal(Signal::SIGTERM);
    assert_eq!(unit.message(), "STOPPING=1\nSTATUS=Finishing running requests");
    assert_eq!(unit.wait().0, Some(0));
    assert!(path.exists());
}

#[test]
fn a_socket_of_its_own_is_bound_at_a_path_and_removed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("web.sock");
    let arguments = ["--unix", path.to_str().unwrap()];
    let unit = Unit::start("exec \"$@\"", Stdio::null(), &arguments, &[]);
    assert_eq!(unit.message(), "READY=1\nSTATUS=Serving");
    assert!(ask(UnixStream::connect(&path).unwrap()).ends_with("\r\n\r\nhello\n"));
    unit.signal(Signal::SIGINT);
    assert_eq!(unit.wait().0, Some(0));
    assert!(!path.exists());
}

#[test]
fn what_contradicts_the_socket_is_one_line_and_status_1() {
    let tcp = || OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap());
    // What systemd passes on with Accept=yes.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connection = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let udp = OwnedFd::from(std::net::UdpSocket::bind("127.0.0.1:0").unwrap());
    let closed = "exec 3<&0 4<&-; export LISTEN_PID=$$ LISTEN_FDS=2; exec \"$@\"";
    let wrong = "exec 3<&0; export LISTEN_PID=$$ LISTEN_FDS=-1; exec \"$@\"";
    let pid = "exec 3<&0; export LISTEN_PID=me LISTEN_FDS=1; exec \"$@\"";
    let two = "exec 3<&0 4<&0; export LISTEN_PID=$$ LISTEN_FDS=2; exec \"$@\"";
    for (line, socket, arguments, expected) in [
        (ACTIVATE, tcp(), &["8000"][..], "leave out the port, --bind"),
        (ACTIVATE, tcp(), &["--bind", "::1"], "leave out the port, --bind"),
        (ACTIVATE, tcp(), &["--unix", "/nowhere"], "leave out the port, --bind"),
        (ACTIVATE, udp, &[], "use ListenStream="),
        (ACTIVATE, connection.into(), &[], "it is a connection; its unit needs Accept=no"),
        (two, tcp(), &[], "write a unit for each"),
        (closed, tcp(), &[], "sockets of LISTEN_FDS=2: not so many are open"),
        (wrong, tcp(), &[], "cannot take the sockets of LISTEN_FDS=-1: invalid LISTEN_FDS"),
        (pid, tcp(), &[], "cannot take the sockets of LISTEN_FDS=1: invalid LISTEN_PID"),
    ] {
        let unit = Unit::start(line, socket.into(), arguments, &[]);
        let (status, said) = unit.wait();
        assert_eq!((status, said.lines().count()), (Some(1), 1), "{said}");
        assert!(said.starts_with("socketserver: ") && said.contains(expected), "{said}");
    }
}

/// Advice that fits a socket which the command does not bind itself.
#[test]
fn what_the_network_may_not_reach_is_bound_by_its_unit() {
    for arguments in [&["--upload"][..], &["--auth", BOB]] {
        let everywhere = OwnedFd::from(TcpListener::bind("0.0.0.0:0").unwrap());
        let (status, said) = Unit::start(ACTIVATE, everywhere.into(), arguments, &[]).wait();
        assert_eq!((status, said.lines().count()), (Some(2), 1), "{said}");
        let advice = "this machine only with ListenStream=127.0.0.1:PORT in the socket's unit;";
        assert!(said.contains(advice) && !said.contains("-b 127"), "{said}");
    }
}

#[test]
fn a_socket_for_another_process_is_left_alone() {
    let line = "exec 3<&0; export LISTEN_PID=1 LISTEN_FDS=1; exec \"$@\" 0";
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let socket = OwnedFd::from(listener);
    let unit = Unit::start(line, socket.into(), &["--bind", "127.0.0.1"], &[]);
    assert!(unit.banner.starts_with("Serving HTTP on 127.0.0.1 port "), "{}", unit.banner);
    assert!(!unit.banner.contains(&format!(" port {port} ")), "{}", unit.banner);
}

#[test]
fn the_watchdog_hears_of_an_idle_loop_until_it_is_stuck() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let watchdog = [("WATCHDOG_USEC", "100000")];
    let sequential = ["--concurrency", "sequential", "-p", "HTTP/1.1", "--upload"];
    let socket = OwnedFd::from(listener);
    let unit = Unit::start(ACTIVATE, socket.into(), &sequential, &watchdog);
    assert_eq!(unit.message(), "READY=1\nSTATUS=Serving");
    for _ in 0..3 {
        assert_eq!(unit.message(), "WATCHDOG=1");
    }
    // An upload that does not come holds the only thread.
    let mut stuck = connect(address);
    let head = "PUT /new HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    stuck.write_all(head.as_bytes()).unwrap();
    stuck.read_exact(&mut [0; 4]).unwrap();
    unit.messages.set_nonblocking(true).unwrap();
    while unit.messages.recv(&mut [0; 64]).is_ok() {}
    unit.messages.set_nonblocking(false).unwrap();
    unit.messages.set_read_timeout(Some(MOMENT * 6)).unwrap();
    unit.messages.recv(&mut [0; 64]).expect_err("nothing is well");
    // Taken up again, it is well again.
    drop(stuck);
    unit.messages.set_read_timeout(Some(LIMIT)).unwrap();
    assert_eq!(unit.message(), "WATCHDOG=1");
}

#[test]
fn the_watchdog_hears_of_supervisors_and_of_drains() {
    for arguments in [&["--processes", "2"][..], &["--concurrency", "threading"]] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let watchdog = [("WATCHDOG_USEC", "100000")];
        let socket = OwnedFd::from(listener);
        let unit = Unit::start(ACTIVATE, socket.into(), arguments, &watchdog);
        assert_eq!(unit.message(), "READY=1\nSTATUS=Serving");
        assert_eq!(unit.message(), "WATCHDOG=1");
        let mut slow = connect(address);
        slow.write_all(b"GET /large HTTP/1.0\r\n\r\n").unwrap();
        slow.read_exact(&mut [0; 4]).unwrap();
        unit.signal(Signal::SIGTERM);
        while !unit.message().starts_with("STOPPING=1\n") {}
        for _ in 0..3 {
            assert_eq!(unit.message(), "WATCHDOG=1");
        }
        drop(slow);
        assert_eq!(unit.wait().0, Some(0));
    }
}

#[test]
fn messages_go_to_a_name_that_is_in_no_file_system() {
    let name = format!("socketserver-test-{}", std::process::id());
    let messages = net::SocketAddr::from_abstract_name(&name).unwrap();
    let messages = UnixDatagram::bind_addr(&messages).unwrap();
    messages.set_read_timeout(Some(LIMIT)).unwrap();
    let place = [("NOTIFY_SOCKET", &*format!("@{name}"))];
    let mut unit = Unit::start("exec \"$@\" 0 -b 127.0.0.1", Stdio::null(), &[], &place);
    unit.messages = messages;
    assert_eq!(unit.message(), "READY=1\nSTATUS=Serving");
    unit.signal(Signal::SIGTERM);
    assert_eq!(unit.message(), "STOPPING=1\nSTATUS=Finishing running requests");
    assert_eq!(unit.wait(), (Some(0), String::new()));
}

/// In a process of its own, as it has an environment.
#[test]
fn a_status_is_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    if std::env::var_os("SOCKETSERVER_TEST_NOTIFIES").is_some() {
        notify(&[State::Status("a\nMAINPID=1\r\nb"), State::Ready]).unwrap();
        return;
    }
    let messages = UnixDatagram::bind(&path).unwrap();
    messages.set_read_timeout(Some(LIMIT)).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "systemd::a_status_is_one_line"]).stdout(Stdio::null());
    command.env("NOTIFY_SOCKET", &path).env("SOCKETSERVER_TEST_NOTIFIES", "1");
    assert!(command.status().unwrap().success());
    let mut buffer = [0; 1024];
    let length = messages.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"STATUS=a MAINPID=1  b\nREADY=1\n");
}

#[test]
fn a_message_that_cannot_be_sent_is_told_and_clients_are_served() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let line = "exec 3<&0; export LISTEN_PID=$$ LISTEN_FDS=1 NOTIFY_SOCKET=/nowhere; exec \"$@\"";
    let socket = OwnedFd::from(listener);
    let unit = Unit::start(line, socket.into(), &["--quiet"], &[]);
    assert!(ask(connect(address)).ends_with("\r\n\r\nhello\n"));
    unit.signal(Signal::SIGINT);
    let (status, said) = unit.wait();
    assert_eq!(status, Some(0));
    assert!(said.starts_with("socketserver: cannot tell systemd: "), "{said}");
    assert!(said.contains("(NOTIFY_SOCKET='/nowhere')"), "{said}");
}

/// What systemd does between fork and exec. The socket comes as standard input, as a test cannot
/// put it elsewhere.
const ACTIVATE: &str =
    "exec 3<&0 0</dev/null; export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web; exec \"$@\"";
