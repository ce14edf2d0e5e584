//! What the command line says of files and programs beside their places.

use std::fmt;

use socketserver::http::{CgiHooks, Defaults, Exchange, FileHooks};

use crate::complain;

/// Hooks with a content type for files of unknown kind.
#[derive(Clone, Debug)]
pub(crate) struct Types {
    default: String,
    /// Requests are not logged.
    is_quiet: bool,
}

impl Types {
    /// With Python's type where no type is given.
    pub(crate) fn new(default: Option<&str>, is_quiet: bool) -> Self {
        let default = default.unwrap_or(Defaults.default_content_type()).to_owned();
        Self { default, is_quiet }
    }
}

impl FileHooks for Types {
    fn default_content_type(&self) -> &str {
        &self.default
    }
}

impl CgiHooks for Types {
    fn log_failure(&self, http: &Exchange<'_>, message: fmt::Arguments<'_>) {
        // Who has asked for it is not told then.
        if self.is_quiet { complain(&message) } else { http.log_error(message) }
    }
}
