//! Python's ways of writing text: ISO 8859-1, and the escapes of its log and its pages.

use crate::printable::{is_printable_ascii, is_unprintable, write_escape};

use crate::work;

/// Appends bytes as the characters U+0000 to U+00FF.
pub(crate) fn push_latin1(text: &mut String, bytes: &[u8]) {
    work::note(bytes.len());
    match str::from_utf8(bytes) {
        Ok(ascii) if ascii.is_ascii() => text.push_str(ascii),
        _ => text.extend(bytes.iter().map(|&byte| char::from(byte))),
    }
}

/// Bytes as the characters U+0000 to U+00FF.
pub(crate) fn latin1(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    push_latin1(&mut text, bytes);
    text
}

/// Bytes that were looked at once as a whole, so that their parts need not be: 6 % fewer
/// instructions for a kept request with 8 fields (callgrind, as in benches/README.md).
#[derive(Clone, Copy)]
pub(crate) struct Latin1<'a> {
    bytes: &'a [u8],
    ascii: Option<&'a str>,
}

impl<'a> Latin1<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        work::note(bytes.len());
        let ascii = if bytes.is_ascii() { str::from_utf8(bytes).ok() } else { None };
        Self { bytes, ascii }
    }

    /// A part of these bytes as text.
    pub(crate) fn text(&self, part: &[u8]) -> String {
        self.ascii_part(part).map_or_else(|| latin1(part), str::to_owned)
    }

    /// Appends a part of these bytes.
    pub(crate) fn push(&self, text: &mut String, part: &[u8]) {
        match self.ascii_part(part) {
            Some(ascii) => text.push_str(ascii),
            None => push_latin1(text, part),
        }
    }

    fn ascii_part(&self, part: &[u8]) -> Option<&'a str> {
        let start = part.as_ptr().addr().checked_sub(self.bytes.as_ptr().addr())?;
        self.ascii?.get(start..start + part.len())
    }
}

/// Tells whether a file may have this name that a client has chosen: it hides nothing, means no
/// directory, also where `\` parts names, and no file system finds it too long.
#[cfg(any(feature = "files", feature = "forms"))]
pub(crate) fn is_safe_name(name: &str) -> bool {
    work::note(name.len());
    !name.is_empty()
        && !name.starts_with('.')
        && name.trim() == name
        && !name
            .contains(|character: char| character.is_control() || matches!(character, '/' | '\\'))
        && name.len() <= 255
}

/// Appends text as ISO 8859-1; false, and nothing appended, where a character is beyond it.
pub(crate) fn encode_latin1(text: &str, bytes: &mut Vec<u8>) -> bool {
    work::note(text.len());
    if text.is_ascii() {
        bytes.extend_from_slice(text.as_bytes());
        return true;
    }
    if !text.chars().all(|character| u8::try_from(character).is_ok()) {
        return false;
    }
    bytes.extend(text.chars().filter_map(|character| u8::try_from(character).ok()));
    true
}

/// Text without the blanks around it that HTTP allows. `str::trim` would take U+00A0 and U+0085,
/// too, which are bytes of ISO 8859-1 that no other reader of HTTP takes for blanks.
pub(crate) fn trim_blanks(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// Tells whether one of the elements of a list, between commas, is this word.
pub(crate) fn list_has(list: &[u8], word: &str) -> bool {
    let mut elements = list.split(|&byte| byte == b',');
    elements.any(|element| element.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
}

/// A log message without characters that could steer a terminal: what CPython escapes, and of what
/// is beyond ISO 8859-1 what `repr` does.
pub(crate) fn escape_log(message: &str) -> String {
    work::note(message.len());
    if is_printable_ascii(message) && !message.contains('\\') {
        return message.to_owned();
    }
    let mut escaped = String::with_capacity(message.len());
    for character in message.chars() {
        match character {
            '\\' => escaped.push_str("\\\\"),
            // Bytes of a request, which CPython leaves as they are.
            '\u{a0}'..='\u{ff}' => escaped.push(character),
            _ if is_unprintable(character) => push_escape(&mut escaped, character),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// Text for a page: Python's `html.escape(text, quote=False)`.
pub(crate) fn escape_html(text: &str) -> String {
    work::note(text.len());
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

fn push_escape(text: &mut String, character: char) {
    // Writing to a string does not fail.
    let _ = write_escape(text, character);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_gets_no_control_characters() {
        assert_eq!(escape_log("GET /\x1b[31m\\x"), r"GET /\x1b[31m\\x");
        assert_eq!(escape_log("\u{85}\u{a0}\x7f\u{ad}"), "\\x85\u{a0}\\x7f\u{ad}");
        assert_eq!(escape_log("\u{202e}☃\u{2028}\u{e0001}"), "\\u202e☃\\u2028\\U000e0001");
    }

    #[test]
    fn latin1_goes_both_ways() {
        assert_eq!(latin1(b"\xe9\x80a"), "\u{e9}\u{80}a");
        let mut bytes = Vec::new();
        assert!(encode_latin1("é\u{80}a", &mut bytes));
        assert_eq!(bytes, b"\xe9\x80a");
        assert!(!encode_latin1("☃", &mut bytes));
    }
}
