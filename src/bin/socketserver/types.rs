//! The content types that the command line sets.

use socketserver::http::{CgiHooks, Defaults, FileHooks};

/// Hooks with a content type for files of unknown kind.
#[derive(Clone, Debug)]
pub(crate) struct Types {
    default: String,
}

impl Types {
    /// With Python's type where no type is given.
    pub(crate) fn new(default: Option<&str>) -> Self {
        Self { default: default.unwrap_or(Defaults.default_content_type()).to_owned() }
    }
}

impl FileHooks for Types {
    fn default_content_type(&self) -> &str {
        &self.default
    }
}

impl CgiHooks for Types {}
