//! What is known of a request before its handler is called.

use crate::http::message::headers::Headers;

/// The head of a request whose body may still be on its way.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RequestHead<'a> {
    /// The method, as [`Exchange::command`](super::Exchange::command).
    pub command: &'a str,
    /// The target as it came, as [`Exchange::path`](super::Exchange::path).
    pub path: &'a str,
    /// The fields.
    pub headers: &'a Headers,
}

impl<'a> RequestHead<'a> {
    /// Up to how many bytes of its body are waited for as a rule, and no more than `most`.
    pub(crate) fn buffer_size(&self, most: u64) -> usize {
        let usual = if matches!(self.command, "GET" | "HEAD") { 0 } else { BODY_BUFFER_SIZE };
        usize::try_from(most).map_or(usual, |most| most.min(usual))
    }

    /// The same request for another path.
    #[must_use]
    pub fn with_path<'b>(self, path: &'b str) -> RequestHead<'b>
    where
        'a: 'b,
    {
        RequestHead { path, ..self }
    }
}

/// Bytes of a body that are waited for before the handler is called.
const BODY_BUFFER_SIZE: usize = 64 * 1024;
