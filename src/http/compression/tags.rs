//! Entity tags of compressed responses.
//!
//! `"x"` of a handler is `W/"x-gzip"` where the response is compressed: weak, as other encoders
//! make other bytes of the same content, and another one, so that a cache tells both apart.

use std::io;

use crate::http::exchange::Exchange;
use crate::http::message::response_head::values;
use crate::http::message::text::latin1;
use crate::work;

/// Gives a response that is compressed its own tag. What is no tag is removed.
pub(super) fn mark(http: &mut Exchange<'_>) -> io::Result<()> {
    let mut tags = values(http.wfile.head_so_far(), "ETag");
    let Some(tag) = tags.next().map(latin1) else { return Ok(()) };
    let is_only_one = tags.next().is_none();
    drop(tags);
    match marked(&tag).filter(|_| is_only_one) {
        Some(tag) => http.set_header("ETag", tag),
        None => {
            http.wfile.remove_header("ETag");
            Ok(())
        }
    }
}

/// Has the handler send all of something of which the client has a part by its date: both forms
/// have the same date.
pub(super) fn drop_dates(http: &mut Exchange<'_>) {
    if http.headers.contains("If-Range") {
        http.headers.replace("If-Range", |validator| {
            let is_tag = validator.starts_with('"') || validator.starts_with("W/");
            (!is_tag).then(|| "W/\"\"".to_owned())
        });
    }
}

/// Has the handler compare tags of compressed responses as its own.
pub(super) fn translate(http: &mut Exchange<'_>) {
    let came = http.headers.get_all("If-None-Match").filter(|list| list.contains(MARK));
    let came: String = came.collect();
    if !came.is_empty() {
        http.notes.compressed_tags = Some(came);
    }
    for name in ["If-None-Match", "If-Match"] {
        http.headers.replace(name, |list| list.contains(MARK).then(|| unmarked(list)));
    }
}

/// Gives the response to a client that has it compressed the tag that it has; to one that shows no
/// tag, the one that the whole would have (RFC 9110 §15.4.5).
pub(super) fn answer_not_modified(http: &mut Exchange<'_>, is_compressed: bool) -> io::Result<()> {
    let shows_tag = http.headers.get_all("If-None-Match").any(|list| list.trim() != "*");
    if is_compressed && !shows_tag {
        return mark(http);
    }
    let Some(came) = http.notes.compressed_tags.take() else { return Ok(()) };
    let tag = values(http.wfile.head_so_far(), "ETag").next().map(latin1);
    match tag.and_then(|tag| marked(&tag)).filter(|tag| came.contains(&**tag)) {
        Some(tag) => http.set_header("ETag", tag),
        None => Ok(()),
    }
}

fn marked(tag: &str) -> Option<String> {
    let quoted = tag.strip_prefix("W/").unwrap_or(tag);
    let text = quoted.strip_prefix('"')?.strip_suffix('"').filter(|text| !text.contains('"'))?;
    Some(format!("W/\"{text}{MARK}"))
}

/// A list of tags with those of compressed responses as the handler has them.
fn unmarked(list: &str) -> String {
    work::note(list.len());
    let mut other = String::with_capacity(list.len());
    let mut rest = list;
    while let Some(start) = rest.find('"') {
        let (before, quoted) = rest.split_at(start);
        let Some(length) = quoted[1..].find('"') else { break };
        let (tag, behind) = quoted.split_at(length + 2);
        match (before.strip_suffix("W/"), tag.strip_suffix(MARK)) {
            (Some(before), Some(text)) => {
                other.push_str(before);
                other.push_str(text);
                other.push('"');
            }
            _ => {
                other.push_str(before);
                other.push_str(tag);
            }
        }
        rest = behind;
    }
    other.push_str(rest);
    other
}

/// How such a tag ends.
const MARK: &str = "-gzip\"";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_marked_and_come_back() {
        for (tag, expected) in [
            ("\"x\"", Some("W/\"x-gzip\"")),
            ("W/\"x\"", Some("W/\"x-gzip\"")),
            ("\"\"", Some("W/\"-gzip\"")),
            ("\"x-gzip\"", Some("W/\"x-gzip-gzip\"")),
            ("x", None),
            ("\"x", None),
            ("\"", None),
            ("\"x\", \"y\"", None),
        ] {
            assert_eq!(marked(tag).as_deref(), expected, "{tag}");
        }
        for (list, expected) in [
            ("W/\"x-gzip\"", "\"x\""),
            ("\"a\", W/\"x-gzip\",W/\"y-gzip\" , W/\"z\"", "\"a\", \"x\",\"y\" , W/\"z\""),
            // Not ours.
            ("\"x-gzip\"", "\"x-gzip\""),
            ("\"W/\", \"x-gzip\"", "\"W/\", \"x-gzip\""),
            ("W/\"x-gzip", "W/\"x-gzip"),
            ("W/\"-gzip\"", "\"\""),
            ("*", "*"),
            ("\u{e9}W/\"\u{e9}-gzip\"\u{e9}", "\u{e9}\"\u{e9}\"\u{e9}"),
        ] {
            assert_eq!(unmarked(list), expected, "{list}");
        }
    }

    #[test]
    fn lists_cost_what_they_are_long() {
        for unit in ["W/\"x-gzip\",", "\"", "W/", "W/\"", "-gzip\""] {
            assert!(work::assert_linear(unit, 60_000, |length| {
                drop(unmarked(&unit.repeat(length / unit.len())));
            }));
        }
    }
}
