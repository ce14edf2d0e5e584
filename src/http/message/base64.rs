//! Base64, as `Authorization` has it.

use crate::work;

/// Decodes base64 (RFC 4648 §4); `None` where the text is not base64.
pub(crate) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    let mut decoded = Vec::with_capacity(digits.len() * 3 / 4);
    work::note(digits.len());
    let (mut bits, mut count) = (0_u32, 0);
    for byte in digits.bytes() {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        (bits, count) = (bits << 6 | u32::from(digit), count + 6);
        if count >= 8 {
            count -= 8;
            decoded.push((bits >> count) as u8);
        }
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_decoded() {
        for (text, decoded) in [
            ("QWxhZGRpbjpvcGVuIHNlc2FtZQ==", Some(&b"Aladdin:open sesame"[..])),
            ("YTpi", Some(b"a:b")),
            ("YQ==", Some(b"a")),
            ("YTpi!", None),
        ] {
            assert_eq!(decode_base64(text).as_deref(), decoded, "{text}");
        }
    }
}
