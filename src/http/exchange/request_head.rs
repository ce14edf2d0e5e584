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
    /// The same request for another path.
    #[must_use]
    pub fn with_path<'b>(self, path: &'b str) -> RequestHead<'b>
    where
        'a: 'b,
    {
        RequestHead { path, ..self }
    }
}
