//! The servers that can be observed.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;

use crate::Failure;

/// A server, as `--strategies` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Strategy {
    Sequential,
    Threading(Option<usize>),
    Forking,
    PreFork(usize),
    /// The one of `examples/own_strategy.rs`.
    Own,
    /// A class of Python.
    Python(String),
    /// Any program that prints its address.
    Run(String),
}

/// Those that the page offers. The first four are chosen there, and drawn by `record`.
pub(crate) const OFFERED: [&str; 8] = [
    "sequential",
    "threading:2",
    "forking",
    "prefork:2",
    "own",
    "python:HTTPServer",
    "python:ThreadingHTTPServer",
    "python:ForkingHTTPServer",
];

pub(crate) const CHOSEN: &str = "sequential,threading:2,forking,prefork:2";

/// Those that `compare` has in its table.
pub(crate) const COMPARED: &str = "sequential,threading:2,forking,prefork:4,own,\
                                   python:HTTPServer,python:ThreadingHTTPServer";

const CLASSES: [&str; 3] = ["HTTPServer", "ThreadingHTTPServer", "ForkingHTTPServer"];

const WORDS: &str = "sequential, threading[:THREADS], forking, prefork:PROCESSES, own, \
                     python:CLASS, run:COMMAND";

/// What `--help` says of them.
pub(crate) fn help() -> String {
    format!(
        "Strategies: {WORDS}.\nA class is one of {}. A command prints the address where it \
             serves.",
        CLASSES.join(", ")
    )
}

const PYTHON: &str = include_str!("lab.py");

impl Strategy {
    /// Reads a list with commas.
    pub(crate) fn list(text: &str) -> Result<Vec<Self>, Failure> {
        text.split(',').map(str::parse).collect()
    }

    /// The program and the arguments that start it.
    pub(crate) fn command(&self) -> io::Result<(PathBuf, Vec<String>)> {
        Ok(match self {
            Self::Python(class) => {
                ("python3".into(), ["-c", PYTHON, class].map(str::to_owned).to_vec())
            }
            Self::Run(command) => {
                let mut words = command.split_whitespace().map(str::to_owned);
                (words.next().unwrap_or_default().into(), words.collect())
            }
            _ => (std::env::current_exe()?, vec!["serve".to_owned(), self.to_string()]),
        })
    }

    /// What its panel is called.
    pub(crate) fn title(&self) -> String {
        match self {
            Self::Sequential => "Sequential".to_owned(),
            Self::Threading(None) => "ThreadPool".to_owned(),
            Self::Threading(Some(threads)) => format!("ThreadPool({threads})"),
            Self::Forking => "Forking".to_owned(),
            Self::PreFork(processes) => format!("PreFork({processes})"),
            Self::Own => "ThreadingMixIn, your own".to_owned(),
            Self::Python(class) => format!("Python {class}"),
            Self::Run(command) => {
                let program = command.split_whitespace().next().unwrap_or_default();
                program.rsplit('/').next().unwrap_or_default().to_owned()
            }
        }
    }

    /// Whether its workers are processes, so that their numbers tell them apart.
    pub(crate) fn forks(&self) -> bool {
        match self {
            Self::Forking | Self::PreFork(_) => true,
            Self::Python(class) => class == "ForkingHTTPServer",
            _ => false,
        }
    }

    /// The lines of Rust and of Python that make this server.
    pub(crate) fn lines(&self) -> (String, String) {
        let (rust, python) = match self {
            Self::Sequential => (
                "HttpServer::bind(address, Handler)?".to_owned(),
                "HTTPServer(address, Handler)".to_owned(),
            ),
            Self::Threading(None) => (
                "ThreadingHttpServer::bind(address, Handler)?".to_owned(),
                "ThreadingHTTPServer(address, Handler)".to_owned(),
            ),
            Self::Threading(Some(threads)) => (
                format!(
                    "ThreadingHttpServer::bind_with(address, Handler, \
                     ThreadPool::default().max_threads({threads}))?"
                ),
                "ThreadingHTTPServer(address, Handler)  # any number of threads".to_owned(),
            ),
            Self::Forking => (
                "ForkingHttpServer::bind(address, Handler)?".to_owned(),
                "class ForkingHTTPServer(ForkingMixIn, HTTPServer): pass".to_owned(),
            ),
            Self::PreFork(processes) => (
                format!("PreFork::<HttpServer<_>>::bind(address, Handler)?.processes({processes})"),
                format!("none; gunicorn --workers {processes} for WSGI programs"),
            ),
            Self::Own => (
                "TcpServer::bind_with(address, Handler, ThreadingMixIn::default())?".to_owned(),
                "class ThreadingMixIn: def process_request(self, ..): Thread(..).start()"
                    .to_owned(),
            ),
            Self::Python(class) => {
                let ours = match class.as_str() {
                    "HTTPServer" => "HttpServer",
                    "ThreadingHTTPServer" => "ThreadingHttpServer",
                    _ => "ForkingHttpServer",
                };
                (format!("{ours}::bind(address, Handler)?"), format!("{class}(address, Handler)"))
            }
            Self::Run(command) => (command.clone(), String::new()),
        };
        (rust, python)
    }
}

impl FromStr for Strategy {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let (name, value) = match text.split_once(':') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let count = |value: &str| {
            let count = value.parse().ok().filter(|count| (1..=100).contains(count));
            count.ok_or_else(|| Failure(format!("'{text}': '{value}' is no number from 1 to 100")))
        };
        match (name, value) {
            ("sequential", None) => Ok(Self::Sequential),
            ("threading", None) => Ok(Self::Threading(None)),
            ("threading", Some(threads)) => Ok(Self::Threading(Some(count(threads)?))),
            ("forking", None) => Ok(Self::Forking),
            ("prefork", Some(processes)) => Ok(Self::PreFork(count(processes)?)),
            ("own", None) => Ok(Self::Own),
            ("python", Some(class)) if CLASSES.contains(&class) => {
                Ok(Self::Python(class.to_owned()))
            }
            ("python", Some(class)) => {
                Err(Failure(format!("no class '{class}' of Python: {}", CLASSES.join(", "))))
            }
            ("run", Some(command)) if !command.trim().is_empty() => {
                Ok(Self::Run(command.to_owned()))
            }
            _ => Err(Failure(format!("no strategy '{text}': {WORDS}"))),
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sequential => f.write_str("sequential"),
            Self::Threading(None) => f.write_str("threading"),
            Self::Threading(Some(threads)) => write!(f, "threading:{threads}"),
            Self::Forking => f.write_str("forking"),
            Self::PreFork(processes) => write!(f, "prefork:{processes}"),
            Self::Own => f.write_str("own"),
            Self::Python(class) => write!(f, "python:{class}"),
            Self::Run(command) => write!(f, "run:{command}"),
        }
    }
}
