//! What is done with a response, by its head.

use super::types::gains;
use crate::http::exchange::{Exchange, ResponseBody, Unmodified};
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
    if is_fixed(head) {
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

/// Whether content is compressed for those who accept it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gain {
    Some,
    None,
    Unknown,
}

/// Tells whether what a client has already would be sent compressed.
pub(super) fn gain_of_unmodified(http: &Exchange<'_>, min_size: u64, types: &[String]) -> Gain {
    let head = http.wfile.head_so_far();
    let (content_type, size) = match &http.notes.unmodified {
        // Another handler's.
        None => return Gain::Unknown,
        Some(Unmodified::Coded) => return Gain::None,
        Some(Unmodified::Plain { content_type, size }) => (&**content_type, *size),
    };
    // Handlers around may have given it another type.
    let said = values(head, "Content-Type").next().and_then(|kind| str::from_utf8(kind).ok());
    match said.unwrap_or(content_type) {
        _ if size < min_size || is_fixed(head) => Gain::None,
        kind if gains(kind, types) => Gain::Some,
        // Or do so with the whole alone, of a file of which nothing is known.
        UNKNOWN => Gain::Unknown,
        _ => Gain::None,
    }
}

/// Tells whether the content has to stay as it is.
fn is_fixed(head: &[u8]) -> bool {
    // A digest is of the bytes as they were to be sent (RFC 9530).
    let names = ["Content-Encoding", "Content-Digest", "Repr-Digest", "Digest", "Content-MD5"];
    names.into_iter().any(|name| values(head, name).next().is_some())
        || says(head, "Cache-Control", "no-transform")
}

/// The content type of a file of which nothing is known.
const UNKNOWN: &str = "application/octet-stream";

/// Tells whether a response's head says already that it depends on what the client accepts.
pub(super) fn varies(response: &ResponseBody) -> bool {
    let head = response.head_so_far();
    says(head, "Vary", "Accept-Encoding") || says(head, "Vary", "*")
}

/// Tells whether a word is in one of the lists of this name.
fn says(head: &[u8], name: &str, word: &str) -> bool {
    values(head, name).any(|list| list_has(list, word))
}
