//! What a part says of itself: its headers, name, file name and type.

use super::error::FormError;
use super::header::{HeaderParams, parse_header};
use super::limits::FormLimits;
use crate::http::message::headers::Headers;
use crate::work;

/// What a part of a form says of itself.
///
/// A field of a URL-encoded form has a name, and nothing else (Python's `MiniFieldStorage`).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PartHead {
    /// The field's name. `None` in a part without a name, which the standard asks for (RFC 7578
    /// §4.2) and CPython does not.
    pub name: Option<String>,
    /// The file's name as the client knows it, where the part is a file.
    ///
    /// May be empty, as of a file that was not chosen, and may be anything: see
    /// [`safe_filename`](super::safe_filename) before you use it. `filename*` comes first where it
    /// can be read (RFC 8187); CPython does not decode it, and takes the part for text.
    pub filename: Option<String>,
    /// All headers of the part, as text of UTF-8.
    pub headers: Headers,
    /// The value of `Content-Disposition`, usually `form-data`; empty without one.
    pub disposition: String,
    /// The parameters of `Content-Disposition`, as they are written.
    pub disposition_options: HeaderParams,
    /// The content type without its parameters. `text/plain` where a part has no type, empty for a
    /// field of a URL-encoded form.
    #[doc(alias = "type")]
    pub content_type: String,
    /// The parameters of the content type.
    pub type_options: HeaderParams,
}

impl PartHead {
    /// Reads the head of a part, without the empty line at its end.
    pub(super) fn parse(head: &[u8], limits: &FormLimits) -> Result<Self, FormError> {
        let headers = headers(&String::from_utf8_lossy(head), limits.max_part_headers)?;
        let disposition = headers.get("Content-Disposition").unwrap_or_default();
        let (disposition, options) = parse_header(disposition);
        let disposition = disposition.to_owned();
        let (kind, type_options) =
            parse_header(headers.get("Content-Type").unwrap_or("text/plain"));
        let content_type = kind.to_owned();
        let filename = options.get_extended("filename*");
        Ok(Self {
            name: options.get("name").map(unescape),
            filename: filename.or_else(|| options.get("filename").map(unescape)),
            headers,
            disposition,
            disposition_options: options,
            content_type,
            type_options,
        })
    }

    /// A field of a URL-encoded form.
    pub(super) fn named(name: String) -> Self {
        Self { name: Some(name), ..Self::default() }
    }

    /// Tells whether the part is an uploaded file, which it says by having a file name.
    pub fn is_file(&self) -> bool {
        self.filename.is_some()
    }
}

/// Reads lines of headers. A line that begins with a blank continues the one before it, as in mail.
fn headers(head: &str, most: usize) -> Result<Headers, FormError> {
    let mut fields: Vec<(&str, String)> = Vec::new();
    work::note(head.len());
    for line in head.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)) {
        if line.starts_with([' ', '\t']) {
            let (_, value) = fields.last_mut().ok_or(FormError::PartHead)?;
            value.push(' ');
            value.push_str(line.trim());
        } else if !line.is_empty() {
            let (name, value) = line.split_once(':').ok_or(FormError::PartHead)?;
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(FormError::PartHead);
            }
            if fields.len() == most {
                return Err(FormError::TooManyHeaders(most));
            }
            fields.push((name, value.trim().to_owned()));
        }
    }
    let mut headers = Headers::default();
    fields.iter().for_each(|(name, value)| headers.push_text(name, value));
    Ok(headers)
}

/// Undoes what browsers do to quotes and line ends in names, and to nothing else (HTML, "multipart
/// form data").
fn unescape(name: &str) -> String {
    work::note(name.len());
    let (mut text, mut rest) = (String::with_capacity(name.len()), name);
    while let Some(position) = rest.find('%') {
        text.push_str(&rest[..position]);
        let escape = rest.get(position..position + 3).unwrap_or("%");
        let (character, length) = match escape {
            "%22" => ('"', 3),
            "%0D" | "%0d" => ('\r', 3),
            "%0A" | "%0a" => ('\n', 3),
            _ => ('%', 1),
        };
        text.push(character);
        rest = &rest[position + length..];
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Result<PartHead, FormError> {
        PartHead::parse(text.as_bytes(), &FormLimits::default())
    }

    #[test]
    fn names_come_as_every_browser_writes_them() {
        for (written, name) in [
            (r#"filename="a%22b.txt""#, "a\"b.txt"), // Chrome, Firefox, Safari
            (r#"filename="a\"b.txt""#, "a\"b.txt"),  // curl, older Firefox
            (r#"filename="a\\b.txt""#, "a\\b.txt"),  // curl
            (r#"filename="C:\dir\b.txt""#, "C:\\dir\\b.txt"), // Internet Explorer
            (r#"filename="%0D%0a%41%""#, "\r\n%41%"),
            (r#"filename="naïve €.txt""#, "naïve €.txt"),
            ("filename=plain.txt", "plain.txt"),
            ("filename=\"fallback\"; filename*=UTF-8''%e2%82%ac%22", "€\""),
            ("filename=\"fallback\"; filename*=nonsense", "fallback"),
            ("filename*=utf-8'de'na%C3%AFve", "naïve"),
        ] {
            let head = head(&format!("content-disposition: form-data; name=x; {written}"))
                .expect("a head");
            assert_eq!(head.filename.as_deref(), Some(name), "{written}");
            assert_eq!(head.name.as_deref(), Some("x"), "{written}");
        }
    }

    #[test]
    fn a_part_without_headers_is_text_without_a_name() {
        let head = head("").expect("a head");
        assert_eq!(
            (head.name, head.filename, head.content_type.as_str()),
            (None, None, "text/plain")
        );
    }

    #[test]
    fn headers_may_be_folded_and_must_be_headers() {
        let folded = head("Content-Disposition: form-data;\r\n\tname=\"a\"\nX: 1").expect("a head");
        assert_eq!((folded.name.as_deref(), folded.headers.get("x")), (Some("a"), Some("1")));
        for bad in ["no colon", ": empty", "a b: c", " folded: first", "n\u{e4}me: x"] {
            assert!(matches!(head(bad), Err(FormError::PartHead)), "{bad}");
        }
        let many = "X: 1\r\n".repeat(17);
        assert!(matches!(head(&many), Err(FormError::TooManyHeaders(16))));
    }
}
