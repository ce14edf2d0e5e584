//! A program answers: started, listened to, seen to its end.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use nix::unistd::geteuid;

use super::CgiHttpRequestHandler;
use super::body::Body;
use super::cgi_info::CgiInfo;
use super::environment;
use super::hooks::CgiHooks;
use super::process::Process;
use super::relay::{Outcome, Relay};
use super::script::{self, Script};
use crate::http::exchange::Exchange;
use crate::http::message::target::{Parts, below};
use crate::printable::repr;
use crate::sys;

impl<K: CgiHooks> CgiHttpRequestHandler<K> {
    /// Has a program answer, or says why not.
    ///
    /// `cgi_info` is usually what [`is_cgi`](Self::is_cgi) returned. A program that
    /// is not there is 404, one that may not be run 403, as in CPython; one that does not start
    /// is 500, or 431 where the request's header fields are more than the system lets it have.
    ///
    /// # Errors
    ///
    /// The connection is broken, the client has left, the body cannot be read or stored, or the
    /// program's time was over, or a signal ended it, after its response had begun. A body beyond
    /// [`chunked_body_limit`](Self::chunked_body_limit) is an
    /// [`HttpError`](crate::http::HttpError) 413.
    pub fn run_cgi(&self, http: &mut Exchange<'_>, cgi_info: &CgiInfo) -> io::Result<()> {
        let script = match script::find(http, &self.files, cgi_info) {
            Ok(script) => script,
            Err((code, message)) => return http.send_error_with(code, &message),
        };
        let name = repr(&script.readable_name);
        let body = Body::of(http, self.settings.chunked_body_limit.filter(|_| !script.is_nph()))?;
        let relay = self.start(http, &script, body).and_then(|(process, input)| {
            let (limit, stderr_limit) = (self.settings.timeout, self.settings.stderr_limit);
            Relay::new(process, input, script.is_nph(), limit, stderr_limit)
        });
        let mut relay = match relay {
            Ok(relay) => relay,
            Err(error) if is_for_the_head(&error, http) => return http.send_error(431),
            Err(error) => {
                let missing = script.missing_interpreter(&error);
                let error = missing.unwrap_or_else(|| error.to_string());
                self.log_failure(http, format_args!("CGI script did not start ({name}): {error}"));
                return http.send_error(500);
            }
        };
        let outcome = match relay.run(http) {
            Ok(outcome) => outcome,
            Err(error) => {
                if let Ok(Some(status)) = relay.status() {
                    self.log_exit(status, &name, http);
                } else if http.is_cut() {
                    http.log_error(format_args!("CGI script cut, as the server ends ({name})"));
                } else if http.rfile.is_client_gone() {
                    http.log_error(format_args!("CGI script ended, as its client left ({name})"));
                }
                return Err(error);
            }
        };
        if relay.is_output_held() {
            http.log_error(format_args!(
                "CGI script ended, but a process that it started holds its output ({name})"
            ));
        }
        match outcome {
            Outcome::Responded => {
                http.wfile.finish()?;
                self.wait_for_exit(relay, &name, http)
            }
            Outcome::Redirected(location) => {
                self.wait_for_exit(relay, &name, http)?;
                redirect(http, &location)
            }
            Outcome::Bad(why) => {
                self.log_failure(http, format_args!("CGI script gave no response ({name}): {why}"));
                http.send_error(502)?;
                http.wfile.finish()?;
                self.wait_for_exit(relay, &name, http)
            }
            Outcome::Killed(status) => {
                self.log_exit(status, &name, http);
                Err(io::Error::other("a signal ended the CGI script"))
            }
            Outcome::TimedOut => {
                let what = match relay.status() {
                    Ok(Some(_)) => "ended, but its output did not in time",
                    _ => "timed out",
                };
                drop(relay);
                self.log_failure(http, format_args!("CGI script {what} ({name})"));
                if http.wfile.is_recallable() {
                    return http.send_error(504);
                }
                Err(io::Error::new(io::ErrorKind::TimedOut, "the CGI script timed out"))
            }
        }
    }

    /// Sees a program to its end, and says what became of it as CPython does.
    fn wait_for_exit(&self, mut relay: Relay, name: &str, http: &Exchange<'_>) -> io::Result<()> {
        if relay.is_open() {
            // What it writes is not read; dropping it ends it.
            return Ok(());
        }
        match relay.wait_for_exit(http)? {
            Some(status) => self.log_exit(status, name, http),
            None if http.is_cut() => {
                http.log_error(format_args!("CGI script cut, as the server ends ({name})"));
            }
            None => {
                self.log_failure(
                    http,
                    format_args!("CGI script timed out after its response ({name})"),
                );
            }
        }
        Ok(())
    }

    /// Says how a program has failed, if it has.
    fn log_exit(&self, status: ExitStatus, name: &str, http: &Exchange<'_>) {
        if !status.success() {
            let code = exit_code(status);
            self.log_failure(http, format_args!("CGI script exit code {code} ({name})"));
        }
    }

    fn log_failure(&self, http: &Exchange<'_>, message: fmt::Arguments<'_>) {
        self.files.hooks().log_failure(http, message);
    }

    /// Starts a program, and returns what is to be written to it first.
    fn start(
        &self,
        http: &Exchange<'_>,
        script: &Script,
        body: Body,
    ) -> io::Result<(Process, Vec<u8>)> {
        let environment = environment::environment(self, http, script, body.stored_length());
        let (stdin, input) = match body {
            Body::Nothing => (Stdio::null(), Vec::new()),
            Body::Arriving => (Stdio::piped(), Vec::new()),
            Body::Memory(bytes) => (Stdio::piped(), bytes),
            Body::Disk(file, _) => (file.into(), Vec::new()),
        };
        let mut command = Command::new(&script.file);
        command
            .args(script.search_words(&http.command).into_iter().map(OsString::from_vec))
            .env_clear()
            .envs(environment)
            .current_dir(script.file.parent().unwrap_or(Path::new("/")))
            .stdin(stdin);
        if let Some((user, group)) = self.identity()? {
            command.uid(user).gid(group);
        }
        sys::isolate(&mut command, self.settings.descriptor_limit);
        Ok((Process::start(&mut command, &self.running)?, input))
    }

    /// The user and the group that a program is to run as, if they are others.
    fn identity(&self) -> io::Result<Option<(u32, u32)>> {
        let Some(name) = self.settings.user.as_ref().filter(|_| geteuid().is_root()) else {
            return Ok(None);
        };
        let numbers = self.identity.of(name)?;
        Ok(Some(numbers).filter(|&(user, _)| user != 0))
    }
}

/// Tells whether a program did not start as the system limits what it can be told, and its
/// request's head is long: a variable is at most 128 KiB in Linux, and all of them a quarter of the
/// stack.
fn is_for_the_head(error: &io::Error, http: &Exchange<'_>) -> bool {
    let length: usize = http.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    error.kind() == io::ErrorKind::ArgumentListTooLong && length > LONG_HEAD
}

/// The code, or the signal as a negative number.
fn exit_code(status: ExitStatus) -> i32 {
    status.code().or(status.signal().map(|signal| -signal)).unwrap_or(-1)
}

/// Answers with another path of this server, as if the client had asked for that.
fn redirect(http: &mut Exchange<'_>, location: &str) -> io::Result<()> {
    if http.redirects() == MAX_REDIRECTS {
        http.log_error(format_args!("CGI scripts redirect in a circle"));
        return http.send_error(502);
    }
    // Several slashes would name a host.
    let location = ["/", location.trim_start_matches('/')].concat();
    let parts = Parts::of(&location);
    match below(parts.path, http.url_prefix()) {
        Some(path) => {
            let path = parts.with_path(if path.is_empty() { "/" } else { path });
            http.answer_as(path)
        }
        None => http.send_error(404),
    }
}

/// Bytes of header fields below which the server's own variables are those that are too long.
const LONG_HEAD: usize = 64 * 1024;

/// Redirects within this server for one request.
const MAX_REDIRECTS: u32 = 10;
