//! A listing for programs.

use super::Piece;
use super::entries::Entry;
use crate::http::files::tree::Content;
use crate::http::message::date;
use crate::http::message::json::push_string;
use crate::http::url::quote;

pub(super) const TYPE: &str = "application/json";

/// Appends the next piece of the array: its members are documented at
/// [`Listing::Table`](crate::http::Listing::Table).
pub(super) fn push(json: &mut String, piece: Piece<'_>) {
    match piece {
        Piece::Start { .. } => json.push('['),
        Piece::Entry { entry, is_first } => {
            json.push_str(if is_first { "\n" } else { ",\n" });
            push_object(json, &entry);
        }
        Piece::End => json.push_str("\n]\n"),
    }
}

fn push_object(json: &mut String, entry: &Entry<'_>) {
    json.push_str("{\"name\":");
    push_string(json, &String::from_utf8_lossy(entry.name));
    json.push_str(",\"kind\":\"");
    json.push_str(match entry.content {
        Some(Content::Directory) => "directory",
        Some(Content::File(_)) => "file",
        Some(Content::Other) => "other",
        None if entry.is_link => "link",
        None => "other",
    });
    json.push_str("\",\"size\":");
    match entry.content {
        Some(Content::File(size)) => json.push_str(&size.to_string()),
        _ => json.push_str("null"),
    }
    json.push_str(",\"mtime\":");
    match entry.modified.and_then(date::rfc3339) {
        Some(time) => json.extend(["\"", &time, "\""]),
        None => json.push_str("null"),
    }
    let end = if entry.is_directory() { "/\"}" } else { "\"}" };
    json.extend([",\"href\":\"./", &quote(entry.name), end]);
}

#[cfg(test)]
mod tests {
    use super::super::entries::tests::{entries, file};
    use super::super::{Piece, order::Order};
    use super::*;
    use crate::http::files::tree::Found;

    fn page(found: &[(&[u8], Found)]) -> String {
        let entries = entries(found.iter().copied());
        let mut json = String::new();
        push(&mut json, Piece::Start { count: entries.len(), order: Order::default() });
        for (index, entry) in entries.iter().enumerate() {
            push(&mut json, Piece::Entry { entry, is_first: index == 0 });
        }
        push(&mut json, Piece::End);
        json
    }

    #[test]
    fn an_empty_directory_is_an_empty_array() {
        assert_eq!(page(&[]), "[\n]\n");
    }

    #[test]
    fn each_kind_has_all_members() {
        let found = |content| Found { content, ..file(0, -1) };
        let link = Found { is_link: true, ..Found::default() };
        let json = page(&[
            (b"d", found(Some(Content::Directory))),
            (b"a\"\xff\n", file(u64::MAX, 1_577_934_245)),
            (b"pipe", found(Some(Content::Other))),
            (b"link", link),
            (b"javascript:x", Found { is_link: true, ..file(0, i64::MAX) }),
            (b"secret", Found::default()),
        ]);
        let before = r#""1969-12-31T23:59:59Z""#;
        let objects = [
            ("d", "directory", "null", before, "./d/"),
            (
                "a\\\"\u{fffd}\\u000a",
                "file",
                "18446744073709551615",
                r#""2020-01-02T03:04:05Z""#,
                "./a%22%FF%0A",
            ),
            ("pipe", "other", "null", before, "./pipe"),
            ("link", "link", "null", "null", "./link"),
            ("javascript:x", "file", "0", "null", "./javascript%3Ax"),
            ("secret", "other", "null", "null", "./secret"),
        ];
        let objects = objects.map(|(name, kind, size, mtime, href)| {
            let start = format!("{{\"name\":\"{name}\",\"kind\":\"{kind}\",\"size\":{size}");
            format!("{start},\"mtime\":{mtime},\"href\":\"{href}\"}}")
        });
        assert_eq!(json, format!("[\n{}\n]\n", objects.join(",\n")));
        assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
    }
}
