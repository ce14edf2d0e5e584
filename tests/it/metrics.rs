//! What is counted, and whether the server is well.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::thread;
use std::time::Instant;

use socketserver::http::{Exchange, HttpError, HttpRequestHandler, Metrics};
use socketserver::{Connections, Overload, ServerInfo, ThreadPool, Timeouts};

use crate::support::{Gate, LIMIT, Notes, Running, bind_with};
use crate::web::{Browser, answer, answering, ask, get, noting, serve};

/// Reads a page, and checks on the way what the format demands.
#[track_caller]
fn read(page: &str) -> BTreeMap<String, f64> {
    let (mut kinds, mut samples) = (BTreeMap::new(), BTreeMap::new());
    let mut family = "";
    for line in page.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            family = help.split_once(' ').expect("a name and a text").0;
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(name, family, "HELP and TYPE go together");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(kinds.insert(name, kind).is_none(), "{name} is there twice");
        } else {
            let (series, value) = line.rsplit_once(' ').expect(line);
            let name = series.split('{').next().unwrap();
            let ending = name.strip_prefix(family).expect("samples follow their family");
            let is_histogram = kinds[family] == "histogram";
            assert_eq!(is_histogram, !ending.is_empty(), "{line}");
            let value = value.parse().expect(line);
            assert!(samples.insert(series.to_owned(), value).is_none(), "{series} is there twice");
        }
    }
    assert!(page.ends_with('\n'));
    samples
}

#[track_caller]
fn scrape(server: &Running) -> BTreeMap<String, f64> {
    let reply = ask(server, get("/metrics?now"));
    assert_eq!(reply.header("Content-Type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    read(reply.text())
}

fn requests(method: &str, code: &str) -> String {
    format!("socketserver_http_requests_total{{method=\"{method}\",code=\"{code}\"}}")
}

/// Extends a handler, and notes the end of each request, after it was counted.
struct Ending<H> {
    base: H,
    ended: Notes<()>,
}

impl<H: HttpRequestHandler> HttpRequestHandler for Ending<H> {
    fn base(&self) -> &dyn HttpRequestHandler {
        &self.base
    }

    fn finish(&self, _: &Exchange<'_>) {
        self.ended.add(());
    }
}

/// Fails, streams, takes over, or is silent, as the path says.
fn varied(http: &mut Exchange<'_>) -> io::Result<()> {
    match http.path.as_str() {
        "/stream" => {
            http.send_response(200)?;
            http.end_headers()?;
            (0..10).try_for_each(|_| http.wfile.write_all(b"0123456789"))
        }
        "/panic" => panic!("as asked"),
        "/late" => {
            http.send_response(200)?;
            http.end_headers()?;
            http.wfile.write_all(b"begun")?;
            panic!("as asked")
        }
        "/silent" => Ok(()),
        "/take" => http.take_over().map(drop),
        "/switch" => {
            http.send_response(101)?;
            http.end_headers()?;
            http.take_over().map(drop)
        }
        "/busy" => http.send_error(503),
        "/refuse" => Err(HttpError::new(413, "too much").into()),
        _ => answer(http, "hello"),
    }
}

#[test]
fn every_request_counts_once_whatever_becomes_of_it() {
    let ended = Notes::new();
    let base = Ending { base: answering(varied), ended: ended.clone() };
    let server = serve(Metrics::new(base).metrics("/metrics"));
    let mut browser = Browser::connect(&server);
    for _ in 0..3 {
        browser.ask(get("/"));
    }
    assert_eq!(browser.ask(get("/stream")).body.len(), 100);
    assert_eq!(browser.ask("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n").status(), 200);
    assert_eq!(browser.ask("BREW / HTTP/1.1\r\nHost: x\r\n\r\n").status(), 200);
    for (path, code) in
        [("/panic", 500), ("/silent", 500), ("/busy", 503), ("/refuse", 413), ("/late", 200)]
    {
        let request = get(path);
        let reply = crate::web::talk(&server, request);
        assert!(reply.starts_with(format!("HTTP/1.1 {code} ").as_bytes()), "{path}");
    }
    for path in ["/take", "/switch"] {
        crate::web::talk(&server, get(path));
    }
    assert_eq!(ask(&server, "nonsense\r\n\r\n").status(), 400);
    (0..14).for_each(|_| ended.next());
    let samples = scrape(&server);
    let counted: Vec<_> =
        samples.iter().filter(|(name, _)| name.contains("requests_total")).collect();
    let expected = [
        (requests("GET", "101"), 1.0),
        (requests("GET", "200"), 5.0),
        (requests("GET", "413"), 1.0),
        (requests("GET", "500"), 2.0),
        (requests("GET", "503"), 1.0),
        (requests("GET", "none"), 1.0),
        (requests("HEAD", "200"), 1.0),
        (requests("other", "200"), 1.0),
        (requests("other", "400"), 1.0),
    ];
    assert_eq!(counted, expected.iter().map(|(name, count)| (name, count)).collect::<Vec<_>>());
    let name = "socketserver_http_request_duration_seconds";
    assert_eq!(samples[&format!("{name}_count")], 14.0);
    assert_eq!(samples[&format!("{name}_bucket{{le=\"+Inf\"}}")], 14.0);
    assert!(samples[&format!("{name}_bucket{{le=\"10\"}}")] >= 13.0);
    assert!(samples[&format!("{name}_sum")] > 0.0);
    // Three and one of five bytes, the stream, what was begun; the error pages are not measured
    // here.
    let bytes = samples["socketserver_http_response_body_bytes_total"];
    assert!((125.0..4000.0).contains(&bytes), "{bytes}");
    // The scrape itself counts when it is answered.
    ended.next();
    assert_eq!(scrape(&server)[&requests("GET", "200")], 6.0);
}

#[test]
fn clients_that_are_refused_for_want_of_room_count() {
    let ended = Notes::new();
    let base = Ending { base: answering(varied), ended: ended.clone() };
    let handler = Metrics::new(base).metrics("/metrics");
    let mut server = bind_with(handler, ThreadPool::default());
    server.max_connections = 1;
    server.overload = Overload::Refuse;
    let server = Running::start(server);
    let mut first = Browser::connect(&server);
    assert_eq!(first.ask(get("/")).status(), 200);
    assert_eq!(Browser::connect(&server).reply().status(), 503);
    (0..2).for_each(|_| ended.next());
    let samples = read(first.ask(get("/metrics")).text());
    assert_eq!(samples[&requests("other", "503")], 1.0);
}

#[test]
fn the_other_handlers_words_are_kept() {
    let base = noting(answering(|http| http.send_error(418))).http11();
    let (log, timeouts) = (base.log.clone(), Timeouts::default().each_wait(LIMIT));
    let handler = Metrics::new(base.timeouts(timeouts)).healthz("/healthz");
    assert_eq!(HttpRequestHandler::timeouts(&handler), timeouts);
    let server = serve(handler);
    // Its own path is not in the way where it was not asked for, nor another method's.
    for request in [get("/metrics"), get("/healthz/"), get("/healthz").replace("GET", "POST")] {
        assert_eq!(ask(&server, request).status(), 418);
        assert!(log.next().starts_with("code 418"));
        assert!(log.next().ends_with(" 418 -"));
    }
    assert_eq!(ask(&server, get("/healthz")).text(), "ok\n");
    assert_eq!(log.next(), "\"GET /healthz HTTP/1.1\" 200 -");
    assert_eq!(ask(&server, get("/healthz").replace("GET", "HEAD")).status(), 200);
}

#[test]
fn others_do_not_see_the_numbers() {
    let base = answering(|http| answer(http, "mine"));
    let handler = Metrics::new(base).metrics("/metrics").healthz("/healthz");
    let server = serve(handler.only_for(|client| client.ip() != Some([127, 0, 0, 1].into())));
    for path in ["/metrics", "/healthz"] {
        assert_eq!(ask(&server, get(path)).text(), "mine");
    }
}

#[test]
fn a_path_that_does_not_begin_with_a_slash_has_no_page() {
    for path in ["", "m"] {
        let handler = Metrics::new(answering(|http| answer(http, "mine")));
        let server = serve(handler.metrics(path).healthz(path));
        for target in ["/", "/m"] {
            assert_eq!(ask(&server, get(target)).text(), "mine", "{path}: {target}");
        }
    }
}

/// Which may be open to all.
#[test]
fn a_path_of_both_pages_does_not_have_the_numbers() {
    let server = serve(Metrics::new(answering(varied)).metrics("/m").healthz("//m"));
    assert_eq!(ask(&server, get("/m")).text(), "ok\n");
}

#[test]
fn a_server_that_is_being_stopped_is_not_well() {
    let (noticed, gate) = (Notes::new(), Gate::new());
    let (notes, passed) = (noticed.clone(), gate.clone());
    let base = answering(move |http| {
        let connection = http.take_over()?;
        notes.add("taken");
        while !connection.is_draining() {
            thread::yield_now();
        }
        notes.add("draining");
        passed.pass();
        Ok(())
    });
    let server = serve(Metrics::new(base).healthz("/healthz").metrics("/metrics"));
    // A request that has begun is waited for.
    let mut asking = [Browser::connect(&server), Browser::connect(&server)];
    for (browser, path) in asking.iter_mut().zip(["/healthz", "/metrics"]) {
        browser.send(format!("GET {path} HTTP/1.1\r\n"));
    }
    let mut busy = Browser::connect(&server);
    busy.send(get("/"));
    assert_eq!(noticed.next(), "taken");
    server.handle.shutdown();
    assert_eq!(noticed.next(), "draining");
    let [mut health, mut numbers] = asking;
    let reply = health.ask("Host: x\r\n\r\n");
    assert_eq!((reply.status(), reply.text()), (503, "draining\n"));
    let reply = numbers.ask("Host: x\r\n\r\n");
    assert_eq!(read(reply.text())["socketserver_draining"], 1.0);
    gate.let_through(1);
    server.wait();
}

/// Waits until the server counts this.
#[track_caller]
/// The connections that are open, idle, busy and waiting.
fn comes_to(info: &ServerInfo, expected: [usize; 4]) {
    let deadline = Instant::now() + LIMIT;
    let counts = |all: Connections| [all.open, all.idle, all.busy, all.waiting];
    while counts(info.connections()) != expected {
        assert!(Instant::now() < deadline, "{:?}, not {expected:?}", info.connections());
        thread::yield_now();
    }
}

#[test]
fn connections_are_idle_busy_or_waiting() {
    let (infos, gate) = (Notes::new(), Gate::new());
    let (noted, passed) = (infos.clone(), gate.clone());
    let handler = answering(move |http| {
        noted.add(http.server.clone());
        passed.pass();
        answer(http, "")
    });
    let handler = Metrics::new(handler).metrics("/metrics");
    let server = Running::start(bind_with(handler, ThreadPool::default().max_threads(1)));
    let _silent = server.connect();
    let mut clients = [(); 3].map(|()| Browser::connect(&server));
    clients[0].send(get("/"));
    let info = infos.next();
    comes_to(&info, [4, 3, 1, 0]);
    for client in &mut clients[1..] {
        client.send(get("/"));
    }
    comes_to(&info, [4, 1, 1, 2]);
    assert_eq!(info.worker_count(), 1);
    gate.let_through(3);
    for client in &mut clients {
        assert_eq!(client.reply().status(), 200);
    }
    comes_to(&info, [4, 4, 0, 0]);
    let samples = scrape(&server);
    let gauge = |name: &str| samples[&format!("socketserver_{name}")];
    assert_eq!(gauge("connections{state=\"busy\"}"), 1.0);
    assert_eq!((gauge("queue_length"), gauge("workers"), gauge("draining")), (0.0, 1.0, 0.0));
    assert_eq!(gauge("open_connections"), gauge("connections{state=\"idle\"}") + 1.0);
    drop(clients);
    comes_to(&info, [1, 1, 0, 0]);
    server.stop();
    assert_eq!(info.connections(), Connections::default());
}
