//! The live page, by a server that is not observed itself and has a thread for each browser.

use std::fmt::{self, Write as _};
use std::io::{self, ErrorKind, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::Duration;

use socketserver::http::url::parse_qs;
use socketserver::http::{Exchange, HttpRequestHandler, Status};
use socketserver::{Signal, TcpServer, ThreadPool};

use crate::Failure;
use crate::draw::escape;
use crate::page::{CHOICE, LEGEND, head, idle};
use crate::script::{NAMED, Script};
use crate::stage::Stage;
use crate::strategy::{OFFERED, Strategy};

const PAGE: &str = include_str!("page.html");

/// All that the page needs is in it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                      connect-src 'self'; form-action 'self'; frame-ancestors 'none'";

struct Conductor {
    stage: Arc<Stage>,
    chosen: Vec<Strategy>,
    offered: Vec<Strategy>,
    is_local: bool,
}

impl Conductor {
    fn send(&self, http: &mut Exchange<'_>, status: u16, kind: &str, text: &str) -> io::Result<()> {
        http.send_response(status)?;
        http.send_header("Content-Type", format!("{kind}; charset=utf-8"))?;
        http.send_header("Content-Length", text.len())?;
        http.send_header("Cache-Control", "no-store")?;
        http.send_header("Content-Security-Policy", POLICY)?;
        if kind == "text/html" && http.target().path() == "/save" {
            http.send_header("Content-Disposition", "attachment; filename=\"lab.html\"")?;
        }
        http.end_headers()?;
        http.wfile.write_all(text.as_bytes())
    }

    /// Sends events until the browser has left or the lab ends.
    fn send_events(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        let events = self.stage.watch();
        http.send_response(200)?;
        http.send_header("Content-Type", "text/event-stream")?;
        http.send_header("Cache-Control", "no-store")?;
        http.end_headers()?;
        while !http.server.shutdown_handle().is_shutdown_requested() {
            match events.recv_timeout(Duration::from_millis(500)) {
                Ok(event) => http.wfile.write_all(event.as_bytes())?,
                // Shows whether the browser is still there.
                Err(RecvTimeoutError::Timeout) => http.wfile.write_all(b": still here\n\n")?,
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        Ok(())
    }

    fn page(&self) -> String {
        let mut strategies = String::new();
        for strategy in &self.offered {
            let checked = if self.chosen.contains(strategy) { " checked" } else { "" };
            let _ = write!(
                strategies,
                "<label><input type='checkbox' value='{}'{checked}> {}</label> ",
                escape(&strategy.to_string()),
                escape(&strategy.title()),
            );
        }
        let mut scripts = String::new();
        for (name, about, words) in NAMED {
            let _ = write!(
                scripts,
                "<button type='button' class='script' value='{name}' aria-pressed='false' \
                 title='{}: {}'>{name}</button> ",
                escape(about),
                escape(words),
            );
        }
        PAGE.replace("<!-- head -->", &head("The lab: strategies, live"))
            .replace("<!-- strategies -->", &strategies)
            .replace("<!-- scripts -->", &scripts)
            .replace("<!-- lanes -->", CHOICE)
            .replace("<!-- legend -->", LEGEND)
            .replace("<!-- panels -->", &self.stage.panels())
            .replace("<!-- idle -->", &self.offered.iter().map(idle).collect::<String>())
    }

    /// Starts what a form asks for.
    fn run(&self, form: &str) -> Result<(), Failure> {
        let form = parse_qs(form);
        let field = |name: &str| form.first(name).unwrap_or_default();
        let slower =
            match field("slower") {
                "" => 1,
                text => text.parse().ok().filter(|factor| (1..=10).contains(factor)).ok_or_else(
                    || Failure(format!("'{text}' is no number of times from 1 to 10")),
                )?,
            };
        let script = Script::parse(field("script"))?.slowed(slower);
        let words = field("strategies").split(',').filter(|word| !word.is_empty());
        let strategies = words.map(str::parse).collect::<Result<Vec<Strategy>, _>>()?;
        if strategies.is_empty() {
            return Err(Failure("choose a strategy".to_owned()));
        }
        // Any program can be a strategy, but those are chosen on the command line.
        if let Some(other) = strategies.iter().find(|asked| !self.offered.contains(asked)) {
            return Err(Failure(format!("'{other}' is not offered by this lab")));
        }
        self.stage.run(&strategies, script);
        Ok(())
    }

    /// Whether a page of another site may have sent this, by its own name for this machine.
    fn is_foreign(&self, http: &Exchange<'_>) -> bool {
        let Some(host) = http.target().host().or_else(|| http.headers.get("Host")) else {
            return false; // No browser.
        };
        let is_ours = host.split_once(']').map_or_else(
            || {
                let name = host.split(':').next().unwrap_or_default();
                let ip = name.parse::<IpAddr>();
                ip.is_ok_and(|ip| ip.is_loopback()) || name.eq_ignore_ascii_case("localhost")
            },
            |(name, _)| name.strip_prefix('[').is_some_and(|name| name == "::1"),
        );
        self.is_local && !is_ours
    }

    fn refuse(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        self.send(http, 403, "text/plain", "This is for pages of the lab alone.")
    }
}

impl HttpRequestHandler for Conductor {
    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        if self.is_foreign(http) {
            return self.refuse(http);
        }
        match http.target().path() {
            "/" => self.send(http, 200, "text/html", &self.page()),
            "/events" => self.send_events(http),
            "/save" => self.send(http, 200, "text/html", &self.stage.saved()),
            _ => self.send_error(http, Status::NOT_FOUND, None, None),
        }
    }

    fn do_post(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        if http.target().path() != "/run" {
            return self.send_error(http, Status::NOT_FOUND, None, None);
        }
        if self.is_foreign(http) || http.headers.get("X-Lab").is_none() {
            return self.refuse(http);
        }
        let form = http.rfile.read_all(64 << 10)?;
        match self.run(&String::from_utf8_lossy(&form)) {
            Ok(()) => self.send(http, 200, "text/plain", "started\n"),
            Err(Failure(reason)) => self.send(http, 400, "text/plain", &reason),
        }
    }

    fn log_message(&self, _: &Exchange<'_>, _: fmt::Arguments<'_>) {}
}

/// Serves the page until Ctrl-C.
pub(crate) fn serve(address: SocketAddr, strategies: &str) -> Result<(), Failure> {
    let chosen = Strategy::list(strategies)?;
    let mut offered = chosen.clone();
    for word in OFFERED {
        let strategy = word.parse()?;
        if !offered.contains(&strategy) {
            offered.push(strategy);
        }
    }
    let stage = Arc::new(Stage::new(&chosen, Script::parse("slow")?));
    let handler = Conductor {
        stage: Arc::clone(&stage),
        chosen,
        offered,
        is_local: address.ip().is_loopback(),
    };
    let threads = ThreadPool::default().max_threads(1000);
    let server = TcpServer::bind_with(address, handler, threads);
    let mut server = server.map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => {
            Failure(format!("{address} is in use: `lab 0` takes a port that is free"))
        }
        _ => error.into(),
    })?;
    server.shutdown_timeout = Duration::from_millis(200); // The browsers listen without an end.
    server.shutdown_on_signals(&[Signal::INT, Signal::TERM, Signal::HUP])?;
    let url = format!("http://{}/", server.server_address());
    writeln!(io::stdout(), "Open {url} in a browser. Ctrl-C ends the lab.")?;
    let drawing = Arc::clone(&stage);
    let draws = thread::Builder::new().spawn(move || drawing.draw());
    draws.map_err(|error| Failure::of_start(&error))?;
    let served = server.serve_forever();
    stage.cancel();
    Ok(served?)
}
