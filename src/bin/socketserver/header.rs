//! Headers from the command line.

/// A header that can be sent.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl Header {
    /// Refuses what `send_header` would refuse with each response, and what describes the
    /// response's frame, which only the server knows.
    pub(crate) fn new(name: &str, value: &str) -> Result<Self, String> {
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(format!("{name:?} is not a header name"));
        }
        if FRAMING.iter().any(|own| name.eq_ignore_ascii_case(own)) {
            return Err(format!("the header {name} is set by the server itself"));
        }
        let plain = |character: char| match character {
            '\t' => true,
            character => !character.is_control() && character <= '\u{ff}',
        };
        if !value.chars().all(plain) {
            return Err(format!(
                "the value {value:?} of the header {name} has a character that no header can have"
            ));
        }
        Ok(Self { name: name.to_owned(), value: value.to_owned() })
    }
}

/// A character of a token (RFC 9110 §5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

const FRAMING: [&str; 3] = ["Connection", "Content-Length", "Transfer-Encoding"];
