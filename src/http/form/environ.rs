//! What a request says of its form.

use super::header::{HeaderParams, parse_header};
use crate::http::message::text::encode_latin1;

/// What Python's `FieldStorage` reads of its `environ`.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct Environ<'a> {
    request_method: &'a str,
    query_string: &'a str,
    content_type: Option<&'a str>,
}

impl<'a> Environ<'a> {
    /// `REQUEST_METHOD`. Defaults to no method, which is not one without a body.
    pub fn request_method(mut self, method: &'a str) -> Self {
        self.request_method = method;
        self
    }

    /// `QUERY_STRING`: what follows `?` in the request's target, as text of ISO 8859-1. Defaults to
    /// an empty one.
    pub fn query_string(mut self, query: &'a str) -> Self {
        self.query_string = query;
        self
    }

    /// `CONTENT_TYPE`. Defaults to `None`: the request has none.
    pub fn content_type(mut self, value: impl Into<Option<&'a str>>) -> Self {
        self.content_type = value.into();
        self
    }

    /// Tells whether the body of such a request is no form.
    pub(super) fn is_bodiless(&self) -> bool {
        ["GET", "HEAD"].iter().any(|method| self.request_method.eq_ignore_ascii_case(method))
    }

    /// The bytes of the query.
    pub(super) fn query(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if !encode_latin1(self.query_string, &mut bytes) {
            bytes.extend_from_slice(self.query_string.as_bytes());
        }
        bytes
    }

    /// The type of the form, as CPython assumes it where the client says nothing.
    pub(super) fn form_type(&self) -> (&'a str, HeaderParams) {
        match self.content_type {
            _ if self.is_bodiless() => (URLENCODED, HeaderParams::default()),
            Some(value) => parse_header(value),
            None if self.request_method.eq_ignore_ascii_case("POST") => {
                (URLENCODED, HeaderParams::default())
            }
            None => ("text/plain", HeaderParams::default()),
        }
    }
}

/// Tells whether a body of this type is URL-encoded.
pub(super) fn is_urlencoded(content_type: &str) -> bool {
    content_type.eq_ignore_ascii_case(URLENCODED)
}

/// Tells whether a body of this type has parts.
pub(super) fn is_multipart(content_type: &str) -> bool {
    let kind = content_type.as_bytes().get(..10);
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case(b"multipart/"))
}

const URLENCODED: &str = "application/x-www-form-urlencoded";
