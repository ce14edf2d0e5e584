//! What is done with a response, by its head.

use super::types::gains;
use crate::http::exchange::{Exchange, ResponseBody};
use crate::http::message::response_head::values;
use crate::http::message::text::list_has;

/// What a response has.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Nothing that is to be compressed for anybody.
    AsItIs,
    /// Nothing, as the client has it already.
    NotModified,
    /// A part of what would be compressed.
    Part,
    /// What is to be compressed for those who accept it.
    Whole {
        /// It can be told from others: it was not made for one request.
        has_validator: bool,
    },
}

/// What a response has whose head is complete.
pub(super) fn content_of(response: &ResponseBody, min_size: u64, types: &[String]) -> Content {
    let (status, head) = (response.status(), response.head_so_far());
    if status.code() == 304 {
        return Content::NotModified;
    }
    let is_empty = response.declared_length() == Some(Some(0));
    if status.code() == 416 || (status.code() == 412 && is_empty) {
        // Of what nothing was sent is not said; the length in a 416 is that of the plain form.
        return Content::Part;
    }
    let has = |name: &str| values(head, name).next().is_some();
    let mut kinds = values(head, "Content-Type");
    let kind = kinds.next().and_then(|kind| str::from_utf8(kind).ok()).unwrap_or_default();
    let is_bodiless = status.is_bodiless() || status.code() == 101 || response.is_tunnel();
    // What the parts are of is not said before the body.
    let is_parts = status.code() == 206 && is_multipart(kind);
    if is_bodiless || kinds.next().is_some() || !(is_parts || gains(kind, types)) {
        return Content::AsItIs;
    }
    // A digest is of the bytes as they were to be sent (RFC 9530).
    let is_fixed = ["Content-Encoding", "Content-Digest", "Repr-Digest", "Digest", "Content-MD5"];
    if is_fixed.into_iter().any(has) || says(head, "Cache-Control", "no-transform") {
        return Content::AsItIs;
    }
    if status.code() == 206 || has("Content-Range") {
        return Content::Part;
    }
    match response.declared_length() {
        Some(length) if length.is_none_or(|length| length >= min_size) => {
            Content::Whole { has_validator: has("ETag") || has("Last-Modified") }
        }
        _ => Content::AsItIs,
    }
}

/// Tells whether a body is of several parts of a content (RFC 9110 §14.6).
fn is_multipart(kind: &str) -> bool {
    let essence = kind.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("multipart/byteranges")
}

/// Tells whether what a client has of a file would be sent compressed.
pub(super) fn is_worth(http: &Exchange<'_>, min_size: u64, types: &[String]) -> bool {
    let is_fixed = says(http.wfile.head_so_far(), "Cache-Control", "no-transform");
    let whole = http.notes.unmodified.as_ref();
    whole.is_some_and(|(kind, size)| *size >= min_size && gains(kind, types) && !is_fixed)
}

/// Tells whether a response's head says already that it depends on what the client accepts.
pub(super) fn varies(response: &ResponseBody) -> bool {
    let head = response.head_so_far();
    says(head, "Vary", "Accept-Encoding") || says(head, "Vary", "*")
}

/// Tells whether a word is in one of the lists of this name.
fn says(head: &[u8], name: &str, word: &str) -> bool {
    values(head, name).any(|list| list_has(list, word))
}
