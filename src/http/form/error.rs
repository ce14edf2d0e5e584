//! Why a form is not read.

use std::error::Error;
use std::fmt;
use std::io;

use crate::http::exchange::{Answer, is_full};
use crate::http::message::status::Status;
use crate::printable::repr;

/// Why a form is not read.
///
/// It becomes an [`io::Error`] by `?`, and the request is answered with its
/// [`status`](Self::status); [`io::Error::downcast`] gives it back. Python raises `ValueError` for
/// the boundary, the number of fields and `strict_parsing`, and accepts the rest.
#[derive(Debug)]
#[non_exhaustive]
pub enum FormError {
    /// The boundary is absent, or is not 1 to 201 printable characters of which the last is no
    /// blank.
    Boundary,
    /// The request's `Content-Type` is not `multipart/*`.
    NotMultipart,
    /// The body ended before its last boundary.
    Truncated,
    /// The head of a part has a line that is no header.
    PartHead,
    /// A field of a URL-encoded form has no `=`, and `strict_parsing` was asked for.
    BadField(String),
    /// More than [`max_num_fields`](super::FormLimits::max_num_fields).
    TooManyFields(usize),
    /// More than [`max_parts`](super::FormLimits::max_parts).
    TooManyParts(usize),
    /// More than [`max_part_headers`](super::FormLimits::max_part_headers).
    TooManyHeaders(usize),
    /// More than [`max_part_header_bytes`](super::FormLimits::max_part_header_bytes).
    HeadersTooLong(usize),
    /// More than [`max_part_bytes`](super::FormLimits::max_part_bytes).
    PartTooLong(u64),
    /// More than [`max_field_bytes`](super::FormLimits::max_field_bytes).
    FieldTooLong(usize),
    /// More than [`max_memory`](super::FormLimits::max_memory).
    TooMuchText(usize),
    /// More than [`max_bytes`](super::FormLimits::max_bytes).
    TooLong(u64),
    /// The body cannot be read.
    Read(io::Error),
    /// A file cannot be written.
    Store(io::Error),
}

impl FormError {
    /// How a request with such a form is answered: 413 where it passes a limit, 400 where it is
    /// malformed, 415 where it is no multipart
    /// form and has to be one, 507 where the disk is full, 500 otherwise.
    pub fn status(&self) -> Status {
        match self {
            Self::Boundary | Self::Truncated | Self::PartHead | Self::BadField(_) => {
                Status::BAD_REQUEST
            }
            Self::NotMultipart => Status::UNSUPPORTED_MEDIA_TYPE,
            Self::Store(error) if is_full(error) => Status::INSUFFICIENT_STORAGE,
            Self::Read(_) | Self::Store(_) => Status::INTERNAL_SERVER_ERROR,
            _ => Status::CONTENT_TOO_LARGE,
        }
    }

    /// What the client is told; nothing where the failure is not a matter of its request.
    fn answer(&self) -> Option<&'static Answer> {
        match self {
            Self::Read(_) => None,
            Self::Store(error) => is_full(error).then_some(&NO_ROOM),
            Self::NotMultipart => Some(&NOT_MULTIPART),
            _ if self.status() == Status::CONTENT_TOO_LARGE => Some(&TOO_LARGE),
            _ => Some(&MALFORMED),
        }
    }

    /// The error that a read of a part has wrapped.
    pub(super) fn from_read(error: io::Error) -> Self {
        error.downcast::<Self>().unwrap_or_else(Self::Read)
    }
}

impl fmt::Display for FormError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boundary => f.write_str("Invalid boundary in multipart form"),
            Self::NotMultipart => f.write_str("The form has no parts"),
            Self::Truncated => f.write_str("The multipart form ends early"),
            Self::PartHead => f.write_str("Malformed header in a part of the form"),
            Self::BadField(field) => {
                write!(f, "Bad field in the form ({})", repr(field))
            }
            Self::TooManyFields(most) => write!(f, "More than {most} fields in the form"),
            Self::TooManyParts(most) => write!(f, "More than {most} parts in the form"),
            Self::TooManyHeaders(most) => write!(f, "More than {most} headers in a part"),
            Self::HeadersTooLong(most) => write!(f, "The headers of a part exceed {most} bytes"),
            Self::PartTooLong(most) => write!(f, "A part of the form exceeds {most} bytes"),
            Self::FieldTooLong(most) => write!(f, "A field of the form exceeds {most} bytes"),
            Self::TooMuchText(most) => write!(f, "The fields of the form exceed {most} bytes"),
            Self::TooLong(most) => write!(f, "The form exceeds {most} bytes"),
            Self::Read(error) => write!(f, "The form cannot be read: {error}"),
            Self::Store(error) => write!(f, "The form cannot be stored: {error}"),
        }
    }
}

impl Error for FormError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match (self.answer(), self) {
            (Some(answer), _) => Some(answer),
            (None, Self::Read(error) | Self::Store(error)) => Some(error),
            (None, _) => None,
        }
    }
}

static MALFORMED: Answer = Answer { status: Status::BAD_REQUEST, message: None };
static TOO_LARGE: Answer = Answer { status: Status::CONTENT_TOO_LARGE, message: None };
static NOT_MULTIPART: Answer = Answer { status: Status::UNSUPPORTED_MEDIA_TYPE, message: None };
static NO_ROOM: Answer =
    Answer { status: Status::INSUFFICIENT_STORAGE, message: Some("No room for the form") };

/// What the connection reports stays as it is.
impl From<FormError> for io::Error {
    fn from(error: FormError) -> Self {
        match error {
            FormError::Read(error) => error,
            other => Self::other(other),
        }
    }
}
