//! What is done with a response, by its head.

use super::types::gains;
use crate::http::exchange::ResponseBody;
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
    let has = |name: &str| values(head, name).next().is_some();
    let mut kinds = values(head, "Content-Type");
    let kind = kinds.next().and_then(|kind| str::from_utf8(kind).ok()).unwrap_or_default();
    let is_bodiless = status.is_bodiless() || status.code() == 101 || response.is_tunnel();
    if is_bodiless || kinds.next().is_some() || !gains(kind, types) {
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

/// Tells whether a response's head says already that it depends on what the client accepts.
pub(super) fn varies(response: &ResponseBody) -> bool {
    let head = response.head_so_far();
    says(head, "Vary", "Accept-Encoding") || says(head, "Vary", "*")
}

/// Tells whether a word is in one of the lists of this name.
fn says(head: &[u8], name: &str, word: &str) -> bool {
    values(head, name).any(|list| list_has(list, word))
}
