//! The differences from CPython that `docs/DIFFERENCES.md` shows by a test.

use std::fmt::{self, Debug};
use std::io::{self, Write};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use socket2::SockRef;
use socketserver::concurrency::ForkRefused;
use socketserver::http::url::parse_qsl;
use socketserver::http::{
    BaseHttpRequestHandler, Defaults, Exchange, FileHooks, HttpRequestHandler, ProtocolVersion,
};
use socketserver::transport::TcpBind;
use socketserver::{
    Address, Connection, Datagram, Forking, ForkingTcpServer, HttpServer, Sequential, TcpServer,
    ThreadPool, ThreadingUnixStreamServer, Timeouts, UdpServer, handler_fn,
};

use crate::support::{Client, Running, free_path, in_a_process_of_its_own};
use crate::web::{self, Site, answer, answering, get, noting, serve};

#[test]
fn shutdown_works_before_serving_and_in_a_handler() {
    let stop = handler_fn(|connection: Connection| {
        connection.server.shutdown();
        Ok(())
    });
    let mut server = TcpServer::<Sequential, _>::bind("127.0.0.1:0", stop).unwrap();
    server.shutdown_handle().shutdown();
    server.serve_forever().unwrap();

    let address = server.server_address();
    let client = thread::spawn(move || ask(address, ""));
    server.serve_forever().unwrap();
    assert_eq!(client.join().unwrap(), "");
}

#[test]
fn a_line_end_in_a_header_is_refused() {
    struct Injecting;
    impl HttpRequestHandler for Injecting {
        fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
            http.send_response(200)?;
            http.send_header("Location", "/\r\nSet-Cookie: stolen=1")?;
            http.end_headers()
        }
    }
    let response = serve_one(Injecting, "GET / HTTP/1.0\r\n\r\n");
    assert!(response.starts_with("HTTP/1.0 500 Internal Server Error\r\n"), "{response}");
    assert!(!response.contains("Set-Cookie"), "{response}");
}

#[test]
fn a_body_without_a_length_is_chunked() {
    struct Lengthless;
    impl HttpRequestHandler for Lengthless {
        fn protocol_version(&self) -> ProtocolVersion {
            ProtocolVersion::Http11
        }

        fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
            http.send_response(200)?;
            http.end_headers()?;
            http.wfile.write_all(b"hello")
        }
    }
    let request = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let response = serve_one(Lengthless, request);
    assert!(response.contains("\r\nTransfer-Encoding: chunked\r\n"), "{response}");
    assert!(response.ends_with("\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), "{response}");
}

#[test]
fn a_request_that_stalls_is_answered_408() {
    struct Impatient;
    impl HttpRequestHandler for Impatient {
        fn timeouts(&self) -> Timeouts {
            Timeouts::default().each_wait(Duration::from_millis(20))
        }
    }
    let response = serve_one(Impatient, "GET / HTTP/1.0\r\nHo");
    assert!(response.starts_with("HTTP/1.0 408 Request Timeout\r\n"), "{response}");
}

#[test]
fn the_defaults_are_those_that_the_comparison_names() {
    let (half_a_minute, minute) = (Duration::from_secs(30), Duration::from_secs(60));
    let named = Timeouts::default().head(half_a_minute).idle(minute).stall(half_a_minute);
    assert_eq!(Timeouts::default(), named.body_rate(500).response_rate(500));
    // A program cannot ask for these. What `Debug` shows is for people, such as this test.
    let shows = |options: &dyn Debug, setting| assert!(format!("{options:?}").contains(setting));
    shows(&ThreadPool::default(), "max_threads: 1024,");
    shows(&Forking::default(), "max_children: 40,");
    shows(&TcpBind::new(":0"), "request_queue_size: 4096,");
}

#[test]
fn a_failing_verify_request_does_not_end_the_loop() {
    #[derive(Default)]
    struct Faltering {
        failed: AtomicBool,
    }
    impl HttpRequestHandler for Faltering {
        fn verify_request(&self, _: &Connection, _: &Address) -> bool {
            assert!(self.failed.swap(true, Ordering::SeqCst), "the first client is unlucky");
            true
        }
    }
    let server = HttpServer::bind("127.0.0.1:0", Faltering::default()).unwrap();
    let server = Running::start(server);
    assert_eq!(ask(server.address, ""), "");
    assert!(ask(server.address, "GET / HTTP/1.0\r\n\r\n").starts_with("HTTP/1.0 501 "));
}

#[test]
fn forking_is_refused_in_a_process_with_threads() {
    if !cfg!(target_os = "linux") {
        return; // Other systems do not tell.
    }
    let handler = handler_fn(|_: Connection| Ok(()));
    let mut server = ForkingTcpServer::bind("127.0.0.1:0", handler).unwrap();
    // The thread that runs this test is one too many already.
    let error = server.serve_forever().unwrap_err();
    assert!(matches!(ForkRefused::inside(&error), Some(ForkRefused::OtherThreads(_))), "{error}");
}

#[test]
fn binding_looks_no_name_up() {
    let name = handler_fn(|mut connection: Connection| {
        let name = connection.server.server_name().to_owned();
        connection.wfile.write_all(name.as_bytes())
    });
    let mut server = TcpServer::<Sequential, _>::bind("127.0.0.1:0", name).unwrap();
    let address = server.server_address();
    let client = thread::spawn(move || ask(address, ""));
    server.handle_request().unwrap();
    assert_eq!(client.join().unwrap(), "127.0.0.1");
}

#[test]
fn a_datagram_handler_that_writes_nothing_sends_nothing() {
    let silent = handler_fn(|mut datagram: Datagram| datagram.wfile.write_all(b""));
    let mut server = UdpServer::<Sequential, _>::bind("127.0.0.1:0", silent).unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.send_to(b"anything", server.server_address()).unwrap();
    server.handle_request().unwrap();
    client.set_nonblocking(true).unwrap();
    assert_eq!(client.recv(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn http_over_a_unix_socket_is_answered() {
    struct Addressing;
    impl HttpRequestHandler for Addressing {
        fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
            http.send_response(200)?;
            http.end_headers()?;
            http.wfile.write_all(http.address_string().as_bytes())
        }
    }
    let server = Running::start(ThreadingUnixStreamServer::bind(free_path(), Addressing).unwrap());
    let mut client = server.connect();
    client.send("GET / HTTP/1.0\r\n\r\n");
    let response = client.read_to_end();
    assert!(response.starts_with("HTTP/1.0 200 OK\r\n"), "{response}");
    assert!(response.ends_with("\r\n\r\nunix:"), "{response}");
}

#[test]
fn a_long_method_is_echoed_in_part() {
    let handler = noting(BaseHttpRequestHandler);
    let log = handler.log.clone();
    let server = serve(handler);
    let reply = web::ask(&server, format!("{} / HTTP/1.0\r\n\r\n", "X".repeat(60_000)));
    assert_eq!(reply.status(), 501);
    assert!(reply.raw.len() < 1_500, "{} bytes", reply.raw.len());
    let log = log.so_far();
    assert!(log[0].starts_with("code 501, message Unsupported method ('XXX"), "{}", log[0]);
    assert!(log[0].len() < 300, "{}", log[0]);
}

#[test]
fn all_headers_together_are_bounded() {
    let server = serve(answering(|http| answer(http, "served")));
    let request = |count: usize| {
        let headers = format!("X: {}\r\n", "x".repeat(60_000)).repeat(count);
        format!("GET / HTTP/1.1\r\nHost: h\r\n{headers}\r\n")
    };
    assert_eq!(web::ask(&server, request(4)).status(), 200);
    assert_eq!(web::ask(&server, request(5)).status(), 431);
}

#[test]
fn a_client_that_goes_away_leaves_no_line() {
    /// Sends without end, and says nothing of it.
    struct Endless;
    impl HttpRequestHandler for Endless {
        fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
            http.send_response(200)?;
            http.end_headers()?;
            loop {
                http.wfile.write_all(&[b'x'; 65_536])?;
            }
        }

        fn log_message(&self, _: &Exchange<'_>, _: fmt::Arguments<'_>) {}
    }
    let name = "differences::a_client_that_goes_away_leaves_no_line";
    let printed = in_a_process_of_its_own(name, || {
        let server = serve(Endless);
        for request in ["GET / HTT", "GET / HTTP/1.0\r\nHo", "GET / HTTP/1.0\r\n\r\n"] {
            for resets in [true, false] {
                let mut client = server.connect();
                client.send(request);
                if request.ends_with('\n') {
                    client.read_exactly(1);
                }
                if resets {
                    SockRef::from(&client.stream).set_linger(Some(Duration::ZERO)).unwrap();
                }
            }
        }
        assert_eq!(server.stop().report.cut, 0);
    });
    assert_eq!(printed, "");
}

#[test]
fn a_port_beyond_65535_is_refused() {
    let handler = handler_fn(|_: Connection| Ok(()));
    let error = TcpServer::<Sequential, _>::bind("127.0.0.1:70000", handler).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
}

#[test]
fn a_semicolon_separates_no_fields() {
    let fields = parse_qsl("a=1;b=2&c=3");
    let fields: Vec<_> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(fields, [("a", "1;b=2"), ("c", "3")]);
}

#[test]
fn a_page_may_stand_in_for_files_that_are_missing() {
    struct SinglePage;
    impl FileHooks for SinglePage {
        fn translate_path(&self, http: &Exchange<'_>, directory: &Path, path: &str) -> PathBuf {
            let file = Defaults.translate_path(http, directory, path);
            if file.exists() { file } else { directory.join("idx/index.html") }
        }
    }
    let site = Site::new();
    let server = serve(noting(site.handler().with_hooks(SinglePage)));
    for (target, body) in
        [("/a.txt", "hello world\n"), ("/users/7", "<p>i</p>"), ("/nope?x", "<p>i</p>")]
    {
        let reply = web::ask(&server, get(target));
        assert_eq!((reply.status(), reply.text()), (200, body), "{target}");
    }
}

/// What a sequential server with this handler answers.
fn serve_one(handler: impl HttpRequestHandler, request: &str) -> String {
    let server = Running::start(HttpServer::bind("127.0.0.1:0", handler).unwrap());
    ask(server.address, request)
}

/// Sends a request and returns what comes until the server closes.
fn ask(address: SocketAddr, request: &str) -> String {
    let mut client = Client::connect(address);
    client.send(request);
    client.read_to_end()
}
