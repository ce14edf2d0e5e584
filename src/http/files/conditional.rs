//! Whether a request is to be carried out, by what the client has (RFC 9110 §13).

use std::time::{SystemTime, UNIX_EPOCH};

use super::etag::Validators;
use crate::http::message::headers::Headers;
use crate::http::message::status::Status;
use crate::work;

/// The result of a request's conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precondition {
    /// The request is to be carried out.
    Holds {
        /// A `Range` is to be answered by parts.
        range: bool,
    },
    /// The client has what it asks for: 304.
    NotModified,
    /// What the client means is not what is there: 412.
    Failed,
}

impl Precondition {
    /// The status of the response, unless the request is to be carried out.
    pub(super) fn status(self) -> Option<Status> {
        match self {
            Self::Holds { .. } => None,
            Self::NotModified => Some(Status::NOT_MODIFIED),
            Self::Failed => Some(Status::PRECONDITION_FAILED),
        }
    }
}

/// Evaluates the conditions in the order of RFC 9110 §13.2.2. `current` is what there is now.
///
/// A date counts only if it is the file's own: an older file that is put in the place of a newer
/// one is another file. In CPython a later date does, too; it reads no other condition than
/// `If-Modified-Since`. `If-Unmodified-Since` holds for a later date as well (§13.1.4); where the
/// file has no date that is sent, for one after which nothing was put in its place, by the time
/// that the kernel sets.
pub(crate) fn evaluate(
    command: &str,
    headers: &Headers,
    current: Option<&Validators>,
) -> Precondition {
    let is_condition = |name: &str| name.as_bytes().get(..3).is_some_and(is_if);
    let is_read = matches!(command, "GET" | "HEAD");
    // Ranges are defined for GET alone (§14.2).
    let holds = |range| Precondition::Holds { range: range && command == "GET" };
    if !headers.iter().any(|(name, _)| is_condition(name)) {
        return holds(true);
    }
    if headers.contains("If-Match") {
        if !any_matches(headers, "If-Match", current, Comparison::Strong) {
            return Precondition::Failed;
        }
    } else if let (Some(date), Some(current)) = (date(headers, "If-Unmodified-Since"), current)
        && current.last_modified.map_or(current.changed >= date, |modified| modified > date)
    {
        return Precondition::Failed;
    }
    let last_modified = current.and_then(|current| current.last_modified);
    if headers.contains("If-None-Match") {
        if any_matches(headers, "If-None-Match", current, Comparison::Weak) {
            return if is_read { Precondition::NotModified } else { Precondition::Failed };
        }
    } else if is_read
        && last_modified.is_some()
        && date(headers, "If-Modified-Since") == last_modified
    {
        return Precondition::NotModified;
    }
    holds(!headers.contains("If-Range") || is_range_of(headers, current))
}

fn is_if(start: &[u8]) -> bool {
    start.eq_ignore_ascii_case(b"If-")
}

/// How entity tags are compared (RFC 9110 §8.8.3.2). The server's own are strong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    /// Both have to be strong.
    Strong,
    Weak,
}

/// Tells whether a list of entity tags, or `*`, names what is there.
fn any_matches(
    headers: &Headers,
    name: &str,
    current: Option<&Validators>,
    comparison: Comparison,
) -> bool {
    let Some(current) = current else { return false };
    if sole(headers, name) == Some("*") {
        return true;
    }
    let Some(tag) = &current.etag else { return false };
    headers.get_all(name).any(|list| has_tag(list, tag.as_str(), comparison))
}

/// Tells whether this tag is in a list, up to where the list is malformed.
fn has_tag(list: &str, tag: &str, comparison: Comparison) -> bool {
    work::note(list.len());
    let mut rest = list;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let strong = rest.strip_prefix("W/");
        let is_weak = strong.is_some();
        let quoted = strong.unwrap_or(rest);
        let Some(length) = quoted.strip_prefix('"').and_then(|text| text.find('"')) else {
            return false;
        };
        let (found, behind) = quoted.split_at(length + 2);
        if found == tag && !(is_weak && comparison == Comparison::Strong) {
            return true;
        }
        rest = behind.trim_start_matches([' ', '\t']);
        if !rest.starts_with(',') {
            return false;
        }
    }
}

/// Tells whether `If-Range` names what is there, strongly (RFC 9110 §13.1.5).
fn is_range_of(headers: &Headers, current: Option<&Validators>) -> bool {
    let (Some(validator), Some(current)) = (sole(headers, "If-Range"), current) else {
        return false;
    };
    if validator.starts_with(['"', 'W']) && !validator.starts_with("Wed") {
        return current.etag.is_some_and(|tag| tag.as_str() == validator);
    }
    let last_modified = current.last_modified;
    last_modified.is_some() && date(headers, "If-Range") == last_modified
}

/// The value of a field that is there once.
fn sole<'a>(headers: &'a Headers, name: &'a str) -> Option<&'a str> {
    let mut values = headers.get_all(name);
    values.next().filter(|_| values.next().is_none())
}

/// The second that a field names which has one date.
fn date(headers: &Headers, name: &str) -> Option<i64> {
    let date = parse_date(sole(headers, name)?)?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(date.as_secs()).ok()
}

/// Reads a date of any of HTTP's three forms; the zone may be written as another name of GMT, and
/// the day of the week may be the wrong one.
fn parse_date(text: &str) -> Option<SystemTime> {
    work::note(text.len());
    let zones = ["UTC", "+0000", "-0000"];
    let zone = zones.iter().find_map(|zone| text.strip_suffix(zone));
    let in_gmt = zone.map(|rest| format!("{rest}GMT"));
    let text = in_gmt.as_deref().unwrap_or(text);
    let parsed = httpdate::parse_http_date(text).ok();
    parsed.or_else(|| parse_on_any_weekday(text))
}

fn parse_on_any_weekday(text: &str) -> Option<SystemTime> {
    let end = text.find([',', ' '])?;
    let (name, rest) = text.split_at(end);
    let cut = |weekday: &'static str| if end == 3 { &weekday[..3] } else { weekday };
    if !WEEKDAYS.iter().any(|weekday| cut(weekday) == name) {
        return None;
    }
    let mut dates = WEEKDAYS.iter().map(|weekday| [cut(weekday), rest].concat());
    dates.find_map(|date| httpdate::parse_http_date(&date).ok())
}

const WEEKDAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

#[cfg(test)]
mod tests;
