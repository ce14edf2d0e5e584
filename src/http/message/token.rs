//! Tokens, as names of headers and of parameters are. The command includes this file, too.

/// Tells whether a text is a token (RFC 9110 §5.6.2).
pub(crate) fn is_token(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_part)
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
    }
}
