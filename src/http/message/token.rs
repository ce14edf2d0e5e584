//! Tokens, as names of headers and of parameters are. The command includes this file, too.

/// Tells whether a text is a token (RFC 9110 §5.6.2).
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| IS_PART[usize::from(byte)])
}

/// Which bytes tokens are made of. By a table a response's two names take 270 instructions less,
/// 2 % of a kept request (callgrind, as in benches/README.md).
static IS_PART: [bool; 256] = {
    let (mut table, mut byte) = ([false; 256], 0);
    while byte < table.len() {
        table[byte] = is_part(byte as u8);
        byte += 1;
    }
    table
};

const fn is_part(byte: u8) -> bool {
    let is_mark = matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.');
    byte.is_ascii_alphanumeric() || is_mark || matches!(byte, b'^'..=b'`' | b'|' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_letters_digits_and_some_marks() {
        assert!(is_token("Content-Type") && is_token("!#$%&'*+-.^_`|~09azAZ"));
        for other in ["", " ", "a b", "a:", "a\t", "\u{e9}", "a\0", "(", "\"", "/", "@", "\x7f"] {
            assert!(!is_token(other), "{other:?}");
        }
        let parts = (0..=255).map(char::from).filter(|part| is_token(&part.to_string()));
        assert_eq!(parts.count(), 26 + 26 + 10 + "!#$%&'*+-.^_`|~".len());
    }
}
