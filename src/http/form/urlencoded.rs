//! `application/x-www-form-urlencoded`: `name=value&name=value`.

use percent_encoding::percent_decode;

use super::error::FormError;
use super::options::FormOptions;
use crate::work;

/// Splits a text into names and values: Python's `urllib.parse.parse_qsl`.
pub(super) fn parse_qsl(
    text: &[u8],
    options: &FormOptions,
    mut take: impl FnMut(String, String) -> Result<(), FormError>,
) -> Result<(), FormError> {
    if text.is_empty() {
        return Ok(());
    }
    for piece in text.split(|&byte| byte == options.separator) {
        if piece.is_empty() && !options.strict_parsing {
            continue;
        }
        let (name, value) = match piece.iter().position(|&byte| byte == b'=') {
            Some(position) => (&piece[..position], &piece[position + 1..]),
            None if options.strict_parsing => {
                return Err(FormError::BadField(options.encoding.decode(piece)));
            }
            None => (piece, &[][..]),
        };
        if !value.is_empty() || options.keep_blank_values {
            take(decode(name, options), decode(value, options))?;
        }
    }
    Ok(())
}

fn decode(text: &[u8], options: &FormOptions) -> String {
    work::note(text.len());
    let spaced: Vec<u8> = text.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect();
    options.encoding.decode(&percent_decode(&spaced).collect::<Vec<u8>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::form::Encoding;

    fn pairs(text: &str, options: &FormOptions) -> Result<Vec<(String, String)>, FormError> {
        let mut pairs = Vec::new();
        parse_qsl(text.as_bytes(), options, |name, value| {
            pairs.push((name, value));
            Ok(())
        })?;
        Ok(pairs)
    }

    fn shown(text: &str, options: &FormOptions) -> String {
        let pairs = pairs(text, options).expect("a form");
        pairs.iter().map(|(name, value)| format!("({name}:{value})")).collect()
    }

    #[test]
    fn fields_are_split_and_decoded_as_python_does() {
        let plain = FormOptions::default();
        for (text, fields) in [
            ("", ""),
            ("&&a=1&", "(a:1)"),
            ("a=1&a=2&b=c=d", "(a:1)(a:2)(b:c=d)"),
            ("a&b=&c=3", "(c:3)"),
            ("a+b=c%20d%2B%zz%", "(a b:c d+%zz%)"),
            ("a;b=1;2", "(a;b:1;2)"),
            ("n=%C3%A9%ff", "(n:é\u{fffd})"),
        ] {
            assert_eq!(shown(text, &plain), fields, "{text}");
        }
        let blank = FormOptions::default().keep_blank_values(true);
        assert_eq!(shown("a&b=&=&&c=3", &blank), "(a:)(b:)(:)(c:3)");
        let semicolon = FormOptions::default().separator(b';');
        assert_eq!(shown("a=1;b=2&c=3", &semicolon), "(a:1)(b:2&c=3)");
        let latin = FormOptions::default().encoding(Encoding::Latin1);
        assert_eq!(shown("a=%e9", &latin), "(a:é)");
    }

    #[test]
    fn strict_parsing_refuses_a_field_without_an_equals_sign() {
        let strict = FormOptions::default().strict_parsing(true);
        assert_eq!(shown("a=1&b=", &strict), "(a:1)");
        for bad in ["a", "a=1&", "a=1&&b=2"] {
            assert!(matches!(pairs(bad, &strict), Err(FormError::BadField(_))), "{bad}");
        }
    }
}
