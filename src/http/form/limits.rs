//! What a form may cost.

/// Bounds on a form. A client that passes one is answered 413.
///
/// Python's `cgi` knows `max_num_fields` and `maxlen`, neither of which is set by default; the
/// head of a part has no bound there at all (gh-79047).
///
/// ```
/// use socketserver::http::form::{FormLimits, FormOptions};
///
/// let large = FormLimits::default().max_part_bytes(4 << 30).max_bytes(4 << 30);
/// let options = FormOptions::default().limits(large);
/// # let _ = options;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct FormLimits {
    pub(super) max_num_fields: usize,
    pub(super) max_parts: usize,
    pub(super) max_part_headers: usize,
    pub(super) max_part_header_bytes: usize,
    pub(super) max_part_bytes: u64,
    pub(super) max_field_bytes: usize,
    pub(super) max_memory: usize,
    pub(super) max_bytes: u64,
}

impl Default for FormLimits {
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

impl FormLimits {
    /// Fields of a form, those of the query and uploaded files included. Defaults to 1,000.
    pub fn max_num_fields(mut self, fields: usize) -> Self {
        self.max_num_fields = fields;
        self
    }

    /// Parts of a multipart body. Defaults to 1,000.
    pub fn max_parts(mut self, parts: usize) -> Self {
        self.max_parts = parts;
        self
    }

    /// Headers of one part. Defaults to 16.
    pub fn max_part_headers(mut self, headers: usize) -> Self {
        self.max_part_headers = headers;
        self
    }

    /// Bytes of the headers of one part, with their line ends. Defaults to 8 KiB.
    pub fn max_part_header_bytes(mut self, bytes: usize) -> Self {
        self.max_part_header_bytes = bytes;
        self
    }

    /// Bytes of one part. Defaults to 64 MiB.
    pub fn max_part_bytes(mut self, bytes: u64) -> Self {
        self.max_part_bytes = bytes;
        self
    }

    /// Bytes of one field that is no file. Defaults to 1 MiB.
    pub fn max_field_bytes(mut self, bytes: usize) -> Self {
        self.max_field_bytes = bytes;
        self
    }

    /// Bytes of all fields that are no files, which [`FieldStorage`](super::FieldStorage) keeps in
    /// memory. Files share what is left of it before they go to the disk. Defaults to 4 MiB.
    pub fn max_memory(mut self, bytes: usize) -> Self {
        self.max_memory = bytes;
        self
    }

    /// Bytes of the whole body. Defaults to 128 MiB.
    #[doc(alias = "maxlen")]
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }
}
