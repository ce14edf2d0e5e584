//! How programs are run: what can be set of the handler that runs them.

use std::ffi::OsString;
use std::time::Duration;

use super::CgiHttpRequestHandler;

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) timeout: Option<Duration>,
    pub(super) user: Option<String>,
    pub(super) inherited: Vec<String>,
    pub(super) environment: Vec<(OsString, OsString)>,
    pub(super) pass_authorization: bool,
    pub(super) chunked_body_limit: Option<u64>,
    pub(super) descriptor_limit: Option<u64>,
    pub(super) stderr_limit: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timeout: Some(Duration::from_secs(300)),
            user: Some("nobody".to_owned()),
            inherited: INHERITED.map(str::to_owned).to_vec(),
            environment: Vec::new(),
            pass_authorization: false,
            chunked_body_limit: Some(64 << 20),
            descriptor_limit: None,
            stderr_limit: 64 * 1024,
        }
    }
}

impl<H> CgiHttpRequestHandler<H> {
    /// How long a program may run; with `None` for ever. Defaults to 300 seconds.
    #[must_use]
    pub fn timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.settings.timeout = limit.into();
        self
    }

    /// The user that programs run as where the server runs as root: with that user's own group and
    /// no others. Defaults to `nobody`. With `None` they are root, too. CPython keeps root's
    /// groups, and goes on as root where it cannot change.
    #[doc(alias = "nobody_uid")]
    #[doc(alias = "nobody")]
    #[must_use]
    pub fn user<'a>(mut self, name: impl Into<Option<&'a str>>) -> Self {
        self.settings.user = name.into().map(str::to_owned);
        self
    }

    /// Variables that programs inherit from the server. Defaults to `PATH`, `LD_LIBRARY_PATH`,
    /// `TZ`, `LANG`, `LC_ALL` and `LC_CTYPE`.
    #[must_use]
    pub fn inherited(mut self, names: impl IntoIterator<Item: Into<String>>) -> Self {
        self.settings.inherited = names.into_iter().map(Into::into).collect();
        self
    }

    /// Further variables for programs, which come before all others. Defaults to no variables.
    #[must_use]
    pub fn environment<K, V>(mut self, variables: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let variables = variables.into_iter();
        self.settings.environment =
            variables.map(|(name, value)| (name.into(), value.into())).collect();
        self
    }

    /// Tells programs which user the client says it is: `HTTP_AUTHORIZATION`, `AUTH_TYPE` and
    /// `REMOTE_USER`. Defaults to `false`.
    ///
    /// The password is not checked here. Programs such as `git http-backend` take `REMOTE_USER` for
    /// a user that was checked, so switch it on in a handler that does so first, or for a program
    /// that does so itself. CPython always sets the last two.
    #[must_use]
    pub fn pass_authorization(mut self, passed: bool) -> Self {
        self.settings.pass_authorization = passed;
        self
    }

    /// Bytes of a chunked body that are stored before its program starts, up to 64 KiB in memory,
    /// the rest in a temporary file without a name ([`std::env::temp_dir`]). A longer body is 413,
    /// and a full disk 507. Defaults to 64 MiB, as that directory may be memory (a `tmpfs`), and as
    /// many bodies as there are connections may be stored at the same time.
    ///
    /// With `None` such a body is passed on as it arrives, without a `CONTENT_LENGTH`, up to
    /// the end of the program's input: for programs that answer while they read. The same holds
    /// for a program whose name begins with `nph-`. To have other programs treated differently,
    /// run some of them by the [`run_cgi`](Self::run_cgi) of a handler with `None`, and let
    /// [`body_buffer_size`](crate::http::HttpRequestHandler::body_buffer_size) be 0 for those. A
    /// body that is not chunked has a length, is passed on as it arrives, from that size on, and
    /// has no limit here.
    #[must_use]
    pub fn chunked_body_limit(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.settings.chunked_body_limit = bytes.into();
        self
    }

    /// Descriptors that a program may have: its soft limit (`RLIMIT_NOFILE`), which is never more
    /// than the server's hard one. Defaults to `None`: the server's own soft limit. For servers
    /// that raise theirs, as the command does, which gives programs the limit that it was started
    /// with: `select` fails beyond 1,024, and programs that close all that they may have take their
    /// time.
    #[must_use]
    pub fn descriptor_limit(mut self, descriptors: impl Into<Option<u64>>) -> Self {
        self.settings.descriptor_limit = descriptors.into();
        self
    }

    /// Bytes of a program's standard error that are logged; the rest is dropped. Defaults
    /// to 64 KiB.
    #[must_use]
    pub fn stderr_limit(mut self, bytes: usize) -> Self {
        self.settings.stderr_limit = bytes;
        self
    }
}

/// What programs need to find others, and to write their language.
const INHERITED: [&str; 6] = ["PATH", "LD_LIBRARY_PATH", "TZ", "LANG", "LC_ALL", "LC_CTYPE"];
