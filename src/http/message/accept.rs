//! Which of the types that a handler has a client would rather have (RFC 9110 §12.5.1).

use super::accept_encoding::weight;
use super::headers::Headers;
use super::text::trim_blanks;
use crate::work;

/// How much a client wants a type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Wanted {
    /// Thousandths.
    quality: u16,
    /// How closely it was named: 1 by `*/*`, 2 by its first half, 3 by itself.
    closeness: u8,
}

/// Tells whether a client would rather have `other` than `usual`, both as `text/html`.
///
/// The larger weight decides, and where they are equal, whether the type is named or only meant by
/// a pattern: `application/json, */*` asks for JSON. Where that is equal, too, it is not.
pub(crate) fn prefers(headers: &Headers, other: &str, usual: &str) -> bool {
    let other = wanted(headers, other);
    other.quality > 0 && other > wanted(headers, usual)
}

/// Tells whether a client takes a type: by its name, by a pattern, or by saying nothing.
pub(crate) fn allows(headers: &Headers, name: &str) -> bool {
    !headers.contains("Accept") || wanted(headers, name).quality > 0
}

/// Tells whether a client takes a type and names it, which no pattern does.
pub(crate) fn names(headers: &Headers, name: &str) -> bool {
    let wanted = wanted(headers, name);
    wanted.quality > 0 && wanted.closeness == 3
}

/// What the closest range says of a type; of several that are equally close the first one.
fn wanted(headers: &Headers, name: &str) -> Wanted {
    let half = name.split('/').next().unwrap_or_default();
    let mut found = Wanted::default();
    for value in headers.get_all("Accept") {
        work::note(value.len());
        for range in value.split(',') {
            let mut parts = range.split(';').map(trim_blanks);
            let range = parts.next().unwrap_or_default();
            let closeness = match range.split_once('/') {
                _ if range.eq_ignore_ascii_case(name) => 3,
                Some((first, "*")) if first.eq_ignore_ascii_case(half) => 2,
                Some(("*", "*")) => 1,
                _ => continue,
            };
            if closeness > found.closeness {
                let parameter = parts.find(|it| it.starts_with("q=") || it.starts_with("Q="));
                let quality = parameter.map_or(1000, |it| weight(it).unwrap_or(0));
                found = Wanted { quality, closeness };
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_named_or_meant_or_refused() {
        for (accept, is_allowed, is_named) in [
            (None, true, false),
            (Some("*/*"), true, false),
            (Some("text/*;q=0.1"), true, false),
            (Some("text/html,application/xhtml+xml,*/*;q=0.8"), true, true),
            (Some("Text/HTML;q=0.001"), true, true),
            (Some("text/html;q=0, */*"), false, false),
            (Some("application/json"), false, false),
            (Some("image/avif,image/webp,*/*;q=0"), false, false),
            (Some(""), false, false),
        ] {
            let mut headers = Headers::default();
            if let Some(field) = accept {
                headers.push_text("Accept", field);
            }
            assert_eq!(allows(&headers, "text/html"), is_allowed, "{accept:?}");
            assert_eq!(names(&headers, "text/html"), is_named, "{accept:?}");
        }
    }

    #[test]
    fn the_larger_weight_decides_and_then_the_closer_name() {
        let prefers_json = |fields: &[&str]| {
            let mut headers = Headers::default();
            for field in fields {
                headers.push_text("Accept", field);
            }
            prefers(&headers, "application/json", "text/html")
        };
        for accept in [
            "application/json",
            "Application/JSON;charset=utf-8",
            "application/json, text/plain, */*",
            "application/json, */*;q=0.5",
            "text/html;q=0.9,application/json",
            "application/json;q=0.001",
            "text/html;q=0, */*",
            "text/*;q=0.3,\tapplication/*;q=0.4",
            "text/html;q=2, application/json;q=0.1",
            "application/json;level=1; q=0.5, text/html;q=0.4999",
        ] {
            assert!(prefers_json(&[accept]), "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "text/html",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "text/html, application/json",
            "application/json, text/html",
            "application/json;q=0",
            "application/json;q=0.5, text/html",
            "application/json;q=0.5, */*",
            "application/json;q=x",
            "application/jsonp",
            "json",
            "image/*",
        ] {
            assert!(!prefers_json(&[accept]), "{accept}");
        }
        assert!(!prefers_json(&[]));
        assert!(prefers_json(&["text/html;q=0.2", "application/json"]));
    }
}
