//! Responses that end early, where nothing but the end of the connection tells where they end.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
#[cfg(feature = "tls")]
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "tls")]
use socketserver::TlsServer;
use socketserver::http::{Exchange, HttpError, HttpRequestHandler};
use socketserver::transport::{self, Tcp};
use socketserver::{Sequential, ThreadPool};

#[cfg(feature = "tls")]
use crate::certificates::{Authority, TlsClient, client_config};
use crate::cgi_site::CgiSite;
use crate::stalls::is_unix;
use crate::support::{
    Client, Gate, MOMENT, Notes, Running, Strategy, Streams, bind, bind_with, side_by_side,
};
use crate::web::{answering, noting};

/// What the client has of each response.
const PART: &str = "the first part";

/// Ways for a response to end early.
const CUT: [(&str, &str); 9] = [
    ("GET", "/error"),
    ("GET", "/panic"),
    ("GET", "/refusal"),
    ("GET", "/kept"),
    ("GET", "/head"),
    ("GET", "/chunks"),
    ("GET", "/error 0.9"),
    ("GET", "/length 0.9"),
    ("GET", "/coding 1.1"),
];

/// Those that are whole, or whose client can tell that they are not.
const TOLD: [(&str, &str); 8] = [
    ("GET", "/whole"),
    ("GET", "/whole 0.9"),
    ("GET", "/whole-chunks"),
    ("GET", "/length"),
    ("GET", "/error 1.1"),
    ("HEAD", "/error"),
    ("CONNECT", "h:1"),
    ("GET", "/taken"),
];

/// A request for this path, which may name a version.
fn request((method, path): (&str, &str)) -> String {
    let (path, version) = path.split_once(' ').unwrap_or((path, "1.0"));
    match version {
        "0.9" => format!("{method} {path}\r\n"),
        "1.1" => format!("{method} {path} HTTP/1.1\r\nHost: h\r\n\r\n"),
        _ => format!("{method} {path} HTTP/1.0\r\n\r\n"),
    }
}

fn begin(http: &mut Exchange<'_>, headers: &[(&str, &str)]) -> io::Result<()> {
    http.send_response(200)?;
    for (name, value) in headers {
        http.send_header(name, value)?;
    }
    http.end_headers()?;
    http.wfile.write_all(PART.as_bytes())
}

fn handler() -> impl HttpRequestHandler {
    answering(|http| {
        let chunks = ("Transfer-Encoding", "chunked");
        match http.path.as_str() {
            "/whole" => begin(http, &[]),
            "/length" => begin(http, &[("Content-Length", "1000")]),
            "/coding" => {
                begin(http, &[("Transfer-Encoding", "gzip")])?;
                Err(io::Error::other("as you wish"))
            }
            "/panic" => {
                begin(http, &[])?;
                panic!("as you wish")
            }
            "/refusal" => {
                begin(http, &[])?;
                Err(HttpError::new(404, "too late").into())
            }
            "/kept" => {
                begin(http, &[("Connection", "keep-alive")])?;
                Err(io::Error::other("as you wish"))
            }
            "/head" => {
                http.send_response(200)?;
                http.end_headers()?;
                http.flush_headers()?;
                Err(io::Error::other("as you wish"))
            }
            "/chunks" | "/whole-chunks" => {
                http.send_response(200)?;
                http.send_header(chunks.0, chunks.1)?;
                http.end_headers()?;
                write!(http.wfile, "{:x}\r\n{PART}\r\n", PART.len())?;
                if http.path == "/chunks" { Ok(()) } else { http.wfile.write_all(b"0\r\n\r\n") }
            }
            "/taken" => {
                begin(http, &[])?;
                drop(http.take_over()?);
                Err(io::Error::other("as you wish"))
            }
            _ => {
                begin(http, &[])?;
                Err(io::Error::other("as you wish"))
            }
        }
    })
}

/// Reads to the end, or to what is in its place.
fn hear_out(client: &mut Client) -> (String, Option<ErrorKind>) {
    let mut heard = Vec::new();
    let ended = client.stream.read_to_end(&mut heard);
    (String::from_utf8(heard).unwrap(), ended.err().map(|error| error.kind()))
}

fn early_ends_are_resets<T: Streams, C: Strategy>() {
    let server = Running::start(T::bind_free::<C, _>(handler()));
    for asked in CUT {
        let mut client = server.connect();
        client.send(request(asked));
        let (heard, end) = hear_out(&mut client);
        assert!(heard.ends_with(PART) || asked.1 == "/head", "{asked:?}: {heard}");
        let reset = (!is_unix(&client)).then_some(ErrorKind::ConnectionReset);
        assert_eq!(end, reset, "{asked:?}: {heard}");
    }
    for asked in TOLD {
        let mut client = server.connect();
        client.send(request(asked));
        let (heard, end) = hear_out(&mut client);
        assert!(heard.contains(PART) || asked.0 == "HEAD", "{asked:?}: {heard}");
        assert_eq!(end, None, "{asked:?}: {heard}");
    }
}

#[test]
fn a_response_that_ends_early_is_reset_when_sequential() {
    early_ends_are_resets::<Tcp, Sequential>();
    early_ends_are_resets::<transport::Unix, Sequential>();
}

#[test]
fn a_response_that_ends_early_is_reset_on_threads() {
    early_ends_are_resets::<Tcp, ThreadPool>();
    early_ends_are_resets::<transport::Unix, ThreadPool>();
}

/// As a process does that was forked meanwhile.
#[test]
fn it_is_reset_whoever_else_holds_the_socket() {
    let held = Notes::new();
    let handler = {
        let held = held.clone();
        answering(move |http| {
            held.add(http.as_fd().try_clone_to_owned()?);
            begin(http, &[])?;
            if http.path == "/whole" { Ok(()) } else { Err(io::Error::other("as you wish")) }
        })
    };
    let server = Running::start(bind::<ThreadPool, _>(handler));
    for (path, expected) in [("/", Some(ErrorKind::ConnectionReset)), ("/whole", None)] {
        let mut client = server.connect();
        client.send(request(("GET", path)));
        let _copy = held.next();
        assert_eq!(hear_out(&mut client).1, expected, "{path}");
    }
}

#[test]
fn a_response_that_is_cut_when_the_server_ends_is_reset() {
    let (gate, begun) = (Gate::new(), Notes::new());
    let handler = {
        let (gate, begun) = (gate.clone(), begun.clone());
        answering(move |http| {
            let length = [("Content-Length", "1000")];
            begin(http, if http.path == "/length" { &length } else { &[] })?;
            begun.add(());
            gate.pass();
            http.wfile.write_all(PART.as_bytes())
        })
    };
    let mut server = bind_with(handler, ThreadPool::default());
    server.shutdown_timeout = Duration::ZERO;
    let server = Running::start(server);
    let mut clients = ["/error", "/error 1.1", "/length", "/error 0.9"].map(|path| {
        let mut client = server.connect();
        client.send(request(("GET", path)));
        begun.next();
        (path, client)
    });
    server.handle.shutdown();
    for (path, client) in &mut clients {
        let (heard, end) = hear_out(client);
        assert!(heard.contains(PART), "{path}: {heard}");
        let is_told = ["/length", "/error 1.1"].contains(path);
        let expected = (!is_told).then_some(ErrorKind::ConnectionReset);
        assert_eq!(end, expected, "{path}: {heard}");
    }
    gate.let_through(4);
    assert_eq!(server.wait().report.cut, 4);
}

#[cfg(feature = "tls")]
#[test]
fn no_goodbye_is_said_over_tls() {
    let authority = Authority::new();
    let tls = authority.issue().tls();
    let server = TlsServer::bind_with(tls, handler(), ThreadPool::default()).unwrap();
    let server = Running::start(server);
    let config = Arc::new(client_config(&authority));
    let ask = |asked| {
        let mut client = TlsClient::connect(server.address, &config);
        client.send(request(asked));
        client.try_read_to_end()
    };
    for asked in CUT {
        assert_eq!(ask(asked).unwrap_err().kind(), ErrorKind::ConnectionReset, "{asked:?}");
    }
    for asked in TOLD {
        ask(asked).unwrap();
    }
}

#[test]
fn a_scripts_response_that_is_cut_at_its_limit_is_reset() {
    let plain = "echo Content-Type: text/plain;";
    let site = CgiSite::new(&[
        ("waits", &format!("{plain} echo; printf '{PART}'; exec sleep 60")),
        (
            "counted",
            &format!("{plain} echo Content-Length: 1000; echo; printf '{PART}'; exec sleep 60"),
        ),
        ("nph-waits", &format!("printf 'HTTP/1.0 200 OK\\r\\n\\r\\n{PART}'; exec sleep 60")),
        ("ends", &format!("{plain} echo; printf '{PART}'")),
    ]);
    let handler = noting(site.handler().timeout(Some(MOMENT))).http11();
    let server = Running::start(bind::<ThreadPool, _>(handler));
    for (path, is_reset) in [
        ("/cgi-bin/waits", true),
        ("/cgi-bin/nph-waits", true),
        ("/cgi-bin/waits 1.1", false),
        ("/cgi-bin/counted", false),
        ("/cgi-bin/ends", false),
    ] {
        let mut client = server.connect();
        client.send(request(("GET", path)));
        let (heard, end) = hear_out(&mut client);
        assert!(heard.contains(PART), "{path}: {heard}");
        assert_eq!(end, is_reset.then_some(ErrorKind::ConnectionReset), "{path}: {heard}");
        if path.ends_with("1.1") {
            assert!(heard.ends_with(&format!("{PART}\r\n")), "the last chunk came: {heard}");
        }
    }
}

/// As the kernel does when memory is short, and a fault of the script's own.
#[test]
fn a_response_of_a_script_that_a_signal_kills_is_cut() {
    let plain = "echo Content-Type: text/plain;";
    let counted = format!("{plain} echo Content-Length: {}; echo; printf '{PART}'", PART.len());
    // The pause has what was written leave before.
    let mut scripts = Vec::new();
    for signal in ["KILL", "SEGV", "TERM"] {
        let killed = format!("sleep 0.2; ulimit -c 0; kill -{signal} $$");
        scripts.extend([
            (format!("dies-{signal}"), format!("{plain} echo; printf '{PART}'; {killed}")),
            (
                format!("nph-dies-{signal}"),
                format!("printf 'HTTP/1.0 200 OK\\r\\n\\r\\n{PART}'; {killed}"),
            ),
            (
                format!("holds-{signal}"),
                format!("{plain} echo; printf '{PART}'; sleep 60 & {killed}"),
            ),
            (format!("whole-{signal}"), format!("{counted}; {killed}")),
        ]);
    }
    scripts.push(("fails".to_owned(), format!("{plain} echo; printf '{PART}'; exit 1")));
    let scripts: Vec<_> =
        scripts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let site = CgiSite::new(&scripts);
    let handler = noting(site.handler()).http11();
    let server = Running::start(bind::<ThreadPool, _>(handler));
    side_by_side(scripts.iter().map(|(name, _)| *name), |name| {
        let is_cut = !name.starts_with("whole") && name != "fails";
        for version in ["", " 1.1"] {
            let mut client = server.connect();
            client.send(request(("GET", &format!("/cgi-bin/{name}{version}"))));
            client.finish_sending();
            let (heard, end) = hear_out(&mut client);
            assert!(heard.contains(PART), "{name}{version}: {heard}");
            let is_chunked = heard.contains("chunked");
            let is_reset = is_cut && !is_chunked;
            assert_eq!(end, is_reset.then_some(ErrorKind::ConnectionReset), "{name}{version}");
            if is_chunked {
                assert_eq!(heard.ends_with("\r\n0\r\n\r\n"), !is_cut, "{name}: {heard}");
            }
        }
    });
}
