//! Programs that answer requests: Python's `CGIHTTPRequestHandler`, RFC 3875.
//!
//! The one place in `http` that knows of processes.

mod body;
mod cgi_info;
mod environment;
mod error_lines;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod hooks;
mod identity;
mod input;
mod output;
mod process;
mod relay;
mod reply;
mod run;
mod script;
mod settings;

pub use cgi_info::CgiInfo;
pub use hooks::CgiHooks;

#[cfg(test)]
pub(super) use cgi_info::is_cgi;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::http::exchange::{
    BaseHttpRequestHandler, Exchange, HttpError, HttpRequestHandler, RequestHead,
};
use crate::http::files::{Defaults, NoFile, SimpleHttpRequestHandler};
use crate::http::message::target::Parts;
use crate::http::url::unquote_to_bytes;
use crate::sys;
use identity::Identity;
use process::Running;
use settings::Settings;

/// Serves files, and runs the programs in some directories: Python's `CGIHTTPRequestHandler`.
///
/// A program below one of the [`cgi_directories`](CgiHooks::cgi_directories) answers
/// GET, HEAD and POST to its path. Everything else is answered as by
/// [`SimpleHttpRequestHandler`], which this handler extends. To have a program answer other
/// methods, call [`run_cgi`](Self::run_cgi) for them. A file that is reached by another name of
/// such a directory or of one below it (`/CGI-BIN/` where a file system ignores the case of
/// letters, a link) is 404. What is still sent is a program by a link to the file itself, by a bind
/// mount of a directory below, and by the own name of a directory elsewhere to which a link below
/// leads.
///
/// # What a program is told and may answer
///
/// The environment of RFC 3875 §4.1 with every header as `HTTP_*`, but for `Proxy`, names with an
/// underscore, and, unless [`pass_authorization`](Self::pass_authorization) says so, passwords;
/// `REQUEST_URI`, `DOCUMENT_ROOT`, `SCRIPT_FILENAME` and, over TLS, `HTTPS`, as other servers have
/// it; `SERVER_NAME` and `SERVER_PORT` of the URL that the client asked for, which the client
/// chooses ([`environment`](Self::environment) can set others); and nothing of the server's own
/// environment but what is [`inherited`](Self::inherited). It is started in its own directory. The
/// request's body is its standard input. A chunked body is stored before the program starts, so
/// that it has a `CONTENT_LENGTH` as any other: [`chunked_body_limit`](Self::chunked_body_limit).
///
/// Its output begins with a head (§6): `Status` is the response's, `Location` with a path is
/// answered by that path, `Location` with a URL is a redirect. Without a proper head the client
/// gets 502. A program whose name begins with `nph-` writes the whole response itself. Standard
/// error goes to the log, line by line.
///
/// In CPython every program is answered 200 before it starts, its head is part of the body, and
/// it inherits the server's environment and directory.
///
/// # How a program ends
///
/// By itself; or when its [`timeout`](Self::timeout) is over, which is answered 504, or cuts
/// a response that has begun; or when its client leaves or the server cuts the client off. Then
/// its whole process group is sent SIGTERM, and SIGKILL half a second later.
///
/// A program that ends by itself ends its response. A process that it has started and left in the
/// background goes on. Where that process holds the program's output, what it writes is sent, too,
/// until it has written nothing for a second. CPython does not wait for that second. Where the
/// system does not tell that a program has ended (Linux before 5.3), the end of its output is
/// waited for.
///
/// It does not outlive a server that ends in order. A process that is killed or crashes cannot
/// end its programs. Linux then kills the program, but not the processes that the program has
/// started; under [`Forking`](crate::Forking) the process is a child, which goes on where only
/// the server is killed. Other systems cannot do that: there, a program goes on until it reads
/// the end of its input, or fails to write its output.
///
/// A program has its input, output and error output, and no other descriptor of the server.
///
/// A client that has ended its own half of the connection has not left, but waits for the answer
/// (RFC 9112 §9.6). One that has closed it looks the same until it is sent something, which it
/// answers with a reset; so a program that writes nothing runs for its time.
#[derive(Clone, Debug)]
pub struct CgiHttpRequestHandler<K = Defaults> {
    settings: Settings,
    files: SimpleHttpRequestHandler<K>,
    /// The user's and the group's number, found once.
    identity: Arc<Identity>,
    running: Arc<Running>,
}

impl CgiHttpRequestHandler {
    /// Serves the files and runs the programs below `directory`, which need not exist yet.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        SimpleHttpRequestHandler::new(directory).into()
    }
}

impl<K> CgiHttpRequestHandler<K> {
    /// The same programs and files, with hooks that say how they are found.
    #[must_use]
    pub fn with_hooks<N: CgiHooks>(self, hooks: N) -> CgiHttpRequestHandler<N> {
        CgiHttpRequestHandler {
            settings: self.settings,
            files: self.files.with_hooks(hooks),
            identity: self.identity,
            running: self.running,
        }
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        self.files.directory()
    }

    /// The handler of the files.
    pub fn files(&self) -> &SimpleHttpRequestHandler<K> {
        &self.files
    }

    /// Ends all programs that run, and lets no more start: for a program that is about to exit.
    ///
    /// Waits up to half a second for them. A server that has drained needs no such call, but
    /// threads that it did not wait for may still be busy with their programs.
    pub fn end_scripts(&self) {
        self.running.end();
    }
}

impl<K: CgiHooks> CgiHttpRequestHandler<K> {
    /// Tells whether a program answers the request, and where its path begins, as the hooks have
    /// it.
    pub fn is_cgi(&self, http: &Exchange<'_>) -> Option<CgiInfo> {
        let hooks = self.files.hooks();
        hooks.is_cgi(http, hooks.cgi_directories())
    }

    /// Tells whether the target of a request that no program answers leads among the programs
    /// nevertheless, by another name of their directory.
    ///
    /// What runs is decided by the text of a path, as in CPython; what is not shown and not changed
    /// is decided by the directory that the path leads to.
    fn is_among_programs(&self, http: &Exchange<'_>) -> Result<bool, NoFile> {
        let directories = self.files.hooks().cgi_directories();
        // Under its own name it is a hook that has decided.
        let is_named = cgi_info::is_cgi(http.target().path(), directories).is_some();
        Ok(!is_named && self.files.is_below_any(http, directories)?)
    }

    /// Has a file answer a request that no program does, unless that would show a program.
    fn answer_by_file(
        &self,
        http: &mut Exchange<'_>,
        answer: impl FnOnce(&SimpleHttpRequestHandler<K>, &mut Exchange<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        match self.is_among_programs(http) {
            Ok(false) => answer(&self.files, http),
            Ok(true) => self.files.send_instead(http, NoFile::NotFound),
            Err(why) => self.files.send_instead(http, why),
        }
    }

    /// Refuses to put a file where programs are.
    fn refuse_program(&self, http: &Exchange<'_>) -> io::Result<()> {
        let is_run = self.is_cgi(http).is_some();
        let is_upload = match http.command.as_str() {
            "PUT" => self.files.takes_uploads(),
            "POST" => self.files.takes_forms() && !is_run,
            _ => false,
        };
        if is_upload && (is_run || self.is_among_programs(http)?) {
            return Err(HttpError::new(403, "A program is not uploaded").into());
        }
        Ok(())
    }
}

/// Serves the current directory, as it is when the handler is made.
impl Default for CgiHttpRequestHandler {
    fn default() -> Self {
        SimpleHttpRequestHandler::default().into()
    }
}

/// Serves these files, and runs the programs among them that may be reached: not those outside a
/// directory that is [`confined`](SimpleHttpRequestHandler::confined), nor hidden ones.
impl<K: CgiHooks> From<SimpleHttpRequestHandler<K>> for CgiHttpRequestHandler<K> {
    fn from(files: SimpleHttpRequestHandler<K>) -> Self {
        sys::note_descriptors();
        Self {
            settings: Settings::default(),
            files,
            identity: Arc::default(),
            running: Running::new(),
        }
    }
}

impl<K: CgiHooks> HttpRequestHandler for CgiHttpRequestHandler<K> {
    fn base(&self) -> &dyn HttpRequestHandler {
        &self.files
    }

    /// Of a body that a program reads, unless that is passed on as it comes, and of an upload.
    fn body_buffer_size(&self, head: &RequestHead<'_>) -> usize {
        let path = Parts::of(head.path).path;
        let Some(info) = cgi_info::is_cgi(path, self.files.hooks().cgi_directories()) else {
            return self.files.body_buffer_size(head);
        };
        let rest = unquote_to_bytes(&info.rest);
        let speaks_itself = rest.split(|&byte| byte == b'/').any(|name| name.starts_with(b"nph-"));
        let is_chunked = head.headers.contains("Transfer-Encoding");
        let limit = if is_chunked { self.settings.chunked_body_limit } else { Some(u64::MAX) };
        head.buffer_size(limit.filter(|_| !speaks_itself).unwrap_or(0))
    }

    fn do_get(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        match self.is_cgi(http) {
            Some(info) => self.run_cgi(http, &info),
            None => self.answer_by_file(http, |files, http| files.do_get(http)),
        }
    }

    fn do_head(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        match self.is_cgi(http) {
            Some(info) => self.run_cgi(http, &info),
            None => self.answer_by_file(http, |files, http| files.do_head(http)),
        }
    }

    fn do_post(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        match self.is_cgi(http) {
            Some(info) => self.run_cgi(http, &info),
            None if self.files.takes_forms() => {
                self.refuse_program(http)?;
                self.files.do_post(http)
            }
            None => http.send_error_with(501, "Can only POST to CGI scripts"),
        }
    }

    fn do_put(&self, http: &mut Exchange<'_>) -> io::Result<()> {
        self.refuse_program(http)?;
        self.files.do_put(http)
    }

    fn handle_expect_100(&self, http: &mut Exchange<'_>) -> io::Result<bool> {
        self.refuse_program(http)?;
        match self.is_cgi(http) {
            Some(_) => BaseHttpRequestHandler.handle_expect_100(http),
            None => self.files.handle_expect_100(http),
        }
    }
}
