//! What a form may cost.

/// Bounds on a form. Whoever passes one is answered 413.
///
/// Python's `cgi` knows `max_num_fields` and `maxlen`, neither of which is set by default; the
/// head of a part has no bound there at all (gh-79047).
///
/// ```
/// use socketserver::http::form::{FormOptions, Limits};
///
/// let large = Limits { max_part_bytes: 4 << 30, max_bytes: 4 << 30, ..Limits::default() };
/// let options = FormOptions { limits: large, ..FormOptions::default() };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Fields of a form, those of the query and uploaded files included. Defaults to 1,000.
    pub max_num_fields: usize,
    /// Parts of a multipart body. Defaults to 1,000.
    pub max_parts: usize,
    /// Headers of one part. Defaults to 16.
    pub max_part_headers: usize,
    /// Bytes of the headers of one part, with their line ends. Defaults to 8 KiB.
    pub max_part_header_bytes: usize,
    /// Bytes of one part. Defaults to 64 MiB.
    pub max_part_bytes: u64,
    /// Bytes of one field that is no file. Defaults to 1 MiB.
    pub max_field_bytes: usize,
    /// Bytes of all fields that are no files, which [`FieldStorage`](super::FieldStorage) keeps in
    /// memory. Files share what is left of it before they go to the disk. Defaults to 4 MiB.
    pub max_memory: usize,
    /// Bytes of the whole body. Defaults to 128 MiB.
    #[doc(alias = "maxlen")]
    pub max_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_num_fields: 1_000,
            max_parts: 1_000,
            max_part_headers: 16,
            max_part_header_bytes: 8 << 10,
            max_part_bytes: 64 << 20,
            max_field_bytes: 1 << 20,
            max_memory: 4 << 20,
            max_bytes: 128 << 20,
        }
    }
}
