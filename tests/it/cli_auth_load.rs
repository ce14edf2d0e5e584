//! What passwords cost others: many logins at once, processes that are killed, users that are gone.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use socket2::{Domain, Socket, Type};
use socketserver::ThreadingHttpServer;
use socketserver::http::{BasicAuth, SimpleHttpRequestHandler, Users};

use crate::auth::{ADA, ADA_WRONG, ADAS, BOB, BOBS};
use crate::cli::{Serving, children_of, eventually, pid, read_to_end, text};
use crate::cli_asked::WAYS;
use crate::support::MOMENT;

/// Verifying takes some seconds without optimization, with 14 in the place of 12 four times that.
const SLOW: &str = "bob:$2y$12$erMMqLq5ZB05s1VqFqkjVu3HfA6vGpIDY33Dhh.QE.VFOWDO9sabW";

#[track_caller]
fn start(arguments: &[&str]) -> Serving {
    Serving::start(&[&["-b", "127.0.0.1"], arguments].concat())
}

fn slower() -> String {
    SLOW.replace("$12$", "$14$")
}

fn request(path: &str, authorization: &str) -> String {
    format!("GET {path} HTTP/1.0\r\nAuthorization: {authorization}\r\n\r\n")
}

/// The status, or nothing where the connection was cut.
fn code(serving: &Serving, path: &str, authorization: &str) -> String {
    let mut client = serving.connect();
    match client.write_all(request(path, authorization).as_bytes()) {
        Ok(()) => status(&text(&read_to_end(&mut client))),
        Err(_) => String::new(),
    }
}

fn status(reply: &str) -> String {
    reply.get(9..12).unwrap_or_default().to_owned()
}

#[test]
fn a_process_that_is_killed_holds_no_verification() {
    let slower = slower();
    for arguments in [
        &["--concurrency", "forking", "--max-children", "2"][..],
        &["--processes", "2", "--max-threads", "2"],
        &["--processes", "2", "--concurrency", "sequential"],
    ] {
        let serving = start(&[&["--auth", ADA, "--auth", &slower], arguments].concat());
        let server = pid(&serving.child);
        if arguments[0] == "--processes" {
            eventually(|| children_of(server).len() == 2);
        }
        let mut clients = Vec::new();
        // With two workers one verifies, and none waits. The second request here may come before
        // the first one, or wait behind it for the same process: then both are sent again.
        eventually(|| {
            let mut client = serving.connect();
            client.write_all(request("/a.txt", BOBS).as_bytes()).unwrap();
            let mut other = serving.connect();
            other.write_all(request("/a.txt", ADA_WRONG).as_bytes()).unwrap();
            other.set_read_timeout(Some(10 * MOMENT)).unwrap();
            let mut reply = String::new();
            let _ = other.read_to_string(&mut reply);
            clients.push(client);
            // It may have to give way to a login that was refused, with none being verified.
            let is_verified = clients.iter().any(|it| {
                it.set_read_timeout(Some(MOMENT)).unwrap();
                let has_no_reply = it.peek(&mut [0]).is_err();
                it.set_read_timeout(Some(40 * MOMENT)).unwrap();
                has_no_reply
            });
            is_verified && status(&reply) == "503"
        });
        for child in children_of(server) {
            // Some may have ended.
            let _ = kill(Pid::from_raw(child.parse().unwrap()), Signal::SIGKILL);
        }
        assert!(clients.iter_mut().any(|it| read_to_end(it).is_empty()), "{arguments:?}");
        eventually(|| code(&serving, "/a.txt", ADAS) == "200");
    }
}

#[test]
fn logins_that_wait_leave_workers_to_others() {
    let slower = slower();
    for workers in [["--max-threads", "8"], ["--max-children", "8"]] {
        let strategy = if workers[0] == "--max-threads" { "threading" } else { "forking" };
        let mine = ["--auth", ADA, "--auth", &slower, "--healthz", "/well"];
        let others = ["--concurrency", strategy, workers[0], workers[1]];
        let serving = start(&[&mine[..], &others].concat());
        assert_eq!(code(&serving, "/a.txt", ADAS), "200");
        let many: Vec<TcpStream> = (0..48)
            .map(|_| {
                let mut client = serving.connect();
                client.write_all(request("/a.txt", BOBS).as_bytes()).unwrap();
                client
            })
            .collect();
        let began = Instant::now();
        assert_eq!(code(&serving, "/a.txt", ADAS), "200");
        assert_eq!(code(&serving, "/well", ""), "200");
        // Each login that waits would hold a thread for 5 seconds, and all of them some 30.
        assert!(began.elapsed() < Duration::from_secs(10), "{strategy}: {:?}", began.elapsed());
        drop(many);
    }
}

/// Also where all clients have the same address, as behind a proxy.
#[test]
fn a_right_password_has_its_turn_in_a_flood_of_wrong_ones() {
    for arguments in [
        &["--processes", "2", "--concurrency", "sequential"][..],
        &["--concurrency", "threading", "--max-threads", "3"],
        &["--concurrency", "forking", "--max-children", "3"],
        &["--concurrency", "threading", "--max-threads", "8"],
    ] {
        let serving = start(&[&["--auth", ADA, "--auth", SLOW], arguments].concat());
        let is_over = AtomicBool::new(false);
        let tries = AtomicUsize::new(0);
        let code_of_ada = thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        let number = tries.fetch_add(1, Ordering::Relaxed);
                        let password = BASE64.encode(format!("bob:{number}").as_bytes());
                        code(&serving, "/a.txt", &format!("Basic {password}"));
                    }
                });
            }
            // One is verified, and another has come behind it.
            eventually(|| tries.load(Ordering::Relaxed) > 3);
            let end = Instant::now() + Duration::from_secs(40);
            let mut last = String::new();
            while last != "200" && Instant::now() < end {
                last = code(&serving, "/a.txt", ADAS);
                thread::sleep(MOMENT);
            }
            is_over.store(true, Ordering::Relaxed);
            last
        });
        assert_eq!(code_of_ada, "200", "{arguments:?}");
    }
}

/// All addresses are this machine's, and each is a client.
#[test]
#[cfg(target_os = "linux")]
fn a_client_with_a_wrong_password_gives_way_to_another_one() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("a.txt"), "hello").unwrap();
    let users = Users::default().user(ADA).unwrap().user(SLOW).unwrap();
    let files = SimpleHttpRequestHandler::new(directory.path());
    // One is verified, and none waits.
    let handler = BasicAuth::new(files, users).verifications(1, 0);
    let mut server = ThreadingHttpServer::bind("127.0.0.1:0", handler).unwrap();
    let (address, info) = (server.server_address(), server.info());
    let serving = thread::spawn(move || server.serve_forever());
    let begin = |from: &str, authorization: &str| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let from: SocketAddr = format!("{from}:0").parse().unwrap();
        socket.bind(&from.into()).unwrap();
        socket.connect(&address.into()).unwrap();
        let mut client = TcpStream::from(socket);
        client.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        client.write_all(request("/a.txt", authorization).as_bytes()).unwrap();
        client
    };
    let code = |from, login| status(&text(&read_to_end(&mut begin(from, login))));
    assert_eq!(code("127.0.0.1", ADA_WRONG), "401");
    let mut slow = begin("127.0.0.1", BOBS);
    eventually(|| info.connections().busy == 1);
    // While that is verified the other one is refused, and comes again.
    eventually(|| code("127.0.0.2", ADAS) == "503");
    eventually(|| code("127.0.0.2", ADAS) == "200");
    // It was refused a moment ago, so that the first one is held off, and no other is.
    assert_eq!(code("127.0.0.1", ADA_WRONG), "503");
    assert_eq!(code("127.0.0.3", ADA_WRONG), "401");
    assert_eq!(status(&text(&read_to_end(&mut slow))), "401");
    eventually(|| code("127.0.0.1", ADA_WRONG) == "401");
    info.shutdown();
    serving.join().unwrap().unwrap();
}

#[test]
fn logins_that_wait_do_not_hold_a_server_that_ends() {
    let directory = tempfile::tempdir().unwrap();
    let users = Users::default().user(SLOW).unwrap();
    let files = SimpleHttpRequestHandler::new(directory.path());
    let handler = BasicAuth::new(files, users).verifications(1, 4);
    let mut server = ThreadingHttpServer::bind("127.0.0.1:0", handler).unwrap();
    // As the command does on a signal.
    server.daemon_threads = false;
    let (address, info) = (server.server_address(), server.info());
    let serving = thread::spawn(move || server.serve_forever());
    let mut clients: Vec<TcpStream> = (0..3)
        .map(|_| {
            let mut client = TcpStream::connect(address).unwrap();
            client.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            client.write_all(request("/", BOBS).as_bytes()).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            client
        })
        .collect();
    eventually(|| info.connections().busy == 3);
    info.shutdown();
    let mut codes: Vec<String> =
        clients.iter_mut().map(|client| status(&text(&read_to_end(client)))).collect();
    codes.sort();
    // One was being verified, and the others come again.
    assert_eq!(codes, ["401", "503", "503"]);
    serving.join().unwrap().unwrap();
}

#[test]
fn after_a_file_without_users_every_password_is_refused() {
    for arguments in WAYS.iter().take(4) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("users");
        let write = |content: &str| {
            fs::write(file.with_extension("new"), content).unwrap();
            fs::rename(file.with_extension("new"), &file).unwrap();
        };
        write(ADA);
        let serving = start(&[&["--auth-file", file.to_str().unwrap()][..], arguments].concat());
        assert_eq!(code(&serving, "/a.txt", ADAS), "200");
        write("# all have left\n");
        serving.signal(Signal::SIGHUP);
        eventually(|| code(&serving, "/a.txt", ADAS) == "401");
        write(BOB);
        serving.signal(Signal::SIGHUP);
        eventually(|| code(&serving, "/a.txt", BOBS) == "200");
        // A file that is missing is a mistake.
        fs::remove_file(&file).unwrap();
        serving.signal(Signal::SIGHUP);
        eventually(|| code(&serving, "/a.txt", BOBS) == "200");
        let said = serving.stop(Signal::SIGTERM).stderr;
        assert!(said.contains("there are no users now"), "{arguments:?}: {said}");
        assert!(said.contains("the old users stay: cannot read"), "{arguments:?}: {said}");
    }
}

/// What is answered there tells nothing of what is below the prefix.
#[test]
fn outside_a_prefix_no_password_is_asked_for() {
    let serving = start(&["--auth", ADA, "--url-prefix", "/docs"]);
    for (path, expected) in
        [("/docs", "301"), ("/a.txt", "404"), ("/docs/a.txt", "401"), ("/docs/missing", "401")]
    {
        assert_eq!(code(&serving, path, ""), expected, "{path}");
    }
}
