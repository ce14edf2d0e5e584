//! Options about what is told of a server, and how long it takes to end.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};
use socketserver::http::{AccessLog, HttpRequestHandler, LogFormat};

use crate::choices::Log;
use crate::values::whole_seconds;

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
