//! The parts of a multipart body, one by one as they arrive. Knows no socket.

use std::io::Read;

use super::environ::is_multipart;
use super::error::FormError;
use super::header::parse_header;
use super::limits::FormLimits;
use super::part::Part;
use super::part_reader::PartReader;
use crate::http::exchange::Exchange;
use crate::http::exchange::RequestBody;

/// A reader of the parts of a `multipart/form-data` body: Python's `cgi.parse_multipart`, without
/// holding the body anywhere.
///
/// [`next_part`](Self::next_part) gives a [`Part`], which reads its content straight from the
/// source. The source is read in large pieces, and never beyond its own end.
///
/// Line ends may be LF alone. What stands before the first boundary and behind the last one is
/// skipped. A body that ends before its last boundary is an error, as is one without any; CPython
/// takes both for complete. A part that is itself `multipart/mixed` is handed over as it is, where
/// CPython descends into it: make a `Multipart` of that part.
///
/// ```
/// use std::io::{self, Read};
/// use socketserver::http::form::{FormLimits, Multipart};
///
/// let body = "--x\r\nContent-Disposition: form-data; name=\"who\"\r\n\r\nAda\r\n--x--\r\n";
/// let mut form = Multipart::new(body.as_bytes(), "x", FormLimits::default())?;
/// while let Some(mut part) = form.next_part()? {
///     let mut value = String::new();
///     part.read_to_string(&mut value)?;
///     assert_eq!((part.name.as_deref(), value.as_str()), (Some("who"), "Ada"));
/// }
/// # io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Multipart<R>(PartReader<R>);

impl<'a> Multipart<&'a mut RequestBody> {
    /// A reader of a request's parts.
    ///
    /// # Errors
    ///
    /// [`FormError::NotMultipart`], [`FormError::Boundary`]; [`FormError::TooLong`] where the
    /// body's length is known beforehand.
    pub fn read(http: &'a mut Exchange<'_>, limits: FormLimits) -> Result<Self, FormError> {
        let content_type = http.headers.get("Content-Type").unwrap_or_default();
        let (content_type, options) = parse_header(content_type);
        if !is_multipart(content_type) {
            return Err(FormError::NotMultipart);
        }
        if http.rfile.length().is_some_and(|length| length > limits.max_bytes) {
            return Err(FormError::TooLong(limits.max_bytes));
        }
        Self::new(&mut http.rfile, options.get("boundary").unwrap_or_default(), limits)
    }
}

impl<R: Read> Multipart<R> {
    /// A reader of this source, whose parts are separated by this boundary.
    ///
    /// Of `limits`, those that concern parts count; and `max_bytes`, for all that is read.
    ///
    /// # Errors
    ///
    /// [`FormError::Boundary`].
    pub fn new(source: R, boundary: &str, limits: FormLimits) -> Result<Self, FormError> {
        PartReader::new(source, boundary, limits).map(Self)
    }

    /// The next part; `None` behind the last one. What is left of the part before it is skipped.
    ///
    /// # Errors
    ///
    /// A limit was passed, the body is malformed or ends early, the source failed. Another call
    /// is of no use then.
    pub fn next_part(&mut self) -> Result<Option<Part<'_, R>>, FormError> {
        let head = self.0.next_head()?;
        Ok(head.map(|head| Part::new(&mut self.0, head)))
    }
}
