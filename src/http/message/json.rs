//! Text as JSON writes it (RFC 8259 §7).

use std::fmt::Write as _;

use crate::printable::is_unprintable;
use crate::work;

/// Appends a string of JSON, in quotes.
///
/// Escaped is what has to be, and what steers whatever shows the text to a person.
pub(crate) fn push_string(json: &mut String, text: &str) {
    work::note(text.len());
    json.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => json.extend(['\\', character]),
            // JSON writes characters beyond U+FFFF as two.
            _ if is_unprintable(character) => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    // Writing to a string does not fail.
                    let _ = write!(json, "\\u{unit:04x}");
                }
            }
            _ => json.push(character),
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_read_back_and_none_steers() {
        for text in [
            "",
            "a\"\\/",
            "\0\n\u{7f}\u{85}",
            "\u{202e}\u{2028}\u{61c}\u{feff}",
            "\u{e0001}",
            "é☃\u{1f600}",
        ] {
            let mut json = String::new();
            push_string(&mut json, text);
            assert_eq!(serde_json::from_str::<String>(&json).ok().as_deref(), Some(text));
            assert!(!json.chars().any(is_unprintable), "{json:?}");
        }
    }
}
