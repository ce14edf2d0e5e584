//! What a client says of its user (RFC 7617).

use crate::http::message::base64::decode_base64;
use crate::http::message::headers::Headers;

/// A name and a password.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) name: String,
    pub(super) password: Vec<u8>,
}

impl Credentials {
    /// The credentials of a request, where it has one field with some, and they are no longer than
    /// any that could be right.
    ///
    /// The work of SHA-crypt grows with the square of a password's length, so that long ones are
    /// not tried.
    pub(super) fn of(headers: &Headers) -> Option<Self> {
        let mut fields = headers.get_all("Authorization");
        let (Some(field), None) = (fields.next(), fields.next()) else { return None };
        let (scheme, text) = field.split_once(' ')?;
        let text = text.trim_matches(' ');
        if !scheme.eq_ignore_ascii_case("Basic") || text.len() > LONGEST {
            return None;
        }
        let mut name = decode_base64(text)?;
        let colon = name.iter().position(|&byte| byte == b':')?;
        let password = name.split_off(colon + 1);
        name.pop();
        if name.iter().chain(&password).any(u8::is_ascii_control) || password.len() > LONGEST_WORD {
            return None;
        }
        Some(Self { name: String::from_utf8(name).ok()?, password })
    }
}

/// Bytes of a password.
const LONGEST_WORD: usize = 255;

/// Bytes of a name and a password, encoded.
const LONGEST: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fields: &[&str]) -> Option<(String, Vec<u8>)> {
        let mut headers = Headers::default();
        fields.iter().for_each(|value| headers.push_text("authorization", value));
        Credentials::of(&headers).map(|it| (it.name, it.password))
    }

    #[test]
    fn one_field_of_the_scheme_is_read() {
        let found = |name: &str, word: &str| Some((name.to_owned(), word.as_bytes().to_vec()));
        for (field, expected) in [
            ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", found("Aladdin", "open sesame")),
            ("bAsIc  YTpi", found("a", "b")),
            ("Basic dGVzdDoxMjPCow==", found("test", "123\u{a3}")),
            ("Basic YTpiOmM=", found("a", "b:c")),
            ("Basic Og==", found("", "")),
            ("Basic YQ==", None),
            ("Basic", None),
            ("Basic ", None),
            ("Basic YTpi YTpi", None),
            ("Basic YTpi,", None),
            ("Bearer YTpi", None),
            // A line end, NUL, and a name that is no UTF-8.
            ("Basic YTpiCg==", None),
            ("Basic YQA6Yg==", None),
            ("Basic 6TpiCg==", None),
            ("", None),
        ] {
            assert_eq!(of(&[field]), expected, "{field}");
        }
        assert_eq!(of(&[]), None);
        assert_eq!(of(&["Basic YTpi", "Basic YTpi"]), None);
    }

    #[test]
    fn what_is_too_long_is_not_tried() {
        // `a:` and 253 or 256 letters.
        let encoded = |groups: usize| format!("Basic YTpi{}", "YmJi".repeat(groups));
        assert!(of(&[&encoded(84)]).is_some_and(|(_, word)| word.len() == 253));
        assert_eq!(of(&[&encoded(85)]), None);
        assert_eq!(of(&[&encoded(20_000)]), None);
    }
}
