//! Header values with parameters: `form-data; name="a"; filename="b"`.

use std::fmt;

use percent_encoding::percent_decode_str;

use super::options::Encoding;
use crate::work;

/// Splits a header's value from its parameters: Python's `cgi.parse_header`.
///
/// A parameter's name is in lower case, its value without quotes. `\"` and `\\` in quotes stand for
/// `"` and `\`; any other backslash is itself, as browsers send paths of Windows.
///
/// ```
/// let (value, params) = socketserver::http::form::parse_header("text/html; charset=\"utf-8\"");
/// assert_eq!((value, params.get("charset")), ("text/html", Some("utf-8")));
/// ```
pub fn parse_header(line: &str) -> (&str, HeaderParams) {
    let (value, mut rest) = split(line);
    let mut params = HeaderParams::default();
    while let Some(params_left) = rest {
        let (param, after) = split(params_left);
        if let Some((name, value)) = param.split_once('=') {
            params.0.push((name.trim().to_ascii_lowercase(), unquote(value.trim())));
        }
        rest = after;
    }
    (value.trim(), params)
}

/// The parameters of a header's value, in order.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct HeaderParams(Vec<(String, String)>);

impl HeaderParams {
    /// The value of that parameter, the last one where there are several, as in Python.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut last_first = self.0.iter().rev();
        last_first.find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// All names, in lower case, and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// A value in the extended notation of RFC 8187: `filename*=UTF-8''%e2%82%ac`.
    pub(super) fn get_extended(&self, name: &str) -> Option<String> {
        let value = self.get(name)?;
        let mut pieces = value.splitn(3, '\'');
        let encoding = Encoding::named(pieces.next()?)?;
        let (_language, text) = (pieces.next()?, pieces.next()?);
        Some(encoding.decode(&percent_decode_str(text).collect::<Vec<u8>>()))
    }
}

impl fmt::Debug for HeaderParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Splits at the first semicolon outside quotes.
fn split(text: &str) -> (&str, Option<&str>) {
    let parts = split_at_semicolon(text);
    work::note(parts.0.len());
    parts
}

fn split_at_semicolon(text: &str) -> (&str, Option<&str>) {
    let (mut quoted, mut escaped) = (false, false);
    for (position, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => {
                escaped = matches!(text.as_bytes().get(position + 1), Some(b'"' | b'\\'));
            }
            b'"' => quoted = !quoted,
            b';' if !quoted => return (&text[..position], Some(&text[position + 1..])),
            _ => {}
        }
    }
    (text, None)
}

fn unquote(value: &str) -> String {
    let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    let Some(inner) = inner else { return value.to_owned() };
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars().peekable();
    while let Some(character) = characters.next() {
        let stands_for =
            characters.next_if(|&next| character == '\\' && matches!(next, '"' | '\\'));
        text.push(stands_for.unwrap_or(character));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(line: &str) -> Vec<(String, String)> {
        parse_header(line).1.0
    }

    fn one(line: &str) -> String {
        let params = params(line);
        assert_eq!(params.len(), 1, "{line}: {params:?}");
        params[0].1.clone()
    }

    #[test]
    fn values_are_split_as_python_does() {
        assert_eq!(parse_header(" text/plain ").0, "text/plain");
        assert_eq!(parse_header("").0, "");
        assert_eq!(
            params("attachment; filename=\"strange;name\";size=123; x"),
            [("filename".into(), "strange;name".into()), ("size".into(), "123".into())]
        );
        assert_eq!(one("a; filename=\"strange;name\\\";x\""), "strange;name\";x");
        assert_eq!(one("form-data; NAME = foo "), "foo");
        assert_eq!(one("a; n=\""), "\"");
    }

    #[test]
    fn backslashes_escape_quotes_and_themselves_only() {
        assert_eq!(one(r#"a; n="C:\new\text.txt""#), r"C:\new\text.txt");
        assert_eq!(one(r#"a; n="a\\b\"c""#), r#"a\b"c"#);
        assert_eq!(params(r#"a; n="x\\"; m="y""#).len(), 2);
        assert_eq!(one(r#"a; n="C:\""#), r"C:\");
    }

    #[test]
    fn the_extended_notation_is_decoded_where_its_charset_is_known() {
        let extended = |line: &str| parse_header(line).1.get_extended("n*");
        assert_eq!(extended("a; n*=UTF-8''%e2%82%ac%20x").as_deref(), Some("€ x"));
        assert_eq!(extended("a; n*=iso-8859-1'en'%A3").as_deref(), Some("£"));
        assert_eq!(extended("a; n*=koi8-r''%A3"), None);
        assert_eq!(extended("a; n*=plain"), None);
    }
}
