//! How a form is to be read.

use super::limits::FormLimits;

/// How a form is read: the optional arguments of Python's `cgi.FieldStorage`.
///
/// ```
/// use socketserver::http::form::{FormLimits, FormOptions};
///
/// let few = FormLimits::default().max_num_fields(10);
/// let options = FormOptions::default().keep_blank_values(true).limits(few);
/// # let _ = options;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct FormOptions {
    pub(super) keep_blank_values: bool,
    pub(super) strict_parsing: bool,
    pub(super) separator: u8,
    pub(super) encoding: Encoding,
    pub(super) spool_threshold: usize,
    pub(super) limits: FormLimits,
}

impl Default for FormOptions {
    fn default() -> Self {
        Self {
            keep_blank_values: false,
            strict_parsing: false,
            separator: b'&',
            encoding: Encoding::Utf8,
            spool_threshold: 16 << 10,
            limits: FormLimits::default(),
        }
    }
}

impl FormOptions {
    /// Keeps the fields of a URL-encoded form that are empty, as Python's does. Defaults to
    /// `false`.
    ///
    /// The fields of a multipart form are kept in any case.
    pub fn keep_blank_values(mut self, kept: bool) -> Self {
        self.keep_blank_values = kept;
        self
    }

    /// Refuses a URL-encoded form with a field without `=`, instead of leaving the field out.
    /// Defaults to `false`.
    pub fn strict_parsing(mut self, strict: bool) -> Self {
        self.strict_parsing = strict;
        self
    }

    /// What stands between the fields of a URL-encoded form. Defaults to `&`; `;` is a character
    /// like any other unless it is asked for (CVE-2021-23336).
    pub fn separator(mut self, separator: u8) -> Self {
        self.separator = separator;
        self
    }

    /// How text is written. Defaults to UTF-8.
    ///
    /// A part's own `charset`, or else a field `_charset_` before it (RFC 7578 §4.6), comes first,
    /// where it names an [`Encoding`]. CPython ignores both.
    pub fn encoding(mut self, encoding: Encoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// Bytes of a file that are kept in memory; a longer one goes to the disk. Defaults to 16 KiB;
    /// CPython has 1,000 bytes.
    pub fn spool_threshold(mut self, bytes: usize) -> Self {
        self.spool_threshold = bytes;
        self
    }

    /// What the form may cost.
    pub fn limits(mut self, limits: FormLimits) -> Self {
        self.limits = limits;
        self
    }
}

/// An encoding of text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encoding {
    /// UTF-8, and so ASCII. What is neither becomes U+FFFD, as with Python's `errors="replace"`.
    #[default]
    Utf8,
    /// ISO 8859-1, in which every byte is a character.
    Latin1,
}

impl Encoding {
    /// The encoding of that name; `None` for one that this crate does not read.
    ///
    /// What is written in another one is read in the form's encoding, and its bytes are there in
    /// any case: [`Field::file`](super::Field::file).
    pub fn named(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "utf-8" | "utf8" | "us-ascii" | "ascii" => Some(Self::Utf8),
            "iso-8859-1" | "iso8859-1" | "latin-1" | "latin1" => Some(Self::Latin1),
            _ => None,
        }
    }

    /// Bytes as text.
    pub(super) fn decode(self, bytes: &[u8]) -> String {
        match self {
            Self::Utf8 => String::from_utf8_lossy(bytes).into_owned(),
            Self::Latin1 => crate::http::message::text::latin1(bytes),
        }
    }
}
