//! Options about what is told of a server, and how long it takes to end.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};
use socketserver::Overload;
use socketserver::http::{AccessLog, HttpRequestHandler, LogFormat};

use crate::choices::{Log, OverloadPolicy};
use crate::values::{count, seconds, whole_seconds};

/// The options.
#[derive(Args, Debug)]
pub(crate) struct Running {
    /// write the port to this file while the server runs
    ///
    /// The file appears with its content when clients can connect, and is removed at the end. What
    /// ends by SIGKILL, SIGIO, SIGPWR, SIGSTKFLT, a real-time signal or a crash leaves it.
    /// What is there already is replaced only if it is an empty file or holds a port.
    #[arg(long, value_name = "PATH", help_heading = "Network", conflicts_with = "unix")]
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) port_file: Option<PathBuf>,

    /// Its name would stand for that of the file.
    #[arg(long = "port", value_name = "PORT", hide = true, value_parser = refuse_port)]
    port_by_name: Option<u16>,

    /// let running requests take this long to finish [default: 30]
    ///
    /// This is about SIGINT and SIGTERM. With 0 their connections are closed at once.
    #[arg(long, value_name = "SECONDS", help_heading = "Limits", value_parser = whole_seconds)]
    shutdown_timeout: Option<u32>,

    /// keep at most this many open [default: 3/4 of the descriptors]
    ///
    /// The default is three quarters of the descriptors that a process may have (ulimit -n). The
    /// command raises this limit as far as the system allows.
    #[arg(long, value_name = "COUNT", help_heading = "Limits", value_parser = count)]
    pub(crate) max_connections: Option<u32>,

    /// shed, wait or refuse further clients
    ///
    /// This is about clients beyond --max-connections. shed: close the connection that has been
    /// idle longest, and wait if all are busy. wait: let clients wait until a connection is closed.
    /// refuse: answer 503, at a time to about a quarter as many as --max-connections; close others
    /// without an answer, and all where TLS would come first; so also while --max-children run.
    /// Connections that have a child process are busy until they are closed.
    #[arg(long, value_name = "POLICY", help_heading = "Limits")]
    #[arg(value_enum, hide_possible_values = true, default_value_t = OverloadPolicy::Shed)]
    overload: OverloadPolicy,

    /// limit each wait in a body or response; 0 is none [default: 60]
    ///
    /// A client is given up that sends nothing of a body, or takes nothing of a response, for so
    /// long, as a player that is paused. All these waits for a body or a response together have as
    /// long, and a second more for each 500 bytes. Other waits have limits of their own: a head has
    /// 30 seconds, and so has a TLS handshake; before and between requests a client has 60.
    #[arg(long, value_name = "SECONDS", help_heading = "Limits", value_parser = seconds)]
    stall: Option<u32>,

    /// the format of the log: python, combined or json
    ///
    /// combined is that of Apache and nginx, with the seconds that the request took at the end of
    /// the line; json is an object on each line. Both have the user, the zone of the time, and the
    /// size of the body, and are written when the response has ended. Lines of the log are on
    /// standard error; with json, one that does not begin with a brace is a warning of the server.
    #[arg(long, value_name = "FORMAT", help_heading = "Logging and monitoring")]
    #[arg(value_enum, hide_possible_values = true, default_value_t = Log::Python)]
    log_format: Log,
}

/// The port is an argument without a name.
fn refuse_port(_: &str) -> Result<u16, &'static str> {
    Err("give the port alone")
}

impl Running {
    pub(crate) fn shutdown_timeout(&self) -> Option<Duration> {
        self.shutdown_timeout.map(|seconds| Duration::from_secs(seconds.into()))
    }

    pub(crate) fn overload(&self) -> Overload {
        match self.overload {
            OverloadPolicy::Shed => Overload::Shed,
            OverloadPolicy::Wait => Overload::Wait,
            OverloadPolicy::Refuse => Overload::Refuse,
        }
    }

    /// Twice the library's limit, as other web servers have it: what is served here are files, also
    /// to players and to clients that keep a rate by pausing.
    pub(crate) fn stall(&self) -> Option<Duration> {
        let seconds = self.stall.unwrap_or(60);
        (seconds > 0).then(|| Duration::from_secs(seconds.into()))
    }

    /// Logs the requests of a handler in the format that is asked for, if it is another than its
    /// own.
    pub(crate) fn log(&self, handler: Box<dyn HttpRequestHandler>) -> Box<dyn HttpRequestHandler> {
        match self.log_format {
            Log::Python => handler,
            Log::Combined => Box::new(AccessLog::new(handler, LogFormat::Combined)),
            Log::Json => Box::new(AccessLog::new(handler, LogFormat::Json)),
        }
    }

    /// Refuses a format for a log that is not written.
    ///
    /// # Errors
    ///
    /// The text is the line for the user.
    pub(crate) fn check(&self, is_quiet: bool) -> Result<(), String> {
        if is_quiet && self.has_own_log() {
            return Err("--quiet writes no log; leave out --log-format or --quiet".to_owned());
        }
        Ok(())
    }

    /// Tells whether that is so.
    pub(crate) fn has_own_log(&self) -> bool {
        self.log_format != Log::Python
    }
}
