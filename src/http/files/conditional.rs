//! Whether a request is to be carried out, by what the client has (RFC 9110 §13).

use std::time::{SystemTime, UNIX_EPOCH};

use super::etag::{EntityTag, Validators};
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
/// that the kernel sets. What is no list of entity tags names none in `If-Match`; in
/// `If-None-Match` it does for methods that are no reading, so that nothing is lost.
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
        if find(headers, "If-Match", current, Comparison::Strong) != Listed::Named {
            return Precondition::Failed;
        }
    } else if let (Some(date), Some(current)) = (date(headers, "If-Unmodified-Since"), current)
        && current.last_modified.map_or(current.changed >= date, |modified| modified > date)
    {
        return Precondition::Failed;
    }
    let last_modified = current.and_then(|current| current.last_modified);
    if headers.contains("If-None-Match") {
        match find(headers, "If-None-Match", current, Comparison::Weak) {
            Listed::Named if is_read => return Precondition::NotModified,
            // It may be meant as `*`, and what would be replaced is lost.
            Listed::Named | Listed::Malformed if !is_read => return Precondition::Failed,
            _ => {}
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

/// What a list of entity tags says of what is there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Listed {
    /// It does not name it.
    Other,
    /// It does not up to where it is malformed.
    Malformed,
    Named,
}

/// Looks for what is there in the lists of entity tags, or `*`, of this name.
fn find(
    headers: &Headers,
    name: &str,
    current: Option<&Validators>,
    comparison: Comparison,
) -> Listed {
    let Some(current) = current else { return Listed::Other };
    if sole(headers, name) == Some("*") {
        return Listed::Named;
    }
    let tag = current.etag.as_ref().map(EntityTag::as_str);
    let lists = headers.get_all(name).map(|list| find_in(list, tag, comparison));
    lists.max().unwrap_or(Listed::Other)
}

fn find_in(list: &str, tag: Option<&str>, comparison: Comparison) -> Listed {
    work::note(list.len());
    let mut rest = list;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return Listed::Other;
        }
        let strong = rest.strip_prefix("W/");
        let is_weak = strong.is_some();
        let quoted = strong.unwrap_or(rest);
        let Some(length) = quoted.strip_prefix('"').and_then(|text| text.find('"')) else {
            return Listed::Malformed;
        };
        let (found, behind) = quoted.split_at(length + 2);
        if Some(found) == tag && !(is_weak && comparison == Comparison::Strong) {
            return Listed::Named;
        }
        rest = behind.trim_start_matches([' ', '\t']);
        if !rest.is_empty() && !rest.starts_with(',') {
            return Listed::Malformed;
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
pub(crate) fn parse_date(text: &str) -> Option<SystemTime> {
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
