//! Text that is not ours in lines for people: which characters can be shown, and how the others are
//! written.

use std::fmt::{self, Write};

use crate::work;

/// Tells whether a character does something to what shows it: controls, C1 (U+0080 to U+009F)
/// included, and what ends lines, turns the direction of writing, or cannot be seen. Python's
/// `repr` escapes these, too.
pub(crate) fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Tells whether a text, as almost all are, can be written as it is. Character by character, a line
/// of the log takes 2,300 instructions more, 5 % of a connection of one request (callgrind, as in
/// benches/README.md).
pub(crate) fn is_printable_ascii(text: &str) -> bool {
    // Without a stop at the first other one, the processor looks at several bytes at once.
    text.bytes().fold(true, |is_printable, byte| is_printable & matches!(byte, b' '..=b'~'))
}

/// Writes a character as Python does: `\x1b`, `\u202e`, `\U000e0001`.
pub(crate) fn write_escape(f: &mut impl Write, character: char) -> fmt::Result {
    match u32::from(character) {
        code @ ..=0xff => write!(f, "\\x{code:02x}"),
        code @ ..=0xffff => write!(f, "\\u{code:04x}"),
        code => write!(f, "\\U{code:08x}"),
    }
}

/// Writes text, and escapes what cannot be shown; line ends and tabs as `\n`, `\r` and `\t`.
/// Backslashes stay as they are: what they say can be shown.
pub(crate) fn write_shown(f: &mut impl Write, text: &str) -> fmt::Result {
    if is_printable_ascii(text) {
        return f.write_str(text);
    }
    for character in text.chars() {
        match character {
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            _ if is_unprintable(character) => write_escape(f, character)?,
            _ => f.write_char(character)?,
        }
    }
    Ok(())
}

/// One line, as [`write_shown`] writes it.
pub(crate) fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    // Writing to a string does not fail.
    let _ = write_shown(&mut shown, text);
    shown
}

/// A text as Python's `repr` writes it, cut where it would fill pages and logs.
pub(crate) fn repr(text: &str) -> String {
    quoted(text, repr_quote(text))
}

/// A text in these quotes, escaped and cut as by [`repr`].
pub(crate) fn quoted(text: &str, quote: char) -> String {
    work::note(text.len());
    let mut written = String::with_capacity(text.len() + 2);
    // Writing to a string does not fail.
    let _ = write_quoted(&mut written, text, quote, LONGEST_QUOTE);
    written
}

/// Writes up to `longest` characters of a text in these quotes, escaped as by [`repr`].
pub(crate) fn write_quoted(
    f: &mut impl Write,
    text: &str,
    quote: char,
    longest: usize,
) -> fmt::Result {
    f.write_char(quote)?;
    for (count, character) in text.chars().enumerate() {
        if count == longest {
            f.write_str("...")?;
            break;
        }
        match character {
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            _ if character == quote => write!(f, "\\{quote}")?,
            _ if character == '\u{a0}' || is_unprintable(character) => write_escape(f, character)?,
            _ => f.write_char(character)?,
        }
    }
    f.write_char(quote)
}

/// The quotes that Python's `repr` takes for a text.
pub(crate) fn repr_quote(text: &str) -> char {
    if text.contains('\'') && !text.contains('"') { '"' } else { '\'' }
}

/// Characters of a client's text that an error message quotes.
const LONGEST_QUOTE: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_is_escaped_and_the_rest_is_not() {
        for (text, expected) in [
            ("plain é ☃ e\u{301} \u{a0}\\", "plain é ☃ e\u{301} \u{a0}\\"),
            ("a\n\r\t\0\x1b[31m\x7f", r"a\n\r\t\x00\x1b[31m\x7f"),
            ("\u{80}\u{85}\u{9b}31m\u{9f}", r"\x80\x85\x9b31m\x9f"),
            ("\u{202e}\u{2028}\u{2066}\u{feff}", r"\u202e\u2028\u2066\ufeff"),
            ("\u{e0001}", r"\U000e0001"),
        ] {
            assert_eq!(shown(text), expected);
        }
    }

    #[test]
    fn repr_quotes_as_python_does() {
        assert_eq!(repr("POST"), "'POST'");
        assert_eq!(repr("it's"), "\"it's\"");
        assert_eq!(repr("<b>'x'\""), r#"'<b>\'x\'"'"#);
        assert_eq!(repr("\u{16}\u{3}\\\n\u{ad}é"), r"'\x16\x03\\\n\xadé'");
        assert_eq!(repr(&"x".repeat(300)).len(), 205);
    }
}
