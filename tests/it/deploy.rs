//! The files of `deploy/`, with the programs that they are for. What is missing here is skipped,
//! with a line that says so.

use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use socket2::{Domain, Socket, Type};
use socketserver::http::Exchange;
use socketserver::{ProxyProtocol, ThreadPool, TrustedProxies};
use tempfile::TempDir;

use crate::certificates::{Authority, PemFiles, TlsClient, client_config, client_session};
use crate::proxies::{Behind, who};
use crate::support::{Client, LIMIT, Running, bind};
use crate::web::{Browser, answer, answering, get};

/// A program that was started for a test, ended with it.
struct Program {
    child: Child,
}

impl Program {
    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    /// Waits until it has ended, and returns what it wrote to standard error.
    #[track_caller]
    fn end(mut self, signal: Signal) -> String {
        self.signal(signal);
        let mut said = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut said).unwrap();
        }
        self.child.wait().unwrap();
        said
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Gone already where the test waited for the end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the command at this place, to serve one file that names it. Returns its address, too.
#[track_caller]
fn instance(directory: &Path, name: &str, place: &str, options: &[&str]) -> (Program, String) {
    let site = directory.join(name);
    fs::create_dir(&site).unwrap();
    fs::write(site.join("name"), name).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_socketserver"));
    command.args(["--protocol", "HTTP/1.1"]).args(options);
    match place.strip_prefix("unix:") {
        Some(path) => command.args(["--unix", path]),
        None => command.args(["--bind", place, "0"]),
    };
    command.arg("--directory").arg(site).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut banner = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut banner).unwrap();
    let address = match banner.split(" port ").nth(1) {
        Some(words) => format!("{place}:{}", words.split(' ').next().unwrap()),
        None => place.to_owned(),
    };
    (Program { child }, address)
}

/// A balancer in front of three places.
struct Balancer {
    address: SocketAddr,
    /// Where connections are not looked into, with HAProxy.
    connections: SocketAddr,
    _program: Program,
    _directory: TempDir,
}

/// Starts nginx or HAProxy with the file of `deploy/`; none where the program is missing. HAProxy
/// speaks this version of the PROXY protocol, also where it does not look into connections.
#[track_caller]
fn balancer(name: &str, instances: &[String; 3], version: &str) -> Option<Balancer> {
    let directory = tempfile::tempdir().unwrap();
    let (address, connections) = (free_address(), free_address());
    let at = |file: &str| directory.path().join(file);
    let file = match name {
        "nginx" => "nginx/socketserver.conf",
        _ => "haproxy/haproxy.cfg",
    };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(file);
    let mut text = fs::read_to_string(file).unwrap();
    for (place, instance) in ["127.0.0.1:8001", "127.0.0.1:8002", SOCKET].iter().zip(instances) {
        let instance = match name {
            "nginx" => instance.clone(),
            _ => instance.replace("unix:", "unix@"),
        };
        let place =
            if name == "nginx" { place.to_string() } else { place.replace("unix:", "unix@") };
        assert!(text.contains(&place), "{place}");
        text = text.replace(&place, &instance);
    }
    let mut command;
    if name == "nginx" {
        let port = format!("listen {address};");
        fs::write(at("socketserver.conf"), text.replace("listen 80;", &port)).unwrap();
        // Its workers may not enter a test's directory under another user.
        let user = if nix::unistd::geteuid().is_root() { "user root;" } else { "" };
        // One process, so that killing it leaves no workers behind.
        let main = format!(
            "{user} daemon off; master_process off; pid nginx.pid; error_log stderr crit;\n\
             events {{}}\n\
             http {{ access_log off; include socketserver.conf; }}\n"
        );
        fs::write(at("nginx.conf"), main).unwrap();
        command = Command::new("nginx");
        command.arg("-p").arg(directory.path()).args(["-e", "stderr", "-c", "nginx.conf"]);
    } else {
        text = text.replace("bind *:80", &format!("bind {address}"));
        text = text.replace("bind *:81", &format!("bind {connections}"));
        text = text.replace("send-proxy-v2", version);
        text = text.replace("server send-proxy\n", &format!("server {version}\n"));
        fs::write(at("haproxy.cfg"), text).unwrap();
        command = Command::new("haproxy");
        command.args(["-db", "-f"]).arg(at("haproxy.cfg"));
    }
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(child) = command.spawn() else {
        println!("skipped: there is no {name}");
        return None;
    };
    let program = Program { child };
    let deadline = Instant::now() + LIMIT;
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < deadline, "{name} does not listen");
        thread::yield_now();
    }
    Some(Balancer { address, connections, _program: program, _directory: directory })
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Options by which an instance believes the balancer in the way it speaks.
fn options(balancer: &str) -> Vec<&str> {
    let mut options = vec!["--trusted-proxies", "127.0.0.1,unix:", "--healthz", "/healthz"];
    if balancer == "haproxy" {
        options.push("--proxy-protocol");
    }
    options
}

/// Three instances, two on TCP and one on a Unix socket.
#[track_caller]
fn instances(directory: &Path, balancer: &str) -> (Vec<Program>, [String; 3]) {
    let path = format!("unix:{}", directory.join("3.sock").display());
    let places = [("one", "127.0.0.1"), ("two", "127.0.0.1"), ("three", path.as_str())];
    let started = places.map(|(name, place)| instance(directory, name, place, &options(balancer)));
    let addresses = started.each_ref().map(|(_, address)| address.clone());
    (started.into_iter().map(|(program, _)| program).collect(), addresses)
}

/// A client that is somebody else than the balancer.
#[track_caller]
fn client_from(host: &str, address: SocketAddr) -> Browser {
    Browser::over(Client { stream: stream_from(host, address) })
}

#[track_caller]
fn stream_from(host: &str, address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let host: SocketAddr = format!("{host}:0").parse().unwrap();
    socket.bind(&host.into()).unwrap();
    socket.connect(&address.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

const SOCKET: &str = "unix:/run/socketserver/3.sock";

#[test]
fn balancers_reach_all_instances_and_name_the_client() {
    for (name, version) in [("nginx", ""), ("haproxy", "send-proxy-v2"), ("haproxy", "send-proxy")]
    {
        let directory = tempfile::tempdir().unwrap();
        let (programs, addresses) = instances(directory.path(), name);
        let Some(balancer) = balancer(name, &addresses, version) else { continue };
        let mut counts = [0; 3];
        for _ in 0..30 {
            let mut browser = client_from("127.0.0.2", balancer.address);
            let request = "GET /name HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 6.6.6.6\r\n\
                           Forwarded: for=6.6.6.6\r\n\r\n";
            let reply = browser.ask(request);
            assert_eq!(reply.status(), 200, "{name}: {}", reply.head);
            let place = ["one", "two", "three"].iter().position(|name| *name == reply.text());
            counts[place.unwrap()] += 1;
        }
        assert!(counts.iter().all(|&count| count >= 5), "{name}: {counts:?}");
        for program in programs {
            let said = program.end(Signal::SIGTERM);
            let (ours, others): (Vec<_>, Vec<_>) =
                said.lines().partition(|line| line.contains("\"GET /name HTTP/1."));
            assert!(ours.len() >= 5, "{name}: {said}");
            for line in &ours {
                assert!(line.starts_with("127.0.0.2 - - ["), "{name}: {line}");
            }
            for line in &others {
                assert!(line.contains("/healthz"), "{name}: {line}");
            }
        }
    }
}

/// A server of this handler behind a balancer, which names the client to it in its own way; `None`
/// where the balancer is not there.
fn behind<F>(name: &str, answer: F) -> Option<(Running, Balancer)>
where
    F: Fn(&mut Exchange<'_>) -> io::Result<()> + Send + Sync + 'static,
{
    let trusted: TrustedProxies = "127.0.0.1".parse().unwrap();
    let handler = Behind { base: answering(answer), trusted: trusted.clone() };
    let server = match name {
        "nginx" => Running::start(bind::<ThreadPool, _>(handler)),
        _ => Running::start(bind::<ThreadPool, _>(ProxyProtocol::new(handler, trusted))),
    };
    let place = server.address.to_string();
    let balancer = balancer(name, &[(); 3].map(|()| place.clone()), "send-proxy-v2")?;
    Some((server, balancer))
}

#[test]
fn a_handler_behind_a_balancer_sees_the_client() {
    for name in ["nginx", "haproxy"] {
        let Some((_server, balancer)) = behind(name, who) else { continue };
        let reply = client_from("127.0.0.3", balancer.address).ask(get("/"));
        assert!(reply.text().starts_with("127.0.0.3:"), "{name}: {}", reply.text());
        if name == "haproxy" {
            // Of a connection that is not looked into.
            let mut browser = client_from("127.0.0.3", balancer.connections);
            let address = browser.client.address();
            for _ in 0..2 {
                assert!(browser.ask(get("/")).text().starts_with(&address.to_string()));
            }
        }
    }
}

#[test]
fn balancers_pass_on_the_host_that_the_client_named() {
    let host = |http: &mut Exchange<'_>| {
        let host = http.headers.get("Host").unwrap_or_default().to_owned();
        answer(http, host)
    };
    for name in ["nginx", "haproxy"] {
        let Some((_server, balancer)) = behind(name, host) else { continue };
        for (target, field, expected) in [
            ("/", "x.Example:8080", "x.Example:8080"),
            ("/", "x.example", "x.example"),
            ("/", "[::1]:81", "[::1]:81"),
            ("http://a:81/", "a:81", "a:81"),
        ] {
            let request = format!("GET {target} HTTP/1.1\r\nHost: {field}\r\n\r\n");
            let reply = client_from("127.0.0.3", balancer.address).ask(request);
            assert_eq!((reply.status(), reply.text()), (200, expected), "{name}: {target}");
        }
        if name == "nginx" {
            // A target of another host than the field's, and a request without the field. HAProxy
            // passes on both as they are.
            for (request, expected) in [
                ("GET http://a/ HTTP/1.1\r\nHost: b:82\r\n\r\n", "a"),
                ("GET / HTTP/1.0\r\n\r\n", "localhost"),
            ] {
                let reply = client_from("127.0.0.3", balancer.address).ask(request);
                assert_eq!((reply.status(), reply.text()), (200, expected), "{request}");
            }
        }
    }
}

/// Ways to write a path that some server takes for `/PAGE`.
const SPELLINGS: [&str; 31] = [
    "/PAGE",
    "//PAGE",
    "///PAGE",
    "/%2fPAGE",
    "/PAGE/",
    "/PAGE//",
    "/PAGE%2F",
    "/PAGE?x",
    "/PAGE?x=/../y",
    "/PAGE/?x",
    "/PAGE;x",
    "/PAGE#x",
    "/./PAGE",
    "/x/../PAGE",
    "/x/%2e%2e/PAGE",
    "/x/.%2E/PAGE",
    "/x//../PAGE",
    "/PAGE/.",
    "/PAGE/x/..",
    "/../PAGE",
    "http://x/PAGE",
    "http://x//PAGE",
    "http://x/x/../PAGE",
    "http://x:80/PAGE?x",
    // None of the forms of a target: HAProxy's `path` is empty for some of them.
    "*/../PAGE",
    "*/../PAGE/.",
    "*/PAGE/x/..?x",
    "*PAGE",
    "x/../PAGE",
    "x:/../../PAGE",
    "ftp://x/../../../PAGE",
];

#[test]
fn no_spelling_of_a_path_reaches_what_is_not_for_clients() {
    let reached = |http: &mut Exchange<'_>| {
        let path = http.path.clone();
        answer(http, format!("reached: {path}"))
    };
    for name in ["nginx", "haproxy"] {
        let Some((_server, balancer)) = behind(name, reached) else { continue };
        let ask = |target: &str| client_from("127.0.0.3", balancer.address).ask(get(target));
        for page in ["metrics", "healthz"] {
            let escaped = page.replace('e', "%65");
            let upper = page.replace('m', "%6D").replace('z', "%7a");
            for spelling in SPELLINGS {
                for page in [page, &escaped, &upper] {
                    let target = spelling.replace("PAGE", page);
                    let reply = ask(&target);
                    let (status, text) = (reply.status(), reply.text());
                    assert!(
                        [400, 404].contains(&status) && !text.contains("reached"),
                        "{name}: {target}: {status} {text}"
                    );
                    // It is the balancer that refuses it, and not the instance.
                    let server = reply.header("Server").unwrap_or_default();
                    assert!(!server.contains("socketserver"), "{name}: {target}: {server}");
                }
            }
        }
        // Others are those of the site.
        for target in
            ["/", "/metricsx", "/x/metrics", "/metrics/x", "/.../x", "/a..b", "/healthz.txt"]
        {
            assert_eq!(ask(target).text(), format!("reached: {target}"), "{name}");
        }
        assert!(ask("http://x").text().starts_with("reached: "), "{name}");
        if name == "haproxy" {
            // nginx refuses it.
            let options = "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n";
            let reply = client_from("127.0.0.3", balancer.address).ask(options);
            assert_eq!(reply.text(), "reached: *");
        }
    }
}

#[test]
fn an_instance_speaks_tls_with_the_clients_of_a_balancer_that_does_not() {
    let (files, authority) = (PemFiles::new(), Authority::new());
    let cert = files.write("cert.pem", &authority.issue().both()).display().to_string();
    let config = Arc::new(client_config(&authority));
    for version in ["send-proxy", "send-proxy-v2"] {
        let directory = tempfile::tempdir().unwrap();
        let options = [&options("haproxy")[..], &["--tls-cert", &cert]].concat();
        let (program, place) = instance(directory.path(), "one", "127.0.0.1", &options);
        let instances = [(); 3].map(|()| place.clone());
        let Some(balancer) = balancer("haproxy", &instances, version) else { continue };
        let stream = stream_from("127.0.0.3", balancer.connections);
        let mut client = TlsClient::shake_hands(client_session(&config), stream).unwrap();
        for _ in 0..2 {
            client.send(get("/name"));
            assert_eq!(client.reply().1, b"one");
        }
        let said = program.end(Signal::SIGTERM);
        let lines = || said.lines().filter(|line| line.contains("\"GET /name HTTP/1."));
        assert!(lines().all(|line| line.starts_with("127.0.0.3 - - [")), "{said}");
        assert_eq!(lines().count(), 2, "{said}");
    }
}

#[test]
fn no_request_fails_while_one_instance_is_killed_and_another_drained() {
    for name in ["nginx", "haproxy"] {
        let directory = tempfile::tempdir().unwrap();
        let (mut programs, addresses) = instances(directory.path(), name);
        let Some(balancer) = balancer(name, &addresses, "send-proxy-v2") else { continue };
        let load = Load::default();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| load.run(balancer.address));
            }
            let ended = Ending(&load);
            load.wait_for(100);
            // One on TCP is killed, the one on the Unix socket drained.
            drop(programs.remove(0));
            load.wait_for(300);
            programs.pop().unwrap().end(Signal::SIGTERM);
            load.wait_for(300);
            drop(ended);
        });
        let (done, failed) = (load.done.into_inner(), load.failed.into_inner());
        println!("{name}: {done} requests, {failed} failed");
        assert_eq!(failed, 0, "{name}: of {done}");
    }
}

/// An instance that resets the connection under a body would count as broken, and so would the next
/// one, to which the balancer sends the request again.
#[test]
fn refused_uploads_take_no_instance_from_others() {
    // As long as nginx lets through.
    const LENGTH: usize = 1_000_000;
    for name in ["nginx", "haproxy"] {
        let directory = tempfile::tempdir().unwrap();
        let (_programs, addresses) = instances(directory.path(), name);
        let Some(balancer) = balancer(name, &addresses, "send-proxy-v2") else { continue };
        for turn in 0..20 {
            let mut upload = client_from("127.0.0.2", balancer.address);
            upload
                .send(format!("PUT /new HTTP/1.1\r\nHost: x\r\nContent-Length: {LENGTH}\r\n\r\n"));
            upload.send(vec![b'x'; LENGTH]);
            assert_eq!(upload.reply().status(), 501, "{name}: {turn}");
            let reply = client_from("127.0.0.3", balancer.address).ask(get("/name"));
            assert_eq!(reply.status(), 200, "{name}: {turn}: {}", reply.head);
        }
    }
}

/// Clients that ask as fast as they can.
#[derive(Debug, Default)]
struct Load {
    done: AtomicUsize,
    failed: AtomicUsize,
    ends: AtomicBool,
}

/// Ends the load, also where the test fails.
struct Ending<'a>(&'a Load);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.ends.store(true, Ordering::SeqCst);
    }
}

impl Load {
    fn run(&self, address: SocketAddr) {
        while !self.ends.load(Ordering::SeqCst) {
            // What is asked counts as failed until the reply is there, so that a panic counts, too.
            self.failed.fetch_add(1, Ordering::SeqCst);
            let mut browser = client_from("127.0.0.2", address);
            for request in 0..10 {
                let reply = browser.ask(get("/name"));
                assert_eq!(reply.status(), 200, "{}", reply.head);
                assert!(["one", "two", "three"].contains(&reply.text()), "{}", reply.text());
                self.done.fetch_add(1, Ordering::SeqCst);
                if request == 9 {
                    self.failed.fetch_sub(1, Ordering::SeqCst);
                }
            }
        }
    }

    /// Waits for so many more replies.
    #[track_caller]
    fn wait_for(&self, count: usize) {
        let (begun, deadline) = (self.done.load(Ordering::SeqCst), Instant::now() + LIMIT * 4);
        while self.done.load(Ordering::SeqCst) < begun + count {
            assert!(Instant::now() < deadline, "the load stands still");
            thread::sleep(Duration::from_millis(1));
        }
    }
}

#[test]
fn systemd_accepts_the_units_and_opens_their_socket() {
    let directory = tempfile::tempdir().unwrap();
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/systemd");
    let units = ["socketserver.service", "socketserver.socket"].map(|name| {
        let text = fs::read_to_string(deploy.join(name)).unwrap();
        let command = env!("CARGO_BIN_EXE_socketserver");
        let path = directory.path().join(name);
        fs::write(&path, text.replace("/usr/local/bin/socketserver", command)).unwrap();
        path
    });
    match Command::new("systemd-analyze").arg("verify").args(units).output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && said.is_empty(), "{said}");
        }
        Err(_) => println!("skipped: there is no systemd-analyze"),
    }
    let address = free_address();
    let mut command = Command::new("systemd-socket-activate");
    command.arg("-l").arg(address.to_string()).arg(env!("CARGO_BIN_EXE_socketserver"));
    command.arg("-d").arg(directory.path()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(child) = command.spawn() else {
        return println!("skipped: there is no systemd-socket-activate");
    };
    let _program = Program { child };
    let deadline = Instant::now() + LIMIT;
    let stream = loop {
        match TcpStream::connect(address) {
            Ok(stream) => break stream,
            Err(_) => assert!(Instant::now() < deadline, "systemd-socket-activate does not listen"),
        }
        thread::yield_now();
    };
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let reply = Browser::over(Client { stream }).ask(get("/socketserver.socket"));
    assert!(reply.text().contains("ListenStream=127.0.0.1:8000"));
}
