//! Unix sockets: the file, who is at the other end, and HTTP over them.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, mpsc};
use std::thread;

use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, raise};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{getgid, getpid, getuid};
use socketserver::http::{Exchange, HttpRequestHandler, ProtocolVersion, SimpleHttpRequestHandler};
use socketserver::transport::{self, Transport, UnixBind, UnixDatagramBind};
use socketserver::{
    Address, Connection, Datagram, Handler, Sequential, ThreadPool, ThreadingUnixDatagramServer,
    ThreadingUnixStreamServer, UnixDatagramServer, UnixStreamServer, handler_fn,
};

use crate::support::{
    Gate, LIMIT, MOMENT, Notes, Reach, Running, Strategy, ThreadPerConnection, bind, eventually,
    free_path, in_a_process_of_its_own, open_descriptors, testing,
};

fn greet() -> impl Handler {
    handler_fn(|mut connection: Connection| connection.wfile.write_all(b"hello\n"))
}

#[track_caller]
fn start(path: &Path) -> Running<PathBuf> {
    Running::start(ThreadingUnixStreamServer::bind(path, greet()).unwrap())
}

/// What a failed start says, without the path.
#[track_caller]
fn refusal(path: &Path) -> String {
    let error = ThreadingUnixStreamServer::bind(path, greet()).unwrap_err();
    let said = error.to_string();
    let prefix = format!("cannot bind {}: ", Address::unix(path));
    said.strip_prefix(&prefix).unwrap_or_else(|| panic!("{said}")).to_owned()
}

fn requests_come_one_by_one_over_a_unix_socket_with<C: Strategy>() {
    let verified = AtomicUsize::new(0);
    let handler = testing(|mut connection: Connection| connection.wfile.write_all(b"hello\n"))
        .verify(move |_| verified.fetch_add(1, Ordering::SeqCst) > 0);
    let mut server: UnixStreamServer<C, _> = UnixStreamServer::bind(free_path(), handler).unwrap();
    server.timeout = Some(LIMIT);
    // The first is not verified: closed, and not handled.
    let mut clients = [(); 3].map(|()| server.server_address().connect());
    server.handle_request().unwrap();
    assert_eq!(clients[0].read_to_end(), "");
    assert_eq!(clients[1].read_to_end(), "hello\n");
    server.handle_request().unwrap();
    assert_eq!(clients[2].read_to_end(), "hello\n");
    assert_eq!(server.handler().handle_timeouts.so_far(), []);
    server.timeout = Some(MOMENT);
    server.handle_request().unwrap();
    assert_eq!(server.handler().handle_timeouts.so_far(), [()]);
    assert_eq!(server.handler().errors.so_far(), []);
}

#[test]
fn requests_come_one_by_one_over_a_unix_socket() {
    requests_come_one_by_one_over_a_unix_socket_with::<Sequential>();
    requests_come_one_by_one_over_a_unix_socket_with::<ThreadPool>();
    requests_come_one_by_one_over_a_unix_socket_with::<ThreadPerConnection>();
}

#[test]
fn shutdown_races_with_the_start_of_a_unix_server() {
    let path = free_path();
    for _ in 0..100 {
        start(&path).stop().result.unwrap();
        assert!(!path.exists());
    }
}

// The file.

#[test]
fn the_file_is_removed_when_the_server_is_closed() {
    let path = free_path();
    let server = ThreadingUnixStreamServer::bind(&path, greet()).unwrap();
    assert_eq!(server.server_address(), path);
    assert!(fs::metadata(&path).unwrap().file_type().is_socket());
    server.server_close();
    assert!(!path.exists());

    let shout = handler_fn(|datagram: Datagram| datagram.reply(b"hello"));
    let server = ThreadingUnixDatagramServer::bind(&path, shout).unwrap();
    assert!(path.exists());
    drop(server);
    assert!(!path.exists());
}

#[test]
fn a_file_that_is_left_over_is_replaced() {
    let path = free_path();
    for _ in 0..2 {
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let running = start(&path);
        assert_eq!(running.connect().read_to_end(), "hello\n");
    }
    // One that was for datagrams is no better.
    drop(UnixDatagram::bind(&path).unwrap());
    assert_eq!(start(&path).connect().read_to_end(), "hello\n");
    assert!(!path.exists());
}

#[test]
fn a_file_that_somebody_listens_on_is_refused_and_untouched() {
    let path = free_path();
    let running = start(&path);
    assert_eq!(refusal(&path), "another server is there");
    let shout = handler_fn(|datagram: Datagram| datagram.reply(b"hello"));
    ThreadingUnixDatagramServer::bind(&path, shout).unwrap_err();
    assert_eq!(running.connect().read_to_end(), "hello\n");
    drop(running);

    let socket = UnixDatagram::bind(&path).unwrap();
    assert_eq!(refusal(&path), "another server is there");
    let error = transport::UnixDatagram::bind(&path).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    UnixDatagram::unbound().unwrap().send_to(b"still here", &path).unwrap();
    assert_eq!(socket.recv(&mut [0; 16]).unwrap(), 10);
    fs::remove_file(path).unwrap();
}

/// A queue that is full would let a connection wait.
#[test]
fn a_busy_server_is_somebody() {
    let path = free_path();
    let transport = transport::Unix::bind(UnixBind::new(&path).request_queue_size(0));
    let _full: Vec<_> = {
        let socket = |_| socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None);
        let sockets: Vec<socket2::Socket> = (0..4).map(|number| socket(number).unwrap()).collect();
        for socket in &sockets {
            socket.set_nonblocking(true).unwrap();
            let _ = socket.connect(&socket2::SockAddr::unix(&path).unwrap());
        }
        sockets
    };
    assert_eq!(refusal(&path), "another server is there");
    drop(transport);
}

#[test]
fn a_file_that_is_no_socket_is_refused_and_untouched() {
    let path = free_path();
    fs::write(&path, "precious").unwrap();
    assert_eq!(refusal(&path), "the file there is no socket");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    fs::remove_file(&path).unwrap();

    let target = free_path();
    drop(UnixListener::bind(&target).unwrap());
    std::os::unix::fs::symlink(&target, &path).unwrap();
    assert_eq!(refusal(&path), "the file there is no socket");
    assert!(target.exists());
    fs::remove_file(&path).unwrap();
    fs::remove_file(&target).unwrap();
}

#[test]
fn of_two_servers_that_start_at_once_one_has_the_path() {
    const ROUNDS: usize = 200;
    const STARTS: usize = 3;
    let barrier = Barrier::new(STARTS);
    let path = free_path();
    let won = Notes::new();
    thread::scope(|scope| {
        for number in 0..STARTS {
            let (barrier, path, won) = (&barrier, &path, won.clone());
            scope.spawn(move || {
                for _ in 0..ROUNDS {
                    if number == 0 {
                        drop(UnixListener::bind(path).unwrap());
                    }
                    barrier.wait();
                    let started = transport::Unix::bind(path);
                    barrier.wait();
                    let has_won = started.is_ok();
                    won.add(has_won);
                    if has_won {
                        // Its file is there and leads to it.
                        UnixStream::connect(path).unwrap();
                    }
                    barrier.wait();
                    drop(started);
                    barrier.wait();
                    assert!(!path.exists());
                    barrier.wait();
                }
            });
        }
    });
    let won = won.so_far();
    assert_eq!(won.len(), ROUNDS * STARTS);
    assert_eq!(won.iter().filter(|won| **won).count(), ROUNDS);
}

/// As `flock /run/app socketserver --unix /run/app/app.sock` has it.
#[test]
fn a_directory_that_somebody_keeps_locked_holds_up_no_start() {
    let directory = tempfile::tempdir().unwrap();
    let locked = fs::File::open(directory.path()).unwrap();
    let _lock = Flock::lock(locked, FlockArg::LockExclusive).unwrap();
    let path = directory.path().join("app.sock");
    let (tells, told) = mpsc::channel();
    thread::spawn(move || tells.send(start(&path)));
    let server = told.recv_timeout(LIMIT).expect("the server starts");
    assert_eq!(server.connect().read_to_end(), "hello\n");
}

#[test]
fn a_file_of_somebody_else_is_not_removed() {
    let path = free_path();
    let server = ThreadingUnixStreamServer::bind(&path, greet()).unwrap();
    fs::remove_file(&path).unwrap();
    let other = start(&path);
    drop(server);
    assert_eq!(other.connect().read_to_end(), "hello\n");
}

/// As where a supervisor starts the next one while this one still answers its last request.
#[test]
fn a_server_that_drains_leaves_the_path_to_the_next() {
    let name = "unix_sockets::a_server_that_drains_leaves_the_path_to_the_next";
    in_a_process_of_its_own(name, || {
        let (path, gate) = (free_path(), Gate::new());
        let handler = {
            let gate = gate.clone();
            handler_fn(move |mut connection: Connection| {
                connection.wfile.write_all(b"begun\n")?;
                gate.pass();
                connection.wfile.write_all(b"done\n")
            })
        };
        let mut server = ThreadingUnixStreamServer::bind(&path, handler).unwrap();
        server.shutdown_on_signals(&[socketserver::Signal::TERM]).unwrap();
        let old = Running::start(server);
        let mut client = old.connect();
        assert_eq!(client.read_line(), "begun");
        raise(Signal::SIGTERM).unwrap();
        eventually(|| !path.exists());
        let new = start(&path);
        gate.let_through(1);
        assert_eq!(client.read_to_end(), "done\n");
        let report = old.wait().report;
        assert_eq!((report.finished, report.cut), (1, 0));
        assert_eq!(new.connect().read_to_end(), "hello\n");
    });
}

#[test]
fn the_file_of_an_inherited_socket_is_not_removed() {
    let path = free_path();
    let listener = UnixListener::bind(&path).unwrap();
    let place = UnixBind::from_socket(listener);
    let server = UnixStreamServer::bind_with(place, greet(), Sequential).unwrap();
    let running = Running::start(server);
    assert_eq!(running.connect().read_to_end(), "hello\n");
    drop(running);
    fs::remove_file(&path).unwrap();

    let socket = UnixDatagram::bind(&path).unwrap();
    let shout = handler_fn(|datagram: Datagram| datagram.reply(b"hello"));
    let place = UnixDatagramBind::from_socket(socket);
    drop(UnixDatagramServer::bind_with(place, shout, Sequential).unwrap());
    fs::remove_file(&path).unwrap();
}

#[test]
fn the_mode_is_set_whatever_the_umask() {
    in_a_process_of_its_own("unix_sockets::the_mode_is_set_whatever_the_umask", || {
        let path = free_path();
        let mode_of = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        for (mask, mode, expected) in
            [(0o077, None, 0o700), (0o077, Some(0o666), 0o666), (0, Some(0o600), 0o600)]
        {
            umask(Mode::from_bits_truncate(mask));
            let transport = transport::Unix::bind(UnixBind::new(&path).mode(mode)).unwrap();
            assert_eq!(mode_of(&path), expected);
            drop(transport);
            let place = UnixDatagramBind::new(&path).mode(mode);
            let transport = transport::UnixDatagram::bind(place).unwrap();
            assert_eq!(mode_of(&path), expected);
            drop(transport);
        }
    });
}

#[test]
fn a_path_that_cannot_be_bound_is_named() {
    let long = std::env::temp_dir().join("x".repeat(120));
    let size = long.as_os_str().len();
    let most = if cfg!(target_os = "linux") { 107 } else { 103 };
    let expected = format!("the path has {size} bytes, and the most are {most}");
    assert_eq!(refusal(&long), expected);
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(refusal(&empty.path().join("a\0b")), "a path has no NUL in it");
    assert!(!empty.path().join("a").exists());
    let missing = empty.path().join("missing/place");
    let error = ThreadingUnixStreamServer::bind(&missing, greet()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    let expected = format!("cannot bind unix:{}: ", missing.display());
    assert!(error.to_string().starts_with(&expected), "{error}");
}

#[test]
fn a_relative_path_is_removed_from_another_directory() {
    let name = "unix_sockets::a_relative_path_is_removed_from_another_directory";
    in_a_process_of_its_own(name, || {
        let directory = tempfile::tempdir().unwrap();
        std::env::set_current_dir(directory.path()).unwrap();
        let server = ThreadingUnixStreamServer::bind("here.sock", greet()).unwrap();
        assert_eq!(server.server_address(), Path::new("here.sock"));
        assert!(Path::new("here.sock").exists());
        std::env::set_current_dir("/").unwrap();
        drop(server);
        assert!(!directory.path().join("here.sock").exists());
    });
}

#[test]
#[cfg(target_os = "linux")]
fn a_name_without_a_file_is_served() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;

    let name = format!("socketserver-test-{}", std::process::id());
    let path = format!("\0{name}");
    let server = ThreadingUnixStreamServer::bind(&path, greet()).unwrap();
    assert_eq!(server.server_address(), Path::new(&path));
    assert_eq!(format!("{}", Address::from(server.server_address())), format!("unix:@{name}"));
    let running = Running::start(server);
    assert_eq!(refusal(Path::new(&path)), "Address already in use (os error 98)");
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let stream = UnixStream::connect_addr(&address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    assert_eq!(io::read_to_string(stream).unwrap(), "hello\n");
    drop(running);

    let shout = handler_fn(|datagram: Datagram| datagram.reply(&datagram.packet));
    let running = Running::start(ThreadingUnixDatagramServer::bind(&path, shout).unwrap());
    // A client may have such a name, too.
    let own = SocketAddr::from_abstract_name(format!("{name}-client")).unwrap();
    let client = UnixDatagram::bind_addr(&own).unwrap();
    client.set_read_timeout(Some(LIMIT)).unwrap();
    client.send_to_addr(b"ping", &address).unwrap();
    assert_eq!(client.recv(&mut [0; 16]).unwrap(), 4);
    drop(running);
}

#[test]
fn failed_binds_of_paths_leak_nothing() {
    in_a_process_of_its_own("unix_sockets::failed_binds_of_paths_leak_nothing", || {
        let path = free_path();
        let transport = transport::Unix::bind(&path).unwrap();
        let before = open_descriptors();
        for _ in 0..1024 {
            ThreadingUnixStreamServer::bind(&path, greet()).unwrap_err();
            // Each has asked whether anybody is there.
            while transport_takes_one(&transport) {}
        }
        assert_eq!(open_descriptors(), before);
    });
}

/// Accepts a client that waits, and lets it go.
fn transport_takes_one(transport: &socketserver::transport::Unix) -> bool {
    use std::os::fd::AsFd;

    socket2::SockRef::from(&transport.as_fd()).accept().is_ok()
}

// Who is there.

#[test]
fn the_other_end_of_a_unix_socket_is_known() {
    let seen = Notes::new();
    let handler = {
        let seen = seen.clone();
        handler_fn(move |connection: Connection| {
            assert_eq!(connection.client_address, Address::unix(""));
            seen.add(connection.peer_credentials()?);
            Ok(())
        })
    };
    let running = Running::start(ThreadingUnixStreamServer::bind(free_path(), handler).unwrap());
    running.connect().sees_the_end();
    let peer = seen.next();
    assert_eq!((peer.uid, peer.gid), (getuid().as_raw(), getgid().as_raw()));
    if cfg!(target_os = "linux") {
        assert_eq!(peer.pid, Some(getpid().as_raw()));
    }
}

#[test]
fn the_other_end_of_tcp_is_not() {
    let seen = Notes::new();
    let handler = {
        let seen = seen.clone();
        testing(move |connection: Connection| {
            seen.add(connection.peer_credentials().unwrap_err().kind());
            Ok(())
        })
    };
    let running = Running::start(bind::<Sequential, _>(handler));
    running.connect().sees_the_end();
    assert_eq!(seen.next(), io::ErrorKind::Unsupported);
}

#[test]
fn a_client_with_a_name_is_known_by_it() {
    let handler = handler_fn(|mut connection: Connection| {
        writeln!(connection.wfile, "{:?}", connection.client_address)
    });
    let running = Running::start(ThreadingUnixStreamServer::bind(free_path(), handler).unwrap());
    let own = free_path();
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    socket.bind(&socket2::SockAddr::unix(&own).unwrap()).unwrap();
    socket.connect(&socket2::SockAddr::unix(&running.address).unwrap()).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    assert_eq!(io::read_to_string(socket).unwrap(), format!("'{}'\n", own.display()));
    fs::remove_file(own).unwrap();
}

// HTTP, which crashes in Python.

/// A directory's files, and what its handler knows; keeps its log.
struct Site {
    files: SimpleHttpRequestHandler,
    log: Notes<String>,
}

impl HttpRequestHandler for Site {
    fn base(&self) -> &dyn HttpRequestHandler {
        &self.files
    }

    fn protocol_version(&self) -> ProtocolVersion {
        ProtocolVersion::Http11
    }

    fn do_post(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let peer = http.peer_credentials()?;
        let text = format!(
            "{:?} {} {} {} {}",
            http.client_address,
            http.address_string(),
            peer.uid,
            http.server.server_name(),
            http.server.server_port()
        );
        http.send_response(200)?;
        http.send_header("Content-Length", text.len())?;
        http.end_headers()?;
        http.wfile.write_all(text.as_bytes())
    }

    fn log_message(&self, http: &Exchange<'_>, message: std::fmt::Arguments<'_>) {
        self.log.add(format!("{} {message}", http.address_string()));
    }
}

fn http_is_served_over_a_unix_socket_with<C: Strategy>() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("a.txt"), "hello\n").unwrap();
    let log = Notes::new();
    let site = Site { files: SimpleHttpRequestHandler::new(directory.path()), log: log.clone() };
    let server: UnixStreamServer<C, _> = UnixStreamServer::bind(free_path(), site).unwrap();
    let running = Running::start(server);
    let mut client = running.connect();
    for _ in 0..3 {
        client.send("GET /a.txt HTTP/1.1\r\nHost: h\r\n\r\n");
        while client.read_line() != "\r" {}
        assert_eq!(client.read_line(), "hello");
        assert_eq!(log.next(), "unix: \"GET /a.txt HTTP/1.1\" 200 -");
    }
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let reply = client.read_to_end();
    let host = nix::unistd::gethostname().unwrap().into_string().unwrap();
    let expected = format!("\r\n\r\n'' unix: {} {host} 0", getuid());
    assert!(reply.ends_with(&expected), "{reply}");
    let mut client = running.connect();
    client.send("GET /missing HTTP/1.0\r\n\r\n");
    assert!(client.read_to_end().starts_with("HTTP/1.1 404 File not found\r\n"));
    let mut client = running.connect();
    client.send("nonsense\r\n\r\n");
    assert!(client.read_to_end().contains("Error code: 400"));
    assert_eq!(running.stop().report.cut, 0);
}

#[test]
fn http_is_served_over_a_unix_socket() {
    http_is_served_over_a_unix_socket_with::<Sequential>();
    http_is_served_over_a_unix_socket_with::<ThreadPool>();
    http_is_served_over_a_unix_socket_with::<ThreadPerConnection>();
}

#[test]
fn curl_speaks_http_over_a_unix_socket() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("a.txt"), "hello\n").unwrap();
    let log = Notes::new();
    let site = Site { files: SimpleHttpRequestHandler::new(directory.path()), log };
    let running = Running::start(ThreadingUnixStreamServer::bind(free_path(), site).unwrap());
    let curl = Command::new("curl")
        .args(["--silent", "--max-time", "5", "--unix-socket"])
        .arg(&running.address)
        .args(["http://localhost/a.txt", "http://localhost/a.txt"])
        .output();
    let Ok(curl) = curl else {
        println!("skipped: there is no curl");
        return;
    };
    assert_eq!(String::from_utf8_lossy(&curl.stdout), "hello\nhello\n");
}
